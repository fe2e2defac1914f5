/* Operations of random bodies: operands are chosen from a pool, results go into it. */
#include "random_body.h"

#include <math.h>

enum { PART = 8 };

uint32_t wgt_below(wgt_grower *g, uint32_t n)
{
    return wg_rng_below(&g->rng, n);
}

wg_tensor *wgt_filled(wg_dtype dtype, wg_shape shape, uint64_t seed, double scale)
{
    wg_error err;
    wg_tensor *t;
    WGT_OK(wg_tensor_new(dtype, shape, &t, &err), &err);
    wg_rng rng;
    wg_rng_init(&rng, seed, "leaf");
    for (int64_t i = 0; i < wg_tensor_count(t); i++)
        wg_tensor_set(t, i, scale * (2 * wg_rng_uniform(&rng) - 1));
    return t;
}

/* The next weight of the recording; made at the first, found again later. */
static wg_var weight(wgt_grower *g, wg_shape shape)
{
    wgt_world *w = g->w;
    int i = w->next_weight++;
    assert_true(i < WGT_WORLD_WEIGHTS);
    if (i == w->n_weights) {
        double rows = shape.rank == 2 ? (double)shape.dim[0] : 1;
        w->weight[w->n_weights++] =
            wgt_filled(w->cell.dtype, shape, w->cell.seed * 1000 + (uint64_t)i, 1.5 / sqrt(rows));
    }
    return wg_tensor_var(g->tape, w->weight[i]);
}

wg_var wgt_push(wgt_grower *g, wg_var v)
{
    if (g->n < WGT_POOL && wg_var_ok(v)) g->pool[g->n++] = v;
    return v;
}

/* ---- choosing operands ---- */

static bool is_rows(const wgt_grower *g, wg_var v)
{
    return wg_rank(v) == 2 && wg_dim(v, 0) == g->w->b && wg_dim(v, 1) > 0;
}

wg_var wgt_rows(wgt_grower *g)
{
    for (int tries = 0; tries < 40; tries++) {
        uint32_t n = (uint32_t)g->n, i = wgt_below(g, n);
        if (wgt_below(g, 2)) i = n - 1 - wgt_below(g, n < 4 ? n : 4);
        if (is_rows(g, g->pool[i])) return g->pool[i];
    }
    return g->pool[0];
}

wg_var wgt_rows_of(wgt_grower *g, int64_t n)
{
    int at = (int)wgt_below(g, (uint32_t)g->n);
    for (int k = 0; k < g->n; k++) {
        wg_var v = g->pool[(at + k) % g->n];
        if (is_rows(g, v) && wg_dim(v, 1) == n) return v;
    }
    return wgt_affine(g, wgt_rows(g), n);
}

int64_t wgt_width(wgt_grower *g)
{
    const int64_t some[] = {g->w->h, g->w->h, 2 * g->w->h, g->w->k, g->w->x, 1};
    return some[wgt_below(g, 6)];
}

static wg_var with_bias(wgt_grower *g, wg_var v)
{
    return wgt_below(g, 2) ? wg_add(v, weight(g, WG_SHAPE(wg_dim(v, 1)))) : v;
}

wg_var wgt_matrix(wgt_grower *g, int64_t m, int64_t n)
{
    switch (wgt_below(g, 8)) {
    case 0: return wg_scale(weight(g, WG_SHAPE(m, n)), 0.7);
    case 1: return wg_slice(weight(g, WG_SHAPE(m, n + 2)), 1, 1, n);
    case 2:
        if (n > 1)
            return wg_concat((wg_var[]){weight(g, WG_SHAPE(m, 1)), weight(g, WG_SHAPE(m, n - 1))},
                             2, 1);
        return weight(g, WG_SHAPE(m, n));
    case 3: return wg_tanh(wg_matmul(weight(g, WG_SHAPE(m, 2)), weight(g, WG_SHAPE(2, n))));
    case 4: return wg_swap_axes(weight(g, WG_SHAPE(n, m)), 0, 1);
    default: return weight(g, WG_SHAPE(m, n));
    }
}

wg_var wgt_product(wgt_grower *g, wg_var v, int64_t n)
{
    int64_t m = wg_dim(v, 1);
    if (wgt_below(g, 4) == 0) return wg_matmul_t(v, wgt_matrix(g, n, m), false, true);
    return wg_matmul(v, wgt_matrix(g, m, n));
}

wg_var wgt_affine(wgt_grower *g, wg_var v, int64_t n)
{
    return wg_tanh(with_bias(g, wgt_product(g, v, n)));
}

