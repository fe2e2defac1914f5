/* Products of a batch: the kernels of small ones at every instruction set against sums in f64, and
 * batches through the op against the same in f64, in every form and layout, by 1 and 3 threads. */
#include "ops_support.h"

#include <wengert/parallel.h>

#include "kernels/small.h"

/* ---- the kernels ---- */

typedef struct sample {
    int64_t m, n, k, a_row, a_column, ldb;
    bool dots;
} sample;

/* As for packed products: at most k eps sum |a b| in whatever order (N. Higham, "Accuracy and
 * Stability of Numerical Algorithms", 2nd ed., eq. 3.5). */
static void check_kernel(const wg__small_kernels *kernels, const sample *s, wg_rng *rng)
{
    int64_t n_a = (s->m - 1) * s->a_row + (s->k - 1) * s->a_column + 1;
    int64_t rows = s->dots ? s->n : s->k, wide = s->dots ? s->k : s->n, ldc = s->n + 3;
    int64_t n_b = (rows - 1) * s->ldb + wide;
    float *a = wg_malloc((size_t)n_a * sizeof *a), *b = wg_malloc((size_t)n_b * sizeof *b);
    float *c = wg_malloc((size_t)(s->m * ldc) * sizeof *c);
    assert_true(a && b && c);
    for (int64_t i = 0; i < n_a; i++) a[i] = (float)wg_rng_normal(rng);
    for (int64_t i = 0; i < n_b; i++) b[i] = (float)wg_rng_normal(rng);
    for (int64_t i = 0; i < s->m * ldc; i++) c[i] = 77;
    wg__small_product p = {s->m, s->n, s->k, a, s->a_row, s->a_column, b, s->ldb, c, ldc};
    void (*kernel)(const wg__small_product *) = s->dots ? kernels->dots : kernels->rows;
    kernel(&p);
    for (int64_t i = 0; i < s->m; i++) {
        for (int64_t j = 0; j < s->n; j++) {
            double sum = 0, size = 0;
            for (int64_t q = 0; q < s->k; q++) {
                double term = (double)a[i * s->a_row + q * s->a_column] *
                              (double)b[s->dots ? j * s->ldb + q : q * s->ldb + j];
                sum += term;
                size += fabs(term);
            }
            WGT_NEAR(c[i * ldc + j], sum, (double)(s->k + 1) * 0x1p-24 * size);
        }
        for (int64_t j = s->n; j < ldc; j++) assert_true(c[i * ldc + j] == 77);
    }
    /* The bits of an element of a dot depend on its two rows alone; so do those of a sum of rows,
     * where its column is in a whole vector either way. */
    if (s->dots) {
        float whole = c[s->m * ldc - 4];
        p.a += (s->m - 1) * s->a_row;
        p.b += (s->n - 1) * s->ldb;
        p.c += (s->m - 1) * ldc + s->n - 1;
        p.m = p.n = 1;
        kernel(&p);
        assert_true(*p.c == whole);
    }
    wg_free(a);
    wg_free(b);
    wg_free(c);
}

static void test_kernels(void **state)
{
    (void)state;
    wg_rng rng;
    wg_rng_init(&rng, 5, "small");
    static const int64_t ns[] = {1, 3, 4, 7, 8, 16, 17, 31, 33, 40, 65, 150};
    static const int64_t ks[] = {1, 2, 7, 8, 15, 16, 33, 70};
    for (int isa = 0; isa <= (int)wg_isa_best(); isa++) {
        const wg__small_kernels *kernels = wg__small_kernels_for(isa);
        for (int64_t m = 1; m <= 14; m++)
            for (size_t i = 0; i < sizeof ns / sizeof *ns; i++)
                for (size_t j = 0; j < sizeof ks / sizeof *ks; j++) {
                    int64_t n = ns[i], k = ks[j];
                    const sample samples[] = {
                        {m, n, k, k + (m & 1), 1, n + (k & 3), false},
                        {m, n, k, 1, m + 2, n, false},
                        {m, n, k, 0, 1, 0, false}, /* broadcast rows */
                        {m, n, k, k + 2, 1, k + (n & 3), true},
                    };
                    for (size_t s = 0; s < sizeof samples / sizeof *samples; s++)
                        check_kernel(kernels, &samples[s], &rng);
                }
    }
}

/* A flag that forbids fused multiply-adds would show nowhere else (test_panels.c has the
 * numbers). */
