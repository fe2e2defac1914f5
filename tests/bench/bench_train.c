/* wengert-bench train: one training step of a language model, a line a configuration and cell; of
 * several cells a step each in turn. The cell "hand" is the LSTM's step written by hand. */
#include <string.h>

#include <wengert/memory.h>

#include "bench_model.h"
#include "hand_lstm.h"

enum { RACERS_MOST = 16, NAME_MOST = 64 };

typedef struct entry {
    char cell[NAME_MOST];
    bench_model model;
    hand_lstm *hand; /* in place of the model */
    double first;    /* seconds until the end of the first step */
} entry;

/* The cells of a list "lstm,gru,hand": their number, or -1. */
static int split(const char *list, entry *e, wg_error *err)
{
    int n = 0;
    for (const char *at = list;; at++) {
        const char *end = strchr(at, ',');
        size_t length = end ? (size_t)(end - at) : strlen(at);
        if (n == RACERS_MOST || length < 1 || length >= NAME_MOST) {
            wg_error_set(err, WG_EINVAL, "'%.100s' is no list of 1 to %d cells", list, RACERS_MOST);
            return -1;
        }
        memcpy(e[n].cell, at, length);
        e[n++].cell[length] = '\0';
        if (!end) return n;
        at = end;
    }
}

static wg_status open_one(entry *e, const bench_config *config, const bench_options *options,
                          wg_error *err)
{
    double began = bench_seconds();
    wg_status status;
    if (strcmp(e->cell, "hand") == 0) {
        status = hand_lstm_new(config, options->threads, &e->hand, err);
        if (!status) status = hand_lstm_step(e->hand, err);
    } else {
        status = bench_model_new(config, e->cell, options, &e->model, err);
        if (!status) status = bench_model_step(&e->model, err); /* compiles */
    }
    e->first = bench_seconds() - began;
    return status;
}

static wg_status print(const entry *e, const bench_config *config, const bench_options *options,
                       const bench_racer *racer, double peak_then, wg_error *err)
{
    const char *cell = e->hand ? "lstm" : e->cell;
    double flops = bench_model_flops(config, cell);
    cJSON *line = bench_line(e->hand ? "hand-fused" : NULL, config->name, options->threads);
    cJSON_AddStringToObject(line, "cell", cell);
    bench_number(line, "ms", racer->seconds * 1e3, 2);
    bench_number(line, "tokens_per_s", (double)(config->B * config->T) / racer->seconds, 0);
    bench_flops(line, flops, racer->seconds, options->threads);
    bench_number(line, "peak_gflops_then", peak_then, 1);
    bench_number(line, "share_of_peak_then",
                 flops / racer->seconds * 1e-9 / (peak_then * options->threads), 4);
    if (options->threads == 1) { /* threads that wait for each other spin */
        bench_number(line, "processor_ms", racer->processor_seconds * 1e3, 2);
        bench_number(line, "share_of_peak_in_processor_time",
                     flops / racer->processor_seconds * 1e-9 / bench_peak(), 4);
    }
    cJSON_AddNumberToObject(line, "steps", options->steps);
    bench_number(line, "first_step_ms", e->first * 1e3, 1);
    bench_number(line, "loss", e->hand ? hand_lstm_loss(e->hand) : e->model.loss, 4);
    if (e->hand) {
        hand_lstm_choices(e->hand, line);
    } else {
        cJSON_AddBoolToObject(line, "bf16", options->bf16);
        cJSON_AddStringToObject(line, "form", options->compiled ? "compiled once" : "recorded");
    }
    if (e->model.program) {
        wg_program_stats stats = {.size = sizeof stats};
        wg_program_get_stats(e->model.program, &stats);
        cJSON_AddNumberToObject(line, "products", (double)stats.products_a_run);
        cJSON_AddNumberToObject(line, "kernels", (double)stats.kernels_a_run);
        cJSON_AddNumberToObject(line, "instructions", (double)stats.instructions);
        bench_number(line, "planned_mb", (double)stats.bytes_planned * 1e-6, 1);
        bench_number(line, "compile_ms", (double)stats.compile_ns * 1e-6, 2);
    }
    return bench_print(line, err);
}

static wg_status race(const bench_config *config, int n, entry *e, const bench_options *options,
                      wg_error *err)
{
    bench_racer racer[RACERS_MOST];
    double peak_then;
    const size_t steps = (size_t)options->steps;
    double *taken = wg_malloc(2 * (size_t)n * steps * sizeof *taken); /* no overflow: n <= 16 */
    wg_status status = taken ? WG_OK : wg_error_set(err, WG_ENOMEM, "no memory for times");
    int opened = 0;
    for (; opened < n && !status; opened++) {
        entry *one = &e[opened];
        memset(&one->model, 0, sizeof one->model);
        one->hand = NULL;
        status = open_one(one, config, options, err);
        racer[opened] = (bench_racer){.step = one->hand ? hand_lstm_step : bench_model_step,
                                      .user = one->hand ? (void *)one->hand : &one->model,
                                      .taken = taken + 2 * (size_t)opened * steps,
                                      .used = taken + (2 * (size_t)opened + 1) * steps};
    }
    if (!status) status = bench_race(options->steps, n, racer, &peak_then, err);
    for (int i = 0; i < n && !status; i++)
        status = print(&e[i], config, options, &racer[i], peak_then, err);
    for (int i = 0; i < opened; i++) {
        if (e[i].hand)
            hand_lstm_free(e[i].hand);
        else
            bench_model_free(&e[i].model);
    }
    wg_free(taken);
    return status;
}

wg_status bench_train(const bench_options *options, wg_error *err)
{
    entry *e = wg_calloc(RACERS_MOST, sizeof *e);
    if (!e) return wg_error_set(err, WG_ENOMEM, "no memory for models");
    int n = split(options->cell ? options->cell : "lstm", e, err);
    wg_status status = n < 0 ? WG_EINVAL : WG_OK;
    if (!status && options->config)
        status = race(bench_find_config(options->config), n, e, options, err);
    for (int i = 0; !options->config && bench_config_at(i) && !status; i++)
        status = race(bench_config_at(i), n, e, options, err);
    wg_free(e);
    return status;
}
