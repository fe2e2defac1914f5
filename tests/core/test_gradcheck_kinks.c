/* Where a derivative is not one number: the gradient check tells kinks, unused leaves, stopped
 * gradients and NaN from wrong rules. */
#include "gradcheck_test.h"

/* ---- kinks, unused leaves, NaN ---- */

static void check_kink(wg_var (*op)(wg_var), bool exact)
{
    bench b;
    begin(&b);
    wg_var x = leaf(&b, "x", WG_SHAPE(5), 0.5, 1);
    double *data = wg_tensor_data(b.tensor[0]);
    data[1] = -0.7;
    data[3] = exact ? 0 : 3e-6; /* on the kink, or nearer to it than the step is */
    run(&b, op(x));
    expect(&b, true);
    if (exact) {
        assert_int_equal(b.report.leaves[0].verdict, WG_GRADCHECK_KINK);
        assert_int_equal(b.report.leaves[0].kinks, 1);
        expect_text(&b, "kink: x: at 1 of 5");
    }
    assert_int_equal(b.report.leaves[0].wrong, 0);
    end(&b);
}

static void kinks_are_named(void **state)
{
    (void)state;
    check_kink(wg_relu, true);
    check_kink(wg_relu, false);
    check_kink(wg_abs, false);
    /* relu(x) - relu(-x) is smooth, but the gradient at 0 is that of two kinks. */
    bench b;
    begin(&b);
    wg_var x = leaf(&b, "x", WG_SHAPE(2), 0.5, 1);
    wg_tensor_set(b.tensor[0], 1, 0);
    run(&b, wg_sub(wg_relu(x), wg_relu(wg_neg(x))));
    expect(&b, true);
    assert_int_equal(b.report.leaves[0].kinks, 1);
    end(&b);
    /* A tie of max. */
    begin(&b);
    x = leaf(&b, "x", WG_SHAPE(2), 0.5, 1);
    wg_var y = leaf(&b, "y", WG_SHAPE(2), 0.5, 1);
    wg_tensor_set(b.tensor[1], 0, wg_tensor_get(b.tensor[0], 0));
    run(&b, wg_max(x, wg_scale(y, 1)));
    expect(&b, true);
    end(&b);
}

/* abs at 0: the rule gives 0, the mean of left and right; nothing is wrong about it. */
static void a_mean_of_both_sides_is_fine(void **state)
{
    (void)state;
    bench b;
    begin(&b);
    wg_var x = leaf(&b, "x", WG_SHAPE(1), 0, 0);
    run(&b, wg_abs(x));
    expect(&b, true);
    end(&b);
}

static void vjp_relu_wrong(wg_vjp *c)
{
    wg_vjp_add(c, 0, wg_scale(wg_vjp_grad(c, 0), 3));
}

static void map_relu(const wg_map *c)
{
    for (int64_t i = 0; i < c->n; i++) {
        double x = ((const double *)c->in[0])[i];
        ((double *)c->out)[i] = x > 0 ? x : 0;
    }
}

static void kinks_do_not_hide_errors(void **state)
{
    (void)state;
    const wg_op wrong_relu = {.size = sizeof(wg_op),
                              .name = "bad.relu",
                              .version = 1,
                              .traits = WG_OP_MAP | WG_OP_KINKS,
                              .n_in = 1,
                              .n_out = 1,
                              .infer = same_type,
                              .vjp = vjp_relu_wrong,
                              .map = map_relu};
    bench b;
    begin(&b);
    wg_var x = leaf(&b, "x", WG_SHAPE(4), 0.5, 1);
    wg_tensor_set(b.tensor[0], 2, 0);
    run(&b, wg_relu(apply(&wrong_relu, x, WG_NONE)));
    expect(&b, false);
    assert_int_equal(b.report.leaves[0].wrong + b.report.leaves[0].kinks, 4);
    assert_true(b.report.leaves[0].wrong >= 3);
    expect_wrong_op(&b, "bad.relu");
    end(&b);
}

static void unused_leaves_are_reported(void **state)
{
    (void)state;
    bench b;
    begin(&b);
    wg_var x = leaf(&b, "x", WG_SHAPE(3), 0.5, 1);
    wg_var unused = leaf(&b, "forgotten", WG_SHAPE(2), 0.5, 1);
    wg_exp(unused); /* used by something, but not by the output */
    run(&b, wg_sum_all(wg_square(x)));
    expect(&b, true);
    assert_int_equal(b.report.leaves[1].verdict, WG_GRADCHECK_UNUSED);
    assert_int_equal(b.report.leaves[1].checked, 0);
    expect_text(&b, "unused: the outputs do not depend on forgotten");
    end(&b);
}

/* A gradient that is stopped is a wrong gradient of the function as it is. */
static void a_stopped_gradient_is_wrong(void **state)
{
    (void)state;
    bench b;
    begin(&b);
    wg_var x = leaf(&b, "x", WG_SHAPE(3), 0.5, 1);
    run(&b, wg_sum_all(wg_square(wg_stop_gradient(x))));
    expect(&b, false);
    assert_int_equal(b.report.leaves[0].wrong, 3);
    end(&b);
}

static void vjp_nan(wg_vjp *c)
{
    wg_var x = wg_vjp_in(c, 0);
    wg_vjp_add(c, 0, wg_mul(wg_vjp_grad(c, 0), wg_log(wg_sub(x, wg_add_scalar(wg_abs(x), 1)))));
}

BAD_OP(nan_rule, "bad.nan", 1, same_type, vjp_nan, map_sin);

static void nan_is_reported(void **state)
{
    (void)state;
    bench b;
    begin(&b);
    wg_var x = leaf(&b, "x", WG_SHAPE(3), 0.5, 1);
    run(&b, apply(&nan_rule, x, WG_NONE)); /* the gradient is NaN, the value is not */
    expect(&b, false);
    assert_true(isnan(b.report.leaves[0].analytic));
    assert_true(isinf(b.report.leaves[0].worst_error));
    expect_text(&b, "the analytic gradient is not a finite number");
    expect_wrong_op(&b, "bad.nan");
    end(&b);
    begin(&b);
    x = leaf(&b, "x", WG_SHAPE(3), 0.5, 1);
    wg_tensor_set(b.tensor[0], 1, -1);
    run(&b, wg_log(x)); /* both are */
    expect(&b, false);
    assert_int_equal(b.report.leaves[0].verdict, WG_GRADCHECK_WRONG);
    expect_text(&b, "output 0 at [1] is nan (1 of 3 elements are not finite)");
    end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kinks_are_named),
        cmocka_unit_test(a_mean_of_both_sides_is_fine),
        cmocka_unit_test(kinks_do_not_hide_errors),
        cmocka_unit_test(unused_leaves_are_reported),
        cmocka_unit_test(a_stopped_gradient_is_wrong),
        cmocka_unit_test(nan_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
