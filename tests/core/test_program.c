/* Programs: compiled once, bound, run many times; the cache; the passes; watching. */
#include "tensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <wengert/ops.h>
#include <wengert/program.h>
#include <wengert/scan.h>

static wg_tape *new_tape(void)
{
    wg_error err;
    wg_tape *tape;
    WGT_OK(wg_tape_new(&tape, &err), &err);
    return tape;
}

static void bind_run_many_times(void **state)
{
    (void)state;
    wg_error err = {WG_OK, ""};
    wg_tape *tape = new_tape();
    wg_var x = wg_input(tape, "x", WG_F32, WG_SHAPE(2)),
           s = wg_input(tape, "s", WG_F32, WG_SHAPE(2));
    wg_var out = wg_add(wg_scale(s, 0.5), x);
    wg_program *p;
    WGT_OK(wg_compile(&out, 1, NULL, &p, &err), &err);
    wg_tape_free(tape); /* a program outlives its tape */
    WGT_STATUS(wg_program_run(p, &err), WG_ESTATE, NULL);
    wg_tensor *tx = wgt_random_tensor(WG_F32, WG_SHAPE(2), 1),
              *ts = wgt_random_tensor(WG_F32, WG_SHAPE(2), 2);
    wg_tensor *wrong = wgt_random_tensor(WG_F32, WG_SHAPE(3), 3);
    WGT_STATUS(wg_program_bind(p, "x", wrong, &err), WG_ESHAPE, NULL);
    assert_non_null(strstr(err.message, "'x' is f32[2], the tensor f32[3]"));
    WGT_STATUS(wg_program_bind(p, "y", tx, &err), WG_ENOTFOUND, NULL);
    WGT_OK(wg_program_bind(p, "x", tx, &err), &err);
    WGT_OK(wg_program_bind(p, "s", ts, &err), &err);
    /* One tensor as input and output: a state that is read before it is written. */
    WGT_OK(wg_program_bind_output(p, 0, ts, &err), &err);
    wg_tensor_fill(tx, 1);
    wg_tensor_fill(ts, 0);
    double want = 0;
    for (int k = 0; k < 5; k++) {
        WGT_OK(wg_program_run(p, &err), &err);
        want = 0.5 * want + 1;
        WGT_NEAR(wg_tensor_get(ts, 1), want, 1e-6);
    }
    assert_ptr_equal(wg_program_output(p, 0), ts);
    assert_null(wg_program_output(p, 1));
    wg_program_free(p);
    wg_tensor_free(tx);
    wg_tensor_free(ts);
    wg_tensor_free(wrong);
}

typedef struct minibatch {
    wg_tensor *x, *w, *loss, *grad;
} minibatch;

static void record_and_run(wg_tape *tape, const minibatch *b)
{
    wg_error err = {WG_OK, ""};
    wg_tape_reset(tape);
    wg_var w = wg_tensor_var(tape, b->w), x = wg_tensor_var(tape, b->x), out[2];
    out[0] = wg_mean_all(wg_square(wg_tanh(wg_matmul(x, w))));
    WGT_OK(wg_grad(out, NULL, 1, &w, 1, &out[1]), NULL);
    WGT_OK(wg_eval(out, 2, (wg_tensor *[]){b->loss, b->grad}, &err), &err);
}

