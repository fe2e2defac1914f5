/* What core asks of the layers above it, resolved when the library is linked: core includes no
 * header of theirs, and knows their ops through descriptors only.
 *
 * The differentiator itself needs few ops: to add two gradients, to sum a gradient down to a
 * broadcast operand's shape (two forms), and its inverse. */
#ifndef WG_CORE_BUILTIN_H
#define WG_CORE_BUILTIN_H

#include <wengert/cell.h>
#include <wengert/op.h>

extern const wg_op wg__op_add;           /* ops/elementwise.c: y = a + b */
extern const wg_op wg__op_sum;           /* ops/reduce.c: attr is a wg_reduce_attr */
extern const wg_op wg__op_sum_to;        /* ops/reduce.c: attr is the wg_shape to sum down to */
extern const wg_op wg__op_broadcast_to;  /* ops/shape.c: attr is the wg_shape of the result */
extern const wg_op wg__op_where;         /* ops/elementwise.c: used by scan to hold masked states */
extern const wg_op wg__op_sequence_mask; /* ops/index.c: [T,B] u8 from lengths */
extern const wg_op wg__op_pad_edge;      /* ops/index.c */
extern const wg_op wg__op_mul;           /* ops/elementwise.c: scan counts time in chunks */
/* ops/elementwise.c, ops/elementwise_scalar.c: what fused kernels run where one operand is a number
 * for a whole row; attr of the latter begins with that number, a double. */
extern const wg_op wg__op_sub;
extern const wg_op wg__op_scale;
extern const wg_op wg__op_add_scalar;
/* Made by passes that rewrite products, and by scans in chunks. */
extern const wg_op wg__op_concat; /* ops/layout.c: attr is a wg_join_attr */
extern const wg_op wg__op_slice;  /* ops/slice.c: attr is a wg__slice_attr */

typedef struct wg__slice_attr {
    int64_t axis, start, length;
} wg__slice_attr;

typedef struct wg__sequence_mask_attr {
    int64_t steps;
    int64_t time_major;
} wg__sequence_mask_attr;

/* ops/register.c, models/cells/register.c: arrays of every built-in descriptor. */
extern const wg_op *const wg__builtin_ops[];
extern const int wg__builtin_op_count;
extern const wg_cell *const wg__builtin_cells[];
extern const int wg__builtin_cell_count;

/* core/registry.c: makes the built-ins known (once, thread-safe), and closes the registry. */
void wg__registry_ensure(void);
void wg__registry_freeze(void);

/* core/leaf.c: ops defined by core itself (leaves, stop_gradient, watch, scan), for the registry.
 */
extern const wg_op *const wg__core_ops[];
extern const int wg__core_op_count;

#endif
