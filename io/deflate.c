/* zlib's deflate in one call. */
#include "deflate.h"

#include "zmem.h"

static bool prepare(wg__deflater *d, int level, int strategy)
{
    if (d->ready && d->level == level && d->strategy == strategy)
        return deflateReset(&d->z) == Z_OK;
    wg__deflate_end(d);
    d->z = (z_stream){.zalloc = wg__zalloc, .zfree = wg__zfree};
    d->level = level;
    d->strategy = strategy;
    /* The largest blocks: a code table is paid for less often. */
    d->ready = deflateInit2(&d->z, level, Z_DEFLATED, -MAX_WBITS, MAX_MEM_LEVEL, strategy) == Z_OK;
    return d->ready;
}

bool wg__deflate(wg__deflater *d, int level, int strategy, const void *const bytes[2],
                 const size_t size[2], bool end, wg__buf *out)
{
    if (!prepare(d, level, strategy)) return false;
    for (int i = 0; i < 2; i++) {
        size_t left = size[i];
        d->z.next_in = (Bytef *)(uintptr_t)bytes[i];
        d->z.avail_in = 0;
        int flush = i == 0 ? Z_NO_FLUSH : end ? Z_FINISH : Z_FULL_FLUSH;
        for (bool more = i == 1 || left > 0; more;) {
            if (d->z.avail_in == 0) {
                uInt step = left < (1u << 30) ? (uInt)left : (1u << 30);
                d->z.avail_in = step;
                left -= step;
            }
            size_t room = (size_t)d->z.avail_in + d->z.avail_in / 1024 + 512;
            if (!wg__buf_reserve(out, room)) return false;
            d->z.next_out = (Bytef *)out->data + out->size;
            d->z.avail_out =
                (uInt)(out->capacity - out->size < (1u << 30) ? out->capacity - out->size
                                                              : (1u << 30));
            uInt before = d->z.avail_out;
            int code = deflate(&d->z, left > 0 ? Z_NO_FLUSH : flush);
            out->size += before - d->z.avail_out;
            if (code == Z_STREAM_ERROR) return false;
            /* Room to spare: all of it is out. */
            more = left > 0 || d->z.avail_in > 0 ||
                   (flush == Z_FINISH ? code != Z_STREAM_END
                                      : flush == Z_FULL_FLUSH && d->z.avail_out == 0);
        }
    }
    return true;
}

void wg__deflate_end(wg__deflater *d)
{
    if (d->ready) deflateEnd(&d->z);
    d->ready = false;
}
