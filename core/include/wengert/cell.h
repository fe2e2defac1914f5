/* Recurrent cells: one table a cell, one function a step.
 *
 * A cell declares its states, its parameters with symbolic shapes and initialisers, and its
 * hyperparameters, and writes one step with public ops. Registered under its name it works wherever
 * a built-in one does: stacked, bidirectional, in a translator, under gradcheck. The built-in cells
 * use this same structure. Descriptors must outlive the library's use. */
#ifndef WENGERT_CELL_H
#define WENGERT_CELL_H

#include <wengert/param.h>

WG_BEGIN_DECLS

/* Symbolic shapes: lengths separated by commas; each a product of a number and a letter, "X" input
 * size, "H" hidden size, "O" output size, or a sum of such products: "X,4H", "H", "3", "X+H,H". */
typedef struct wg_cell_state {
    const char *name;  /* "h", "c" */
    const char *shape; /* of one row, e.g. "H" */
} wg_cell_state;

typedef struct wg_cell_param {
    const char *name; /* "Wf" */
    const char *shape;
    wg_init init;
    /* Optional: name of a hyperparameter whose value fills gate `hyper_gate` of the parameter
     * (forget_bias). */
    const char *hyper;
    int hyper_gate;
} wg_cell_param;

typedef struct wg_cell_hyper {
    const char *name; /* "forget_bias" */
    double value;     /* default */
    double low, high; /* allowed range */
    const char *doc;
} wg_cell_hyper;

typedef struct wg_cell wg_cell;

/* What a step gets besides x and the states. */
typedef struct wg_step {
    size_t size;
    wg_tape *tape;
    const wg_cell *cell;
    bool training;
    wg_var time; /* absolute time, i32 scalar; may be none outside a scan */
    int64_t input_size, hidden_size;
    const wg_var *param;    /* by declared index; wg_p(s, "name") is sugar */
    const double *hyper;    /* by declared index; wg_hyper(s, "name") */
    const wg_var *constant; /* per-sequence constants, n_constants of them (attention memory ...) */
    int n_constants;
    wg_var output; /* out: the output, when it is not the new state[0] */
} wg_step;

struct wg_cell {
    size_t size;      /* sizeof(wg_cell) */
    const char *name; /* "lstm"; plugins may use "namespace.name" */
    uint32_t version;
    const char *doc; /* one line and the source of the equations */
    const wg_cell_state *states;
    int n_states;
    const wg_cell_param *params;
    int n_params;
    const wg_cell_hyper *hypers;
    int n_hypers;
    const char *output; /* shape of the output; NULL = that of state 0 */
    /* x [B,X], state[i] [B,...] -> next[i]. */
    void (*step)(wg_step *s, wg_var x, const wg_var *state, wg_var *next);
};

/* Parameter and hyperparameter of a step by name; an unknown name poisons the tape. */
WG_API wg_var wg_p(wg_step *s, const char *name);
WG_API double wg_hyper(wg_step *s, const char *name);

/* Registry, frozen when the first tape is made (ESTATE). EEXIST for a name taken; EINVAL with the
 * reason for a table that is not well formed. */
WG_API wg_status wg_register_cell(const wg_cell *cell, wg_error *err);
WG_API const wg_cell *wg_find_cell(const char *name);
WG_API int wg_cell_count(void);
WG_API const wg_cell *wg_cell_at(int i);

/* Parses a symbolic shape. */
WG_API wg_status wg_cell_shape(const char *text, int64_t input, int64_t hidden, int64_t output,
                               wg_shape *shape, wg_error *err);

WG_END_DECLS

#endif
