/* Looking at graphs and rewriting them: what several passes share (edit.h). */
#include "edit.h"

#include <string.h>

int32_t wg__slot_of(const int32_t *list, int32_t n, int32_t v)
{
    for (int32_t i = 0; i < n; i++)
        if (list[i] == v) return i;
    return -1;
}

bool wg__rank2(const wg__graph *g, int32_t v)
{
    return g->values[v].type.shape.rank == 2;
}

wg_shape wg__stacked_shape(wg_shape s, int64_t steps)
{
    memmove(s.dim + 1, s.dim, (WG_MAX_AXES - 1) * sizeof s.dim[0]);
    s.dim[0] = steps;
    s.rank++;
    return s;
}

bool wg__stackable(const wg__graph *b, int32_t v, int64_t steps)
{
    wg_shape s = wg__stacked_shape(b->values[v].type.shape, steps);
    return wg_shape_count(&s) >= 0;
}

int32_t *wg__count_uses(const wg__graph *g)
{
    int32_t *uses = wg_calloc((size_t)g->n_values + 1, sizeof *uses);
    if (!uses) return NULL;
    for (int32_t i = 0; i < g->n_nodes; i++)
        for (int j = 0; g->nodes[i].live && j < g->nodes[i].n_in; j++) uses[g->nodes[i].in[j]]++;
    for (int32_t i = 0; i < g->n_out; i++) uses[g->out[i]]++;
    return uses;
}

uint8_t *wg__invariant(const wg__graph *b)
{
    const uint32_t never = WG_OP_RANDOM | WG_OP_SCAN | WG_OP_EFFECT;
    uint8_t *inv = wg_calloc((size_t)b->n_values + 1, 1);
    if (!inv) return NULL;
    for (int32_t i = 0; i < b->n_const; i++) inv[b->constant[i]] = 2;
    for (int32_t i = 0; i < b->n_nodes; i++) {
        const wg__gnode *n = &b->nodes[i];
        if (!n->live || n->op == &wg__op_body_in || n->op->traits & never) continue;
        bool all = n->n_in > 0 || n->op == &wg__op_const || n->op == &wg__op_const_data;
        uint8_t most = 1;
        for (int j = 0; j < n->n_in; j++) {
            all = all && inv[n->in[j]];
            if (inv[n->in[j]] > most) most = inv[n->in[j]];
        }
        for (int j = 0; j < n->n_out; j++) all = all && !b->values[n->first_out + j].watch;
        for (int j = 0; j < n->n_out && all; j++) inv[n->first_out + j] = most;
    }
    return inv;
}

static wg_view row_major(const wg_type *t)
{
    wg_view v;
    memset(&v, 0, sizeof v);
    v.dtype = t->dtype;
    v.shape = t->shape;
    int64_t run = 1;
    for (int i = t->shape.rank - 1; i >= 0; i--) {
        v.stride[i] = run;
        run *= t->shape.dim[i];
    }
    return v;
}

int32_t wg__reshaped(const wg__graph *g, int32_t v)
{
    for (;;) {
        const wg__gnode *n = &g->nodes[g->values[v].node];
        if (!(n->op->traits & WG_OP_VIEW) || n->n_in != 1 || n->n_out != 1 || g->values[v].watch)
            return v;
        const wg_type *from = &g->values[n->in[0]].type, *to = &g->values[v].type;
        if (wg_shape_count(&from->shape) != wg_shape_count(&to->shape)) return v;
        wg_view in = row_major(from), like = row_major(to), out;
        if (!n->op->view(&in, &like, n->attr, &out) || out.data) return v;
        for (int i = 0; i < to->shape.rank; i++)
            if (to->shape.dim[i] != 1 && out.stride[i] != like.stride[i]) return v;
        v = n->in[0];
    }
}

