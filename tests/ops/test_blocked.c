/* Large products by blocks (ops/blocked.h, ops/kernels/block.h): every instruction set against sums
 * in integers and in f64, sizes around those of tiles, panels and blocks, any layout of operands.
 */
#include "ops_support.h"

#include <string.h>

#include <wengert/parallel.h>

#include "blocked.h"
#include "kernels/block.h"
#include "kernels/panel.h"

enum { GUARD = 64 };

typedef struct layout {
    const char *name;
    int64_t pad;   /* floats between what belongs to it and what does not */
    bool together; /* elements of a row side by side; else those of a column */
    int64_t every; /* steps between neighbours */
} layout;

static const layout layouts[] = {{"rows", 0, true, 1},
                                 {"rows apart", 5, true, 1},
                                 {"columns", 0, false, 1},
                                 {"spread", 3, true, 2}};
enum { LAYOUTS = sizeof layouts / sizeof *layouts };

/* A matrix of rows x columns in some layout. */
typedef struct operand {
    float *data;
    int64_t row, column;
} operand;

static operand make_operand(const layout *l, int64_t rows, int64_t columns)
{
    operand o;
    if (l->together) {
        o.column = l->every;
        o.row = columns * l->every + l->pad;
    } else {
        o.row = l->every;
        o.column = rows * l->every + l->pad;
    }
    size_t count = (size_t)(rows * o.row + columns * o.column + 1);
    o.data = wg_malloc(count * sizeof *o.data);
    assert_non_null(o.data);
    return o;
}

static void fill(const operand *o, int64_t rows, int64_t columns, wg_rng *rng, bool integers)
{
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++)
            o->data[i * o->row + j * o->column] =
                integers ? (float)wg_rng_below(rng, 5) - 2 : (float)wg_rng_normal(rng);
}

typedef struct sample {
    int64_t m, n, k;
    operand a, b;
    float *c; /* m n elements and a guard behind */
} sample;

static sample make_sample(int64_t m, int64_t n, int64_t k, int la, int lb, bool integers,
                          wg_rng *rng)
{
    sample s = {m, n, k, make_operand(&layouts[la], m, k), make_operand(&layouts[lb], k, n), NULL};
    fill(&s.a, m, k, rng, integers);
    fill(&s.b, k, n, rng, integers);
    s.c = wg_malloc((size_t)(m * n + GUARD) * sizeof *s.c);
    assert_non_null(s.c);
    return s;
}

static void drop_sample(sample *s)
{
    wg_free(s->a.data);
    wg_free(s->b.data);
    wg_free(s->c);
}

static void run_sample(int isa, const sample *s, int threads, float *c)
{
    for (int64_t i = 0; i < s->m * s->n + GUARD; i++) c[i] = 77;
    const size_t bytes = wg__blocked_room(s->m, s->n, s->k, threads);
    unsigned char *room = wg_malloc_aligned(bytes + GUARD);
    assert_non_null(room);
    memset(room, 0xff, bytes);
    memset(room + bytes, 0x5a, GUARD);
    wg__block_product p = {.m = s->m,
                           .n = s->n,
                           .k = s->k,
                           .a = s->a.data,
                           .a_row = s->a.row,
                           .a_column = s->a.column,
                           .b = s->b.data,
                           .b_row = s->b.row,
                           .b_column = s->b.column,
                           .c = c,
                           .ldc = s->n,
                           .room = (float *)(void *)room};
    wg__blocked_run(isa, &p, threads);
    for (int i = 0; i < GUARD; i++) assert_int_equal(room[bytes + (size_t)i], 0x5a);
    for (int i = 0; i < GUARD; i++) assert_true(c[s->m * s->n + i] == 77);
    wg_free_aligned(room);
}

static double left(const sample *s, int64_t i, int64_t p)
{
    return (double)s->a.data[i * s->a.row + p * s->a.column];
}

static double right(const sample *s, int64_t p, int64_t j)
{
    return (double)s->b.data[p * s->b.row + j * s->b.column];
}

/* Sums of small integers are exact in f32: every element must be its sum. */
static void check_exact(const sample *s)
{
    for (int isa = 0; isa <= (int)wg_isa_best(); isa++) {
        run_sample(isa, s, 1, s->c);
        for (int64_t i = 0; i < s->m; i++)
            for (int64_t j = 0; j < s->n; j++) {
                double sum = 0;
                for (int64_t p = 0; p < s->k; p++) sum += left(s, i, p) * right(s, p, j);
                if ((double)s->c[i * s->n + j] != sum)
                    fail_msg("isa %d, %lld x %lld x %lld, element %lld, %lld: %g, not %g", isa,
                             (long long)s->m, (long long)s->n, (long long)s->k, (long long)i,
                             (long long)j, (double)s->c[i * s->n + j], sum);
            }
    }
}

static void test_layouts(void **state)
{
    (void)state;
    wg_rng rng;
    wg_rng_init(&rng, 3, "blocked");
    static const int64_t sizes[][3] = {{1, 1, 1},    {2, 3, 4},     {5, 15, 3},
                                       {6, 16, 5},   {7, 17, 16},   {13, 33, 17},
                                       {24, 65, 31}, {31, 40, 129}, {25, 100, 50}};
    for (int la = 0; la < LAYOUTS; la++)
        for (int lb = 0; lb < LAYOUTS; lb++)
            for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
                sample s = make_sample(sizes[i][0], sizes[i][1], sizes[i][2], la, lb, true, &rng);
                check_exact(&s);
                drop_sample(&s);
            }
}

