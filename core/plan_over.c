/* Planning of a loop's outputs over sequences that die in it: the gradients of a cell's gates take
 * the place of the gates, and the gates that of the products before them.
 *
 * A buffer of the frame around the loop that only sequences of this loop still read, and that holds
 * one step after another, is written at step t where nothing reads it any more: each place either
 * by the kernel that reads it last, element over element, or after all that reads it. Since
 * sequences and outputs are all at the same t, whichever way the loop runs, other steps are not
 * met. */
#include <string.h>

#include "plan.h"

/* A part of a step in a buffer of the frame around. */
typedef struct region {
    int32_t store;
    int64_t offset; /* bytes; of step 0 */
    wg_view view;
} region;

/* ---- where things are ---- */

static int64_t size_of(const wg_view *v)
{
    return (int64_t)wg_dtype_size(v->dtype);
}

static bool in_rows(const wg_view *v)
{
    int last = v->shape.rank - 1;
    return last >= 0 && (v->shape.dim[last] == 1 || v->stride[last] == 1);
}

/* Bytes from the first element to behind the last; -1 = not known to be ahead of it. */
static int64_t extent(const wg_view *v)
{
    int64_t last = 0;
    for (int a = 0; a < v->shape.rank; a++) {
        if (v->shape.dim[a] < 1 || v->stride[a] < 0) return -1;
        last += (v->shape.dim[a] - 1) * v->stride[a];
    }
    return (last + 1) * size_of(v);
}

static bool same(const region *a, const region *b)
{
    if (a->store != b->store || a->offset != b->offset || a->view.dtype != b->view.dtype ||
        !wg_shape_equal(&a->view.shape, &b->view.shape))
        return false;
    for (int i = 0; i < a->view.shape.rank; i++)
        if (a->view.shape.dim[i] != 1 && a->view.stride[i] != b->view.stride[i]) return false;
    return true;
}

/* Have they no element in common? Columns of one matrix, or one behind the other; else it is not
 * known. */
static bool apart(const region *a, const region *b)
{
    if (a->store != b->store) return true;
    if (extent(&a->view) < 0 || extent(&b->view) < 0) return false;
    int64_t ends = a->offset + extent(&a->view), other = b->offset + extent(&b->view);
    if (ends <= b->offset || other <= a->offset) return true;
    int last = a->view.shape.rank - 1;
    if (last < 0 || b->view.shape.rank != last + 1 || size_of(&a->view) != size_of(&b->view) ||
        !in_rows(&a->view) || !in_rows(&b->view))
        return false;
    int64_t row = 0;
    for (int i = 0; i < last; i++) {
        if (a->view.shape.dim[i] != b->view.shape.dim[i]) return false;
        if (a->view.shape.dim[i] == 1) continue;
        if (a->view.stride[i] != b->view.stride[i]) return false;
        row = a->view.stride[i];
    }
    if (row <= 0) return false;
    for (int i = 0; i < last; i++)
        if (a->view.shape.dim[i] != 1 && a->view.stride[i] % row != 0) return false;
    int64_t x = a->offset / size_of(&a->view) % row, y = b->offset / size_of(&b->view) % row;
    int64_t x_end = x + a->view.shape.dim[last], y_end = y + b->view.shape.dim[last];
    return x_end <= row && y_end <= row && (x_end <= y || y_end <= x);
}

/* The region of value w of the body, if it is in a sequence that dies. */
static bool region_of(const wg__planner *q, int32_t w, region *r)
{
    const wg__over *over = q->over;
    const wg__home *at = &q->at[w];
    if (at->store < 0) return false;
    int32_t bind = q->stores[at->store].bind; /* sequences have the first */
    if (bind < 0 || bind >= q->g->n_seq || over->dying[bind] < 0) return false;
    *r = (region){over->dying[bind], over->operand[bind].offset + at->offset, at->view};
    return true;
}

/* The output that v is computed into, whole or as part of a join; -1. */
static int32_t output_of(const wg__planner *q, int32_t v)
{
    int32_t to = q->part_of[v] ? q->part_of[v] - 1 : v;
    int32_t k = q->target[to] - 1 - q->over->first_bind;
    return q->target[to] && k >= 0 && k < q->g->n_y ? k : -1;
}

