/* What the tests of batching share: a corpus whose sentences tell their numbers and lengths. */
#ifndef WENGERT_TESTS_BATCHING_TEST_H
#define WENGERT_TESTS_BATCHING_TEST_H

#include "io_test.h"

#include <stdlib.h>

#include <wengert/batch.h>

enum { N = 611 };

static inline int words_of(int side, int i)
{
    return 1 + (side ? (i * 7919) % 13 : (i * 104729) % 17);
}

/* One shard of pairs [from, to): the first word of a sentence is its number. */
static inline void write_shard(const char *name, int side, int from, int to, bool gzip)
{
    char *text = malloc(200 * (size_t)(to - from) + 1), *at = text;
    for (int i = from; i < to; i++) {
        at += sprintf(at, "%d", i);
        for (int k = 1; k < words_of(side, i); k++) at += sprintf(at, " w%d", (i + k) % 37);
        *at++ = '\n';
    }
    *at = '\0';
    if (gzip)
        io_gzip(name, text);
    else
        io_text(name, text);
    free(text);
}

typedef struct fixture {
    wg_vocab *vocab;
    wg_pairs *pairs;
    wg_corpus_report report;
} fixture;

static inline void make(fixture *f)
{
    wg_corpus *c;
    wg_error e;
    write_shard("src", 0, 0, N, false);
    write_shard("tgt", 1, 0, N, false);
    WGT_OK(wg_corpus_read(io_path("src"), io_path("tgt"), NULL, &c, &e), &e);
    WGT_OK(wg_corpus_vocab(c, 3, NULL, 0, 1, 0, &f->vocab, &e), &e);
    WGT_OK(wg_corpus_encode(c, f->vocab, f->vocab, NULL, 0, &f->pairs, &e), &e);
    f->report = *wg_corpus_get_report(c);
    wg_corpus_free(c);
}

static inline void unmake(fixture *f)
{
    wg_pairs_free(f->pairs);
    wg_vocab_free(f->vocab);
}

static inline int number_of(const wg_vocab *v, const wg_batch *x, int64_t k)
{
    const int32_t *ids = wg_tensor_cdata(x->src_ids);
    return atoi(wg_vocab_word(v, ids[k]));
}

#endif