static void the_second_minibatch_neither_compiles_nor_allocates(void **state)
{
    (void)state;
    wgt_fail_alloc_at(0); /* counts */
    wg_tape *tape = new_tape();
    minibatch b = {
        wgt_random_tensor(WG_F32, WG_SHAPE(6, 4), 1), wgt_random_tensor(WG_F32, WG_SHAPE(4, 3), 2),
        wgt_random_tensor(WG_F32, WG_SCALAR, 3), wgt_random_tensor(WG_F32, WG_SHAPE(4, 3), 4)};
    record_and_run(tape, &b);
    record_and_run(tape, &b); /* arena blocks reach their size */
    int64_t programs, hits, misses;
    wg_tape_cache_stats(tape, &programs, &hits, &misses);
    assert_int_equal(programs, 1);
    assert_int_equal(misses, 1);
    size_t before = wgt_alloc_count();
    double loss = wg_tensor_get(b.loss, 0);
    wg_tensor *other = b.x; /* another tensor of the same shape: same program */
    b.x = NULL;
    size_t made = wgt_alloc_count();
    b.x = wgt_random_tensor(WG_F32, WG_SHAPE(6, 4), 9);
    made = wgt_alloc_count() - made;
    record_and_run(tape, &b);
    size_t after = wgt_alloc_count();
    /* wg_grad takes two working arrays; nothing else may allocate. */
    assert_in_range(after - before - made, 0, 2);
    assert_true(wg_tensor_get(b.loss, 0) != loss);
    wg_tape_cache_stats(tape, &programs, &hits, &misses);
    assert_int_equal(misses, 1);
    assert_int_equal(hits, 2);
    wg_tensor_free(other);
    wg_tensor_free(b.x);
    wg_tensor_free(b.w);
    wg_tensor_free(b.loss);
    wg_tensor_free(b.grad);
    wg_tape_free(tape);
    assert_int_equal(wgt_alloc_live(), 0);
    wgt_alloc_restore();
}

static void the_cache_is_bounded(void **state)
{
    (void)state;
    wg_error err = {WG_OK, ""};
    wg_tape *tape = new_tape();
    for (int round = 0; round < 2; round++)
        for (int n = 1; n <= 300; n++) {
            wg_tape_reset(tape);
            wg_var y = wg_sum_all(wg_const(tape, WG_F64, WG_SHAPE(n), 2));
            WGT_OK(wg_eval(&y, 1, NULL, &err), &err);
            WGT_NEAR(wg_tensor_get(wg_eval_output(tape, 0), 0), 2.0 * n, 0);
        }
    int64_t programs, hits, misses;
    wg_tape_cache_stats(tape, &programs, &hits, &misses);
    assert_in_range(programs, 1, 299);
    assert_true(misses > 300);
    wg_tape_free(tape);
}

static void subexpressions_are_computed_once(void **state)
{
    (void)state;
    wg_error err = {WG_OK, ""};
    wg_tape *tape = new_tape();
    wg_var a = wg_input(tape, "a", WG_F32, WG_SHAPE(3, 3));
    wg_var y = wg_add(wg_matmul(a, a), wg_matmul(a, a));
    wg_matmul(y, y); /* dead */
    for (int plain = 0; plain < 2; plain++) {
        wg_compile_options o = {.size = sizeof o, .node_by_node = plain};
        wg_program *p;
        WGT_OK(wg_compile(&y, 1, &o, &p, &err), &err);
        wg_tensor *t = wgt_random_tensor(WG_F32, WG_SHAPE(3, 3), 1);
        WGT_OK(wg_program_bind(p, "a", t, &err), &err);
        WGT_OK(wg_program_run(p, &err), &err);
        wg_program_stats s = {.size = sizeof s};
        wg_program_get_stats(p, &s);
        assert_int_equal(s.products_a_run, plain ? 2 : 1);
        wg_program_free(p);
        wg_tensor_free(t);
    }
    wg_tape_free(tape);
}

static void note_pass(void *user, const char *pass, const char *text)
{
    char *seen = user;
    assert_true(strlen(text) > 0);
    snprintf(seen + strlen(seen), 400 - strlen(seen), "%s|", pass);
}

