/* Shape ops that move data: transpose, concat, stack, pad. All are strided copies (ndcopy.h).
 *
 * Adjoints: transpose by the inverse permutation, concat by slices, pad by a slice. */
#include "ops_internal.h"

#include <stdio.h>
#include <string.h>

#include <wengert/ops.h>

#include "axes.h"
#include "ndcopy.h"

/* ---- transpose ---- */

typedef struct transpose_attr {
    int32_t rank;
    int32_t perm[WG_MAX_AXES]; /* output axis i is input axis perm[i] */
    int32_t zero;
} transpose_attr;

static wg_status transpose_infer(wg_infer *c)
{
    const transpose_attr *attr = c->attr;
    const wg_shape *shape = &c->in[0].shape;
    if (c->attr_size < sizeof *attr || attr->rank != shape->rank)
        return wg_infer_fail(c, WG_ESHAPE, "a permutation of %d axes for an operand of rank %d",
                             c->attr_size < sizeof *attr ? 0 : attr->rank, shape->rank);
    unsigned seen = 0;
    for (int i = 0; i < attr->rank; i++) {
        if (attr->perm[i] < 0 || attr->perm[i] >= attr->rank || (seen >> attr->perm[i] & 1))
            return wg_infer_fail(c, WG_EINVAL, "entry %d of the permutation is %d", i,
                                 attr->perm[i]);
        seen |= 1u << attr->perm[i];
    }
    c->out[0].dtype = c->in[0].dtype;
    c->out[0].shape = *shape;
    for (int i = 0; i < attr->rank; i++) c->out[0].shape.dim[i] = shape->dim[attr->perm[i]];
    return WG_OK;
}

static wg_status transpose_kernel(wg_kernel *c)
{
    const transpose_attr *attr = c->attr;
    const wg_view *x = &c->in[0], *y = &c->out[0];
    int64_t ss[WG_MAX_AXES], ds[WG_MAX_AXES];
    wg__row_major(&y->shape, ds);
    for (int i = 0; i < attr->rank; i++) ss[i] = x->stride[attr->perm[i]];
    wg__ndcopy(wg_dtype_size(y->dtype), y->shape.rank, y->shape.dim, ds, y->data, ss, x->data,
               c->threads);
    return WG_OK;
}

static void transpose_vjp(wg_vjp *c)
{
    const transpose_attr *attr = wg_vjp_attr(c);
    int inverse[WG_MAX_AXES];
    for (int i = 0; i < attr->rank; i++) inverse[attr->perm[i]] = i;
    wg_vjp_add(c, 0, (wg_transpose)(wg_vjp_grad(c, 0), inverse, attr->rank));
}

static void transpose_format(const void *attr, size_t attr_size, char *buf, size_t size)
{
    const transpose_attr *t = attr;
    (void)attr_size;
    size_t used = (size_t)snprintf(buf, size, "perm=");
    for (int i = 0; i < t->rank && used < size; i++)
        used += (size_t)snprintf(buf + used, size - used, "%s%d", i ? "," : "", t->perm[i]);
}

const wg_op wg__op_transpose = {
    .size = sizeof(wg_op),
    .name = "transpose",
    .version = 1,
    .traits = WG_OP_OPAQUE | WG_OP_STRIDED,
    .n_in = 1,
    .n_out = 1,
    .infer = transpose_infer,
    .vjp = transpose_vjp,
    .kernel = {transpose_kernel},
    .format = transpose_format,
    .doc = "y = x with its axes in another order",
};

wg_var(wg_transpose)(wg_var x, const int *perm, int n_perm)
{
    if (!wg_var_ok(x)) return wg__pass_poison(&wg__op_transpose, x);
    int rank = wg_rank(x);
    if (n_perm != 0 && n_perm != rank)
        return wg_tape_fail(wg_var_tape(x), WG_EINVAL,
                            "transpose: a permutation of %d axes for an operand of rank %d", n_perm,
                            rank);
    transpose_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.rank = rank;
    bool same = true;
    for (int i = 0; i < rank; i++) {
        int axis = n_perm ? perm[i] : rank - 1 - i;
        if (!wg__axis(axis, rank, &axis)) return wg__fail_axis("transpose", x, perm[i]);
        attr.perm[i] = axis;
        if (axis != i) same = false;
    }
    return same ? x : wg_record(&wg__op_transpose, &x, 1, &attr, sizeof attr);
}

/* Composition: transpose. */
wg_var(wg_swap_axes)(wg_var x, int a, int b)
{
    if (!wg_var_ok(x)) return wg__pass_poison(&wg__op_transpose, x);
    int rank = wg_rank(x), i, j, perm[WG_MAX_AXES];
    if (!wg__axis(a, rank, &i)) return wg__fail_axis("swap_axes", x, a);
    if (!wg__axis(b, rank, &j)) return wg__fail_axis("swap_axes", x, b);
    for (int k = 0; k < rank; k++) perm[k] = k;
    perm[i] = j;
    perm[j] = i;
    return (wg_transpose)(x, perm, rank);
}