static region region_of_output(const wg__planner *q, int32_t k)
{
    const wg__over_place *y = &q->over->y[k];
    return (region){y->store, y->offset, y->view};
}

/* Where v goes, which is computed into output k: NULL-safe for outputs without a place. */
static region region_of_result(wg__planner *q, int32_t v, int32_t k)
{
    region r = region_of_output(q, k);
    wg__home part;
    if (wg__plan_part(q, v, &part)) {
        r.offset += part.offset;
        r.view = part.view;
    }
    return r;
}

/* ---- may output k be there? ---- */

static int32_t reads_of(const wg__planner *q, int32_t group, int32_t w)
{
    int32_t reads = 0;
    for (int32_t m = q->group_first[group]; m >= 0; m = q->unit_next[m])
        for (int a = 0; a < q->g->nodes[m].n_in; a++) reads += q->g->nodes[m].in[a] == w;
    return reads;
}

/* Does result v of the group, part or whole of output k, meet only what it may overwrite? */
static bool fits(wg__planner *q, int32_t group, const int32_t *in, int32_t n_in, int32_t v,
                 int32_t k)
{
    region to = region_of_result(q, v, k), r;
    int64_t bytes = extent(&to.view);
    if (bytes < 0 || to.offset < 0 || to.offset + bytes > q->over->step[to.store]) return false;
    for (int32_t w = 0; w < q->g->n_values; w++)
        if (region_of(q, w, &r) && !apart(&r, &to) &&
            (q->readers[w] > reads_of(q, group, w) || q->g->values[w].watch))
            return false;
    for (int32_t i = 0; i < n_in; i++)
        if (region_of(q, in[i], &r) && !same(&r, &to) && !apart(&r, &to)) return false;
    for (int32_t other = 0; other < q->g->n_y; other++) {
        if (other == k || q->over->y[other].store < 0) continue;
        r = region_of_output(q, other);
        if (!apart(&r, &to)) return false;
    }
    return true;
}

/* A join as a whole: every part is computed by this group, in its place. */
static bool join_fits(wg__planner *q, int32_t group, const int32_t *in, int32_t n_in, int32_t join,
                      int32_t k)
{
    const wg__gnode *n = &q->g->nodes[q->g->values[join].node];
    int64_t axis = ((const wg_join_attr *)n->attr)->axis, start = 0;
    for (int j = 0; j < n->n_in; j++) {
        int32_t v = n->in[j];
        if (q->part_of[v] != join + 1 || q->part_at[v] != start ||
            q->g->nodes[q->g->values[v].node].group != group || !fits(q, group, in, n_in, v, k))
            return false;
        start += q->g->values[v].type.shape.dim[axis];
    }
    return true;
}

/* Puts output k, whose value v is or is part of, where operand u of the group is. */
static bool try_place(wg__planner *q, int32_t group, const int32_t *in, int32_t n_in, int32_t v,
                      int32_t u, int32_t k)
{
    wg__over_place *y = &q->over->y[k];
    const wg_type *a = &q->g->values[v].type, *b = &q->g->values[u].type;
    region from;
    if (!q->over->ours[k] || a->dtype != b->dtype || !wg_shape_equal(&a->shape, &b->shape) ||
        !region_of(q, u, &from) || !in_rows(&from.view) || q->over->banned[from.store])
        return false;
    wg__home part;
    bool fit;
    if (wg__plan_part(q, v, &part)) {
        int32_t join = q->part_of[v] - 1;
        *y = (wg__over_place){from.store, from.offset - part.offset, q->at[join].view};
        region to = region_of_result(q, v, k);
        fit = same(&from, &to) && join_fits(q, group, in, n_in, join, k);
    } else {
        /* Kernels write runs of elements. */
        int last = from.view.shape.rank - 1;
        *y = (wg__over_place){from.store, from.offset, from.view};
        fit = (from.view.shape.dim[last] > 1 || wg__layout_is_contiguous(&from.view)) &&
              fits(q, group, in, n_in, v, k);
    }
    if (!fit) y->store = -1;
    return fit;
}

