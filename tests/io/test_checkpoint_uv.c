/* The promises of <wengert/uv.h>: one callback or none, cancelling at every stage, nothing heavy on
 * the loop's thread, bounded memory. */
#define _GNU_SOURCE
#include "checkpoint_test.h"

#include <dlfcn.h>
#include <malloc.h>
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

/* ---- memory ---- */

static atomic_size_t live, peak;

static void count_live(void *block)
{
    size_t now = atomic_fetch_add(&live, malloc_usable_size(block)) + malloc_usable_size(block);
    size_t most = atomic_load(&peak);
    while (now > most && !atomic_compare_exchange_weak(&peak, &most, now)) {
    }
}

static void *watched_alloc(void *user, size_t bytes)
{
    (void)user;
    void *block = malloc(bytes);
    if (block) count_live(block);
    return block;
}

static void watched_free(void *user, void *block)
{
    (void)user;
    if (block) atomic_fetch_sub(&live, malloc_usable_size(block));
    free(block);
}

static void *watched_realloc(void *user, void *old, size_t bytes)
{
    (void)user;
    if (old) atomic_fetch_sub(&live, malloc_usable_size(old));
    void *block = realloc(old, bytes);
    if (block) count_live(block);
    return block;
}

/* 32 MiB in and out of borrowed tensors with 6 MiB of buffers. */
static void test_bounded_memory(void **state)
{
    (void)state;
    static const wg_allocator watched = {sizeof watched, watched_alloc, watched_realloc,
                                         watched_free, NULL};
    wg_error e;
    wg_tensor *a, *b;
    static float from[8 << 20], to[8 << 20];
    for (size_t i = 0; i < sizeof from / sizeof *from; i++)
        from[i] = (float)(i * 2654435761u % 65536);
    WGT_OK(wg_set_allocator(&watched), NULL);
    WGT_OK(wg_tensor_wrap(WG_F32, WG_SHAPE(8 << 20), from, &a, NULL), NULL);
    WGT_OK(wg_tensor_wrap(WG_F32, WG_SHAPE(8 << 20), to, &b, NULL), NULL);
    wg_checkpoint_options o = {.size = sizeof o, .threads = 8, .memory = 6 << 20, .borrow = true};
    for (int uv = 0; uv < 2; uv++) {
        wg_state *s, *t;
        memset(to, 0, sizeof to);
        WGT_OK(wg_state_new(&s, NULL), NULL);
        WGT_OK(wg_state_new(&t, NULL), NULL);
        WGT_OK(wg_state_ref_tensor(s, "x", a, NULL), NULL);
        WGT_OK(wg_state_ref_tensor(t, "x", b, NULL), NULL);
        atomic_store(&peak, 0);
        WGT_OK(uv ? cp_save_uv(io_path("m.npz"), s, &o, &e)
                  : wg_checkpoint_save_state_sync(io_path("m.npz"), s, &o, &e),
               &e);
        WGT_OK(uv ? cp_load_uv(io_path("m.npz"), t, &o, &e)
                  : wg_checkpoint_load_state_sync(io_path("m.npz"), t, &o, NULL, &e),
               &e);
        assert_memory_equal(from, to, sizeof from);
        assert_true(atomic_load(&peak) > 1 << 20);
        assert_true(atomic_load(&peak) < 7 << 20);
        wg_state_free(s);
        wg_state_free(t);
    }
    wg_tensor_free(a);
    wg_tensor_free(b);
    assert_int_equal(atomic_load(&live), 0);
    WGT_OK(wg_set_allocator(NULL), NULL);
}

/* A file of one deflated tensor "x" of which only the header is there, though it claims to have
 * `elements` floats, and `claimed` bytes in all. */
