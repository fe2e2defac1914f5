/* Scans of every form against an ordinary C loop that calls the same body: nested loops, lengths in
 * inner and outer ones, states passed through or swapped, results that are slots, outer values or
 * constants, integer and mask slots, empty axes, no steps, random bits. Values, first and second
 * gradients; compiled and node by node. */
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <wengert/ops.h>
#include <wengert/program.h>
#include <wengert/rng.h>
#include <wengert/scan.h>

enum { MOST_LEAVES = 6, MOST_OUT = 12, MOST_STEPS = 5 };

typedef wg_status (*scan_fn)(wg_tape *tape, const wg_scan_def *def, wg_var *final, wg_var *y,
                             wg_var *sum);

/* What a case is given: float leaves, lengths of three rows, and the scan to use. */
typedef struct given {
    wg_tape *tape;
    scan_fn scan;
    wg_var leaf[MOST_LEAVES];
    wg_var lengths, inner_lengths, key;
    int64_t t, b;  /* steps, rows */
    bool third;    /* derivatives too */
    int64_t steps; /* of a case: its own use */
} given;

/* ---- the same by an ordinary loop ---- */

static wg_var masked(wg_var mask, wg_var a, wg_var b)
{
    wg_shape s = WG_SHAPE(wg_dim(mask, 0));
    for (s.rank = 1; s.rank < wg_rank(a); s.rank++) s.dim[s.rank] = 1;
    return wg_where(wg_reshape(mask, s), a, b);
}

static wg_status by_loop(wg_tape *tape, const wg_scan_def *d, wg_var *final, wg_var *y, wg_var *sum)
{
    int64_t steps = d->n_sequences ? wg_dim(d->sequences[0], 0) : d->steps;
    wg_var carry[8], next[8], x[8], ys[8][MOST_STEPS], now[8], add[8];
    assert_true(steps <= MOST_STEPS && d->n_carries <= 8 && d->n_outputs <= 8);
    for (int i = 0; i < d->n_carries; i++) carry[i] = d->init[i];
    for (int64_t k = 0; k < steps; k++) {
        int64_t t = d->reverse ? steps - 1 - k : k;
        wg_var time = wg_const(tape, WG_I32, WG_SCALAR, (double)t);
        for (int i = 0; i < d->n_sequences; i++) {
            wg_var s = d->sequences[i];
            if (!wg_is_none(d->lengths)) s = wg_pad_edge(s, d->lengths);
            x[i] = wg_squeeze(wg_slice(s, 0, t, 1), 0);
        }
        wg_scan_step step = {.size = sizeof step,
                             .tape = tape,
                             .time = time,
                             .x = x,
                             .carry = carry,
                             .next = next,
                             .y = now,
                             .sum = add};
        d->body(d->user, &step);
        for (int i = 0; i < d->n_outputs; i++) {
            ys[i][t] = now[i];
            if (!wg_is_none(d->lengths))
                ys[i][t] = masked(wg_gt(d->lengths, time), now[i],
                                  wg_const(tape, wg_var_dtype(now[i]), WG_SCALAR, 0));
        }
        for (int i = 0; i < d->n_sums; i++) sum[i] = k ? wg_add(sum[i], add[i]) : add[i];
        wg_var held[8];
        for (int i = 0; i < d->n_carries; i++)
            held[i] = wg_is_none(d->lengths) ? next[i]
                                             : masked(wg_gt(d->lengths, time), next[i], carry[i]);
        memcpy(carry, held, sizeof held);
    }
    for (int i = 0; i < d->n_carries && final; i++) final[i] = carry[i];
    for (int i = 0; i < d->n_outputs; i++) y[i] = wg_stack(ys[i], (int)steps, 0);
    return wg_tape_status(tape, NULL);
}

/* ---- the cases: each fills out[] and gives how many ---- */

typedef int (*case_fn)(given *g, wg_var *out);

/* Leaves: [5,3,4] [3,4] [3,4] [4,4] [4] [3] */
static wg_shape leaf_shape(int i, int64_t t, int64_t b)
{
    const wg_shape s[MOST_LEAVES] = {WG_SHAPE(t, b, 4), WG_SHAPE(b, 4), WG_SHAPE(b, 4),
                                     WG_SHAPE(4, 4),    WG_SHAPE(4),    WG_SHAPE(b)};
    return s[i];
}

/* 1. Swapped, held and doubled states; results that are slots. */
static void body_swap(void *user, wg_scan_step *s)
{
    (void)user;
    s->next[0] = s->carry[1];
    s->next[1] = s->carry[0];
    s->next[2] = s->carry[2];
    s->next[3] = wg_mul(s->carry[3], s->carry[0]);
    s->y[0] = s->carry[0];
    s->y[1] = s->x[0];
    s->y[2] = s->next[3];
    s->y[3] = s->next[3];
    s->sum[0] = s->next[3];
    s->sum[1] = s->carry[1];
    s->sum[2] = s->x[0];
}

static int case_swap(given *g, wg_var *out)
{
    wg_var init[4] = {g->leaf[1], g->leaf[2], g->leaf[1], wg_tanh(g->leaf[2])};
    wg_scan_def d = {.size = sizeof d,
                     .body = body_swap,
                     .sequences = g->leaf,
                     .n_sequences = 1,
                     .init = init,
                     .n_carries = 4,
                     .n_outputs = 4,
                     .n_sums = 3};
    g->scan(g->tape, &d, out, out + 4, out + 8);
    return 11;
}

