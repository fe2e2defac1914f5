/* Passes over scans: hoist and sink.
 *
 * Hoist: a product of a sequence's slice with a loop constant depends on no state, so it runs once
 * before the loop over all T B rows, and its slices become a sequence. Sink: a sum of products
 * A_t^T B_t is one product over the stacked A and B after the loop (the weight gradients); a
 * stacked output that is a product with a loop constant is one product over the stacked left
 * operand (the input gradients); a sum over rows likewise (the bias gradients). Only products move:
 * cheap elementwise work stays fused in the loop. */
#include <string.h>

#include "edit.h"

static wg_shape stacked_shape(wg_shape s, int64_t steps)
{
    memmove(s.dim + 1, s.dim, (WG_MAX_AXES - 1) * sizeof s.dim[0]);
    s.dim[0] = steps;
    s.rank++;
    return s;
}

/* Can steps of value v lie in one buffer? A scan may have more of them than memory has bytes. */
static bool stackable(const wg__graph *b, int32_t v, int64_t steps)
{
    wg_shape s = stacked_shape(b->values[v].type.shape, steps);
    return wg_shape_count(&s) >= 0;
}

static int32_t add_view(wg__graph *g, int32_t v, wg_shape shape)
{
    wg_type t = {g->values[v].type.dtype, shape};
    wg__gnode *n = wg__graph_add(g, &wg__op_view_as, &v, 1, &shape, sizeof shape, &t, 1);
    return n ? n->first_out : -1;
}

/* [T,B,K] seen as [T B,K]. */
static int32_t as_rows(wg__graph *g, int32_t v)
{
    const wg_shape *s = &g->values[v].type.shape;
    return add_view(g, v, WG_SHAPE(s->dim[0] * s->dim[1], s->dim[2]));
}

static bool rank2(const wg__graph *g, int32_t v)
{
    return g->values[v].type.shape.rank == 2;
}

static int uses(const wg__graph *b, int32_t v)
{
    int n = 0;
    for (int32_t i = 0; i < b->n_nodes; i++)
        for (int j = 0; j < b->nodes[i].n_in; j++) n += b->nodes[i].in[j] == v;
    return n;
}

static int outputs(const wg__graph *b, int32_t v)
{
    int n = 0;
    for (int i = 0; i < b->n_out; i++) n += b->out[i] == v;
    return n;
}

/* ---- hoist ---- */

/* x_t W with x_t a slot of a sequence and W a loop constant. */
static bool can_hoist(const wg__graph *b, const wg__gnode *n)
{
    if (!(n->op->traits & WG_OP_PRODUCT) || n->n_in != 2 || n->n_out != 1) return false;
    const wg_product_attr *a = n->attr;
    return !a->trans_a && rank2(b, n->in[0]) && rank2(b, n->in[1]) &&
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
    int32_t in[2] = {as_rows(g, x), w};
    if (in[0] < 0) return false;
    wg_type rows = {step.dtype, WG_SHAPE(steps * step.shape.dim[0], step.shape.dim[1])};
    wg__gnode *product = wg__graph_add(g, p.op, in, 2, p.attr, p.attr_size, &rows, 1);
    if (!product) return false;
    product->scope = p.scope;
    int32_t seq = add_view(g, product->first_out, stacked_shape(step.shape, steps));
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
            if (!stackable(b, b->nodes[k].first_out, attr->steps)) continue;
            if (!hoist_one(g, i, k)) return false;
            here = true;
        }
        if (here && !wg__graph_sort(b)) return false;
        changed |= here;
    }
    return !changed || wg__graph_sort(g);
}

/* ---- sink ---- */

typedef enum sink_kind { SINK_NONE, SINK_SUM_PRODUCT, SINK_SUM_ROWS, SINK_OUTPUT } sink_kind;

