/* What the tests of the trainer share: a task, and a model that learns it. */
#ifndef WENGERT_TESTS_TRAINER_TEST_H
#define WENGERT_TESTS_TRAINER_TEST_H

#include "models_test.h"

#include <wengert/decode.h>
#include <wengert/trainer.h>

enum { V = 9, START = 1, END = 2, ROWS = 16, MOST = 4 };

/* Minibatches of a task: the target is the source reversed. */
typedef struct minibatch {
    int32_t source[MOST * ROWS], in[(MOST + 1) * ROWS], out[(MOST + 1) * ROWS];
    int32_t source_lengths[ROWS], target_lengths[ROWS];
    wg_trainer_batch batch;
} minibatch;

static inline void draw(minibatch *m, int seed, int rows)
{
    wg_rng rng;
    wg_rng_init(&rng, (uint64_t)seed, "reverse");
    memset(m, 0, sizeof *m);
    for (int b = 0; b < rows; b++) {
        int n = b == 0 ? MOST : 1 + (int)wg_rng_below(&rng, MOST);
        m->source_lengths[b] = n;
        m->target_lengths[b] = n + 1;
        m->in[b] = START;
        m->out[n * rows + b] = END;
        for (int t = 0; t < n; t++) {
            int32_t word = 3 + (int32_t)wg_rng_below(&rng, V - 3);
            m->source[t * rows + b] = word;
            m->in[(n - t) * rows + b] = word;
            m->out[(n - t - 1) * rows + b] = word;
        }
    }
    m->batch = (wg_trainer_batch){.size = sizeof m->batch,
                                  .source_steps = MOST,
                                  .target_steps = MOST + 1,
                                  .rows = rows,
                                  .source = m->source,
                                  .source_lengths = m->source_lengths,
                                  .target_in = m->in,
                                  .target_out = m->out,
                                  .target_lengths = m->target_lengths};
}

typedef struct fixture {
    wg_params *params;
    wg_seq2seq *model;
    wg_optimizer *optimizer;
    wg_trainer *trainer;
} fixture;

static inline wg_status make(fixture *f, double dropout, const wg_optimizer_options *optimizer,
                             const wg_trainer_options *trainer, wg_error *err)
{
    wg_seq2seq_config config = {.size = sizeof config,
                                .source_vocab = V,
                                .target_vocab = V,
                                .embed = 12,
                                .hidden = 24,
                                .bidirectional = true,
                                .attention = WG_ATTENTION_GENERAL,
                                .dropout = dropout};
    *f = (fixture){.params = NULL};
    wg_status status = wg_params_new(WG_F32, &f->params, err);
    if (!status) status = wg_seq2seq_new(f->params, &config, &f->model, err);
    if (!status) status = wg_params_init(f->params, 4, err);
    if (!status) status = wg_optimizer_new(f->params, optimizer, &f->optimizer, err);
    if (!status)
        status = wg_trainer_new(f->model, f->params, f->optimizer, trainer, &f->trainer, err);
    return status;
}

static inline void drop(fixture *f)
{
    wg_trainer_free(f->trainer);
    wg_optimizer_free(f->optimizer);
    wg_seq2seq_free(f->model);
    if (f->params) wg_params_free(f->params);
}

static inline fixture made(double dropout, const wg_trainer_options *options)
{
    fixture f;
    wg_error err = {WG_OK, ""};
    wg_optimizer_options adam = WG_OPTIMIZER_OPTIONS_INIT;
    adam.clip_norm = 1;
    WGT_OK(make(&f, dropout, &adam, options, &err), &err);
    return f;
}

static inline wg_trainer_result step(fixture *f, const minibatch *m)
{
    wg_error err = {WG_OK, ""};
    wg_trainer_result r;
    WGT_OK(wg_trainer_step(f->trainer, &m->batch, 0.01, &r, &err), &err);
    return r;
}

#endif
