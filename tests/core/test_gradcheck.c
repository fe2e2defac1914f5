/* The gradient check itself: right gradients pass, wrong ones are caught and their op is named,
 * kinks, unused leaves and NaN are told apart. */
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <wengert/gradcheck.h>
#include <wengert/op.h>
#include <wengert/ops.h>
#include <wengert/parallel.h>
#include <wengert/program.h>
#include <wengert/rng.h>
#include <wengert/scan.h>

/* ---- a tape with f64 leaves ---- */

enum { MAX_LEAVES = 8 };

typedef struct bench {
    wg_tape *tape;
    wg_tensor *tensor[MAX_LEAVES];
    wg_var leaf[MAX_LEAVES];
    int n;
    wg_gradcheck_report report;
} bench;

static void begin(bench *b)
{
    wg_error err;
    *b = (bench){.report = {.size = sizeof b->report}};
    WGT_OK(wg_tape_new(&b->tape, &err), &err);
}

static wg_var leaf(bench *b, const char *name, wg_shape shape, double low, double high)
{
    wg_error err;
    wg_tensor *t;
    WGT_OK(wg_tensor_new(WG_F64, shape, &t, &err), &err);
    wg_rng rng;
    wg_rng_init(&rng, 11, name);
    for (int64_t i = 0; i < wg_tensor_count(t); i++)
        wg_tensor_set(t, i, low + (high - low) * wg_rng_uniform(&rng));
    b->tensor[b->n] = t;
    b->leaf[b->n] = wg_name(wg_tensor_var(b->tape, t), name);
    return b->leaf[b->n++];
}

static void end(bench *b)
{
    wg_gradcheck_report_free(&b->report);
    wg_tape_free(b->tape);
    for (int i = 0; i < b->n; i++) wg_tensor_free(b->tensor[i]);
}

static void run_with(bench *b, wg_var out, wg_gradcheck_options options)
{
    wg_error err;
    double before[MAX_LEAVES], after[MAX_LEAVES];
    for (int i = 0; i < b->n; i++) before[i] = wg_tensor_get(b->tensor[i], 0);
    options.size = sizeof options;
    WGT_OK(wg_gradcheck(&out, 1, b->leaf, b->n, &options, &b->report, &err), &err);
    for (int i = 0; i < b->n; i++) after[i] = wg_tensor_get(b->tensor[i], 0);
    assert_memory_equal(before, after, sizeof before[0] * (size_t)b->n); /* restored, to the bit */
    assert_non_null(b->report.text);
}

static void run(bench *b, wg_var out)
{
    run_with(b, out, (wg_gradcheck_options){.name_op = true});
}

static void expect(const bench *b, bool passed)
{
    if (b->report.passed != passed) fail_msg("%s", b->report.text);
}

static void expect_text(const bench *b, const char *part)
{
    if (!strstr(b->report.text, part)) fail_msg("'%s' is not in:\n%s", part, b->report.text);
}

static void expect_wrong_op(const bench *b, const char *part)
{
    if (!strstr(b->report.first_wrong_op, part))
        fail_msg("'%s' is not named by '%s':\n%s", part, b->report.first_wrong_op, b->report.text);
}

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

/* ---- wrong ones ---- */

static wg_status same_type(wg_infer *c)
{
    c->out[0] = c->in[0];
    return WG_OK;
}

static wg_status broadcast_type(wg_infer *c)
{
    c->out[0].dtype = c->in[0].dtype;
    if (!wg_shape_broadcast(&c->in[0].shape, &c->in[1].shape, &c->out[0].shape))
        return wg_infer_fail(c, WG_ESHAPE, "shapes do not broadcast");
    return WG_OK;
}

static void map_sin(const wg_map *c)
{
    for (int64_t i = 0; i < c->n; i++) ((double *)c->out)[i] = sin(((const double *)c->in[0])[i]);
}

static void map_square_plus(const wg_map *c)
{
    for (int64_t i = 0; i < c->n; i++) {
        double x = ((const double *)c->in[0])[i];
        ((double *)c->out)[i] = x * x + x;
    }
}

