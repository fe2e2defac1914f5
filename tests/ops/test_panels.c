/* Kernels of packed products: those of every instruction set against sums in f64. */
#include "ops_support.h"

#include <wengert/parallel.h>

#include "kernels/panel.h"

typedef struct sample {
    int64_t m, n, k, a_row, a_column;
    bool trans, add;
} sample;

/* |error| of a sum of k products, whatever its order: at most k eps sum |a b| (N. Higham, "Accuracy
 * and Stability of Numerical Algorithms", 2nd ed., eq. 3.5). */
static void check_kernel(const wg__panel_kernels *kernels, const sample *s, wg_rng *rng)
{
    int64_t n_a = s->m * s->a_row + s->k * s->a_column + 1, room = (s->n + 31) / 32 * 32;
    int64_t ldc = s->n + 3, width = kernels->width;
    float *a = wg_malloc((size_t)n_a * sizeof *a);
    float *b = wg_malloc((size_t)(s->n * s->k) * sizeof *b);
    float *c = wg_malloc((size_t)(s->m * ldc) * sizeof *c);
    float *add = wg_malloc((size_t)(s->m * s->n) * sizeof *add);
    float *panels = wg_malloc_aligned((size_t)(room * s->k) * sizeof *panels);
    assert_true(a && b && c && add && panels);
    for (int64_t i = 0; i < n_a; i++) a[i] = (float)wg_rng_normal(rng);
    for (int64_t i = 0; i < s->n * s->k; i++) b[i] = (float)wg_rng_normal(rng);
    for (int64_t i = 0; i < s->m * s->n; i++) add[i] = (float)wg_rng_normal(rng);
    for (int64_t i = 0; i < s->m * ldc; i++) c[i] = 77;
    int64_t row = s->trans ? 1 : s->n, column = s->trans ? s->k : 1;
    for (int64_t j = 0; j < s->n; j += width)
        kernels->pack(b + j * column, row, column, s->k, s->n - j < width ? s->n - j : width,
                      panels + j * s->k);
    wg__panel_product p = {.m = s->m,
                           .n = s->n,
                           .k = s->k,
                           .a = a,
                           .a_row = s->a_row,
                           .a_column = s->a_column,
                           .panels = panels,
                           .add = s->add ? add : NULL,
                           .ldadd = s->n,
                           .c = c,
                           .ldc = ldc};
    kernels->product(&p);
    for (int64_t i = 0; i < s->m; i++) {
        for (int64_t j = 0; j < s->n; j++) {
            double sum = s->add ? (double)add[i * s->n + j] : 0, size = fabs(sum);
            for (int64_t l = 0; l < s->k; l++) {
                double term =
                    (double)a[i * s->a_row + l * s->a_column] * (double)b[l * row + j * column];
                sum += term;
                size += fabs(term);
            }
            WGT_NEAR(c[i * ldc + j], sum, (double)(s->k + 1) * 0x1p-24 * size);
        }
        for (int64_t j = s->n; j < ldc; j++) assert_true(c[i * ldc + j] == 77);
    }
    /* The bits of an element depend on its row of a and its column of b alone. */
    float whole = c[(s->m - 1) * ldc + s->n - 1];
    int64_t last = (s->n - 1) / width * width;
    p.a += (s->m - 1) * s->a_row;
    p.panels += last * s->k;
    p.c += (s->m - 1) * ldc + last;
    if (s->add) p.add += (s->m - 1) * s->n + last;
    p.m = 1;
    p.n = s->n - last;
    kernels->product(&p);
    assert_true(c[(s->m - 1) * ldc + s->n - 1] == whole);
    /* With b in place: the same sums in the same order. */
    if (!s->trans && !s->add) {
        float *whole_c = wg_malloc((size_t)(s->m * ldc) * sizeof *whole_c);
        assert_non_null(whole_c);
        p = (wg__panel_product){.m = s->m,
                                .n = s->n,
                                .k = s->k,
                                .a = a,
                                .a_row = s->a_row,
                                .a_column = s->a_column,
                                .c = whole_c,
                                .ldc = ldc};
        for (int64_t i = 0; i < s->m * ldc; i++) whole_c[i] = 77;
        kernels->direct(&p, b, s->n);
        for (int64_t i = 0; i < s->m; i++)
            for (int64_t j = 0; j < ldc; j++) {
                double size = j < s->n ? 0 : 1;
                for (int64_t l = 0; l < s->k && j < s->n; l++)
                    size +=
                        fabs((double)a[i * s->a_row + l * s->a_column] * (double)b[l * s->n + j]);
                WGT_NEAR(whole_c[i * ldc + j], c[i * ldc + j],
                         2 * (double)s->k * 0x1p-24 * size * (j < s->n));
            }
        wg_free(whole_c);
    }
    wg_free(a);
    wg_free(b);
    wg_free(c);
    wg_free(add);
    wg_free_aligned(panels);
}

