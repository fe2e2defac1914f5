/* What `translate train` writes and `translate run` reads: a network, its vocabularies and how text
 * becomes words, in one .npz file (docs/translate.md has its members). */
#ifndef WENGERT_CLI_TRANSLATE_MODEL_H
#define WENGERT_CLI_TRANSLATE_MODEL_H

#include <stdbool.h>

#include <cjson/cJSON.h>
#include <wengert/param.h>
#include <wengert/seq2seq.h>
#include <wengert/state.h>
#include <wengert/subword.h>
#include <wengert/vocab.h>

/* Raised when a file of this version cannot be read by older programs: 2 has subwords. A model
 * without them is still written as 1. */
#define TRANSLATE_FORMAT_VERSION 2
#define TRANSLATE_MODEL_NAME "model.npz"
#define TRANSLATE_LAST_NAME "last.npz"
#define TRANSLATE_LOG_NAME "log.jsonl"

typedef struct translate_model {
    wg_vocab *vocab[2]; /* source, target; the same one twice where all embeddings are tied */
    wg_params *params;
    wg_seq2seq *net;
    bool lowercase;        /* text is lower-cased before it is looked up */
    wg_subwords *subwords; /* the vocabularies are those of its pieces; NULL: of words */
    cJSON *config;         /* the root of config.json */
} translate_model;

/* Makes a model with fresh parameters. The vocabularies and subwords (or NULL) pass to the model,
 * on failure too; `target` may be `source`. config->source_vocab and target_vocab are set from
 * them. */
wg_status translate_model_new(wg_seq2seq_config config, wg_vocab *source, wg_vocab *target,
                              wg_subwords *subwords, bool lowercase, uint64_t seed,
                              translate_model **out, wg_error *err);
void translate_model_free(translate_model *model);

/* Puts config.json, the vocabularies and the parameters (by reference) into a state tree. */
wg_status translate_model_put(const translate_model *model, wg_state *state, wg_error *err);
/* Makes a model from a tree; `path` stands for it in messages. WG_EFORMAT for what is missing or
 * does not fit, WG_EVERSION for a newer format, WG_ENOTFOUND for a cell that no plugin provides. */
wg_status translate_model_take(const wg_state *state, const char *path, translate_model **out,
                               wg_error *err);
/* Reads `path`, a model file or a directory that holds one. */
wg_status translate_model_load(const char *path, translate_model **out, wg_error *err);

/* translate_config.c: the network's part of config.json. Strings of *config and its `hypers`, which
 * the caller frees, point into the object. */
cJSON *translate_config_json(const wg_seq2seq_config *config);
wg_status translate_config_parse(const cJSON *object, const char *path, wg_seq2seq_config *config,
                                 wg_hyper_value **hypers, wg_error *err);

#endif
