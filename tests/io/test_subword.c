/* Subwords: merges and cuts against subword-nmt (tests/golden/subword.json), the learner against
 * one that counts afresh for every merge, exact undoing of any text, the text form and its ways to
 * be wrong, vocabularies, corpora. */
#include "io_test.h"

#include <stdlib.h>

#include <cjson/cJSON.h>

#include <wengert/atomicfile.h>
#include <wengert/rng.h>
#include <wengert/subword.h>

static wg_subwords *learn(const char *const *lines, int n, const wg_subwords_options *options)
{
    wg_vocab *words;
    wg_subwords *s;
    wg_error e;
    WGT_OK(wg_vocab_new(&words, &e), &e);
    for (int i = 0; i < n; i++)
        WGT_OK(wg_vocab_add_line(words, lines[i], strlen(lines[i]), &e), &e);
    WGT_OK(wg_subwords_learn(words, options, &s, &e), &e);
    wg_vocab_free(words);
    return s;
}

static char *cut(const wg_subwords *s, const wg_vocab *known, const char *line)
{
    wg_segmenter *g;
    wg_error e;
    char *text;
    WGT_OK(wg_segmenter_new(s, known, &g, &e), &e);
    WGT_OK(wg_segmenter_line(g, line, strlen(line), &text, &e), &e);
    wg_segmenter_free(g);
    return text;
}

static void expect_cut(const wg_subwords *s, const wg_vocab *known, const char *line,
                       const char *wanted)
{
    wg_error e;
    char *pieces = cut(s, known, line), *joined;
    assert_string_equal(pieces, wanted);
    WGT_OK(wg_subwords_undo(pieces, strlen(pieces), &joined, &e), &e);
    assert_string_equal(joined, line);
    wg_free(joined);
    wg_free(pieces);
}

static wg_subwords *parse(const char *text)
{
    wg_subwords *s;
    wg_error e;
    WGT_OK(wg_subwords_parse("rules", text, strlen(text), &s, &e), &e);
    return s;
}

/* ---- against subword-nmt ---- */

static const char *item(const cJSON *array, int i)
{
    const cJSON *text = cJSON_GetArrayItem(array, i);
    assert_true(cJSON_IsString(text));
    return text->valuestring;
}

static void test_golden(void **state)
{
    (void)state;
    char path[4096], *bytes, *text;
    size_t size;
    const char *lines[64];
    assert_true(wgt_source_path(path, "tests/golden/subword.json"));
    WGT_OK(wg_file_read(path, 0, &bytes, &size, NULL), NULL);
    cJSON *json = cJSON_ParseWithLength(bytes, size);
    assert_non_null(json);
    const cJSON *source = cJSON_GetObjectItem(json, "lines");
    const cJSON *merges = cJSON_GetObjectItem(json, "merges");
    int n = cJSON_GetArraySize(source), n_merges = cJSON_GetArraySize(merges);
    assert_in_range(n, 10, 64);
    assert_in_range(n_merges, 50, 10000);
    for (int i = 0; i < n; i++) lines[i] = item(source, i);
    /* Every character is known, as to subword-nmt. */
    wg_subwords *s = learn(
        lines, n, &(wg_subwords_options){.size = sizeof(wg_subwords_options), .min_char_count = 1});
    assert_int_equal(wg_subwords_merges(s), n_merges);
    WGT_OK(wg_subwords_write(s, &text, &size, NULL), NULL);
    const char *at = text;
    for (int i = 0; i < 1 + wg_subwords_characters(s); i++) at = strchr(at, '\n') + 1;
    for (int i = 0; i < n_merges; i++) {
        size_t length = strcspn(at, "\n");
        if (strlen(item(merges, i)) != length || memcmp(item(merges, i), at, length) != 0)
            fail_msg("merge %d is '%.*s', subword-nmt has '%s'", i, (int)length, at,
                     item(merges, i));
        at += length + 1;
    }
    wg_free(text);
    const cJSON *applied = cJSON_GetObjectItem(json, "applied");
    for (int i = 0; i < n; i++) expect_cut(s, NULL, lines[i], item(applied, i));
    const cJSON *other = cJSON_GetObjectItem(json, "other");
    applied = cJSON_GetObjectItem(json, "other_applied");
    assert_true(cJSON_GetArraySize(other) > 2);
    for (int i = 0; i < cJSON_GetArraySize(other); i++)
        expect_cut(s, NULL, item(other, i), item(applied, i));
    wg_subwords_free(s);
    cJSON_Delete(json);
    wg_free(bytes);
}

