/* npz: round trips, every truncation, every flipped bit, lies in headers, memory running out. */
#include "io_test.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include <wengert/atomicfile.h>
#include <wengert/npz.h>
#include <wengert/statefile.h>

#include "npz_private.h"

static wg_tensor *sample(wg_dtype dtype, wg_shape shape, double scale)
{
    wg_tensor *t;
    WGT_OK(wg_tensor_new(dtype, shape, &t, NULL), NULL);
    for (int64_t i = 0; i < wg_tensor_count(t); i++) wg_tensor_set(t, i, scale * (double)(i + 1));
    return t;
}

static void assert_same(const wg_tensor *a, const wg_tensor *b)
{
    wg_shape x = wg_tensor_shape(a), y = wg_tensor_shape(b);
    assert_int_equal(wg_tensor_dtype(a), wg_tensor_dtype(b));
    assert_true(wg_shape_equal(&x, &y));
    assert_memory_equal(wg_tensor_cdata(a), wg_tensor_cdata(b), wg_tensor_bytes(a));
}

enum { SAMPLES = 6 };

static void make_samples(wg_tensor *t[SAMPLES])
{
    t[0] = sample(WG_F32, WG_SHAPE(3, 5), 0.25);
    t[1] = sample(WG_F64, WG_SHAPE(7), 1e-3);
    t[2] = sample(WG_I32, WG_SCALAR, -3);
    t[3] = sample(WG_U8, WG_SHAPE(2, 1, 3, 1, 2, 2), 1);
    t[4] = sample(WG_F32, WG_SHAPE(0, 4), 1);
    t[5] = sample(WG_F32, WG_SHAPE(20, 40), 0.125);
    wg_tensor_set(t[1], 2, NAN);
    wg_tensor_set(t[1], 3, -INFINITY);
}

static const char *const sample_name[SAMPLES] = {"enc.0.W", "dir/b", "step",
                                                 "mask",    "none",  "gro\xC3\x9F"};

static wg_status write_samples(const char *path, wg_tensor *t[SAMPLES], const wg_npz_options *o,
                               bool zip64, wg_error *err)
{
    wg_npz_writer *w;
    wg_status status = wg_npz_create(path, o, &w, err);
    if (status != WG_OK) return status;
    if (zip64) wg__npz_force_zip64(w);
    for (int i = 0; i < SAMPLES && status == WG_OK; i++)
        status = wg_npz_add_tensor(w, sample_name[i], t[i], err);
    if (status == WG_OK) status = wg_npz_add_bytes(w, "config.json", "{\"a\": 1}", 8, err);
    if (status == WG_OK) status = wg_npz_add_bytes(w, "empty", NULL, 0, err);
    if (status != WG_OK) {
        wg_npz_abort(w);
        return status;
    }
    return wg_npz_finish(w, err);
}

/* Reads all members; compares whatever is read under a known name. */
static wg_status read_samples(wg_npz *npz, wg_tensor *t[SAMPLES])
{
    for (int64_t i = 0; i < wg_npz_count(npz); i++) {
        if (wg_npz_is_tensor(npz, i)) {
            wg_tensor *got;
            wg_status status = wg_npz_read_tensor(npz, i, &got, NULL);
            if (status != WG_OK) return status;
            for (int k = 0; k < SAMPLES; k++)
                if (strcmp(sample_name[k], wg_npz_name(npz, i)) == 0) assert_same(got, t[k]);
            wg_tensor_free(got);
        } else {
            char *bytes;
            size_t size;
            wg_status status = wg_npz_read_bytes(npz, i, &bytes, &size, NULL);
            if (status != WG_OK) return status;
            if (strcmp(wg_npz_name(npz, i), "config.json") == 0)
                assert_string_equal(bytes, "{\"a\": 1}");
            wg_free(bytes);
        }
    }
    return WG_OK;
}

static void test_round_trip(void **state)
{
    (void)state;
    wg_tensor *t[SAMPLES];
    make_samples(t);
    for (int mode = 0; mode < 6; mode++) {
        wg_npz_options o = {.size = sizeof o, .compression = (wg_npz_compression)(mode % 3)};
        wg_error e;
        wg_npz *npz;
        const char *path = io_path("a.npz");
        WGT_OK(write_samples(path, t, &o, mode >= 3, &e), &e);
        WGT_OK(wg_npz_open(path, NULL, &npz, &e), &e);
        assert_int_equal(wg_npz_count(npz), SAMPLES + 2);
        for (int i = 0; i < SAMPLES; i++) assert_int_equal(wg_npz_find(npz, sample_name[i]), i);
        assert_int_equal(wg_npz_find(npz, "config.json"), SAMPLES);
        assert_int_equal(wg_npz_find(npz, "config"), -1);
        WGT_OK(read_samples(npz, t), NULL);
        wg_tensor *no;
        WGT_STATUS(wg_npz_read_tensor(npz, SAMPLES, &no, &e), WG_EINVAL, &e);
        WGT_STATUS(wg_npz_read_tensor(npz, 99, &no, &e), WG_ENOTFOUND, &e);
        wg_npz_close(npz);
    }
    for (int i = 0; i < SAMPLES; i++) wg_tensor_free(t[i]);
}

