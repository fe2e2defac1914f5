/* Vocabularies: order, thresholds, the text form and every way to break it, hostile words. */
#include "io_test.h"

#include <stdlib.h>
#include <unistd.h>

#include <wengert/vocab.h>

static wg_vocab *build(const char *line, uint64_t min_count, size_t max_size)
{
    wg_vocab *v;
    wg_error e;
    WGT_OK(wg_vocab_new(&v, &e), &e);
    WGT_OK(wg_vocab_add_line(v, line, strlen(line), &e), &e);
    WGT_OK(wg_vocab_finish(v, min_count, max_size, &e), &e);
    return v;
}

static void expect_words(const wg_vocab *v, const char *const *words, int n)
{
    assert_int_equal(wg_vocab_size(v), n + WG_SPECIALS);
    for (int i = 0; i < n; i++) {
        assert_string_equal(wg_vocab_word(v, i + WG_SPECIALS), words[i]);
        assert_int_equal(wg_vocab_find(v, words[i], strlen(words[i])), i + WG_SPECIALS);
    }
}

static void test_order(void **state)
{
    (void)state;
    const char *line = "b a c c b \xC3\xA4 a d c";
    wg_vocab *v = build(line, 0, 0);
    expect_words(v, (const char *[]){"c", "a", "b", "d", "\xC3\xA4"}, 5);
    assert_int_equal(wg_vocab_count(v, 4), 3);
    assert_int_equal(wg_vocab_count(v, WG_UNK), 0);
    assert_string_equal(wg_vocab_word(v, WG_PAD), "<pad>");
    assert_string_equal(wg_vocab_word(v, WG_EOS), "</s>");
    assert_null(wg_vocab_word(v, 9));
    assert_null(wg_vocab_word(v, -1));
    assert_int_equal(wg_vocab_find(v, "zz", 2), -1);
    assert_int_equal(wg_vocab_id(v, "zz", 2), WG_UNK);
    assert_int_equal(wg_vocab_id(v, "</s>", 4), WG_UNK); /* not through data */
    assert_int_equal(wg_vocab_find(v, "</s>", 4), WG_EOS);
    WGT_STATUS(wg_vocab_add(v, "x", 1, 1, NULL), WG_ESTATE, NULL);
    wg_vocab_free(v);
    v = build(line, 2, 0);
    expect_words(v, (const char *[]){"c", "a", "b"}, 3);
    assert_int_equal(wg_vocab_count(v, WG_UNK), 2);
    wg_vocab_free(v);
    v = build(line, 0, 6);
    expect_words(v, (const char *[]){"c", "a"}, 2);
    assert_int_equal(wg_vocab_count(v, WG_UNK), 4);
    wg_vocab_free(v);
}

static void test_code(void **state)
{
    (void)state;
    wg_vocab *v = build("the cat the", 0, 0);
    int32_t ids[3] = {-1, -1, -1};
    assert_int_equal(wg_vocab_encode(v, "the dog  cat the", 16, ids, 3), 4);
    assert_int_equal(ids[0], 4);
    assert_int_equal(ids[1], WG_UNK);
    assert_int_equal(ids[2], 5);
    char *text;
    wg_error e;
    WGT_OK(wg_vocab_decode(v, (int32_t[]){2, 4, 1, 5, 3, 0}, 6, &text, &e), &e);
    assert_string_equal(text, "the <unk> cat");
    wg_free(text);
    WGT_STATUS(wg_vocab_decode(v, (int32_t[]){6}, 1, &text, &e), WG_EINVAL, &e);
    assert_null(text);
    wg_vocab_free(v);
}

static void test_text_form(void **state)
{
    (void)state;
    wg_vocab *v, *w;
    wg_error e;
    WGT_OK(wg_vocab_new(&v, &e), &e);
    static const char *const odd[] = {"a b",  "back\\slash", "tab\t",       "\x7f",
                                      "nl\n", "#",           "\xE2\x82\xAC"};
    for (uint64_t i = 0; i < 7; i++)
        WGT_OK(wg_vocab_add(v, odd[i], strlen(odd[i]), UINT64_MAX - i, &e), &e);
    WGT_OK(wg_vocab_finish(v, 0, 0, &e), &e);
    char *text, *again;
    size_t length, n;
    WGT_OK(wg_vocab_write(v, &text, &length, &e), &e);
    assert_non_null(strstr(text, "a\\x20b\t18446744073709551615\n"));
    WGT_OK(wg_vocab_parse("m", text, length, &w, &e), &e);
    expect_words(w, odd, 7);
    WGT_OK(wg_vocab_write(w, &again, &n, &e), &e);
    assert_string_equal(text, again);
    wg_vocab_free(w);
    wg_free(again);
    WGT_OK(wg_vocab_save(io_path("v"), v, &e), &e);
    WGT_OK(wg_vocab_load(io_path("v"), &w, &e), &e);
    expect_words(w, odd, 7);
    wg_vocab_free(w);
    WGT_OK(wg_vocab_load(io_gzip("v.gz", text), &w, &e), &e);
    wg_vocab_free(w);
    /* No prefix is a vocabulary. */
    for (size_t cut = 0; cut < length; cut++) {
        char *copy = malloc(cut + !cut);
        memcpy(copy, text, cut);
        WGT_STATUS(wg_vocab_parse("cut", copy, cut, &w, &e), WG_EFORMAT, &e);
        free(copy);
    }
    /* Any flipped bit gives an error or another vocabulary, never a crash. */
    for (size_t bit = 0; bit < 8 * length; bit++) {
        text[bit / 8] ^= (char)(1 << bit % 8);
        if (wg_vocab_parse("flip", text, length, &w, NULL) == WG_OK) wg_vocab_free(w);
        text[bit / 8] ^= (char)(1 << bit % 8);
    }
    wg_free(text);
    wg_vocab_free(v);
}

