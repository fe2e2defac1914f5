/* What prints and graphs of a list have in common. Private to core. */
#ifndef WG_CORE_LISTING_H
#define WG_CORE_LISTING_H

#include "tape_internal.h"
#include "text.h"

/* One byte a node of the tape: is it needed for the values out[0..n_out)? n_out < 0: all are. NULL
 * when out of memory; freed with wg_free. */
uint8_t *wg__needed(const wg_tape *tape, const int32_t *out, int n_out);
/* The same for the outputs of a body, slots included. */
uint8_t *wg__needed_by_body(const wg__body *body);
/* Values of the tape for vars; false (with the message) when one is not on it. n_out may be 0. */
wg_status wg__values_of(const wg_tape *tape, const wg_var *out, int n_out, int32_t **values,
                        wg_error *err);
/* The attributes as the op writes them; "" when it has none. Returns buf. */
const char *wg__attr_text(const wg__node *node, char *buf, size_t size);
/* The part of a node's scope below that of `outer` ("enc.0" below "enc" is "0"). */
const char *wg__scope_below(const char *scope, const char *outer);

#endif
