/* One training step of an attentional LSTM translator, the configuration of PyTorch's peer figure:
 * bidirectional encoder of 256 units a direction, decoder of 512, Luong's general attention without
 * input feeding, embeddings of 256, 8000 words on both sides, 64 rows of 14 source and 14 target
 * words; forward, backward, clipping by norm 1, Adam.
 *
 *     bench_seq2seq [--threads N] [--steps N]
 *
 * Prints one JSON object: milliseconds a step (median) and target words a second. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <wengert/rng.h>
#include <wengert/trainer.h>

enum { V = 8000, E = 256, H = 512, B = 64, S = 14, MOST_STEPS = 1000 };

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int number(int argc, char **argv, const char *name, int otherwise)
{
    for (int i = 1; i + 1 < argc; i++)
        if (strcmp(argv[i], name) == 0) return atoi(argv[i + 1]);
    return otherwise;
}

static wg_status measure(int threads, int steps, wg_error *err)
{
    wg_params *params = NULL;
    wg_seq2seq *model = NULL;
    wg_optimizer *optimizer = NULL;
    wg_trainer *trainer = NULL;
    const wg_seq2seq_config config = {.size = sizeof config,
                                      .source_vocab = V,
                                      .target_vocab = V,
                                      .embed = E,
                                      .hidden = H,
                                      .bidirectional = true,
                                      .attention = WG_ATTENTION_GENERAL};
    wg_optimizer_options how = WG_OPTIMIZER_OPTIONS_INIT;
    how.clip_norm = 1;
    how.threads = threads;
    wg_trainer_options options = {.size = sizeof options, .threads = threads};
    static int32_t ids[3][S * B];
    wg_rng rng;
    wg_rng_init(&rng, 0, "bench");
    for (int k = 0; k < 3; k++)
        for (int i = 0; i < S * B; i++) ids[k][i] = (int32_t)wg_rng_below(&rng, V);
    const wg_trainer_batch batch = {.size = sizeof batch,
                                    .source_steps = S,
                                    .target_steps = S,
                                    .rows = B,
                                    .source = ids[0],
                                    .target_in = ids[1],
                                    .target_out = ids[2]};
    wg_status status = wg_params_new(WG_F32, &params, err);
    if (!status) status = wg_seq2seq_new(params, &config, &model, err);
    if (!status) status = wg_params_init(params, 1, err);
    if (!status) status = wg_optimizer_new(params, &how, &optimizer, err);
    if (!status) status = wg_trainer_new(model, params, optimizer, &options, &trainer, err);
    wg_trainer_result result;
    double taken[MOST_STEPS];
    double began = seconds();
    if (!status) status = wg_trainer_step(trainer, &batch, 1e-3, &result, err);
    double first = seconds() - began;
    for (int i = 0; i < steps && !status; i++) {
        double start = seconds();
        status = wg_trainer_step(trainer, &batch, 1e-3, &result, err);
        taken[i] = seconds() - start;
    }
    if (!status) {
        qsort(taken, (size_t)steps, sizeof *taken, by_size);
        double median = taken[steps / 2];
        wg_program_stats stats = {.size = sizeof stats};
        wg_trainer_program_stats(trainer, &stats);
        printf("{\"config\": \"seq2seq-attention\", \"threads\": %d, \"ms\": %.2f, "
               "\"target_tokens_per_s\": %.0f, \"loss\": %.4f, \"norm\": %.4f, "
               "\"products\": %lld, \"kernels\": %lld, \"instructions\": %lld, "
               "\"planned_mb\": %.1f, \"compile_ms\": %.1f, \"first_step_ms\": %.1f}\n",
               threads, median * 1e3, B * S / median, result.loss / result.count, result.norm,
               (long long)stats.products_a_run, (long long)stats.kernels_a_run,
               (long long)stats.instructions, (double)stats.bytes_planned / 1e6,
               (double)stats.compile_ns / 1e6, first * 1e3);
    }
    wg_trainer_free(trainer);
    wg_optimizer_free(optimizer);
    wg_seq2seq_free(model);
    wg_params_free(params);
    return status;
}

int main(int argc, char **argv)
{
    int threads = number(argc, argv, "--threads", 1), steps = number(argc, argv, "--steps", 7);
    if (threads < 1 || steps < 1 || steps > MOST_STEPS) {
        fprintf(stderr, "bench_seq2seq: --threads N and --steps N take numbers from 1 up\n");
        return 2;
    }
    wg_error err = {WG_OK, ""};
    if (measure(threads, steps, &err) == WG_OK) return 0;
    fprintf(stderr, "bench_seq2seq: %s: %s\n", wg_status_name(err.status), err.message);
    return 1;
}
