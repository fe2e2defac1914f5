/* A small translator with a batch, and configurations that between them use everything; shared by
 * the tests of the encoder-decoder. */
#ifndef WENGERT_TESTS_SEQ2SEQ_FIXTURE_H
#define WENGERT_TESTS_SEQ2SEQ_FIXTURE_H

#include "models_test.h"

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
UNUSED_OK static int n_configs(void)
{
    return 7;
}

UNUSED_OK static wg_seq2seq_config config_at(int i)
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
        (const wg_cell_param[]){
            {.name = "W", .shape = "X,H", .init = {.kind = WG_INIT_XAVIER_UNIFORM}},
            {.name = "U", .shape = "3,H", .init = {.kind = WG_INIT_XAVIER_UNIFORM}},
            {.name = "V", .shape = "H,3", .init = {.kind = WG_INIT_XAVIER_UNIFORM}}},
    .n_params = 3,
    .step = three_step,
};

UNUSED_OK static void open_fixture(fixture *f, const wg_seq2seq_config *config, wg_dtype dtype)
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

UNUSED_OK static void close_fixture(fixture *f)
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

UNUSED_OK static wg_seq2seq_loss record(fixture *f, bool training, bool want_weights)
{
    wg_seq2seq_batch batch = batch_of(f, training);
    wg_seq2seq_loss loss;
    batch.want_weights = want_weights;
    wg_status status = wg_seq2seq_record_loss(f->tape, f->model, &batch, &loss);
    wg_tape_status(f->tape, &f->err);
    WGT_OK(status, &f->err);
    return loss;
}

UNUSED_OK static double value(fixture *f, wg_var v)
{
    WGT_OK(wg_eval(&v, 1, NULL, &f->err), &f->err);
    return wg_tensor_get(wg_eval_output(f->tape, 0), 0);
}

static int register_cells(void **state)
{
    (void)state;
    wg_error err = {WG_OK, ""};
    WGT_OK(wg_register_cell(&three_cell, &err), &err);
    return 0;
}

#endif
