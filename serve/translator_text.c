/* From sentences to translations: sorted by length into batches, decoded, put back into order, and
 * hypotheses turned into text. */
#include "translator_private.h"

#include <string.h>

#include <wengert/batch.h>
#include <wengert/memory.h>
#include <wengert/tokenize.h>

static wg_status no_memory(wg_error *err)
{
    return wg_error_set(err, WG_ENOMEM, "translator: out of memory");
}

/* One hypothesis, and the words that it translates. */
typedef struct subject {
    const wg_translator_model *model;
    const wg_translator_options *options;
    const wg_hypothesis *h;
    int64_t source_steps;
    char *const *word;
    int64_t words;
} subject;

/* What stands at place t: the word, or for an unknown one that of the source it looks at most. */
static const char *word_at(const subject *s, int64_t t)
{
    if (s->h->words[t] == WG_UNK && s->options->replace_unk) {
        int64_t from = wg_hypothesis_source(s->h, s->source_steps, t);
        if (from >= 0 && from < s->words) return s->word[from];
    }
    return wg_vocab_word(s->model->vocab[1], s->h->words[t]);
}

static wg_status join_words(const subject *s, char **text, wg_error *err)
{
    size_t size = 1;
    for (int64_t t = 0; t < s->h->length; t++) size += strlen(word_at(s, t)) + 1;
    char *to = *text = wg_malloc(size);
    if (!to) return no_memory(err);
    for (int64_t t = 0; t < s->h->length; t++) {
        const char *word = word_at(s, t);
        size_t n = strlen(word);
        if (t) *to++ = ' ';
        memcpy(to, word, n);
        to += n;
    }
    *to = '\0';
    return WG_OK;
}

static wg_status make_text(const subject *s, char **out, wg_error *err)
{
    const wg_translator_model *m = s->model;
    char *text = NULL;
    wg_status status = join_words(s, &text, err);
    if (!status && m->subwords) {
        char *pieces = text;
        status = wg_subwords_undo(pieces, strlen(pieces), &text, err);
        wg_free(pieces);
    }
    if (!status && m->raw.used) {
        const wg_tokenize_options how = {
            .size = sizeof how, .language = m->raw.language[1], .escape = m->raw.escape};
        char *words = text;
        status = wg_detokenize(words, strlen(words), &how, &text, err);
        wg_free(words);
    }
    *out = text;
    return status;
}

static wg_status copy_words(char ***out, int64_t n, const subject *s, bool target, wg_error *err)
{
    char **list = *out = wg_calloc((size_t)n, sizeof *list);
    for (int64_t i = 0; list && i < n; i++) {
        const char *word = i == n - 1 ? "</s>" : target ? word_at(s, i) : s->word[i];
        list[i] = wg_strdup(word);
        if (!list[i]) return no_memory(err);
    }
    return list ? WG_OK : no_memory(err);
}

static wg_status make_alignment(const subject *s, wg_translation *to, wg_error *err)
{
    int64_t rows = to->target_pieces = s->h->length + 1;
    int64_t columns = to->source_pieces = s->words + 1;
    size_t cells;
    if (!wg_mul_size((size_t)rows, (size_t)columns, &cells)) return no_memory(err);
    to->weights = wg_reallocarray(NULL, cells, sizeof *to->weights);
    if (!to->weights) return no_memory(err);
    for (int64_t t = 0; t < rows; t++)
        memcpy(to->weights + t * columns, s->h->weights + t * s->source_steps,
               (size_t)columns * sizeof *to->weights);
    wg_status status = copy_words(&to->target, rows, s, true, err);
    return status ? status : copy_words(&to->source, columns, s, false, err);
}

static wg_status take_line(const wg_translator_model *model, const wg_translator_options *options,
                           const wg_decoded *decoded, int64_t source_steps, char *const *word,
                           int64_t words, wg_translated_line *line, wg_error *err)
{
    wg_status status = WG_OK;
    line->best = wg_calloc((size_t)decoded->count + 1, sizeof *line->best);
    if (!line->best) return no_memory(err);
    line->count = decoded->count;
    for (int k = 0; k < decoded->count && !status; k++) {
        const wg_hypothesis *h = &decoded->hypotheses[k];
        const subject s = {model, options, h, source_steps, word, words};
        line->best[k].score = h->score;
        status = make_text(&s, &line->best[k].text, err);
        if (!status && options->want_alignment && h->weights)
            status = make_alignment(&s, &line->best[k], err);
    }
    return status;
}

static wg_status decode_batch(const wg_translator_model *model, wg__worker *worker,
                              const wg_sentences *sentences, const wg_pairs *pairs,
                              const wg_batch *batch, wg_translated *result, wg_error *err)
{
    wg_decode_result *decoded = NULL;
    wg_status status =
        wg_decoder_run(worker->decoder, wg_tensor_cdata(batch->src_ids),
                       wg_tensor_cdata(batch->src_len), batch->S, batch->B, &decoded, err);
    for (int64_t k = 0; k < batch->B && !status; k++) {
        int64_t i = pairs->line[batch->index[k]];
        status = take_line(model, &worker->options, &decoded->sentences[k], decoded->source_steps,
                           sentences->word + sentences->start[i],
                           sentences->start[i + 1] - sentences->start[i], &result->line[i], err);
    }
    wg_decode_result_free(decoded);
    return status;
}

wg_status wg__translate_sentences(const wg_translator_model *model, wg__worker *worker,
                                  const wg_sentences *sentences, wg_translated *result,
                                  wg_error *err)
{
    wg_pairs *pairs = NULL;
    wg_batcher *batcher = NULL;
    const wg_batch_options options = {.size = sizeof options,
                                      .order = WG_BATCH_SRC,
                                      .batch_size = worker->options.batch,
                                      .source_eos = true};
    wg_status status = wg_sentences_pairs(sentences, model->vocab[0], &pairs, err);
    if (!status && pairs->n > 0) status = wg_batcher_new(pairs, &options, &batcher, err);
    for (int64_t left = batcher ? wg_batcher_count(batcher) : 0; left > 0 && !status; left--) {
        wg_batch *batch = NULL;
        status = wg_batcher_next(batcher, &batch, err);
        if (!status) status = decode_batch(model, worker, sentences, pairs, batch, result, err);
        wg_batch_free(batch);
    }
    wg_batcher_free(batcher);
    wg_pairs_free(pairs);
    return status;
}
