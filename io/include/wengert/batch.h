/* Minibatches of sentence pairs: ordering by length, padding, resuming.
 *
 * The order of an epoch is a pure function of (pairs, options, seed, epoch). Strategies and their
 * names: Morishita et al. 2017, "An empirical study of mini-batch creation strategies for neural
 * machine translation". */
#ifndef WENGERT_BATCH_H
#define WENGERT_BATCH_H

#include <stdbool.h>
#include <stdint.h>

#include <wengert/corpus.h>
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

/* Where training stands: the next batch to hand out. Save it; hand it to wg_batcher_seek. */
typedef struct wg_batch_state {
    uint64_t epoch;    /* from 0 */
    uint64_t position; /* batches already handed out in this epoch */
} wg_batch_state;

typedef struct wg_batcher wg_batcher;

/* `pairs` must outlive the batcher. WG_EINVAL on options that make no sense or no pairs. */
WG_API wg_status wg_batcher_new(const wg_pairs *pairs, const wg_batch_options *options,
                                wg_batcher **out, wg_error *err);
WG_API void wg_batcher_free(wg_batcher *batcher);
/* The next batch, owned by the caller (wg_batch_free). At the end of an epoch *out is NULL and the
 * next call begins the following epoch. */
WG_API wg_status wg_batcher_next(wg_batcher *batcher, wg_batch **out, wg_error *err);
WG_API void wg_batch_free(wg_batch *batch);
/* Batches in the current epoch. */
WG_API int64_t wg_batcher_count(const wg_batcher *batcher);
/* Share of padding in [0, 1) among all source and target cells of the current epoch. */
WG_API double wg_batcher_padding(const wg_batcher *batcher);
WG_API wg_batch_state wg_batcher_tell(const wg_batcher *batcher);
/* WG_EINVAL when the epoch has fewer batches than state.position. */
WG_API wg_status wg_batcher_seek(wg_batcher *batcher, wg_batch_state state, wg_error *err);

WG_END_DECLS

#endif