/* ---- against counting afresh ---- */

enum { WORDS = 60, LONGEST = 12 };

typedef struct plain_word {
    char symbol[LONGEST][32]; /* "ab" inside, "ab</w>" at the end, as subword-nmt writes them */
    int n;
    unsigned count;
} plain_word;

/* The best pair by counting all, its left and right in *left and *right; how often it occurs. */
static unsigned best_pair(const plain_word *words, char *left, char *right)
{
    unsigned best = 0;
    for (int w = 0; w < WORDS; w++)
        for (int i = 0; i + 1 < words[w].n; i++) {
            const char *a = words[w].symbol[i], *b = words[w].symbol[i + 1];
            unsigned count = 0;
            for (int v = 0; v < WORDS; v++)
                for (int k = 0; k + 1 < words[v].n; k++)
                    if (!strcmp(words[v].symbol[k], a) && !strcmp(words[v].symbol[k + 1], b))
                        count += words[v].count;
            int order = strcmp(a, left) ? strcmp(a, left) : strcmp(b, right);
            if (count > best || (count == best && order > 0)) {
                best = count;
                strcpy(left, a);
                strcpy(right, b);
            }
        }
    return best;
}

static void join(plain_word *w, const char *left, const char *right)
{
    int n = 0;
    for (int i = 0; i < w->n; i++) {
        if (i + 1 < w->n && !strcmp(w->symbol[i], left) && !strcmp(w->symbol[i + 1], right)) {
            char both[64];
            snprintf(both, sizeof both, "%s%s", left, right);
            strcpy(w->symbol[n++], both);
            i++;
        } else {
            memmove(w->symbol[n], w->symbol[i], sizeof w->symbol[n]);
            n++;
        }
    }
    w->n = n;
}

static void test_incremental(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        wg_rng rng;
        wg_rng_init(&rng, seed, "tests.subword");
        plain_word words[WORDS] = {0};
        wg_vocab *vocab;
        WGT_OK(wg_vocab_new(&vocab, NULL), NULL);
        for (int w = 0; w < WORDS; w++) {
            char text[LONGEST + 1] = "";
            int n = 1 + (int)wg_rng_below(&rng, LONGEST);
            /* Two or three letters: many repetitions, ties and overlaps. */
            for (int i = 0; i < n; i++)
                text[i] = (char)('a' + wg_rng_below(&rng, 2 + (uint32_t)(seed % 2)));
            text[n] = '\0';
            words[w].n = n;
            words[w].count = 1 + wg_rng_below(&rng, 5);
            for (int i = 0; i < n; i++)
                snprintf(words[w].symbol[i], sizeof words[w].symbol[i], "%c%s", text[i],
                         i == n - 1 ? "</w>" : "");
            WGT_OK(wg_vocab_add(vocab, text, (size_t)n, words[w].count, NULL), NULL);
        }
        wg_subwords *s;
        char *written, *line;
        size_t size;
        WGT_OK(wg_subwords_learn(vocab, NULL, &s, NULL), NULL);
        WGT_OK(wg_subwords_write(s, &written, &size, NULL), NULL);
        line = written;
        for (int i = 0; i < 1 + wg_subwords_characters(s); i++) line = strchr(line, '\n') + 1;
        int done = 0;
        for (;; done++) {
            char left[32] = "", right[32] = "", wanted[80];
            if (best_pair(words, left, right) < 2) break;
            for (int w = 0; w < WORDS; w++) join(&words[w], left, right);
            snprintf(wanted, sizeof wanted, "%s %s", left, right);
            size_t length = strcspn(line, "\n");
            /* A pair that comes up again after its merge needs no second rule. */
            char again[90];
            snprintf(again, sizeof again, "\n%s\n", wanted);
            char kept = *line;
            *line = '\0';
            bool repeated = strstr(written, again) != NULL;
            *line = kept;
            if (repeated) continue;
            if (strlen(wanted) != length || memcmp(wanted, line, length) != 0)
                fail_msg("seed %d, merge %d: '%.*s' instead of '%s'", (int)seed, done, (int)length,
                         line, wanted);
            line += length + 1;
        }
        assert_int_equal(*line, '\0');
        assert_true(done > 20);
        wg_free(written);
        wg_subwords_free(s);
        wg_vocab_free(vocab);
    }
}

