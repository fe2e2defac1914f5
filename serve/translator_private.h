/* What the files of the translator share. */
#ifndef WENGERT_SERVE_TRANSLATOR_PRIVATE_H
#define WENGERT_SERVE_TRANSLATOR_PRIVATE_H

#include <wengert/sentences.h>
#include <wengert/subword.h>
#include <wengert/translator.h>

/* What one thread uses at a time. */
typedef struct wg__worker {
    wg_translator_options options;
    wg_decoder *decoder;
    wg_segmenter *segmenter; /* NULL: words are the units */
} wg__worker;

/* translator_text.c: decodes the sentences in batches of similar length and fills result->line. */
wg_status wg__translate_sentences(const wg_translator_model *model, wg__worker *worker,
                                  const wg_sentences *sentences, wg_translated *result,
                                  wg_error *err);

#endif
