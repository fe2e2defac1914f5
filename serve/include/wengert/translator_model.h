/* The file of a translator: a network, its vocabularies, its subwords and how text becomes words,
 * in one .npz (docs/translate.md has its members). What training writes and translating reads.
 *
 * translator.h is the way to translate; this is for programs that make or convert such files. */
#ifndef WENGERT_TRANSLATOR_MODEL_H
#define WENGERT_TRANSLATOR_MODEL_H

#include <stdbool.h>

#include <wengert/param.h>
#include <wengert/seq2seq.h>
#include <wengert/state.h>
#include <wengert/subword.h>
#include <wengert/vocab.h>

WG_BEGIN_DECLS

/* Raised when a file of this version cannot be read by older programs: 2 has subwords, 3 takes raw
 * text, 4 wants its words in form C. A model is written as the lowest that it needs. */
#define WG_TRANSLATOR_FORMAT_VERSION 4
/* The file's name in a directory that stands for it. */
#define WG_TRANSLATOR_FILE "model.npz"

/* How the training text was brought to one form, which is done to what is translated, too: form C
 * first. */
typedef struct wg_translator_text {
    bool nfc;       /* Unicode's normalisation form C; raw text is brought to it anyway */
    bool lowercase; /* lower case, before words are looked up */
} wg_translator_text;

/* How raw lines become words and words lines again. */
typedef struct wg_translator_raw {
    bool used;            /* false: lines are words already, and stay so */
    char language[2][16]; /* of source and target (tokenize.h) */
    bool escape;          /* the training text had &apos; for ' and so on */
} wg_translator_raw;

typedef struct wg_translator_model {
    wg_vocab *vocab[2]; /* source, target; the same one twice where all embeddings are tied */
    wg_params *params;
    wg_seq2seq *net;
    wg_translator_text text;
    wg_subwords *subwords; /* the vocabularies are those of its pieces; NULL: of words */
    wg_translator_raw raw;
    struct cJSON *config; /* the root of config.json (cJSON.h) */
} wg_translator_model;

/* Makes a model with fresh parameters. The vocabularies and subwords (or NULL) pass to the model,
 * on failure too; `target` may be `source`. config->source_vocab and target_vocab are set from
 * them. Freed with wg_translator_model_free. */
WG_API wg_status wg_translator_model_new(wg_seq2seq_config config, wg_vocab *source,
                                         wg_vocab *target, wg_subwords *subwords,
                                         wg_translator_text text, uint64_t seed,
                                         wg_translator_model **out, wg_error *err);
WG_API void wg_translator_model_free(wg_translator_model *model);

/* Puts config.json, the vocabularies, the subwords and the parameters (by reference) into a state
 * tree. WG_ENOMEM. */
WG_API wg_status wg_translator_model_put(const wg_translator_model *model, wg_state *state,
                                         wg_error *err);
/* Makes a model from a tree; `path` stands for it in messages. WG_EFORMAT for what is missing or
 * does not fit, WG_EVERSION for a newer format, WG_ENOTFOUND for a cell that no plugin provides. */
WG_API wg_status wg_translator_model_take(const wg_state *state, const char *path,
                                          wg_translator_model **out, wg_error *err);
/* Reads `path`, a model file or a directory that holds WG_TRANSLATOR_FILE. */
WG_API wg_status wg_translator_model_load(const char *path, wg_translator_model **out,
                                          wg_error *err);

/* What a serving file says about itself: texts may be NULL. */
typedef struct wg_translator_card {
    size_t size; /* sizeof(wg_translator_card) */
    const char *name, *licence, *description;
    const char *metrics; /* a JSON object, such as {"test_bleu": 38.6}; or NULL */
} wg_translator_card;

/* Writes a file for serving: the model alone, without state of its training, options of it, paths
 * or names of files; with a model card, card.json and card.md. Languages and escaping are those of
 * `raw`, the form of the text that of `text`; they replace the model's own. With raw.used the file
 * takes raw lines. Members carry
 * fixed times, so that equal models give equal files. WG_EINVAL for a language of more than 15
 * letters or metrics that are no JSON object; errors of wg_state_save. */
WG_API wg_status wg_translator_export(const char *path, const wg_translator_model *model,
                                      const wg_translator_raw *raw, wg_translator_text text,
                                      const wg_translator_card *card, wg_error *err);

WG_END_DECLS

#endif
