/* Ops that know about time and lengths: reverse, sequence_mask, pad_edge. Sequences are time major,
 * [T,B,...], lengths i32 [B]. */
#include "ops_internal.h"

#include <stdio.h>
#include <string.h>

#include <wengert/parallel.h>

#include "axes.h"
#include "ndcopy.h"

/* x [T,B,...] and lengths [B] at in[0], in[1]. */
static wg_status check_lengths(wg_infer *c)
{
    const wg_type *x = &c->in[0], *lengths = &c->in[1];
    char a[192], b[192];
    if (lengths->dtype != WG_I32 || lengths->shape.rank != 1 || x->shape.rank < 2 ||
        lengths->shape.dim[0] != x->shape.dim[1])
        return wg_infer_fail(c, WG_ESHAPE, "lengths %s do not go with a sequence [T,B,...] %s",
                             wg__type_text(lengths, b, sizeof b), wg__type_text(x, a, sizeof a));
    return WG_OK;
}

static wg_status check_length_range(wg_kernel *c, const char *name, const wg_view *lengths,
                                    int64_t steps)
{
    const int32_t *length = lengths->data;
    for (int64_t b = 0; b < lengths->shape.dim[0]; b++)
        if (length[b] < 0 || length[b] > steps)
            return wg_error_set(c->err, WG_EINVAL, "%s: length %d of row %lld is outside 0..%lld",
                                name, (int)length[b], (long long)b, (long long)steps);
    return WG_OK;
}

/* Rows of x [T,B,...], one a (step, batch row). */
typedef struct steps_run {
    const int32_t *length;
    int64_t steps, batch;
    size_t row_bytes;
    const char *x;
    char *y;
} steps_run;

static steps_run steps_of(const wg_kernel *c)
{
    const wg_shape *s = &c->in[0].shape;
    steps_run r = {c->in[1].data, s->dim[0], s->dim[1], 0, c->in[0].data, c->out[0].data};
    r.row_bytes = (size_t)wg__span(s, 2, s->rank) * wg_dtype_size(c->in[0].dtype);
    return r;
}

static void take(const steps_run *r, int64_t to_step, int64_t from_step, int64_t b)
{
    memcpy(r->y + (size_t)(to_step * r->batch + b) * r->row_bytes,
           r->x + (size_t)(from_step * r->batch + b) * r->row_bytes, r->row_bytes);
}

/* ---- reverse ---- */

typedef struct reverse_attr {
    int64_t axis;
} reverse_attr;

static wg_status reverse_infer(wg_infer *c)
{
    const reverse_attr *attr = c->attr;
    char text[192];
    if (c->n_in != 1 && c->n_in != 2)
        return wg_infer_fail(c, WG_EINVAL, "takes x and perhaps lengths");
    if (c->attr_size < sizeof *attr || attr->axis < 0 || attr->axis >= c->in[0].shape.rank)
        return wg_infer_fail(c, WG_EINVAL, "axis is out of range for %s",
                             wg__type_text(&c->in[0], text, sizeof text));
    if (c->n_in == 2) {
        if (attr->axis != 0)
            return wg_infer_fail(c, WG_EINVAL, "with lengths, the axis must be 0 (time), not %lld",
                                 (long long)attr->axis);
        wg_status status = check_lengths(c);
        if (status != WG_OK) return status;
    }
    c->out[0] = c->in[0];
    return WG_OK;
}

static void reverse_steps(void *user, int64_t begin, int64_t end, int worker)
{
    const steps_run *r = user;
    (void)worker;
    for (int64_t t = begin; t < end; t++)
        for (int64_t b = 0; b < r->batch; b++)
            take(r, t, t < r->length[b] ? r->length[b] - 1 - t : t, b);
}

static wg_status reverse_kernel(wg_kernel *c)
{
    const wg_view *x = &c->in[0];
    if (wg_shape_count(&x->shape) == 0) return WG_OK;
    if (c->n_in == 2) {
        wg_status status = check_length_range(c, "reverse", &c->in[1], x->shape.dim[0]);
        if (status != WG_OK) return status;
        steps_run r = steps_of(c);
        wg_parallel_for(c->threads, r.steps, 1 + 65536 / (int64_t)(r.row_bytes * (size_t)r.batch),
                        reverse_steps, &r);
        return WG_OK;
    }
    int axis = (int)((const reverse_attr *)c->attr)->axis;
    int64_t ds[WG_MAX_AXES], ss[WG_MAX_AXES];
    size_t esize = wg_dtype_size(x->dtype);
    wg__row_major(&x->shape, ds);
    memcpy(ss, ds, sizeof ss);
    ss[axis] = -ds[axis];
    const char *last = (const char *)x->data + (x->shape.dim[axis] - 1) * ds[axis] * (int64_t)esize;
    wg__ndcopy(esize, x->shape.rank, x->shape.dim, ds, c->out[0].data, ss, last, c->threads);
    return WG_OK;
}

