/* Encoder-decoder: gradients of the whole loss by differences, stepping equal to teacher forcing,
 * padding without influence, dropout and smoothing in training alone, and configurations and
 * batches that cannot be. */
#include "models_test.h"

#include <wengert/gradcheck.h>
#include <wengert/seq2seq.h>

enum { S = 5, T = 4, B = 3, VS = 7, VT = 9 };

typedef struct fixture {
    wgt_pool pool;
    wg_params *params;
    wg_seq2seq *model;
    wg_tape *tape;
    wg_error err;
    wg_tensor *src, *src_lengths, *tgt_in, *tgt_out, *tgt_lengths, *key;
} fixture;

static wg_seq2seq_config base_config(void)
{
    return (wg_seq2seq_config){.size = sizeof(wg_seq2seq_config),
                               .source_vocab = VS,
                               .target_vocab = VT,
                               .embed = 3,
                               .hidden = 6};
}

/* Configurations that between them use everything. */
static int n_configs(void)
{
    return 7;
}

static wg_seq2seq_config config_at(int i)
{
    static const wg_hyper_value forget[] = {{"forget_bias", 0.5}};
    wg_seq2seq_config c = base_config();
    switch (i) {
    case 0: /* Sutskever et al. 2014 */
        c.layers = 2;
        c.reverse_source = true;
        c.hypers = forget;
        c.n_hypers = 1;
        break;
    case 1: /* Luong et al. 2015, without feeding */
        c.bidirectional = true;
        c.attention = WG_ATTENTION_GENERAL;
        c.layers = 2;
        c.dropout = 0.25;
        break;
    case 2: /* with feeding, and the target's tables tied, through a projection */
        c.attention = WG_ATTENTION_DOT;
        c.input_feeding = true;
        c.tie = WG_TIE_TARGET;
        c.dropout = 0.2;
        c.reverse_source = true;
        break;
    case 3: /* Bahdanau et al. 2015 with feeding */
        c.cell = "gru";
        c.bidirectional = true;
        c.attention = WG_ATTENTION_BAHDANAU;
        c.attention_width = 4;
        c.input_feeding = true;
        c.init_projection = true;
        c.label_smoothing = 0.1;
        c.layers = 2;
        break;
    case 4: /* one table for everything, no projection needed */
        c.cell = "gru-reset-before";
        c.source_vocab = VT;
        c.embed = 6;
        c.tie = WG_TIE_ALL;
        c.attention = WG_ATTENTION_BAHDANAU;
        break;
    case 5: /* tied without attention */
        c.cell = "rnn";
        c.bidirectional = true;
        c.tie = WG_TIE_TARGET;
        c.label_smoothing = 0.3;
        break;
    default: /* states whose sizes do not add up: a projection by itself */
        c.cell = "test.three";
        c.bidirectional = true;
        c.attention = WG_ATTENTION_GENERAL;
        break;
    }
    return c;
}

/* A cell with a state that does not grow with the hidden size. */
static void three_step(wg_step *s, wg_var x, const wg_var *state, wg_var *next)
{
    wg_var h = wg_add(wg_affine(x, wg_p(s, "W"), WG_NONE), wg_matmul(state[1], wg_p(s, "U")));
    next[0] = wg_tanh(wg_add(h, state[0]));
    next[1] = wg_tanh(wg_matmul(next[0], wg_p(s, "V")));
}

static const wg_cell three_cell = {
    .size = sizeof(wg_cell),
    .name = "test.three",
    .version = 1,
    .states = (const wg_cell_state[]){{"h", "H"}, {"k", "3"}},
    .n_states = 2,
    .params =
        (const wg_cell_param[]){{.name = "W", .shape = "X,H", .init = {WG_INIT_XAVIER_UNIFORM}},
                                {.name = "U", .shape = "3,H", .init = {WG_INIT_XAVIER_UNIFORM}},
                                {.name = "V", .shape = "H,3", .init = {WG_INIT_XAVIER_UNIFORM}}},
    .n_params = 3,
    .step = three_step,
};