static sink_kind can_sink(const wg__graph *b, int out)
{
    int32_t v = b->out[out];
    const wg__gnode *n = &b->nodes[b->values[v].node];
    if (out < b->n_carry || b->values[v].watch || uses(b, v) > 0 || outputs(b, v) > 1)
        return SINK_NONE;
    bool sum = out >= b->n_carry + b->n_y;
    if (n->op->traits & WG_OP_PRODUCT && n->n_in == 2 && n->n_out == 1 && rank2(b, n->in[0]) &&
        rank2(b, n->in[1])) {
        const wg_product_attr *a = n->attr;
        bool w = wg__slot_of(b->constant, b->n_const, n->in[1]) >= 0;
        bool left = wg__slot_of(b->constant, b->n_const, n->in[0]) >= 0;
        if (sum && a->trans_a && !a->trans_b && !w && !left) return SINK_SUM_PRODUCT;
        if (!sum && !a->trans_a && w && !left) return SINK_OUTPUT;
    }
    if (sum && n->op == &wg__op_sum_to && rank2(b, n->in[0]) && b->values[v].type.shape.rank == 1 &&
        wg__slot_of(b->constant, b->n_const, n->in[0]) < 0)
        return SINK_SUM_ROWS;
    return SINK_NONE;
}

/* A join of columns that the loop computes anyway, which v is part of; then stacking v is stacking
 * the join (the gates' gradients, which the product with the recurrent weights reads side by side).
 * -1 = none. */
static int32_t join_with(const wg__graph *b, int32_t v, int64_t *start)
{
    for (int32_t i = 0; i < b->n_nodes; i++) {
        const wg__gnode *n = &b->nodes[i];
        if (!wg__joins_columns(b, n)) continue;
        *start = 0;
        for (int j = 0; j < n->n_in; j++) {
            if (n->in[j] == v) return n->first_out;
            *start += b->values[n->in[j]].type.shape.dim[1];
        }
    }
    return -1;
}

/* Parts of a product's left operand whose stacks are there or are made: the operands of a join of
 * columns, or the operand itself. */
static int left_parts(const wg__graph *b, const int32_t *v, const int32_t **part)
{
    const wg__gnode *n = &b->nodes[b->values[*v].node];
    *part = v;
    if (!wg__joins_columns(b, n) || b->values[*v].watch) return 1;
    *part = n->in;
    return n->n_in;
}

/* Stacks of a loop while it is rebuilt: its sequences, and outputs that are kept or added. */
typedef struct stacks {
    wg__graph *g;
    const wg__graph *b;
    int32_t *out; /* y from n_carry on */
    int32_t *was; /* old output, or -1 */
    int n, n_y;
} stacks;

static bool is_stacked(const stacks *s, int32_t v)
{
    return wg__slot_of(s->b->seq, s->b->n_seq, v) >= 0 ||
           wg__slot_of(s->out + s->b->n_carry, s->n_y, v) >= 0;
}

/* Parts of left operands are stacked by themselves: their join may have no other reader. */
static void want_stack(stacks *s, int32_t v, bool in_join)
{
    int64_t start;
    int32_t join = is_stacked(s, v) || !in_join ? -1 : join_with(s->b, v, &start);
    if (join >= 0) v = join;
    if (is_stacked(s, v)) return;
    s->was[s->n] = -1;
    s->out[s->n++] = v;
    s->n_y++;
}

/* The stack over time of body value v: a sequence's operand, or an output of the rebuilt scan; as
 * [T B,K]. Where v is columns of another value's stack, that one, and *start says from where. -1 =
 * out of memory. */
static int32_t stack_with(const stacks *s, const wg__gnode *scan, int32_t v, int64_t *start)
{
    const wg__graph *b = s->b;
    *start = 0;
    int32_t seq = wg__slot_of(b->seq, b->n_seq, v);
    if (seq >= 0) return as_rows(s->g, scan->in[seq]);
    int32_t at = wg__slot_of(s->out + b->n_carry, s->n_y, v);
    if (at < 0) at = wg__slot_of(s->out + b->n_carry, s->n_y, join_with(b, v, start));
    return as_rows(s->g, scan->first_out + b->n_carry + at);
}

