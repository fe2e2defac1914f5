/* BLEU of whatever comes: bad arguments, invalid UTF-8, long lines, locales, and memory running
 * out. */
#include "bleu_test.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static void test_bad_arguments(void **state)
{
    wg_bleu_options options = WG_BLEU_OPTIONS_INIT;
    wg_bleu_text word = text_of("word"), null = {NULL, 1}, nothing = {NULL, 0};
    wg_bleu_result result;
    wg_bleu *bleu = NULL;
    wg_error err;

    (void)state;
    WGT_STATUS(wg_bleu_new(NULL, NULL, &err), WG_EINVAL, &err);
    options.tokenizer = (wg_bleu_tokenizer)3;
    WGT_STATUS(wg_bleu_new(&options, &bleu, &err), WG_EINVAL, &err);
    options.tokenizer = WG_BLEU_TOKENIZE_13A;
    options.smooth = (wg_bleu_smooth)4;
    WGT_STATUS(wg_bleu_new(&options, &bleu, &err), WG_EINVAL, &err);
    options.smooth = WG_BLEU_SMOOTH_FLOOR;
    options.smooth_value = NAN;
    WGT_STATUS(wg_bleu_new(&options, &bleu, &err), WG_EINVAL, &err);
    options.smooth_value = -1;
    WGT_STATUS(wg_bleu_new(&options, &bleu, &err), WG_EINVAL, &err);
    options.smooth_value = 0;
    options.size = 4;
    WGT_STATUS(wg_bleu_new(&options, &bleu, &err), WG_EINVAL, &err);
    assert_null(bleu);

    WGT_OK(wg_bleu_new(NULL, &bleu, &err), &err);
    WGT_STATUS(wg_bleu_score(bleu, &result, &err), WG_ESTATE, &err);
    WGT_STATUS(wg_bleu_add(bleu, word, &word, 0, &err), WG_EINVAL, &err);
    WGT_STATUS(wg_bleu_add(bleu, word, NULL, 1, &err), WG_EINVAL, &err);
    WGT_STATUS(wg_bleu_add(bleu, null, &word, 1, &err), WG_EINVAL, &err);
    WGT_STATUS(wg_bleu_add(bleu, word, &null, 1, NULL), WG_EINVAL, NULL);
    WGT_OK(wg_bleu_add(bleu, nothing, &nothing, 1, &err), &err);
    WGT_OK(wg_bleu_score(bleu, &result, &err), &err);
    WGT_NEAR(result.score, 0, 0);
    WGT_NEAR(result.brevity_penalty, 1, 0);
    wg_bleu_free(bleu);
    wg_bleu_free(NULL);
}

/* The accumulator is unharmed, and the message says where. */
static void test_invalid_utf8(void **state)
{
    static const char *const broken[] = {"ab\xC3",   "\xFF",   "a \xED\xA0\x80",
                                         "\xC0\xAF", "x\x80y", "\xF4\x90\x80\x80"};
    static const int byte[] = {3, 1, 3, 1, 2, 1};
    wg_bleu_text good[2];
    wg_bleu_result before, after;
    wg_bleu *bleu = NULL;
    wg_error err;
    char where[64];

    (void)state;
    good[0] = text_of("a good line of text");
    WGT_OK(wg_bleu_new(NULL, &bleu, &err), &err);
    WGT_OK(wg_bleu_add(bleu, good[0], good, 1, &err), &err);
    WGT_OK(wg_bleu_score(bleu, &before, &err), &err);
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        WGT_STATUS(wg_bleu_add(bleu, text_of(broken[i]), good, 1, &err), WG_EFORMAT, &err);
        snprintf(where, sizeof where, "segment 2, hypothesis: invalid UTF-8 at byte %d", byte[i]);
        assert_string_equal(err.message, where);
        good[1] = text_of(broken[i]);
        WGT_STATUS(wg_bleu_add(bleu, good[0], good, 2, &err), WG_EFORMAT, &err);
        snprintf(where, sizeof where, "segment 2, reference 2: invalid UTF-8 at byte %d", byte[i]);
        assert_string_equal(err.message, where);
    }
    WGT_OK(wg_bleu_score(bleu, &after, &err), &err);
    assert_memory_equal(&before, &after, sizeof before);
    wg_bleu_free(bleu);
}

