/* Row kernels against plain loops in f64: every length around the vector sizes, rows longer than a
 * block, in place, infinities, NaN and masks; both dtypes, each instruction set of the CPU. */
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <wengert/rng.h>

#include "kernels/kernels.h"

enum { LONGEST = 10007 };

static double wide[LONGEST];              /* the row */
static float x32[LONGEST], y32[LONGEST];  /* row and result in f32 */
static double x64[LONGEST], y64[LONGEST]; /* in f64 */
static float b32[LONGEST], t32[LONGEST];  /* a second operand, and a second result */
static double b64[LONGEST], t64[LONGEST];
static uint8_t mask[LONGEST];

static const int64_t lengths[] = {0,  1,  2,  3,   7,   8,   9,   15,  16,   17,   31,   33,
                                  63, 64, 65, 129, 255, 256, 257, 511, 1000, 4096, 4097, LONGEST};
#define N_LENGTHS (sizeof lengths / sizeof lengths[0])

typedef struct setting {
    const wg__kernels *k;
    int dtype;
    void *x, *y;
    int64_t n;
    double tol;
} setting;

static double get(const setting *s, const void *row, int64_t i)
{
    return s->dtype == WG_F32 ? (double)((const float *)row)[i] : ((const double *)row)[i];
}

static void draw(double low, double high)
{
    wg_rng rng;
    wg_rng_init(&rng, 5, "rows");
    for (int i = 0; i < LONGEST; i++) {
        x32[i] = (float)(low + (high - low) * wg_rng_uniform(&rng));
        wide[i] = x64[i] = (double)x32[i];
        mask[i] = (uint8_t)(wg_rng_below(&rng, 3) ? 1 + wg_rng_below(&rng, 255) : 0);
    }
}

static void everywhere(void (*check)(const setting *s))
{
    for (int isa = 0; isa <= (int)wg_isa_best(); isa++) {
        for (int d = 0; d < WG_FLOAT_DTYPES; d++) {
            for (size_t i = 0; i < N_LENGTHS; i++) {
                const setting s = {.k = wg__kernels_for(isa),
                                   .dtype = d,
                                   .x = d == WG_F32 ? (void *)x32 : (void *)x64,
                                   .y = d == WG_F32 ? (void *)y32 : (void *)y64,
                                   .n = lengths[i],
                                   .tol = d == WG_F32 ? 2e-6 : 1e-13};
                check(&s);
            }
        }
    }
}

static void near(const setting *s, const char *what, double got, double wanted, double scale)
{
    /* a step of denormals is allowed on top */
    if (got == wanted || fabs(got - wanted) <= s->tol * scale + 3e-45) return;
    fail_msg("%s, dtype %d, n %lld: %.17g instead of %.17g", what, s->dtype, (long long)s->n, got,
             wanted);
}

static void check_sums(const setting *s)
{
    double sum = 0, size = 0, square = 0, most = -INFINITY, dot = 0;
    for (int64_t i = 0; i < s->n; i++) {
        sum += wide[i], size += fabs(wide[i]), square += wide[i] * wide[i];
        most = fmax(most, wide[i]);
        dot += wide[i] * wide[s->n - 1 - i];
        if (s->dtype == WG_F32)
            y32[i] = x32[s->n - 1 - i];
        else
            y64[i] = x64[s->n - 1 - i];
    }
    near(s, "sum", s->k->row_sum[s->dtype](s->x, s->n), sum, size);
    near(s, "sumsq", s->k->row_sumsq[s->dtype](s->x, s->n), square, square);
    assert_true(s->k->row_max[s->dtype](s->x, s->n) == most);
    near(s, "dot", s->k->row_dot[s->dtype](s->x, s->y, s->n), dot, square);
    s->k->row_axpy[s->dtype](-2.5, s->x, s->y, s->n);
    for (int64_t i = 0; i < s->n; i++)
        near(s, "axpy", get(s, s->y, i), wide[s->n - 1 - i] - 2.5 * wide[i], 20);
}

static void sums(void **state)
{
    (void)state;
    draw(-3, 5);
    everywhere(check_sums);
}

