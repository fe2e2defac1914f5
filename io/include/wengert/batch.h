/* Minibatches of sentence pairs: ordering by length, padding, resuming; from pairs in memory, or
 * from a stream of them that memory does not hold.
 *
 * The order of an epoch is a pure function of (pairs, options, seed, epoch). Strategies and their
 * names: Morishita et al. 2017, "An empirical study of mini-batch creation strategies for neural
 * machine translation". */
#ifndef WENGERT_BATCH_H
#define WENGERT_BATCH_H

#include <stdbool.h>
#include <stdint.h>

#include <wengert/corpus.h>
#include <wengert/state.h>
#include <wengert/tensor.h>

WG_BEGIN_DECLS

/* How sentences are ordered before they are cut into batches. Each order is preceded by a shuffle,
 * which decides ties, and (but for WG_BATCH_IN_ORDER) followed by a shuffle of the batches. */
typedef enum wg_batch_order {
    WG_BATCH_SHUFFLE = 0,  /* random */
    WG_BATCH_SRC = 1,      /* by source length */
    WG_BATCH_TGT = 2,      /* by target length */
    WG_BATCH_SRC_TGT = 3,  /* by source, then target length */
    WG_BATCH_TGT_SRC = 4,  /* by target, then source length */
    WG_BATCH_IN_ORDER = 5, /* as in the file: for validation */
} wg_batch_order;
/* "shuffle", "src", "tgt", "src_tgt", "tgt_src", "in_order"; NULL for any other number. */
WG_API const char *wg_batch_order_name(wg_batch_order order);

typedef enum wg_batch_unit { WG_BATCH_SENTENCES = 0, WG_BATCH_TOKENS = 1 } wg_batch_unit;

typedef struct wg_batch_options {
    size_t size; /* sizeof(wg_batch_options) */
    wg_batch_order order;
    wg_batch_unit unit;
    int64_t batch_size;   /* sentences, or padded tokens of the longer side (default 64 or 4096) */
    int64_t window;       /* sort within runs of this many shuffled sentences; 0 = whole corpus */
    int64_t src_multiple; /* round padded lengths up to multiples, so that few distinct shapes */
    int64_t tgt_multiple; /* occur and compiled programs are used again; 0 = 1 */
    int64_t
        rows_multiple; /* batches by tokens: rows are a multiple of this where possible; 0 = 1 */
    bool source_eos;   /* end source sentences with </s> */
    uint64_t seed;
    int64_t shuffle_window; /* streams: pairs that are held and shuffled together; default 65,536 */
} wg_batch_options;

/* One minibatch. Padding is WG_PAD. src_ids [S,B]; src_len [B]; tgt_in [T,B] = <s> y1 .. yn and
 * tgt_out [T,B] = y1 .. yn </s>, where T counts the symbol; tgt_len [B] counts it too. All i32.
 * The target members are NULL for one-sided pairs. */
typedef struct wg_batch {
    int64_t S, T, B;
    wg_tensor *src_ids, *src_len;
    wg_tensor *tgt_in, *tgt_out, *tgt_len;
    int64_t *index;     /* [B]: index into the pairs */
    int64_t src_tokens; /* sum of src_len */
    int64_t n_tokens; /* sum of tgt_len (of src_len for one-sided pairs): what a loss divides by */
} wg_batch;

/* Where training stands: the next batch to hand out. */
typedef struct wg_batch_state {
    uint64_t epoch;    /* from 0 */
    uint64_t position; /* batches already handed out in this epoch */
} wg_batch_state;

typedef struct wg_batcher wg_batcher;

/* `pairs` must outlive the batcher. WG_EINVAL on options that make no sense or no pairs. */
WG_API wg_status wg_batcher_new(const wg_pairs *pairs, const wg_batch_options *options,
                                wg_batcher **out, wg_error *err);
/* What becomes of the words of a window before they are looked up: subwords. Makes a new corpus
 * with the same pairs in the same order. Must give the same each time. */
typedef wg_status (*wg_corpus_cut)(void *user, const wg_corpus *in, wg_corpus **out, wg_error *err);

/* Batches of a stream, which it reads again for each epoch; the stream (no pipe), and the
 * vocabularies (target may be NULL for one side) must outlive the batcher, and nothing else may
 * read the stream. `text` says how lines become words and which pairs are left out (NULL =
 * defaults); `pairs` is how many a pass keeps, for wg_batcher_share (0 = not known).
 * options->shuffle_window pairs are held and shuffled at a time; order and options->window act
 * within them. In each epoch the shards come in another order and the windows begin elsewhere.
 * index of a batch counts within its window. Errors of reading also come from wg_batcher_next. */
WG_API wg_status wg_batcher_new_stream(wg_stream *stream, const wg_vocab *source,
                                       const wg_vocab *target, const wg_corpus_options *text,
                                       wg_corpus_cut cut, void *user, uint64_t pairs,
                                       const wg_batch_options *options, wg_batcher **out,
                                       wg_error *err);
WG_API void wg_batcher_free(wg_batcher *batcher);
/* The next batch, owned by the caller (wg_batch_free). At the end of an epoch *out is NULL and the
 * next call begins the following epoch. */
WG_API wg_status wg_batcher_next(wg_batcher *batcher, wg_batch **out, wg_error *err);
WG_API void wg_batch_free(wg_batch *batch);
/* Batches in the current epoch; -1 where a stream decides that. */
WG_API int64_t wg_batcher_count(const wg_batcher *batcher);
/* Share of the current epoch that was handed out, in [0, 1]: of its batches, or of a stream's
 * pairs. */
WG_API double wg_batcher_share(const wg_batcher *batcher);
/* Share of padding in [0, 1) among all source and target cells of the current epoch (of a stream:
 * of its windows so far, that at hand included). */
WG_API double wg_batcher_padding(const wg_batcher *batcher);
WG_API wg_batch_state wg_batcher_tell(const wg_batcher *batcher);
/* WG_EINVAL when the epoch has fewer batches than state.position. A stream is read from the start
 * of the epoch on; wg_batcher_load goes straight to the window. */
WG_API wg_status wg_batcher_seek(wg_batcher *batcher, wg_batch_state state, wg_error *err);

/* Puts where training stands into a state tree, as the text "batches/state.json", and continues
 * there: the batches that follow are those that would have followed. The batcher that continues
 * must have been made with the same text, vocabularies and options; what differs in size or options
 * is refused (WG_EINVAL), as is a text that is not well formed (WG_EFORMAT). Of a stream the window
 * at hand is read again, from its place in the files (the cost of wg_stream_seek). */
WG_API wg_status wg_batcher_save(const wg_batcher *batcher, wg_state *state, wg_error *err);
WG_API wg_status wg_batcher_load(wg_batcher *batcher, const wg_state *state, wg_error *err);

WG_END_DECLS

#endif
