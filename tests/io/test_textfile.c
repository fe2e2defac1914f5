/* The text reader: endings, gzip, UTF-8, limits and every kind of broken file. */
#include "io_test.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <wengert/textfile.h>

static wg_reader *open_text(const char *path, const wg_reader_options *o)
{
    wg_reader *r;
    wg_error e;
    WGT_OK(wg_reader_open(path, o, &r, &e), &e);
    return r;
}

static void expect_line(wg_reader *r, const char *wanted)
{
    const char *text;
    size_t length;
    wg_error e;
    WGT_OK(wg_reader_line(r, &text, &length, &e), &e);
    if (!wanted) {
        assert_null(text);
        return;
    }
    assert_non_null(text);
    assert_int_equal(length, strlen(wanted));
    assert_string_equal(text, wanted);
}

static void expect_error(wg_reader *r, wg_status status, const char *part)
{
    const char *text;
    size_t length;
    for (int i = 0; i < 2; i++) { /* a failed reader stays failed */
        wg_error e;
        WGT_STATUS(wg_reader_line(r, &text, &length, &e), status, &e);
        IO_CONTAINS(e, part);
        assert_null(text);
    }
    wg_reader_close(r);
}

static void test_lines(void **state)
{
    (void)state;
    wg_reader *r = open_text(io_text("a", "one\r\n\ntwo  words\nl\xC3\xA4st"), NULL);
    expect_line(r, "one");
    expect_line(r, "");
    expect_line(r, "two  words");
    char hex[65];
    WGT_STATUS(wg_reader_sha256(r, hex, NULL), WG_ESTATE, NULL);
    expect_line(r, "l\xC3\xA4st");
    expect_line(r, NULL);
    expect_line(r, NULL);
    wg_reader_stats s = wg_reader_get_stats(r);
    assert_int_equal(s.lines, 4);
    assert_int_equal(s.crlf_lines, 1);
    assert_true(s.unterminated);
    assert_false(s.gzip);
    wg_reader_close(r);
}

static void test_empty_and_bom(void **state)
{
    (void)state;
    wg_reader *r = open_text(io_text("empty", ""), NULL);
    expect_line(r, NULL);
    wg_reader_close(r);
    r = open_text(io_text("bom", "\xEF\xBB\xBFx\n\xEF\xBB\xBFy\n"), NULL);
    expect_line(r, "x");
    expect_line(r, "\xEF\xBB\xBFy"); /* only the first is a mark */
    expect_line(r, NULL);
    assert_true(wg_reader_get_stats(r).bom);
    assert_false(wg_reader_get_stats(r).unterminated);
    wg_reader_close(r);
}

static void test_sha256_of_file(void **state)
{
    (void)state;
    char hex[65];
    wg_error e;
    wg_reader *r = open_text(io_text("abc", "abc"), NULL);
    expect_line(r, "abc");
    expect_line(r, NULL);
    WGT_OK(wg_reader_sha256(r, hex, &e), &e);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    wg_reader_close(r);
}

static void test_gzip(void **state)
{
    (void)state;
    char *big = malloc(400001), line[32];
    big[0] = '\0';
    size_t at = 0;
    for (int i = 0; at < 399900; i++) at += (size_t)sprintf(big + at, "line %d\n", i);
    wg_reader *r = open_text(io_gzip("big", big), NULL);
    for (int i = 0, n = 0; n < (int)at; i++) {
        n += sprintf(line, "line %d", i) + 1;
        expect_line(r, line);
    }
    expect_line(r, NULL);
    assert_true(wg_reader_get_stats(r).gzip);
    assert_true(wg_reader_get_stats(r).bytes_stored < at / 2);
    wg_reader_close(r);
    free(big);
}

static size_t slurp(const char *path, char *bytes, size_t room)
{
    FILE *f = fopen(path, "rb");
    size_t n = fread(bytes, 1, room, f);
    fclose(f);
    return n;
}

