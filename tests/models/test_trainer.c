/* The trainer: a task is learned, steps are reproducible and allocate nothing, padding does not
 * matter, the cache is bounded, runs go on from saved state.
 * (Losses against PyTorch's: test_seq2seq_golden.c.) */
#include "trainer_test.h"

static double perplexity(fixture *f, const minibatch *m)
{
    wg_error err = {WG_OK, ""};
    wg_trainer_result r;
    WGT_OK(wg_trainer_evaluate(f->trainer, &m->batch, &r, &err), &err);
    return exp(r.loss / r.count);
}

/* ---- learning ---- */

static void test_learns(void **state)
{
    (void)state;
    wg_error err = {WG_OK, ""};
    minibatch m, valid;
    fixture f = made(0, NULL);
    draw(&valid, 100000, ROWS);
    double before = perplexity(&f, &valid), count = 0;
    for (int b = 0; b < ROWS; b++) count += valid.target_lengths[b];
    assert_true(before > V * 0.6 && before < V * 1.6); /* knows nothing yet */
    for (int i = 0; i < 300; i++) {
        draw(&m, i, ROWS);
        wg_trainer_result r = step(&f, &m);
        assert_true(r.finite && !r.skipped);
        assert_int_equal(r.compiled, i == 0);
    }
    assert_true(perplexity(&f, &valid) < 1.2);
    wg_trainer_result r;
    WGT_OK(wg_trainer_evaluate(f.trainer, &valid.batch, &r, &err), &err);
    assert_true(r.count == count);

    /* And is found again by searching. */
    wg_decoder_options options = WG_DECODER_OPTIONS_INIT;
    options.max_length = 10;
    wg_decoder *decoder;
    wg_decode_result *result;
    int right = 0;
    WGT_OK(wg_decoder_new(f.model, &options, &decoder, &err), &err);
    WGT_OK(wg_decoder_run(decoder, valid.source, valid.source_lengths, MOST, ROWS, &result, &err),
           &err);
    for (int b = 0; b < ROWS; b++) {
        const wg_hypothesis *h = result->sentences[b].hypotheses;
        bool same = h->length == valid.source_lengths[b];
        for (int t = 0; same && t < h->length; t++) same = h->words[t] == valid.out[t * ROWS + b];
        right += same;
    }
    assert_true(right >= ROWS - 2);
    wg_decode_result_free(result);
    wg_decoder_free(decoder);
    drop(&f);
}

/* ---- the same again ---- */

static void test_same_bits(void **state)
{
    (void)state;
    minibatch m;
    double norm[3];
    fixture f[3];
    for (int k = 0; k < 3; k++) {
        wg_trainer_options o = {.size = sizeof o, .threads = 2, .seed = k == 2 ? 6 : 5};
        f[k] = made(0.3, &o);
        for (int i = 0; i < 5; i++) {
            draw(&m, i, ROWS);
            norm[k] = step(&f[k], &m).norm;
        }
    }
    size_t bytes = wg_tensor_bytes(wg_params_values(f[0].params));
    const void *a = wg_tensor_cdata(wg_params_values(f[0].params));
    assert_memory_equal(a, wg_tensor_cdata(wg_params_values(f[1].params)), bytes);
    assert_memory_not_equal(a, wg_tensor_cdata(wg_params_values(f[2].params)), bytes);
    assert_true(norm[0] == norm[1] && norm[0] != norm[2]);
    for (int k = 0; k < 3; k++) drop(&f[k]);
}

/* Dropout differs from step to step, and evaluation has none. */
static void test_dropout_moves(void **state)
{
    (void)state;
    wg_error err = {WG_OK, ""};
    minibatch m;
    wg_trainer_result r;
    fixture f = made(0.5, NULL);
    draw(&m, 1, ROWS);
    double first = perplexity(&f, &m);
    assert_true(first == perplexity(&f, &m));
    WGT_OK(wg_trainer_step(f.trainer, &m.batch, 0, &r, &err), &err); /* a rate of 0 moves nothing */
    double one = r.loss;
    WGT_OK(wg_trainer_step(f.trainer, &m.batch, 0, &r, &err), &err);
    assert_true(one != r.loss);
    assert_true(first == perplexity(&f, &m));
    drop(&f);
}

static void test_steady_state(void **state)
{
    (void)state;
    minibatch m;
    wgt_fail_alloc_at(0);
    fixture f = made(0.1, NULL);
    draw(&m, 1, ROWS);
    assert_true(step(&f, &m).compiled);
    for (int i = 2; i < 5; i++) {
        draw(&m, i, ROWS);
        size_t before = wgt_alloc_count();
        assert_false(step(&f, &m).compiled);
        assert_int_equal(wgt_alloc_count(), before);
    }
    perplexity(&f, &m);
    size_t before = wgt_alloc_count();
    perplexity(&f, &m);
    step(&f, &m);
    assert_int_equal(wgt_alloc_count(), before);
    int64_t compiled, held;
    wg_trainer_cache_stats(f.trainer, &compiled, &held);
    assert_int_equal(compiled, 2);
    drop(&f);
    assert_int_equal(wgt_alloc_live(), 0);
    wgt_alloc_restore();
}