static int case_swap_lengths(given *g, wg_var *out)
{
    wg_var init[4] = {g->leaf[1], g->leaf[2], g->leaf[1], wg_tanh(g->leaf[2])};
    wg_scan_def d = {.size = sizeof d,
                     .body = body_swap,
                     .sequences = g->leaf,
                     .n_sequences = 1,
                     .init = init,
                     .n_carries = 4,
                     .n_outputs = 4,
                     .n_sums = 3,
                     .lengths = g->lengths,
                     .reverse = true};
    g->scan(g->tape, &d, out, out + 4, out + 8);
    return 11;
}

/* 2. Outer values and constants as results, rank 1 and integer states, masks as sequences. */
static void body_mixed(void *user, wg_scan_step *s)
{
    given *g = user;
    wg_tape *t = s->tape;
    wg_var on = wg_cast(s->x[1], WG_F64), count = wg_cast(s->carry[1], WG_F64);
    s->next[0] =
        wg_add(s->carry[0], wg_mul(on, wg_sum_axis(wg_mul(s->x[0], g->leaf[4]), 1, false)));
    s->next[1] = wg_add(s->carry[1], s->x[2]);
    s->next[2] = s->x[1];
    s->y[0] = g->leaf[3];
    s->y[1] = wg_const(t, WG_F64, WG_SHAPE(g->b, 2), 2.5);
    s->y[2] = s->carry[1];
    s->y[3] = s->carry[2];
    s->y[4] = wg_mul(wg_mul(count, wg_cast(s->time, WG_F64)), s->carry[0]);
    s->sum[0] = wg_mul(count, s->next[0]);
    s->sum[1] = g->leaf[4];
}

static int case_mixed(given *g, wg_var *out)
{
    wg_tape *t = g->tape;
    wg_var zero = wg_const(t, WG_F64, WG_SCALAR, 0.1);
    wg_var mask = wg_gt(wg_slice(g->leaf[0], 2, 1, 1), zero);
    mask = wg_squeeze(mask, 2);
    wg_var ints = wg_cast(wg_scale(wg_squeeze(wg_slice(g->leaf[0], 2, 0, 1), 2), 3), WG_I32);
    wg_var seq[3] = {g->leaf[0], mask, ints};
    wg_var init[3] = {g->leaf[5], wg_const(t, WG_I32, WG_SHAPE(g->b), 1),
                      wg_const(t, WG_U8, WG_SHAPE(g->b), 1)};
    wg_scan_def d = {.size = sizeof d,
                     .body = body_mixed,
                     .user = g,
                     .sequences = seq,
                     .n_sequences = 3,
                     .init = init,
                     .n_carries = 3,
                     .n_outputs = 5,
                     .n_sums = 2};
    g->scan(t, &d, out, out + 3, out + 8);
    return 10;
}

/* 3. Nested: the inner loop runs over features, its weights and a value of the middle level are
 * captured through two levels; the inner and the outer have lengths where asked for. */
typedef struct nest {
    given *g;
    wg_scan_step *outer;
    wg_var mid;
    bool lengths;
} nest;

static void body_inner(void *user, wg_scan_step *s)
{
    nest *n = user;
    wg_var w = n->g->leaf[3]; /* of the root */
    wg_var h = wg_tanh(wg_add(wg_matmul(s->carry[0], w), wg_mul(s->x[0], n->mid)));
    s->next[0] = h;
    s->y[0] = wg_mul(h, n->outer->carry[0]);
    s->sum[0] = wg_mul(wg_sum_axis(h, 0, false), n->g->leaf[4]);
}

static void body_outer(void *user, wg_scan_step *s)
{
    given *g = user;
    bool lengths = !wg_is_none(g->inner_lengths);
    nest n = {g, s, wg_sigmoid(wg_mul(s->x[0], g->leaf[4])), lengths};
    wg_var final, y, sum;
    wg_scan_def d = {.size = sizeof d,
                     .body = body_inner,
                     .user = &n,
                     .sequences = &g->leaf[0],
                     .n_sequences = 1,
                     .init = s->carry,
                     .n_carries = 1,
                     .n_outputs = 1,
                     .n_sums = 1,
                     .lengths = g->inner_lengths,
                     .reverse = true,
                     .name = "inner"};
    g->scan(s->tape, &d, &final, &y, &sum);
    s->next[0] = wg_mul(final, wg_add_scalar(s->x[0], 0.5));
    s->y[0] = wg_sum_axis(y, 0, false);
    s->y[1] = wg_add(final, sum);
    s->sum[0] = sum;
}

static int nested(given *g, wg_var *out, bool inner, bool outer)
{
    if (!inner) g->inner_lengths = WG_NONE;
    wg_scan_def d = {.size = sizeof d,
                     .body = body_outer,
                     .user = g,
                     .sequences = g->leaf,
                     .n_sequences = 1,
                     .init = g->leaf + 1,
                     .n_carries = 1,
                     .n_outputs = 2,
                     .n_sums = 1,
                     .name = "outer"};
    if (outer) d.lengths = g->lengths;
    g->scan(g->tape, &d, out, out + 1, out + 3);
    return 4;
}

static int case_nested(given *g, wg_var *out)
{
    return nested(g, out, false, false);
}
static int case_nested_inner(given *g, wg_var *out)
{
    return nested(g, out, true, false);
}
static int case_nested_both(given *g, wg_var *out)
{
    return nested(g, out, true, true);
}

