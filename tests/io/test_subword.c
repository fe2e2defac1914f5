/* Subwords of known words: pieces that a vocabulary lacks, vocabularies, corpora and running text;
 * memory that runs out. */
#include "subword_test.h"

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
        if (!wgt_alloc_ran_out(everything())) break;
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
        cmocka_unit_test(test_known),
        cmocka_unit_test(test_corpus),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_cache_after_failure),
    };
    return cmocka_run_group_tests(tests, io_setup, io_teardown);
}
