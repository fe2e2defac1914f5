/* Subwords: words cut into pieces by byte-pair encoding (Sennrich, Haddow and Birch, 2016: "Neural
 * Machine Translation of Rare Words with Subword Units"), so that a small vocabulary covers any
 * text.
 *
 * Pieces are text: all pieces of a word but its last end in the marker "@@", as in subword-nmt. A
 * character that the rules do not know is written as its UTF-8 bytes, "<0xE2>@@ <0x82>@@ <0xAC>".
 * No piece is ever ambiguous - one that would read as a byte, as a control symbol of a vocabulary
 * or, at the end of a word, as marked is cut further - so undoing restores any UTF-8 text without
 * U+0000 exactly, text that holds the marker included. docs/formats.md has the file of the rules.
 */
#ifndef WENGERT_SUBWORD_H
#define WENGERT_SUBWORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <wengert/corpus.h>
#include <wengert/sentences.h>
#include <wengert/vocab.h>

WG_BEGIN_DECLS

/* Ends every piece of a word but its last. */
#define WG_SUBWORD_MARKER "@@"

/* ---- rules -------------------------------------------------------------------------------- */

/* An alphabet and merges in order. Never changes once made: any number of threads may read it. */
typedef struct wg_subwords wg_subwords;

/* Zero in any field but the first means its default. */
typedef struct wg_subwords_options {
    size_t size;             /* sizeof(wg_subwords_options) */
    int32_t merges;          /* most merges; default 10,000 */
    uint64_t min_count;      /* pairs that occur less often are not merged; default 2 */
    uint64_t min_char_count; /* characters that occur less often are written as bytes; default 2 */
} wg_subwords_options;

/* Learns merges from words and their counts, those of `words` (finished or not; its special symbols
 * do not count): the most frequent pair of neighbours becomes one symbol, again and again. The last
 * symbol of a word is different from the same text inside words. Of equally frequent pairs the one
 * whose left, then right text is greatest is taken, as in subword-nmt ("</w>" counted at the end of
 * words), so that the result is that of subword-nmt. It does not depend on the order of the words.
 * Words of more than 4,096 bytes are left out. *out is freed with wg_subwords_free; it has fewer
 * merges than asked for where no pair is frequent enough. WG_ENOMEM, WG_ELIMIT, WG_EINVAL. */
WG_API wg_status wg_subwords_learn(const wg_vocab *words, const wg_subwords_options *options,
                                   wg_subwords **out, wg_error *err);
WG_API void wg_subwords_free(wg_subwords *subwords);

WG_API int32_t wg_subwords_merges(const wg_subwords *subwords);
WG_API int32_t wg_subwords_characters(const wg_subwords *subwords);

/* The text form: *text is NUL-terminated and freed with wg_free. */
WG_API wg_status wg_subwords_write(const wg_subwords *subwords, char **text, size_t *length,
                                   wg_error *err);
/* Reads the text form, strictly, or a file of subword-nmt ("#version: 0.2", whose alphabet is taken
 * to be the characters of its merges). `name` stands for the file in messages. WG_EFORMAT,
 * WG_EVERSION, WG_ENOMEM. */
WG_API wg_status wg_subwords_parse(const char *name, const char *text, size_t length,
                                   wg_subwords **out, wg_error *err);
/* The same to and from a file; saving is atomic (atomicfile.h), loading takes gzip too. */
WG_API wg_status wg_subwords_save(const char *path, const wg_subwords *subwords, wg_error *err);
WG_API wg_status wg_subwords_load(const char *path, wg_subwords **out, wg_error *err);

/* ---- cutting and joining ------------------------------------------------------------------ */

/* Cuts words, and remembers what it cut. For one thread at a time; make one a thread. */
typedef struct wg_segmenter wg_segmenter;

/* `subwords` and `known` must outlive the segmenter. Where `known` is given, pieces that are not in
 * it are cut back the way they were merged until they are, down to bytes (Sennrich's vocabulary
 * filter); it must be finished. NULL: all pieces are good. */
WG_API wg_status wg_segmenter_new(const wg_subwords *subwords, const wg_vocab *known,
                                  wg_segmenter **out, wg_error *err);
WG_API void wg_segmenter_free(wg_segmenter *segmenter);

/* The pieces of one word; owned by the segmenter, valid until it is used again. */
typedef struct wg_pieces {
    size_t n;
    const char *const *text; /* NUL-terminated */
    const int32_t *id;       /* in `known`; all WG_UNK without one */
} wg_pieces;

/* Cuts a word of any bytes without ASCII white space; bytes that are not UTF-8 become byte pieces.
 * Takes time n log n for n bytes. WG_ENOMEM, WG_ELIMIT (more than 2^24 bytes). */
WG_API wg_status wg_segmenter_word(wg_segmenter *segmenter, const char *word, size_t length,
                                   wg_pieces *pieces, wg_error *err);
/* Cuts the words of a line; the white space between them stays as it is. *text is freed with
 * wg_free. */
WG_API wg_status wg_segmenter_line(wg_segmenter *segmenter, const char *line, size_t length,
                                   char **text, wg_error *err);

/* Joins the pieces of a line to words again; needs no rules. Takes any text: a marked piece at the
 * end of the line is a word, bytes that do not make UTF-8 (or are white space or NUL, which no word
 * holds) become U+FFFD. *text is freed with wg_free. */
WG_API wg_status wg_subwords_undo(const char *line, size_t length, char **text, wg_error *err);

/* ---- corpora ------------------------------------------------------------------------------ */

/* Vocabulary of the pieces of the sides in `sides` over the pairs subset[0..n) of a corpus of words
 * (as wg_corpus_vocab): pieces that occur at least min_count times, and whatever its count each
 * character of the alphabet and each byte that occurred, inside and at the end of a word. With
 * `all_bytes` it has every byte piece, so that no text is unknown. max_size as in wg_vocab_finish;
 * WG_EINVAL where it does not hold the characters and bytes. */
WG_API wg_status wg_subwords_vocab(const wg_subwords *subwords, const wg_corpus *corpus,
                                   unsigned sides, const int64_t *subset, int64_t n,
                                   uint64_t min_count, size_t max_size, bool all_bytes,
                                   wg_vocab **out, wg_error *err);
/* The same corpus in pieces: sentences, their numbers and lines stay. known[side] may be NULL, and
 * `known` too. */
WG_API wg_status wg_subwords_corpus(const wg_subwords *subwords, const wg_corpus *corpus,
                                    const wg_vocab *const known[2], wg_corpus **out, wg_error *err);
/* Cuts the words of sentences in place; ids are then those of the segmenter's vocabulary. On
 * failure they stay as they were. */
WG_API wg_status wg_sentences_segment(wg_sentences *sentences, wg_segmenter *segmenter,
                                      wg_error *err);

WG_END_DECLS

#endif
