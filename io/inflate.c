/* Inflating one span: bounds first, then bytes. */
#include "inflate.h"

#include <inttypes.h>
#include <sched.h>
#include <string.h>

#include "fileerror.h"
#include "zmem.h"

/* What is inflated at a time: it is summed while the cache still has it, and a thread of a loop's
 * pool lets others go first about every 0.3 ms. */
enum { STEP = 1 << 16 };

void wg__inflate_begin(wg__inflate *s, const wg__member *m, uint64_t at, uint64_t size, bool last,
                       uint64_t skip, void *out, bool narrow)
{
    s->member = m;
    s->at = at;
    s->end = at + size;
    s->skip = skip;
    s->out = out;
    s->narrow = narrow;
    s->last = last;
    s->ended = s->boundary = false;
    s->crc = 0;
    if (s->ready) inflateReset(&s->z);
}

void wg__inflate_end(wg__inflate *s)
{
    if (s->ready) inflateEnd(&s->z);
    s->ready = false;
}

static wg_status bad(const wg__inflate *s, const char *file, const char *what, wg_error *err)
{
    return wg_error_set(err, WG_EFORMAT, "%s: member '%s': %s", file, s->member->name, what);
}

/* numpy's default integers, for as long as they fit; `bytes` begin `from` bytes behind the header.
 */
static wg_status narrow(wg__inflate *s, const char *file, const unsigned char *bytes, size_t size,
                        uint64_t from, wg_error *err)
{
    for (size_t i = 0; i < size; i++) {
        uint64_t place = from + i;
        s->part[place % 8] = bytes[i];
        if (place % 8 < 7) continue;
        int64_t value;
        memcpy(&value, s->part, sizeof value);
        if (value < INT32_MIN || value > INT32_MAX)
            return wg_error_set(err, WG_EOVERFLOW,
                                "%s: member '%s': element %" PRIu64 " is %" PRId64
                                ", which does not fit a 32-bit integer",
                                file, s->member->name, place / 8, value);
        int32_t small = (int32_t)value;
        memcpy(s->out + place / 8 * 4, &small, 4);
    }
    return WG_OK;
}

/* Where the next bytes go, and how many may: their place, or `scratch`. */
static unsigned char *place(const wg__inflate *s, unsigned char *scratch, size_t scratch_size,
                            size_t *room)
{
    uint64_t left = s->end - s->at;
    bool direct = s->at >= s->skip && s->out && !s->narrow;
    if (s->at < s->skip && s->skip - s->at < left) left = s->skip - s->at;
    size_t most = direct ? STEP : scratch_size;
    *room = left < most ? (size_t)left : most;
    return direct ? s->out + (s->at - s->skip) : scratch;
}

/* `size` bytes came out at the place given. */
static wg_status account(wg__inflate *s, const char *file, const unsigned char *bytes, size_t size,
                         wg_error *err)
{
    wg_status status = WG_OK;
    s->crc = (uint32_t)crc32_z(s->crc, bytes, size);
    if (s->narrow && s->out && s->at >= s->skip)
        status = narrow(s, file, bytes, size, s->at - s->skip, err);
    s->at += size;
    s->since += size;
    if (s->yield && s->since >= STEP) {
        s->since = 0;
        sched_yield();
    }
    return status;
}

static wg_status copy_piece(wg__inflate *s, const char *file, const unsigned char *bytes,
                            size_t size, wg_error *err)
{
    unsigned char scratch[4096];
    while (size > 0) {
        size_t room;
        unsigned char *to = place(s, scratch, sizeof scratch, &room);
        if (room == 0) return bad(s, file, "longer than it says", err);
        if (room > size) room = size;
        memcpy(to, bytes, room);
        wg_status status = account(s, file, to, room, err);
        if (status != WG_OK) return status;
        bytes += room;
        size -= room;
    }
    return WG_OK;
}

static wg_status inflate_bytes(wg__inflate *s, const char *file, unsigned char *bytes, size_t size,
                               wg_error *err)
{
    unsigned char scratch[4096];
    s->z.next_in = bytes;
    s->z.avail_in = (uInt)size;
    for (;;) {
        size_t room;
        unsigned char *to = place(s, scratch, sizeof scratch, &room);
        /* A byte too many shows that the data is longer; none, and the end is still read. */
        bool full = room == 0;
        if (full) to = scratch, room = 1;
        s->z.next_out = to;
        s->z.avail_out = (uInt)room;
        int code = inflate(&s->z, Z_NO_FLUSH);
        size_t got = room - s->z.avail_out;
        if (code == Z_MEM_ERROR) return wg__no_memory(err, file);
        if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR)
            return bad(s, file, "damaged compressed data", err);
        if (full && got > 0) return bad(s, file, "longer than it says", err);
        wg_status status = account(s, file, to, got, err);
        if (status != WG_OK) return status;
        if (code == Z_STREAM_END) {
            s->ended = true;
            return s->z.avail_in > 0 ? bad(s, file, "longer than it says", err) : WG_OK;
        }
        /* A call that does nothing says nothing. */
        if (code == Z_OK) s->boundary = s->z.data_type == 128;
        if (code == Z_BUF_ERROR || (s->z.avail_in == 0 && s->z.avail_out > 0)) break;
    }
    return s->z.avail_in > 0 ? bad(s, file, "damaged compressed data", err) : WG_OK;
}

wg_status wg__inflate_piece(wg__inflate *s, const char *file, unsigned char *bytes, size_t size,
                            bool end, wg_error *err)
{
    wg_status status;
    bool deflated = s->member->method == WG__ZIP_DEFLATED;
    if (s->ended && size > 0) return bad(s, file, "longer than it says", err);
    if (deflated && !s->ready) {
        s->z = (z_stream){.zalloc = wg__zalloc, .zfree = wg__zfree};
        if (inflateInit2(&s->z, -MAX_WBITS) != Z_OK) return wg__no_memory(err, file);
        s->ready = true;
    }
    status =
        deflated ? inflate_bytes(s, file, bytes, size, err) : copy_piece(s, file, bytes, size, err);
    if (status != WG_OK || !end) return status;
    if (s->at < s->end) return bad(s, file, "too short", err);
    if (!deflated) return WG_OK;
    /* The last span ends the deflate data. Any other ends behind a flush: at a byte's boundary
     * between blocks (zlib.h on data_type). As no chunk looks back beyond its start, which
     * inflating it alone has shown, the member reads the same from front to back. */
    if (s->last ? !s->ended : s->ended || !s->boundary)
        return bad(s, file, "damaged compressed data", err);
    return WG_OK;
}
