/* wengert-bench memory: what a training step holds, beside what it needs by count.
 *
 * Needed, in 4-byte floats: parameters x 4 (weights, gradients, two optimiser states); for each
 * layer of an LSTM gates, c and h at each step, T B 6 H; logits T B V. Held: the parameter arenas
 * (values, gradients, and two states for an optimiser such as Adam) and the program's planned
 * buffers. The resident size of the whole process, libraries and packed weights included, is said
 * as well: how much it grew, and the most that it ever was. WENGERT_TRACE=compile lists, on
 * standard error, the buffers that are alive when the step holds most. */
#include "bench_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Bytes resident now; 0 where the system does not say. */
static double resident(void)
{
    long pages = 0, unused;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file) return 0;
    if (fscanf(file, "%ld %ld", &unused, &pages) != 2) pages = 0;
    fclose(file);
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

/* The most bytes that were ever resident; 0 where the system does not say. */
static double resident_peak(void)
{
    char line[256];
    double peak = 0, kb;
    FILE *file = fopen("/proc/self/status", "r");
    if (!file) return 0;
    while (peak == 0 && fgets(line, sizeof line, file))
        if (sscanf(line, "VmHWM: %lf kB", &kb) == 1) peak = 1024 * kb;
    fclose(file);
    return peak;
}

static void show_plan(void *user, const char *pass, const char *text)
{
    (void)user;
    if (strcmp(pass, "plan") == 0) fputs(text, stderr);
}

static wg_status one(const bench_config *c, const char *cell, const bench_options *o, wg_error *err)
{
    bench_model m;
    bench_options options = *o;
    const char *trace = getenv("WENGERT_TRACE");
    options.compiled = true;
    if (trace && strcmp(trace, "compile") == 0) options.trace = show_plan;
    double before = resident();
    wg_status status = bench_model_new(c, cell, &options, &m, err);
    if (!status) status = bench_model_step(&m, err);
    if (status) {
        bench_model_free(&m);
        return status;
    }
    wg_program_stats stats = {.size = sizeof stats};
    wg_program_get_stats(m.program, &stats);
    double params = (double)wg_params_elements(m.params), words = (double)(c->T * c->B);
    double activations = words * 6 * (double)(c->H * c->layers), logits = words * (double)c->V;
    double needed = 4 * (4 * params + activations + logits);
    double held = 16 * params + (double)stats.bytes_planned;
    cJSON *line = bench_line(NULL, c->name, o->threads);
    cJSON_AddStringToObject(line, "cell", cell);
    bench_number(line, "parameters_mb", 16e-6 * params, 2);
    bench_number(line, "activations_formula_mb", 4e-6 * activations, 2);
    bench_number(line, "logits_formula_mb", 4e-6 * logits, 2);
    bench_number(line, "planned_mb", 1e-6 * (double)stats.bytes_planned, 2);
    bench_number(line, "unplanned_mb", 1e-6 * (double)stats.bytes_unplanned, 2);
    bench_number(line, "formula_mb", 1e-6 * needed, 2);
    bench_number(line, "held_mb", 1e-6 * held, 2);
    bench_number(line, "ratio", held / needed, 4);
    bench_number(line, "resident_growth_mb", 1e-6 * (resident() - before), 2);
    bench_number(line, "resident_peak_mb", 1e-6 * resident_peak(), 2);
    bench_model_free(&m);
    return bench_print(line, err);
}

wg_status bench_memory(const bench_options *o, wg_error *err)
{
    return one(bench_find_config(o->config ? o->config : "charlm"), o->cell ? o->cell : "lstm", o,
               err);
}
