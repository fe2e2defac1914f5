/* Readers, with and without reading ahead: the same lines, places to go on from, damage where it
 * stands. */
#include "stream_test.h"

#include <unistd.h>

#include <wengert/atomicfile.h>
#include <wengert/rng.h>

/* Plain and gzipped, read ahead or not: the same lines, places, sums. */
static void test_ahead_equals_direct(void **state)
{
    (void)state;
    enum { N = 40000 }; /* several blocks of 256 KiB */
    const char *path[2] = {shard("p", "x", 0, N, false), shard("p.gz", "x", 0, N, true)};
    for (int gz = 0; gz < 2; gz++) {
        char sum[2][65];
        for (unsigned ahead = 1; ahead < 8; ahead += 3) {
            wg_reader *a = open_reader(path[gz], 0), *b = open_reader(path[gz], ahead);
            const char *x, *y;
            size_t n, m;
            wg_error e;
            do {
                wg_reader_place p = wg_reader_tell(a), q = wg_reader_tell(b);
                assert_int_equal(p.byte, q.byte);
                assert_int_equal(p.line, q.line);
                WGT_OK(wg_reader_line(a, &x, &n, &e), &e);
                WGT_OK(wg_reader_line(b, &y, &m, &e), &e);
                assert_int_equal(n, m);
                assert_int_equal(x == NULL, y == NULL);
                if (x) assert_memory_equal(x, y, n + 1);
            } while (x);
            assert_int_equal(wg_reader_get_stats(b).lines, N);
            assert_int_equal(wg_reader_get_stats(a).bytes, wg_reader_get_stats(b).bytes);
            assert_int_equal(wg_reader_get_stats(a).bytes_stored,
                             wg_reader_get_stats(b).bytes_stored);
            WGT_OK(wg_reader_sha256(a, sum[0], &e), &e);
            WGT_OK(wg_reader_sha256(b, sum[1], &e), &e);
            assert_string_equal(sum[0], sum[1]);
            wg_reader_close(a);
            wg_reader_close(b);
        }
        /* Closing while blocks are being read. */
        wg_reader *c = open_reader(path[gz], 4);
        const char *x;
        size_t n;
        WGT_OK(wg_reader_line(c, &x, &n, NULL), NULL);
        wg_reader_close(c);
        wg_reader_close(open_reader(path[gz], 4));
    }
}

/* Going on at any line, in this reader or a new one, gives that line and its number. */
static void test_places(void **state)
{
    (void)state;
    enum { N = 9000 };
    const char *path[4] = {shard("q", "x", 0, N, false), shard("q.gz", "x", 0, N, true),
                           io_text("crlf", "\xEF\xBB\xBF"
                                           "ab\r\n\r\ncd\r\nef"),
                           io_gzip("crlf.gz", "\xEF\xBB\xBF"
                                              "ab\r\n\r\ncd\r\nef")};
    wg_rng rng;
    wg_rng_init(&rng, 1, "test.places");
    for (int f = 0; f < 4; f++)
        for (unsigned ahead = 0; ahead < 3; ahead += 2) {
            static wg_reader_place place[N + 1];
            static char *line[N + 1];
            int n = 0;
            wg_error e;
            const char *text;
            size_t length;
            wg_reader *r = open_reader(path[f], ahead);
            for (;;) {
                place[n] = wg_reader_tell(r);
                WGT_OK(wg_reader_line(r, &text, &length, &e), &e);
                if (!text) break;
                line[n++] = strdup(text);
            }
            for (int i = 0; i < 60; i++) {
                int k = i == 0 ? n : (int)wg_rng_below(&rng, (uint32_t)n + 1);
                if (i % 3 == 0) {
                    wg_reader_close(r);
                    r = open_reader(path[f], ahead);
                }
                WGT_OK(wg_reader_seek(r, place[k], &e), &e);
                for (int j = k; j < k + 3 && j <= n; j++) {
                    assert_int_equal(wg_reader_tell(r).byte, place[j].byte);
                    assert_int_equal(wg_reader_tell(r).line, j);
                    WGT_OK(wg_reader_line(r, &text, &length, &e), &e);
                    if (j == n)
                        assert_null(text);
                    else
                        assert_string_equal(text, line[j]);
                }
            }
            char hex[65];
            while (wg_reader_line(r, &text, &length, &e) == WG_OK && text) {
            }
            if (f == 0) WGT_STATUS(wg_reader_sha256(r, hex, &e), WG_ESTATE, &e);
            wg_reader_place wrong = {place[n].byte + 5, 1};
            WGT_STATUS(wg_reader_seek(r, wrong, &e), WG_EINVAL, &e);
            wrong.byte = place[n].byte + 1;
            WGT_STATUS(wg_reader_seek(r, wrong, &e), WG_EINVAL, &e);
            wrong.byte = 3;
            WGT_STATUS(wg_reader_seek(r, wrong, &e), WG_EINVAL, &e);
            IO_CONTAINS(e, "no line begins at byte 3");
            WGT_OK(wg_reader_seek(r, place[1], &e), &e); /* and it is well again */
            WGT_OK(wg_reader_line(r, &text, &length, &e), &e);
            assert_string_equal(text, line[1]);
            wg_reader_close(r);
            while (n > 0) free(line[--n]);
        }
}

