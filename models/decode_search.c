/* Beam search on the host over the decoder step's log-probabilities. Sentences are searched side by
 * side on several threads; none looks at another, so the threads do not matter. */
#include "decode_internal.h"

#include <wengert/parallel.h>

#include <math.h>
#include <string.h>

static wg_status no_memory(wg_error *err)
{
    return wg_error_set(err, WG_ENOMEM, "decoder: out of memory");
}

static int64_t length_limit(const wg_decoder_options *o, int32_t source)
{
    int64_t limit = o->max_length;
    if (o->max_ratio > 0) {
        double most = o->max_ratio * source + (double)o->max_extra;
        if (most < (double)limit) limit = (int64_t)most;
    }
    return limit;
}

static wg_status set_up(wg__search *s, const int32_t *lengths, wg_error *err)
{
    size_t b = (size_t)s->shape->b, rows = (size_t)s->shape->rows;
    s->sentence = wg_calloc(b, sizeof *s->sentence);
    s->log_prob = wg_calloc(rows, sizeof *s->log_prob);
    s->next_log_prob = wg_calloc(rows, sizeof *s->next_log_prob);
    s->candidates = wg_calloc(2 * rows, sizeof *s->candidates);
    s->finished = wg_calloc(rows, sizeof *s->finished);
    if (!s->sentence || !s->log_prob || !s->next_log_prob || !s->candidates || !s->finished)
        return no_memory(err);
    for (size_t i = 0; i < b; i++)
        s->sentence[i] =
            (wg__search_row){.limit = length_limit(&s->decoder->options, lengths[i]), .live = 1};
    return WG_OK;
}

void wg__search_free(wg__search *s)
{
    wg_free(s->sentence);
    wg_free(s->log_prob);
    wg_free(s->next_log_prob);
    wg_free(s->candidates);
    wg_free(s->finished);
    wg_free(s->words);
    wg_free(s->parents);
    wg_free(s->weights);
}

/* Room in the history for one more step. */
static wg_status grow(wg__search *s, wg_error *err)
{
    if (s->t < s->room) return WG_OK;
    size_t room = s->room ? 2 * (size_t)s->room : 32, cells, weights;
    if (!wg_mul_size(room, (size_t)s->shape->rows, &cells) ||
        !wg_mul_size(cells, (size_t)s->shape->s, &weights))
        return no_memory(err);
    int32_t *words = wg_reallocarray(s->words, cells, sizeof *words);
    if (words) s->words = words;
    int32_t *parents = wg_reallocarray(s->parents, cells, sizeof *parents);
    if (parents) s->parents = parents;
    if (!words || !parents) return no_memory(err);
    if (s->keep_weights) {
        float *w = wg_reallocarray(s->weights, weights, sizeof *w);
        if (!w) return no_memory(err);
        s->weights = w;
    }
    s->room = (int64_t)room;
    return WG_OK;
}

static void keep_weights(wg__search *s)
{
    if (!s->keep_weights) return;
    int64_t n = wg_tensor_count(s->shape->weights);
    float *to = s->weights + s->t * n;
    if (wg_tensor_dtype(s->shape->weights) == WG_F32) {
        memcpy(to, wg_tensor_cdata(s->shape->weights), (size_t)n * sizeof *to);
        return;
    }
    const double *from = wg_tensor_cdata(s->shape->weights);
    for (int64_t i = 0; i < n; i++) to[i] = (float)from[i];
}

/* ---- the best extensions ---- */

/* The best so far, best first; equal ones in the order in which they came. */
typedef struct best {
    wg__candidate *list;
    int n, most;
} best;

static void insert(best *b, wg__candidate c)
{
    int at = b->n < b->most ? b->n++ : b->most - 1;
    for (; at > 0 && b->list[at - 1].log_prob < c.log_prob; at--) b->list[at] = b->list[at - 1];
    b->list[at] = c;
}

/* What an extension must be better than. */
static double threshold(const best *b)
{
    return b->n < b->most ? -INFINITY : b->list[b->most - 1].log_prob;
}

static bool banned(const wg_decoder_options *o, int32_t word)
{
    for (int i = 0; i < o->n_banned; i++)
        if (o->banned[i] == word) return true;
    return false;
}

/* All words but the end symbol after one hypothesis; false for a NaN. The loop over the vocabulary
 * compares and does little else. */
#define EXTEND(name, T)                                                                           \
    static bool name(const wg_decoder_options *o, const T *log_probs, int64_t vocab, double base, \
                     int hypothesis, bool end, best *b)                                           \
    {                                                                                             \
        bool ok = true;                                                                           \
        double above = threshold(b);                                                              \
        for (int64_t v = 0; v < vocab; v++) {                                                     \
            double log_prob = base + (double)log_probs[v];                                        \
            if (!(log_prob > above)) {                                                            \
                ok &= log_prob <= above;                                                          \
                continue;                                                                         \
            }                                                                                     \
            if (v == o->end_id ? !end : banned(o, (int32_t)v)) continue;                          \
            insert(b, (wg__candidate){log_prob, hypothesis, (int32_t)v});                         \
            above = threshold(b);                                                                 \
        }                                                                                         \
        return ok;                                                                                \
    }
EXTEND(extend_f32, float)
EXTEND(extend_f64, double)

