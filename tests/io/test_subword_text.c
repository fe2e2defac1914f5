/* Subwords of any text: exact undoing, whatever it holds; the text form of rules and its ways to be
 * wrong. */
#include "subword_test.h"

#include <stdlib.h>

#include <wengert/rng.h>

/* ---- any text, and back ---- */

static void test_ambiguous(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "x@@ x@@ y@@ y@@ @@ @@ @@@ @@@ <0x41> <0x41> <0x41>@@ <0x41>@@ <s> <s> <unk> <unk>",
        "</s> </s> <pad> <pad> </w> </w> a</w> a</w> \\ \\ \\x20 \\x20"};
    wg_subwords *s = learn(lines, 2, NULL);
    wg_error e;
    for (int i = 0; i < 2; i++) {
        char *pieces = cut(s, NULL, lines[i]), *joined;
        /* No piece of it means something else. */
        const char *at = pieces, *end = pieces + strlen(pieces), *token;
        size_t n;
        while (wg_next_token(&at, end, &token, &n)) {
            assert_false(n == 3 && memcmp(token, "<s>", 3) == 0);
            assert_false(n == 5 && memcmp(token, "<unk>", 5) == 0);
            assert_false(n >= 6 && memcmp(token, "<0x41>", 6) == 0);
        }
        WGT_OK(wg_subwords_undo(pieces, strlen(pieces), &joined, &e), &e);
        assert_string_equal(joined, lines[i]);
        wg_free(joined);
        wg_free(pieces);
    }
    /* The text form keeps them apart too. */
    char *text, *again;
    size_t size;
    WGT_OK(wg_subwords_write(s, &text, &size, &e), &e);
    assert_non_null(strstr(text, "\\x3c/w>"));
    wg_subwords *copy = parse(text);
    WGT_OK(wg_subwords_write(copy, &again, NULL, &e), &e);
    assert_string_equal(text, again);
    wg_free(text);
    wg_free(again);
    wg_subwords_free(copy);
    wg_subwords_free(s);
}

