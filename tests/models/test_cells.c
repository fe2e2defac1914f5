/* Every registered cell: gradients by central differences (first and second order) in a scan with
 * lengths, the scan equal to the same cell unrolled by a loop, stepping equal to running with
 * dropout; what reaches a step. */
#include "cells_test.h"

#include <wengert/gradcheck.h>

/* A cell of the test's own, registered as a user's: output and state differ, a state of two axes, a
 * hyperparameter that fills a gate. */
static void odd_step(wg_step *s, wg_var x, const wg_var *state, wg_var *next)
{
    wg_var gate[2];
    int64_t rows = wg_dim(x, 0);
    wg_split(wg_add(wg_affine(x, wg_p(s, "W"), wg_p(s, "b")), wg_matmul(state[0], wg_p(s, "U"))),
             -1, 2, gate);
    wg_var pair = wg_mul(wg_expand_dims(wg_sigmoid(gate[0]), 1), state[1]); /* [B,2,H] */
    next[0] = wg_tanh(wg_add(gate[1], wg_sum_axis(pair, 1, false)));
    next[1] = wg_lerp(state[1], pair, wg_const(s->tape, wg_var_dtype(x), WG_SHAPE(1), 0.25));
    s->output = wg_matmul(wg_reshape(next[1], WG_SHAPE(rows, 2 * s->hidden_size)), wg_p(s, "V"));
    s->output = wg_scale(s->output, wg_hyper(s, "gain"));
}

static const wg_cell_state odd_states[] = {{"h", "H"}, {"m", "2,H"}};
static const wg_cell_param odd_params[] = {
    {.name = "W", .shape = "X,2H", .init = {.kind = WG_INIT_XAVIER_UNIFORM, .gates = 2}},
    {.name = "U", .shape = "H,2H", .init = {.kind = WG_INIT_ORTHOGONAL, .gates = 2}},
    {.name = "b",
     .shape = "2H",
     .init = {.kind = WG_INIT_CONSTANT, .gates = 2},
     .hyper = "gate_bias",
     .hyper_gate = 1},
    {.name = "V", .shape = "2H,O", .init = {.kind = WG_INIT_XAVIER_NORMAL}},
};
static const wg_cell_hyper odd_hypers[] = {
    {.name = "gain", .value = 0.5, .low = 0, .high = 2, .doc = "scale of the output"},
    {.name = "gate_bias", .value = 0.25, .low = -1, .high = 1, .doc = "bias of the second gate"},
};
static const wg_cell odd_cell = {
    .size = sizeof(wg_cell),
    .name = "test.odd",
    .version = 1,
    .doc = "a cell with everything that stacks must cope with",
    .states = odd_states,
    .n_states = 2,
    .params = odd_params,
    .n_params = 4,
    .hypers = odd_hypers,
    .n_hypers = 2,
    .output = "O",
    .step = odd_step,
};

static void gradcheck(fixture *f, const wg_var *out, int n, const char *what)
{
    wg_gradcheck_options options = {.size = sizeof options, .order = 2, .name_op = true};
    wg_gradcheck_report report = {.size = sizeof report};
    WGT_OK(wg_gradcheck(out, n, NULL, 0, &options, &report, &f->err), &f->err);
    if (!report.passed) fail_msg("%s:\n%s", what, report.text);
    wg_gradcheck_report_free(&report);
}

static void check_gradients(const wg_rnn_config *config, bool training)
{
    fixture f;
    wg_var y, all[WG_RNN_MAX_STATES + 1];
    open_fixture(&f, config);
    wg_rnn_options options = {.size = sizeof options,
                              .lengths = f.lengths,
                              .states = f.states,
                              .training = training,
                              .key = f.key};
    WGT_OK(wg_rnn_run(f.tape, f.rnn, &options, f.x, &y, all + 1), NULL);
    all[0] = y;
    gradcheck(&f, all, 1 + wg_rnn_state_count(f.rnn), config->cell->name);
    close_fixture(&f);
}

static void test_gradients(void **state)
{
    (void)state;
    assert_true(wg_cell_count() >= 6);
    for (int i = 0; i < wg_cell_count(); i++) {
        wg_rnn_config config = config_of(wg_cell_at(i));
        check_gradients(&config, false);
    }
}

static void test_gradients_of_stack(void **state)
{
    (void)state;
    wg_rnn_config config = config_of(&odd_cell);
    config.layers = 2;
    config.bidirectional = true;
    config.dropout = 0.3;
    check_gradients(&config, true);
}

