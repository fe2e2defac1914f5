/* Passes over flat arrays of parameters: norms and updates. One call handles one piece; the caller
 * spreads the pieces over threads. Bits do not depend on how updates are cut into pieces, and norms
 * are cut into blocks of a fixed size. */
#ifndef WG_MODELS_FLAT_H
#define WG_MODELS_FLAT_H

#include <wengert/tensor.h>

/* How the gradient is read: clamp(g scale, -limit, limit) factor. limit may be infinite. */
typedef struct wg__flat_grad {
    double scale, limit, factor;
} wg__flat_grad;

/* What one update needs; m and v are NULL where the kind has none. */
typedef struct wg__flat_update {
    void *w;
    const void *g;
    void *m, *v;
    wg__flat_grad grad;
    double lr, keep; /* keep = 1 - lr decay: what weight decay leaves of w */
    double momentum;
    bool nesterov;
    double beta1, beta2, epsilon;
    double correct1, correct2; /* 1 / (1 - beta^t), 1 / sqrt(1 - beta2^t) */
} wg__flat_update;

/* Sixteen sums side by side: the order of additions is fixed, and fits vectors. */
typedef struct wg__flat_sums {
    double plain[16], clipped[16];
} wg__flat_sums;

/* Adds g^2, and where limit is finite clamp(g scale, -limit, limit)^2 as well, over [begin, end);
 * both ends are multiples of 16. */
void wg__flat_squares(wg_dtype dtype, const void *g, int64_t begin, int64_t end,
                      const wg__flat_grad *grad, wg__flat_sums *sums);
double wg__flat_sum(const double sum[16]);

/* Is anything in [begin, end) other than zero? NaN is. */
bool wg__flat_any(wg_dtype dtype, const void *g, int64_t begin, int64_t end);

void wg__flat_sgd(wg_dtype dtype, const wg__flat_update *u, int64_t begin, int64_t end);
void wg__flat_momentum(wg_dtype dtype, const wg__flat_update *u, int64_t begin, int64_t end);
void wg__flat_adam(wg_dtype dtype, const wg__flat_update *u, int64_t begin, int64_t end);

#endif
