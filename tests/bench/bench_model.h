/* The language model that is measured, on public headers alone: embedding, a stack of one cell,
 * softmax over the words; clipping by norm 5 and SGD with rate 1, as in the peers. */
#ifndef WENGERT_TESTS_BENCH_MODEL_H
#define WENGERT_TESTS_BENCH_MODEL_H

#include "bench.h"

#include <wengert/optimizer.h>
#include <wengert/program.h>
#include <wengert/rnn.h>

typedef struct bench_model {
    bench_config c;
    wg_params *params;
    wg_rnn *rnn;
    wg_optimizer *optimizer;
    wg_tape *tape;
    wg_tensor *x, *y; /* i32 [T,B]: words, and the words after them */
    int embed, out_w, out_b;
    bool compiled;
    wg_program *program; /* of the compiled form */
    double loss, norm;   /* of the last step, a word */
    double rate;         /* learning rate */
} bench_model;

/* Frees what was made when it fails. */
wg_status bench_model_new(const bench_config *config, const char *cell,
                          const bench_options *options, bench_model *model, wg_error *err);
void bench_model_free(bench_model *model);

/* The options that programs are compiled with. */
wg_compile_options bench_compile_options(const bench_options *options);

/* Records loss and gradients: out[0] is the summed loss, out[1 + i] the gradient of parameter i.
 * Returns their number, or -1 where there are more than `most`. */
int bench_model_record(bench_model *model, wg_var *out, int most);
/* One whole step, of a bench_model. */
wg_status bench_model_step(void *model, wg_error *err);
/* Forward and backward alone: gradients of the summed loss in the arena. */
wg_status bench_model_gradient(bench_model *model, wg_error *err);
/* 3 * 2 * B T (layers gates 2 H H + H V): the peers' count of useful operations, with 3 gates for
 * GRUs, 1 for "rnn", and 4 for every other cell. */
double bench_model_flops(const bench_config *config, const char *cell);

#endif
