/* The pass "pair gradients": an op and its gradient become one, with the row added before it and
 * the sum after it; where the operand is wanted otherwise, or the gradient waits for the result,
 * they stay apart. */
#include "pair_support.h"

#include <wengert/scan.h>

enum { ROWS = 40, WIDTH = 6, CLASSES = 50 };

typedef struct model {
    wg_tape *tape;
    wg_tensor *h, *w, *b, *target;
    wg_var x[3], targets, product, logits, rows; /* x: leaves h, w, b */
} model;

static model model_new(void)
{
    model m;
    wg_error err;
    wg_rng rng;
    wg_rng_init(&rng, 1, "model");
    WGT_OK(wg_tape_new(&m.tape, &err), &err);
    m.h = uniform(WG_F64, WG_SHAPE(ROWS, WIDTH), &rng);
    m.w = uniform(WG_F64, WG_SHAPE(WIDTH, CLASSES), &rng);
    m.b = uniform(WG_F64, WG_SHAPE(CLASSES), &rng);
    m.target = new_tensor(WG_I32, WG_SHAPE(ROWS));
    for (int64_t i = 0; i < ROWS; i++) wg_tensor_set(m.target, i, (double)(i * 7 % CLASSES));
    m.x[0] = wg_tensor_var(m.tape, m.h);
    m.x[1] = wg_tensor_var(m.tape, m.w);
    m.x[2] = wg_tensor_var(m.tape, m.b);
    m.targets = wg_tensor_var(m.tape, m.target);
    m.product = wg_matmul(m.x[0], m.x[1]);
    m.logits = wg_add(m.product, m.x[2]);
    m.rows = wg_cross_entropy(m.logits, m.targets, WG_NONE, 0.1);
    return m;
}

static void model_drop(model *m)
{
    wg_tape_free(m->tape);
    wg_tensor_free(m->h);
    wg_tensor_free(m->w);
    wg_tensor_free(m->b);
    wg_tensor_free(m->target);
}

static char text[20000];

/* The gradients of `loss` and `more` beside them: how many pairs; values are checked. */
static int pairs_of(model *m, wg_var loss, wg_var more)
{
    wg_var out[5] = {loss, WG_NONE, WG_NONE, WG_NONE, more};
    int n = wg_is_none(more) ? 4 : 5;
    WGT_OK(wg_grad(&loss, NULL, 1, m->x, 3, out + 1), NULL);
    wg_program *p[2];
    wg_compile_options o = {.threads = 1};
    int pairs = compiled(out, n, o, &p[0], text, sizeof text);
    o.node_by_node = true;
    compiled(out, n, o, &p[1], NULL, 0);
    for (int i = 0; i < n; i++)
        for (int64_t k = 0; k < wg_tensor_count(wg_program_output(p[0], i)); k++)
            WGT_NEAR(wg_tensor_get(wg_program_output(p[0], i), k),
                     wg_tensor_get(wg_program_output(p[1], i), k), 1e-12);
    wg_program_free(p[0]);
    wg_program_free(p[1]);
    return pairs;
}

static void what_depends_on_the_loss_or_reads_logits_stays_apart(void **state)
{
    (void)state;
    model m = model_new();
    wg_var loss = wg_sum_all(m.rows), g;
    assert_int_equal(pairs_of(&m, loss, WG_NONE), 1);
    assert_null(strstr(text, "= add("));
    assert_null(strstr(text, "= sum_to("));
    /* What reads the loss, or the product that the bias is added to, is no hindrance. */
    assert_int_equal(pairs_of(&m, loss, wg_exp(m.rows)), 1);
    assert_int_equal(pairs_of(&m, loss, wg_tanh(m.product)), 1);
    /* The gradient of each row waits for its loss. */
    assert_int_equal(pairs_of(&m, wg_sum_all(wg_square(m.rows)), WG_NONE), 0);
    assert_int_equal(pairs_of(&m, wg_exp(wg_scale(loss, 0.01)), WG_NONE), 0);
    /* The logits are an output, are looked at, are seen through a view. */
    assert_int_equal(pairs_of(&m, loss, m.logits), 0);
    assert_int_equal(pairs_of(&m, loss, wg_max_over(m.logits, NULL, 0, false)), 0);
    assert_int_equal(pairs_of(&m, loss, wg_reshape(m.logits, WG_SHAPE(CLASSES, ROWS))), 0);
    /* Two gradients of one loss. */
    wg_var twice = wg_scale(loss, 2);
    WGT_OK(wg_grad(&loss, NULL, 1, &m.logits, 1, &g), NULL);
    assert_int_equal(pairs_of(&m, twice, g), 0);
    model_drop(&m);
}

