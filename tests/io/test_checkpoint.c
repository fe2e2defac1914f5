/* Checkpoints: what is saved is loaded, by every form; names, shapes, prefixes and the report. */
#include "checkpoint_test.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>

static void test_round_trip(void **state)
{
    (void)state;
    wg_state *a = cp_state();
    char *first = NULL;
    size_t first_size = 0;
    for (int form = 0; form < 12; form++) {
        wg_error e;
        wg_state *b;
        const char *path = io_path("a.npz");
        static const int threads[] = {1, 2, 7};
        wg_checkpoint_options o = {.size = sizeof o,
                                   .threads = threads[form % 3],
                                   .memory = form % 4 ? 0 : 1,
                                   .borrow = form % 2};
        unlink(path);
        switch (form / 3) {
        case 0: WGT_OK(wg_checkpoint_save_state_sync(path, a, &o, &e), &e); break;
        case 1: WGT_OK(cp_save_uv(path, a, &o, &e), &e); break;
        case 2: {
            wg_save_job *job;
            WGT_OK(wg_save_begin(path, a, &o, &job, &e), &e);
            WGT_OK(wg_save_end(job, &e), &e);
            break;
        }
        default: WGT_OK(wg_state_save(path, a, NULL, &e), &e);
        }
        /* The bytes depend on nothing but what is saved. */
        char *bytes;
        size_t size;
        WGT_OK(wg_file_read(path, 0, &bytes, &size, &e), &e);
        if (!first) {
            first = bytes;
            first_size = size;
        } else {
            assert_int_equal(size, first_size);
            assert_memory_equal(bytes, first, size);
            wg_free(bytes);
        }
        WGT_OK(wg_state_new(&b, &e), &e);
        if (form % 2)
            WGT_OK(wg_checkpoint_load_state_sync(path, b, &o, NULL, &e), &e);
        else
            WGT_OK(cp_load_uv(path, b, &o, &e), &e);
        cp_assert_same(a, b);
        wg_state_free(b);
    }
    wg_free(first);
    wg_state_free(a);
    assert_false(cp_leftovers());
}

static void test_compressions(void **state)
{
    (void)state;
    wg_state *a = cp_state();
    for (int k = 0; k < 6; k++) {
        wg_error e;
        wg_state *b;
        wg_npz_options n = {.size = sizeof n,
                            .compression = k == 0 ? WG_NPZ_STORE : WG_NPZ_DEFLATE,
                            .level = k,
                            .strategy = (wg_npz_strategy)(k % 4)};
        wg_checkpoint_options o = {.size = sizeof o, .npz = &n};
        WGT_OK(wg_checkpoint_save_state_sync(io_path("c.npz"), a, &o, &e), &e);
        WGT_OK(wg_state_new(&b, &e), &e);
        WGT_OK(cp_load_uv(io_path("c.npz"), b, NULL, &e), &e);
        cp_assert_same(a, b);
        wg_state_free(b);
        n.level = 10;
        if (k > 0)
            WGT_STATUS(wg_checkpoint_save_state_sync(io_path("c.npz"), a, &o, &e), WG_EINVAL, &e);
    }
    wg_state_free(a);
}

static void *drain(void *user)
{
    char *bytes = malloc(16 << 20);
    size_t size = 0;
    int fd = open(user, O_RDONLY);
    for (ssize_t got; (got = read(fd, bytes + size, 1 << 16)) > 0;) size += (size_t)got;
    close(fd);
    FILE *f = fopen(io_path("drained.npz"), "wb");
    fwrite(bytes, 1, size, f);
    fclose(f);
    free(bytes);
    return NULL;
}

/* Into a pipe there is no way back: sizes follow the data. */
static void test_pipe(void **state)
{
    (void)state;
    wg_error e;
    pthread_t thread;
    char path[1024];
    snprintf(path, sizeof path, "%s", io_path("pipe"));
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(pthread_create(&thread, NULL, drain, path), 0);
    wg_state *a = cp_state(), *b;
    WGT_OK(wg_state_save(path, a, NULL, &e), &e);
    pthread_join(thread, NULL);
    WGT_OK(wg_state_load(io_path("drained.npz"), &b, &e), &e);
    cp_assert_same(a, b);
    wg_state_free(a);
    wg_state_free(b);
}

