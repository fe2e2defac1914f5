/* A training step in its steady state takes no memory, whatever the cell: neither where it was
 * compiled once, nor recorded afresh, differentiated and found in the cache. Both forms give the
 * same losses. What the libraries for products and threads take by themselves is reported. */
#include "support.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <wengert/plugin.h>

#include "bench_model.h"

WG_PLUGIN_DECLARE(lstm_variants);

/* Every allocation of the process, so that those of the libraries can be told: an executable's
 * malloc stands before the C library's. Not where a sanitizer has put its own there. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define COUNTS_ALL 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define COUNTS_ALL 0
#endif
#endif
#ifndef COUNTS_ALL
#ifdef __GLIBC__
#define COUNTS_ALL 1
#else
#define COUNTS_ALL 0
#endif
#endif

static atomic_size_t all_calls;

#if COUNTS_ALL
extern void *__libc_malloc(size_t bytes);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t bytes);
extern void *__libc_memalign(size_t alignment, size_t bytes);

void *malloc(size_t bytes)
{
    atomic_fetch_add(&all_calls, 1);
    return __libc_malloc(bytes);
}

void *calloc(size_t count, size_t size)
{
    atomic_fetch_add(&all_calls, 1);
    return __libc_calloc(count, size);
}

void *realloc(void *old, size_t bytes)
{
    atomic_fetch_add(&all_calls, 1);
    return __libc_realloc(old, bytes);
}

void *aligned_alloc(size_t alignment, size_t bytes)
{
    atomic_fetch_add(&all_calls, 1);
    return __libc_memalign(alignment, bytes);
}

int posix_memalign(void **block, size_t alignment, size_t bytes)
{
    atomic_fetch_add(&all_calls, 1);
    *block = __libc_memalign(alignment, bytes);
    return *block ? 0 : ENOMEM;
}
#endif

static const char *const cells[] = {"lstm",           "gru",           "rnn", "peephole",
                                    "layernorm-lstm", "separate-gates"};
static const bench_config config = {"small", 50, 12, 2, 3, 6};

static void steps(const char *cell, bool compiled, int threads, double loss[3])
{
    wg_error err;
    bench_model m;
    const bench_options options = {.threads = threads, .steps = 1, .compiled = compiled};
    WGT_OK(bench_model_new(&config, cell, &options, &m, &err), &err);
    for (int i = 0; i < 3; i++) {
        WGT_OK(bench_model_step(&m, &err), &err);
        loss[i] = m.loss;
    }
    size_t calls[2], live[2], all = 0;
    for (int i = 0; i < 2; i++) {
        wgt_fail_alloc_at(0); /* only counts */
        all = atomic_load(&all_calls);
        WGT_OK(bench_model_step(&m, &err), &err);
        all = atomic_load(&all_calls) - all;
        calls[i] = wgt_alloc_count();
        live[i] = wgt_alloc_live();
        wgt_alloc_restore();
    }
    if (COUNTS_ALL)
        print_message("%s, %s, %d threads: %zu allocations of the libraries in a step\n", cell,
                      compiled ? "compiled" : "recorded", threads, all - calls[1]);
    if (calls[0] > 0 || calls[1] > 0 || live[0] > 0 || live[1] > 0)
        fail_msg("%s, %s, %d threads: %zu allocations in a step, %zu in the next, %zu kept", cell,
                 compiled ? "compiled" : "recorded", threads, calls[0], calls[1], live[1]);
    bench_model_free(&m);
}

static void test_nothing_is_allocated(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cells / sizeof *cells; i++) {
        for (int threads = 1; threads <= (i == 0 ? 2 : 1); threads++) {
            double recorded[3], compiled[3];
            steps(cells[i], false, threads, recorded);
            steps(cells[i], true, threads, compiled);
            for (int k = 0; k < 3; k++) WGT_CLOSE(recorded[k], compiled[k], 1e-5, 0);
            assert_true(recorded[2] < recorded[0]); /* it learns by heart */
        }
    }
    assert_true(!COUNTS_ALL || atomic_load(&all_calls) > 0); /* what counts, counts */
}

static int setup(void **state)
{
    (void)state;
    wg_error err;
    return wengert_plugin_lstm_variants(&err) == WG_OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_nothing_is_allocated)};
    return cmocka_run_group_tests(tests, setup, NULL);
}