void wg__plan_over(wg__planner *q, int32_t group, const int32_t *in, int32_t n_in,
                   const int32_t *out, int32_t n_out)
{
    wg__over *over = q->over;
    for (int32_t j = 0; j < n_out && over; j++) {
        int32_t v = out[j], k = output_of(q, v);
        if (k < 0 || q->failed) continue;
        if (over->chosen) { /* as the other frame of the loop does, or not at all */
            if (over->y[k].store < 0) continue;
            over->followed[k] = q->part_of[v] ? join_fits(q, group, in, n_in, q->part_of[v] - 1, k)
                                              : fits(q, group, in, n_in, v, k);
            continue;
        }
        for (int32_t i = 0; i < n_in && over->y[k].store < 0; i++)
            try_place(q, group, in, n_in, v, in[i], k);
    }
}

bool wg__plan_over_late(wg__planner *q, const wg__fused *f, const int32_t *in, int32_t n_in,
                        const int32_t *out, int32_t n_out, uint8_t *late)
{
    bool any = false;
    for (int32_t j = 0; j < n_out && q->over; j++) {
        int32_t k = output_of(q, out[j]);
        if (k < 0 || q->over->y[k].store < 0) continue;
        region to = region_of_result(q, out[j], k), r;
        for (int32_t i = 0; i < n_in && !late[j]; i++)
            late[j] = region_of(q, in[i], &r) && !apart(&r, &to) && !wg__plan_read_before(f, i, j);
        any |= late[j] != 0;
    }
    return any;
}

bool wg__plan_over_result(const wg__planner *q, int32_t v, wg_view *view)
{
    int32_t k = q->over ? output_of(q, v) : -1;
    if (k < 0 || q->part_of[v] || q->over->y[k].store < 0) return false;
    *view = q->over->y[k].view;
    return true;
}

/* ---- the loop ---- */

static int32_t reads_by(const wg__gnode *n, int32_t v)
{
    int32_t reads = 0;
    for (int j = 0; j < n->n_in; j++) reads += n->in[j] == v;
    return reads;
}

/* The bytes of a step in store s, if its whole is steps one after another that nothing reads after
 * loop n, and the loop as sequences alone; else 0. */
static int64_t step_of(const wg__planner *p, const wg__gnode *n, const wg__home *operand, int32_t s)
{
    const wg__store *store = &p->stores[s];
    int n_seq = n->body->n_seq;
    int64_t step = 0;
    if (store->bind >= 0 || store->fixed || store->bytes == 0) return 0;
    for (int i = 0; i < n->n_in; i++) {
        if (operand[i].store != s) continue;
        const wg_view *v = &operand[i].view;
        int64_t mine = i < n_seq ? v->stride[0] * size_of(v) : 0;
        wg_view one = *v;
        one.shape.dim[0] = 1;
        int64_t bytes = extent(&one);
        if (mine <= 0 || (step && mine != step) || bytes < 0 || operand[i].offset < 0 ||
            operand[i].offset + bytes > mine ||
            store->bytes != (((size_t)(v->shape.dim[0] * mine) + 63) & ~(size_t)63))
            return 0;
        step = mine;
    }
    for (int32_t v = 0; v < p->g->n_values; v++)
        if (p->at[v].store == s && p->readers[v] > reads_by(n, v)) return 0;
    return step;
}

