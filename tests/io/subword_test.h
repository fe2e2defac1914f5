/* What the tests of subwords share: learning from lines, cutting them, and back. */
#ifndef WENGERT_TESTS_SUBWORD_TEST_H
#define WENGERT_TESTS_SUBWORD_TEST_H

#include "io_test.h"

#include <wengert/subword.h>

static inline wg_subwords *learn(const char *const *lines, int n,
                                 const wg_subwords_options *options)
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

static inline char *cut(const wg_subwords *s, const wg_vocab *known, const char *line)
{
    wg_segmenter *g;
    wg_error e;
    char *text;
    WGT_OK(wg_segmenter_new(s, known, &g, &e), &e);
    WGT_OK(wg_segmenter_line(g, line, strlen(line), &text, &e), &e);
    wg_segmenter_free(g);
    return text;
}

static inline void expect_cut(const wg_subwords *s, const wg_vocab *known, const char *line,
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

static inline wg_subwords *parse(const char *text)
{
    wg_subwords *s;
    wg_error e;
    WGT_OK(wg_subwords_parse("rules", text, strlen(text), &s, &e), &e);
    return s;
}

#endif
