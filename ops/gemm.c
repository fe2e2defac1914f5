/* f32 products through oneDNN, CBLAS or our own kernels, whichever was measured to be the fastest
 * for the shape; f64 through CBLAS.
 *
 * The libraries take their thread count from OpenMP's setting of the calling thread, which is
 * that thread's own: it is set for the call and put back, so that no other thread notices. */
#include "gemm.h"

#include <cblas.h>
#include <limits.h>
#include <string.h>

#include <wengert/parallel.h>

#include "kernels/panel.h"

#ifdef WG_HAVE_ONEDNN
#include <dnnl.h>
#endif

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

/* ---- which one ---- */

typedef enum maker { BY_ONEDNN, BY_CBLAS, BY_US } maker;

/* By instruction set, shape and threads, never by timing; measured on AMD Zen 3, see
 * docs/decisions/0012-products.md. oneDNN's AVX2 kernels read operands in place up to some 300
 * rows, and rows that lie a multiple of 2 KiB apart (a of TN: 256 bytes) then fall on few sets of
 * the cache. OpenBLAS always packs, but gains little from threads with few rows. 2 to 8 rows
 * against a large right side are bound by reading it: ours does so in long streams. */
static maker choose(wg_dtype dtype, int isa, bool trans_a, bool trans_b, int64_t m, int64_t n,
                    int64_t k, int64_t lda, int64_t ldb, int threads)
{
    bool large = n >= 65536 / k;
    if (dtype != WG_F32) return BY_CBLAS;
    if (isa == WG_ISA_AVX2 && !trans_a && !trans_b && m >= 2 && m <= 8 && n >= (1 << 20) / k)
        return BY_US;
#ifdef WG_HAVE_ONEDNN
    if (isa >= WG_ISA_AVX512 || !large) return BY_ONEDNN;
    /* 3200 x 256 x 1024: 63 against 70 GFLOP/s, 400 x 512 x 2048: 65 against 74. */
    if (trans_b)
        return ldb % 512 == 0 && !trans_a && m >= 64 && (n <= 256 || m <= 512) ? BY_CBLAS
                                                                               : BY_ONEDNN;
    if (trans_a && lda % 256 == 0 && n <= 512 && m >= 96) return BY_CBLAS;
    /* Weight gradients, A^T B over many rows: 256 x 1024 x 3200 38 against 76 GFLOP/s. */
    if (trans_a && k >= 3 * m && m >= (threads > 1 ? 64 : 20)) return BY_CBLAS;
    if (m > 320 || m < (threads > 1 ? 64 : 4)) return BY_ONEDNN;
    if (ldb % 512 == 0) return BY_CBLAS;
    return m >= 96 && (trans_a ? lda % 64 == 0 : threads <= 1) ? BY_CBLAS : BY_ONEDNN;
#else
    (void)large;
    (void)lda;
    (void)ldb;
    (void)threads;
    return BY_CBLAS;
#endif
}

/* ---- ours ---- */

typedef struct direct_run {
    const wg__panel_kernels *kernels;
    wg__panel_product whole;
    const float *b;
    int64_t ldb;
} direct_run;

static void direct_range(void *user, int64_t begin, int64_t end, int worker)
{
    (void)worker;
    const direct_run *r = user;
    wg__panel_product p = r->whole;
    int64_t j = begin * r->kernels->width, last = end * r->kernels->width;
    p.n = (last < p.n ? last : p.n) - j;
    p.c += j;
    r->kernels->direct(&p, r->b + j, r->ldb);
}

static void our_product(int isa, int64_t m, int64_t n, int64_t k, const void *a, int64_t lda,
                        const void *b, int64_t ldb, void *c, int64_t ldc, int threads)
{
    direct_run r = {
        .kernels = wg__panel_kernels_for(isa),
        .whole = {.m = m, .n = n, .k = k, .a = a, .a_row = lda, .a_column = 1, .c = c, .ldc = ldc},
        .b = b,
        .ldb = ldb};
    wg_parallel_for(threads < 1 ? 1 : threads, (n + r.kernels->width - 1) / r.kernels->width, 8,
                    direct_range, &r);
}

wg_status wg__gemm(int isa, wg_dtype dtype, bool trans_a, bool trans_b, int64_t m, int64_t n,
                   int64_t k, const void *a, int64_t lda, const void *b, int64_t ldb, void *c,
                   int64_t ldc, int threads, wg_error *err)
{
    if (m <= 0 || n <= 0) return WG_OK;
    if (k <= 0) {
        zero_rows(dtype, m, n, c, ldc);
        return WG_OK;
    }
    maker by = choose(dtype, isa, trans_a, trans_b, m, n, k, lda, ldb, threads);
    if (by == BY_US) {
        our_product(isa, m, n, k, a, lda, b, ldb, c, ldc, threads);
        return WG_OK;
    }
    wg_status status = WG_OK;
    int before = wg_library_threads_enter(threads);
#ifdef WG_HAVE_ONEDNN
    if (by == BY_ONEDNN) {
        dnnl_status_t done = dnnl_sgemm(trans_a ? 'T' : 'N', trans_b ? 'T' : 'N', m, n, k, 1.0F, a,
                                        lda, b, ldb, 0.0F, c, ldc);
        if (done == dnnl_out_of_memory)
            status = wg_error_set(err, WG_ENOMEM, "matmul: oneDNN is out of memory");
        else if (done != dnnl_success)
            status =
                wg_error_set(err, WG_EINTERNAL, "matmul: oneDNN failed with status %d", (int)done);
        wg_library_threads_leave(before);
        return status;
    }
#endif
    status = cblas_product(dtype, trans_a, trans_b, m, n, k, a, lda, b, ldb, c, ldc, err);
    wg_library_threads_leave(before);
    return status;
}
