/* Axis and stride arithmetic shared by the shape, index, reduction and product ops. */
#ifndef WG_OPS_AXES_H
#define WG_OPS_AXES_H

#include <wengert/op.h>

/* Counts axis from the end when negative. False when it is outside the rank. */
static inline bool wg__axis(int axis, int rank, int *out)
{
    if (axis < 0) axis += rank;
    *out = axis;
    return axis >= 0 && axis < rank;
}

/* Row-major strides, in elements. */
static inline void wg__row_major(const wg_shape *shape, int64_t stride[WG_MAX_AXES])
{
    int64_t step = 1;
    for (int i = shape->rank - 1; i >= 0; i--) {
        stride[i] = step;
        step *= shape->dim[i] > 0 ? shape->dim[i] : 1;
    }
}

/* Product of the lengths of axes [from, to). */
static inline int64_t wg__span(const wg_shape *shape, int from, int to)
{
    int64_t n = 1;
    for (int i = from; i < to; i++) n *= shape->dim[i];
    return n;
}

/* True when the view's elements lie row-major without gaps (axes of length 1 have no stride). */
bool wg__contiguous(const wg_view *v);
/* The leading axes of v, from `axis` to the last but one, as one axis of rows; false where their
 * strides do not allow it. */
bool wg__rows_from(const wg_view *v, int axis, int64_t *rows, int64_t *stride);

/* Records an op on a var that is not ok, so that the recorder reports or passes on the poison. */
wg_var wg__pass_poison(const wg_op *op, wg_var x);
/* Poisons x's tape: "NAME: axis 3 is out of range for f32[2,3]". */
wg_var wg__fail_axis(const char *name, wg_var x, int axis);
/* Poisons every one of out[0..n) after a failed recording of several outputs. */
wg_status wg__fail_all(wg_var poison, wg_var *out, int n);

/* "f32[2,3]" for messages. */
const char *wg__type_text(const wg_type *type, char *buf, size_t size);

#endif
