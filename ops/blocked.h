/* Large f32 products by kernels of our own (kernels/block.h), one for each thread. */
#ifndef WG_OPS_BLOCKED_H
#define WG_OPS_BLOCKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A product of op(a) [m, k] and op(b) [k, n], any strides. */
typedef struct wg__blocked {
    int64_t m, n, k;
    const float *a; /* element (i, p) at a[i a_row + p a_column] */
    int64_t a_row, a_column;
    const float *b; /* element (p, j) at b[p b_row + j b_column] */
    int64_t b_row, b_column;
    float *c; /* [m, n], rows n apart; overlaps nothing */
} wg__blocked;

/* Is a product of these sizes ours? By instruction set (wg_isa), sizes, and whether the terms of
 * op(b) lie side by side in memory (a b^T) alone. */
bool wg__blocked_fits(int isa, int64_t m, int64_t n, int64_t k, bool terms_together);

/* Bytes of working memory, a multiple of 64, of a product of these sizes by so many threads. */
size_t wg__blocked_room(int64_t m, int64_t n, int64_t k, int threads);

/* c = op(a) op(b). `room`: as many bytes, aligned to 64. Each element is a sum of sums over some of
 * its terms in order: bits depend on the instruction set alone, never on threads. `threads` holds
 * outside of parallel regions. */
void wg__blocked_run(int isa, const wg__blocked *p, int threads, void *room);

#endif
