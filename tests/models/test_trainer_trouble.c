/* The trainer in trouble: what is not finite changes nothing, what cannot be is refused, and memory
 * may run out anywhere. */
#include "trainer_test.h"

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
        cmocka_unit_test(test_not_finite),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
