/* The allocator: sizes that overflow, zero sizes, alignment, and a host's own functions. */
#include "support.h"

#include <string.h>

static void zero_bytes_give_a_block(void **state)
{
    (void)state;
    void *blocks[] = {wg_malloc(0), wg_calloc(0, 8), wg_calloc(8, 0), wg_realloc(NULL, 0),
                      wg_reallocarray(NULL, 0, 4)};
    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++) {
        assert_non_null(blocks[i]);
        wg_free(blocks[i]);
    }
    void *aligned = wg_malloc_aligned(0);
    assert_non_null(aligned);
    wg_free_aligned(aligned);
    void *shrunk = wg_realloc(wg_malloc(10), 0);
    assert_non_null(shrunk);
    wg_free(shrunk);
    wg_free(NULL);
    wg_free_aligned(NULL);
}

static void overflowing_sizes_are_refused(void **state)
{
    (void)state;
    assert_null(wg_calloc(SIZE_MAX / 2 + 1, 2));
    assert_null(wg_calloc(SIZE_MAX, SIZE_MAX));
    assert_null(wg_reallocarray(NULL, SIZE_MAX / 4 + 1, 4));
    assert_null(wg_malloc_aligned(SIZE_MAX));
    assert_null(wg_malloc_aligned(SIZE_MAX - 64));
    char *block = wg_malloc(4);
    assert_non_null(block);
    memcpy(block, "abc", 4);
    assert_null(wg_reallocarray(block, SIZE_MAX, 2));
    assert_string_equal(block, "abc"); /* still the caller's */
    wg_free(block);
}

static void checked_arithmetic(void **state)
{
    (void)state;
    size_t out = 1;
    assert_true(wg_mul_size(SIZE_MAX, 1, &out) && out == SIZE_MAX);
    assert_true(wg_mul_size(0, SIZE_MAX, &out) && out == 0);
    assert_true(wg_mul_size(SIZE_MAX, 0, &out) && out == 0);
    assert_false(wg_mul_size(SIZE_MAX / 2 + 1, 2, &out));
    assert_true(wg_add_size(SIZE_MAX - 1, 1, &out) && out == SIZE_MAX);
    assert_false(wg_add_size(SIZE_MAX, 1, &out));
}

static void calloc_zeroes_with_any_allocator(void **state)
{
    (void)state;
    static const unsigned char zeros[1000];
    for (int own = 0; own < 2; own++) {
        if (own) wgt_fail_alloc_at(0);
        for (int round = 0; round < 8; round++) {
            unsigned char *block = wg_calloc(100, 10);
            assert_non_null(block);
            assert_memory_equal(block, zeros, sizeof zeros);
            memset(block, 0xAA, sizeof zeros); /* the next round gets this block again */
            wg_free(block);
        }
        if (own) wgt_alloc_restore();
    }
}

static void aligned_blocks_are_aligned_and_usable(void **state)
{
    (void)state;
    unsigned char *blocks[200];
    for (size_t i = 0; i < 200; i++) {
        blocks[i] = wg_malloc_aligned(i);
        assert_non_null(blocks[i]);
        assert_int_equal((uintptr_t)blocks[i] % 64, 0);
        memset(blocks[i], (int)i, i);
    }
    for (size_t i = 0; i < 200; i++) {
        for (size_t j = 0; j < i; j++) assert_int_equal(blocks[i][j], (unsigned char)i);
        wg_free_aligned(blocks[i]);
    }
}

static void strdup_copies(void **state)
{
    (void)state;
    char *copy = wg_strdup("text");
    assert_string_equal(copy, "text");
    wg_free(copy);
    assert_null(wg_strdup(NULL));
}

static void realloc_keeps_contents(void **state)
{
    (void)state;
    unsigned char *block = wg_malloc(16);
    assert_non_null(block);
    for (size_t i = 0; i < 16; i++) block[i] = (unsigned char)i;
    block = wg_realloc(block, 100000);
    assert_non_null(block);
    for (size_t i = 0; i < 16; i++) assert_int_equal(block[i], i);
    wg_free(block);
}

static void a_failing_allocator_fails_where_told(void **state)
{
    (void)state;
    wgt_fail_alloc_at(2);
    void *first = wg_malloc(1);
    void *second = wg_malloc_aligned(1);
    void *third = wg_calloc(1, 1);
    assert_non_null(first);
    assert_null(second);
    assert_non_null(third);
    assert_int_equal(wgt_alloc_count(), 3);
    assert_int_equal(wgt_alloc_live(), 2);
    wg_free(first);
    wg_free(third);
    assert_int_equal(wgt_alloc_live(), 0);
    wgt_fail_alloc_from(1);
    assert_null(wg_strdup("x"));
    assert_null(wg_malloc(1));
    wgt_alloc_restore();
    void *after = wg_malloc(1);
    assert_non_null(after);
    wg_free(after);
}

static void incomplete_allocators_are_refused(void **state)
{
    (void)state;
    wg_allocator empty = {.size = sizeof(wg_allocator)};
    assert_int_equal(wg_set_allocator(&empty), WG_EINVAL);
    wg_allocator small = {.size = 1};
    assert_int_equal(wg_set_allocator(&small), WG_EINVAL);
    void *block = wg_malloc(1); /* the default one is still in place */
    assert_non_null(block);
    wg_free(block);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zero_bytes_give_a_block),
        cmocka_unit_test(overflowing_sizes_are_refused),
        cmocka_unit_test(checked_arithmetic),
        cmocka_unit_test(calloc_zeroes_with_any_allocator),
        cmocka_unit_test(aligned_blocks_are_aligned_and_usable),
        cmocka_unit_test(strdup_copies),
        cmocka_unit_test(realloc_keeps_contents),
        cmocka_unit_test(a_failing_allocator_fails_where_told),
        cmocka_unit_test(incomplete_allocators_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
