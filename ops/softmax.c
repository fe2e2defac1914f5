/* Softmax over the last axis: plain, logarithm, masked.
 *
 *     softmax:      dx = y (g - sum g y)
 *     log_softmax:  dx = g - e^y sum g
 *
 * One pass a row over the kernels of the instruction set; the rules are maps and row reductions,
 * which fuse. */
#include "ops_internal.h"

#include <wengert/parallel.h>

#include "axes.h"

typedef struct softmax_run {
    const wg_kernel *c;
    const wg__kernels *k;
    int64_t n;
    size_t row_bytes;
} softmax_run;

static wg_status softmax_infer(wg_infer *c)
{
    wg_status status = wg__infer_dtype(c, 0, WG_FLOATS);
    if (status != WG_OK) return status;
    if (c->in[0].shape.rank < 1) return wg_infer_fail(c, WG_ESHAPE, "needs at least one axis");
    c->out[0] = c->in[0];
    return WG_OK;
}

static wg_status masked_infer(wg_infer *c)
{
    wg_status status = softmax_infer(c);
    if (status != WG_OK) return status;
    if (c->in[1].dtype != WG_U8 || !wg_shape_equal(&c->in[0].shape, &c->in[1].shape)) {
        char x[192], mask[192];
        return wg_infer_fail(c, WG_ESHAPE, "mask %s does not go with %s",
                             wg__type_text(&c->in[1], mask, sizeof mask),
                             wg__type_text(&c->in[0], x, sizeof x));
    }
    return WG_OK;
}

static void softmax_range(void *user, int64_t begin, int64_t end, int worker)
{
    const softmax_run *r = user;
    (void)worker;
    for (int64_t i = begin; i < end; i++)
        r->k->softmax_row[r->c->out[0].dtype](
            (const char *)r->c->in[0].data + (size_t)i * r->row_bytes,
            (char *)r->c->out[0].data + (size_t)i * r->row_bytes, r->n);
}

static void log_softmax_range(void *user, int64_t begin, int64_t end, int worker)
{
    const softmax_run *r = user;
    (void)worker;
    for (int64_t i = begin; i < end; i++)
        r->k->log_softmax_row[r->c->out[0].dtype](
            (const char *)r->c->in[0].data + (size_t)i * r->row_bytes,
            (char *)r->c->out[0].data + (size_t)i * r->row_bytes, r->n);
}

static void masked_range(void *user, int64_t begin, int64_t end, int worker)
{
    const softmax_run *r = user;
    (void)worker;
    for (int64_t i = begin; i < end; i++)
        r->k->softmax_masked_row[r->c->out[0].dtype](
            (const char *)r->c->in[0].data + (size_t)i * r->row_bytes,
            (const uint8_t *)r->c->in[1].data + i * r->n,
            (char *)r->c->out[0].data + (size_t)i * r->row_bytes, r->n);
}

static wg_status run_rows(wg_kernel *c, void (*body)(void *, int64_t, int64_t, int))
{
    const wg_shape *shape = &c->out[0].shape;
    if (wg_shape_count(shape) == 0) return WG_OK;
    softmax_run r = {c, wg__kernels_for(c->isa), shape->dim[shape->rank - 1], 0};
    r.row_bytes = (size_t)r.n * wg_dtype_size(c->out[0].dtype);
    wg_parallel_for(c->threads, wg__span(shape, 0, shape->rank - 1), 1 + 4096 / r.n, body, &r);
    return WG_OK;
}

static wg_status softmax_kernel(wg_kernel *c)
{
    return run_rows(c, softmax_range);
}

static wg_status log_softmax_kernel(wg_kernel *c)
{
    return run_rows(c, log_softmax_range);
}

static wg_status masked_kernel(wg_kernel *c)
{
    return run_rows(c, masked_range);
}

static void softmax_vjp(wg_vjp *c)
{
    if (!wg_vjp_needs(c, 0)) return;
    wg_var y = wg_vjp_out(c, 0), g = wg_vjp_grad(c, 0);
    wg_var mean = (wg_sum_axis)((wg_mul)(g, y), -1, true);
    wg_vjp_add(c, 0, (wg_mul)(y, (wg_sub)(g, mean)));
}

static void log_softmax_vjp(wg_vjp *c)
{
    wg_var y = wg_vjp_out(c, 0), g = wg_vjp_grad(c, 0);
    wg_vjp_add(c, 0, (wg_sub)(g, (wg_mul)((wg_exp)(y), (wg_sum_axis)(g, -1, true))));
}

const wg_op wg__op_softmax = {
    .size = sizeof(wg_op),
    .name = "softmax",
    .version = 1,
    .traits = WG_OP_OPAQUE | WG_OP_ROWWISE | WG_OP_INPLACE,
    .n_in = 1,
    .n_out = 1,
    .infer = softmax_infer,
    .vjp = softmax_vjp,
    .kernel = {softmax_kernel},
    .doc = "y_i = e^(x_i) / sum_j e^(x_j) over the last axis",
};

const wg_op wg__op_log_softmax = {
    .size = sizeof(wg_op),
    .name = "log_softmax",
    .version = 1,
    .traits = WG_OP_OPAQUE | WG_OP_ROWWISE | WG_OP_INPLACE,
    .n_in = 1,
    .n_out = 1,
    .infer = softmax_infer,
    .vjp = log_softmax_vjp,
    .kernel = {log_softmax_kernel},
    .doc = "y_i = x_i - ln sum_j e^(x_j) over the last axis",
};

const wg_op wg__op_softmax_masked = {
    .size = sizeof(wg_op),
    .name = "softmax_masked",
    .version = 1,
    .traits = WG_OP_OPAQUE | WG_OP_ROWWISE | WG_OP_INPLACE,
    .n_in = 2,
    .n_out = 1,
    .infer = masked_infer,
    .vjp = softmax_vjp,
    .kernel = {masked_kernel},
    .doc = "y = softmax over the entries with mask != 0, 0 elsewhere",
};

wg_var(wg_softmax)(wg_var x)
{
    return wg__record1(&wg__op_softmax, x);
}

wg_var(wg_log_softmax)(wg_var x)
{
    return wg__record1(&wg__op_log_softmax, x);
}

wg_var(wg_softmax_masked)(wg_var x, wg_var mask)
{
    if (wg_var_ok(x) && wg_var_ok(mask)) mask = (wg_broadcast_to)(mask, wg_var_type(x).shape);
    return wg__record2(&wg__op_softmax_masked, x, mask);
}