static void test_nul_bytes(void **state)
{
    wg_bleu_text hyp = {"a\0b c d e", 9}, same = {"a\0b c d e", 9}, other = {"a\0x c d e", 9};
    wg_bleu_result result;
    wg_error err;

    (void)state;
    WGT_OK(wg_bleu_sentence(NULL, hyp, &same, 1, &result, &err), &err);
    WGT_NEAR(result.score, 100, 1e-9);
    assert_int_equal(result.sys_len, 4);
    WGT_OK(wg_bleu_sentence(NULL, hyp, &other, 1, &result, &err), &err);
    assert_int_equal(result.counts[0], 3);
}

/* A million different tokens, a million equal ones, and short lines after them: were any of these
 * quadratic, the test would not end. */
static void test_million_tokens(void **state)
{
    const size_t million = 1000000, room = 8 * million;
    char *different = malloc(room), *equal = malloc(2 * million);
    wg_bleu_text line, twin, word = text_of("a b c d");
    wg_bleu_result result;
    wg_bleu *bleu = NULL;
    wg_error err;
    size_t n = 0;

    (void)state;
    assert_true(different && equal);
    for (size_t i = 0; i < million; i++) n += (size_t)snprintf(different + n, room - n, "%zx ", i);
    for (size_t i = 0; i < million; i++) memcpy(equal + 2 * i, "a ", 2);
    line = (wg_bleu_text){different, n};
    twin = (wg_bleu_text){equal, 2 * million};
    WGT_OK(wg_bleu_new(NULL, &bleu, &err), &err);
    WGT_OK(wg_bleu_add(bleu, line, &line, 1, &err), &err);
    WGT_OK(wg_bleu_add(bleu, twin, &twin, 1, &err), &err);
    for (int i = 0; i < 20000; i++) WGT_OK(wg_bleu_add(bleu, word, &word, 1, &err), &err);
    WGT_OK(wg_bleu_score(bleu, &result, &err), &err);
    assert_int_equal(result.sys_len, 2 * 1000000 + 4 * 20000);
    for (int i = 0; i < WG_BLEU_MAX_ORDER; i++) {
        assert_int_equal(result.totals[i], 2 * (1000000 - i) + (4 - i) * 20000);
        assert_int_equal(result.counts[i], result.totals[i]);
    }
    WGT_NEAR(result.score, 100, 1e-9);
    wg_bleu_free(bleu);
    free(different);
    free(equal);
}

static wg_status score_once(wg_error *err)
{
    wg_bleu_options options = WG_BLEU_OPTIONS_INIT;
    wg_bleu_text refs[2];
    wg_bleu_result result;
    char hyp[4000];

    for (size_t i = 0; i < sizeof hyp; i++) hyp[i] = i % 3 == 2 ? ' ' : (char)('A' + i % 23);
    options.lowercase = true;
    refs[0] = text_of("the cat, the hat.");
    refs[1].data = hyp;
    refs[1].size = sizeof hyp;
    return wg_bleu_sentence(&options, refs[1], refs, 2, &result, err);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    for (size_t n = 1;; n++) {
        wg_error err;
        wgt_fail_alloc_at(n);
        if (wgt_alloc_ran_out(score_once(&err))) continue;
        assert_true(n > 10);
        break;
    }
}

/* Results do not depend on the locale, nor on the size of the caller's buffer. */
static void test_format(void **state)
{
    wg_bleu_text hyp = text_of("the cat sat on a mat"), ref = text_of("the cat sat on the mat");
    wg_bleu_options options = WG_BLEU_OPTIONS_INIT;
    wg_bleu_result result;
    wg_error err;
    char line[256], small[8];
    size_t n;

    (void)state;
    options.smooth = WG_BLEU_SMOOTH_FLOOR;
    setlocale(LC_ALL, "de_DE.UTF-8"); /* with a decimal comma, where it is installed */
    WGT_OK(wg_bleu_sentence(&options, hyp, &ref, 1, &result, &err), &err);
    n = wg_bleu_format(&result, line, sizeof line);
    setlocale(LC_ALL, "C");
    assert_int_equal(n, strlen(line));
    assert_string_equal(line, "BLEU = 53.73 83.3/60.0/50.0/33.3 (BP = 1.000 ratio = 1.000 "
                              "hyp_len = 6 ref_len = 6)");
    assert_non_null(strstr(result.signature, "|smooth:floor[0.10]|"));
    assert_int_equal(wg_bleu_format(&result, small, sizeof small), n);
    assert_string_equal(small, "BLEU = ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_arguments), cmocka_unit_test(test_invalid_utf8),
        cmocka_unit_test(test_nul_bytes),     cmocka_unit_test(test_million_tokens),
        cmocka_unit_test(test_out_of_memory), cmocka_unit_test(test_format),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
