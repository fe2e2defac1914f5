/* The parts of the gradient check: the function along a line, one derivative, node by node, the
 * report. Private to core. */
#ifndef WG_CORE_GRADCHECK_INTERNAL_H
#define WG_CORE_GRADCHECK_INTERNAL_H

#include <wengert/gradcheck.h>
#include <wengert/program.h>
#include <wengert/rng.h>

#include "tape_internal.h"
#include "text.h"

/* One leaf with respect to which the function is checked. */
typedef struct wg__gc_leaf {
    wg_var var;
    wg_tensor *tensor;
    double *x;        /* its data */
    double *keep;     /* the point, to be restored */
    double *gradient; /* analytic, at the point; NULL = none */
    int64_t count;
    bool used; /* does any output depend on it? */
    int out;   /* output of the gradient program; -1 = none */
    wg_gradcheck_leaf *report;
} wg__gc_leaf;

/* f(leaves) = sum_i <r_i, out_i>. */
typedef struct wg__gc {
    wg_tape *tape;
    double step, tolerance;
    int64_t max_elements;
    int projections;
    wg_trace_fn trace;
    void *trace_user;
    wg_rng rng;
    wg__gc_leaf *leaves;
    int n_leaves;
    /* Cotangents, bound by name: f's own, and those of the order before it. */
    wg_tensor **cotangents;
    char (*names)[48];
    int n_cotangents, cap_cotangents;
    /* Of the order being checked. */
    wg_program *value, *gradient;
    int n_out, first_cotangent;
    int64_t n_values;                /* of all outputs together */
    double *r, *base, *plus, *minus; /* n_values each */
    double *gradient_there;          /* of the longest leaf, for a displaced point */
    bool kinks;                      /* an op on the path is not differentiable everywhere */
    wg_error *err;
} wg__gc;

/* A line through the point: along element `index` of the leaf, or along `v` where it is not NULL.
 */
typedef struct wg__gc_line {
    wg__gc_leaf *leaf;
    int64_t index;
    const double *v;
} wg__gc_line;

typedef struct wg__gc_derivative {
    double analytic, numeric, error;
    bool ok, kink;
} wg__gc_derivative;

/* gradcheck_line.c: numeric against analytic derivative along a line. */
wg_status wg__gc_check_line(wg__gc *g, const wg__gc_line *line, wg__gc_derivative *d);
/* Evaluates all outputs at the leaves' present data. */
wg_status wg__gc_evaluate(wg__gc *g, double *values);

/* gradcheck_function.c: from outputs to programs. */
wg_status wg__gc_new(wg_tape *tape, const wg_var *wrt, int n_wrt,
                     const wg_gradcheck_options *options, wg_error *err, wg__gc **out);
void wg__gc_free(wg__gc *g);
/* Records gradients of out with random cotangents and compiles both programs. gradients[] (may be
 * NULL; n_leaves entries) gets the gradient vars, absent ones WG_NONE. */
wg_status wg__gc_prepare(wg__gc *g, const wg_var *out, int n_out, wg_var *gradients);
/* Runs the gradient program; into the leaves' gradient[] where `leaf` is NULL, else that of one
 * leaf into `data`. */
wg_status wg__gc_gradients(wg__gc *g, const wg__gc_leaf *leaf, double *data);
/* Checks every leaf, and fills in or worsens its report. */
wg_status wg__gc_check_leaves(wg__gc *g);

/* gradcheck_ops.c: names the first node on the way from the leaves to the outputs whose own VJP is
 * wrong; leaves found[] empty when there is none. */
wg_status wg__gc_first_wrong(wg__gc *g, const wg_var *out, int n_out, char *found, size_t size);

/* gradcheck_report.c */
char *wg__gc_text(const wg__gc *g, const wg_gradcheck_report *report, int order, const wg_var *out,
                  int n_out);

#endif
