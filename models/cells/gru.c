/* Gated recurrent unit, in the two forms that are both called so.
 *
 * They differ in where the reset gate acts: on the product of the old state with the recurrent
 * weights ("gru", the form of cuDNN and PyTorch, which needs one recurrent product a step), or on
 * the state before that product ("gru-reset-before", the original, which needs two). In both z
 * keeps the old state. */
#include <wengert/cell.h>
#include <wengert/ops.h>

#include "cells.h"

static void gru_step(wg_step *s, wg_var x, const wg_var *state, wg_var *next)
{
    wg_var from_x[3], from_h[3]; /* r, z, n */
    wg_split(wg_affine(x, wg_p(s, "Wx"), wg_p(s, "b")), -1, 3, from_x);
    wg_split(wg_matmul(state[0], wg_p(s, "Wh")), -1, 3, from_h);
    wg_var r = wg_sigmoid(wg_add(from_x[0], from_h[0]));
    wg_var z = wg_sigmoid(wg_add(from_x[1], from_h[1]));
    wg_var n = wg_tanh(wg_add(from_x[2], wg_mul(r, wg_add(from_h[2], wg_p(s, "bhn")))));
    next[0] = wg_lerp(n, state[0], z);
}

static void gru_reset_before_step(wg_step *s, wg_var x, const wg_var *state, wg_var *next)
{
    wg_var from_x[3], from_h[2]; /* r, z, n */
    wg_split(wg_affine(x, wg_p(s, "Wx"), wg_p(s, "b")), -1, 3, from_x);
    wg_split(wg_matmul(state[0], wg_p(s, "Wh")), -1, 2, from_h);
    wg_var r = wg_sigmoid(wg_add(from_x[0], from_h[0]));
    wg_var z = wg_sigmoid(wg_add(from_x[1], from_h[1]));
    wg_var n = wg_tanh(wg_add(from_x[2], wg_matmul(wg_mul(r, state[0]), wg_p(s, "Whn"))));
    next[0] = wg_lerp(n, state[0], z);
}

static const wg_cell_state gru_states[] = {{"h", "H"}};

static const wg_cell_param gru_params[] = {
    {.name = "Wx", .shape = "X,3H", .init = {.kind = WG_INIT_XAVIER_UNIFORM, .a = 1, .gates = 3}},
    {.name = "Wh", .shape = "H,3H", .init = {.kind = WG_INIT_ORTHOGONAL, .a = 1, .gates = 3}},
    {.name = "b", .shape = "3H", .init = {.kind = WG_INIT_CONSTANT}},
    {.name = "bhn", .shape = "H", .init = {.kind = WG_INIT_CONSTANT}},
};

const wg_cell wg__cell_gru = {
    .size = sizeof(wg_cell),
    .name = "gru",
    .version = 1,
    .doc = "Gated recurrent unit, reset gate after the product (Cho et al. 2014, in the form of "
           "cuDNN): r,z = s(x Wx + h Wh + b); n = tanh(x Wxn + bn + r (h Whn + bhn)); "
           "h' = (1 - z) n + z h",
    .states = gru_states,
    .n_states = 1,
    .params = gru_params,
    .n_params = 4,
    .step = gru_step,
};

static const wg_cell_param gru_reset_before_params[] = {
    {.name = "Wx", .shape = "X,3H", .init = {.kind = WG_INIT_XAVIER_UNIFORM, .a = 1, .gates = 3}},
    {.name = "Wh", .shape = "H,2H", .init = {.kind = WG_INIT_ORTHOGONAL, .a = 1, .gates = 2}},
    {.name = "Whn", .shape = "H,H", .init = {.kind = WG_INIT_ORTHOGONAL, .a = 1}},
    {.name = "b", .shape = "3H", .init = {.kind = WG_INIT_CONSTANT}},
};

const wg_cell wg__cell_gru_reset_before = {
    .size = sizeof(wg_cell),
    .name = "gru-reset-before",
    .version = 1,
    .doc = "Gated recurrent unit, reset gate before the product (Cho et al. 2014, eq. 5-8): "
           "r,z = s(x Wx + h Wh + b); n = tanh(x Wxn + bn + (r h) Whn); h' = (1 - z) n + z h",
    .states = gru_states,
    .n_states = 1,
    .params = gru_reset_before_params,
    .n_params = 4,
    .step = gru_reset_before_step,
};
