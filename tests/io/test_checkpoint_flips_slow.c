/* Every bit of a small checkpoint flipped and every truncation, by the synchronous form and by the
 * loop's: an error, or the same tensors and texts. io.checkpoint_damage tries some of them. */
#include "checkpoint_test.h"

static void flip_all(bool zip64)
{
    wg_state *a = cp_small_tree();
    const char *path = io_path("flip.npz");
    char *bytes;
    size_t size, refused[2] = {0};
    WGT_OK(cp_write_small(path, a, zip64, NULL), NULL);
    WGT_OK(wg_file_read(path, 0, &bytes, &size, NULL), NULL);
    assert_false(cp_refused_or_same(path, a, false));
    assert_false(cp_refused_or_same(path, a, true));
    for (size_t bit = 0; bit < 8 * size; bit++) {
        bytes[bit / 8] ^= (char)(1 << bit % 8);
        io_file("flip.npz", bytes, size);
        for (int uv = 0; uv < 2; uv++) refused[uv] += cp_refused_or_same(path, a, uv);
        bytes[bit / 8] ^= (char)(1 << bit % 8);
    }
    print_message("%zu bits, %zu flips refused\n", 8 * size, refused[0]);
    /* Versions, times, attributes and other fields that nothing depends on are all that is left. */
    assert_int_equal(refused[0], refused[1]);
    assert_true(refused[0] > 8 * size * 8 / 10);
    for (size_t cut = 0; cut < size; cut++) {
        io_file("flip.npz", bytes, cut);
        assert_true(cp_refused_or_same(path, a, false));
        assert_true(cp_refused_or_same(path, a, true));
    }
    wg_free(bytes);
    wg_state_free(a);
}

static void test_flips(void **state)
{
    (void)state;
    flip_all(false);
}

static void test_flips_zip64(void **state)
{
    (void)state;
    flip_all(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_flips),
                                       cmocka_unit_test(test_flips_zip64)};
    return cmocka_run_group_tests(tests, io_setup, io_teardown);
}
