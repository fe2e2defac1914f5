/* embedding and its adjoint scatter_rows.
 *
 *     y[..., :] = table[ids[...], :]          dtable = scatter_rows(g, ids, V)
 *     z[v, :]  = sum of rows[i, :] over i with ids[i] = v,  drows = embedding(g, ids)
 *
 * scatter_rows stays lazy for those who know it (wg_sparse_rows): only the rows that occur differ
 * from zero. Duplicates are added in the order of ids, whatever the number of threads. */
#include "ops_internal.h"

#include <stdio.h>
#include <string.h>

#include <wengert/ops.h>
#include <wengert/parallel.h>

#include "axes.h"
#include "kernels/kernels.h"

/* ---- embedding ---- */

static wg_status embedding_infer(wg_infer *c)
{
    const wg_type *table = &c->in[0], *ids = &c->in[1];
    char t[192], i[192];
    wg__type_text(table, t, sizeof t);
    wg__type_text(ids, i, sizeof i);
    if (ids->dtype != WG_I32) return wg_infer_fail(c, WG_EDTYPE, "ids must be i32, not %s", i);
    if (table->shape.rank != 2)
        return wg_infer_fail(c, WG_ESHAPE, "the table must be [V,E], not %s", t);
    if (ids->shape.rank >= WG_MAX_AXES)
        return wg_infer_fail(c, WG_ELIMIT, "ids %s leave no axis for the rows", i);
    wg_shape shape = ids->shape;
    shape.dim[shape.rank++] = table->shape.dim[1];
    c->out[0].dtype = table->dtype;
    c->out[0].shape = shape;
    return WG_OK;
}

/* The first id outside [0, rows), as an error that names it. */
static wg_status check_ids(wg_kernel *c, const char *name, const wg_view *ids, int64_t rows)
{
    const int32_t *id = ids->data;
    int64_t n = wg_shape_count(&ids->shape);
    for (int64_t i = 0; i < n; i++)
        if (id[i] < 0 || id[i] >= rows)
            return wg_error_set(c->err, WG_EINVAL, "%s: id %d at position %lld is outside 0..%lld",
                                name, (int)id[i], (long long)i, (long long)rows - 1);
    return WG_OK;
}

typedef struct rows_run {
    const wg_kernel *c;
    const int32_t *ids;
    int64_t n_ids, width;
    size_t row_bytes;
    const char *from;
    char *to;
} rows_run;

static void take_rows(void *user, int64_t begin, int64_t end, int worker)
{
    const rows_run *r = user;
    (void)worker;
    for (int64_t i = begin; i < end; i++)
        memcpy(r->to + (size_t)i * r->row_bytes, r->from + (size_t)r->ids[i] * r->row_bytes,
               r->row_bytes);
}

static wg_status embedding_kernel(wg_kernel *c)
{
    const wg_view *table = &c->in[0], *ids = &c->in[1];
    wg_status status = check_ids(c, "embedding", ids, table->shape.dim[0]);
    if (status != WG_OK) return status;
    rows_run r = {c,           ids->data,     wg_shape_count(&ids->shape), table->shape.dim[1], 0,
                  table->data, c->out[0].data};
    r.row_bytes = (size_t)r.width * wg_dtype_size(table->dtype);
    if (r.row_bytes == 0) return WG_OK;
    wg_parallel_for(c->threads, r.n_ids, 1 + 32768 / (int64_t)r.row_bytes, take_rows, &r);
    return WG_OK;
}

static void embedding_vjp(wg_vjp *c)
{
    if (!wg_vjp_needs(c, 0)) return;
    int64_t rows = wg_dim(wg_vjp_in(c, 0), 0);
    wg_vjp_add(c, 0, (wg_scatter_rows)(wg_vjp_grad(c, 0), wg_vjp_in(c, 1), rows));
}

const wg_op wg__op_embedding = {
    .size = sizeof(wg_op),
    .name = "embedding",
    .version = 1,
    .traits = WG_OP_GATHER,
    .n_in = 2,
    .n_out = 1,
    .infer = embedding_infer,
    .vjp = embedding_vjp,
    .kernel = {embedding_kernel},
    .doc = "y[...,:] = table[ids[...],:]",
};

wg_var(wg_embedding)(wg_var table, wg_var ids)
{
    wg_var in[2] = {table, ids};
    return wg_record(&wg__op_embedding, in, 2, NULL, 0);
}

/* ---- scatter_rows ---- */

typedef struct scatter_rows_attr {
    int64_t n_rows;
} scatter_rows_attr;

