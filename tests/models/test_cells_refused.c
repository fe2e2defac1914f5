/* What a stack says about configurations, cells and inputs that cannot be. */
#include "cells_test.h"

static const wg_cell_state one_state[] = {{"h", "H"}};

static void refused(wg_rnn_config config, wg_status status, const char *part)
{
    wg_params *params;
    wg_rnn *rnn = NULL;
    wg_error err = {WG_OK, ""};
    WGT_OK(wg_params_new(WG_F64, &params, &err), &err);
    WGT_STATUS(wg_rnn_new(params, "r", &config, &rnn, &err), status, &err);
    if (!strstr(err.message, part)) fail_msg("'%s' does not say '%s'", err.message, part);
    wg_params_free(params);
}

static void test_bad_configs(void **state)
{
    (void)state;
    const wg_rnn_config good = config_of(wg_find_cell("lstm"));
    wg_rnn_config c = good;
    c.cell = NULL;
    refused(c, WG_EINVAL, "no cell");
    c = good, c.input_size = 0;
    refused(c, WG_EINVAL, "input size");
    c = good, c.hidden_size = -1;
    refused(c, WG_EINVAL, "hidden size");
    c = good, c.layers = -2;
    refused(c, WG_EINVAL, "layers");
    c = good, c.layers = 100;
    refused(c, WG_ELIMIT, "states");
    c = good, c.dropout = 1;
    refused(c, WG_EINVAL, "dropout");
    c = good, c.dropout = NAN;
    refused(c, WG_EINVAL, "dropout");
    c = good, c.hypers = &(wg_hyper_value){"forgetbias", 1}, c.n_hypers = 1;
    refused(c, WG_ENOTFOUND, "forgetbias");
    c = good, c.hypers = &(wg_hyper_value){"forget_bias", 1e6}, c.n_hypers = 1;
    refused(c, WG_EINVAL, "forget_bias");
    c = good, c.size = 8;
    refused(c, WG_EINVAL, "size");
}

/* Cells that leave something unset or of another shape: an error with the cell's name, no crash. */
static void forgets_state(wg_step *s, wg_var x, const wg_var *state, wg_var *next)
{
    (void)s, (void)x, (void)state, (void)next;
}

static void wrong_shape(wg_step *s, wg_var x, const wg_var *state, wg_var *next)
{
    (void)s, (void)state;
    next[0] = x;
}

static void no_such_param(wg_step *s, wg_var x, const wg_var *state, wg_var *next)
{
    (void)x;
    next[0] = wg_add(state[0], wg_p(s, "Wq"));
}

static void test_bad_cells(void **state)
{
    (void)state;
    void (*const step[])(wg_step *, wg_var, const wg_var *, wg_var *) = {forgets_state, wrong_shape,
                                                                         no_such_param};
    const char *const part[] = {"state 'h' unset", "state 'h' is [3,5] before", "'Wq'"};
    for (int i = 0; i < 3; i++) {
        wg_cell cell = {.size = sizeof cell,
                        .name = "test.bad",
                        .version = 1,
                        .states = one_state,
                        .n_states = 1,
                        .step = step[i]};
        wg_rnn_config config = config_of(&cell);
        fixture f;
        wg_var y;
        open_fixture(&f, &config);
        wg_rnn_options options = {.size = sizeof options};
        assert_true(wg_rnn_run(f.tape, f.rnn, &options, f.x, &y, NULL) != WG_OK);
        assert_false(wg_var_ok(y));
        assert_true(wg_tape_status(f.tape, &f.err) != WG_OK);
        if (!strstr(f.err.message, part[i])) fail_msg("'%s' lacks '%s'", f.err.message, part[i]);
        close_fixture(&f);
    }
}

static void test_bad_input(void **state)
{
    (void)state;
    wg_rnn_config config = config_of(wg_find_cell("gru"));
    fixture f;
    wg_var y, next[4];
    open_fixture(&f, &config);
    wg_var narrow = wg_const(f.tape, WG_F64, WG_SHAPE(T, B, X + 1), 0);
    WGT_STATUS(wg_rnn_run(f.tape, f.rnn, NULL, narrow, &y, NULL), WG_ESHAPE, NULL);
    wg_tape_status(f.tape, &f.err);
    if (!strstr(f.err.message, "[4,3,3], should be [T,B,2]"))
        fail_msg("message: %s", f.err.message);
    close_fixture(&f);

    config.bidirectional = true;
    open_fixture(&f, &config);
    wg_var x = wg_const(f.tape, WG_F64, WG_SHAPE(B, X), 0);
    WGT_STATUS(wg_rnn_step(f.tape, f.rnn, NULL, x, &y, next), WG_EINVAL, NULL);
    close_fixture(&f);

    config.dropout = 0.5;
    config.layers = 2;
    open_fixture(&f, &config);
    wg_rnn_options options = {.size = sizeof options, .training = true};
    WGT_STATUS(wg_rnn_run(f.tape, f.rnn, &options, f.x, &y, NULL), WG_EINVAL, NULL);
    close_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_configs),
        cmocka_unit_test(test_bad_cells),
        cmocka_unit_test(test_bad_input),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
