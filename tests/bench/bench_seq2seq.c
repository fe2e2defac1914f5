/* wengert-bench seq2seq: one training step of an attentional LSTM translator.
 *
 * The peer's model (torch_seq2seq.py): bidirectional encoder of 256 units a direction, decoder of
 * 512, Luong's general attention without input feeding, embeddings of 256, 8000 words on both
 * sides, 64 rows of 14 source and 14 target words; forward, backward, clipping by norm 1, Adam.
 *
 * --lengths: input feeding, and rows of different lengths, counted in words that are not padding.
 * Source lengths are 5.8 + 2.37 times a gamma variable of shape 3, rounded, which has the
 * percentiles of Multi30k's English captions, words and punctuation (1 %: 7, 5 %: 8, 25 %: 10,
 * 50 %: 12, 75 %: 15, 95 %: 21, 99 %: 26); the target's is 4 fewer to 3 more, uniform, as German
 * ones are (mean -0.5, standard deviation 2.2). Batches are of 64 of similar length, out of 1024
 * that are sorted by target length, then source length, as the tool sorts by default (`--batching
 * target-source`); a measurement is a pass over every fourth of the sixteen. --print-lengths prints
 * the lengths of these batches for the peer, torch_seq2seq_lengths.py, and measures nothing. */
#include "bench_translator.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <wengert/memory.h>
#include <wengert/rng.h>

enum { MOST_WORDS = 40, POOL = 16, BATCHES = BENCH_TRANSLATOR_BATCHES, EVERY = POOL / BATCHES };

void bench_translator_drop(bench_translator *m)
{
    wg_trainer_free(m->trainer);
    wg_optimizer_free(m->optimizer);
    wg_seq2seq_free(m->model);
    wg_params_free(m->params);
    wg_free(m->ids);
    wg_free(m->lengths);
}

/* The sum of three exponentials is a gamma variable of shape 3. */
static int32_t draw_length(wg_rng *rng)
{
    double sum = 0;
    for (int i = 0; i < 3; i++) sum -= log(1 - wg_rng_uniform(rng));
    double words = 5.8 + 2.37 * sum;
    return words > MOST_WORDS - 4 ? MOST_WORDS - 4 : (int32_t)lround(words);
}

typedef struct pair {
    int32_t source, target;
} pair;

static int by_length(const void *a, const void *b)
{
    const pair *x = a, *y = b;
    if (x->target != y->target) return x->target < y->target ? -1 : 1;
    return (x->source > y->source) - (x->source < y->source);
}

static wg_status make_batches(bench_translator *m, bool real, wg_error *err)
{
    const int64_t B = m->k.B, most = real ? MOST_WORDS : m->k.S;
    const int n = real ? BATCHES : 1;
    m->ids = wg_malloc((size_t)(3 * most * B) * sizeof *m->ids);
    m->lengths = wg_malloc((size_t)(2 * n * B) * sizeof *m->lengths);
    const int64_t pool = real ? POOL * B : 0;
    pair *sentence = wg_malloc((size_t)(pool + 1) * sizeof *sentence);
    if (!m->ids || !m->lengths || !sentence) {
        wg_free(sentence);
        return wg_error_set(err, WG_ENOMEM, "no memory for batches");
    }
    wg_rng rng;
    wg_rng_init(&rng, 0, "bench");
    for (int64_t i = 0; i < 3 * most * B; i++)
        m->ids[i] = (int32_t)wg_rng_below(&rng, (uint32_t)m->k.V);
    for (int64_t i = 0; i < pool; i++) {
        sentence[i].source = draw_length(&rng);
        sentence[i].target = sentence[i].source + (int32_t)wg_rng_below(&rng, 8) - 4;
    }
    qsort(sentence, (size_t)pool, sizeof *sentence, by_length);
    for (int i = 0; i < n; i++) {
        int32_t *source = m->lengths + 2 * i * B, *target = source + B;
        int64_t S = real ? 0 : m->k.S, T = S;
        for (int64_t b = 0; b < B && real; b++) {
            const pair *from = &sentence[(i * EVERY + EVERY / 2) * B + b];
            source[b] = from->source;
            target[b] = from->target;
            if (source[b] > S) S = source[b];
            if (target[b] > T) T = target[b];
            m->words += target[b];
        }
        if (!real) m->words += (double)(B * T);
        m->all += (double)(B * T);
        m->batch[i] = (wg_trainer_batch){.size = sizeof(wg_trainer_batch),
                                         .source_steps = S,
                                         .target_steps = T,
                                         .rows = B,
                                         .source = m->ids,
                                         .source_lengths = real ? source : NULL,
                                         .target_in = m->ids + most * B,
                                         .target_out = m->ids + 2 * most * B,
                                         .target_lengths = real ? target : NULL};
    }
    m->n_batches = n;
    wg_free(sentence);
    return WG_OK;
}

