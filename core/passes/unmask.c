/* Pass: a body without the masks of lengths, beside the one with them.
 *
 * A scan with lengths selects states and outputs by a mask of the rows that are still there
 * (scan.c), and so does its gradient. At the steps at which all are, the choice is known: such
 * steps run a copy of the body in which where(mask, a, b) is a. With equal lengths these are all
 * steps, and what masks cost is a look at one byte a row and the copies of outputs. */
#include <string.h>

#include "edit.h"

/* A copy that further passes may rewrite without touching the original, bodies included. */
static wg__graph *copy_graph(wg__arena *arena, const wg__graph *g)
{
    wg__graph *copy = wg__arena_copy(arena, g, sizeof *g);
    if (!copy) return NULL;
    size_t nodes = (size_t)g->n_nodes, values = (size_t)g->n_values;
    copy->nodes = wg__arena_alloc(arena, (nodes + 1) * sizeof *copy->nodes);
    copy->values = wg__arena_alloc(arena, (values + 1) * sizeof *copy->values);
    copy->out = wg__arena_alloc(arena, ((size_t)g->n_out + 1) * sizeof *copy->out);
    size_t slots = (size_t)(g->n_seq + g->n_carry + g->n_const) + 1;
    int32_t *slot = wg__arena_alloc(arena, slots * sizeof *slot);
    if (!copy->nodes || !copy->values || !copy->out || !slot) return NULL;
    memcpy(copy->nodes, g->nodes, nodes * sizeof *g->nodes);
    memcpy(copy->values, g->values, values * sizeof *g->values);
    memcpy(copy->out, g->out, (size_t)g->n_out * sizeof *g->out);
    copy->cap_nodes = g->n_nodes;
    copy->cap_values = g->n_values;
    copy->seq = slot;
    copy->carry = slot + g->n_seq;
    copy->constant = copy->carry + g->n_carry;
    if (g->n_seq) memcpy(copy->seq, g->seq, (size_t)g->n_seq * sizeof *slot);
    if (g->n_carry) memcpy(copy->carry, g->carry, (size_t)g->n_carry * sizeof *slot);
    if (g->n_const) memcpy(copy->constant, g->constant, (size_t)g->n_const * sizeof *slot);
    for (int32_t i = 0; i < g->n_nodes; i++) {
        wg__gnode *n = &copy->nodes[i];
        int32_t *in = wg__arena_alloc(arena, ((size_t)n->n_in + 1) * sizeof *in);
        if (!in) return NULL;
        if (n->n_in) memcpy(in, n->in, (size_t)n->n_in * sizeof *in);
        n->in = in;
        if (n->body && !(n->body = copy_graph(arena, n->body))) return NULL;
        if (n->unmasked && !(n->unmasked = copy_graph(arena, n->unmasked))) return NULL;
    }
    return copy;
}

/* The sequence that condition v of a selection is, seen through views: its slot number, or -1. */
static int32_t mask_of(const wg__graph *b, int32_t v)
{
    while (b->values[v].node >= 0) {
        int32_t slot = wg__slot_of(b->seq, b->n_seq, v);
        const wg_type *t = &b->values[v].type;
        if (slot >= 0) return t->dtype == WG_U8 && t->shape.rank == 1 ? slot : -1;
        const wg__gnode *n = &b->nodes[b->values[v].node];
        /* A view may leave elements out, but none that is not set comes in. */
        if (!(n->op->traits & WG_OP_VIEW) || n->n_in != 1 || b->values[v].watch) return -1;
        v = n->in[0];
    }
    return -1;
}

/* What a selection by set bytes alone is: its second operand, in its own shape; -1 = left as it
 * is. */
static int32_t chosen(wg__graph *b, const wg__gnode *n, bool *failed)
{
    const wg_type *t = &b->values[n->first_out].type;
    int32_t v = n->in[1];
    const wg_type *own = &b->values[v].type;
    if (own->dtype != t->dtype || b->values[n->first_out].watch) return -1;
    if (wg_shape_equal(&own->shape, &t->shape)) return v;
    const wg__gnode *from = &b->nodes[b->values[v].node];
    if (from->op != &wg__op_const) return -1;
    wg__leaf_attr leaf = *(const wg__leaf_attr *)from->attr;
    leaf.shape = t->shape;
    wg_type type = *t;
    wg__gnode *made = wg__graph_add(b, from->op, NULL, 0, &leaf, sizeof leaf, &type, 1);
    if (!made) *failed = true;
    return made ? made->first_out : -1;
}

static bool unmask(wg__graph *g, int32_t at)
{
    const wg__graph *body = g->nodes[at].body;
    bool any = false, failed = false;
    for (int32_t i = 0; i < body->n_nodes && !any; i++)
        any = body->nodes[i].live && body->nodes[i].op == &wg__op_where &&
              mask_of(body, body->nodes[i].in[0]) >= 0;
    if (!any) return true;
    wg__graph *b = copy_graph(g->arena, body);
    int32_t *masks = wg__arena_alloc(g->arena, ((size_t)body->n_seq + 1) * sizeof *masks);
    if (!b || !masks) return false;
    int32_t n_masks = 0;
    for (int32_t i = 0, all = b->n_nodes; i < all && !failed; i++) {
        const wg__gnode n = b->nodes[i];
        if (!n.live || n.op != &wg__op_where) continue;
        int32_t mask = mask_of(b, n.in[0]);
        int32_t to = mask < 0 ? -1 : chosen(b, &n, &failed);
        if (to < 0) continue;
        wg__graph_replace(b, n.first_out, to);
        b->nodes[i].live = 0;
        if (wg__slot_of(masks, n_masks, mask) < 0) masks[n_masks++] = mask;
    }
    if (failed || (n_masks > 0 && !wg__tidy(b))) return false;
    if (n_masks == 0) return true;
    g->nodes[at].unmasked = b;
    g->nodes[at].masks = masks;
    g->nodes[at].n_masks = n_masks;
    return true;
}

bool wg__pass_unmask(wg__graph *g)
{
    for (int32_t i = 0; i < g->n_nodes; i++) {
        if (!g->nodes[i].body) continue;
        if (!wg__pass_unmask(g->nodes[i].body) || !unmask(g, i)) return false;
    }
    return true;
}
