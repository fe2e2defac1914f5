/* Vocabulary: a two-way table between words (byte strings) and ids.
 *
 * Ids 0..3 are <pad> <unk> <s> </s>; the others follow by falling count, ties by bytes, so that
 * the same counts give the same ids everywhere. A finished vocabulary may be read by several
 * threads. */
#ifndef WENGERT_VOCAB_H
#define WENGERT_VOCAB_H

#include <stddef.h>
#include <stdint.h>

#include <wengert/status.h>

WG_BEGIN_DECLS

enum { WG_PAD = 0, WG_UNK = 1, WG_BOS = 2, WG_EOS = 3, WG_SPECIALS = 4 };

typedef struct wg_vocab wg_vocab;

/* An empty table that counts words; wg_vocab_finish makes it a vocabulary. Owned by the caller. */
WG_API wg_status wg_vocab_new(wg_vocab **out, wg_error *err);
WG_API void wg_vocab_free(wg_vocab *vocab);

/* Adds `count` occurrences of a word (1..65535 bytes without NUL). The names of the special symbols
 * count for them. WG_ESTATE once finished. */
WG_API wg_status wg_vocab_add(wg_vocab *vocab, const char *word, size_t length, uint64_t count,
                              wg_error *err);
/* Counts every token of a line once (wg_next_token). */
WG_API wg_status wg_vocab_add_line(wg_vocab *vocab, const char *line, size_t length, wg_error *err);
/* Keeps the words that occur at least `min_count` times (0 = 1), at most `max_size` entries with
 * the four special ones (0 = no limit), and gives out the ids. The counts of dropped words go to
 * <unk>. WG_EINVAL when max_size is 1..3. */
WG_API wg_status wg_vocab_finish(wg_vocab *vocab, uint64_t min_count, size_t max_size,
                                 wg_error *err);

/* Number of entries, the special ones included. */
WG_API int32_t wg_vocab_size(const wg_vocab *vocab);
/* Id of a word; -1 when it is not there (or the vocabulary is not finished). */
WG_API int32_t wg_vocab_find(const wg_vocab *vocab, const char *word, size_t length);
/* Id for a word of running text: WG_UNK for unknown words and for the spelled-out control symbols
 * <pad>, <s> and </s>, which must not come in through data. */
WG_API int32_t wg_vocab_id(const wg_vocab *vocab, const char *word, size_t length);
/* NUL-terminated word of an id, owned by the vocabulary; NULL when out of range. */
WG_API const char *wg_vocab_word(const wg_vocab *vocab, int32_t id);
/* Number of occurrences; 0 when out of range. */
WG_API uint64_t wg_vocab_count(const wg_vocab *vocab, int32_t id);

/* Encodes the tokens of a line into ids[0..capacity); returns how many tokens the line has, which
 * may be more than fit. */
WG_API size_t wg_vocab_encode(const wg_vocab *vocab, const char *line, size_t length, int32_t *ids,
                              size_t capacity);
/* Joins the words of ids by spaces, leaving out <pad>, <s> and </s>. *text is freed with wg_free.
 * WG_EINVAL on an id out of range. */
WG_API wg_status wg_vocab_decode(const wg_vocab *vocab, const int32_t *ids, size_t count,
                                 char **text, wg_error *err);

/* The text form (docs/formats.md): *text is NUL-terminated and freed with wg_free. */
WG_API wg_status wg_vocab_write(const wg_vocab *vocab, char **text, size_t *length, wg_error *err);
/* Reads the text form, strictly. `name` stands for the file in messages. */
WG_API wg_status wg_vocab_parse(const char *name, const char *text, size_t length, wg_vocab **out,
                                wg_error *err);
/* The same to and from a file; saving is atomic (atomicfile.h), loading takes gzip too. */
WG_API wg_status wg_vocab_save(const char *path, const wg_vocab *vocab, wg_error *err);
WG_API wg_status wg_vocab_load(const char *path, wg_vocab **out, wg_error *err);

WG_END_DECLS

#endif
