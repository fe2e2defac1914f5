/* Translating with a finished model: lines in, lines out. One translator serves any number of
 * threads at once: the model is shared and never written, what a run needs is taken from a pool.
 *
 *     wg_translator *t;
 *     wg_translated *done;
 *     if (wg_translator_open("model.npz", &t, &err) == WG_OK &&
 *         wg_translator_run(t, lines, n, NULL, &done, &err) == WG_OK)
 *         puts(done->line[0].best[0].text);
 *
 * A file of `wengert translate export` takes raw text and gives raw text; one of `translate train`
 * takes words as its training text has them. */
#ifndef WENGERT_TRANSLATOR_H
#define WENGERT_TRANSLATOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <wengert/decode.h>
#include <wengert/translator_model.h>

WG_BEGIN_DECLS

typedef struct wg_translator wg_translator;

/* How to search; wg_decoder_options has what the fields mean. */
typedef struct wg_translator_options {
    size_t size; /* sizeof(wg_translator_options) */
    int beam_size;
    int n_best; /* translations of a line, 1..beam_size */
    wg_length_norm norm;
    double alpha;
    int64_t max_length;  /* words or pieces of a translation; 0: twice those of the line, and 20 */
    int64_t max_words;   /* a line of more words or pieces is refused; 0 = 10,000 */
    bool replace_unk;    /* unknown words become the source words that they look at most */
    bool want_alignment; /* wg_translation's pieces and weights; needs a model with attention */
    int64_t batch;       /* lines decoded together, those of similar length; 0 = 32 */
    int threads;         /* of one run; 0 = wg_default_threads() */
    wg_trace_fn trace;   /* of the programs, from any thread that runs; NULL = none */
    void *trace_user;
} wg_translator_options;

/* Beam of 5, one best, Wu's penalty with alpha 1, one thread: requests run side by side. */
#define WG_TRANSLATOR_OPTIONS_INIT                                                                \
    {                                                                                             \
        .size = sizeof(wg_translator_options), .beam_size = 5, .n_best = 1, .norm = WG_LENGTH_WU, \
        .alpha = 1, .threads = 1                                                                  \
    }

/* Opens `path`, a file or a directory with a model.npz in it. Errors of wg_translator_model_load:
 * WG_EVERSION for a file of a newer format. A cell from a plugin must be registered before. */
WG_API wg_status wg_translator_open(const char *path, wg_translator **out, wg_error *err);
/* No run may be going on. */
WG_API void wg_translator_close(wg_translator *translator);
/* What was opened; owned by the translator. Must not be changed. */
WG_API const wg_translator_model *wg_translator_get_model(const wg_translator *translator);

/* One translation of a line. */
typedef struct wg_translation {
    char *text;   /* NUL-terminated, without a newline */
    double score; /* log-probability over the length penalty */
    /* With want_alignment: what the network read and wrote, each list with "</s>" at its end, and
     * the attention of each piece written, [target_pieces, source_pieces]. */
    int64_t target_pieces, source_pieces;
    char **target, **source;
    float *weights;
} wg_translation;

typedef struct wg_translated_line {
    int count;            /* 0: the line has no words, or no translation a probability above 0 */
    wg_translation *best; /* best first */
} wg_translated_line;

typedef struct wg_translated {
    size_t size; /* sizeof(wg_translated), of the library */
    int64_t n;
    wg_translated_line *line;
} wg_translated;

/* Translates n lines (NUL-terminated; raw text as tokenize.h takes it, or words between blanks);
 * results stand in their order and do not depend on what else runs. options may be NULL. Any number
 * of threads may call this with one translator. WG_EINVAL for options that cannot be, WG_ELIMIT for
 * a line of too many words (the message counts lines from 1), WG_ENUMERIC, WG_ENOMEM. */
WG_API wg_status wg_translator_run(wg_translator *translator, const char *const *lines, int64_t n,
                                   const wg_translator_options *options, wg_translated **out,
                                   wg_error *err);
WG_API void wg_translated_free(wg_translated *translated);

WG_END_DECLS

#endif