static void map_add(const wg_map *c)
{
    for (int64_t i = 0; i < c->n; i++)
        ((double *)c->out)[i] = ((const double *)c->in[0])[i] + ((const double *)c->in[1])[i];
}

static void vjp_sin_sign_error(wg_vjp *c)
{
    wg_vjp_add(c, 0, wg_neg(wg_mul(wg_vjp_grad(c, 0), wg_cos(wg_vjp_in(c, 0)))));
}

static void vjp_square_plus_missing_term(wg_vjp *c)
{
    /* (2x + 1) g without the g */
    wg_vjp_add(c, 0, wg_scale(wg_mul(wg_vjp_grad(c, 0), wg_vjp_in(c, 0)), 2));
}

static void vjp_add_wrong_broadcast(wg_vjp *c)
{
    wg_var g = wg_vjp_grad(c, 0);
    wg_vjp_add(c, 0, g);
    /* The bias was broadcast over axis 0: its gradient is the sum over it, not the mean. */
    wg_vjp_add(c, 1, wg_mean(g, (const int[]){0}, 1, false));
}

static void vjp_nan(wg_vjp *c)
{
    wg_var x = wg_vjp_in(c, 0);
    wg_vjp_add(c, 0, wg_mul(wg_vjp_grad(c, 0), wg_log(wg_sub(x, wg_add_scalar(wg_abs(x), 1)))));
}

static void vjp_second_wrong(wg_vjp *c);

#define BAD_OP(symbol, text, inputs, shape_rule, rule, kernel_) \
    static const wg_op symbol = {.size = sizeof(wg_op),         \
                                 .name = text,                  \
                                 .version = 1,                  \
                                 .traits = WG_OP_MAP,           \
                                 .n_in = inputs,                \
                                 .n_out = 1,                    \
                                 .infer = shape_rule,           \
                                 .vjp = rule,                   \
                                 .map = kernel_,                \
                                 .doc = "an op with a wrong VJP"}

BAD_OP(sign_error, "bad.sin", 1, same_type, vjp_sin_sign_error, map_sin);
BAD_OP(missing_term, "bad.square_plus", 1, same_type, vjp_square_plus_missing_term,
       map_square_plus);
BAD_OP(wrong_broadcast, "bad.add", 2, broadcast_type, vjp_add_wrong_broadcast, map_add);
BAD_OP(nan_rule, "bad.nan", 1, same_type, vjp_nan, map_sin);
BAD_OP(second_wrong, "bad.second", 1, same_type, vjp_second_wrong, map_sin);

static void map_cos(const wg_map *c)
{
    for (int64_t i = 0; i < c->n; i++) ((double *)c->out)[i] = cos(((const double *)c->in[0])[i]);
}

static void vjp_cos_sign_error(wg_vjp *c)
{
    wg_vjp_add(c, 0, wg_mul(wg_vjp_grad(c, 0), wg_sin(wg_vjp_in(c, 0))));
}

BAD_OP(bad_cos, "bad.cos", 1, same_type, vjp_cos_sign_error, map_cos);

/* A right first derivative, through an op whose own derivative is wrong. */
static void vjp_second_wrong(wg_vjp *c)
{
    wg_var x = wg_vjp_in(c, 0);
    wg_vjp_add(c, 0, wg_mul(wg_vjp_grad(c, 0), wg_record(&bad_cos, &x, 1, NULL, 0)));
}

static wg_var apply(const wg_op *op, wg_var a, wg_var b)
{
    wg_here("wrong.c", 77);
    return wg_record(op, (wg_var[]){a, b}, op->n_in, NULL, 0);
}

/* The wrong op between right ones, so that the first wrong one has to be found. */
static void check_caught(const wg_op *op, const char *name)
{
    bench b;
    begin(&b);
    wg_var x = leaf(&b, "x", WG_SHAPE(3, 4), 0.2, 1), bias = leaf(&b, "bias", WG_SHAPE(4), 0.2, 1);
    wg_push_scope(b.tape, "enc.0");
    wg_var y = apply(op, wg_exp(x), wg_sin(bias));
    wg_pop_scope(b.tape);
    if (op->n_in == 1) y = wg_add(y, bias);
    run(&b, wg_mul(wg_tanh(y), y));
    expect(&b, false);
    expect_text(&b, "FAILED");
    expect_text(&b, "first wrong op: ");
    expect_wrong_op(&b, name);
    expect_wrong_op(&b, "@enc.0 (wrong.c:77)");
    end(&b);
}