/* ---- concat, stack ---- */

typedef wg_join_attr concat_attr;

static wg_status concat_infer(wg_infer *c)
{
    const concat_attr *attr = c->attr;
    if (c->n_in < 1) return wg_infer_fail(c, WG_EINVAL, "needs at least one operand");
    char first[192], other[192];
    wg__type_text(&c->in[0], first, sizeof first);
    wg_shape shape = c->in[0].shape;
    if (c->attr_size < sizeof *attr || attr->axis < 0 || attr->axis >= shape.rank)
        return wg_infer_fail(c, WG_EINVAL, "axis is out of range for %s", first);
    for (int i = 1; i < c->n_in; i++) {
        wg__type_text(&c->in[i], other, sizeof other);
        if (c->in[i].dtype != c->in[0].dtype)
            return wg_infer_fail(c, WG_EDTYPE, "operand %d is %s, operand 0 is %s", i, other,
                                 first);
        bool fits = c->in[i].shape.rank == shape.rank;
        for (int a = 0; fits && a < shape.rank; a++)
            fits = a == attr->axis || c->in[i].shape.dim[a] == shape.dim[a];
        if (!fits)
            return wg_infer_fail(c, WG_ESHAPE,
                                 "operand %d is %s, operand 0 is %s: they may differ along axis "
                                 "%lld only",
                                 i, other, first, (long long)attr->axis);
        if (__builtin_add_overflow(shape.dim[attr->axis], c->in[i].shape.dim[attr->axis],
                                   &shape.dim[attr->axis]))
            return wg_infer_fail(c, WG_EOVERFLOW, "axis %lld becomes too long",
                                 (long long)attr->axis);
    }
    c->out[0].dtype = c->in[0].dtype;
    c->out[0].shape = shape;
    return WG_OK;
}

static wg_status concat_kernel(wg_kernel *c)
{
    const concat_attr *attr = c->attr;
    const wg_view *y = &c->out[0];
    size_t esize = wg_dtype_size(y->dtype);
    int64_t ds[WG_MAX_AXES], offset = 0;
    wg__row_major(&y->shape, ds);
    for (int i = 0; i < c->n_in; i++) {
        const wg_view *x = &c->in[i];
        wg__ndcopy(esize, x->shape.rank, x->shape.dim, ds,
                   (char *)y->data + offset * ds[attr->axis] * (int64_t)esize, x->stride, x->data,
                   c->threads);
        offset += x->shape.dim[attr->axis];
    }
    return WG_OK;
}

static void concat_vjp(wg_vjp *c)
{
    const concat_attr *attr = wg_vjp_attr(c);
    wg_var g = wg_vjp_grad(c, 0);
    int64_t offset = 0;
    for (int i = 0; i < wg_vjp_n_in(c); i++) {
        int64_t length = wg_dim(wg_vjp_in(c, i), (int)attr->axis);
        if (wg_vjp_needs(c, i)) wg_vjp_add(c, i, (wg_slice)(g, (int)attr->axis, offset, length));
        offset += length;
    }
}

static void concat_format(const void *attr, size_t attr_size, char *buf, size_t size)
{
    const concat_attr *a = attr;
    (void)attr_size;
    snprintf(buf, size, "axis=%lld", (long long)a->axis);
}

const wg_op wg__op_concat = {
    .size = sizeof(wg_op),
    .name = "concat",
    .version = 1,
    .traits = WG_OP_OPAQUE | WG_OP_STRIDED | WG_OP_JOIN | WG_OP_CHEAP,
    .n_in = -1,
    .n_out = 1,
    .infer = concat_infer,
    .vjp = concat_vjp,
    .kernel = {concat_kernel},
    .format = concat_format,
    .doc = "y = x_0, x_1, ... one after another along axis",
};

wg_var(wg_concat)(const wg_var *x, int n, int axis)
{
    /* Without an operand there is no tape to report to. */
    if (n < 1) return WG_NONE;
    concat_attr attr = {0};
    int at;
    if (wg_var_ok(x[0])) {
        if (!wg__axis(axis, wg_rank(x[0]), &at)) return wg__fail_axis("concat", x[0], axis);
        attr.axis = at;
    }
    return wg_record(&wg__op_concat, x, n, &attr, sizeof attr);
}

