/* What compiled cells come down to: the same products and as few kernels a step, however the cell
 * was written. */
#include "models_test.h"

#include <wengert/rnn.h>

enum { B = 6, X = 16, H = 16 };

/* Four matrices over [x;h], as many papers write it. */
static void separate_step(wg_step *s, wg_var x, const wg_var *state, wg_var *next)
{
    wg_var both = wg_concat(((wg_var[]){x, state[0]}), 2, -1);
    wg_var i = wg_sigmoid(wg_affine(both, wg_p(s, "Wi"), wg_p(s, "bi")));
    wg_var f = wg_sigmoid(wg_affine(both, wg_p(s, "Wf"), wg_p(s, "bf")));
    wg_var g = wg_tanh(wg_affine(both, wg_p(s, "Wg"), wg_p(s, "bg")));
    wg_var o = wg_sigmoid(wg_affine(both, wg_p(s, "Wo"), wg_p(s, "bo")));
    next[1] = wg_add(wg_mul(f, state[1]), wg_mul(i, g));
    next[0] = wg_mul(o, wg_tanh(next[1]));
}

/* One packed matrix over [x;h]. */
static void packed_step(wg_step *s, wg_var x, const wg_var *state, wg_var *next)
{
    wg_var gate[4];
    wg_var both = wg_concat(((wg_var[]){x, state[0]}), 2, -1);
    wg_split(wg_affine(both, wg_p(s, "W"), wg_p(s, "b")), -1, 4, gate);
    next[1] = wg_add(wg_mul(wg_sigmoid(gate[1]), state[1]),
                     wg_mul(wg_sigmoid(gate[0]), wg_tanh(gate[2])));
    next[0] = wg_mul(wg_sigmoid(gate[3]), wg_tanh(next[1]));
}

#define WEIGHTS                                  \
    {                                            \
        .kind = WG_INIT_XAVIER_UNIFORM, .a = 1.0 \
    }
static const wg_cell_state states[] = {{"h", "H"}, {"c", "H"}};
static const wg_cell_param separate_params[] = {
    {.name = "Wi", .shape = "X+H,H", .init = WEIGHTS}, {.name = "bi", .shape = "H"},
    {.name = "Wf", .shape = "X+H,H", .init = WEIGHTS}, {.name = "bf", .shape = "H"},
    {.name = "Wg", .shape = "X+H,H", .init = WEIGHTS}, {.name = "bg", .shape = "H"},
    {.name = "Wo", .shape = "X+H,H", .init = WEIGHTS}, {.name = "bo", .shape = "H"},
};
static const wg_cell_param packed_params[] = {{.name = "W", .shape = "X+H,4H", .init = WEIGHTS},
                                              {.name = "b", .shape = "4H"}};
static const wg_cell separate = {.size = sizeof separate,
                                 .name = "test.separate",
                                 .version = 1,
                                 .doc = "gates apart",
                                 .states = states,
                                 .n_states = 2,
                                 .params = separate_params,
                                 .n_params = 8,
                                 .step = separate_step};
static const wg_cell packed = {.size = sizeof packed,
                               .name = "test.packed",
                               .version = 1,
                               .doc = "gates together",
                               .states = states,
                               .n_states = 2,
                               .params = packed_params,
                               .n_params = 2,
                               .step = packed_step};

/* One training step of a layer over T steps: its counts. With `lengths`, rows are that long (less
 * their number where `ragged`); the loss and gradients go to result[], of `room` elements. */
typedef struct run {
    bool lengths, ragged;
    double *result;
    int room;
} run;

