/* What a batcher is made of, shared by its plans, its tensors and its windows over a stream. */
#ifndef WENGERT_IO_BATCH_PRIVATE_H
#define WENGERT_IO_BATCH_PRIVATE_H

#include <wengert/batch.h>

/* Pairs that come out of a stream, window by window. */
typedef struct wg__windows {
    wg_stream *stream; /* NULL: all pairs are in memory */
    const wg_vocab *vocab[2];
    wg_corpus_options text;
    wg_corpus_cut cut; /* or NULL */
    void *user;
    uint64_t pairs;        /* in a pass */
    uint64_t index;        /* of the window at hand, from 0 in each epoch */
    uint64_t before;       /* pairs of this epoch in the windows before it */
    wg_stream_place place; /* where it begins */
    wg_pairs *held;
} wg__windows;

struct wg_batcher {
    const wg_pairs *pairs; /* the corpus, or the window at hand */
    wg_batch_options o;
    uint64_t epoch, position; /* position: batches handed out in this epoch */
    int64_t at;               /* of them, in the plan at hand */
    int64_t *order;           /* pairs->n: sentences, batch after batch */
    int64_t *start;           /* n_batches + 1 offsets into order (room for n + 1) */
    int64_t *batch;           /* n_batches: in which order they are handed out (room for n) */
    int64_t room;             /* pairs for which there is room */
    int64_t n_batches;
    int64_t cells, real;               /* of the plan, padded and not */
    int64_t cells_before, real_before; /* of the plans of this epoch before it */
    int64_t rows_done;                 /* pairs handed out of the plan at hand */
    wg__windows w;
};

wg_status wg__batch_no_memory(wg_error *err);
/* Lengths as the model sees them: </s> counts where it is added. */
int64_t wg__batch_source_length(const wg_batcher *b, int64_t i);
int64_t wg__batch_target_length(const wg_batcher *b, int64_t i);
/* Sizes of the batch of order[begin, begin + rows). */
void wg__batch_measure(const wg_batcher *b, int64_t begin, int64_t rows, int64_t *S, int64_t *T,
                       int64_t *src_tokens, int64_t *tgt_tokens);
/* Plans b->pairs; `name` is that of the random stream. */
wg_status wg__batch_plan(wg_batcher *b, const char *name, wg_error *err);
/* Batch `which` of the plan as tensors. */
wg_status wg__batch_fill(const wg_batcher *b, int64_t which, wg_batch **out, wg_error *err);
/* Passes over the first n batches of the plan. WG_EINVAL where it has fewer. */
wg_status wg__batch_skip(wg_batcher *b, int64_t n, wg_error *err);
/* Checks options and makes a batcher without pairs. */
wg_status wg__batch_new(const wg_batch_options *options, wg_batcher **out, wg_error *err);

/* batch_stream.c: the first window of an epoch; the next one, with *more false where there is none;
 * the window that begins at w.place. */
wg_status wg__windows_start(wg_batcher *b, uint64_t epoch, wg_error *err);
wg_status wg__windows_next(wg_batcher *b, bool *more, wg_error *err);
wg_status wg__windows_again(wg_batcher *b, wg_error *err);

#endif