static void open_fixture(fixture *f, const wg_seq2seq_config *config, wg_dtype dtype)
{
    memset(f, 0, sizeof *f);
    WGT_OK(wg_params_new(dtype, &f->params, &f->err), &f->err);
    WGT_OK(wg_seq2seq_new(f->params, config, &f->model, &f->err), &f->err);
    WGT_OK(wg_params_init(f->params, 3, &f->err), &f->err);
    for (int i = 0; i < wg_params_count(f->params); i++) {
        wg_tensor *p = wg_params_value(f->params, i);
        wg_tensor *r =
            wgt_random(&f->pool, WG_F32, wg_tensor_shape(p), wg_params_name(f->params, i));
        for (int64_t k = 0; k < wg_tensor_count(p); k++)
            wg_tensor_set(p, k, 0.7 * wg_tensor_get(r, k));
    }
    WGT_OK(wg_tape_new(&f->tape, &f->err), &f->err);
    uint32_t vs = (uint32_t)config->source_vocab;
    f->src = wgt_ids(&f->pool, WG_SHAPE(S, B), vs, "src");
    f->src_lengths = wgt_ints(&f->pool, B, (int32_t[]){2, 5, 3});
    f->tgt_in = wgt_ids(&f->pool, WG_SHAPE(T, B), VT, "tgt_in");
    f->tgt_out = wgt_ids(&f->pool, WG_SHAPE(T, B), VT, "tgt_out");
    f->tgt_lengths = wgt_ints(&f->pool, B, (int32_t[]){4, 1, 3});
    f->key = wgt_ints(&f->pool, 4, (int32_t[]){11, 5, 2, 0});
}

static void close_fixture(fixture *f)
{
    wg_tape_free(f->tape);
    wg_seq2seq_free(f->model);
    wg_params_free(f->params);
    wgt_pool_free(&f->pool);
}

static wg_seq2seq_batch batch_of(fixture *f, bool training)
{
    return (wg_seq2seq_batch){.size = sizeof(wg_seq2seq_batch),
                              .src = wg_tensor_var(f->tape, f->src),
                              .src_lengths = wg_tensor_var(f->tape, f->src_lengths),
                              .tgt_in = wg_tensor_var(f->tape, f->tgt_in),
                              .tgt_out = wg_tensor_var(f->tape, f->tgt_out),
                              .tgt_lengths = wg_tensor_var(f->tape, f->tgt_lengths),
                              .key = wg_tensor_var(f->tape, f->key),
                              .training = training};
}

static wg_seq2seq_loss record(fixture *f, bool training, bool want_weights)
{
    wg_seq2seq_batch batch = batch_of(f, training);
    wg_seq2seq_loss loss;
    batch.want_weights = want_weights;
    wg_status status = wg_seq2seq_record_loss(f->tape, f->model, &batch, &loss);
    wg_tape_status(f->tape, &f->err);
    WGT_OK(status, &f->err);
    return loss;
}

static double value(fixture *f, wg_var v)
{
    WGT_OK(wg_eval(&v, 1, NULL, &f->err), &f->err);
    return wg_tensor_get(wg_eval_output(f->tape, 0), 0);
}

static void test_gradients(void **state)
{
    (void)state;
    for (int i = 0; i < n_configs(); i++) {
        wg_seq2seq_config c = config_at(i);
        fixture f;
        open_fixture(&f, &c, WG_F64);
        wg_var sum = record(&f, true, false).sum;
        wg_gradcheck_options options = {.size = sizeof options, .order = 1, .name_op = true};
        wg_gradcheck_report report = {.size = sizeof report};
        WGT_OK(wg_gradcheck(&sum, 1, NULL, 0, &options, &report, &f.err), &f.err);
        if (!report.passed) fail_msg("configuration %d:\n%s", i, report.text);
        assert_int_equal(report.n_leaves, wg_params_count(f.params));
        wg_gradcheck_report_free(&report);
        close_fixture(&f);
    }
}

/* Second order through attention, feeding and the scan, on one model. */
static void test_second_order(void **state)
{
    (void)state;
    wg_seq2seq_config c = config_at(3);
    c.layers = 1;
    fixture f;
    open_fixture(&f, &c, WG_F64);
    wg_var sum = record(&f, true, false).sum;
    wg_gradcheck_options options = {
        .size = sizeof options, .order = 2, .max_elements = 20, .projections = 3};
    wg_gradcheck_report report = {.size = sizeof report};
    WGT_OK(wg_gradcheck(&sum, 1, NULL, 0, &options, &report, &f.err), &f.err);
    if (!report.passed) fail_msg("%s", report.text);
    wg_gradcheck_report_free(&report);
    close_fixture(&f);
}

