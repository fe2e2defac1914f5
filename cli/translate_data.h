/* The texts that a translator is trained on: read, checked, split, encoded; all that is odd about
 * them is said. */
#ifndef WENGERT_CLI_TRANSLATE_DATA_H
#define WENGERT_CLI_TRANSLATE_DATA_H

#include "cli.h"

#include <cjson/cJSON.h>
#include <wengert/batch.h>
#include <wengert/subword.h>
#include <wengert/trainer.h>

typedef struct translate_data {
    wg_corpus *train, *valid; /* valid NULL: some pairs of train are held out; train of a stream:
                               * the counts of its words alone */
    wg_stream *stream;        /* --stream: the training text, read anew in each epoch; or NULL */
    int64_t *index[2];        /* pairs for training and for validation; NULL = all */
    int64_t n[2];
    wg_pairs *pairs[2];          /* that for training is NULL with a stream */
    const wg_subwords *subwords; /* what words are cut by, and the vocabularies: set by */
    const wg_vocab *known[2];    /* translate_data_encode; not owned */
    char **reference;            /* [n[1]] validation targets, words joined by blanks */
} translate_data;

enum { TRANSLATE_TRAIN = 0, TRANSLATE_VALID = 1 };

/* Reads the files that the options name, and says what is odd about them. Returns an exit status,
 * after a message where it is not 0. Frees nothing on failure: translate_data_free does. */
int translate_data_read(const cli_args *args, translate_data *data);
/* The subwords that --subwords or --bpe asks for, learnt from the training pairs or read; NULL
 * where neither is given. */
int translate_data_subwords(const cli_args *args, const translate_data *data,
                            wg_subwords **subwords);
/* Vocabularies of the training pairs, by --min-count and --max-vocab, of words or of pieces; the
 * same one twice where `joint`. */
int translate_data_vocab(const cli_args *args, const translate_data *data,
                         const wg_subwords *subwords, bool joint, wg_vocab *vocab[2]);
/* Encodes both sets, in pieces where there are subwords, and keeps the references, in words. */
int translate_data_encode(const cli_args *args, translate_data *data, const wg_subwords *subwords,
                          wg_vocab *const vocab[2]);
/* The batches of the training pairs, in memory or of the stream; after translate_data_encode. */
wg_status translate_data_batches(const cli_args *args, translate_data *data, wg_batcher **out,
                                 wg_error *err);
/* A batch as the trainer takes it; its numbers stay those of `b`. */
wg_trainer_batch translate_batch(const wg_batch *b);
void translate_data_free(translate_data *data);

/* What a model file says about its data: names, lines, SHA-256. NULL: out of memory. */
cJSON *translate_data_json(const cli_args *args, const translate_data *data);

#endif
