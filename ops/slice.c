/* Pieces of an axis, copied by nobody: slice, split. Each is its input seen from further on. Their
 * adjoints are pad and concat. */
#include "ops_internal.h"

#include <stdio.h>

#include <wengert/ops.h>

#include "axes.h"

/* ---- slice ---- */

/* The same structure as core/builtin.h has: passes make slices by themselves. */
typedef struct slice_attr {
    int64_t axis, start, length;
} slice_attr;

static wg_status slice_infer(wg_infer *c)
{
    const slice_attr *attr = c->attr;
    const wg_shape *shape = &c->in[0].shape;
    char text[160];
    wg_shape_format(shape, text, sizeof text);
    if (c->attr_size < sizeof *attr || attr->axis < 0 || attr->axis >= shape->rank)
        return wg_infer_fail(c, WG_EINVAL, "axis is out of range for %s", text);
    int64_t dim = shape->dim[attr->axis];
    if (attr->start < 0 || attr->length < 0 || attr->start > dim ||
        attr->length > dim - attr->start)
        return wg_infer_fail(
            c, WG_ESHAPE, "%lld elements from %lld do not lie within axis %lld of %s",
            (long long)attr->length, (long long)attr->start, (long long)attr->axis, text);
    c->out[0].dtype = c->in[0].dtype;
    c->out[0].shape = *shape;
    c->out[0].shape.dim[attr->axis] = attr->length;
    return WG_OK;
}

static void offset_view(const wg_view *in, const wg_shape *shape, int64_t axis, int64_t start,
                        wg_view *out)
{
    wg_view v = *in;
    v.shape = *shape;
    /* By number, not by pointer: a planner asks for offsets with no memory behind them yet. */
    if (wg_shape_count(shape) > 0)
        v.data = (void *)((uintptr_t)in->data + (uintptr_t)(start * in->stride[axis] *
                                                            (int64_t)wg_dtype_size(in->dtype)));
    *out = v;
}

static bool slice_view(const wg_view *in, const wg_view *shape_of_out, const void *attr,
                       wg_view *out)
{
    const slice_attr *s = attr;
    offset_view(in, &shape_of_out->shape, s->axis, s->start, out);
    return true;
}

static void slice_vjp(wg_vjp *c)
{
    const slice_attr *attr = wg_vjp_attr(c);
    int64_t dim = wg_dim(wg_vjp_in(c, 0), (int)attr->axis);
    wg_vjp_add(c, 0,
               (wg_pad)(wg_vjp_grad(c, 0), (int)attr->axis, attr->start,
                        dim - attr->start - attr->length));
}

static void slice_format(const void *attr, size_t attr_size, char *buf, size_t size)
{
    const slice_attr *s = attr;
    (void)attr_size;
    snprintf(buf, size, "axis=%lld start=%lld length=%lld", (long long)s->axis, (long long)s->start,
             (long long)s->length);
}

const wg_op wg__op_slice = {
    .size = sizeof(wg_op),
    .name = "slice",
    .version = 1,
    .traits = WG_OP_VIEW,
    .n_in = 1,
    .n_out = 1,
    .infer = slice_infer,
    .vjp = slice_vjp,
    .view = slice_view,
    .format = slice_format,
    .doc = "y = x[start : start + length] along axis",
};

wg_var(wg_slice)(wg_var x, int axis, int64_t start, int64_t length)
{
    if (!wg_var_ok(x)) return wg__pass_poison(&wg__op_slice, x);
    int at;
    if (!wg__axis(axis, wg_rank(x), &at)) return wg__fail_axis("slice", x, axis);
    slice_attr attr = {at, start, length};
    return wg_record(&wg__op_slice, &x, 1, &attr, sizeof attr);
}

/* ---- split ---- */

typedef struct split_attr {
    int64_t axis, pieces;
} split_attr;

static wg_status split_infer(wg_infer *c)
{
    const split_attr *attr = c->attr;
    const wg_shape *shape = &c->in[0].shape;
    char text[160];
    wg_shape_format(shape, text, sizeof text);
    if (c->attr_size < sizeof *attr || attr->axis < 0 || attr->axis >= shape->rank)
        return wg_infer_fail(c, WG_EINVAL, "axis is out of range for %s", text);
    if (attr->pieces < 1 || attr->pieces != c->n_out)
        return wg_infer_fail(c, WG_EINVAL, "%lld pieces, but %d outputs", (long long)attr->pieces,
                             c->n_out);
    if (shape->dim[attr->axis] % attr->pieces != 0)
        return wg_infer_fail(c, WG_ESHAPE, "axis %lld of %s does not divide into %lld equal pieces",
                             (long long)attr->axis, text, (long long)attr->pieces);
    for (int i = 0; i < c->n_out; i++) {
        c->out[i] = c->in[0];
        c->out[i].shape.dim[attr->axis] /= attr->pieces;
    }
    return WG_OK;
}

/* shape_of_out->data carries the number of the output. */
static bool split_view(const wg_view *in, const wg_view *shape_of_out, const void *attr,
                       wg_view *out)
{
    const split_attr *s = attr;
    int64_t index = (int64_t)(intptr_t)shape_of_out->data;
    offset_view(in, &shape_of_out->shape, s->axis, index * shape_of_out->shape.dim[s->axis], out);
    return true;
}

/* One concat of the gradients: the pieces that have none are zeros. */
static void split_vjp(wg_vjp *c)
{
    const split_attr *attr = wg_vjp_attr(c);
    enum { FEW = 16 };
    wg_var few[FEW], *g = few;
    int n = wg_vjp_n_out(c);
    if (n > FEW) {
        g = wg_tape_alloc(wg_var_tape(wg_vjp_in(c, 0)), (size_t)n, sizeof *g);
        if (!g) return; /* the tape is poisoned */
    }
    for (int i = 0; i < n; i++) g[i] = wg_vjp_grad(c, i);
    wg_vjp_add(c, 0, (wg_concat)(g, n, (int)attr->axis));
}

static void split_format(const void *attr, size_t attr_size, char *buf, size_t size)
{
    const split_attr *s = attr;
    (void)attr_size;
    snprintf(buf, size, "axis=%lld pieces=%lld", (long long)s->axis, (long long)s->pieces);
}

const wg_op wg__op_split = {
    .size = sizeof(wg_op),
    .name = "split",
    .version = 1,
    .traits = WG_OP_VIEW,
    .n_in = 1,
    .n_out = -1,
    .infer = split_infer,
    .vjp = split_vjp,
    .view = split_view,
    .format = split_format,
    .doc = "y_i = piece i of n equal ones along axis",
};

wg_status(wg_split)(wg_var x, int axis, int n, wg_var *out)
{
    if (n < 1) {
        if (!wg_var_ok(x)) return WG_EINVAL;
        wg_tape_fail(wg_var_tape(x), WG_EINVAL, "split: into %d pieces", n);
        return WG_EINVAL;
    }
    int at = 0;
    if (wg_var_ok(x) && !wg__axis(axis, wg_rank(x), &at))
        return wg__fail_all(wg__fail_axis("split", x, axis), out, n);
    split_attr attr = {at, n};
    return wg_record_n(&wg__op_split, &x, 1, &attr, sizeof attr, out, n);
}
