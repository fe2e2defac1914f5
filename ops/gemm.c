/* f32 products through oneDNN (the fastest measured, see docs), CBLAS without it; f64 through
 * CBLAS.
 *
 * Both libraries take their thread count from OpenMP's setting of the calling thread, which is
 * that thread's own: it is set for the call and put back, so that no other thread notices. */
#include "gemm.h"

#include <cblas.h>
#include <limits.h>
#include <string.h>

#include <wengert/parallel.h>

#ifdef WG_HAVE_ONEDNN
#include <dnnl.h>
#endif
#ifdef _OPENMP
#include <omp.h>
#endif

static int threads_enter(int threads)
{
#ifdef _OPENMP
    if (omp_in_parallel()) return 0;
    int before = omp_get_max_threads();
    if (threads < 1 || before == threads) return 0;
    omp_set_num_threads(threads);
    return before;
#else
    (void)threads;
    return 0;
#endif
}

static void threads_leave(int before)
{
#ifdef _OPENMP
    if (before > 0) omp_set_num_threads(before);
#else
    (void)before;
#endif
}

static void zero_rows(wg_dtype dtype, int64_t m, int64_t n, void *c, int64_t ldc)
{
    size_t esize = wg_dtype_size(dtype);
    for (int64_t i = 0; i < m; i++)
        memset((char *)c + (size_t)(i * ldc) * esize, 0, (size_t)n * esize);
}

static bool fits_int(int64_t m, int64_t n, int64_t k, int64_t lda, int64_t ldb, int64_t ldc)
{
    return m <= INT_MAX && n <= INT_MAX && k <= INT_MAX && lda <= INT_MAX && ldb <= INT_MAX &&
           ldc <= INT_MAX;
}

static wg_status cblas_product(wg_dtype dtype, bool trans_a, bool trans_b, int64_t m, int64_t n,
                               int64_t k, const void *a, int64_t lda, const void *b, int64_t ldb,
                               void *c, int64_t ldc, wg_error *err)
{
    if (!fits_int(m, n, k, lda, ldb, ldc))
        return wg_error_set(err, WG_ELIMIT,
                            "matmul: a size of %lld x %lld x %lld is over 2^31-1, the limit of "
                            "CBLAS",
                            (long long)m, (long long)n, (long long)k);
    CBLAS_TRANSPOSE ta = trans_a ? CblasTrans : CblasNoTrans;
    CBLAS_TRANSPOSE tb = trans_b ? CblasTrans : CblasNoTrans;
    if (dtype == WG_F64)
        cblas_dgemm(CblasRowMajor, ta, tb, (int)m, (int)n, (int)k, 1.0, a, (int)lda, b, (int)ldb,
                    0.0, c, (int)ldc);
    else
        cblas_sgemm(CblasRowMajor, ta, tb, (int)m, (int)n, (int)k, 1.0F, a, (int)lda, b, (int)ldb,
                    0.0F, c, (int)ldc);
    return WG_OK;
}

#ifdef WG_HAVE_ONEDNN
/* oneDNN's AVX2 kernels reach 20-60 GFLOP/s with few rows and a large untransposed right side,
 * where OpenBLAS reaches 36-78 (8 x 1024 x 256, 64 x 1024 x 256 and the like, AMD Zen 3, one core).
 * With one row (28 against 107 us for 1 x 1024 x 256), with a right side that is small, as in
 * attention, with AVX-512, and in every other form oneDNN is level or ahead. By instruction set and
 * shape only, never by timing. */
static bool cblas_is_faster(bool trans_a, bool trans_b, int64_t m, int64_t n, int64_t k)
{
    if (wg_isa_best() >= WG_ISA_AVX512) return false;
    /* Weight gradients, A^T B over many rows: 256 x 1024 x 3200 38 against 76 GFLOP/s. */
    if (trans_a && !trans_b && k >= 3 * m) return true;
    return !trans_b && m >= 4 && m <= 192 && n >= 65536 / k;
}
#endif

wg_status wg__gemm(wg_dtype dtype, bool trans_a, bool trans_b, int64_t m, int64_t n, int64_t k,
                   const void *a, int64_t lda, const void *b, int64_t ldb, void *c, int64_t ldc,
                   int threads, wg_error *err)
{
    if (m <= 0 || n <= 0) return WG_OK;
    if (k <= 0) {
        zero_rows(dtype, m, n, c, ldc);
        return WG_OK;
    }
    wg_status status;
    int before = threads_enter(threads);
#ifdef WG_HAVE_ONEDNN
    if (dtype == WG_F32 && !cblas_is_faster(trans_a, trans_b, m, n, k)) {
        dnnl_status_t done = dnnl_sgemm(trans_a ? 'T' : 'N', trans_b ? 'T' : 'N', m, n, k, 1.0F, a,
                                        lda, b, ldb, 0.0F, c, ldc);
        status = WG_OK;
        if (done == dnnl_out_of_memory)
            status = wg_error_set(err, WG_ENOMEM, "matmul: oneDNN is out of memory");
        else if (done != dnnl_success)
            status =
                wg_error_set(err, WG_EINTERNAL, "matmul: oneDNN failed with status %d", (int)done);
    } else {
        status = cblas_product(dtype, trans_a, trans_b, m, n, k, a, lda, b, ldb, c, ldc, err);
    }
#else
    status = cblas_product(dtype, trans_a, trans_b, m, n, k, a, lda, b, ldb, c, ldc, err);
#endif
    threads_leave(before);
    return status;
}
