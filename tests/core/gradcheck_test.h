/* What the tests of the gradient check share: a tape with f64 leaves and a report on it, and ops
 * whose VJP is wrong. */
#ifndef WENGERT_TESTS_GRADCHECK_TEST_H
#define WENGERT_TESTS_GRADCHECK_TEST_H

#include "support.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <wengert/gradcheck.h>
#include <wengert/op.h>
#include <wengert/ops.h>
#include <wengert/rng.h>

/* ---- a tape with f64 leaves ---- */

enum { MAX_LEAVES = 8 };

typedef struct bench {
    wg_tape *tape;
    wg_tensor *tensor[MAX_LEAVES];
    wg_var leaf[MAX_LEAVES];
    int n;
    wg_gradcheck_report report;
} bench;

static inline void begin(bench *b)
{
    wg_error err;
    *b = (bench){.report = {.size = sizeof b->report}};
    WGT_OK(wg_tape_new(&b->tape, &err), &err);
}

static inline wg_var leaf(bench *b, const char *name, wg_shape shape, double low, double high)
{
    wg_error err;
    wg_tensor *t;
    WGT_OK(wg_tensor_new(WG_F64, shape, &t, &err), &err);
    wg_rng rng;
    wg_rng_init(&rng, 11, name);
    for (int64_t i = 0; i < wg_tensor_count(t); i++)
        wg_tensor_set(t, i, low + (high - low) * wg_rng_uniform(&rng));
    b->tensor[b->n] = t;
    b->leaf[b->n] = wg_name(wg_tensor_var(b->tape, t), name);
    return b->leaf[b->n++];
}

static inline void end(bench *b)
{
    wg_gradcheck_report_free(&b->report);
    wg_tape_free(b->tape);
    for (int i = 0; i < b->n; i++) wg_tensor_free(b->tensor[i]);
}

static inline void run_with(bench *b, wg_var out, wg_gradcheck_options options)
{
    wg_error err;
    double before[MAX_LEAVES], after[MAX_LEAVES];
    for (int i = 0; i < b->n; i++) before[i] = wg_tensor_get(b->tensor[i], 0);
    options.size = sizeof options;
    WGT_OK(wg_gradcheck(&out, 1, b->leaf, b->n, &options, &b->report, &err), &err);
    for (int i = 0; i < b->n; i++) after[i] = wg_tensor_get(b->tensor[i], 0);
    assert_memory_equal(before, after, sizeof before[0] * (size_t)b->n); /* restored, to the bit */
    assert_non_null(b->report.text);
}

static inline void run(bench *b, wg_var out)
{
    run_with(b, out, (wg_gradcheck_options){.name_op = true});
}

static inline void expect(const bench *b, bool passed)
{
    if (b->report.passed != passed) fail_msg("%s", b->report.text);
}

static inline void expect_text(const bench *b, const char *part)
{
    if (!strstr(b->report.text, part)) fail_msg("'%s' is not in:\n%s", part, b->report.text);
}

static inline void expect_wrong_op(const bench *b, const char *part)
{
    if (!strstr(b->report.first_wrong_op, part))
        fail_msg("'%s' is not named by '%s':\n%s", part, b->report.first_wrong_op, b->report.text);
}

/* ---- wrong ops ---- */

static inline wg_status same_type(wg_infer *c)
{
    c->out[0] = c->in[0];
    return WG_OK;
}

static inline void map_sin(const wg_map *c)
{
    for (int64_t i = 0; i < c->n; i++) ((double *)c->out)[i] = sin(((const double *)c->in[0])[i]);
}

#define BAD_OP(symbol, text, inputs, shape_rule, rule, kernel_) \
    static const wg_op symbol = {.size = sizeof(wg_op),         \
                                 .name = text,                  \
                                 .version = 1,                  \
                                 .traits = WG_OP_MAP,           \
                                 .n_in = inputs,                \
                                 .n_out = 1,                    \
                                 .infer = shape_rule,           \
                                 .vjp = rule,                   \
                                 .map = kernel_,                \
                                 .doc = "an op with a wrong VJP"}

static inline void vjp_sin_sign_error(wg_vjp *c)
{
    wg_vjp_add(c, 0, wg_neg(wg_mul(wg_vjp_grad(c, 0), wg_cos(wg_vjp_in(c, 0)))));
}

BAD_OP(sign_error, "bad.sin", 1, same_type, vjp_sin_sign_error, map_sin);

static inline wg_var apply(const wg_op *op, wg_var a, wg_var b)
{
    wg_here("wrong.c", 77);
    return wg_record(op, (wg_var[]){a, b}, op->n_in, NULL, 0);
}

#endif