static void reverse_vjp(wg_vjp *c)
{
    const reverse_attr *attr = wg_vjp_attr(c);
    if (!wg_vjp_needs(c, 0)) return;
    wg_var lengths = wg_vjp_n_in(c) == 2 ? wg_vjp_in(c, 1) : WG_NONE;
    wg_vjp_add(c, 0, (wg_reverse)(wg_vjp_grad(c, 0), (int)attr->axis, lengths));
}

static void reverse_format(const void *attr, size_t attr_size, char *buf, size_t size)
{
    (void)attr_size;
    snprintf(buf, size, "axis=%lld", (long long)((const reverse_attr *)attr)->axis);
}

const wg_op wg__op_reverse = {
    .size = sizeof(wg_op),
    .name = "reverse",
    .version = 1,
    .traits = WG_OP_OPAQUE,
    .n_in = -1,
    .n_out = 1,
    .infer = reverse_infer,
    .vjp = reverse_vjp,
    .kernel = {reverse_kernel},
    .format = reverse_format,
    .doc = "y[t] = x[T-1-t] along axis, within lengths where given",
};

wg_var(wg_reverse)(wg_var x, int axis, wg_var lengths)
{
    if (!wg_var_ok(x)) return wg__pass_poison(&wg__op_reverse, x);
    int at;
    if (!wg__axis(axis, wg_rank(x), &at)) return wg__fail_axis("reverse", x, axis);
    reverse_attr attr = {at};
    wg_var in[2] = {x, lengths};
    return wg_record(&wg__op_reverse, in, wg_is_none(lengths) ? 1 : 2, &attr, sizeof attr);
}

/* ---- sequence_mask ---- */

/* The same structure as core/builtin.h has: core records this op by itself. */
typedef struct wg__sequence_mask_attr {
    int64_t steps;
    int64_t time_major;
} wg__sequence_mask_attr;

static wg_status mask_infer(wg_infer *c)
{
    const wg__sequence_mask_attr *attr = c->attr;
    char text[192];
    if (c->in[0].dtype != WG_I32 || c->in[0].shape.rank != 1)
        return wg_infer_fail(c, WG_ESHAPE, "lengths must be i32[B], not %s",
                             wg__type_text(&c->in[0], text, sizeof text));
    if (c->attr_size < sizeof *attr || attr->steps < 0)
        return wg_infer_fail(c, WG_EINVAL, "the number of steps is negative");
    int64_t batch = c->in[0].shape.dim[0];
    c->out[0].dtype = WG_U8;
    c->out[0].shape =
        attr->time_major ? WG_SHAPE(attr->steps, batch) : WG_SHAPE(batch, attr->steps);
    return WG_OK;
}

static wg_status mask_kernel(wg_kernel *c)
{
    const wg__sequence_mask_attr *attr = c->attr;
    const int32_t *length = c->in[0].data;
    uint8_t *y = c->out[0].data;
    int64_t batch = c->in[0].shape.dim[0];
    if (attr->time_major) {
        for (int64_t t = 0; t < attr->steps; t++)
            for (int64_t b = 0; b < batch; b++) y[t * batch + b] = t < length[b];
    } else {
        for (int64_t b = 0; b < batch; b++)
            for (int64_t t = 0; t < attr->steps; t++) y[b * attr->steps + t] = t < length[b];
    }
    return WG_OK;
}

static void mask_format(const void *attr, size_t attr_size, char *buf, size_t size)
{
    const wg__sequence_mask_attr *a = attr;
    (void)attr_size;
    snprintf(buf, size, "steps=%lld%s", (long long)a->steps, a->time_major ? " time_major" : "");
}

const wg_op wg__op_sequence_mask = {
    .size = sizeof(wg_op),
    .name = "sequence_mask",
    .version = 1,
    .traits = WG_OP_OPAQUE | WG_OP_NO_GRADIENT,
    .n_in = 1,
    .n_out = 1,
    .infer = mask_infer,
    .kernel = {mask_kernel},
    .format = mask_format,
    .doc = "y[t,b] = t < lengths[b]",
};

wg_var(wg_sequence_mask)(wg_var lengths, int64_t steps, bool time_major)
{
    wg__sequence_mask_attr attr = {steps, time_major};
    return wg_record(&wg__op_sequence_mask, &lengths, 1, &attr, sizeof attr);
}

/* ---- pad_edge ---- */

static wg_status pad_edge_infer(wg_infer *c)
{
    wg_status status = check_lengths(c);
    if (status != WG_OK) return status;
    c->out[0] = c->in[0];
    return WG_OK;
}

