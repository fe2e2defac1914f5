/* The tokeniser and detokeniser against sacremoses (tests/golden/moses.json), where they differ
 * from it, and on bytes of any kind. */
#include "io_test.h"

#include <stdlib.h>

#include <cjson/cJSON.h>

#include <wengert/atomicfile.h>
#include <wengert/rng.h>
#include <wengert/tokenize.h>

static char *tokenize(const char *language, bool lower, bool escape, const char *line)
{
    const wg_tokenize_options o = {sizeof o, language, lower, escape};
    char *text;
    wg_error e;
    WGT_OK(wg_tokenize(line, strlen(line), &o, &text, &e), &e);
    return text;
}

static char *detokenize(const char *language, bool escape, const char *line)
{
    const wg_tokenize_options o = {sizeof o, language, false, escape};
    char *text;
    wg_error e;
    WGT_OK(wg_detokenize(line, strlen(line), &o, &text, &e), &e);
    return text;
}

static int compare(const char *what, const char *line, char *have, const cJSON *row, int column)
{
    const char *want = cJSON_GetArrayItem(row, column)->valuestring;
    int bad = strcmp(have, want) != 0;
    if (bad) print_error("%s '%s'\n  gives '%s'\n  not   '%s'\n", what, line, have, want);
    wg_free(have);
    return bad;
}

static void test_golden(void **state)
{
    (void)state;
    char path[4096], *bytes;
    size_t size;
    assert_true(wgt_source_path(path, "tests/golden/moses.json"));
    WGT_OK(wg_file_read(path, 0, &bytes, &size, NULL), NULL);
    cJSON *json = cJSON_ParseWithLength(bytes, size);
    assert_non_null(json);
    static const char *const languages[] = {"en", "de", "fr"};
    int bad = 0;
    for (int l = 0; l < 3; l++) {
        const cJSON *rows = cJSON_GetObjectItem(json, languages[l]);
        assert_true(cJSON_GetArraySize(rows) > 200);
        for (const cJSON *row = rows->child; row; row = row->next) {
            const char *line = row->child->valuestring;
            const char *escaped = cJSON_GetArrayItem(row, 2)->valuestring;
            bad += compare(languages[l], line, tokenize(languages[l], false, false, line), row, 1);
            bad += compare("escaped", line, tokenize(languages[l], false, true, line), row, 2);
            bad += compare("joined", escaped, detokenize(languages[l], true, escaped), row, 3);
        }
    }
    assert_int_equal(bad, 0);
    cJSON_Delete(json);
    wg_free(bytes);
}

static void expect(char *have, const char *want)
{
    assert_string_equal(have, want);
    wg_free(have);
}

/* What is not as in Moses, or not in its tests. */
static void test_own(void **state)
{
    (void)state;
    expect(tokenize("en", true, false, "Mr. Smith's DOGS."), "mr. smith 's dogs .");
    expect(tokenize("de", true, false,
                    "\xC3\x84RGER, Stra\xC3\x9F"
                    "e."),
           "\xC3\xA4rger , stra\xC3\x9F"
           "e .");
    expect(tokenize("xx", false, false, "don't"), "don ' t");
    expect(tokenize(NULL, false, false, "don't"), "don ' t");
    expect(tokenize("de", false, false, "am 31. Mai, am 311. Tag"), "am 31. Mai , am 311 . Tag");
    /* a and combining diaeresis become one character; other marks stay with their letter. */
    expect(tokenize("de", false, false, "a\xCC\x88 q\xCC\x88y"), "\xC3\xA4 q\xCC\x88y");
    /* Not UTF-8; control characters. */
    expect(tokenize("en", false, false,
                    "a\xFF"
                    "b \x01"
                    "c\x7F"),
           "a \xEF\xBF\xBD b c \x7F");
    expect(detokenize("en", false, "a \xFF ."), "a \xEF\xBF\xBD.");
    expect(detokenize("en", false, "say \xE2\x80\x9C yes \xE2\x80\x9D , he said"),
           "say \xE2\x80\x9Cyes\xE2\x80\x9D, he said");
    expect(detokenize("en", false, "&quot; a"), "&quot; a");
    expect(detokenize("en", true, "&amp;lt; &bar;"), "&lt; |");
    expect(detokenize("fr", false, "l' ami , n' est-ce pas ?"), "l'ami, n'est-ce pas ?");
    expect(detokenize("en", false, ""), "");
    expect(detokenize("en", false, " \t "), "");
    char *text;
    WGT_OK(wg_tokenize("a\0b", 3, NULL, &text, NULL), NULL);
    expect(text, "ab");
    WGT_OK(wg_tokenize(NULL, 0, NULL, &text, NULL), NULL);
    expect(text, "");
    WGT_OK(wg_detokenize(NULL, 0, NULL, &text, NULL), NULL);
    expect(text, "");
}

