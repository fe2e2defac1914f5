/* Matrix product of dense row-major matrices. */
#ifndef WG_OPS_GEMM_H
#define WG_OPS_GEMM_H

#include <wengert/tensor.h>

/* c[m,n] = op(a) op(b), op(a) [m,k], op(b) [k,n], all row-major with row strides lda, ldb, ldc (at
 * least the row length of the matrix as stored). f32 or f64. k = 0 gives zeros. isa (wg_isa)
 * chooses the library and the kernels. `threads` holds outside of parallel regions; inside one the
 * product runs on the calling thread. ELIMIT where a size is beyond what the library takes. */
wg_status wg__gemm(int isa, wg_dtype dtype, bool trans_a, bool trans_b, int64_t m, int64_t n,
                   int64_t k, const void *a, int64_t lda, const void *b, int64_t ldb, void *c,
                   int64_t ldc, int threads, wg_error *err);

#endif
