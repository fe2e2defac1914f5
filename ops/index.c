/* Index ops without an adjoint of their own: one_hot, argmax, top_k (whose values are gathered
 * from x, so their gradient is a scatter). */
#include "ops_internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <wengert/parallel.h>

#include "axes.h"

/* ---- one_hot ---- */

typedef struct one_hot_attr {
    int64_t classes, dtype;
} one_hot_attr;

static wg_status one_hot_infer(wg_infer *c)
{
    const one_hot_attr *attr = c->attr;
    wg_status status = wg__infer_dtype(c, 0, WG_BIT(WG_I32));
    if (status != WG_OK) return status;
    wg_shape shape = c->in[0].shape;
    if (shape.rank == WG_MAX_AXES)
        return wg_infer_fail(c, WG_ELIMIT, "ids of rank %d leave no axis for classes", shape.rank);
    if (c->attr_size < sizeof *attr || attr->classes < 0 || attr->classes > INT32_MAX)
        return wg_infer_fail(c, WG_EINVAL, "the number of classes is out of range");
    if (attr->dtype < 0 || attr->dtype >= WG_DTYPES)
        return wg_infer_fail(c, WG_EDTYPE, "unknown dtype %lld", (long long)attr->dtype);
    shape.dim[shape.rank++] = attr->classes;
    c->out[0].dtype = (wg_dtype)attr->dtype;
    c->out[0].shape = shape;
    return WG_OK;
}

static wg_status one_hot_kernel(wg_kernel *c)
{
    const wg_view *y = &c->out[0];
    const int32_t *id = c->in[0].data;
    int64_t n = wg_shape_count(&c->in[0].shape), classes = y->shape.dim[y->shape.rank - 1];
    if (n == 0 || classes == 0) return WG_OK;
    memset(y->data, 0, (size_t)(n * classes) * wg_dtype_size(y->dtype));
    for (int64_t i = 0; i < n; i++) {
        if (id[i] < 0 || id[i] >= classes) continue; /* equals none of the classes */
        int64_t at = i * classes + id[i];
        switch (y->dtype) {
        case WG_F32: ((float *)y->data)[at] = 1; break;
        case WG_F64: ((double *)y->data)[at] = 1; break;
        case WG_I32: ((int32_t *)y->data)[at] = 1; break;
        case WG_U8: ((uint8_t *)y->data)[at] = 1; break;
        }
    }
    return WG_OK;
}

static void one_hot_format(const void *attr, size_t attr_size, char *buf, size_t size)
{
    const one_hot_attr *a = attr;
    (void)attr_size;
    snprintf(buf, size, "classes=%lld", (long long)a->classes);
}

const wg_op wg__op_one_hot = {
    .size = sizeof(wg_op),
    .name = "one_hot",
    .version = 1,
    .traits = WG_OP_OPAQUE | WG_OP_ROWWISE | WG_OP_NO_GRADIENT,
    .n_in = 1,
    .n_out = 1,
    .infer = one_hot_infer,
    .kernel = {one_hot_kernel},
    .format = one_hot_format,
    .doc = "y[...,v] = ids[...] == v",
};

wg_var(wg_one_hot)(wg_var ids, int64_t classes, wg_dtype dtype)
{
    one_hot_attr attr = {classes, (int64_t)dtype};
    return wg_record(&wg__op_one_hot, &ids, 1, &attr, sizeof attr);
}

/* ---- order: nan above all, as in numpy, so that it is seen ---- */

static double at(wg_dtype dtype, const void *x, int64_t i)
{
    switch (dtype) {
    case WG_F32: return (double)((const float *)x)[i];
    case WG_F64: return ((const double *)x)[i];
    case WG_I32: return (double)((const int32_t *)x)[i];
    case WG_U8: return (double)((const uint8_t *)x)[i];
    }
    return 0;
}

static bool above(double a, double b)
{
    return a > b || (isnan(a) && !isnan(b));
}

/* ---- argmax ---- */

typedef struct argmax_attr {
    int64_t axis;
} argmax_attr;

static wg_status argmax_infer(wg_infer *c)
{
    const argmax_attr *attr = c->attr;
    wg_shape shape = c->in[0].shape;
    char text[192];
    wg__type_text(&c->in[0], text, sizeof text);
    if (c->attr_size < sizeof *attr || attr->axis < 0 || attr->axis >= shape.rank)
        return wg_infer_fail(c, WG_EINVAL, "axis is out of range for %s", text);
    if (shape.dim[attr->axis] < 1 || shape.dim[attr->axis] > INT32_MAX)
        return wg_infer_fail(c, WG_ESHAPE, "axis %lld of %s must have 1..2^31-1 elements",
                             (long long)attr->axis, text);
    for (int i = (int)attr->axis; i < shape.rank - 1; i++) shape.dim[i] = shape.dim[i + 1];
    shape.dim[--shape.rank] = 0;
    c->out[0].dtype = WG_I32;
    c->out[0].shape = shape;
    return WG_OK;
}

