/* Recomputation: a scan in chunks gives what the plain scan gives, values and gradients of every
 * order, for every form of body, number of steps and size of chunk; what is not cut, and what is
 * refused. */
#include "scan_remat_test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- every form ---- */

static wg_status chunked(wg_tape *tape, const wg_scan_def *def, wg_var *final, wg_var *y,
                         wg_var *sum, int64_t remat)
{
    wg_scan_def d = *def;
    d.remat = remat;
    return wg_scan(tape, &d, final, y, sum);
}

static wg_status by_root(wg_tape *t, const wg_scan_def *d, wg_var *final, wg_var *y, wg_var *sum)
{
    return chunked(t, d, final, y, sum, -1);
}
static wg_status by_1(wg_tape *t, const wg_scan_def *d, wg_var *final, wg_var *y, wg_var *sum)
{
    return chunked(t, d, final, y, sum, 1);
}
static wg_status by_2(wg_tape *t, const wg_scan_def *d, wg_var *final, wg_var *y, wg_var *sum)
{
    return chunked(t, d, final, y, sum, 2);
}
static wg_status by_3(wg_tape *t, const wg_scan_def *d, wg_var *final, wg_var *y, wg_var *sum)
{
    return chunked(t, d, final, y, sum, 3);
}

/* Against an ordinary C loop; loops inside loops are in chunks too. */
static void every_form_equals_a_loop(void **state)
{
    (void)state;
    const wgt_scan_fn chunks[] = {by_root, by_1, by_2, by_3};
    const wgt_scan_check how[] = {
        {.t = 5, .b = 3, .threads = 1},
        {.t = 7, .b = 3, .threads = 1},
        {.t = 5, .b = 3, .threads = 1, .plain = true},
        {.t = 2, .b = 1, .threads = 1},
        {.t = 4, .b = 0, .threads = 1},
        {.t = 6, .b = 2, .threads = 2},
    };
    for (size_t i = 0; i < wgt_n_scan_cases; i++)
        for (size_t k = 0; k < sizeof how / sizeof *how; k++)
            for (int c = k < 2 ? 0 : 2; c < (k < 2 ? 4 : 3); c++) {
                wgt_scan_check h = how[k];
                h.scan = chunks[c];
                h.like = wgt_scan_by_loop;
                h.tol = 1e-10;
                wgt_check_case(&wgt_scan_cases[i], &h);
            }
}

/* ---- a gated cell over any number of steps ---- */

/* Final states, outputs, sum, gradients, gradients of the squares of the gradients. */
static void outputs(wg_tape *tape, const net *n, int64_t remat, bool reverse, wg_var *out)
{
    wg_var wrt[WRT] = {n->p[0], n->p[1], n->p[2], n->x, n->init[0], n->init[1]};
    out[3] = run(tape, n, remat, reverse, out, out + 2);
    wg_var loss = wg_add(out[3], wg_sum_all(wg_mul(out[0], wg_tanh(out[1]))));
    loss = wg_add(loss, wg_sum_all(wg_square(wg_add_scalar(out[2], 0.3))));
    wg_grad_or_zeros(&loss, NULL, 1, wrt, WRT, out + 4);
    wg_var second = wg_const(tape, WG_F64, WG_SCALAR, 0);
    for (int i = 0; i < WRT; i++) second = wg_add(second, wg_sum_all(wg_square(out[4 + i])));
    wg_grad_or_zeros(&second, NULL, 1, wrt, WRT, out + 4 + WRT);
    wg_error err = {WG_OK, ""};
    WGT_OK(wg_tape_status(tape, &err), &err);
}

