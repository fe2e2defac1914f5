/* Reading lines of plain or gzipped text with bounded memory.
 *
 * Gzip is known by its magic bytes, not by the name. A reader belongs to one thread at a time. */
#ifndef WENGERT_TEXTFILE_H
#define WENGERT_TEXTFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <wengert/status.h>

WG_BEGIN_DECLS

typedef struct wg_reader wg_reader;

/* What to do with bytes that are not UTF-8. */
typedef enum wg_utf8_policy {
    WG_UTF8_REFUSE = 0,  /* fail with file, line and byte offset */
    WG_UTF8_REPLACE = 1, /* each invalid sequence becomes U+FFFD; counted */
} wg_utf8_policy;

/* Zero in any field means its default. */
typedef struct wg_reader_options {
    size_t size;              /* sizeof(wg_reader_options) */
    size_t max_line_bytes;    /* default 1 MiB, line ending not counted */
    size_t max_line_tokens;   /* default 100,000 */
    uint64_t max_total_bytes; /* after decompression; default 64 GiB */
    unsigned max_ratio;       /* decompressed : compressed once 64 MiB are out; default 200 */
    wg_utf8_policy invalid_utf8;
    unsigned ahead;   /* blocks of 256 KiB of text that libuv's pool reads and inflates ahead; 0:
                       * the calling thread reads, as it always does where the file is a pipe or a
                       * terminal; at most 64 */
    bool nfc;         /* lines are brought to Unicode's normalisation form C */
    bool skip_sha256; /* wg_reader_sha256 is not wanted; saves its time */
} wg_reader_options;

/* Counters of what was read so far. */
typedef struct wg_reader_stats {
    uint64_t lines;        /* lines handed out; the number of the last one */
    uint64_t bytes;        /* decompressed, up to the end of the block in use */
    uint64_t bytes_stored; /* as they lie in the file, up to there */
    uint64_t crlf_lines;   /* lines whose trailing CR was stripped */
    uint64_t replaced;     /* invalid sequences replaced (WG_UTF8_REPLACE) */
    uint64_t normalized;   /* lines that were not in form C (nfc) */
    bool gzip;
    bool bom;          /* a byte order mark was dropped */
    bool unterminated; /* the last line had no newline */
} wg_reader_stats;

/* Opens `path` ("-" is standard input) for reading; `options` may be NULL. Fails with WG_ENOTFOUND,
 * WG_EPERM, WG_EINVAL (a directory), WG_EIO, WG_ENOMEM; every message names the file. */
WG_API wg_status wg_reader_open(const char *path, const wg_reader_options *options, wg_reader **out,
                                wg_error *err);

/* The next line without its line ending (LF or CRLF). *text is NUL-terminated, owned by the reader
 * and valid until the next call; *length does not count the NUL. At the end of the file returns
 * WG_OK with *text = NULL. WG_EFORMAT: invalid UTF-8, a NUL byte, truncated or corrupt gzip;
 * WG_ELIMIT: a limit of the options; WG_EIO. After an error the reader stays failed and repeats it.
 */
WG_API wg_status wg_reader_line(wg_reader *reader, const char **text, size_t *length,
                                wg_error *err);

/* Where the next line begins. */
typedef struct wg_reader_place {
    uint64_t byte; /* of the decompressed text */
    uint64_t line; /* lines before it */
} wg_reader_place;
WG_API wg_reader_place wg_reader_tell(const wg_reader *reader);
/* Continues there, be it in another process than the one that asked for it. The numbers of lines in
 * messages go on from place.line; other counters are left as they are. A plain file jumps; a
 * gzipped one is inflated up to the place, from its start where the place lies behind (some 180 MB
 * of text a second). WG_EINVAL where the text is shorter or no line begins there, or where a pipe
 * would have to go back; errors of wg_reader_line. */
WG_API wg_status wg_reader_seek(wg_reader *reader, wg_reader_place place, wg_error *err);

WG_API wg_reader_stats wg_reader_get_stats(const wg_reader *reader);
/* The name for messages ("standard input" for "-"). */
WG_API const char *wg_reader_name(const wg_reader *reader);
/* SHA-256, in hex, of the bytes as stored in the file (what sha256sum prints). WG_ESTATE before the
 * end of the file was reached, or when it was not read from its start. */
WG_API wg_status wg_reader_sha256(const wg_reader *reader, char hex[65], wg_error *err);
WG_API void wg_reader_close(wg_reader *reader);

/* Splits at ASCII white space (space, tab, CR, VT, FF): false when no token is left. Unicode spaces
 * such as U+00A0 are part of a token, as in Moses and sacreBLEU's "none". */
WG_API bool wg_next_token(const char **cursor, const char *end, const char **token, size_t *length);

/* A line in memory in normalisation form C, as a reader with `nfc` hands it out; what is not UTF-8
 * becomes U+FFFD. *text is NUL-terminated and freed with wg_free. Any thread. WG_ENOMEM. */
WG_API wg_status wg_line_nfc(const char *line, size_t length, char **text, wg_error *err);

WG_END_DECLS

#endif
