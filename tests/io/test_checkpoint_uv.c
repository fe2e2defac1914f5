/* The promises of <wengert/uv.h>: one callback or none, cancelling at every stage, nothing heavy on
 * the loop's thread. */
#define _GNU_SOURCE
#include "checkpoint_test.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <zlib.h>

/* ---- which thread does what: these stand in front of the libraries' own ---- */

static atomic_int heavy_calls, heavy_on_loop;
static pthread_t loop_thread;
static atomic_bool watching;

static void seen(void)
{
    if (!atomic_load(&watching)) return;
    atomic_fetch_add(&heavy_calls, 1);
    if (pthread_equal(pthread_self(), loop_thread)) atomic_fetch_add(&heavy_on_loop, 1);
}

#define REAL(name) __typeof__(&name) real = (__typeof__(&name))(uintptr_t)dlsym(RTLD_NEXT, #name)

/* libuv is to find them too. */
#pragma GCC visibility push(default)

int inflate(z_streamp z, int flush)
{
    REAL(inflate);
    seen();
    return real(z, flush);
}

int deflate(z_streamp z, int flush)
{
    REAL(deflate);
    seen();
    return real(z, flush);
}

uLong crc32_z(uLong crc, const Bytef *bytes, z_size_t size)
{
    REAL(crc32_z);
    seen();
    return real(crc, bytes, size);
}

int fsync(int fd)
{
    REAL(fsync);
    seen();
    return real(fd);
}

ssize_t pread(int fd, void *bytes, size_t size, off_t offset)
{
    REAL(pread);
    seen();
    return real(fd, bytes, size, offset);
}

#pragma GCC visibility pop

static void test_loop_thread(void **state)
{
    (void)state;
    wg_error e;
    wg_state *a = cp_state(), *b;
    wg_checkpoint_options o = {.size = sizeof o, .threads = 2};
    loop_thread = pthread_self();
    atomic_store(&watching, true);
    wg_status saved = cp_save_uv(io_path("t.npz"), a, &o, &e);
    int save_calls = atomic_load(&heavy_calls);
    WGT_OK(wg_state_new(&b, NULL), NULL);
    wg_status loaded = cp_load_uv(io_path("t.npz"), b, &o, &e);
    atomic_store(&watching, false);
    WGT_OK(saved, &e);
    WGT_OK(loaded, &e);
    /* 3 MiB and 2.7 MiB in chunks of 1 MiB, and the small ones; each is seen by this test. */
    assert_true(save_calls > 20);
    assert_true(atomic_load(&heavy_calls) > save_calls + 20);
    assert_int_equal(atomic_load(&heavy_on_loop), 0);
    cp_assert_same(a, b);
    wg_state_free(a);
    wg_state_free(b);
}

/* ---- callbacks ---- */

static void never(wg_checkpoint_load_t *r, wg_status status)
{
    (void)r;
    (void)status;
    fail_msg("called back after an error at the call");
}

static void never_saved(wg_checkpoint_save_t *r, wg_status status)
{
    (void)r;
    (void)status;
    fail_msg("called back after an error at the call");
}

static void test_errors_at_the_call(void **state)
{
    (void)state;
    uv_loop_t loop;
    wg_error e;
    wg_state *s = cp_state();
    wg_params *p;
    wg_checkpoint_load_t r = {0};
    wg_checkpoint_save_t w = {0};
    wg_checkpoint_options bad = {.size = sizeof bad, .flags = 99};
    assert_int_equal(uv_loop_init(&loop), 0);
    WGT_OK(wg_params_new(WG_F32, &p, NULL), NULL);
    WGT_OK(wg_params_add(p, "W", WG_SHAPE(2), NULL, NULL, NULL), NULL);
    WGT_STATUS(wg_checkpoint_load(&loop, &r, "x", p, NULL, never, &e), WG_EINVAL, &e);
    IO_CONTAINS(e, "not initialised");
    WGT_STATUS(wg_checkpoint_load(&loop, &r, "x", NULL, NULL, never, &e), WG_EINVAL, &e);
    WGT_STATUS(wg_checkpoint_load(NULL, &r, "x", p, NULL, never, &e), WG_EINVAL, &e);
    WGT_STATUS(wg_checkpoint_load_state(&loop, &r, "", s, NULL, never, &e), WG_EINVAL, &e);
    WGT_STATUS(wg_checkpoint_load_state(&loop, &r, NULL, s, NULL, never, &e), WG_EINVAL, &e);
    WGT_STATUS(wg_checkpoint_load_state(&loop, &r, "x", s, NULL, NULL, &e), WG_EINVAL, &e);
    WGT_STATUS(wg_checkpoint_load_state(&loop, &r, "x", s, &bad, never, &e), WG_EINVAL, &e);
    WGT_STATUS(wg_checkpoint_save(&loop, &w, "x", p, NULL, never_saved, &e), WG_EINVAL, &e);
    WGT_STATUS(wg_checkpoint_save_state(&loop, &w, "x", NULL, NULL, never_saved, &e), WG_EINVAL,
               &e);
    WGT_STATUS(wg_checkpoint_save_state(&loop, NULL, "x", s, NULL, never_saved, &e), WG_EINVAL, &e);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&loop), 0);
    wg_params_free(p);
    wg_state_free(s);
}

