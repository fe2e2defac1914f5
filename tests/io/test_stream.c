/* Streams: reading ahead, shards, places to go on from, sides in lockstep, bounded memory. */
#include "io_test.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <wengert/atomicfile.h>
#include <wengert/corpus.h>
#include <wengert/rng.h>
#include <wengert/stream.h>

/* n lines "side i ..." of different lengths, some with umlauts. */
static char *make_text(const char *side, int from, int n)
{
    char *text = malloc((size_t)n * 160 + 1), *at = text;
    for (int i = from; i < from + n; i++) {
        at += sprintf(at, "%s %d", side, i);
        for (int k = 0; k < (i * 7919) % 23; k++)
            at += sprintf(at, k % 5 ? " w%d" : " \xC3\xBC%d", k);
        *at++ = '\n';
    }
    *at = '\0';
    return text;
}

static const char *shard(const char *name, const char *side, int from, int n, bool gzip)
{
    char *text = make_text(side, from, n);
    const char *path = gzip ? io_gzip(name, text) : io_text(name, text);
    free(text);
    return path;
}

static wg_reader *open_reader(const char *path, unsigned ahead)
{
    wg_reader *r;
    wg_error e;
    wg_reader_options o = {.size = sizeof o, .ahead = ahead};
    WGT_OK(wg_reader_open(path, &o, &r, &e), &e);
    return r;
}

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

static wg_stream *open_stream(const char *const *source, const char *const *target, size_t n,
                              unsigned ahead)
{
    wg_stream *s;
    wg_error e;
    wg_stream_options o = {.size = sizeof o,
                           .sides = 2,
                           .source = source,
                           .target = target,
                           .n_source = n,
                           .n_target = target ? n : 0,
                           .reader = {.ahead = ahead}};
    WGT_OK(wg_stream_open(&o, &s, &e), &e);
    return s;
}

static void expect_pair(wg_stream *s, int i)
{
    const char *text[2];
    size_t length[2];
    char wanted[40];
    wg_error e;
    WGT_OK(wg_stream_next(s, text, length, &e), &e);
    for (int side = 0; side < 2; side++) {
        if (i < 0) {
            assert_null(text[side]);
            continue;
        }
        assert_non_null(text[side]);
        int n = snprintf(wanted, sizeof wanted, "%s %d", side ? "y" : "x", i);
        assert_true(length[side] >= (size_t)n && memcmp(text[side], wanted, (size_t)n) == 0);
    }
}

static const char *source[3], *target[3];
static const int from[4] = {0, 700, 900, 2000};

static void make_shards(void)
{
    static char path[6][1024];
    static const char *const name[6] = {"s0", "s1.gz", "s2", "t0.gz", "t1", "t2.gz"};
    for (int i = 0; i < 6; i++) {
        int k = i % 3, side = i / 3;
        snprintf(path[i], sizeof path[i], "%s",
                 shard(name[i], side ? "y" : "x", from[k], from[k + 1] - from[k],
                       strstr(name[i], "gz") != NULL));
        (side ? target : source)[k] = path[i];
    }
}

static void test_shards(void **state)
{
    (void)state;
    make_shards();
    wg_error e;
    wg_stream *s = open_stream(source, target, 3, 2);
    for (int i = 0; i < from[3]; i++) {
        expect_pair(s, i);
        int k = i < from[1] ? 0 : i < from[2] ? 1 : 2;
        assert_string_equal(wg_stream_name(s, 1), target[k]);
        assert_int_equal(wg_stream_line(s), i - from[k] + 1);
    }
    char hex[65], wanted[65], command[4096];
    WGT_STATUS(wg_stream_sha256(s, 0, hex, &e), WG_ESTATE, &e);
    expect_pair(s, -1);
    expect_pair(s, -1);
    assert_int_equal(wg_stream_get_stats(s).lines, from[3]);
    assert_int_equal(wg_stream_get_stats(s).reader[1].lines, from[3]);
    WGT_OK(wg_stream_sha256(s, 0, hex, &e), &e);
    snprintf(command, sizeof command, "cat %s %s %s | sha256sum", source[0], source[1], source[2]);
    FILE *sum = popen(command, "r");
    assert_int_equal(fread(wanted, 1, 64, sum), 64);
    wanted[64] = '\0';
    pclose(sum);
    assert_string_equal(hex, wanted);
    wg_stream_close(s);
}

