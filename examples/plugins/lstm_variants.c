/* Three long short-term memories as their papers write them, in one plugin:
 *
 *     cc -std=c17 -O2 -fPIC -shared $(pkg-config --cflags wengert) lstm_variants.c -o variants.so
 *     wengert gradcheck --plugin ./variants.so --cell peephole
 *
 * peephole: gates that see the memory (Gers & Schmidhuber 2000). layernorm-lstm: normalised gates
 * and memory (Ba et al. 2016). separate-gates: a matrix a gate over the concatenated [x; h], the
 * form of most textbooks. Nothing here is tuned: the compiler merges the products, moves those
 * with x out of the loop over time, and fuses what is elementwise. */
#define WENGERT_PLUGIN
#include <wengert.h>

#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))
#define XAVIER(n)                                            \
    {                                                        \
        .kind = WG_INIT_XAVIER_UNIFORM, .a = 1, .gates = (n) \
    }
#define ORTHOGONAL(n)                                    \
    {                                                    \
        .kind = WG_INIT_ORTHOGONAL, .a = 1, .gates = (n) \
    }
#define ONES                             \
    {                                    \
        .kind = WG_INIT_CONSTANT, .a = 1 \
    }
/* Zeros, but 1 in the forget gate, the second of four (Gers et al. 2000). */
#define FORGET_ONE                                                                            \
    {                                                                                         \
        .kind = WG_INIT_CONSTANT, .gates = 4, .gate_mask = 1U << 1, .gate_value = { [1] = 1 } \
    }

static const wg_cell_state states[] = {{"h", "H"}, {"c", "H"}};

/* ---- Peephole connections: Graves 2013, eq. 7-11 (diagonal weights from cell to gate) ---- */

static void peephole_step(wg_step *s, wg_var x, const wg_var *state, wg_var *next)
{
    wg_var h = state[0], c = state[1], gate[4]; /* i, f, z, o */
    wg_split(wg_add(wg_affine(x, wg_p(s, "Wx"), wg_p(s, "b")), wg_matmul(h, wg_p(s, "Wh"))), -1, 4,
             gate);
    wg_var i = wg_sigmoid(wg_add(gate[0], wg_mul(wg_p(s, "pi"), c)));
    wg_var f = wg_sigmoid(wg_add(gate[1], wg_mul(wg_p(s, "pf"), c)));
    wg_var new_c = wg_add(wg_mul(f, c), wg_mul(i, wg_tanh(gate[2])));
    wg_var o = wg_sigmoid(wg_add(gate[3], wg_mul(wg_p(s, "po"), new_c)));
    next[0] = wg_mul(o, wg_tanh(new_c));
    next[1] = new_c;
}

static const wg_cell_param peephole_params[] = {
    {.name = "Wx", .shape = "X,4H", .init = XAVIER(4)},
    {.name = "Wh", .shape = "H,4H", .init = ORTHOGONAL(4)},
    {.name = "b", .shape = "4H", .init = FORGET_ONE},
    {.name = "pi", .shape = "H", .init = {.kind = WG_INIT_UNIFORM, .a = -0.1, .b = 0.1}},
    {.name = "pf", .shape = "H", .init = {.kind = WG_INIT_UNIFORM, .a = -0.1, .b = 0.1}},
    {.name = "po", .shape = "H", .init = {.kind = WG_INIT_UNIFORM, .a = -0.1, .b = 0.1}},
};

static const wg_cell peephole = {
    .size = sizeof(wg_cell),
    .name = "peephole",
    .version = 1,
    .doc = "LSTM with peepholes (Gers & Schmidhuber 2000; Graves 2013, eq. 7-11): i,f see c, "
           "o sees c'",
    .states = states,
    .n_states = COUNT(states),
    .params = peephole_params,
    .n_params = COUNT(peephole_params),
    .step = peephole_step,
};

/* ---- Layer normalisation: Ba et al. 2016, supplement, eq. 20-22 ---- */

#define EPSILON 1e-5

