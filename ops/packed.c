/* Products whose right operand is prepared once for many of them: the weights of a loop.
 *
 * Three preparations, chosen by types and instruction set alone (measurements:
 * docs/decisions/0012-products.md):
 *
 *   panels  op(b) in the layout that our own kernels of few rows read (kernels/panel.h);
 *   rows    op(b) contiguous and untransposed, for the libraries' kernels, which are slow with few
 *           rows against a transposed right operand;
 *   bf16    b rounded, for products that were asked for in bf16, whatever their size.
 *
 * Both ops here are placed by a pass (core/passes/pack_weights.c) through the descriptor of matmul,
 * after differentiation: nobody records them, and they have no gradients. */
#include "packed.h"

#include <stdio.h>
#include <string.h>

#include <wengert/parallel.h>

#include "axes.h"
#include "bf16.h"
#include "kernels/panel.h"
#include "ndcopy.h"

enum { LAYOUT_PANELS = 1, LAYOUT_ROWS = 2, LAYOUT_BF16 = 3 };

typedef struct pack_attr {
    uint32_t trans, layout;
} pack_attr;

/* ---- pack ---- */

static void op_sizes(const wg_shape *b, bool trans, int64_t *k, int64_t *n)
{
    *k = b->dim[trans ? 1 : 0];
    *n = b->dim[trans ? 0 : 1];
}

static int64_t whole_panels(int64_t n)
{
    return (n + WG_PANEL_MOST - 1) / WG_PANEL_MOST * WG_PANEL_MOST;
}

static wg_type packed_type(const wg_type *b, const pack_attr *attr)
{
    int64_t k, n;
    op_sizes(&b->shape, attr->trans, &k, &n);
    /* Two elements in the place of one: there is no dtype for them. */
    if (attr->layout == LAYOUT_BF16) return (wg_type){b->dtype, WG_SHAPE((k * n + 1) / 2)};
    if (attr->layout == LAYOUT_PANELS) n = whole_panels(n);
    return (wg_type){b->dtype, WG_SHAPE(k, n)};
}

static wg_status pack_infer(wg_infer *c)
{
    const pack_attr *attr = c->attr;
    if (c->attr_size < sizeof *attr || c->in[0].shape.rank != 2)
        return wg_infer_fail(c, WG_EINTERNAL, "packs matrices only");
    c->out[0] = packed_type(&c->in[0], attr);
    return WG_OK;
}

typedef struct pack_run {
    const wg__panel_kernels *kernels;
    const float *b;
    int64_t row, column, k, n;
    float *out;
} pack_run;

static void pack_range(void *user, int64_t begin, int64_t end, int worker)
{
    (void)worker;
    const pack_run *r = user;
    for (int64_t q = begin; q < end; q++) {
        int64_t j = q * r->kernels->width, rest = r->n - j;
        r->kernels->pack(r->b + j * r->column, r->row, r->column, r->k,
                         rest < r->kernels->width ? rest : r->kernels->width, r->out + j * r->k);
    }
}

static wg_status pack_kernel(wg_kernel *c)
{
    const pack_attr *attr = c->attr;
    const wg_view *b = &c->in[0];
    int64_t k, n, row = b->stride[attr->trans ? 1 : 0], column = b->stride[attr->trans ? 0 : 1];
    op_sizes(&b->shape, attr->trans, &k, &n);
    if (attr->layout == LAYOUT_BF16) {
        uint16_t *to = c->out[0].data;
        wg__bf16_convert(b, to, c->threads);
        if (k * n % 2) to[k * n] = 0;
        return WG_OK;
    }
    if (attr->layout == LAYOUT_ROWS) {
        int64_t dim[2] = {k, n}, to[2] = {n, 1}, from[2] = {row, column};
        wg__ndcopy(wg_dtype_size(b->dtype), 2, dim, to, c->out[0].data, from, b->data, c->threads);
        return WG_OK;
    }
    pack_run r = {wg__panel_kernels_for(c->isa), b->data, row, column, k, n, c->out[0].data};
    int64_t panels = (n + r.kernels->width - 1) / r.kernels->width;
    wg_parallel_for(c->threads, panels, 32768 / (k * r.kernels->width + 1) + 1, pack_range, &r);
    return WG_OK;
}

static void pack_format(const void *attr, size_t attr_size, char *buf, size_t size)
{
    const pack_attr *a = attr;
    (void)attr_size;
    static const char *const name[] = {
        [LAYOUT_PANELS] = "panels", [LAYOUT_ROWS] = "rows", [LAYOUT_BF16] = "bf16"};
    snprintf(buf, size, "%s%s", name[a->layout], a->trans ? " b^T" : "");
}

static const wg_op op_pack = {
    .size = sizeof(wg_op),
    .name = "pack_right",
    .version = 1,
    .traits = WG_OP_OPAQUE | WG_OP_STRIDED | WG_OP_NO_GRADIENT,
    .n_in = 1,
    .n_out = 1,
    .infer = pack_infer,
    .kernel = {pack_kernel},
    .format = pack_format,
    .doc = "op(b) in the layout that a product of few rows reads",
};

/* ---- product ---- */

/* Inputs: a [..., K] and panels [K, >= N]. The number of columns is that of the output, which the
 * pass gives. */