wg_status bench_translator_make(bench_translator *m, const bench_options *o, wg_error *err)
{
    const bench_sizes full = {8000, 256, 512, 64, 14}, tiny = {19, 4, 6, 3, 5};
    *m = (bench_translator){.k = o->tiny ? tiny : full};
    const wg_seq2seq_config config = {.size = sizeof config,
                                      .source_vocab = m->k.V,
                                      .target_vocab = m->k.V,
                                      .embed = m->k.E,
                                      .hidden = m->k.H,
                                      .bidirectional = true,
                                      .input_feeding = o->lengths,
                                      .attention = WG_ATTENTION_GENERAL};
    wg_optimizer_options how = WG_OPTIMIZER_OPTIONS_INIT;
    how.clip_norm = 1;
    how.threads = o->threads;
    wg_trainer_options options = {.size = sizeof options, .threads = o->threads};
    wg_status status = make_batches(m, o->lengths, err);
    if (!status) status = wg_params_new(WG_F32, &m->params, err);
    if (!status) status = wg_seq2seq_new(m->params, &config, &m->model, err);
    if (!status) status = wg_params_init(m->params, 1, err);
    if (!status) status = wg_optimizer_new(m->params, &how, &m->optimizer, err);
    if (!status)
        status = wg_trainer_new(m->model, m->params, m->optimizer, &options, &m->trainer, err);
    return status;
}

wg_status bench_translator_pass(void *user, wg_error *err)
{
    bench_translator *m = user;
    wg_status status = WG_OK;
    for (int i = 0; i < m->n_batches && !status; i++)
        status = wg_trainer_step(m->trainer, &m->batch[i], 1e-3, &m->result, err);
    return status;
}

static wg_status print_lengths(const bench_translator *m, wg_error *err)
{
    cJSON *line = cJSON_CreateObject(), *batches = cJSON_AddArrayToObject(line, "batches");
    for (int i = 0; i < m->n_batches; i++) {
        const wg_trainer_batch *from = &m->batch[i];
        const int rows = (int)from->rows;
        cJSON *to = cJSON_CreateObject();
        cJSON_AddItemToObject(to, "source", cJSON_CreateIntArray(from->source_lengths, rows));
        cJSON_AddItemToObject(to, "target", cJSON_CreateIntArray(from->target_lengths, rows));
        cJSON_AddItemToArray(batches, to);
    }
    return bench_print(line, err);
}

wg_status bench_seq2seq(const bench_options *o, wg_error *err)
{
    bench_translator m;
    if (o->print_lengths) {
        if (!o->lengths) return wg_error_set(err, WG_EINVAL, "--print-lengths goes with --lengths");
        wg_status made = bench_translator_make(&m, o, err);
        if (!made) made = print_lengths(&m, err);
        bench_translator_drop(&m);
        return made;
    }
    double seconds, began = bench_seconds();
    wg_status status = bench_translator_make(&m, o, err);
    if (!status) status = bench_translator_pass(&m, err);
    double first = bench_seconds() - began;
    if (!status) status = bench_time(o->steps, bench_translator_pass, &m, &seconds, err);
    if (!status) {
        wg_program_stats stats = {.size = sizeof stats};
        wg_trainer_program_stats(m.trainer, &stats);
        cJSON *line =
            bench_line(NULL, o->lengths ? "seq2seq-lengths" : "seq2seq-attention", o->threads);
        bench_number(line, "ms", seconds / m.n_batches * 1e3, 2);
        bench_number(line, "target_tokens_per_s", m.words / seconds, 0);
        if (o->lengths) bench_number(line, "padding", 1 - m.words / m.all, 4);
        cJSON_AddNumberToObject(line, "steps", o->steps);
        bench_number(line, "first_step_ms", first * 1e3, 1);
        bench_number(line, "loss", m.result.loss / m.result.count, 4);
        cJSON_AddNumberToObject(line, "products", (double)stats.products_a_run);
        cJSON_AddNumberToObject(line, "kernels", (double)stats.kernels_a_run);
        cJSON_AddNumberToObject(line, "instructions", (double)stats.instructions);
        bench_number(line, "planned_mb", (double)stats.bytes_planned * 1e-6, 1);
        bench_number(line, "compile_ms", (double)stats.compile_ns * 1e-6, 2);
        status = bench_print(line, err);
    }
    bench_translator_drop(&m);
    return status;
}
