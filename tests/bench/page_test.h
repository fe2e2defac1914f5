/* What the tests of the pages share that show the compiler at work: their example, as compiled for
 * AVX2. */
#ifndef WENGERT_TESTS_PAGE_TEST_H
#define WENGERT_TESTS_PAGE_TEST_H

#include "support.h"

#include <stdio.h>
#include <string.h>

#include <wengert/parallel.h>

#include "bench_model.h"

static inline bool has_avx2(void)
{
    return wg_isa_best() >= WG_ISA_AVX2;
}

/* The step of one layer of charlm. Counts do not depend on H, which is a small one where the
 * program runs. */
static inline wg_program_stats stats_of(const char *cell, int64_t H, bool run, wg_compile_options o)
{
    const bench_config config = {"charlm", 65, H, 1, 50, 50};
    const bench_options options = {.threads = 1, .steps = 1};
    wg_program_stats stats = {.size = sizeof stats};
    wg_error err;
    bench_model m;
    wg_var out[64];
    wg_program *p;
    WGT_OK(bench_model_new(&config, cell, &options, &m, &err), &err);
    int n = bench_model_record(&m, out, 64);
    o.size = sizeof o;
    o.threads = 1;
    o.isa = WG_ISA_AVX2 + 1;
    WGT_OK(wg_compile(out, n, &o, &p, &err), &err);
    if (run) WGT_OK(wg_program_run(p, &err), &err);
    wg_program_get_stats(p, &stats);
    wg_program_free(p);
    bench_model_free(&m);
    return stats;
}

#endif