static void test_errors_by_callback(void **state)
{
    (void)state;
    wg_error e;
    wg_state *s = cp_state();
    wg_load_report *r;
    WGT_STATUS(cp_load_uv(io_path("absent.npz"), s, NULL, &e), WG_ENOTFOUND, &e);
    IO_CONTAINS(e, "absent.npz");
    WGT_STATUS(cp_load_uv(io_dir, s, NULL, &e), WG_EINVAL, &e);
    WGT_STATUS(cp_load_uv(io_text("text.npz", "not a zip file, whatever it says"), s, NULL, &e),
               WG_EFORMAT, &e);
    WGT_STATUS(cp_save_uv(io_path("no/such/folder.npz"), s, NULL, &e), WG_ENOTFOUND, &e);
    WGT_STATUS(cp_save_uv(io_dir, s, NULL, &e), WG_EINVAL, &e);
    WGT_OK(wg_state_put_text(s, "text.npy", "x", 1, NULL), NULL);
    WGT_STATUS(cp_save_uv(io_path("name.npz"), s, NULL, &e), WG_EINVAL, &e);
    IO_CONTAINS(e, "text.npy");
    assert_int_equal(access(io_path("name.npz"), F_OK), -1);
    assert_false(cp_leftovers());
    wg_state_free(s);
    /* Into parameters, with a report by the request. */
    wg_params *p = cp_params(WG_SHAPE(3, 4));
    uv_loop_t loop;
    cp_end end = {0};
    wg_checkpoint_save_t w = {.data = &end};
    assert_int_equal(uv_loop_init(&loop), 0);
    WGT_OK(wg_checkpoint_save(&loop, &w, io_path("p.npz"), p, NULL, cp_saved, &e), &e);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    WGT_OK(end.status, &end.error);
    wg_params *q = cp_params(WG_SHAPE(12));
    wg_checkpoint_load_t l = {.data = &end};
    WGT_OK(wg_checkpoint_load(&loop, &l, io_path("p.npz"), q, NULL, cp_loaded, &e), &e);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(end.calls, 2);
    assert_int_equal(end.status, WG_ESHAPE);
    r = end.report;
    assert_int_equal(wg_load_report_count(r, WG_LOAD_MISMATCHED), 1);
    wg_load_report_free(r);
    /* The same request again. */
    WGT_OK(wg_checkpoint_load(&loop, &l, io_path("p.npz"), p, NULL, cp_loaded, &e), &e);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(end.calls, 3);
    WGT_OK(end.status, &end.error);
    wg_load_report_free(end.report);
    assert_int_equal(uv_loop_close(&loop), 0);
    wg_params_free(p);
    wg_params_free(q);
}

/* ---- cancelling ---- */

typedef struct stage {
    int after; /* cancel at this call of the progress callback */
    int calls;
    uint64_t last;
} stage;

static bool count_down(void *user, uint64_t done, uint64_t total)
{
    stage *s = user;
    assert_true(done > s->last || (done == 0 && total == 0) || done >= s->last);
    assert_true(done <= total);
    s->last = done;
    return ++s->calls != s->after;
}

