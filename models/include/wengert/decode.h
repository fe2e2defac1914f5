/* Decoding of an encoder-decoder: greedy and beam search for a batch of sentences.
 *
 * At each step every live hypothesis is extended by every word; of the extensions the best
 * `beam_size` that do not end live on, and those that end in the end symbol and are among the best
 * `beam_size` of all are finished. The search of a sentence ends when it has beam_size finished
 * ones (early_stop) or when no live one can still beat the worst of them. Finished hypotheses are
 * ranked by their log-probability over a length penalty; |Y| counts the end symbol:
 *
 *     none      1
 *     wu        ((5 + |Y|) / 6)^alpha            (Wu et al. 2016, eq. 14)
 *     average   |Y|
 *
 * beam_size 1 is greedy search. A hypothesis as long as its limit must end. Ties go to the better
 * hypothesis, then to the smaller word, so results depend on nothing but the model. Sums of
 * log-probabilities are f64.
 *
 * Programs of constant shape (B sentences, beam_size rows each, source steps rounded up) are
 * compiled once and kept in a bounded cache; rows of finished sentences run along unseen. A decoder
 * belongs to one thread at a time. */
#ifndef WENGERT_DECODE_H
#define WENGERT_DECODE_H

#include <wengert/program.h>
#include <wengert/seq2seq.h>

WG_BEGIN_DECLS

typedef enum wg_length_norm {
    WG_LENGTH_NONE = 0,
    WG_LENGTH_WU,
    WG_LENGTH_AVERAGE,
} wg_length_norm;
#define WG_LENGTH_NORMS 3
/* "none", "wu", "average"; "?" for another number. ENOTFOUND for another text. */
WG_API const char *wg_length_norm_name(wg_length_norm norm);
WG_API wg_status wg_length_norm_from_name(const char *name, wg_length_norm *norm, wg_error *err);

typedef struct wg_decoder_options {
    size_t size;           /* sizeof(wg_decoder_options) */
    int32_t start_id;      /* fed before the first word; never put out */
    int32_t end_id;        /* ends a hypothesis */
    const int32_t *banned; /* words never put out (padding, unknown); copied */
    int n_banned;          /* at most 64 */
    int beam_size;         /* 1..256 */
    int n_best;            /* hypotheses returned a sentence; 1..beam_size */
    wg_length_norm norm;
    double alpha;       /* of wu, [0, 10] */
    bool early_stop;    /* end a sentence at beam_size finished hypotheses */
    int64_t max_length; /* words without the end symbol, 0..2^20 */
    double max_ratio;   /* with > 0: no more than max_ratio |source| + max_extra words */
    int64_t max_extra;
    int64_t min_length;  /* words without the end symbol; a smaller limit above wins */
    bool want_weights;   /* attention weights of the hypotheses returned */
    int64_t round_steps; /* source steps are rounded up to multiples of it; 0 = 8 */
    int max_programs;    /* shapes kept; 0 = 32 */
    int64_t max_bytes;   /* of those kept, besides the buffers, which all share; 0 = 1 GiB */
    int threads;         /* 0 = wg_default_threads() */
    wg_trace_fn trace;   /* of the programs; NULL = none */
    void *trace_user;
} wg_decoder_options;

/* Start 1, end 2, beam of 5, one best, Wu's penalty with alpha 1, at most 256 words. */
#define WG_DECODER_OPTIONS_INIT                                                              \
    {                                                                                        \
        .size = sizeof(wg_decoder_options), .start_id = 1, .end_id = 2, .beam_size = 5,      \
        .n_best = 1, .norm = WG_LENGTH_WU, .alpha = 1, .early_stop = true, .max_length = 256 \
    }

typedef struct wg_decoder wg_decoder;

/* The model and its parameters must outlive the decoder; parameters may change between runs.
 * options may be NULL. EINVAL with the field for options that cannot be. */
WG_API wg_status wg_decoder_new(const wg_seq2seq *model, const wg_decoder_options *options,
                                wg_decoder **out, wg_error *err);
WG_API void wg_decoder_free(wg_decoder *decoder);

/* One finished hypothesis. */
typedef struct wg_hypothesis {
    const int32_t *words; /* [length], without start and end symbol */
    int64_t length;
    double score;    /* log_prob over the length penalty */
    double log_prob; /* of the words and the end symbol, natural logarithm */
    /* [length + 1, source_steps]: attention of each word and of the end symbol over the source, 0
     * past the sentence's length. NULL where not wanted or without attention. */
    const float *weights;
} wg_hypothesis;

/* What became of a sentence. */
typedef struct wg_decoded {
    const wg_hypothesis *hypotheses; /* best score first, earlier finished first at ties */
    int count;                       /* 1..n_best; 0 where no ending had a probability above 0 */
} wg_decoded;

typedef struct wg_decode_result {
    size_t size; /* sizeof(wg_decode_result), of the library */
    const wg_decoded *sentences;
    int64_t count;        /* B */
    int64_t source_steps; /* row length of weights */
    int64_t steps;        /* decoder steps run */
} wg_decode_result;

/* Decodes B sentences: src i32 [steps,B], time major as in training, lengths [B] of 1..steps, or
 * NULL for all `steps`. The result is the caller's, freed with wg_decode_result_free. EINVAL for
 * ids or lengths out of range, ENUMERIC for a NaN among the probabilities, ENOMEM. */
WG_API wg_status wg_decoder_run(wg_decoder *decoder, const int32_t *src, const int32_t *lengths,
                                int64_t steps, int64_t rows, wg_decode_result **out, wg_error *err);
WG_API void wg_decode_result_free(wg_decode_result *result);

/* The source step that word i of a hypothesis looked at most (the first of equals), i = length
 * being the end symbol: where an unknown word is copied from, or an alignment. -1 without weights
 * or for an i outside 0..length. source_steps is that of the result. */
WG_API int64_t wg_hypothesis_source(const wg_hypothesis *hypothesis, int64_t source_steps,
                                    int64_t i);

/* Shapes compiled so far, and held now. */
WG_API void wg_decoder_cache_stats(const wg_decoder *decoder, int64_t *compiled, int64_t *held);

/* The length penalty of |Y| words, end symbol included. */
WG_API double wg_length_penalty(wg_length_norm norm, double alpha, int64_t length);

WG_END_DECLS

#endif
