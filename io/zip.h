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
    int fd;           /* of a file; -1 for memory */
} wg__source;

/* Where a large member can be inflated from the middle: the zip extra field of docs/formats.md.
 * Every chunk but the last has 2^log2 uncompressed bytes and ends in a full flush. */
typedef struct wg__flush_index {
    int log2;
    uint32_t count;    /* of chunks; 0: there is no index */
    uint32_t *lengths; /* compressed bytes of each */
} wg__flush_index;

enum {
    WG__INDEX_ID = 0x4757, /* "WG" */
    WG__INDEX_HEAD = 8,
    WG__INDEX_MIN_LOG2 = 6,
    WG__INDEX_MAX_LOG2 = 30,
    WG__INDEX_MAX_COUNT = 16000, /* an extra field has at most 65,535 bytes */
};

typedef struct wg__member {
    char *name; /* as in the archive */
    uint16_t method;
    uint32_t crc;
    uint64_t stored, size; /* compressed and not */
    uint64_t header;       /* offset of the local header */
    uint64_t data;         /* offset of the data */
    wg__flush_index index;
    bool descriptor; /* writing: CRC and sizes follow the data, for files without a way back */
} wg__member;

/* A regular file as a source; `path` must outlive it. Closing is fine after a failed opening too.
 */
wg_status wg__source_open(wg__source *source, const char *path, wg_error *err);
void wg__source_close(wg__source *source);

/* The limits of wg_npz_options, defaults filled in. */
void wg__npz_defaults(wg_npz_options *options, const wg_npz_options *given);

/* Is this a legal member name: UTF-8 without control characters, backslashes, empty or dotted path
 * components; at most 260 bytes. */
bool wg__zip_name_ok(const char *name, size_t length);

/* Reads and checks the directory. *members is freed with wg__zip_free. */
wg_status wg__zip_read_directory(const wg__source *source, const wg_npz_options *limits,
                                 wg__member **members, size_t *count, wg_error *err);
void wg__zip_free(wg__member *members, size_t count);

/* Reads the body of an extra field with WG__INDEX_ID. One of another kind or version is passed over
 * (count stays 0); false when it is damaged, *memory when memory is out. */
bool wg__zip_read_index(const unsigned char *field, size_t size, wg__member *m, bool *memory);

/* Append records; sizes and offset in zip64 form where they need it, or always with `zip64`. */
void wg__zip_local_header(wg__buf *out, const wg__member *m, bool zip64);
void wg__zip_descriptor(wg__buf *out, const wg__member *m, bool zip64);
void wg__zip_central_header(wg__buf *out, const wg__member *m, bool zip64);
void wg__zip_end(wg__buf *out, uint64_t count, uint64_t offset, uint64_t size, bool zip64);

/* Little-endian fields. */
uint16_t wg__get16(const unsigned char *p);
uint32_t wg__get32(const unsigned char *p);
uint64_t wg__get64(const unsigned char *p);

#endif
