/* Cross entropy with index targets, label smoothing and a mask, and its gradient, each in one pass
 * over the logits without a distribution in memory. The gradient may be written over the logits,
 * row by row, so that a step has one buffer of that size where nothing needs them afterwards. There
 * the compiler makes one op of the two (cross_entropy_pair.c), which is one pass for both.
 *
 *     loss = ln sum e^x - (1 - s) x_t - s/V sum x,       dx = g (softmax(x) - q),
 *     q = (1 - s) onehot(t) + s / V              (Szegedy et al. 2016, sec. 7)
 *
 * The gradient is an op of its own whose derivative is that of the composition written above. */
#include "ops_internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <wengert/parallel.h>

#include "axes.h"
#include "cross_entropy.h"
#include "reduce_run.h"

/* Checks logits, targets and perhaps a mask at in[first..]. */
static wg_status check_operands(wg_infer *c, int first)
{
    const wg__cross_entropy_attr *attr = c->attr;
    int n = c->n_in - first;
    if (n != 2 && n != 3)
        return wg_infer_fail(c, WG_EINVAL, "takes logits, targets and perhaps a mask");
    wg_status status = wg__infer_dtype(c, first, WG_FLOATS);
    if (status != WG_OK) return status;
    if (c->attr_size < sizeof *attr || !(attr->smoothing >= 0 && attr->smoothing <= 1))
        return wg_infer_fail(c, WG_EINVAL, "label smoothing must be 0..1");
    const wg_type *x = &c->in[first];
    char logits[192], other[192];
    wg__type_text(x, logits, sizeof logits);
    if (x->shape.rank < 1 || x->shape.dim[x->shape.rank - 1] < 1)
        return wg_infer_fail(c, WG_ESHAPE, "logits %s have no classes", logits);
    wg_shape rows = wg_shape_of(x->shape.rank - 1, x->shape.dim);
    for (int i = 1; i < n; i++) {
        const wg_type *t = &c->in[first + i];
        if (t->dtype != (i == 1 ? WG_I32 : WG_U8) || !wg_shape_equal(&t->shape, &rows))
            return wg_infer_fail(c, WG_ESHAPE, "%s %s do not go with logits %s",
                                 i == 1 ? "targets (i32)" : "mask (u8)",
                                 wg__type_text(t, other, sizeof other), logits);
    }
    return WG_OK;
}

static wg_status loss_infer(wg_infer *c)
{
    wg_status status = check_operands(c, 0);
    if (status != WG_OK) return status;
    c->out[0].dtype = c->in[0].dtype;
    c->out[0].shape = wg_shape_of(c->in[0].shape.rank - 1, c->in[0].shape.dim);
    return WG_OK;
}

static wg_status grad_infer(wg_infer *c)
{
    wg_status status = check_operands(c, 1);
    if (status != WG_OK) return status;
    wg_shape rows = wg_shape_of(c->in[1].shape.rank - 1, c->in[1].shape.dim);
    if (c->in[0].dtype != c->in[1].dtype || !wg_shape_equal(&c->in[0].shape, &rows)) {
        char g[192], x[192];
        return wg_infer_fail(c, WG_ESHAPE, "gradient %s does not go with logits %s",
                             wg__type_text(&c->in[0], g, sizeof g),
                             wg__type_text(&c->in[1], x, sizeof x));
    }
    c->out[0] = c->in[1];
    return WG_OK;
}

static void loss_range(void *user, int64_t begin, int64_t end, int worker)
{
    const wg__cross_entropy *r = user;
    (void)worker;
    for (int64_t i = begin; i < end; i++) {
        const char *x = r->x + (size_t)i * r->row_bytes;
        double loss = 0;
        if (!r->mask || r->mask[i])
            loss = wg__cross_entropy_loss(
                r, wg__cross_entropy_of(r, i, x),
                wg__reduce_row(WG__LOGSUMEXP, r->isa, r->dtype, x, r->classes));
        wg__cross_entropy_put(r->dtype, r->loss, i, loss);
    }
}

static void grad_range(void *user, int64_t begin, int64_t end, int worker)
{
    const wg__cross_entropy *r = user;
    (void)worker;
    for (int64_t i = begin; i < end; i++) {
        const char *x = r->x + (size_t)i * r->row_bytes;
        char *dx = r->dx + (size_t)i * r->row_bytes;
        if (r->mask && !r->mask[i]) {
            memset(dx, 0, r->row_bytes);
            continue;
        }
        double max = r->k->row_max[r->dtype](x, r->classes);
        wg__cross_entropy_gradient(r, i, dx, wg__cross_entropy_exp(r, x, max, dx), NULL);
    }
}

