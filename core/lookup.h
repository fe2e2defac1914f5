/* What made a value: resolved when the library is linked, as builtin.h is the other way round. */
#ifndef WG_CORE_LOOKUP_H
#define WG_CORE_LOOKUP_H

#include <wengert/op.h>

/* The op of which v is the only or first output, its operands in in[]. NULL when v is not ok or has
 * more than max_in operands. */
const wg_op *wg__made_by(wg_var v, wg_var *in, int max_in);

#endif
