/* Validation: loss over all pairs, and BLEU of greedy translations against the references as words
 * between blanks, subwords undone. */
#include "translate_train.h"

#include <math.h>
#include <string.h>

#include <wengert/bleu.h>
#include <wengert/memory.h>

static wg_status evaluate(translate_training *t, const wg_batch *b, translate_sums *sums,
                          wg_error *err)
{
    wg_trainer_result r = {0};
    const wg_trainer_batch batch = translate_batch(b);
    wg_status status = wg_trainer_evaluate(t->trainer, &batch, &r, err);
    sums->loss += r.loss;
    sums->words += r.count;
    return status;
}

static wg_status add_translation(translate_training *t, wg_bleu *bleu, const wg_decoded *decoded,
                                 const char *reference, wg_error *err)
{
    char *text = NULL;
    const wg_hypothesis *h = decoded->count ? &decoded->hypotheses[0] : NULL;
    wg_status status = wg_vocab_decode(t->model->vocab[1], h ? h->words : NULL,
                                       h ? (size_t)h->length : 0, &text, err);
    if (!status && t->model->subwords) {
        char *pieces = text;
        status = wg_subwords_undo(pieces, strlen(pieces), &text, err);
        wg_free(pieces);
    }
    if (status) return status;
    status = wg_bleu_add(bleu, (wg_bleu_text){text, strlen(text)},
                         &(wg_bleu_text){reference, strlen(reference)}, 1, err);
    wg_free(text);
    return status;
}

static wg_status translate(translate_training *t, const wg_batch *b, wg_bleu *bleu, wg_error *err)
{
    wg_decode_result *result = NULL;
    wg_status status = wg_decoder_run(t->decoder, wg_tensor_cdata(b->src_ids),
                                      wg_tensor_cdata(b->src_len), b->S, b->B, &result, err);
    for (int64_t k = 0; k < b->B && !status; k++)
        status =
            add_translation(t, bleu, &result->sentences[k], t->data.reference[b->index[k]], err);
    wg_decode_result_free(result);
    return status;
}

static wg_status run(translate_training *t, wg_batcher *batcher, wg_bleu *bleu,
                     translate_sums *sums, wg_error *err)
{
    for (int64_t done = 1;; done++) {
        wg_batch *batch = NULL;
        wg_status status = wg_batcher_next(batcher, &batch, err);
        if (status || !batch) return status;
        status = evaluate(t, batch, sums, err);
        if (!status && bleu) status = translate(t, batch, bleu, err);
        wg_batch_free(batch);
        if (status) return status;
        if (cli_interrupted()) return WG_ECANCELED;
        cli_progress_show(&t->line, "validation %3.0f %%",
                          100 * (double)done / (double)wg_batcher_count(batcher));
    }
}

int translate_validate(translate_training *t, translate_score *score)
{
    wg_error err = {0};
    wg_batcher *batcher = NULL;
    wg_bleu *bleu = NULL;
    translate_sums sums = {0};
    double begin = cli_now();
    /* The same batches in each epoch, so their programs are compiled once. */
    const wg_batch_options options = {.size = sizeof options,
                                      .order = WG_BATCH_TGT_SRC,
                                      .batch_size = TRANSLATE_VALID_ROWS,
                                      .src_multiple = 8,
                                      .tgt_multiple = 4,
                                      .source_eos = true};
    wg_bleu_options how = WG_BLEU_OPTIONS_INIT;
    how.tokenizer = WG_BLEU_TOKENIZE_NONE;
    wg_status status = wg_batcher_new(t->data.pairs[TRANSLATE_VALID], &options, &batcher, &err);
    if (!status && cli_flag(t->args, "valid-bleu")) status = wg_bleu_new(&how, &bleu, &err);
    if (!status) status = run(t, batcher, bleu, &sums, &err);
    wg_bleu_result result = {0};
    if (!status && bleu) status = wg_bleu_score(bleu, &result, &err);
    score->loss = sums.words > 0 ? sums.loss / sums.words : 0;
    score->perplexity = exp(score->loss);
    score->bleu = bleu ? result.score : -1;
    score->seconds = cli_now() - begin;
    wg_bleu_free(bleu);
    wg_batcher_free(batcher);
    if (status == WG_ECANCELED) return cli_interrupted();
    if (status == WG_ENUMERIC)
        return cli_error("validation: %s; a smaller --lr or --clip may help", err.message);
    return status ? cli_fail(&err) : CLI_FINE;
}
