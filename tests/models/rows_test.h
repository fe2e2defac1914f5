/* What the tests of gradients by rows share: two models with the same parameters, of one of which
 * nothing is known by rows, trained side by side. */
#ifndef WENGERT_TESTS_ROWS_TEST_H
#define WENGERT_TESTS_ROWS_TEST_H

#include "models_test.h"

#include <wengert/optimizer.h>

/* Two sets of the same parameters; of the second a pointer for writing is out, so nothing is known
 * of its gradients. */
typedef struct pair {
    wg_dtype dtype;
    int64_t V, E;
    wg_params *params[2];
    wg_optimizer *optimizer[2];
    int table, weights;
    wg_tensor *ids[8], *r[8]; /* minibatches of different sizes */
    int64_t n[8];
    int n_batches;
    wgt_pool pool;
} pair;

static inline void make(pair *p, wg_dtype dtype, int64_t V, int64_t E,
                        const wg_optimizer_options *o)
{
    static const int64_t sizes[] = {5, 0, 40, 1, 7};
    wg_error err = {WG_OK, ""};
    const wg_init normal = {.kind = WG_INIT_NORMAL, .b = 1};
    *p = (pair){.dtype = dtype, .V = V, .E = E};
    for (int k = 0; k < 2; k++) {
        WGT_OK(wg_params_new(dtype, &p->params[k], &err), &err);
        wg_params *q = p->params[k];
        WGT_OK(wg_params_add(q, "odd", WG_SHAPE(3, 7), &normal, NULL, &err), &err);
        WGT_OK(wg_params_add(q, "none", WG_SHAPE(0, 4), &normal, NULL, &err), &err);
        WGT_OK(wg_params_add(q, "table", WG_SHAPE(V, E), &normal, &p->table, &err), &err);
        WGT_OK(wg_params_add(q, "W", WG_SHAPE(E, 3), &normal, &p->weights, &err), &err);
        WGT_OK(wg_params_add(q, "b", WG_SHAPE(3), &normal, NULL, &err), &err);
        WGT_OK(wg_params_init(q, 1, &err), &err);
        WGT_OK(wg_optimizer_new(q, o, &p->optimizer[k], &err), &err);
    }
    assert_non_null(wg_tensor_data(wg_params_grads(p->params[1])));
    for (int i = 0; i < 5; i++) {
        char name[32];
        snprintf(name, sizeof name, "batch %d", i);
        p->n[i] = sizes[i];
        p->ids[i] = wgt_ids(&p->pool, WG_SHAPE(sizes[i]), (uint32_t)V, name);
        p->r[i] = wgt_random(&p->pool, dtype, WG_SHAPE(sizes[i], 3), name);
        /* Rows that a mask takes out: they occur, with a gradient of zero. */
        for (int64_t j = 0; j < 3 && sizes[i] > 5; j++) wg_tensor_set(p->r[i], 9 + j, 0);
    }
    /* And one with all words. */
    p->n[5] = V + 2;
    p->ids[5] = wgt_tensor(&p->pool, WG_I32, WG_SHAPE(V + 2));
    for (int64_t i = 0; i < V + 2; i++) wg_tensor_set(p->ids[5], i, (double)(i % V));
    p->r[5] = wgt_random(&p->pool, dtype, WG_SHAPE(V + 2, 3), "all");
    p->n_batches = 6;
}

static inline void drop(pair *p)
{
    for (int k = 0; k < 2; k++) {
        wg_optimizer_free(p->optimizer[k]);
        wg_params_free(p->params[k]);
    }
    wgt_pool_free(&p->pool);
}

/* How the table is used besides the lookup. */
typedef enum use { PLAIN, TIED, ADDED_UP, ONTO_ITSELF } use;

/* sum(tanh(table[ids] W + b) r), and what `use` asks for. */
static inline wg_var loss_of(pair *p, wg_tape *tape, int k, int batch, use how)
{
    wg_params *q = p->params[k];
    wg_var table = wg_param(tape, q, p->table), ids = wg_tensor_var(tape, p->ids[batch]);
    wg_var rows = wg_embedding(table, ids);
    wg_var h =
        wg_tanh(wg_affine(rows, wg_param(tape, q, p->weights), wg_param_named(tape, q, "b")));
    wg_var loss = wg_sum_all(wg_mul(h, wg_tensor_var(tape, p->r[batch])));
    if (how == TIED)
        loss = wg_add(loss, wg_sum_all(wg_tanh(wg_matmul_t(rows, table, false, true))));
    if (how == ADDED_UP)
        loss = wg_add(loss,
                      wg_sum_all(wg_square(wg_embedding(table, wg_tensor_var(tape, p->ids[2])))));
    return loss;
}