static void check_exponentials(const setting *s)
{
    if (s->n == 0) {
        assert_true(s->k->row_sumexp[s->dtype](s->x, 0, 0) == 0);
        s->k->softmax_row[s->dtype](s->x, s->y, 0);
        s->k->log_softmax_row[s->dtype](s->x, s->y, 0);
        return;
    }
    double m = -INFINITY, sum = 0;
    for (int64_t i = 0; i < s->n; i++) m = fmax(m, wide[i]);
    for (int64_t i = 0; i < s->n; i++) sum += exp(wide[i] - m);
    near(s, "sumexp", s->k->row_sumexp[s->dtype](s->x, m, s->n), sum, sum);
    near(s, "exp_sub", s->k->exp_sub_row[s->dtype](s->x, m, s->y, s->n), sum, sum);
    for (int64_t i = 0; i < s->n; i++) near(s, "e", get(s, s->y, i), exp(wide[i] - m), 1);
    s->k->softmax_row[s->dtype](s->x, s->y, s->n);
    for (int64_t i = 0; i < s->n; i++)
        near(s, "softmax", get(s, s->y, i), exp(wide[i] - m) / sum, exp(wide[i] - m) / sum);
    s->k->log_softmax_row[s->dtype](s->x, s->y, s->n);
    for (int64_t i = 0; i < s->n; i++)
        near(s, "log softmax", get(s, s->y, i), wide[i] - m - log(sum), 10);
}

static void exponentials(void **state)
{
    (void)state;
    draw(-6, 4);
    everywhere(check_exponentials);
    draw(900, 1000); /* far beyond what e^x can hold */
    everywhere(check_exponentials);
}

static void check_masked(const setting *s)
{
    double m = -INFINITY, sum = 0;
    for (int64_t i = 0; i < s->n; i++) {
        if (!mask[i]) { /* what is masked out must not matter */
            x32[i] = i % 2 ? NAN : INFINITY;
            x64[i] = (double)x32[i];
        } else {
            m = fmax(m, wide[i]);
        }
    }
    for (int64_t i = 0; i < s->n; i++) sum += mask[i] ? exp(wide[i] - m) : 0;
    memcpy(s->y, s->x, (size_t)s->n * (s->dtype == WG_F32 ? sizeof(float) : sizeof(double)));
    s->k->softmax_masked_row[s->dtype](s->y, mask, s->y, s->n); /* in place */
    for (int64_t i = 0; i < s->n; i++) {
        const double wanted = mask[i] ? exp(wide[i] - m) / sum : 0;
        near(s, "masked softmax", get(s, s->y, i), wanted, wanted);
    }
}

static void masked(void **state)
{
    (void)state;
    draw(-4, 4);
    everywhere(check_masked);
}

static void check_special(const setting *s)
{
    if (s->n == 0) return;
    for (int64_t i = 0; i < s->n; i++) x32[i] = -INFINITY, x64[i] = -INFINITY;
    assert_true(s->k->row_max[s->dtype](s->x, s->n) == -INFINITY);
    s->k->softmax_row[s->dtype](s->x, s->y, s->n);
    for (int64_t i = 0; i < s->n; i++) assert_true(get(s, s->y, i) == 0);
    const int64_t places[] = {0, s->n / 2, s->n - 1};
    for (int p = 0; p < 3; p++) { /* one finite entry takes it all; a NaN is never lost */
        const int64_t at = places[p];
        x32[at] = 3, x64[at] = 3;
        s->k->softmax_row[s->dtype](s->x, s->y, s->n);
        for (int64_t i = 0; i < s->n; i++) assert_true(get(s, s->y, i) == (i == at ? 1 : 0));
        x32[at] = NAN, x64[at] = NAN;
        assert_true(isnan(s->k->row_max[s->dtype](s->x, s->n)));
        assert_true(isnan(s->k->row_sum[s->dtype](s->x, s->n)));
        s->k->softmax_row[s->dtype](s->x, s->y, s->n);
        for (int64_t i = 0; i < s->n; i++) assert_true(isnan(get(s, s->y, i)));
        x32[at] = -INFINITY, x64[at] = -INFINITY;
    }
}

static void special(void **state)
{
    (void)state;
    everywhere(check_special);
}

static void copy_x(const setting *s, void *to)
{
    memcpy(to, s->x, (size_t)s->n * (s->dtype == WG_F32 ? sizeof(float) : sizeof(double)));
}

/* x + b and its largest, into another row and in place. */
static void check_add_max(const setting *s)
{
    void *b = s->dtype == WG_F32 ? (void *)b32 : (void *)b64;
    void *t = s->dtype == WG_F32 ? (void *)t32 : (void *)t64;
    double most = -INFINITY;
    for (int64_t i = 0; i < s->n; i++) {
        b32[i] = x32[s->n - 1 - i] * 0.5F, b64[i] = (double)b32[i];
        const double sum = wide[i] + b64[i];
        most = fmax(most, s->dtype == WG_F32 ? (double)(float)sum : sum);
    }
    assert_true(s->k->add_max_row[s->dtype](s->x, b, s->y, s->n) == most);
    copy_x(s, t);
    assert_true(s->k->add_max_row[s->dtype](t, b, t, s->n) == most);
    for (int64_t i = 0; i < s->n; i++) {
        near(s, "add", get(s, s->y, i), wide[i] + b64[i], 10);
        assert_true(get(s, t, i) == get(s, s->y, i));
    }
    for (int64_t at = 0; at < s->n; at += 1 + s->n / 7) {
        const float keep = b32[at];
        b32[at] = -INFINITY, b64[at] = -INFINITY; /* no NaN, and no longer the largest */
        assert_true(!isnan(s->k->add_max_row[s->dtype](s->x, b, s->y, s->n)));
        b32[at] = INFINITY, b64[at] = INFINITY;
        assert_true(s->k->add_max_row[s->dtype](s->x, b, s->y, s->n) == INFINITY);
        b32[at] = NAN, b64[at] = NAN;
        assert_true(isnan(s->k->add_max_row[s->dtype](s->x, b, s->y, s->n)));
        assert_true(isnan(s->k->row_max[s->dtype](b, s->n)));
        b32[at] = keep, b64[at] = (double)keep;
    }
}

