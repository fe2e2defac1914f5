/* The translator that is trained by bench_seq2seq.c, for other commands as well. */
#ifndef WENGERT_TESTS_BENCH_TRANSLATOR_H
#define WENGERT_TESTS_BENCH_TRANSLATOR_H

#include "bench.h"

#include <wengert/trainer.h>

#define BENCH_TRANSLATOR_BATCHES 4

typedef struct bench_sizes {
    int64_t V, E, H, B, S;
} bench_sizes;

typedef struct bench_translator {
    bench_sizes k;
    wg_params *params;
    wg_seq2seq *model;
    wg_optimizer *optimizer;
    wg_trainer *trainer;
    wg_trainer_batch batch[BENCH_TRANSLATOR_BATCHES];
    int n_batches;
    int32_t *ids;     /* three of [most words,B], for every batch the same words */
    int32_t *lengths; /* [2][sentences] */
    double words;     /* target words a pass */
    double all;       /* with padding */
    wg_trainer_result result;
} bench_translator;

/* Of the peer's sizes, or tiny; whatever it returns, drop it. */
wg_status bench_translator_make(bench_translator *m, const bench_options *o, wg_error *err);
void bench_translator_drop(bench_translator *m);
/* One step, or one over each of the batches. `user` is the translator. */
wg_status bench_translator_pass(void *user, wg_error *err);

#endif
