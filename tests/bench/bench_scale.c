/* wengert-bench scale: the cost of a step against each size, from a quarter to four times charlm's
 * (or another configuration's), the others held. Where the work is linear in a size, the time is.
 */
#include "bench_model.h"

#include <string.h>

typedef struct axis {
    const char *name;
    size_t offset; /* of the size in bench_config */
} axis;

static const axis axes[] = {{"T", offsetof(bench_config, T)},
                            {"B", offsetof(bench_config, B)},
                            {"H", offsetof(bench_config, H)},
                            {"layers", offsetof(bench_config, layers)},
                            {"V", offsetof(bench_config, V)}};

static int64_t *size_of(bench_config *config, const axis *a)
{
    return (int64_t *)((char *)config + a->offset);
}

static wg_status measure(const bench_config *config, const char *cell, const bench_options *o,
                         double *seconds, wg_error *err)
{
    bench_model m;
    wg_status status = bench_model_new(config, cell, o, &m, err);
    if (status) return status;
    status = bench_time(o->steps, bench_model_step, &m, seconds, err);
    bench_model_free(&m);
    return status;
}

wg_status bench_scale(const bench_options *o, wg_error *err)
{
    const bench_config *config = bench_find_config(o->config ? o->config : "charlm");
    const char *cell = o->cell ? o->cell : "lstm";
    static const double factors[] = {0.25, 0.5, 1, 2, 4};
    double base;
    wg_status status = measure(config, cell, o, &base, err);
    for (size_t a = 0; a < sizeof axes / sizeof *axes && !status; a++) {
        for (size_t f = 0; f < sizeof factors / sizeof *factors && !status; f++) {
            bench_config scaled = *config;
            int64_t *size = size_of(&scaled, &axes[a]);
            double whole = (double)*size, wanted = whole * factors[f], seconds;
            if (wanted < 1) continue;
            *size = (int64_t)(wanted + 0.5);
            status = measure(&scaled, cell, o, &seconds, err);
            if (status) break;
            double flops = bench_model_flops(&scaled, cell);
            cJSON *line = bench_line(NULL, config->name, o->threads);
            cJSON_AddStringToObject(line, "cell", cell);
            cJSON_AddStringToObject(line, "size", axes[a].name);
            cJSON_AddNumberToObject(line, "value", (double)*size);
            bench_number(line, "factor", (double)*size / whole, 2);
            bench_number(line, "ms", seconds * 1e3, 2);
            bench_number(line, "time_ratio", seconds / base, 3);
            bench_number(line, "work_ratio", flops / bench_model_flops(config, cell), 3);
            bench_flops(line, flops, seconds, o->threads);
            cJSON_AddNumberToObject(line, "steps", o->steps);
            status = bench_print(line, err);
        }
    }
    return status;
}