/* Something that broadcasts against v [B,n]: alike, a row, a column, a number. */
static wg_var against(wgt_grower *g, wg_var v)
{
    int64_t n = wg_dim(v, 1);
    switch (wgt_below(g, 6)) {
    case 0: return weight(g, WG_SHAPE(n));
    case 1: return wg_mean(wgt_rows(g), (int[]){1}, 1, true);
    case 2: return wg_mean_all(wgt_rows(g));
    case 3: return wg_const(g->tape, g->w->cell.dtype, WG_SCALAR, 0.4);
    default: return wgt_rows_of(g, n);
    }
}

static wg_var selector(wgt_grower *g, wg_var like)
{
    switch (wgt_below(g, 4)) {
    case 0:
        if (!wg_is_none(g->mask)) return g->mask;
        break;
    case 1:
        if (!wg_is_none(g->mask)) return wg_logical_not(g->mask);
        break;
    default: break;
    }
    return wg_gt(like, wg_const(g->tape, g->w->cell.dtype, WG_SCALAR, 0.1234));
}

/* ---- one operation ---- */

static void inner_scan(wgt_grower *g);

/* Gates as papers write them: packed and split, one matrix each, of [x;h]. */
static void gates(wgt_grower *g)
{
    int n = 2 + (int)wgt_below(g, 3);
    int64_t h = g->w->h;
    wg_var a = wgt_rows(g), b = wgt_rows(g), part[PART];
    switch (wgt_below(g, 4)) {
    case 0: {
        wg_var all =
            wg_add(wg_affine(a, wgt_matrix(g, wg_dim(a, 1), n * h), weight(g, WG_SHAPE(n * h))),
                   wgt_product(g, b, n * h));
        wg_split(all, 1, n, part);
        break;
    }
    case 1:
        for (int i = 0; i < n; i++)
            part[i] = with_bias(g, wg_add(wgt_product(g, a, h), wgt_product(g, b, h)));
        break;
    case 2: {
        wg_var both = wg_concat((wg_var[]){a, b}, 2, 1);
        for (int i = 0; i < n; i++) part[i] = with_bias(g, wgt_product(g, both, h));
        break;
    }
    default: {
        wg_var both = wg_concat((wg_var[]){a, b, wgt_rows(g)}, 3, 1);
        wg_split(with_bias(g, wgt_product(g, both, n * h)), 1, n, part);
    }
    }
    bool norm = wgt_below(g, 4) == 0;
    for (int i = 0; i < n; i++) {
        wg_var v = norm ? wg_layer_norm(part[i], weight(g, WG_SHAPE(h)), WG_NONE, 0.1) : part[i];
        wgt_push(g, i % 2 ? wg_tanh(v) : wg_sigmoid(v));
    }
    wgt_push(g, wg_lerp(wgt_rows_of(g, h), wg_tanh(part[n - 1]), wg_sigmoid(part[0])));
}

static wg_var map_of(wgt_grower *g, wg_var a)
{
    switch (wgt_below(g, 14)) {
    case 0: return wg_tanh(a);
    case 1: return wg_sigmoid(a);
    case 2: return wg_add(a, against(g, a));
    case 3: return wg_mul(a, against(g, a));
    case 4: return wg_sub(against(g, a), a);
    case 5: return wg_lerp(a, against(g, a), wg_sigmoid(a));
    case 6: return wg_exp(wg_neg(wg_square(a)));
    case 7: return wg_gelu_tanh(a);
    case 8: return wg_softplus(a);
    case 9: return wg_one_minus(a);
    case 10: return wg_div(a, wg_add_scalar(wg_square(against(g, a)), 1.5));
    case 11: return wg_relu(wg_add_scalar(a, 0.0721));
    case 12: return wg_clamp(a, -0.711, 0.533);
    default: return wg_scale(a, 0.75);
    }
}

static wg_var by_rows(wgt_grower *g, wg_var a)
{
    int64_t n = wg_dim(a, 1);
    switch (wgt_below(g, 7)) {
    case 0: return wg_softmax(a);
    case 1: return wg_log_softmax(a);
    case 2: return wg_layer_norm(a, weight(g, WG_SHAPE(n)), weight(g, WG_SHAPE(n)), 0.1);
    case 3: return wg_sub(a, wg_sum_axis(a, 1, true));
    case 4: return wg_mul(a, wg_logsumexp(a, (int[]){1}, 1, true));
    case 5: return wg_softmax_masked(a, selector(g, a));
    default: return wg_div(a, wg_add_scalar(wg_norm(a, (int[]){1}, 1, true), 0.5));
    }
}

