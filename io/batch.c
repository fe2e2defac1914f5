/* Minibatches: the plan of an epoch (which sentences stand together, in which order) is made at its
 * start; batches are then filled one by one. */
#include <wengert/batch.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <wengert/memory.h>
#include <wengert/rng.h>

#include "shuffle.h"

struct wg_batcher {
    const wg_pairs *pairs;
    wg_batch_options o;
    wg_batch_state state;
    int64_t *order; /* pairs->n: sentences, batch after batch */
    int64_t *start; /* n_batches + 1 offsets into order (room for n + 1) */
    int64_t *batch; /* n_batches: in which order they are handed out (room for n) */
    int64_t n_batches;
    int64_t cells, real; /* of the epoch, padded and not */
};

typedef struct key {
    int64_t first, second, place, index;
} key;

const char *wg_batch_order_name(wg_batch_order order)
{
    static const char *const name[] = {"shuffle", "src", "tgt", "src_tgt", "tgt_src", "in_order"};
    return (int)order >= 0 && (size_t)order < sizeof name / sizeof *name ? name[order] : NULL;
}

static wg_status no_memory(wg_error *err)
{
    return wg_error_set(err, WG_ENOMEM, "batches: out of memory");
}

static int64_t round_up(int64_t n, int64_t multiple)
{
    return (n + multiple - 1) / multiple * multiple;
}

/* Lengths as the model sees them: </s> counts where it is added. */
static int64_t source_length(const wg_batcher *b, int64_t i)
{
    return b->pairs->start[0][i + 1] - b->pairs->start[0][i] + (b->o.source_eos ? 1 : 0);
}

static int64_t target_length(const wg_batcher *b, int64_t i)
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
        int64_t src = source_length(b, order[i]), tgt = target_length(b, order[i]);
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
        int64_t src = padded(source_length(b, b->order[begin + rows]), b->o.src_multiple);
        int64_t tgt = padded(target_length(b, b->order[begin + rows]), b->o.tgt_multiple);
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

static void measure(const wg_batcher *b, int64_t begin, int64_t rows, int64_t *S, int64_t *T,
                    int64_t *src_tokens, int64_t *tgt_tokens)
{
    *S = *T = *src_tokens = *tgt_tokens = 0;
    for (int64_t k = 0; k < rows; k++) {
        int64_t src = source_length(b, b->order[begin + k]);
        int64_t tgt = target_length(b, b->order[begin + k]);
        if (src > *S) *S = src;
        if (tgt > *T) *T = tgt;
        *src_tokens += src;
        *tgt_tokens += tgt;
    }
    *S = padded(*S, b->o.src_multiple);
    *T = b->pairs->sides == 2 ? padded(*T, b->o.tgt_multiple) : 0;
}