static void layernorm_step(wg_step *s, wg_var x, const wg_var *state, wg_var *next)
{
    wg_var h = state[0], c = state[1], gate[4]; /* i, f, g, o */
    wg_var from_x =
        wg_layer_norm(wg_matmul(x, wg_p(s, "Wx")), wg_p(s, "ax"), wg_p(s, "b"), EPSILON);
    wg_var from_h = wg_layer_norm(wg_matmul(h, wg_p(s, "Wh")), wg_p(s, "ah"), WG_NONE, EPSILON);
    wg_split(wg_add(from_x, from_h), -1, 4, gate);
    next[1] = wg_add(wg_mul(wg_sigmoid(gate[1]), c), wg_mul(wg_sigmoid(gate[0]), wg_tanh(gate[2])));
    wg_var normal = wg_layer_norm(next[1], wg_p(s, "ac"), wg_p(s, "bc"), EPSILON);
    next[0] = wg_mul(wg_sigmoid(gate[3]), wg_tanh(normal));
}

static const wg_cell_param layernorm_params[] = {
    {.name = "Wx", .shape = "X,4H", .init = XAVIER(4)},
    {.name = "Wh", .shape = "H,4H", .init = ORTHOGONAL(4)},
    {.name = "b", .shape = "4H", .init = FORGET_ONE},
    {.name = "ax", .shape = "4H", .init = ONES},
    {.name = "ah", .shape = "4H", .init = ONES},
    {.name = "ac", .shape = "H", .init = ONES},
    {.name = "bc", .shape = "H"},
};

static const wg_cell layernorm = {
    .size = sizeof(wg_cell),
    .name = "layernorm-lstm",
    .version = 1,
    .doc = "LSTM with layer normalisation (Ba et al. 2016, eq. 20-22): LN(x Wx) + LN(h Wh) + b, "
           "h' = s(o) tanh(LN(c'))",
    .states = states,
    .n_states = COUNT(states),
    .params = layernorm_params,
    .n_params = COUNT(layernorm_params),
    .step = layernorm_step,
};

/* ---- A matrix a gate, over [x; h] ---- */

static void separate_step(wg_step *s, wg_var x, const wg_var *state, wg_var *next)
{
    const wg_var both[2] = {x, state[0]};
    wg_var xh = wg_concat(both, 2, -1);
    wg_var i = wg_sigmoid(wg_affine(xh, wg_p(s, "Wi"), wg_p(s, "bi")));
    wg_var f = wg_sigmoid(wg_affine(xh, wg_p(s, "Wf"), wg_p(s, "bf")));
    wg_var g = wg_tanh(wg_affine(xh, wg_p(s, "Wg"), wg_p(s, "bg")));
    wg_var o = wg_sigmoid(wg_affine(xh, wg_p(s, "Wo"), wg_p(s, "bo")));
    next[1] = wg_add(wg_mul(f, state[1]), wg_mul(i, g));
    next[0] = wg_mul(o, wg_tanh(next[1]));
}

static const wg_cell_param separate_params[] = {
    {.name = "Wi", .shape = "X+H,H", .init = XAVIER(1)}, {.name = "bi", .shape = "H"},
    {.name = "Wf", .shape = "X+H,H", .init = XAVIER(1)}, {.name = "bf", .shape = "H", .init = ONES},
    {.name = "Wg", .shape = "X+H,H", .init = XAVIER(1)}, {.name = "bg", .shape = "H"},
    {.name = "Wo", .shape = "X+H,H", .init = XAVIER(1)}, {.name = "bo", .shape = "H"},
};

static const wg_cell separate = {
    .size = sizeof(wg_cell),
    .name = "separate-gates",
    .version = 1,
    .doc = "LSTM with a forget gate (Gers et al. 2000), as textbooks write it: i = s([x;h] Wi + "
           "bi), and f, g, o alike",
    .states = states,
    .n_states = COUNT(states),
    .params = separate_params,
    .n_params = COUNT(separate_params),
    .step = separate_step,
};

static wg_status register_variants(wg_error *err)
{
    wg_status status = wg_register_cell(&peephole, err);
    if (status == WG_OK) status = wg_register_cell(&layernorm, err);
    if (status == WG_OK) status = wg_register_cell(&separate, err);
    return status;
}
WG_PLUGIN_MAIN(lstm_variants, register_variants);
