/* Philox against Random123's known answers; streams: independence, moments, bounds, restoring. */
#include "support.h"

#include <math.h>
#include <string.h>

#include <wengert/rng.h>

/* Random123 1.14, tests/kat_vectors: philox4x32 10. */
static void philox_known_answers(void **state)
{
    (void)state;
    static const struct {
        uint32_t counter[4], key[2], out[4];
    } vectors[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        uint32_t out[4];
        wg_philox(vectors[i].counter, vectors[i].key, out);
        for (int j = 0; j < 4; j++) assert_int_equal(out[j], vectors[i].out[j]);
    }
}

/* http://www.isthe.com/chongo/tech/comp/fnv: FNV-1a, 64 bits. */
static void stream_ids_are_fnv(void **state)
{
    (void)state;
    assert_true(wg_stream_id("") == UINT64_C(0xcbf29ce484222325));
    assert_true(wg_stream_id(NULL) == UINT64_C(0xcbf29ce484222325));
    assert_true(wg_stream_id("a") == UINT64_C(0xaf63dc4c8601ec8c));
    assert_true(wg_stream_id("foobar") == UINT64_C(0x85944171f73967e8));
}

static void a_stream_is_philox_by_counter(void **state)
{
    (void)state;
    const uint64_t seed = UINT64_C(0x123456789abcdef0), id = wg_stream_id("init");
    const uint64_t mixed = seed ^ id;
    const uint32_t key[2] = {(uint32_t)mixed, (uint32_t)(mixed >> 32)};
    wg_rng rng;
    wg_rng_init(&rng, seed, "init");
    for (uint32_t block = 0; block < 3; block++) {
        uint32_t out[4];
        wg_philox((const uint32_t[]){block, 0, (uint32_t)id, (uint32_t)(id >> 32)}, key, out);
        for (int i = 0; i < 4; i++) assert_int_equal(wg_rng_u32(&rng), out[i]);
    }
    assert_int_equal(rng.position, 12);
    /* Past 2^32 blocks the counter carries. */
    rng.position = (UINT64_C(1) << 34) + 8;
    uint32_t out[4];
    wg_philox((const uint32_t[]){2, 1, (uint32_t)id, (uint32_t)(id >> 32)}, key, out);
    assert_int_equal(wg_rng_u32(&rng), out[0]);
}

static void the_same_name_gives_the_same_numbers(void **state)
{
    (void)state;
    wg_rng a, b, c, d;
    wg_rng_init(&a, 7, "enc.0.W");
    wg_rng_init(&b, 7, "enc.0.W");
    wg_rng_init(&c, 7, "enc.1.W");
    wg_rng_init(&d, 8, "enc.0.W");
    int same_c = 0, same_d = 0;
    for (int i = 0; i < 1000; i++) {
        uint32_t x = wg_rng_u32(&a);
        assert_int_equal(x, wg_rng_u32(&b));
        same_c += x == wg_rng_u32(&c);
        same_d += x == wg_rng_u32(&d);
    }
    assert_true(same_c <= 1 && same_d <= 1);
}

static void a_position_restores_a_stream(void **state)
{
    (void)state;
    for (uint64_t position = 0; position < 9; position++) {
        wg_rng a, b;
        wg_rng_init(&a, 5, "shuffle");
        for (uint64_t i = 0; i < position; i++) wg_rng_u32(&a);
        wg_rng_init(&b, 5, "shuffle");
        b.position = position;
        for (int i = 0; i < 10; i++) assert_int_equal(wg_rng_u32(&a), wg_rng_u32(&b));
    }
}

static void uniform_numbers_are_uniform(void **state)
{
    (void)state;
    enum { N = 200000, CELLS = 100 };
    static int cells[CELLS];
    wg_rng rng;
    wg_rng_init(&rng, 1, "uniform");
    double sum = 0, squares = 0;
    for (int i = 0; i < N; i++) {
        double x = wg_rng_uniform(&rng);
        assert_true(x >= 0 && x < 1);
        sum += x;
        squares += x * x;
        cells[(int)(x * CELLS)]++;
    }
    /* Within five standard deviations of the mean and of the second moment. */
    WGT_NEAR(sum / N, 0.5, 5 * sqrt(1.0 / 12 / N));
    WGT_NEAR(squares / N, 1.0 / 3, 5 * sqrt(4.0 / 45 / N));
    double chi = 0;
    for (int i = 0; i < CELLS; i++) {
        double expected = (double)N / CELLS;
        chi += (cells[i] - expected) * (cells[i] - expected) / expected;
    }
    WGT_NEAR(chi, CELLS - 1, 5 * sqrt(2.0 * (CELLS - 1)));
}

static void normal_numbers_are_normal(void **state)
{
    (void)state;
    enum { N = 200000 };
    wg_rng rng;
    wg_rng_init(&rng, 2, "normal");
    double m1 = 0, m2 = 0, m3 = 0, m4 = 0, far = 0;
    for (int i = 0; i < N; i++) {
        double x = wg_rng_normal(&rng);
        assert_true(isfinite(x));
        m1 += x;
        m2 += x * x;
        m3 += x * x * x;
        m4 += x * x * x * x;
        far += fabs(x) > 1.959963984540054;
    }
    WGT_NEAR(m1 / N, 0, 5 / sqrt(N));
    WGT_NEAR(m2 / N, 1, 5 * sqrt(2.0 / N));
    WGT_NEAR(m3 / N, 0, 5 * sqrt(15.0 / N));
    WGT_NEAR(m4 / N, 3, 5 * sqrt(96.0 / N));
    WGT_NEAR(far / N, 0.05, 5 * sqrt(0.05 * 0.95 / N));
}

static void below_is_fair_and_bounded(void **state)
{
    (void)state;
    wg_rng rng;
    wg_rng_init(&rng, 3, "below");
    assert_int_equal(wg_rng_below(&rng, 0), 0);
    assert_int_equal(wg_rng_below(&rng, 1), 0);
    int seen[7] = {0};
    enum { N = 70000 };
    for (int i = 0; i < N; i++) {
        uint32_t x = wg_rng_below(&rng, 7);
        assert_true(x < 7);
        seen[x]++;
    }
    for (int i = 0; i < 7; i++) WGT_NEAR(seen[i], N / 7.0, 5 * sqrt(N * (1 / 7.0) * (6 / 7.0)));
    /* 3/4 of 2^32: plain multiplication would give a third of the numbers twice the chance. */
    const uint32_t wide = UINT32_C(3) << 30;
    double low = 0;
    for (int i = 0; i < N; i++) {
        uint32_t x = wg_rng_below(&rng, wide);
        assert_true(x < wide);
        low += x % 3 == 0;
    }
    WGT_NEAR(low, N / 3.0, 5 * sqrt(N * (1 / 3.0) * (2 / 3.0)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(philox_known_answers),
        cmocka_unit_test(stream_ids_are_fnv),
        cmocka_unit_test(a_stream_is_philox_by_counter),
        cmocka_unit_test(the_same_name_gives_the_same_numbers),
        cmocka_unit_test(a_position_restores_a_stream),
        cmocka_unit_test(uniform_numbers_are_uniform),
        cmocka_unit_test(normal_numbers_are_normal),
        cmocka_unit_test(below_is_fair_and_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
