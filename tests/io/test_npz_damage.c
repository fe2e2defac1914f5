/* npz: every truncation, every flipped bit, lies in headers. */
#include "npz_test.h"

static void test_damage(void **state)
{
    (void)state;
    wg_tensor *t[SAMPLES];
    make_samples(t);
    for (int zip64 = 0; zip64 < 2; zip64++) {
        char *bytes;
        size_t size;
        WGT_OK(write_samples(io_path("d.npz"), t, NULL, zip64, NULL), NULL);
        WGT_OK(wg_file_read(io_path("d.npz"), 0, &bytes, &size, NULL), NULL);
        for (size_t cut = 0; cut < size; cut++) {
            char *copy = malloc(cut + !cut); /* exact, so that a sanitizer sees overruns */
            memcpy(copy, bytes, cut);
            wg_npz *npz;
            wg_error e;
            wg_status status = wg_npz_open_memory("cut.npz", copy, cut, NULL, &npz, &e);
            if (status == WG_OK) fail_msg("opened at %zu of %zu bytes", cut, size);
            IO_CONTAINS(e, "cut.npz");
            free(copy);
        }
        size_t refused = 0;
        for (size_t bit = 0; bit < 8 * size; bit++) {
            bytes[bit / 8] ^= (char)(1 << bit % 8);
            wg_npz *npz;
            wg_status status = wg_npz_open_memory("flip", bytes, size, NULL, &npz, NULL);
            if (status == WG_OK) {
                status = read_samples(npz, t);
                wg_npz_close(npz);
            }
            refused += status != WG_OK;
            bytes[bit / 8] ^= (char)(1 << bit % 8);
        }
        /* What may flip unseen is dates, versions and attributes only. */
        assert_true(refused > 8 * size * 8 / 10);
        wg_free(bytes);
    }
    for (int i = 0; i < SAMPLES; i++) wg_tensor_free(t[i]);
}

/* A one-member archive around any .npy bytes. */
static wg_status read_npy(const char *dict, const void *data, size_t size, wg_tensor **out,
                          wg_error *e)
{
    char bytes[512] = "\x93NUMPY\x01";
    size_t n = strlen(dict);
    bytes[8] = (char)(n & 0xff);
    bytes[9] = (char)(n >> 8);
    memcpy(bytes + 10, dict, n);
    memcpy(bytes + 10 + n, data, size);
    wg_npz_writer *w;
    wg_npz *npz;
    const char *path = io_path("npy.npz");
    WGT_OK(wg_npz_create(path, NULL, &w, e), e);
    WGT_OK(wg_npz_add_bytes(w, "x_npy", bytes, 10 + n + size, e), e);
    WGT_OK(wg_npz_finish(w, e), e);
    /* The writer keeps ".npy" for tensors: rename the member in the file. */
    char *file;
    size_t length;
    WGT_OK(wg_file_read(path, 0, &file, &length, e), e);
    for (size_t i = 0; i + 5 <= length; i++)
        if (memcmp(file + i, "x_npy", 5) == 0) file[i + 1] = '.';
    WGT_OK(wg_npz_open_memory("npy.npz", file, length, NULL, &npz, e), e);
    wg_status status = wg_npz_read_tensor(npz, 0, out, e);
    wg_npz_close(npz);
    wg_free(file);
    return status;
}

#define DICT(descr, order, shape) \
    "{'descr': '" descr "', 'fortran_order': " order ", 'shape': " shape ", }\n"

