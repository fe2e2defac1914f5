/* The language model that is measured. */
#include "bench_model.h"

#include <string.h>

#include <wengert/ops.h>
#include <wengert/rng.h>

enum { MOST = 1 + 128 };

double bench_model_flops(const bench_config *c, const char *cell)
{
    static const struct {
        const char *cell;
        int gates;
    } known[] = {{"gru", 3}, {"gru-reset-before", 3}, {"rnn", 1}};
    int64_t gates = 4;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i].cell, cell) == 0) gates = known[i].gates;
    return 6.0 * (double)(c->B * c->T) *
           (double)(c->layers * gates * 2 * c->H * c->H + c->H * c->V);
}

wg_compile_options bench_compile_options(const bench_options *options)
{
    return (wg_compile_options){.size = sizeof(wg_compile_options),
                                .threads = options->threads,
                                .trace = options->trace,
                                .bf16 = options->bf16};
}

void bench_model_free(bench_model *m)
{
    wg_program_free(m->program);
    wg_tape_free(m->tape);
    wg_tensor_free(m->x);
    wg_tensor_free(m->y);
    wg_optimizer_free(m->optimizer);
    wg_rnn_free(m->rnn);
    wg_params_free(m->params);
    *m = (bench_model){.rate = 1};
}

static wg_status words(bench_model *m, const char *stream, wg_tensor **out, wg_error *err)
{
    wg_status status = wg_tensor_new(WG_I32, WG_SHAPE(m->c.T, m->c.B), out, err);
    if (status) return status;
    wg_rng rng;
    wg_rng_init(&rng, 0, stream);
    int32_t *id = wg_tensor_data(*out);
    for (int64_t i = 0; i < m->c.T * m->c.B; i++)
        id[i] = (int32_t)wg_rng_below(&rng, (uint32_t)m->c.V);
    return WG_OK;
}

static wg_status make(bench_model *m, const char *cell, const bench_options *options, wg_error *err)
{
    const bench_config *c = &m->c;
    const wg_init uniform = {.kind = WG_INIT_UNIFORM, .a = -0.05, .b = 0.05};
    const wg_rnn_config rnn = {.size = sizeof rnn,
                               .cell = wg_find_cell(cell),
                               .input_size = c->H,
                               .hidden_size = c->H,
                               .layers = (int)c->layers};
    wg_optimizer_options sgd = WG_OPTIMIZER_OPTIONS_INIT;
    sgd.kind = WG_OPTIMIZER_SGD;
    sgd.clip_norm = 5;
    sgd.threads = options->threads;
    if (!rnn.cell) return wg_error_set(err, WG_ENOTFOUND, "no cell is named '%.100s'", cell);
    wg_status status = wg_params_new(WG_F32, &m->params, err);
    if (!status)
        status = wg_params_add(m->params, "embed", WG_SHAPE(c->V, c->H), &uniform, &m->embed, err);
    if (!status) status = wg_rnn_new(m->params, "rnn", &rnn, &m->rnn, err);
    if (!status)
        status = wg_params_add(m->params, "out.W", WG_SHAPE(c->H, c->V), &uniform, &m->out_w, err);
    if (!status) status = wg_params_add(m->params, "out.b", WG_SHAPE(c->V), NULL, &m->out_b, err);
    if (!status) status = wg_params_init(m->params, 1, err);
    if (!status) status = wg_optimizer_new(m->params, &sgd, &m->optimizer, err);
    if (!status) status = words(m, "x", &m->x, err);
    if (!status) status = words(m, "y", &m->y, err);
    if (!status) status = wg_tape_new(&m->tape, err);
    if (status) return status;
    const wg_compile_options how = bench_compile_options(options);
    if (!m->compiled) return wg_tape_options(m->tape, &how, err);
    wg_var out[MOST];
    int n = bench_model_record(m, out, MOST);
    if (n < 0) return wg_error_set(err, WG_ELIMIT, "cell '%.100s': too many parameters", cell);
    status = wg_compile(out, n, &how, &m->program, err);
    for (int i = 1; i < n && !status; i++)
        status = wg_program_bind_output(m->program, i, wg_params_grad(m->params, i - 1), err);
    return status;
}

wg_status bench_model_new(const bench_config *config, const char *cell,
                          const bench_options *options, bench_model *m, wg_error *err)
{
    *m = (bench_model){.c = *config, .compiled = options->compiled, .rate = 1};
    wg_status status = make(m, cell, options, err);
    if (status) bench_model_free(m);
    return status;
}

int bench_model_record(bench_model *m, wg_var *out, int most)
{
    wg_tape *tape = m->tape;
    int n = wg_params_count(m->params);
    wg_var leaf[MOST], h;
    if (n + 1 > most || n > MOST) return -1;
    wg_tape_reset(tape);
    wg_var x = wg_embedding(wg_param(tape, m->params, m->embed), wg_tensor_var(tape, m->x));
    wg_rnn_run(tape, m->rnn, NULL, x, &h, NULL);
    wg_var logits =
        wg_affine(h, wg_param(tape, m->params, m->out_w), wg_param(tape, m->params, m->out_b));
    out[0] = wg_sum_all(wg_cross_entropy(logits, wg_tensor_var(tape, m->y), WG_NONE, 0));
    for (int i = 0; i < n; i++) leaf[i] = wg_param(tape, m->params, i);
    wg_grad_or_zeros(out, NULL, 1, leaf, n, out + 1);
    return n + 1;
}

wg_status bench_model_gradient(bench_model *m, wg_error *err)
{
    wg_status status;
    const wg_tensor *loss;
    if (m->compiled) {
        status = wg_program_run(m->program, err);
        loss = status ? NULL : wg_program_output(m->program, 0);
    } else {
        wg_var out[MOST];
        wg_tensor *into[MOST] = {NULL};
        int n = bench_model_record(m, out, MOST);
        if (n < 0) return wg_error_set(err, WG_ELIMIT, "too many parameters");
        for (int i = 1; i < n; i++) into[i] = wg_params_grad(m->params, i - 1);
        status = wg_eval(out, n, into, err);
        loss = status ? NULL : wg_eval_output(m->tape, 0);
    }
    if (!status) m->loss = wg_tensor_get(loss, 0) / (double)(m->c.T * m->c.B);
    return status;
}

wg_status bench_model_step(void *model, wg_error *err)
{
    bench_model *m = model;
    wg_optimizer_result result = {0};
    wg_status status = bench_model_gradient(m, err);
    if (!status)
        status = wg_optimizer_step(m->optimizer, m->rate, (double)(m->c.T * m->c.B), &result, err);
    m->norm = result.norm;
    return status;
}
