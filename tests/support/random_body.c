/* A random cell: the body of a layer, its recording with gradients, and the leaves it works on. */
#include "random_body.h"

#include <string.h>

/* ---- the body of a layer ---- */

enum { Y = 3, S = 4 };

static int n_states(const wgt_world *w)
{
    return w->cell.features & WGT_CELL_EXTRA ? 4 : 1;
}

/* States: [B,H]; one of another width; one that is passed through; without lengths, a row [K] that
 * belongs to all of the batch. */
static wg_shape state_shape(const wgt_world *w, int i)
{
    if (i == 1) return WG_SHAPE(w->b, w->k);
    if (i == 3 && !w->lengths) return WG_SHAPE(w->k);
    return WG_SHAPE(w->b, w->h);
}

static void cell_body(void *user, wg_scan_step *s)
{
    wgt_world *w = user;
    wgt_grower g = {.w = w, .tape = s->tape, .time = s->time};
    wg_rng_init(&g.rng, w->cell.seed * 2 + (uint64_t)w->layer, "cell");
    wgt_push(&g, s->x[0]);
    g.mask = s->x[1];
    g.ids = s->x[2];
    g.key = wg_tensor_var(s->tape, w->key);
    int64_t h = w->h;
    for (int i = 0; i < n_states(w); i++)
        wgt_push(&g, wg_rank(s->carry[i]) == 2
                         ? s->carry[i]
                         : wg_add(s->carry[i],
                                  wg_const(s->tape, w->cell.dtype, WG_SHAPE(w->b, w->k), 0)));
    for (int i = 0; i < w->cell.ops && g.n < WGT_POOL - 16; i++) wgt_grow(&g);
    wg_var h_next = wgt_below(&g, 2)
                        ? wg_tanh(wg_add(wgt_product(&g, s->carry[0], h), wgt_rows_of(&g, h)))
                        : wg_tanh(wgt_rows_of(&g, h));
    s->next[0] = h_next;
    if (n_states(w) > 1) {
        s->next[1] =
            wg_lerp(s->carry[1], wgt_affine(&g, wgt_rows(&g), w->k), wg_sigmoid(s->carry[1]));
        s->next[2] = w->swap ? s->carry[0] : s->carry[2];
        s->next[3] =
            w->lengths ? wg_scale(wg_add(s->carry[3], h_next), 0.5)
                       : wg_tanh(wg_add(s->carry[3], wg_sum_axis(wgt_rows_of(&g, w->k), 0, false)));
    }
    /* Outputs: what the next layer reads, anything, a product that nothing in the loop needs. */
    s->y[0] = h_next;
    s->y[1] = wgt_rows(&g);
    s->y[2] = wgt_product(&g, wgt_rows(&g), wgt_width(&g));
    wg_var a = wgt_rows(&g), b = wgt_rows(&g);
    s->sum[0] = wg_matmul_t(a, b, true, false);
    s->sum[1] = wg_sum_axis(wgt_rows(&g), 0, false);
    s->sum[2] = wg_mean_all(wg_square(wgt_rows(&g)));
    s->sum[3] = wgt_below(&g, 2) ? wgt_rows(&g) : wgt_matrix(&g, w->h, w->k);
}

/* ---- recording ---- */

static wg_var tamed(wg_var v)
{
    return wg_mean_all(wg_square(wg_tanh(v)));
}

