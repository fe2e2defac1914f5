/* Pass: sums leave a loop for after it.
 *
 * A sum of products A_t^T B_t is one product over the stacked A and B after the loop (the weight
 * gradients), or a batch of them where A and B are batches (the gradients of what attention looks
 * at); a stacked output that is a product with a loop constant is one product over the stacked left
 * operand (the input gradients); a sum over rows likewise (the bias gradients), and rows added into
 * zeros (WG_OP_ADDS: the gradient of a table that the body looks up, which would be cleared and
 * added as a whole at every step). Only these move: cheap elementwise work stays fused in the loop.
 */
#include <string.h>

#include "edit.h"

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

typedef enum sink_kind {
    SINK_NONE,
    SINK_SUM_PRODUCT, /* A_t^T B_t, summed */
    SINK_SUM_BATCH,   /* the same of batches [B,G,M] and [B,G,N] */
    SINK_SUM_ROWS,
    SINK_SUM_ADDS, /* an op that adds over leading axes: time becomes one of them */
    SINK_OUTPUT
} sink_kind;

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

static sink_kind kind_of(const wg__graph *b, int32_t v, bool sum)
{
    const wg__gnode *n = &b->nodes[b->values[v].node];
    if (n->op->traits & WG_OP_PRODUCT && n->n_in == 2 && n->n_out == 1 && wg__rank2(b, n->in[0]) &&
        wg__rank2(b, n->in[1])) {
        const wg_product_attr *a = n->attr;
        bool w = wg__slot_of(b->constant, b->n_const, n->in[1]) >= 0;
        bool left = wg__slot_of(b->constant, b->n_const, n->in[0]) >= 0;
        if (sum && a->trans_a && !a->trans_b && !w && !left) return SINK_SUM_PRODUCT;
        if (!sum && !a->trans_a && w && !left) return SINK_OUTPUT;
    }
    if (sum && is_batch_product(b, n)) return SINK_SUM_BATCH;
    if (sum && is_adding(b, n)) return SINK_SUM_ADDS;
    if (sum && n->op == &wg__op_sum_to && wg__rank2(b, n->in[0]) &&
        b->values[v].type.shape.rank == 1 && wg__slot_of(b->constant, b->n_const, n->in[0]) < 0)
        return SINK_SUM_ROWS;
    return SINK_NONE;
}

static bool can_sink(const wg__graph *b, int32_t v, bool sum, int64_t steps)
{
    const wg__gnode *n = &b->nodes[b->values[v].node];
    if (kind_of(b, v, sum) == SINK_NONE) return false;
    for (int j = 0; j < n->n_in; j++)
        if (!wg__stackable(b, n->in[j], steps)) return false;
    return true;
}

/* What of an output leaves the loop: a sum over steps of a sum is two sums, as when one value is
 * used twice a step. */
enum { MOST_TERMS = 8 };
typedef struct sunk {
    int n; /* 0 = it stays */
    int32_t term[MOST_TERMS];
} sunk;