static wg_status scatter_rows_infer(wg_infer *c)
{
    const scatter_rows_attr *attr = c->attr;
    const wg_type *rows = &c->in[0], *ids = &c->in[1];
    char r[192], i[192];
    wg__type_text(rows, r, sizeof r);
    wg__type_text(ids, i, sizeof i);
    if (!(WG_BIT(rows->dtype) & WG_FLOATS))
        return wg_infer_fail(c, WG_EDTYPE, "rows must be floating, not %s", r);
    if (ids->dtype != WG_I32) return wg_infer_fail(c, WG_EDTYPE, "ids must be i32, not %s", i);
    bool fits = rows->shape.rank == ids->shape.rank + 1;
    for (int a = 0; fits && a < ids->shape.rank; a++)
        fits = rows->shape.dim[a] == ids->shape.dim[a];
    if (!fits) return wg_infer_fail(c, WG_ESHAPE, "rows %s do not go with ids %s", r, i);
    if (c->attr_size < sizeof *attr || attr->n_rows < 0)
        return wg_infer_fail(c, WG_EINVAL, "the number of rows is negative");
    c->out[0].dtype = rows->dtype;
    c->out[0].shape = WG_SHAPE(attr->n_rows, rows->shape.dim[ids->shape.rank]);
    return WG_OK;
}

/* Rows [begin, end) become zeros; where it is known which are not, these alone are written. */
static void clear_rows(const rows_run *r, int64_t begin, int64_t end)
{
    const wg_touched *rows = r->c->touched;
    if (!rows || !rows->known) {
        memset(r->to + (size_t)begin * r->row_bytes, 0, (size_t)(end - begin) * r->row_bytes);
        return;
    }
    for (int64_t v = begin; v < end;) {
        uint64_t word = rows->bits[v / 64] >> (v % 64);
        if (!word) {
            v += 64 - v % 64;
            continue;
        }
        if (word & 1) memset(r->to + (size_t)v * r->row_bytes, 0, r->row_bytes);
        v++;
    }
}

static void note_rows(const rows_run *r, wg_touched *rows)
{
    memset(rows->bits, 0, (size_t)((rows->n + 63) / 64) * sizeof *rows->bits);
    for (int64_t i = 0; i < r->n_ids; i++)
        rows->bits[r->ids[i] / 64] |= (uint64_t)1 << (r->ids[i] % 64);
    rows->known = true;
}

/* A thread owns a range of rows of the result and looks at all ids in order. */
static void add_rows(void *user, int64_t begin, int64_t end, int worker)
{
    const rows_run *r = user;
    wg_dtype dtype = r->c->out[0].dtype;
    const wg__kernels *k = wg__kernels_for(r->c->isa);
    (void)worker;
    clear_rows(r, begin, end);
    for (int64_t i = 0; i < r->n_ids; i++) {
        int64_t id = r->ids[i];
        if (id < begin || id >= end) continue;
        k->row_axpy[dtype](1.0, r->from + (size_t)i * r->row_bytes,
                           r->to + (size_t)id * r->row_bytes, r->width);
    }
}

static wg_status scatter_rows_kernel(wg_kernel *c)
{
    const wg_view *rows = &c->in[0], *ids = &c->in[1], *y = &c->out[0];
    wg_status status = check_ids(c, "scatter_rows", ids, y->shape.dim[0]);
    if (status != WG_OK) return status;
    rows_run r = {c,          ids->data, wg_shape_count(&ids->shape), y->shape.dim[1], 0,
                  rows->data, y->data};
    r.row_bytes = (size_t)r.width * wg_dtype_size(y->dtype);
    if (r.row_bytes == 0) return WG_OK;
    wg_parallel_for(c->threads, y->shape.dim[0], 1 + 32768 / (int64_t)r.row_bytes, add_rows, &r);
    if (c->touched) note_rows(&r, c->touched);
    return WG_OK;
}

static void scatter_rows_vjp(wg_vjp *c)
{
    if (wg_vjp_needs(c, 0)) wg_vjp_add(c, 0, (wg_embedding)(wg_vjp_grad(c, 0), wg_vjp_in(c, 1)));
}

static void scatter_rows_format(const void *attr, size_t attr_size, char *buf, size_t size)
{
    const scatter_rows_attr *a = attr;
    (void)attr_size;
    snprintf(buf, size, "rows=%lld", (long long)a->n_rows);
}

const wg_op wg__op_scatter_rows = {
    .size = sizeof(wg_op),
    .name = "scatter_rows",
    .version = 1,
    .traits = WG_OP_SCATTER | WG_OP_ADDS | WG_OP_TOUCHES,
    .n_in = 2,
    .n_out = 1,
    .infer = scatter_rows_infer,
    .vjp = scatter_rows_vjp,
    .kernel = {scatter_rows_kernel},
    .format = scatter_rows_format,
    .doc = "y[v,:] = sum of rows[i,:] over ids[i] = v",
};

wg_var(wg_scatter_rows)(wg_var rows, wg_var ids, int64_t n_rows)
{
    scatter_rows_attr attr = {n_rows};
    wg_var in[2] = {rows, ids};
    return wg_record(&wg__op_scatter_rows, in, 2, &attr, sizeof attr);
}

/* core/lookup.c, resolved when the library is linked. */
const wg_op *wg__made_by(wg_var v, wg_var *in, int max_in);

bool(wg_sparse_rows)(wg_var v, wg_var *rows, wg_var *ids)
{
    wg_var in[2];
    if (wg__made_by(v, in, 2) != &wg__op_scatter_rows) return false;
    *rows = in[0];
    *ids = in[1];
    return true;
}
