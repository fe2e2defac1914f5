/* The loops of the reductions, over any set of axes. */
#ifndef WG_OPS_REDUCE_RUN_H
#define WG_OPS_REDUCE_RUN_H

#include <wengert/op.h>

/* Sums over rows, column by column: so many rows are added up before they join the total. The error
 * of a sum over R rows grows with R / WG__REDUCE_ROWS, not R. */
#define WG__REDUCE_ROWS 32

typedef enum wg__reduction { WG__SUM, WG__MAX, WG__LOGSUMEXP } wg__reduction;

/* out 0 = in 0 (contiguous) reduced over the axes of the bit mask. */
wg_status wg__reduce(wg_kernel *c, wg__reduction what, uint32_t axes);
/* One contiguous row of n elements of a floating dtype. */
double wg__reduce_row(wg__reduction what, int isa, wg_dtype dtype, const void *x, int64_t n);

#endif
