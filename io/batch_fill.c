/* A batch as padded tensors. */
#include "batch_private.h"

#include <wengert/memory.h>

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
    ((int32_t *)wg_tensor_data(x->src_len))[k] = (int32_t)wg__batch_source_length(b, i);
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
    ((int32_t *)wg_tensor_data(x->tgt_len))[k] = (int32_t)wg__batch_target_length(b, i);
}

wg_status wg__batch_fill(const wg_batcher *b, int64_t which, wg_batch **out, wg_error *err)
{
    int64_t begin = b->start[which], tgt_tokens;
    wg_batch *x = wg_calloc(1, sizeof *x);
    if (!x) return wg__batch_no_memory(err);
    x->B = b->start[which + 1] - begin;
    wg__batch_measure(b, begin, x->B, &x->S, &x->T, &x->src_tokens, &tgt_tokens);
    x->n_tokens = b->pairs->sides == 2 ? tgt_tokens : x->src_tokens;
    x->index = wg_reallocarray(NULL, (size_t)x->B, sizeof *x->index);
    wg_status status =
        x->index ? new_tensors(x, b->pairs->sides == 2, err) : wg__batch_no_memory(err);
    if (status != WG_OK) {
        wg_batch_free(x);
        return status;
    }
    for (int64_t k = 0; k < x->B; k++) {
        x->index[k] = b->order[begin + k];
        fill_row(b, x, k);
    }
    *out = x;
    return WG_OK;
}
