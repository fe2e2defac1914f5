/* What the tests of models share: random tensors, members of golden files, copying between
 * PyTorch's orientation of weights and this library's, and comparing with a tolerance. */
#ifndef WENGERT_TESTS_MODELS_H
#define WENGERT_TESTS_MODELS_H

#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <wengert/npz.h>
#include <wengert/ops.h>
#include <wengert/param.h>
#include <wengert/program.h>
#include <wengert/rng.h>

#define UNUSED_OK __attribute__((unused))

/* Tensors that live as long as a test case. */
typedef struct wgt_pool {
    wg_tensor *tensor[512];
    int n;
} wgt_pool;

static inline wg_tensor *wgt_keep(wgt_pool *pool, wg_tensor *tensor)
{
    assert_true(pool->n < (int)(sizeof pool->tensor / sizeof *pool->tensor));
    pool->tensor[pool->n++] = tensor;
    return tensor;
}

UNUSED_OK static void wgt_pool_free(wgt_pool *pool)
{
    for (int i = 0; i < pool->n; i++) wg_tensor_free(pool->tensor[i]);
    pool->n = 0;
}

static inline wg_tensor *wgt_tensor(wgt_pool *pool, wg_dtype dtype, wg_shape shape)
{
    wg_tensor *t;
    wg_error err = {WG_OK, ""};
    WGT_OK(wg_tensor_new(dtype, shape, &t, &err), &err);
    return wgt_keep(pool, t);
}

/* Uniform in [-1, 1), a stream of its own for each name. */
UNUSED_OK static wg_tensor *wgt_random(wgt_pool *pool, wg_dtype dtype, wg_shape shape,
                                       const char *name)
{
    wg_tensor *t = wgt_tensor(pool, dtype, shape);
    wg_rng rng;
    wg_rng_init(&rng, 7, name);
    for (int64_t i = 0; i < wg_tensor_count(t); i++)
        wg_tensor_set(t, i, 2 * wg_rng_uniform(&rng) - 1);
    return t;
}

UNUSED_OK static wg_tensor *wgt_ids(wgt_pool *pool, wg_shape shape, uint32_t below,
                                    const char *name)
{
    wg_tensor *t = wgt_tensor(pool, WG_I32, shape);
    wg_rng rng;
    wg_rng_init(&rng, 9, name);
    for (int64_t i = 0; i < wg_tensor_count(t); i++) wg_tensor_set(t, i, wg_rng_below(&rng, below));
    return t;
}

UNUSED_OK static wg_tensor *wgt_ints(wgt_pool *pool, int n, const int32_t *values)
{
    wg_tensor *t = wgt_tensor(pool, WG_I32, WG_SHAPE(n));
    for (int i = 0; i < n; i++) wg_tensor_set(t, i, values[i]);
    return t;
}

/* ---- golden files ---- */

UNUSED_OK static wg_npz *wgt_golden_open(const char *file)
{
    char path[4096];
    wg_npz *npz;
    wg_error err = {WG_OK, ""};
    assert_true(wgt_source_path(path, file));
    WGT_OK(wg_npz_open(path, NULL, &npz, &err), &err);
    return npz;
}

/* Member of a printf name, in a dtype wanted; NULL when there is none. */
UNUSED_OK __attribute__((format(printf, 4, 5))) static wg_tensor *
wgt_golden(wgt_pool *pool, wg_npz *npz, wg_dtype dtype, const char *fmt, ...)
{
    char name[256];
    va_list args;
    va_start(args, fmt);
    vsnprintf(name, sizeof name, fmt, args);
    va_end(args);
    int64_t i = wg_npz_find(npz, name);
    if (i < 0) return NULL;
    wg_tensor *raw;
    wg_error err = {WG_OK, ""};
    WGT_OK(wg_npz_read_tensor(npz, i, &raw, &err), &err);
    wgt_keep(pool, raw);
    if (wg_tensor_dtype(raw) == dtype) return raw;
    wg_tensor *t = wgt_tensor(pool, dtype, wg_tensor_shape(raw));
    WGT_OK(wg_tensor_copy(t, raw, &err), &err);
    return t;
}

/* Adds rows [row, row + n) of PyTorch's w [out,in] as columns [column, column + n) of ours
 * [in,out]; a bias (rank 1) likewise, without the transposition. */
UNUSED_OK static void wgt_add_block(wg_tensor *ours, int64_t column, const wg_tensor *w,
                                    int64_t row, int64_t n)
{
    wg_shape a = wg_tensor_shape(ours), b = wg_tensor_shape(w);
    int64_t in = b.rank == 2 ? b.dim[1] : 1, columns = a.dim[a.rank - 1];
    assert_int_equal(wg_tensor_count(ours), in * columns);
    assert_true(column + n <= columns && row + n <= b.dim[0]);
    for (int64_t r = 0; r < n; r++)
        for (int64_t i = 0; i < in; i++) {
            int64_t at = i * columns + column + r;
            wg_tensor_set(ours, at, wg_tensor_get(ours, at) + wg_tensor_get(w, (row + r) * in + i));
        }
}

/* Fails unless every element is within tol max(1, |wanted|); names what and where. */
UNUSED_OK static void wgt_same(const char *what, const wg_tensor *have, const wg_tensor *want,
                               double tol)
{
    assert_non_null(have);
    assert_non_null(want);
    assert_int_equal(wg_tensor_count(have), wg_tensor_count(want));
    for (int64_t i = 0; i < wg_tensor_count(want); i++) {
        double a = wg_tensor_get(have, i), b = wg_tensor_get(want, i);
        if (fabs(a - b) <= tol * fmax(1, fabs(b))) continue;
        fail_msg("%s: element %lld is %.12g, should be %.12g (tolerance %g)", what, (long long)i, a,
                 b, tol);
    }
}

#endif
