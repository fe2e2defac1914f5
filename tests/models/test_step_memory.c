/* What a training step plans to hold, in buffers of one value a unit, row and step: each layer's
 * residuals, and what one backward loop adds. */
#include "models_test.h"

#include <wengert/ops.h>
#include <wengert/program.h>
#include <wengert/rnn.h>

enum { T = 40, B = 16, H = 32, V = 8 };

/* Planned bytes of a language model's step, in buffers of T B H floats. */
static double units(const char *cell, int layers)
{
    wg_error err;
    wg_params *params;
    wg_rnn *rnn;
    wg_tape *tape;
    wg_tensor *x, *y;
    int embed, out_w;
    const wg_init uniform = {.kind = WG_INIT_UNIFORM, .a = -0.1, .b = 0.1};
    const wg_rnn_config config = {.size = sizeof config,
                                  .cell = wg_find_cell(cell),
                                  .input_size = H,
                                  .hidden_size = H,
                                  .layers = layers};
    assert_non_null(config.cell);
    WGT_OK(wg_params_new(WG_F32, &params, &err), &err);
    WGT_OK(wg_params_add(params, "embed", WG_SHAPE(V, H), &uniform, &embed, &err), &err);
    WGT_OK(wg_rnn_new(params, "rnn", &config, &rnn, &err), &err);
    WGT_OK(wg_params_add(params, "out", WG_SHAPE(H, V), &uniform, &out_w, &err), &err);
    WGT_OK(wg_params_init(params, 1, &err), &err);
    WGT_OK(wg_tensor_new(WG_I32, WG_SHAPE(T, B), &x, &err), &err);
    WGT_OK(wg_tensor_new(WG_I32, WG_SHAPE(T, B), &y, &err), &err);
    for (int64_t i = 0; i < T * B; i++) {
        wg_tensor_set(x, i, (double)(i * 5 % V));
        wg_tensor_set(y, i, (double)(i * 3 % V));
    }
    WGT_OK(wg_tape_new(&tape, &err), &err);
    wg_var h, out[64], leaf[64];
    int n = wg_params_count(params);
    assert_true(n < 63);
    wg_rnn_run(tape, rnn, NULL, wg_embedding(wg_param(tape, params, embed), wg_tensor_var(tape, x)),
               &h, NULL);
    wg_var logits = wg_matmul(h, wg_param(tape, params, out_w));
    out[0] = wg_sum_all(wg_cross_entropy(logits, wg_tensor_var(tape, y), WG_NONE, 0));
    for (int i = 0; i < n; i++) leaf[i] = wg_param(tape, params, i);
    WGT_OK(wg_grad_or_zeros(out, NULL, 1, leaf, n, out + 1), NULL);
    wg_program *program[2];
    wg_program_stats stats = {.size = sizeof stats};
    for (int plain = 0; plain < 2; plain++) {
        const wg_compile_options o = {.size = sizeof o, .threads = 2, .node_by_node = plain};
        WGT_OK(wg_compile(out, n + 1, &o, &program[plain], &err), &err);
        for (int run = 0; run < 2; run++) WGT_OK(wg_program_run(program[plain], &err), &err);
    }
    for (int i = 0; i <= n; i++) {
        const wg_tensor *a = wg_program_output(program[0], i),
                        *b = wg_program_output(program[1], i);
        for (int64_t k = 0; k < wg_tensor_count(a); k++)
            WGT_CLOSE(wg_tensor_get(a, k), wg_tensor_get(b, k), 1e-3, 1e-4);
    }
    wg_program_get_stats(program[0], &stats);
    wg_program_free(program[0]);
    wg_program_free(program[1]);
    wg_tape_free(tape);
    wg_tensor_free(x);
    wg_tensor_free(y);
    wg_rnn_free(rnn);
    wg_params_free(params);
    return (double)stats.bytes_planned / (T * B * H * 4.0);
}

/* What one more layer adds. */
static double of_a_layer(const char *cell)
{
    return (units(cell, 6) - units(cell, 3)) / 3;
}

/* h alone: the gradients of a layer's weights are taken before the layer below is gone through, and
 * tanh's derivative is had from h. */
static void rnn_holds_h(void **state)
{
    (void)state;
    double held = of_a_layer("rnn");
    if (held > 1.1) fail_msg("a layer holds %.3f", held);
}

/* Four gates, c and h: tanh(c) is computed again. Beside them no four gates more: products lie in
 * the gates' place before, and gradients after. */
static void lstm_holds_six(void **state)
{
    (void)state;
    double held = of_a_layer("lstm");
    if (held > 6.2) fail_msg("a layer holds %.3f", held);
    held = units("lstm", 4);
    if (held > 4 * 6 + 7.5) fail_msg("four layers: %.3f", held);
}

/* r, z, n, the product that r acts on, and h: `h - n` and `1 - n^2` are had from n. */
static void gru_holds_five(void **state)
{
    (void)state;
    double held = of_a_layer("gru");
    if (held > 5.2) fail_msg("a layer holds %.3f", held);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rnn_holds_h),
        cmocka_unit_test(lstm_holds_six),
        cmocka_unit_test(gru_holds_five),
    };
    return cmocka_run_group_tests_name("step_memory", tests, NULL, NULL);
}
