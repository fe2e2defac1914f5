/* Shape ops that copy nothing: reshape, expand_dims, squeeze, broadcast_to (slice.c: slice, split).
 *
 * Each is its input seen through other strides (`view`); where the layout of the input does not
 * allow it, the executor copies the input first. Pairs of adjoints: reshape is its own,
 * broadcast_to and sum_to. */
#include "ops_internal.h"

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
