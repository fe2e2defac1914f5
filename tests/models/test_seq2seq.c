/* Encoder-decoder: gradients of the whole loss by differences, stepping equal to teacher forcing,
 * padding without influence, dropout and smoothing in training alone. */
#include "seq2seq_fixture.h"

#include <wengert/gradcheck.h>

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

/* A row without any source word, and one without any target word: finite, and the latter free. */
static void test_empty_rows(void **state)
{
    (void)state;
    for (int i = 0; i < n_configs(); i++) {
        wg_seq2seq_config c = config_at(i);
        fixture f;
        open_fixture(&f, &c, WG_F64);
        wg_tensor_set(f.src_lengths, 0, 0);
        wg_tensor_set(f.tgt_lengths, 1, 0);
        wg_seq2seq_loss loss = record(&f, false, false);
        wg_var x = wg_param(f.tape, f.params, 0), out[3] = {loss.sum, loss.rows};
        wg_grad_or_zeros(&loss.sum, NULL, 1, &x, 1, &out[2]);
        WGT_OK(wg_eval(out, 3, NULL, &f.err), &f.err);
        assert_true(isfinite(wg_tensor_get(wg_eval_output(f.tape, 0), 0)));
        for (int t = 0; t < T; t++)
            assert_true(wg_tensor_get(wg_eval_output(f.tape, 1), t * B + 1) == 0);
        const wg_tensor *g = wg_eval_output(f.tape, 2);
        for (int64_t k = 0; k < wg_tensor_count(g); k++) assert_true(isfinite(wg_tensor_get(g, k)));
        close_fixture(&f);
    }
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),        cmocka_unit_test(test_steps),
        cmocka_unit_test(test_padding),      cmocka_unit_test(test_empty_rows),
        cmocka_unit_test(test_evaluation),   cmocka_unit_test(test_gradients),
        cmocka_unit_test(test_second_order),
    };
    return cmocka_run_group_tests(tests, register_cells, NULL);
}
