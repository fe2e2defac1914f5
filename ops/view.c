/* Shape ops that copy nothing: reshape, expand_dims, squeeze, slice, split, broadcast_to.
 *
 * Each is its input seen through other strides (`view`); where the layout of the input does not
 * allow it, the executor copies the input first. Pairs of adjoints: reshape is its own, slice and
 * pad, split and concat, broadcast_to and sum_to. */
#include "ops_internal.h"

#include <stdio.h>
#include <string.h>

#include <wengert/ops.h>

#include "axes.h"

/* ---- reshape ---- */

static wg_status reshape_infer(wg_infer *c)
{
    if (c->attr_size < sizeof(wg_shape)) return wg_infer_fail(c, WG_EINVAL, "shape is missing");
    const wg_shape *shape = c->attr;
    int64_t count = wg_shape_count(shape);
    if (count < 0 || count != wg_shape_count(&c->in[0].shape)) {
        char from[160], to[160];
        return wg_infer_fail(c, WG_ESHAPE, "%s cannot become %s: the element counts differ",
                             wg_shape_format(&c->in[0].shape, from, sizeof from),
                             wg_shape_format(shape, to, sizeof to));
    }
    c->out[0].dtype = c->in[0].dtype;
    c->out[0].shape = *shape;
    return WG_OK;
}

/* Groups axes of both shapes that span the same elements (the shortest such groups, from the
 * left). A group of the input must step like one axis; the output's axes then divide it. */
static bool reshape_view(const wg_view *in, const wg_view *shape_of_out, const void *attr,
                         wg_view *out)
{
    (void)attr;
    wg_view v = *in;
    v.shape = shape_of_out->shape;
    memset(v.stride, 0, sizeof v.stride);
    if (wg__contiguous(in)) {
        wg__row_major(&v.shape, v.stride);
        *out = v;
        return true;
    }
    int64_t dim[WG_MAX_AXES], stride[WG_MAX_AXES];
    int rank = 0;
    for (int i = 0; i < in->shape.rank; i++) {
        if (in->shape.dim[i] == 1) continue;
        dim[rank] = in->shape.dim[i];
        stride[rank++] = in->stride[i];
    }
    int i = 0, o = 0;
    while (i < rank && o < v.shape.rank) {
        int i1 = i + 1, o1 = o + 1;
        int64_t ni = dim[i], no = v.shape.dim[o];
        while (ni != no) {
            if (ni < no) {
                if (i1 >= rank || stride[i1 - 1] != stride[i1] * dim[i1]) return false;
                ni *= dim[i1++];
            } else {
                if (o1 >= v.shape.rank) return false;
                no *= v.shape.dim[o1++];
            }
        }
        int64_t step = stride[i1 - 1];
        for (int a = o1 - 1; a >= o; a--) {
            v.stride[a] = step;
            step *= v.shape.dim[a];
        }
        i = i1;
        o = o1;
    }
    *out = v;
    return true;
}

static void reshape_vjp(wg_vjp *c)
{
    wg_type type = wg_var_type(wg_vjp_in(c, 0));
    wg_vjp_add(c, 0, (wg_reshape)(wg_vjp_grad(c, 0), type.shape));
}

static void shape_format(const void *attr, size_t attr_size, char *buf, size_t size)
{
    (void)attr_size;
    wg_shape_format(attr, buf, size);
}

const wg_op wg__op_reshape = {
    .size = sizeof(wg_op),
    .name = "reshape",
    .version = 1,
    .traits = WG_OP_VIEW,
    .n_in = 1,
    .n_out = 1,
    .infer = reshape_infer,
    .vjp = reshape_vjp,
    .view = reshape_view,
    .format = shape_format,
    .doc = "y = x in another shape, row-major order kept",
};

wg_var(wg_reshape)(wg_var x, wg_shape shape)
{
    if (!wg_var_ok(x)) return wg__pass_poison(&wg__op_reshape, x);
    wg_type type = wg_var_type(x);
    wg_shape to = wg_shape_of(shape.rank, shape.dim);
    int64_t known = 1;
    int free_axis = -1;
    for (int i = 0; i < to.rank; i++) {
        if (to.dim[i] >= 0) {
            if (__builtin_mul_overflow(known, to.dim[i], &known)) known = 0;
            continue;
        }
        if (to.dim[i] != -1 || free_axis >= 0)
            return wg_tape_fail(wg_var_tape(x), WG_EINVAL,
                                "reshape: a length is negative (only one may be -1)");
        free_axis = i;
    }
    if (free_axis >= 0) {
        int64_t count = wg_shape_count(&type.shape);
        char from[160];
        if (known == 0 || count % known != 0)
            return wg_tape_fail(wg_var_tape(x), WG_ESHAPE,
                                "reshape: the length given as -1 cannot be found for %s, %lld "
                                "elements, with %lld for the other axes",
                                wg_shape_format(&type.shape, from, sizeof from), (long long)count,
                                (long long)known);
        to.dim[free_axis] = count / known;
    }
    if (wg_shape_equal(&to, &type.shape)) return x;
    return wg_record(&wg__op_reshape, &x, 1, &to, sizeof to);
}