/* 4. A gradient taken inside the body, of an inner loop: its augmented scan lives in the body. */
static void body_descend(void *user, wg_scan_step *s)
{
    given *g = user;
    nest n = {g, s, g->leaf[2], false};
    wg_var final, y, sum, grad;
    wg_scan_def d = {.size = sizeof d,
                     .body = body_inner,
                     .user = &n,
                     .sequences = &g->leaf[0],
                     .n_sequences = 1,
                     .init = s->carry,
                     .n_carries = 1,
                     .n_outputs = 1,
                     .n_sums = 1};
    g->scan(s->tape, &d, &final, &y, &sum);
    wg_var energy = wg_sum_all(wg_square(y));
    wg_grad(&energy, NULL, 1, s->carry, 1, &grad);
    s->next[0] = wg_sub(s->carry[0], wg_scale(grad, 0.1));
    s->y[0] = energy;
}

static int case_descend(given *g, wg_var *out)
{
    wg_scan_def d = {.size = sizeof d,
                     .body = body_descend,
                     .user = g,
                     .init = g->leaf + 1,
                     .n_carries = 1,
                     .n_outputs = 1,
                     .steps = 2};
    g->scan(g->tape, &d, out, out + 1, NULL);
    return 2;
}

/* 5. Random bits in the body, dropout on states and inputs, both directions. */
static void body_dropout(void *user, wg_scan_step *s)
{
    given *g = user;
    wg_var x = wg_dropout(s->x[0], 0.4, g->key, "x", s->time, -1);
    wg_var h = wg_dropout(s->carry[0], 0.3, g->key, "h", s->time, -1);
    s->next[0] = wg_tanh(wg_add(wg_matmul(x, g->leaf[3]), wg_mul(h, g->leaf[4])));
    s->y[0] = wg_mul(s->next[0], wg_exp(wg_scale(wg_cast(s->time, WG_F64), -0.5)));
}

static int case_dropout(given *g, wg_var *out)
{
    int n = 0;
    for (int reverse = 0; reverse < 2; reverse++) {
        wg_scan_def d = {.size = sizeof d,
                         .body = body_dropout,
                         .user = g,
                         .sequences = g->leaf,
                         .n_sequences = 1,
                         .init = g->leaf + 1,
                         .n_carries = 1,
                         .n_outputs = 1,
                         .lengths = reverse ? g->lengths : WG_NONE,
                         .reverse = reverse};
        g->scan(g->tape, &d, &out[n], &out[n + 1], NULL);
        n += 2;
    }
    return n;
}

/* 6. Values that depend on constants alone, shared cheap chains, several ranks, no carries. */
static void body_wide(void *user, wg_scan_step *s)
{
    given *g = user;
    wg_var w = wg_matmul(g->leaf[3], g->leaf[3]), v = s->x[0];
    for (int k = 0; k < 30; k++) v = wg_scale(wg_add(v, v), 0.5); /* one value, used twice */
    s->y[0] = wg_tanh(wg_matmul(v, w));
    s->y[1] = wg_mul(wg_mul(v, v), wg_expand_dims(s->x[1], 1));
    s->y[2] = wg_outer(s->x[1], g->leaf[4]);
    s->sum[0] = wg_mul(s->x[2], wg_sum_all(w));
}

static int case_wide(given *g, wg_var *out)
{
    wg_var row = wg_sum_axis(g->leaf[0], 2, false);
    wg_var seq[3] = {g->leaf[0], row, wg_sum_axis(row, 1, false)};
    wg_scan_def d = {.size = sizeof d,
                     .body = body_wide,
                     .user = g,
                     .sequences = seq,
                     .n_sequences = 3,
                     .n_outputs = 3,
                     .n_sums = 1};
    g->scan(g->tape, &d, NULL, out, out + 3);
    return 4;
}

/* 7. Only the last state is used; sequences are views of several strides. */
static void body_final(void *user, wg_scan_step *s)
{
    given *g = user;
    wg_var z = wg_concat((wg_var[]){s->x[0], s->x[1]}, 2, 1);
    s->next[0] = wg_tanh(wg_add(wg_matmul(z, g->leaf[3]), s->carry[0]));
    s->y[0] = wg_softmax(z);
    s->sum[0] = wg_sum_axis(z, 0, false);
}

static int case_final(given *g, wg_var *out)
{
    wg_var seq[2], y, sum;
    wg_split(g->leaf[0], 2, 2, seq);
    seq[1] = wg_broadcast_to(wg_slice(seq[1], 0, g->t - 1, 1), WG_SHAPE(g->t, g->b, 2));
    wg_scan_def d = {.size = sizeof d,
                     .body = body_final,
                     .user = g,
                     .sequences = seq,
                     .n_sequences = 2,
                     .init = g->leaf + 1,
                     .n_carries = 1,
                     .n_outputs = 1,
                     .n_sums = 1};
    g->scan(g->tape, &d, out, &y, &sum);
    return 1;
}

/* 8. Products of every kind that leaves the loop, or looks as if it could. */
static void body_products(void *user, wg_scan_step *s)
{
    given *g = user;
    wg_var w = g->leaf[3], x = s->x[0], h = s->carry[0];
    s->y[0] = wg_matmul(x, w);
    s->y[1] = wg_matmul_t(x, w, false, true);
    s->y[2] = wg_matmul(wg_tanh(x), w);
    s->y[3] = wg_matmul(h, w);
    s->y[4] = s->y[0];
    s->y[5] = wg_matmul(wg_const(s->tape, WG_F64, WG_SHAPE(2, 4), 0.5), w);
    s->next[0] = wg_tanh(wg_add(s->y[0], h));
    s->sum[0] = wg_matmul_t(x, h, true, false);
    s->sum[1] = wg_matmul_t(x, x, true, false);
    s->sum[2] = wg_sum_axis(h, 0, false);
    s->sum[3] = wg_sum_axis(x, 0, false);
    s->sum[4] = wg_matmul_t(h, s->next[0], true, false);
}