/* Errors come where they stand in the text, behind all lines before them. */
static void test_damage(void **state)
{
    (void)state;
    char *bytes;
    size_t size;
    wg_error e;
    const char *path = shard("whole.gz", "x", 0, 30000, true);
    WGT_OK(wg_file_read(path, 0, &bytes, &size, &e), &e);
    bytes[size - 6] ^= 1; /* in the CRC-32 of the gzip trailer */
    io_file("crc.gz", bytes, size);
    io_file("cut.gz", bytes, size / 2);
    wg_free(bytes);
    for (unsigned ahead = 0; ahead < 5; ahead += 2) {
        const char *text = "";
        size_t length;
        int lines = 0;
        wg_reader *r = open_reader(io_path("crc.gz"), ahead);
        wg_status status;
        while ((status = wg_reader_line(r, &text, &length, &e)) == WG_OK && text) lines++;
        WGT_STATUS(status, WG_EFORMAT, &e);
        IO_CONTAINS(e, "corrupt gzip data (incorrect data check), behind line 30000");
        IO_CONTAINS(e, "crc.gz");
        assert_int_equal(lines, 30000);
        wg_reader_close(r);
        lines = 0;
        r = open_reader(io_path("cut.gz"), ahead);
        while ((status = wg_reader_line(r, &text, &length, &e)) == WG_OK && text) lines++;
        WGT_STATUS(status, WG_EFORMAT, &e);
        IO_CONTAINS(e, "cut short");
        assert_true(lines > 5000 && lines < 25000);
        wg_reader_close(r);
    }
}

/* A gzip file cut at every byte: whatever the size of the pieces in which it is inflated, the same
 * lines come before the error. (zlib can hold output when all input is consumed; found by the
 * fuzzer.) */
static void test_cut_anywhere(void **state)
{
    (void)state;
    char *bytes;
    size_t size;
    wg_error e;
    const char *path =
        io_gzip("runs.gz", "one\ntwo\none\ntwo\none\ntwo\none\ntwo\none\ntwo\nab\nab\nab\n");
    WGT_OK(wg_file_read(path, 0, &bytes, &size, &e), &e);
    for (size_t cut = 12; cut < size; cut++) {
        io_file("cut-runs.gz", bytes, cut);
        wg_reader *r = open_reader(io_path("cut-runs.gz"), 0);
        wg_reader_place place[20];
        const char *text;
        size_t length;
        int n = 0;
        do place[n++] = wg_reader_tell(r);
        while (wg_reader_line(r, &text, &length, &e) == WG_OK && text);
        for (int k = 0; k < n; k++) { /* going to a line inflates a piece that ends before it */
            WGT_OK(wg_reader_seek(r, place[k], &e), &e);
            for (int i = k; i + 1 < n; i++) {
                WGT_OK(wg_reader_line(r, &text, &length, &e), &e);
                assert_non_null(text);
            }
            WGT_STATUS(wg_reader_line(r, &text, &length, &e), WG_EFORMAT, &e);
            IO_CONTAINS(e, "cut short");
        }
        wg_reader_close(r);
    }
    wg_free(bytes);
}

/* A pipe is never read ahead: giving up does not wait for its other end. */
static void test_pipe(void **state)
{
    (void)state;
    int end[2];
    char path[64];
    assert_int_equal(pipe(end), 0);
    assert_int_equal(write(end[1], "one\ntwo\n", 8), 8);
    snprintf(path, sizeof path, "/proc/self/fd/%d", end[0]);
    wg_reader *r = open_reader(path, 4);
    const char *text;
    size_t length;
    wg_error e;
    WGT_OK(wg_reader_line(r, &text, &length, &e), &e);
    assert_string_equal(text, "one");
    wg_reader_place back = {0, 0};
    WGT_STATUS(wg_reader_seek(r, back, &e), WG_EINVAL, &e);
    wg_reader_close(r);
    close(end[0]);
    close(end[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ahead_equals_direct),
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_pipe),
        cmocka_unit_test(test_cut_anywhere),
    };
    return cmocka_run_group_tests(tests, io_setup, io_teardown);
}
