/* Encoder-decoder: configurations and batches that cannot be, words that the vocabulary does not
 * have, and memory running out anywhere. */
#include "seq2seq_fixture.h"

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
        if (!wgt_alloc_ran_out(status)) break;
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_configs),
        cmocka_unit_test(test_bad_batches),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_out_of_memory_recording),
    };
    return cmocka_run_group_tests(tests, register_cells, NULL);
}