static int case_products(given *g, wg_var *out)
{
    wg_scan_def d = {.size = sizeof d,
                     .body = body_products,
                     .user = g,
                     .sequences = g->leaf,
                     .n_sequences = 1,
                     .init = g->leaf + 1,
                     .n_carries = 1,
                     .n_outputs = 6,
                     .n_sums = 5,
                     .reverse = g->t == 4};
    g->scan(g->tape, &d, out, out + 1, out + 7);
    return 12;
}

static const struct {
    const char *name;
    case_fn fn;
} cases[] = {
    {"swap", case_swap},
    {"swap, lengths", case_swap_lengths},
    {"mixed", case_mixed},
    {"nested", case_nested},
    {"nested, inner lengths", case_nested_inner},
    {"nested, lengths", case_nested_both},
    {"descend", case_descend},
    {"dropout", case_dropout},
    {"wide", case_wide},
    {"final", case_final},
    {"products", case_products},
};

/* ---- comparing ---- */

static wg_tensor *tensor_of(wg_dtype dtype, wg_shape shape, uint64_t seed)
{
    wg_error err;
    wg_tensor *t;
    WGT_OK(wg_tensor_new(dtype, shape, &t, &err), &err);
    wg_rng rng;
    wg_rng_init(&rng, seed, "test");
    for (int64_t i = 0; i < wg_tensor_count(t); i++)
        wg_tensor_set(t, i, 2 * wg_rng_uniform(&rng) - 1);
    return t;
}

/* Results, gradients of their squares' sum, gradients of the squares of those. */
static int record(given *g, case_fn fn, wg_var *out)
{
    wg_var y[MOST_OUT];
    int n = fn(g, y), n_out = 0;
    wg_var loss = wg_const(g->tape, WG_F64, WG_SCALAR, 0);
    for (int i = 0; i < n; i++) {
        out[n_out++] = y[i];
        if (wg_var_dtype(y[i]) == WG_F64)
            loss = wg_add(loss, wg_scale(wg_sum_all(wg_square(y[i])), 1.0 / (i + 2)));
    }
    /* The weights alone first: another pattern of what needs a gradient. */
    wg_var some[2];
    wg_grad_or_zeros(&loss, NULL, 1, g->leaf + 3, 2, some);
    out[n_out++] = some[0];
    out[n_out++] = some[1];
    wg_grad_or_zeros(&loss, NULL, 1, g->leaf, MOST_LEAVES, out + n_out);
    wg_var second = loss;
    for (int i = 0; i < MOST_LEAVES; i++)
        second = wg_add(second, wg_sum_all(wg_square(out[n_out + i])));
    n_out += MOST_LEAVES;
    wg_grad_or_zeros(&second, NULL, 1, g->leaf, MOST_LEAVES, out + n_out);
    n_out += MOST_LEAVES;
    if (g->third) {
        wg_var third = wg_sum_all(wg_square(out[n_out - MOST_LEAVES + 1]));
        wg_grad_or_zeros(&third, NULL, 1, g->leaf + 1, 3, out + n_out);
        n_out += 3;
    }
    wg_error err = {WG_OK, ""};
    WGT_OK(wg_tape_status(g->tape, &err), &err);
    return n_out;
}

static void check_case(const char *name, case_fn fn, int64_t t, int64_t b, bool plain, int threads)
{
    wg_error err = {WG_OK, ""};
    wg_tensor *leaf[MOST_LEAVES], *lengths, *inner, *key;
    for (int i = 0; i < MOST_LEAVES; i++)
        leaf[i] = tensor_of(WG_F64, leaf_shape(i, t, b), 31 + (uint64_t)i);
    WGT_OK(wg_tensor_new(WG_I32, WG_SHAPE(b), &lengths, &err), &err);
    WGT_OK(wg_tensor_new(WG_I32, WG_SHAPE(b), &inner, &err), &err);
    WGT_OK(wg_tensor_new(WG_I32, WG_SHAPE(4), &key, &err), &err);
    const int some[3] = {4, 0, 5}, other[3] = {1, 5, 0};
    for (int i = 0; i < b; i++) wg_tensor_set(lengths, i, some[i] < t ? some[i] : (double)t);
    for (int i = 0; i < b; i++) wg_tensor_set(inner, i, other[i] < t ? other[i] : (double)t);
    for (int i = 0; i < 4; i++) wg_tensor_set(key, i, 7 + i);
    wg_tape *tape;
    WGT_OK(wg_tape_new(&tape, &err), &err);
    wg_var out[2][2 * MOST_OUT + 3 * MOST_LEAVES];
    int n[2];
    for (int k = 0; k < 2; k++) {
        given g = {.tape = tape, .scan = k ? by_loop : wg_scan, .t = t, .b = b, .third = t == 2};
        for (int i = 0; i < MOST_LEAVES; i++) g.leaf[i] = wg_tensor_var(tape, leaf[i]);
        g.lengths = wg_tensor_var(tape, lengths);
        g.inner_lengths = wg_tensor_var(tape, inner);
        g.key = wg_tensor_var(tape, key);
        n[k] = record(&g, fn, out[k]);
    }
    assert_int_equal(n[0], n[1]);
    wg_compile_options o = {.size = sizeof o, .node_by_node = plain, .threads = threads};
    wg_program *p[2];
    for (int k = 0; k < 2; k++) {
        WGT_OK(wg_compile(out[k], n[k], &o, &p[k], &err), &err);
        WGT_OK(wg_program_run(p[k], &err), &err);
        WGT_OK(wg_program_run(p[k], &err), &err); /* nothing is left behind by a run */
    }
    for (int k = 0; k < n[0]; k++) {
        const wg_tensor *u = wg_program_output(p[0], k), *v = wg_program_output(p[1], k);
        assert_int_equal(wg_tensor_count(u), wg_tensor_count(v));
        for (int64_t i = 0; i < wg_tensor_count(u); i++) {
            double x = wg_tensor_get(u, i), y = wg_tensor_get(v, i);
            if (!(fabs(x - y) <= 1e-10 * (1 + fabs(y))))
                fail_msg(
                    "%s%s, T = %d, B = %d: output %d of %d, element %d: scan %.15g, loop %.15g",
                    name, plain ? " (node by node)" : "", (int)t, (int)b, k, n[0], (int)i, x, y);
        }
    }
    wg_program_free(p[0]);
    wg_program_free(p[1]);
    wg_tape_free(tape);
    for (int i = 0; i < MOST_LEAVES; i++) wg_tensor_free(leaf[i]);
    wg_tensor_free(lengths);
    wg_tensor_free(inner);
    wg_tensor_free(key);
}

