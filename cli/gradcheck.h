/* The parts of `wengert gradcheck`: what is checked (a cell in a scan, an op on sample inputs), and
 * the comparison with an independent program's file. */
#ifndef WENGERT_CLI_GRADCHECK_H
#define WENGERT_CLI_GRADCHECK_H

#include "cli.h"

#include <wengert/cell.h>
#include <wengert/gradcheck.h>
#include <wengert/op.h>
#include <wengert/rnn.h>

enum { GC_T, GC_B, GC_X, GC_H, GC_O, GC_SIZES };

typedef struct gc_settings {
    int64_t size[GC_SIZES];
    double tolerance, step;
    int order;
    uint64_t seed;
} gc_settings;

enum { GC_MAX_TENSORS = 160, GC_MAX_OUTPUTS = 136 };

/* A recording to be checked: what owns its leaves, and the outputs. All zero = empty. */
typedef struct gc_subject {
    wg_tape *tape;
    wg_params *params;
    wg_rnn *rnn;
    wg_tensor *tensor[GC_MAX_TENSORS]; /* owned */
    int n_tensors;
    wg_var out[GC_MAX_OUTPUTS];
    int n_out;
} gc_subject;

void gc_subject_free(gc_subject *s);
/* A new tensor owned by the subject. */
wg_status gc_tensor(gc_subject *s, wg_dtype dtype, wg_shape shape, wg_tensor **out, wg_error *err);

/* Makes the subject's tape; what is compiled of it is shown as cli_trace says. */
wg_status gc_tape(gc_subject *s, wg_error *err);

/* gradcheck_cell.c: one layer of the cell over T steps of B rows with lengths from T downwards, in
 * f64; outputs are y and the final states. */
wg_status gc_record_cell(gc_subject *s, const wg_cell *cell, const gc_settings *settings,
                         wg_error *err);
/* One step of it without a scan around, so that its ops can be checked one by one. */
wg_status gc_record_step(gc_subject *s, const wg_cell *cell, const gc_settings *settings,
                         wg_error *err);
/* The whole on given tensors: values[i] (f64 or f32) for the parameters and initial states in
 * declared order, NULL = zero states. lengths may be NULL. The settings' sizes must be those of the
 * tensors. Outputs: y, then the final states. */
wg_status gc_record_cell_on(gc_subject *s, const wg_cell *cell, const gc_settings *settings,
                            const wg_tensor *x, const wg_tensor *lengths,
                            const wg_tensor *const *params, const wg_tensor *const *states,
                            wg_error *err);

/* gradcheck_op.c: the op on sample inputs. WG_ENOTSUP with the reason when it cannot be checked. */
wg_status gc_record_op(gc_subject *s, const wg_op *op, const gc_settings *settings, wg_error *err);

/* gradcheck_samples.c: built-in ops that need particular inputs. */
typedef struct gc_operand {
    const char *shape; /* a letter an axis; letters stand for lengths that all differ */
    enum { GC_FLOAT = 0, GC_INDEX, GC_MASK } kind;
    double low, high; /* [low, high); both 0: [-2, 2), indices [0, 2) */
} gc_operand;
enum { GC_MAX_OPERANDS = 4 };
typedef struct gc_sample {
    const char *op;
    const char *refusal;                          /* why the op cannot be checked; NULL = it can */
    gc_operand in[GC_MAX_OPERANDS];               /* ends with a NULL shape */
    int (*record)(const wg_var *in, wg_var *out); /* returns the number of outputs */
} gc_sample;
const gc_sample *gc_find_sample(const char *op);
int64_t gc_length(char letter);

/* gradcheck_print.c: --print and --dot (exit statuses); a report without its equations, as --print
 * shows all of them; parameters whose every derivative is 0; a report in one line, and what is
 * unused. */
int gc_print_equations(const gc_subject *s);
int gc_write_dot(const gc_subject *s, const char *path);
void gc_print_report(const char *text);
void gc_print_without_effect(const wg_gradcheck_report *report);
void gc_print_line(const char *verdict, const char *kind, const char *name,
                   const wg_gradcheck_report *report);

/* gradcheck_reference.c: runs the cell on the inputs of an .npz and compares with the outputs in
 * it. Prints a table; returns an exit status. */
int gc_reference(const wg_cell *cell, const char *path, double tolerance);

#endif
