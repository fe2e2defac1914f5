/* Pass: products leave a loop for before it.
 *
 * A product of a sequence's slice with a loop constant depends on no state, so it runs once before
 * the loop over all T B rows, and its slices become a sequence. Only products move: cheap
 * elementwise work stays fused in the loop. */
#include <string.h>

#include "edit.h"

/* x_t W with x_t a slot of a sequence and W a loop constant. */
static bool can_hoist(const wg__graph *b, const wg__gnode *n)
{
    if (!(n->op->traits & WG_OP_PRODUCT) || n->n_in != 2 || n->n_out != 1) return false;
    const wg_product_attr *a = n->attr;
    return !a->trans_a && wg__rank2(b, n->in[0]) && wg__rank2(b, n->in[1]) &&
           wg__slot_of(b->seq, b->n_seq, n->in[0]) >= 0 &&
           wg__slot_of(b->constant, b->n_const, n->in[1]) >= 0 && !b->values[n->first_out].watch;
}

static bool hoist_one(wg__graph *g, int32_t at, int32_t which)
{
    wg__graph *b = g->nodes[at].body;
    const wg__gnode p = b->nodes[which];
    int64_t steps = ((const wg__scan_attr *)g->nodes[at].attr)->steps;
    int32_t x = g->nodes[at].in[wg__slot_of(b->seq, b->n_seq, p.in[0])];
    int32_t w = wg__constant_operand(g, at, p.in[1]);
    wg_type step = b->values[p.first_out].type;
    int32_t in[2] = {wg__add_rows_view(g, x), w};
    if (in[0] < 0) return false;
    wg_type rows = {step.dtype, WG_SHAPE(steps * step.shape.dim[0], step.shape.dim[1])};
    wg__gnode *product = wg__graph_add(g, p.op, in, 2, p.attr, p.attr_size, &rows, 1);
    if (!product) return false;
    product->scope = p.scope;
    int32_t seq = wg__add_view(g, product->first_out, wg__stacked_shape(step.shape, steps));
    if (seq < 0) return false;
    /* In the body a new slot stands for the product. */
    int32_t slot = wg__add_sequence_slot(g, at, seq);
    if (slot < 0) return false;
    wg__graph_replace(b, p.first_out, slot);
    b->nodes[which].live = 0;
    return true;
}

bool wg__pass_hoist(wg__graph *g)
{
    bool changed = false;
    int32_t n = g->n_nodes;
    for (int32_t i = 0; i < n; i++) {
        if (!g->nodes[i].body) continue;
        if (!wg__pass_hoist(g->nodes[i].body)) return false;
        wg__graph *b = g->nodes[i].body;
        bool here = false;
        /* Chunks exist to keep nothing over all of time: what they hoist stays in them. */
        if (((const wg__scan_attr *)g->nodes[i].attr)->remat) continue;
        for (int32_t k = 0, m = b->n_nodes; k < m; k++) {
            if (!b->nodes[k].live || !can_hoist(b, &b->nodes[k])) continue;
            const wg__scan_attr *attr = g->nodes[i].attr;
            if (!wg__stackable(b, b->nodes[k].first_out, attr->steps)) continue;
            if (!hoist_one(g, i, k)) return false;
            here = true;
        }
        if (here && !wg__graph_sort(b)) return false;
        changed |= here;
    }
    return !changed || wg__graph_sort(g);
}
