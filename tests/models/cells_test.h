/* What the tests of cells share: a stack of one on a tape, with its input and states. */
#ifndef WENGERT_TESTS_CELLS_TEST_H
#define WENGERT_TESTS_CELLS_TEST_H

#include "models_test.h"

#include <wengert/rnn.h>

enum { T = 4, B = 3, X = 2, H = 5, O = 6 };

typedef struct fixture {
    wgt_pool pool;
    wg_params *params;
    wg_rnn *rnn;
    wg_tape *tape;
    wg_error err;
    wg_var x, lengths, key, states[WG_RNN_MAX_STATES];
} fixture;

static inline void open_fixture(fixture *f, const wg_rnn_config *config)
{
    memset(f, 0, sizeof *f);
    WGT_OK(wg_params_new(WG_F64, &f->params, &f->err), &f->err);
    WGT_OK(wg_rnn_new(f->params, "r", config, &f->rnn, &f->err), &f->err);
    WGT_OK(wg_params_init(f->params, 3, &f->err), &f->err);
    /* Off the points where initialisers leave zeros. */
    for (int i = 0; i < wg_params_count(f->params); i++) {
        wg_tensor *p = wg_params_value(f->params, i);
        wg_tensor *r =
            wgt_random(&f->pool, WG_F64, wg_tensor_shape(p), wg_params_name(f->params, i));
        for (int64_t k = 0; k < wg_tensor_count(p); k++)
            wg_tensor_set(p, k, wg_tensor_get(p, k) + 0.3 * wg_tensor_get(r, k));
    }
    WGT_OK(wg_tape_new(&f->tape, &f->err), &f->err);
    f->x = wg_tensor_var(f->tape, wgt_random(&f->pool, WG_F64, WG_SHAPE(T, B, X), "x"));
    f->lengths = wg_tensor_var(f->tape, wgt_ints(&f->pool, B, (int32_t[]){2, 4, 0}));
    f->key = wg_tensor_var(f->tape, wgt_ints(&f->pool, 4, (int32_t[]){11, 5, 2, 0}));
    for (int i = 0; i < wg_rnn_state_count(f->rnn); i++) {
        char name[16];
        snprintf(name, sizeof name, "s%d", i);
        f->states[i] = wg_tensor_var(
            f->tape, wgt_random(&f->pool, WG_F64, wg_rnn_state_shape(f->rnn, i, B), name));
    }
}

static inline void close_fixture(fixture *f)
{
    wg_tape_free(f->tape);
    wg_rnn_free(f->rnn);
    wg_params_free(f->params);
    wgt_pool_free(&f->pool);
}

static inline wg_rnn_config config_of(const wg_cell *cell)
{
    return (wg_rnn_config){.size = sizeof(wg_rnn_config),
                           .cell = cell,
                           .input_size = X,
                           .hidden_size = H,
                           .output_size = O};
}

#endif
