/* Gradients of embeddings that touch only the rows used: whatever happens, gradients, norms and
 * updates are bit for bit those of the same model whose arena of gradients counts as written by
 * others, where every element is cleared, read and updated. */
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

static void make(pair *p, wg_dtype dtype, int64_t V, int64_t E, const wg_optimizer_options *o)
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

static void drop(pair *p)
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
static wg_var loss_of(pair *p, wg_tape *tape, int k, int batch, use how)
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

static wg_program *compile(pair *p, int k, int batch, use how)
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

static void run(pair *p, int batch, use how)
{
    wg_error err = {WG_OK, ""};
    for (int k = 0; k < 2; k++) {
        wg_program *program = compile(p, k, batch, how);
        WGT_OK(wg_program_run(program, &err), &err);
        wg_program_free(program);
    }
}

/* Elements of the arena that may differ from zero, in parts that are sound. */
static int64_t touched(const wg_params *params)
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

static void same(const wg_tensor *a, const wg_tensor *b)
{
    assert_int_equal(wg_tensor_bytes(a), wg_tensor_bytes(b));
    assert_memory_equal(wg_tensor_cdata(a), wg_tensor_cdata(b), wg_tensor_bytes(a));
}

static bool all_touched(const pair *p)
{
    return touched(p->params[0]) == wg_tensor_count(wg_params_grads(p->params[0]));
}

static void step(pair *p, int t)
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

static wg_optimizer_options variant(int i)
{
    wg_optimizer_options o = WG_OPTIMIZER_OPTIONS_INIT;
    o.kind = (wg_optimizer_kind)(i % WG_OPTIMIZER_KINDS);
    o.clip_norm = i % 2 ? 0.7 : 0;
    o.clip_value = i % 4 == 1 || i % 5 == 2 ? 0.05 : 0;
    o.weight_decay = i % 7 == 3 ? 0.1 : 0;
    o.threads = 1 + i % 3;
    return o;
}

static void test_rows_equal_dense(void **state)
{
    (void)state;
    static const int64_t sizes[][2] = {{1, 1},    {2, 3},   {63, 5},  {64, 16},  {65, 17},
                                       {300, 33}, {9, 200}, {700, 1}, {257, 100}};
    int i = 0;
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (int dtype = WG_F32; dtype <= WG_F64; dtype++)
            for (int kind = 0; kind < WG_OPTIMIZER_KINDS; kind++, i++) {
                wg_optimizer_options o = variant(i);
                pair p;
                int64_t least = INT64_MAX;
                make(&p, (wg_dtype)dtype, sizes[s][0], sizes[s][1], &o);
                assert_int_equal(touched(p.params[0]) > 0, 1); /* the vector of biases */
                for (int t = 1; t <= 9; t++) {
                    run(&p, (t * 5 + i) % p.n_batches, PLAIN);
                    step(&p, t);
                    int64_t n = touched(p.params[0]);
                    least = n < least ? n : least;
                }
                if (p.V >= 63) assert_true(least < p.V * p.E);
                drop(&p);
            }
}

/* Weights used otherwise too, lookups of two places, sums over several programs: none of that is
 * known by rows; and after it rows are known again. */
static void test_other_uses(void **state)
{
    (void)state;
    for (int i = 0; i < 6; i++) {
        wg_optimizer_options o = variant(i);
        for (use how = TIED; how <= ONTO_ITSELF; how++) {
            pair p;
            make(&p, i % 2 ? WG_F64 : WG_F32, 300, 20, &o);
            run(&p, 0, PLAIN);
            step(&p, 1);
            assert_false(all_touched(&p));
            run(&p, 3, how);
            step(&p, 2);
            run(&p, 4, PLAIN);
            assert_false(all_touched(&p));
            step(&p, 3);
            drop(&p);
        }
    }
}

static wg_status no_hook(void *user, wg_tensor *gradient, double *count, wg_error *err)
{
    (void)count, (void)err;
    *(double *)user += wg_tensor_get(gradient, 0);
    return WG_OK;
}

static wg_status changes(void *user, wg_tensor *gradient, double *count, wg_error *err)
{
    (void)user, (void)count, (void)err;
    wg_tensor_set(gradient, 32 + 299 * 20, 2);
    return WG_OK;
}