static void test_params(void **state)
{
    (void)state;
    wg_error e;
    wg_load_report *r;
    wg_params *a = cp_params(WG_SHAPE(3, 4)), *b = cp_params(WG_SHAPE(3, 4));
    wg_tensor_fill(wg_params_values(b), 0);
    WGT_OK(wg_checkpoint_save_sync(io_path("p.npz"), a, NULL, &e), &e);
    WGT_OK(wg_checkpoint_load_sync(io_path("p.npz"), b, NULL, &r, &e), &e);
    for (int i = 0; i < 2; i++) cp_assert_same_tensor(wg_params_value(a, i), wg_params_value(b, i));
    assert_int_equal(wg_load_report_count(r, WG_LOAD_DONE), 2);
    assert_string_equal(wg_load_report_name(r, WG_LOAD_DONE, 1), "b");
    assert_null(wg_load_report_name(r, WG_LOAD_DONE, 2));
    wg_load_report_free(r);
    wg_params_free(b);
    /* Another shape is an error before anything is written. */
    b = cp_params(WG_SHAPE(4, 3));
    wg_tensor_fill(wg_params_values(b), 5);
    WGT_STATUS(wg_checkpoint_load_sync(io_path("p.npz"), b, NULL, &r, &e), WG_ESHAPE, &e);
    IO_CONTAINS(e, "p.npz: tensor 'W': the file has f32 [3,4], wanted is f32 [4,3]");
    assert_int_equal(wg_load_report_count(r, WG_LOAD_MISMATCHED), 1);
    assert_true(wg_tensor_get(wg_params_value(b, 1), 0) == 5);
    wg_load_report_free(r);
    wg_checkpoint_options o = {.size = sizeof o, .flags = WG_LOAD_MAY_MISMATCH};
    WGT_OK(wg_checkpoint_load_sync(io_path("p.npz"), b, &o, &r, &e), &e);
    assert_true(wg_tensor_get(wg_params_value(b, 0), 0) == 5);
    cp_assert_same_tensor(wg_params_value(a, 1), wg_params_value(b, 1));
    assert_string_equal(wg_load_report_detail(r, WG_LOAD_MISMATCHED, 0),
                        "the file has f32 [3,4], wanted is f32 [4,3]");
    wg_load_report_free(r);
    wg_params_free(a);
    wg_params_free(b);
    WGT_OK(wg_params_new(WG_F32, &a, &e), &e);
    WGT_OK(wg_params_add(a, "W", WG_SHAPE(1), NULL, NULL, &e), &e);
    WGT_STATUS(wg_checkpoint_load_sync(io_path("p.npz"), a, NULL, NULL, &e), WG_EINVAL, &e);
    wg_params_free(a);
}

/* An encoder from a language model: "lm/W" is wanted as "W". */
static void test_partial(void **state)
{
    (void)state;
    wg_error e;
    wg_load_report *r;
    wg_state *lm;
    WGT_OK(wg_state_new(&lm, &e), &e);
    cp_put(lm, "lm/W", WG_F32, WG_SHAPE(3, 4));
    cp_put(lm, "lm/other", WG_F32, WG_SHAPE(2));
    cp_put(lm, "optimizer/m", WG_F32, WG_SHAPE(9));
    WGT_OK(wg_state_save(io_path("lm.npz"), lm, NULL, &e), &e);
    wg_params *p = cp_params(WG_SHAPE(3, 4));
    WGT_STATUS(wg_checkpoint_load_sync(io_path("lm.npz"), p, NULL, &r, &e), WG_ENOTFOUND, &e);
    IO_CONTAINS(e, "has no tensor 'W' (2 missing in all)");
    assert_int_equal(wg_load_report_count(r, WG_LOAD_UNEXPECTED), 3);
    wg_load_report_free(r);
    wg_checkpoint_options o = {.size = sizeof o, .file_prefix = "lm/", .flags = WG_LOAD_MAY_MISS};
    WGT_STATUS(wg_checkpoint_load_sync(io_path("lm.npz"), p, &o, &r, &e), WG_ENOTFOUND, &e);
    IO_CONTAINS(e, "tensor 'lm/other' has no place to go (1 unexpected in all)");
    wg_load_report_free(r);
    o.flags = WG_LOAD_PARTIAL;
    double before = wg_tensor_get(wg_params_value(p, 1), 0);
    WGT_OK(wg_checkpoint_load_sync(io_path("lm.npz"), p, &o, &r, &e), &e);
    cp_assert_same_tensor(wg_params_value(p, 0), wg_state_tensor(lm, "lm/W"));
    assert_true(wg_tensor_get(wg_params_value(p, 1), 0) == before);
    assert_string_equal(wg_load_report_name(r, WG_LOAD_MISSING, 0), "b");
    wg_load_report_free(r);
    /* No such file: no report. */
    WGT_STATUS(wg_checkpoint_load_sync(io_path("absent.npz"), p, &o, &r, &e), WG_ENOTFOUND, &e);
    assert_null(r);
    o.flags = 8;
    WGT_STATUS(wg_checkpoint_load_sync(io_path("lm.npz"), p, &o, &r, &e), WG_EINVAL, &e);
    wg_params_free(p);
    wg_state_free(lm);
}