/* From any place, in a new stream, all that follows follows; in shuffled order of shards too. */
static void test_stream_places(void **state)
{
    (void)state;
    make_shards();
    wg_error e;
    bool moved = false;
    for (uint64_t pass = 0; pass < 6; pass++) {
        wg_stream *a = open_stream(source, target, 3, 0), *b;
        WGT_OK(wg_stream_rewind(a, true, 5, pass, &e), &e);
        int seen[2000] = {0};
        for (int i = 0;; i++) {
            wg_stream_place at = wg_stream_tell(a);
            const char *text[2];
            size_t length[2];
            WGT_OK(wg_stream_next(a, text, length, &e), &e);
            int n = text[0] ? atoi(text[0] + 2) : -1;
            if (n >= 0) seen[n]++;
            moved |= n >= 0 && n != i;
            if (i % 97 == 0 || n < 0 || at.at[0].byte == 0) {
                b = open_stream(source, target, 3, 1);
                WGT_OK(wg_stream_rewind(b, true, 5, pass, &e), &e);
                WGT_OK(wg_stream_seek(b, at, &e), &e);
                expect_pair(b, n);
                wg_stream_close(b);
            }
            if (n < 0) break;
        }
        for (int i = 0; i < 2000; i++) assert_int_equal(seen[i], 1);
        wg_stream_close(a);
    }
    assert_true(moved);
    wg_stream *a = open_stream(source, target, 3, 0);
    wg_stream_place wrong = {.shard = 4};
    WGT_STATUS(wg_stream_seek(a, wrong, &e), WG_EINVAL, &e);
    wrong = (wg_stream_place){.shard = 1, .at = {{3, 1}, {3, 2}}};
    WGT_STATUS(wg_stream_seek(a, wrong, &e), WG_EINVAL, &e);
    wrong = (wg_stream_place){.shard = 1, .at = {{1 << 30, 1}, {1 << 30, 1}}};
    WGT_STATUS(wg_stream_seek(a, wrong, &e), WG_EINVAL, &e);
    wg_stream_close(a);
}

static void test_refused(void **state)
{
    (void)state;
    make_shards();
    wg_error e;
    wg_stream *s;
    const char *text[2];
    size_t length[2];
    const char *swapped[3] = {target[0], target[2], target[1]};
    s = open_stream(source, swapped, 3, 1);
    wg_status status;
    do status = wg_stream_next(s, text, length, &e);
    while (status == WG_OK && text[0]);
    WGT_STATUS(status, WG_EFORMAT, &e);
    IO_CONTAINS(e, "s1.gz has 200 lines, but ");
    IO_CONTAINS(e, "t2.gz has 1100: each line");
    wg_stream_close(s);
    wg_stream_options o = {.size = sizeof o,
                           .sides = 2,
                           .source = source,
                           .target = target,
                           .n_source = 3,
                           .n_target = 2};
    WGT_STATUS(wg_stream_open(&o, &s, &e), WG_EINVAL, &e);
    IO_CONTAINS(e, "3 source files");
    const char *standard = "-";
    o = (wg_stream_options){.size = sizeof o,
                            .sides = 2,
                            .source = &standard,
                            .target = &standard,
                            .n_source = 1,
                            .n_target = 1};
    WGT_STATUS(wg_stream_open(&o, &s, &e), WG_EINVAL, &e);
    const char *joint[2] = {io_text("j0", "x 0 ||| y 0\n"), io_text("j1", "x 1 ||| y 1\nx 2 y\n")};
    s = open_stream(joint, NULL, 2, 0);
    expect_pair(s, 0);
    expect_pair(s, 1);
    WGT_STATUS(wg_stream_next(s, text, length, &e), WG_EFORMAT, &e);
    IO_CONTAINS(e, "j1:2: expected 'source ||| target'");
    wg_stream_close(s);
    const char *missing = io_path("absent");
    o = (wg_stream_options){.size = sizeof o, .sides = 1, .source = &missing, .n_source = 1};
    WGT_STATUS(wg_stream_open(&o, &s, &e), WG_ENOTFOUND, &e);
}

static void test_paths(void **state)
{
    (void)state;
    io_text("part-10", "a\n");
    io_text("part-2", "b\n");
    io_text("part-[2]", "c\n");
    char **list;
    size_t n;
    wg_error e;
    WGT_OK(wg_paths_expand(io_path("part-*"), &list, &n, &e), &e);
    assert_int_equal(n, 3);
    assert_string_equal(list[0], io_path("part-10"));
    assert_string_equal(list[1], io_path("part-2"));
    wg_paths_free(list, n);
    WGT_OK(wg_paths_expand(io_path("part-[2]"), &list, &n, &e), &e); /* a file of that very name */
    assert_int_equal(n, 1);
    assert_string_equal(list[0], io_path("part-[2]"));
    wg_paths_free(list, n);
    WGT_OK(wg_paths_expand(io_path("nowhere"), &list, &n, &e), &e); /* opening it will tell */
    wg_paths_free(list, n);
    WGT_STATUS(wg_paths_expand(io_path("nowhere*"), &list, &n, &e), WG_ENOTFOUND, &e);
    IO_CONTAINS(e, "nowhere*: no file");
    WGT_STATUS(wg_paths_expand("", &list, &n, &e), WG_EINVAL, &e);
}