static void chains_and_row_reductions_fuse(void **state)
{
    (void)state;
    wg_error err = {WG_OK, ""};
    wg_tape *tape = new_tape();
    wg_var a = wg_input(tape, "a", WG_F32, WG_SHAPE(7, 33));
    wg_var y = wg_layer_norm(wg_tanh(wg_add(a, wg_sigmoid(a))), WG_NONE, WG_NONE, 1e-5);
    char seen[400] = "";
    wg_compile_options o = {.size = sizeof o, .trace = note_pass, .trace_user = seen};
    wg_program *fused, *plain;
    WGT_OK(wg_compile(&y, 1, &o, &fused, &err), &err);
    assert_string_equal(
        seen,
        "recorded|merge scans|dead code|implicit broadcasts|common subexpressions|merge products|"
        "invariant code|common subexpressions|hoist|sink|merge sums|common subexpressions|"
        "pack weights|dead code|pair gradients|unmasked steps|views before maps|fuse|plan|");
    o.trace = NULL;
    o.node_by_node = true;
    WGT_OK(wg_compile(&y, 1, &o, &plain, &err), &err);
    wg_tensor *t = wgt_random_tensor(WG_F32, WG_SHAPE(7, 33), 1);
    WGT_OK(wg_program_bind(fused, "a", t, &err), &err);
    WGT_OK(wg_program_bind(plain, "a", t, &err), &err);
    WGT_OK(wg_program_run(fused, &err), &err);
    WGT_OK(wg_program_run(plain, &err), &err);
    wg_program_stats s = {.size = sizeof s};
    wg_program_get_stats(fused, &s);
    assert_int_equal(s.kernels_a_run, 1); /* the whole chain, two row reductions and all */
    for (int64_t i = 0; i < 7 * 33; i++)
        WGT_NEAR(wg_tensor_get(wg_program_output(fused, 0), i),
                 wg_tensor_get(wg_program_output(plain, 0), i), 2e-6);
    wg_program_free(fused);
    wg_program_free(plain);
    wg_tensor_free(t);
    wg_tape_free(tape);
}

/* A group must not swallow a path that leaves and comes back. */
static void fusing_makes_no_cycles(void **state)
{
    (void)state;
    wg_error err = {WG_OK, ""};
    wg_tape *tape = new_tape();
    wg_tensor *t = wgt_random_tensor(WG_F64, WG_SHAPE(3, 3), 5);
    wg_var a = wg_tensor_var(tape, t), b = wg_tanh(a), c = wg_matmul(b, b), d = wg_sin(c);
    wg_var y = wg_add(wg_mul(b, d), wg_matmul(d, wg_exp(b)));
    wg_compile_options o = {.size = sizeof o};
    wg_program *p[2];
    for (int k = 0; k < 2; k++) {
        o.node_by_node = k;
        WGT_OK(wg_compile(&y, 1, &o, &p[k], &err), &err);
        WGT_OK(wg_program_run(p[k], &err), &err);
    }
    for (int i = 0; i < 9; i++)
        WGT_NEAR(wg_tensor_get(wg_program_output(p[0], 0), i),
                 wg_tensor_get(wg_program_output(p[1], 0), i), 1e-13);
    wg_program_free(p[0]);
    wg_program_free(p[1]);
    wg_tensor_free(t);
    wg_tape_free(tape);
}

static void buffers_are_reused(void **state)
{
    (void)state;
    wg_error err = {WG_OK, ""};
    wg_tape *tape = new_tape();
    wg_var a = wg_input(tape, "a", WG_F32, WG_SHAPE(64, 64));
    for (int i = 0; i < 20; i++) a = wg_tanh(wg_matmul(a, a));
    wg_program *p;
    WGT_OK(wg_compile(&a, 1, NULL, &p, &err), &err);
    wg_program_stats s = {.size = sizeof s};
    wg_program_get_stats(p, &s);
    assert_true(s.bytes_planned * 5 < s.bytes_unplanned);
    wg_program_free(p);
    wg_tape_free(tape);
}

static void watch_body(void *user, wg_scan_step *s)
{
    (void)user;
    s->next[0] = wg_watch(wg_add(s->carry[0], s->x[0]), "state");
}

static void on_watch(void *user, const char *name, int64_t time, const wg_tensor *value)
{
    char *seen = user;
    snprintf(seen + strlen(seen), 200 - strlen(seen), "%s@%d=%g ", name, (int)time,
             wg_tensor_get(value, 0));
}

