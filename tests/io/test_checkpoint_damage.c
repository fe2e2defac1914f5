/* Damaged checkpoints, the index of flush points above all; memory, disk and names that run out. */
#include "checkpoint_test.h"

#include <signal.h>
#include <sys/resource.h>

#include "huffman.h"

static void test_flips(void **state)
{
    (void)state;
    wg_state *a = cp_small_tree();
    for (int zip64 = 0; zip64 < 2; zip64++) {
        char *bytes;
        size_t size, refused = 0, at = 0;
        const char *path = io_path("flip.npz");
        WGT_OK(cp_write_small(path, a, zip64, NULL), NULL);
        WGT_OK(wg_file_read(path, 0, &bytes, &size, NULL), NULL);
        for (size_t i = 0; i + 5 < size && !at; i++)
            if (memcmp(bytes + i, "WGFI\1", 5) == 0) at = i;
        assert_true(at > 0);
        /* The whole file by the loop's form, and the index by every form. */
        for (size_t bit = 0; bit < 8 * size; bit += zip64 ? 13 : 3) {
            bytes[bit / 8] ^= (char)(1 << bit % 8);
            io_file("flip.npz", bytes, size);
            refused += cp_refused_or_same(path, a, bit % 3 > 0);
            bytes[bit / 8] ^= (char)(1 << bit % 8);
        }
        assert_true(refused > (zip64 ? size / 2 : 2 * size) * 8 / 10);
        /* A flip in a length is always seen. Ten bytes of the field may say that it is another's.
         */
        for (size_t bit = 8 * (at + 8); bit < 8 * (at + 8 + 32); bit++) {
            bytes[bit / 8] ^= (char)(1 << bit % 8);
            io_file("flip.npz", bytes, size);
            assert_true(cp_refused_or_same(path, a, bit % 2));
            bytes[bit / 8] ^= (char)(1 << bit % 8);
        }
        /* Lengths that still add up, at the wrong places. */
        for (int k = 0; k < 7; k++) {
            bytes[at + 8 + 4 * k]++;
            bytes[at + 12 + 4 * k]--;
            io_file("flip.npz", bytes, size);
            assert_true(cp_refused_or_same(path, a, k % 2));
            bytes[at + 8 + 4 * k]--;
            bytes[at + 12 + 4 * k]++;
        }
        for (size_t cut = 0; cut < size; cut += zip64 ? 7 : 1) {
            io_file("flip.npz", bytes, cut);
            assert_true(cp_refused_or_same(path, a, cut % 2));
        }
        /* An index of another kind is passed over: the member is read from front to back. */
        bytes[at]++;
        io_file("flip.npz", bytes, size);
        assert_false(cp_refused_or_same(path, a, true));
        wg_free(bytes);
    }
    wg_state_free(a);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    wg_state *a = cp_small_tree();
    const char *path = io_path("oom.npz");
    WGT_OK(cp_write_small(path, a, false, NULL), NULL);
    for (int form = 0; form < 6; form++)
        for (size_t n = 1;; n++) {
            wg_checkpoint_options o = {.size = sizeof o,
                                       .threads = 2,
                                       .file_prefix = form == 4 ? "W" : NULL,
                                       .target_prefix = form == 4 ? "V" : NULL};
            wg_state *b = NULL;
            wg_save_job *job;
            wgt_fail_alloc_at(n);
            wg_status status = wg_state_new(&b, NULL);
            if (status == WG_OK) switch (form) {
                case 0: status = wg_checkpoint_load_state_sync(path, b, &o, NULL, NULL); break;
                case 1:
                case 4: status = cp_load_uv(path, b, &o, NULL); break;
                case 2: status = wg_checkpoint_save_state_sync(io_path("o"), a, &o, NULL); break;
                case 3: status = cp_save_uv(io_path("o"), a, &o, NULL); break;
                default:
                    status = wg_save_begin(io_path("o"), a, &o, &job, NULL);
                    if (status == WG_OK) status = wg_save_end(job, NULL);
                }
            wg_state_free(b);
            bool reached = wgt_alloc_count() >= n;
            if (wgt_alloc_live()) fail_msg("form %d, allocation %zu", form, n);
            wgt_alloc_restore();
            if (!reached) {
                assert_int_equal(status, WG_OK);
                break;
            }
            if (status != WG_ENOMEM)
                fail_msg("form %d, allocation %zu: %s", form, n, wg_status_name(status));
            assert_false(cp_leftovers());
        }
    /* Chunks and their index too. */
    for (size_t n = 1;; n++) {
        wgt_fail_alloc_at(n);
        if (!wgt_alloc_ran_out(cp_write_small(io_path("o"), a, false, NULL))) break;
    }
    wg_state_free(a);
}