static void second_derivatives_stay_apart(void **state)
{
    (void)state;
    model m = model_new();
    wg_var loss = wg_sum_all(m.rows), g, penalty;
    WGT_OK(wg_grad(&loss, NULL, 1, &m.x[1], 1, &g), NULL);
    penalty = wg_add(loss, wg_sum_all(wg_square(g)));
    assert_int_equal(pairs_of(&m, penalty, WG_NONE), 0);
    model_drop(&m);
}

static void no_gradient_no_pair(void **state)
{
    (void)state;
    model m = model_new();
    wg_program *p;
    wg_compile_options o = {.threads = 1};
    assert_int_equal(compiled(&m.rows, 1, o, &p, NULL, 0), 0);
    wg_program_free(p);
    model_drop(&m);
}

/* Of other operands, other smoothing: another loss. */
static void two_losses_are_two_pairs(void **state)
{
    (void)state;
    model m = model_new();
    wg_var other = wg_scale(m.product, 0.5);
    wg_var second = wg_cross_entropy(other, m.targets, WG_NONE, 0);
    assert_int_equal(pairs_of(&m, wg_add(wg_sum_all(m.rows), wg_mean_all(second)), WG_NONE), 2);
    /* One set of logits under two losses: neither may write over them. */
    wg_var shared = wg_cross_entropy(m.logits, m.targets, WG_NONE, 0);
    assert_int_equal(pairs_of(&m, wg_add(wg_sum_all(m.rows), wg_mean_all(shared)), WG_NONE), 0);
    model_drop(&m);
}

/* Each step goes down the gradient of its own loss: the pair is in the loop's body. */
static void descent_step(void *user, wg_scan_step *s)
{
    const model *m = user;
    wg_var w = s->carry[0];
    wg_var rows = wg_cross_entropy(wg_add(wg_matmul(m->x[0], w), s->x[0]), m->targets, WG_NONE, 0);
    wg_var loss = wg_sum_all(rows), g;
    WGT_OK(wg_grad(&loss, NULL, 1, &w, 1, &g), NULL);
    s->next[0] = wg_sub(w, wg_scale(g, 0.01));
    s->y[0] = loss;
}

static void bodies_of_loops_too(void **state)
{
    (void)state;
    model m = model_new();
    wg_rng rng;
    wg_rng_init(&rng, 2, "rows");
    wg_tensor *b = uniform(WG_F64, WG_SHAPE(5, CLASSES), &rng);
    wg_var seq = wg_tensor_var(m.tape, b), final, losses;
    wg_scan_def d = {.size = sizeof d,
                     .body = descent_step,
                     .user = &m,
                     .sequences = &seq,
                     .n_sequences = 1,
                     .init = &m.x[1],
                     .n_carries = 1,
                     .n_outputs = 1};
    WGT_OK(wg_scan(m.tape, &d, &final, &losses, NULL), NULL);
    wg_var out[2] = {final, losses};
    wg_program *p[2];
    wg_compile_options o = {.threads = 1};
    assert_int_equal(compiled(out, 2, o, &p[0], NULL, 0), 1);
    o.node_by_node = true;
    assert_int_equal(compiled(out, 2, o, &p[1], NULL, 0), 0);
    for (int i = 0; i < 2; i++)
        for (int64_t k = 0; k < wg_tensor_count(wg_program_output(p[0], i)); k++)
            WGT_NEAR(wg_tensor_get(wg_program_output(p[0], i), k),
                     wg_tensor_get(wg_program_output(p[1], i), k), 1e-12);
    assert_true(wg_tensor_get(wg_program_output(p[0], 1), 4) <
                wg_tensor_get(wg_program_output(p[0], 1), 0));
    wg_program_free(p[0]);
    wg_program_free(p[1]);
    wg_tensor_free(b);
    model_drop(&m);
}

