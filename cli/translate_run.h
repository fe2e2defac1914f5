/* What the files of `translate run` share. */
#ifndef WENGERT_CLI_TRANSLATE_RUN_H
#define WENGERT_CLI_TRANSLATE_RUN_H

#include "cli.h"
#include "translate_model.h"

#include <wengert/decode.h>
#include <wengert/sentences.h>

typedef struct translate_job {
    const cli_args *args;
    const translate_model *model;
    wg_decoder *decoder;
    wg_segmenter *segmenter; /* NULL: words are the units */
    int64_t batch;           /* sentences decoded together */
    bool n_best;             /* lines of the form i ||| words ||| score */
    bool replace_unk;        /* unknown words become the source words that they look at */
    const char *draw;        /* where the picture goes, until it is drawn */
} translate_job;

/* translate_piece.c: translates the sentences and writes them to standard output, in order. `first`
 * is the number of sentence 0 in the whole text, from 0. Returns an exit status. */
int translate_piece(translate_job *job, const wg_sentences *piece, int64_t first);

#endif