/* Composition: reshape. axis counts in the result, as numpy's expand_dims. */
wg_var(wg_expand_dims)(wg_var x, int axis)
{
    if (!wg_var_ok(x)) return wg__pass_poison(&wg__op_reshape, x);
    wg_shape shape = wg_var_type(x).shape;
    int at;
    if (!wg__axis(axis, shape.rank + 1, &at)) return wg__fail_axis("expand_dims", x, axis);
    if (shape.rank == WG_MAX_AXES)
        return wg_tape_fail(wg_var_tape(x), WG_ELIMIT, "expand_dims: more than %d axes",
                            WG_MAX_AXES);
    for (int i = shape.rank; i > at; i--) shape.dim[i] = shape.dim[i - 1];
    shape.dim[at] = 1;
    shape.rank++;
    return wg_record(&wg__op_reshape, &x, 1, &shape, sizeof shape);
}

/* Composition: reshape. */
wg_var(wg_squeeze)(wg_var x, int axis)
{
    if (!wg_var_ok(x)) return wg__pass_poison(&wg__op_reshape, x);
    wg_shape shape = wg_var_type(x).shape;
    int at;
    if (!wg__axis(axis, shape.rank, &at)) return wg__fail_axis("squeeze", x, axis);
    if (shape.dim[at] != 1) {
        char text[160];
        return wg_tape_fail(wg_var_tape(x), WG_ESHAPE, "squeeze: axis %d of %s has not length 1",
                            axis, wg_shape_format(&shape, text, sizeof text));
    }
    for (int i = at; i < shape.rank - 1; i++) shape.dim[i] = shape.dim[i + 1];
    shape.dim[--shape.rank] = 0;
    return wg_record(&wg__op_reshape, &x, 1, &shape, sizeof shape);
}

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

/* ---- broadcast_to ---- */

static wg_status broadcast_infer(wg_infer *c)
{
    if (c->attr_size < sizeof(wg_shape)) return wg_infer_fail(c, WG_EINVAL, "shape is missing");
    const wg_shape *to = c->attr;
    wg_shape both;
    if (wg_shape_count(to) < 0 || !wg_shape_broadcast(&c->in[0].shape, to, &both) ||
        !wg_shape_equal(&both, to)) {
        char a[160], b[160];
        return wg_infer_fail(c, WG_ESHAPE, "%s does not broadcast to %s",
                             wg_shape_format(&c->in[0].shape, a, sizeof a),
                             wg_shape_format(to, b, sizeof b));
    }
    c->out[0].dtype = c->in[0].dtype;
    c->out[0].shape = *to;
    return WG_OK;
}

static bool broadcast_view(const wg_view *in, const wg_view *shape_of_out, const void *attr,
                           wg_view *out)
{
    (void)attr;
    wg_view v = *in;
    v.shape = shape_of_out->shape;
    memset(v.stride, 0, sizeof v.stride);
    int skip = v.shape.rank - in->shape.rank;
    for (int i = 0; i < in->shape.rank; i++)
        v.stride[i + skip] = in->shape.dim[i] == 1 ? 0 : in->stride[i];
    *out = v;
    return true;
}

static void broadcast_vjp(wg_vjp *c)
{
    wg_type type = wg_var_type(wg_vjp_in(c, 0));
    wg_vjp_add(c, 0, wg_sum_to(wg_vjp_grad(c, 0), type.shape));
}

const wg_op wg__op_broadcast_to = {
    .size = sizeof(wg_op),
    .name = "broadcast_to",
    .version = 1,
    .traits = WG_OP_VIEW,
    .n_in = 1,
    .n_out = 1,
    .infer = broadcast_infer,
    .vjp = broadcast_vjp,
    .view = broadcast_view,
    .format = shape_format,
    .doc = "y = x repeated along new axes and axes of length 1",
};

wg_var(wg_broadcast_to)(wg_var x, wg_shape shape)
{
    if (!wg_var_ok(x)) return wg__pass_poison(&wg__op_broadcast_to, x);
    wg_shape to = wg_shape_of(shape.rank, shape.dim);
    wg_shape from = wg_var_type(x).shape;
    if (wg_shape_equal(&from, &to)) return x;
    return wg_record(&wg__op_broadcast_to, &x, 1, &to, sizeof to);
}
