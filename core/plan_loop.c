/* Planning of scans: the body's frame, how its slots are bound at each step, and where its results
 * go: straight into their slots where that is possible, else copied or added at the end of a step.
 */
#include <string.h>

#include "plan.h"

/* The layout a body's slot has: the operand's, less axis 0 for sequences. */
static void slice_view(const wg_view *whole, wg_view *slice)
{
    *slice = *whole;
    slice->shape.rank--;
    memmove(slice->shape.dim, whole->shape.dim + 1, (WG_MAX_AXES - 1) * sizeof(int64_t));
    memmove(slice->stride, whole->stride + 1, (WG_MAX_AXES - 1) * sizeof(int64_t));
    slice->shape.dim[WG_MAX_AXES - 1] = 0;
}

/* ---- states that live in their stacks ---- */

/* The output that stacks value v of the body and whose memory is the planner's to choose; -1. */
static int32_t stacked_by(const wg__planner *p, const wg__gnode *n, int32_t v)
{
    const wg__graph *b = n->body;
    for (int32_t k = b->n_carry; k < b->n_carry + b->n_y; k++)
        if (b->out[k] == v && !p->target[n->first_out + k]) return k;
    return -1;
}

/* after[i], before[i]: outputs that stack state i as it is after and before each step; -1 = none.
 * An output serves one state. */
static void find_stacks(const wg__planner *p, const wg__gnode *n, int32_t *after, int32_t *before)
{
    const wg__graph *b = n->body;
    for (int i = 0; i < b->n_carry; i++) {
        after[i] = before[i] = -1;
        if (p->keep_apart) continue;
        before[i] = stacked_by(p, n, b->carry[i]);
        after[i] = stacked_by(p, n, b->out[i]);
        if (after[i] == before[i]) after[i] = -1;
        for (int k = 0; k < i; k++) {
            if (after[k] == after[i] || before[k] == after[i]) after[i] = -1;
            if (after[k] == before[i]) before[i] = -1;
        }
    }
}

static void put_at(wg__planner *p, wg__instr *loop, int32_t k, int32_t v, int32_t store,
                   int64_t offset)
{
    wg__home *at = &p->at[v];
    wg__layout(&at->view, p->g->values[v].type);
    at->store = store;
    at->offset = offset;
    wg__plan_write_at(p, loop, k, at);
}

/* Gives state i of the loop its stack; the results that are in it are placed. */
static void place_stack(wg__planner *p, const wg__gnode *n, wg__instr *loop, int i, int32_t after,
                        int32_t before)
{
    wg__loop *l = loop->loop;
    int64_t step = (int64_t)l->carry_bytes[i];
    int32_t store = wg__plan_store(p, -1, (size_t)(l->steps + 1) * l->carry_bytes[i]);
    if (p->failed) return;
    wg__plan_offset(p, store, &l->carry_stack[i]);
    if (after >= 0) put_at(p, loop, after, n->first_out + after, store, l->reverse ? 0 : step);
    if (before >= 0) put_at(p, loop, before, n->first_out + before, store, l->reverse ? step : 0);
    put_at(p, loop, i, n->first_out + i, store, l->reverse ? 0 : l->steps * step);
}

/* A last state that was to be computed elsewhere is copied there. */
static void copy_last(wg__planner *p, int32_t v)
{
    if (!p->target[v]) return;
    wg__instr *copy = wg__plan_instr(p, WG__COPY, 1, 1);
    if (!copy) return;
    wg__plan_read(p, copy, 0, &p->at[v]);
    wg__home to = {.store = wg__plan_store(p, p->target[v] - 1, 0)};
    wg__layout(&to.view, p->g->values[v].type);
    wg__plan_write_at(p, copy, 0, &to);
    p->at[v] = to;
}

/* ---- the body ---- */

/* The body's binds: sequences, constants, states read and written, outputs, sums, time. */
static int32_t n_binds(const wg__graph *b)
{
    return b->n_seq + b->n_const + 2 * b->n_carry + b->n_y + b->n_sum + 1;
}