#define SPECIAL "<pad>\t0\n<unk>\t0\n<s>\t0\n</s>\t0\n"

static void test_strict(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *part;
    } bad[] = {
        {"hello\n", "f:1: not a vocabulary"},
        {"wengert-vocabulary 1 x\n" SPECIAL, "f:1"},
        {"wengert-vocabulary 1 5\n" SPECIAL, "says 5"},
        {"wengert-vocabulary 1 3\n<pad>\t0\n<unk>\t0\n<s>\t0\n", "special symbols are missing"},
        {"wengert-vocabulary 1 4\n<unk>\t0\n<pad>\t0\n<s>\t0\n</s>\t0\n", "f:2: the special"},
        {"wengert-vocabulary 1 5\n" SPECIAL "a 1\n", "f:6: expected"},
        {"wengert-vocabulary 1 5\n" SPECIAL "a\t-1\n", "f:6: the count"},
        {"wengert-vocabulary 1 5\n" SPECIAL "a\t01\n", "f:6: the count"},
        {"wengert-vocabulary 1 5\n" SPECIAL "a\t18446744073709551616\n", "f:6: the count"},
        {"wengert-vocabulary 1 5\n" SPECIAL "a\t0\n", "count 0"},
        {"wengert-vocabulary 1 5\n" SPECIAL "\t1\n", "f:6: malformed"},
        {"wengert-vocabulary 1 5\n" SPECIAL "a b\t1\n", "f:6: malformed"},
        {"wengert-vocabulary 1 5\n" SPECIAL "a\\x41\t1\n", "f:6: malformed"},
        {"wengert-vocabulary 1 5\n" SPECIAL "a\\\t1\n", "f:6: malformed"},
        {"wengert-vocabulary 1 5\n" SPECIAL "\xFF\t1\n", "f:6:"},
        {"wengert-vocabulary 1 6\n" SPECIAL "a\t1\na\t1\n", "f:7: the word stands"},
        {"wengert-vocabulary 1 6\n" SPECIAL "a\t1\nb\t2\n", "f:7: out of order"},
        {"wengert-vocabulary 1 5\n" SPECIAL "a\t1", "f:6: the last line is cut short"},
    };
    wg_vocab *v;
    wg_error e;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        WGT_STATUS(wg_vocab_parse("f", bad[i].text, strlen(bad[i].text), &v, &e), WG_EFORMAT, &e);
        IO_CONTAINS(e, bad[i].part);
    }
    const char *newer = "wengert-vocabulary 2 4\n" SPECIAL;
    WGT_STATUS(wg_vocab_parse("f", newer, strlen(newer), &v, &e), WG_EVERSION, &e);
    WGT_STATUS(wg_vocab_load(io_path("absent"), &v, &e), WG_ENOTFOUND, &e);
    WGT_OK(wg_vocab_new(&v, &e), &e);
    WGT_STATUS(wg_vocab_add(v, "", 0, 1, &e), WG_EINVAL, &e);
    WGT_STATUS(wg_vocab_add(v, "a\0b", 3, 1, &e), WG_EFORMAT, &e);
    WGT_STATUS(wg_vocab_add(v, "\xC3", 1, 1, &e), WG_EFORMAT, &e);
    WGT_STATUS(wg_vocab_finish(v, 1, 3, &e), WG_EINVAL, &e);
    WGT_OK(wg_vocab_finish(v, 1, 0, &e), &e);
    WGT_STATUS(wg_vocab_finish(v, 1, 0, &e), WG_ESTATE, &e);
    wg_vocab_free(v);
}

static void test_many(void **state)
{
    (void)state;
    wg_vocab *v;
    char word[32];
    WGT_OK(wg_vocab_new(&v, NULL), NULL);
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 100000; i++)
            WGT_OK(wg_vocab_add(v, word, (size_t)snprintf(word, sizeof word, "w%d", i), 1, NULL),
                   NULL);
    WGT_OK(wg_vocab_finish(v, 2, 0, NULL), NULL);
    assert_int_equal(wg_vocab_size(v), 100000 + WG_SPECIALS);
    for (int i = 0; i < 100000; i++) {
        size_t n = (size_t)snprintf(word, sizeof word, "w%d", i);
        assert_string_equal(wg_vocab_word(v, wg_vocab_id(v, word, n)), word);
    }
    wg_vocab_free(v);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    const char *line = "some words for a vocabulary of words with some a b c d e f g h i j k l";
    for (size_t n = 1;; n++) {
        const char *path = io_path("oom");
        unlink(path);
        wgt_fail_alloc_at(n);
        wg_vocab *v, *w;
        wg_status status = wg_vocab_new(&v, NULL);
        if (status == WG_OK) {
            status = wg_vocab_add_line(v, line, strlen(line), NULL);
            if (status == WG_OK) status = wg_vocab_finish(v, 1, 0, NULL);
            if (status == WG_OK) {
                status = wg_vocab_save(path, v, NULL);
                if (status != WG_OK) assert_int_equal(access(path, F_OK), -1);
            }
            wg_vocab_free(v);
        }
        if (status == WG_OK) {
            status = wg_vocab_load(path, &w, NULL);
            if (status == WG_OK) wg_vocab_free(w);
        }
        if (!wgt_alloc_ran_out(status)) break;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),     cmocka_unit_test(test_code),
        cmocka_unit_test(test_text_form), cmocka_unit_test(test_strict),
        cmocka_unit_test(test_many),      cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, io_setup, io_teardown);
}