static void test_same_bytes(void **state)
{
    (void)state;
    wg_tensor *t[SAMPLES];
    make_samples(t);
    char *a, *b;
    size_t m, n;
    WGT_OK(write_samples(io_path("1.npz"), t, NULL, false, NULL), NULL);
    WGT_OK(write_samples(io_path("2.npz"), t, NULL, false, NULL), NULL);
    WGT_OK(wg_file_read(io_path("1.npz"), 0, &a, &m, NULL), NULL);
    WGT_OK(wg_file_read(io_path("2.npz"), 0, &b, &n, NULL), NULL);
    assert_int_equal(m, n);
    assert_memory_equal(a, b, n);
    wg_free(a);
    wg_free(b);
    for (int i = 0; i < SAMPLES; i++) wg_tensor_free(t[i]);
}

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

static void test_names(void **state)
{
    (void)state;
    static const char *const bad[] = {"",       "/a",   "a/",   "a//b", "../a",
                                      "a/../b", "a\\b", "a\nb", "\xFF", "x.npy"};
    wg_error e;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        wg_npz_writer *w;
        WGT_OK(wg_npz_create(io_path("n.npz"), NULL, &w, &e), &e);
        WGT_STATUS(wg_npz_add_bytes(w, bad[i], "x", 1, &e), WG_EINVAL, &e);
        WGT_STATUS(wg_npz_finish(w, &e), WG_EINVAL, &e);
        assert_int_equal(access(io_path("n.npz"), F_OK), -1);
    }
    wg_npz_writer *w;
    WGT_OK(wg_npz_create(io_path("n.npz"), NULL, &w, &e), &e);
    WGT_OK(wg_npz_add_bytes(w, "ab", "x", 1, &e), &e);
    WGT_STATUS(wg_npz_add_bytes(w, "ab", "x", 1, &e), WG_EEXIST, &e);
    wg_npz_abort(w);
    /* The same names as they would come in from a file. */
    char *bytes;
    size_t size;
    wg_npz *npz;
    WGT_OK(wg_npz_create(io_path("n.npz"), NULL, &w, &e), &e);
    WGT_OK(wg_npz_add_bytes(w, "XYZW", "x", 1, &e), &e);
    WGT_OK(wg_npz_add_bytes(w, "QRST", "x", 1, &e), &e);
    WGT_OK(wg_npz_finish(w, &e), &e);
    WGT_OK(wg_file_read(io_path("n.npz"), 0, &bytes, &size, &e), &e);
    static const char *const name[] = {"../a", "/abc", "a\\bc", "a/..", "a//b", "QRST"};
    for (size_t k = 0; k < sizeof name / sizeof *name; k++) {
        char *copy = malloc(size);
        memcpy(copy, bytes, size);
        for (size_t i = 0; i + 4 <= size; i++)
            if (memcmp(copy + i, "XYZW", 4) == 0) memcpy(copy + i, name[k], 4);
        WGT_STATUS(wg_npz_open_memory("f", copy, size, NULL, &npz, &e), WG_EFORMAT, &e);
        free(copy);
    }
    wg_free(bytes);
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

static void test_limits(void **state)
{
    (void)state;
    wg_tensor *t[SAMPLES];
    wg_npz *npz;
    wg_error e;
    make_samples(t);
    WGT_OK(write_samples(io_path("l.npz"), t, NULL, false, &e), &e);
    wg_npz_options o = {.size = sizeof o, .max_member = 300};
    WGT_STATUS(wg_npz_open(io_path("l.npz"), &o, &npz, &e), WG_ELIMIT, &e);
    o = (wg_npz_options){.size = sizeof o, .max_total = 1000};
    WGT_STATUS(wg_npz_open(io_path("l.npz"), &o, &npz, &e), WG_ELIMIT, &e);
    o = (wg_npz_options){.size = sizeof o, .max_members = 3};
    WGT_STATUS(wg_npz_open(io_path("l.npz"), &o, &npz, &e), WG_ELIMIT, &e);
    for (int i = 0; i < SAMPLES; i++) wg_tensor_free(t[i]);
    WGT_STATUS(wg_npz_open(io_path("absent.npz"), NULL, &npz, &e), WG_ENOTFOUND, &e);
    WGT_STATUS(wg_npz_open(io_dir, NULL, &npz, &e), WG_EINVAL, &e);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    for (size_t n = 1;; n++) {
        wg_tensor *t[SAMPLES] = {0};
        make_samples(t); /* before the allocator is installed: freed after it is removed */
        const char *path = io_path("oom.npz");
        unlink(path);
        wgt_fail_alloc_at(n);
        wg_npz *npz;
        wg_status status = write_samples(path, t, NULL, false, NULL);
        if (status == WG_ENOMEM) assert_int_equal(access(path, F_OK), -1);
        if (status == WG_OK) status = wg_npz_open(path, NULL, &npz, NULL);
        if (status == WG_OK) {
            status = read_samples(npz, t);
            wg_npz_close(npz);
        }
        bool again = wgt_alloc_ran_out(status);
        for (int i = 0; i < SAMPLES; i++) wg_tensor_free(t[i]);
        if (!again) break;
    }
}