/* Counts the bytes that are allocated at a time. */
static size_t live_bytes, most_bytes;
static void *count_alloc(void *user, size_t bytes)
{
    (void)user;
    size_t *block = malloc(bytes + 64);
    if (!block) return NULL;
    *block = bytes;
    size_t live = __atomic_add_fetch(&live_bytes, bytes, __ATOMIC_RELAXED);
    size_t most = __atomic_load_n(&most_bytes, __ATOMIC_RELAXED);
    while (live > most && !__atomic_compare_exchange_n(&most_bytes, &most, live, false,
                                                       __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    }
    return (char *)block + 64;
}
static void count_free(void *user, void *block)
{
    (void)user;
    if (!block) return;
    size_t *head = (size_t *)((char *)block - 64);
    __atomic_sub_fetch(&live_bytes, *head, __ATOMIC_RELAXED);
    free(head);
}
static void *count_realloc(void *user, void *old, size_t bytes)
{
    void *block = count_alloc(user, bytes);
    if (old && block) {
        size_t had = *(size_t *)((char *)old - 64);
        memcpy(block, old, had < bytes ? had : bytes);
        count_free(user, old);
    }
    return block;
}

/* 60 MB of text on two sides, one of them gzipped, in less than 4 MB. */
static void test_memory(void **state)
{
    (void)state;
    enum { COPIES = 40 };
    char *text = make_text("x", 0, 10000);
    gzFile gz = gzopen(io_path("large.gz"), "wb1");
    FILE *plain = fopen(io_path("large"), "wb");
    for (int i = 0; i < COPIES; i++) {
        assert_true(gzwrite(gz, text, (unsigned)strlen(text)) > 0);
        assert_int_equal(fwrite(text, 1, strlen(text), plain), strlen(text));
    }
    gzclose(gz);
    fclose(plain);
    uint64_t size = COPIES * strlen(text);
    free(text);
    assert_true(2 * size > 60 * 1000 * 1000 / 2);
    const wg_allocator counting = {.size = sizeof counting,
                                   .alloc = count_alloc,
                                   .realloc = count_realloc,
                                   .free = count_free};
    live_bytes = most_bytes = 0;
    WGT_OK(wg_set_allocator(&counting), NULL);
    const char *a = io_path("large"), *b = io_path("large.gz");
    wg_stream *s = open_stream(&a, &b, 1, 4);
    const char *line[2];
    size_t length[2];
    wg_error e;
    do WGT_OK(wg_stream_next(s, line, length, &e), &e);
    while (line[0]);
    assert_int_equal(wg_stream_get_stats(s).lines, COPIES * 10000);
    assert_int_equal(wg_stream_get_stats(s).reader[1].bytes, size);
    wg_stream_close(s);
    assert_int_equal(live_bytes, 0);
    WGT_OK(wg_set_allocator(NULL), NULL);
    assert_true(most_bytes < 4 * 1000 * 1000);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    const char *a = io_gzip("oa.gz", "one\ntwo e\xCC\x81\n"), *b = io_text("ob", "uno\ndue\n");
    const wg_stream_options o = {.size = sizeof o,
                                 .sides = 2,
                                 .source = &a,
                                 .target = &b,
                                 .n_source = 1,
                                 .n_target = 1,
                                 .reader = {.ahead = 2, .nfc = true}};
    for (size_t n = 1;; n++) {
        wgt_fail_alloc_at(n);
        wg_stream *s;
        char **paths;
        size_t count;
        wg_status status = wg_paths_expand(b, &paths, &count, NULL);
        if (status == WG_OK) wg_paths_free(paths, count);
        if (status == WG_OK) status = wg_stream_open(&o, &s, NULL);
        if (status == WG_OK) {
            const char *text[2];
            size_t length[2];
            do status = wg_stream_next(s, text, length, NULL);
            while (status == WG_OK && text[0]);
            if (status == WG_OK) status = wg_stream_rewind(s, true, 1, 1, NULL);
            wg_stream_close(s);
        }
        bool reached = wgt_alloc_count() >= n;
        assert_int_equal(wgt_alloc_live(), 0);
        wgt_alloc_restore();
        if (!reached) break;
        assert_int_equal(status, WG_ENOMEM);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ahead_equals_direct),
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_shards),
        cmocka_unit_test(test_pipe),
        cmocka_unit_test(test_cut_anywhere),
        cmocka_unit_test(test_stream_places),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, io_setup, io_teardown);
}
