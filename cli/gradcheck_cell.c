/* A cell to be checked: one layer over a short padded batch. */
#include "gradcheck.h"

#include <string.h>

#include <wengert/ops.h>
#include <wengert/rng.h>

void gc_subject_free(gc_subject *s)
{
    wg_tape_free(s->tape);
    wg_rnn_free(s->rnn);
    wg_params_free(s->params);
    for (int i = 0; i < s->n_tensors; i++) wg_tensor_free(s->tensor[i]);
    memset(s, 0, sizeof *s);
}

wg_status gc_tensor(gc_subject *s, wg_dtype dtype, wg_shape shape, wg_tensor **out, wg_error *err)
{
    if (s->n_tensors == GC_MAX_TENSORS)
        return wg_error_set(err, WG_ELIMIT, "more than %d tensors", GC_MAX_TENSORS);
    wg_status status = wg_tensor_new(dtype, shape, out, err);
    if (!status) s->tensor[s->n_tensors++] = *out;
    return status;
}

wg_status gc_tape(gc_subject *s, wg_error *err)
{
    const wg_compile_options options = {.size = sizeof options, .trace = cli_trace()};
    wg_status status = wg_tape_new(&s->tape, err);
    return status ? status : wg_tape_options(s->tape, &options, err);
}

static void fill_normal(wg_tensor *tensor, double scale, uint64_t seed, const char *stream)
{
    wg_rng rng;
    wg_rng_init(&rng, seed, stream);
    for (int64_t i = 0; i < wg_tensor_count(tensor); i++)
        wg_tensor_set(tensor, i, wg_tensor_get(tensor, i) + scale * wg_rng_normal(&rng));
}

/* A copy in f64 (or i32), owned by the subject. */
static wg_status take(gc_subject *s, wg_dtype dtype, const wg_tensor *from, wg_tensor **out,
                      wg_error *err)
{
    wg_status status = gc_tensor(s, dtype, wg_tensor_shape(from), out, err);
    return status ? status : wg_tensor_copy(*out, from, err);
}

static wg_status make_layer(gc_subject *s, const wg_cell *cell, const gc_settings *settings,
                            wg_error *err)
{
    const wg_rnn_config config = {.size = sizeof config,
                                  .cell = cell,
                                  .input_size = settings->size[GC_X],
                                  .hidden_size = settings->size[GC_H],
                                  .output_size = settings->size[GC_O],
                                  .layers = 1};
    wg_status status = wg_params_new(WG_F64, &s->params, err);
    if (!status) status = wg_rnn_new(s->params, "cell", &config, &s->rnn, err);
    if (!status) status = wg_params_init(s->params, settings->seed, err);
    return status;
}

/* Names as the cell declares them, without the path: there is only one layer. */
static void name_params(gc_subject *s, const wg_cell *cell)
{
    for (int i = 0; i < cell->n_params; i++)
        wg_name(wg_param(s->tape, s->params, wg_rnn_param(s->rnn, 0, 0, i)), cell->params[i].name);
}

/* Records the layer over x and states[] with the values that the parameters have. */
static wg_status record(gc_subject *s, const wg_cell *cell, wg_tensor *x, wg_tensor *lengths,
                        wg_tensor *const *states, wg_error *err)
{
    wg_var init[WG_RNN_MAX_STATES];
    wg_status status = gc_tape(s, err);
    if (status) return status;
    wg_rnn_options options = {.size = sizeof options, .states = init};
    wg_var in = wg_name(wg_tensor_var(s->tape, x), "x");
    for (int i = 0; i < cell->n_states; i++) {
        char name[80];
        snprintf(name, sizeof name, "%s0", cell->states[i].name);
        init[i] = wg_name(wg_tensor_var(s->tape, states[i]), name);
    }
    if (lengths) options.lengths = wg_name(wg_tensor_var(s->tape, lengths), "lengths");
    s->n_out = 1 + cell->n_states;
    wg_rnn_run(s->tape, s->rnn, &options, in, &s->out[0], &s->out[1]);
    name_params(s, cell); /* recording the layer named them anew */
    wg_name(s->out[0], "y");
    return wg_tape_status(s->tape, err);
}

