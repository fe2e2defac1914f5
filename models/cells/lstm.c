/* Long short-term memory, and the form of it whose output is projected.
 *
 * The four gates i, f, g, o lie side by side in one row, so that a step is one product with the
 * recurrent weights and the gates are views. */
#include <wengert/cell.h>
#include <wengert/ops.h>

#include "cells.h"

/* Gates of x and h, [B,4H], cut into i, f, g, o; writes the new c and returns the new h before any
 * projection. */
static wg_var lstm_gates(wg_step *s, wg_var x, wg_var h, wg_var c, wg_var *next_c)
{
    wg_var gate[4];
    wg_var all = wg_add(wg_affine(x, wg_p(s, "Wx"), wg_p(s, "b")), wg_matmul(h, wg_p(s, "Wh")));
    wg_split(all, -1, 4, gate);
    wg_var i = wg_sigmoid(gate[0]), f = wg_sigmoid(gate[1]);
    wg_var g = wg_tanh(gate[2]), o = wg_sigmoid(gate[3]);
    *next_c = wg_add(wg_mul(f, c), wg_mul(i, g));
    return wg_mul(o, wg_tanh(*next_c));
}

static void lstm_step(wg_step *s, wg_var x, const wg_var *state, wg_var *next)
{
    next[0] = lstm_gates(s, x, state[0], state[1], &next[1]);
}

static void lstmp_step(wg_step *s, wg_var x, const wg_var *state, wg_var *next)
{
    wg_var h = lstm_gates(s, x, state[0], state[1], &next[1]);
    next[0] = wg_matmul(h, wg_p(s, "Wp"));
}

#define INPUT_WEIGHTS                                      \
    {                                                      \
        .kind = WG_INIT_XAVIER_UNIFORM, .a = 1, .gates = 4 \
    }
#define RECURRENT_WEIGHTS                              \
    {                                                  \
        .kind = WG_INIT_ORTHOGONAL, .a = 1, .gates = 4 \
    }
#define BIAS                                 \
    {                                        \
        .kind = WG_INIT_CONSTANT, .gates = 4 \
    }
enum { FORGET = 1 }; /* the gate's place among i, f, g, o */

static const wg_cell_hyper lstm_hypers[] = {
    {.name = "forget_bias",
     .value = 1,
     .low = -100,
     .high = 100,
     .doc = "initial bias of the forget gate (Gers et al. 2000; Jozefowicz et al. 2015)"},
};

static const wg_cell_state lstm_states[] = {{"h", "H"}, {"c", "H"}};
static const wg_cell_param lstm_params[] = {
    {.name = "Wx", .shape = "X,4H", .init = INPUT_WEIGHTS},
    {.name = "Wh", .shape = "H,4H", .init = RECURRENT_WEIGHTS},
    {.name = "b", .shape = "4H", .init = BIAS, .hyper = "forget_bias", .hyper_gate = FORGET},
};

const wg_cell wg__cell_lstm = {
    .size = sizeof(wg_cell),
    .name = "lstm",
    .version = 1,
    .doc = "Long short-term memory with a forget gate (Hochreiter & Schmidhuber 1997; Gers et al. "
           "2000): i,f,g,o = x Wx + h Wh + b; c' = s(f) c + s(i) tanh(g); h' = s(o) tanh(c')",
    .states = lstm_states,
    .n_states = 2,
    .params = lstm_params,
    .n_params = 3,
    .hypers = lstm_hypers,
    .n_hypers = 1,
    .step = lstm_step,
};

static const wg_cell_state lstmp_states[] = {{"h", "O"}, {"c", "H"}};
static const wg_cell_param lstmp_params[] = {
    {.name = "Wx", .shape = "X,4H", .init = INPUT_WEIGHTS},
    {.name = "Wh", .shape = "O,4H", .init = RECURRENT_WEIGHTS},
    {.name = "b", .shape = "4H", .init = BIAS, .hyper = "forget_bias", .hyper_gate = FORGET},
    {.name = "Wp", .shape = "H,O", .init = {.kind = WG_INIT_XAVIER_UNIFORM, .a = 1}},
};

const wg_cell wg__cell_lstmp = {
    .size = sizeof(wg_cell),
    .name = "lstmp",
    .version = 1,
    .doc = "LSTM with a recurrent projection to the output size, without peepholes (Sak et al. "
           "2014): as lstm, with h' = (s(o) tanh(c')) Wp",
    .states = lstmp_states,
    .n_states = 2,
    .params = lstmp_params,
    .n_params = 4,
    .hypers = lstm_hypers,
    .n_hypers = 1,
    .step = lstmp_step,
};
