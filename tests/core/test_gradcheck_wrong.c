/* Gradients that are wrong, by a sign, a term or a broadcast, in first or second order, are caught
 * by the gradient check and their op is named, inside of scans too. */
#include "gradcheck_test.h"

#include <wengert/scan.h>

static wg_status broadcast_type(wg_infer *c)
{
    c->out[0].dtype = c->in[0].dtype;
    if (!wg_shape_broadcast(&c->in[0].shape, &c->in[1].shape, &c->out[0].shape))
        return wg_infer_fail(c, WG_ESHAPE, "shapes do not broadcast");
    return WG_OK;
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

BAD_OP(missing_term, "bad.square_plus", 1, same_type, vjp_square_plus_missing_term,
       map_square_plus);
BAD_OP(wrong_broadcast, "bad.add", 2, broadcast_type, vjp_add_wrong_broadcast, map_add);

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

BAD_OP(second_wrong, "bad.second", 1, same_type, vjp_second_wrong, map_sin);

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

/* One sequence, one state, one stacked output. */
static wg_scan_def rnn(void (*step)(void *, wg_scan_step *), void *user, const wg_var *x,
                       const wg_var *h, const char *name)
{
    return (wg_scan_def){.size = sizeof(wg_scan_def),
                         .body = step,
                         .user = user,
                         .sequences = x,
                         .n_sequences = 1,
                         .init = h,
                         .n_carries = 1,
                         .n_outputs = 1,
                         .name = name};
}

static void check_scan(const wg_op *op, bool reverse)
{
    bench b;
    begin(&b);
    wg_var x = leaf(&b, "x", WG_SHAPE(4, 2, 3), -1, 1), h = leaf(&b, "h", WG_SHAPE(2, 3), -1, 1);
    body_of o = {op, leaf(&b, "W", WG_SHAPE(3, 3), -1, 1)};
    wg_scan_def def = rnn(body, &o, &x, &h, "rnn");
    def.reverse = reverse;
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
    const wg_scan_def def = rnn(body, user, s->x, s->carry, "inner");
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
        const wg_scan_def def = rnn(outer_body, &o, &x, &h, "outer");
        wg_var last, y;
        WGT_OK(wg_scan(b.tape, &def, &last, &y, NULL), NULL);
        run(&b, wg_add(wg_sum_all(y), wg_sum_all(last)));
        expect(&b, !wrong);
        if (wrong) expect_wrong_op(&b, "bad.sin");
        end(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sign_errors_are_caught),
        cmocka_unit_test(missing_terms_are_caught),
        cmocka_unit_test(wrong_broadcasts_are_caught),
        cmocka_unit_test(the_worst_element_is_reported),
        cmocka_unit_test(second_order_errors_are_caught),
        cmocka_unit_test(scans_are_opened),
        cmocka_unit_test(scans_in_scans_are_opened),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
