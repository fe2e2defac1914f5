/* The table of kernels of one instruction set: this file is compiled once for each, with
 * WG_ISA_NAME = base, avx2, avx512, from templates that know the dtype only. */
#include "kernels.h"
#include "trees.h"
#include "vecmath.h"
#include "vector.h"

#define WG_ROW_BLOCK 4096 /* elements summed in T before going on in f64 */
#define WG_ROW_PIECE 256  /* the same of exponentials, most of which may be close to 1 */

typedef float vec_f32 __attribute__((vector_size(WG_VECTOR)));
typedef double vec_f64 __attribute__((vector_size(WG_VECTOR)));
typedef int32_t mask_f32 __attribute__((vector_size(WG_VECTOR)));
typedef int64_t mask_f64 __attribute__((vector_size(WG_VECTOR)));

#ifdef __clang__ /* a loop that stays scalar is slower, not wrong */
#pragma clang diagnostic ignored "-Wpass-failed"
#endif

#include "lanes.h"
#include "map_integer.h"
#include "philox.h"

#define T float
#define FN(name) name##_f32
#define M(name) wg__##name##_f32
#define LIBM(name) name##f
#define VEC vec_f32
#define MASK mask_f32
#define LANES ((int64_t)(WG_VECTOR / sizeof(T)))
#define MATH_LOOP WG_SIMD
#include "map_float.h"
#include "row_float.h"
#undef T
#undef FN
#undef M
#undef LIBM
#undef VEC
#undef MASK
#undef LANES
#undef MATH_LOOP

#define T double
#define FN(name) name##_f64
#define M(name) wg__##name##_f64
#define LIBM(name) name
#define VEC vec_f64
#define MASK mask_f64
#define LANES ((int64_t)(WG_VECTOR / sizeof(T)))
#define MATH_LOOP
#define WG_LIBM_MAPS
#include "map_float.h"
#include "row_float.h"

#define TABLE WG_FOR_ISA(wg__kernels_)

#define FLOATS(name)                       \
    {                                      \
        name##_f32, name##_f64, NULL, NULL \
    }
#define NUMBERS(name)                            \
    {                                            \
        name##_f32, name##_f64, name##_i32, NULL \
    }
#define EVERY(name)                                   \
    {                                                 \
        name##_f32, name##_f64, name##_i32, name##_u8 \
    }
#define MASKS(name)                 \
    {                               \
        NULL, NULL, NULL, name##_u8 \
    }
#define ROW(name) .name = {name##_f32, name##_f64}

extern const wg__kernels TABLE;
const wg__kernels TABLE = {
    .map = {[WG__K_ADD] = NUMBERS(add),
            [WG__K_SUB] = NUMBERS(sub),
            [WG__K_MUL] = NUMBERS(mul),
            [WG__K_DIV] = FLOATS(div),
            [WG__K_POW] = FLOATS(pow),
            [WG__K_MIN] = NUMBERS(min),
            [WG__K_MAX] = NUMBERS(max),
            [WG__K_NEG] = FLOATS(neg),
            [WG__K_EXP] = FLOATS(exp),
            [WG__K_LOG] = FLOATS(log),
            [WG__K_SQRT] = FLOATS(sqrt),
            [WG__K_SQUARE] = FLOATS(square),
            [WG__K_RECIPROCAL] = FLOATS(reciprocal),
            [WG__K_ABS] = FLOATS(abs),
            [WG__K_SIGMOID] = FLOATS(sigmoid),
            [WG__K_TANH] = FLOATS(tanh),
            [WG__K_RELU] = FLOATS(relu),
            [WG__K_SOFTPLUS] = FLOATS(softplus),
            [WG__K_GELU] = FLOATS(gelu),
            [WG__K_GELU_TANH] = FLOATS(gelu_tanh),
            [WG__K_ERF] = FLOATS(erf),
            [WG__K_SIN] = FLOATS(sin),
            [WG__K_COS] = FLOATS(cos),
            [WG__K_ONE_MINUS] = FLOATS(one_minus),
            [WG__K_SIGN] = FLOATS(sign),
            [WG__K_LEAKY_RELU] = FLOATS(leaky_relu),
            [WG__K_SCALE] = FLOATS(scale),
            [WG__K_ADD_SCALAR] = FLOATS(add_scalar),
            [WG__K_POW_SCALAR] = FLOATS(pow_scalar),
            [WG__K_CLAMP] = FLOATS(clamp),
            [WG__K_EQ] = EVERY(eq),
            [WG__K_NE] = EVERY(ne),
            [WG__K_LT] = EVERY(lt),
            [WG__K_LE] = EVERY(le),
            [WG__K_GT] = EVERY(gt),
            [WG__K_GE] = EVERY(ge),
            [WG__K_LOGICAL_NOT] = MASKS(logical_not),
            [WG__K_LOGICAL_AND] = MASKS(logical_and),
            [WG__K_LOGICAL_OR] = MASKS(logical_or),
            [WG__K_WHERE] = EVERY(where),
            [WG__K_LERP] = FLOATS(lerp),
            [WG__K_CAST] = EVERY(cast),
            [WG__K_SIGMOID_ADD] = FLOATS(sigmoid_add),
            [WG__K_TANH_ADD] = FLOATS(tanh_add),
#define TREE(NAME, name) [WG__K_##NAME] = {WG_TREE(name, f32), WG_TREE(name, f64), NULL, NULL},
            WG_TREE_KERNELS(TREE)
#undef TREE
    },
    ROW(row_sum),
    ROW(row_max),
    ROW(add_max_row),
    ROW(row_sumsq),
    ROW(row_sumexp),
    ROW(exp_sub_row),
    ROW(softmax_row),
    ROW(softmax_masked_row),
    ROW(log_softmax_row),
    ROW(row_dot),
    ROW(row_axpy),
    ROW(add_rows),
    ROW(scale_add_row),
    .philox_blocks = philox_blocks,
    ROW(uniform),
    ROW(random_mask),
};
