/* Reductions over any axes.
 *
 * Neighbouring axes that are all kept or all reduced are one group. When the last group is reduced,
 * each output element is made of contiguous rows; when it is kept, whole rows of outputs are
 * accumulated column by column. Either way every output is computed by one thread in an order that
 * depends on the shape alone, so that results do not depend on threads. */
#include "reduce_run.h"

#include <math.h>
#include <string.h>

#include <wengert/parallel.h>

#include "kernels/kernels.h"

/* Columns handled at a time, and of sums: long pieces of rows, which memory is read in as fast as
 * it comes, and a sum that stays in the first-level cache. */
#define COLUMNS 512
#define SUM_COLUMNS 2048

typedef struct groups {
    int n;
    int64_t dim[WG_MAX_AXES], stride[WG_MAX_AXES];
    int64_t count;
} groups;

typedef struct reduce_run {
    wg__reduction what;
    wg_dtype dtype;
    size_t esize;
    int isa;
    const wg__kernels *k;
    groups kept, reduced; /* without the last group */
    int64_t last;         /* length of the last group */
    int64_t pieces;       /* column blocks of the last group, when it is kept, */
    int64_t columns;      /* and columns of one */
    const char *x;
    char *y;
} reduce_run;

static int64_t offset_at(const groups *g, int64_t i)
{
    int64_t offset = 0;
    for (int a = g->n - 1; a >= 0; a--) {
        offset += i % g->dim[a] * g->stride[a];
        i /= g->dim[a];
    }
    return offset;
}

static void push(groups *g, int64_t dim, int64_t stride)
{
    g->dim[g->n] = dim;
    g->stride[g->n++] = stride;
    g->count *= dim;
}

/* Returns whether the last group is reduced. */
static bool make_groups(reduce_run *r, const wg_shape *shape, uint32_t axes)
{
    int64_t dim[WG_MAX_AXES], stride[WG_MAX_AXES], step = 1;
    bool reduced[WG_MAX_AXES];
    int n = 0; /* innermost first */
    for (int i = shape->rank - 1; i >= 0; i--) {
        bool is = axes >> i & 1;
        if (shape->dim[i] == 1) continue;
        if (n > 0 && reduced[n - 1] == is) {
            dim[n - 1] *= shape->dim[i];
        } else {
            dim[n] = shape->dim[i];
            stride[n] = step;
            reduced[n++] = is;
        }
        step *= shape->dim[i];
    }
    r->kept.count = r->reduced.count = 1;
    r->last = 1;
    if (n == 0) return true;
    r->last = dim[0];
    for (int i = n - 1; i > 0; i--) push(reduced[i] ? &r->reduced : &r->kept, dim[i], stride[i]);
    return reduced[0];
}

static double load(wg_dtype dtype, const void *x)
{
    return dtype == WG_F32 ? (double)*(const float *)x : *(const double *)x;
}

static void store(wg_dtype dtype, void *y, double value)
{
    if (dtype == WG_F32)
        *(float *)y = (float)value;
    else
        *(double *)y = value;
}

double wg__reduce_row(wg__reduction what, int isa, wg_dtype dtype, const void *x, int64_t n)
{
    const wg__kernels *k = wg__kernels_for(isa);
    if (n == 1) return load(dtype, x);
    if (what == WG__SUM) return k->row_sum[dtype](x, n);
    double max = k->row_max[dtype](x, n);
    if (what == WG__MAX || isinf(max)) return max;
    return max + log(k->row_sumexp[dtype](x, max, n));
}

/* The last group is reduced: output i from r->reduced.count rows of r->last elements. */
static void rows_range(void *user, int64_t begin, int64_t end, int worker)
{
    const reduce_run *r = user;
    (void)worker;
    for (int64_t i = begin; i < end; i++) {
        const char *x = r->x + offset_at(&r->kept, i) * (int64_t)r->esize;
        char *y = r->y + i * (int64_t)r->esize;
        if (r->reduced.count == 1) {
            store(r->dtype, y, wg__reduce_row(r->what, r->isa, r->dtype, x, r->last));
            continue;
        }
        double sum = 0, max = -INFINITY;
        for (int64_t j = 0; j < r->reduced.count; j++) {
            const char *row = x + offset_at(&r->reduced, j) * (int64_t)r->esize;
            if (r->what == WG__SUM) {
                sum += r->k->row_sum[r->dtype](row, r->last);
                continue;
            }
            double m = r->k->row_max[r->dtype](row, r->last);
            if (m > max || isnan(m) || isnan(max)) max = isnan(max) ? max : m;
        }
        if (r->what == WG__LOGSUMEXP && !isinf(max)) {
            for (int64_t j = 0; j < r->reduced.count; j++)
                sum += r->k->row_sumexp[r->dtype](x + offset_at(&r->reduced, j) * (int64_t)r->esize,
                                                  max, r->last);
            max += log(sum);
        }
        store(r->dtype, y, r->what == WG__SUM ? sum : max);
    }
}

static void map2(const reduce_run *r, int kernel, const void *a, const void *b, void *y, int64_t n)
{
    const void *in[2] = {a, b};
    wg_map c = {n, r->dtype, r->dtype, y, in, NULL, r->isa};
    r->k->map[kernel][r->dtype](&c);
}