static inline wg_program *compile(pair *p, int k, int batch, use how)
{
    wg_error err = {WG_OK, ""};
    wg_tape *tape;
    wg_program *program;
    wg_var x[5], out[5];
    WGT_OK(wg_tape_new(&tape, &err), &err);
    wg_var loss = loss_of(p, tape, k, batch, how);
    for (int i = 0; i < 5; i++) x[i] = wg_param(tape, p->params[k], i);
    WGT_OK(wg_grad_or_zeros(&loss, NULL, 1, x, 5, out), NULL);
    if (how == ONTO_ITSELF) /* adds to the gradient that is there */
        for (int i = 0; i < 5; i++)
            out[i] = wg_add(wg_tensor_var(tape, wg_params_grad(p->params[k], i)), out[i]);
    wg_compile_options options = {.size = sizeof options, .threads = 1 + batch % 3};
    WGT_OK(wg_compile(out, 5, &options, &program, &err), &err);
    for (int i = 0; i < 5; i++)
        WGT_OK(wg_program_bind_output(program, i, wg_params_grad(p->params[k], i), &err), &err);
    wg_tape_free(tape);
    return program;
}

static inline void run(pair *p, int batch, use how)
{
    wg_error err = {WG_OK, ""};
    for (int k = 0; k < 2; k++) {
        wg_program *program = compile(p, k, batch, how);
        WGT_OK(wg_program_run(program, &err), &err);
        wg_program_free(program);
    }
}

/* Elements of the arena that may differ from zero, in parts that are sound. */
static inline int64_t touched(const wg_params *params)
{
    int64_t n = wg_tensor_count(wg_params_grads(params)), sum = 0, seen = 0, begin;
    for (int64_t at = 0; wg_params_touched(params, at, n, &begin, &at);) {
        assert_true(begin >= seen && begin < at && at <= n);
        assert_true(begin % 16 == 0 && at % 16 == 0);
        for (int64_t i = seen; i < begin; i++)
            assert_true(wg_tensor_get(wg_params_grads(params), i) == 0);
        sum += at - begin;
        seen = at;
    }
    for (int64_t i = seen; i < n; i++) assert_true(wg_tensor_get(wg_params_grads(params), i) == 0);
    return sum;
}

static inline void same(const wg_tensor *a, const wg_tensor *b)
{
    assert_int_equal(wg_tensor_bytes(a), wg_tensor_bytes(b));
    assert_memory_equal(wg_tensor_cdata(a), wg_tensor_cdata(b), wg_tensor_bytes(a));
}

static inline void step(pair *p, int t)
{
    wg_error err = {WG_OK, ""};
    wg_optimizer_result result[2];
    same(wg_params_grads(p->params[0]), wg_params_grads(p->params[1]));
    assert_int_equal(touched(p->params[1]), wg_tensor_count(wg_params_grads(p->params[1])));
    for (int k = 0; k < 2; k++) {
        double norm = wg_optimizer_gradient_norm(p->optimizer[k], 3);
        WGT_OK(wg_optimizer_step(p->optimizer[k], 0.3 / t, 3, &result[k], &err), &err);
        bool hook = wg_optimizer_get_options(p->optimizer[k])->hook != NULL;
        assert_true((result[k].norm == norm || hook) && !result[k].skipped);
    }
    assert_true(result[0].norm == result[1].norm && result[0].factor == result[1].factor);
    same(wg_params_values(p->params[0]), wg_params_values(p->params[1]));
}

static inline wg_optimizer_options variant(int i)
{
    wg_optimizer_options o = WG_OPTIMIZER_OPTIONS_INIT;
    o.kind = (wg_optimizer_kind)(i % WG_OPTIMIZER_KINDS);
    o.clip_norm = i % 2 ? 0.7 : 0;
    o.clip_value = i % 4 == 1 || i % 5 == 2 ? 0.05 : 0;
    o.weight_decay = i % 7 == 3 ? 0.1 : 0;
    o.threads = 1 + i % 3;
    return o;
}

#endif
