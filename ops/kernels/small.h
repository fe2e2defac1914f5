/* Small products, one after the other: those of a batch, as attention makes them. A library spends
 * more on such a call (packing, choosing a kernel) than on its sums. */
#ifndef WG_OPS_SMALL_H
#define WG_OPS_SMALL_H

#include <wengert/op.h>

typedef struct wg__small_product {
    int64_t m, n, k;
    const float *a; /* element (i, p) at a[i a_row + p a_column] */
    int64_t a_row, a_column;
    const float *b; /* rows ldb apart: [k, n], or [n, k] for dots */
    int64_t ldb;
    float *c; /* [m, n] with row stride ldc */
    int64_t ldc;
} wg__small_product;

typedef struct wg__small_kernels {
    /* c = a b: rows of b weighted and added. Each element is one sum over p in order. */
    void (*rows)(const wg__small_product *p);
    /* c = a b^T with a_column = 1: products of rows with rows. Each element is the sum of
     * as many sums as a vector has lanes, whatever m and n. */
    void (*dots)(const wg__small_product *p);
} wg__small_kernels;

const wg__small_kernels *wg__small_kernels_for(int isa);

#endif