static void test_numpy_headers(void **state)
{
    (void)state;
    wg_tensor *t;
    wg_error e;
    int64_t i8[3] = {1, -2147483648LL, 2147483647};
    float f4[2] = {1.5f, -2};
    WGT_OK(read_npy(DICT("<i8", "False", "(3,)"), i8, sizeof i8, &t, &e), &e);
    assert_int_equal(wg_tensor_dtype(t), WG_I32);
    assert_true(wg_tensor_get(t, 1) == -2147483648.0);
    wg_tensor_free(t);
    i8[1]--;
    WGT_STATUS(read_npy(DICT("<i8", "False", "(3,)"), i8, sizeof i8, &t, &e), WG_EOVERFLOW, &e);
    IO_CONTAINS(e, "element 1");
    WGT_OK(read_npy("{\"shape\":(2,1),'fortran_order':False,'descr':'<f4'}", f4, 8, &t, &e), &e);
    assert_true(wg_tensor_get(t, 1) == -2);
    wg_tensor_free(t);
    WGT_OK(read_npy(DICT("<f4", "True", "(2,)"), f4, 8, &t, &e), &e);
    wg_tensor_free(t);
    static const struct {
        const char *dict;
        wg_status status;
        const char *part;
    } bad[] = {
        {DICT("<f4", "True", "(2, 1)"), WG_ENOTSUP, "Fortran"},
        {DICT(">f4", "False", "(2,)"), WG_ENOTSUP, "big-endian"},
        {DICT("<f2", "False", "(4,)"), WG_ENOTSUP, "'<f2'"},
        {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,)}", WG_ENOTSUP,
         "structured"},
        {DICT("<f4", "False", "(3,)"), WG_EFORMAT, "12 bytes"},
        {DICT("<f4", "False", "(1,)"), WG_EFORMAT, "4 bytes"},
        {DICT("<f4", "False", "(2)"), WG_EFORMAT, "shape"},
        {DICT("<f4", "False", "(-2,)"), WG_EFORMAT, "shape"},
        {DICT("<f4", "False", "(4294967296, 4294967296, 4294967296)"), WG_EOVERFLOW, "overflows"},
        {DICT("<f4", "False", "(99999999999999999999,)"), WG_EFORMAT, "shape"},
        {DICT("<f4", "False", "(1, 1, 1, 1, 1, 1, 2)"), WG_ENOTSUP, "axes"},
        {DICT("<f4", "False", "(2305843009213693952, 0)"), WG_EFORMAT, "0 bytes"},
        {DICT("<f4", "Maybe", "(2,)"), WG_EFORMAT, "fortran_order"},
        {"{'descr': '<f4', 'shape': (2,)}", WG_EFORMAT, "incomplete"},
        {"{'descr': '<f4', 'descr': '<f4', 'shape': (2,)}", WG_EFORMAT, "key"},
        {"{'descr': '<f4", WG_EFORMAT, "descr"},
        {"", WG_EFORMAT, "dictionary"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        WGT_STATUS(read_npy(bad[i].dict, f4, 8, &t, &e), bad[i].status, &e);
        IO_CONTAINS(e, bad[i].part);
        IO_CONTAINS(e, "npy.npz: member 'x.npy'");
        assert_null(t);
    }
}

/* Two directory entries for the same local header: each would be read, so each would count. */
static void test_overlap(void **state)
{
    (void)state;
    wg_error e;
    wg_npz_writer *w;
    wg_npz *npz;
    char *bytes;
    size_t size;
    WGT_OK(wg_npz_create(io_path("o.npz"), NULL, &w, &e), &e);
    WGT_OK(wg_npz_add_bytes(w, "AAAA", "same", 4, &e), &e);
    WGT_OK(wg_npz_add_bytes(w, "AAAB", "same", 4, &e), &e);
    WGT_OK(wg_npz_finish(w, &e), &e);
    WGT_OK(wg_file_read(io_path("o.npz"), 0, &bytes, &size, &e), &e);
    /* The second entry of the directory is 50 bytes before the end record of 22. */
    unsigned char *second = (unsigned char *)bytes + size - 22 - 50;
    assert_memory_equal(second, "PK\1\2", 4);
    memset(second + 42, 0, 4);
    second[49] = 'A';
    WGT_STATUS(wg_npz_open_memory("o", bytes, size, NULL, &npz, &e), WG_EFORMAT, &e);
    IO_CONTAINS(e, "overlaps");
    wg_free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_numpy_headers),
        cmocka_unit_test(test_overlap),
    };
    return cmocka_run_group_tests(tests, io_setup, io_teardown);
}