typedef struct order_run {
    wg_dtype dtype;
    size_t esize;
    int64_t n, inner;
    int64_t top; /* top_k: how many */
    const wg__kernels *k;
    const char *x;
    char *values;
    int32_t *index;
} order_run;

/* First element of a dense row of floats that equals `value` (or is nan where value is). */
static int64_t find(wg_dtype dtype, const void *x, int64_t n, double value)
{
    int64_t i = 0;
    bool nan = isnan(value);
    if (dtype == WG_F32) {
        const float *f = x, v = (float)value;
        while (i < n - 1 && !(nan ? isnan(f[i]) : f[i] == v)) i++;
    } else {
        const double *d = x;
        while (i < n - 1 && !(nan ? isnan(d[i]) : d[i] == value)) i++;
    }
    return i;
}

static void argmax_range(void *user, int64_t begin, int64_t end, int worker)
{
    const order_run *r = user;
    (void)worker;
    for (int64_t i = begin; i < end; i++) {
        const char *x = r->x + (i / r->inner * r->n * r->inner + i % r->inner) * (int64_t)r->esize;
        int64_t best = 0;
        if (r->inner == 1 && (WG_BIT(r->dtype) & WG_FLOATS)) {
            r->index[i] = (int32_t)find(r->dtype, x, r->n, r->k->row_max[r->dtype](x, r->n));
            continue;
        }
        for (int64_t j = 1; j < r->n; j++)
            if (above(at(r->dtype, x, j * r->inner), at(r->dtype, x, best * r->inner))) best = j;
        r->index[i] = (int32_t)best;
    }
}

static wg_status argmax_kernel(wg_kernel *c)
{
    const wg_view *x = &c->in[0];
    int axis = (int)((const argmax_attr *)c->attr)->axis;
    int64_t count = wg_shape_count(&c->out[0].shape);
    if (count == 0) return WG_OK;
    order_run r = {.dtype = x->dtype,
                   .esize = wg_dtype_size(x->dtype),
                   .n = x->shape.dim[axis],
                   .inner = wg__span(&x->shape, axis + 1, x->shape.rank),
                   .k = wg__kernels_for(c->isa),
                   .x = x->data,
                   .index = c->out[0].data};
    wg_parallel_for(c->threads, count, 1 + 8192 / r.n, argmax_range, &r);
    return WG_OK;
}

static void argmax_format(const void *attr, size_t attr_size, char *buf, size_t size)
{
    (void)attr_size;
    snprintf(buf, size, "axis=%lld", (long long)((const argmax_attr *)attr)->axis);
}

const wg_op wg__op_argmax = {
    .size = sizeof(wg_op),
    .name = "argmax",
    .version = 1,
    .traits = WG_OP_OPAQUE | WG_OP_NO_GRADIENT,
    .n_in = 1,
    .n_out = 1,
    .infer = argmax_infer,
    .kernel = {argmax_kernel},
    .format = argmax_format,
    .doc = "y = index of the largest of x along axis, the first of equals",
};

wg_var(wg_argmax)(wg_var x, int axis)
{
    if (!wg_var_ok(x)) return wg__pass_poison(&wg__op_argmax, x);
    int i;
    if (!wg__axis(axis, wg_rank(x), &i)) return wg__fail_axis("argmax", x, axis);
    argmax_attr attr = {i};
    return wg_record(&wg__op_argmax, &x, 1, &attr, sizeof attr);
}

/* ---- top_k ---- */

typedef struct top_k_attr {
    int64_t k;
} top_k_attr;

static wg_status top_k_infer(wg_infer *c)
{
    const top_k_attr *attr = c->attr;
    wg_shape shape = c->in[0].shape;
    wg_status status = wg__infer_dtype(c, 0, WG_FLOATS);
    if (status != WG_OK) return status;
    char text[192];
    wg__type_text(&c->in[0], text, sizeof text);
    if (shape.rank < 1) return wg_infer_fail(c, WG_ESHAPE, "needs at least one axis");
    int64_t n = shape.dim[shape.rank - 1];
    if (c->attr_size < sizeof *attr || attr->k < 0 || attr->k > n || n > INT32_MAX)
        return wg_infer_fail(c, WG_EINVAL, "the last axis of %s has no %lld largest", text,
                             c->attr_size < sizeof *attr ? 0 : (long long)attr->k);
    shape.dim[shape.rank - 1] = attr->k;
    c->out[0].dtype = c->in[0].dtype;
    c->out[1].dtype = WG_I32;
    c->out[0].shape = c->out[1].shape = shape;
    return WG_OK;
}

