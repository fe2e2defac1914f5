/* One piece of a member, deflated: pure code on bytes. */
#ifndef WENGERT_IO_DEFLATE_H
#define WENGERT_IO_DEFLATE_H

#include <zlib.h>

#include "buffer.h"

enum { WG__DEFLATE_STATE = 400 << 10 }; /* what zlib takes, about */

/* A stream that is used again; zeroed before the first use. */
typedef struct wg__deflater {
    z_stream z;
    bool ready;
    int level, strategy;
} wg__deflater;

/* Appends two pieces of bytes, one after the other, as raw deflate data: all of it with `end`, or
 * up to a full flush, behind which another such piece may stand. False when memory is out. */
bool wg__deflate(wg__deflater *deflater, int level, int strategy, const void *const bytes[2],
                 const size_t size[2], bool end, wg__buf *out);
void wg__deflate_end(wg__deflater *deflater);

#endif