static sunk to_sink(const wg__graph *b, int out, int64_t steps)
{
    const sunk stays = {.n = 0};
    const bool sum = out >= b->n_carry + b->n_y;
    sunk s = {.n = 1, .term = {b->out[out]}};
    if (out < b->n_carry) return stays;
    for (int k = 0; k < s.n;) {
        int32_t v = s.term[k];
        const wg__gnode *n = &b->nodes[b->values[v].node];
        /* The output itself nobody else reads; a term of it the addition alone. */
        bool whole = v == b->out[out];
        if (b->values[v].watch || uses(b, v) != !whole || outputs(b, v) != whole) return stays;
        if (can_sink(b, v, sum, steps)) {
            k++;
            continue;
        }
        if (!sum || n->op != &wg__op_add || s.n == MOST_TERMS) return stays;
        for (int j = 0; j < 2; j++)
            if (!wg_shape_equal(&b->values[n->in[j]].type.shape, &b->values[v].type.shape))
                return stays;
        s.term[k] = n->in[0];
        s.term[s.n++] = n->in[1];
    }
    return s;
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
    int first_sum; /* of the old outputs */
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

/* The stack over time of v itself: a sequence's operand, or an output of the rebuilt scan. -1 = v
 * is stacked as part of a join. */
static int32_t own_stack(const stacks *s, const wg__gnode *scan, int32_t v)
{
    const wg__graph *b = s->b;
    int32_t at = wg__slot_of(b->seq, b->n_seq, v);
    if (at >= 0) return scan->in[at];
    at = wg__slot_of(s->out + b->n_carry, s->n_y, v);
    return at < 0 ? -1 : scan->first_out + b->n_carry + at;
}

/* The stack over time of body value v, as [T B,K]. Where v is columns of another value's stack,
 * that one, and *start says from where. -1 = out of memory. */
static int32_t stack_with(const stacks *s, const wg__gnode *scan, int32_t v, int64_t *start)
{
    *start = 0;
    int32_t own = own_stack(s, scan, v);
    if (own < 0) own = own_stack(s, scan, join_with(s->b, v, start));
    return wg__add_rows_view(s->g, own);
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
static int32_t batch_stack(const stacks *s, const wg__gnode *scan, int32_t v, int64_t steps)
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

static int32_t sunk_batch(const stacks *s, const wg__gnode *scan, const wg__gnode *p, int64_t steps)
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

/* The sunk adding op: over the stacks of its inputs. */
static int32_t sunk_adds(const stacks *s, const wg__gnode *scan, const wg__gnode *p)
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
    return v < 0 ? -1 : wg__add_view(s->g, v, wg__stacked_shape(step.shape, steps));
}

/* The stacks that term v of output `out` of the old loop is made from. */
static void want_stacks(stacks *s, int32_t v, int out)
{
    const wg__gnode *p = &s->b->nodes[s->b->values[v].node];
    const sink_kind kind = kind_of(s->b, v, out >= s->first_sum);
    if (kind == SINK_SUM_BATCH) {
        for (int j = 0; j < 2; j++) want_stack(s, stacked_as(s->b, p->in[j]), false);
        return;
    }
    if (kind == SINK_SUM_ADDS) {
        for (int j = 0; j < p->n_in; j++) want_stack(s, p->in[j], false);
        return;
    }
    const int32_t *part = &p->in[0];
    int parts = kind == SINK_SUM_PRODUCT ? left_parts(s->b, &p->in[0], &part) : 1;
    for (int j = 0; j < parts; j++) want_stack(s, part[j], kind != SINK_SUM_PRODUCT);
    if (kind == SINK_SUM_PRODUCT) want_stack(s, p->in[1], true);
}

/* The term after the loop. */
static int32_t sunk_value(const stacks *s, const wg__gnode *scan, int32_t v, int out, int64_t steps)
{
    const wg__gnode p = s->b->nodes[s->b->values[v].node];
    switch (kind_of(s->b, v, out >= s->first_sum)) {
    case SINK_SUM_PRODUCT: return sunk_product(s, scan, &p);
    case SINK_SUM_BATCH: return sunk_batch(s, scan, &p, steps);
    case SINK_SUM_ROWS: return sunk_rows(s, scan, &p);
    case SINK_SUM_ADDS: return sunk_adds(s, scan, &p);
    default: return sunk_output(s, scan, &p, s->b->values[v].type, steps);
    }
}

static bool sink_scan(wg__graph *g, int32_t at)
{
    wg__graph *b = g->nodes[at].body;
    wg__gnode old = g->nodes[at];
    int32_t n_old = b->n_out, most = n_old + 1;
    sunk *leaving = wg__arena_calloc(g->arena, (size_t)n_old + 1, sizeof *leaving);
    if (!leaving) return false;
    bool any = false;
    const int32_t *part;
    wg__scan_attr attr = *(const wg__scan_attr *)old.attr;
    if (attr.remat) return true; /* as for hoist */
    for (int i = 0; i < n_old; i++) {
        leaving[i] = to_sink(b, i, attr.steps);
        any = any || leaving[i].n > 0;
        for (int k = 0; k < leaving[i].n; k++) {
            const wg__gnode *p = &b->nodes[b->values[leaving[i].term[k]].node];
            most += p->n_in + left_parts(b, p->in, &part);
        }
    }
    if (!any) return true;
    int32_t *out = wg__arena_alloc(g->arena, (size_t)most * sizeof *out);
    int32_t *was = wg__arena_alloc(g->arena, (size_t)most * sizeof *was); /* old output, or -1 */
    wg_type *types = wg__arena_alloc(g->arena, (size_t)most * sizeof *types);
    if (!out || !was || !types) return false;
    int n = 0, n_y = 0, n_sum = 0;
    for (int i = 0; i < b->n_carry + b->n_y; i++) {
        if (leaving[i].n > 0) continue;
        was[n] = i;
        n_y += i >= b->n_carry;
        out[n++] = b->out[i];
    }
    stacks st = {g, b, out, was, n, n_y, b->n_carry + b->n_y};
    for (int i = 0; i < n_old; i++)
        for (int k = 0; k < leaving[i].n; k++) want_stacks(&st, leaving[i].term[k], i);
    n = st.n;
    n_y = st.n_y;
    for (int i = b->n_carry + b->n_y; i < n_old; i++) {
        if (leaving[i].n > 0) continue;
        was[n] = i;
        n_sum++;
        out[n++] = b->out[i];
    }
    for (int i = 0; i < n; i++) {
        types[i] = b->values[out[i]].type;
        if (i >= b->n_carry && i < b->n_carry + n_y)
            types[i].shape = wg__stacked_shape(types[i].shape, attr.steps);
    }
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
        int32_t v = -1;
        for (int k = 0; k < leaving[i].n; k++) {
            int32_t one = sunk_value(&st, &scan, leaving[i].term[k], i, attr.steps);
            if (one >= 0) v = k ? wg__add_sum(g, v, one, scan.scope) : one;
            if (one < 0 || v < 0) return false;
        }
        if (v < 0) continue;
        const char *watch = g->values[old.first_out + i].watch;
        if (watch && g->values[v].watch) v = wg__add_view(g, v, g->values[v].type.shape);
        if (v < 0) return false;
        if (watch) g->values[v].watch = watch;
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
