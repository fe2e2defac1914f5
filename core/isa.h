/* What the compiler asks about the CPU. */
#ifndef WG_CORE_ISA_H
#define WG_CORE_ISA_H

#include <wengert/parallel.h>

/* What products in bf16 lack where kernels may use instruction set `isa` (wg_isa); NULL: nothing.
 */
const char *wg__bf16_missing(int isa);

#endif
