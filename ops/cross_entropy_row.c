/* Cross entropy of one row (cross_entropy.h). */
#include "cross_entropy.h"

#include <math.h>
#include <string.h>

#include "axes.h"

static double get(wg_dtype dtype, const char *x, int64_t i)
{
    return dtype == WG_F32 ? (double)((const float *)(const void *)x)[i]
                           : ((const double *)(const void *)x)[i];
}

void wg__cross_entropy_put(wg_dtype dtype, char *x, int64_t i, double value)
{
    if (dtype == WG_F32)
        ((float *)(void *)x)[i] = (float)value;
    else
        ((double *)(void *)x)[i] = value;
}

/* x[i] = a + b, rounded as the dtype has it */
static void add_one(wg_dtype dtype, char *x, int64_t i, double a, double b)
{
    if (dtype == WG_F32)
        ((float *)(void *)x)[i] = (float)a + (float)b;
    else
        ((double *)(void *)x)[i] = a + b;
}

wg_status wg__cross_entropy_prepare(wg__cross_entropy *r, wg_kernel *c, int first, int last)
{
    const wg_view *x = &c->in[first];
    memset(r, 0, sizeof *r);
    r->dtype = x->dtype;
    r->esize = wg_dtype_size(x->dtype);
    r->isa = c->isa;
    r->k = wg__kernels_for(c->isa);
    r->rows = wg__span(&x->shape, 0, x->shape.rank - 1);
    r->classes = x->shape.dim[x->shape.rank - 1];
    r->row_bytes = (size_t)r->classes * r->esize;
    r->smoothing = ((const wg__cross_entropy_attr *)c->attr)->smoothing;
    r->x = x->data;
    r->target = c->in[first + 1].data;
    r->mask = last - first > 2 ? c->in[first + 2].data : NULL;
    for (int64_t i = 0; i < r->rows; i++)
        if ((!r->mask || r->mask[i]) && (r->target[i] < 0 || r->target[i] >= r->classes))
            return wg_error_set(c->err, WG_EINVAL,
                                "cross_entropy: target %d of row %lld is outside 0..%lld",
                                (int)r->target[i], (long long)i, (long long)r->classes - 1);
    return WG_OK;
}

wg__cross_entropy_terms wg__cross_entropy_of(const wg__cross_entropy *r, int64_t i, const char *x)
{
    wg__cross_entropy_terms t = {get(r->dtype, x, r->target[i]), 0};
    if (r->smoothing > 0) t.total = r->k->row_sum[r->dtype](x, r->classes);
    return t;
}

double wg__cross_entropy_loss(const wg__cross_entropy *r, wg__cross_entropy_terms t, double lse)
{
    double s = r->smoothing, loss = lse;
    if (s < 1) loss -= (1 - s) * t.target;
    if (s > 0) loss -= s / (double)r->classes * t.total;
    return loss;
}

double wg__cross_entropy_exp(const wg__cross_entropy *r, const char *x, double max, char *y)
{
    if (max != -INFINITY) return r->k->exp_sub_row[r->dtype](x, max, y, r->classes);
    memset(y, 0, r->row_bytes);
    return 1;
}

void wg__cross_entropy_gradient(const wg__cross_entropy *r, int64_t i, char *y, double sum,
                                char *total)
{
    double g = get(r->dtype, r->g, i), s = r->smoothing, each = s / (double)r->classes;
    int64_t t = r->target[i];
    double target = get(r->dtype, y, t) / sum;
    double before = total ? get(r->dtype, total, t) : 0;
    r->k->scale_add_row[r->dtype](g / sum, s > 0 ? -g * each : 0, y, total, r->classes);
    /* 1 - q first: exact where softmax is close to 1. */
    wg__cross_entropy_put(r->dtype, y, t, g * ((target - (1 - s)) - each));
    if (total) add_one(r->dtype, total, t, before, get(r->dtype, y, t));
}