/* No steps: states are the initial ones, outputs empty, sums zero, gradients flow through states.
 */
static void no_steps(void **state)
{
    (void)state;
    wg_error err = {WG_OK, ""};
    for (int kind = 0; kind < 2; kind++) {
        wg_tensor *leaf[MOST_LEAVES], *lengths;
        wg_tape *tape;
        WGT_OK(wg_tape_new(&tape, &err), &err);
        WGT_OK(wg_tensor_new(WG_I32, WG_SHAPE(3), &lengths, &err), &err);
        given g = {.tape = tape, .scan = wg_scan, .b = 3};
        for (int i = 0; i < MOST_LEAVES; i++) {
            leaf[i] = tensor_of(WG_F64, leaf_shape(i, 0, 3), 5 + (uint64_t)i);
            g.leaf[i] = wg_tensor_var(tape, leaf[i]);
        }
        g.lengths = wg_tensor_var(tape, lengths);
        wg_var out[2 * MOST_OUT + 3 * MOST_LEAVES];
        int n = record(&g, kind ? case_swap_lengths : case_swap, out);
        wg_compile_options o = {.size = sizeof o};
        for (int plain = 0; plain < 2; plain++) {
            o.node_by_node = plain;
            wg_program *p;
            WGT_OK(wg_compile(out, n, &o, &p, &err), &err);
            WGT_OK(wg_program_run(p, &err), &err);
            for (int64_t i = 0; i < 12; i++) {
                WGT_NEAR(wg_tensor_get(wg_program_output(p, 0), i), wg_tensor_get(leaf[1], i), 0);
                WGT_NEAR(wg_tensor_get(wg_program_output(p, 1), i), wg_tensor_get(leaf[2], i), 0);
                WGT_NEAR(wg_tensor_get(wg_program_output(p, 8), i), 0, 0);
                /* d/d leaf[1] of its squares / 2 and / 4 */
                WGT_NEAR(wg_tensor_get(wg_program_output(p, 14), i),
                         1.5 * wg_tensor_get(leaf[1], i), 1e-12);
            }
            assert_int_equal(wg_tensor_count(wg_program_output(p, 4)), 0);
            wg_program_free(p);
        }
        wg_tape_free(tape);
        wg_tensor_free(lengths);
        for (int i = 0; i < MOST_LEAVES; i++) wg_tensor_free(leaf[i]);
    }
}

static void every_form_equals_a_loop(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        check_case(cases[i].name, cases[i].fn, 5, 3, false, 1);
        check_case(cases[i].name, cases[i].fn, 5, 3, true, 1);
        check_case(cases[i].name, cases[i].fn, 5, 3, false, 2);
        check_case(cases[i].name, cases[i].fn, 1, 2, false, 1);
        check_case(cases[i].name, cases[i].fn, 2, 1, false, 1);
        check_case(cases[i].name, cases[i].fn, 4, 0, false, 1);
    }
}

/* The augmented scan of a nested loop is merged with the recorded one on both levels: each inner
 * step runs forward once, watched or not. */
static void count_watch(void *user, const char *name, int64_t time, const wg_tensor *value)
{
    (void)value;
    assert_string_equal(name, "inner state");
    assert_true(time >= 0 && time < 5);
    ++*(int *)user;
}

static void body_inner_product(void *user, wg_scan_step *s)
{
    given *g = user;
    s->next[0] = wg_tanh(wg_add(wg_matmul(s->carry[0], g->leaf[3]), s->x[0]));
    if (g->steps) wg_watch(s->next[0], "inner state");
}

static void body_outer_product(void *user, wg_scan_step *s)
{
    given *g = user;
    wg_scan_def d = {.size = sizeof d,
                     .body = body_inner_product,
                     .user = g,
                     .sequences = g->leaf,
                     .n_sequences = 1,
                     .init = s->carry,
                     .n_carries = 1};
    wg_scan(s->tape, &d, s->next, NULL, NULL);
}

