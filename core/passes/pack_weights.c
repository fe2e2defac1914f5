/* Pass: what the products of a loop multiply with, again and again, is packed once outside of it.
 *
 * The weights of a scan do not change while it runs. A product of the body whose right operand is a
 * constant of the loop asks its descriptor whether to pack it (wg_op.packing); where it does, the
 * packing is placed outside of every enclosing loop of which the weights are a constant, and handed
 * in as a constant of its own. A transposed product packs what it means, so that none is left in
 * the loop.
 *
 * Runs after hoist and sink, which take products out of loops altogether, and before fusing. */
#include <stddef.h>
#include <string.h>

#include "edit.h"

/* A scan that the pass is inside of: node `at` of g. */
typedef struct level {
    wg__graph *g;
    int32_t at;
    bool changed; /* g has new nodes, not yet in order */
    struct level *up;
} level;

/* Is body value v a constant of the loop, or a view of one? */
static bool is_constant(const wg__graph *b, int32_t v)
{
    while (wg__slot_of(b->constant, b->n_const, v) < 0) {
        if (b->values[v].node < 0) return false;
        const wg__gnode *n = &b->nodes[b->values[v].node];
        if (!(n->op->traits & WG_OP_VIEW) || n->n_in != 1 || b->values[v].watch) return false;
        v = n->in[0];
    }
    return true;
}

/* How many products share body value v, a constant of the loop at l, from where it is packed. */
static int64_t uses_of(const level *l, int32_t v)
{
    int64_t uses = 1;
    for (;;) {
        const wg__graph *b = l->g->nodes[l->at].body;
        int64_t steps = ((const wg__scan_attr *)l->g->nodes[l->at].attr)->steps;
        uses = steps > 0 && uses > INT64_MAX / steps ? INT64_MAX : uses * steps;
        if (!l->up) return uses;
        while (wg__slot_of(b->constant, b->n_const, v) < 0) v = b->nodes[b->values[v].node].in[0];
        v = wg__constant_operand(l->g, l->at, v);
        if (!is_constant(l->g, v)) return uses;
        l = l->up;
    }
}

/* The same value in the graph around the loop; views are repeated there. -1: out of memory. */
static int32_t outside(level *l, int32_t v)
{
    int32_t constant = wg__constant_operand(l->g, l->at, v);
    if (constant >= 0) return constant;
    const wg__graph *b = l->g->nodes[l->at].body;
    const wg__gnode *n = &b->nodes[b->values[v].node];
    int32_t in = outside(l, n->in[0]);
    int32_t copy = in < 0 ? -1 : wg__add_copy(l->g, b, n, &in);
    if (copy < 0) return -1;
    l->changed = true;
    return copy + b->values[v].out;
}

/* A slot of the body at l through which it reads value `outer` of l->g; one that is there already
 * serves. -1: out of memory. */
static int32_t constant_slot(level *l, int32_t outer)
{
    const wg__gnode *scan = &l->g->nodes[l->at];
    const wg__graph *b = scan->body;
    int32_t slot = wg__slot_of(scan->in + b->n_seq + b->n_carry, b->n_const, outer);
    return slot >= 0 ? b->constant[slot] : wg__add_constant_slot(l->g, l->at, outer);
}

/* pack(v) for body value v, a constant of the loop at l, made as far outside as it is one; a value
 * of the body. -1: out of memory. */
static int32_t packed(level *l, int32_t v, const wg_packing *how)
{
    int32_t w = outside(l, v), p = -1;
    if (w < 0) return -1;
    wg__graph *g = l->g;
    if (l->up && is_constant(g, w)) {
        p = packed(l->up, w, how);
    } else {
        for (int32_t i = 0; i < g->n_nodes && p < 0; i++) {
            const wg__gnode *n = &g->nodes[i];
            if (n->live && n->op == how->pack && n->in[0] == w &&
                n->attr_size == how->pack_attr_size &&
                memcmp(n->attr, how->pack_attr, n->attr_size) == 0)
                p = n->first_out;
        }
        if (p < 0) {
            wg__gnode *n = wg__graph_add(g, how->pack, &w, 1, how->pack_attr, how->pack_attr_size,
                                         &how->packed, 1);
            if (!n) return -1;
            l->changed = true;
            p = n->first_out;
        }
    }
    return p < 0 ? -1 : constant_slot(l, p);
}

/* Rewrites product `which` of the body at l when its op packs. */
static bool rewrite(level *l, int32_t which)
{
    wg__graph *b = l->g->nodes[l->at].body;
    const wg__gnode p = b->nodes[which];
    if (!(p.op->traits & WG_OP_PRODUCT) || p.n_in != 2 || p.n_out != 1 ||
        p.op->size < offsetof(wg_op, packing) + sizeof p.op->packing || !p.op->packing ||
        !is_constant(b, p.in[1]) || is_constant(b, p.in[0]))
        return true;
    wg_packing how;
    memset(&how, 0, sizeof how);
    how.size = sizeof how;
    if (!p.op->packing(&b->values[p.in[0]].type, &b->values[p.in[1]].type, p.attr,
                       uses_of(l, p.in[1]), l->g->isa, &how))
        return true;
    int32_t in[2] = {p.in[0], packed(l, p.in[1], &how)};
    if (in[1] < 0) return false;
    wg__gnode *made = wg__graph_add(b, how.product, in, 2, how.product_attr, how.product_attr_size,
                                    &b->values[p.first_out].type, 1);
    if (!made) return false;
    made->scope = p.scope;
    made->file = p.file;
    made->line = p.line;
    int32_t from = p.first_out, to = made->first_out;
    b->values[to].watch = b->values[from].watch;
    b->values[to].name = b->values[from].name;
    b->values[from].watch = NULL;
    b->nodes[which].live = 0;
    wg__graph_replace(b, from, to);
    return true;
}

static bool pack_graph(wg__graph *g, level *up, bool *changed)
{
    for (int32_t i = 0, n = g->n_nodes; i < n; i++) {
        if (!g->nodes[i].live || !g->nodes[i].body) continue;
        level l = {.g = g, .at = i, .up = up};
        wg__graph *b = g->nodes[i].body;
        b->isa = g->isa;
        int32_t before = b->n_nodes;
        bool inner = false;
        if (!pack_graph(b, &l, &inner)) return false;
        for (int32_t k = 0, m = b->n_nodes; k < m; k++)
            if (b->nodes[k].live && !rewrite(&l, k)) return false;
        if ((inner || b->n_nodes != before) && !wg__graph_sort(b)) return false;
        *changed |= l.changed;
    }
    return true;
}

bool wg__pass_pack_weights(wg__graph *g)
{
    bool changed = false;
    return pack_graph(g, NULL, &changed) && (!changed || wg__graph_sort(g));
}