/* Whoever else writes a gradient is heard. */
static void test_other_writers(void **state)
{
    (void)state;
    wg_error err = {WG_OK, ""};
    wg_optimizer_options o = variant(0);
    for (int who = 0; who < 8; who++) {
        pair p;
        double seen = 0;
        o.hook = who == 6 ? no_hook : who == 7 ? changes : NULL;
        o.hook_user = &seen;
        make(&p, WG_F32, 300, 20, &o);
        run(&p, 0, PLAIN);
        step(&p, 1);
        assert_int_equal(all_touched(&p), who == 7);
        run(&p, 3, PLAIN);
        for (int k = 0; k < 2; k++) {
            wg_tensor *g = wg_params_grad(p.params[k], p.table),
                      *all = wg_params_grads(p.params[k]);
            wg_tensor *other = wgt_random(&p.pool, WG_F32, wg_tensor_shape(g), "other");
            wg_tensor *whole = wgt_random(&p.pool, WG_F64, wg_tensor_shape(all), "whole");
            if (who == 0) wg_tensor_set(g, 299 * 20, 1.5);
            if (who == 1) wg_tensor_fill(g, 0.25);
            if (who == 2) WGT_OK(wg_tensor_copy(g, other, &err), &err);
            if (who == 3) ((float *)wg_tensor_data(g))[299 * 20] = 1.5;
            if (who == 4) wg_tensor_set(all, 32 + 299 * 20, 1.5);
            if (who == 5) WGT_OK(wg_tensor_copy(all, whole, &err), &err);
        }
        if (who < 6) assert_true(touched(p.params[0]) >= 300 * 20);
        step(&p, 2);
        run(&p, 4, PLAIN);
        /* A pointer may have been kept; all else is past. */
        assert_int_equal(touched(p.params[0]) >= 300 * 20, who == 3);
        if (who == 3) {
            float *kept = wg_tensor_data(wg_params_grad(p.params[0], p.table));
            float *its = wg_tensor_data(wg_params_grad(p.params[1], p.table));
            kept[299 * 20 + 3] = its[299 * 20 + 3] = -7;
        }
        step(&p, 3);
        drop(&p);
    }
}

/* A program writes the whole arena, alone or after it wrote the rows of a part. */
static void test_arena_written(void **state)
{
    (void)state;
    wg_error err = {WG_OK, ""};
    wg_optimizer_options o = variant(0);
    for (int both = 0; both < 2; both++) {
        pair p;
        make(&p, WG_F32, 300, 20, &o);
        run(&p, 0, PLAIN);
        for (int k = 0; k < 2; k++) {
            wg_tape *tape;
            wg_program *program;
            WGT_OK(wg_tape_new(&tape, &err), &err);
            wg_var loss = loss_of(&p, tape, k, 0, PLAIN), x = wg_param(tape, p.params[k], p.table);
            wg_var out[2];
            wg_grad(&loss, NULL, 1, &x, 1, out);
            out[1] = wg_square(wg_tensor_var(tape, wg_params_values(p.params[k])));
            WGT_OK(wg_compile(out + !both, 1 + both, NULL, &program, &err), &err);
            if (both)
                WGT_OK(
                    wg_program_bind_output(program, 0, wg_params_grad(p.params[k], p.table), &err),
                    &err);
            WGT_OK(wg_program_bind_output(program, both, wg_params_grads(p.params[k]), &err), &err);
            WGT_OK(wg_program_run(program, &err), &err);
            wg_program_free(program);
            wg_tape_free(tape);
        }
        assert_true(touched(p.params[0]) >= 300 * 20);
        step(&p, 1);
        run(&p, 3, PLAIN);
        assert_false(all_touched(&p));
        step(&p, 2);
        drop(&p);
    }
}

/* A run that fails leaves what is known as true as before. */
static void test_failed_run(void **state)
{
    (void)state;
    wg_error err = {WG_OK, ""};
    wg_optimizer_options o = variant(0);
    pair p;
    make(&p, WG_F32, 300, 20, &o);
    run(&p, 2, PLAIN);
    double kept = wg_tensor_get(p.ids[4], 6);
    wg_tensor_set(p.ids[4], 6, 300);
    for (int k = 0; k < 2; k++) {
        wg_program *program = compile(&p, k, 4, PLAIN);
        WGT_STATUS(wg_program_run(program, &err), WG_EINVAL, &err);
        wg_program_free(program);
    }
    touched(p.params[0]);
    wg_tensor_set(p.ids[4], 6, kept);
    run(&p, 4, PLAIN);
    step(&p, 1);
    drop(&p);
}