static void on_watch(void *user, const char *name, int64_t time, const wg_tensor *value)
{
    char *seen = user;
    (void)time;
    double sum = 0;
    for (int64_t i = 0; i < wg_tensor_count(value); i++) sum += wg_tensor_get(value, i);
    snprintf(seen + strlen(seen), 400 - strlen(seen), "%s=%.9f ", name, sum);
}

/* Watched logits are still there to be seen, with the bias; so are watched results. */
static void watched_values_are_seen(void **state)
{
    (void)state;
    char seen[2][400] = {"", ""};
    for (int plain = 0; plain < 2; plain++) {
        wg_error err;
        model m = model_new();
        wg_compile_options o = {.size = sizeof o, .threads = 1, .node_by_node = plain};
        WGT_OK(wg_tape_options(m.tape, &o, &err), &err);
        wg_tape_on_watch(m.tape, on_watch, seen[plain]);
        wg_watch(m.logits, "logits");
        wg_watch(m.rows, "rows");
        wg_var loss = wg_sum_all(m.rows), out[3] = {loss};
        WGT_OK(wg_grad(&loss, NULL, 1, m.x + 1, 2, out + 1), NULL);
        WGT_OK(wg_eval(out, 3, NULL, &err), &err);
        model_drop(&m);
    }
    assert_non_null(strstr(seen[0], "logits="));
    assert_non_null(strstr(seen[0], "rows="));
    assert_string_equal(seen[0], seen[1]);
}

static void bad_targets_are_named(void **state)
{
    (void)state;
    wg_error err;
    model m = model_new();
    wg_var loss = wg_sum_all(m.rows), out[2] = {loss};
    WGT_OK(wg_grad(&loss, NULL, 1, &m.x[2], 1, out + 1), NULL);
    for (int plain = 0; plain < 2; plain++) {
        wg_compile_options o = {.size = sizeof o, .threads = 2, .node_by_node = plain};
        wg_program *p;
        wg_tensor_set(m.target, 3, 0);
        WGT_OK(wg_compile(out, 2, &o, &p, &err), &err);
        WGT_OK(wg_program_run(p, &err), &err);
        wg_tensor_set(m.target, 3, CLASSES);
        WGT_STATUS(wg_program_run(p, &err), WG_EINVAL, NULL);
        assert_non_null(strstr(err.message, "cross_entropy: target 50 of row 3 is outside 0..49"));
        wg_program_free(p);
    }
    model_drop(&m);
}

/* ---- an op that core has never heard of ---- */

/* y = sum_v x_v^2 / 2, dx = dy x, in f64 */
static wg_status half_square_infer(wg_infer *c)
{
    c->out[0].dtype = c->in[0].dtype;
    c->out[0].shape = wg_shape_of(c->in[0].shape.rank - 1, c->in[0].shape.dim);
    return WG_OK;
}

static wg_status gradient_infer(wg_infer *c)
{
    c->out[0] = c->in[1];
    return WG_OK;
}

/* Any of the three: what is not there is NULL. */
static void half_square(const wg_shape *shape, const double *dy, const double *x, const double *b,
                        double *y, double *dx, double *db)
{
    int64_t rows = shape->dim[0], columns = shape->dim[1];
    for (int64_t j = 0; j < columns && db; j++) db[j] = 0;
    for (int64_t i = 0; i < rows; i++) {
        double sum = 0;
        for (int64_t j = 0; j < columns; j++) {
            double v = x[i * columns + j] + (b ? b[j] : 0);
            sum += v * v / 2;
            if (dx) dx[i * columns + j] = dy[i] * v;
            if (db) db[j] += dy[i] * v;
        }
        if (y) y[i] = sum;
    }
}

static wg_status half_square_kernel(wg_kernel *c)
{
    half_square(&c->in[0].shape, NULL, c->in[0].data, NULL, c->out[0].data, NULL, NULL);
    return WG_OK;
}

