/* What the tests of decoding share: a small model, and what it is asked to translate. */
#ifndef WENGERT_TESTS_DECODE_TEST_H
#define WENGERT_TESTS_DECODE_TEST_H

#include "models_test.h"

#include <wengert/decode.h>

enum { V = 5, START = 1, END = 2, B = 3, S = 4, MOST = 4 };

typedef struct fixture {
    wg_params *params;
    wg_seq2seq *model;
} fixture;

static const int32_t src[S * B] = {3, 4, 2, 5, 3, 0, 1, 5, 0, 2, 0, 0};
static const int32_t lengths[B] = {4, 3, 1};

/* A model whose weights are large enough for its choices to differ. */
static inline fixture make(wg_dtype dtype, wg_attention_kind attention, bool feeding,
                           const char *cell)
{
    fixture f;
    wg_error err = {WG_OK, ""};
    wg_seq2seq_config config = {.size = sizeof config,
                                .source_vocab = 6,
                                .target_vocab = V,
                                .embed = 5,
                                .hidden = 6,
                                .cell = cell,
                                .bidirectional = true,
                                .attention = attention,
                                .input_feeding = feeding};
    WGT_OK(wg_params_new(dtype, &f.params, &err), &err);
    WGT_OK(wg_seq2seq_new(f.params, &config, &f.model, &err), &err);
    WGT_OK(wg_params_init(f.params, 3, &err), &err);
    wg_rng rng;
    wg_rng_init(&rng, 5, "decode");
    wg_tensor *all = wg_params_values(f.params);
    for (int64_t i = 0; i < wg_tensor_count(all); i++)
        wg_tensor_set(all, i, 3 * wg_rng_uniform(&rng) - 1.5);
    return f;
}

static inline void drop(fixture *f)
{
    wg_seq2seq_free(f->model);
    wg_params_free(f->params);
}

static inline wg_decode_result *decode(const fixture *f, const wg_decoder_options *options)
{
    wg_error err = {WG_OK, ""};
    wg_decoder *decoder;
    wg_decode_result *result;
    WGT_OK(wg_decoder_new(f->model, options, &decoder, &err), &err);
    WGT_OK(wg_decoder_run(decoder, src, lengths, S, B, &result, &err), &err);
    wg_decoder_free(decoder);
    return result;
}

#endif
