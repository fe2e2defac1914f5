/* npz: round trips, the same bytes again, names, limits, numpy's files, memory running out. */
#include "npz_test.h"

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
        cmocka_unit_test(test_round_trip),    cmocka_unit_test(test_same_bytes),
        cmocka_unit_test(test_names),         cmocka_unit_test(test_limits),
        cmocka_unit_test(test_out_of_memory), cmocka_unit_test(test_state),
        cmocka_unit_test(test_numpy),
    };
    return cmocka_run_group_tests(tests, io_setup, io_teardown);
}
