/* BLEU: how close translations come to their references, exactly as sacreBLEU computes it.
 *
 * Source: Papineni et al., "BLEU: a method for automatic evaluation of machine translation" (ACL
 * 2002); Post, "A call for clarity in reporting BLEU scores" (WMT 2018), whose program sacreBLEU is
 * the one to agree with; smoothing after Chen and Cherry, "A systematic comparison of smoothing
 * techniques for sentence-level BLEU" (WMT 2014).
 *
 * A score is accumulated segment by segment, so a corpus need not be in memory:
 *
 *     wg_bleu *bleu = NULL;
 *     wg_bleu_result result;
 *     wg_status status = wg_bleu_new(NULL, &bleu, &err);
 *     while (... a line and its references ...)
 *         status = wg_bleu_add(bleu, hyp, refs, nrefs, &err);
 *     status = wg_bleu_score(bleu, &result, &err);
 *     wg_bleu_free(bleu);
 *
 * Texts are UTF-8 of a given length (NUL bytes are ordinary characters); invalid UTF-8 is an error
 * that says where. Different accumulators may be used by different threads at once. */
#ifndef WENGERT_BLEU_H
#define WENGERT_BLEU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <wengert/status.h>

WG_BEGIN_DECLS

/* The longest n-gram that is counted. */
#define WG_BLEU_MAX_ORDER 4

/* How a segment is cut into tokens. All of them end by splitting at Unicode white space. */
typedef enum wg_bleu_tokenizer {
    WG_BLEU_TOKENIZE_13A = 0, /* the rules of mteval-v13a: punctuation apart, &quot; etc. decoded */
    WG_BLEU_TOKENIZE_NONE,    /* white space only */
    WG_BLEU_TOKENIZE_CHAR     /* every code point that is not white space */
} wg_bleu_tokenizer;

/* What stands in for a precision of zero. */
typedef enum wg_bleu_smooth {
    WG_BLEU_SMOOTH_EXP = 0, /* 1/2, 1/4, 1/8 ... of a match (mteval-v13a, "method 3") */
    WG_BLEU_SMOOTH_NONE,    /* nothing: the score is then zero */
    WG_BLEU_SMOOTH_FLOOR,   /* smooth_value matches, 0.1 by default ("method 1") */
    WG_BLEU_SMOOTH_ADD_K    /* smooth_value added to matches and totals of orders above the first,
                               1 by default ("method 2") */
} wg_bleu_smooth;

/* Options of an accumulator; WG_BLEU_OPTIONS_INIT gives sacreBLEU's defaults. */
typedef struct wg_bleu_options {
    size_t size; /* sizeof(wg_bleu_options) */
    wg_bleu_tokenizer tokenizer;
    wg_bleu_smooth smooth;
    double smooth_value;  /* of floor and add-k; 0: the method's default. Finite, not negative */
    bool lowercase;       /* lower-case first, as Python's str.lower() does */
    bool effective_order; /* leave out orders for which no hypothesis is long enough */
} wg_bleu_options;

#define WG_BLEU_OPTIONS_INIT                                                                 \
    {                                                                                        \
        sizeof(wg_bleu_options), WG_BLEU_TOKENIZE_13A, WG_BLEU_SMOOTH_EXP, 0.0, false, false \
    }

/* A text that need not end in NUL. `data` may be NULL when `size` is zero. */
typedef struct wg_bleu_text {
    const char *data;
    size_t size; /* bytes */
} wg_bleu_text;

typedef struct wg_bleu_result {
    double score;                         /* 0 to 100 */
    double precisions[WG_BLEU_MAX_ORDER]; /* of 1- to 4-grams after smoothing, 0 to 100 */
    int64_t counts[WG_BLEU_MAX_ORDER];    /* n-grams found in a reference, clipped; before smoothing
                                             (sacreBLEU shows them with k added for add-k) */
    int64_t totals[WG_BLEU_MAX_ORDER];    /* n-grams of the hypotheses */
    double brevity_penalty;               /* 0 to 1 */
    int64_t sys_len;                      /* tokens of the hypotheses */
    int64_t ref_len;                      /* tokens of the references: the closest, then shortest */
    int64_t segments;                     /* segments added */
    char signature[128];                  /* see wg_bleu_score */
} wg_bleu_result;

typedef struct wg_bleu wg_bleu;

/* Makes an empty accumulator. `options` may be NULL for the defaults and is copied. The caller owns
 * *out and frees it with wg_bleu_free; on failure *out is NULL. Errors: WG_EINVAL (an option that
 * does not exist), WG_ENOMEM. */
WG_API wg_status wg_bleu_new(const wg_bleu_options *options, wg_bleu **out, wg_error *err);

/* Adds one segment: a hypothesis and its `nrefs` >= 1 references. Texts may be empty. Takes time
 * and memory in proportion to the segment's length, and keeps nothing of the texts. On failure the
 * accumulator is as before. Errors: WG_EINVAL (no references, a NULL text), WG_EFORMAT (invalid
 * UTF-8: says which text and byte), WG_ELIMIT (2^30 tokens or more in a text), WG_ENOMEM. */
WG_API wg_status wg_bleu_add(wg_bleu *bleu, wg_bleu_text hyp, const wg_bleu_text *refs,
                             size_t nrefs, wg_error *err);

/* The corpus score of the segments added so far; more may be added afterwards. The signature has
 * sacreBLEU's fields, "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:wengert-0.1.0":
 * references a segment ("var" when they differ), case (mixed, lc), effective order, tokeniser,
 * smoothing, and in `version` the program that computed the score, which is this library and not a
 * version of sacreBLEU. Errors: WG_ESTATE (no segment yet). */
WG_API wg_status wg_bleu_score(const wg_bleu *bleu, wg_bleu_result *result, wg_error *err);

/* Frees an accumulator; NULL is ignored. */
WG_API void wg_bleu_free(wg_bleu *bleu);

/* The score of one segment on its own. Meant for options->effective_order = true: without it a
 * hypothesis of fewer than four tokens scores zero. Errors: those of the functions above. */
WG_API wg_status wg_bleu_sentence(const wg_bleu_options *options, wg_bleu_text hyp,
                                  const wg_bleu_text *refs, size_t nrefs, wg_bleu_result *result,
                                  wg_error *err);

/* Writes sacreBLEU's line, "BLEU = 39.55 59.5/39.3/35.0/33.3 (BP = 0.973 ratio = 0.974 hyp_len = 37
 * ref_len = 38)", to `text`, cut to `size` bytes with its NUL. Decimal points whatever the locale.
 * Returns the length without cutting, as snprintf does; 256 bytes are always enough. */
WG_API size_t wg_bleu_format(const wg_bleu_result *result, char *text, size_t size);

WG_END_DECLS

#endif