static void nested_loops_run_forward_once(void **state)
{
    (void)state;
    for (int watch = 0; watch < 2; watch++) {
        wg_error err = {WG_OK, ""};
        wg_tensor *leaf[MOST_LEAVES];
        wg_tape *tape;
        WGT_OK(wg_tape_new(&tape, &err), &err);
        given g = {.tape = tape, .steps = watch};
        for (int i = 0; i < MOST_LEAVES; i++) {
            leaf[i] = tensor_of(WG_F64, leaf_shape(i, 5, 3), 31 + (uint64_t)i);
            g.leaf[i] = wg_tensor_var(tape, leaf[i]);
        }
        int watched = 0;
        wg_tape_on_watch(tape, count_watch, &watched);
        wg_scan_def d = {.size = sizeof d,
                         .body = body_outer_product,
                         .user = &g,
                         .init = g.leaf + 1,
                         .n_carries = 1,
                         .steps = 3};
        wg_var final, out[2];
        WGT_OK(wg_scan(tape, &d, &final, NULL, NULL), NULL);
        out[0] = wg_sum_all(final);
        WGT_OK(wg_grad(out, NULL, 1, g.leaf + 1, 1, out + 1), NULL);
        wg_program *p;
        WGT_OK(wg_compile(out, 2, NULL, &p, &err), &err);
        WGT_OK(wg_program_run(p, &err), &err);
        wg_program_stats s = {.size = sizeof s};
        wg_program_get_stats(p, &s);
        /* Forward, the inner loop again in the backward one's place, and back: 3 x 5 each; what
         * the backward loop reads may be kept instead, never computed more often. */
        assert_true(s.products_a_run <= 3 * 3 * 5);
        assert_true(s.products_a_run >= 2 * 3 * 5);
        assert_int_equal(watched, watch ? 15 : 0);
        wg_program_free(p);
        wg_tape_free(tape);
        for (int i = 0; i < MOST_LEAVES; i++) wg_tensor_free(leaf[i]);
    }
}

/* A watch in a loop that no output needs is handed over all the same. */
static void watched_loops_are_needed(void **state)
{
    (void)state;
    wg_error err = {WG_OK, ""};
    wg_tensor *leaf[MOST_LEAVES];
    wg_tape *tape;
    WGT_OK(wg_tape_new(&tape, &err), &err);
    given g = {.tape = tape, .steps = 1};
    for (int i = 0; i < MOST_LEAVES; i++) {
        leaf[i] = tensor_of(WG_F64, leaf_shape(i, 5, 3), 31 + (uint64_t)i);
        g.leaf[i] = wg_tensor_var(tape, leaf[i]);
    }
    int watched = 0;
    wg_tape_on_watch(tape, count_watch, &watched);
    wg_scan_def d = {.size = sizeof d,
                     .body = body_outer_product,
                     .user = &g,
                     .init = g.leaf + 1,
                     .n_carries = 1,
                     .steps = 3};
    wg_var final, out = wg_sum_all(g.leaf[1]);
    WGT_OK(wg_scan(tape, &d, &final, NULL, NULL), NULL);
    WGT_OK(wg_eval(&out, 1, NULL, &err), &err);
    assert_int_equal(watched, 15);
    wg_tape_free(tape);
    for (int i = 0; i < MOST_LEAVES; i++) wg_tensor_free(leaf[i]);
}

/* Bodies outlive a reset of the tape: nothing of theirs may lie in its memory. */
static void body_named_by_scope(void *user, wg_scan_step *s)
{
    s->next[0] = wg_matmul(s->carry[0], *(wg_var *)user);
}

static void keep_text(void *user, const char *pass, const char *text)
{
    if (strcmp(pass, "recorded") == 0) snprintf(user, 4000, "%s", text);
}

static void bodies_keep_their_names(void **state)
{
    (void)state;
    wg_error err = {WG_OK, ""};
    wg_tape *tape;
    WGT_OK(wg_tape_new(&tape, &err), &err);
    wg_tensor *w = tensor_of(WG_F64, WG_SHAPE(2, 2), 3);
    for (int round = 0; round < 3; round++) {
        wg_tape_reset(tape);
        if (round == 1) /* what lay there is written over */
            for (int i = 0; i < 200; i++) wg_push_scope(tape, "zzzzzzzzzzzzzz");
        if (round == 1) continue;
        for (int i = 0; i < 10 * round; i++) { /* so that it lies elsewhere */
            wg_push_scope(tape, "zzzzzzzzzzzz");
            wg_pop_scope(tape);
        }
        wg_push_scope(tape, "decoder");
        wg_var v = wg_name(wg_tensor_var(tape, w), "weights"), final, g[2];
        wg_scan_def d = {.size = sizeof d,
                         .body = body_named_by_scope,
                         .user = &v,
                         .init = &v,
                         .n_carries = 1,
                         .steps = 2};
        WGT_OK(wg_scan(tape, &d, &final, NULL, NULL), NULL);
        g[0] = wg_sum_all(final);
        WGT_OK(wg_grad(g, NULL, 1, &v, 1, g + 1), NULL);
        char text[4000] = "";
        wg_compile_options o = {.size = sizeof o, .trace = keep_text, .trace_user = text};
        wg_program *p;
        WGT_OK(wg_compile(g, 2, &o, &p, &err), &err);
        assert_null(strstr(text, "@z"));
        for (const char *at = text; (at = strchr(at, '@')); at++)
            assert_memory_equal(at, "@decoder\n", 9);
        wg_program_free(p);
    }
    wg_tape_free(tape);
    wg_tensor_free(w);
}

