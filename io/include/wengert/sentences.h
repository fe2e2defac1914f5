/* Running text to be translated: pieces of so many sentences, as words and ids, in bounded memory.
 *
 * Where a corpus (corpus.h) is read as a whole, this is read piece by piece from a pipe. */
#ifndef WENGERT_SENTENCES_H
#define WENGERT_SENTENCES_H

#include <stdbool.h>
#include <stdint.h>

#include <wengert/corpus.h>

WG_BEGIN_DECLS

/* n sentences; the words of sentence i are word[start[i]] .. word[start[i + 1] - 1], NUL-terminated
 * and as they stood in the text (lower-cased where that was asked for), with their ids beside them.
 * Sentences without words stay in their place. All arrays are owned by the struct. */
typedef struct wg_sentences {
    int64_t n;
    uint64_t first_line; /* line number of sentence 0, from 1 */
    int64_t *start;      /* [n + 1] */
    char **word;
    int32_t *id;
    char *text; /* where the words lie */
} wg_sentences;

/* Reads at most `most` lines, and no further line once `most_words` words were read. At the end of
 * the text n is 0. An error behind the first line of a piece ends the piece; it is returned by the
 * next call, so that all that came before it can be used. Errors of wg_reader_line, WG_ENOMEM. */
WG_API wg_status wg_sentences_read(wg_reader *reader, const wg_vocab *vocab, bool lowercase,
                                   int64_t most, int64_t most_words, wg_sentences **out,
                                   wg_error *err);
/* The same of lines in memory; first_line is 1. */
WG_API wg_status wg_sentences_make(const char *const *lines, int64_t n, const wg_vocab *vocab,
                                   bool lowercase, wg_sentences **out, wg_error *err);
WG_API void wg_sentences_free(wg_sentences *sentences);

/* The sentences that have words, as one-sided pairs for a batcher: pairs->line[k] is the index of
 * pair k among the sentences. *out has n = 0 where all are empty. Freed with wg_pairs_free. */
WG_API wg_status wg_sentences_pairs(const wg_sentences *sentences, const wg_vocab *vocab,
                                    wg_pairs **out, wg_error *err);

WG_END_DECLS

#endif
