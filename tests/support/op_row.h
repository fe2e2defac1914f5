/* One row of the table of ops at work: recorded on operands of some shapes, computed in some way,
 * compared. */
#ifndef WENGERT_TESTS_OP_ROW_H
#define WENGERT_TESTS_OP_ROW_H

#include "op_table.h"

/* What each letter of a shape stands for. */
typedef struct wgt_lengths {
    int64_t of[128];
} wgt_lengths;

/* As op_table.h has them. */
wgt_lengths wgt_usual_lengths(void);
wg_shape wgt_row_shape(const char *text, const wgt_lengths *l);
void wgt_row_shapes(const wgt_op_row *row, const wgt_lengths *l, wg_shape *shape);
wg_dtype wgt_operand_dtype(const wgt_operand *operand, wg_dtype floats);

/* One recording of a row: leaves, output, gradients. */
typedef struct wgt_row_instance {
    const wgt_op_row *row;
    char label[160]; /* row, shapes and dtype, for messages */
    wg_tape *tape;
    wg_tensor *leaf[WGT_MAX_OPERANDS + 1]; /* the last is the cotangent */
    wg_var in[WGT_MAX_OPERANDS];
    wg_var out[WGT_MAX_OPERANDS + 1]; /* output, then gradients */
    int n_out;
} wgt_row_instance;

enum { WGT_WITH_GRADIENTS = 1, WGT_WRAPPED = 2 };

/* Records the row on operands of these shapes. WGT_WRAPPED puts maps around it, so that it can
 * fuse. */
wgt_row_instance wgt_record_row(const wgt_op_row *row, const wg_shape *shape, wg_dtype floats,
                                int how);
void wgt_drop_row(wgt_row_instance *c);

typedef struct wgt_values {
    int n;
    wg_tensor *of[WGT_MAX_OPERANDS + 1];
} wgt_values;

/* Compiles and runs; isa -1 = the best. */
wgt_values wgt_compute(const wgt_row_instance *c, int threads, int isa, bool node_by_node);
void wgt_drop_values(wgt_values *v);

/* |a - b| <= tol max(1, |b|); NaN is near NaN alone. */
bool wgt_near(double a, double b, double tol);
/* Fails the running test at the first pair that is not near; `what` is wrong then. */
void wgt_compare(const wgt_row_instance *c, const char *what, const wgt_values *a,
                 const wgt_values *b, double tol);

#endif