static wg_program_stats measure_as(const wg_cell *cell, int T, run how)
{
    wg_error err = {WG_OK, ""};
    wg_params *params;
    wg_rnn *rnn;
    wg_tape *tape;
    wg_tensor *x, *lengths;
    wg_program *program;
    const wg_rnn_config config = {
        .size = sizeof config, .cell = cell, .input_size = X, .hidden_size = H};
    WGT_OK(wg_params_new(WG_F32, &params, &err), &err);
    WGT_OK(wg_rnn_new(params, "r", &config, &rnn, &err), &err);
    WGT_OK(wg_params_init(params, 1, &err), &err);
    WGT_OK(wg_tensor_new(WG_F32, WG_SHAPE(T, B, X), &x, &err), &err);
    for (int i = 0; i < T * B * X; i++) wg_tensor_set(x, i, 0.01 * (i % 17) - 0.08);
    WGT_OK(wg_tensor_new(WG_I32, WG_SHAPE(B), &lengths, &err), &err);
    for (int i = 0; i < B; i++) wg_tensor_set(lengths, i, how.ragged ? T - i : T);
    WGT_OK(wg_tape_new(&tape, &err), &err);
    wg_var y, w[9], out[10];
    wg_rnn_options options_of = {.size = sizeof options_of};
    if (how.lengths) options_of.lengths = wg_tensor_var(tape, lengths);
    WGT_OK(wg_rnn_run(tape, rnn, &options_of, wg_tensor_var(tape, x), &y, NULL), &err);
    out[0] = wg_sum_all(wg_square(y));
    int n = wg_params_count(params);
    for (int i = 0; i < n; i++) w[i] = wg_param(tape, params, i);
    WGT_OK(wg_grad(&out[0], NULL, 1, w, n, out + 1), &err);
    const wg_compile_options options = {.size = sizeof options, .threads = 1};
    WGT_OK(wg_compile(out, n + 1, &options, &program, &err), &err);
    WGT_OK(wg_program_run(program, &err), &err);
    wg_program_stats stats = {.size = sizeof stats};
    wg_program_get_stats(program, &stats);
    for (int i = 0, k = 0; i <= n && how.result; i++) {
        const wg_tensor *t = wg_program_output(program, i);
        for (int64_t j = 0; j < wg_tensor_count(t) && k < how.room; j++)
            how.result[k++] = wg_tensor_get(t, j);
    }
    wg_program_free(program);
    wg_tape_free(tape);
    wg_tensor_free(x);
    wg_tensor_free(lengths);
    wg_rnn_free(rnn);
    wg_params_free(params);
    return stats;
}

static wg_program_stats measure(const wg_cell *cell, int T)
{
    return measure_as(cell, T, (run){0});
}

/* What one more step adds. */
static int64_t kernels_a_step(const wg_cell *cell)
{
    return (measure(cell, 12).kernels_a_run - measure(cell, 10).kernels_a_run) / 2;
}

static void gates_apart_cost_what_packed_gates_do(void **state)
{
    (void)state;
    const int T = 10;
    /* A step each way; x W, its weight gradient and that of h; the gradient of x is not asked for.
     */
    int64_t built_in = measure(wg_find_cell("lstm"), T).products_a_run;
    assert_int_equal(built_in, 2 * T + 3);
    assert_int_equal(measure(&packed, T).products_a_run, built_in);
    assert_int_equal(measure(&separate, T).products_a_run, built_in);
}

/* Forward one product and one fused kernel, backward one fused kernel and one product: the gates
 * are read where they lie, their gradients written side by side, and states are not copied. */
static void two_kernels_a_step_each_way(void **state)
{
    (void)state;
    assert_int_equal(kernels_a_step(wg_find_cell("lstm")), 4);
    assert_int_equal(kernels_a_step(&packed), 4);
    assert_int_equal(kernels_a_step(&separate), 4);
}

/* Rows of one length run the steps without masks: the kernels and the bits of no lengths. Where
 * rows end, the steps before the first end do. */
static void masks_cost_no_kernel_while_all_rows_last(void **state)
{
    (void)state;
    enum { N = 1 + X * 4 * H + H * 4 * H + 4 * H };
    static double plain[N], equal[N], ragged[N], apart[N];
    const wg_cell *lstm = wg_find_cell("lstm");
    int64_t a = measure_as(lstm, 12, (run){.result = plain, .room = N}).kernels_a_run;
    int64_t b = measure_as(lstm, 12, (run){true, false, equal, N}).kernels_a_run;
    int64_t more = measure_as(lstm, 14, (run){true, false, NULL, 0}).kernels_a_run;
    assert_in_range(more - b, 0, 2 * (kernels_a_step(lstm) + 2));
    assert_in_range(b - a, 0, 2 * 12 + 12); /* once a run: mask, padding and its gradient */
    assert_memory_equal(plain, equal, sizeof plain);
    measure_as(lstm, 12, (run){true, true, ragged, N});
    assert_int_equal(setenv("WENGERT_PASSES", "-unmasked steps", 1), 0);
    measure_as(lstm, 12, (run){true, true, apart, N});
    assert_int_equal(unsetenv("WENGERT_PASSES"), 0);
    for (int i = 0; i < N; i++)
        assert_true(fabs(ragged[i] - apart[i]) <= 1e-6 * (1 + fabs(apart[i])));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gates_apart_cost_what_packed_gates_do),
        cmocka_unit_test(two_kernels_a_step_each_way),
        cmocka_unit_test(masks_cost_no_kernel_while_all_rows_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
