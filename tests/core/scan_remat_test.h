/* What the tests of recomputation share: a gated cell over any number of steps. */
#ifndef WENGERT_TESTS_SCAN_REMAT_TEST_H
#define WENGERT_TESTS_SCAN_REMAT_TEST_H

#include "scan_cases.h"

enum { X = 3, H = 4, B = 3, PARAMS = 3, WRT = 6, OUTS = 4 + 2 * WRT };

typedef struct net {
    wg_var p[PARAMS]; /* [X,3H] [H,3H] [3H] */
    wg_var x, init[2], lengths, key;
    bool dropout, watch;
} net;

static inline void cell_body(void *user, wg_scan_step *s)
{
    const net *n = user;
    wg_var g[3], h = s->carry[0], x = s->x[0];
    if (n->dropout) {
        x = wg_dropout(x, 0.3, n->key, "x", s->time, -1);
        h = wg_dropout(h, 0.2, n->key, "h", s->time, -1);
    }
    wg_split(wg_add(wg_affine(x, n->p[0], n->p[2]), wg_matmul(h, n->p[1])), -1, 3, g);
    s->next[1] = wg_add(wg_mul(wg_sigmoid(g[0]), s->carry[1]), wg_tanh(g[1]));
    s->next[0] = wg_mul(wg_sigmoid(g[2]), wg_tanh(s->next[1]));
    if (n->watch) wg_watch(s->next[0], "h");
    s->y[0] = s->next[0];
    wg_var age = wg_exp(wg_scale(wg_cast(s->time, wg_var_dtype(h)), -0.01));
    s->sum[0] = wg_mul(wg_sum_all(wg_square(s->next[0])), age);
}

static inline wg_var run(wg_tape *tape, const net *n, int64_t remat, bool reverse, wg_var *final,
                         wg_var *y)
{
    wg_var sum = WG_NONE;
    wg_scan_def d = {.size = sizeof d,
                     .body = cell_body,
                     .user = (void *)n,
                     .sequences = &n->x,
                     .n_sequences = 1,
                     .init = n->init,
                     .n_carries = 2,
                     .n_outputs = 1,
                     .n_sums = 1,
                     .lengths = n->lengths,
                     .reverse = reverse,
                     .name = "cell",
                     .remat = remat};
    wg_scan(tape, &d, final, y, &sum);
    return sum;
}

typedef struct leaves {
    wg_tensor *t[WRT], *lengths, *key;
} leaves;

static inline void leaves_new(leaves *l, wg_dtype dtype, int64_t steps, int64_t rows,
                              int64_t hidden)
{
    const wg_shape shape[WRT] = {WG_SHAPE(X, 3 * hidden), WG_SHAPE(hidden, 3 * hidden),
                                 WG_SHAPE(3 * hidden),    WG_SHAPE(steps, rows, X),
                                 WG_SHAPE(rows, hidden),  WG_SHAPE(rows, hidden)};
    wg_error err;
    for (int i = 0; i < WRT; i++) l->t[i] = wgt_random_tensor(dtype, shape[i], 40 + (uint64_t)i);
    WGT_OK(wg_tensor_new(WG_I32, WG_SHAPE(rows), &l->lengths, &err), &err);
    WGT_OK(wg_tensor_new(WG_I32, WG_SHAPE(4), &l->key, &err), &err);
    for (int i = 0; i < rows; i++)
        wg_tensor_set(l->lengths, i, i == 0 ? (double)steps : i == 1 ? (double)(steps / 2) : 0);
    for (int i = 0; i < 4; i++) wg_tensor_set(l->key, i, 3 + i);
}

static inline void leaves_free(leaves *l)
{
    for (int i = 0; i < WRT; i++) wg_tensor_free(l->t[i]);
    wg_tensor_free(l->lengths);
    wg_tensor_free(l->key);
}

static inline net net_on(wg_tape *tape, const leaves *l, bool lengths, bool dropout)
{
    net n = {.x = wg_tensor_var(tape, l->t[3]), .dropout = dropout};
    for (int i = 0; i < PARAMS; i++) n.p[i] = wg_tensor_var(tape, l->t[i]);
    for (int i = 0; i < 2; i++) n.init[i] = wg_tensor_var(tape, l->t[4 + i]);
    if (lengths) n.lengths = wg_tensor_var(tape, l->lengths);
    n.key = wg_tensor_var(tape, l->key);
    return n;
}

#endif