/* Composition: concat of expand_dims. */
wg_var(wg_stack)(const wg_var *x, int n, int axis)
{
    if (n < 1) return WG_NONE;
    int at = 0;
    if (wg_var_ok(x[0]) && !wg__axis(axis, wg_rank(x[0]) + 1, &at))
        return wg__fail_axis("stack", x[0], axis);
    enum { FEW = 16 };
    wg_tape *tape = wg_var_tape(x[0]);
    wg_var few[FEW], *wide = n > FEW ? wg_tape_alloc(tape, (size_t)n, sizeof *wide) : few;
    if (!wide) return tape ? wg_tape_fail(tape, WG_ENOMEM, "stack: out of memory") : WG_NONE;
    for (int i = 0; i < n; i++) wide[i] = (wg_expand_dims)(x[i], at);
    return (wg_concat)(wide, n, at);
}

/* ---- pad ---- */

typedef struct pad_attr {
    int64_t axis, before, after;
} pad_attr;

static wg_status pad_infer(wg_infer *c)
{
    const pad_attr *attr = c->attr;
    wg_shape shape = c->in[0].shape;
    char text[192];
    wg__type_text(&c->in[0], text, sizeof text);
    if (c->attr_size < sizeof *attr || attr->axis < 0 || attr->axis >= shape.rank)
        return wg_infer_fail(c, WG_EINVAL, "axis is out of range for %s", text);
    int64_t *dim = &shape.dim[attr->axis];
    if (attr->before < 0 || attr->after < 0 || __builtin_add_overflow(*dim, attr->before, dim) ||
        __builtin_add_overflow(*dim, attr->after, dim))
        return wg_infer_fail(c, WG_EINVAL, "%lld before and %lld after axis %lld of %s",
                             (long long)attr->before, (long long)attr->after, (long long)attr->axis,
                             text);
    c->out[0].dtype = c->in[0].dtype;
    c->out[0].shape = shape;
    return WG_OK;
}

/* Fills axis positions [start, start + length) with zeros: length 0 stride source. */
static void pad_zeros(const wg_kernel *c, int64_t axis, int64_t start, int64_t length)
{
    static const int64_t none[WG_MAX_AXES];
    static const double zero;
    const wg_view *y = &c->out[0];
    int64_t ds[WG_MAX_AXES];
    size_t esize = wg_dtype_size(y->dtype);
    wg__row_major(&y->shape, ds);
    wg_shape block = y->shape;
    block.dim[axis] = length;
    wg__ndcopy(esize, block.rank, block.dim, ds,
               (char *)y->data + start * ds[axis] * (int64_t)esize, none, &zero, c->threads);
}

static wg_status pad_kernel(wg_kernel *c)
{
    const pad_attr *attr = c->attr;
    const wg_view *x = &c->in[0], *y = &c->out[0];
    int64_t ds[WG_MAX_AXES], length = x->shape.dim[attr->axis];
    size_t esize = wg_dtype_size(y->dtype);
    wg__row_major(&y->shape, ds);
    pad_zeros(c, attr->axis, 0, attr->before);
    wg__ndcopy(esize, x->shape.rank, x->shape.dim, ds,
               (char *)y->data + attr->before * ds[attr->axis] * (int64_t)esize, x->stride, x->data,
               c->threads);
    pad_zeros(c, attr->axis, attr->before + length, attr->after);
    return WG_OK;
}

static void pad_vjp(wg_vjp *c)
{
    const pad_attr *attr = wg_vjp_attr(c);
    int64_t length = wg_dim(wg_vjp_in(c, 0), (int)attr->axis);
    wg_vjp_add(c, 0, (wg_slice)(wg_vjp_grad(c, 0), (int)attr->axis, attr->before, length));
}

static void pad_format(const void *attr, size_t attr_size, char *buf, size_t size)
{
    const pad_attr *p = attr;
    (void)attr_size;
    snprintf(buf, size, "axis=%lld before=%lld after=%lld", (long long)p->axis,
             (long long)p->before, (long long)p->after);
}

const wg_op wg__op_pad = {
    .size = sizeof(wg_op),
    .name = "pad",
    .version = 1,
    .traits = WG_OP_OPAQUE | WG_OP_STRIDED,
    .n_in = 1,
    .n_out = 1,
    .infer = pad_infer,
    .vjp = pad_vjp,
    .kernel = {pad_kernel},
    .format = pad_format,
    .doc = "y = zeros, x, zeros along axis",
};

wg_var(wg_pad)(wg_var x, int axis, int64_t before, int64_t after)
{
    if (!wg_var_ok(x)) return wg__pass_poison(&wg__op_pad, x);
    int at;
    if (!wg__axis(axis, wg_rank(x), &at)) return wg__fail_axis("pad", x, axis);
    if (before == 0 && after == 0) return x;
    pad_attr attr = {at, before, after};
    return wg_record(&wg__op_pad, &x, 1, &attr, sizeof attr);
}
