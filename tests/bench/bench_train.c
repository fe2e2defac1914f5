/* wengert-bench train: one training step of a language model, a line a configuration. */
#include "bench_model.h"

static wg_status one(const bench_config *config, const char *cell, const bench_options *options,
                     wg_error *err)
{
    bench_model m;
    double seconds, began = bench_seconds();
    wg_status status = bench_model_new(config, cell, options, &m, err);
    if (status) return status;
    status = bench_model_step(&m, err); /* compiles */
    double first = bench_seconds() - began;
    if (!status) status = bench_time(options->steps, bench_model_step, &m, &seconds, err);
    if (!status) {
        cJSON *line = bench_line(NULL, config->name, options->threads);
        cJSON_AddStringToObject(line, "cell", cell);
        bench_number(line, "ms", seconds * 1e3, 2);
        bench_number(line, "tokens_per_s", (double)(config->B * config->T) / seconds, 0);
        bench_flops(line, bench_model_flops(config, cell), seconds, options->threads);
        cJSON_AddBoolToObject(line, "bf16", options->bf16);
        cJSON_AddStringToObject(line, "form", options->compiled ? "compiled once" : "recorded");
        cJSON_AddNumberToObject(line, "steps", options->steps);
        bench_number(line, "first_step_ms", first * 1e3, 1);
        bench_number(line, "loss", m.loss, 4);
        if (m.program) {
            wg_program_stats stats = {.size = sizeof stats};
            wg_program_get_stats(m.program, &stats);
            cJSON_AddNumberToObject(line, "products", (double)stats.products_a_run);
            cJSON_AddNumberToObject(line, "kernels", (double)stats.kernels_a_run);
            cJSON_AddNumberToObject(line, "instructions", (double)stats.instructions);
            bench_number(line, "planned_mb", (double)stats.bytes_planned * 1e-6, 1);
            bench_number(line, "compile_ms", (double)stats.compile_ns * 1e-6, 2);
        }
        status = bench_print(line, err);
    }
    bench_model_free(&m);
    return status;
}

wg_status bench_train(const bench_options *options, wg_error *err)
{
    const char *cell = options->cell ? options->cell : "lstm";
    if (options->config) return one(bench_find_config(options->config), cell, options, err);
    wg_status status = WG_OK;
    for (int i = 0; bench_config_at(i) && !status; i++)
        status = one(bench_config_at(i), cell, options, err);
    return status;
}
