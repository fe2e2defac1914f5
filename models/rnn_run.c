/* Recording of recurrent layers: a scan for each layer and direction, or one step of all layers. */
#define WG_BUILDING 1 /* errors name the place where the caller's own call was */
#include "rnn_internal.h"

#include <wengert/ops.h>
#include <wengert/scan.h>

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* One layer in one direction, while it is being recorded. */
typedef struct layer {
    const wg_rnn *rnn;
    const wg_rnn_options *options;
    const wg_var *param; /* by the cell's index */
    int64_t input_size;
} layer;

static void push_scope(wg_tape *tape, const wg_rnn *rnn, int number)
{
    char name[32];
    snprintf(name, sizeof name, "l%d", number);
    wg_push_scope(tape, rnn->prefix);
    wg_push_scope(tape, name);
}

/* A prefix with dots is as many scopes as it has words. */
static void pop_scope(wg_tape *tape, const wg_rnn *rnn)
{
    wg_pop_scope(tape);
    wg_pop_scope(tape);
    for (const char *p = rnn->prefix; *p; p++)
        if (*p == '.') wg_pop_scope(tape);
}

static wg_status status_of(wg_tape *tape)
{
    return wg_tape_status(tape, NULL);
}

/* Runs the cell's function once and checks what it left. */
static void cell_step(const layer *l, wg_tape *tape, wg_var time, wg_var x, const wg_var *state,
                      wg_var *next, wg_var *y)
{
    const wg_rnn *rnn = l->rnn;
    const wg_cell *cell = rnn->cell;
    wg_step step = {.size = sizeof step,
                    .tape = tape,
                    .cell = cell,
                    .training = l->options->training,
                    .time = time,
                    .input_size = l->input_size,
                    .hidden_size = rnn->hidden_size,
                    .param = l->param,
                    .hyper = rnn->hyper,
                    .constant = l->options->constants,
                    .n_constants = l->options->n_constants};
    cell->step(&step, x, state, next);
    for (int i = 0; i < cell->n_states; i++) {
        if (wg_is_none(next[i])) {
            next[i] = wg_tape_fail(tape, WG_EINVAL, "cell '%s': the step left state '%s' unset",
                                   cell->name, cell->states[i].name);
            continue;
        }
        if (!wg_var_ok(next[i])) continue;
        wg_shape was = wg_var_type(state[i]).shape, is = wg_var_type(next[i]).shape;
        char a[160], b[160];
        if (!wg_shape_equal(&was, &is))
            next[i] = wg_tape_fail(
                tape, WG_ESHAPE, "cell '%s': state '%s' is %s before the step and %s after it",
                cell->name, cell->states[i].name, wg_shape_format(&was, a, sizeof a),
                wg_shape_format(&is, b, sizeof b));
    }
    *y = wg_is_none(step.output) ? next[0] : step.output;
    if (!wg_var_ok(*y)) return;
    wg_shape shape = wg_var_type(*y).shape;
    char text[160];
    if (cell->output && wg_is_none(step.output))
        *y = wg_tape_fail(tape, WG_EINVAL, "cell '%s': the step left its output unset", cell->name);
    else if (shape.rank != 2 || shape.dim[1] != rnn->width)
        *y = wg_tape_fail(tape, WG_ESHAPE, "cell '%s': output is %s, should be [B,%" PRId64 "]",
                          cell->name, wg_shape_format(&shape, text, sizeof text), rnn->width);
}

static void scan_body(void *user, wg_scan_step *step)
{
    cell_step(user, step->tape, step->time, step->x[0], step->carry, step->next, &step->y[0]);
}

static int first_slot(const wg_rnn *rnn, int number, int direction)
{
    return (number * rnn->directions + direction) * rnn->cell->n_states;
}

/* The leaves of the parameters of a layer and direction. */
static void take_params(wg_tape *tape, const wg_rnn *rnn, int number, int direction, wg_var *param)
{
    for (int i = 0; i < rnn->cell->n_params; i++)
        param[i] = wg_param(tape, rnn->params, wg_rnn_param(rnn, number, direction, i));
}

/* The input of a layer: dropped out, above the first. */
static wg_var layer_input(const wg_rnn *rnn, const wg_rnn_options *o, int number, wg_var x,
                          wg_var time, int time_axis)
{
    if (number == 0 || !o->training || rnn->dropout == 0) return x;
    char stream[320];
    snprintf(stream, sizeof stream, "%s.l%d.dropout", rnn->prefix, number);
    return wg_dropout(x, rnn->dropout, o->key, stream, time, time_axis);
}

/* Options that can be used, with the fields that an older, shorter structure lacks; or an error on
 * the tape. */
static wg_status check(wg_tape *tape, const wg_rnn *rnn, const wg_rnn_options *given, wg_var x,
                       int rank, wg_rnn_options *o)
{
    memset(o, 0, sizeof *o);
    if (given && given->size < offsetof(wg_rnn_options, remat)) {
        wg_tape_fail(tape, WG_EINVAL, "rnn '%s': options of unknown size", rnn->prefix);
        return WG_EINVAL;
    }
    if (given) memcpy(o, given, given->size < sizeof *o ? given->size : sizeof *o);
    if (!wg_var_ok(x)) {
        wg_tape_fail(tape, WG_ESTALE, "rnn '%s': the input is not a value of a tape", rnn->prefix);
        return status_of(tape);
    }
    wg_shape s = wg_var_type(x).shape;
    char text[160];
    if (s.rank != rank || s.dim[rank - 1] != rnn->input_size) {
        wg_tape_fail(tape, WG_ESHAPE, "rnn '%s': input is %s, should be %s%" PRId64 "]",
                     rnn->prefix, wg_shape_format(&s, text, sizeof text),
                     rank == 3 ? "[T,B," : "[B,", rnn->input_size);
        return WG_ESHAPE;
    }
    if (o->training && rnn->dropout > 0 && rnn->layers > 1 && wg_is_none(o->key)) {
        wg_tape_fail(tape, WG_EINVAL, "rnn '%s': dropout in training needs a key", rnn->prefix);
        return WG_EINVAL;
    }
    return WG_OK;
}