static bool extend(const wg__search *s, int64_t row, int hypothesis, bool end, bool only_end,
                   best *b)
{
    const wg_decoder_options *o = &s->decoder->options;
    const wg_tensor *log_probs = s->shape->log_probs;
    int64_t vocab = wg_tensor_count(log_probs) / s->shape->rows, at = row * vocab;
    double base = s->log_prob[row];
    if (only_end) {
        double log_prob = base + wg_tensor_get(log_probs, at + o->end_id);
        if (log_prob > threshold(b)) insert(b, (wg__candidate){log_prob, hypothesis, o->end_id});
        return log_prob == log_prob;
    }
    if (wg_tensor_dtype(log_probs) == WG_F64)
        return extend_f64(o, (const double *)wg_tensor_cdata(log_probs) + at, vocab, base,
                          hypothesis, end, b);
    return extend_f32(o, (const float *)wg_tensor_cdata(log_probs) + at, vocab, base, hypothesis,
                      end, b);
}

/* ---- a step of one sentence ---- */

static double score(const wg_decoder_options *o, double log_prob, int64_t words)
{
    return log_prob / wg_length_penalty(o->norm, o->alpha, words + 1);
}

/* Into the finished ones, best score first; the worst leaves when there are too many. */
static void finish(const wg__search *s, int64_t b, wg__finished f)
{
    wg__search_row *row = &s->sentence[b];
    wg__finished *list = s->finished + b * s->beam;
    if (row->finished == s->beam && !(f.score > list[s->beam - 1].score)) return;
    int at = row->finished < s->beam ? row->finished++ : s->beam - 1;
    for (; at > 0 && list[at - 1].score < f.score; at--) list[at] = list[at - 1];
    list[at] = f;
}

/* Can no live hypothesis come before the worst finished one any more? Log-probabilities only fall,
 * and no penalty is above that of the longest. */
static bool decided(const wg__search *s, int64_t b, double best_log_prob)
{
    const wg_decoder_options *o = &s->decoder->options;
    const wg__search_row *row = &s->sentence[b];
    if (row->finished < s->beam) return false;
    if (o->early_stop) return true;
    return score(o, best_log_prob, row->limit) <= s->finished[b * s->beam + s->beam - 1].score;
}

static void step_sentence(wg__search *s, int64_t b)
{
    const wg_decoder_options *o = &s->decoder->options;
    wg__search_row *row = &s->sentence[b];
    int64_t first = b * s->beam, history = s->t * s->shape->rows + first;
    int32_t *words = s->words + history, *parents = s->parents + history;
    for (int i = 0; i < s->beam; i++) {
        words[i] = o->start_id; /* rows that nothing looks at need some word */
        parents[i] = i;
    }
    if (row->done) return;
    bool only_end = s->t >= row->limit, end = only_end || s->t >= o->min_length;
    best b_list = {.list = s->candidates + 2 * first, .most = 2 * s->beam};
    for (int i = 0; i < row->live; i++)
        if (!extend(s, first + i, i, end, only_end, &b_list)) row->is_nan = true;
    int live = 0;
    for (int i = 0; i < b_list.n; i++) {
        wg__candidate c = b_list.list[i];
        if (c.word == o->end_id) {
            if (i < s->beam)
                finish(s, b,
                       (wg__finished){score(o, c.log_prob, s->t), c.log_prob, s->t, c.hypothesis});
        } else if (live < s->beam) {
            s->next_log_prob[first + live] = c.log_prob;
            words[live] = c.word;
            parents[live] = c.hypothesis;
            live++;
        }
    }
    row->live = live;
    memcpy(s->log_prob + first, s->next_log_prob + first, (size_t)live * sizeof *s->log_prob);
    row->done = row->is_nan || live == 0 || decided(s, b, s->log_prob[first]);
}

/* ---- all sentences ---- */

static void step_range(void *user, int64_t begin, int64_t end, int worker)
{
    (void)worker;
    for (int64_t b = begin; b < end; b++) step_sentence(user, b);
}

/* The hypotheses that live on take their parents' rows of a tensor. */
static void gather(const wg__search *s, const wg_tensor *from, wg_tensor *to)
{
    size_t bytes = wg_tensor_bytes(to) / (size_t)s->shape->rows;
    const int32_t *parents = s->parents + s->t * s->shape->rows;
    for (int64_t b = 0; b < s->shape->b; b++) {
        if (s->sentence[b].done) continue;
        int64_t first = b * s->beam;
        for (int i = 0; i < s->sentence[b].live; i++)
            memcpy((char *)wg_tensor_data(to) + (size_t)(first + i) * bytes,
                   (const char *)wg_tensor_cdata(from) +
                       (size_t)(first + parents[first + i]) * bytes,
                   bytes);
    }
}

wg_status wg__search_run(wg__search *s, const int32_t *lengths, wg_error *err)
{
    wg__decode_shape *p = s->shape;
    wg_status status = set_up(s, lengths, err);
    bool busy = true;
    for (s->t = 0; busy && !status; s->t++) {
        status = grow(s, err);
        if (!status) status = wg_program_run(p->step, err);
        if (status) break;
        keep_weights(s);
        wg_parallel_for(s->decoder->options.threads, p->b, 1, step_range, s);
        busy = false;
        for (int64_t b = 0; b < p->b; b++) {
            if (s->sentence[b].is_nan)
                return wg_error_set(err, WG_ENUMERIC,
                                    "decoder: a log-probability of sentence %lld is not a number "
                                    "at step %lld",
                                    (long long)b, (long long)s->t);
            busy = busy || !s->sentence[b].done;
        }
        memcpy(wg_tensor_data(p->word), s->words + s->t * p->rows, wg_tensor_bytes(p->word));
        if (p->feed) gather(s, p->next_feed, p->feed);
        for (int i = 0; i < wg_seq2seq_state_count(s->decoder->model); i++)
            gather(s, p->next_state[i], p->state[i]);
    }
    return status;
}