/* The decoder stepped over the same words, in `beam` identical rows a sentence, gives the same
 * log-probabilities and attention as the loss, in both dtypes. */
static void check_steps(const wg_seq2seq_config *c, wg_dtype dtype, int beam, double tol)
{
    fixture f;
    open_fixture(&f, c, dtype);
    wg_seq2seq_loss loss = record(&f, false, true);
    wg_seq2seq_point point, next;
    wg_var out[2 + 2 * T], weights;
    bool attention = c->attention != WG_ATTENTION_NONE;
    out[0] = wg_log_softmax(loss.logits);
    out[1] = attention ? loss.weights : loss.count;
    WGT_OK(wg_seq2seq_record_encoder(f.tape, f.model, wg_tensor_var(f.tape, f.src),
                                     wg_tensor_var(f.tape, f.src_lengths), &point),
           NULL);
    /* Rows r = b beam + k, as a search keeps them. */
    wg_tensor *row_of = wgt_tensor(&f.pool, WG_I32, WG_SHAPE(B * beam));
    for (int r = 0; r < B * beam; r++) wg_tensor_set(row_of, r, r / beam);
    wg_var rows = wg_tensor_var(f.tape, row_of);
    for (int i = 0; i < wg_seq2seq_state_count(f.model); i++) {
        wg_shape have = wg_var_type(point.state[i]).shape;
        wg_shape want = wg_seq2seq_state_shape(f.model, i, B);
        assert_true(wg_shape_equal(&have, &want));
        point.state[i] = wg_embedding(point.state[i], rows);
    }
    assert_int_equal(wg_is_none(point.feed), wg_seq2seq_feed_size(f.model) == 0);
    if (!wg_is_none(point.feed)) {
        assert_int_equal(wg_dim(point.feed, 1), wg_seq2seq_feed_size(f.model));
        point.feed = wg_embedding(point.feed, rows);
    }
    if (attention) {
        assert_int_equal(wg_dim(point.memory.keys, 2), wg_seq2seq_key_size(f.model));
        assert_int_equal(wg_dim(point.memory.values, 2), wg_seq2seq_value_size(f.model));
    }
    for (int t = 0; t < T; t++) {
        wg_tensor *word = wgt_tensor(&f.pool, WG_I32, WG_SHAPE(B * beam));
        for (int r = 0; r < B * beam; r++)
            wg_tensor_set(word, r, wg_tensor_get(f.tgt_in, t * B + r / beam));
        wg_status status = wg_seq2seq_record_step(
            f.tape, f.model, &point, wg_tensor_var(f.tape, word), &out[2 + 2 * t], &weights, &next);
        wg_tape_status(f.tape, &f.err);
        WGT_OK(status, &f.err);
        out[3 + 2 * t] = attention ? weights : loss.count;
        point = next;
    }
    WGT_OK(wg_eval(out, 2 + 2 * T, NULL, &f.err), &f.err);
    for (int t = 0; t < T; t++)
        for (int r = 0; r < B * beam; r++)
            for (int k = 0; k < (attention ? 2 : 1); k++) {
                const wg_tensor *all = wg_eval_output(f.tape, k);
                const wg_tensor *step = wg_eval_output(f.tape, 2 + 2 * t + k);
                int n = k ? S : VT;
                for (int i = 0; i < n; i++)
                    WGT_NEAR(wg_tensor_get(step, r * n + i),
                             wg_tensor_get(all, (t * B + r / beam) * n + i), tol);
            }
    close_fixture(&f);
}

static void test_steps(void **state)
{
    (void)state;
    for (int i = 0; i < n_configs(); i++) {
        wg_seq2seq_config c = config_at(i);
        check_steps(&c, WG_F64, 1, 1e-12);
        check_steps(&c, WG_F64, 4, 1e-12);
        check_steps(&c, WG_F32, 2, 2e-5);
    }
}

