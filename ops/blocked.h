/* Large f32 products by kernels of our own (kernels/block.h), one for each thread. */
#ifndef WG_OPS_BLOCKED_H
#define WG_OPS_BLOCKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/block.h"

/* Is a product of these sizes ours? By instruction set (wg_isa), sizes, and whether the terms of
 * op(b) lie side by side in memory (a b^T) alone. */
bool wg__blocked_fits(int isa, int64_t m, int64_t n, int64_t k, bool terms_together);

/* Bytes of working memory, a multiple of 64, of a product of these sizes by so many threads. */
size_t wg__blocked_room(int64_t m, int64_t n, int64_t k, int threads);

/* c = a b, with p->room of wg__blocked_room(..., threads) bytes. Bits depend on the instruction set
 * alone, never on threads. `threads` holds outside of parallel regions. */
void wg__blocked_run(int isa, const wg__block_product *p, int threads);

#endif