/* White space stays, whatever it is; odd pieces are joined to something. */
static void test_undo(void **state)
{
    (void)state;
    wg_subwords *s = parse("wengert-subwords 1 2 1\na\nb\na b</w>\n");
    expect_cut(s, NULL, "", "");
    expect_cut(s, NULL, "  ", "  ");
    expect_cut(s, NULL, " ab  aab\tb ", " ab  a@@ ab\tb ");
    static const char *const cases[][2] = {
        {"a@@", "a"},
        {"a@@ ", "a"},
        {"a@@  ", "a "},
        {"a@@\tb", "ab"},
        {"@@ @@ a", "a"},
        {"<0xE2>@@ <0x82> x", "\xEF\xBF\xBD x"}, /* not UTF-8 */
        {"<0xE2>@@ x", "\xEF\xBF\xBDx"},
        {"<0xC3> <0xA4>", "\xEF\xBF\xBD \xEF\xBF\xBD"}, /* two words */
        {"a@@ <0x00>@@ <0x0A>@@ <0x20> b", "a\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD b"},
        {"<0x4> <0xg1> <0x41>x", "<0x4> <0xg1> <0x41>x"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *joined;
        WGT_OK(wg_subwords_undo(cases[i][0], strlen(cases[i][0]), &joined, NULL), NULL);
        assert_string_equal(joined, cases[i][1]);
        wg_free(joined);
    }
    wg_subwords_free(s);
}

static size_t random_character(wg_rng *rng, char *to)
{
    static const char *const pieces[] = {
        "@",    "@@", "<0x41>", "<",     "0x4", "1>",       "<s",           ">",
        "</w>", "\\", "\\x20",  "<unk>", "a",   "\xC3\xA4", "\xE2\x82\xAC", "\xF0\x9F\x98\x80"};
    uint32_t code;
    switch (wg_rng_below(rng, 4)) {
    case 0: code = 1 + wg_rng_below(rng, 0x7f); break;
    case 1: code = 0x80 + wg_rng_below(rng, 0xd800 - 0x80); break;
    case 2: code = 0x10000 + wg_rng_below(rng, 0x100000); break;
    default: {
        const char *piece = pieces[wg_rng_below(rng, sizeof pieces / sizeof pieces[0])];
        strcpy(to, piece);
        return strlen(piece);
    }
    }
    if (code < 0x80) {
        to[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        to[0] = (char)(0xc0 | code >> 6);
        to[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        to[0] = (char)(0xe0 | code >> 12);
        to[1] = (char)(0x80 | (code >> 6 & 0x3f));
        to[2] = (char)(0x80 | (code & 0x3f));
        return 3;
    }
    to[0] = (char)(0xf0 | code >> 18);
    to[1] = (char)(0x80 | (code >> 12 & 0x3f));
    to[2] = (char)(0x80 | (code >> 6 & 0x3f));
    to[3] = (char)(0x80 | (code & 0x3f));
    return 4;
}

static void test_any_text(void **state)
{
    (void)state;
    wg_rng rng;
    wg_rng_init(&rng, 3, "tests.subword.text");
    static const char *const lines[] = {
        "a@@ a@@ @@@@ @@@@ <0x41> <0x41> x<0x41>@@ x<0x41>@@ <s> <s> <unk> <unk> aaa aaa aaaa "
        "</w> </w> \xC3\xA4\xE2\x82\xAC \xC3\xA4\xE2\x82\xAC \\x20 \\x20 <0x4 <0x4"};
    wg_subwords *s = learn(lines, 1, NULL);
    wg_segmenter *g;
    WGT_OK(wg_segmenter_new(s, NULL, &g, NULL), NULL);
    for (int i = 0; i < 20000; i++) {
        char text[256];
        size_t n = 0, characters = wg_rng_below(&rng, 24);
        for (size_t k = 0; k < characters; k++) {
            if (wg_rng_below(&rng, 6) == 0) text[n++] = wg_rng_below(&rng, 4) ? ' ' : '\t';
            n += random_character(&rng, text + n);
        }
        text[n] = '\0';
        char *pieces, *joined;
        WGT_OK(wg_segmenter_line(g, text, n, &pieces, NULL), NULL);
        WGT_OK(wg_subwords_undo(pieces, strlen(pieces), &joined, NULL), NULL);
        if (strcmp(joined, text) != 0)
            fail_msg("'%s' became '%s', and that '%s'", text, pieces, joined);
        wg_free(joined);
        wg_free(pieces);
    }
    /* Bytes that are not UTF-8 are cut too, and become U+FFFD. */
    char *pieces, *joined;
    WGT_OK(wg_segmenter_line(g, "a\xFF \x80\xC3", 5, &pieces, NULL), NULL);
    assert_string_equal(pieces, "a@@ <0xFF> <0x80>@@ <0xC3>");
    WGT_OK(wg_subwords_undo(pieces, strlen(pieces), &joined, NULL), NULL);
    assert_string_equal(joined, "a\xEF\xBF\xBD \xEF\xBF\xBD\xEF\xBF\xBD");
    wg_free(joined);
    wg_free(pieces);
    wg_segmenter_free(g);
    wg_subwords_free(s);
}

/* A word of a megabyte, and rules that double: no squares. */
static void test_long(void **state)
{
    (void)state;
    wg_subwords *s = parse("wengert-subwords 1 1 4\na\na a\naa aa\naaaa aaaa\naaaaaaaa aaaaaaaa\n");
    size_t n = 1 << 20;
    char *word = malloc(n + 1);
    memset(word, 'a', n);
    word[n] = '\0';
    wg_segmenter *g;
    wg_pieces p;
    WGT_OK(wg_segmenter_new(s, NULL, &g, NULL), NULL);
    WGT_OK(wg_segmenter_word(g, word, n, &p, NULL), NULL);
    /* The last a ends the word, so fifteen before it are left over. */
    assert_int_equal(p.n, n / 16 - 1 + 3 + 1 + 1);
    assert_string_equal(p.text[0], "aaaaaaaaaaaaaaaa@@");
    assert_string_equal(p.text[p.n - 1], "a");
    wg_segmenter_free(g);
    free(word);
    wg_subwords_free(s);
}

/* ---- the text form ---- */

static void refuse(const char *text, wg_status status, const char *what)
{
    wg_subwords *s;
    wg_error e = {0};
    WGT_STATUS(wg_subwords_parse("f", text, strlen(text), &s, &e), status, &e);
    assert_null(s);
    IO_CONTAINS(e, what);
}

static void test_text_form(void **state)
{
    (void)state;
    refuse("", WG_EFORMAT, "f:1: not subwords");
    refuse("abc\n", WG_EFORMAT, "not subwords");
    refuse("wengert-subwords 2 0 0\n", WG_EVERSION, "newer");
    refuse("wengert-subwords 12 x\n", WG_EVERSION, "newer");
    refuse("wengert-subwords 1 0\n", WG_EFORMAT, "first line");
    refuse("wengert-subwords 1 00 0\n", WG_EFORMAT, "first line");
    refuse("wengert-subwords 1 -1 0\n", WG_EFORMAT, "first line");
    refuse("wengert-subwords 1 1 99999999999\n", WG_EFORMAT, "first line");
    refuse("wengert-subwords 1 500000000 500000000\n", WG_EFORMAT, "more than the file");
    refuse("wengert-subwords 1 1 1\na\na a\nx\n", WG_EFORMAT, "f:4: more lines");
    refuse("wengert-subwords 1 1 1\na\na a", WG_EFORMAT, "f:3: the file is cut short");
    refuse("wengert-subwords 1 2 0\nb\na\n", WG_EFORMAT, "f:3: characters must stand in rising");
    refuse("wengert-subwords 1 2 0\na\na\n", WG_EFORMAT, "rising");
    refuse("wengert-subwords 1 1 0\nab\n", WG_EFORMAT, "f:2: expected one character");
    refuse("wengert-subwords 1 1 0\na</w>\n", WG_EFORMAT, "one character");
    refuse("wengert-subwords 1 1 0\n\xFF\n", WG_EFORMAT, "one character");
    refuse("wengert-subwords 1 1 0\n\\x00\n", WG_EFORMAT, "one character");
    refuse("wengert-subwords 1 1 1\na\naa a\n", WG_EFORMAT, "left side is neither");
    refuse("wengert-subwords 1 1 1\na\na aa</w>\n", WG_EFORMAT, "right side is neither");
    refuse("wengert-subwords 1 1 1\na\na</w> a\n", WG_EFORMAT, "expected LEFT RIGHT");
    refuse("wengert-subwords 1 1 1\na\na a a\n", WG_EFORMAT, "expected LEFT RIGHT");
    refuse("wengert-subwords 1 1 1\na\na\n", WG_EFORMAT, "expected LEFT RIGHT");
    refuse("wengert-subwords 1 1 2\na\na a\na a\n", WG_EFORMAT, "f:4: the merge stands");
    refuse("#version: 0.2\na b\nabc d\n", WG_EFORMAT, "f:3: the left side");
    refuse("#version: 0.1\na b\n", WG_EFORMAT, "not subwords");
    /* Odd characters are escaped. */
    wg_subwords *s = parse("wengert-subwords 1 3 1\n\\x01\n\\x20\n\\\\\n\\x01 \\\\</w>\n");
    expect_cut(s, NULL, "\x01\\", "\x01\\");
    wg_subwords_free(s);
    s = parse("#version: 0.2\nl o\nlo w</w>\nlo w\n");
    assert_int_equal(wg_subwords_merges(s), 3);
    expect_cut(s, NULL, "low lower", "low low@@ <0x65>@@ <0x72>");
    WGT_OK(wg_subwords_save(io_path("rules"), s, NULL), NULL);
    wg_subwords *copy;
    wg_error e;
    WGT_OK(wg_subwords_load(io_path("rules"), &copy, &e), &e);
    expect_cut(copy, NULL, "low lower", "low low@@ <0x65>@@ <0x72>");
    wg_subwords_free(copy);
    wg_subwords_free(s);
    WGT_STATUS(wg_subwords_load(io_path("absent"), &copy, &e), WG_ENOTFOUND, &e);
    io_text("short", "wengert-subwords 1 1 1\na\na a");
    WGT_STATUS(wg_subwords_load(io_path("short"), &copy, &e), WG_EFORMAT, &e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ambiguous), cmocka_unit_test(test_undo),
        cmocka_unit_test(test_any_text),  cmocka_unit_test(test_long),
        cmocka_unit_test(test_text_form),
    };
    return cmocka_run_group_tests(tests, io_setup, io_teardown);
}
