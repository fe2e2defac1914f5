/* Recurrent layers against PyTorch: stacked, bidirectional, with lengths and without; values, final
 * states and all gradients, in f32 and f64. The data is described in tests/golden/README.md. */
#include "models_test.h"

#include <wengert/rnn.h>

enum { T = 7, B = 4, X = 5, H = 6, P = 3 };

typedef struct golden_case {
    const char *name, *cell;
    int layers, directions, gates;
} golden_case;

static const golden_case cases[] = {
    {"lstm1", "lstm", 1, 1, 4},   {"lstm2", "lstm", 2, 1, 4},
    {"bilstm1", "lstm", 1, 2, 4}, {"bilstm2", "lstm", 2, 2, 4},
    {"lstmp1", "lstmp", 1, 1, 4}, {"gru1", "gru", 1, 1, 3},
    {"bigru1", "gru", 1, 2, 3},   {"gru_before1", "gru-reset-before", 1, 1, 3},
    {"rnn1", "rnn", 1, 1, 1},
};

/* One case in one dtype, while it is being checked. */
typedef struct run {
    const golden_case *c;
    const char *suffix;
    wg_dtype dtype;
    double tol;
    wg_npz *npz;
    wgt_pool pool;
    wg_params *params;
    wg_rnn *rnn;
} run;

static wg_tensor *member(run *r, wg_dtype dtype, const char *name)
{
    return wgt_golden(&r->pool, r->npz, dtype, "%s.%s/%s", r->c->name, r->suffix, name);
}

/* PyTorch's weights of a layer and direction, `prefix` being "" or "grad.", in this library's
 * layout. Gradients of the two biases are equal, so only one of them counts there. */
static wg_tensor *expected(run *r, const char *prefix, int layer, int direction, int param)
{
    const wg_cell *cell = wg_rnn_cell(r->rnn);
    const char *name = cell->params[param].name;
    char text[64], end[32];
    int id = wg_rnn_param(r->rnn, layer, direction, param);
    bool gradient = prefix[0] != 0;
    bool gru = strcmp(cell->name, "gru") == 0;
    wg_tensor *t = wgt_tensor(&r->pool, WG_F64, wg_params_shape(r->params, id));
    snprintf(end, sizeof end, "l%d%s", layer, direction ? "_reverse" : "");
#define MEMBER(part) \
    (snprintf(text, sizeof text, "%s%s_%s", prefix, part, end), member(r, WG_F64, text))
    int64_t all = r->c->gates * H;
    if (strcmp(name, "Wx") == 0) {
        wgt_add_block(t, 0, MEMBER("weight_ih"), 0, all);
    } else if (strcmp(name, "Wh") == 0) {
        wg_shape s = wg_tensor_shape(t);
        wgt_add_block(t, 0, MEMBER("weight_hh"), 0, s.dim[1]);
    } else if (strcmp(name, "Whn") == 0) {
        wgt_add_block(t, 0, MEMBER("weight_hh"), 2 * H, H);
    } else if (strcmp(name, "Wp") == 0) {
        wgt_add_block(t, 0, MEMBER("weight_hr"), 0, P);
    } else if (strcmp(name, "bhn") == 0) {
        wgt_add_block(t, 0, MEMBER("bias_hh"), 2 * H, H);
    } else {
        assert_string_equal(name, "b");
        wgt_add_block(t, 0, MEMBER("bias_ih"), 0, all);
        if (!gradient) wgt_add_block(t, 0, MEMBER("bias_hh"), 0, gru ? 2 * H : all);
    }
#undef MEMBER
    return t;
}

static void setup(run *r)
{
    wg_error err = {WG_OK, ""};
    WGT_OK(wg_params_new(r->dtype, &r->params, &err), &err);
    wg_rnn_config config = {.size = sizeof config,
                            .cell = wg_find_cell(r->c->cell),
                            .input_size = X,
                            .hidden_size = H,
                            .output_size = P,
                            .layers = r->c->layers,
                            .bidirectional = r->c->directions == 2};
    WGT_OK(wg_rnn_new(r->params, "layer", &config, &r->rnn, &err), &err);
    WGT_OK(wg_params_init(r->params, 1, &err), &err);
    for (int l = 0; l < r->c->layers; l++)
        for (int d = 0; d < r->c->directions; d++)
            for (int i = 0; i < config.cell->n_params; i++)
                WGT_OK(wg_tensor_copy(wg_params_value(r->params, wg_rnn_param(r->rnn, l, d, i)),
                                      expected(r, "", l, d, i), &err),
                       &err);
}

/* Slice i of a golden tensor [L D,B,W]. */
static wg_tensor *slice(run *r, wg_tensor *all, int i)
{
    wg_shape s = wg_tensor_shape(all);
    wg_tensor *t = wgt_tensor(&r->pool, wg_tensor_dtype(all), WG_SHAPE(s.dim[1], s.dim[2]));
    int64_t n = wg_tensor_count(t);
    for (int64_t k = 0; k < n; k++) wg_tensor_set(t, k, wg_tensor_get(all, i * n + k));
    return t;
}

enum { MAX_LEAVES = 64 };

