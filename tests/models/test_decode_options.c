/* Decoding: limits, batches, penalties, and what must be refused. */
#include "decode_test.h"

static void test_limits(void **state)
{
    (void)state;
    fixture f = make(WG_F32, WG_ATTENTION_GENERAL, false, "lstm");
    wg_tensor_set(wg_params_value(f.params, wg_params_find(f.params, "out.b")), END, -50);
    wg_decoder_options o = WG_DECODER_OPTIONS_INIT;
    o.max_ratio = 1.5;
    o.max_extra = 1;
    o.beam_size = 2;
    wg_decode_result *result = decode(&f, &o);
    const int64_t want[B] = {7, 5, 2}; /* floor(1.5 length) + 1 */
    for (int b = 0; b < B; b++)
        assert_int_equal(result->sentences[b].hypotheses[0].length, want[b]);
    assert_int_equal(result->steps, 8);
    wg_decode_result_free(result);
    o.max_length = 40; /* more than the history has room for at first */
    o.max_ratio = 0;
    result = decode(&f, &o);
    for (int b = 0; b < B; b++) assert_int_equal(result->sentences[b].hypotheses[0].length, 40);
    wg_decode_result_free(result);
    drop(&f);
}

/* A sentence is translated alike alone and in any company. */
static void test_batch(void **state)
{
    (void)state;
    wg_error err = {WG_OK, ""};
    fixture f = make(WG_F64, WG_ATTENTION_BAHDANAU, true, "gru");
    wg_decoder_options o = WG_DECODER_OPTIONS_INIT;
    int traced = 0;
    o.n_best = 4;
    o.max_length = 8;
    o.round_steps = 3;
    o.trace = wgt_count_programs;
    o.trace_user = &traced;
    wg_decoder *decoder;
    wg_decode_result *together, *alone;
    WGT_OK(wg_decoder_new(f.model, &o, &decoder, &err), &err);
    WGT_OK(wg_decoder_run(decoder, src, lengths, S, B, &together, &err), &err);
    int64_t compiled, held;
    for (int round = 0; round < 2; round++)
        for (int b = 0; b < B; b++) {
            int32_t one[S];
            for (int s = 0; s < lengths[b]; s++) one[s] = src[s * B + b];
            WGT_OK(wg_decoder_run(decoder, one, NULL, lengths[b], 1, &alone, &err), &err);
            const wg_decoded *x = &together->sentences[b], *y = &alone->sentences[0];
            assert_int_equal(x->count, y->count);
            for (int i = 0; i < x->count; i++) {
                const wg_hypothesis *h = &x->hypotheses[i], *g = &y->hypotheses[i];
                assert_int_equal(h->length, g->length);
                assert_memory_equal(h->words, g->words, (size_t)h->length * sizeof *h->words);
                WGT_NEAR(h->score, g->score, 1e-10);
            }
            wg_decode_result_free(alone);
        }
    /* Alone: 4 steps are rounded to 6, 3 and 1 to 3; together: 6 again, of three rows. */
    wg_decoder_cache_stats(decoder, &compiled, &held);
    assert_int_equal(compiled, 3);
    assert_int_equal(traced, 2 * compiled); /* encoder and step */
    assert_int_equal(held, 3);
    wg_decode_result_free(together);
    wg_decoder_free(decoder);
    drop(&f);
}

static void test_penalties(void **state)
{
    (void)state;
    WGT_NEAR(wg_length_penalty(WG_LENGTH_WU, 1, 1), 1, 1e-12);
    WGT_NEAR(wg_length_penalty(WG_LENGTH_WU, 0.5, 19), 2, 1e-12);
    WGT_NEAR(wg_length_penalty(WG_LENGTH_AVERAGE, 1, 7), 7, 0);
    WGT_NEAR(wg_length_penalty(WG_LENGTH_NONE, 1, 7), 1, 0);
    for (int i = 0; i < WG_LENGTH_NORMS; i++) {
        wg_length_norm norm;
        WGT_OK(wg_length_norm_from_name(wg_length_norm_name((wg_length_norm)i), &norm, NULL), NULL);
        assert_int_equal(norm, i);
    }
    WGT_STATUS(wg_length_norm_from_name("wo", &(wg_length_norm){0}, NULL), WG_ENOTFOUND, NULL);
}

static void test_refused(void **state)
{
    (void)state;
    wg_error err = {WG_OK, ""};
    fixture f = make(WG_F32, WG_ATTENTION_GENERAL, false, "lstm");
    wg_decoder *decoder;
    wg_decode_result *result;
    for (int i = 0; i < 7; i++) {
        static const int32_t end[] = {END};
        wg_decoder_options o = WG_DECODER_OPTIONS_INIT;
        if (i == 0) o.beam_size = 0;
        if (i == 1) o.n_best = 6;
        if (i == 2) o.start_id = V;
        if (i == 3) o.end_id = o.start_id;
        if (i == 4) o.banned = end, o.n_banned = 1;
        if (i == 5) o.alpha = NAN;
        if (i == 6) o.max_length = -1;
        WGT_STATUS(wg_decoder_new(f.model, &o, &decoder, &err), WG_EINVAL, &err);
    }
    WGT_OK(wg_decoder_new(f.model, NULL, &decoder, &err), &err);
    const int32_t bad_id[] = {3, 6}, long_length[] = {5};
    WGT_STATUS(wg_decoder_run(decoder, bad_id, NULL, 2, 1, &result, &err), WG_EINVAL, &err);
    WGT_STATUS(wg_decoder_run(decoder, src, long_length, 4, 1, &result, &err), WG_EINVAL, &err);
    WGT_STATUS(wg_decoder_run(decoder, src, NULL, 0, 1, &result, &err), WG_EINVAL, &err);
    wg_tensor_set(wg_params_value(f.params, wg_params_find(f.params, "out.b")), 3, NAN);
    WGT_STATUS(wg_decoder_run(decoder, src, lengths, S, B, &result, &err), WG_ENUMERIC, &err);
    assert_null(result);
    wg_decoder_free(decoder);
    drop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_batch),
        cmocka_unit_test(test_penalties),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
