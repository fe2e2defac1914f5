/* Shared by the tests of structured ops: tensors with numbers in them, and evaluation of one
 * value. */
#ifndef WENGERT_TESTS_OPS_SUPPORT_H
#define WENGERT_TESTS_OPS_SUPPORT_H

#include "support.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <wengert/ops.h>
#include <wengert/program.h>
#include <wengert/rng.h>

#define MAX_TENSORS 64

/* A tape and the tensors made for it, freed together. */
typedef struct bench {
    wg_tape *tape;
    wg_tensor *tensor[MAX_TENSORS];
    int n;
    wg_rng rng;
    wg_error err;
} bench;

static inline void bench_open(bench *b)
{
    memset(b, 0, sizeof *b);
    WGT_OK(wg_tape_new(&b->tape, &b->err), &b->err);
    wg_rng_init(&b->rng, 7, "tests");
}

static inline void bench_close(bench *b)
{
    wg_tape_free(b->tape);
    for (int i = 0; i < b->n; i++) wg_tensor_free(b->tensor[i]);
}

/* Leaf of zeros; its tensor is b->tensor[b->n - 1]. */
static inline wg_var bench_leaf(bench *b, wg_dtype dtype, wg_shape shape)
{
    assert_true(b->n < MAX_TENSORS);
    WGT_OK(wg_tensor_new(dtype, shape, &b->tensor[b->n], &b->err), &b->err);
    return wg_tensor_var(b->tape, b->tensor[b->n++]);
}

/* Leaf of normal numbers. */
static inline wg_var bench_normal(bench *b, wg_dtype dtype, wg_shape shape)
{
    wg_var v = bench_leaf(b, dtype, shape);
    wg_tensor *t = b->tensor[b->n - 1];
    for (int64_t i = 0; i < wg_tensor_count(t); i++) wg_tensor_set(t, i, wg_rng_normal(&b->rng));
    return v;
}

/* Leaf with these elements. */
static inline wg_var bench_data(bench *b, wg_dtype dtype, wg_shape shape, const double *data)
{
    wg_var v = bench_leaf(b, dtype, shape);
    wg_tensor *t = b->tensor[b->n - 1];
    for (int64_t i = 0; i < wg_tensor_count(t); i++) wg_tensor_set(t, i, data[i]);
    return v;
}

static inline const wg_tensor *bench_eval(bench *b, wg_var y)
{
    WGT_OK(wg_tape_status(b->tape, &b->err), &b->err);
    WGT_OK(wg_eval(&y, 1, NULL, &b->err), &b->err);
    return wg_eval_output(b->tape, 0);
}

/* The value has this shape and these elements (nan equals nan). */
static inline void expect(bench *b, wg_var y, wg_shape shape, const double *want)
{
    const wg_tensor *t = bench_eval(b, y);
    wg_shape got = wg_tensor_shape(t);
    char s[160], w[160];
    if (!wg_shape_equal(&got, &shape))
        fail_msg("shape %s, should be %s", wg_shape_format(&got, s, sizeof s),
                 wg_shape_format(&shape, w, sizeof w));
    for (int64_t i = 0; i < wg_tensor_count(t); i++) {
        double g = wg_tensor_get(t, i);
        if (!(g == want[i] || (isnan(g) && isnan(want[i])) || fabs(g - want[i]) < 1e-12))
            fail_msg("element %lld is %.17g, should be %.17g", (long long)i, g, want[i]);
    }
}
#define EXPECT(b, y, shape, ...) expect(b, y, shape, (const double[]){__VA_ARGS__})

/* The value cannot be computed, and the message holds `text`. */
static inline void expect_run_error(bench *b, wg_var y, wg_status status, const char *text)
{
    WGT_OK(wg_tape_status(b->tape, &b->err), &b->err);
    WGT_STATUS(wg_eval(&y, 1, NULL, &b->err), status, &b->err);
    if (!strstr(b->err.message, text))
        fail_msg("message '%s' does not hold '%s'", b->err.message, text);
}

/* Recording failed, and the message holds `text`. */
static inline void expect_record_error(bench *b, wg_var y, const char *text)
{
    assert_false(wg_var_ok(y));
    assert_int_not_equal(wg_tape_status(b->tape, &b->err), WG_OK);
    if (!strstr(b->err.message, text))
        fail_msg("message '%s' does not hold '%s'", b->err.message, text);
}

#endif
