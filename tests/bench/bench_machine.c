/* What this machine can do at most: multiply-adds of one core, and reading from memory.
 *
 * Both loops are written for each instruction set by hand and chosen at run time, so that the limit
 * is the machine's and not the compiler's. Twelve independent sums hide a latency of four to six
 * cycles on two units. */
#include "bench.h"

#include <string.h>

#include <wengert/memory.h>
#include <wengert/parallel.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

enum { SUMS = 12 };

/* Each loop returns something that depends on all its sums, lest it be optimised away, and sets
 * *flops or reads n bytes, a multiple of 4096, at p. */
typedef float (*peak_fn)(int64_t rounds, double *flops);
typedef float (*read_fn)(const char *p, size_t n);

#if defined(__x86_64__)
__attribute__((target("avx512f"))) static float peak_avx512(int64_t rounds, double *flops)
{
    __m512 sum[SUMS], a = _mm512_set1_ps(0.999F), b = _mm512_set1_ps(1e-3F);
    for (int i = 0; i < SUMS; i++) sum[i] = _mm512_set1_ps((float)i);
    for (int64_t r = 0; r < rounds; r++) {
#pragma GCC unroll 12
        for (int i = 0; i < SUMS; i++) sum[i] = _mm512_fmadd_ps(sum[i], a, b);
    }
    for (int i = 1; i < SUMS; i++) sum[0] = _mm512_add_ps(sum[0], sum[i]);
    *flops = 2.0 * 16 * SUMS * (double)rounds;
    return _mm512_cvtss_f32(sum[0]);
}

__attribute__((target("avx2,fma"))) static float peak_avx2(int64_t rounds, double *flops)
{
    __m256 sum[SUMS], a = _mm256_set1_ps(0.999F), b = _mm256_set1_ps(1e-3F);
    for (int i = 0; i < SUMS; i++) sum[i] = _mm256_set1_ps((float)i);
    for (int64_t r = 0; r < rounds; r++) {
#pragma GCC unroll 12
        for (int i = 0; i < SUMS; i++) sum[i] = _mm256_fmadd_ps(sum[i], a, b);
    }
    for (int i = 1; i < SUMS; i++) sum[0] = _mm256_add_ps(sum[0], sum[i]);
    *flops = 2.0 * 8 * SUMS * (double)rounds;
    return _mm256_cvtss_f32(sum[0]);
}

__attribute__((target("avx512f"))) static float read_avx512(const char *p, size_t n)
{
    __m512 sum[8];
    for (int i = 0; i < 8; i++) sum[i] = _mm512_setzero_ps();
    for (size_t at = 0; at < n; at += 8 * 64) {
#pragma GCC unroll 8
        for (int i = 0; i < 8; i++)
            sum[i] = _mm512_add_ps(sum[i], _mm512_loadu_ps((const float *)(p + at) + 16 * i));
    }
    for (int i = 1; i < 8; i++) sum[0] = _mm512_add_ps(sum[0], sum[i]);
    return _mm512_cvtss_f32(sum[0]);
}

__attribute__((target("avx2"))) static float read_avx2(const char *p, size_t n)
{
    __m256 sum[8];
    for (int i = 0; i < 8; i++) sum[i] = _mm256_setzero_ps();
    for (size_t at = 0; at < n; at += 8 * 32) {
#pragma GCC unroll 8
        for (int i = 0; i < 8; i++)
            sum[i] = _mm256_add_ps(sum[i], _mm256_loadu_ps((const float *)(p + at) + 8 * i));
    }
    for (int i = 1; i < 8; i++) sum[0] = _mm256_add_ps(sum[0], sum[i]);
    return _mm256_cvtss_f32(sum[0]);
}

