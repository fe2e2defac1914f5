/* The simple recurrent network (Elman 1990). */
#include <wengert/cell.h>
#include <wengert/ops.h>

#include "cells.h"

static void rnn_step(wg_step *s, wg_var x, const wg_var *state, wg_var *next)
{
    next[0] = wg_tanh(
        wg_add(wg_affine(x, wg_p(s, "Wx"), wg_p(s, "b")), wg_matmul(state[0], wg_p(s, "Wh"))));
}

static const wg_cell_state rnn_states[] = {{"h", "H"}};
static const wg_cell_param rnn_params[] = {
    {.name = "Wx", .shape = "X,H", .init = {.kind = WG_INIT_XAVIER_UNIFORM, .a = 1}},
    {.name = "Wh", .shape = "H,H", .init = {.kind = WG_INIT_ORTHOGONAL, .a = 1}},
    {.name = "b", .shape = "H", .init = {.kind = WG_INIT_CONSTANT}},
};

const wg_cell wg__cell_rnn = {
    .size = sizeof(wg_cell),
    .name = "rnn",
    .version = 1,
    .doc = "Simple recurrent network (Elman 1990): h' = tanh(x Wx + h Wh + b)",
    .states = rnn_states,
    .n_states = 1,
    .params = rnn_params,
    .n_params = 3,
    .step = rnn_step,
};
