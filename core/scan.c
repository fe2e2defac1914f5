/* Recording of scans: the body is run once on a tape of its own, outer values become constants, and
 * lengths become a mask with which states are selected. */
#include <stddef.h>
#include <string.h>

#include "builtin.h"
#include "tape_internal.h"

/* What a recording needs beside the definition; work memory. */
typedef struct work {
    wg_var *seq; /* operands: the user's, padding replaced, then the mask */
    wg_var *x, *carry, *next, *y, *sum;
    wg_var mask; /* [T,B] or none */
} work;

static wg_status check(wg_tape *tape, const wg_scan_def *def, int64_t *steps, int64_t *rows)
{
    const char *name = def->name ? def->name : "scan";
    char a[160];
    if (!def->body) return wg__tape_fail_v(tape, WG_EINVAL, "%s: no body", name);
    if (def->remat < -1)
        return wg__tape_fail_v(tape, WG_EINVAL, "%s: chunks of %lld steps (-1: by itself, 0: none)",
                               name, (long long)def->remat);
    int counts[] = {def->n_sequences, def->n_carries, def->n_outputs, def->n_sums};
    for (int i = 0; i < 4; i++)
        if (counts[i] < 0 || counts[i] > WG_SCAN_MAX_SLOTS)
            return wg__tape_fail_v(tape, WG_ELIMIT, "%s: %d slots of one kind, at most %d", name,
                                   counts[i], WG_SCAN_MAX_SLOTS);
    *steps = def->steps;
    for (int i = 0; i < def->n_sequences; i++) {
        if (!wg_var_ok(def->sequences[i])) return tape->status != WG_OK ? tape->status : WG_ESTALE;
        wg_shape s = wg_var_type(def->sequences[i]).shape;
        if (s.rank < 1)
            return wg__tape_fail_v(tape, WG_ESHAPE, "%s: sequence %d has no time axis", name, i);
        if (i == 0 && def->steps == 0) *steps = s.dim[0];
        if (s.dim[0] != *steps)
            return wg__tape_fail_v(
                tape, WG_ESHAPE, "%s: sequence %d has %lld steps (shape %s), expected %lld", name,
                i, (long long)s.dim[0], wg_shape_format(&s, a, sizeof a), (long long)*steps);
    }
    if (*steps < 0) return wg__tape_fail_v(tape, WG_EINVAL, "%s: negative number of steps", name);
    for (int i = 0; i < def->n_carries; i++)
        if (!wg_var_ok(def->init[i])) return tape->status != WG_OK ? tape->status : WG_ESTALE;
    *rows = -1;
    if (wg_is_none(def->lengths)) return WG_OK;
    if (!wg_var_ok(def->lengths)) return tape->status != WG_OK ? tape->status : WG_ESTALE;
    wg_type t = wg_var_type(def->lengths);
    if (t.dtype != WG_I32 || t.shape.rank != 1)
        return wg__tape_fail_v(tape, WG_ESHAPE, "%s: lengths must be i32[B], got %s%s", name,
                               wg_dtype_name(t.dtype), wg_shape_format(&t.shape, a, sizeof a));
    *rows = t.shape.dim[0];
    return WG_OK;
}

/* The mask of one step as a column that broadcasts against a value with rows on axis 0. */
static wg_var column(wg_var mask, int rank)
{
    wg_shape s = wg_var_type(mask).shape;
    wg_shape out = s;
    out.rank = rank;
    for (int i = 1; i < rank; i++) out.dim[i] = 1;
    return rank <= 1 ? mask : wg__view_as(mask, out);
}

static wg_var select_rows(wg_tape *body, const char *name, wg_var mask, wg_var a, wg_var b)
{
    if (!wg_var_ok(a)) return a;
    wg_type t = wg_var_type(a);
    char s[160];
    if (t.shape.rank < 1 || t.shape.dim[0] != wg_dim(mask, 0))
        return wg_tape_fail(body, WG_ESHAPE,
                            "%s: with lengths every state and output has the %lld rows on axis 0, "
                            "got %s",
                            name, (long long)wg_dim(mask, 0),
                            wg_shape_format(&t.shape, s, sizeof s));
    return wg_record(&wg__op_where, (wg_var[]){column(mask, t.shape.rank), a, b}, 3, NULL, 0);
}