/* Numbers the binds and gives the body's slots the layouts of their operands. */
static void give_slots(wg__planner *q, const wg__graph *b, wg__loop *l, const wg__home *operand)
{
    int32_t k = 0;
    for (int i = 0; i < b->n_seq; i++) {
        wg_view view;
        slice_view(&operand[i].view, &view);
        l->seq[i] =
            (wg__stream){i, k, operand[i].view.stride[0] * (int64_t)wg_dtype_size(view.dtype)};
        wg__plan_slot(q, b->seq[i], &view, k++);
    }
    for (int i = 0; i < b->n_const; i++) {
        int from = b->n_seq + b->n_carry + i;
        l->constant[i] = (wg__stream){from, k, 0};
        wg__plan_slot(q, b->constant[i], &operand[from].view, k++);
    }
    for (int i = 0; i < b->n_carry; i++) {
        wg_view view;
        wg__layout(&view, b->values[b->carry[i]].type);
        l->carry_in[i] = b->n_seq + i;
        l->carry_out[i] = i;
        l->carry_bytes[i] = wg__type_bytes(b->values[b->carry[i]].type);
        l->carry_read[i] = k;
        wg__plan_slot(q, b->carry[i], &view, k++);
        l->carry_write[i] = k++;
    }
    for (int i = 0; i < b->n_y; i++) {
        l->y[i] = (wg__stream){b->n_carry + i, k,
                               (int64_t)wg__type_bytes(b->values[b->out[b->n_carry + i]].type)};
        k++;
    }
    for (int i = 0; i < b->n_sum; i++) l->sum[i] = (wg__stream){b->n_carry + b->n_y + i, k++, 0};
    wg_view time;
    wg__layout(&time, (wg_type){WG_I32, WG_SCALAR});
    l->time_bind = k;
    wg__plan_slot(q, b->time, &time, k);
}

/* Plans the steps of the loop that run body b. in_stack[i]: output i is in the stack of a state. */
static void plan_body(wg__planner *p, const wg__graph *b, wg__loop *l, wg__frame *frame,
                      wg__over *over, const bool *in_stack)
{
    wg__planner q;
    memset(frame, 0, sizeof *frame);
    if (!wg__planner_new(&q, p->arena, b, frame, p)) {
        p->failed = true;
        return;
    }
    frame->n_bind = n_binds(b);
    frame->bind = wg__arena_calloc(p->arena, (size_t)frame->n_bind, sizeof *frame->bind);
    bool *direct = wg__arena_calloc(p->arena, (size_t)b->n_out + 1, sizeof *direct);
    q.failed = !frame->bind || !direct;
    q.over = over;
    give_slots(&q, b, l, over->operand);
    /* Results: straight into their slots, or by copies and additions at the end. */
    for (int i = 0; i < b->n_carry + b->n_y && !q.failed; i++) {
        int32_t bind = i < b->n_carry ? l->carry_write[i] : l->y[i - b->n_carry].bind;
        direct[i] = in_stack[i] || wg__plan_aim(&q, b->out[i], bind);
    }
    wg_status status = q.failed ? WG_ENOMEM : wg__plan_graph(&q, false);
    for (int i = 0; i < b->n_out && status == WG_OK; i++) {
        if (direct[i]) continue;
        bool sum = i >= b->n_carry + b->n_y;
        int32_t bind = i < b->n_carry ? l->carry_write[i]
                       : sum          ? l->sum[i - b->n_carry - b->n_y].bind
                                      : l->y[i - b->n_carry].bind;
        wg__home from = sum ? wg__plan_contiguous(&q, b->out[i]) : q.at[b->out[i]];
        wg__instr *copy = wg__plan_instr(&q, sum ? WG__ACCUM : WG__COPY, 1, 1);
        if (!copy) break;
        wg__plan_read(&q, copy, 0, &from);
        wg__layout(&copy->out[0], b->values[b->out[i]].type);
        copy->out_loc[0] = (wg__loc){bind, 0};
    }
    if (status == WG_OK && !q.failed) wg__plan_finish(&q);
    if (q.failed || status != WG_OK) p->failed = true;
    wg__planner_free(&q);
}

/* The steps at which no row has ended run the body without its masks, if they lie in bytes that
 * can be looked at. */
static void plan_unmasked(wg__planner *p, const wg__gnode *n, wg__loop *l, wg__over *over,
                          const bool *in_stack)
{
    int32_t *mask = wg__arena_alloc(p->arena, ((size_t)n->n_masks + 1) * sizeof *mask);
    if (!mask) p->failed = true;
    for (int k = 0; k < n->n_masks && !p->failed; k++) {
        const wg_view *view = &over->operand[n->masks[k]].view;
        if (view->shape.dim[1] != 1 && view->stride[1] != 1) return;
        mask[k] = n->masks[k];
    }
    if (p->failed) return;
    wg__plan_over_begin(over, n->body, true);
    plan_body(p, n->unmasked, l, &l->unmasked, over, in_stack);
    l->mask = mask;
    l->n_masks = n->n_masks;
}

/* ---- the loop ---- */