static void test_options(void **state)
{
    (void)state;
    static const char *const lines[] = {"aa aa aa ab ab xy \xC3\xA4 \xC3\xA4"};
    wg_subwords_options o = {.size = sizeof o, .merges = 1};
    wg_subwords *s = learn(lines, 1, &o);
    assert_int_equal(wg_subwords_merges(s), 1);
    assert_int_equal(wg_subwords_characters(s), 3); /* x and y occur once */
    expect_cut(s, NULL, "aa ab xa", "aa a@@ b <0x78>@@ a");
    wg_subwords_free(s);
    o = (wg_subwords_options){.size = sizeof o, .min_count = 3, .min_char_count = 1};
    s = learn(lines, 1, &o);
    assert_int_equal(wg_subwords_merges(s), 1);
    assert_int_equal(wg_subwords_characters(s), 5);
    wg_subwords_free(s);
    /* Nothing to learn from: only bytes. */
    s = learn(NULL, 0, NULL);
    assert_int_equal(wg_subwords_characters(s), 0);
    expect_cut(s, NULL, "\xE2\x82\xAC a", "<0xE2>@@ <0x82>@@ <0xAC> <0x61>");
    wg_subwords_free(s);
    wg_vocab *v;
    wg_error e;
    WGT_OK(wg_vocab_new(&v, &e), &e);
    o = (wg_subwords_options){.size = sizeof o, .merges = -1};
    WGT_STATUS(wg_subwords_learn(v, &o, &s, &e), WG_EINVAL, &e);
    assert_null(s);
    WGT_OK(wg_vocab_add(v, "abc", 3, UINT64_MAX / 2, &e), &e);
    WGT_STATUS(wg_subwords_learn(v, NULL, &s, &e), WG_ELIMIT, &e);
    wg_vocab_free(v);
}

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

/* ---- vocabularies and corpora ---- */

static void test_known(void **state)
{
    (void)state;
    /* "abc" is known at the end of a word only, "ab" inside. */
    wg_subwords *s = parse("wengert-subwords 1 3 4\na\nb\nc\na b\nab c\nab c</w>\nabc abc</w>\n");
    wg_vocab *v;
    const char *pieces = "abc ab@@ c@@ c a@@ <0x62>@@ <0x62>";
    WGT_OK(wg_vocab_new(&v, NULL), NULL);
    WGT_OK(wg_vocab_add_line(v, pieces, strlen(pieces), NULL), NULL);
    WGT_OK(wg_vocab_finish(v, 1, 0, NULL), NULL);
    expect_cut(s, v, "abc abcabc", "abc ab@@ c@@ abc");
    expect_cut(s, v, "b ba", "<0x62> <0x62>@@ <0x61>"); /* nor is a at the end */
    wg_segmenter *g;
    wg_pieces p;
    WGT_OK(wg_segmenter_new(s, v, &g, NULL), NULL);
    for (int i = 0; i < 2; i++) { /* cut, then remembered */
        WGT_OK(wg_segmenter_word(g, "abca", 4, &p, NULL), NULL);
        assert_int_equal(p.n, 3);
        assert_int_equal(p.id[0], wg_vocab_id(v, "ab@@", 4));
        assert_int_equal(p.id[1], wg_vocab_id(v, "c@@", 3));
        assert_int_equal(p.id[2], WG_UNK);
        WGT_OK(wg_segmenter_word(g, "", 0, &p, NULL), NULL);
        assert_int_equal(p.n, 0);
    }
    wg_segmenter_free(g);
    wg_vocab_free(v);
    wg_subwords_free(s);
}

