/* The zip container: records to and from bytes, and the checked directory of an archive.
 *
 * Pure code over a source of bytes (a file, or memory), so that it can be fuzzed and later be fed
 * by asynchronous reads. Numbers refer to PKWARE's APPNOTE.TXT 6.3. */
#ifndef WENGERT_IO_ZIP_H
#define WENGERT_IO_ZIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <wengert/npz.h>

#include "buffer.h"

enum { WG__ZIP_STORED = 0, WG__ZIP_DEFLATED = 8, WG__ZIP_MAX_NAME = 260 };

/* Where the bytes of an archive come from. read_at must deliver all `size` bytes or fail. */
typedef struct wg__source {
    wg_status (*read_at)(void *user, uint64_t offset, void *bytes, size_t size, wg_error *err);
    void *user;
    uint64_t size;
    const char *name; /* for messages */
} wg__source;

typedef struct wg__member {
    char *name; /* as in the archive */
    uint16_t method;
    uint32_t crc;
    uint64_t stored, size; /* compressed and not */
    uint64_t header;       /* offset of the local header */
    uint64_t data;         /* offset of the data */
} wg__member;

/* The limits of wg_npz_options, defaults filled in. */
void wg__npz_defaults(wg_npz_options *options, const wg_npz_options *given);

/* Is this a legal member name: UTF-8 without control characters, backslashes, empty or dotted path
 * components; at most 260 bytes. */
bool wg__zip_name_ok(const char *name, size_t length);

/* Reads and checks the directory. *members is freed with wg__zip_free. */
wg_status wg__zip_read_directory(const wg__source *source, const wg_npz_options *limits,
                                 wg__member **members, size_t *count, wg_error *err);
void wg__zip_free(wg__member *members, size_t count);

/* Append records; sizes and offset in zip64 form where they need it, or always with `zip64`. */
void wg__zip_local_header(wg__buf *out, const wg__member *m, bool zip64);
void wg__zip_central_header(wg__buf *out, const wg__member *m, bool zip64);
void wg__zip_end(wg__buf *out, uint64_t count, uint64_t offset, uint64_t size, bool zip64);

/* Little-endian fields. */
uint16_t wg__get16(const unsigned char *p);
uint32_t wg__get32(const unsigned char *p);
uint64_t wg__get64(const unsigned char *p);

#endif