/* ---- shapes ---- */

/* Rounding shapes up changes nothing but the number of programs. */
static void test_rounding(void **state)
{
    (void)state;
    minibatch m;
    wg_trainer_options o = {.size = sizeof o, .round_steps = 8, .round_rows = 7};
    fixture plain = made(0.3, NULL), rounded = made(0.3, &o);
    for (int i = 0; i < 3; i++) {
        draw(&m, i, 12 + i);
        wg_trainer_result a = step(&plain, &m), b = step(&rounded, &m);
        WGT_CLOSE(b.loss, a.loss, 1e-5, 0);
        WGT_CLOSE(b.norm, a.norm, 1e-4, 0);
        assert_true(a.count == b.count);
        WGT_CLOSE(perplexity(&rounded, &m), perplexity(&plain, &m), 1e-4, 0);
    }
    int64_t compiled;
    wg_trainer_cache_stats(plain.trainer, &compiled, NULL);
    assert_int_equal(compiled, 6);
    wg_trainer_cache_stats(rounded.trainer, &compiled, NULL);
    assert_int_equal(compiled, 2);
    drop(&plain);
    drop(&rounded);
}

static void test_bounded(void **state)
{
    (void)state;
    minibatch m;
    int64_t compiled, held;
    int traced = 0;
    wg_trainer_options o = {
        .size = sizeof o, .max_programs = 2, .trace = wgt_count_programs, .trace_user = &traced};
    fixture f = made(0, &o);
    static const int rows[] = {3, 4, 3, 5, 3, 4}; /* 4 leaves for 5, as 3 was used later */
    static const bool is_new[] = {true, true, false, true, false, true};
    for (int i = 0; i < 6; i++) {
        draw(&m, i, rows[i]);
        assert_int_equal(step(&f, &m).compiled, is_new[i]);
    }
    wg_trainer_cache_stats(f.trainer, &compiled, &held);
    assert_int_equal(compiled, 4);
    assert_int_equal(held, 2);
    assert_int_equal(traced, 4);
    drop(&f);
    o = (wg_trainer_options){.size = sizeof o, .max_bytes = 1}; /* one always stays */
    f = made(0, &o);
    for (int i = 0; i < 3; i++) {
        draw(&m, i, 3);
        assert_int_equal(step(&f, &m).compiled, i == 0);
    }
    drop(&f);
}

static void test_gradient(void **state)
{
    (void)state;
    wg_error err = {WG_OK, ""};
    minibatch m;
    wg_trainer_result r;
    fixture f = made(0, NULL);
    draw(&m, 1, ROWS);
    WGT_OK(wg_trainer_gradient(f.trainer, &m.batch, &r, &err), &err);
    assert_int_equal(wg_trainer_steps(f.trainer), 0);
    double square = 0;
    const wg_tensor *g = wg_params_grads(f.params);
    for (int64_t i = 0; i < wg_tensor_count(g); i++)
        square += wg_tensor_get(g, i) * wg_tensor_get(g, i);
    WGT_CLOSE(r.norm, sqrt(square) / r.count, 1e-6, 0);
    WGT_CLOSE(step(&f, &m).norm, r.norm, 1e-12, 0);
    drop(&f);
}

static void test_resume(void **state)
{
    (void)state;
    wg_error err = {WG_OK, ""};
    minibatch m;
    wg_trainer_options o = {.size = sizeof o, .seed = 0xFEDCBA9876543210u},
                       other = {.size = sizeof other};
    fixture a = made(0.2, &o), b = made(0.2, &other);
    for (int i = 0; i < 3; i++) {
        draw(&m, i, ROWS);
        step(&a, &m);
    }
    wg_state *tree;
    WGT_OK(wg_state_new(&tree, &err), &err);
    WGT_STATUS(wg_trainer_load(b.trainer, tree, &err), WG_ENOTFOUND, &err);
    WGT_OK(wg_trainer_save(a.trainer, tree, &err), &err);
    WGT_OK(wg_optimizer_save(a.optimizer, tree, &err), &err);
    WGT_OK(wg_trainer_load(b.trainer, tree, &err), &err);
    WGT_OK(wg_optimizer_load(b.optimizer, tree, &err), &err);
    WGT_OK(wg_tensor_copy(wg_params_values(b.params), wg_params_values(a.params), &err), &err);
    assert_int_equal(wg_trainer_steps(b.trainer), 3);
    for (int i = 3; i < 6; i++) {
        draw(&m, i, ROWS);
        assert_true(step(&a, &m).loss == step(&b, &m).loss);
    }
    assert_memory_equal(wg_tensor_cdata(wg_params_values(a.params)),
                        wg_tensor_cdata(wg_params_values(b.params)),
                        wg_tensor_bytes(wg_params_values(a.params)));
    wg_state_free(tree);
    drop(&a);
    drop(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_learns),        cmocka_unit_test(test_same_bits),
        cmocka_unit_test(test_dropout_moves), cmocka_unit_test(test_steady_state),
        cmocka_unit_test(test_rounding),      cmocka_unit_test(test_bounded),
        cmocka_unit_test(test_gradient),      cmocka_unit_test(test_resume),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