static void test_sizes_around_blocks(void **state)
{
    (void)state;
    wg_rng rng;
    wg_rng_init(&rng, 4, "blocked");
    static const int64_t sizes[][3] = {
        {WG_BLOCK_ROWS - 1, 20, 10},    {WG_BLOCK_ROWS + 1, 40, 10},
        {3 * WG_BLOCK_ROWS + 5, 47, 9}, {9, 30, WG_BLOCK_TERMS},
        {200, 30, WG_BLOCK_TERMS + 1},  {9, 30, 2 * WG_BLOCK_TERMS + 7},
        {10, WG_BLOCK_COLUMNS + 1, 6},  {WG_BLOCK_ROWS + 10, 2 * WG_BLOCK_COLUMNS + 40, 5},
        {WG_BLOCK_MOST + 3, 18, 11},    {2 * WG_BLOCK_MOST, 16, 4}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int l = 0; l < 3; l += 2) {
            sample s = make_sample(sizes[i][0], sizes[i][1], sizes[i][2], l, 2 - l, true, &rng);
            check_exact(&s);
            drop_sample(&s);
            s = make_sample(sizes[i][0], sizes[i][1], sizes[i][2], l, l, true, &rng);
            check_exact(&s);
            drop_sample(&s);
        }
}

/* |error| of a sum of k products: at most k eps sum |a b| (N. Higham, "Accuracy and Stability of
 * Numerical Algorithms", 2nd ed., eq. 3.5). */
static void test_rounding(void **state)
{
    (void)state;
    wg_rng rng;
    wg_rng_init(&rng, 5, "blocked");
    sample s = make_sample(130, 150, 1000, 0, 2, false, &rng);
    for (int isa = 0; isa <= (int)wg_isa_best(); isa++) {
        run_sample(isa, &s, 1, s.c);
        for (int64_t i = 0; i < s.m; i++)
            for (int64_t j = 0; j < s.n; j++) {
                double sum = 0, size = 0;
                for (int64_t p = 0; p < s.k; p++) {
                    sum += left(&s, i, p) * right(&s, p, j);
                    size += fabs(left(&s, i, p) * right(&s, p, j));
                }
                WGT_NEAR(s.c[i * s.n + j], sum, (double)(s.k + 1) * 0x1p-24 * size);
            }
    }
    drop_sample(&s);
}

/* Long sums are sums of shorter ones: of 3000 products of normal numbers one sum in order errs
 * by 5.4e-5 (root mean square), sums over 384 terms by 1.9e-5. */
static void test_long_sums(void **state)
{
    (void)state;
    wg_rng rng;
    wg_rng_init(&rng, 7, "blocked");
    sample s = make_sample(60, 60, 3000, 0, 0, false, &rng);
    for (int isa = 0; isa <= (int)wg_isa_best(); isa++) {
        double squares = 0;
        run_sample(isa, &s, 1, s.c);
        for (int64_t i = 0; i < s.m; i++)
            for (int64_t j = 0; j < s.n; j++) {
                double sum = 0;
                for (int64_t p = 0; p < s.k; p++) sum += left(&s, i, p) * right(&s, p, j);
                const double error = s.c[i * s.n + j] - sum;
                squares += error * error;
            }
        WGT_NEAR(sqrt(squares / (double)(s.m * s.n)), 0, 2.5e-5);
    }
    drop_sample(&s);
}

/* Bits depend on the instruction set alone: not on threads, nor on whether the product is by blocks
 * or packed. */
static void test_bits(void **state)
{
    (void)state;
    wg_rng rng;
    wg_rng_init(&rng, 6, "blocked");
    static const int64_t sizes[][3] = {{450, 131, 900}, {200, 1300, 390}, {3000, 130, 128}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const int64_t m = sizes[i][0], n = sizes[i][1], k = sizes[i][2];
        sample s = make_sample(m, n, k, 0, 0, false, &rng);
        float *other = wg_malloc((size_t)(m * n + GUARD) * sizeof *other);
        float *panels = wg_malloc_aligned((size_t)((n + 31) / 32 * 32 * k) * sizeof *panels);
        assert_true(other && panels);
        for (int isa = 0; isa <= (int)wg_isa_best(); isa++) {
            run_sample(isa, &s, 1, s.c);
            for (int threads = 2; threads <= 5; threads++) {
                run_sample(isa, &s, threads, other);
                assert_memory_equal(other, s.c, (size_t)(m * n) * sizeof *other);
            }
            const wg__panel_kernels *kernels = wg__panel_kernels_for(isa);
            for (int64_t j = 0; j < n; j += kernels->width)
                kernels->pack(s.b.data + j, s.b.row, 1, k,
                              n - j < kernels->width ? n - j : kernels->width, panels + j * k);
            wg__panel_product packed = {.m = m,
                                        .n = n,
                                        .k = k,
                                        .a = s.a.data,
                                        .a_row = s.a.row,
                                        .a_column = 1,
                                        .panels = panels,
                                        .c = other,
                                        .ldc = n};
            kernels->product(&packed);
            assert_memory_equal(other, s.c, (size_t)(m * n) * sizeof *other);
        }
        wg_free(other);
        wg_free_aligned(panels);
        drop_sample(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layouts),  cmocka_unit_test(test_sizes_around_blocks),
        cmocka_unit_test(test_rounding), cmocka_unit_test(test_long_sums),
        cmocka_unit_test(test_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
