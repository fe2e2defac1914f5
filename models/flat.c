/* Passes over flat arrays of parameters, in f32 and f64 from one source (flat_body.h). They are
 * bound by memory, so vectors of any width do; but vectors it must be, which takes a square root
 * without errno: cmake/WengertLibrary.cmake has the flags of this file. */
#include "flat.h"

#include <math.h>

#define T float
#define ROOT sqrtf
#define NAME(x) x##_f32
#include "flat_body.h"
#undef T
#undef ROOT
#undef NAME

#define T double
#define ROOT sqrt
#define NAME(x) x##_f64
#include "flat_body.h"

void wg__flat_squares(wg_dtype dtype, const void *g, int64_t begin, int64_t end,
                      const wg__flat_grad *grad, wg__flat_sums *sums)
{
    if (dtype == WG_F64)
        squares_f64((const double *)g + begin, end - begin, grad, sums);
    else
        squares_f32((const float *)g + begin, end - begin, grad, sums);
}

double wg__flat_sum(const double sum[16])
{
    double s[16];
    for (int k = 0; k < 16; k++) s[k] = sum[k];
    for (int width = 8; width; width /= 2)
        for (int k = 0; k < width; k++) s[k] += s[k + width];
    return s[0];
}

bool wg__flat_any(wg_dtype dtype, const void *g, int64_t begin, int64_t end)
{
    return dtype == WG_F64 ? any_f64(g, begin, end) : any_f32(g, begin, end);
}

void wg__flat_sgd(wg_dtype dtype, const wg__flat_update *u, int64_t begin, int64_t end)
{
    if (dtype == WG_F64)
        sgd_f64(u, begin, end);
    else
        sgd_f32(u, begin, end);
}

void wg__flat_momentum(wg_dtype dtype, const wg__flat_update *u, int64_t begin, int64_t end)
{
    if (dtype == WG_F64)
        momentum_f64(u, begin, end);
    else
        momentum_f32(u, begin, end);
}

void wg__flat_adam(wg_dtype dtype, const wg__flat_update *u, int64_t begin, int64_t end)
{
    if (dtype == WG_F64)
        adam_f64(u, begin, end);
    else
        adam_f32(u, begin, end);
}