static wg_status loss_kernel(wg_kernel *c)
{
    wg__cross_entropy r;
    wg_status status = wg__cross_entropy_prepare(&r, c, 0, c->n_in);
    if (status != WG_OK) return status;
    r.loss = c->out[0].data;
    wg_parallel_for(c->threads, r.rows, 1 + 4096 / r.classes, loss_range, &r);
    return WG_OK;
}

static wg_status grad_kernel(wg_kernel *c)
{
    wg__cross_entropy r;
    wg_status status = wg__cross_entropy_prepare(&r, c, 1, c->n_in);
    if (status != WG_OK) return status;
    r.g = c->in[0].data;
    r.dx = c->out[0].data;
    wg_parallel_for(c->threads, r.rows, 1 + 4096 / r.classes, grad_range, &r);
    return WG_OK;
}

static void loss_vjp(wg_vjp *c)
{
    if (!wg_vjp_needs(c, 0)) return;
    int n = wg_vjp_n_in(c);
    wg_var in[4] = {wg_vjp_grad(c, 0)};
    for (int i = 0; i < n; i++) in[i + 1] = wg_vjp_in(c, i);
    wg_vjp_add(
        c, 0,
        wg_record(&wg__op_cross_entropy_grad, in, n + 1, wg_vjp_attr(c), wg_vjp_attr_size(c)));
}

static void grad_vjp(wg_vjp *c)
{
    const wg__cross_entropy_attr *attr = wg_vjp_attr(c);
    wg_var g = (wg_expand_dims)(wg_vjp_in(c, 0), -1), x = wg_vjp_in(c, 1);
    int64_t classes = wg_dim(x, -1);
    wg_var q = (wg_one_hot)(wg_vjp_in(c, 2), classes, wg_var_dtype(x));
    if (attr->smoothing > 0)
        q = (wg_add_scalar)((wg_scale)(q, 1 - attr->smoothing), attr->smoothing / (double)classes);
    wg_var same = (wg_mul)(g, (wg_sub)((wg_softmax)(x), q));
    if (wg_vjp_n_in(c) == 4)
        same = (wg_where)((wg_expand_dims)(wg_vjp_in(c, 3), -1), same, wg__number_like(x, 0));
    wg_vjp_through(c, same);
}

void wg__cross_entropy_format(const void *attr, size_t attr_size, char *buf, size_t size)
{
    (void)attr_size;
    /* Thousandths: printf's %g would follow the locale. */
    int thousandths = (int)lround(((const wg__cross_entropy_attr *)attr)->smoothing * 1000);
    snprintf(buf, size, "smoothing=%d/1000", thousandths);
}

const wg_op wg__op_cross_entropy = {
    .size = sizeof(wg_op),
    .name = "cross_entropy",
    .version = 1,
    .traits = WG_OP_OPAQUE | WG_OP_ROWWISE,
    .n_in = -1,
    .n_out = 1,
    .infer = loss_infer,
    .vjp = loss_vjp,
    .kernel = {loss_kernel},
    .format = wg__cross_entropy_format,
    .gradient = &wg__op_cross_entropy_grad,
    .paired = &wg__op_cross_entropy_pair,
    .doc = "y = -sum_v q_v ln softmax(logits)_v, q = (1-s) onehot(target) + s/V",
};

const wg_op wg__op_cross_entropy_grad = {
    .size = sizeof(wg_op),
    .name = "cross_entropy_grad",
    .version = 1,
    .traits = WG_OP_OPAQUE | WG_OP_ROWWISE | WG_OP_INPLACE,
    .n_in = -1,
    .n_out = 1,
    .infer = grad_infer,
    .vjp = grad_vjp,
    .kernel = {grad_kernel},
    .format = wg__cross_entropy_format,
    .doc = "y = g (softmax(logits) - q), q = (1-s) onehot(target) + s/V",
};

wg_var(wg_cross_entropy)(wg_var logits, wg_var targets, wg_var mask, double label_smoothing)
{
    wg__cross_entropy_attr attr = {label_smoothing};
    wg_var in[3] = {logits, targets, mask};
    return wg_record(&wg__op_cross_entropy, in, wg_is_none(mask) ? 2 : 3, &attr, sizeof attr);
}
