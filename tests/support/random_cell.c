/* Random bodies of scans, their programs compared, failures shrunk: see random_cell.h. */
#include "random_cell.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <wengert/ops.h>
#include <wengert/parallel.h>
#include <wengert/program.h>
#include <wengert/rng.h>
#include <wengert/scan.h>

enum { WEIGHTS = 160, POOL = 96, MOST_OUT = 360, PART = 8 };

/* f64: 1e-12; f32: 256 units in the last place (2^-23). Both against the largest element of a
 * result, since sums over T B rows in another order differ by the terms they have. Where two
 * instruction sets differ by more, node by node, rounding alone does that (second gradients of wide
 * cells): then four times as much. */
static const double tolerance[2] = {1e-12, 256.0 / (1 << 23)};

/* Everything a recording needs: leaves are made once and found again by their order. */
typedef struct world {
    wgt_cell cell;
    int64_t t, b, x, h, k;
    int64_t remat;
    bool reverse, lengths, swap;
    wg_tensor *weight[WEIGHTS], *seq, *mask, *ids, *init[4], *length, *key;
    int n_weights, next_weight;
    int layer;
    wg_var state_kind[4];
} world;

typedef struct grower {
    world *w;
    wg_tape *tape;
    wg_rng rng;
    wg_var pool[POOL]; /* floats of rank 1 and 2, [B,n] mostly */
    int n;
    wg_var mask, ids, time, key; /* none inside a loop of the body */
    int depth;
} grower;

static uint32_t below(grower *g, uint32_t n)
{
    return wg_rng_below(&g->rng, n);
}

static wg_tensor *filled(wg_dtype dtype, wg_shape shape, uint64_t seed, double scale)
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
static wg_var weight(grower *g, wg_shape shape)
{
    world *w = g->w;
    int i = w->next_weight++;
    assert_true(i < WEIGHTS);
    if (i == w->n_weights) {
        double rows = shape.rank == 2 ? (double)shape.dim[0] : 1;
        w->weight[w->n_weights++] =
            filled(w->cell.dtype, shape, w->cell.seed * 1000 + (uint64_t)i, 1.5 / sqrt(rows));
    }
    return wg_tensor_var(g->tape, w->weight[i]);
}

static wg_var push(grower *g, wg_var v)
{
    if (g->n < POOL && wg_var_ok(v)) g->pool[g->n++] = v;
    return v;
}

/* ---- choosing operands ---- */

static bool is_rows(const grower *g, wg_var v)
{
    return wg_rank(v) == 2 && wg_dim(v, 0) == g->w->b && wg_dim(v, 1) > 0;
}

/* A value [B,n], lately made ones more often. */
static wg_var rows(grower *g)
{
    for (int tries = 0; tries < 40; tries++) {
        uint32_t n = (uint32_t)g->n, i = below(g, n);
        if (below(g, 2)) i = n - 1 - below(g, n < 4 ? n : 4);
        if (is_rows(g, g->pool[i])) return g->pool[i];
    }
    return g->pool[0];
}

static wg_var affine(grower *g, wg_var v, int64_t n);

/* A value [B,n]: one of the pool, or made to fit. */
static wg_var rows_of(grower *g, int64_t n)
{
    int at = (int)below(g, (uint32_t)g->n);
    for (int k = 0; k < g->n; k++) {
        wg_var v = g->pool[(at + k) % g->n];
        if (is_rows(g, v) && wg_dim(v, 1) == n) return v;
    }
    return affine(g, rows(g), n);
}

static int64_t width(grower *g)
{
    const int64_t some[] = {g->w->h, g->w->h, 2 * g->w->h, g->w->k, g->w->x, 1};
    return some[below(g, 6)];
}

static wg_var with_bias(grower *g, wg_var v)
{
    return below(g, 2) ? wg_add(v, weight(g, WG_SHAPE(wg_dim(v, 1)))) : v;
}

/* A weight [m,n] in the forms that come up: as it is, computed from others, columns of a larger
 * one, two side by side. */