int wgt_world_record(wgt_world *w, wg_tape *tape, wg_var *out)
{
    wg_var seq[3] = {wg_tensor_var(tape, w->seq), wg_tensor_var(tape, w->mask),
                     wg_tensor_var(tape, w->ids)};
    wg_var leaf[WGT_WORLD_WEIGHTS + 5], loss = wg_const(tape, w->cell.dtype, WG_SCALAR, 0);
    int n_out = 0, n_leaves = 0;
    w->next_weight = 0;
    leaf[n_leaves++] = seq[0];
    for (int i = 0; i < n_states(w); i++) leaf[n_leaves++] = wg_tensor_var(tape, w->init[i]);
    for (w->layer = 0; w->layer < (w->cell.features & WGT_CELL_TWICE ? 2 : 1); w->layer++) {
        wg_var r[4 + Y + S] = {{0}};
        wg_scan_def d = {.size = sizeof d,
                         .body = cell_body,
                         .user = w,
                         .sequences = seq,
                         .n_sequences = 3,
                         .init = leaf + 1,
                         .n_carries = n_states(w),
                         .n_outputs = Y,
                         .n_sums = S,
                         .reverse = w->reverse != (w->layer == 1),
                         .lengths = w->lengths ? wg_tensor_var(tape, w->length) : WG_NONE,
                         .name = "cell",
                         .remat = w->remat};
        wg_scan(tape, &d, r, r + 4, r + 4 + Y);
        for (int i = 0; i < 4 + Y + S; i++) {
            if (i < 4 && i >= n_states(w)) continue;
            out[n_out++] = r[i];
            if (wg_var_ok(r[i])) loss = wg_add(loss, wg_scale(tamed(r[i]), 1.0 / (2 + i)));
        }
        seq[0] = r[4];
    }
    for (int i = 0; i < w->n_weights; i++) leaf[n_leaves++] = wg_tensor_var(tape, w->weight[i]);
    out[n_out++] = loss;
    wg_grad_or_zeros(&loss, NULL, 1, leaf, n_leaves, out + n_out);
    wg_var second = wg_const(tape, w->cell.dtype, WG_SCALAR, 0);
    for (int i = 0; i < n_leaves; i++)
        second = wg_add(second, wg_sum_all(wg_square(out[n_out + i])));
    n_out += n_leaves;
    if (w->cell.features & WGT_CELL_SECOND) {
        wg_grad_or_zeros(&second, NULL, 1, leaf, n_leaves, out + n_out);
        n_out += n_leaves;
    }
    assert_true(n_out <= WGT_WORLD_OUT);
    return n_out;
}

void wgt_world_new(wgt_world *w, const wgt_cell *c)
{
    memset(w, 0, sizeof *w);
    w->cell = *c;
    wg_rng rng;
    wg_rng_init(&rng, c->seed, "world");
    bool wide = c->features & WGT_CELL_WIDE;
    w->t = 1 + wg_rng_below(&rng, 5);
    w->b = wide ? 9 + wg_rng_below(&rng, 10) : 1 + wg_rng_below(&rng, 4);
    w->x = wide ? 17 : 3;
    w->h = wide ? 33 : 4;
    w->k = wide ? 8 : 5;
    w->swap = wg_rng_below(&rng, 2);
    w->lengths = c->features & WGT_CELL_LENGTHS;
    w->reverse = c->features & WGT_CELL_REVERSE;
    int64_t chunk = (int64_t)wg_rng_below(&rng, 4) - 1;
    w->remat = c->features & WGT_CELL_REMAT ? chunk : 0;
    wg_error err;
    uint64_t s = c->seed * 100;
    w->seq = wgt_filled(c->dtype, WG_SHAPE(w->t, w->b, w->x), s, 1);
    for (int i = 0; i < 4; i++)
        w->init[i] = wgt_filled(c->dtype, state_shape(w, i), s + 1 + (uint64_t)i, 1);
    WGT_OK(wg_tensor_new(WG_U8, WG_SHAPE(w->t, w->b, 1), &w->mask, &err), &err);
    WGT_OK(wg_tensor_new(WG_I32, WG_SHAPE(w->t, w->b), &w->ids, &err), &err);
    WGT_OK(wg_tensor_new(WG_I32, WG_SHAPE(w->b), &w->length, &err), &err);
    WGT_OK(wg_tensor_new(WG_I32, WG_SHAPE(4), &w->key, &err), &err);
    for (int64_t i = 0; i < w->t * w->b; i++) {
        wg_tensor_set(w->mask, i, wg_rng_below(&rng, 2));
        wg_tensor_set(w->ids, i, wg_rng_below(&rng, 4));
    }
    bool equal = wg_rng_below(&rng, 4) == 0;
    for (int64_t i = 0; i < w->b; i++)
        wg_tensor_set(w->length, i, equal ? (double)w->t : wg_rng_below(&rng, (uint32_t)w->t + 1));
    for (int i = 0; i < 4; i++) wg_tensor_set(w->key, i, 3 + i);
}

void wgt_world_free(wgt_world *w)
{
    for (int i = 0; i < w->n_weights; i++) wg_tensor_free(w->weight[i]);
    for (int i = 0; i < 4; i++) wg_tensor_free(w->init[i]);
    wg_tensor_free(w->seq);
    wg_tensor_free(w->mask);
    wg_tensor_free(w->ids);
    wg_tensor_free(w->length);
    wg_tensor_free(w->key);
}