static wg__loop *new_loop(wg__planner *p, const wg__gnode *n)
{
    const wg__graph *b = n->body;
    const wg__scan_attr *a = n->attr;
    wg__loop *l = wg__arena_calloc(p->arena, 1, sizeof *l);
    size_t slots = (size_t)(b->n_seq + b->n_const + b->n_y + b->n_sum) + 1;
    size_t n_carry = (size_t)b->n_carry + 1;
    wg__stream *streams = wg__arena_calloc(p->arena, slots, sizeof *streams);
    int32_t *ints = wg__arena_calloc(p->arena, 4 * n_carry, sizeof *ints);
    if (!l || !streams || !ints) return NULL;
    l->seq = streams;
    l->constant = l->seq + b->n_seq;
    l->y = l->constant + b->n_const;
    l->sum = l->y + b->n_y;
    l->carry_in = ints;
    l->carry_read = ints + n_carry;
    l->carry_write = ints + 2 * n_carry;
    l->carry_out = ints + 3 * n_carry;
    l->carry_stack = wg__arena_calloc(p->arena, n_carry, sizeof *l->carry_stack);
    l->carry_scratch = wg__arena_calloc(p->arena, n_carry, sizeof *l->carry_scratch);
    l->carry_bytes = wg__arena_calloc(p->arena, n_carry, sizeof *l->carry_bytes);
    if (!l->carry_stack || !l->carry_scratch || !l->carry_bytes) return NULL;
    l->n_seq = b->n_seq;
    l->n_const = b->n_const;
    l->n_y = b->n_y;
    l->n_sum = b->n_sum;
    l->n_carry = b->n_carry;
    l->steps = a->steps;
    l->reverse = a->reverse != 0;
    return l;
}

/* The instruction, its results, and what it needs of the frame around it. */
static void emit(wg__planner *p, const wg__gnode *n, wg__loop *l, const wg__over *over,
                 const int32_t *after, const int32_t *before)
{
    const wg__graph *b = n->body;
    wg__instr *loop = wg__plan_instr(p, WG__LOOP, n->n_in, n->n_out);
    if (!loop) return;
    loop->op = n->op;
    loop->scope = n->scope;
    loop->loop = l;
    for (int i = 0; i < n->n_in; i++) wg__plan_read(p, loop, i, &over->operand[i]);
    for (int i = 0; i < b->n_carry && !p->failed; i++)
        if (after[i] >= 0 || before[i] >= 0) place_stack(p, n, loop, i, after[i], before[i]);
    wg__plan_over_emit(p, n, loop, over);
    for (int i = 0; i < n->n_out && !p->failed; i++)
        if (p->at[n->first_out + i].store < 0) wg__plan_write(p, loop, i, n->first_out + i);
    for (int i = 0; i < b->n_carry && !p->failed; i++)
        if (after[i] < 0 && before[i] < 0)
            wg__plan_scratch(p, l->carry_bytes[i] + 64, &l->carry_scratch[i]);
    /* Steps with masks and without take turns in one arena. */
    size_t bytes = l->body.arena_bytes > l->unmasked.arena_bytes ? l->body.arena_bytes
                                                                 : l->unmasked.arena_bytes;
    wg__plan_scratch(p, bytes + 64, &l->arena);
    p->frame->unplanned_bytes += l->body.unplanned_bytes;
    for (int i = 0; i < b->n_carry && !p->failed; i++)
        if (after[i] >= 0 || before[i] >= 0) copy_last(p, n->first_out + i);
    for (int i = 0; i < n->n_out && !p->failed; i++) wg__plan_watch(p, n->first_out + i);
}

void wg__plan_loop(wg__planner *p, const wg__gnode *n)
{
    const wg__graph *b = n->body;
    wg__loop *l = new_loop(p, n);
    size_t n_carry = (size_t)b->n_carry + 1;
    int32_t *after = wg__arena_calloc(p->arena, 2 * n_carry, sizeof *after);
    bool *in_stack = wg__arena_calloc(p->arena, (size_t)b->n_out + 1, sizeof *in_stack);
    wg__home *operand = wg__arena_calloc(p->arena, (size_t)n->n_in + 1, sizeof *operand);
    if (!l || !after || !in_stack || !operand) {
        p->failed = true;
        return;
    }
    int32_t *before = after + n_carry;
    for (int i = 0; i < n->n_in; i++) operand[i] = p->at[n->in[i]];
    find_stacks(p, n, after, before);
    for (int i = 0; i < b->n_carry; i++) {
        l->carry_stack[i] = -1;
        if (after[i] >= 0) in_stack[after[i]] = true;
        if (before[i] >= 0) in_stack[before[i]] = true;
    }
    wg__over *over = wg__plan_over_new(p, n, operand);
    if (!over) p->failed = true;
    for (bool settled = false; !settled && !p->failed;) {
        wg__plan_over_begin(over, b, false);
        plan_body(p, b, l, &l->body, over, in_stack);
        settled = p->failed || wg__plan_over_settled(p, n, over);
        if (!settled || p->failed || !n->unmasked) continue;
        plan_unmasked(p, n, l, over, in_stack);
        settled = p->failed || !l->n_masks || wg__plan_over_settled(p, n, over);
    }
    if (!p->failed) emit(p, n, l, over, after, before);
}
