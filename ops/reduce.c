/* Reductions: sum, mean, max, logsumexp, norm over any axes, and sum_to.
 *
 *     sum:        dx = g, repeated over the reduced axes
 *     max_over:   dx = g / ties where x is the largest
 *     logsumexp:  dx = g e^(x - y)
 *
 * The rules are compositions of public ops, so derivatives of any order follow. */
#include "ops_internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <wengert/ops.h>

#include "axes.h"
#include "reduce_run.h"

static wg_status reduce_infer(wg_infer *c)
{
    const wg_reduce_attr *attr = c->attr;
    const wg_type *x = &c->in[0];
    char text[192];
    wg__type_text(x, text, sizeof text);
    if (c->attr_size < sizeof *attr || attr->axes >> x->shape.rank != 0)
        return wg_infer_fail(c, WG_EINVAL, "axes are out of range for %s", text);
    if (!(WG_BIT(x->dtype) & WG_FLOATS))
        return wg_infer_fail(c, WG_EDTYPE, "needs a floating operand, not %s", text);
    wg_shape shape = wg_shape_of(0, NULL);
    for (int i = 0; i < x->shape.rank; i++) {
        bool reduced = attr->axes >> i & 1;
        if (!reduced || attr->keep) shape.dim[shape.rank++] = reduced ? 1 : x->shape.dim[i];
    }
    c->out[0].dtype = x->dtype;
    c->out[0].shape = shape;
    return WG_OK;
}

static wg_status max_infer(wg_infer *c)
{
    wg_status status = reduce_infer(c);
    if (status != WG_OK) return status;
    const wg_reduce_attr *attr = c->attr;
    for (int i = 0; i < c->in[0].shape.rank; i++) {
        char text[192];
        if ((attr->axes >> i & 1) && c->in[0].shape.dim[i] == 0)
            return wg_infer_fail(c, WG_ESHAPE, "axis %d of %s has no largest element", i,
                                 wg__type_text(&c->in[0], text, sizeof text));
    }
    return WG_OK;
}

static void reduce_format(const void *attr, size_t attr_size, char *buf, size_t size)
{
    const wg_reduce_attr *a = attr;
    (void)attr_size;
    size_t used = (size_t)snprintf(buf, size, "axes=");
    for (int i = 0, first = 1; i < WG_MAX_AXES && used < size; i++) {
        if (!(a->axes >> i & 1)) continue;
        used += (size_t)snprintf(buf + used, size - used, "%s%d", first ? "" : ",", i);
        first = 0;
    }
    if (a->keep && used < size) snprintf(buf + used, size - used, " keep");
}

/* A reduced value with its axes back, of length 1. */
static wg_var with_axes(wg_var v, wg_var x, const wg_reduce_attr *attr)
{
    if (attr->keep) return v;
    wg_shape shape = wg_var_type(x).shape;
    for (int i = 0; i < shape.rank; i++)
        if (attr->axes >> i & 1) shape.dim[i] = 1;
    return (wg_reshape)(v, shape);
}

#define ROW(name, what)                                                 \
    static void name(const wg_row *c)                                   \
    {                                                                   \
        double y = wg__reduce_row(what, c->isa, c->dtype, c->in, c->n); \
        if (c->out_dtype == WG_F32)                                     \
            *(float *)c->out = (float)y;                                \
        else                                                            \
            *(double *)c->out = y;                                      \
    }
#define KERNEL(name, what)                                                   \
    static wg_status name(wg_kernel *c)                                      \
    {                                                                        \
        return wg__reduce(c, what, ((const wg_reduce_attr *)c->attr)->axes); \
    }
ROW(sum_row, WG__SUM)
ROW(max_row, WG__MAX)
ROW(logsumexp_row, WG__LOGSUMEXP)
KERNEL(sum_kernel, WG__SUM)
KERNEL(max_kernel, WG__MAX)
KERNEL(logsumexp_kernel, WG__LOGSUMEXP)

static void sum_vjp(wg_vjp *c)
{
    wg_var x = wg_vjp_in(c, 0);
    wg_var g = with_axes(wg_vjp_grad(c, 0), x, wg_vjp_attr(c));
    wg_vjp_add(c, 0, (wg_broadcast_to)(g, wg_var_type(x).shape));
}