wg_status wg_rnn_zero_states(wg_tape *tape, const wg_rnn *rnn, int64_t rows, wg_var *states)
{
    wg_dtype dtype = wg_params_dtype(rnn->params);
    for (int i = 0; i < wg_rnn_state_count(rnn); i++)
        states[i] = wg_const(tape, dtype, wg_rnn_state_shape(rnn, i, rows), 0);
    return status_of(tape);
}

/* One layer in one direction over all steps. */
static wg_status run_direction(wg_tape *tape, layer *l, int direction, wg_var x, const wg_var *init,
                               wg_var *final, wg_var *y)
{
    const wg_cell *cell = l->rnn->cell;
    wg_scan_def def = {.size = sizeof def,
                       .body = scan_body,
                       .user = l,
                       .sequences = &x,
                       .n_sequences = 1,
                       .init = init,
                       .n_carries = cell->n_states,
                       .n_outputs = 1,
                       .lengths = l->options->lengths,
                       .reverse = direction == 1,
                       .name = cell->name,
                       .remat = l->options->remat};
    return wg_scan(tape, &def, final, y, NULL);
}

wg_status wg_rnn_run(wg_tape *tape, const wg_rnn *rnn, const wg_rnn_options *options, wg_var x,
                     wg_var *y, wg_var *final)
{
    if (!tape || !rnn || !y) return WG_EINVAL;
    wg_rnn_options full;
    wg_status status = check(tape, rnn, options, x, 3, &full);
    options = &full;
    wg_var init[WG_RNN_MAX_STATES], last[WG_RNN_MAX_STATES];
    int n_states = wg_rnn_state_count(rnn);
    wg_var *param = NULL;
    if (!status && options->states)
        memcpy(init, options->states, (size_t)n_states * sizeof *init);
    else if (!status)
        status = wg_rnn_zero_states(tape, rnn, wg_dim(x, 1), init);
    if (!status) {
        param = wg_tape_alloc(tape, (size_t)rnn->cell->n_params + 1, sizeof *param);
        if (!param) status = WG_ENOMEM;
    }
    for (int k = 0; k < rnn->layers && !status; k++) {
        wg_var out[2];
        layer l = {rnn, options, param, wg_dim(x, 2)};
        push_scope(tape, rnn, k);
        x = layer_input(rnn, options, k, x, WG_NONE, 0);
        for (int d = 0; d < rnn->directions && !status; d++) {
            int slot = first_slot(rnn, k, d);
            take_params(tape, rnn, k, d, param);
            wg_push_scope(tape, d ? "bw" : "fw");
            status = run_direction(tape, &l, d, x, init + slot, last + slot, &out[d]);
            wg_pop_scope(tape);
        }
        if (!status) x = rnn->directions == 2 ? wg_concat(out, 2, -1) : out[0];
        pop_scope(tape, rnn);
    }
    if (status_of(tape)) status = status_of(tape); /* the first error, not what came of it */
    *y = status ? wg_tape_fail(tape, status, "rnn '%s' failed", rnn->prefix) : x;
    for (int i = 0; final && i < n_states; i++) final[i] = status ? *y : last[i];
    return status;
}

wg_status wg_rnn_step(wg_tape *tape, const wg_rnn *rnn, const wg_rnn_options *options, wg_var x,
                      wg_var *y, wg_var *next)
{
    if (!tape || !rnn || !y || !next) return WG_EINVAL;
    wg_rnn_options full;
    wg_status status = check(tape, rnn, options, x, 2, &full);
    options = &full;
    wg_var state[WG_RNN_MAX_STATES];
    int n_states = wg_rnn_state_count(rnn);
    wg_var *param = NULL;
    if (!status && rnn->directions != 1) {
        wg_tape_fail(tape, WG_EINVAL, "rnn '%s': two directions cannot be stepped", rnn->prefix);
        status = WG_EINVAL;
    }
    if (!status && options->states)
        memcpy(state, options->states, (size_t)n_states * sizeof *state);
    else if (!status)
        status = wg_rnn_zero_states(tape, rnn, wg_dim(x, 0), state);
    if (!status) {
        param = wg_tape_alloc(tape, (size_t)rnn->cell->n_params + 1, sizeof *param);
        if (!param) status = WG_ENOMEM;
    }
    for (int k = 0; k < rnn->layers && !status; k++) {
        int slot = first_slot(rnn, k, 0);
        layer l = {rnn, options, param, wg_dim(x, 1)};
        wg_var out;
        push_scope(tape, rnn, k);
        x = layer_input(rnn, options, k, x, options->time, -1);
        take_params(tape, rnn, k, 0, param);
        for (int i = 0; i < rnn->cell->n_states; i++) next[slot + i] = WG_NONE;
        cell_step(&l, tape, options->time, x, state + slot, next + slot, &out);
        x = out;
        status = status_of(tape);
        pop_scope(tape, rnn);
    }
    if (status_of(tape)) status = status_of(tape);
    *y = status ? wg_tape_fail(tape, status, "rnn '%s' failed", rnn->prefix) : x;
    for (int i = 0; status && i < n_states; i++) next[i] = *y;
    return status;
}