static void sign_errors_are_caught(void **state)
{
    (void)state;
    check_caught(&sign_error, "bad.sin");
}

static void missing_terms_are_caught(void **state)
{
    (void)state;
    check_caught(&missing_term, "bad.square_plus");
}

static void wrong_broadcasts_are_caught(void **state)
{
    (void)state;
    check_caught(&wrong_broadcast, "bad.add");
    /* Only the operand that was broadcast is wrong. */
    bench b;
    begin(&b);
    wg_var x = leaf(&b, "x", WG_SHAPE(3, 4), -1, 1), bias = leaf(&b, "bias", WG_SHAPE(4), -1, 1);
    run(&b, apply(&wrong_broadcast, x, bias));
    assert_int_equal(b.report.leaves[0].verdict, WG_GRADCHECK_OK);
    assert_int_equal(b.report.leaves[1].verdict, WG_GRADCHECK_WRONG);
    assert_int_equal(b.report.leaves[1].wrong, 4);
    assert_int_equal(b.report.worst_leaf, 1);
    const wg_gradcheck_leaf *worst = &b.report.leaves[1];
    WGT_CLOSE(worst->analytic * 3, worst->numeric, 1e-6, 0); /* the mean of three */
    WGT_CLOSE(worst->worst_error, 2.0 / 3, 1e-6, 0);
    expect_text(&b, "analytic / numeric = 0.33333333");
    end(&b);
}

static void the_worst_element_is_reported(void **state)
{
    (void)state;
    bench b;
    begin(&b);
    wg_var x = leaf(&b, "x", WG_SHAPE(2, 3), 0, 0);
    double *data = wg_tensor_data(b.tensor[0]);
    for (int i = 0; i < 6; i++) data[i] = 0.1 + i;
    /* The VJP gives 2x where 2x + 1 is right: relatively worst at the smallest x. */
    data[4] = 0.05;
    run(&b, wg_sum_all(apply(&missing_term, x, WG_NONE)));
    expect(&b, false);
    assert_int_equal(b.report.leaves[0].worst_index, 4);
    WGT_NEAR(b.report.leaves[0].analytic, 0.1, 1e-12);
    WGT_NEAR(b.report.leaves[0].numeric, 1.1, 1e-8);
    expect_text(&b, "worst: x[1,1]: analytic 0.1");
    end(&b);
}

static void second_order_errors_are_caught(void **state)
{
    (void)state;
    for (int order = 1; order <= 2; order++) {
        bench b;
        begin(&b);
        wg_var x = leaf(&b, "x", WG_SHAPE(3), 0.2, 1);
        run_with(&b, wg_square(apply(&second_wrong, x, WG_NONE)),
                 (wg_gradcheck_options){.order = order, .name_op = true});
        expect(&b, order == 1);
        if (order == 2) {
            expect_wrong_op(&b, "bad.cos");
            expect_text(&b, "(order 2,");
        }
        end(&b);
    }
}

/* ---- scans ---- */

typedef struct body_of {
    const wg_op *op; /* NULL = wg_sin */
    wg_var w;
} body_of;

static void body(void *user, wg_scan_step *s)
{
    const body_of *o = user;
    wg_var h = wg_matmul(s->carry[0], o->w);
    h = o->op ? apply(o->op, h, WG_NONE) : wg_sin(h);
    s->next[0] = wg_add(h, s->x[0]);
    s->y[0] = wg_tanh(s->next[0]);
}