/* Runs the user's body on the tape `body`. */
static wg_status record_body(wg_tape *body, const wg_scan_def *def, work *w, wg_var time)
{
    const char *name = def->name ? def->name : "scan";
    wg_scan_step step = {.size = sizeof step,
                         .tape = body,
                         .time = time,
                         .x = w->x,
                         .carry = w->carry,
                         .next = w->next,
                         .y = w->y,
                         .sum = w->sum};
    def->body(def->user, &step);
    if (body->status != WG_OK) return body->status;
    for (int i = 0; i < def->n_carries; i++) {
        wg_type want = wg_var_type(w->carry[i]), got = wg_var_type(w->next[i]);
        char a[160], b[160];
        if (!wg_var_ok(w->next[i]))
            return wg__tape_fail_v(body, WG_EINVAL, "%s: the body left state %d unset", name, i);
        if (got.dtype != want.dtype || !wg_shape_equal(&got.shape, &want.shape))
            return wg__tape_fail_v(
                body, WG_ESHAPE,
                "%s: state %d is %s%s before the step, %s%s "
                "after it",
                name, i, wg_dtype_name(want.dtype), wg_shape_format(&want.shape, a, sizeof a),
                wg_dtype_name(got.dtype), wg_shape_format(&got.shape, b, sizeof b));
    }
    for (int i = 0; i < def->n_outputs; i++)
        if (!wg_var_ok(w->y[i]))
            return wg__tape_fail_v(body, WG_EINVAL, "%s: the body left output %d unset", name, i);
    for (int i = 0; i < def->n_sums; i++)
        if (!wg_var_ok(w->sum[i]))
            return wg__tape_fail_v(body, WG_EINVAL, "%s: the body left sum %d unset", name, i);
    if (wg_is_none(w->mask)) return WG_OK;
    wg_var m = w->x[def->n_sequences];
    for (int i = 0; i < def->n_carries; i++)
        w->next[i] = select_rows(body, name, m, w->next[i], w->carry[i]);
    for (int i = 0; i < def->n_outputs; i++)
        w->y[i] = select_rows(body, name, m, w->y[i],
                              wg_const(body, wg_var_dtype(w->y[i]), WG_SCALAR, 0));
    return body->status;
}

static wg_type slice_type(wg_var v)
{
    wg_type t = wg_var_type(v);
    memmove(t.shape.dim, t.shape.dim + 1, (WG_MAX_AXES - 1) * sizeof t.shape.dim[0]);
    t.shape.dim[WG_MAX_AXES - 1] = 0;
    t.shape.rank--;
    return t;
}

static bool work_new(work *w, wg__arena *arena, const wg_scan_def *def)
{
    size_t n_seq = (size_t)def->n_sequences + 1, n_carry = (size_t)def->n_carries;
    size_t n = 2 * n_seq + 2 * n_carry + (size_t)def->n_outputs + (size_t)def->n_sums;
    wg_var *all = wg__arena_calloc(arena, n, sizeof *all);
    if (!all) return false;
    w->seq = all;
    w->x = all += n_seq;
    w->carry = all += n_seq;
    w->next = all += n_carry;
    w->y = all += n_carry;
    w->sum = all + def->n_outputs;
    return true;
}

/* Operands on the outer side: padding made harmless, and the mask as one more sequence. */
static wg_status make_sequences(wg_tape *tape, const wg_scan_def *def, work *w, int64_t steps,
                                int64_t rows, int *n_seq)
{
    *n_seq = def->n_sequences;
    for (int i = 0; i < def->n_sequences; i++) w->seq[i] = def->sequences[i];
    if (rows < 0) return WG_OK;
    for (int i = 0; i < def->n_sequences; i++)
        w->seq[i] = wg_record(&wg__op_pad_edge, (wg_var[]){w->seq[i], def->lengths}, 2, NULL, 0);
    wg__sequence_mask_attr a = {.steps = steps, .time_major = 1};
    w->mask = wg_record(&wg__op_sequence_mask, &def->lengths, 1, &a, sizeof a);
    w->seq[(*n_seq)++] = w->mask;
    for (int i = 0; i < *n_seq; i++)
        if (!wg_var_ok(w->seq[i])) return tape->status != WG_OK ? tape->status : WG_ESTALE;
    return WG_OK;
}

