/* Loops for trees of sums and products, compiled once for each instruction set.
 *
 * Without contraction to fused multiply-adds, unlike table.c: a fused kernel then gives the very
 * bits that its ops give one by one. It would gain nothing: these loops wait for memory. */
#include "trees.h"

#include "vector.h"

#ifdef __clang__ /* a loop that stays scalar is slower, not wrong */
#pragma clang diagnostic ignored "-Wpass-failed"
#endif

/* Operands a, b, c, d in the order of ops/patterns.c. */
#define LOOP(T, dtype, name, n_in, expr)                                      \
    void WG_TREE(name, dtype)(const wg_map *m)                                \
    {                                                                         \
        const T *pa = m->in[0], *pb = m->in[1];                               \
        const T *pc = m->in[n_in > 2 ? 2 : 0], *pd = m->in[n_in > 3 ? 3 : 0]; \
        T *py = m->out;                                                       \
        const T one = 1;                                                      \
        const int64_t n = m->n;                                               \
        (void)one;                                                            \
        WG_SIMD for (int64_t i = 0; i < n; i++)                               \
        {                                                                     \
            const T a = pa[i], b = pb[i], c = pc[i], d = pd[i];               \
            (void)c, (void)d;                                                 \
            py[i] = (expr);                                                   \
        }                                                                     \
    }
#define TREE(name, n_in, expr)         \
    LOOP(float, f32, name, n_in, expr) \
    LOOP(double, f64, name, n_in, expr)

TREE(add_3, 3, (a + b) + c)
TREE(mul_add, 3, a *b + c)
TREE(mul_add_mul, 4, a *b + c * d)
TREE(mul_one_minus, 2, a *(one - b))
TREE(mul_sub, 3, a *(b - c))
TREE(sigmoid_slope, 2, a *(b *(one - b)))
TREE(sigmoid_slope_2, 3, (a * b) * (c * (one - c)))
TREE(sigmoid_slope_sub, 4, (a * (b - c)) * (d * (one - d)))
TREE(tanh_slope, 2, a *(one - b * b))
TREE(tanh_slope_2, 3, (a * b) * (one - c * c))
TREE(add_tanh_slope, 3, a *(one - b * b) + c)
TREE(add_tanh_slope_2, 4, (a * b) * (one - c * c) + d)