/* A tree's own tensors are filled where they lie; the rest joins it. */
static void test_fill(void **state)
{
    (void)state;
    wg_error e;
    wg_state *a = cp_state(), *b;
    wg_tensor *w = cp_tensor(WG_F32, WG_SHAPE(1000, 700), 99);
    WGT_OK(wg_state_save(io_path("f.npz"), a, NULL, &e), &e);
    WGT_OK(wg_state_new(&b, &e), &e);
    WGT_OK(wg_state_ref_tensor(b, "enc/W", w, &e), &e);
    WGT_OK(wg_checkpoint_load_state_sync(io_path("f.npz"), b, NULL, NULL, &e), &e);
    assert_ptr_equal(wg_state_tensor(b, "enc/W"), w);
    cp_assert_same_tensor(w, wg_state_tensor(a, "enc/W"));
    assert_int_equal(wg_state_count(b), wg_state_count(a));
    wg_state_free(b);
    wg_tensor_free(w);
    WGT_OK(wg_state_new(&b, &e), &e);
    WGT_OK(wg_state_put_text(b, "config.json", "x", 1, &e), &e);
    WGT_STATUS(wg_checkpoint_load_state_sync(io_path("f.npz"), b, NULL, NULL, &e), WG_EEXIST, &e);
    assert_int_equal(wg_state_count(b), 1);
    wg_state_free(b);
    /* With a prefix only what has it, under its new name. */
    wg_checkpoint_options o = {.size = sizeof o, .file_prefix = "enc/", .target_prefix = "x/"};
    WGT_OK(wg_state_new(&b, &e), &e);
    WGT_OK(wg_checkpoint_load_state_sync(io_path("f.npz"), b, &o, NULL, &e), &e);
    assert_int_equal(wg_state_count(b), 2);
    cp_assert_same_tensor(wg_state_tensor(b, "x/b"), wg_state_tensor(a, "enc/b"));
    wg_state_free(b);
    wg_state_free(a);
}

/* Saved is what was there at the call. */
static void test_snapshot(void **state)
{
    (void)state;
    wg_error e;
    wg_state *a = cp_state(), *b, *copy = NULL;
    wg_save_job *job;
    WGT_OK(wg_state_snapshot(a, &copy, &e), &e);
    cp_assert_same(a, copy);
    const void *memory = wg_tensor_cdata(wg_state_tensor(copy, "enc/W"));
    WGT_OK(wg_save_begin(io_path("s.npz"), a, NULL, &job, &e), &e);
    wg_tensor_fill(wg_state_tensor(a, "enc/W"), 3);
    WGT_OK(wg_save_end(job, &e), &e);
    WGT_OK(wg_state_load(io_path("s.npz"), &b, &e), &e);
    cp_assert_same(copy, b);
    WGT_OK(wg_state_snapshot(a, &copy, &e), &e);
    cp_assert_same(a, copy);
    assert_ptr_equal(wg_tensor_cdata(wg_state_tensor(copy, "enc/W")), memory);
    WGT_OK(wg_state_put_text(a, "more", "x", 1, &e), &e);
    WGT_OK(wg_state_snapshot(a, &copy, &e), &e);
    cp_assert_same(a, copy);
    wg_state_free(copy);
    wg_state_free(a);
    wg_state_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_compressions),
        cmocka_unit_test(test_pipe),       cmocka_unit_test(test_params),
        cmocka_unit_test(test_partial),    cmocka_unit_test(test_fill),
        cmocka_unit_test(test_snapshot),
    };
    return cmocka_run_group_tests(tests, io_setup, io_teardown);
}
