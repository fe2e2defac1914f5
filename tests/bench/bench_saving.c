/* wengert-bench saving: what a save beside the training takes from it.
 *
 * Steps of the translator (bench_seq2seq.c), by turns without a save and while one is written, of
 * the parameters and Adam's two moments; the copy, and waiting for the save before, are measured
 * apart. Means, not medians: throughput is what counts, and the few steps that a busy core delays
 * are among them. --threads are those of the training; the save has one. --steps: saves. Files go
 * to TMPDIR, or /tmp. */
#include "bench_translator.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <wengert/saver.h>

typedef struct times {
    double seconds, copied, written, bytes;
    int steps, saves;
} times;

static wg_status step(bench_translator *m, times *sum, wg_error *err)
{
    double begin = bench_seconds();
    wg_status status = bench_translator_pass(m, err);
    sum->seconds += bench_seconds() - begin;
    sum->steps++;
    return status;
}

static wg_status tree_of(bench_translator *m, wg_state **state, wg_error *err)
{
    wg_status status = wg_state_new(state, err);
    for (int i = 0; i < wg_params_count(m->params) && !status; i++)
        status = wg_state_ref_tensor(*state, wg_params_name(m->params, i),
                                     wg_params_value(m->params, i), err);
    if (!status) status = wg_optimizer_save(m->optimizer, *state, err);
    return status;
}

/* One save, and steps until it has ended. */
static wg_status save(bench_translator *m, wg_saver *saver, const wg_state *state, const char *path,
                      times *sum, wg_error *err)
{
    wg_saver_result result = {.size = sizeof result};
    wg_status status = wg_saver_save(saver, state, path, NULL, err);
    while (!status && wg_saver_busy(saver)) status = step(m, sum, err);
    if (wg_saver_wait(saver, &result) && !status && result.error.status)
        status = wg_error_set(err, result.error.status, "%s", result.error.message);
    sum->copied += result.copied;
    sum->written += result.written;
    sum->bytes = (double)result.bytes;
    sum->saves++;
    return status;
}

static wg_status measure(bench_translator *m, const char *path, int saves, times *without,
                         times *with, wg_error *err)
{
    wg_saver *saver = NULL;
    wg_state *state = NULL;
    wg_status status = tree_of(m, &state, err);
    if (!status) status = wg_saver_new(NULL, &saver, err);
    for (int i = 0; i < 3 && !status; i++) status = bench_translator_pass(m, err);
    times first = {0}; /* buffers are new to the first save */
    if (!status) status = save(m, saver, state, path, &first, err);
    for (int i = 0; i < saves && !status; i++) {
        int before = with->steps;
        status = save(m, saver, state, path, with, err);
        for (int k = before; k < with->steps + (with->steps == before) && !status; k++)
            status = step(m, without, err);
    }
    wg_saver_free(saver);
    wg_state_free(state);
    return status;
}

wg_status bench_saving(const bench_options *o, wg_error *err)
{
    bench_translator m;
    times without = {0}, with = {0};
    const char *folder = getenv("TMPDIR");
    char path[4096];
    int n = snprintf(path, sizeof path, "%s/wengert-bench-%ld.npz",
                     folder && *folder ? folder : "/tmp", (long)getpid());
    if (n < 0 || (size_t)n >= sizeof path)
        return wg_error_set(err, WG_EINVAL, "TMPDIR is too long");
    wg_status status = bench_translator_make(&m, o, err);
    if (!status) status = measure(&m, path, o->steps, &without, &with, err);
    unlink(path);
    if (!status) {
        double alone = without.seconds / without.steps;
        double beside = with.steps ? with.seconds / with.steps : alone;
        cJSON *line = bench_line(NULL, "saving-seq2seq", o->threads);
        bench_number(line, "ms", alone * 1e3, 2);
        bench_number(line, "ms_while_saving", beside * 1e3, 2);
        bench_number(line, "throughput_while_saving", alone / beside, 4);
        cJSON_AddNumberToObject(line, "saves", with.saves);
        cJSON_AddNumberToObject(line, "steps_while_saving", with.steps);
        bench_number(line, "copy_ms", with.copied / with.saves * 1e3, 2);
        bench_number(line, "write_ms", with.written / with.saves * 1e3, 1);
        bench_number(line, "mb", with.bytes * 1e-6, 2);
        status = bench_print(line, err);
    }
    bench_translator_drop(&m);
    return status;
}