static void test_corpus(void **state)
{
    (void)state;
    const char *source = io_text("s", "low lower lowest\nnewer low \xC3\xA4\nlow low\n\nslow\n");
    const char *target = io_text("t", "a b\nc\nd e\nf\ng\n");
    wg_corpus *c, *m;
    wg_subwords *s;
    wg_vocab *words, *v[2], *small;
    wg_pairs *p;
    wg_error e;
    char *text;
    WGT_OK(wg_corpus_read(source, target, NULL, &c, &e), &e);
    WGT_OK(wg_corpus_vocab(c, 1, NULL, 0, 1, 0, &words, &e), &e);
    WGT_OK(wg_subwords_learn(words, NULL, &s, &e), &e);
    const int64_t subset[] = {0, 1, 2}; /* not the last pair */
    WGT_OK(wg_subwords_vocab(s, c, 1, subset, 3, 2, 0, true, &v[0], &e), &e);
    WGT_OK(wg_subwords_vocab(s, c, 2, subset, 3, 1, 0, false, &v[1], &e), &e);
    assert_true(wg_vocab_find(v[0], "low", 3) >= 0);
    assert_int_equal(wg_vocab_count(v[0], wg_vocab_find(v[0], "low", 3)), 4);
    assert_true(wg_vocab_find(v[0], "<0xC3>@@", 8) >= 0);
    assert_true(wg_vocab_find(v[0], "<0xC3>", 6) < 0); /* begins a character */
    assert_true(wg_vocab_find(v[0], "<0xF4>@@", 8) >= 0);
    assert_true(wg_vocab_find(v[0], "<0x20>", 6) < 0);
    assert_true(wg_vocab_find(v[0], "s", 1) >= 0); /* a character, though never at an end */
    assert_true(wg_vocab_find(v[1], "<0xF4>@@", 8) < 0);
    assert_true(wg_vocab_find(v[1], "<0x61>", 6) >= 0); /* occurs: a is not in the alphabet */
    WGT_STATUS(wg_subwords_vocab(s, c, 1, NULL, 0, 2, 20, true, &small, &e), WG_EINVAL, &e);
    WGT_OK(wg_subwords_vocab(s, c, 1, NULL, 0, 2, 500, true, &small, &e), &e);
    wg_vocab_free(small);
    const wg_vocab *const known[2] = {v[0], v[1]};
    WGT_OK(wg_subwords_corpus(s, c, known, &m, &e), &e);
    assert_int_equal(wg_corpus_pairs(m), wg_corpus_pairs(c));
    assert_int_equal(wg_corpus_line(m, 3), 5);
    wg_segmenter *g;
    WGT_OK(wg_segmenter_new(s, v[0], &g, &e), &e);
    for (int64_t i = 0; i < wg_corpus_pairs(c); i++) {
        char *want, *whole;
        WGT_OK(wg_corpus_text(c, 0, i, &whole, &e), &e);
        WGT_OK(wg_segmenter_line(g, whole, strlen(whole), &want, &e), &e);
        WGT_OK(wg_corpus_text(m, 0, i, &text, &e), &e);
        assert_string_equal(text, want);
        wg_free(text);
        wg_free(want);
        wg_free(whole);
    }
    WGT_OK(wg_corpus_encode(m, v[0], v[1], subset, 3, &p, &e), &e);
    assert_int_equal(p->unknown[0], 0);
    assert_int_equal(p->unknown[1], 0);
    wg_pairs_free(p);
    /* Running text is cut alike. */
    wg_reader *reader;
    wg_sentences *lines;
    WGT_OK(wg_reader_open(source, NULL, &reader, &e), &e);
    WGT_OK(wg_sentences_read(reader, v[0], false, 100, 1000, &lines, &e), &e);
    WGT_OK(wg_sentences_segment(lines, g, &e), &e);
    assert_int_equal(lines->n, 5);
    assert_int_equal(lines->start[4], lines->start[3]);
    WGT_OK(wg_segmenter_line(g, "newer low \xC3\xA4", 12, &text, &e), &e);
    const char *at = text, *end = text + strlen(text), *token;
    size_t n;
    int64_t k = lines->start[1];
    while (wg_next_token(&at, end, &token, &n)) {
        assert_int_equal(strlen(lines->word[k]), n);
        assert_memory_equal(lines->word[k], token, n);
        assert_int_equal(lines->id[k], wg_vocab_id(v[0], token, n));
        assert_true(lines->id[k++] != WG_UNK);
    }
    assert_int_equal(k, lines->start[2]);
    wg_free(text);
    wg_sentences_free(lines);
    wg_reader_close(reader);
    wg_segmenter_free(g);
    wg_corpus_free(m);
    wg_corpus_free(c);
    for (int i = 0; i < 2; i++) wg_vocab_free(v[i]);
    wg_vocab_free(words);
    wg_subwords_free(s);
}

/* ---- memory runs out ---- */