/* Element i comes before element j in the result. */
static bool before(const order_run *r, const void *x, int32_t i, int32_t j)
{
    double a = at(r->dtype, x, i), b = at(r->dtype, x, j);
    if (above(a, b)) return true;
    return !above(b, a) && i < j;
}

/* Heap of n indices whose root comes last in the result. */
static void sift(const order_run *r, const void *x, int32_t *heap, int64_t n, int64_t i)
{
    for (;;) {
        int64_t child = 2 * i + 1;
        if (child >= n) return;
        if (child + 1 < n && before(r, x, heap[child], heap[child + 1])) child++;
        if (!before(r, x, heap[i], heap[child])) return;
        int32_t t = heap[i];
        heap[i] = heap[child];
        heap[child] = t;
        i = child;
    }
}

/* The first element from i on that comes before the last one kept; the many that do not are passed
 * over in a tight loop. A later element must be larger, or nan, and then is looked at closely. */
static int64_t next(const order_run *r, const void *x, int64_t i, int32_t kept)
{
    for (;; i++) {
        if (r->dtype == WG_F32) {
            const float *f = x, limit = f[kept];
            while (i < r->n && f[i] <= limit) i++;
        } else {
            const double *d = x, limit = d[kept];
            while (i < r->n && d[i] <= limit) i++;
        }
        if (i >= r->n || before(r, x, (int32_t)i, kept)) return i;
    }
}

static void top_k_range(void *user, int64_t begin, int64_t end, int worker)
{
    const order_run *r = user;
    (void)worker;
    for (int64_t row = begin; row < end; row++) {
        const char *x = r->x + row * r->n * (int64_t)r->esize;
        int32_t *heap = r->index + row * r->top;
        for (int64_t i = 0; i < r->top; i++) heap[i] = (int32_t)i;
        for (int64_t i = r->top / 2 - 1; i >= 0; i--) sift(r, x, heap, r->top, i);
        for (int64_t i = next(r, x, r->top, heap[0]); i < r->n; i = next(r, x, i + 1, heap[0])) {
            heap[0] = (int32_t)i;
            sift(r, x, heap, r->top, 0);
        }
        for (int64_t n = r->top - 1; n > 0; n--) {
            int32_t t = heap[0];
            heap[0] = heap[n];
            heap[n] = t;
            sift(r, x, heap, n, 0);
        }
        char *values = r->values + row * r->top * (int64_t)r->esize;
        for (int64_t i = 0; i < r->top; i++)
            memcpy(values + i * (int64_t)r->esize, x + heap[i] * (int64_t)r->esize, r->esize);
    }
}

static wg_status top_k_kernel(wg_kernel *c)
{
    const wg_view *x = &c->in[0];
    if (wg_shape_count(&c->out[0].shape) == 0) return WG_OK;
    order_run r = {.dtype = x->dtype,
                   .esize = wg_dtype_size(x->dtype),
                   .n = x->shape.dim[x->shape.rank - 1],
                   .top = ((const top_k_attr *)c->attr)->k,
                   .x = x->data,
                   .values = c->out[0].data,
                   .index = c->out[1].data};
    wg_parallel_for(c->threads, wg__span(&x->shape, 0, x->shape.rank - 1), 1 + 8192 / r.n,
                    top_k_range, &r);
    return WG_OK;
}

static void top_k_vjp(wg_vjp *c)
{
    if (!wg_vjp_needs(c, 0) || !wg_vjp_has_grad(c, 0)) return;
    wg_vjp_add(
        c, 0,
        (wg_scatter_add)(wg_zeros_like(wg_vjp_in(c, 0)), -1, wg_vjp_out(c, 1), wg_vjp_grad(c, 0)));
}

static void top_k_format(const void *attr, size_t attr_size, char *buf, size_t size)
{
    (void)attr_size;
    snprintf(buf, size, "k=%lld", (long long)((const top_k_attr *)attr)->k);
}

const wg_op wg__op_top_k = {
    .size = sizeof(wg_op),
    .name = "top_k",
    .version = 1,
    .traits = WG_OP_OPAQUE | WG_OP_ROWWISE | WG_OP_KINKS,
    .n_in = 1,
    .n_out = 2,
    .infer = top_k_infer,
    .vjp = top_k_vjp,
    .kernel = {top_k_kernel},
    .format = top_k_format,
    .doc = "y, i = the k largest along the last axis, descending, and their indices",
};

wg_status(wg_top_k)(wg_var x, int k, wg_var *values, wg_var *indices)
{
    top_k_attr attr = {k};
    wg_var out[2];
    wg_status status = wg_record_n(&wg__op_top_k, &x, 1, &attr, sizeof attr, out, 2);
    *values = out[0];
    *indices = out[1];
    return status;
}
