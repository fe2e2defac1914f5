/* The parallel loop: every element once, a split that depends on the arguments alone, nesting,
 * several callers; the choice of threads and instruction set. */
#include "support.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <wengert/parallel.h>

#include "threads.h"

enum { MAX_N = 5000, MAX_PARTS = 128 };

typedef struct record {
    atomic_int touched[MAX_N];
    int64_t begin[MAX_PARTS], end[MAX_PARTS];
    atomic_int parts;
} record;

static void note(void *user, int64_t begin, int64_t end, int worker)
{
    record *r = user;
    r->begin[worker] = begin;
    r->end[worker] = end;
    atomic_fetch_add(&r->parts, 1);
    for (int64_t i = begin; i < end; i++) atomic_fetch_add(&r->touched[i], 1);
}

static void check_loop(int threads, int64_t n, int64_t grain)
{
    static record r;
    memset(&r, 0, sizeof r);
    wg_parallel_for(threads, n, grain, note, &r);
    for (int64_t i = 0; i < MAX_N; i++) assert_int_equal(atomic_load(&r.touched[i]), i < n);
    int parts = atomic_load(&r.parts);
    assert_true(parts <= threads);
    int64_t at = 0;
    for (int i = 0; i < parts; i++) {
        assert_int_equal(r.begin[i], at);
        assert_true(r.end[i] > at);
        if (parts > 1) assert_true(r.end[i] - r.begin[i] >= grain);
        at = r.end[i];
    }
    assert_int_equal(at, n);
    if (n >= grain * threads && threads > 0) assert_int_equal(parts, threads);
}

static void every_element_once(void **state)
{
    (void)state;
    static const int64_t lengths[] = {0, 1, 2, 3, 7, 64, 1000, 4999};
    static const int64_t grains[] = {1, 2, 5, 64, 10000};
    static const int threads[] = {1, 2, 3, 8, 100};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++)
        for (size_t j = 0; j < sizeof grains / sizeof grains[0]; j++)
            for (size_t k = 0; k < sizeof threads / sizeof threads[0]; k++)
                check_loop(threads[k], lengths[i], grains[j]);
    static record r;
    memset(&r, 0, sizeof r);
    wg_parallel_for(4, -5, 1, note, &r);
    assert_int_equal(atomic_load(&r.parts), 0);
    wg_parallel_for(0, 10, 0, note, &r); /* default threads; a grain below 1 is 1 */
    for (int i = 0; i < 10; i++) assert_int_equal(atomic_load(&r.touched[i]), 1);
}

typedef struct nest {
    record inner[3];
    pthread_t outer_thread[3];
    atomic_int strangers; /* parts of an inner loop that ran on another thread than its caller */
} nest;

typedef struct inner_call {
    nest *all;
    record *mine;
    pthread_t caller;
} inner_call;

static void inner_body(void *user, int64_t begin, int64_t end, int worker)
{
    inner_call *c = user;
    if (!pthread_equal(c->caller, pthread_self())) atomic_fetch_add(&c->all->strangers, 1);
    note(c->mine, begin, end, worker);
}

static void outer_body(void *user, int64_t begin, int64_t end, int worker)
{
    (void)worker;
    nest *all = user;
    for (int64_t i = begin; i < end; i++) {
        inner_call c = {all, &all->inner[i], pthread_self()};
        wg_parallel_for(4, 10, 1, inner_body, &c);
    }
}

static void nested_loops_are_serial_with_the_same_split(void **state)
{
    (void)state;
    static nest all;
    memset(&all, 0, sizeof all);
    wg_parallel_for(3, 3, 1, outer_body, &all);
    assert_int_equal(atomic_load(&all.strangers), 0);
    static record flat;
    memset(&flat, 0, sizeof flat);
    wg_parallel_for(4, 10, 1, note, &flat);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(atomic_load(&all.inner[i].parts), 4);
        assert_memory_equal(all.inner[i].begin, flat.begin, sizeof flat.begin);
        assert_memory_equal(all.inner[i].end, flat.end, sizeof flat.end);
    }
}