static wg_status everything(void)
{
    static const char text[] = "low low lower lower newest newest widest widest xx@@ xx@@";
    wg_vocab *words = NULL, *v = NULL;
    wg_subwords *s = NULL, *copy = NULL;
    wg_segmenter *g = NULL;
    wg_corpus *c = NULL, *m = NULL;
    wg_reader *reader = NULL;
    wg_sentences *lines = NULL;
    char *written = NULL, *pieces = NULL, *joined = NULL;
    size_t size = 0;
    wg_pieces p;
    wg_status status = wg_vocab_new(&words, NULL);
    if (!status) status = wg_vocab_add_line(words, text, sizeof text - 1, NULL);
    if (!status) status = wg_subwords_learn(words, NULL, &s, NULL);
    if (!status) status = wg_subwords_write(s, &written, &size, NULL);
    if (!status) status = wg_subwords_parse("f", written, size, &copy, NULL);
    if (!status) status = wg_corpus_read_mono(io_path("oom"), NULL, &c, NULL);
    if (!status) status = wg_subwords_vocab(s, c, 1, NULL, 0, 1, 0, true, &v, NULL);
    if (!status) status = wg_subwords_corpus(s, c, NULL, &m, NULL);
    if (!status) status = wg_segmenter_new(copy, v, &g, NULL);
    if (!status) status = wg_segmenter_line(g, text, sizeof text - 1, &pieces, NULL);
    if (!status) status = wg_segmenter_word(g, "lowest\xC3\xA4", 8, &p, NULL);
    if (!status) status = wg_subwords_undo(pieces, strlen(pieces), &joined, NULL);
    if (!status) status = wg_reader_open(io_path("oom"), NULL, &reader, NULL);
    if (!status) status = wg_sentences_read(reader, v, false, 10, 100, &lines, NULL);
    if (!status) status = wg_sentences_segment(lines, g, NULL);
    if (!status) assert_string_equal(joined, text);
    wg_sentences_free(lines);
    wg_reader_close(reader);
    wg_free(joined);
    wg_free(pieces);
    wg_free(written);
    wg_segmenter_free(g);
    wg_corpus_free(m);
    wg_corpus_free(c);
    wg_vocab_free(v);
    wg_subwords_free(copy);
    wg_subwords_free(s);
    wg_vocab_free(words);
    return status;
}

static void test_no_memory(void **state)
{
    (void)state;
    io_text("oom", "low lower\nnewest \xC3\xA4\n");
    for (size_t n = 1;; n++) {
        wgt_fail_alloc_at(n);
        wg_status status = everything();
        bool reached = wgt_alloc_count() >= n;
        assert_int_equal(wgt_alloc_live(), 0);
        wgt_alloc_restore();
        if (!reached) break;
        assert_int_equal(status, WG_ENOMEM);
    }
}

/* A word that memory ran out for is cut when asked for again. */
static void test_cache_after_failure(void **state)
{
    (void)state;
    wg_subwords *s = parse("wengert-subwords 1 2 1\na\nb\na b</w>\n");
    for (size_t n = 1; n < 40; n++) {
        wg_segmenter *g;
        wg_pieces p;
        WGT_OK(wg_segmenter_new(s, NULL, &g, NULL), NULL);
        wgt_fail_alloc_at(n);
        wg_status status = wg_segmenter_word(g, "aaaab", 5, &p, NULL);
        if (status) WGT_OK(wg_segmenter_word(g, "aaaab", 5, &p, NULL), NULL);
        assert_int_equal(p.n, 4);
        assert_string_equal(p.text[3], "ab");
        WGT_OK(wg_segmenter_word(g, "aaaab", 5, &p, NULL), NULL);
        assert_int_equal(p.n, 4);
        wgt_fail_alloc_at(0);
        wg_segmenter_free(g);
        wgt_alloc_restore();
    }
    wg_subwords_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),    cmocka_unit_test(test_incremental),
        cmocka_unit_test(test_options),   cmocka_unit_test(test_ambiguous),
        cmocka_unit_test(test_undo),      cmocka_unit_test(test_any_text),
        cmocka_unit_test(test_long),      cmocka_unit_test(test_text_form),
        cmocka_unit_test(test_known),     cmocka_unit_test(test_corpus),
        cmocka_unit_test(test_no_memory), cmocka_unit_test(test_cache_after_failure)};
    return cmocka_run_group_tests(tests, io_setup, io_teardown);
}
