/* Cross entropy with index targets, label smoothing and a mask, and its gradient, each in one pass
 * over the logits without a distribution in memory. The gradient may be written over the logits,
 * row by row, so that a step has one buffer of that size where nothing needs them afterwards.
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
#include "reduce_run.h"

typedef struct cross_entropy_attr {
    double smoothing;
} cross_entropy_attr;

/* Checks logits, targets and perhaps a mask at in[first..]. */
static wg_status check_operands(wg_infer *c, int first)
{
    const cross_entropy_attr *attr = c->attr;
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

typedef struct loss_run {
    wg_dtype dtype;
    size_t esize;
    int isa;
    const wg__kernels *k;
    int64_t rows, classes;
    double smoothing;
    const char *g; /* NULL in the forward direction */
    const char *x;
    const int32_t *target;
    const uint8_t *mask; /* NULL = all rows count */
    char *y;
} loss_run;

/* Every target that counts must be a class; the first that is not is named. */
static wg_status prepare(loss_run *r, wg_kernel *c, int first)
{
    const wg_view *x = &c->in[first];
    memset(r, 0, sizeof *r);
    r->dtype = x->dtype;
    r->esize = wg_dtype_size(x->dtype);
    r->isa = c->isa;
    r->k = wg__kernels_for(c->isa);
    r->rows = wg__span(&x->shape, 0, x->shape.rank - 1);
    r->classes = x->shape.dim[x->shape.rank - 1];
    r->smoothing = ((const cross_entropy_attr *)c->attr)->smoothing;
    r->x = x->data;
    r->target = c->in[first + 1].data;
    r->mask = c->n_in - first > 2 ? c->in[first + 2].data : NULL;
    r->y = c->out[0].data;
    for (int64_t i = 0; i < r->rows; i++)
        if ((!r->mask || r->mask[i]) && (r->target[i] < 0 || r->target[i] >= r->classes))
            return wg_error_set(c->err, WG_EINVAL,
                                "cross_entropy: target %d of row %lld is outside 0..%lld",
                                (int)r->target[i], (long long)i, (long long)r->classes - 1);
    return WG_OK;
}

static double get(wg_dtype dtype, const char *x, int64_t i)
{
    return dtype == WG_F32 ? (double)((const float *)(const void *)x)[i]
                           : ((const double *)(const void *)x)[i];
}

static void put(wg_dtype dtype, char *x, int64_t i, double value)
{
    if (dtype == WG_F32)
        ((float *)(void *)x)[i] = (float)value;
    else
        ((double *)(void *)x)[i] = value;
}

static void loss_range(void *user, int64_t begin, int64_t end, int worker)
{
    const loss_run *r = user;
    (void)worker;
    for (int64_t i = begin; i < end; i++) {
        const char *x = r->x + (size_t)(i * r->classes) * r->esize;
        double loss = 0;
        if (!r->mask || r->mask[i]) {
            double s = r->smoothing;
            loss = wg__reduce_row(WG__LOGSUMEXP, r->isa, r->dtype, x, r->classes);
            if (s < 1) loss -= (1 - s) * get(r->dtype, x, r->target[i]);
            if (s > 0) loss -= s / (double)r->classes * r->k->row_sum[r->dtype](x, r->classes);
        }
        put(r->dtype, r->y, i, loss);
    }
}

static void map_scalar(const loss_run *r, int kernel, double value, char *y)
{
    const void *in[1] = {y};
    wg__scalar_attr attr = {value, 0};
    wg_map c = {r->classes, r->dtype, r->dtype, y, in, &attr, r->isa};
    r->k->map[kernel][r->dtype](&c);
}

/* y = g (softmax(x) - q); e^(x - m) is scaled once, by g over its sum. x and y may be the same. */
static void grad_row(const loss_run *r, int64_t i, const char *x, char *y)
{
    double g = get(r->dtype, r->g, i), s = r->smoothing, each = s / (double)r->classes;
    double m = r->k->row_max[r->dtype](x, r->classes);
    double sum = 1;
    if (m == -INFINITY) /* no class has a chance: softmax gives zeros */
        memset(y, 0, (size_t)r->classes * r->esize);
    else
        sum = r->k->exp_sub_row[r->dtype](x, m, y, r->classes);
    double target = get(r->dtype, y, r->target[i]) / sum;
    map_scalar(r, WG__K_SCALE, g / sum, y);
    if (s > 0) map_scalar(r, WG__K_ADD_SCALAR, -g * each, y);
    /* 1 - q first: exact where softmax is close to 1. */
    put(r->dtype, y, r->target[i], g * ((target - (1 - s)) - each));
}

static void grad_range(void *user, int64_t begin, int64_t end, int worker)
{
    const loss_run *r = user;
    (void)worker;
    size_t row_bytes = (size_t)r->classes * r->esize;
    for (int64_t i = begin; i < end; i++) {
        char *y = r->y + (size_t)i * row_bytes;
        if (r->mask && !r->mask[i]) {
            memset(y, 0, row_bytes);
            continue;
        }
        grad_row(r, i, r->x + (size_t)i * row_bytes, y);
    }
}

static wg_status loss_kernel(wg_kernel *c)
{
    loss_run r;
    wg_status status = prepare(&r, c, 0);
    if (status != WG_OK) return status;
    wg_parallel_for(c->threads, r.rows, 1 + 4096 / r.classes, loss_range, &r);
    return WG_OK;
}

static wg_status grad_kernel(wg_kernel *c)
{
    loss_run r;
    wg_status status = prepare(&r, c, 1);
    if (status != WG_OK) return status;
    r.g = c->in[0].data;
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
    const cross_entropy_attr *attr = wg_vjp_attr(c);
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

static void loss_format(const void *attr, size_t attr_size, char *buf, size_t size)
{
    (void)attr_size;
    /* Thousandths: printf's %g would follow the locale. */
    int thousandths = (int)lround(((const cross_entropy_attr *)attr)->smoothing * 1000);
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
    .format = loss_format,
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
    .format = loss_format,
    .doc = "y = g (softmax(logits) - q), q = (1-s) onehot(target) + s/V",
};

wg_var(wg_cross_entropy)(wg_var logits, wg_var targets, wg_var mask, double label_smoothing)
{
    cross_entropy_attr attr = {label_smoothing};
    wg_var in[3] = {logits, targets, mask};
    return wg_record(&wg__op_cross_entropy, in, wg_is_none(mask) ? 2 : 3, &attr, sizeof attr);
}