/* Words past the lengths change neither the loss nor any gradient, and count nothing. */
static void test_padding(void **state)
{
    (void)state;
    for (int i = 0; i < n_configs(); i++) {
        wg_seq2seq_config c = config_at(i);
        fixture f;
        open_fixture(&f, &c, WG_F64);
        wg_tensor *first[40] = {0};
        for (int pass = 0; pass < 2; pass++) {
            for (int k = 0; pass && k < S * B; k++)
                if (k / B >= wg_tensor_get(f.src_lengths, k % B))
                    wg_tensor_set(f.src, k, (wg_tensor_get(f.src, k) + 1) == VS ? 0 : VS - 1);
            for (int k = 0; pass && k < T * B; k++)
                if (k / B >= wg_tensor_get(f.tgt_lengths, k % B)) {
                    wg_tensor_set(f.tgt_in, k, (k + 5) % VT);
                    wg_tensor_set(f.tgt_out, k, (k + 3) % VT);
                }
            wg_var out[40], x[38];
            int n = wg_params_count(f.params);
            assert_true(n <= 38);
            wg_seq2seq_loss loss = record(&f, true, false);
            out[0] = loss.sum;
            out[1] = loss.count;
            for (int p = 0; p < n; p++) x[p] = wg_param(f.tape, f.params, p);
            wg_grad_or_zeros(out, NULL, 1, x, n, out + 2);
            WGT_OK(wg_eval(out, 2 + n, NULL, &f.err), &f.err);
            assert_true(wg_tensor_get(wg_eval_output(f.tape, 1), 0) == 8);
            for (int k = 0; k < 2 + n; k++) {
                if (pass) {
                    wgt_same("with other padding", wg_eval_output(f.tape, k), first[k], 1e-14);
                    continue;
                }
                WGT_OK(wg_tensor_clone(wg_eval_output(f.tape, k), &first[k], &f.err), &f.err);
                wgt_keep(&f.pool, first[k]);
            }
        }
        close_fixture(&f);
    }
}

/* Evaluation: no dropout, no smoothing, no key needed; loss = the sum over its rows; lengths absent
 * = all of them full. */
static void test_evaluation(void **state)
{
    (void)state;
    wg_seq2seq_config c = config_at(1);
    c.label_smoothing = 0.2;
    fixture f;
    open_fixture(&f, &c, WG_F64);
    double plain = value(&f, record(&f, false, false).sum);
    assert_true(fabs(plain - value(&f, record(&f, true, false).sum)) > 1e-6);
    wg_tensor_set(f.key, 2, 99);
    assert_true(value(&f, record(&f, false, false).sum) == plain);
    WGT_NEAR(value(&f, wg_sum_all(record(&f, false, false).rows)), plain, 1e-12);

    wg_seq2seq_batch batch = batch_of(&f, false);
    wg_seq2seq_loss loss;
    batch.key = batch.src_lengths = batch.tgt_lengths = WG_NONE;
    WGT_OK(wg_seq2seq_record_loss(f.tape, f.model, &batch, &loss), NULL);
    assert_true(value(&f, loss.count) == T * B);
    double full = value(&f, loss.sum);
    for (int b = 0; b < B; b++) {
        wg_tensor_set(f.src_lengths, b, S);
        wg_tensor_set(f.tgt_lengths, b, T);
    }
    WGT_NEAR(value(&f, record(&f, false, false).sum), full, 1e-12);
    close_fixture(&f);
}

static void test_names(void **state)
{
    (void)state;
    static const char *const expected[] = {
        "src.embed",    "tgt.embed",    "enc.l0.fw.Wx", "enc.l0.fw.Wh", "enc.l0.fw.b",
        "enc.l0.bw.Wx", "enc.l0.bw.Wh", "enc.l0.bw.b",  "enc.l1.fw.Wx", "enc.l1.fw.Wh",
        "enc.l1.fw.b",  "enc.l1.bw.Wx", "enc.l1.bw.Wh", "enc.l1.bw.b",  "dec.l0.fw.Wx",
        "dec.l0.fw.Wh", "dec.l0.fw.b",  "dec.l1.fw.Wx", "dec.l1.fw.Wh", "dec.l1.fw.b",
        "attn.W",       "combine.W",    "combine.b",    "out.W",        "out.b"};
    wg_seq2seq_config c = config_at(1);
    fixture f;
    open_fixture(&f, &c, WG_F32);
    assert_int_equal(wg_params_count(f.params), sizeof expected / sizeof *expected);
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
        assert_string_equal(wg_params_name(f.params, (int)i), expected[i]);
    assert_string_equal(wg_seq2seq_get_config(f.model)->cell, "lstm");
    assert_int_equal(wg_seq2seq_get_config(f.model)->layers, 2);
    close_fixture(&f);
}

