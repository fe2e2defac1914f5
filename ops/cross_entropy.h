/* One row of cross entropy: what the loss, its gradient and the op that computes both share. */
#ifndef WG_OPS_CROSS_ENTROPY_H
#define WG_OPS_CROSS_ENTROPY_H

#include "ops_internal.h"

typedef struct wg__cross_entropy_attr {
    double smoothing;
} wg__cross_entropy_attr;

/* One kernel call, over contiguous rows of logits. */
typedef struct wg__cross_entropy {
    wg_dtype dtype;
    size_t esize, row_bytes;
    int isa;
    const wg__kernels *k;
    int64_t rows, classes;
    double smoothing;
    const char *x;
    const int32_t *target;
    const uint8_t *mask; /* NULL = all rows count */
    /* What an op has of these is up to it. */
    const char *g; /* gradient of the loss, one a row */
    char *loss, *dx;
} wg__cross_entropy;

/* Operands x, targets and perhaps a mask are in[first..last) of the call. Every target that counts
 * must be a class; the first that is not is named (EINVAL). */
wg_status wg__cross_entropy_prepare(wg__cross_entropy *r, wg_kernel *c, int first, int last);
/* What the loss of row i needs of its logits x besides ln sum e^x, and the loss. */
typedef struct wg__cross_entropy_terms {
    double target, total;
} wg__cross_entropy_terms;
wg__cross_entropy_terms wg__cross_entropy_of(const wg__cross_entropy *r, int64_t i, const char *x);
double wg__cross_entropy_loss(const wg__cross_entropy *r, wg__cross_entropy_terms t, double lse);
/* y = e^(x - max), in place where y is x; returns the sum. Zeros and 1 where no class has a chance
 * (max = -inf). */
double wg__cross_entropy_exp(const wg__cross_entropy *r, const char *x, double max, char *y);
/* y = g (softmax(x) - q) of row i, from y = e^(x - max) and its sum, which are scaled once. What
 * comes out is added to `total` unless that is NULL. */
void wg__cross_entropy_gradient(const wg__cross_entropy *r, int64_t i, char *y, double sum,
                                char *total);

void wg__cross_entropy_put(wg_dtype dtype, char *x, int64_t i, double value);
void wg__cross_entropy_format(const void *attr, size_t attr_size, char *buf, size_t size);

/* cross_entropy_pair.c: loss and gradient in one pass; placed by the compiler. */
extern const wg_op wg__op_cross_entropy_pair;

#endif
