/* Trees of maps with a loop of their own: what gated cells and their gradients are made of.
 *
 * A call of a block instruction costs about as much as a sum over half its block, and each result
 * on the way is stored and loaded again; so pairs that always come together are one instruction.
 * The slopes are those that the VJP rules of elementwise_unary.c and elementwise.c record. */
#include "patterns.h"

#include "ops_internal.h"

/* Operands of the tree, as in kernels/trees.c. */
enum { A = ~0, B = ~1, C = ~2, D = ~3 };

#define LOOP(NAME, id)                                         \
    static wg_map_fn loop_##id(wg_dtype dtype, int isa)        \
    {                                                          \
        return wg__kernels_for(isa)->map[WG__K_##NAME][dtype]; \
    }
WG_PATTERN_KERNELS(LOOP)
#undef LOOP

#define OP(id) &wg__op_##id
#define TREE(id, inputs, nodes) \
    .loop = loop_##id, .n_in = (inputs), .n_nodes = (nodes), .dtypes = WG_FLOATS

const wg_map_pattern wg__add_patterns[WG__ADD_PATTERNS] = {
    /* a b (1 - c c) + d */
    {TREE(add_tanh_slope_2, 4, 5), .op = {OP(add), OP(mul), OP(mul), OP(one_minus), OP(square)},
     .in = {{1, D}, {2, 3}, {A, B}, {4}, {C}}},
    /* a (1 - b b) + c */
    {TREE(add_tanh_slope, 3, 4), .op = {OP(add), OP(mul), OP(one_minus), OP(square)},
     .in = {{1, C}, {2, A}, {3}, {B}}},
    {TREE(mul_add_mul, 4, 3), .op = {OP(add), OP(mul), OP(mul)}, .in = {{1, 2}, {A, B}, {C, D}}},
    {TREE(mul_add, 3, 2), .op = {OP(add), OP(mul)}, .in = {{1, C}, {A, B}}},
    {TREE(add_3, 3, 2), .op = {OP(add), OP(add)}, .in = {{1, C}, {A, B}}},
};

const wg_map_pattern wg__mul_patterns[WG__MUL_PATTERNS] = {
    /* a (b - c) (d (1 - d)): of lerp's weight, where that is a sigmoid */
    {TREE(sigmoid_slope_sub, 4, 5), .op = {OP(mul), OP(mul), OP(sub), OP(mul), OP(one_minus)},
     .in = {{1, 3}, {A, 2}, {B, C}, {4, D}, {D}}},
    /* a b (c (1 - c)) */
    {TREE(sigmoid_slope_2, 3, 4), .op = {OP(mul), OP(mul), OP(mul), OP(one_minus)},
     .in = {{1, 2}, {A, B}, {3, C}, {C}}},
    /* a b (1 - c c) */
    {TREE(tanh_slope_2, 3, 4), .op = {OP(mul), OP(mul), OP(one_minus), OP(square)},
     .in = {{1, 2}, {A, B}, {3}, {C}}},
    /* a (b (1 - b)) */
    {TREE(sigmoid_slope, 2, 3), .op = {OP(mul), OP(mul), OP(one_minus)},
     .in = {{1, A}, {2, B}, {B}}},
    /* a (1 - b b) */
    {TREE(tanh_slope, 2, 3), .op = {OP(mul), OP(one_minus), OP(square)}, .in = {{1, A}, {2}, {B}}},
    {TREE(mul_one_minus, 2, 2), .op = {OP(mul), OP(one_minus)}, .in = {{1, A}, {B}}},
    {TREE(mul_sub, 3, 2), .op = {OP(mul), OP(sub)}, .in = {{1, A}, {B, C}}},
};

const wg_map_pattern wg__sigmoid_patterns[WG__SIGMOID_PATTERNS] = {
    {TREE(sigmoid_add, 2, 2), .op = {OP(sigmoid), OP(add)}, .in = {{1}, {A, B}}},
};

const wg_map_pattern wg__tanh_patterns[WG__TANH_PATTERNS] = {
    {TREE(tanh_add, 2, 2), .op = {OP(tanh), OP(add)}, .in = {{1}, {A, B}}},
};
