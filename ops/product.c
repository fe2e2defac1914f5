/* Matrix products: matmul with transposes and batches, affine, outer.
 *
 *     y = op(a) op(b),    gradient of op(a): g op(b)^T,    gradient of op(b): op(a)^T g
 *
 * Products of gradients are products again, with other flags, so derivatives of any order need no
 * rule but this one. Where b is a matrix, the leading axes of a are rows of ONE product: that is
 * what makes [T,B,X] x [X,H] as fast as it can be. */
#include "ops_internal.h"

#include <stdio.h>

#include <wengert/ops.h>

#include "axes.h"
#include "bf16.h"
#include "packed.h"
#include "product.h"

static wg_status matmul_infer(wg_infer *c)
{
    const wg_product_attr *attr = c->attr;
    const wg_type *a = &c->in[0], *b = &c->in[1];
    char ta[192], tb[192];
    wg__type_text(a, ta, sizeof ta);
    wg__type_text(b, tb, sizeof tb);
    if (c->attr_size < sizeof *attr) return wg_infer_fail(c, WG_EINVAL, "attributes are missing");
    if (a->dtype != b->dtype || !(WG_BIT(a->dtype) & WG_FLOATS))
        return wg_infer_fail(c, WG_EDTYPE, "needs two operands of one floating dtype, not %s x %s",
                             ta, tb);
    if (a->shape.rank < 2 || b->shape.rank < 2)
        return wg_infer_fail(c, WG_ESHAPE, "needs operands of rank 2 or more, not %s x %s", ta, tb);
    int64_t m, ka, kb, n;
    wg__product_sizes(&a->shape, attr->trans_a, &m, &ka);
    wg__product_sizes(&b->shape, attr->trans_b, &kb, &n);
    char sa[160], sb[160];
    wg_shape_format(&a->shape, sa, sizeof sa);
    wg_shape_format(&b->shape, sb, sizeof sb);
    if (ka != kb)
        return wg_infer_fail(c, WG_ESHAPE, "inner sizes differ: %s%s x %s%s", sa,
                             attr->trans_a ? "^T" : "", sb, attr->trans_b ? "^T" : "");
    wg_shape batch_a = wg_shape_of(a->shape.rank - 2, a->shape.dim);
    wg_shape batch_b = wg_shape_of(b->shape.rank - 2, b->shape.dim);
    wg_shape batch;
    if (!wg_shape_broadcast(&batch_a, &batch_b, &batch))
        return wg_infer_fail(c, WG_ESHAPE, "leading axes do not broadcast: %s x %s", sa, sb);
    batch.dim[batch.rank++] = m;
    batch.dim[batch.rank++] = n;
    c->out[0].dtype = a->dtype;
    c->out[0].shape = batch;
    return WG_OK;
}

/* Leading axes and rows as one row axis. */
static wg_var as_rows(wg_var v)
{
    wg_type type = wg_var_type(v);
    int r = type.shape.rank;
    if (r == 2) return v;
    return (wg_reshape)(v, WG_SHAPE(wg__span(&type.shape, 0, r - 1), type.shape.dim[r - 1]));
}

static void matmul_vjp(wg_vjp *c)
{
    const wg_product_attr *attr = wg_vjp_attr(c);
    bool ta = attr->trans_a, tb = attr->trans_b;
    wg_var a = wg_vjp_in(c, 0), b = wg_vjp_in(c, 1), g = wg_vjp_grad(c, 0);
    wg_type b_type = wg_var_type(b);
    if (wg_vjp_needs(c, 0))
        wg_vjp_add(c, 0, ta ? (wg_matmul_t)(b, g, tb, true) : (wg_matmul_t)(g, b, false, !tb));
    if (wg_vjp_needs(c, 1)) {
        if (wg__product_is_rows(&b_type.shape,
                                attr)) { /* the sum over rows is part of the product */
            a = as_rows(a);
            g = as_rows(g);
        }
        wg_vjp_add(c, 1, tb ? (wg_matmul_t)(g, a, true, ta) : (wg_matmul_t)(a, g, !ta, false));
    }
}

static void matmul_format(const void *attr, size_t attr_size, char *buf, size_t size)
{
    const wg_product_attr *flags = attr;
    (void)attr_size;
    snprintf(buf, size, "%s%s%s", flags->trans_a ? "a^T" : "",
             flags->trans_a && flags->trans_b ? " " : "", flags->trans_b ? "b^T" : "");
}

const wg_op wg__op_matmul = {
    .size = sizeof(wg_op),
    .name = "matmul",
    .version = 1,
    .traits = WG_OP_PRODUCT | WG_OP_STRIDED,
    .n_in = 2,
    .n_out = 1,
    .infer = matmul_infer,
    .vjp = matmul_vjp,
    .kernel = {wg__matmul_kernel},
    .workspace = wg__matmul_workspace,
    .format = matmul_format,
    .doc = "y = op(a) op(b)",
    .packing = wg__matmul_packing,
    .bf16 = &wg__op_matmul_bf16,
};

wg_var(wg_matmul_t)(wg_var a, wg_var b, bool trans_a, bool trans_b)
{
    wg_product_attr attr = {trans_a, trans_b};
    wg_var in[2] = {a, b};
    return wg_record(&wg__op_matmul, in, 2, &attr, sizeof attr);
}

wg_var(wg_matmul)(wg_var a, wg_var b)
{
    return (wg_matmul_t)(a, b, false, false);
}

/* Composition: add(matmul(x, w), b). */
wg_var(wg_affine)(wg_var x, wg_var w, wg_var b)
{
    wg_var y = (wg_matmul)(x, w);
    return wg_is_none(b) ? y : (wg_add)(y, b);
}

/* Composition: mul of a as a column and b as a row. */
wg_var(wg_outer)(wg_var a, wg_var b)
{
    return (wg_mul)((wg_expand_dims)(a, -1), (wg_expand_dims)(b, -2));
}