static void chunks_equal_a_plain_scan(void **state)
{
    (void)state;
    const int64_t steps[] = {0, 1, 2, 5, 7, 16, 17, 100}, chunk[] = {-1, 1, 4, 10, 200};
    wg_error err = {WG_OK, ""};
    for (size_t k = 0; k < sizeof steps / sizeof *steps; k++) {
        leaves l;
        leaves_new(&l, WG_F64, steps[k], B, H);
        for (int kind = 0; kind < 8; kind++) {
            enum { N = sizeof chunk / sizeof *chunk };
            wg_tape *tape;
            WGT_OK(wg_tape_new(&tape, &err), &err);
            net n = net_on(tape, &l, kind & 1, kind & 4);
            wg_var out[(N + 1) * OUTS];
            outputs(tape, &n, 0, kind & 2, out);
            for (int c = 0; c < N; c++) outputs(tape, &n, chunk[c], kind & 2, out + (c + 1) * OUTS);
            wg_program *p;
            wg_compile_options o = {.size = sizeof o, .threads = 1, .node_by_node = kind == 5};
            WGT_OK(wg_compile(out, (N + 1) * OUTS, &o, &p, &err), &err);
            WGT_OK(wg_program_run(p, &err), &err);
            for (int c = 0; c < N * OUTS; c++) {
                const wg_tensor *a = wg_program_output(p, OUTS + c),
                                *b = wg_program_output(p, c % OUTS);
                double most = 1;
                for (int64_t i = 0; i < wg_tensor_count(b); i++)
                    most = fmax(most, fabs(wg_tensor_get(b, i)));
                for (int64_t i = 0; i < wg_tensor_count(b); i++)
                    if (!(fabs(wg_tensor_get(a, i) - wg_tensor_get(b, i)) <= 1e-12 * most))
                        fail_msg("T = %d, kind %d, chunks of %d: output %d, element %d: %.17g, "
                                 "without chunks %.17g",
                                 (int)steps[k], kind, (int)chunk[c / OUTS], c % OUTS, (int)i,
                                 wg_tensor_get(a, i), wg_tensor_get(b, i));
            }
            wg_program_free(p);
            wg_tape_free(tape);
        }
        leaves_free(&l);
    }
}

/* ---- what is not cut, and what is refused ---- */

static void count_watch(void *user, const char *name, int64_t time, const wg_tensor *value)
{
    (void)name;
    (void)value;
    assert_int_equal(time, (*(int *)user)++);
}

static void watched_bodies_are_not_cut(void **state)
{
    (void)state;
    wg_error err = {WG_OK, ""};
    leaves l;
    leaves_new(&l, WG_F64, 10, B, H);
    wg_tape *tape;
    int times = 0;
    WGT_OK(wg_tape_new(&tape, &err), &err);
    wg_tape_on_watch(tape, count_watch, &times);
    net n = net_on(tape, &l, false, false);
    n.watch = true;
    wg_var final[2], y, out[2];
    out[0] = run(tape, &n, 3, false, final, &y);
    WGT_OK(wg_grad(out, NULL, 1, n.p, 1, out + 1), NULL);
    WGT_OK(wg_eval(out, 2, NULL, &err), &err);
    assert_int_equal(times, 10);
    wg_tape_free(tape);
    leaves_free(&l);
}

static void deep_body(void *user, wg_scan_step *s)
{
    (void)user;
    s->y[0] = s->x[0];
}

