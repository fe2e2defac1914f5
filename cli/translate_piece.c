/* One piece of text: sorted by length into batches, decoded, put back into order, written. */
#include "translate_run.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <wengert/atomicfile.h>
#include <wengert/batch.h>
#include <wengert/heatmap.h>
#include <wengert/memory.h>

/* The lines that one sentence becomes, each with its newline. */
typedef struct output {
    char *text;
    size_t size, capacity;
} output;

static wg_status append(output *out, const char *text, size_t n, wg_error *err)
{
    if (out->size + n > out->capacity) {
        size_t capacity = 2 * (out->size + n) + 64;
        char *more = wg_realloc(out->text, capacity);
        if (!more) return wg_error_set(err, WG_ENOMEM, "translator: out of memory");
        out->text = more;
        out->capacity = capacity;
    }
    if (n) memcpy(out->text + out->size, text, n);
    out->size += n;
    return WG_OK;
}

static wg_status append_text(output *out, const char *text, wg_error *err)
{
    return append(out, text, strlen(text), err);
}

/* ---- words ---- */

/* The source word that gets most of the attention of target word t; NULL where it is the end. */
static const char *looked_at(const wg_hypothesis *h, int64_t t, int64_t source_steps,
                             char *const *word, int64_t words)
{
    if (!h->weights) return NULL;
    const float *row = h->weights + t * source_steps;
    int64_t best = 0;
    for (int64_t s = 1; s < words; s++)
        if (row[s] > row[best]) best = s;
    return word[best];
}

static const char *word_of(const translate_job *job, const wg_hypothesis *h, int64_t t,
                           int64_t source_steps, char *const *word, int64_t words)
{
    const char *copied = NULL;
    if (h->words[t] == WG_UNK && job->replace_unk)
        copied = looked_at(h, t, source_steps, word, words);
    return copied ? copied : wg_vocab_word(job->model->vocab[1], h->words[t]);
}

static wg_status add_hypothesis(const translate_job *job, const wg_hypothesis *h,
                                int64_t source_steps, char *const *word, int64_t words,
                                int64_t number, output *out, wg_error *err)
{
    char text[64];
    wg_status status = WG_OK;
    if (job->n_best) {
        snprintf(text, sizeof text, "%" PRId64 " ||| ", number);
        status = append_text(out, text, err);
    }
    size_t begin = out->size;
    for (int64_t t = 0; t < h->length && !status; t++) {
        if (t > 0) status = append(out, " ", 1, err);
        if (!status) status = append_text(out, word_of(job, h, t, source_steps, word, words), err);
    }
    if (!status && job->segmenter) {
        char *joined = NULL;
        status = wg_subwords_undo(out->text + begin, out->size - begin, &joined, err);
        out->size = begin;
        if (!status) status = append_text(out, joined, err);
        wg_free(joined);
    }
    if (!status && job->n_best) {
        snprintf(text, sizeof text, " ||| %.6g", h->score);
        status = append_text(out, text, err);
    }
    return status ? status : append(out, "\n", 1, err);
}

/* ---- the picture ---- */

static wg_status write_picture(const char *path, const translate_job *job, const wg_hypothesis *h,
                               int64_t source_steps, char *const *word, int64_t words,
                               wg_error *err)
{
    const char *const end = "</s>";
    int64_t rows = h->length + 1, columns = words + 1;
    size_t length = 0;
    char *svg = NULL;
    wg_tensor *weights = NULL;
    const char **labels = wg_calloc((size_t)(rows + columns), sizeof *labels);
    wg_status status = labels ? wg_tensor_new(WG_F32, WG_SHAPE(rows, columns), &weights, err)
                              : wg_error_set(err, WG_ENOMEM, "translator: out of memory");
    if (!status) {
        float *to = wg_tensor_data(weights);
        for (int64_t t = 0; t < rows; t++) {
            labels[t] = t < h->length ? word_of(job, h, t, source_steps, word, words) : end;
            for (int64_t s = 0; s < columns; s++)
                to[t * columns + s] = h->weights[t * source_steps + s];
        }
        for (int64_t s = 0; s < columns; s++) labels[rows + s] = s < words ? word[s] : end;
        status = wg_heatmap_svg(weights, labels, labels + rows, NULL, &svg, &length, err);
    }
    if (!status) status = wg_file_write_atomic(path, svg, length, err);
    wg_tensor_free(weights);
    wg_free(svg);
    wg_free(labels);
    return status;
}

