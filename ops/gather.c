/* gather and scatter_add along an axis: each is the other's adjoint.
 *
 *     gather:       y[o,i,n] = x[o, index[o,i,n], n]
 *     scatter_add:  y = base; y[o, index[o,i,n], n] += src[o,i,n]
 *
 * with o over the axes before, n over those after. A thread owns whole outer blocks, so duplicates
 * are added in the order of i whatever the number of threads. */
#include "ops_internal.h"

#include <stdio.h>
#include <string.h>

#include <wengert/parallel.h>

#include "axes.h"

typedef struct gather_attr {
    int64_t axis;
} gather_attr;

/* x and index of one rank, equal but along axis. */
static wg_status check_index(wg_infer *c, int x, int index)
{
    const gather_attr *attr = c->attr;
    const wg_type *tx = &c->in[x], *ti = &c->in[index];
    char a[192], b[192];
    wg__type_text(tx, a, sizeof a);
    wg__type_text(ti, b, sizeof b);
    if (c->attr_size < sizeof *attr || attr->axis < 0 || attr->axis >= tx->shape.rank)
        return wg_infer_fail(c, WG_EINVAL, "axis is out of range for %s", a);
    if (ti->dtype != WG_I32) return wg_infer_fail(c, WG_EDTYPE, "index must be i32, not %s", b);
    bool fits = tx->shape.rank == ti->shape.rank;
    for (int i = 0; fits && i < tx->shape.rank; i++)
        fits = i == attr->axis || tx->shape.dim[i] == ti->shape.dim[i];
    if (!fits)
        return wg_infer_fail(c, WG_ESHAPE, "index %s does not go with %s along axis %lld", b, a,
                             (long long)attr->axis);
    return WG_OK;
}

static wg_status gather_infer(wg_infer *c)
{
    wg_status status = check_index(c, 0, 1);
    if (status != WG_OK) return status;
    c->out[0].dtype = c->in[0].dtype;
    c->out[0].shape = c->in[1].shape;
    return WG_OK;
}

static wg_status scatter_infer(wg_infer *c)
{
    wg_status status = wg__infer_dtype(c, 0, WG_FLOATS);
    if (status == WG_OK) status = check_index(c, 0, 1);
    if (status != WG_OK) return status;
    if (c->in[2].dtype != c->in[0].dtype || !wg_shape_equal(&c->in[2].shape, &c->in[1].shape)) {
        char a[192], b[192];
        return wg_infer_fail(
            c, WG_ESHAPE, "source %s does not go with index %s of the base's dtype",
            wg__type_text(&c->in[2], a, sizeof a), wg__type_text(&c->in[1], b, sizeof b));
    }
    c->out[0] = c->in[0];
    return WG_OK;
}

typedef struct gather_run {
    size_t esize;
    wg_dtype dtype;
    int64_t length; /* of the indexed axis */
    int64_t picks;  /* of the index along it */
    int64_t inner;
    const int32_t *index;
    const char *x;
    char *y;
} gather_run;

static int64_t prepare(gather_run *r, const wg_kernel *c)
{
    int axis = (int)((const gather_attr *)c->attr)->axis;
    const wg_shape *x = &c->in[0].shape, *index = &c->in[1].shape;
    r->dtype = c->in[0].dtype;
    r->esize = wg_dtype_size(r->dtype);
    r->length = x->dim[axis];
    r->picks = index->dim[axis];
    r->inner = wg__span(x, axis + 1, x->rank);
    r->index = c->in[1].data;
    r->y = c->out[0].data;
    return wg__span(x, 0, axis);
}

static wg_status check_range(wg_kernel *c, const char *name, int64_t length)
{
    const int32_t *index = c->in[1].data;
    int64_t n = wg_shape_count(&c->in[1].shape);
    for (int64_t i = 0; i < n; i++)
        if (index[i] < 0 || index[i] >= length)
            return wg_error_set(c->err, WG_EINVAL,
                                "%s: index %d at position %lld is outside 0..%lld", name,
                                (int)index[i], (long long)i, (long long)length - 1);
    return WG_OK;
}

#define GATHER(type)                                                                 \
    do {                                                                             \
        const type *x = (const type *)(const void *)r->x + o * r->length * r->inner; \
        type *y = (type *)(void *)r->y + o * r->picks * r->inner;                    \
        for (int64_t i = 0; i < r->picks; i++)                                       \
            for (int64_t n = 0; n < r->inner; n++)                                   \
                y[i * r->inner + n] = x[index[i * r->inner + n] * r->inner + n];     \
    } while (0)

static void gather_range(void *user, int64_t begin, int64_t end, int worker)
{
    const gather_run *r = user;
    (void)worker;
    for (int64_t o = begin; o < end; o++) {
        const int32_t *index = r->index + o * r->picks * r->inner;
        if (r->esize == 4)
            GATHER(uint32_t);
        else if (r->esize == 8)
            GATHER(uint64_t);
        else
            GATHER(uint8_t);
    }
}