static void test_state(void **state)
{
    (void)state;
    wg_state *a, *b;
    wg_error e;
    size_t length;
    WGT_OK(wg_state_new(&a, &e), &e);
    WGT_OK(wg_state_put_text(a, "config.json", "{}", 2, &e), &e);
    WGT_OK(wg_state_put_tensor(a, "optim/m/W", sample(WG_F32, WG_SHAPE(2, 3), 1), &e), &e);
    WGT_OK(wg_state_put_text(a, "source.vocab", "x\0y", 3, &e), &e);
    WGT_OK(wg_state_save(io_path("s.npz"), a, NULL, &e), &e);
    WGT_OK(wg_state_load(io_path("s.npz"), &b, &e), &e);
    assert_int_equal(wg_state_count(b), 3);
    for (int i = 0; i < 3; i++) assert_string_equal(wg_state_name(b, i), wg_state_name(a, i));
    assert_same(wg_state_tensor(a, "optim/m/W"), wg_state_tensor(b, "optim/m/W"));
    assert_memory_equal(wg_state_text(b, "source.vocab", &length), "x\0y", 3);
    assert_int_equal(length, 3);
    wg_state_free(a);
    wg_state_free(b);
    WGT_STATUS(wg_state_load(io_text("t.npz", "not a zip file, but long enough for one"), &b, &e),
               WG_EFORMAT, &e);
    IO_CONTAINS(e, "t.npz");
}

static void test_numpy(void **state)
{
    (void)state;
    /* The distribution's interpreter has the distribution's numpy; another may come first in PATH.
     */
    const char *python = NULL, *const candidates[] = {"/usr/bin/python3", "python3"};
    char command[4096];
    for (int i = 0; i < 2 && !python; i++) {
        snprintf(command, sizeof command, "%s -c 'import numpy' 2>/dev/null", candidates[i]);
        if (system(command) == 0) python = candidates[i];
    }
    if (!python) {
        print_message("skipped: python3 with numpy is not installed\n");
        skip();
    }
    wg_tensor *t[SAMPLES];
    make_samples(t);
    for (int zip64 = 0; zip64 < 2; zip64++) {
        WGT_OK(write_samples(io_path("ours.npz"), t, NULL, zip64, NULL), NULL);
        snprintf(command, sizeof command,
                 "%s -c \"import numpy as n; z = n.load('%s/ours.npz');"
                 "a = z['enc.0.W']; assert a.shape == (3, 5) and a.dtype == n.float32;"
                 "assert (a.ravel() == n.arange(1, 16) * .25).all();"
                 "assert z['step'].shape == () and z['step'] == -3 and z['none'].shape == (0, 4);"
                 "assert n.isnan(z['dir/b'][2]) and z['mask'].dtype == n.uint8;"
                 "assert z['config.json'] == b'{\\\"a\\\": 1}';"
                 "d = {k: z[k] for k in z.files if k not in ('config.json', 'empty')};"
                 "n.savez('%s/plain.npz', **d); n.savez_compressed('%s/packed.npz', **d)\"",
                 python, io_dir, io_dir, io_dir);
        assert_int_equal(system(command), 0);
        for (int i = 0; i < 2; i++) {
            wg_npz *npz;
            wg_error e;
            WGT_OK(wg_npz_open(io_path(i ? "packed.npz" : "plain.npz"), NULL, &npz, &e), &e);
            assert_int_equal(wg_npz_count(npz), SAMPLES);
            WGT_OK(read_samples(npz, t), NULL);
            wg_npz_close(npz);
        }
    }
    for (int i = 0; i < SAMPLES; i++) wg_tensor_free(t[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_same_bytes),
        cmocka_unit_test(test_damage),     cmocka_unit_test(test_numpy_headers),
        cmocka_unit_test(test_names),      cmocka_unit_test(test_overlap),
        cmocka_unit_test(test_limits),     cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_state),      cmocka_unit_test(test_numpy),
    };
    return cmocka_run_group_tests(tests, io_setup, io_teardown);
}