/* Ordinary sentences come back as they were. */
static void test_round_trip(void **state)
{
    (void)state;
    static const char *const lines[][2] = {
        {"en", "The dog (a small one) doesn't bark; it's asleep, isn't it?"},
        {"en", "Mr. Brown paid $5.50, i.e. 10% less. \"Really?\" she asked."},
        {"de", "Er sagte: \"Das kostet 3,50 Euro, z.B. hier!\" Dann ging Dr. Weiss."},
        {"fr", "L'homme d'ici n'a pas d'argent, dit-il."},
        {"xx", "Un perro peque\xC3\xB1o, dos gatos y 1.000 ratones."}};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        for (int escape = 0; escape < 2; escape++) {
            char *words = tokenize(lines[i][0], false, escape, lines[i][1]);
            expect(detokenize(lines[i][0], escape, words), lines[i][1]);
            wg_free(words);
        }
}

/* Any bytes: no crash; words are valid UTF-8 and cutting them again changes little but dots;
 * joining loses nothing but blanks. */
static void test_any_bytes(void **state)
{
    (void)state;
    static const char *const pieces[] = {"a",
                                         "Bc",
                                         "1",
                                         ".",
                                         "..",
                                         ",",
                                         "'",
                                         " ",
                                         "\"",
                                         "&",
                                         "&amp;",
                                         "\xC3\xA4",
                                         "\xE2\x80\x9E",
                                         "\xE2\x80\x9C",
                                         "\xCC\x88",
                                         "\xE6\x97\xA5",
                                         "\xFF",
                                         "\xC3",
                                         "\x01",
                                         "$",
                                         "(",
                                         "?",
                                         "\xC2\xA0"};
    static const char *const languages[] = {"en", "de", "fr", "it", "ko", "xx"};
    wg_rng rng;
    wg_rng_init(&rng, 5, "tests.tokenize");
    for (int i = 0; i < 20000; i++) {
        char line[256] = "", squeezed[2][1024];
        for (uint32_t k = wg_rng_below(&rng, 30); k > 0; k--)
            strcat(line, pieces[wg_rng_below(&rng, sizeof pieces / sizeof pieces[0])]);
        const char *language = languages[wg_rng_below(&rng, 6)];
        char *words = tokenize(language, false, false, line);
        char *joined = detokenize(language, false, words);
        const char *texts[2] = {words, joined};
        for (int t = 0; t < 2; t++) {
            size_t n = 0;
            for (const char *c = texts[t]; *c; c++)
                if (*c != ' ') squeezed[t][n++] = *c;
            squeezed[t][n] = '\0';
        }
        if (strcmp(squeezed[0], squeezed[1]) != 0)
            fail_msg("'%s' became '%s' and '%s'", line, words, joined);
        assert_null(strstr(words, "  "));
        size_t n = strlen(words);
        assert_false(n && (words[0] == ' ' || words[n - 1] == ' '));
        wg_free(joined);
        wg_free(words);
    }
}

/* No square anywhere: a megabyte of what could cost it. */
static void test_long(void **state)
{
    (void)state;
    static const char *const pieces[] = {"a",   ".",    "'", ",", "\"", "a.", "\xCC\x88\xCC\xA3",
                                         " \"", "a ' ", "&"};
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        size_t n = strlen(pieces[i]), size = ((size_t)1 << 20) / n * n;
        char *line = malloc(size), *words, *joined;
        for (size_t at = 0; at < size; at += n) memcpy(line + at, pieces[i], n);
        const wg_tokenize_options o = {sizeof o, "en", true, true};
        WGT_OK(wg_tokenize(line, size, &o, &words, NULL), NULL);
        WGT_OK(wg_detokenize(words, strlen(words), &o, &joined, NULL), NULL);
        assert_true(strlen(joined) > size / 8);
        wg_free(words);
        wg_free(joined);
        free(line);
    }
}

static wg_status everything(void)
{
    const wg_tokenize_options o = {sizeof o, "en", true, true};
    static const char line[] = "Mr. O'Neil's \xFF x\xCC\x88, \"quoted\"... etc.";
    char *words = NULL, *joined = NULL;
    wg_status status = wg_tokenize(line, sizeof line - 1, &o, &words, NULL);
    if (!status) status = wg_detokenize(words, strlen(words), &o, &joined, NULL);
    wg_free(words);
    wg_free(joined);
    return status;
}

static void test_no_memory(void **state)
{
    (void)state;
    for (size_t n = 1;; n++) {
        wgt_fail_alloc_at(n);
        if (!wgt_alloc_ran_out(everything())) break;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),     cmocka_unit_test(test_own),
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_any_bytes),
        cmocka_unit_test(test_long),       cmocka_unit_test(test_no_memory)};
    return cmocka_run_group_tests(tests, io_setup, io_teardown);
}
