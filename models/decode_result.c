/* Results of decoding: hypotheses traced back through the history of the search, packed. */
#include "decode_internal.h"

#include <string.h>

/* What the public struct points into. */
typedef struct packed {
    wg_decode_result result;
    wg_decoded *sentences;
    wg_hypothesis *hypotheses;
    int32_t *words;
    float *weights;
} packed;

void wg_decode_result_free(wg_decode_result *result)
{
    if (!result) return;
    packed *p = (packed *)result; /* result is its first member */
    wg_free(p->sentences);
    wg_free(p->hypotheses);
    wg_free(p->words);
    wg_free(p->weights);
    wg_free(p);
}

int64_t wg_hypothesis_source(const wg_hypothesis *h, int64_t source_steps, int64_t i)
{
    if (!h || !h->weights || i < 0 || i > h->length || source_steps < 1) return -1;
    const float *row = h->weights + i * source_steps;
    int64_t best = 0;
    for (int64_t s = 1; s < source_steps; s++)
        if (row[s] > row[best]) best = s;
    return best;
}

static int returned(const wg__search *s, int64_t b)
{
    int most = s->decoder->options.n_best;
    return s->sentence[b].finished < most ? s->sentence[b].finished : most;
}

/* Follows a finished hypothesis back to the start. */
static void trace(const wg__search *s, int64_t b, const wg__finished *f, int64_t steps,
                  int32_t *words, float *weights)
{
    const wg__decode_shape *p = s->shape;
    int64_t first = b * s->beam, row = f->row;
    for (int64_t t = f->step; t >= 0; t--) {
        if (t < f->step) {
            words[t] = s->words[t * p->rows + first + row];
            row = s->parents[t * p->rows + first + row];
        }
        if (weights)
            memcpy(weights + t * steps, s->weights + (t * p->rows + first + row) * p->s,
                   (size_t)steps * sizeof *weights);
    }
}

wg_status wg__decode_pack(const wg__search *s, int64_t steps, wg_decode_result **out, wg_error *err)
{
    size_t n = 0, words = 0, weights = 0;
    for (int64_t b = 0; b < s->shape->b; b++)
        for (int i = 0; i < returned(s, b); i++) {
            n++;
            words += (size_t)s->finished[b * s->beam + i].step;
        }
    packed *p = wg_calloc(1, sizeof *p);
    if (!p) return wg_error_set(err, WG_ENOMEM, "decoder: out of memory");
    p->sentences = wg_calloc((size_t)s->shape->b, sizeof *p->sentences);
    p->hypotheses = wg_calloc(n, sizeof *p->hypotheses);
    p->words = wg_calloc(words, sizeof *p->words);
    bool fits = wg_mul_size(words + n, (size_t)steps, &weights);
    if (s->keep_weights && fits) p->weights = wg_calloc(weights, sizeof *p->weights);
    if (!p->sentences || !p->hypotheses || !p->words || (s->keep_weights && !p->weights)) {
        wg_decode_result_free(&p->result);
        return wg_error_set(err, WG_ENOMEM, "decoder: out of memory");
    }
    wg_hypothesis *h = p->hypotheses;
    int32_t *word = p->words;
    float *weight = p->weights;
    for (int64_t b = 0; b < s->shape->b; b++) {
        p->sentences[b] = (wg_decoded){.hypotheses = h, .count = returned(s, b)};
        for (int i = 0; i < p->sentences[b].count; i++) {
            const wg__finished *f = &s->finished[b * s->beam + i];
            trace(s, b, f, steps, word, weight);
            *h++ = (wg_hypothesis){.words = word,
                                   .length = f->step,
                                   .score = f->score,
                                   .log_prob = f->log_prob,
                                   .weights = weight};
            word += f->step;
            if (weight) weight += (f->step + 1) * steps;
        }
    }
    p->result = (wg_decode_result){.size = sizeof p->result,
                                   .sentences = p->sentences,
                                   .count = s->shape->b,
                                   .source_steps = steps,
                                   .steps = s->t};
    *out = &p->result;
    return WG_OK;
}