/* ---- decoding ---- */

static wg_status take_result(translate_job *job, const wg_sentences *piece, const wg_pairs *pairs,
                             const wg_batch *batch, const wg_decode_result *result, int64_t first,
                             output *outputs, wg_error *err)
{
    wg_status status = WG_OK;
    for (int64_t k = 0; k < batch->B && !status; k++) {
        int64_t i = pairs->line[batch->index[k]];
        char *const *word = piece->word + piece->start[i];
        int64_t words = piece->start[i + 1] - piece->start[i];
        const wg_decoded *d = &result->sentences[k];
        for (int j = 0; j < d->count && !status; j++)
            status = add_hypothesis(job, &d->hypotheses[j], result->source_steps, word, words,
                                    first + i, &outputs[i], err);
        /* The first sentence with words is drawn. */
        if (!status && job->draw && batch->index[k] == 0 && d->count) {
            status = write_picture(job->draw, job, &d->hypotheses[0], result->source_steps, word,
                                   words, err);
            if (piece->n > 1)
                cli_note(job->args, "--attention: drew the first sentence of several");
            job->draw = NULL;
        }
    }
    return status;
}

static wg_status decode(translate_job *job, const wg_sentences *piece, const wg_pairs *pairs,
                        int64_t first, output *outputs, wg_error *err)
{
    wg_batcher *batcher = NULL;
    const wg_batch_options options = {.size = sizeof options,
                                      .order = WG_BATCH_SRC,
                                      .batch_size = job->batch,
                                      .source_eos = true};
    wg_status status = wg_batcher_new(pairs, &options, &batcher, err);
    for (int64_t left = status ? 0 : wg_batcher_count(batcher); left > 0 && !status; left--) {
        wg_batch *batch = NULL;
        wg_decode_result *result = NULL;
        status = wg_batcher_next(batcher, &batch, err);
        if (!status)
            status =
                wg_decoder_run(job->decoder, wg_tensor_cdata(batch->src_ids),
                               wg_tensor_cdata(batch->src_len), batch->S, batch->B, &result, err);
        if (!status) status = take_result(job, piece, pairs, batch, result, first, outputs, err);
        wg_decode_result_free(result);
        wg_batch_free(batch);
    }
    wg_batcher_free(batcher);
    return status;
}

static int write_outputs(const translate_job *job, const output *outputs, int64_t n, int64_t first)
{
    for (int64_t i = 0; i < n; i++) {
        if (outputs[i].size)
            for (const char *at = outputs[i].text, *stop = at + outputs[i].size; at < stop;) {
                const char *newline = memchr(at, '\n', (size_t)(stop - at));
                cli_put_text(stdout, at, (size_t)(newline - at));
                putchar('\n');
                at = newline + 1;
            }
        else if (job->n_best)
            printf("%" PRId64 " |||  ||| 0\n", first + i);
        else
            putchar('\n'); /* no words, or no translation of any probability */
    }
    return cli_flush();
}

int translate_piece(translate_job *job, const wg_sentences *piece, int64_t first)
{
    wg_error err = {0};
    wg_pairs *pairs = NULL;
    output *outputs = wg_calloc((size_t)piece->n + 1, sizeof *outputs);
    wg_status status = outputs ? wg_sentences_pairs(piece, job->model->vocab[0], &pairs, &err)
                               : wg_error_set(&err, WG_ENOMEM, "translator: out of memory");
    if (!status && pairs->n > 0) status = decode(job, piece, pairs, first, outputs, &err);
    int exit_status = status ? cli_fail(&err) : CLI_FINE;
    if (exit_status == CLI_FINE) exit_status = write_outputs(job, outputs, piece->n, first);
    for (int64_t i = 0; outputs && i < piece->n; i++) wg_free(outputs[i].text);
    wg_free(outputs);
    wg_pairs_free(pairs);
    return exit_status;
}