static void *caller(void *user)
{
    int64_t *sum = user;
    for (int round = 0; round < 50; round++) {
        static _Thread_local record r;
        memset(&r, 0, sizeof r);
        wg_parallel_for(2, 100, 1, note, &r);
        for (int i = 0; i < 100; i++) *sum += atomic_load(&r.touched[i]);
    }
    return NULL;
}

static void several_threads_may_call(void **state)
{
    (void)state;
    pthread_t thread[4];
    int64_t sum[4] = {0};
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, caller, &sum[i]), 0);
    for (int i = 0; i < 4; i++) {
        pthread_join(thread[i], NULL);
        assert_int_equal(sum[i], 5000);
    }
}

static void the_environment_sets_the_threads(void **state)
{
    (void)state;
    const char *before = getenv("WENGERT_THREADS"), *omp = getenv("OMP_NUM_THREADS");
    char *keep = before ? strdup(before) : NULL, *keep_omp = omp ? strdup(omp) : NULL;
    setenv("OMP_NUM_THREADS", "3,2", 1);
    setenv("WENGERT_THREADS", "5", 1);
    assert_int_equal(wg__threads_detect(), 5);
    static const char *const bad[] = {"", "0", "-4", "two", "4x"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        setenv("WENGERT_THREADS", bad[i], 1);
        assert_int_equal(wg__threads_detect(), 3);
    }
    setenv("WENGERT_THREADS", "99999999999999999999", 1);
    assert_int_equal(wg__threads_detect(), WG__MAX_THREADS);
    unsetenv("WENGERT_THREADS");
    unsetenv("OMP_NUM_THREADS");
    assert_in_range(wg__threads_detect(), 1, WG__MAX_THREADS);
    if (keep) setenv("WENGERT_THREADS", keep, 1);
    if (keep_omp) setenv("OMP_NUM_THREADS", keep_omp, 1);
    free(keep);
    free(keep_omp);
    assert_true(wg_default_threads() >= 1);
    assert_int_equal(wg_default_threads(), wg_default_threads());
}

static void quotas_are_whole_cpus(void **state)
{
    (void)state;
    assert_int_equal(wg__threads_of_quota("max 100000"), 0);
    assert_int_equal(wg__threads_of_quota("200000 100000"), 2);
    assert_int_equal(wg__threads_of_quota("250000 100000"), 2);
    assert_int_equal(wg__threads_of_quota("50000 100000"), 1);
    assert_int_equal(wg__threads_of_quota("-1 100000"), 0);
    assert_int_equal(wg__threads_of_quota("100000 0"), 0);
    assert_int_equal(wg__threads_of_quota(""), 0);
}

static void instruction_sets_can_be_forced(void **state)
{
    (void)state;
    const char *before = getenv("WENGERT_ISA");
    char *keep = before ? strdup(before) : NULL;
    unsetenv("WENGERT_ISA");
    wg_isa best = wg_isa_best();
    assert_in_range(best, WG_ISA_BASE, WG_ISA_AVX512);
    for (int isa = 0; isa < WG_ISAS; isa++) {
        setenv("WENGERT_ISA", wg_isa_name((wg_isa)isa), 1);
        assert_int_equal(wg_isa_best(), isa <= (int)best ? isa : (int)best);
    }
    setenv("WENGERT_ISA", "sse9", 1);
    assert_int_equal(wg_isa_best(), best);
    assert_string_equal(wg_isa_name(WG_ISA_AVX2), "avx2");
    assert_string_equal(wg_isa_name((wg_isa)50), "?");
    if (keep)
        setenv("WENGERT_ISA", keep, 1);
    else
        unsetenv("WENGERT_ISA");
    free(keep);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_element_once),
        cmocka_unit_test(nested_loops_are_serial_with_the_same_split),
        cmocka_unit_test(several_threads_may_call),
        cmocka_unit_test(the_environment_sets_the_threads),
        cmocka_unit_test(quotas_are_whole_cpus),
        cmocka_unit_test(instruction_sets_can_be_forced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
