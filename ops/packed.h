/* The packing of matmul: what its descriptor offers to passes. */
#ifndef WG_OPS_PACKED_H
#define WG_OPS_PACKED_H

#include "ops_internal.h"

/* Products of more rows amortise the libraries' own packing. */
#define WG_PACKED_ROWS_MOST 256

/* wg_op.packing of matmul. */
bool wg__matmul_packing(const wg_type *a, const wg_type *b, const void *attr, int64_t uses, int isa,
                        wg_packing *out);

#endif