static void refused(wg_seq2seq_config c, wg_status status, const char *part)
{
    wg_error err = {WG_OK, ""};
    WGT_STATUS(wg_seq2seq_check(&c, &err), status, &err);
    if (!strstr(err.message, part)) fail_msg("'%s' does not say '%s'", err.message, part);
}

static void test_bad_configs(void **state)
{
    (void)state;
    wg_seq2seq_config c = base_config();
    wg_error err = {WG_OK, ""};
    WGT_OK(wg_seq2seq_check(&c, &err), &err);
    c.hidden = 0;
    refused(c, WG_EINVAL, "hidden is 0");
    c = base_config(), c.embed = -4;
    refused(c, WG_EINVAL, "embed is -4");
    c = base_config(), c.source_vocab = INT64_MAX;
    refused(c, WG_EINVAL, "source_vocab");
    c = base_config(), c.layers = -1;
    refused(c, WG_EINVAL, "layers");
    c = base_config(), c.dropout = NAN;
    refused(c, WG_EINVAL, "dropout");
    c = base_config(), c.label_smoothing = 1;
    refused(c, WG_EINVAL, "label_smoothing");
    c = base_config(), c.cell = "lstn";
    refused(c, WG_ENOTFOUND, "gru-reset-before");
    c = base_config(), c.hidden = 7, c.bidirectional = true;
    refused(c, WG_EINVAL, "even");
    c = base_config(), c.input_feeding = true;
    refused(c, WG_EINVAL, "needs attention");
    c = base_config(), c.tie = WG_TIE_ALL;
    refused(c, WG_EINVAL, "7 and 9 words");
    c = base_config(), c.attention = (wg_attention_kind)17;
    refused(c, WG_EINVAL, "attention");
    c = base_config(), c.size = 4;
    refused(c, WG_EINVAL, "size");

    wg_tie tie;
    WGT_OK(wg_tie_from_name("target", &tie, &err), &err);
    assert_int_equal(tie, WG_TIE_TARGET);
    WGT_STATUS(wg_tie_from_name("both", &tie, &err), WG_ENOTFOUND, &err);

    wg_params *params;
    wg_seq2seq *model;
    c = base_config();
    c.hypers = &(wg_hyper_value){"no_such", 1};
    c.n_hypers = 1;
    WGT_OK(wg_params_new(WG_F32, &params, &err), &err);
    WGT_STATUS(wg_seq2seq_new(params, &c, &model, &err), WG_ENOTFOUND, &err);
    wg_params_free(params);
}

static void test_bad_batches(void **state)
{
    (void)state;
    wg_seq2seq_config c = config_at(1);
    static const char *const part[] = {"src must be",     "different shapes", "numbers of rows",
                                       "lengths must be", "needs a key",      "size"};
    for (int i = 0; i < 6; i++) {
        fixture f;
        open_fixture(&f, &c, WG_F32);
        wg_seq2seq_batch b = batch_of(&f, true);
        wg_seq2seq_loss loss;
        if (i == 0) b.src = wg_const(f.tape, WG_F32, WG_SHAPE(S, B), 0);
        if (i == 1) b.tgt_out = wg_const(f.tape, WG_I32, WG_SHAPE(T + 1, B), 0);
        if (i == 2) b.src = wg_const(f.tape, WG_I32, WG_SHAPE(S, B + 1), 0);
        if (i == 3) b.tgt_lengths = b.tgt_out;
        if (i == 4) b.key = WG_NONE;
        if (i == 5) b.size = 3;
        assert_true(wg_seq2seq_record_loss(f.tape, f.model, &b, &loss) != WG_OK);
        assert_false(wg_var_ok(loss.sum));
        assert_true(wg_tape_status(f.tape, &f.err) != WG_OK);
        if (!strstr(f.err.message, part[i])) fail_msg("'%s' lacks '%s'", f.err.message, part[i]);
        close_fixture(&f);
    }
    /* A word that the vocabulary does not have: an error when it runs, no crash. */
    fixture f;
    open_fixture(&f, &c, WG_F32);
    wg_tensor_set(f.tgt_in, 1, VT);
    wg_var sum = record(&f, false, false).sum;
    assert_true(wg_eval(&sum, 1, NULL, &f.err) != WG_OK);
    close_fixture(&f);
}