/* The baseline has no multiply-add: a multiplication and an addition count as two all the same. */
static float peak_base(int64_t rounds, double *flops)
{
    __m128 sum[SUMS], a = _mm_set1_ps(0.999F), b = _mm_set1_ps(1e-3F);
    for (int i = 0; i < SUMS; i++) sum[i] = _mm_set1_ps((float)i);
    for (int64_t r = 0; r < rounds; r++) {
#pragma GCC unroll 12
        for (int i = 0; i < SUMS; i++) sum[i] = _mm_add_ps(_mm_mul_ps(sum[i], a), b);
    }
    for (int i = 1; i < SUMS; i++) sum[0] = _mm_add_ps(sum[0], sum[i]);
    *flops = 2.0 * 4 * SUMS * (double)rounds;
    return _mm_cvtss_f32(sum[0]);
}
#else
static float peak_base(int64_t rounds, double *flops)
{
    float sum[64];
    for (int i = 0; i < 64; i++) sum[i] = (float)i;
    for (int64_t r = 0; r < rounds; r++)
        for (int i = 0; i < 64; i++) sum[i] = sum[i] * 0.999F + 1e-3F;
    for (int i = 1; i < 64; i++) sum[0] += sum[i];
    *flops = 2.0 * 64 * (double)rounds;
    return sum[0];
}
#endif

static float read_base(const char *p, size_t n)
{
    uint64_t sum[8] = {0}, word[8];
    for (size_t at = 0; at < n; at += sizeof word) {
        memcpy(word, p + at, sizeof word);
        for (int i = 0; i < 8; i++) sum[i] ^= word[i];
    }
    for (int i = 1; i < 8; i++) sum[0] ^= sum[i];
    return (float)sum[0];
}

/* By the processor, not by WENGERT_ISA: the limit is the machine's. */
static peak_fn best_peak(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f")) return peak_avx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return peak_avx2;
#endif
    return peak_base;
}

static read_fn best_read(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f")) return read_avx512;
    if (__builtin_cpu_supports("avx2")) return read_avx2;
#endif
    return read_base;
}

static volatile float sink;

/* Seconds after which a limit is measured again. */
static const double again = 2;
static bool brief;

void bench_machine_brief(void)
{
    brief = true;
}

static double burst(peak_fn loop)
{
    double flops, start = bench_seconds();
    sink = loop(1000000, &flops);
    return flops / (bench_seconds() - start) * 1e-9;
}

double bench_peak_now(void)
{
    return burst(best_peak());
}

double bench_peak(void)
{
    static double best, measured;
    if (best > 0 && bench_seconds() - measured < again) return best;
    peak_fn loop = best_peak();
    for (int try = 0; try < (brief ? 2 : 30); try++) {
        double rate = burst(loop);
        if (rate > best) best = rate;
    }
    measured = bench_seconds();
    return best;
}

enum { PAGE = 4096, ALL_PAGES = 65536, FEW_PAGES = 256 }; /* 256 MiB: past every cache */

typedef struct reading {
    const char *data;
    read_fn loop;
    float sum[64];
} reading;

static void read_pages(void *user, int64_t begin, int64_t end, int worker)
{
    reading *r = user;
    r->sum[worker % 64] += r->loop(r->data + begin * PAGE, (size_t)(end - begin) * PAGE);
}

double bench_read_rate(int64_t bytes, int threads, int tries)
{
    const int64_t pages = (bytes + PAGE - 1) / PAGE;
    char *data = wg_malloc((size_t)pages * PAGE);
    double best = 0;
    if (!data) return 0;
    memset(data, 0, (size_t)pages * PAGE);
    reading r = {.data = data, .loop = best_read()};
    for (int try = 0; try < tries; try++) {
        double start = bench_seconds();
        wg_parallel_for(threads, pages, 1, read_pages, &r);
        double rate = (double)pages * PAGE / (bench_seconds() - start) * 1e-9;
        if (rate > best) best = rate;
    }
    sink = r.sum[0];
    wg_free(data);
    return best;
}

double bench_bandwidth(int threads)
{
    static double best, measured;
    static int measured_with;
    if (measured_with == threads && bench_seconds() - measured < again) return best;
    if (measured_with != threads) best = 0;
    double rate =
        bench_read_rate((int64_t)PAGE * (brief ? FEW_PAGES : ALL_PAGES), threads, brief ? 2 : 6);
    if (rate > best) best = rate;
    measured_with = threads;
    measured = bench_seconds();
    return best;
}
