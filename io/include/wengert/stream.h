/* Text as a stream: one or two sides, each in one file or in several (shards), plain or gzipped,
 * read ahead in bounded memory however long it is.
 *
 * Two sides stand side by side line by line, shard i of one beside shard i of the other; or one
 * side of lines `source ||| target` is cut in two. Line endings, UTF-8 and limits are those of
 * textfile.h. A stream belongs to one thread at a time. */
#ifndef WENGERT_STREAM_H
#define WENGERT_STREAM_H

#include <wengert/textfile.h>

WG_BEGIN_DECLS

/* Names of files: a pattern as of the shell (`*`, `?`, `[...]`) stands for all files that match it,
 * sorted by bytes, whatever the locale ("part-2" comes behind "part-10"); a name without such
 * characters, or of a file that is there, stands for itself. *paths has *n texts; it is freed with
 * wg_paths_free. WG_ENOTFOUND where nothing matches. */
WG_API wg_status wg_paths_expand(const char *pattern, char ***paths, size_t *n, wg_error *err);
WG_API void wg_paths_free(char **paths, size_t n);

typedef struct wg_stream wg_stream;

typedef struct wg_stream_options {
    size_t size; /* sizeof(wg_stream_options) */
    int sides;   /* 1 or 2 */
    /* Shards in the order in which they are read; copied. With two sides, `target` has as many, or
     * is NULL: then lines are `source ||| target`. "-" is standard input. */
    const char *const *source, *const *target;
    size_t n_source, n_target;
    wg_reader_options reader; /* reader.size may be 0 for the defaults */
} wg_stream_options;

/* Where the next pair begins: `shard` shards, in the order of this pass, are behind it. */
typedef struct wg_stream_place {
    uint64_t shard;
    wg_reader_place at[2]; /* in that shard, by side; [1] is zero for a single file */
} wg_stream_place;

/* What was read in the current pass, by side. */
typedef struct wg_stream_stats {
    uint64_t lines;            /* pairs handed out */
    wg_reader_stats reader[2]; /* sums over the shards; [1] is zero for a single file */
} wg_stream_stats;

/* Opens the first shard of each side. WG_EINVAL for numbers of files that do not fit; errors of
 * wg_reader_open. */
WG_API wg_status wg_stream_open(const wg_stream_options *options, wg_stream **out, wg_error *err);
WG_API void wg_stream_close(wg_stream *stream);
WG_API int wg_stream_sides(const wg_stream *stream);

/* The next line of each side, NUL-terminated, owned by the stream and valid until the next call (in
 * a `|||` line the source ends by its length alone). At the end text[0] is NULL. WG_EFORMAT where a
 * shard has more lines than the one beside it (both numbers are told) or where a line is not
 * `source ||| target`; errors of wg_reader_line. After an error the stream must be sought or
 * closed.
 */
WG_API wg_status wg_stream_next(wg_stream *stream, const char *text[2], size_t length[2],
                                wg_error *err);
/* File and line number, from 1 in that file, of what wg_stream_next gave last: for messages. */
WG_API const char *wg_stream_name(const wg_stream *stream, int side);
WG_API uint64_t wg_stream_line(const wg_stream *stream);

/* Starts a pass from the beginning, shards in the order given (shuffle = false) or in one that is a
 * function of (seed, pass) alone. Files must not be pipes. */
WG_API wg_status wg_stream_rewind(wg_stream *stream, bool shuffle, uint64_t seed, uint64_t pass,
                                  wg_error *err);
WG_API wg_stream_place wg_stream_tell(const wg_stream *stream);
/* Continues at a place that wg_stream_tell gave in a pass with the same order of shards, be it in
 * another process: wg_reader_seek, with its cost. Counters start from 0. */
WG_API wg_status wg_stream_seek(wg_stream *stream, wg_stream_place place, wg_error *err);

WG_API wg_stream_stats wg_stream_get_stats(const wg_stream *stream);
/* SHA-256, in hex, of a side's files as stored, one behind the other: what `cat SHARDS | sha256sum`
 * prints. WG_ESTATE before the end of a pass, or after one with shuffled shards or jumps. */
WG_API wg_status wg_stream_sha256(const wg_stream *stream, int side, char hex[65], wg_error *err);

WG_END_DECLS

#endif
