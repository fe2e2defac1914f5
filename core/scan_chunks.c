/* Recomputation: a scan recorded as chunks, a loop over chunks around the loop over their steps.
 *
 * The T steps become q chunks of C and a plain scan of the r steps left over (T = q C + r), all of
 * one body. The gradient of the outer loop keeps the states at the chunks' borders and nothing else
 * (scan_classify.c), so that its backward body runs a chunk forward again, residuals and all,
 * before it runs it backwards: T/C states and C steps' residuals instead of T (Chen et al. 2016,
 * arXiv:1604.06174; Griewank 1992). Both loops are plain scans, so gradients of every order and all
 * passes work on them as on any; only stacks as long as the loop may not leave a chunk. */
#include <math.h>
#include <string.h>

#include "builtin.h"
#include "tape_internal.h"

int64_t wg__scan_chunk(int64_t steps, int64_t remat)
{
    if (remat == 0 || steps < 2) return 0;
    if (remat > 0) return remat < steps ? remat : 0;
    int64_t root = (int64_t)ceil(sqrt((double)steps));
    /* No steps left over is worth a little: their outputs are copied behind those of the chunks. */
    int64_t most = root < 65536 ? root : 65536;
    for (int64_t d = 0; d <= most; d++) {
        if (root - d >= (root + 1) / 2 && steps % (root - d) == 0 && root - d < steps)
            return root - d;
        if (root + d < steps && steps % (root + d) == 0) return root + d;
    }
    return root < steps ? root : 0;
}

static wg_var reshaped(wg_var v, const wg_shape *shape)
{
    return wg_record(&wg__op_view_as, &v, 1, shape, sizeof *shape);
}

/* [T, ...] from step `start` on, `length` of them. */
static wg_var steps_of(wg_var v, int64_t start, int64_t length)
{
    const wg__slice_attr a = {.axis = 0, .start = start, .length = length};
    return wg_record(&wg__op_slice, &v, 1, &a, sizeof a);
}

/* The first q C steps as [q, C, ...]. */
static wg_var chunks_of(wg_var v, int64_t q, int64_t chunk)
{
    wg_shape s = wg_var_type(v).shape;
    if (s.dim[0] != q * chunk) v = steps_of(v, 0, q * chunk);
    memmove(s.dim + 1, s.dim, (WG_MAX_AXES - 1) * sizeof s.dim[0]);
    s.rank++;
    s.dim[0] = q;
    s.dim[1] = chunk;
    return reshaped(v, &s);
}

/* What is being appended; arrays hold as many as the scan has operands or results. */
typedef struct cut {
    wg_tape *tape;
    wg__body *body;
    wg__scan_attr attr;
    int64_t chunk, q, rest;
    wg_var *operand;   /* of the scan that is appended next */
    wg_var *x, *carry; /* slots of the outer body */
    wg_var *chunks;    /* results of the loop over chunks */
    wg_var *tail;      /* of the steps left over */
} cut;

static wg_status check(const cut *c, const char *name)
{
    if (c->attr.steps > INT32_MAX)
        return wg__tape_fail_v(c->tape, WG_ELIMIT, "%s: %lld steps, at most %d in chunks", name,
                               (long long)c->attr.steps, INT32_MAX);
    const wg__value *v = c->body->graph->values;
    const char *what = "sequence";
    for (int i = 0; i < c->attr.n_seq + c->attr.n_y; i++) {
        bool y = i >= c->attr.n_seq;
        if (y) what = "output";
        int32_t slot = y ? c->body->y[i - c->attr.n_seq] : c->body->seq[i];
        if (v[slot].type.shape.rank > WG_MAX_AXES - 2)
            return wg__tape_fail_v(c->tape, WG_ESHAPE,
                                   "%s: a step of %s %d has %d axes, at most %d with "
                                   "recomputation",
                                   name, what, y ? i - c->attr.n_seq : i, v[slot].type.shape.rank,
                                   WG_MAX_AXES - 2);
    }
    return WG_OK;
}

/* The body of the loop over chunks: one scan over a chunk's steps. */
static wg_status record_chunk(cut *c, wg_tape *g, const wg_var *operands, wg_var time, wg_var *out)
{
    const wg__scan_attr *a = &c->attr;
    int n = 0, first = a->n_seq + a->n_carry;
    for (int i = 0; i < a->n_seq; i++) c->operand[n++] = c->x[i];
    for (int i = 0; i < a->n_carry; i++) c->operand[n++] = c->carry[i];
    wg_var length = wg_const(g, WG_I32, WG_SCALAR, (double)c->chunk);
    c->operand[n++] = wg_record(&wg__op_mul, (wg_var[]){time, length}, 2, NULL, 0);
    for (int i = 1; i < a->n_const; i++) c->operand[n++] = operands[first + i];
    if (g->status != WG_OK) return g->status;
    wg__scan_attr inner = *a;
    inner.steps = c->chunk;
    return wg__scan_append(g, c->body, c->operand, &inner, out);
}

