/* What a corpus is made of, shared by its reader and its encoder. */
#ifndef WENGERT_IO_CORPUS_PRIVATE_H
#define WENGERT_IO_CORPUS_PRIVATE_H

#include <wengert/corpus.h>

typedef struct wg__side {
    wg_vocab *table; /* never finished: numbers words by first appearance */
    int32_t *word;   /* all sentences, one after the other */
    size_t n_words, word_capacity;
    int64_t *start; /* n + 1 offsets into word */
} wg__side;

struct wg_corpus {
    int sides;
    bool counts_only; /* the tables count words; there are no sentences */
    int64_t n;
    size_t capacity; /* elements of line and start */
    wg__side side[2];
    int64_t *line;
    wg_corpus_report report;
};
/* wg_corpus_read_stream to which a stream without further pairs is no error. */
wg_status wg__corpus_read(wg_stream *stream, const wg_corpus_options *options, wg_corpus **out,
                          wg_error *err);

#endif
