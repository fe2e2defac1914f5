/* The bytes of one text file, plain or gzipped, front to back, with the place in both. */
#ifndef WENGERT_IO_TEXTSOURCE_H
#define WENGERT_IO_TEXTSOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <wengert/status.h>

#include "sha256.h"

typedef struct wg__textsource wg__textsource;

typedef struct wg__textsource_options {
    uint64_t max_total_bytes;
    unsigned max_ratio;
    bool skip_hash;
    const wg__sha256 *hash; /* goes on from here; NULL = from the start */
} wg__textsource_options;

/* What is known after so many bytes. */
typedef struct wg__textsource_stats {
    uint64_t bytes;  /* of text, decompressed */
    uint64_t stored; /* read from the file */
    bool gzip;
    bool hashed; /* `hash` covers all of the file: only at its end, and without jumps before */
    wg__sha256 hash;
} wg__textsource_stats;

/* Opens a file ("-" is standard input) and looks at its first bytes. `name` is what messages call
 * it; it must live as long as the source. */
wg_status wg__textsource_open(const char *path, const char *name,
                              const wg__textsource_options *options, wg__textsource **out,
                              wg_error *err);
void wg__textsource_close(wg__textsource *s);
/* A file on a disk, where reading never waits for somebody to write? */
bool wg__textsource_is_file(const wg__textsource *s);
/* Some bytes of text, at most `room`; *got = 0 at the end only. One thread at a time, any. */
wg_status wg__textsource_read(wg__textsource *s, char *to, size_t room, size_t *got, wg_error *err);
/* Goes to a byte of the text. Plain files jump; gzip is inflated up to there, from its start where
 * the byte lies behind. WG_EINVAL where that is beyond the end, or where a pipe would have to go
 * back. */
wg_status wg__textsource_seek(wg__textsource *s, uint64_t byte, wg_error *err);
const wg__textsource_stats *wg__textsource_get_stats(const wg__textsource *s);

#endif
