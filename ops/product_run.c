/* Running a product: its operands as rows and strides, batches over threads, and for each product
 * what makes it: our small kernels, a library where it can read the operands, or panels of copies.
 */
#include "product.h"

#include <string.h>

#include <wengert/parallel.h>

#include "axes.h"
#include "blocked.h"
#include "gemm.h"
#include "kernels/small.h"
#include "ndcopy.h"

/* Operands that BLAS cannot read in place (broadcast or doubly strided ones) are packed in panels
 * of this many rows of op(a) or columns of op(b). */
#define PANEL 256

/* Sizes and traversal of one recorded product. */
typedef struct product_plan {
    int64_t m, n, k;
    int batch_rank;
    int64_t batch_dim[WG_MAX_AXES];
    int64_t batches;
} product_plan;

bool wg__product_is_rows(const wg_shape *b, const wg_product_attr *attr)
{
    return b->rank == 2 && !attr->trans_a;
}

void wg__product_sizes(const wg_shape *s, bool trans, int64_t *rows, int64_t *cols)
{
    int64_t r = s->dim[s->rank - 2], c = s->dim[s->rank - 1];
    *rows = trans ? c : r;
    *cols = trans ? r : c;
}

/* A matrix in memory: element (i,j) at data[i rs + j cs]. */
typedef struct matrix {
    const char *data;
    int64_t rows, cols, rs, cs;
} matrix;

typedef struct product_run {
    const wg_kernel *c;
    product_plan plan;
    matrix a, b;                                      /* op(a), op(b) of batch 0 */
    int64_t a_step[WG_MAX_AXES], b_step[WG_MAX_AXES]; /* strides over the batch axes, in elements */
    size_t esize;
    size_t workspace_each;
    int inner_threads;
    void *room;        /* of one product that is ours (blocked.h), or NULL */
    wg_status *status; /* by worker; NULL when sequential */
} product_run;

static matrix matrix_of(const wg_view *v, bool trans)
{
    int r = v->shape.rank;
    matrix m = {v->data, v->shape.dim[r - 2], v->shape.dim[r - 1], v->stride[r - 2],
                v->stride[r - 1]};
    if (trans) {
        matrix t = {m.data, m.cols, m.rows, m.cs, m.rs};
        return t;
    }
    return m;
}

/* Can BLAS read the matrix in place? Then says whether as stored or transposed, and the row
 * stride. */
static bool blas_layout(const matrix *m, bool *trans, int64_t *ld)
{
    int64_t rows = m->rows > 1 ? m->rows : 1, cols = m->cols > 1 ? m->cols : 1;
    if ((m->cs == 1 || m->cols <= 1) && (m->rs >= cols || m->rows <= 1)) {
        *trans = false;
        *ld = m->rows <= 1 ? cols : m->rs;
        return true;
    }
    if ((m->rs == 1 || m->rows <= 1) && (m->cs >= rows || m->cols <= 1)) {
        *trans = true;
        *ld = m->cols <= 1 ? rows : m->cs;
        return true;
    }
    return false;
}

static void pack(size_t esize, const matrix *m, int64_t i0, int64_t rows, int64_t j0, int64_t cols,
                 char *dst)
{
    int64_t dim[2] = {rows, cols}, ds[2] = {cols, 1}, ss[2] = {m->rs, m->cs};
    wg__ndcopy(esize, 2, dim, ds, dst, ss, m->data + (i0 * m->rs + j0 * m->cs) * (int64_t)esize, 1);
}

static size_t align64(size_t n)
{
    return (n + 63) & ~(size_t)63;
}

