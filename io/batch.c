/* Minibatches: the plan of an epoch (which sentences stand together, in which order) is made at its
 * start; batches are then filled one by one. */
#include "batch_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <wengert/memory.h>
#include <wengert/rng.h>

#include "shuffle.h"

typedef struct key {
    int64_t first, second, place, index;
} key;

const char *wg_batch_order_name(wg_batch_order order)
{
    static const char *const name[] = {"shuffle", "src", "tgt", "src_tgt", "tgt_src", "in_order"};
    return (int)order >= 0 && (size_t)order < sizeof name / sizeof *name ? name[order] : NULL;
}

wg_status wg__batch_no_memory(wg_error *err)
{
    return wg_error_set(err, WG_ENOMEM, "batches: out of memory");
}

static int64_t round_up(int64_t n, int64_t multiple)
{
    return (n + multiple - 1) / multiple * multiple;
}

/* Lengths as the model sees them: </s> counts where it is added. */
int64_t wg__batch_source_length(const wg_batcher *b, int64_t i)
{
    return b->pairs->start[0][i + 1] - b->pairs->start[0][i] + (b->o.source_eos ? 1 : 0);
}

int64_t wg__batch_target_length(const wg_batcher *b, int64_t i)
{
    return b->pairs->sides == 2 ? b->pairs->start[1][i + 1] - b->pairs->start[1][i] + 1 : 0;
}

static int compare_keys(const void *x, const void *y)
{
    const key *a = x, *b = y;
    if (a->first != b->first) return a->first < b->first ? -1 : 1;
    if (a->second != b->second) return a->second < b->second ? -1 : 1;
    return a->place < b->place ? -1 : a->place > b->place;
}

static void sort_run(const wg_batcher *b, int64_t *order, int64_t n, key *keys)
{
    for (int64_t i = 0; i < n; i++) {
        int64_t src = wg__batch_source_length(b, order[i]),
                tgt = wg__batch_target_length(b, order[i]);
        keys[i] = (key){0, 0, i, order[i]};
        switch (b->o.order) {
        case WG_BATCH_SRC: keys[i].first = src; break;
        case WG_BATCH_TGT: keys[i].first = tgt; break;
        case WG_BATCH_SRC_TGT: keys[i].first = src, keys[i].second = tgt; break;
        case WG_BATCH_TGT_SRC: keys[i].first = tgt, keys[i].second = src; break;
        case WG_BATCH_SHUFFLE:
        case WG_BATCH_IN_ORDER: return;
        }
    }
    qsort(keys, (size_t)n, sizeof *keys, compare_keys);
    for (int64_t i = 0; i < n; i++) order[i] = keys[i].index;
}

static int64_t padded(int64_t length, int64_t multiple)
{
    return round_up(length > 0 ? length : 1, multiple);
}

/* Sentences of order[begin, end) that the batch starting at `begin` takes. */
static int64_t batch_rows(const wg_batcher *b, int64_t begin, int64_t end)
{
    if (b->o.unit == WG_BATCH_SENTENCES)
        return end - begin < b->o.batch_size ? end - begin : b->o.batch_size;
    int64_t longest = 0, rows = 0;
    while (begin + rows < end) {
        int64_t src = padded(wg__batch_source_length(b, b->order[begin + rows]), b->o.src_multiple);
        int64_t tgt = padded(wg__batch_target_length(b, b->order[begin + rows]), b->o.tgt_multiple);
        int64_t wider = src > longest ? src : longest;
        if (b->pairs->sides == 2 && tgt > wider) wider = tgt;
        /* A sentence longer than a batch still gets one, alone. */
        if (rows > 0 && rows + 1 > b->o.batch_size / wider) break;
        longest = wider;
        rows++;
    }
    if (begin + rows < end && rows > b->o.rows_multiple) rows -= rows % b->o.rows_multiple;
    return rows;
}

void wg__batch_measure(const wg_batcher *b, int64_t begin, int64_t rows, int64_t *S, int64_t *T,
                       int64_t *src_tokens, int64_t *tgt_tokens)
{
    *S = *T = *src_tokens = *tgt_tokens = 0;
    for (int64_t k = 0; k < rows; k++) {
        int64_t src = wg__batch_source_length(b, b->order[begin + k]);
        int64_t tgt = wg__batch_target_length(b, b->order[begin + k]);
        if (src > *S) *S = src;
        if (tgt > *T) *T = tgt;
        *src_tokens += src;
        *tgt_tokens += tgt;
    }
    *S = padded(*S, b->o.src_multiple);
    *T = b->pairs->sides == 2 ? padded(*T, b->o.tgt_multiple) : 0;
}