static wg_var matrix(grower *g, int64_t m, int64_t n)
{
    switch (below(g, 8)) {
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

/* v [B,m] times a weight: [B,n]. */
static wg_var product(grower *g, wg_var v, int64_t n)
{
    int64_t m = wg_dim(v, 1);
    if (below(g, 4) == 0) return wg_matmul_t(v, matrix(g, n, m), false, true);
    return wg_matmul(v, matrix(g, m, n));
}

static wg_var affine(grower *g, wg_var v, int64_t n)
{
    return wg_tanh(with_bias(g, product(g, v, n)));
}

/* Something that broadcasts against v [B,n]: alike, a row, a column, a number. */
static wg_var against(grower *g, wg_var v)
{
    int64_t n = wg_dim(v, 1);
    switch (below(g, 6)) {
    case 0: return weight(g, WG_SHAPE(n));
    case 1: return wg_mean(rows(g), (int[]){1}, 1, true);
    case 2: return wg_mean_all(rows(g));
    case 3: return wg_const(g->tape, g->w->cell.dtype, WG_SCALAR, 0.4);
    default: return rows_of(g, n);
    }
}

static wg_var selector(grower *g, wg_var like)
{
    switch (below(g, 4)) {
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

static void inner_scan(grower *g);

/* Gates as papers write them: packed and split, one matrix each, of [x;h]. */
static void gates(grower *g)
{
    int n = 2 + (int)below(g, 3);
    int64_t h = g->w->h;
    wg_var a = rows(g), b = rows(g), part[PART];
    switch (below(g, 4)) {
    case 0: {
        wg_var all =
            wg_add(wg_affine(a, matrix(g, wg_dim(a, 1), n * h), weight(g, WG_SHAPE(n * h))),
                   product(g, b, n * h));
        wg_split(all, 1, n, part);
        break;
    }
    case 1:
        for (int i = 0; i < n; i++)
            part[i] = with_bias(g, wg_add(product(g, a, h), product(g, b, h)));
        break;
    case 2: {
        wg_var both = wg_concat((wg_var[]){a, b}, 2, 1);
        for (int i = 0; i < n; i++) part[i] = with_bias(g, product(g, both, h));
        break;
    }
    default: {
        wg_var both = wg_concat((wg_var[]){a, b, rows(g)}, 3, 1);
        wg_split(with_bias(g, product(g, both, n * h)), 1, n, part);
    }
    }
    bool norm = below(g, 4) == 0;
    for (int i = 0; i < n; i++) {
        wg_var v = norm ? wg_layer_norm(part[i], weight(g, WG_SHAPE(h)), WG_NONE, 0.1) : part[i];
        push(g, i % 2 ? wg_tanh(v) : wg_sigmoid(v));
    }
    push(g, wg_lerp(rows_of(g, h), wg_tanh(part[n - 1]), wg_sigmoid(part[0])));
}

static wg_var map_of(grower *g, wg_var a)
{
    switch (below(g, 14)) {
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

static wg_var by_rows(grower *g, wg_var a)
{
    int64_t n = wg_dim(a, 1);
    switch (below(g, 7)) {
    case 0: return wg_softmax(a);
    case 1: return wg_log_softmax(a);
    case 2: return wg_layer_norm(a, weight(g, WG_SHAPE(n)), weight(g, WG_SHAPE(n)), 0.1);
    case 3: return wg_sub(a, wg_sum_axis(a, 1, true));
    case 4: return wg_mul(a, wg_logsumexp(a, (int[]){1}, 1, true));
    case 5: return wg_softmax_masked(a, selector(g, a));
    default: return wg_div(a, wg_add_scalar(wg_norm(a, (int[]){1}, 1, true), 0.5));
    }
}

static wg_var viewed(grower *g, wg_var a)
{
    int64_t n = wg_dim(a, 1), b = wg_dim(a, 0);
    wg_var part[2];
    switch (below(g, 8)) {
    case 0: return n > 1 ? wg_slice(a, 1, 1, n - 1) : a;
    case 1: return wg_concat((wg_var[]){a, rows(g)}, 2, 1);
    case 2:
        if (n % 2) return wg_neg(a);
        wg_split(a, 1, 2, part);
        push(g, wg_tanh(part[0]));
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

static void grow(grower *g)
{
    wg_var a = rows(g);
    wg_dtype f = g->w->cell.dtype;
    int64_t n = wg_dim(a, 1);
    wg_var v;
    switch (below(g, 20)) {
    case 0:
    case 1:
    case 2: gates(g); return;
    case 3:
    case 4: v = affine(g, a, width(g)); break;
    case 5: v = product(g, a, width(g)); break;
    case 6: v = wg_where(selector(g, a), a, against(g, a)); break;
    case 7: v = wg_stop_gradient(a); break;
    case 8: /* rows mix: what is added up over rows is a row for all */
        v = wg_add(rows_of(g, n), wg_tanh(wg_sum_axis(a, 0, false)));
        break;
    case 9: { /* products of two values of the step */
        wg_var b = rows(g);
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
            v = wg_dropout(a, 0.3, g->key, below(g, 2) ? "a" : "b", g->time, -1);
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
    push(g, below(g, 3) ? v : wg_tanh(v));
}

static void inner_body(void *user, wg_scan_step *s)
{
    grower *outer = user, g = *outer;
    g.tape = s->tape;
    g.depth = 1;
    g.mask = g.ids = g.key = WG_NONE;
    g.time = s->time;
    push(&g, s->carry[0]);
    for (int i = 0; i < 2; i++) grow(&g);
    s->next[0] = wg_tanh(wg_add(product(&g, s->carry[0], g.w->h), rows_of(&g, g.w->h)));
    s->y[0] = s->next[0];
    s->sum[0] = wg_mul(rows_of(&g, g.w->h), wg_const(s->tape, g.w->cell.dtype, WG_SCALAR, 0.5));
}

/* A loop of two steps inside the body, which captures what is there. */
static void inner_scan(grower *g)
{
    wg_var init = rows_of(g, g->w->h), final, y, sum;
    wg_scan_def d = {.size = sizeof d,
                     .body = inner_body,
                     .user = g,
                     .init = &init,
                     .n_carries = 1,
                     .n_outputs = 1,
                     .n_sums = 1,
                     .steps = 2,
                     .reverse = below(g, 2),
                     .name = "inner"};
    wg_scan(g->tape, &d, &final, &y, &sum);
    push(g, final);
    push(g, wg_tanh(sum));
    push(g, wg_squeeze(wg_slice(y, 0, 0, 1), 0));
    below(g, 7); /* the inner one drew from a copy */
}

/* ---- the body of a layer ---- */

enum { Y = 3, S = 4 };

static int n_states(const world *w)
{
    return w->cell.features & WGT_CELL_EXTRA ? 4 : 1;
}

/* States: [B,H]; one of another width; one that is passed through; without lengths, a row [K] that
 * belongs to all of the batch. */
static wg_shape state_shape(const world *w, int i)
{
    if (i == 1) return WG_SHAPE(w->b, w->k);
    if (i == 3 && !w->lengths) return WG_SHAPE(w->k);
    return WG_SHAPE(w->b, w->h);
}

static void cell_body(void *user, wg_scan_step *s)
{
    world *w = user;
    grower g = {.w = w, .tape = s->tape, .time = s->time};
    wg_rng_init(&g.rng, w->cell.seed * 2 + (uint64_t)w->layer, "cell");
    push(&g, s->x[0]);
    g.mask = s->x[1];
    g.ids = s->x[2];
    g.key = wg_tensor_var(s->tape, w->key);
    int64_t h = w->h;
    for (int i = 0; i < n_states(w); i++)
        push(&g,
             wg_rank(s->carry[i]) == 2
                 ? s->carry[i]
                 : wg_add(s->carry[i], wg_const(s->tape, w->cell.dtype, WG_SHAPE(w->b, w->k), 0)));
    for (int i = 0; i < w->cell.ops && g.n < POOL - 16; i++) grow(&g);
    wg_var h_next = below(&g, 2) ? wg_tanh(wg_add(product(&g, s->carry[0], h), rows_of(&g, h)))
                                 : wg_tanh(rows_of(&g, h));
    s->next[0] = h_next;
    if (n_states(w) > 1) {
        s->next[1] = wg_lerp(s->carry[1], affine(&g, rows(&g), w->k), wg_sigmoid(s->carry[1]));
        s->next[2] = w->swap ? s->carry[0] : s->carry[2];
        s->next[3] = w->lengths
                         ? wg_scale(wg_add(s->carry[3], h_next), 0.5)
                         : wg_tanh(wg_add(s->carry[3], wg_sum_axis(rows_of(&g, w->k), 0, false)));
    }
    /* Outputs: what the next layer reads, anything, a product that nothing in the loop needs. */
    s->y[0] = h_next;
    s->y[1] = rows(&g);
    s->y[2] = product(&g, rows(&g), width(&g));
    wg_var a = rows(&g), b = rows(&g);
    s->sum[0] = wg_matmul_t(a, b, true, false);
    s->sum[1] = wg_sum_axis(rows(&g), 0, false);
    s->sum[2] = wg_mean_all(wg_square(rows(&g)));
    s->sum[3] = below(&g, 2) ? rows(&g) : matrix(&g, w->h, w->k);
}

/* ---- recording ---- */

static wg_var tamed(wg_var v)
{
    return wg_mean_all(wg_square(wg_tanh(v)));
}

/* Values, gradients in every leaf, and gradients of the squares of those. */
static int record(world *w, wg_tape *tape, wg_var *out)
{
    wg_var seq[3] = {wg_tensor_var(tape, w->seq), wg_tensor_var(tape, w->mask),
                     wg_tensor_var(tape, w->ids)};
    wg_var leaf[WEIGHTS + 5], loss = wg_const(tape, w->cell.dtype, WG_SCALAR, 0);
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
    assert_true(n_out <= MOST_OUT);
    return n_out;
}

static void world_new(world *w, const wgt_cell *c)
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
    w->seq = filled(c->dtype, WG_SHAPE(w->t, w->b, w->x), s, 1);
    for (int i = 0; i < 4; i++)
        w->init[i] = filled(c->dtype, state_shape(w, i), s + 1 + (uint64_t)i, 1);
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

static void world_free(world *w)
{
    for (int i = 0; i < w->n_weights; i++) wg_tensor_free(w->weight[i]);
    for (int i = 0; i < 4; i++) wg_tensor_free(w->init[i]);
    wg_tensor_free(w->seq);
    wg_tensor_free(w->mask);
    wg_tensor_free(w->ids);
    wg_tensor_free(w->length);
    wg_tensor_free(w->key);
}

/* ---- comparing ---- */

typedef struct variant {
    const char *name;
    wg_compile_options options;
} variant;

static const char *const some_passes[] = {"-hoist",
                                          "-sink",
                                          "-hoist,-sink",
                                          "-fuse",
                                          "-common subexpressions",
                                          "-merge products",
                                          "-invariant code",
                                          "-views before maps",
                                          "-merge scans",
                                          "-pack weights"};
enum { N_PASSES = sizeof some_passes / sizeof *some_passes, MOST_VARIANTS = N_PASSES + 8 };

static int variants_of(const wgt_cell *c, variant *v)
{
    int n = 0;
    if (c->without) {
        v[0] = (variant){c->without, {.size = sizeof v[0].options, .threads = 1}};
        v[0].options.passes = c->without;
        return 1;
    }
    wg_rng rng;
    wg_rng_init(&rng, c->seed, "variants");
    const wg_compile_options all = {.size = sizeof all, .threads = 1, .passes = ""};
    v[n] = (variant){"all passes", all};
    n++;
    for (int isa = 0; isa < (int)wg_isa_best(); isa++) {
        v[n] = (variant){wg_isa_name((wg_isa)isa), all};
        v[n].options.isa = isa + 1;
        n++;
    }
    if (wg_rng_below(&rng, 4) == 0 || c->every_pass) {
        v[n] = (variant){"all passes, 2 threads", all};
        v[n++].options.threads = 2;
    }
    uint32_t one = wg_rng_below(&rng, N_PASSES), other = wg_rng_below(&rng, N_PASSES);
    for (uint32_t i = 0; i < N_PASSES; i++) {
        if (!c->every_pass && i != one && i != other) continue;
        v[n] = (variant){some_passes[i], all};
        v[n].options.passes = some_passes[i];
        n++;
    }
    return n;
}

typedef struct report {
    bool failed;
    char what[4096];
    int length; /* of the recorded list */
    double worst;
} report;

/* Deviation in units of the tolerance, against the largest element; NaN and infinity must be in the
 * same places. */
static double deviation(const wg_tensor *a, const wg_tensor *b, double tol, int64_t *where)
{
    double most = 1e-3, worst = 0;
    *where = 0;
    for (int64_t i = 0; i < wg_tensor_count(b); i++)
        if (isfinite(wg_tensor_get(b, i))) most = fmax(most, fabs(wg_tensor_get(b, i)));
    for (int64_t i = 0; i < wg_tensor_count(b); i++) {
        double x = wg_tensor_get(a, i), y = wg_tensor_get(b, i);
        double d = fabs(x - y) / (tol * most);
        if ((isnan(x) && isnan(y)) || x == y) d = 0;
        if (isnan(d)) d = INFINITY;
        if (d > worst) {
            worst = d;
            *where = i;
        }
    }
    return worst;
}

/* Records and compares; the listing of the forward part goes to *text where it is wanted. */
static void check(const wgt_cell *c, report *r, char **text)
{
    world w;
    wg_error err = {WG_OK, ""};
    wg_tape *tape;
    variant v[MOST_VARIANTS];
    wg_var out[MOST_OUT];
    wg_program *like[WG_ISAS] = {NULL}, *p = NULL;
    double allowed[MOST_OUT];
    int best = (int)wg_isa_best();
    const double tol = tolerance[c->dtype == WG_F32];
    memset(r, 0, sizeof *r);
    world_new(&w, c);
    WGT_OK(wg_tape_new(&tape, &err), &err);
    int n_out = record(&w, tape, out), n = variants_of(c, v);
    wg_compile_options plain = {.size = sizeof plain, .threads = 1, .node_by_node = true};
    wg_status status = wg_tape_status(tape, &err);
    r->length = (int)wg_tape_length(tape);
    for (int isa = 0; isa <= best && status == WG_OK; isa++) {
        plain.isa = isa + 1;
        status = wg_compile(out, n_out, &plain, &like[isa], &err);
        if (status == WG_OK) status = wg_program_run(like[isa], &err);
    }
    if (status != WG_OK) {
        r->failed = true;
        snprintf(r->what, sizeof r->what, "node by node: %s", err.message);
    }
    for (int k = 0; k < n_out && !r->failed; k++) {
        int64_t at;
        allowed[k] = 1;
        for (int isa = 0; isa < best; isa++)
            allowed[k] =
                fmax(allowed[k], 4 * deviation(wg_program_output(like[isa], k),
                                               wg_program_output(like[best], k), tol, &at));
    }
    for (int i = 0; i < n && !r->failed; i++) {
        int isa = v[i].options.isa ? v[i].options.isa - 1 : best;
        status = wg_compile(out, n_out, &v[i].options, &p, &err);
        for (int run = 0; run < 2 && status == WG_OK; run++) status = wg_program_run(p, &err);
        if (status != WG_OK) {
            r->failed = true;
            snprintf(r->what, sizeof r->what, "%.40s: %.2000s", v[i].name, err.message);
        }
        for (int k = 0; k < n_out && !r->failed; k++) {
            int64_t at;
            const wg_tensor *a = wg_program_output(p, k), *b = wg_program_output(like[isa], k);
            double d = deviation(a, b, tol, &at) / allowed[k];
            r->worst = fmax(r->worst, d);
            if (d <= 1) continue;
            r->failed = true;
            snprintf(
                r->what, sizeof r->what,
                "%.40s: output %d of %d, element %d: %.17g, node by node %.17g (%.3g times the "
                "tolerance)",
                v[i].name, k, n_out, (int)at, wg_tensor_get(a, at), wg_tensor_get(b, at), d);
        }
        wg_program_free(p);
        p = NULL;
    }
    if (text && wg_print(tape, out, 1, text, &err) != WG_OK) *text = NULL;
    for (int isa = 0; isa <= best; isa++) wg_program_free(like[isa]);
    wg_tape_free(tape);
    world_free(&w);
}

/* Fewer operations, fewer features, as long as it fails; then it is told in full. */
static void shrink_and_fail(wgt_cell c)
{
    report r, first;
    check(&c, &first, NULL);
    wgt_cell was = c;
    for (int ops = 0; ops < was.ops; ops++) {
        c.ops = ops;
        check(&c, &r, NULL);
        if (r.failed) break;
        c.ops = was.ops;
    }
    for (uint32_t bit = 1; bit < WGT_CELL_ALL; bit <<= 1) {
        if (!(c.features & bit)) continue;
        c.features &= ~bit;
        check(&c, &r, NULL);
        if (!r.failed) c.features |= bit;
    }
    for (int ops = 0; ops < c.ops; ops++) {
        wgt_cell d = c;
        d.ops = ops;
        check(&d, &r, NULL);
        if (r.failed) c = d;
    }
    char *text = NULL;
    c.every_pass = true;
    check(&c, &r, &text);
    print_error("%s\n", "the cell, shrunk:");
    fputs(text ? text : "", stderr);
    wg_free(text);
    for (int i = 0; i < N_PASSES; i++) {
        wgt_cell d = c;
        report alone;
        d.without = some_passes[i];
        check(&d, &alone, NULL);
        print_error("%s: %s\n", some_passes[i], alone.failed ? "fails too" : "holds");
    }
    fail_msg("cell %llu (%s, features %#x, %d operations): %s\nshrunk to features %#x, %d "
             "operations, listing above: %s",
             (unsigned long long)was.seed, wg_dtype_name(was.dtype), was.features, was.ops,
             first.what, c.features, c.ops, r.what);
}

wgt_cell wgt_cell_of(uint64_t seed, wg_dtype dtype)
{
    wg_rng rng;
    wg_rng_init(&rng, seed, "features");
    wgt_cell c = {.seed = seed, .dtype = dtype, .features = WGT_CELL_SECOND};
    c.ops = 1 + (int)wg_rng_below(&rng, WGT_CELL_OPS);
    const struct {
        uint32_t bit, odds;
    } likely[] = {{WGT_CELL_LENGTHS, 3}, {WGT_CELL_REVERSE, 3}, {WGT_CELL_REMAT, 5},
                  {WGT_CELL_NESTED, 4},  {WGT_CELL_EXTRA, 2},   {WGT_CELL_WIDE, 6},
                  {WGT_CELL_TWICE, 5}};
    for (size_t i = 0; i < sizeof likely / sizeof *likely; i++)
        if (wg_rng_below(&rng, likely[i].odds) == 0) c.features |= likely[i].bit;
    return c;
}

void wgt_check_cells(uint64_t first, int count, wg_dtype dtype, bool every_pass)
{
    double worst = 0;
    uint64_t at = first;
    int longest = 0;
    for (int i = 0; i < count; i++) {
        wgt_cell c = wgt_cell_of(first + (uint64_t)i, dtype);
        c.every_pass = every_pass;
        report r;
        if (every_pass && count <= 50) print_message("cell %llu\n", (unsigned long long)c.seed);
        check(&c, &r, NULL);
        if (r.failed) shrink_and_fail(c);
        if (r.worst > worst) at = c.seed;
        worst = fmax(worst, r.worst);
        if (r.length > longest) longest = r.length;
    }
    print_message("%d cells from %llu, %s: at most %.3g of the tolerance (cell %llu), lists of up "
                  "to %d nodes\n",
                  count, (unsigned long long)first, wg_dtype_name(dtype), worst,
                  (unsigned long long)at, longest);
}
