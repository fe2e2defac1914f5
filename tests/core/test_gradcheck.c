/* The gradient check itself: right gradients pass, large leaves are checked by projections, bad
 * calls are refused. */
#include "gradcheck_test.h"

#include <stdlib.h>

#include <wengert/parallel.h>
#include <wengert/program.h>

/* ---- right ones ---- */

static void right_gradients_pass(void **state)
{
    (void)state;
    for (int order = 1; order <= 2; order++) {
        bench b;
        begin(&b);
        wg_var x = leaf(&b, "x", WG_SHAPE(3, 4), -1, 1), w = leaf(&b, "W", WG_SHAPE(4, 5), -1, 1);
        wg_var bias = leaf(&b, "b", WG_SHAPE(5), -1, 1);
        wg_var y = wg_tanh(wg_affine(x, w, bias));
        y = wg_mul(y, wg_sigmoid(y));
        run_with(&b, y, (wg_gradcheck_options){.order = order});
        expect(&b, true);
        assert_int_equal(b.report.n_leaves, 3);
        for (int i = 0; i < 3; i++) {
            assert_int_equal(b.report.leaves[i].verdict, WG_GRADCHECK_OK);
            assert_int_equal(b.report.leaves[i].checked, order * b.report.leaves[i].elements);
            assert_true(b.report.leaves[i].worst_error <= 1e-7);
            assert_true(b.report.leaves[i].worst_index >= 0);
        }
        assert_string_equal(b.report.leaves[1].name, "W");
        assert_string_equal(b.report.first_wrong_op, "");
        expect_text(&b, "gradient check: passed");
        expect_text(&b, "tanh(");
        end(&b);
    }
}

static void small_gradients_of_large_values_pass(void **state)
{
    (void)state;
    /* f is about 1e6, its derivative about 1e-3: a plain central difference sees mostly rounding.
     */
    bench b;
    begin(&b);
    wg_var x = leaf(&b, "x", WG_SHAPE(3), -1, 1);
    wg_var y = wg_add_scalar(wg_scale(wg_sum_all(wg_sin(x)), 1e-3), 1e6);
    run(&b, y);
    expect(&b, true);
    end(&b);
}

static void zero_gradients_pass(void **state)
{
    (void)state;
    /* The sum of a softmax does not depend on its input; only rounding says so, in the numeric
     * derivative with some kernels and in the analytic one with others. */
    const char *before = getenv("WENGERT_ISA");
    char keep[16];
    snprintf(keep, sizeof keep, "%s", before ? before : "");
    for (int isa = 0; isa < WG_ISAS; isa++) {
        setenv("WENGERT_ISA", wg_isa_name((wg_isa)isa), 1);
        bench b;
        begin(&b);
        wg_var x = leaf(&b, "x", WG_SHAPE(2, 5), -3, 3);
        run(&b, wg_sum_all(wg_softmax(x)));
        expect(&b, true);
        end(&b);
    }
    if (before)
        setenv("WENGERT_ISA", keep, 1);
    else
        unsetenv("WENGERT_ISA");
}

static void several_outputs_and_all_leaves(void **state)
{
    (void)state;
    bench b;
    begin(&b);
    wg_var x = leaf(&b, "x", WG_SHAPE(3), 0.5, 2), y = leaf(&b, "y", WG_SHAPE(2, 3), 0.5, 2);
    wg_var empty = leaf(&b, "empty", WG_SHAPE(0, 3), 0, 1);
    wg_var out[3] = {wg_mul(x, y), wg_log(x), wg_add(empty, x)};
    wg_error err;
    WGT_OK(wg_gradcheck(out, 3, NULL, 0, NULL, &b.report, &err), &err);
    expect(&b, true);
    assert_int_equal(b.report.n_leaves, 3);
    assert_int_equal(b.report.leaves[2].checked, 0);
    wg_gradcheck_report_free(&b.report);
    /* Again on the same tape, which has grown. */
    b.report.size = sizeof b.report;
    WGT_OK(wg_gradcheck(out, 3, NULL, 0, NULL, &b.report, &err), &err);
    expect(&b, true);
    assert_int_equal(b.report.n_leaves, 3);
    end(&b);
}