static wg_status product_infer(wg_infer *c)
{
    return wg_infer_fail(c, WG_EINTERNAL, "is placed by a pass only");
}

typedef struct panel_run {
    const wg__panel_kernels *kernels;
    wg__panel_product whole;
} panel_run;

static void panel_range(void *user, int64_t begin, int64_t end, int worker)
{
    (void)worker;
    const panel_run *r = user;
    wg__panel_product p = r->whole;
    int64_t width = r->kernels->width, j = begin * width, last = end * width;
    if (last > p.n) last = p.n;
    p.panels += j * p.k;
    p.c += j;
    p.n = last - j;
    r->kernels->product(&p);
}

static wg_status product_kernel(wg_kernel *c)
{
    const wg_view *a = &c->in[0], *out = &c->out[0];
    int rank = a->shape.rank;
    int64_t total = wg_shape_count(&out->shape);
    if (total == 0) return WG_OK;
    panel_run r = {.kernels = wg__panel_kernels_for(c->isa)};
    wg__panel_product *p = &r.whole;
    p->n = out->shape.dim[out->shape.rank - 1];
    p->k = a->shape.dim[rank - 1];
    p->a_column = a->stride[rank - 1];
    p->panels = c->in[1].data;
    p->ldc = p->n;
    int axis = 0;
    while (!wg__rows_from(a, axis, &p->m, &p->a_row)) axis++;
    int64_t width = r.kernels->width, panels = (p->n + width - 1) / width;
    /* A part is worth a thread from some ten microseconds on. */
    int64_t grain = 100000 / (p->m * p->k * width + 1) + 1;
    for (int64_t done = 0; done < total; done += p->m * p->n) {
        int64_t at = 0, rest = done / p->n / p->m;
        for (int i = axis - 1; i >= 0; i--) {
            at += rest % a->shape.dim[i] * a->stride[i];
            rest /= a->shape.dim[i];
        }
        p->a = (const float *)a->data + at;
        p->c = (float *)out->data + done;
        wg_parallel_for(c->threads, panels, grain, panel_range, &r);
    }
    return WG_OK;
}

static const wg_op op_product = {
    .size = sizeof(wg_op),
    .name = "matmul_packed",
    .version = 1,
    .traits = WG_OP_PRODUCT | WG_OP_STRIDED | WG_OP_NO_GRADIENT,
    .n_in = 2,
    .n_out = 1,
    .infer = product_infer,
    .kernel = {product_kernel},
    .doc = "y = a b, with b packed",
};

/* ---- which, and whether ---- */

/* Panels are our own kernels: with AVX-512, oneDNN's reach 91 to 98 % of the peak with few rows as
 * it is, below it 40 to 90 %, where panels reach 88 to 97 %. */
static bool panels_are_faster(int isa)
{
#ifdef WG_HAVE_ONEDNN
    return isa < WG_ISA_AVX512;
#else
    (void)isa;
    return true;
#endif
}

bool wg__matmul_packing(const wg_type *a, const wg_type *b, const void *attr, int64_t uses, int isa,
                        wg_packing *out)
{
    const wg_product_attr *flags = attr;
    if (b->shape.rank != 2 || a->shape.rank < 2 || flags->trans_a || a->dtype != b->dtype)
        return false;
    int64_t rows = 1, k, n;
    for (int i = 0; i + 1 < a->shape.rank; i++) rows *= a->shape.dim[i];
    op_sizes(&b->shape, flags->trans_b, &k, &n);
    /* Packing reads and writes b once; a product gains less than that for each of its rows. */
    if (rows < 1 || k < 1 || n < 1 || rows > WG_PACKED_ROWS_MOST || uses < 2 || rows * uses < 128)
        return false;
    bool panels = b->dtype == WG_F32 && panels_are_faster(isa);
    if (!panels && !flags->trans_b) return false;
    pack_attr how = {flags->trans_b, panels ? LAYOUT_PANELS : LAYOUT_ROWS};
    wg_product_attr plain = {0, 0};
    out->pack = &op_pack;
    out->packed = packed_type(b, &how);
    if (wg_shape_count(&out->packed.shape) < 0) return false;
    memcpy(out->pack_attr, &how, sizeof how);
    out->pack_attr_size = sizeof how;
    out->product = panels ? &op_product : &wg__op_matmul;
    memcpy(out->product_attr, &plain, sizeof plain);
    out->product_attr_size = sizeof plain;
    return true;
}

bool wg__bf16_packing(const wg_type *a, const wg_type *b, const void *attr, int64_t uses, int isa,
                      wg_packing *out)
{
    (void)isa;
    const wg_product_attr *flags = attr;
    int64_t count = wg_shape_count(&b->shape);
    if (b->shape.rank != 2 || a->shape.rank < 2 || flags->trans_a || uses < 2 || count < 1)
        return false;
    pack_attr how = {0, LAYOUT_BF16};
    out->pack = &op_pack;
    out->packed = packed_type(b, &how);
    memcpy(out->pack_attr, &how, sizeof how);
    out->pack_attr_size = sizeof how;
    out->product = &wg__op_matmul_bf16_packed;
    memcpy(out->product_attr, flags, sizeof *flags);
    out->product_attr_size = sizeof *flags;
    return true;
}
