/* Streams: shards, sides in lockstep, places to go on from, bounded memory. */
#include "stream_test.h"

#include <wengert/stream.h>

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
        if (!wgt_alloc_ran_out(status)) break;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shards),  cmocka_unit_test(test_stream_places),
        cmocka_unit_test(test_refused), cmocka_unit_test(test_paths),
        cmocka_unit_test(test_memory),  cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, io_setup, io_teardown);
}
