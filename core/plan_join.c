/* Planning of joins in place: where the operands of a join are computed by fused kernels, they are
 * written side by side where the join is to lie, and nothing is copied (the gradients of a cell's
 * gates, which one product reads as one matrix). */
#include <string.h>

#include "plan.h"

static bool is_join(const wg__gnode *n)
{
    return n->op->traits & WG_OP_JOIN && n->group < 0 && n->n_out == 1 &&
           n->attr_size >= sizeof(wg_join_attr);
}

static int64_t axis_of(const wg__gnode *n)
{
    return ((const wg_join_attr *)n->attr)->axis;
}

/* Kernels write runs of elements; a part of one element a row would be a column of single ones. */
static bool has_rows(const wg_shape *s, int64_t axis)
{
    int64_t run = 1;
    for (int i = (int)axis; i < s->rank; i++) run *= s->dim[i];
    return run > 1;
}

void wg__plan_joins(wg__planner *p)
{
    const wg__graph *g = p->g;
    for (int32_t i = 0; i < g->n_nodes && !p->keep_apart; i++) {
        const wg__gnode *n = &g->nodes[i];
        if (!is_join(n)) continue;
        int64_t at = 0;
        for (int j = 0; j < n->n_in; j++) {
            int32_t v = n->in[j];
            const wg__gnode *from = &g->nodes[g->values[v].node];
            /* A result that is wanted in a place of its own stays there. */
            if (from->group >= 0 && from->op->traits & WG_OP_MAP && !p->target[v] &&
                !p->part_of[v] && has_rows(&g->values[v].type.shape, axis_of(n))) {
                p->part_of[v] = n->first_out + 1;
                p->part_at[v] = at;
            }
            at += g->values[v].type.shape.dim[axis_of(n)];
        }
    }
}

/* The memory of join v: taken when the first part is written. */
static void take_place(wg__planner *p, int32_t v)
{
    wg__home *at = &p->at[v];
    if (at->store >= 0) return;
    wg__layout(&at->view, p->g->values[v].type);
    at->offset = 0;
    at->store = wg__plan_store(p, p->target[v] ? p->target[v] - 1 : -1,
                               wg__type_bytes(p->g->values[v].type));
}

/* Columns of join v from `start` on, in the shape of its operand `part`. */
static wg__home place_of(wg__planner *p, int32_t v, int32_t part, int64_t start)
{
    const wg__gnode *n = &p->g->nodes[p->g->values[v].node];
    take_place(p, v);
    wg__home at = p->at[v];
    int64_t step = at.view.stride[axis_of(n)] * (int64_t)wg_dtype_size(at.view.dtype);
    at.view.shape = p->g->values[part].type.shape;
    at.offset += start * step;
    return at;
}

bool wg__plan_part(wg__planner *p, int32_t v, wg__home *at)
{
    if (!p->part_of[v]) return false;
    *at = place_of(p, p->part_of[v] - 1, v, p->part_at[v]);
    return true;
}

bool wg__plan_join(wg__planner *p, const wg__gnode *n)
{
    int32_t v = n->first_out;
    bool any = false;
    for (int j = 0; j < n->n_in && is_join(n); j++) any |= p->part_of[n->in[j]] == v + 1;
    if (!any) return false;
    int64_t start = 0;
    for (int j = 0; j < n->n_in && !p->failed; j++) {
        int32_t part = n->in[j];
        int64_t length = p->g->values[part].type.shape.dim[axis_of(n)];
        if ((p->part_of[part] != v + 1 || p->part_at[part] != start) && length > 0) {
            wg__home to = place_of(p, v, part, start);
            wg__instr *copy = wg__plan_instr(p, WG__COPY, 1, 1);
            if (!copy) return true;
            wg__plan_read(p, copy, 0, &p->at[part]);
            wg__plan_write_at(p, copy, 0, &to);
        }
        start += length;
    }
    wg__plan_watch(p, v);
    return true;
}