static int64_t at_most(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static size_t panel_bytes(size_t esize, int64_t k, int64_t width)
{
    return align64((size_t)k * (size_t)at_most(width, PANEL) * esize);
}

/* Products of a batch that our own kernels make at 1.1 to 2.7 times the libraries' speed (AMD Zen
 * 3, AVX2: docs/decisions/0012-products.md): few rows, and a right side that stays in the
 * second-level cache. By shape and strides, so that bits depend on the instruction set alone. */
static bool is_small(const product_run *r, const matrix *a, const matrix *b, bool *dots)
{
    const product_plan *p = &r->plan;
    if (r->c->out[0].dtype != WG_F32 || p->batches < 2 || p->k < 1 || p->n > 32768 / p->k)
        return false;
    if (b->cs == 1) {
        *dots = false;
        return p->m <= 64 && p->n >= 32;
    }
    *dots = true;
    return b->rs == 1 && a->cs == 1 && p->m <= 32 && p->k >= 128;
}

static void small_product(const product_run *r, const matrix *a, const matrix *b, bool dots,
                          char *out)
{
    const wg__small_kernels *kernels = wg__small_kernels_for(r->c->isa);
    wg__small_product p = {.m = r->plan.m,
                           .n = r->plan.n,
                           .k = r->plan.k,
                           .a = (const float *)(const void *)a->data,
                           .a_row = a->rs,
                           .a_column = a->cs,
                           .b = (const float *)(const void *)b->data,
                           .ldb = dots ? b->cs : b->rs,
                           .c = (float *)(void *)out,
                           .ldc = r->plan.n};
    if (dots)
        kernels->dots(&p);
    else
        kernels->rows(&p);
}

static wg_status product_one(const product_run *r, const matrix *a, const matrix *b, char *out,
                             char *workspace, wg_error *err)
{
    int64_t m = r->plan.m, n = r->plan.n, k = r->plan.k;
    wg_dtype dtype = r->c->out[0].dtype;
    bool ta = false, tb = false;
    int64_t lda = 0, ldb = 0;
    bool dots;
    if (is_small(r, a, b, &dots)) {
        small_product(r, a, b, dots, out);
        return WG_OK;
    }
    if (r->room) {
        wg__block_product p = {.m = m,
                               .n = n,
                               .k = k,
                               .a = (const float *)(const void *)a->data,
                               .a_row = a->rs,
                               .a_column = a->cs,
                               .b = (const float *)(const void *)b->data,
                               .b_row = b->rs,
                               .b_column = b->cs,
                               .c = (float *)(void *)out,
                               .ldc = n,
                               .room = r->room};
        wg__blocked_run(r->c->isa, &p, r->inner_threads);
        return WG_OK;
    }
    bool a_fits = blas_layout(a, &ta, &lda), b_fits = blas_layout(b, &tb, &ldb);
    if ((a_fits && b_fits) || k == 0) /* of no terms: zeros, and no operand is read */
        return wg__gemm(r->c->isa, dtype, ta, tb, m, n, k, a->data, lda, b->data, ldb, out, n,
                        r->inner_threads, err);
    char *pa = workspace, *pb = workspace + panel_bytes(r->esize, k, m);
    int64_t im = a_fits ? m : PANEL, jn = b_fits ? n : PANEL;
    for (int64_t i = 0; i < m; i += im) {
        int64_t mb = at_most(im, m - i);
        if (!a_fits) pack(r->esize, a, i, mb, 0, k, pa);
        for (int64_t j = 0; j < n; j += jn) {
            int64_t nb = at_most(jn, n - j);
            if (!b_fits) pack(r->esize, b, 0, k, j, nb, pb);
            wg_status status = wg__gemm(
                r->c->isa, dtype, a_fits && ta, b_fits && tb, mb, nb, k, a_fits ? a->data : pa,
                a_fits ? lda : k, b_fits ? b->data : pb, b_fits ? ldb : nb,
                out + (i * n + j) * (int64_t)r->esize, n, r->inner_threads, err);
            if (status != WG_OK) return status;
        }
    }
    return WG_OK;
}

static void product_range(void *user, int64_t begin, int64_t end, int worker)
{
    const product_run *r = user;
    int64_t size = (int64_t)r->esize;
    char *workspace = r->c->workspace;
    if (r->workspace_each) workspace += (size_t)worker * r->workspace_each;
    for (int64_t i = begin; i < end; i++) {
        int64_t rest = i, ao = 0, bo = 0;
        for (int axis = r->plan.batch_rank - 1; axis >= 0; axis--) {
            int64_t at = rest % r->plan.batch_dim[axis];
            rest /= r->plan.batch_dim[axis];
            ao += at * r->a_step[axis];
            bo += at * r->b_step[axis];
        }
        matrix a = r->a, b = r->b;
        a.data += ao * size;
        b.data += bo * size;
        char *out = (char *)r->c->out[0].data + i * r->plan.m * r->plan.n * size;
        /* Messages of workers would race: they leave the status alone. */
        wg_status status = product_one(r, &a, &b, out, workspace, r->status ? NULL : r->c->err);
        if (status != WG_OK && r->status) r->status[worker] = status;
    }
}

static void batch_steps(const wg_view *v, int batch_rank, int64_t *step)
{
    int skip = batch_rank - (v->shape.rank - 2);
    for (int i = 0; i < batch_rank; i++) {
        int axis = i - skip;
        step[i] = axis < 0 || v->shape.dim[axis] == 1 ? 0 : v->stride[axis];
    }
}

#define MAX_WORKERS 256

wg_status wg__matmul_kernel(wg_kernel *c)
{
    const wg_product_attr *attr = c->attr;
    const wg_view *va = &c->in[0], *vb = &c->in[1], *out = &c->out[0];
    if (wg_shape_count(&out->shape) == 0) return WG_OK;
    product_run r;
    memset(&r, 0, sizeof r);
    r.c = c;
    r.esize = wg_dtype_size(out->dtype);
    r.a = matrix_of(va, attr->trans_a);
    r.b = matrix_of(vb, attr->trans_b);
    product_plan *p = &r.plan;
    p->n = r.b.cols;
    p->k = r.b.rows;
    p->batches = 1;
    int64_t rows, stride;
    if (wg__product_is_rows(&vb->shape, attr) && wg__rows_from(va, 0, &rows, &stride)) {
        r.a.rows = rows;
        r.a.rs = stride;
    } else {
        p->batch_rank = out->shape.rank - 2;
        for (int i = 0; i < p->batch_rank; i++) {
            p->batch_dim[i] = out->shape.dim[i];
            p->batches *= out->shape.dim[i];
        }
        batch_steps(va, p->batch_rank, r.a_step);
        batch_steps(vb, p->batch_rank, r.b_step);
    }
    p->m = r.a.rows;
    const int threads = c->threads < MAX_WORKERS ? c->threads : MAX_WORKERS;
    /* Of a batch the threads may take a product each, with no room for blocks: bits must not depend
     * on that, so these are left to the libraries whatever the threads. */
    if (out->dtype == WG_F32 && p->batches == 1 &&
        wg__blocked_fits(c->isa, p->m, p->n, p->k, r.b.cs != 1) &&
        c->workspace_size >= wg__blocked_room(p->m, p->n, p->k, threads))
        r.room = c->workspace;
    r.workspace_each = panel_bytes(r.esize, p->k, p->m) + panel_bytes(r.esize, p->k, p->n);
    if (p->batches < threads || threads <= 1) {
        /* Few products: each uses all threads. */
        r.inner_threads = threads;
        wg_error err = {.status = WG_OK};
        wg_kernel local = *c;
        local.err = &err;
        r.c = &local;
        product_range(&r, 0, p->batches, 0);
        if (err.status != WG_OK) return wg_error_set(c->err, err.status, "%s", err.message);
        return WG_OK;
    }
    wg_status status[MAX_WORKERS];
    for (int i = 0; i < MAX_WORKERS; i++) status[i] = WG_OK;
    r.inner_threads = 1;
    r.status = status;
    wg_parallel_for(threads, p->batches, 1, product_range, &r);
    for (int i = 0; i < MAX_WORKERS; i++)
        if (status[i] != WG_OK)
            return wg_error_set(c->err, status[i], "matmul: a product of a batch failed (%s)",
                                wg_strerror(status[i]));
    return WG_OK;
}

size_t wg__matmul_workspace(const wg_type *in, int n_in, const wg_type *out, int n_out,
                            const void *attr, int threads)
{
    (void)n_in;
    (void)n_out;
    const wg_product_attr *flags = attr;
    size_t esize = wg_dtype_size(out[0].dtype);
    int64_t m, k, n, count = wg_shape_count(&out[0].shape);
    wg__product_sizes(&in[0].shape, flags->trans_a, &m, &k);
    wg__product_sizes(&in[1].shape, flags->trans_b, &k, &n);
    /* The rows form may still fall back to a batch of products, never to more than this. */
    bool rows = wg__product_is_rows(&in[1].shape, flags);
    if (rows) m = PANEL;
    size_t each = panel_bytes(esize, k, m) + panel_bytes(esize, k, n), blocks = 0;
    bool batched = in[0].shape.rank > 2 || in[1].shape.rank > 2;
    if (threads > MAX_WORKERS) threads = MAX_WORKERS;
    if (n > 0 && (rows || count == m * n)) m = count / n;
    if (out[0].dtype == WG_F32 && wg__blocked_fits(WG_ISA_AVX2, m, n, k, false))
        blocks = wg__blocked_room(m, n, k, threads);
    each *= (size_t)(batched && threads > 1 ? threads : 1);
    return each > blocks ? each : blocks;
}
