/* Gradients of embeddings that touch only the rows used: whatever happens, gradients, norms and
 * updates are bit for bit those of the same model whose arena of gradients counts as written by
 * others, where every element is cleared, read and updated. */
#include "rows_test.h"

static bool all_touched(const pair *p)
{
    return touched(p->params[0]) == wg_tensor_count(wg_params_grads(p->params[0]));
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
        cmocka_unit_test(test_rows_equal_dense), cmocka_unit_test(test_other_uses),
        cmocka_unit_test(test_other_writers),    cmocka_unit_test(test_arena_written),
        cmocka_unit_test(test_failed_run),       cmocka_unit_test(test_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
