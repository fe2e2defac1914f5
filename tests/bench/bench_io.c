/* Saving and loading checkpoints, measured. tests/bench/bench_io.sh runs it beside numpy.
 *
 *   bench_io FOLDER save|load [TENSORS [MIB [THREADS]]]    seconds, the best of five
 *   bench_io FOLDER latency [MIB [THREADS]]                a 1 ms timer during a load
 *
 * Values are normal f32, as weights are. Times of saves include fsync. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <wengert/rng.h>
#include <wengert/uv.h>

enum { TIMES = 5 };

static int trouble(const wg_error *err)
{
    fprintf(stderr, "bench_io: %s\n", err->message);
    return 2;
}

static double seconds(void)
{
    return (double)uv_hrtime() / 1e9;
}

static wg_state *normal(int tensors, int64_t mib)
{
    wg_state *state;
    wg_error err;
    wg_rng rng;
    wg_rng_init(&rng, 1, "bench");
    if (wg_state_new(&state, &err) != WG_OK) return NULL;
    for (int i = 0; i < tensors; i++) {
        char name[32];
        wg_tensor *t;
        if (wg_tensor_new(WG_F32, WG_SHAPE(mib * (1 << 18) / tensors), &t, &err) != WG_OK)
            return NULL;
        float *x = wg_tensor_data(t);
        for (int64_t k = 0; k < wg_tensor_count(t); k++) x[k] = (float)wg_rng_normal(&rng);
        snprintf(name, sizeof name, "w%d", i);
        if (wg_state_put_tensor(state, name, t, &err) != WG_OK) return NULL;
    }
    return state;
}

static int save(const char *path, int tensors, int64_t mib, int threads)
{
    wg_error err;
    struct stat info;
    double best = 1e9;
    wg_checkpoint_options o = {.size = sizeof o, .threads = threads};
    wg_state *state = normal(tensors, mib);
    if (!state) return 2;
    for (int i = 0; i < TIMES; i++) {
        double start = seconds();
        if (wg_checkpoint_save_state_sync(path, state, &o, &err) != WG_OK) return trouble(&err);
        double took = seconds() - start;
        if (took < best) best = took;
    }
    wg_state_free(state);
    if (stat(path, &info) != 0) return 2;
    printf("%.4f %lld\n", best, (long long)info.st_size);
    return 0;
}

static int load(const char *path, int threads)
{
    wg_error err;
    double best = 1e9;
    wg_checkpoint_options o = {.size = sizeof o, .threads = threads};
    for (int i = 0; i < TIMES; i++) {
        wg_state *state;
        double start = seconds();
        if (wg_state_new(&state, &err) != WG_OK ||
            wg_checkpoint_load_state_sync(path, state, &o, NULL, &err) != WG_OK)
            return trouble(&err);
        double took = seconds() - start;
        if (took < best) best = took;
        wg_state_free(state);
    }
    printf("%.4f\n", best);
    return 0;
}

/* ---- a timer beside a load ---- */

typedef struct watch {
    uv_timer_t timer;
    uint64_t due, worst; /* ns */
    long ticks, late;    /* more than 5 ms */
    wg_status status;
    wg_error error;
} watch;

static void tick(uv_timer_t *timer)
{
    watch *w = timer->data;
    uint64_t now = uv_hrtime();
    if (w->due && now > w->due) {
        uint64_t by = now - w->due;
        if (by > w->worst) w->worst = by;
        w->late += by > 5000000;
    }
    w->ticks++;
    w->due = uv_hrtime() + 1000000;
    uv_timer_start(timer, tick, 1, 0);
}

static void loaded(wg_checkpoint_load_t *request, wg_status status)
{
    watch *w = request->data;
    w->status = status;
    w->error = request->error;
    wg_load_report_free(request->report);
    uv_close((uv_handle_t *)&w->timer, NULL);
}

/* One load beside the timer, into tensors that are there. */
static int watched_load(uv_loop_t *loop, const char *path, wg_state *state, int threads, watch *w)
{
    wg_error err;
    wg_checkpoint_options o = {.size = sizeof o, .threads = threads};
    wg_checkpoint_load_t request = {.data = w};
    *w = (watch){.timer.data = w};
    uv_timer_init(loop, &w->timer);
    double start = seconds();
    uv_update_time(loop);
    if (wg_checkpoint_load_state(loop, &request, path, state, &o, loaded, &err) != WG_OK)
        return trouble(&err);
    tick(&w->timer);
    uv_run(loop, UV_RUN_DEFAULT);
    double took = seconds() - start;
    if (w->status != WG_OK) return trouble(&w->error);
    printf("%.3f s, %ld ticks, at most %.2f ms late, %ld more than 5 ms\n", took, w->ticks,
           (double)w->worst / 1e6, w->late);
    return 0;
}

static int latency(const char *path, int64_t mib, int threads)
{
    wg_error err;
    uv_loop_t *loop = uv_default_loop();
    long late = 0;
    wg_state *state = normal(3, mib);
    if (!state) return 2;
    if (wg_checkpoint_save_state_sync(path, state, NULL, &err) != WG_OK) return trouble(&err);
    for (int i = 0; i < TIMES; i++) {
        watch w;
        int code = watched_load(loop, path, state, threads, &w);
        if (code) return code;
        late += w.late;
    }
    wg_state_free(state);
    uv_loop_close(loop);
    return late > 0;
}

int main(int count, char **value)
{
    char path[4096];
    if (count < 3) {
        fprintf(stderr, "usage: bench_io FOLDER save|load [TENSORS [MIB [THREADS]]]\n"
                        "       bench_io FOLDER latency [MIB [THREADS]]\n");
        return 2;
    }
    int a = count > 3 ? atoi(value[3]) : 0, b = count > 4 ? atoi(value[4]) : 0;
    int c = count > 5 ? atoi(value[5]) : 0;
    if (strcmp(value[2], "latency") == 0) {
        snprintf(path, sizeof path, "%s/latency.npz", value[1]);
        return latency(path, a ? a : 500, b);
    }
    snprintf(path, sizeof path, "%s/bench%d.npz", value[1], a ? a : 25);
    return strcmp(value[2], "save") == 0 ? save(path, a ? a : 25, b ? b : 100, c) : load(path, c);
}
