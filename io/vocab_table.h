/* The word table inside a vocabulary, for the corpus reader, which numbers words as they come. */
#ifndef WENGERT_IO_VOCAB_TABLE_H
#define WENGERT_IO_VOCAB_TABLE_H

#include <wengert/vocab.h>

/* Adds `count` occurrences and gives the word's number: its place in order of first appearance,
 * after the special symbols (0..3), until wg_vocab_finish renumbers. */
wg_status wg__vocab_intern(wg_vocab *vocab, const char *word, size_t length, uint64_t count,
                           int32_t *number, wg_error *err);
/* One more occurrence of the word with this number. */
void wg__vocab_count(wg_vocab *vocab, int32_t number);
/* Length in bytes of the word with this number or id. */
size_t wg__vocab_length(const wg_vocab *vocab, int32_t number);

#endif
