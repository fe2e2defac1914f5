/* What the tests of the registry share: a cell, whose step asks for what a test wants. */
#ifndef WENGERT_TESTS_REGISTRY_TEST_H
#define WENGERT_TESTS_REGISTRY_TEST_H

#include "support.h"

#include <wengert/cell.h>

static wg_var seen_p;
static double seen_hyper;
static const char *ask_p, *ask_hyper;

static inline void step(wg_step *s, wg_var x, const wg_var *state, wg_var *next)
{
    (void)x;
    if (ask_p) seen_p = wg_p(s, ask_p);
    if (ask_hyper) seen_hyper = wg_hyper(s, ask_hyper);
    next[0] = state[0];
}

static const wg_cell_state states[] = {{"h", "H"}, {"c", "H"}};
static const wg_cell_hyper hypers[] = {{"forget_bias", 1, -10, 10, "bias of the forget gate"}};
static const wg_cell_param params[] = {
    {.name = "W", .shape = "X,4H", .init = {.kind = WG_INIT_XAVIER_UNIFORM, .gates = 4}},
    {.name = "U", .shape = "H,4H", .init = {.kind = WG_INIT_ORTHOGONAL, .gates = 4}},
    {.name = "bias", .shape = "4H", .init = {.gates = 4}, .hyper = "forget_bias", .hyper_gate = 1},
};
static const wg_cell cell = {.size = sizeof(wg_cell),
                             .name = "test.cell",
                             .version = 1,
                             .states = states,
                             .n_states = 2,
                             .params = params,
                             .n_params = 3,
                             .hypers = hypers,
                             .n_hypers = 1,
                             .step = step};

#endif
