/* The trainer: a task is learned, steps are reproducible and allocate nothing, padding does not
 * matter, what is not finite changes nothing, the cache is bounded, runs go on from saved state.
 * (Losses against PyTorch's: test_seq2seq_golden.c.) */
#include "models_test.h"

#include <wengert/decode.h>
#include <wengert/trainer.h>

enum { V = 9, START = 1, END = 2, ROWS = 16, MOST = 4 };

/* Minibatches of a task: the target is the source reversed. */
typedef struct minibatch {
    int32_t source[MOST * ROWS], in[(MOST + 1) * ROWS], out[(MOST + 1) * ROWS];
    int32_t source_lengths[ROWS], target_lengths[ROWS];
    wg_trainer_batch batch;
} minibatch;

static void draw(minibatch *m, int seed, int rows)
{
    wg_rng rng;
    wg_rng_init(&rng, (uint64_t)seed, "reverse");
    memset(m, 0, sizeof *m);
    for (int b = 0; b < rows; b++) {
        int n = b == 0 ? MOST : 1 + (int)wg_rng_below(&rng, MOST);
        m->source_lengths[b] = n;
        m->target_lengths[b] = n + 1;
        m->in[b] = START;
        m->out[n * rows + b] = END;
        for (int t = 0; t < n; t++) {
            int32_t word = 3 + (int32_t)wg_rng_below(&rng, V - 3);
            m->source[t * rows + b] = word;
            m->in[(n - t) * rows + b] = word;
            m->out[(n - t - 1) * rows + b] = word;
        }
    }
    m->batch = (wg_trainer_batch){.size = sizeof m->batch,
                                  .source_steps = MOST,
                                  .target_steps = MOST + 1,
                                  .rows = rows,
                                  .source = m->source,
                                  .source_lengths = m->source_lengths,
                                  .target_in = m->in,
                                  .target_out = m->out,
                                  .target_lengths = m->target_lengths};
}

typedef struct fixture {
    wg_params *params;
    wg_seq2seq *model;
    wg_optimizer *optimizer;
    wg_trainer *trainer;
} fixture;

static wg_status make(fixture *f, double dropout, const wg_optimizer_options *optimizer,
                      const wg_trainer_options *trainer, wg_error *err)
{
    wg_seq2seq_config config = {.size = sizeof config,
                                .source_vocab = V,
                                .target_vocab = V,
                                .embed = 12,
                                .hidden = 24,
                                .bidirectional = true,
                                .attention = WG_ATTENTION_GENERAL,
                                .dropout = dropout};
    *f = (fixture){.params = NULL};
    wg_status status = wg_params_new(WG_F32, &f->params, err);
    if (!status) status = wg_seq2seq_new(f->params, &config, &f->model, err);
    if (!status) status = wg_params_init(f->params, 4, err);
    if (!status) status = wg_optimizer_new(f->params, optimizer, &f->optimizer, err);
    if (!status)
        status = wg_trainer_new(f->model, f->params, f->optimizer, trainer, &f->trainer, err);
    return status;
}

static void drop(fixture *f)
{
    wg_trainer_free(f->trainer);
    wg_optimizer_free(f->optimizer);
    wg_seq2seq_free(f->model);
    if (f->params) wg_params_free(f->params);
}

static fixture made(double dropout, const wg_trainer_options *options)
{
    fixture f;
    wg_error err = {WG_OK, ""};
    wg_optimizer_options adam = WG_OPTIMIZER_OPTIONS_INIT;
    adam.clip_norm = 1;
    WGT_OK(make(&f, dropout, &adam, options, &err), &err);
    return f;
}

static wg_trainer_result step(fixture *f, const minibatch *m)
{
    wg_error err = {WG_OK, ""};
    wg_trainer_result r;
    WGT_OK(wg_trainer_step(f->trainer, &m->batch, 0.01, &r, &err), &err);
    return r;
}

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

/* ---- gradients, state, trouble ---- */

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