/* Room for the plan of so many pairs. */
static bool reserve(wg_batcher *b, int64_t n)
{
    if (n <= b->room && b->order) return true;
    wg_free(b->order);
    wg_free(b->start);
    wg_free(b->batch);
    b->order = wg_reallocarray(NULL, (size_t)n, sizeof *b->order);
    b->start = wg_reallocarray(NULL, (size_t)n + 1, sizeof *b->start);
    b->batch = wg_reallocarray(NULL, (size_t)n, sizeof *b->batch);
    b->room = b->order && b->start && b->batch ? n : 0;
    return b->room == n;
}

/* Morishita et al. 2017, algorithm 1: shuffle or sort, cut, shuffle the batches. */
wg_status wg__batch_plan(wg_batcher *b, const char *name, wg_error *err)
{
    int64_t n = b->pairs->n;
    bool sorted = b->o.order != WG_BATCH_SHUFFLE && b->o.order != WG_BATCH_IN_ORDER;
    int64_t window = b->o.window > 0 && sorted && b->o.window < n ? b->o.window : n;
    key *keys = NULL;
    b->n_batches = b->cells = b->real = b->at = b->rows_done = 0;
    if (!reserve(b, n)) return wg__batch_no_memory(err);
    if (sorted) {
        keys = wg_reallocarray(NULL, (size_t)window, sizeof *keys);
        if (!keys) return wg__batch_no_memory(err);
    }
    wg_rng rng;
    wg_rng_init(&rng, b->o.seed, name);
    for (int64_t i = 0; i < n; i++) b->order[i] = i;
    if (b->o.order != WG_BATCH_IN_ORDER) wg__shuffle(b->order, n, &rng);
    for (int64_t begin = 0; begin < n; begin += window) {
        int64_t end = n - begin < window ? n : begin + window;
        if (sorted) sort_run(b, b->order + begin, end - begin, keys);
        for (int64_t at = begin; at < end;) {
            int64_t rows = batch_rows(b, at, end), S, T, src, tgt;
            wg__batch_measure(b, at, rows, &S, &T, &src, &tgt);
            b->cells += rows * (S + T);
            b->real += src + tgt;
            b->batch[b->n_batches] = b->n_batches;
            b->start[b->n_batches++] = at;
            at += rows;
        }
    }
    b->start[b->n_batches] = n;
    if (b->o.order != WG_BATCH_IN_ORDER) wg__shuffle(b->batch, b->n_batches, &rng);
    wg_free(keys);
    return WG_OK;
}

/* The plan of an epoch, or of its first window. */
static wg_status start_epoch(wg_batcher *b, uint64_t epoch, wg_error *err)
{
    char name[48];
    b->epoch = epoch;
    b->position = 0;
    b->cells_before = b->real_before = 0;
    if (b->w.stream) return wg__windows_start(b, epoch, err);
    snprintf(name, sizeof name, "io.batch.%" PRIu64, epoch);
    return wg__batch_plan(b, name, err);
}

wg_status wg__batch_new(const wg_batch_options *options, wg_batcher **out, wg_error *err)
{
    wg_batch_options o = {.size = sizeof o};
    if (options && options->size >= sizeof o) o = *options;
    if (!wg_batch_order_name(o.order) || (int)o.unit < 0 || o.unit > WG_BATCH_TOKENS)
        return wg_error_set(err, WG_EINVAL, "batches: unknown order or unit");
    if (o.batch_size < 0 || o.window < 0 || o.src_multiple < 0 || o.tgt_multiple < 0 ||
        o.rows_multiple < 0 || o.shuffle_window < 0)
        return wg_error_set(err, WG_EINVAL, "batches: a size is negative");
    if (o.src_multiple > 1 << 20 || o.tgt_multiple > 1 << 20)
        return wg_error_set(err, WG_ELIMIT, "batches: lengths rounded to more than %d", 1 << 20);
    if (o.shuffle_window > INT32_MAX / 2)
        return wg_error_set(err, WG_ELIMIT, "batches: a shuffle window of more than %d pairs",
                            INT32_MAX / 2);
    if (o.batch_size == 0) o.batch_size = o.unit == WG_BATCH_SENTENCES ? 64 : 4096;
    if (o.src_multiple == 0) o.src_multiple = 1;
    if (o.tgt_multiple == 0) o.tgt_multiple = 1;
    if (o.rows_multiple == 0) o.rows_multiple = 1;
    if (o.shuffle_window == 0) o.shuffle_window = 1 << 16;
    wg_batcher *b = wg_calloc(1, sizeof *b);
    if (!b) return wg__batch_no_memory(err);
    b->o = o;
    *out = b;
    return WG_OK;
}