/* y += rows [begin, end) of the reduced groups */
static void add_rows(const reduce_run *r, const char *x, int64_t begin, int64_t end, void *y,
                     int64_t n)
{
    if (r->reduced.n == 1) {
        int64_t stride = r->reduced.stride[0];
        r->k->add_rows[r->dtype](x + begin * stride * (int64_t)r->esize, stride, end - begin, y, n);
        return;
    }
    for (int64_t j = begin; j < end; j++)
        r->k->add_rows[r->dtype](x + offset_at(&r->reduced, j) * (int64_t)r->esize, 0, 1, y, n);
}

static void sum_columns(const reduce_run *r, const char *x, char *y, int64_t n)
{
    double block[SUM_COLUMNS];
    int64_t rows = r->reduced.count;
    memset(y, 0, (size_t)n * r->esize);
    if (rows <= WG__REDUCE_ROWS) {
        add_rows(r, x, 0, rows, y, n);
        return;
    }
    for (int64_t j0 = 0; j0 < rows; j0 += WG__REDUCE_ROWS) {
        memset(block, 0, (size_t)n * r->esize);
        add_rows(r, x, j0, j0 + WG__REDUCE_ROWS < rows ? j0 + WG__REDUCE_ROWS : rows, block, n);
        r->k->add_rows[r->dtype](block, 0, 1, y, n);
    }
}

static void max_columns(const reduce_run *r, const char *x, char *y, int64_t n)
{
    memcpy(y, x, (size_t)n * r->esize);
    for (int64_t j = 1; j < r->reduced.count; j++)
        map2(r, WG__K_MAX, y, x + offset_at(&r->reduced, j) * (int64_t)r->esize, y, n);
}

/* ln sum e^x = m + ln sum e^(x - m); an infinite m is taken out of the exponent. */
static void logsumexp_columns(const reduce_run *r, const char *x, char *y, int64_t n)
{
    double m[COLUMNS], term[COLUMNS];
    max_columns(r, x, (char *)m, n);
    for (int64_t i = 0; i < n; i++) {
        char *at = (char *)m + i * (int64_t)r->esize;
        if (isinf(load(r->dtype, at))) store(r->dtype, at, 0);
    }
    memset(y, 0, (size_t)n * r->esize);
    for (int64_t j = 0; j < r->reduced.count; j++) {
        map2(r, WG__K_SUB, x + offset_at(&r->reduced, j) * (int64_t)r->esize, m, term, n);
        map2(r, WG__K_EXP, term, NULL, term, n);
        r->k->row_axpy[r->dtype](1.0, term, y, n);
    }
    map2(r, WG__K_LOG, y, NULL, y, n);
    map2(r, WG__K_ADD, y, m, y, n);
}

/* The last group is kept: a range of blocks of columns. */
static void columns_range(void *user, int64_t begin, int64_t end, int worker)
{
    const reduce_run *r = user;
    (void)worker;
    for (int64_t i = begin; i < end; i++) {
        int64_t outer = i / r->pieces, column = i % r->pieces * r->columns;
        int64_t n = r->last - column < r->columns ? r->last - column : r->columns;
        const char *x = r->x + (offset_at(&r->kept, outer) + column) * (int64_t)r->esize;
        char *y = r->y + (outer * r->last + column) * (int64_t)r->esize;
        if (r->what == WG__SUM)
            sum_columns(r, x, y, n);
        else if (r->what == WG__MAX)
            max_columns(r, x, y, n);
        else
            logsumexp_columns(r, x, y, n);
    }
}

/* As long as may be, and of about the same length for every thread. */
static int64_t columns_of_sum(const reduce_run *r, int threads)
{
    int64_t share = r->kept.count >= threads ? r->last : (r->last + threads - 1) / threads;
    int64_t pieces = (share + SUM_COLUMNS - 1) / SUM_COLUMNS;
    int64_t columns = ((share + pieces - 1) / pieces + 15) / 16 * 16;
    return columns > COLUMNS ? columns : COLUMNS;
}

wg_status wg__reduce(wg_kernel *c, wg__reduction what, uint32_t axes)
{
    const wg_view *x = &c->in[0], *y = &c->out[0];
    reduce_run r;
    memset(&r, 0, sizeof r);
    r.what = what;
    r.dtype = y->dtype;
    r.esize = wg_dtype_size(y->dtype);
    r.isa = c->isa;
    r.k = wg__kernels_for(c->isa);
    r.x = x->data;
    r.y = y->data;
    int64_t n_out = wg_shape_count(&y->shape), n_in = wg_shape_count(&x->shape);
    if (n_out == 0) return WG_OK;
    if (n_in == 0) {
        for (int64_t i = 0; i < n_out; i++)
            store(r.dtype, r.y + i * (int64_t)r.esize, what == WG__SUM ? 0 : -INFINITY);
        return WG_OK;
    }
    bool rows = make_groups(&r, &x->shape, axes);
    int64_t each = n_in / n_out;
    if (rows) {
        wg_parallel_for(c->threads, r.kept.count, 1 + 16384 / each, rows_range, &r);
    } else {
        r.columns = what == WG__SUM ? columns_of_sum(&r, c->threads) : COLUMNS;
        r.pieces = (r.last + r.columns - 1) / r.columns;
        int64_t work = each * (r.last < r.columns ? r.last : r.columns);
        wg_parallel_for(c->threads, r.kept.count * r.pieces, 1 + 16384 / work, columns_range, &r);
    }
    return WG_OK;
}