static const char *write_claim(int64_t elements, uint64_t claimed, const char *index, size_t size)
{
    char header[WG__NPY_MAX_HEADER], name[] = "x.npy";
    unsigned char deflated[1024];
    static float none[1];
    wg_tensor *t;
    wg__buf out = {0};
    WGT_OK(wg_tensor_wrap(WG_F32, WG_SHAPE(elements), none, &t, NULL), NULL);
    z_stream z = {.next_in = (Bytef *)header, .avail_in = (uInt)wg__npy_write(t, header)};
    wg_tensor_free(t);
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_out = deflated;
    z.avail_out = sizeof deflated;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    uint32_t lengths[64] = {0};
    wg__member m = {
        .name = name, .method = WG__ZIP_DEFLATED, .stored = z.total_out, .size = claimed, .crc = 1};
    if (size) m.index = (wg__flush_index){30, (uint32_t)size, lengths};
    for (size_t i = 0; i < size; i++) lengths[i] = index[i] == 'x' ? 1 : (uint32_t)z.total_out;
    deflateEnd(&z);
    wg__zip_local_header(&out, &m, claimed > 0xfffffffe);
    wg__buf_add(&out, deflated, (size_t)m.stored);
    uint64_t at = out.size;
    wg__zip_central_header(&out, &m, claimed > 0xfffffffe);
    wg__zip_end(&out, 1, at, out.size - at, false);
    const char *path = io_file("claim.npz", out.data, out.size);
    wg__buf_free(&out);
    return path;
}

/* What a small file says of itself costs little memory: no more than deflate could expand it to. */
static void test_claims(void **state)
{
    (void)state;
    static const wg_allocator watched = {sizeof watched, watched_alloc, watched_realloc,
                                         watched_free, NULL};
    static const struct {
        int64_t elements;
        uint64_t claimed;
        size_t chunks;
        size_t most;
    } claims[] = {
        {INT64_C(1) << 38, (UINT64_C(1) << 40) + 128, 0, 1 << 18}, /* a terabyte */
        {INT64_C(1) << 38, (UINT64_C(1) << 40) + 128, 8, 1 << 18},
        {1 << 20, (4 << 20) + 128, 0, 1 << 18}, /* 4 MiB from 100 bytes */
        {1 << 20, (4 << 20) + 128, 1, 1 << 18}, /* the same with an index */
        {1 << 14, (4 << 14) + 128, 0, 1 << 19}, /* 64 KiB, which could be */
        {INT64_C(1) << 38, 65664, 0, 1 << 19},  /* header and directory disagree */
        {1, 128, 0, 1 << 18},                   /* the header, but no data */
    };
    wg_error e;
    for (size_t i = 0; i < sizeof claims / sizeof *claims; i++)
        for (int form = 0; form < 4; form++) {
            const char *path =
                write_claim(claims[i].elements, claims[i].claimed, "xxxxxxxx", claims[i].chunks);
            wg_checkpoint_options o = {.size = sizeof o, .threads = 2};
            wg_state *s;
            WGT_OK(wg_set_allocator(&watched), NULL);
            WGT_OK(wg_state_new(&s, NULL), NULL);
            if (form > 1) cp_put(s, "x", WG_F32, WG_SHAPE(3)); /* into a tensor that is there */
            atomic_store(&peak, 0);
            wg_status status = form % 2 ? cp_load_uv(path, s, &o, &e)
                                        : wg_checkpoint_load_state_sync(path, s, &o, NULL, &e);
            if (atomic_load(&peak) > claims[i].most)
                fail_msg("claim %zu: %zu bytes were taken", i, atomic_load(&peak));
            assert_int_equal(wg_state_count(s), form > 1);
            wg_state_free(s);
            assert_int_equal(atomic_load(&live), 0);
            WGT_OK(wg_set_allocator(NULL), NULL);
            assert_true(status == WG_EFORMAT || status == WG_ELIMIT ||
                        (form > 1 && status == WG_ESHAPE));
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loop_thread),        cmocka_unit_test(test_errors_at_the_call),
        cmocka_unit_test(test_errors_by_callback), cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_bounded_memory),     cmocka_unit_test(test_claims),
    };
    return cmocka_run_group_tests(tests, io_setup, io_teardown);
}