/* Morishita et al. 2017, algorithm 1: shuffle or sort, cut, shuffle the batches. */
static wg_status plan_epoch(wg_batcher *b, wg_error *err)
{
    int64_t n = b->pairs->n;
    bool sorted = b->o.order != WG_BATCH_SHUFFLE && b->o.order != WG_BATCH_IN_ORDER;
    int64_t window = b->o.window > 0 && sorted && b->o.window < n ? b->o.window : n;
    key *keys = NULL;
    if (sorted) {
        keys = wg_reallocarray(NULL, (size_t)window, sizeof *keys);
        if (!keys) return no_memory(err);
    }
    wg_rng rng;
    char stream[48];
    snprintf(stream, sizeof stream, "io.batch.%" PRIu64, b->state.epoch);
    wg_rng_init(&rng, b->o.seed, stream);
    for (int64_t i = 0; i < n; i++) b->order[i] = i;
    if (b->o.order != WG_BATCH_IN_ORDER) wg__shuffle(b->order, n, &rng);
    b->n_batches = b->cells = b->real = 0;
    for (int64_t begin = 0; begin < n; begin += window) {
        int64_t end = n - begin < window ? n : begin + window;
        if (sorted) sort_run(b, b->order + begin, end - begin, keys);
        for (int64_t at = begin; at < end;) {
            int64_t rows = batch_rows(b, at, end), S, T, src, tgt;
            measure(b, at, rows, &S, &T, &src, &tgt);
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

wg_status wg_batcher_new(const wg_pairs *pairs, const wg_batch_options *options, wg_batcher **out,
                         wg_error *err)
{
    *out = NULL;
    wg_batch_options o = {.size = sizeof o};
    if (options && options->size >= sizeof o) o = *options;
    if (!wg_batch_order_name(o.order) || (int)o.unit < 0 || o.unit > WG_BATCH_TOKENS)
        return wg_error_set(err, WG_EINVAL, "batches: unknown order or unit");
    if (!pairs || pairs->n <= 0) return wg_error_set(err, WG_EINVAL, "batches: no sentences");
    if (o.batch_size < 0 || o.window < 0 || o.src_multiple < 0 || o.tgt_multiple < 0 ||
        o.rows_multiple < 0)
        return wg_error_set(err, WG_EINVAL, "batches: a size is negative");
    if (o.src_multiple > 1 << 20 || o.tgt_multiple > 1 << 20)
        return wg_error_set(err, WG_ELIMIT, "batches: lengths rounded to more than %d", 1 << 20);
    if (o.batch_size == 0) o.batch_size = o.unit == WG_BATCH_SENTENCES ? 64 : 4096;
    if (o.src_multiple == 0) o.src_multiple = 1;
    if (o.tgt_multiple == 0) o.tgt_multiple = 1;
    if (o.rows_multiple == 0) o.rows_multiple = 1;
    wg_batcher *b = wg_calloc(1, sizeof *b);
    if (!b) return no_memory(err);
    b->pairs = pairs;
    b->o = o;
    b->order = wg_reallocarray(NULL, (size_t)pairs->n, sizeof *b->order);
    b->start = wg_reallocarray(NULL, (size_t)pairs->n + 1, sizeof *b->start);
    b->batch = wg_reallocarray(NULL, (size_t)pairs->n, sizeof *b->batch);
    wg_status status = b->order && b->start && b->batch ? plan_epoch(b, err) : no_memory(err);
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
    wg_free(b->order);
    wg_free(b->start);
    wg_free(b->batch);
    wg_free(b);
}

void wg_batch_free(wg_batch *batch)
{
    if (!batch) return;
    wg_tensor_free(batch->src_ids);
    wg_tensor_free(batch->src_len);
    wg_tensor_free(batch->tgt_in);
    wg_tensor_free(batch->tgt_out);
    wg_tensor_free(batch->tgt_len);
    wg_free(batch->index);
    wg_free(batch);
}

static wg_status new_tensors(wg_batch *x, bool target, wg_error *err)
{
    wg_status status = wg_tensor_new(WG_I32, WG_SHAPE(x->S, x->B), &x->src_ids, err);
    if (status == WG_OK) status = wg_tensor_new(WG_I32, WG_SHAPE(x->B), &x->src_len, err);
    if (!target) return status;
    if (status == WG_OK) status = wg_tensor_new(WG_I32, WG_SHAPE(x->T, x->B), &x->tgt_in, err);
    if (status == WG_OK) status = wg_tensor_new(WG_I32, WG_SHAPE(x->T, x->B), &x->tgt_out, err);
    if (status == WG_OK) status = wg_tensor_new(WG_I32, WG_SHAPE(x->B), &x->tgt_len, err);
    return status;
}

/* Writes column k; the tensors are zero, which is WG_PAD. */
static void fill_row(const wg_batcher *b, wg_batch *x, int64_t k)
{
    const wg_pairs *p = b->pairs;
    int64_t i = x->index[k], B = x->B;
    int32_t *ids = wg_tensor_data(x->src_ids);
    const int32_t *words = p->id[0] + p->start[0][i];
    int64_t n = p->start[0][i + 1] - p->start[0][i];
    for (int64_t t = 0; t < n; t++) ids[t * B + k] = words[t];
    if (b->o.source_eos) ids[n * B + k] = WG_EOS;
    ((int32_t *)wg_tensor_data(x->src_len))[k] = (int32_t)source_length(b, i);
    if (p->sides < 2) return;
    int32_t *in = wg_tensor_data(x->tgt_in), *out = wg_tensor_data(x->tgt_out);
    words = p->id[1] + p->start[1][i];
    n = p->start[1][i + 1] - p->start[1][i];
    in[k] = WG_BOS;
    for (int64_t t = 0; t < n; t++) {
        in[(t + 1) * B + k] = words[t];
        out[t * B + k] = words[t];
    }
    out[n * B + k] = WG_EOS;
    ((int32_t *)wg_tensor_data(x->tgt_len))[k] = (int32_t)target_length(b, i);
}

wg_status wg_batcher_next(wg_batcher *b, wg_batch **out, wg_error *err)
{
    *out = NULL;
    if (b->state.position >= (uint64_t)b->n_batches)
        return wg_batcher_seek(b, (wg_batch_state){b->state.epoch + 1, 0}, err);
    int64_t which = b->batch[b->state.position];
    int64_t begin = b->start[which], tgt_tokens;
    wg_batch *x = wg_calloc(1, sizeof *x);
    if (!x) return no_memory(err);
    x->B = b->start[which + 1] - begin;
    measure(b, begin, x->B, &x->S, &x->T, &x->src_tokens, &tgt_tokens);
    x->n_tokens = b->pairs->sides == 2 ? tgt_tokens : x->src_tokens;
    x->index = wg_reallocarray(NULL, (size_t)x->B, sizeof *x->index);
    wg_status status = x->index ? new_tensors(x, b->pairs->sides == 2, err) : no_memory(err);
    if (status != WG_OK) {
        wg_batch_free(x);
        return status;
    }
    for (int64_t k = 0; k < x->B; k++) {
        x->index[k] = b->order[begin + k];
        fill_row(b, x, k);
    }
    b->state.position++;
    *out = x;
    return WG_OK;
}

int64_t wg_batcher_count(const wg_batcher *b)
{
    return b->n_batches;
}

double wg_batcher_padding(const wg_batcher *b)
{
    return b->cells > 0 ? 1.0 - (double)b->real / (double)b->cells : 0.0;
}

wg_batch_state wg_batcher_tell(const wg_batcher *b)
{
    return b->state;
}

wg_status wg_batcher_seek(wg_batcher *b, wg_batch_state state, wg_error *err)
{
    wg_batch_state before = b->state;
    b->state = (wg_batch_state){state.epoch, 0};
    if (state.epoch != before.epoch) {
        wg_status status = plan_epoch(b, err);
        if (status != WG_OK) {
            b->state = before;
            return status;
        }
    }
    if (state.position > (uint64_t)b->n_batches) {
        wg_error_set(err, WG_EINVAL,
                     "batches: position %" PRIu64 " is beyond the %" PRId64
                     " batches of epoch %" PRIu64 " (other data or options than before?)",
                     state.position, b->n_batches, state.epoch);
        b->state = before;
        /* The plan of the epoch before: it was made once, so only memory can be missing. */
        wg_status status = plan_epoch(b, NULL);
        return status == WG_OK ? WG_EINVAL : no_memory(err);
    }
    b->state.position = state.position;
    return WG_OK;
}