static void max_vjp(wg_vjp *c)
{
    const wg_reduce_attr *attr = wg_vjp_attr(c);
    wg_var x = wg_vjp_in(c, 0);
    wg_var largest = (wg_eq)(x, with_axes(wg_vjp_out(c, 0), x, attr));
    wg_reduce_attr keep = {attr->axes, 1};
    wg_var as_float = (wg_cast)(largest, wg_var_dtype(x));
    wg_var ties = wg_record(&wg__op_sum, &as_float, 1, &keep, sizeof keep);
    wg_var share = (wg_div)(with_axes(wg_vjp_grad(c, 0), x, attr), ties);
    wg_var zero = wg_const(wg_var_tape(x), wg_var_dtype(x), WG_SCALAR, 0);
    wg_vjp_add(c, 0, (wg_where)(largest, share, zero));
}

/* Where y is -inf every x is, and e^(x - y) stands for 0. */
static void logsumexp_vjp(wg_vjp *c)
{
    wg_var x = wg_vjp_in(c, 0);
    wg_var y = with_axes(wg_vjp_out(c, 0), x, wg_vjp_attr(c));
    wg_var g = with_axes(wg_vjp_grad(c, 0), x, wg_vjp_attr(c));
    wg_dtype dtype = wg_var_dtype(x);
    wg_var zero = wg_const(wg_var_tape(x), dtype, WG_SCALAR, 0);
    wg_var none = (wg_eq)(y, wg_const(wg_var_tape(x), dtype, WG_SCALAR, -INFINITY));
    wg_var safe = (wg_where)(none, zero, y);
    wg_vjp_add(c, 0, (wg_mul)(g, (wg_exp)((wg_sub)(x, safe))));
}

const wg_op wg__op_sum = {
    .size = sizeof(wg_op),
    .name = "sum",
    .version = 1,
    .traits = WG_OP_REDUCE,
    .n_in = 1,
    .n_out = 1,
    .infer = reduce_infer,
    .vjp = sum_vjp,
    .kernel = {sum_kernel},
    .row = sum_row,
    .format = reduce_format,
    .doc = "y = sum of x over axes",
};

const wg_op wg__op_max_over = {
    .size = sizeof(wg_op),
    .name = "max_over",
    .version = 1,
    .traits = WG_OP_REDUCE | WG_OP_KINKS,
    .n_in = 1,
    .n_out = 1,
    .infer = max_infer,
    .vjp = max_vjp,
    .kernel = {max_kernel},
    .row = max_row,
    .format = reduce_format,
    .doc = "y = largest of x over axes",
};

const wg_op wg__op_logsumexp = {
    .size = sizeof(wg_op),
    .name = "logsumexp",
    .version = 1,
    .traits = WG_OP_REDUCE,
    .n_in = 1,
    .n_out = 1,
    .infer = reduce_infer,
    .vjp = logsumexp_vjp,
    .kernel = {logsumexp_kernel},
    .row = logsumexp_row,
    .format = reduce_format,
    .doc = "y = ln sum e^x over axes",
};

/* Fills attr; false after poisoning x's tape (then *fail is the var to return). */
static bool reduce_axes(const char *name, wg_var x, const int *axes, int n_axes, bool keep,
                        wg_reduce_attr *attr, wg_var *fail)
{
    int rank = wg_rank(x);
    attr->axes = n_axes == 0 ? (1u << rank) - 1 : 0;
    attr->keep = keep;
    for (int i = 0; i < n_axes; i++) {
        int at;
        if (!wg__axis(axes[i], rank, &at)) {
            *fail = wg__fail_axis(name, x, axes[i]);
            return false;
        }
        if (attr->axes >> at & 1) {
            *fail = wg_tape_fail(wg_var_tape(x), WG_EINVAL, "%s: axis %d is given twice", name,
                                 axes[i]);
            return false;
        }
        attr->axes |= 1u << at;
    }
    return true;
}

static wg_var reduce(const wg_op *op, wg_var x, const int *axes, int n_axes, bool keep)
{
    if (!wg_var_ok(x)) return wg__pass_poison(op, x);
    wg_reduce_attr attr;
    wg_var fail;
    if (!reduce_axes(op->name, x, axes, n_axes, keep, &attr, &fail)) return fail;
    return wg_record(op, &x, 1, &attr, sizeof attr);
}

wg_var(wg_sum)(wg_var x, const int *axes, int n_axes, bool keep)
{
    return reduce(&wg__op_sum, x, axes, n_axes, keep);
}

wg_var(wg_max_over)(wg_var x, const int *axes, int n_axes, bool keep)
{
    return reduce(&wg__op_max_over, x, axes, n_axes, keep);
}

