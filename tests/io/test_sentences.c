/* Running text in pieces: words, ids and empty lines stay where they are, limits cut pieces, and an
 * error does not take the lines before it along. */
#include "support.h"

#include <stdio.h>
#include <string.h>

#include <wengert/sentences.h>

static char path[4096], dir[3072];

static wg_vocab *small_vocab(void)
{
    wg_error err;
    wg_vocab *vocab;
    WGT_OK(wg_vocab_new(&vocab, &err), &err);
    WGT_OK(wg_vocab_add_line(vocab, "the the cat", 11, &err), &err);
    WGT_OK(wg_vocab_finish(vocab, 1, 0, &err), &err);
    return vocab;
}

static wg_reader *reader_of(const char *text, size_t n)
{
    wg_error err;
    wg_reader *reader;
    if (!*dir) assert_true(wgt_temp_dir(dir));
    snprintf(path, sizeof path, "%s/text", dir);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
    WGT_OK(wg_reader_open(path, NULL, &reader, &err), &err);
    return reader;
}

static void test_words(void **state)
{
    static const char text[] = "The  cat sleeps\n\n \t\r\ncat";
    (void)state;
    wg_error err;
    wg_sentences *s;
    wg_pairs *p;
    wg_vocab *vocab = small_vocab();
    wg_reader *reader = reader_of(text, sizeof text - 1);
    WGT_OK(wg_sentences_read(reader, vocab, true, 100, 1000, &s, &err), &err);
    assert_int_equal(s->n, 4);
    assert_int_equal(s->first_line, 1);
    static const int64_t start[] = {0, 3, 3, 3, 4};
    assert_memory_equal(s->start, start, sizeof start);
    assert_string_equal(s->word[0], "the");
    assert_string_equal(s->word[2], "sleeps");
    assert_string_equal(s->word[3], "cat");
    assert_int_equal(s->id[0], wg_vocab_find(vocab, "the", 3));
    assert_int_equal(s->id[2], WG_UNK);
    WGT_OK(wg_sentences_pairs(s, vocab, &p, &err), &err);
    assert_int_equal(p->n, 2);
    assert_int_equal(p->line[0], 0);
    assert_int_equal(p->line[1], 3);
    assert_int_equal(p->start[0][2], 4);
    assert_int_equal(p->unknown[0], 1);
    wg_pairs_free(p);
    wg_sentences_free(s);
    WGT_OK(wg_sentences_read(reader, vocab, true, 100, 1000, &s, &err), &err);
    assert_int_equal(s->n, 0);
    WGT_OK(wg_sentences_pairs(s, vocab, &p, &err), &err);
    assert_int_equal(p->n, 0);
    wg_pairs_free(p);
    wg_sentences_free(s);
    wg_sentences_free(NULL);
    wg_reader_close(reader);
    wg_vocab_free(vocab);
}

static void test_pieces(void **state)
{
    static const char text[] = "a b c\nd e\nf\ng\nh\n";
    static const int64_t most[] = {2, 100, 1}, most_words[] = {100, 2, 1}, got[] = {2, 2, 1};
    static const uint64_t first[] = {1, 3, 5};
    (void)state;
    wg_error err;
    wg_vocab *vocab = small_vocab();
    wg_reader *reader = reader_of(text, sizeof text - 1);
    for (int i = 0; i < 3; i++) {
        wg_sentences *s;
        WGT_OK(wg_sentences_read(reader, vocab, false, most[i], most_words[i], &s, &err), &err);
        assert_int_equal(s->n, got[i]);
        assert_int_equal(s->first_line, first[i]);
        wg_sentences_free(s);
    }
    wg_reader_close(reader);
    wg_vocab_free(vocab);
}

static void test_error_behind_good_lines(void **state)
{
    static const char text[] = "a\nb\nbr\xFF\nc\n";
    (void)state;
    wg_error err;
    wg_sentences *s;
    wg_vocab *vocab = small_vocab();
    wg_reader *reader = reader_of(text, sizeof text - 1);
    WGT_OK(wg_sentences_read(reader, vocab, false, 100, 100, &s, &err), &err);
    assert_int_equal(s->n, 2);
    wg_sentences_free(s);
    for (int i = 0; i < 2; i++) {
        WGT_STATUS(wg_sentences_read(reader, vocab, false, 100, 100, &s, &err), WG_EFORMAT, &err);
        assert_null(s);
        assert_non_null(strstr(err.message, ":3"));
    }
    wg_reader_close(reader);
    wg_vocab_free(vocab);
}

static wg_status read_all(wg_error *err)
{
    wg_vocab *vocab = NULL;
    wg_reader *reader = NULL;
    wg_sentences *s = NULL;
    wg_pairs *p = NULL;
    wg_status status = wg_vocab_new(&vocab, err);
    if (!status) status = wg_vocab_add_line(vocab, "the cat", 7, err);
    if (!status) status = wg_vocab_finish(vocab, 1, 0, err);
    if (!status) status = wg_reader_open(path, NULL, &reader, err);
    if (!status) status = wg_sentences_read(reader, vocab, true, 100, 100, &s, err);
    if (!status) status = wg_sentences_pairs(s, vocab, &p, err);
    wg_pairs_free(p);
    wg_sentences_free(s);
    wg_reader_close(reader);
    wg_vocab_free(vocab);
    return status;
}

static void test_no_memory(void **state)
{
    static const char text[] = "The CAT\n\nsleeps on the mat\n";
    (void)state;
    wg_reader_close(reader_of(text, sizeof text - 1)); /* the file is there now */
    for (size_t n = 1;; n++) {
        wg_error err;
        wgt_fail_alloc_at(n);
        wg_status status = read_all(&err);
        bool reached = wgt_alloc_count() >= n;
        assert_int_equal(wgt_alloc_live(), 0);
        wgt_alloc_restore();
        if (!reached) break;
        /* Lines before a failure of the reader's own are a piece. */
        if (status) assert_int_equal(status, WG_ENOMEM);
    }
}

static int clean(void **state)
{
    (void)state;
    if (*dir) wgt_remove_tree(dir);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_error_behind_good_lines),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, clean);
}
