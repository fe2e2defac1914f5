/* Pass: sums of sums become one. A table that is looked up in two places gets two gradients, each
 * nothing but rows added into zeros (WG_OP_ADDS); added to each other they are two tables made,
 * read and written. Here they become one op over the inputs of both, one behind the other. */
#include <string.h>

#include "edit.h"

/* Leading axes that the inputs of an adding op share: those of the input with the fewest. */
static int leading(const wg__graph *g, const wg__gnode *n)
{
    int axes = WG_MAX_AXES;
    for (int j = 0; j < n->n_in; j++) {
        int rank = g->values[n->in[j]].type.shape.rank;
        if (rank < axes) axes = rank;
    }
    return axes;
}

/* An adding op whose result only its sum reads. */
static bool is_part(const wg__graph *g, int32_t v, const int32_t *uses)
{
    const wg__gnode *n = &g->nodes[g->values[v].node];
    return n->op->traits & WG_OP_ADDS && n->n_in > 0 && n->n_out == 1 && uses[v] == 1 &&
           !g->values[v].watch;
}

/* The same op, up to the leading axes of their inputs? */
static bool alike(const wg__graph *g, const wg__gnode *a, const wg__gnode *b)
{
    if (a->op != b->op || a->n_in != b->n_in || a->attr_size != b->attr_size ||
        (a->attr_size && memcmp(a->attr, b->attr, a->attr_size) != 0))
        return false;
    int lead_a = leading(g, a), lead_b = leading(g, b);
    if (!wg_shape_equal(&g->values[a->first_out].type.shape, &g->values[b->first_out].type.shape))
        return false;
    for (int j = 0; j < a->n_in; j++) {
        const wg_type *s = &g->values[a->in[j]].type, *t = &g->values[b->in[j]].type;
        if (s->dtype != t->dtype || s->shape.rank - lead_a != t->shape.rank - lead_b) return false;
        for (int k = 0; k < s->shape.rank - lead_a; k++)
            if (s->shape.dim[lead_a + k] != t->shape.dim[lead_b + k]) return false;
    }
    return true;
}

/* v with its leading axes as one. -1 = out of memory. */
static int32_t as_list(wg__graph *g, int32_t v, int lead)
{
    const wg_shape s = g->values[v].type.shape;
    int64_t dims[WG_MAX_AXES] = {1};
    for (int k = 0; k < lead; k++) dims[0] *= s.dim[k];
    for (int k = lead; k < s.rank; k++) dims[k - lead + 1] = s.dim[k];
    return lead == 1 ? v : wg__add_view(g, v, wg_shape_of(s.rank - lead + 1, dims));
}

/* Elements of the inputs of a node. */
static int64_t elements(const wg__graph *g, const wg__gnode *n)
{
    int64_t sum = 0;
    for (int j = 0; j < n->n_in; j++) sum += wg_shape_count(&g->values[n->in[j]].type.shape);
    return sum;
}

/* Is putting the inputs behind one another less than what it spares, a second result? */
static bool pays(const wg__graph *g, const wg__gnode *a, const wg__gnode *b)
{
    int64_t most = wg_shape_count(&g->values[a->first_out].type.shape);
    return elements(g, a) <= most && elements(g, b) <= most - elements(g, a);
}

/* Node `sum` adds v[0] and v[1]: one op in its place. */
static bool merge(wg__graph *g, int32_t sum, const int32_t *v)
{
    const wg__gnode a = g->nodes[g->values[v[0]].node], b = g->nodes[g->values[v[1]].node];
    const wg_type t = g->values[v[0]].type;
    int lead_a = leading(g, &a), lead_b = leading(g, &b);
    int32_t *in = wg__arena_alloc(g->arena, (size_t)a.n_in * sizeof *in);
    if (!in) return false;
    for (int j = 0; j < a.n_in; j++) {
        int32_t part[2] = {as_list(g, a.in[j], lead_a), as_list(g, b.in[j], lead_b)};
        in[j] = part[0] < 0 || part[1] < 0 ? -1 : wg__add_join(g, part, 2, 0);
        if (in[j] < 0) return false;
    }
    wg__gnode *one = wg__graph_add(g, a.op, in, a.n_in, a.attr, a.attr_size, &t, 1);
    if (!one) return false;
    one->scope = a.scope;
    one->file = a.file;
    one->line = a.line;
    int32_t made = one->first_out, was = g->nodes[sum].first_out;
    g->values[made].watch = g->values[was].watch;
    g->values[made].name = g->values[was].name;
    wg__graph_replace(g, was, made);
    g->nodes[sum].live = 0;
    return true;
}

bool wg__pass_merge_sums(wg__graph *g)
{
    for (int32_t i = 0; i < g->n_nodes; i++)
        if (g->nodes[i].body && !wg__pass_merge_sums(g->nodes[i].body)) return false;
    /* A sum merged may be part of another: again, until there is none. */
    for (bool changed = true; changed;) {
        int32_t *uses = wg__count_uses(g);
        if (!uses) return false;
        changed = false;
        for (int32_t i = 0; i < g->n_nodes && !changed; i++) {
            const wg__gnode *n = &g->nodes[i];
            if (!n->live || n->op != &wg__op_add) continue;
            const int32_t v[2] = {n->in[0], n->in[1]};
            if (v[0] == v[1] || !is_part(g, v[0], uses) || !is_part(g, v[1], uses)) continue;
            const wg__gnode *a = &g->nodes[g->values[v[0]].node];
            const wg__gnode *b = &g->nodes[g->values[v[1]].node];
            if (!alike(g, a, b) || !pays(g, a, b)) continue;
            changed = true;
            if (!merge(g, i, v)) {
                wg_free(uses);
                return false;
            }
        }
        wg_free(uses);
        if (changed && !wg__tidy(g)) return false;
    }
    return true;
}