#define SCATTER(type)                                                               \
    do {                                                                            \
        const type *x = (const type *)(const void *)r->x + o * r->picks * r->inner; \
        type *y = (type *)(void *)r->y + o * r->length * r->inner;                  \
        for (int64_t i = 0; i < r->picks; i++)                                      \
            for (int64_t n = 0; n < r->inner; n++)                                  \
                y[index[i * r->inner + n] * r->inner + n] += x[i * r->inner + n];   \
    } while (0)

static void scatter_range(void *user, int64_t begin, int64_t end, int worker)
{
    const gather_run *r = user;
    (void)worker;
    for (int64_t o = begin; o < end; o++) {
        const int32_t *index = r->index + o * r->picks * r->inner;
        if (r->dtype == WG_F32)
            SCATTER(float);
        else
            SCATTER(double);
    }
}

static wg_status gather_kernel(wg_kernel *c)
{
    gather_run r;
    int64_t outer = prepare(&r, c);
    if (wg_shape_count(&c->in[1].shape) == 0) return WG_OK;
    wg_status status = check_range(c, "gather", r.length);
    if (status != WG_OK) return status;
    r.x = c->in[0].data;
    wg_parallel_for(c->threads, outer, 1 + 16384 / (r.picks * r.inner), gather_range, &r);
    return WG_OK;
}

static wg_status scatter_kernel(wg_kernel *c)
{
    gather_run r;
    int64_t outer = prepare(&r, c);
    int64_t count = wg_shape_count(&c->out[0].shape);
    if (count > 0 && c->out[0].data != c->in[0].data)
        memcpy(c->out[0].data, c->in[0].data, (size_t)count * r.esize);
    if (wg_shape_count(&c->in[1].shape) == 0) return WG_OK;
    wg_status status = check_range(c, "scatter_add", r.length);
    if (status != WG_OK) return status;
    r.x = c->in[2].data;
    wg_parallel_for(c->threads, outer, 1 + 16384 / (r.picks * r.inner), scatter_range, &r);
    return WG_OK;
}

static void gather_vjp(wg_vjp *c)
{
    const gather_attr *attr = wg_vjp_attr(c);
    if (!wg_vjp_needs(c, 0)) return;
    wg_vjp_add(c, 0,
               (wg_scatter_add)(wg_zeros_like(wg_vjp_in(c, 0)), (int)attr->axis, wg_vjp_in(c, 1),
                                wg_vjp_grad(c, 0)));
}

static void scatter_vjp(wg_vjp *c)
{
    const gather_attr *attr = wg_vjp_attr(c);
    wg_var g = wg_vjp_grad(c, 0);
    if (wg_vjp_needs(c, 0)) wg_vjp_add(c, 0, g);
    if (wg_vjp_needs(c, 2)) wg_vjp_add(c, 2, (wg_gather)(g, (int)attr->axis, wg_vjp_in(c, 1)));
}

static void axis_format(const void *attr, size_t attr_size, char *buf, size_t size)
{
    (void)attr_size;
    snprintf(buf, size, "axis=%lld", (long long)((const gather_attr *)attr)->axis);
}

const wg_op wg__op_gather = {
    .size = sizeof(wg_op),
    .name = "gather",
    .version = 1,
    .traits = WG_OP_GATHER,
    .n_in = 2,
    .n_out = 1,
    .infer = gather_infer,
    .vjp = gather_vjp,
    .kernel = {gather_kernel},
    .format = axis_format,
    .doc = "y[..,i,..] = x[..,index[..,i,..],..] along axis",
};

const wg_op wg__op_scatter_add = {
    .size = sizeof(wg_op),
    .name = "scatter_add",
    .version = 1,
    .traits = WG_OP_SCATTER,
    .n_in = 3,
    .n_out = 1,
    .infer = scatter_infer,
    .vjp = scatter_vjp,
    .kernel = {scatter_kernel},
    .format = axis_format,
    .doc = "y = base with src[..,i,..] added at index[..,i,..] along axis",
};

wg_var(wg_gather)(wg_var x, int axis, wg_var index)
{
    if (!wg_var_ok(x)) return wg__pass_poison(&wg__op_gather, x);
    int at;
    if (!wg__axis(axis, wg_rank(x), &at)) return wg__fail_axis("gather", x, axis);
    gather_attr attr = {at};
    wg_var in[2] = {x, index};
    return wg_record(&wg__op_gather, in, 2, &attr, sizeof attr);
}

wg_var(wg_scatter_add)(wg_var base, int axis, wg_var index, wg_var src)
{
    if (!wg_var_ok(base)) return wg__pass_poison(&wg__op_scatter_add, base);
    int at;
    if (!wg__axis(axis, wg_rank(base), &at)) return wg__fail_axis("scatter_add", base, axis);
    gather_attr attr = {at};
    wg_var in[3] = {base, index, src};
    return wg_record(&wg__op_scatter_add, in, 3, &attr, sizeof attr);
}