static void check_scan(const wg_op *op, bool reverse)
{
    bench b;
    begin(&b);
    wg_var x = leaf(&b, "x", WG_SHAPE(4, 2, 3), -1, 1), h = leaf(&b, "h", WG_SHAPE(2, 3), -1, 1);
    body_of o = {op, leaf(&b, "W", WG_SHAPE(3, 3), -1, 1)};
    const wg_scan_def def = {.size = sizeof def,
                             .body = body,
                             .user = &o,
                             .sequences = &x,
                             .n_sequences = 1,
                             .init = &h,
                             .n_carries = 1,
                             .n_outputs = 1,
                             .reverse = reverse,
                             .name = "rnn"};
    wg_var last, y;
    WGT_OK(wg_scan(b.tape, &def, &last, &y, NULL), NULL);
    run_with(&b, wg_add(wg_sum_all(y), wg_sum_all(last)),
             (wg_gradcheck_options){.order = 2, .name_op = true});
    expect(&b, op == NULL);
    if (op) {
        expect_wrong_op(&b, "bad.sin");
        expect_wrong_op(&b, "wrong.c:77");
        expect_wrong_op(&b, reverse ? "in the body of a scan, step 3"
                                    : "in the body of a scan, step 0");
    }
    end(&b);
}

static void scans_are_opened(void **state)
{
    (void)state;
    check_scan(NULL, false);
    check_scan(&sign_error, false);
    check_scan(&sign_error, true);
}

/* A scan whose body scans. */
static void outer_body(void *user, wg_scan_step *s)
{
    const wg_scan_def def = {.size = sizeof def,
                             .body = body,
                             .user = user,
                             .sequences = s->x,
                             .n_sequences = 1,
                             .init = s->carry,
                             .n_carries = 1,
                             .n_outputs = 1,
                             .name = "inner"};
    wg_scan(s->tape, &def, s->next, s->y, NULL);
}

static void scans_in_scans_are_opened(void **state)
{
    (void)state;
    for (int wrong = 0; wrong < 2; wrong++) {
        bench b;
        begin(&b);
        wg_var x = leaf(&b, "x", WG_SHAPE(2, 3, 2, 3), -1, 1);
        wg_var h = leaf(&b, "h", WG_SHAPE(2, 3), -1, 1);
        body_of o = {wrong ? &sign_error : NULL, leaf(&b, "W", WG_SHAPE(3, 3), -1, 1)};
        const wg_scan_def def = {.size = sizeof def,
                                 .body = outer_body,
                                 .user = &o,
                                 .sequences = &x,
                                 .n_sequences = 1,
                                 .init = &h,
                                 .n_carries = 1,
                                 .n_outputs = 1,
                                 .name = "outer"};
        wg_var last, y;
        WGT_OK(wg_scan(b.tape, &def, &last, &y, NULL), NULL);
        run(&b, wg_add(wg_sum_all(y), wg_sum_all(last)));
        expect(&b, !wrong);
        if (wrong) expect_wrong_op(&b, "bad.sin");
        end(&b);
    }
}

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
        bool reached = wgt_alloc_count() >= n;
        size_t live = wgt_alloc_live();
        wgt_alloc_restore();
        assert_int_equal(live, 0);
        assert_true(data[0] == 0.3 && data[1] == 0.4);
        if (!reached) break;
        assert_int_equal(status, WG_ENOMEM);
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
        cmocka_unit_test(sign_errors_are_caught),
        cmocka_unit_test(missing_terms_are_caught),
        cmocka_unit_test(wrong_broadcasts_are_caught),
        cmocka_unit_test(the_worst_element_is_reported),
        cmocka_unit_test(second_order_errors_are_caught),
        cmocka_unit_test(scans_are_opened),
        cmocka_unit_test(scans_in_scans_are_opened),
        cmocka_unit_test(kinks_are_named),
        cmocka_unit_test(a_mean_of_both_sides_is_fine),
        cmocka_unit_test(kinks_do_not_hide_errors),
        cmocka_unit_test(unused_leaves_are_reported),
        cmocka_unit_test(a_stopped_gradient_is_wrong),
        cmocka_unit_test(nan_is_reported),
        cmocka_unit_test(projections_check_large_leaves),
        cmocka_unit_test(projections_see_one_wrong_element),
        cmocka_unit_test(many_kinks_along_a_projection),
        cmocka_unit_test(bad_calls_are_refused),
        cmocka_unit_test(memory_may_run_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
