/* Parallel (or one-sided) text corpora in memory, and their encoding into ids.
 *
 * Sentences are kept as numbers of an internal word table, 4 bytes a token, so that vocabularies
 * can be built from any subset after a single pass over the files. Side 0 is the source, side 1
 * the target. Not locked: several threads may read one. */
#ifndef WENGERT_CORPUS_H
#define WENGERT_CORPUS_H

#include <stdbool.h>
#include <stdint.h>

#include <wengert/stream.h>
#include <wengert/vocab.h>

WG_BEGIN_DECLS

enum { WG_SOURCE = 0, WG_TARGET = 1 };

typedef struct wg_corpus wg_corpus;

typedef struct wg_corpus_options {
    size_t size;        /* sizeof(wg_corpus_options) */
    bool lowercase;     /* full Unicode simple lower-casing, before tokens are counted */
    bool keep_empty;    /* keep pairs with an empty side; by default they are skipped and counted */
    int64_t max_tokens; /* pairs with more tokens than this on a side are skipped; 0 = no limit */
    wg_reader_options reader; /* limits and UTF-8 policy; reader.size may be 0 for the defaults */
    int64_t max_pairs;        /* stop once so many pairs are kept; 0 = no limit */
    bool counts_only; /* keep the counts of words alone, for a vocabulary of a text that is larger
                       * than memory; the corpus then has no pairs */
} wg_corpus_options;

typedef struct wg_corpus_report {
    int64_t lines;             /* pairs in the files */
    int64_t kept;              /* pairs in the corpus (counts_only: counted) */
    int64_t empty[2];          /* lines without a token, by side */
    int64_t empty_pairs;       /* pairs with at least one such line */
    int64_t first_empty_line;  /* the first of them, from 1; 0 = none */
    int64_t too_long;          /* pairs skipped because of max_tokens */
    int64_t tokens[2];         /* tokens in kept pairs */
    int64_t longest[2];        /* tokens of the longest kept sentence */
    wg_reader_stats reader[2]; /* CRLF, BOM, replaced bytes ...; [1] is zero for a single file */
    char sha256[2][65];        /* of the files as stored (wg_stream_sha256); [1] is "" for a single
                                * file, both are after max_pairs */
} wg_corpus_report;

/* Reads two files, line n of one beside line n of the other. WG_EFORMAT when the numbers of lines
 * differ (both are told) or nothing is left; errors of wg_reader_open and wg_reader_line. */
WG_API wg_status wg_corpus_read(const char *source, const char *target,
                                const wg_corpus_options *options, wg_corpus **out, wg_error *err);
/* Reads one file of lines `source ||| target`. A line must hold the separator exactly once. */
WG_API wg_status wg_corpus_read_joint(const char *path, const wg_corpus_options *options,
                                      wg_corpus **out, wg_error *err);
/* Reads one file as side 0 alone (language models; sentences to translate). */
WG_API wg_status wg_corpus_read_mono(const char *path, const wg_corpus_options *options,
                                     wg_corpus **out, wg_error *err);
/* Reads what is left of a stream, whose options stand above those of options->reader. */
WG_API wg_status wg_corpus_read_stream(wg_stream *stream, const wg_corpus_options *options,
                                       wg_corpus **out, wg_error *err);
WG_API void wg_corpus_free(wg_corpus *corpus);

WG_API int wg_corpus_sides(const wg_corpus *corpus); /* 1 or 2 */
WG_API int64_t wg_corpus_pairs(const wg_corpus *corpus);
WG_API const wg_corpus_report *wg_corpus_get_report(const wg_corpus *corpus);
/* Tokens of sentence i; 0 when out of range. */
WG_API int64_t wg_corpus_length(const wg_corpus *corpus, int side, int64_t i);
/* Line number of pair i in the files, from 1; 0 when out of range. */
WG_API int64_t wg_corpus_line(const wg_corpus *corpus, int64_t i);
/* Sentence i as its tokens joined by single spaces; *text is freed with wg_free. */
WG_API wg_status wg_corpus_text(const wg_corpus *corpus, int side, int64_t i, char **text,
                                wg_error *err);

/* Splits the pairs [0, n) by `seed`: *held gets round(share * n) of them, at least 1 and at most
 * n - 1; both lists are ascending and freed with wg_free. share in (0, 1). Needs two pairs. */
WG_API wg_status wg_corpus_split(const wg_corpus *corpus, double share, uint64_t seed,
                                 int64_t **train, int64_t *n_train, int64_t **held, int64_t *n_held,
                                 wg_error *err);

/* Vocabulary of the sides in `sides` (1 << WG_SOURCE | 1 << WG_TARGET) over the pairs subset[0..n);
 * subset NULL = all. min_count and max_size as in wg_vocab_finish. */
WG_API wg_status wg_corpus_vocab(const wg_corpus *corpus, unsigned sides, const int64_t *subset,
                                 int64_t n, uint64_t min_count, size_t max_size, wg_vocab **out,
                                 wg_error *err);

/* Encoded sentence pairs: sentence i of side s is id[s][start[s][i] .. start[s][i + 1]), without
 * <s> and </s>. All arrays are owned by the struct. */
typedef struct wg_pairs {
    int64_t n;
    int sides;
    int64_t *start[2]; /* n + 1 each */
    int32_t *id[2];
    int64_t *line;         /* n: line number in the files */
    int64_t unknown[2];    /* tokens that became <unk> */
    int32_t vocab_size[2]; /* ids are below this */
} wg_pairs;

/* Encodes the pairs subset[0..n) (NULL = all) with a vocabulary a side (target may be NULL for a
 * one-sided corpus). */
WG_API wg_status wg_corpus_encode(const wg_corpus *corpus, const wg_vocab *source,
                                  const wg_vocab *target, const int64_t *subset, int64_t n,
                                  wg_pairs **out, wg_error *err);
WG_API void wg_pairs_free(wg_pairs *pairs);

WG_END_DECLS

#endif