static void values_are_watched_inside_scans_too(void **state)
{
    (void)state;
    for (int plain = 0; plain < 2; plain++) {
        wg_error err = {WG_OK, ""};
        wg_tape *tape = new_tape();
        wg_compile_options o = {.size = sizeof o, .node_by_node = plain};
        WGT_OK(wg_tape_options(tape, &o, &err), &err);
        char seen[200] = "";
        wg_tape_on_watch(tape, on_watch, seen);
        wg_var x = wg_const_data(tape, WG_F64, WG_SHAPE(3), (double[]){1, 2, 3});
        wg_var h = wg_const(tape, WG_F64, WG_SCALAR, 0), final;
        wg_scan_def d = {.size = sizeof d,
                         .body = watch_body,
                         .sequences = &x,
                         .n_sequences = 1,
                         .init = &h,
                         .n_carries = 1};
        WGT_OK(wg_scan(tape, &d, &final, NULL, NULL), NULL);
        wg_var unused = wg_watch(wg_neg(final), "minus"); /* watched, so it is computed */
        (void)unused;
        WGT_OK(wg_eval(&final, 1, NULL, &err), &err);
        assert_string_equal(seen, "state@0=1 state@1=3 state@2=6 minus@-1=-6 ");
        wg_tape_free(tape);
    }
}

static void hessian_vector_products(void **state)
{
    (void)state;
    wg_error err = {WG_OK, ""};
    wg_tape *tape = new_tape();
    /* y = x0^2 x1 + x1^3: H = [[2 x1, 2 x0], [2 x0, 6 x1]] */
    wg_var x = wg_const_data(tape, WG_F64, WG_SHAPE(2), (double[]){3, 5});
    wg_var x0 = wg_slice(x, 0, 0, 1), x1 = wg_slice(x, 0, 1, 1);
    wg_var y = wg_sum_all(wg_add(wg_mul(wg_square(x0), x1), wg_pow_scalar(x1, 3)));
    wg_var v = wg_const_data(tape, WG_F64, WG_SHAPE(2), (double[]){7, -2}), hv;
    WGT_OK(wg_hvp(y, &x, &v, 1, &hv), NULL);
    WGT_OK(wg_eval(&hv, 1, NULL, &err), &err);
    WGT_NEAR(wg_tensor_get(wg_eval_output(tape, 0), 0), 10 * 7 + 6 * -2, 1e-11);
    WGT_NEAR(wg_tensor_get(wg_eval_output(tape, 0), 1), 6 * 7 + 30 * -2, 1e-11);
    wg_tape_free(tape);
}

static void run_errors_name_the_op(void **state)
{
    (void)state;
    wg_error err = {WG_OK, ""};
    wg_tape *tape = new_tape();
    wg_push_scope(tape, "source");
    wg_var table = wg_const(tape, WG_F32, WG_SHAPE(4, 2), 1);
    wg_var ids = wg_const_data(tape, WG_I32, WG_SHAPE(2), (int32_t[]){1, 4});
    wg_var y = wg_embedding(table, ids);
    wg_pop_scope(tape);
    assert_int_not_equal(wg_eval(&y, 1, NULL, &err), WG_OK);
    assert_non_null(strstr(err.message, "'source'"));
    assert_non_null(strstr(err.message, "4"));
    assert_null(wg_eval_output(tape, 0));
    wg_tape_free(tape);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bind_run_many_times),
        cmocka_unit_test(the_second_minibatch_neither_compiles_nor_allocates),
        cmocka_unit_test(the_cache_is_bounded),
        cmocka_unit_test(subexpressions_are_computed_once),
        cmocka_unit_test(chains_and_row_reductions_fuse),
        cmocka_unit_test(fusing_makes_no_cycles),
        cmocka_unit_test(buffers_are_reused),
        cmocka_unit_test(values_are_watched_inside_scans_too),
        cmocka_unit_test(hessian_vector_products),
        cmocka_unit_test(run_errors_name_the_op),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
