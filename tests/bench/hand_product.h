/* Products of the hand-written step: for each shape the fastest of what the two libraries offer on
 * this machine, found by trying them, as an expert would do for a machine of his own. */
#ifndef WENGERT_TESTS_HAND_PRODUCT_H
#define WENGERT_TESTS_HAND_PRODUCT_H

#include <stdbool.h>
#include <stdint.h>

#include <wengert/status.h>

/* c[m,n] = op(a) op(b), or c += where `add`; row-major without gaps; b is the same in `uses`
 * products of a step. */
typedef struct hand_shape {
    bool trans_a, trans_b, add;
    int64_t m, n, k, uses;
} hand_shape;

typedef struct hand_product hand_product;

wg_status hand_product_new(const hand_shape *shape, int threads, hand_product **out, wg_error *err);
void hand_product_free(hand_product *p);
/* "oneDNN", "CBLAS", "oneDNN, transposed copy" ... */
const char *hand_product_choice(const hand_product *p);
/* Packs or transposes b if that is the choice: once after b changed. */
void hand_product_prepare(hand_product *p, const float *b);
void hand_product_run(hand_product *p, const float *a, const float *b, float *c);

#endif
