/* The inner loops of the built-in ops, compiled once for each instruction set and reached through
 * one table of functions an ISA (never ifunc).
 *
 * Two kinds of entries. Map kernels do one block of an elementwise op and take the wg_map itself.
 * Row kernels do one contiguous row; x and y may be the same memory. Entries for floats are
 * indexed by dtype (WG_F32 = 0, WG_F64 = 1). Every loop has a fixed order of its operations for
 * given n: results depend on the ISA, never on threads, alignment or timing.
 *
 * f32 transcendentals are branch-free polynomials (vecmath.h has them, with their measured errors);
 * those of f64 are libm's. */
#ifndef WG_OPS_KERNELS_H
#define WG_OPS_KERNELS_H

#include <wengert/op.h>
#include <wengert/parallel.h>

#define WG_FLOAT_DTYPES 2

/* Loops for trees of maps (ops/patterns.c has the trees): of sums and products, in trees.c, and of
 * a function of a sum. They give the bits that the ops one by one give. */
#define WG_TREE_KERNELS(X)                  \
    X(ADD_3, add_3)                         \
    X(MUL_ADD, mul_add)                     \
    X(MUL_ADD_MUL, mul_add_mul)             \
    X(MUL_ONE_MINUS, mul_one_minus)         \
    X(MUL_SUB, mul_sub)                     \
    X(SIGMOID_SLOPE, sigmoid_slope)         \
    X(SIGMOID_SLOPE_2, sigmoid_slope_2)     \
    X(SIGMOID_SLOPE_SUB, sigmoid_slope_sub) \
    X(TANH_SLOPE, tanh_slope)               \
    X(TANH_SLOPE_2, tanh_slope_2)           \
    X(ADD_TANH_SLOPE, add_tanh_slope)       \
    X(ADD_TANH_SLOPE_2, add_tanh_slope_2)
#define WG_PATTERN_KERNELS(X)   \
    WG_TREE_KERNELS(X)          \
    X(SIGMOID_ADD, sigmoid_add) \
    X(TANH_ADD, tanh_add)

/* X(NAME, name): elementwise kernels by the name of their op. */
#define WG_MAP_KERNELS(X)       \
    X(ADD, add)                 \
    X(SUB, sub)                 \
    X(MUL, mul)                 \
    X(DIV, div)                 \
    X(POW, pow)                 \
    X(MIN, min)                 \
    X(MAX, max)                 \
    X(NEG, neg)                 \
    X(EXP, exp)                 \
    X(LOG, log)                 \
    X(SQRT, sqrt)               \
    X(SQUARE, square)           \
    X(RECIPROCAL, reciprocal)   \
    X(ABS, abs)                 \
    X(SIGMOID, sigmoid)         \
    X(TANH, tanh)               \
    X(RELU, relu)               \
    X(SOFTPLUS, softplus)       \
    X(GELU, gelu)               \
    X(GELU_TANH, gelu_tanh)     \
    X(ERF, erf)                 \
    X(SIN, sin)                 \
    X(COS, cos)                 \
    X(ONE_MINUS, one_minus)     \
    X(SIGN, sign)               \
    X(LEAKY_RELU, leaky_relu)   \
    X(SCALE, scale)             \
    X(ADD_SCALAR, add_scalar)   \
    X(POW_SCALAR, pow_scalar)   \
    X(CLAMP, clamp)             \
    X(EQ, eq)                   \
    X(NE, ne)                   \
    X(LT, lt)                   \
    X(LE, le)                   \
    X(GT, gt)                   \
    X(GE, ge)                   \
    X(LOGICAL_NOT, logical_not) \
    X(LOGICAL_AND, logical_and) \
    X(LOGICAL_OR, logical_or)   \
    X(WHERE, where)             \
    X(LERP, lerp)               \
    X(CAST, cast)               \
    WG_PATTERN_KERNELS(X)

enum {
#define WG_MAP_ENUM(NAME, name) WG__K_##NAME,
    WG_MAP_KERNELS(WG_MAP_ENUM)
#undef WG_MAP_ENUM
        WG__K_COUNT
};

/* Attributes of the ops with scalars: (slope | factor | term | exponent | low, high). */
typedef struct wg__scalar_attr {
    double a, b;
} wg__scalar_attr;

typedef struct wg__kernels {
    /* map[kernel][dtype of the inputs, as wg_map.dtype]; NULL where an op has no such dtype. */
    void (*map[WG__K_COUNT][WG_DTYPES])(const wg_map *c);

    /* sum of x; 0 for n = 0 */
    double (*row_sum[WG_FLOAT_DTYPES])(const void *x, int64_t n);
    /* largest of x, NaN when there is one; -inf for n = 0 */
    double (*row_max[WG_FLOAT_DTYPES])(const void *x, int64_t n);
    /* y = x + b; returns the largest of y as row_max does */
    double (*add_max_row[WG_FLOAT_DTYPES])(const void *x, const void *b, void *y, int64_t n);
    /* sum of x x */
    double (*row_sumsq[WG_FLOAT_DTYPES])(const void *x, int64_t n);
    /* sum of e^(x - m), for no x above m */
    double (*row_sumexp[WG_FLOAT_DTYPES])(const void *x, double m, int64_t n);
    /* y = e^(x - m), for no x above m; returns the sum of y */
    double (*exp_sub_row[WG_FLOAT_DTYPES])(const void *x, double m, void *y, int64_t n);
    /* y = softmax(x); a row of -inf gives zeros */
    void (*softmax_row[WG_FLOAT_DTYPES])(const void *x, void *y, int64_t n);
    /* as softmax_row over the entries with mask != 0; the others are exactly 0, whatever x holds
     * there */
    void (*softmax_masked_row[WG_FLOAT_DTYPES])(const void *x, const uint8_t *mask, void *y,
                                                int64_t n);
    /* y = x - ln sum e^x */
    void (*log_softmax_row[WG_FLOAT_DTYPES])(const void *x, void *y, int64_t n);
    /* sum of a b, and y += a x: for gradients of rows */
    double (*row_dot[WG_FLOAT_DTYPES])(const void *a, const void *b, int64_t n);
    void (*row_axpy[WG_FLOAT_DTYPES])(double a, const void *x, void *y, int64_t n);

    /* y += x_j for each row x_j of n elements, one after the other, `stride` elements apart */
    void (*add_rows[WG_FLOAT_DTYPES])(const void *x, int64_t stride, int64_t rows, void *y,
                                      int64_t n);
    /* y = factor y + term, then sum += y where sum is not NULL: gradients of rows and their sum */
    void (*scale_add_row[WG_FLOAT_DTYPES])(double factor, double term, void *y, void *sum,
                                           int64_t n);

    /* out[4 i ..] = the four words of Philox for counter (counter[0] + i, counter[1..3]), i < n */
    void (*philox_blocks)(const uint32_t counter[4], const uint32_t key[2], int64_t n,
                          uint32_t *out);
    /* y = word's upper 24 bits as a number in [0, 1); f64 adds 29 bits of `more` below them */
    void (*uniform[WG_FLOAT_DTYPES])(const uint32_t *word, const uint32_t *more, int64_t n,
                                     void *y);
    /* y = upper 24 bits of word >= least ? kept : 0 */
    void (*random_mask[WG_FLOAT_DTYPES])(const uint32_t *word, uint32_t least, double kept,
                                         int64_t n, void *y);
} wg__kernels;

/* The table of an instruction set; that of the best one below it where the library was built
 * without it. */
const wg__kernels *wg__kernels_for(int isa);

#endif