static void count_watch(void *user, const char *name, int64_t time, const wg_tensor *value)
{
    (void)name;
    (void)time;
    (void)value;
    ++*(int *)user;
}

static void watched_values_stay_quiet(void **state)
{
    (void)state;
    int calls = 0;
    bench b;
    begin(&b);
    wg_tape_on_watch(b.tape, count_watch, &calls);
    wg_var y = wg_watch(wg_exp(leaf(&b, "x", WG_SHAPE(3), 0, 1)), "y");
    run(&b, y);
    expect(&b, true);
    assert_int_equal(calls, 0);
    WGT_OK(wg_eval(&y, 1, NULL, NULL), NULL);
    assert_int_equal(calls, 1); /* the callback is still there */
    end(&b);
}

/* ---- large leaves ---- */

static void projections_check_large_leaves(void **state)
{
    (void)state;
    for (int wrong = 0; wrong < 2; wrong++) {
        bench b;
        begin(&b);
        wg_var x = leaf(&b, "x", WG_SHAPE(50, 60), -1, 1),
               bias = leaf(&b, "b", WG_SHAPE(60), -1, 1);
        wg_var y = wrong ? apply(&sign_error, x, WG_NONE) : wg_sin(x);
        run(&b, wg_add(wg_square(y), bias));
        expect(&b, !wrong);
        assert_int_equal(b.report.leaves[0].checked, 20);
        assert_int_equal(b.report.leaves[0].worst_index, -1);
        assert_int_equal(b.report.leaves[1].checked, 60);
        assert_int_equal(b.report.leaves[0].wrong, wrong ? 20 : 0);
        if (wrong) expect_wrong_op(&b, "bad.sin");
        if (wrong) expect_text(&b, "x along a random direction");
        end(&b);
    }
}

/* One wrong element among thousands: sin of element 7 alone has the wrong sign. */
static void projections_see_one_wrong_element(void **state)
{
    (void)state;
    bench b;
    begin(&b);
    wg_var x = leaf(&b, "x", WG_SHAPE(5000), 0.2, 1);
    wg_var one = apply(&sign_error, wg_slice(x, 0, 7, 1), WG_NONE);
    wg_var out = wg_add(wg_sum_all(wg_sin(x)), wg_sum_all(one));
    run_with(&b, out, (wg_gradcheck_options){.projections = 3});
    expect(&b, false);
    assert_int_equal(b.report.leaves[0].wrong, 3);
    assert_string_equal(b.report.first_wrong_op, ""); /* not asked for */
    end(&b);
}

static void many_kinks_along_a_projection(void **state)
{
    (void)state;
    bench b;
    begin(&b);
    wg_var x = leaf(&b, "x", WG_SHAPE(30000), -1, 1);
    run_with(&b, wg_sum_all(wg_relu(x)), (wg_gradcheck_options){.projections = 3});
    expect(&b, true);
    end(&b);
}

/* ---- bad calls ---- */

