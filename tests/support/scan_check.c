/* How the cases of scans are compared: the ordinary C loop that each must equal, recording with
 * gradients, values side by side. */
#include "scan_cases.h"

#include <math.h>
#include <string.h>

/* ---- the same by an ordinary loop ---- */

static wg_var masked(wg_var mask, wg_var a, wg_var b)
{
    wg_shape s = WG_SHAPE(wg_dim(mask, 0));
    for (s.rank = 1; s.rank < wg_rank(a); s.rank++) s.dim[s.rank] = 1;
    return wg_where(wg_reshape(mask, s), a, b);
}

wg_status wgt_scan_by_loop(wg_tape *tape, const wg_scan_def *d, wg_var *final, wg_var *y,
                           wg_var *sum)
{
    int64_t steps = d->n_sequences ? wg_dim(d->sequences[0], 0) : d->steps;
    wg_var carry[8], next[8], x[8], ys[8][WGT_CASE_STEPS], now[8], add[8];
    assert_true(steps <= WGT_CASE_STEPS && d->n_carries <= 8 && d->n_outputs <= 8);
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

/* ---- leaves ---- */

static wg_shape leaf_shape(int i, int64_t t, int64_t b)
{
    const wg_shape s[WGT_LEAVES] = {WG_SHAPE(t, b, 4), WG_SHAPE(b, 4), WG_SHAPE(b, 4),
                                    WG_SHAPE(4, 4),    WG_SHAPE(4),    WG_SHAPE(b)};
    return s[i];
}

void wgt_leaves_new(wg_tensor **leaf, int64_t t, int64_t b, uint64_t seed)
{
    for (int i = 0; i < WGT_LEAVES; i++)
        leaf[i] = wgt_random_tensor(WG_F64, leaf_shape(i, t, b), seed + (uint64_t)i);
}

void wgt_leaves_record(wgt_given *g, wg_tensor *const *leaf)
{
    for (int i = 0; i < WGT_LEAVES; i++) g->leaf[i] = wg_tensor_var(g->tape, leaf[i]);
}

void wgt_leaves_free(wg_tensor **leaf)
{
    for (int i = 0; i < WGT_LEAVES; i++) wg_tensor_free(leaf[i]);
}

/* ---- comparing ---- */

int wgt_record_case(wgt_given *g, wgt_case_fn fn, wg_var *out)
{
    wg_var y[WGT_CASE_OUT];
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
    wg_grad_or_zeros(&loss, NULL, 1, g->leaf, WGT_LEAVES, out + n_out);
    wg_var second = loss;
    for (int i = 0; i < WGT_LEAVES; i++)
        second = wg_add(second, wg_sum_all(wg_square(out[n_out + i])));
    n_out += WGT_LEAVES;
    wg_grad_or_zeros(&second, NULL, 1, g->leaf, WGT_LEAVES, out + n_out);
    n_out += WGT_LEAVES;
    if (g->third) {
        wg_var third = wg_sum_all(wg_square(out[n_out - WGT_LEAVES + 1]));
        wg_grad_or_zeros(&third, NULL, 1, g->leaf + 1, 3, out + n_out);
        n_out += 3;
    }
    wg_error err = {WG_OK, ""};
    WGT_OK(wg_tape_status(g->tape, &err), &err);
    return n_out;
}

/* Differing elements fail the running test. */
static void compare(const wgt_scan_check *how, const char *name, wg_program *const p[2], int n)
{
    for (int k = 0; k < n; k++) {
        const wg_tensor *u = wg_program_output(p[0], k), *v = wg_program_output(p[1], k);
        assert_int_equal(wg_tensor_count(u), wg_tensor_count(v));
        for (int64_t i = 0; i < wg_tensor_count(u); i++) {
            double x = wg_tensor_get(u, i), y = wg_tensor_get(v, i);
            if (!(fabs(x - y) <= how->tol * (1 + fabs(y))))
                fail_msg(
                    "%s%s, T = %d, B = %d: output %d of %d, element %d: %.15g, should be %.15g",
                    name, how->plain ? " (node by node)" : "", (int)how->t, (int)how->b, k, n,
                    (int)i, x, y);
        }
    }
}

void wgt_check_case(const wgt_scan_case *c, const wgt_scan_check *how)
{
    int64_t t = how->t, b = how->b;
    wg_error err = {WG_OK, ""};
    wg_tensor *leaf[WGT_LEAVES], *lengths, *inner, *key;
    wgt_leaves_new(leaf, t, b, 31);
    WGT_OK(wg_tensor_new(WG_I32, WG_SHAPE(b), &lengths, &err), &err);
    WGT_OK(wg_tensor_new(WG_I32, WG_SHAPE(b), &inner, &err), &err);
    WGT_OK(wg_tensor_new(WG_I32, WG_SHAPE(4), &key, &err), &err);
    const int some[3] = {4, 0, 5}, other[3] = {1, 5, 0};
    for (int i = 0; i < b; i++) wg_tensor_set(lengths, i, some[i] < t ? some[i] : (double)t);
    for (int i = 0; i < b; i++) wg_tensor_set(inner, i, other[i] < t ? other[i] : (double)t);
    for (int i = 0; i < 4; i++) wg_tensor_set(key, i, 7 + i);
    wg_tape *tape;
    WGT_OK(wg_tape_new(&tape, &err), &err);
    wg_var out[2][2 * WGT_CASE_OUT + 3 * WGT_LEAVES];
    int n[2];
    for (int k = 0; k < 2; k++) {
        wgt_given g = {
            .tape = tape, .scan = k ? how->like : how->scan, .t = t, .b = b, .third = t == 2};
        wgt_leaves_record(&g, leaf);
        g.lengths = wg_tensor_var(tape, lengths);
        g.inner_lengths = wg_tensor_var(tape, inner);
        g.key = wg_tensor_var(tape, key);
        n[k] = wgt_record_case(&g, c->fn, out[k]);
    }
    assert_int_equal(n[0], n[1]);
    wg_compile_options o = {.size = sizeof o, .node_by_node = how->plain, .threads = how->threads};
    wg_program *p[2];
    for (int k = 0; k < 2; k++) {
        WGT_OK(wg_compile(out[k], n[k], &o, &p[k], &err), &err);
        WGT_OK(wg_program_run(p[k], &err), &err);
        WGT_OK(wg_program_run(p[k], &err), &err); /* nothing is left behind by a run */
    }
    compare(how, c->name, p, n[0]);
    wg_program_free(p[0]);
    wg_program_free(p[1]);
    wg_tape_free(tape);
    wgt_leaves_free(leaf);
    wg_tensor_free(lengths);
    wg_tensor_free(inner);
    wg_tensor_free(key);
}
