/* One span of a member, inflated piece by piece into its place: pure code on bytes. */
#ifndef WENGERT_IO_INFLATE_H
#define WENGERT_IO_INFLATE_H

#include <zlib.h>

#include "zip.h"

enum { WG__INFLATE_STATE = 48 << 10 }; /* what zlib takes, about */

typedef struct wg__inflate {
    const wg__member *member;
    uint64_t at, end; /* in the uncompressed member */
    uint64_t skip;    /* bytes at its front that are only summed */
    unsigned char *out;
    bool narrow, last, ended;
    bool boundary; /* what was inflated so far ends behind a flush */
    uint32_t crc;
    unsigned char part[8]; /* of a 64-bit integer */
    bool yield;            /* let other threads of this core go first now and then */
    size_t since;          /* bytes since that was done */
    bool ready;            /* the stream was initialised */
    z_stream z;
} wg__inflate;

/* For the span [at, at + size); `out` takes the bytes from `skip` on, or is NULL: only summed. The
 * state of an earlier span is used again; it must be zeroed before the first. */
void wg__inflate_begin(wg__inflate *inflate, const wg__member *member, uint64_t at, uint64_t size,
                       bool last, uint64_t skip, void *out, bool narrow);
/* The next piece of compressed bytes; with `end` it is the span's last, and all must be there. */
wg_status wg__inflate_piece(wg__inflate *inflate, const char *file, unsigned char *bytes,
                            size_t size, bool end, wg_error *err);
void wg__inflate_end(wg__inflate *inflate);

#endif