wg_var(wg_logsumexp)(wg_var x, const int *axes, int n_axes, bool keep)
{
    return reduce(&wg__op_logsumexp, x, axes, n_axes, keep);
}

/* Composition: scale(sum). Over no elements: nan. */
wg_var(wg_mean)(wg_var x, const int *axes, int n_axes, bool keep)
{
    wg_var sum = (wg_sum)(x, axes, n_axes, keep);
    if (!wg_var_ok(sum)) return sum;
    wg_shape from = wg_var_type(x).shape;
    double count = 1;
    for (int i = 0; i < from.rank; i++) {
        bool reduced = n_axes == 0;
        for (int j = 0; j < n_axes; j++)
            reduced |= (axes[j] < 0 ? axes[j] + from.rank : axes[j]) == i;
        if (reduced) count *= (double)from.dim[i];
    }
    return (wg_scale)(sum, 1.0 / count);
}

/* Composition. The root is taken of 1 where the sum is 0 and the result discarded, so that
 * derivatives of every order are 0 there and never 0 / 0. */
wg_var(wg_norm)(wg_var x, const int *axes, int n_axes, bool keep)
{
    wg_var sum = (wg_sum)((wg_square)(x), axes, n_axes, keep);
    if (!wg_var_ok(sum)) return sum;
    wg_tape *tape = wg_var_tape(sum);
    wg_var zero = wg_const(tape, wg_var_dtype(sum), WG_SCALAR, 0);
    wg_var one = wg_const(tape, wg_var_dtype(sum), WG_SCALAR, 1);
    wg_var null = (wg_eq)(sum, zero);
    return (wg_where)(null, zero, (wg_sqrt)((wg_where)(null, one, sum)));
}

wg_var(wg_sum_all)(wg_var x)
{
    return (wg_sum)(x, NULL, 0, false);
}

wg_var(wg_mean_all)(wg_var x)
{
    return (wg_mean)(x, NULL, 0, false);
}

wg_var(wg_sum_axis)(wg_var x, int axis, bool keep)
{
    return (wg_sum)(x, &axis, 1, keep);
}

/* ---- sum_to: the adjoint of broadcasting ---- */

static wg_status sum_to_infer(wg_infer *c)
{
    if (c->attr_size < sizeof(wg_shape)) return wg_infer_fail(c, WG_EINVAL, "shape is missing");
    const wg_shape *to = c->attr, *from = &c->in[0].shape;
    wg_shape both;
    char a[160], b[160];
    if (!wg_shape_broadcast(to, from, &both) || !wg_shape_equal(&both, from))
        return wg_infer_fail(c, WG_ESHAPE, "%s is not a broadcast form of %s",
                             wg_shape_format(from, a, sizeof a), wg_shape_format(to, b, sizeof b));
    if (!(WG_BIT(c->in[0].dtype) & WG_FLOATS))
        return wg_infer_fail(c, WG_EDTYPE, "needs a floating operand, not %s",
                             wg_dtype_name(c->in[0].dtype));
    c->out[0].dtype = c->in[0].dtype;
    c->out[0].shape = *to;
    return WG_OK;
}

static wg_status sum_to_kernel(wg_kernel *c)
{
    const wg_shape *to = &c->out[0].shape, *from = &c->in[0].shape;
    int skip = from->rank - to->rank;
    uint32_t axes = 0;
    for (int i = 0; i < from->rank; i++)
        if (i < skip || to->dim[i - skip] != from->dim[i]) axes |= 1u << i;
    return wg__reduce(c, WG__SUM, axes);
}

static void sum_to_vjp(wg_vjp *c)
{
    wg_vjp_add(c, 0, (wg_broadcast_to)(wg_vjp_grad(c, 0), wg_var_type(wg_vjp_in(c, 0)).shape));
}

static void sum_to_format(const void *attr, size_t attr_size, char *buf, size_t size)
{
    (void)attr_size;
    wg_shape_format(attr, buf, size);
}

const wg_op wg__op_sum_to = {
    .size = sizeof(wg_op),
    .name = "sum_to",
    .version = 1,
    .traits = WG_OP_OPAQUE,
    .n_in = 1,
    .n_out = 1,
    .infer = sum_to_infer,
    .vjp = sum_to_vjp,
    .kernel = {sum_to_kernel},
    .format = sum_to_format,
    .doc = "y = x summed over the axes along which y broadcasts to x",
};
