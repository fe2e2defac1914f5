/* Copy between two strided blocks of one shape: the loop under transpose, concat, pad, reverse and
 * the packing of operands. */
#ifndef WG_OPS_NDCOPY_H
#define WG_OPS_NDCOPY_H

#include <wengert/tensor.h>

/* dst[i] = src[i] for every index i of dim[0..rank). Strides in elements of esize bytes (1, 4 or
 * 8), may be zero or negative in src; dst elements are distinct and do not overlap src. */
void wg__ndcopy(size_t esize, int rank, const int64_t *dim, const int64_t *dst_stride, void *dst,
                const int64_t *src_stride, const void *src, int threads);

#endif
