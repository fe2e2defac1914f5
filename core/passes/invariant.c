/* Pass: what a loop body computes from loop constants alone is computed once, before the loop
 * (loop-invariant code motion: packed weights, slices of weights, transformed parameters). */
#include "edit.h"

/* The value outside that stands for v, computed there on first demand; map holds what is there. */
static int32_t outside(wg__graph *g, int32_t at, int32_t v, int32_t *map)
{
    const wg__graph *b = g->nodes[at].body;
    /* Slots first: those that this pass made are not in the map. */
    int32_t constant = wg__constant_operand(g, at, v);
    if (constant >= 0) return constant;
    if (map[v] >= 0) return map[v];
    const wg__gnode *n = &b->nodes[b->values[v].node];
    int32_t *in = wg__arena_alloc(g->arena, ((size_t)n->n_in + 1) * sizeof *in);
    if (!in) return -1;
    for (int j = 0; j < n->n_in; j++) {
        in[j] = outside(g, at, n->in[j], map);
        if (in[j] < 0) return -1;
    }
    int32_t copy = wg__add_copy(g, b, n, in);
    if (copy < 0) return -1;
    for (int j = 0; j < n->n_out; j++) map[n->first_out + j] = copy + j;
    return map[v];
}

/* Value v of the body becomes a new loop constant. */
static bool move_out(wg__graph *g, int32_t at, int32_t v, int32_t *map)
{
    int32_t value = outside(g, at, v, map);
    int32_t slot = value < 0 ? -1 : wg__add_constant_slot(g, at, value);
    if (slot < 0) return false;
    wg__graph_replace(g->nodes[at].body, v, slot);
    return true;
}

static bool clear_loop(wg__graph *g, int32_t at, bool *changed)
{
    wg__graph *b = g->nodes[at].body;
    int32_t n_values = b->n_values;
    uint8_t *inv = wg__invariant(b), *wanted = wg_calloc((size_t)n_values + 1, 1);
    int32_t *map = wg_calloc((size_t)n_values + 1, sizeof *map);
    bool ok = inv && wanted && map, here = false;
    /* What something that changes reads; numbers alone stay, kernels hold them. */
    for (int32_t i = 0; i < b->n_nodes && ok; i++) {
        const wg__gnode *n = &b->nodes[i];
        bool moves = n->live && n->n_out > 0 && inv[n->first_out] == 2;
        for (int j = 0; j < n->n_in && n->live && !moves; j++) wanted[n->in[j]] = 1;
    }
    for (int32_t i = 0; i < b->n_out && ok; i++) wanted[b->out[i]] = 1;
    for (int32_t v = 0; v < n_values && ok; v++) map[v] = -1;
    for (int32_t v = 0; v < n_values && ok; v++) {
        if (!wanted[v] || inv[v] != 2 || wg__slot_of(b->constant, b->n_const, v) >= 0) continue;
        ok = move_out(g, at, v, map);
        here = true;
    }
    wg_free(inv);
    wg_free(wanted);
    wg_free(map);
    if (ok && here) ok = wg__tidy(b);
    *changed |= here;
    return ok;
}

bool wg__pass_invariant(wg__graph *g)
{
    bool changed = false;
    for (int32_t i = 0, n = g->n_nodes; i < n; i++) {
        if (!g->nodes[i].body) continue;
        if (!wg__pass_invariant(g->nodes[i].body) || !clear_loop(g, i, &changed)) return false;
    }
    return !changed || wg__graph_sort(g);
}