/* Appends the loop over chunks; the initial states are in init. */
static wg_status append_chunks(cut *c, const wg_var *operands, const wg_var *init, const char *name)
{
    const wg__scan_attr *a = &c->attr;
    wg_tape *g = NULL;
    wg_error err = {WG_OK, ""};
    wg_status status = wg__body_tape_new(c->tape, &g, &err);
    if (status != WG_OK) return wg__tape_fail_v(c->tape, status, "%s", err.message);
    wg_push_scope(g, name);
    const wg__value *values = c->body->graph->values;
    for (int i = 0; i < a->n_seq; i++) {
        wg_type t = values[c->body->seq[i]].type;
        memmove(t.shape.dim + 1, t.shape.dim, (WG_MAX_AXES - 1) * sizeof t.shape.dim[0]);
        t.shape.dim[0] = c->chunk;
        t.shape.rank++;
        c->x[i] = wg__body_input(g, t);
    }
    for (int i = 0; i < a->n_carry; i++)
        c->carry[i] = wg__body_input(g, values[c->body->carry[i]].type);
    wg_var time = wg__body_input(g, (wg_type){WG_I32, WG_SCALAR});
    status = g->status;
    if (status == WG_OK) status = record_chunk(c, g, operands, time, c->chunks);
    wg__body *outer = NULL;
    wg_var *list = NULL;
    if (status == WG_OK) {
        const wg__slots slots = {.n_seq = a->n_seq,
                                 .n_carry = a->n_carry,
                                 .n_y = a->n_y,
                                 .n_sum = a->n_sum,
                                 .x = c->x,
                                 .carry = c->carry,
                                 .next = c->chunks,
                                 .y = c->chunks + a->n_carry,
                                 .sum = c->chunks + a->n_carry + a->n_y,
                                 .time = time.index};
        for (int i = 0; i < a->n_seq; i++) c->operand[i] = chunks_of(operands[i], c->q, c->chunk);
        wg__scan_attr attr = *a;
        attr.steps = c->q;
        attr.remat = 1;
        status = c->tape->status;
        if (status == WG_OK)
            status = wg__body_close(c->tape, &g, &slots, c->operand, init, &attr, &list, &outer);
        if (status == WG_OK) status = wg__scan_append(c->tape, outer, list, &attr, c->chunks);
    }
    if (status != WG_OK && c->tape->status == WG_OK)
        wg__tape_fail_v(c->tape, status, "%s: %s", name,
                        g && g->status != WG_OK ? g->error.message : wg_strerror(status));
    if (g) wg_tape_free(g);
    wg__body_release(outer);
    return status;
}

/* Appends a plain scan of the steps that are left over, the last ones. */
static wg_status append_rest(cut *c, const wg_var *operands, const wg_var *init)
{
    const wg__scan_attr *a = &c->attr;
    int64_t start = c->q * c->chunk;
    int n = 0, first = a->n_seq + a->n_carry;
    for (int i = 0; i < a->n_seq; i++) c->operand[n++] = steps_of(operands[i], start, c->rest);
    for (int i = 0; i < a->n_carry; i++) c->operand[n++] = init[i];
    c->operand[n++] = wg_const(c->tape, WG_I32, WG_SCALAR, (double)start);
    for (int i = 1; i < a->n_const; i++) c->operand[n++] = operands[first + i];
    if (c->tape->status != WG_OK) return c->tape->status;
    wg__scan_attr attr = *a;
    attr.steps = c->rest;
    return wg__scan_append(c->tape, c->body, c->operand, &attr, c->tail);
}

/* [q, C, ...] as [q C, ...], the rest behind it. */
static wg_var joined(const cut *c, wg_var chunks, wg_var tail)
{
    wg_shape s = wg_var_type(chunks).shape;
    memmove(s.dim, s.dim + 1, (WG_MAX_AXES - 1) * sizeof s.dim[0]);
    s.dim[--s.rank] = 0;
    s.dim[0] = c->q * c->chunk;
    wg_var y = reshaped(chunks, &s);
    const wg_join_attr a = {.axis = 0};
    return c->rest ? wg_record(&wg__op_concat, (wg_var[]){y, tail}, 2, &a, sizeof a) : y;
}

wg_status wg__scan_append_chunks(wg_tape *tape, wg__body *body, const wg_var *operands,
                                 const wg__scan_attr *attr, int64_t chunk, const char *name,
                                 wg_var *out)
{
    cut c = {.tape = tape, .body = body, .attr = *attr, .chunk = chunk};
    c.q = attr->steps / chunk;
    c.rest = attr->steps % chunk;
    wg_status status = check(&c, name);
    if (status != WG_OK) return status;
    size_t n_in = (size_t)(attr->n_seq + attr->n_carry + attr->n_const);
    size_t n_out = (size_t)(attr->n_carry + attr->n_y + attr->n_sum);
    wg__arena *work = wg__work(tape);
    wg__arena_mark mark = wg__arena_mark_of(work);
    wg_var *all = wg__arena_calloc(work, 2 * n_in + 2 * n_out + 1, sizeof *all);
    if (!all) return wg__tape_fail_v(tape, WG_ENOMEM, "scan: out of memory");
    c.operand = all;
    c.x = all + n_in;
    c.carry = c.x + attr->n_seq;
    c.chunks = c.x + n_in;
    c.tail = c.chunks + n_out;
    const wg_var *init = operands + attr->n_seq;
    bool rest_first = attr->reverse && c.rest > 0;
    if (rest_first) {
        status = append_rest(&c, operands, init);
        init = c.tail;
    }
    if (status == WG_OK) status = append_chunks(&c, operands, init, name);
    if (status == WG_OK && !rest_first && c.rest > 0) status = append_rest(&c, operands, c.chunks);
    for (size_t i = 0; i < n_out && status == WG_OK; i++) {
        int at = (int)i - attr->n_carry;
        if (at < 0)
            out[i] = rest_first || c.rest == 0 ? c.chunks[i] : c.tail[i];
        else if (at < attr->n_y)
            out[i] = joined(&c, c.chunks[i], c.tail[i]);
        else
            out[i] = c.rest == 0
                         ? c.chunks[i]
                         : wg_record(&wg__op_add, (wg_var[]){c.chunks[i], c.tail[i]}, 2, NULL, 0);
    }
    if (status == WG_OK) status = tape->status;
    wg__arena_release(work, mark);
    return status;
}