static void bad_calls_are_refused(void **state)
{
    (void)state;
    wg_error err;
    bench b;
    begin(&b);
    wg_var x = leaf(&b, "x", WG_SHAPE(2), 0, 1), y = wg_exp(x);
    wg_tensor *f32;
    WGT_OK(wg_tensor_new(WG_F32, WG_SHAPE(2), &f32, &err), &err);
    wg_var z = wg_tensor_var(b.tape, f32);
    wg_var in = wg_input(b.tape, "in", WG_F64, WG_SHAPE(2));
    wg_gradcheck_options options = {.size = sizeof options, .order = 3};
    wg_gradcheck_report sizeless = {0};
    WGT_STATUS(wg_gradcheck(&y, 1, &x, 1, NULL, &sizeless, &err), WG_EINVAL, &err);
    WGT_STATUS(wg_gradcheck(&y, 1, &x, 1, NULL, NULL, &err), WG_EINVAL, &err);
    WGT_STATUS(wg_gradcheck(&y, 0, &x, 1, NULL, &b.report, &err), WG_EINVAL, &err);
    WGT_STATUS(wg_gradcheck(&y, 1, &x, 1, &options, &b.report, &err), WG_EINVAL, &err);
    options.order = 1;
    options.tolerance = NAN;
    WGT_STATUS(wg_gradcheck(&y, 1, &x, 1, &options, &b.report, &err), WG_EINVAL, &err);
    WGT_STATUS(wg_gradcheck(&y, 1, &y, 1, NULL, &b.report, &err), WG_EINVAL, &err);
    WGT_STATUS(wg_gradcheck(&y, 1, &z, 1, NULL, &b.report, &err), WG_EDTYPE, &err);
    WGT_STATUS(wg_gradcheck(&z, 1, &x, 1, NULL, &b.report, &err), WG_EDTYPE, &err);
    WGT_STATUS(wg_gradcheck(&WG_NONE, 1, &x, 1, NULL, &b.report, &err), WG_ESTALE, &err);
    /* An input has no value here; the report stays empty. */
    wg_var with_input = wg_mul(y, in);
    WGT_STATUS(wg_gradcheck(&with_input, 1, &x, 1, NULL, &b.report, &err), WG_ESTATE, &err);
    assert_null(b.report.text);
    wg_gradcheck_report_free(NULL);
    /* A poisoned tape says why. */
    wg_var bad = wg_add(x, wg_tensor_var(b.tape, f32));
    WGT_STATUS(wg_gradcheck(&bad, 1, &x, 1, NULL, &b.report, &err), WG_EDTYPE, &err);
    end(&b);
    wg_tensor_free(f32);
}

static void its_programs_are_traced(void **state)
{
    (void)state;
    for (int named = 0; named <= 1; named++) {
        bench b;
        begin(&b);
        wg_var x = leaf(&b, "x", WG_SHAPE(3), 0.2, 1);
        wg_var y = wg_sum_all(apply(&sign_error, wg_exp(x), WG_NONE));
        int n = 0;
        run_with(&b, y,
                 (wg_gradcheck_options){
                     .name_op = named, .trace = wgt_count_programs, .trace_user = &n});
        expect(&b, false);
        if (!named) assert_int_equal(n, 2); /* values and gradients */
        if (named) assert_true(n > 4);      /* and those of ops by themselves */
        end(&b);
    }
}

static wg_status check_once(wg_tape *tape, wg_tensor *t)
{
    wg_var x = wg_tensor_var(tape, t);
    wg_var y = wg_sum_all(apply(&sign_error, wg_exp(x), WG_NONE));
    wg_gradcheck_report report = {.size = sizeof report};
    const wg_gradcheck_options options = {.size = sizeof options, .name_op = true};
    wg_status status = wg_gradcheck(&y, 1, &x, 1, &options, &report, NULL);
    wg_gradcheck_report_free(&report);
    return status;
}

static void memory_may_run_out(void **state)
{
    (void)state;
    double data[2] = {0.3, 0.4};
    for (size_t n = 1;; n += 1 + n / 16) {
        wgt_fail_alloc_at(n);
        wg_tape *tape = NULL;
        wg_tensor *t = NULL;
        wg_status status = wg_tape_new(&tape, NULL);
        if (!status) status = wg_tensor_wrap(WG_F64, WG_SHAPE(2), data, &t, NULL);
        if (!status) status = check_once(tape, t);
        wg_tape_free(tape);
        wg_tensor_free(t);
        assert_true(data[0] == 0.3 && data[1] == 0.4);
        if (!wgt_alloc_ran_out(status)) break;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(right_gradients_pass),
        cmocka_unit_test(small_gradients_of_large_values_pass),
        cmocka_unit_test(zero_gradients_pass),
        cmocka_unit_test(several_outputs_and_all_leaves),
        cmocka_unit_test(watched_values_stay_quiet),
        cmocka_unit_test(projections_check_large_leaves),
        cmocka_unit_test(projections_see_one_wrong_element),
        cmocka_unit_test(many_kinks_along_a_projection),
        cmocka_unit_test(its_programs_are_traced),
        cmocka_unit_test(bad_calls_are_refused),
        cmocka_unit_test(memory_may_run_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
