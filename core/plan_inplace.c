/* Planning in place: a result takes over the memory of an operand that nothing reads after it. */
#include "plan.h"

/* May node n overwrite operand j, whose elements are at `place`: the whole of a buffer of the arena
 * that nothing else reads any more? */
static bool dies_here(const wg__planner *p, const wg__gnode *n, int j, const wg__home *places)
{
    int32_t v = n->in[j], s = places[j].store;
    if (p->at[v].store != s || places[j].offset != 0) return false;
    const wg__store *store = &p->stores[s];
    wg_type t = p->g->values[v].type;
    if (store->bind >= 0 || store->fixed ||
        store->bytes != ((wg__type_bytes(t) + 63) & ~(size_t)63) || p->readers[v] != 1)
        return false;
    for (int i = 0; i < n->n_in; i++)
        if (i != j && places[i].store == s) return false;
    /* Views of it, and what it is itself a view of. */
    for (int32_t u = 0; u < p->g->n_values; u++)
        if (u != v && p->at[u].store == s && p->readers[u] > 0) return false;
    return true;
}

/* Result 0 takes the storage of an operand that dies, where the op may work in place. */
bool wg__plan_take_over(wg__planner *p, const wg__gnode *n, wg__instr *i, const wg__home *places)
{
    int32_t v = n->first_out;
    const wg_type *t = &p->g->values[v].type;
    if (p->keep_apart || !(n->op->traits & WG_OP_INPLACE) || p->target[v] || p->part_of[v])
        return false;
    for (int j = 0; j < n->n_in; j++) {
        const wg_type *o = &p->g->values[n->in[j]].type;
        if (o->dtype != t->dtype || !wg_shape_equal(&o->shape, &t->shape)) continue;
        if (!dies_here(p, n, j, places)) continue;
        p->at[v].store = places[j].store;
        p->at[v].offset = 0;
        wg__layout(&p->at[v].view, *t);
        wg__plan_write_at(p, i, 0, &p->at[v]);
        return true;
    }
    return false;
}

bool wg__plan_read_before(const wg__fused *f, int32_t i, int32_t j)
{
    int32_t made = -1;
    for (int32_t k = 0; k < f->n_ops && made < 0; k++) {
        const wg__reg *out = &f->regs[f->ops[k].out];
        if (out->kind == WG__REG_OUT && out->index == f->n_in + j &&
            f->ops[k].op->traits & WG_OP_INPLACE)
            made = k;
    }
    if (made < 0) return false;
    for (int32_t k = made + 1; k < f->n_ops; k++)
        for (int a = 0; a < f->ops[k].n_in + (f->ops[k].number > 0); a++) {
            const wg__reg *r = &f->regs[f->ops[k].in[a]];
            if ((r->kind == WG__REG_IN || r->kind == WG__REG_ROW_IN) && r->index == i) return false;
        }
    return true;
}

/* Result j of a group takes the storage of an operand that nothing reads after it: the whole of a
 * buffer, walked as the result is. */
bool wg__plan_group_takes(wg__planner *p, const wg__fused *f, int32_t group, wg__instr *instr,
                          const int32_t *in, int32_t n_in, int32_t v, int32_t j)
{
    const wg__graph *g = p->g;
    const wg_type *t = &g->values[v].type;
    size_t bytes = (wg__type_bytes(*t) + 63) & ~(size_t)63;
    if (p->keep_apart || p->target[v] || p->part_of[v] || bytes == 0) return false;
    for (int32_t i = 0; i < n_in; i++) {
        int32_t u = in[i], reads = 0;
        const wg__home *at = &p->at[u];
        const wg_type *o = &g->values[u].type;
        if (o->dtype != t->dtype || !wg_shape_equal(&o->shape, &t->shape) || at->offset != 0 ||
            !wg__layout_is_contiguous(&at->view) || p->stores[at->store].bind >= 0 ||
            p->stores[at->store].fixed || p->stores[at->store].bytes != bytes)
            continue;
        for (int32_t m = p->group_first[group]; m >= 0; m = p->unit_next[m])
            for (int a = 0; a < g->nodes[m].n_in; a++) reads += g->nodes[m].in[a] == u;
        bool dies = p->readers[u] == reads && wg__plan_read_before(f, i, j);
        for (int32_t k = 0; k < n_in && dies; k++) dies = k == i || p->at[in[k]].store != at->store;
        for (int32_t w = 0; w < g->n_values && dies; w++)
            dies = w == u || p->at[w].store != at->store || p->readers[w] <= 0;
        if (!dies) continue;
        p->at[v] = *at;
        wg__layout(&p->at[v].view, *t);
        wg__plan_write_at(p, instr, j, &p->at[v]);
        return true;
    }
    return false;
}