/* The disk is full after `limit` bytes: the old file stays, nothing else does. */
static void test_disk_full(void **state)
{
    (void)state;
    wg_error e;
    wg_state *a = cp_state(), *old = cp_small_tree(), *b;
    struct rlimit was;
    const char *path = io_path("full.npz");
    WGT_OK(wg_state_save(path, old, NULL, &e), &e);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
    static const rlim_t limits[] = {0, 100, 70000, 1 << 20, 3 << 20, 4 << 20};
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        struct rlimit now = {limits[i], was.rlim_max};
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &now), 0);
        wg_status sync = wg_checkpoint_save_state_sync(path, a, NULL, &e);
        wg_status uv = cp_save_uv(path, a, NULL, NULL);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
        assert_int_equal(sync, WG_ENOSPC);
        IO_CONTAINS(e, "full.npz");
        assert_int_equal(uv, WG_ENOSPC);
        assert_false(cp_leftovers());
        WGT_OK(wg_state_load(path, &b, &e), &e);
        cp_assert_same(old, b);
        wg_state_free(b);
    }
    wg_state_free(a);
    wg_state_free(old);
}

static const char *python_with_numpy(void)
{
    static const char *const candidates[] = {"/usr/bin/python3", "python3"};
    char command[200];
    for (int i = 0; i < 2; i++) {
        snprintf(command, sizeof command, "%s -c 'import numpy' 2>/dev/null", candidates[i]);
        if (system(command) == 0) return candidates[i];
    }
    return NULL;
}

/* numpy and zip as witnesses, for members of several chunks. */
static void test_witnesses(void **state)
{
    (void)state;
    const char *python = python_with_numpy();
    char command[2000];
    wg_error e;
    if (!python) {
        print_message("skipped: python3 with numpy is not installed\n");
        skip();
    }
    wg_state *a = cp_state(), *small = cp_small_tree(), *b;
    WGT_OK(cp_save_uv(io_path("ours.npz"), a, NULL, &e), &e);
    WGT_OK(cp_write_small(io_path("small.npz"), small, false, &e), &e);
    snprintf(
        command, sizeof command,
        "cd '%s' && %s -c \"import numpy as n, zipfile;"
        "s = n.load('small.npz'); assert s['W'].shape == (16, 30) and s['zeros'].sum() == 0;"
        "assert zipfile.ZipFile('ours.npz').testzip() is None;"
        "z = n.load('ours.npz'); d = {k: z[k] for k in z.files if z[k].__class__ is not bytes};"
        "assert d['big'].shape == (1 << 20, 3);"
        "n.savez('plain.npz', **d); n.savez_compressed('packed.npz', **d);"
        "[n.save(k.replace('/', '_') + '.npy', v) for k, v in d.items()]\"",
        io_dir, python);
    assert_int_equal(system(command), 0);
    snprintf(command, sizeof command,
             "cd '%s' && (command -v zip && zip -q -0 zipped.npz big.npy step.npy || cp plain.npz "
             "zipped.npz) >/dev/null",
             io_dir);
    assert_int_equal(system(command), 0);
    static const char *const files[] = {"plain.npz", "packed.npz", "zipped.npz"};
    for (int i = 0; i < 6; i++) {
        WGT_OK(wg_state_new(&b, NULL), NULL);
        WGT_OK(i % 2 ? cp_load_uv(io_path(files[i / 2]), b, NULL, &e)
                     : wg_checkpoint_load_state_sync(io_path(files[i / 2]), b, NULL, NULL, &e),
               &e);
        cp_assert_same_tensor(wg_state_tensor(a, "big"), wg_state_tensor(b, "big"));
        cp_assert_same_tensor(wg_state_tensor(a, "step"), wg_state_tensor(b, "step"));
        wg_state_free(b);
    }
    /* Numpy's default integers into a tensor that is there; order and bytes of others' machines. */
    snprintf(
        command, sizeof command,
        "cd '%s' && %s -c \"import numpy as n;"
        "n.savez('wide.npz', i=n.arange(300000)); n.savez('f.npz', x=n.ones((2, 3), order='F'));"
        "n.savez('be.npz', x=n.ones(3, dtype='>f4'))\"",
        io_dir, python);
    assert_int_equal(system(command), 0);
    WGT_OK(wg_state_new(&b, NULL), NULL);
    WGT_OK(wg_state_put_tensor(b, "i", cp_tensor(WG_I32, WG_SHAPE(300000), 1), NULL), NULL);
    WGT_OK(cp_load_uv(io_path("wide.npz"), b, NULL, &e), &e);
    for (int64_t i = 0; i < 300000; i += 777)
        assert_true(wg_tensor_get(wg_state_tensor(b, "i"), i) == (double)i);
    WGT_STATUS(cp_load_uv(io_path("f.npz"), b, NULL, &e), WG_ENOTSUP, &e);
    IO_CONTAINS(e, "Fortran");
    WGT_STATUS(cp_load_uv(io_path("be.npz"), b, NULL, &e), WG_ENOTSUP, &e);
    IO_CONTAINS(e, "big-endian");
    wg_state_free(b);
    wg_state_free(small);
    wg_state_free(a);
}