/* Values and gradients of the two recordings agree. */
static void compare(fixture *f, const wg_var *a, const wg_var *b, int n, const char *what)
{
    wg_var leaf[64], sum[2], grad[2][64], out[64 * 4];
    int n_leaves = 0, n_out = 0;
    leaf[n_leaves++] = f->x;
    for (int i = 0; i < wg_rnn_state_count(f->rnn); i++) leaf[n_leaves++] = f->states[i];
    for (int i = 0; i < wg_params_count(f->params); i++)
        leaf[n_leaves++] = wg_param(f->tape, f->params, i);
    for (int side = 0; side < 2; side++) {
        const wg_var *v = side ? b : a;
        for (int i = 0; i < n; i++) {
            char name[16];
            wg_shape shape = wg_var_type(v[i]).shape;
            snprintf(name, sizeof name, "g%d", i);
            wg_var g = wg_tensor_var(f->tape, wgt_random(&f->pool, WG_F64, shape, name));
            wg_var term = wg_sum_all(wg_mul(v[i], g));
            sum[side] = i ? wg_add(sum[side], term) : term;
        }
        wg_grad_or_zeros(&sum[side], NULL, 1, leaf, n_leaves, grad[side]);
    }
    for (int side = 0; side < 2; side++) {
        for (int i = 0; i < n; i++) out[n_out++] = side ? b[i] : a[i];
        for (int i = 0; i < n_leaves; i++) out[n_out++] = grad[side][i];
    }
    WGT_OK(wg_eval(out, n_out, NULL, &f->err), &f->err);
    for (int i = 0; i < n_out / 2; i++) {
        char text[96];
        snprintf(text, sizeof text, "%s: %s %d", what, i < n ? "value" : "gradient", i);
        wgt_same(text, wg_eval_output(f->tape, i + n_out / 2), wg_eval_output(f->tape, i), 1e-12);
    }
}

/* The stack over all steps, and the same by a loop of single steps, rows held by selection. */
static void check_unrolled(const wg_rnn_config *config, bool training)
{
    fixture f;
    wg_var run[1 + WG_RNN_MAX_STATES], loop[1 + WG_RNN_MAX_STATES], y[T];
    open_fixture(&f, config);
    int n = wg_rnn_state_count(f.rnn);
    wg_rnn_options options = {.size = sizeof options,
                              .lengths = f.lengths,
                              .states = f.states,
                              .training = training,
                              .key = f.key};
    WGT_OK(wg_rnn_run(f.tape, f.rnn, &options, f.x, &run[0], run + 1), NULL);
    memcpy(loop + 1, f.states, (size_t)n * sizeof *loop);
    for (int t = 0; t < T; t++) {
        wg_var next[WG_RNN_MAX_STATES];
        wg_var now = wg_const_data(f.tape, WG_I32, WG_SCALAR, &(int32_t){t});
        wg_var mask = wg_expand_dims(wg_lt(now, f.lengths), 1);
        options.states = loop + 1;
        options.time = now;
        wg_var x = wg_squeeze(wg_slice(f.x, 0, t, 1), 0);
        WGT_OK(wg_rnn_step(f.tape, f.rnn, &options, x, &y[t], next), NULL);
        y[t] = wg_where(mask, y[t], wg_zeros_like(y[t]));
        for (int i = 0; i < n; i++) {
            wg_var m = wg_rank(next[i]) == 3 ? wg_expand_dims(mask, 1) : mask;
            loop[1 + i] = wg_where(m, next[i], loop[1 + i]);
        }
    }
    loop[0] = wg_stack(y, T, 0);
    compare(&f, run, loop, 1 + n, config->cell->name);
    close_fixture(&f);
}

static void test_unrolled(void **state)
{
    (void)state;
    for (int i = 0; i < wg_cell_count(); i++) {
        wg_rnn_config config = config_of(wg_cell_at(i));
        check_unrolled(&config, false);
        config.layers = 3;
        config.dropout = 0.4;
        check_unrolled(&config, true);
    }
}

/* A cell that looks at a constant of the sequence, at time and at whether it is training. */
static void looking_step(wg_step *s, wg_var x, const wg_var *state, wg_var *next)
{
    if (s->n_constants != 1 || s->input_size != X || s->hidden_size != H) {
        next[0] = wg_tape_fail(s->tape, WG_EINVAL, "a step was not told what it should be");
        return;
    }
    wg_var t = wg_cast(s->time, wg_var_dtype(x));
    wg_var h = wg_add(wg_affine(x, wg_p(s, "W"), WG_NONE), wg_mul(state[0], s->constant[0]));
    next[0] = wg_tanh(wg_add(h, wg_scale(t, s->training ? 0.5 : 0.25)));
}

