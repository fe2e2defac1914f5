/* A recorded product (product.c) and how it runs (product_run.c). */
#ifndef WG_OPS_PRODUCT_H
#define WG_OPS_PRODUCT_H

#include <wengert/op.h>

/* Are the leading axes of a rows of one product, as b is one matrix? */
bool wg__product_is_rows(const wg_shape *b, const wg_product_attr *attr);
/* Rows and columns of op(x), x of that shape. */
void wg__product_sizes(const wg_shape *s, bool trans, int64_t *rows, int64_t *cols);

wg_status wg__matmul_kernel(wg_kernel *c);
size_t wg__matmul_workspace(const wg_type *in, int n_in, const wg_type *out, int n_out,
                            const void *attr, int threads);

#endif
