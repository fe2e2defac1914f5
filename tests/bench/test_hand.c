/* The yardstick is an honest peer: its loss and gradients are those of the recorded model. */
#include "support.h"

#include <math.h>
#include <string.h>

#include <wengert/plugin.h>

#include "bench_model.h"
#include "hand_lstm.h"

WG_PLUGIN_DECLARE(lstm_variants);

/* |a - b| over the largest |b| of the tensor. */
static double largest_difference(const float *a, const wg_tensor *b)
{
    double most = 0, worst = 0;
    for (int64_t i = 0; i < wg_tensor_count(b); i++) {
        double wanted = wg_tensor_get(b, i), d = fabs((double)a[i] - wanted);
        if (fabs(wanted) > most) most = fabs(wanted);
        if (!(d <= worst)) worst = d; /* a NaN counts */
    }
    return most > 0 ? worst / most : worst;
}

static void compare(const bench_config *config, int threads)
{
    wg_error err;
    bench_model model;
    hand_lstm *hand;
    const bench_options options = {.threads = threads, .steps = 1};
    const double words = (double)(config->T * config->B);
    WGT_OK(bench_model_new(config, "lstm", &options, &model, &err), &err);
    WGT_OK(hand_lstm_new(config, threads, &hand, &err), &err);
    memcpy(hand_lstm_x(hand), wg_tensor_cdata(model.x), wg_tensor_bytes(model.x));
    memcpy(hand_lstm_y(hand), wg_tensor_cdata(model.y), wg_tensor_bytes(model.y));
    for (int i = 0; i < wg_params_count(model.params); i++) {
        const wg_tensor *value = wg_params_value(model.params, i);
        assert_non_null(hand_lstm_value(hand, i));
        memcpy(hand_lstm_value(hand, i), wg_tensor_cdata(value), wg_tensor_bytes(value));
    }
    assert_null(hand_lstm_value(hand, wg_params_count(model.params)));

    WGT_OK(bench_model_gradient(&model, &err), &err);
    double loss = hand_lstm_gradient(hand);
    WGT_CLOSE(loss, model.loss, 1e-4, 0);
    for (int i = 0; i < wg_params_count(model.params); i++) {
        wg_tensor *grad = wg_params_grad(model.params, i);
        for (int64_t k = 0; k < wg_tensor_count(grad); k++)
            wg_tensor_set(grad, k, wg_tensor_get(grad, k) / words);
        double difference = largest_difference(hand_lstm_grad(hand, i), grad);
        if (!(difference < 1e-4))
            fail_msg("%s, %d threads: gradient of %s differs by %g of its largest element",
                     config->name, threads, wg_params_name(model.params, i), difference);
    }

    /* Three whole steps: clipping and updates as well. */
    for (int step = 0; step < 3; step++) {
        WGT_OK(bench_model_step(&model, &err), &err);
        WGT_OK(hand_lstm_step(hand, &err), &err);
        WGT_CLOSE(hand_lstm_loss(hand), model.loss, 1e-4, 0);
    }
    for (int i = 0; i < wg_params_count(model.params); i++) {
        double difference =
            largest_difference(hand_lstm_value(hand, i), wg_params_value(model.params, i));
        if (!(difference < 1e-4))
            fail_msg("%s, %d threads: %s differs by %g after three steps", config->name, threads,
                     wg_params_name(model.params, i), difference);
    }
    bench_model_free(&model);
    hand_lstm_free(hand);
}

static void test_gradients(void **state)
{
    (void)state;
    static const bench_config configs[] = {
        {"tiny", 11, 6, 2, 3, 4},
        {"one step", 7, 5, 1, 2, 1},
        {"three layers", 50, 24, 3, 4, 7},
        {"many words", 700, 33, 2, 5, 9},
    };
    for (size_t i = 0; i < sizeof configs / sizeof *configs; i++)
        for (int threads = 1; threads <= 2; threads++) compare(&configs[i], threads);
}

/* Output weights so large that the gradient must be clipped: then no update is longer than 5. */
static void test_clipping(void **state)
{
    (void)state;
    enum { H = 8, V = 20 };
    wg_error err;
    hand_lstm *hand;
    const bench_config config = {"large", V, H, 1, 2, 3};
    float before[4 * H * H];
    double moved = 0;
    WGT_OK(hand_lstm_new(&config, 1, &hand, &err), &err);
    for (int i = 0; i < H * V; i++) hand_lstm_value(hand, 4)[i] *= 1e4F;
    memcpy(before, hand_lstm_value(hand, 1), sizeof before);
    hand_lstm_step(hand, &err);
    for (int i = 0; i < 4 * H * H; i++) {
        double d = (double)hand_lstm_value(hand, 1)[i] - (double)before[i];
        moved += d * d;
    }
    assert_true(moved > 1e-3 && sqrt(moved) < 5.001);
    hand_lstm_free(hand);
}

static int setup(void **state)
{
    (void)state;
    wg_error err;
    return wengert_plugin_lstm_variants(&err) == WG_OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_gradients),
                                       cmocka_unit_test(test_clipping)};
    return cmocka_run_group_tests(tests, setup, NULL);
}