static void test_kernels(void **state)
{
    (void)state;
    wg_rng rng;
    wg_rng_init(&rng, 11, "panels");
    static const int64_t ns[] = {1, 7, 8, 9, 16, 17, 31, 32, 33, 63, 64, 65, 96, 130};
    static const int64_t ks[] = {1, 2, 17, 40};
    for (int isa = 0; isa <= (int)wg_isa_best(); isa++) {
        const wg__panel_kernels *kernels = wg__panel_kernels_for(isa);
        for (int64_t m = 1; m <= 26; m++)
            for (size_t i = 0; i < sizeof ns / sizeof *ns; i++)
                for (size_t j = 0; j < sizeof ks / sizeof *ks; j++) {
                    int64_t n = ns[i], k = ks[j];
                    sample s = {m, n, k, k + (m & 1), 1, (m + n) & 1, (m + n + k) & 1};
                    check_kernel(kernels, &s, &rng);
                    sample plain = {m, n, k, k, 1, false, false};
                    check_kernel(kernels, &plain, &rng);
                    sample odd = {m, n, k, 1, m + 2, n & 1, k & 1};
                    check_kernel(kernels, &odd, &rng);
                }
        sample large = {50, 150, 1100, 1100, 1, true, false};
        check_kernel(kernels, &large, &rng);
        /* More than a second-level cache keeps: panels are fetched ahead. */
        sample far[] = {{7, 130, 4100, 4100, 1, false, true}, {29, 8200, 70, 70, 1, true, false}};
        for (size_t i = 0; i < sizeof far / sizeof *far; i++) check_kernel(kernels, &far[i], &rng);
    }
}

/* Where the instruction set has fused multiply-adds the kernels must be made of them; a flag that
 * says otherwise costs a third of their speed and nothing else would show it. (1 + 2^-12)^2 less
 * its own rounding is 2^-24 when the product is not rounded, and 0 when it is. */
static void test_fused_multiply_adds(void **state)
{
    (void)state;
#ifdef __OPTIMIZE__ /* compilers contract when they optimise only */
    for (int isa = WG_ISA_AVX2; isa <= (int)wg_isa_best(); isa++) {
        const wg__panel_kernels *kernels = wg__panel_kernels_for(isa);
        const float a[2] = {-1, 1 + 0x1p-12F};
        float b[2 * WG_PANEL_MOST], c[WG_PANEL_MOST], direct[WG_PANEL_MOST];
        float *panel = wg_malloc_aligned(sizeof b);
        assert_non_null(panel);
        const int64_t n = kernels->width;
        for (int64_t j = 0; j < n; j++) {
            b[j] = 1 + 0x1p-11F;
            b[n + j] = 1 + 0x1p-12F;
        }
        kernels->pack(b, n, 1, 2, n, panel);
        wg__panel_product p = {.m = 1,
                               .n = n,
                               .k = 2,
                               .a = a,
                               .a_row = 2,
                               .a_column = 1,
                               .panels = panel,
                               .c = c,
                               .ldc = n};
        kernels->product(&p);
        p.c = direct;
        kernels->direct(&p, b, n);
        for (int64_t j = 0; j < n; j++) {
            assert_true(c[j] == 0x1p-24F);
            assert_true(direct[j] == 0x1p-24F);
        }
        wg_free_aligned(panel);
    }
#else
    skip();
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kernels),
        cmocka_unit_test(test_fused_multiply_adds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