/* Lazy rows: the formula for rows that have a gradient, nothing at all for the others, however the
 * gradient came to be known. */
static void test_lazy(void **state)
{
    (void)state;
    wg_error err = {WG_OK, ""};
    for (int i = 0; i < 12; i++) {
        wg_optimizer_options o = variant(i);
        o.weight_decay = i % 2 ? 0.1 : 0;
        pair p, eager;
        /* Narrow rows share the sixteen elements by which parts of the arena are cut. */
        const int64_t width = i % 3 ? 100 : 5;
        make(&p, i % 2 ? WG_F64 : WG_F32, 500, width, &o);
        make(&eager, i % 2 ? WG_F64 : WG_F32, 500, width, &o);
        for (int k = 0; k < 2; k++)
            WGT_OK(wg_optimizer_set_lazy(p.optimizer[k], p.table, true, &err), &err);
        wg_tensor *before;
        for (int t = 1; t <= 4; t++) {
            const int batch = t == 1 ? 0 : t;
            run(&p, batch, PLAIN);
            const wg_tensor *w = wg_params_value(p.params[0], p.table);
            const wg_tensor *g = wg_params_grad(p.params[0], p.table);
            WGT_OK(wg_tensor_clone(w, &before, &err), &err);
            step(&p, t);
            for (int64_t v = 0; v < p.V; v++) {
                bool zero = true, moved = false;
                for (int64_t e = 0; e < p.E; e++) {
                    zero &= wg_tensor_get(g, v * p.E + e) == 0;
                    moved |= wg_tensor_get(w, v * p.E + e) != wg_tensor_get(before, v * p.E + e);
                }
                assert_int_equal(moved, !zero);
            }
            wg_tensor_free(before);
            run(&eager, batch, PLAIN);
            step(&eager, t);
            /* Rows that never had a gradient before, and other parameters, do as ever. */
            if (t > 1) continue;
            for (int64_t v = 0; v < p.V && o.weight_decay == 0; v++)
                assert_memory_equal(
                    (const char *)wg_tensor_cdata(w) + (size_t)(v * p.E) * wg_dtype_size(p.dtype),
                    (const char *)wg_tensor_cdata(wg_params_value(eager.params[0], p.table)) +
                        (size_t)(v * p.E) * wg_dtype_size(p.dtype),
                    (size_t)p.E * wg_dtype_size(p.dtype));
            for (int id = 0; id < 5; id++)
                if (id != p.table)
                    same(wg_params_value(p.params[0], id), wg_params_value(eager.params[0], id));
        }
        WGT_OK(wg_optimizer_set_lazy(p.optimizer[0], p.table, false, &err), &err);
        WGT_STATUS(wg_optimizer_set_lazy(p.optimizer[0], 5, true, &err), WG_ENOTFOUND, &err);
        WGT_STATUS(wg_optimizer_set_lazy(p.optimizer[0], -1, true, &err), WG_ENOTFOUND, &err);
        WGT_STATUS(wg_optimizer_set_lazy(p.optimizer[0], 4, true, &err), WG_ESHAPE, &err);
        drop(&p);
        drop(&eager);
    }
}

/* Any part of the arena may be asked for. */
static void test_parts(void **state)
{
    (void)state;
    wg_optimizer_options o = variant(0);
    pair p;
    make(&p, WG_F32, 130, 5, &o);
    run(&p, 0, PLAIN);
    const wg_params *params = p.params[0];
    int64_t n = wg_tensor_count(wg_params_grads(params)), begin, end;
    for (int64_t from = -3; from < n; from += 1 + (from + 3) % 7)
        for (int64_t to = from; to < n + 20; to += 13) {
            int64_t seen = from < 0 ? 0 : from;
            while (wg_params_touched(params, seen, to, &begin, &end)) {
                assert_true(begin >= seen && end > begin && end <= to && end <= n);
                for (; seen < begin; seen++)
                    assert_true(wg_tensor_get(wg_params_grads(params), seen) == 0);
                seen = end;
            }
            for (; seen < to && seen < n; seen++)
                assert_true(wg_tensor_get(wg_params_grads(params), seen) == 0);
        }
    drop(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_equal_dense),
        cmocka_unit_test(test_other_uses),
        cmocka_unit_test(test_other_writers),
        cmocka_unit_test(test_arena_written),
        cmocka_unit_test(test_failed_run),
        cmocka_unit_test(test_lazy),
        cmocka_unit_test(test_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