/* Whichever allocation fails, nothing leaks and the status says so. */
static void test_out_of_memory(void **state)
{
    (void)state;
    wg_seq2seq_config c = config_at(3);
    for (size_t n = 1;; n++) {
        wg_params *params = NULL;
        wg_seq2seq *model = NULL;
        wgt_fail_alloc_at(n);
        wg_status status = wg_params_new(WG_F32, &params, NULL);
        if (!status) status = wg_seq2seq_new(params, &c, &model, NULL);
        if (!status) wg_seq2seq_free(model);
        wg_params_free(params);
        bool reached = wgt_alloc_count() >= n;
        assert_int_equal(wgt_alloc_live(), 0);
        wgt_alloc_restore();
        if (!reached) break;
        assert_int_equal(status, WG_ENOMEM);
    }
}

/* The same for recording: the tape says that memory ran out, or nobody noticed (a scope's name). */
static wg_status record_all(const wg_seq2seq_config *c)
{
    wg_params *params = NULL;
    wg_seq2seq *model = NULL;
    wg_tape *tape = NULL;
    wg_status status = wg_params_new(WG_F32, &params, NULL);
    if (!status) status = wg_seq2seq_new(params, c, &model, NULL);
    if (!status) status = wg_params_init(params, 1, NULL);
    if (!status) status = wg_tape_new(&tape, NULL);
    if (!status) {
        wg_var ids = wg_const(tape, WG_I32, WG_SHAPE(T, B), 1);
        wg_seq2seq_batch batch = {
            .size = sizeof batch,
            .src = ids,
            .tgt_in = ids,
            .tgt_out = ids,
            .src_lengths = wg_const(tape, WG_I32, WG_SHAPE(B), T),
            .key = wg_const(tape, WG_I32, WG_SHAPE(4), 1),
            .training = true,
            .want_weights = true,
        };
        wg_seq2seq_loss loss;
        status = wg_seq2seq_record_loss(tape, model, &batch, &loss);
        if (!status) {
            wg_var word = wg_const(tape, WG_I32, WG_SHAPE(B), 1), y;
            wg_seq2seq_point start, next;
            status = wg_seq2seq_record_encoder(tape, model, ids, batch.src_lengths, &start);
            if (!status)
                status = wg_seq2seq_record_step(tape, model, &start, word, &y, NULL, &next);
        }
    }
    wg_tape_free(tape);
    wg_seq2seq_free(model);
    wg_params_free(params);
    return status;
}

static void test_out_of_memory_recording(void **state)
{
    (void)state;
    for (int i = 1; i < 4; i++) {
        wg_seq2seq_config c = config_at(i);
        size_t step = 1;
        for (size_t n = 1;; n += step) {
            wgt_fail_alloc_at(n);
            wg_status status = record_all(&c);
            bool reached = wgt_alloc_count() >= n;
            assert_int_equal(wgt_alloc_live(), 0);
            wgt_alloc_restore();
            if (!reached) {
                WGT_OK(status, NULL);
                break;
            }
            if (status != WG_OK) assert_int_equal(status, WG_ENOMEM);
        }
    }
}

static int register_cells(void **state)
{
    (void)state;
    wg_error err = {WG_OK, ""};
    WGT_OK(wg_register_cell(&three_cell, &err), &err);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),         cmocka_unit_test(test_steps),
        cmocka_unit_test(test_padding),       cmocka_unit_test(test_evaluation),
        cmocka_unit_test(test_gradients),     cmocka_unit_test(test_second_order),
        cmocka_unit_test(test_bad_configs),   cmocka_unit_test(test_bad_batches),
        cmocka_unit_test(test_out_of_memory), cmocka_unit_test(test_out_of_memory_recording),
    };
    return cmocka_run_group_tests(tests, register_cells, NULL);
}
