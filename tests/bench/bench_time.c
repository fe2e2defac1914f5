/* Clocks and medians. */
#include "bench.h"

#include <stdlib.h>
#include <time.h>

#include <wengert/memory.h>

double bench_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double bench_processor_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double bench_median(double *values, int n)
{
    qsort(values, (size_t)n, sizeof *values, by_size);
    return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

static wg_status sample(int steps, int64_t calls, wg_status (*step)(void *user, wg_error *err),
                        void *user, double *median, wg_error *err)
{
    double *taken = wg_malloc((size_t)steps * sizeof *taken);
    wg_status status = taken ? WG_OK : wg_error_set(err, WG_ENOMEM, "no memory for times");
    for (int i = 0; i < steps && !status; i++) {
        double start = bench_seconds();
        for (int64_t k = 0; k < calls && !status; k++) status = step(user, err);
        taken[i] = (bench_seconds() - start) / (double)calls;
    }
    if (!status) *median = bench_median(taken, steps);
    wg_free(taken);
    return status;
}

wg_status bench_time(int steps, wg_status (*step)(void *user, wg_error *err), void *user,
                     double *median, wg_error *err)
{
    wg_status status = step(user, err);
    return status ? status : sample(steps, 1, step, user, median, err);
}

wg_status bench_time_short(int steps, wg_status (*step)(void *user, wg_error *err), void *user,
                           double *median, wg_error *err)
{
    const double enough = 0.01;
    wg_status status = step(user, err);
    for (int64_t calls = 1; !status; calls *= 2) {
        double start = bench_seconds();
        for (int64_t k = 0; k < calls && !status; k++) status = step(user, err);
        if (status || bench_seconds() - start < enough) continue;
        return sample(steps, calls, step, user, median, err);
    }
    return status;
}

wg_status bench_race(int steps, int n, bench_racer *racer, double *peak_then, wg_error *err)
{
    wg_status status = WG_OK;
    double *peak = wg_malloc((size_t)steps * sizeof *peak);
    if (!peak) return wg_error_set(err, WG_ENOMEM, "no memory for times");
    for (int k = 0; k < n && !status; k++) status = racer[k].step(racer[k].user, err);
    for (int i = 0; i < steps && !status; i++) {
        peak[i] = bench_peak_now();
        for (int k = 0; k < n && !status; k++) {
            bench_racer *r = &racer[(i + k) % n];
            double start = bench_seconds(), used = bench_processor_seconds();
            status = r->step(r->user, err);
            r->taken[i] = bench_seconds() - start;
            r->used[i] = bench_processor_seconds() - used;
        }
    }
    for (int k = 0; k < n && !status; k++) {
        racer[k].seconds = bench_median(racer[k].taken, steps);
        racer[k].processor_seconds = bench_median(racer[k].used, steps);
    }
    if (!status) *peak_then = bench_median(peak, steps);
    wg_free(peak);
    return status;
}