wg_status gc_record_cell(gc_subject *s, const wg_cell *cell, const gc_settings *settings,
                         wg_error *err)
{
    const int64_t *size = settings->size;
    wg_tensor *x, *lengths, *states[WG_RNN_MAX_STATES];
    wg_status status = make_layer(s, cell, settings, err);
    if (status) return status;
    /* Off the initial values: biases of zero would leave terms untried. */
    for (int i = 0; i < wg_params_count(s->params); i++)
        fill_normal(wg_params_value(s->params, i), 0.25, settings->seed,
                    wg_params_name(s->params, i));
    status = gc_tensor(s, WG_F64, WG_SHAPE(size[GC_T], size[GC_B], size[GC_X]), &x, err);
    if (!status) status = gc_tensor(s, WG_I32, WG_SHAPE(size[GC_B]), &lengths, err);
    for (int i = 0; i < cell->n_states && !status; i++) {
        status = gc_tensor(s, WG_F64, wg_rnn_state_shape(s->rnn, i, size[GC_B]), &states[i], err);
        if (!status) fill_normal(states[i], 0.5, settings->seed, cell->states[i].name);
    }
    if (status) return status;
    fill_normal(x, 1, settings->seed, "x");
    /* One row as long as the batch, the others shorter by one each. */
    for (int64_t b = 0; b < size[GC_B]; b++)
        wg_tensor_set(lengths, b, (double)(size[GC_T] > b ? size[GC_T] - b : 0));
    return record(s, cell, x, lengths, states, err);
}

wg_status gc_record_step(gc_subject *s, const wg_cell *cell, const gc_settings *settings,
                         wg_error *err)
{
    const int64_t rows = settings->size[GC_B];
    wg_var init[WG_RNN_MAX_STATES];
    wg_tensor *x, *state;
    wg_status status = make_layer(s, cell, settings, err);
    if (!status) status = gc_tape(s, err);
    if (!status) status = gc_tensor(s, WG_F64, WG_SHAPE(rows, settings->size[GC_X]), &x, err);
    if (status) return status;
    for (int i = 0; i < wg_params_count(s->params); i++)
        fill_normal(wg_params_value(s->params, i), 0.25, settings->seed,
                    wg_params_name(s->params, i));
    fill_normal(x, 1, settings->seed, "x");
    for (int i = 0; i < cell->n_states; i++) {
        status = gc_tensor(s, WG_F64, wg_rnn_state_shape(s->rnn, i, rows), &state, err);
        if (status) return status;
        fill_normal(state, 0.5, settings->seed, cell->states[i].name);
        init[i] = wg_tensor_var(s->tape, state);
    }
    const int32_t zero = 0;
    const wg_rnn_options options = {.size = sizeof options,
                                    .states = init,
                                    .time = wg_const_data(s->tape, WG_I32, WG_SCALAR, &zero)};
    s->n_out = 1 + cell->n_states;
    wg_rnn_step(s->tape, s->rnn, &options, wg_tensor_var(s->tape, x), &s->out[0], &s->out[1]);
    return wg_tape_status(s->tape, err);
}

wg_status gc_record_cell_on(gc_subject *s, const wg_cell *cell, const gc_settings *settings,
                            const wg_tensor *x, const wg_tensor *lengths,
                            const wg_tensor *const *params, const wg_tensor *const *states,
                            wg_error *err)
{
    wg_tensor *own_x = NULL, *own_lengths = NULL, *own_state[WG_RNN_MAX_STATES];
    wg_status status = make_layer(s, cell, settings, err);
    if (!status) status = take(s, WG_F64, x, &own_x, err);
    if (!status && lengths) status = take(s, WG_I32, lengths, &own_lengths, err);
    for (int i = 0; i < cell->n_states && !status; i++) {
        wg_shape shape = wg_rnn_state_shape(s->rnn, i, settings->size[GC_B]);
        status = gc_tensor(s, WG_F64, shape, &own_state[i], err);
        if (!status && states[i]) status = wg_tensor_copy(own_state[i], states[i], err);
    }
    for (int i = 0; i < cell->n_params && !status; i++)
        status = wg_tensor_copy(wg_params_value(s->params, wg_rnn_param(s->rnn, 0, 0, i)),
                                params[i], err);
    return status ? status : record(s, cell, own_x, own_lengths, own_state, err);
}
