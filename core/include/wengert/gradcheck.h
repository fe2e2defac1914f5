/* Gradient checks in f64: central differences against wg_grad.
 *
 * The error of an element is |analytic - numeric| / max(|analytic|, |numeric|, floor) with
 * floor = eps |f| / h: what rounding alone can do to a central difference. */
#ifndef WENGERT_GRADCHECK_H
#define WENGERT_GRADCHECK_H

#include <wengert/program.h>

WG_BEGIN_DECLS

typedef struct wg_gradcheck_options {
    size_t size;          /* sizeof(wg_gradcheck_options) */
    double step;          /* h relative to max(1, |x|); 0 = 1e-5 */
    double tolerance;     /* 0 = 1e-7 */
    int64_t max_elements; /* a tensor with more is checked by random projections; 0 = 2000 */
    int projections;      /* how many; 0 = 20 */
    uint64_t seed;        /* of cotangents and projections */
    int order;            /* 1, or 2: also the gradient of <grad, v> for a random v; 0 = 1 */
    bool name_op;         /* on failure check node by node and name the first wrong op */
    wg_trace_fn trace;    /* of the programs that the check compiles; NULL = none */
    void *trace_user;
} wg_gradcheck_options;

typedef enum wg_gradcheck_verdict {
    WG_GRADCHECK_OK = 0,
    WG_GRADCHECK_WRONG,
    WG_GRADCHECK_KINK,   /* left and right derivative differ at the point: not a wrong gradient */
    WG_GRADCHECK_UNUSED, /* the outputs do not depend on this leaf */
} wg_gradcheck_verdict;

typedef struct wg_gradcheck_leaf {
    char name[128];
    wg_gradcheck_verdict verdict;
    int64_t elements, checked, kinks, wrong;
    int64_t worst_index; /* flat; -1 for a projection */
    double worst_error, analytic, numeric;
} wg_gradcheck_leaf;

typedef struct wg_gradcheck_report {
    size_t size;
    bool passed;
    int n_leaves;
    wg_gradcheck_leaf *leaves; /* owned by the report */
    int worst_leaf;            /* -1 = none */
    char first_wrong_op[256];  /* "matmul '%12' @enc.0 (cell.c:41)"; empty = none found */
    char *text;                /* a page for people: table of leaves, worst element, kinks */
} wg_gradcheck_report;

/* Checks the gradients of sum_i <r_i, out_i> (r random, fixed by the seed; 1 for one scalar) with
 * respect to the leaves wrt[0..n_wrt), which must be f64 leaves made with wg_tensor_var or
 * wg_param; n_wrt = 0 checks every f64 tensor leaf of the tape. The tensors are perturbed and
 * restored. Returns WG_OK when the check could be done (look at report->passed), an error
 * otherwise. */
WG_API wg_status wg_gradcheck(const wg_var *out, int n_out, const wg_var *wrt, int n_wrt,
                              const wg_gradcheck_options *options, wg_gradcheck_report *report,
                              wg_error *err);
WG_API void wg_gradcheck_report_free(wg_gradcheck_report *report);

WG_END_DECLS

#endif