static void test_gzip_members_and_padding(void **state)
{
    (void)state;
    char bytes[1024];
    size_t n = slurp(io_gzip("one", "a\nb"), bytes, 200);
    n += slurp(io_gzip("two", "c\n"), bytes + n, 200);
    memset(bytes + n, 0, 100);
    wg_reader *r = open_text(io_file("both", bytes, n + 100), NULL);
    expect_line(r, "a");
    expect_line(r, "bc");
    expect_line(r, NULL);
    wg_reader_close(r);
    memcpy(bytes + n, "rubbish", 7);
    r = open_text(io_file("rubbish", bytes, n + 7), NULL);
    expect_line(r, "a");
    expect_line(r, "bc");
    expect_error(r, WG_EFORMAT, "corrupt gzip");
}

/* Each truncation and each flipped bit gives an error or the text, never anything else. */
static void test_gzip_damage(void **state)
{
    (void)state;
    char bytes[512];
    size_t n = slurp(io_gzip("whole", "hello hello hello\n"), bytes, sizeof bytes);
    for (size_t cut = 2; cut < n; cut++) {
        wg_reader *r = open_text(io_file("cut", bytes, cut), NULL);
        const char *text;
        size_t length;
        wg_error e;
        wg_status status;
        do status = wg_reader_line(r, &text, &length, &e);
        while (status == WG_OK && text);
        WGT_STATUS(status, WG_EFORMAT, &e);
        IO_CONTAINS(e, "cut short");
        IO_CONTAINS(e, "/cut");
        wg_reader_close(r);
    }
    for (size_t bit = 0; bit < 8 * n; bit++) {
        bytes[bit / 8] ^= (char)(1 << bit % 8);
        wg_reader *r = open_text(io_file("flip", bytes, n), NULL);
        const char *text;
        size_t length;
        while (wg_reader_line(r, &text, &length, NULL) == WG_OK && text) {
        }
        wg_reader_close(r);
        bytes[bit / 8] ^= (char)(1 << bit % 8);
    }
}

static void test_utf8(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "\x80", "\xC3", "\xC0\xAF", "\xED\xA0\x80", "\xF5\x80\x80\x80", "\xE2\x82"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[64];
        snprintf(text, sizeof text, "fine\nabcdefghij %s z\n", bad[i]);
        const char *path = io_text("bad", text);
        wg_reader *r = open_text(path, NULL);
        expect_line(r, "fine");
        expect_error(r, WG_EFORMAT, "bad:2: invalid UTF-8 at byte offset 16");
        wg_reader_options o = {.size = sizeof o, .invalid_utf8 = WG_UTF8_REPLACE};
        r = open_text(path, &o);
        expect_line(r, "fine");
        const char *line;
        size_t length;
        WGT_OK(wg_reader_line(r, &line, &length, NULL), NULL);
        assert_non_null(strstr(line, "abcdefghij \xEF\xBF\xBD"));
        assert_string_equal(line + length - 2, " z");
        assert_true(wg_reader_get_stats(r).replaced > 0);
        wg_reader_close(r);
    }
    wg_reader *r = open_text(io_file("nul", "a\nb\0c\n", 6), NULL);
    expect_line(r, "a");
    expect_error(r, WG_EFORMAT, "nul:2: NUL byte at offset 3");
}