wg__over *wg__plan_over_new(wg__planner *p, const wg__gnode *n, const wg__home *operand)
{
    const wg__graph *b = n->body;
    wg__over *over = wg__arena_calloc(p->arena, 1, sizeof *over);
    size_t n_y = (size_t)b->n_y + 1, n_stores = (size_t)p->n_stores + 1;
    if (!over) return NULL;
    over->operand = operand;
    over->dying = wg__arena_calloc(p->arena, (size_t)b->n_seq + 1, sizeof *over->dying);
    over->y = wg__arena_calloc(p->arena, n_y, sizeof *over->y);
    over->followed = wg__arena_calloc(p->arena, n_y, sizeof *over->followed);
    over->ours = wg__arena_calloc(p->arena, n_y, sizeof *over->ours);
    over->step = wg__arena_calloc(p->arena, n_stores, sizeof *over->step);
    over->banned = wg__arena_calloc(p->arena, n_stores, sizeof *over->banned);
    if (!over->dying || !over->y || !over->followed || !over->ours || !over->step || !over->banned)
        return NULL;
    for (int k = 0; k < b->n_y; k++) {
        int32_t v = n->first_out + b->n_carry + k;
        over->ours[k] = !p->target[v] && !p->part_of[v];
    }
    over->first_bind = b->n_seq + b->n_const + 2 * b->n_carry;
    for (int i = 0; i < b->n_seq; i++) {
        int32_t s = operand[i].store;
        over->dying[i] = -1;
        if (p->keep_apart) continue;
        if (over->step[s] == 0) over->step[s] = step_of(p, n, operand, s);
        if (over->step[s] > 0) over->dying[i] = s;
    }
    return over;
}

void wg__plan_over_begin(wg__over *over, const wg__graph *b, bool chosen)
{
    over->chosen = chosen;
    for (int k = 0; k < b->n_y; k++) {
        if (!chosen) over->y[k].store = -1;
        over->followed[k] = false;
    }
}

/* The one node that reads value v, a scan to which it is a sequence; -1. */
static int32_t scan_that_reads(const wg__planner *p, int32_t v)
{
    int32_t found = -1;
    for (int i = 0; i < p->g->n_out; i++)
        if (p->g->out[i] == v) return -1;
    for (int32_t i = 0; i < p->g->n_nodes; i++) {
        const wg__gnode *n = &p->g->nodes[i];
        for (int j = 0; j < n->n_in; j++) {
            if (n->in[j] != v) continue;
            bool sequence = n->op->traits & WG_OP_SCAN && n->body && j < n->body->n_seq;
            if (!sequence || (found >= 0 && found != i)) return -1;
            found = i;
        }
    }
    return found;
}

/* Is a buffer worth giving away: filled by outputs that it then holds, no longer than each would be
 * held alone, and read as they are? */
static bool worth(const wg__planner *p, const wg__gnode *n, const wg__over *over, int32_t s)
{
    const wg__graph *b = n->body;
    size_t filled = 0;
    int32_t reader = -1;
    for (int k = 0; k < b->n_y; k++) {
        if (over->y[k].store != s) continue;
        int32_t v = n->first_out + b->n_carry + k;
        filled += wg__type_bytes(p->g->values[v].type);
        if (wg__layout_is_contiguous(&over->y[k].view) && extent(&over->y[k].view) == over->step[s])
            continue;
        int32_t scan = scan_that_reads(p, v);
        if (scan < 0 || (reader >= 0 && reader != scan)) return false;
        reader = scan;
    }
    return ((filled + 63) & ~(size_t)63) == p->stores[s].bytes;
}

bool wg__plan_over_settled(const wg__planner *p, const wg__gnode *n, wg__over *over)
{
    bool settled = true;
    for (int k = 0; k < n->body->n_y; k++) {
        int32_t s = over->y[k].store;
        if (s < 0 || over->banned[s]) continue;
        if ((over->chosen && !over->followed[k]) || !worth(p, n, over, s)) {
            over->banned[s] = true;
            settled = false;
        }
    }
    return settled;
}

void wg__plan_over_emit(wg__planner *p, const wg__gnode *n, wg__instr *loop, const wg__over *over)
{
    const wg__graph *b = n->body;
    for (int k = 0; k < b->n_y && !p->failed; k++) {
        const wg__over_place *y = &over->y[k];
        if (y->store < 0) continue;
        int32_t v = n->first_out + b->n_carry + k;
        wg__home *at = &p->at[v];
        wg__layout(&at->view, p->g->values[v].type);
        at->view.stride[0] = over->step[y->store] / size_of(&at->view);
        for (int a = 1; a < at->view.shape.rank; a++) at->view.stride[a] = y->view.stride[a - 1];
        at->store = y->store;
        at->offset = y->offset;
        loop->loop->y[k].step = over->step[y->store];
        wg__plan_write_at(p, loop, b->n_carry + k, at);
    }
}