static const wg_cell looking_cell = {
    .size = sizeof(wg_cell),
    .name = "test.looking",
    .version = 1,
    .states = (const wg_cell_state[]){{"h", "H"}},
    .n_states = 1,
    .params = (const wg_cell_param[]){{.name = "W", .shape = "X,H"}},
    .n_params = 1,
    .step = looking_step,
};

static void test_constants(void **state)
{
    (void)state;
    wg_rnn_config config = config_of(&looking_cell);
    for (int training = 0; training < 2; training++) {
        fixture f;
        wg_var out;
        open_fixture(&f, &config);
        wg_tensor *seen = wgt_random(&f.pool, WG_F64, WG_SHAPE(B, H), "seen");
        wg_var constant = wg_tensor_var(f.tape, seen);
        wg_rnn_options options = {.size = sizeof options,
                                  .training = training,
                                  .states = f.states,
                                  .constants = &constant,
                                  .n_constants = 1};
        WGT_OK(wg_rnn_run(f.tape, f.rnn, &options, f.x, &out, NULL), NULL);
        gradcheck(&f, &out, 1, "constants");
        WGT_OK(wg_eval(&out, 1, NULL, &f.err), &f.err);
        /* Row 0, unit 0, by hand. */
        const double *x = wg_tensor_cdata(f.pool.tensor[1]), *c = wg_tensor_cdata(seen);
        const double *w = wg_tensor_cdata(wg_params_value(f.params, 0));
        double h = wg_tensor_get(f.pool.tensor[4], 0);
        for (int t = 0; t < T; t++) {
            double z = h * c[0] + (training ? 0.5 : 0.25) * t;
            for (int i = 0; i < X; i++) z += x[t * B * X + i] * w[i * H];
            h = tanh(z);
            WGT_NEAR(wg_tensor_get(wg_eval_output(f.tape, 0), t * B * H), h, 1e-13);
        }
        close_fixture(&f);
    }
}

/* Hyperparameters reach the initialisers and the steps. */
static void test_hypers(void **state)
{
    (void)state;
    fixture f;
    wg_rnn_config config = config_of(wg_find_cell("lstm"));
    config.hypers = &(wg_hyper_value){"forget_bias", 2.5};
    config.n_hypers = 1;
    WGT_OK(wg_params_new(WG_F32, &f.params, &f.err), &f.err);
    WGT_OK(wg_rnn_new(f.params, "enc", &config, &f.rnn, &f.err), &f.err);
    WGT_OK(wg_params_init(f.params, 1, &f.err), &f.err);
    const wg_tensor *b = wg_params_value(f.params, wg_params_find(f.params, "enc.l0.fw.b"));
    assert_non_null(b);
    for (int i = 0; i < 4 * H; i++) assert_true(wg_tensor_get(b, i) == (i / H == 1 ? 2.5 : 0));
    wg_rnn_free(f.rnn);
    wg_params_free(f.params);
}

/* No steps, no rows. */
static void test_empty(void **state)
{
    (void)state;
    wg_rnn_config config = config_of(wg_find_cell("lstm"));
    config.bidirectional = true;
    config.layers = 2;
    const int64_t sizes[][2] = {{0, B}, {T, 0}, {0, 0}};
    for (int i = 0; i < 3; i++) {
        fixture f;
        wg_var out[1 + WG_RNN_MAX_STATES];
        open_fixture(&f, &config);
        wg_var x = wg_const(f.tape, WG_F64, WG_SHAPE(sizes[i][0], sizes[i][1], X), 1);
        WGT_OK(wg_rnn_run(f.tape, f.rnn, NULL, x, &out[0], out + 1), NULL);
        WGT_OK(wg_eval(out, 1 + wg_rnn_state_count(f.rnn), NULL, &f.err), &f.err);
        assert_int_equal(wg_tensor_count(wg_eval_output(f.tape, 0)), 0);
        const wg_tensor *last = wg_eval_output(f.tape, 1);
        assert_int_equal(wg_tensor_count(last), sizes[i][1] * H);
        for (int64_t k = 0; k < wg_tensor_count(last); k++)
            assert_true(wg_tensor_get(last, k) == 0);
        close_fixture(&f);
    }
}

static int register_cells(void **state)
{
    (void)state;
    wg_error err = {WG_OK, ""};
    WGT_OK(wg_register_cell(&odd_cell, &err), &err);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unrolled),           cmocka_unit_test(test_gradients),
        cmocka_unit_test(test_gradients_of_stack), cmocka_unit_test(test_hypers),
        cmocka_unit_test(test_constants),          cmocka_unit_test(test_empty),
    };
    return cmocka_run_group_tests(tests, register_cells, NULL);
}
