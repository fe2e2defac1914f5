/* The forms of what leaves a loop: how each is known, which stacks it wants, and what stands for it
 * after the loop. */
#include "sink.h"

/* What stands for v in its stack: where v is a reshaping, what it is of, which the loop can compute
 * in its place of the stack. */
static int32_t stacked_as(const wg__graph *b, int32_t v)
{
    int32_t of = wg__reshaped(b, v);
    return b->values[of].type.shape.rank < WG_MAX_AXES ? of : v;
}

/* A_t^T B_t of each member of a batch, neither of them a constant of the loop. */
static bool is_batch_product(const wg__graph *b, const wg__gnode *n)
{
    if (!(n->op->traits & WG_OP_PRODUCT) || n->n_in != 2 || n->n_out != 1 ||
        n->attr_size != sizeof(wg_product_attr))
        return false;
    const wg_product_attr *a = n->attr;
    const wg_shape *left = &b->values[n->in[0]].type.shape;
    const wg_shape *right = &b->values[n->in[1]].type.shape;
    if (!a->trans_a || a->trans_b || left->rank != 3 || right->rank != 3 ||
        left->dim[0] != right->dim[0])
        return false;
    for (int j = 0; j < 2; j++)
        if (wg__slot_of(b->constant, b->n_const, stacked_as(b, n->in[j])) >= 0) return false;
    return true;
}

/* An op that adds, of values that change from step to step and have room for the axis of time. */
static bool is_adding(const wg__graph *b, const wg__gnode *n)
{
    if (!(n->op->traits & WG_OP_ADDS) || n->n_in == 0 || n->n_out != 1) return false;
    for (int j = 0; j < n->n_in; j++)
        if (b->values[n->in[j]].type.shape.rank >= WG_MAX_AXES ||
            wg__slot_of(b->constant, b->n_const, n->in[j]) >= 0)
            return false;
    return true;
}