/* An input asked for inside a body is the root's, as a tensor is. */
static void body_input(void *user, wg_scan_step *s)
{
    wg_var x = wg_input(s->tape, "x", WG_F64, WG_SHAPE(2));
    s->next[0] = wg_mul(s->carry[0], wg_add(x, wg_tensor_var(s->tape, user)));
}

static void leaves_of_a_body_are_the_roots(void **state)
{
    (void)state;
    wg_error err = {WG_OK, ""};
    wg_tape *tape;
    WGT_OK(wg_tape_new(&tape, &err), &err);
    wg_tensor *t = tensor_of(WG_F64, WG_SHAPE(2), 1), *x = tensor_of(WG_F64, WG_SHAPE(2), 2);
    wg_var init = wg_const(tape, WG_F64, WG_SHAPE(2), 1), out[2];
    wg_scan_def d = {
        .size = sizeof d, .body = body_input, .user = t, .init = &init, .n_carries = 1, .steps = 2};
    WGT_OK(wg_scan(tape, &d, out, NULL, NULL), NULL);
    wg_var input = wg_input(tape, "x", WG_F64, WG_SHAPE(2)), y = wg_sum_all(out[0]);
    WGT_OK(wg_grad(&y, NULL, 1, &input, 1, out + 1), NULL);
    wg_program *p;
    WGT_OK(wg_compile(out, 2, NULL, &p, &err), &err);
    WGT_OK(wg_program_bind(p, "x", x, &err), &err);
    WGT_OK(wg_program_run(p, &err), &err);
    for (int i = 0; i < 2; i++) {
        double sum = wg_tensor_get(t, i) + wg_tensor_get(x, i);
        WGT_NEAR(wg_tensor_get(wg_program_output(p, 0), i), sum * sum, 1e-15);
        WGT_NEAR(wg_tensor_get(wg_program_output(p, 1), i), 2 * sum, 1e-15);
    }
    wg_program_free(p);
    wg_tape_free(tape);
    wg_tensor_free(t);
    wg_tensor_free(x);
}

/* Two levels down: the message names op, scopes, shapes and place; all results are poisoned. */
static void body_wrong(void *user, wg_scan_step *s)
{
    given *g = user;
    if (g->steps-- > 0) {
        wg_scan_def d = {.size = sizeof d,
                         .body = body_wrong,
                         .user = g,
                         .init = s->carry,
                         .n_carries = 1,
                         .steps = 2,
                         .name = "lower"};
        wg_scan(s->tape, &d, s->next, NULL, NULL);
        assert_false(wg_var_ok(s->next[0]));
    } else {
        s->next[0] = wg_matmul(s->carry[0], wg_tanh(s->carry[0]));
        assert_false(wg_var_ok(wg_tanh(s->next[0])));
    }
}

static void errors_in_bodies_are_told_in_full(void **state)
{
    (void)state;
    wg_error err = {WG_OK, ""};
    wg_tape *tape;
    WGT_OK(wg_tape_new(&tape, &err), &err);
    given g = {.tape = tape, .steps = 1};
    wg_push_scope(tape, "model");
    wg_var init = wg_const(tape, WG_F64, WG_SHAPE(3, 4), 1), final, gx;
    wg_scan_def d = {.size = sizeof d,
                     .body = body_wrong,
                     .user = &g,
                     .init = &init,
                     .n_carries = 1,
                     .steps = 2,
                     .name = "upper"};
    assert_int_equal(wg_scan(tape, &d, &final, NULL, NULL), WG_ESHAPE);
    assert_false(wg_var_ok(final));
    wg_tape_status(tape, &err);
    const char *parts[] = {"matmul 'model.upper.lower'", "[3,4] x [3,4]", "test_scan_forms.c:"};
    for (int i = 0; i < 3; i++)
        if (!strstr(err.message, parts[i])) fail_msg("'%s' is not in: %s", parts[i], err.message);
    assert_int_equal(wg_grad(&final, NULL, 1, &init, 1, &gx), WG_ESHAPE);
    wg_error again;
    assert_int_equal(wg_eval(&final, 1, NULL, &again), WG_ESHAPE);
    assert_string_equal(again.message, err.message);
    wg_tape_free(tape);
}

/* Each allocation fails once over recording, both gradients, compiling and running of a nested
 * loop: an error, nothing lost, nothing broken. */