/* The coder against zlib: any bytes come back. */
static void test_huffman(void **state)
{
    (void)state;
    enum { MOST = 300000 };
    unsigned char *plain = malloc(MOST), *back = malloc(MOST + 1);
    uint32_t x = 1;
    for (int k = 0; k < 200; k++) {
        size_t size = k < 40 ? (size_t)k : (size_t)(x % MOST);
        for (size_t i = 0; i < size; i++) {
            x = x * 1664525u + 1013904223u;
            uint32_t r = x >> 8;
            switch (k % 5) {
            case 0: plain[i] = (unsigned char)r; break;             /* random: stored */
            case 1: plain[i] = 7; break;                            /* one byte */
            case 2: plain[i] = (unsigned char)(r % 3 * 100); break; /* few */
            case 3: plain[i] = (unsigned char)(__builtin_ctz(r | 1u << 23)); break; /* steep */
            default: plain[i] = (unsigned char)((r & 255) * (r >> 8 & 255) >> 8);
            }
        }
        wg__buf out = {0};
        wg__huffman bits = {0};
        size_t half = size / 3;
        assert_true(wg__huffman_blocks(&bits, plain, half, false, &out));
        assert_true(wg__huffman_finish(&bits, true, &out));
        assert_true(wg__huffman_blocks(&bits, plain + half, size - half, true, &out));
        assert_true(wg__huffman_finish(&bits, false, &out));
        z_stream z = {.next_in = (Bytef *)out.data, .avail_in = (uInt)out.size};
        assert_int_equal(inflateInit2(&z, -15), Z_OK);
        z.next_out = back;
        z.avail_out = MOST + 1;
        assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
        assert_int_equal(z.avail_in, 0);
        assert_int_equal(z.total_out, size);
        assert_memory_equal(back, plain, size);
        inflateEnd(&z);
        assert_true(out.size <= size + 5 * (size / 65535 + 6) + 16);
        wg__buf_free(&out);
    }
    free(plain);
    free(back);
    /* Fibonacci's numbers make the deepest tree there is; Kraft's sum stays one. */
    uint32_t frequency[40];
    uint8_t length[40];
    for (int limit = 7; limit <= 15; limit += 4) {
        int n = limit == 7 ? 19 : 40;
        for (int i = 0; i < n; i++) frequency[i] = i < 2 ? 1 : frequency[i - 1] + frequency[i - 2];
        wg__huffman_lengths(frequency, n, limit, length);
        double kraft = 0;
        for (int i = 0; i < n; i++) {
            assert_in_range(length[i], 1, limit);
            kraft += 1.0 / (1 << length[i]);
        }
        assert_true(kraft == 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flips),     cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_disk_full), cmocka_unit_test(test_witnesses),
        cmocka_unit_test(test_huffman),
    };
    return cmocka_run_group_tests(tests, io_setup, io_teardown);
}