wg__sink_kind wg__sink_kind_of(const wg__graph *b, int32_t v, bool sum)
{
    const wg__gnode *n = &b->nodes[b->values[v].node];
    if (n->op->traits & WG_OP_PRODUCT && n->n_in == 2 && n->n_out == 1 && wg__rank2(b, n->in[0]) &&
        wg__rank2(b, n->in[1])) {
        const wg_product_attr *a = n->attr;
        bool w = wg__slot_of(b->constant, b->n_const, n->in[1]) >= 0;
        bool left = wg__slot_of(b->constant, b->n_const, n->in[0]) >= 0;
        if (sum && a->trans_a && !a->trans_b && !w && !left) return WG__SINK_SUM_PRODUCT;
        if (!sum && !a->trans_a && w && !left) return WG__SINK_OUTPUT;
    }
    if (sum && is_batch_product(b, n)) return WG__SINK_SUM_BATCH;
    if (sum && is_adding(b, n)) return WG__SINK_SUM_ADDS;
    if (sum && n->op == &wg__op_sum_to && wg__rank2(b, n->in[0]) &&
        b->values[v].type.shape.rank == 1 && wg__slot_of(b->constant, b->n_const, n->in[0]) < 0)
        return WG__SINK_SUM_ROWS;
    return WG__SINK_NONE;
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

static bool is_stacked(const wg__stacks *s, int32_t v)
{
    return wg__slot_of(s->b->seq, s->b->n_seq, v) >= 0 ||
           wg__slot_of(s->out + s->b->n_carry, s->n_y, v) >= 0;
}

/* Parts of left operands are stacked by themselves: their join may have no other reader. */
static void want_stack(wg__stacks *s, int32_t v, bool in_join)
{
    int64_t start;
    int32_t join = is_stacked(s, v) || !in_join ? -1 : join_with(s->b, v, &start);
    if (join >= 0) v = join;
    if (is_stacked(s, v)) return;
    s->was[s->n] = -1;
    s->out[s->n++] = v;
    s->n_y++;
}

/* The stack over time of v itself: a sequence's operand, or an output of the rebuilt scan. -1 = v
 * is stacked as part of a join. */
static int32_t own_stack(const wg__stacks *s, const wg__gnode *scan, int32_t v)
{
    const wg__graph *b = s->b;
    int32_t at = wg__slot_of(b->seq, b->n_seq, v);
    if (at >= 0) return scan->in[at];
    at = wg__slot_of(s->out + b->n_carry, s->n_y, v);
    return at < 0 ? -1 : scan->first_out + b->n_carry + at;
}

/* The stack over time of body value v, as [T B,K]. Where v is columns of another value's stack,
 * that one, and *start says from where. -1 = out of memory. */
static int32_t stack_with(const wg__stacks *s, const wg__gnode *scan, int32_t v, int64_t *start)
{
    *start = 0;
    int32_t own = own_stack(s, scan, v);
    if (own < 0) own = own_stack(s, scan, join_with(s->b, v, start));
    return wg__add_rows_view(s->g, own);
}

static int32_t stack_of(const wg__stacks *s, const wg__gnode *scan, int32_t v)
{
    int64_t start, length = s->b->values[v].type.shape.dim[1];
    int32_t rows = stack_with(s, scan, v, &start);
    return rows < 0 ? -1 : wg__add_slice(s->g, rows, 1, start, length);
}

/* The sunk product A^T B: stacked rows of B, and of each part of A. Where B is columns of a join,
 * the product with all of it is taken: with the other gates' it is one (common subexpressions). */
static int32_t sunk_product(const wg__stacks *s, const wg__gnode *scan, const wg__gnode *p)
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

/* [T,B,...] seen as [B,T,...]. Nobody records it, and it comes after differentiation. */
static bool view_batch_first(const wg_view *in, const wg_view *like, const void *attr, wg_view *out)
{
    (void)attr;
    *out = *in;
    out->shape = like->shape;
    out->stride[0] = in->stride[1];
    out->stride[1] = in->stride[0];
    return true;
}

static const wg_op op_batch_first = {
    .size = sizeof(wg_op),
    .name = "batch_first",
    .version = 1,
    .traits = WG_OP_VIEW | WG_OP_NO_GRADIENT,
    .n_in = 1,
    .n_out = 1,
    .view = view_batch_first,
    .doc = "the same elements with the first two axes exchanged",
};

/* The steps of [B,G,K] one below the other in each member of the batch: [B,T G,K]. */
static int32_t batch_stack(const wg__stacks *s, const wg__gnode *scan, int32_t v, int64_t steps)
{
    const wg_shape step = s->b->values[v].type.shape;
    wg_type t = {s->b->values[v].type.dtype,
                 WG_SHAPE(step.dim[0], steps, step.dim[1], step.dim[2])};
    wg_shape by_time = wg__stacked_shape(step, steps);
    wg_shape whole = WG_SHAPE(step.dim[0], steps * step.dim[1], step.dim[2]);
    if (step.dim[1] == 1) { /* no further view: the product reads the stack where it lies */
        by_time = WG_SHAPE(steps, step.dim[0], step.dim[2]);
        t.shape = whole;
    }
    int32_t all = own_stack(s, scan, stacked_as(s->b, v));
    if (!wg_shape_equal(&s->g->values[all].type.shape, &by_time))
        all = wg__add_view(s->g, all, by_time);
    wg__gnode *n = all < 0 ? NULL : wg__graph_add(s->g, &op_batch_first, &all, 1, NULL, 0, &t, 1);
    if (!n) return -1;
    return step.dim[1] == 1 ? n->first_out : wg__add_view(s->g, n->first_out, whole);
}

static int32_t sunk_batch(const wg__stacks *s, const wg__gnode *scan, const wg__gnode *p,
                          int64_t steps)
{
    const wg_type t = s->b->values[p->first_out].type;
    int32_t in[2] = {batch_stack(s, scan, p->in[0], steps), batch_stack(s, scan, p->in[1], steps)};
    if (in[0] < 0 || in[1] < 0) return -1;
    wg__gnode *n = wg__graph_add(s->g, p->op, in, 2, p->attr, p->attr_size, &t, 1);
    if (!n) return -1;
    n->scope = p->scope;
    return n->first_out;
}

/* The sunk sum over rows, in the same way. */
static int32_t sunk_rows(const wg__stacks *s, const wg__gnode *scan, const wg__gnode *p)
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

/* The sunk adding op: over the stacks of its inputs. */
static int32_t sunk_adds(const wg__stacks *s, const wg__gnode *scan, const wg__gnode *p)
{
    const wg_type t = s->b->values[p->first_out].type;
    int32_t *in = wg__arena_alloc(s->g->arena, (size_t)p->n_in * sizeof *in);
    if (!in) return -1;
    for (int j = 0; j < p->n_in; j++) in[j] = own_stack(s, scan, p->in[j]);
    wg__gnode *n = wg__graph_add(s->g, p->op, in, p->n_in, p->attr, p->attr_size, &t, 1);
    if (!n) return -1;
    n->scope = p->scope;
    n->file = p->file;
    n->line = p->line;
    return n->first_out;
}

static int32_t sunk_output(const wg__stacks *s, const wg__gnode *scan, const wg__gnode *p,
                           wg_type step, int64_t steps)
{
    const wg__graph *b = s->b;
    int slot = wg__slot_of(b->constant, b->n_const, p->in[1]);
    int32_t left = stack_of(s, scan, p->in[0]);
    const wg_product_attr *a = p->attr;
    if (left < 0) return -1;
    int32_t v = wg__add_product(s->g, p, left, scan->in[b->n_seq + b->n_carry + slot], a->trans_a,
                                a->trans_b);
    return v < 0 ? -1 : wg__add_view(s->g, v, wg__stacked_shape(step.shape, steps));
}

int wg__sink_most_stacks(const wg__graph *b, int32_t v)
{
    const wg__gnode *p = &b->nodes[b->values[v].node];
    const int32_t *part;
    return p->n_in + left_parts(b, p->in, &part);
}

void wg__sink_want(wg__stacks *s, int32_t v, int out)
{
    const wg__gnode *p = &s->b->nodes[s->b->values[v].node];
    const wg__sink_kind kind = wg__sink_kind_of(s->b, v, out >= s->first_sum);
    if (kind == WG__SINK_SUM_BATCH) {
        for (int j = 0; j < 2; j++) want_stack(s, stacked_as(s->b, p->in[j]), false);
        return;
    }
    if (kind == WG__SINK_SUM_ADDS) {
        for (int j = 0; j < p->n_in; j++) want_stack(s, p->in[j], false);
        return;
    }
    const int32_t *part = &p->in[0];
    int parts = kind == WG__SINK_SUM_PRODUCT ? left_parts(s->b, &p->in[0], &part) : 1;
    for (int j = 0; j < parts; j++) want_stack(s, part[j], kind != WG__SINK_SUM_PRODUCT);
    if (kind == WG__SINK_SUM_PRODUCT) want_stack(s, p->in[1], true);
}

int32_t wg__sink_value(const wg__stacks *s, const wg__gnode *scan, int32_t v, int out,
                       int64_t steps)
{
    const wg__gnode p = s->b->nodes[s->b->values[v].node];
    switch (wg__sink_kind_of(s->b, v, out >= s->first_sum)) {
    case WG__SINK_SUM_PRODUCT: return sunk_product(s, scan, &p);
    case WG__SINK_SUM_BATCH: return sunk_batch(s, scan, &p, steps);
    case WG__SINK_SUM_ROWS: return sunk_rows(s, scan, &p);
    case WG__SINK_SUM_ADDS: return sunk_adds(s, scan, &p);
    default: return sunk_output(s, scan, &p, s->b->values[v].type, steps);
    }
}
