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

/* ---- the loop ---- */

void wg__plan_loop(wg__planner *p, const wg__gnode *n)
{
    const wg__graph *b = n->body;
    const wg__scan_attr *a = n->attr;
    wg__loop *l = wg__arena_calloc(p->arena, 1, sizeof *l);
    size_t slots = (size_t)(b->n_seq + b->n_const + b->n_y + b->n_sum) + 1;
    wg__stream *streams = wg__arena_calloc(p->arena, slots, sizeof *streams);
    size_t n_carry = (size_t)b->n_carry + 1;
    int32_t *ints = wg__arena_calloc(p->arena, 6 * n_carry, sizeof *ints);
    if (!l || !streams || !ints) {
        p->failed = true;
        return;
    }
    l->seq = streams;
    l->constant = l->seq + b->n_seq;
    l->y = l->constant + b->n_const;
    l->sum = l->y + b->n_y;
    l->carry_in = ints;
    l->carry_read = ints + n_carry;
    l->carry_write = ints + 2 * n_carry;
    l->carry_out = ints + 3 * n_carry;
    int32_t *after = ints + 4 * n_carry, *before = ints + 5 * n_carry;
    find_stacks(p, n, after, before);
    l->carry_stack = wg__arena_calloc(p->arena, n_carry, sizeof *l->carry_stack);
    l->carry_scratch = wg__arena_calloc(p->arena, n_carry, sizeof *l->carry_scratch);
    l->carry_bytes = wg__arena_calloc(p->arena, n_carry, sizeof *l->carry_bytes);
    l->n_seq = b->n_seq;
    l->n_const = b->n_const;
    l->n_y = b->n_y;
    l->n_sum = b->n_sum;
    l->n_carry = b->n_carry;
    l->steps = a->steps;
    l->reverse = a->reverse != 0;
    wg__planner q;
    if (!l->carry_stack || !l->carry_scratch || !l->carry_bytes ||
        !wg__planner_new(&q, p->arena, b, &l->body, p)) {
        p->failed = true;
        return;
    }
    /* Binds of the body: sequences, constants, carries read and written, y, sums, time. */
    int32_t n_bind = b->n_seq + b->n_const + 2 * b->n_carry + b->n_y + b->n_sum + 1, k = 0;
    l->body.bind = wg__arena_calloc(p->arena, (size_t)n_bind, sizeof *l->body.bind);
    l->body.n_bind = n_bind;
    if (!l->body.bind) q.failed = true;
    wg__home operands[WG_SCAN_MAX_SLOTS * 2];
    int n_operands = n->n_in;
    wg__home *operand = n_operands <= WG_SCAN_MAX_SLOTS * 2
                            ? operands
                            : wg_reallocarray(NULL, (size_t)n_operands, sizeof *operand);
    if (!operand) {
        p->failed = true;
        wg__planner_free(&q);
        return;
    }
    for (int i = 0; i < n_operands; i++) operand[i] = p->at[n->in[i]];
    for (int i = 0; i < b->n_seq; i++) {
        wg_view view;
        slice_view(&operand[i].view, &view);
        l->seq[i] =
            (wg__stream){i, k, operand[i].view.stride[0] * (int64_t)wg_dtype_size(view.dtype)};
        wg__plan_slot(&q, b->seq[i], &view, k++);
    }
    for (int i = 0; i < b->n_const; i++) {
        int from = b->n_seq + b->n_carry + i;
        l->constant[i] = (wg__stream){from, k, 0};
        wg__plan_slot(&q, b->constant[i], &operand[from].view, k++);
    }
    for (int i = 0; i < b->n_carry; i++) {
        wg_view view;
        wg__layout(&view, b->values[b->carry[i]].type);
        l->carry_in[i] = b->n_seq + i;
        l->carry_out[i] = i;
        l->carry_bytes[i] = wg__type_bytes(b->values[b->carry[i]].type);
        l->carry_read[i] = k;
        wg__plan_slot(&q, b->carry[i], &view, k++);
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
    wg__plan_slot(&q, b->time, &time, k);
    /* Results: straight into their slots, or by copies and additions at the end. */
    bool *direct = wg__arena_calloc(p->arena, (size_t)b->n_out + 1, sizeof *direct);
    if (!direct) q.failed = true;
    for (int i = 0; i < b->n_carry && !q.failed; i++)
        direct[i] = wg__plan_aim(&q, b->out[i], l->carry_write[i]);
    for (int i = 0; i < b->n_carry && !q.failed; i++) {
        l->carry_stack[i] = -1;
        if (after[i] >= 0) direct[after[i]] = true;
        if (before[i] >= 0) direct[before[i]] = true;
    }
    for (int i = b->n_carry; i < b->n_carry + b->n_y && !q.failed; i++)
        if (!direct[i]) direct[i] = wg__plan_aim(&q, b->out[i], l->y[i - b->n_carry].bind);
    wg_status status = q.failed ? WG_ENOMEM : wg__plan_graph(&q);
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
    wg__instr *loop = p->failed ? NULL : wg__plan_instr(p, WG__LOOP, n->n_in, n->n_out);
    if (loop) {
        loop->op = n->op;
        loop->scope = n->scope;
        loop->loop = l;
        for (int i = 0; i < n->n_in; i++) wg__plan_read(p, loop, i, &operand[i]);
        for (int i = 0; i < b->n_carry && !p->failed; i++)
            if (after[i] >= 0 || before[i] >= 0) place_stack(p, n, loop, i, after[i], before[i]);
        for (int i = 0; i < n->n_out && !p->failed; i++)
            if (p->at[n->first_out + i].store < 0) wg__plan_write(p, loop, i, n->first_out + i);
        for (int i = 0; i < b->n_carry && !p->failed; i++)
            if (after[i] < 0 && before[i] < 0)
                wg__plan_scratch(p, l->carry_bytes[i] + 64, &l->carry_scratch[i]);
        wg__plan_scratch(p, l->body.arena_bytes + 64, &l->arena);
        p->frame->unplanned_bytes += l->body.unplanned_bytes;
        for (int i = 0; i < b->n_carry && !p->failed; i++)
            if (after[i] >= 0 || before[i] >= 0) copy_last(p, n->first_out + i);
        for (int i = 0; i < n->n_out && !p->failed; i++) wg__plan_watch(p, n->first_out + i);
    }
    if (operand != operands) wg_free(operand);
}