wg_status wg__body_close(wg_tape *tape, wg_tape **graph, const wg__slots *s, const wg_var *seq,
                         const wg_var *init, wg__scan_attr *attr, wg_var **operands,
                         wg__body **result)
{
    wg_tape *g = *graph;
    wg_var *groups[] = {s->next, s->y, s->sum};
    int sizes[] = {s->n_carry, s->n_y, s->n_sum};
    for (int k = 0; k < 3; k++)
        for (int i = 0; i < sizes[k]; i++) {
            int32_t v = wg__lift(g, groups[k][i]);
            if (v < 0) return g->status != WG_OK ? g->status : WG_ESTALE;
            groups[k][i] = wg__var(g, v);
        }
    wg__body *body;
    wg_error err = {WG_OK, ""};
    wg_status status =
        wg__body_new(g, s->n_seq, s->n_carry, g->n_captures, s->n_y, s->n_sum, &body, &err);
    if (status != WG_OK) return wg__tape_fail_v(tape, status, "%s", err.message);
    *graph = NULL; /* now the body's */
    for (int i = 0; i < s->n_seq; i++) body->seq[i] = s->x[i].index;
    for (int i = 0; i < s->n_carry; i++) {
        body->carry[i] = s->carry[i].index;
        body->next[i] = s->next[i].index;
    }
    for (int i = 0; i < s->n_y; i++) body->y[i] = s->y[i].index;
    for (int i = 0; i < s->n_sum; i++) body->sum[i] = s->sum[i].index;
    for (int i = 0; i < g->n_captures; i++) body->constant[i] = g->captures[i].inner;
    body->time = s->time;
    body->effects = wg__tape_effects(g);
    attr->n_seq = s->n_seq;
    attr->n_carry = s->n_carry;
    attr->n_const = g->n_captures;
    attr->n_y = s->n_y;
    attr->n_sum = s->n_sum;
    size_t n_operands = (size_t)(s->n_seq + s->n_carry) + (size_t)g->n_captures;
    wg_var *list = wg__arena_calloc(wg__work(tape), n_operands + 1, sizeof *list);
    if (!list) {
        wg__body_release(body);
        return wg__tape_fail_v(tape, WG_ENOMEM, "scan: out of memory");
    }
    int n = 0;
    for (int i = 0; i < s->n_seq; i++) list[n++] = seq[i];
    for (int i = 0; i < s->n_carry; i++) list[n++] = init[i];
    for (int i = 0; i < g->n_captures; i++) list[n++] = g->captures[i].outer;
    /* Interning may give another, equal body: the captures are read before. */
    wg__tape_seal(g);
    status = wg__body_intern(tape, &body);
    if (status != WG_OK) {
        wg__body_release(body);
        return status;
    }
    *operands = list;
    *result = body;
    return WG_OK;
}

/* Makes the body of what was recorded and appends the scan. */
static wg_status finish(wg_tape *tape, wg_tape **graph, const wg_scan_def *def, work *w, int n_seq,
                        int64_t steps, int64_t chunk, int32_t time, wg_var *out)
{
    const wg__slots slots = {.n_seq = n_seq,
                             .n_carry = def->n_carries,
                             .n_y = def->n_outputs,
                             .n_sum = def->n_sums,
                             .x = w->x,
                             .carry = w->carry,
                             .next = w->next,
                             .y = w->y,
                             .sum = w->sum,
                             .time = time};
    wg__scan_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.reverse = def->reverse;
    attr.steps = steps;
    wg_var *operands;
    wg__body *body;
    wg_status status =
        wg__body_close(tape, graph, &slots, w->seq, def->init, &attr, &operands, &body);
    if (status != WG_OK) return status;
    if (chunk > 0 && !body->effects)
        status = wg__scan_append_chunks(tape, body, operands, &attr, chunk,
                                        def->name ? def->name : "scan", out);
    else
        status = wg__scan_append(tape, body, operands, &attr, out);
    wg__body_release(body);
    return status;
}

