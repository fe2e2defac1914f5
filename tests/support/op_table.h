/* The standing tests of ops, generated from a table: a new op is tested by adding a row.
 *
 * For each row: gradients of first and second order against central differences in f64, f32 against
 * f64, every broadcast form (elementwise rows), axes of length zero and one, bad input, poisoned
 * input, fused = node by node, one thread = two threads, each instruction set of this CPU.
 *
 *     static wg_var do_matmul(const wg_var *in) { return wg_matmul(in[0], in[1]); }
 *     static const wgt_op_row rows[] = {
 *         {.name = "matmul", .record = do_matmul, .n_in = 2,
 *          .in = {{.shape = "MK", .grad = true}, {.shape = "KN", .grad = true}},
 *          .bad = {{.shape = {"MK", "NK"}, .status = WG_ESHAPE, .message = "inner sizes differ"}}},
 *     };
 *     int main(void) { return wgt_run_op_table(rows, sizeof rows / sizeof rows[0], NULL, 0); }
 */
#ifndef WENGERT_TESTS_OP_TABLE_H
#define WENGERT_TESTS_OP_TABLE_H

#include "support.h"

#include <wengert/op.h>
#include <wengert/ops.h>

#define WGT_MAX_OPERANDS 4
#define WGT_MAX_BAD 6

typedef enum wgt_kind {
    WGT_FLOAT = 0, /* f64 or f32, as the check wants */
    WGT_I32,       /* integers in [low, high) */
    WGT_U8,        /* 0 or 1 */
} wgt_kind;

typedef struct wgt_operand {
    /* One character an axis. Letters stand for lengths, pairwise different: B 2, T 3, N 4, K 5,
     * M 6, H 7, E 8, V 9; the digit 1 for 1; "" is a scalar. */
    const char *shape;
    wgt_kind kind;
    double low, high; /* range of the values; both 0 = [-2, 2) for floats, [0, 2) for i32 */
    double kink;      /* with gap > 0: values keep that far from this point */
    double gap;
    bool grad; /* differentiate with respect to it */
} wgt_operand;

/* An input that recording must refuse. Shapes as above; kinds of the row's operands unless given.
 */
typedef struct wgt_bad {
    const char *shape[WGT_MAX_OPERANDS]; /* NULL = the row's */
    wg_status status;
    const char *message; /* must occur in the message; NULL ends the list */
    /* Another recorder (a bad axis, say); NULL = the row's. */
    wg_var (*record)(const wg_var *in);
    /* dtype + 1 of each operand; 0 = as the row says */
    int dtype[WGT_MAX_OPERANDS];
} wgt_bad;

typedef struct wgt_op_row {
    const char *name; /* the op's name, or "op: variant" */
    /* Records the op on the operands and returns its (first) output. Lengths are to be read from
     * the operands. */
    wg_var (*record)(const wg_var *in);
    int n_in;
    wgt_operand in[WGT_MAX_OPERANDS];
    /* Elementwise rows: the operands broadcast, and `ref` (if given) is the value of one element
     * from one element of each operand, by an independent formula. */
    bool broadcasts;
    double (*ref)(const double *in);
    const char *no_zero; /* letters that may not become 0 */
    const char *no_one;  /* letters that may not become 1 */
    bool takes_i32;      /* an i32 operand 0 is no error */
    bool no_gradient;    /* no gradient by nature: gradient checks are left out */
    bool first_order;    /* the second derivative is identically zero or not defined: left out */
    double grad_tol;     /* of gradient checks; 0 = 1e-7 */
    double f32_tol;      /* f32 against f64, relative to max(1, |f64|); 0 = 1e-5 */
    double thread_tol;   /* 1 against 2 threads, relative; 0 = the same bits */
    wgt_bad bad[WGT_MAX_BAD];
} wgt_op_row;

/* Runs every check of every row as a cmocka test; `ops`, if given, are ops that must each have a
 * row. Returns what main is to return. */
int wgt_run_op_table(const wgt_op_row *rows, size_t n_rows, const wg_op *const *ops, size_t n_ops);

#endif
