/* wengert-bench decode: one step of a language model at batch 1, as in generating text: two LSTM
 * layers of 512, softmax over 10,000 words. Every weight is read once for one multiply-add, so the
 * limit is the bandwidth of memory, or that of reading as many bytes over and over
 * (share_of_reread) where part of the weights stays in the last cache. */
#include "bench.h"

#include <wengert/ops.h>
#include <wengert/program.h>
#include <wengert/rnn.h>

enum { LAYERS = 2, STATES = 2 * LAYERS };

typedef struct decoder {
    int64_t V, H;
    wg_params *params;
    wg_rnn *rnn;
    wg_tape *tape;
    wg_tensor *id, *state[STATES];
    wg_program *program;
} decoder;

static void drop(decoder *d)
{
    wg_program_free(d->program);
    wg_tape_free(d->tape);
    wg_tensor_free(d->id);
    for (int i = 0; i < STATES; i++) wg_tensor_free(d->state[i]);
    wg_rnn_free(d->rnn);
    wg_params_free(d->params);
}

/* A program of one word: its id and the states in, the states and the next word out. */
static wg_status compile(decoder *d, int embed, int out_w, int out_b, int threads, wg_error *err)
{
    static const char *const names[STATES] = {"h0", "c0", "h1", "c1"};
    const wg_compile_options how = {.size = sizeof how, .threads = threads};
    wg_var state[STATES], out[STATES + 2], y;
    wg_var id = wg_input(d->tape, "id", WG_I32, WG_SHAPE(1));
    for (int i = 0; i < STATES; i++)
        state[i] = wg_input(d->tape, names[i], WG_F32, wg_rnn_state_shape(d->rnn, i, 1));
    const wg_rnn_options step = {.size = sizeof step, .states = state};
    wg_var x = wg_embedding(wg_param(d->tape, d->params, embed), id);
    wg_rnn_step(d->tape, d->rnn, &step, x, &y, out);
    wg_var logits =
        wg_affine(y, wg_param(d->tape, d->params, out_w), wg_param(d->tape, d->params, out_b));
    out[STATES] = wg_softmax(logits);
    out[STATES + 1] = wg_argmax(out[STATES], -1);
    wg_status status = wg_compile(out, STATES + 2, &how, &d->program, err);
    if (!status) status = wg_program_bind(d->program, "id", d->id, err);
    /* The next word is the one thought most likely, as in greedy generation. */
    if (!status) status = wg_program_bind_output(d->program, STATES + 1, d->id, err);
    for (int i = 0; i < STATES && !status; i++) {
        status = wg_program_bind(d->program, names[i], d->state[i], err);
        if (!status) status = wg_program_bind_output(d->program, i, d->state[i], err);
    }
    return status;
}

static wg_status make(decoder *d, const bench_options *o, wg_error *err)
{
    int embed, out_w, out_b;
    const wg_init uniform = {.kind = WG_INIT_UNIFORM, .a = -0.05, .b = 0.05};
    const wg_rnn_config rnn = {.size = sizeof rnn,
                               .cell = wg_find_cell("lstm"),
                               .input_size = d->H,
                               .hidden_size = d->H,
                               .layers = LAYERS};
    wg_status status = wg_params_new(WG_F32, &d->params, err);
    if (!status)
        status = wg_params_add(d->params, "embed", WG_SHAPE(d->V, d->H), &uniform, &embed, err);
    if (!status) status = wg_rnn_new(d->params, "rnn", &rnn, &d->rnn, err);
    if (!status)
        status = wg_params_add(d->params, "out.W", WG_SHAPE(d->H, d->V), &uniform, &out_w, err);
    if (!status) status = wg_params_add(d->params, "out.b", WG_SHAPE(d->V), NULL, &out_b, err);
    if (!status) status = wg_params_init(d->params, 1, err);
    if (!status) status = wg_tensor_new(WG_I32, WG_SHAPE(1), &d->id, err);
    if (!status) status = wg_tape_new(&d->tape, err);
    for (int i = 0; i < STATES && !status; i++) {
        status = wg_tensor_new(WG_F32, wg_rnn_state_shape(d->rnn, i, 1), &d->state[i], err);
        if (!status) wg_tensor_fill(d->state[i], 0);
    }
    if (!status) wg_tensor_fill(d->id, 1);
    return status ? status : compile(d, embed, out_w, out_b, o->threads, err);
}

static wg_status step(void *user, wg_error *err)
{
    const decoder *d = user;
    return wg_program_run(d->program, err);
}

wg_status bench_decode(const bench_options *o, wg_error *err)
{
    decoder d = {.V = o->tiny ? 13 : 10000, .H = o->tiny ? 6 : 512};
    double seconds;
    wg_status status = make(&d, o, err);
    if (!status) status = bench_time_short(o->steps, step, &d, &seconds, err);
    if (!status) {
        /* One row of the embedding, and all of the rest. */
        double bytes = 4.0 * (double)(d.H + LAYERS * (8 * d.H * d.H + 4 * d.H) + (d.H + 1) * d.V);
        wg_program_stats stats = {.size = sizeof stats};
        wg_program_get_stats(d.program, &stats);
        cJSON *line = bench_line(NULL, "decode", o->threads);
        cJSON_AddStringToObject(line, "cell", "lstm");
        bench_number(line, "ms", seconds * 1e3, 4);
        bench_number(line, "tokens_per_s", 1 / seconds, 0);
        bench_number(line, "weights_mb", bytes * 1e-6, 2);
        bench_bytes(line, bytes, seconds, o->threads);
        double again = bench_read_rate((int64_t)bytes, o->threads, 20);
        bench_number(line, "reread_gb_per_s", again, 2);
        bench_number(line, "share_of_reread", bytes / seconds * 1e-9 / again, 4);
        cJSON_AddNumberToObject(line, "products", (double)stats.products_a_run);
        cJSON_AddNumberToObject(line, "kernels", (double)stats.kernels_a_run);
        cJSON_AddNumberToObject(line, "steps", o->steps);
        status = bench_print(line, err);
    }
    drop(&d);
    return status;
}