/* The definition with the fields that an older, shorter one lacks. */
static wg_status whole(wg_tape *tape, const wg_scan_def *given, wg_scan_def *def)
{
    memset(def, 0, sizeof *def);
    if (given->size < offsetof(wg_scan_def, remat))
        return wg__tape_fail_v(tape, WG_EINVAL, "scan: definition of unknown size");
    memcpy(def, given, given->size < sizeof *def ? given->size : sizeof *def);
    return WG_OK;
}

/* The time that a body is given. In chunks, a scan's own count starts anew in each; what it starts
 * at is a constant of the body, its first. */
static wg_var absolute_time(wg_tape *tape, wg_tape *graph, wg_var time)
{
    wg_var start = wg_const(tape, WG_I32, WG_SCALAR, 0);
    int32_t inside = wg__lift(graph, start);
    if (inside < 0) return start;
    return wg_record(&wg__op_add, (wg_var[]){time, wg__var(graph, inside)}, 2, NULL, 0);
}

wg_status wg_scan(wg_tape *tape, const wg_scan_def *given, wg_var *final, wg_var *y, wg_var *sum)
{
    if (!tape || !given) return WG_EINVAL;
    wg_scan_def full;
    const wg_scan_def *def = &full;
    if (whole(tape, given, &full) != WG_OK) return WG_EINVAL;
    int n_out = def->n_carries + def->n_outputs + def->n_sums;
    int64_t steps, rows, chunk = 0;
    int n_seq;
    work w = {0};
    wg_tape *graph = NULL;
    wg_var *out = NULL;
    wg__arena *arena = wg__work(tape);
    wg__arena_mark mark = wg__arena_mark_of(arena);
    wg_status status = check(tape, def, &steps, &rows);
    if (status != WG_OK) goto done;
    out = wg__arena_calloc(arena, (size_t)n_out + 1, sizeof *out);
    wg_error err = {WG_OK, ""};
    if (!out || !work_new(&w, arena, def)) {
        status = wg__tape_fail_v(tape, WG_ENOMEM, "scan: out of memory");
        goto done;
    }
    status = make_sequences(tape, def, &w, steps, rows, &n_seq);
    if (status != WG_OK) goto done;
    status = wg__body_tape_new(tape, &graph, &err);
    if (status != WG_OK) {
        wg__tape_fail_v(tape, status, "%s", err.message);
        goto done;
    }
    for (int i = 0; i < n_seq; i++) w.x[i] = wg__body_input(graph, slice_type(w.seq[i]));
    for (int i = 0; i < def->n_carries; i++)
        w.carry[i] = wg__body_input(graph, wg_var_type(def->init[i]));
    wg_var time = wg__body_input(graph, (wg_type){WG_I32, WG_SCALAR});
    status = graph->status;
    if (def->name) wg_push_scope(graph, def->name);
    wg_var now = time;
    if (status == WG_OK) chunk = wg__scan_chunk(steps, def->remat);
    if (chunk > 0) now = absolute_time(tape, graph, time);
    if (status == WG_OK) status = graph->status;
    if (status == WG_OK) status = record_body(graph, def, &w, now);
    if (status == WG_OK)
        status = finish(tape, &graph, def, &w, n_seq, steps, chunk, time.index, out);
done:
    if (status != WG_OK && tape->status == WG_OK)
        wg__tape_fail_v(tape, status, "%s: %s", def->name ? def->name : "scan",
                        wg_strerror(status));
    for (int i = 0; i < n_out; i++) {
        wg_var v = status == WG_OK ? out[i] : wg__var(tape, -1);
        if (i < def->n_carries) {
            if (final) final[i] = v;
        } else if (i < def->n_carries + def->n_outputs) {
            if (y) y[i - def->n_carries] = v;
        } else if (sum) {
            sum[i - def->n_carries - def->n_outputs] = v;
        }
    }
    if (graph) wg_tape_free(graph);
    wg__arena_release(arena, mark);
    return status;
}