/* The exponentials in place are those into another row, and with the sum of a row of them. */
static void check_in_place(const setting *s)
{
    void *t = s->dtype == WG_F32 ? (void *)t32 : (void *)t64;
    double sum = s->k->exp_sub_row[s->dtype](s->x, 4, s->y, s->n);
    copy_x(s, t);
    assert_true(s->k->exp_sub_row[s->dtype](t, 4, t, s->n) == sum);
    assert_true(s->k->row_sumexp[s->dtype](s->x, 4, s->n) == sum);
    for (int64_t i = 0; i < s->n; i++) assert_true(get(s, t, i) == get(s, s->y, i));
}

static void check_scale_add(const setting *s)
{
    void *t = s->dtype == WG_F32 ? (void *)t32 : (void *)t64;
    copy_x(s, s->y);
    s->k->scale_add_row[s->dtype](-0.75, 0.25, s->y, NULL, s->n);
    for (int64_t i = 0; i < s->n; i++) {
        near(s, "scale", get(s, s->y, i), 0.25 - 0.75 * wide[i], 4);
        t32[i] = 3, t64[i] = 3;
    }
    copy_x(s, s->y);
    s->k->scale_add_row[s->dtype](-0.75, 0.25, s->y, t, s->n);
    for (int64_t i = 0; i < s->n; i++) {
        near(s, "scale", get(s, s->y, i), 0.25 - 0.75 * wide[i], 4);
        near(s, "sum", get(s, t, i), 3 + get(s, s->y, i), 10);
    }
}

/* Rows side by side, that overlap here: the bits of adding one after the other. */
static void check_add_rows(const setting *s)
{
    for (int64_t rows = 0; rows <= 20 && s->n + 20 * 3 <= LONGEST; rows += rows < 9 ? 1 : 11) {
        for (int64_t i = 0; i < s->n; i++) {
            t32[i] = y32[i] = 5 - x32[i], t64[i] = y64[i] = 5 - x64[i];
            for (int64_t j = 0; j < rows; j++) t32[i] += x32[3 * j + i], t64[i] += x64[3 * j + i];
        }
        s->k->add_rows[s->dtype](s->x, 3, rows, s->y, s->n);
        for (int64_t i = 0; i < s->n; i++)
            assert_true(get(s, s->y, i) == (s->dtype == WG_F32 ? (double)t32[i] : t64[i]));
    }
}

static void sums_of_rows(void **state)
{
    (void)state;
    draw(-3, 5);
    everywhere(check_add_rows);
}

static void rows_of_cross_entropy(void **state)
{
    (void)state;
    draw(-6, 4);
    everywhere(check_add_max);
    everywhere(check_in_place);
    everywhere(check_scale_add);
}

/* The order of a sum depends on n alone: the same row at another alignment gives the same bits. */
static void alignment_does_not_matter(void **state)
{
    (void)state;
    draw(-3, 5);
    for (int isa = 0; isa <= (int)wg_isa_best(); isa++) {
        const wg__kernels *k = wg__kernels_for(isa);
        for (int shift = 1; shift < 9; shift++) {
            memmove(y32 + shift, x32, 5000 * sizeof(float));
            assert_true(k->row_sum[WG_F32](y32 + shift, 5000) == k->row_sum[WG_F32](x32, 5000));
            assert_true(k->row_sumexp[WG_F32](y32 + shift, 5, 5000) ==
                        k->row_sumexp[WG_F32](x32, 5, 5000));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums),
        cmocka_unit_test(exponentials),
        cmocka_unit_test(masked),
        cmocka_unit_test(special),
        cmocka_unit_test(sums_of_rows),
        cmocka_unit_test(rows_of_cross_entropy),
        cmocka_unit_test(alignment_does_not_matter),
    };
    return cmocka_run_group_tests_name("rows", tests, NULL, NULL);
}