static int32_t stack_of(const stacks *s, const wg__gnode *scan, int32_t v)
{
    int64_t start, length = s->b->values[v].type.shape.dim[1];
    int32_t rows = stack_with(s, scan, v, &start);
    return rows < 0 ? -1 : wg__add_slice(s->g, rows, 1, start, length);
}

/* The sunk product A^T B: stacked rows of B, and of each part of A. Where B is columns of a join,
 * the product with all of it is taken: with the other gates' it is one (common subexpressions). */
static int32_t sunk_product(const stacks *s, const wg__gnode *scan, const wg__gnode *p)
{
    const int32_t *part;
    int64_t start, length = s->b->values[p->in[1]].type.shape.dim[1];
    int n = left_parts(s->b, &p->in[0], &part);
    int32_t right = stack_with(s, scan, p->in[1], &start);
    int32_t *one = wg__arena_alloc(s->g->arena, (size_t)n * sizeof *one);
    if (right < 0 || !one) return -1;
    for (int j = 0; j < n; j++) {
        int32_t left = stack_of(s, scan, part[j]);
        int32_t all = left < 0 ? -1 : wg__add_product(s->g, p, left, right, true, false);
        one[j] = all < 0 ? -1 : wg__add_slice(s->g, all, 1, start, length);
        if (one[j] < 0) return -1;
    }
    return wg__add_join(s->g, one, n, 0);
}

/* The sunk sum over rows, in the same way. */
static int32_t sunk_rows(const stacks *s, const wg__gnode *scan, const wg__gnode *p)
{
    int64_t start, length = s->b->values[p->in[0]].type.shape.dim[1];
    int32_t rows = stack_with(s, scan, p->in[0], &start);
    if (rows < 0) return -1;
    wg_type t = {s->g->values[rows].type.dtype, WG_SHAPE(s->g->values[rows].type.shape.dim[1])};
    wg__gnode *sum = wg__graph_add(s->g, p->op, &rows, 1, &t.shape, sizeof t.shape, &t, 1);
    if (!sum) return -1;
    sum->scope = p->scope;
    return wg__add_slice(s->g, sum->first_out, 0, start, length);
}

static int32_t sunk_output(const stacks *s, const wg__gnode *scan, const wg__gnode *p, wg_type step,
                           int64_t steps)
{
    const wg__graph *b = s->b;
    int slot = wg__slot_of(b->constant, b->n_const, p->in[1]);
    int32_t left = stack_of(s, scan, p->in[0]);
    const wg_product_attr *a = p->attr;
    if (left < 0) return -1;
    int32_t v = wg__add_product(s->g, p, left, scan->in[b->n_seq + b->n_carry + slot], a->trans_a,
                                a->trans_b);
    return v < 0 ? -1 : add_view(s->g, v, stacked_shape(step.shape, steps));
}