static void test_not_finite(void **state)
{
    (void)state;
    minibatch m;
    fixture f = made(0, NULL);
    draw(&m, 1, ROWS);
    wg_tensor *bias = wg_params_value(f.params, wg_params_find(f.params, "out.b"));
    wg_tensor_set(bias, 4, NAN);
    wg_trainer_result r = step(&f, &m);
    assert_true(!r.finite && r.skipped && !isfinite(r.loss));
    assert_int_equal(wg_optimizer_skipped(f.optimizer), 1);
    wg_tensor_set(bias, 4, 0);
    r = step(&f, &m);
    assert_true(r.finite && !r.skipped);
    drop(&f);
}

static void test_refused(void **state)
{
    (void)state;
    wg_error err = {WG_OK, ""};
    fixture f = made(0, NULL);
    minibatch m;
    wg_trainer_result r;
    for (int i = 0; i < 8; i++) {
        draw(&m, 1, ROWS);
        if (i == 0) m.source[0] = V;
        if (i == 1) m.out[0] = -1;
        if (i == 2) m.source_lengths[2] = 0;
        if (i == 3) m.target_lengths[2] = MOST + 2;
        if (i == 4) m.batch.rows = 0;
        if (i == 5) m.batch.target_in = NULL;
        if (i == 6) memset(m.target_lengths, 0, sizeof m.target_lengths);
        if (i == 7) m.batch.size = 4;
        WGT_STATUS(wg_trainer_step(f.trainer, &m.batch, 0.1, &r, &err), WG_EINVAL, &err);
    }
    assert_int_equal(wg_trainer_steps(f.trainer), 0);
    /* Whatever stands in the padding. */
    draw(&m, 1, ROWS);
    for (int b = 0; b < ROWS; b++)
        for (int t = m.source_lengths[b]; t < MOST; t++) m.source[t * ROWS + b] = -77;
    step(&f, &m);
    wg_trainer *trainer;
    WGT_OK(wg_trainer_new(f.model, f.params, NULL, NULL, &trainer, &err), &err);
    WGT_OK(wg_trainer_evaluate(trainer, &m.batch, &r, &err), &err);
    WGT_STATUS(wg_trainer_step(trainer, &m.batch, 0.1, &r, &err), WG_ESTATE, &err);
    wg_trainer_free(trainer);
    drop(&f);
}

/* Every allocation of making a model, a step, an evaluation and a search fails once. */
static wg_status everything(const minibatch *m, wg_error *err)
{
    fixture f;
    wg_decoder *decoder = NULL;
    wg_decode_result *result = NULL;
    wg_decoder_options options = WG_DECODER_OPTIONS_INIT;
    options.beam_size = 2;
    options.max_length = 3;
    options.want_weights = true;
    wg_status status = make(&f, 0.1, NULL, NULL, err);
    if (!status) status = wg_trainer_step(f.trainer, &m->batch, 0.01, NULL, err);
    if (!status) status = wg_trainer_evaluate(f.trainer, &m->batch, NULL, err);
    if (!status) status = wg_decoder_new(f.model, &options, &decoder, err);
    if (!status)
        status = wg_decoder_run(decoder, m->source, m->source_lengths, MOST, m->batch.rows, &result,
                                err);
    wg_decode_result_free(result);
    wg_decoder_free(decoder);
    drop(&f);
    return status;
}

static void test_out_of_memory(void **state)
{
    (void)state;
    minibatch m;
    draw(&m, 1, 2);
    for (size_t n = 1;; n += 1 + n / 12) { /* every one at first, then ever fewer of thousands */
        wg_error err = {WG_OK, ""};
        wgt_fail_alloc_at(n);
        wg_status status = everything(&m, &err);
        bool reached = wgt_alloc_count() >= n;
        size_t live = wgt_alloc_live();
        wgt_alloc_restore();
        if (live != 0) fail_msg("%zu blocks are left when allocation %zu fails", live, n);
        if (!reached) {
            WGT_OK(status, &err);
            break;
        }
        if (status != WG_ENOMEM)
            fail_msg("allocation %zu: %s: %s", n, wg_status_name(status), err.message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_learns),        cmocka_unit_test(test_same_bits),
        cmocka_unit_test(test_dropout_moves), cmocka_unit_test(test_steady_state),
        cmocka_unit_test(test_rounding),      cmocka_unit_test(test_bounded),
        cmocka_unit_test(test_gradient),      cmocka_unit_test(test_resume),
        cmocka_unit_test(test_not_finite),    cmocka_unit_test(test_refused),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
