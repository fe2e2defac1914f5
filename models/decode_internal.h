/* Shared by the parts of decoding: programs of a shape (decode.c), the search (decode_search.c) and
 * its results (decode_result.c). */
#ifndef WG_MODELS_DECODE_INTERNAL_H
#define WG_MODELS_DECODE_INTERNAL_H

#include <wengert/decode.h>

#include "lru.h"

enum { WG__MOST_BANNED = 64, WG__MOST_BEAM = 256 };

/* The programs for B sentences of S source steps, and the tensors bound to them. A row of the step
 * is sentence * beam + hypothesis. */
typedef struct wg__decode_shape {
    int64_t b, s, rows;
    wg_program *encoder, *step;
    wg_tensor *src, *lengths;        /* inputs of the encoder */
    wg_tensor *keys, *values, *mask; /* its outputs, inputs of the step; NULL without attention,
                                        keys also where they are the values */
    wg_tensor *first[WG_RNN_MAX_STATES];
    wg_tensor *word, *feed, *state[WG_RNN_MAX_STATES]; /* inputs of the step; feed may be NULL */
    wg_tensor *log_probs, *weights, *next_feed, *next_state[WG_RNN_MAX_STATES];
} wg__decode_shape;

struct wg_decoder {
    const wg_seq2seq *model;
    wg_decoder_options options;
    int32_t banned[WG__MOST_BANNED + 1];
    wg__lru shapes;
    wg_workspace *workspace; /* of all programs */
    int64_t compiled;
};

/* An extension of a live hypothesis. */
typedef struct wg__candidate {
    double log_prob;
    int32_t hypothesis, word;
} wg__candidate;

/* A hypothesis that ended at `step` (the step that gave the end symbol), coming from `row`. */
typedef struct wg__finished {
    double score, log_prob;
    int64_t step;
    int32_t row;
} wg__finished;

/* The search in one sentence. */
typedef struct wg__search_row {
    int64_t limit; /* words */
    int live, finished;
    bool done, is_nan;
} wg__search_row;

/* A search in all sentences, and its history by step. */
typedef struct wg__search {
    wg_decoder *decoder;
    wg__decode_shape *shape;
    int beam;
    int64_t t;                 /* the step that is being taken */
    wg__search_row *sentence;  /* [B] */
    double *log_prob;          /* [R] of live hypotheses */
    double *next_log_prob;     /* [R] */
    wg__candidate *candidates; /* [B, 2 beam] */
    wg__finished *finished;    /* [B, beam], best first */
    int64_t room;              /* steps that the history has room for */
    int32_t *words, *parents;  /* [steps, R]; parents are hypotheses of the sentence */
    float *weights;            /* [steps, R, S] or NULL */
    bool keep_weights;
} wg__search;

wg_status wg__search_run(wg__search *search, const int32_t *lengths, wg_error *err);
void wg__search_free(wg__search *search);

/* Packs what a search found. */
wg_status wg__decode_pack(const wg__search *search, int64_t steps, wg_decode_result **out,
                          wg_error *err);

#endif