typedef struct ticker {
    uv_idle_t idle;
    wg_checkpoint_load_t *load;
    wg_checkpoint_save_t *save;
    int rounds;
} ticker;

/* Runs the loop `rounds` times, then cancels. */
static void run_and_cancel(uv_loop_t *loop, ticker *t)
{
    for (int i = 0; i < t->rounds; i++) uv_run(loop, UV_RUN_ONCE);
    /* Behind the end it is nothing. */
    if (t->load) wg_checkpoint_load_cancel(t->load);
    if (t->save) wg_checkpoint_save_cancel(t->save);
    assert_int_equal(uv_run(loop, UV_RUN_DEFAULT), 0);
}

static void test_cancel(void **state)
{
    (void)state;
    wg_error e;
    wg_state *a = cp_state(), *old;
    const char *path = io_path("cancel.npz");
    WGT_OK(wg_state_new(&old, NULL), NULL);
    WGT_OK(wg_state_put_text(old, "old", "x", 1, NULL), NULL);
    int cancelled = 0, done = 0;
    for (int rounds = 0; rounds < 30; rounds++) {
        for (int save = 0; save < 2; save++) {
            uv_loop_t loop;
            cp_end end = {0};
            wg_checkpoint_load_t r = {.data = &end};
            wg_checkpoint_save_t w = {.data = &end};
            ticker t = {.rounds = rounds, .load = save ? NULL : &r, .save = save ? &w : NULL};
            wg_state *b;
            WGT_OK(wg_state_new(&b, NULL), NULL);
            WGT_OK(wg_state_save(path, save ? old : a, NULL, &e), &e);
            assert_int_equal(uv_loop_init(&loop), 0);
            if (save)
                WGT_OK(wg_checkpoint_save_state(&loop, &w, path, a, NULL, cp_saved, &e), &e);
            else
                WGT_OK(wg_checkpoint_load_state(&loop, &r, path, b, NULL, cp_loaded, &e), &e);
            run_and_cancel(&loop, &t);
            assert_int_equal(end.calls, 1);
            wg_load_report_free(end.report);
            assert_true(end.status == WG_OK || end.status == WG_ECANCELED);
            cancelled += end.status == WG_ECANCELED;
            done += end.status == WG_OK;
            if (save) {
                WGT_OK(wg_checkpoint_load_state_sync(path, b, NULL, NULL, &e), &e);
                cp_assert_same(end.status == WG_OK ? a : old, b);
            } else {
                assert_int_equal(wg_state_count(b), end.status == WG_OK ? wg_state_count(a) : 0);
            }
            wg_state_free(b);
            assert_int_equal(uv_loop_close(&loop), 0);
        }
        assert_false(cp_leftovers());
    }
    /* At once is early enough for either. */
    assert_true(cancelled >= 2);
    assert_true(done > 0);
    /* By the progress callback, in every form. */
    for (int form = 0; form < 4; form++)
        for (int k = 1; k < 8; k += 3) {
            stage s = {.after = k};
            wg_checkpoint_options o = {.size = sizeof o, .progress = count_down, .user = &s};
            wg_state *b;
            WGT_OK(wg_state_new(&b, NULL), NULL);
            WGT_OK(wg_state_save(path, form < 2 ? a : old, NULL, &e), &e);
            wg_status status = form == 0   ? wg_checkpoint_load_state_sync(path, b, &o, NULL, &e)
                               : form == 1 ? cp_load_uv(path, b, &o, &e)
                               : form == 2 ? wg_checkpoint_save_state_sync(path, a, &o, &e)
                                           : cp_save_uv(path, a, &o, &e);
            /* Several jobs may be written at once, so a save may end before the k-th call. */
            if (s.calls >= k) {
                assert_int_equal(status, WG_ECANCELED);
                IO_CONTAINS(e, "cancelled");
            } else {
                WGT_OK(status, &e);
            }
            wg_state_free(b);
        }
    wg_state_free(a);
    wg_state_free(old);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loop_thread),
        cmocka_unit_test(test_errors_at_the_call),
        cmocka_unit_test(test_errors_by_callback),
        cmocka_unit_test(test_cancel),
    };
    return cmocka_run_group_tests(tests, io_setup, io_teardown);
}