static void pad_edge_steps(void *user, int64_t begin, int64_t end, int worker)
{
    const steps_run *r = user;
    (void)worker;
    for (int64_t t = begin; t < end; t++)
        for (int64_t b = 0; b < r->batch; b++) {
            if (r->length[b] > 0)
                take(r, t, t < r->length[b] ? t : r->length[b] - 1, b);
            else
                memset(r->y + (size_t)(t * r->batch + b) * r->row_bytes, 0, r->row_bytes);
        }
}

static wg_status pad_edge_kernel(wg_kernel *c)
{
    if (wg_shape_count(&c->in[0].shape) == 0) return WG_OK;
    wg_status status = check_length_range(c, "pad_edge", &c->in[1], c->in[0].shape.dim[0]);
    if (status != WG_OK) return status;
    steps_run r = steps_of(c);
    wg_parallel_for(c->threads, r.steps, 1 + 65536 / (int64_t)(r.row_bytes * (size_t)r.batch),
                    pad_edge_steps, &r);
    return WG_OK;
}

/* The adjoint: what came to the padding goes to the last valid step, which it stood in for. */
static void pad_edge_vjp(wg_vjp *c)
{
    wg_vjp_add(c, 0, wg__record2(&wg__op_fold_edge, wg_vjp_grad(c, 0), wg_vjp_in(c, 1)));
}

const wg_op wg__op_pad_edge = {
    .size = sizeof(wg_op),
    .name = "pad_edge",
    .version = 1,
    .traits = WG_OP_OPAQUE,
    .n_in = 2,
    .n_out = 1,
    .infer = pad_edge_infer,
    .vjp = pad_edge_vjp,
    .kernel = {pad_edge_kernel},
    .doc = "y[t,b] = x[min(t, lengths[b] - 1), b]",
};

wg_var(wg_pad_edge)(wg_var x, wg_var lengths)
{
    return wg__record2(&wg__op_pad_edge, x, lengths);
}

/* ---- fold_edge: the adjoint of pad_edge ---- */

#define FOLD_ROWS(type)                                                                       \
    for (int64_t b = begin; b < end; b++) {                                                   \
        int64_t last = (int64_t)r->length[b] - 1, n = (int64_t)(r->row_bytes / sizeof(type)); \
        for (int64_t t = 0; t < r->steps; t++) {                                              \
            const type *x = (const type *)(const void *)r->x + (t * r->batch + b) * n;        \
            type *y = (type *)(void *)r->y + (t * r->batch + b) * n;                          \
            if (t <= last) {                                                                  \
                memcpy(y, x, r->row_bytes);                                                   \
                continue;                                                                     \
            }                                                                                 \
            memset(y, 0, r->row_bytes);                                                       \
            if (last < 0) continue;                                                           \
            y = (type *)(void *)r->y + (last * r->batch + b) * n;                             \
            for (int64_t i = 0; i < n; i++) y[i] += x[i];                                     \
        }                                                                                     \
    }

static void fold_rows_f32(void *user, int64_t begin, int64_t end, int worker)
{
    const steps_run *r = user;
    (void)worker;
    FOLD_ROWS(float)
}

static void fold_rows_f64(void *user, int64_t begin, int64_t end, int worker)
{
    const steps_run *r = user;
    (void)worker;
    FOLD_ROWS(double)
}

static wg_status fold_edge_infer(wg_infer *c)
{
    if (!(WG_BIT(c->in[0].dtype) & WG_FLOATS))
        return wg_infer_fail(c, WG_EDTYPE, "takes f32 or f64, got %s",
                             wg_dtype_name(c->in[0].dtype));
    return pad_edge_infer(c);
}

static wg_status fold_edge_kernel(wg_kernel *c)
{
    if (wg_shape_count(&c->in[0].shape) == 0) return WG_OK;
    wg_status status = check_length_range(c, "fold_edge", &c->in[1], c->in[0].shape.dim[0]);
    if (status != WG_OK) return status;
    steps_run r = steps_of(c);
    int64_t grain = 1 + 65536 / (r.steps * (int64_t)r.row_bytes + 1);
    wg_parallel_for(c->threads, r.batch, grain,
                    c->in[0].dtype == WG_F32 ? fold_rows_f32 : fold_rows_f64, &r);
    return WG_OK;
}

static void fold_edge_vjp(wg_vjp *c)
{
    wg_vjp_add(c, 0, (wg_pad_edge)(wg_vjp_grad(c, 0), wg_vjp_in(c, 1)));
}

const wg_op wg__op_fold_edge = {
    .size = sizeof(wg_op),
    .name = "fold_edge",
    .version = 1,
    .traits = WG_OP_OPAQUE,
    .n_in = 2,
    .n_out = 1,
    .infer = fold_edge_infer,
    .vjp = fold_edge_vjp,
    .kernel = {fold_edge_kernel},
    .doc = "y[t,b] = x[t,b] before the last valid step, there the sum of it and the padding",
};