static void test_limits(void **state)
{
    (void)state;
    size_t n = 2000000;
    char *text = malloc(n + 2);
    for (size_t i = 0; i < n; i += 2) memcpy(text + i, "a ", 2);
    text[n] = '\n';
    const char *path = io_file("million", text, n + 1);
    expect_error(open_text(path, NULL), WG_ELIMIT, "million:1: line is longer");
    wg_reader_options o = {.size = sizeof o, .max_line_bytes = 4000000};
    expect_error(open_text(path, &o), WG_ELIMIT, "million:1: line has 1000000 tokens");
    o.max_line_tokens = 1000000;
    wg_reader *r = open_text(path, &o);
    const char *line;
    size_t length;
    WGT_OK(wg_reader_line(r, &line, &length, NULL), NULL);
    assert_int_equal(length, n);
    wg_reader_close(r);
    free(text);

    o = (wg_reader_options){.size = sizeof o, .max_line_bytes = 4};
    r = open_text(io_text("crlf", "abcd\r\nabcd\nabcde\n"), &o);
    expect_line(r, "abcd");
    expect_line(r, "abcd");
    expect_error(r, WG_ELIMIT, "crlf:3");
    o = (wg_reader_options){.size = sizeof o, .max_total_bytes = 3};
    r = open_text(io_gzip("total", "abcd\n"), &o);
    expect_error(r, WG_ELIMIT, "more than the limit of 3 bytes");
}

static void test_bomb(void **state)
{
    (void)state;
    const char *path = io_path("bomb");
    gzFile f = gzopen(path, "wb9");
    char block[1 << 16];
    memset(block, 'a', sizeof block);
    block[sizeof block - 1] = '\n';
    for (int i = 0; i < 1200; i++) assert_int_equal(gzwrite(f, block, sizeof block), sizeof block);
    gzclose(f);
    wg_reader *r = open_text(path, NULL);
    const char *line;
    size_t length;
    wg_error e;
    wg_status status;
    do status = wg_reader_line(r, &line, &length, &e);
    while (status == WG_OK && line);
    WGT_STATUS(status, WG_ELIMIT, &e);
    IO_CONTAINS(e, "times its size");
    wg_reader_close(r);
}

static void test_open_errors(void **state)
{
    (void)state;
    wg_reader *r;
    wg_error e;
    WGT_STATUS(wg_reader_open(io_path("absent"), NULL, &r, &e), WG_ENOTFOUND, &e);
    IO_CONTAINS(e, "absent");
    assert_null(r);
    WGT_STATUS(wg_reader_open(io_dir, NULL, &r, &e), WG_EINVAL, &e);
    IO_CONTAINS(e, "is a directory");
    WGT_STATUS(wg_reader_open("", NULL, &r, &e), WG_EINVAL, &e);
    if (geteuid() == 0) return; /* root may read everything */
    const char *path = io_text("secret", "x");
    chmod(path, 0);
    WGT_STATUS(wg_reader_open(path, NULL, &r, &e), WG_EPERM, &e);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    const char *path = io_gzip("oom", "some text\nmore text\n");
    for (size_t n = 1;; n++) {
        wgt_fail_alloc_at(n);
        wg_reader *r;
        const char *text = NULL;
        size_t length;
        wg_status status = wg_reader_open(path, NULL, &r, NULL);
        if (status == WG_OK) {
            do status = wg_reader_line(r, &text, &length, NULL);
            while (status == WG_OK && text);
            wg_reader_close(r);
        }
        if (!wgt_alloc_ran_out(status)) break;
    }
}

static void test_tokens(void **state)
{
    (void)state;
    const char *text = " \ta\vbc\r \xC2\xA0"
                       "d",
               *end = text + strlen(text), *token;
    size_t length;
    assert_true(wg_next_token(&text, end, &token, &length));
    assert_memory_equal(token, "a", length);
    assert_true(wg_next_token(&text, end, &token, &length));
    assert_memory_equal(token, "bc", length);
    assert_true(wg_next_token(&text, end, &token, &length));
    assert_int_equal(length, 3); /* a no-break space does not part words */
    assert_false(wg_next_token(&text, end, &token, &length));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),       cmocka_unit_test(test_empty_and_bom),
        cmocka_unit_test(test_gzip),        cmocka_unit_test(test_gzip_members_and_padding),
        cmocka_unit_test(test_gzip_damage), cmocka_unit_test(test_sha256_of_file),
        cmocka_unit_test(test_utf8),        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_bomb),        cmocka_unit_test(test_open_errors),
        cmocka_unit_test(test_tokens),      cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, io_setup, io_teardown);
}
