/* Large f32 products: which are ours, and how they are given to threads.
 *
 * Measured on AMD Zen 3 (docs/decisions/0025-blocked-products.md): ahead of both libraries or level
 * with the faster one where a row of tiles and a panel are used often enough to pay for their
 * copies. */
#include "blocked.h"

#include <wengert/parallel.h>

enum {
    LEAST = 128,           /* rows, columns, terms of a product that is ours */
    LEAST_TERMS = 1 << 25, /* multiply-adds of one: smaller ones were not measured */
    MOST_TOGETHER = 4096,
    GRAIN = 48, /* columns or rows that a thread takes are a multiple: whole tiles and panels */
};

typedef void block_kernel(const wg__block_product *p);

static block_kernel *kernel_for(int isa)
{
#ifdef WG_HAVE_ISA_AVX512
    if (isa >= WG_ISA_AVX512) return wg__block_product_avx512;
#endif
#ifdef WG_HAVE_ISA_AVX2
    if (isa >= WG_ISA_AVX2) return wg__block_product_avx2;
#endif
    (void)isa;
    return wg__block_product_base;
}

/* With AVX-512 oneDNN's kernels reach more than nine tenths of the peak; the base's were not
 * measured. Of a b^T with many terms the copy of b is the slower the further apart its rows are:
 * 896 x 512 x 8000 by two threads 138 against oneDNN's 154 GFLOP/s. */
bool wg__blocked_fits(int isa, int64_t m, int64_t n, int64_t k, bool terms_together)
{
    return isa == WG_ISA_AVX2 && m >= LEAST && n >= LEAST && k >= LEAST &&
           m > (LEAST_TERMS - 1) / n / k && (!terms_together || k <= MOST_TOGETHER);
}

/* A thread's part, in columns or in rows, whichever there are more of. */
static int64_t share(int64_t count, int threads)
{
    int64_t each = (count + threads - 1) / threads;
    return (each + GRAIN - 1) / GRAIN * GRAIN;
}

static size_t room_each(int64_t m, int64_t n, int64_t k, int threads)
{
    if (m > n)
        m = share(m, threads);
    else
        n = share(n, threads);
    return wg__block_room(m, n, k);
}

size_t wg__blocked_room(int64_t m, int64_t n, int64_t k, int threads)
{
    if (threads < 1) threads = 1;
    return room_each(m, n, k, threads) * (size_t)threads;
}

typedef struct blocked_run {
    block_kernel *kernel;
    wg__block_product whole;
    size_t room;
    int threads;
} blocked_run;

static void blocked_range(void *user, int64_t begin, int64_t end, int worker)
{
    const blocked_run *r = user;
    (void)worker;
    for (int64_t q = begin; q < end; q++) {
        wg__block_product p = r->whole;
        const bool rows = p.m > p.n;
        const int64_t size = rows ? p.m : p.n, each = share(size, r->threads), first = q * each;
        const int64_t count = size - first < each ? size - first : each;
        if (count <= 0) return;
        p.room += (size_t)q * (r->room / sizeof *p.room);
        if (rows) {
            p.m = count;
            p.a += first * p.a_row;
            p.c += first * p.ldc;
        } else {
            p.n = count;
            p.b += first * p.b_column;
            p.c += first;
        }
        r->kernel(&p);
    }
}

void wg__blocked_run(int isa, const wg__block_product *p, int threads)
{
    if (threads < 1) threads = 1;
    blocked_run r = {.kernel = kernel_for(isa),
                     .whole = *p,
                     .room = room_each(p->m, p->n, p->k, threads),
                     .threads = threads};
    wg_parallel_for(threads, threads, 1, blocked_range, &r);
}