static void what_cannot_be_is_refused(void **state)
{
    (void)state;
    wg_error err = {WG_OK, ""};
    leaves l;
    leaves_new(&l, WG_F64, 6, B, H);
    wg_tape *tape;
    WGT_OK(wg_tape_new(&tape, &err), &err);
    net n = net_on(tape, &l, false, false);
    wg_var final[2], y;
    run(tape, &n, -2, false, final, &y);
    assert_int_equal(wg_tape_status(tape, &err), WG_EINVAL);
    assert_non_null(strstr(err.message, "cell: chunks of -2 steps"));
    assert_false(wg_var_ok(y));
    wg_tape_reset(tape);
    /* A chunk of a sequence has an axis more than the sequence. */
    wg_var deep = wg_const(tape, WG_F64, WG_SHAPE(4, 1, 1, 1, 1, 1), 1);
    wg_scan_def d = {.size = sizeof d,
                     .body = deep_body,
                     .sequences = &deep,
                     .n_sequences = 1,
                     .n_outputs = 1,
                     .name = "deep",
                     .remat = 2};
    assert_int_equal(wg_scan(tape, &d, NULL, &y, NULL), WG_ESHAPE);
    wg_tape_status(tape, &err);
    assert_non_null(strstr(err.message, "deep: a step of sequence 0 has 5 axes, at most 4"));
    wg_tape_reset(tape);
    /* A definition from before the field is one without recomputation. */
    deep = wg_const(tape, WG_F64, WG_SHAPE(4, 1, 1, 1, 1, 1), 1);
    d.size = offsetof(wg_scan_def, remat);
    WGT_OK(wg_scan(tape, &d, NULL, &y, NULL), NULL);
    d.size = 8;
    assert_int_equal(wg_scan(tape, &d, NULL, &y, NULL), WG_EINVAL);
    wg_tape_free(tape);
    leaves_free(&l);
}

static void chunks_are_printed(void **state)
{
    (void)state;
    wg_error err = {WG_OK, ""};
    leaves l;
    leaves_new(&l, WG_F64, 17, B, H);
    wg_tape *tape;
    WGT_OK(wg_tape_new(&tape, &err), &err);
    net n = net_on(tape, &l, false, false);
    wg_var final[2], y;
    run(tape, &n, 5, true, final, &y);
    char *text;
    WGT_OK(wg_print(tape, &y, 1, &text, &err), &err);
    const char *parts[] = {"steps=3 reverse remat)", "steps=5 reverse)", "steps=2 reverse)"};
    for (int i = 0; i < 3; i++)
        if (!strstr(text, parts[i])) fail_msg("'%s' is not in:\n%s", parts[i], text);
    wg_free(text);
    wg_tape_free(tape);
    leaves_free(&l);
}

/* ---- cost of recording, and failing allocations ---- */

static wg_status whole_path(wg_tape *tape, const leaves *l, wg_error *err)
{
    net n = net_on(tape, l, true, false);
    wg_var final[2], y, grad[PARAMS];
    wg_var loss = run(tape, &n, 3, true, final, &y);
    loss = wg_add(loss, wg_sum_all(y));
    wg_grad_or_zeros(&loss, NULL, 1, n.p, PARAMS, grad);
    wg_status status = wg_tape_status(tape, err);
    return status == WG_OK ? wg_eval(grad, PARAMS, NULL, err) : status;
}

static void chunks_are_interned(void **state)
{
    (void)state;
    wg_error err = {WG_OK, ""};
    leaves l;
    leaves_new(&l, WG_F64, 7, B, H);
    wg_tape *tape;
    WGT_OK(wg_tape_new(&tape, &err), &err);
    for (int round = 0; round < 3; round++) {
        wg_tape_reset(tape);
        WGT_OK(whole_path(tape, &l, &err), &err);
    }
    int64_t misses;
    wg_tape_cache_stats(tape, NULL, NULL, &misses);
    assert_int_equal(misses, 1);
    wg_tape_free(tape);
    leaves_free(&l);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    wg_error err = {WG_OK, ""};
    leaves l;
    leaves_new(&l, WG_F64, 7, B, H);
    for (size_t n = 1;; n++) {
        wg_tape *tape = NULL;
        wgt_fail_alloc_at(n);
        wg_status status = wg_tape_new(&tape, &err);
        if (status == WG_OK) status = whole_path(tape, &l, &err);
        wg_tape_free(tape);
        if (!wgt_alloc_ran_out(status)) break;
    }
    leaves_free(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_equals_a_loop),   cmocka_unit_test(chunks_equal_a_plain_scan),
        cmocka_unit_test(watched_bodies_are_not_cut), cmocka_unit_test(what_cannot_be_is_refused),
        cmocka_unit_test(chunks_are_printed),         cmocka_unit_test(chunks_are_interned),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
