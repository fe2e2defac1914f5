/* Stacks with recomputation: layers, directions, lengths, dropout give what they give without. */
#include "models_test.h"

#include <wengert/rnn.h>

enum { X = 2, H = 3, B = 3, LAYERS = 2, MOST = 64 };

typedef struct fixture {
    wgt_pool pool;
    wg_params *params;
    wg_rnn *rnn;
    wg_tape *tape;
    wg_error err;
} fixture;

static void open_fixture(fixture *f, const char *cell, bool bidirectional)
{
    memset(f, 0, sizeof *f);
    WGT_OK(wg_tape_new(&f->tape, &f->err), &f->err);
    WGT_OK(wg_params_new(WG_F64, &f->params, &f->err), &f->err);
    const wg_rnn_config config = {.size = sizeof config,
                                  .cell = wg_find_cell(cell),
                                  .input_size = X,
                                  .hidden_size = H,
                                  .layers = LAYERS,
                                  .bidirectional = bidirectional,
                                  .dropout = 0.3};
    WGT_OK(wg_rnn_new(f->params, "enc", &config, &f->rnn, &f->err), &f->err);
    WGT_OK(wg_params_init(f->params, 3, &f->err), &f->err);
}

static void close_fixture(fixture *f)
{
    wg_tape_free(f->tape);
    wg_rnn_free(f->rnn);
    wg_params_free(f->params);
    wgt_pool_free(&f->pool);
}

/* y, final states, and the gradients of a loss of them in every parameter and the input. */
static int record(fixture *f, wg_tensor *x, wg_tensor *lengths, wg_tensor *key, int64_t remat,
                  size_t size, wg_var *out)
{
    wg_var in = wg_tensor_var(f->tape, x), leaf[MOST], final[WG_RNN_MAX_STATES];
    wg_rnn_options options = {.size = size, .training = true, .remat = remat};
    options.key = wg_tensor_var(f->tape, key);
    if (lengths) options.lengths = wg_tensor_var(f->tape, lengths);
    WGT_OK(wg_rnn_run(f->tape, f->rnn, &options, in, out, final), NULL);
    int n = 1, n_leaves = 0;
    wg_var loss = wg_sum_all(wg_square(out[0]));
    for (int i = 0; i < wg_rnn_state_count(f->rnn); i++) {
        out[n++] = final[i];
        loss = wg_add(loss, wg_sum_all(wg_tanh(final[i])));
    }
    leaf[n_leaves++] = in;
    for (int i = 0; i < wg_params_count(f->params); i++)
        leaf[n_leaves++] = wg_param(f->tape, f->params, i);
    assert_true(n_leaves <= MOST);
    wg_grad_or_zeros(&loss, NULL, 1, leaf, n_leaves, out + n);
    WGT_OK(wg_tape_status(f->tape, &f->err), &f->err);
    return n + n_leaves;
}

static void chunks_change_nothing(void **state)
{
    (void)state;
    const char *cells[] = {"lstm", "gru", "rnn"};
    const int64_t steps[] = {1, 7, 16, 23}, chunk[] = {-1, 1, 5};
    for (int k = 0; k < 24; k++) {
        fixture f;
        open_fixture(&f, cells[k % 3], k & 1);
        int64_t t = steps[k / 6];
        wg_tensor *x = wgt_random(&f.pool, WG_F64, WG_SHAPE(t, B, X), "x"), *lengths = NULL;
        if (k & 2) lengths = wgt_ints(&f.pool, B, (int32_t[]){(int32_t)t, 1, 0});
        wg_tensor *key = wgt_ints(&f.pool, 4, (int32_t[]){5, 6, 7, 8});
        wg_var want[2 * MOST], have[2 * MOST];
        int n = record(&f, x, lengths, key, 0, sizeof(wg_rnn_options), want);
        wg_program *p[2];
        WGT_OK(wg_compile(want, n, NULL, &p[0], &f.err), &f.err);
        WGT_OK(wg_program_run(p[0], &f.err), &f.err);
        for (int c = 0; c < 3; c++) {
            assert_int_equal(record(&f, x, lengths, key, chunk[c], sizeof(wg_rnn_options), have),
                             n);
            WGT_OK(wg_compile(have, n, NULL, &p[1], &f.err), &f.err);
            WGT_OK(wg_program_run(p[1], &f.err), &f.err);
            for (int i = 0; i < n; i++)
                wgt_same(cells[k % 3], wg_program_output(p[1], i), wg_program_output(p[0], i),
                         1e-12);
            wg_program_free(p[1]);
        }
        wg_program_free(p[0]);
        close_fixture(&f);
    }
}

/* Options from before the field are options without recomputation. */
static void older_options_will_do(void **state)
{
    (void)state;
    fixture f;
    open_fixture(&f, "lstm", false);
    wg_tensor *x = wgt_random(&f.pool, WG_F64, WG_SHAPE(9, B, X), "x");
    wg_tensor *key = wgt_ints(&f.pool, 4, (int32_t[]){5, 6, 7, 8});
    wg_var out[2 * MOST], y;
    record(&f, x, NULL, key, 3, offsetof(wg_rnn_options, remat), out);
    char *text;
    WGT_OK(wg_print(f.tape, out, 1, &text, &f.err), &f.err);
    assert_null(strstr(text, "remat"));
    wg_free(text);
    record(&f, x, NULL, key, 3, sizeof(wg_rnn_options), out);
    WGT_OK(wg_print(f.tape, out, 1, &text, &f.err), &f.err);
    assert_non_null(strstr(text, "steps=3 remat"));
    wg_free(text);
    const wg_rnn_options bad = {.size = 8};
    assert_int_equal(wg_rnn_run(f.tape, f.rnn, &bad, wg_tensor_var(f.tape, x), &y, NULL),
                     WG_EINVAL);
    close_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(chunks_change_nothing),
                                       cmocka_unit_test(older_options_will_do)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
