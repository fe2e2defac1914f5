/* What the parts of wengert-bench share: options, the machine's limits, medians, JSON lines. */
#ifndef WENGERT_TESTS_BENCH_H
#define WENGERT_TESTS_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cJSON.h>
#include <wengert/program.h>
#include <wengert/status.h>

/* A language model to be trained: V words, H units (and that many inputs) in each layer, B rows of
 * T words. */
typedef struct bench_config {
    const char *name;
    int64_t V, H, layers, B, T;
} bench_config;

/* The four of the results, or "tiny"; NULL for another name. i counts from 0, NULL past the end. */
const bench_config *bench_find_config(const char *name);
const bench_config *bench_config_at(int i);

typedef struct bench_options {
    const char *config; /* NULL = all of them */
    const char *cell;   /* NULL = the command's own */
    const char *plugin; /* NULL = none */
    int threads, steps;
    bool bf16;          /* products in bf16 */
    bool compiled;      /* compile once and run, in place of recording each step */
    bool lengths;       /* seq2seq: real lengths and input feeding */
    bool print_lengths; /* seq2seq: print the lengths only */
    bool tiny;          /* sizes for a test */
    wg_trace_fn trace;  /* of the model's programs; NULL = none */
} bench_options;

/* ---- Time (bench_time.c) ---- */

double bench_seconds(void);
/* What this process has had of processors, all threads together: without the time that a virtual
 * machine's host gave to others, where the kernel is told of it (Linux on KVM). */
double bench_processor_seconds(void);
/* Sorts in place; the mean of the two middle ones for an even n. */
double bench_median(double *values, int n);

/* Median seconds of `steps` calls after one that is not counted; the first status but WG_OK ends
 * it. */
wg_status bench_time(int steps, wg_status (*step)(void *user, wg_error *err), void *user,
                     double *median, wg_error *err);
/* Median seconds a call of something short: each of `steps` samples lasts at least 10 ms. */
wg_status bench_time_short(int steps, wg_status (*step)(void *user, wg_error *err), void *user,
                           double *median, wg_error *err);

/* Steps of several things in turn, so that a slow moment of the machine falls on all of them, after
 * one step of each that is not counted; each round begins with another one. Medians in seconds, and
 * the median of bench_peak_now() before the steps. */
typedef struct bench_racer {
    wg_status (*step)(void *user, wg_error *err);
    void *user;
    double seconds, processor_seconds; /* results */
    double *taken, *used;              /* room for `steps` each */
} bench_racer;
wg_status bench_race(int steps, int n, bench_racer *racer, double *peak_then, wg_error *err);

/* ---- The machine (bench_machine.c) ---- */

/* Multiply-adds in f32 of one core, in GFLOP/s, and GB/s that `threads` threads read from memory,
 * with the best instruction set. Calls two seconds apart measure again and give the best of the
 * process so far: a machine shared with others shows its limit in some moments only. */
double bench_peak(void);
/* The same within two milliseconds, as the machine is at this moment. */
double bench_peak_now(void);
double bench_bandwidth(int threads);
/* GB/s of reading so many bytes over and over: from a cache where they fit. 0 without memory. */
double bench_read_rate(int64_t bytes, int threads, int tries);
/* For tests: limits are measured in no time, and badly. */
void bench_machine_brief(void);

/* ---- JSON lines (bench_report.c) ---- */

/* An object with what every line says: who, commit, instruction set, threads, limits. */
cJSON *bench_line(const char *peer, const char *what, int threads);
/* A number rounded to `digits` places after the point. */
void bench_number(cJSON *line, const char *name, double value, int digits);
/* "gflops" and its share of the peak of as many cores as threads. */
void bench_flops(cJSON *line, double flops, double seconds, int threads);
/* "gb_per_s" and its share of the bandwidth. */
void bench_bytes(cJSON *line, double bytes, double seconds, int threads);
/* Prints and frees it. */
wg_status bench_print(cJSON *line, wg_error *err);

/* ---- Commands: one file each ---- */

wg_status bench_train(const bench_options *options, wg_error *err);
wg_status bench_hand(const bench_options *options, wg_error *err);
wg_status bench_seq2seq(const bench_options *options, wg_error *err);
wg_status bench_decode(const bench_options *options, wg_error *err);
wg_status bench_ops(const bench_options *options, wg_error *err);
wg_status bench_record(const bench_options *options, wg_error *err);
wg_status bench_scale(const bench_options *options, wg_error *err);
wg_status bench_saving(const bench_options *options, wg_error *err);
wg_status bench_memory(const bench_options *options, wg_error *err);

#endif