static wg_var viewed(wgt_grower *g, wg_var a)
{
    int64_t n = wg_dim(a, 1), b = wg_dim(a, 0);
    wg_var part[2];
    switch (wgt_below(g, 8)) {
    case 0: return n > 1 ? wg_slice(a, 1, 1, n - 1) : a;
    case 1: return wg_concat((wg_var[]){a, wgt_rows(g)}, 2, 1);
    case 2:
        if (n % 2) return wg_neg(a);
        wg_split(a, 1, 2, part);
        wgt_push(g, wg_tanh(part[0]));
        return part[1];
    case 3: return wg_swap_axes(wg_mul(wg_swap_axes(a, 0, 1), wg_swap_axes(a, 0, 1)), 0, 1);
    case 4:
        if (n % 2) return wg_square(a);
        return wg_reshape(wg_softmax(wg_reshape(a, WG_SHAPE(b, 2, n / 2))), WG_SHAPE(b, n));
    case 5: return wg_squeeze(wg_tanh(wg_expand_dims(a, 1)), 1);
    case 6: return wg_pad(a, 1, 1, 1);
    default: return wg_concat((wg_var[]){wg_slice(a, 1, n - 1, 1), wg_slice(a, 1, 0, 1)}, 2, 1);
    }
}

void wgt_grow(wgt_grower *g)
{
    wg_var a = wgt_rows(g);
    wg_dtype f = g->w->cell.dtype;
    int64_t n = wg_dim(a, 1);
    wg_var v;
    switch (wgt_below(g, 20)) {
    case 0:
    case 1:
    case 2: gates(g); return;
    case 3:
    case 4: v = wgt_affine(g, a, wgt_width(g)); break;
    case 5: v = wgt_product(g, a, wgt_width(g)); break;
    case 6: v = wg_where(selector(g, a), a, against(g, a)); break;
    case 7: v = wg_stop_gradient(a); break;
    case 8: /* rows mix: what is added up over rows is a row for all */
        v = wg_add(wgt_rows_of(g, n), wg_tanh(wg_sum_axis(a, 0, false)));
        break;
    case 9: { /* products of two values of the step */
        wg_var b = wgt_rows(g);
        v = wg_matmul(a, wg_tanh(wg_matmul_t(a, b, true, false)));
        break;
    }
    case 10:
        if (!wg_is_none(g->time)) {
            wg_var age = wg_exp(wg_scale(wg_cast(g->time, f), -0.3));
            v = wg_mul(a, age);
            break;
        }
        v = map_of(g, a);
        break;
    case 11:
        if (!wg_is_none(g->ids)) {
            v = wg_embedding(weight(g, WG_SHAPE(4, g->w->h)), g->ids);
            break;
        }
        v = map_of(g, a);
        break;
    case 12:
        if (!wg_is_none(g->key)) {
            v = wg_dropout(a, 0.3, g->key, wgt_below(g, 2) ? "a" : "b", g->time, -1);
            break;
        }
        v = map_of(g, a);
        break;
    case 13:
        if (g->depth == 0 && g->w->cell.features & WGT_CELL_NESTED) {
            inner_scan(g);
            return;
        }
        v = by_rows(g, a);
        break;
    case 14: v = by_rows(g, a); break;
    case 15:
    case 16: v = viewed(g, a); break;
    default: v = map_of(g, a);
    }
    if (wg_var_ok(v) && (wg_rank(v) != 2 || wg_dim(v, 1) > 6 * g->w->h + 8)) v = a;
    /* Bounded, so that nothing explodes over the steps. */
    wgt_push(g, wgt_below(g, 3) ? v : wg_tanh(v));
}

static void inner_body(void *user, wg_scan_step *s)
{
    wgt_grower *outer = user, g = *outer;
    g.tape = s->tape;
    g.depth = 1;
    g.mask = g.ids = g.key = WG_NONE;
    g.time = s->time;
    wgt_push(&g, s->carry[0]);
    for (int i = 0; i < 2; i++) wgt_grow(&g);
    s->next[0] = wg_tanh(wg_add(wgt_product(&g, s->carry[0], g.w->h), wgt_rows_of(&g, g.w->h)));
    s->y[0] = s->next[0];
    s->sum[0] = wg_mul(wgt_rows_of(&g, g.w->h), wg_const(s->tape, g.w->cell.dtype, WG_SCALAR, 0.5));
}

/* A loop of two steps inside the body, which captures what is there. */
static void inner_scan(wgt_grower *g)
{
    wg_var init = wgt_rows_of(g, g->w->h), final, y, sum;
    wg_scan_def d = {.size = sizeof d,
                     .body = inner_body,
                     .user = g,
                     .init = &init,
                     .n_carries = 1,
                     .n_outputs = 1,
                     .n_sums = 1,
                     .steps = 2,
                     .reverse = wgt_below(g, 2),
                     .name = "inner"};
    wg_scan(g->tape, &d, &final, &y, &sum);
    wgt_push(g, final);
    wgt_push(g, wg_tanh(sum));
    wgt_push(g, wg_squeeze(wg_slice(y, 0, 0, 1), 0));
    wgt_below(g, 7); /* the inner one drew from a copy */
}