static wg_status nested_path(wg_tensor *const *leaf, wg_tensor *lengths, wg_error *err)
{
    wg_tape *tape = NULL;
    wg_status status = wg_tape_new(&tape, err);
    if (status != WG_OK) return status;
    given g = {.tape = tape, .scan = wg_scan, .t = 2, .b = 1};
    for (int i = 0; i < MOST_LEAVES; i++) g.leaf[i] = wg_tensor_var(tape, leaf[i]);
    g.lengths = g.inner_lengths = wg_tensor_var(tape, lengths);
    wg_var out[MOST_OUT], w = g.leaf[3], grad;
    case_nested_both(&g, out);
    wg_var loss = wg_sum_all(wg_square(out[0]));
    wg_grad_or_zeros(&loss, NULL, 1, &w, 1, &grad);
    wg_var second = wg_sum_all(wg_square(grad));
    wg_grad_or_zeros(&second, NULL, 1, &w, 1, &out[0]);
    status = wg_tape_status(tape, err);
    if (status == WG_OK) status = wg_eval(out, 1, NULL, err);
    wg_tape_free(tape);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    wg_error err = {WG_OK, ""};
    wg_tensor *leaf[MOST_LEAVES], *lengths;
    for (int i = 0; i < MOST_LEAVES; i++)
        leaf[i] = tensor_of(WG_F64, leaf_shape(i, 2, 1), 5 + (uint64_t)i);
    WGT_OK(wg_tensor_new(WG_I32, WG_SHAPE(1), &lengths, &err), &err);
    wg_tensor_fill(lengths, 2);
    WGT_OK(nested_path(leaf, lengths, &err), &err);
    wgt_fail_alloc_at(0);
    WGT_OK(nested_path(leaf, lengths, &err), &err);
    size_t calls = wgt_alloc_count(), step = calls / 1500 + 1;
    wgt_alloc_restore();
    for (size_t n = 1; n <= calls; n += step) {
        wgt_fail_alloc_at(n);
        wg_status status = nested_path(leaf, lengths, &err);
        bool reached = wgt_alloc_count() >= n;
        size_t live = wgt_alloc_live();
        wgt_alloc_restore();
        assert_int_equal(live, 0);
        assert_true(reached);
        assert_int_equal(status, WG_ENOMEM);
    }
    for (int i = 0; i < MOST_LEAVES; i++) wg_tensor_free(leaf[i]);
    wg_tensor_free(lengths);
}

static void body_resets(void *user, wg_scan_step *s)
{
    (void)user;
    wg_tape_reset(s->tape);
    s->next[0] = wg_const(s->tape, WG_F64, WG_SHAPE(2), 0);
}

static void body_keeps(void *user, wg_scan_step *s)
{
    s->next[0] = *(wg_var *)user = wg_tanh(s->carry[0]);
}

/* Vars that are nobody's, a tape reset inside its own body: errors that stay with the tape. */
static void mistakes_stay_with_the_tape(void **state)
{
    (void)state;
    wg_error err = {WG_OK, ""};
    wg_tape *tape, *other;
    WGT_OK(wg_tape_new(&tape, &err), &err);
    WGT_OK(wg_tape_new(&other, &err), &err);
    wg_var init = wg_const(tape, WG_F64, WG_SHAPE(2), 1), final;
    wg_scan_def d = {.size = sizeof d,
                     .body = body_resets,
                     .init = &init,
                     .n_carries = 1,
                     .steps = 2,
                     .name = "loop"};
    assert_int_not_equal(wg_scan(tape, &d, &final, NULL, NULL), WG_OK);
    assert_int_equal(wg_tape_status(tape, &err), WG_ESTATE);
    wg_var old = init;
    wg_tape_reset(tape);
    /* a state of a tape that was reset */
    d.init = &old;
    assert_int_equal(wg_scan(tape, &d, &final, NULL, NULL), WG_ESTALE);
    assert_int_equal(wg_tape_status(tape, &err), WG_ESTALE);
    assert_non_null(strstr(err.message, "loop"));
    wg_tape_reset(tape);
    /* gradients with respect to vars that are stale, absent or another tape's */
    wg_var gx, theirs = wg_const(other, WG_F64, WG_SCALAR, 1), bad[3] = {old, WG_NONE, theirs};
    for (int i = 0; i < 3; i++) {
        wg_var y = wg_const(tape, WG_F64, WG_SCALAR, 1);
        assert_int_not_equal(wg_grad(&y, NULL, 1, &bad[i], 1, &gx), WG_OK);
        assert_int_not_equal(wg_tape_status(tape, &err), WG_OK);
        assert_non_null(strstr(err.message, i < 2 ? "grad" : "unrelated"));
        wg_tape_reset(tape);
    }
    wg_var y = wg_sum_all(wg_const(tape, WG_F64, WG_SHAPE(2), 1));
    assert_int_equal(wg_grad(&y, &theirs, 1, &y, 1, &gx), WG_EINVAL);
    assert_int_equal(wg_tape_status(tape, NULL), WG_EINVAL);
    assert_int_equal(wg_tape_status(other, NULL), WG_OK);
    wg_tape_reset(tape);
    /* a var kept from a body that is finished: the body is shared, nothing may be added to it */
    wg_var kept, root = wg_const(tape, WG_F64, WG_SHAPE(2), 1);
    d = (wg_scan_def){.size = sizeof d,
                      .body = body_keeps,
                      .user = &kept,
                      .init = &root,
                      .n_carries = 1,
                      .steps = 2};
    WGT_OK(wg_scan(tape, &d, &final, NULL, NULL), NULL);
    assert_false(wg_var_ok(kept));
    assert_false(wg_var_ok(wg_add(kept, kept)));
    assert_int_equal(wg_tape_status(tape, NULL), WG_OK);
    assert_false(wg_var_ok(wg_add(kept, root)));
    assert_int_equal(wg_tape_status(tape, NULL), WG_ESTALE);
    wg_tape_free(other);
    wg_tape_free(tape);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_equals_a_loop),
        cmocka_unit_test(no_steps),
        cmocka_unit_test(nested_loops_run_forward_once),
        cmocka_unit_test(watched_loops_are_needed),
        cmocka_unit_test(bodies_keep_their_names),
        cmocka_unit_test(leaves_of_a_body_are_the_roots),
        cmocka_unit_test(errors_in_bodies_are_told_in_full),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(mistakes_stay_with_the_tape),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