static void test_fused_multiply_adds(void **state)
{
    (void)state;
#ifdef __OPTIMIZE__
    for (int isa = WG_ISA_AVX2; isa <= (int)wg_isa_best(); isa++) {
        const wg__small_kernels *kernels = wg__small_kernels_for(isa);
        const float a[2] = {-1, 1 + 0x1p-12F};
        float b[2 * 40], c[40];
        for (int64_t j = 0; j < 40; j++) {
            b[j] = 1 + 0x1p-11F;
            b[40 + j] = 1 + 0x1p-12F;
        }
        wg__small_product p = {1, 40, 2, a, 2, 1, b, 40, c, 40};
        kernels->rows(&p);
        for (int64_t j = 0; j < 40; j++) assert_true(c[j] == 0x1p-24F);
        /* Lane 0 has both terms of a dot, one vector apart. */
        float x[32] = {0}, y[32] = {0};
        const int64_t lanes = isa >= WG_ISA_AVX512 ? 16 : 8;
        x[0] = a[0];
        x[lanes] = a[1];
        y[0] = b[0];
        y[lanes] = b[40];
        p = (wg__small_product){1, 1, 32, x, 32, 1, y, 32, c, 1};
        kernels->dots(&p);
        assert_true(c[0] == 0x1p-24F);
    }
#else
    skip();
#endif
}

/* ---- batches ---- */

/* [batch, rows, cols] in a layout: as it is, with other columns beside it, with its batch in the
 * second axis of memory, or one matrix for all. */
enum { PLAIN, BESIDE, SECOND, SHARED, LAYOUTS };

static wg_var in_layout(bench *b, int layout, int64_t batch, int64_t rows, int64_t cols)
{
    switch (layout) {
    case BESIDE:
        return wg_slice(bench_normal(b, WG_F32, WG_SHAPE(batch, rows, cols + 5)), 2, 3, cols);
    case SECOND:
        return wg_transpose(bench_normal(b, WG_F32, WG_SHAPE(rows, batch, cols)), (int[]){1, 0, 2},
                            3);
    case SHARED: return bench_normal(b, WG_F32, WG_SHAPE(1, rows, cols));
    default: return bench_normal(b, WG_F32, WG_SHAPE(batch, rows, cols));
    }
}

static void check_batch(int64_t m, int64_t n, int64_t k, int flags, int layouts)
{
    const bool ta = flags & 1, tb = flags >> 1;
    const int64_t batch = 5;
    bench b;
    bench_open(&b);
    wg_var x = in_layout(&b, layouts % LAYOUTS, batch, ta ? k : m, ta ? m : k);
    wg_var w = in_layout(&b, layouts / LAYOUTS, batch, tb ? n : k, tb ? k : n);
    wg_var y = wg_matmul_t(x, w, ta, tb);
    wg_var out[2] = {y, wg_matmul_t(wg_cast(x, WG_F64), wg_cast(w, WG_F64), ta, tb)};
    for (int isa = 0; isa <= (int)wg_isa_best(); isa++)
        for (int threads = 1; threads <= 3; threads += 2) {
            wg_compile_options o = {.size = sizeof o, .threads = threads, .isa = isa + 1};
            wg_program *p;
            WGT_OK(wg_compile(out, 2, &o, &p, &b.err), &b.err);
            WGT_OK(wg_program_run(p, &b.err), &b.err);
            const wg_tensor *got = wg_program_output(p, 0), *want = wg_program_output(p, 1);
            for (int64_t i = 0; i < wg_tensor_count(want); i++)
                WGT_NEAR(wg_tensor_get(got, i), wg_tensor_get(want, i), 2e-6 * (double)(k + 9));
            wg_program_free(p);
        }
    bench_close(&b);
}

/* Sizes on both sides of every limit of the choice in ops/product.c. */
static void test_batches(void **state)
{
    (void)state;
    static const int64_t size[][3] = {{1, 14, 512}, {14, 14, 130},  {14, 13, 127}, {33, 9, 128},
                                      {1, 520, 14}, {14, 33, 14},   {14, 31, 5},   {64, 40, 3},
                                      {65, 40, 3},  {3, 260, 126},  {3, 260, 127}, {2, 130, 260},
                                      {1, 1, 1},    {32, 128, 257}, {1, 64, 0}};
    for (size_t s = 0; s < sizeof size / sizeof *size; s++)
        for (int flags = 0; flags < 4; flags++)
            for (int layouts = 0; layouts < LAYOUTS * LAYOUTS; layouts++)
                if (s % 5 == 1 || layouts == (int)s % (LAYOUTS * LAYOUTS))
                    check_batch(size[s][0], size[s][1], size[s][2], flags, layouts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kernels),
        cmocka_unit_test(test_fused_multiply_adds),
        cmocka_unit_test(test_batches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
