/* What saving and loading take: bounded memory, whatever a file says of itself. */
#define _GNU_SOURCE
#include "checkpoint_test.h"

#include <malloc.h>
#include <stdatomic.h>
#include <zlib.h>

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
        cmocka_unit_test(test_bounded_memory),
        cmocka_unit_test(test_claims),
    };
    return cmocka_run_group_tests(tests, io_setup, io_teardown);
}
