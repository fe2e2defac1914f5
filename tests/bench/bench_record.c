/* wengert-bench record: what a loop that records each minibatch afresh pays for it. Recording and
 * differentiating, looking the program up in the cache, and compiling a shape that is new, beside
 * the step itself; charlm unless another configuration is named. */
#include "bench_model.h"

enum { MOST = 1 + 128 };

static wg_status record(void *user, wg_error *err)
{
    wg_var out[MOST];
    bench_model *m = user;
    if (bench_model_record(m, out, MOST) < 0)
        return wg_error_set(err, WG_ELIMIT, "too many parameters");
    return wg_tape_status(m->tape, err);
}

/* Compiles m's list under a cache that does not know it: a program by itself. */
static wg_status compile(void *user, wg_error *err)
{
    wg_var out[MOST];
    bench_model *m = user;
    wg_program *program = NULL;
    int n = bench_model_record(m, out, MOST);
    const bench_options options = {.threads = 1};
    const wg_compile_options how = bench_compile_options(&options);
    wg_status status = wg_compile(out, n, &how, &program, err);
    wg_program_free(program);
    return status;
}

static wg_status gradient(void *user, wg_error *err)
{
    return bench_model_gradient(user, err);
}

/* Recording, lookup and all that a run needs besides its kernels are the same at any size: the
 * model at sizes whose kernels take no time is timed recorded afresh, and compiled once. The
 * difference is what recording afresh costs. */
static wg_status afresh(const bench_config *config, const char *cell, const bench_options *o,
                        double *seconds, wg_error *err)
{
    const bench_config small = {"small", 2, 1, config->layers, 1, 2};
    bench_options options = *o;
    double taken[2] = {0, 0};
    wg_status status = WG_OK;
    for (int compiled = 0; compiled < 2 && !status; compiled++) {
        bench_model m;
        options.compiled = compiled;
        status = bench_model_new(&small, cell, &options, &m, err);
        if (status) return status;
        status = bench_time_short(o->steps, gradient, &m, &taken[compiled], err);
        bench_model_free(&m);
    }
    *seconds = taken[0] - taken[1];
    return status;
}

wg_status bench_record(const bench_options *o, wg_error *err)
{
    const bench_config *config = bench_find_config(o->config ? o->config : "charlm");
    const char *cell = o->cell ? o->cell : "lstm";
    bench_options options = *o;
    bench_model m;
    double both, recording, compiling, step;
    options.compiled = false;
    wg_status status = afresh(config, cell, o, &both, err);
    if (!status) status = bench_model_new(config, cell, &options, &m, err);
    if (status) return status;
    status = bench_time_short(o->steps, record, &m, &recording, err);
    if (!status) status = bench_time_short(o->steps, compile, &m, &compiling, err);
    if (!status) status = bench_time(o->steps, bench_model_step, &m, &step, err);
    if (!status) {
        int64_t programs, hits, misses;
        wg_tape_cache_stats(m.tape, &programs, &hits, &misses);
        cJSON *line = bench_line(NULL, config->name, o->threads);
        cJSON_AddStringToObject(line, "cell", cell);
        bench_number(line, "ms", step * 1e3, 2);
        bench_number(line, "record_ms", recording * 1e3, 4);
        bench_number(line, "record_and_lookup_ms", both * 1e3, 4);
        bench_number(line, "share_of_step", both / step, 6);
        bench_number(line, "record_and_compile_new_shape_ms", compiling * 1e3, 3);
        cJSON_AddNumberToObject(line, "list_length", (double)wg_tape_length(m.tape));
        cJSON_AddNumberToObject(line, "programs", (double)programs);
        cJSON_AddNumberToObject(line, "cache_hits", (double)hits);
        cJSON_AddNumberToObject(line, "cache_misses", (double)misses);
        cJSON_AddNumberToObject(line, "steps", o->steps);
        status = bench_print(line, err);
    }
    bench_model_free(&m);
    return status;
}