static wg_status gradient_kernel(wg_kernel *c)
{
    half_square(&c->in[1].shape, c->in[0].data, c->in[1].data, NULL, NULL, c->out[0].data, NULL);
    return WG_OK;
}

static wg_status paired_kernel(wg_kernel *c)
{
    assert_in_range(c->n_in, 2, 3);
    assert_in_range(c->n_out, 2, 3);
    half_square(&c->in[1].shape, c->in[0].data, c->in[1].data, c->n_in > 2 ? c->in[2].data : NULL,
                c->out[1].data, c->out[0].data, c->n_out > 2 ? c->out[2].data : NULL);
    return WG_OK;
}

static const wg_op gradient_op = {.size = sizeof(wg_op),
                                  .name = "test.half_square_grad",
                                  .version = 1,
                                  .traits = WG_OP_OPAQUE | WG_OP_INPLACE | WG_OP_NO_GRADIENT,
                                  .n_in = 2,
                                  .n_out = 1,
                                  .infer = gradient_infer,
                                  .kernel = {gradient_kernel}};

static const wg_op paired_op = {.size = sizeof(wg_op),
                                .name = "test.half_square_pair",
                                .version = 1,
                                .traits = WG_OP_OPAQUE | WG_OP_INPLACE | WG_OP_NO_GRADIENT,
                                .n_in = -1,
                                .n_out = -1,
                                .infer = gradient_infer,
                                .kernel = {paired_kernel}};

static void half_square_vjp(wg_vjp *c)
{
    wg_var in[2] = {wg_vjp_grad(c, 0), wg_vjp_in(c, 0)};
    wg_vjp_add(c, 0, wg_record(&gradient_op, in, 2, NULL, 0));
}

static const wg_op half_square_op = {.size = sizeof(wg_op),
                                     .name = "test.half_square",
                                     .version = 1,
                                     .traits = WG_OP_OPAQUE | WG_OP_ROWWISE,
                                     .n_in = 1,
                                     .n_out = 1,
                                     .infer = half_square_infer,
                                     .vjp = half_square_vjp,
                                     .kernel = {half_square_kernel},
                                     .gradient = &gradient_op,
                                     .paired = &paired_op};

static void other_ops_may_bring_pairs(void **state)
{
    (void)state;
    model m = model_new();
    for (int form = 0; form < 3; form++) { /* no bias, one, one that has no gradient */
        wg_var x = form ? m.logits : m.product;
        wg_var y = wg_record(&half_square_op, &x, 1, NULL, 0);
        wg_var out[4] = {y}, loss = wg_sum_all(wg_scale(y, 3));
        int n = form == 1 ? 3 : 2;
        WGT_OK(wg_grad(&loss, NULL, 1, m.x, n, out + 1), NULL);
        wg_program *p[2];
        wg_compile_options o = {.threads = 1};
        compiled(out, n + 1, o, &p[0], text, sizeof text);
        assert_int_equal(occurrences(text, " = test.half_square_pair("), 1);
        assert_int_equal(occurrences(text, " = add("), 0);
        assert_int_equal(occurrences(text, "sum_to"), 0);
        o.node_by_node = true;
        compiled(out, n + 1, o, &p[1], NULL, 0);
        for (int i = 0; i <= n; i++)
            for (int64_t k = 0; k < wg_tensor_count(wg_program_output(p[0], i)); k++)
                WGT_CLOSE(wg_tensor_get(wg_program_output(p[0], i), k),
                          wg_tensor_get(wg_program_output(p[1], i), k), 1e-12, 1e-12);
        wg_program_free(p[0]);
        wg_program_free(p[1]);
    }
    model_drop(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_depends_on_the_loss_or_reads_logits_stays_apart),
        cmocka_unit_test(second_derivatives_stay_apart),
        cmocka_unit_test(no_gradient_no_pair),
        cmocka_unit_test(two_losses_are_two_pairs),
        cmocka_unit_test(bodies_of_loops_too),
        cmocka_unit_test(watched_values_are_seen),
        cmocka_unit_test(bad_targets_are_named),
        cmocka_unit_test(other_ops_may_bring_pairs),
    };
    return cmocka_run_group_tests_name("pair", tests, NULL, NULL);
}