bool wg__is_slice(const wg__graph *g, int32_t v, int32_t *of, wg__slice_attr *what)
{
    const wg__gnode *n = &g->nodes[g->values[v].node];
    if (!(n->op->traits & WG_OP_VIEW) || n->n_in != 1) return false;
    const wg_type *from = &g->values[n->in[0]].type, *to = &g->values[v].type;
    int rank = from->shape.rank, axis = -1;
    if (rank == 0 || to->shape.rank != rank) return false;
    for (int i = 0; i < rank; i++) {
        if (from->shape.dim[i] == to->shape.dim[i]) continue;
        if (axis >= 0 || to->shape.dim[i] > from->shape.dim[i]) return false;
        axis = i;
    }
    if (axis < 0 || wg_shape_count(&to->shape) <= 0) return false;
    wg_view in = row_major(from), like = in, out;
    like.shape = to->shape;
    like.data = (void *)(intptr_t)(v - n->first_out);
    if (!n->op->view(&in, &like, n->attr, &out)) return false;
    for (int i = 0; i < rank; i++)
        if (out.stride[i] != in.stride[i]) return false;
    int64_t step = in.stride[axis] * (int64_t)wg_dtype_size(from->dtype);
    int64_t moved = (int64_t)(intptr_t)out.data;
    if (moved % step != 0) return false;
    *what = (wg__slice_attr){axis, moved / step, to->shape.dim[axis]};
    if (what->start < 0 || what->start + what->length > from->shape.dim[axis]) return false;
    *of = n->in[0];
    return true;
}

int32_t wg__add_slice(wg__graph *g, int32_t v, int64_t axis, int64_t start, int64_t length)
{
    wg_type t = g->values[v].type;
    if (start == 0 && length == t.shape.dim[axis]) return v;
    /* One part of a join is that part. */
    const wg__gnode *from = &g->nodes[g->values[v].node];
    if (from->op->traits & WG_OP_JOIN && from->attr_size >= sizeof(wg_join_attr) &&
        ((const wg_join_attr *)from->attr)->axis == axis) {
        int64_t at = 0;
        for (int j = 0; j < from->n_in; j++) {
            int64_t part = g->values[from->in[j]].type.shape.dim[axis];
            if (at == start && part == length) return from->in[j];
            at += part;
        }
    }
    wg__slice_attr a = {axis, start, length};
    t.shape.dim[axis] = length;
    wg__gnode *n = wg__graph_add(g, &wg__op_slice, &v, 1, &a, sizeof a, &t, 1);
    return n ? n->first_out : -1;
}

int32_t wg__add_join(wg__graph *g, const int32_t *v, int32_t n, int64_t axis)
{
    if (n == 1) return v[0];
    wg_type t = g->values[v[0]].type;
    for (int32_t i = 1; i < n; i++) t.shape.dim[axis] += g->values[v[i]].type.shape.dim[axis];
    wg_join_attr a = {axis};
    wg__gnode *made = wg__graph_add(g, &wg__op_concat, v, n, &a, sizeof a, &t, 1);
    return made ? made->first_out : -1;
}

int32_t wg__add_product(wg__graph *g, const wg__gnode *like, int32_t a, int32_t b, bool trans_a,
                        bool trans_b)
{
    const wg_shape *sa = &g->values[a].type.shape, *sb = &g->values[b].type.shape;
    wg_type t = {g->values[a].type.dtype,
                 WG_SHAPE(sa->dim[trans_a ? 1 : 0], sb->dim[trans_b ? 0 : 1])};
    const char *scope = like->scope;
    wg_product_attr attr = {trans_a, trans_b};
    wg__gnode *n = wg__graph_add(g, like->op, (int32_t[]){a, b}, 2, &attr, sizeof attr, &t, 1);
    if (!n) return -1;
    n->scope = scope;
    return n->first_out;
}

int32_t wg__add_view(wg__graph *g, int32_t v, wg_shape shape)
{
    wg_type t = {g->values[v].type.dtype, shape};
    wg__gnode *n = wg__graph_add(g, &wg__op_view_as, &v, 1, &shape, sizeof shape, &t, 1);
    return n ? n->first_out : -1;
}

int32_t wg__add_rows_view(wg__graph *g, int32_t v)
{
    const wg_shape *s = &g->values[v].type.shape;
    return wg__add_view(g, v, WG_SHAPE(s->dim[0] * s->dim[1], s->dim[2]));
}

int32_t wg__add_sum(wg__graph *g, int32_t a, int32_t b, const char *scope)
{
    wg_type t = g->values[a].type;
    wg__gnode *n = wg__graph_add(g, &wg__op_add, (int32_t[]){a, b}, 2, NULL, 0, &t, 1);
    if (!n) return -1;
    n->scope = scope;
    return n->first_out;
}