static bool sink_scan(wg__graph *g, int32_t at)
{
    wg__graph *b = g->nodes[at].body;
    wg__gnode old = g->nodes[at];
    int32_t n_old = b->n_out, most = n_old + 1;
    sink_kind *kind = wg__arena_calloc(g->arena, (size_t)n_old + 1, sizeof *kind);
    if (!kind) return false;
    bool any = false;
    const int32_t *part;
    wg__scan_attr attr = *(const wg__scan_attr *)old.attr;
    if (attr.remat) return true; /* as for hoist */
    for (int i = 0; i < n_old; i++) {
        kind[i] = can_sink(b, i);
        const wg__gnode *p = &b->nodes[b->values[b->out[i]].node];
        for (int j = 0; j < p->n_in && kind[i] != SINK_NONE; j++)
            if (!stackable(b, p->in[j], attr.steps)) kind[i] = SINK_NONE;
        if (kind[i] == SINK_NONE) continue;
        any = true;
        most += 1 + (kind[i] == SINK_SUM_PRODUCT ? left_parts(b, &p->in[0], &part) : 0);
    }
    if (!any) return true;
    int32_t *out = wg__arena_alloc(g->arena, (size_t)most * sizeof *out);
    int32_t *was = wg__arena_alloc(g->arena, (size_t)most * sizeof *was); /* old output, or -1 */
    wg_type *types = wg__arena_alloc(g->arena, (size_t)most * sizeof *types);
    if (!out || !was || !types) return false;
    int n = 0, n_y = 0, n_sum = 0;
    for (int i = 0; i < b->n_carry + b->n_y; i++) {
        if (kind[i] != SINK_NONE) continue;
        was[n] = i;
        n_y += i >= b->n_carry;
        out[n++] = b->out[i];
    }
    stacks st = {g, b, out, was, n, n_y};
    for (int i = 0; i < n_old; i++) {
        if (kind[i] == SINK_NONE) continue;
        const wg__gnode *p = &b->nodes[b->values[b->out[i]].node];
        part = &p->in[0];
        int parts = kind[i] == SINK_SUM_PRODUCT ? left_parts(b, &p->in[0], &part) : 1;
        for (int j = 0; j < parts; j++) want_stack(&st, part[j], kind[i] != SINK_SUM_PRODUCT);
        if (kind[i] == SINK_SUM_PRODUCT) want_stack(&st, p->in[1], true);
    }
    n = st.n;
    n_y = st.n_y;
    for (int i = b->n_carry + b->n_y; i < n_old; i++) {
        if (kind[i] != SINK_NONE) continue;
        was[n] = i;
        n_sum++;
        out[n++] = b->out[i];
    }
    for (int i = 0; i < n; i++) {
        types[i] = b->values[out[i]].type;
        if (i >= b->n_carry && i < b->n_carry + n_y)
            types[i].shape = stacked_shape(types[i].shape, attr.steps);
    }
    int32_t *old_out = b->out;
    attr.n_y = n_y;
    attr.n_sum = n_sum;
    wg__gnode *made = wg__graph_add(g, old.op, old.in, old.n_in, &attr, sizeof attr, types, n);
    if (!made) return false;
    made->body = b;
    made->scope = old.scope;
    made->file = old.file;
    made->line = old.line;
    wg__gnode scan = *made;
    b->out = out;
    b->n_out = n;
    b->n_y = n_y;
    b->n_sum = n_sum;
    g->nodes[at].live = 0;
    g->nodes[at].body = NULL;
    for (int i = 0; i < n; i++)
        if (was[i] >= 0) {
            g->values[scan.first_out + i].watch = g->values[old.first_out + was[i]].watch;
            wg__graph_replace(g, old.first_out + was[i], scan.first_out + i);
        }
    for (int i = 0; i < n_old; i++) {
        if (kind[i] == SINK_NONE) continue;
        const wg__gnode p = b->nodes[b->values[old_out[i]].node];
        int32_t v = kind[i] == SINK_SUM_PRODUCT ? sunk_product(&st, &scan, &p)
                    : kind[i] == SINK_SUM_ROWS
                        ? sunk_rows(&st, &scan, &p)
                        : sunk_output(&st, &scan, &p, b->values[old_out[i]].type, attr.steps);
        if (v < 0) return false;
        wg__graph_replace(g, old.first_out + i, v);
    }
    return true;
}

bool wg__pass_sink(wg__graph *g)
{
    bool any = false;
    for (int32_t i = 0, n = g->n_nodes; i < n; i++) {
        if (!g->nodes[i].body) continue;
        any = true;
        if (!wg__pass_sink(g->nodes[i].body) || !sink_scan(g, i)) return false;
    }
    return !any || wg__graph_sort(g);
}