static void check(run *r)
{
    wg_error err = {WG_OK, ""};
    wg_tape *tape;
    setup(r);
    int n_states = wg_rnn_state_count(r->rnn), per_cell = wg_rnn_cell(r->rnn)->n_states;
    WGT_OK(wg_tape_new(&tape, &err), &err);
    static const char *const state_name[] = {"h0", "c0"}, *const last_name[] = {"h_n", "c_n"},
                             *const cotangent_name[] = {"gh_n", "gc_n"},
                             *const grad_name[] = {"grad.h0", "grad.c0"};
    wg_var leaf[MAX_LEAVES], out[MAX_LEAVES], last[WG_RNN_MAX_STATES];
    const wg_tensor *want[MAX_LEAVES];
    const char *what[MAX_LEAVES];
    int n_leaves = 0, n_out = 0;

    /* Leaves and what their gradients should be. */
    want[0] = member(r, WG_F64, "grad.x");
    leaf[n_leaves++] = wg_tensor_var(tape, member(r, r->dtype, "x"));
    for (int i = 0; i < n_states; i++) {
        wg_tensor *grads = member(r, WG_F64, grad_name[i % per_cell]);
        want[n_leaves] = slice(r, grads, i / per_cell);
        wg_tensor *init = member(r, r->dtype, state_name[i % per_cell]);
        leaf[n_leaves++] = wg_tensor_var(tape, slice(r, init, i / per_cell));
    }
    for (int l = 0; l < r->c->layers; l++)
        for (int d = 0; d < r->c->directions; d++)
            for (int i = 0; i < wg_rnn_cell(r->rnn)->n_params; i++) {
                want[n_leaves] = expected(r, "grad.", l, d, i);
                leaf[n_leaves++] = wg_param(tape, r->params, wg_rnn_param(r->rnn, l, d, i));
            }

    wg_rnn_options options = {.size = sizeof options, .states = leaf + 1};
    wg_tensor *lengths = member(r, WG_I32, "lengths");
    if (lengths) options.lengths = wg_tensor_var(tape, lengths);
    wg_var y;
    WGT_OK(wg_rnn_run(tape, r->rnn, &options, leaf[0], &y, last), NULL);
    wg_var loss = wg_sum_all(wg_mul(y, wg_tensor_var(tape, member(r, r->dtype, "gy"))));
    for (int i = 0; i < n_states; i++) {
        wg_tensor *g = member(r, r->dtype, cotangent_name[i % per_cell]);
        wg_var term = wg_mul(last[i], wg_tensor_var(tape, slice(r, g, i / per_cell)));
        loss = wg_add(loss, wg_sum_all(term));
    }
    wg_var grad[MAX_LEAVES];
    wg_grad_or_zeros(&loss, NULL, 1, leaf, n_leaves, grad);

    /* Everything in one program: y, loss, final states, gradients. */
    const wg_tensor *target[MAX_LEAVES];
    target[n_out] = member(r, WG_F64, "y"), what[n_out] = "y", out[n_out++] = y;
    target[n_out] = member(r, WG_F64, "loss"), what[n_out] = "loss", out[n_out++] = loss;
    for (int i = 0; i < n_states; i++) {
        wg_tensor *all = member(r, WG_F64, last_name[i % per_cell]);
        target[n_out] = slice(r, all, i / per_cell);
        what[n_out] = "final state";
        out[n_out++] = last[i];
    }
    for (int i = 0; i < n_leaves; i++)
        target[n_out] = want[i], what[n_out] = "gradient", out[n_out++] = grad[i];
    WGT_OK(wg_tape_status(tape, &err), &err);
    WGT_OK(wg_eval(out, n_out, NULL, &err), &err);
    for (int i = 0; i < n_out; i++) {
        char text[96];
        snprintf(text, sizeof text, "%s.%s %s: output %d (%s)", r->c->name, r->suffix,
                 wg_dtype_name(r->dtype), i, what[i]);
        wgt_same(text, wg_eval_output(tape, i), target[i], r->tol);
    }
    wg_tape_free(tape);
    wg_rnn_free(r->rnn);
    wg_params_free(r->params);
    wgt_pool_free(&r->pool);
}

static void check_file(const char *file, const char *suffix, wg_dtype dtype, double tol)
{
    wg_npz *npz = wgt_golden_open(file);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        run r = {.c = &cases[i], .suffix = suffix, .dtype = dtype, .tol = tol, .npz = npz};
        check(&r);
    }
    wg_npz_close(npz);
}

static void test_lengths_f64(void **state)
{
    (void)state;
    check_file("tests/golden/rnn.npz", "len", WG_F64, 1e-10);
}

static void test_lengths_f32(void **state)
{
    (void)state;
    check_file("tests/golden/rnn.npz", "len", WG_F32, 1e-5);
}

static void test_full_f64(void **state)
{
    (void)state;
    check_file("tests/golden/rnn_full.npz", "full", WG_F64, 1e-10);
}

static void test_full_f32(void **state)
{
    (void)state;
    check_file("tests/golden/rnn_full.npz", "full", WG_F32, 1e-5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lengths_f64),
        cmocka_unit_test(test_lengths_f32),
        cmocka_unit_test(test_full_f64),
        cmocka_unit_test(test_full_f32),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