int32_t wg__add_copy(wg__graph *g, const wg__graph *from, const wg__gnode *n, const int32_t *in)
{
    const wg__gnode like = *n;
    wg_type *types = wg__arena_alloc(g->arena, ((size_t)like.n_out + 1) * sizeof *types);
    if (!types) return -1;
    for (int j = 0; j < like.n_out; j++) types[j] = from->values[like.first_out + j].type;
    wg__gnode *copy =
        wg__graph_add(g, like.op, in, like.n_in, like.attr, like.attr_size, types, like.n_out);
    if (!copy) return -1;
    copy->scope = like.scope;
    copy->file = like.file;
    copy->line = like.line;
    return copy->first_out;
}

int32_t wg__constant_operand(const wg__graph *g, int32_t at, int32_t v)
{
    const wg__graph *b = g->nodes[at].body;
    int32_t slot = wg__slot_of(b->constant, b->n_const, v);
    return slot < 0 ? -1 : g->nodes[at].in[b->n_seq + b->n_carry + slot];
}

/* A list of n with v put in before place `at`; NULL on out of memory. */
static int32_t *inserted(wg__arena *arena, const int32_t *list, int32_t n, int32_t at, int32_t v)
{
    int32_t *all = wg__arena_alloc(arena, ((size_t)n + 1) * sizeof *all);
    if (!all) return NULL;
    if (at > 0) memcpy(all, list, (size_t)at * sizeof *all);
    all[at] = v;
    if (n > at) memcpy(all + at + 1, list + at, (size_t)(n - at) * sizeof *all);
    return all;
}

static int32_t add_slot(wg__graph *g, int32_t at, int32_t v, bool sequence)
{
    wg__gnode *scan = &g->nodes[at];
    wg__graph *b = scan->body;
    wg_type t = g->values[v].type;
    if (sequence) { /* a step of it */
        t.shape.rank--;
        memmove(t.shape.dim, t.shape.dim + 1, (WG_MAX_AXES - 1) * sizeof t.shape.dim[0]);
        t.shape.dim[WG_MAX_AXES - 1] = 0;
    }
    wg__leaf_attr leaf;
    memset(&leaf, 0, sizeof leaf);
    leaf.shape = t.shape;
    leaf.dtype = (int32_t)t.dtype;
    leaf.number = b->n_values;
    wg__gnode *made = wg__graph_add(b, &wg__op_body_in, NULL, 0, &leaf, sizeof leaf, &t, 1);
    if (!made) return -1;
    int32_t slot = made->first_out;
    int32_t **list = sequence ? &b->seq : &b->constant;
    int32_t *n = sequence ? &b->n_seq : &b->n_const;
    /* Operands: sequences, carries, constants. */
    int32_t place = sequence ? b->n_seq : b->n_seq + b->n_carry + b->n_const;
    int32_t *slots = inserted(g->arena, *list, *n, *n, slot);
    int32_t *in = inserted(g->arena, scan->in, scan->n_in, place, v);
    wg__scan_attr *attr = wg__arena_copy(g->arena, scan->attr, sizeof *attr);
    if (!slots || !in || !attr) return -1;
    *list = slots;
    ++*n;
    scan->in = in;
    scan->n_in++;
    if (sequence)
        attr->n_seq++;
    else
        attr->n_const++;
    scan->attr = attr;
    return slot;
}

int32_t wg__add_sequence_slot(wg__graph *g, int32_t at, int32_t v)
{
    return add_slot(g, at, v, true);
}

int32_t wg__add_constant_slot(wg__graph *g, int32_t at, int32_t v)
{
    return add_slot(g, at, v, false);
}

bool wg__tidy(wg__graph *g)
{
    return wg__graph_sort(g) && wg__pass_dead(g);
}

bool wg__joins_columns(const wg__graph *g, const wg__gnode *n)
{
    return n->live && n->op->traits & WG_OP_JOIN && n->n_out == 1 &&
           n->attr_size >= sizeof(wg_join_attr) && g->values[n->first_out].type.shape.rank == 2 &&
           ((const wg_join_attr *)n->attr)->axis == 1;
}

bool wg__is_product(const wg__graph *g, const wg__gnode *n)
{
    return n->live && n->op->traits & WG_OP_PRODUCT && n->n_in == 2 && n->n_out == 1 &&
           n->attr_size == sizeof(wg_product_attr) && !g->values[n->first_out].watch &&
           g->values[n->in[0]].type.shape.rank == 2 && g->values[n->in[1]].type.shape.rank == 2;
}
