/* A training step in its steady state takes no memory where it was compiled once, whatever the
 * cell. Recorded afresh, the list takes scratch memory while it is differentiated, which is given
 * back, a few blocks an op and no more from step to step. Both forms give the same losses. */
#include "support.h"

#include <stdlib.h>

#include <wengert/plugin.h>

#include "bench_model.h"

WG_PLUGIN_DECLARE(lstm_variants);

static const char *const cells[] = {"lstm",           "gru",           "rnn", "peephole",
                                    "layernorm-lstm", "separate-gates"};
static const bench_config config = {"small", 50, 12, 2, 3, 6};

static void steps(const char *cell, bool compiled, int threads, double loss[3])
{
    wg_error err;
    bench_model m;
    const bench_options options = {.threads = threads, .steps = 1, .compiled = compiled};
    WGT_OK(bench_model_new(&config, cell, &options, &m, &err), &err);
    for (int i = 0; i < 3; i++) {
        WGT_OK(bench_model_step(&m, &err), &err);
        loss[i] = m.loss;
    }
    size_t calls[2], live[2];
    for (int i = 0; i < 2; i++) {
        wgt_fail_alloc_at(0); /* only counts */
        WGT_OK(bench_model_step(&m, &err), &err);
        calls[i] = wgt_alloc_count();
        live[i] = wgt_alloc_live();
        wgt_alloc_restore();
    }
    if (!compiled) print_message("%s, recorded: %zu allocations a step\n", cell, calls[1]);
    size_t most = compiled ? 0 : (size_t)wg_tape_length(m.tape) * 2;
    if (calls[1] > most || calls[1] > calls[0] || live[1] > 0)
        fail_msg("%s, %s, %d threads: %zu allocations in a step, %zu in the next, %zu kept", cell,
                 compiled ? "compiled" : "recorded", threads, calls[0], calls[1], live[1]);
    bench_model_free(&m);
}

static void test_nothing_is_allocated(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cells / sizeof *cells; i++) {
        for (int threads = 1; threads <= (i == 0 ? 2 : 1); threads++) {
            double recorded[3], compiled[3];
            steps(cells[i], false, threads, recorded);
            steps(cells[i], true, threads, compiled);
            for (int k = 0; k < 3; k++) WGT_CLOSE(recorded[k], compiled[k], 1e-5, 0);
            assert_true(recorded[2] < recorded[0]); /* it learns by heart */
        }
    }
}

static int setup(void **state)
{
    (void)state;
    wg_error err;
    return wengert_plugin_lstm_variants(&err) == WG_OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_nothing_is_allocated)};
    return cmocka_run_group_tests(tests, setup, NULL);
}
