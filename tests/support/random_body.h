/* A random cell's insides: what is drawn once (sizes, leaves), and how its body is grown. */
#ifndef WENGERT_TESTS_RANDOM_BODY_H
#define WENGERT_TESTS_RANDOM_BODY_H

#include "random_cell.h"

#include <wengert/ops.h>
#include <wengert/rng.h>
#include <wengert/scan.h>

enum { WGT_WORLD_WEIGHTS = 160, WGT_WORLD_OUT = 360, WGT_POOL = 96 };

/* Everything a recording needs: leaves are made once and found again by their order. */
typedef struct wgt_world {
    wgt_cell cell;
    int64_t t, b, x, h, k;
    int64_t remat;
    bool reverse, lengths, swap;
    wg_tensor *weight[WGT_WORLD_WEIGHTS], *seq, *mask, *ids, *init[4], *length, *key;
    int n_weights, next_weight;
    int layer;
    wg_var state_kind[4];
} wgt_world;

void wgt_world_new(wgt_world *w, const wgt_cell *c);
void wgt_world_free(wgt_world *w);
/* Records values, gradients in every leaf, and gradients of the squares of those; at most
 * WGT_WORLD_OUT. */
int wgt_world_record(wgt_world *w, wg_tape *tape, wg_var *out);

/* ---- growing (random_ops.c) ---- */

typedef struct wgt_grower {
    wgt_world *w;
    wg_tape *tape;
    wg_rng rng;
    wg_var pool[WGT_POOL]; /* floats of rank 1 and 2, [B,n] mostly */
    int n;
    wg_var mask, ids, time, key; /* none inside a loop of the body */
    int depth;
} wgt_grower;

/* Uniform in [-scale, scale), a function of the seed. */
wg_tensor *wgt_filled(wg_dtype dtype, wg_shape shape, uint64_t seed, double scale);
uint32_t wgt_below(wgt_grower *g, uint32_t n);
/* Adds a value to the pool, and gives it back. */
wg_var wgt_push(wgt_grower *g, wg_var v);
/* A value [B,n], lately made ones more often. */
wg_var wgt_rows(wgt_grower *g);
/* A value [B,n]: one of the pool, or made to fit. */
wg_var wgt_rows_of(wgt_grower *g, int64_t n);
int64_t wgt_width(wgt_grower *g);
/* A weight [m,n] in the forms that come up: as it is, computed from others, columns of a larger
 * one, two side by side. */
wg_var wgt_matrix(wgt_grower *g, int64_t m, int64_t n);
/* v [B,m] times a weight: [B,n]; the second with a bias and tanh. */
wg_var wgt_product(wgt_grower *g, wg_var v, int64_t n);
wg_var wgt_affine(wgt_grower *g, wg_var v, int64_t n);
/* One more operation, or several that belong together, on values of the pool. */
void wgt_grow(wgt_grower *g);

#endif