wg_status wg_batcher_new(const wg_pairs *pairs, const wg_batch_options *options, wg_batcher **out,
                         wg_error *err)
{
    *out = NULL;
    if (!pairs || pairs->n <= 0) return wg_error_set(err, WG_EINVAL, "batches: no sentences");
    wg_batcher *b;
    wg_status status = wg__batch_new(options, &b, err);
    if (status != WG_OK) return status;
    b->pairs = pairs;
    status = start_epoch(b, 0, err);
    if (status != WG_OK) {
        wg_batcher_free(b);
        return status;
    }
    *out = b;
    return WG_OK;
}

void wg_batcher_free(wg_batcher *b)
{
    if (!b) return;
    wg_pairs_free(b->w.held);
    wg_free(b->order);
    wg_free(b->start);
    wg_free(b->batch);
    wg_free(b);
}

wg_status wg_batcher_next(wg_batcher *b, wg_batch **out, wg_error *err)
{
    *out = NULL;
    while (b->at >= b->n_batches) {
        bool more = false;
        if (b->w.stream) {
            wg_status status = wg__windows_next(b, &more, err);
            if (status != WG_OK) return status;
        }
        if (!more) return start_epoch(b, b->epoch + 1, err);
    }
    wg_status status = wg__batch_fill(b, b->batch[b->at], out, err);
    if (status != WG_OK) return status;
    b->rows_done += (*out)->B;
    b->at++;
    b->position++;
    return WG_OK;
}

int64_t wg_batcher_count(const wg_batcher *b)
{
    return b->w.stream ? -1 : b->n_batches;
}

double wg_batcher_share(const wg_batcher *b)
{
    if (!b->w.stream) return b->n_batches ? (double)b->at / (double)b->n_batches : 0.0;
    double done = (double)b->w.before + (double)b->rows_done;
    return b->w.pairs ? done / (double)b->w.pairs : 0.0;
}

double wg_batcher_padding(const wg_batcher *b)
{
    int64_t cells = b->cells_before + b->cells, real = b->real_before + b->real;
    return cells > 0 ? 1.0 - (double)real / (double)cells : 0.0;
}

wg_batch_state wg_batcher_tell(const wg_batcher *b)
{
    return (wg_batch_state){b->epoch, b->position};
}

static wg_status seek_window(wg_batcher *b, wg_batch_state state, wg_error *err)
{
    wg_status status = start_epoch(b, state.epoch, err);
    bool more = true;
    while (status == WG_OK && more && b->position + (uint64_t)b->n_batches < state.position) {
        b->position += (uint64_t)b->n_batches;
        status = wg__windows_next(b, &more, err);
    }
    if (status != WG_OK) return status;
    if (!more || b->position + (uint64_t)b->n_batches < state.position)
        return wg_error_set(err, WG_EINVAL,
                            "batches: epoch %" PRIu64 " has fewer than %" PRIu64
                            " batches (other data or options than before?)",
                            state.epoch, state.position);
    return wg__batch_skip(b, (int64_t)(state.position - b->position), err);
}

wg_status wg__batch_skip(wg_batcher *b, int64_t n, wg_error *err)
{
    if (n < 0 || n > b->n_batches)
        return wg_error_set(err, WG_EINVAL,
                            "batches: position %" PRId64 " is beyond the %" PRId64
                            " batches of epoch %" PRIu64 " (other data or options than before?)",
                            n, b->n_batches, b->epoch);
    b->position += (uint64_t)n;
    b->at = n;
    b->rows_done = 0;
    for (int64_t i = 0; i < n; i++)
        b->rows_done += b->start[b->batch[i] + 1] - b->start[b->batch[i]];
    return WG_OK;
}

wg_status wg_batcher_seek(wg_batcher *b, wg_batch_state state, wg_error *err)
{
    if (b->w.stream) return seek_window(b, state, err);
    wg_batch_state before = wg_batcher_tell(b);
    wg_status status = WG_OK;
    if (state.epoch != before.epoch) status = start_epoch(b, state.epoch, err);
    b->position = 0;
    if (status == WG_OK)
        status = wg__batch_skip(b, state.position > INT64_MAX ? INT64_MAX : (int64_t)state.position,
                                err);
    if (status == WG_OK) return WG_OK;
    /* As it was. The plan of the epoch before was made once, so only memory can be missing. */
    if (b->epoch != before.epoch && start_epoch(b, before.epoch, NULL) != WG_OK)
        return wg__batch_no_memory(err);
    b->position = 0;
    wg_status back = wg__batch_skip(b, (int64_t)before.position, NULL);
    return back == WG_OK ? status : back;
}
