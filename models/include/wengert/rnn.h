/* Recurrent layers: a stack of any registered cell, one or two directions, over padded sequences.
 *
 * A wg_rnn knows the parameters of its layers by number and records them on any tape: over whole
 * sequences (wg_rnn_run, a scan a layer and direction) or one step at a time (wg_rnn_step: inside
 * the body of a scan of the caller's, or to decode). Both call the same function of the cell, and
 * draw the same dropout, so that stepping equals running.
 *
 * States are addressed by slot = (layer * directions + direction) * states_of_cell + state, the
 * forward direction being 0. Shapes: T steps, B rows, X inputs, H hidden units, O outputs, D
 * directions. dtypes are those of the parameters. Recording functions belong to the thread of their
 * tape; a wg_rnn itself is constant once made and may be shared. */
#ifndef WENGERT_RNN_H
#define WENGERT_RNN_H

#include <wengert/cell.h>

WG_BEGIN_DECLS

/* Most states that one stack may have: 16 layers of two directions of four states. */
#define WG_RNN_MAX_STATES 128

/* A hyperparameter of a cell, by name. */
typedef struct wg_hyper_value {
    const char *name; /* "forget_bias" */
    double value;
} wg_hyper_value;

typedef struct wg_rnn_config {
    size_t size;         /* sizeof(wg_rnn_config) */
    const wg_cell *cell; /* wg_find_cell("lstm"), or a table of the caller's own */
    int64_t input_size;  /* X */
    int64_t hidden_size; /* H of one direction */
    int64_t output_size; /* "O" in the cell's shapes; 0 = H */
    int layers;          /* 0 = 1 */
    bool bidirectional;
    double dropout;               /* between layers, not after the last one; [0, 1) */
    const wg_hyper_value *hypers; /* what differs from the cell's defaults */
    int n_hypers;
} wg_rnn_config;

typedef struct wg_rnn wg_rnn;

/* Declares the parameters as "<prefix>.l<layer>.<fw|bw>.<name>". Everything in the config is
 * copied, but the cell's table and the parameter set must outlive the result. EINVAL with the
 * reason for sizes, rates or hyperparameters that cannot be, ENOTFOUND for an unknown
 * hyperparameter. */
WG_API wg_status wg_rnn_new(wg_params *params, const char *prefix, const wg_rnn_config *config,
                            wg_rnn **out, wg_error *err);
WG_API void wg_rnn_free(wg_rnn *rnn);

WG_API const wg_cell *wg_rnn_cell(const wg_rnn *rnn);
WG_API int wg_rnn_layers(const wg_rnn *rnn);
WG_API int wg_rnn_directions(const wg_rnn *rnn);
/* Width of y: both directions side by side. */
WG_API int64_t wg_rnn_output_size(const wg_rnn *rnn);
/* Number of state slots, at most WG_RNN_MAX_STATES, and the shape of one over `rows` rows. */
WG_API int wg_rnn_state_count(const wg_rnn *rnn);
WG_API wg_shape wg_rnn_state_shape(const wg_rnn *rnn, int slot, int64_t rows);
/* Number of parameter i of the cell in a layer and direction, for wg_params_value; -1 = none. */
WG_API int wg_rnn_param(const wg_rnn *rnn, int layer, int direction, int i);

typedef struct wg_rnn_options {
    size_t size;   /* sizeof(wg_rnn_options); that of an earlier version will do */
    bool training; /* dropout acts, and cells are told */
    wg_var key;    /* i32 [4] of wg_random_uniform; needed where training and dropout > 0 */
    /* wg_rnn_run: i32 [B] or none. Steps past a row's length hold its state and give y = 0; the
     * backward direction starts at the last valid step. */
    wg_var lengths;
    wg_var time;             /* wg_rnn_step: absolute time, i32 scalar, or none */
    const wg_var *states;    /* initial states by slot; NULL = zeros */
    const wg_var *constants; /* handed to the cell's steps */
    int n_constants;
    /* wg_rnn_run: recomputation, as in wg_scan_def: 0 = none, n > 0 in chunks of n steps, -1 of
     * about sqrt(T). Values and gradients stay as they are; a training step keeps the outputs of
     * each layer and the states at the chunks' borders, not what a step computes. */
    int64_t remat;
} wg_rnn_options;

/* Records the stack over x [T,B,X]: y [T,B,D*O], and the states after the last step in
 * final[wg_rnn_state_count] (NULL = not wanted). options may be NULL. Errors poison the tape and
 * are returned. */
WG_API wg_status wg_rnn_run(wg_tape *tape, const wg_rnn *rnn, const wg_rnn_options *options,
                            wg_var x, wg_var *y, wg_var *final);

/* Records one step of a stack of one direction: x [B,X], options->states before it (NULL = zeros),
 * y [B,O], and next[wg_rnn_state_count] after it. EINVAL for two directions. */
WG_API wg_status wg_rnn_step(wg_tape *tape, const wg_rnn *rnn, const wg_rnn_options *options,
                             wg_var x, wg_var *y, wg_var *next);

/* Zeros of the states' shapes. */
WG_API wg_status wg_rnn_zero_states(wg_tape *tape, const wg_rnn *rnn, int64_t rows, wg_var *states);

WG_END_DECLS

#endif
