/* Text out of a plain or gzipped file: reading, inflating, limits, fingerprint. Nothing here knows
 * of lines. */
#include "textsource.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fileerror.h"
#include "zmem.h"

enum { RAW = 1 << 16 };

/* Below this, a high ratio is only a short and regular text. */
#define RATIO_FROM (UINT64_C(64) << 20)

struct wg__textsource {
    const char *name;
    wg__textsource_options o;
    wg__textsource_stats stats;
    int fd;
    bool own_fd, end_of_file;
    bool jumped;    /* bytes were left out, so the hash means nothing */
    bool inflating; /* zlib's state exists */
    bool between;   /* between two gzip members: the file may end here */
    bool corrupt;   /* all text before the damage was handed out */
    bool pending;   /* the last output was full: zlib may hold more without further input */
    z_stream z;
    size_t first, n_first; /* plain: bytes of raw that were read to tell gzip from text */
    unsigned char raw[RAW];
};

static wg_status read_raw(wg__textsource *s, void *to, size_t room, size_t *got, wg_error *err)
{
    ssize_t n = wg__read(s->fd, to, room);
    if (n < 0) return wg__file_error(err, s->name, "read", errno);
    *got = (size_t)n;
    s->stats.stored += (uint64_t)n;
    if (!s->o.skip_hash) wg__sha256_add(&s->stats.hash, to, (size_t)n);
    if (n == 0) {
        s->end_of_file = true;
        s->stats.hashed = !s->o.skip_hash && !s->jumped;
    }
    return WG_OK;
}

static wg_status inflate_some(wg__textsource *s, char *to, size_t room, size_t *got, wg_error *err)
{
    if (room > 1u << 30) room = 1u << 30;
    for (;;) {
        if (s->corrupt)
            return wg_error_set(err, WG_EFORMAT, "%s: corrupt gzip data (%s)", s->name,
                                s->z.msg ? s->z.msg : "no detail");
        if (s->z.avail_in == 0 && !s->pending) {
            size_t n = 0;
            wg_status status = s->end_of_file ? WG_OK : read_raw(s, s->raw, RAW, &n, err);
            if (status != WG_OK) return status;
            if (s->end_of_file && !s->between)
                return wg_error_set(err, WG_EFORMAT,
                                    "%s: gzip data is cut short after %" PRIu64 " bytes", s->name,
                                    s->stats.stored);
            if (s->end_of_file) return WG_OK;
            s->z.next_in = s->raw;
            s->z.avail_in = (uInt)n;
        }
        if (s->between) {
            /* Padding with zeros is common on tapes; anything else must be another member. */
            while (s->z.avail_in > 0 && *s->z.next_in == 0) s->z.next_in++, s->z.avail_in--;
            if (s->z.avail_in == 0) continue;
            if (inflateReset(&s->z) != Z_OK)
                return wg_error_set(err, WG_EINTERNAL, "%s: cannot restart decompression", s->name);
            s->between = false;
        }
        s->z.next_out = (Bytef *)to;
        s->z.avail_out = (uInt)room;
        int code = inflate(&s->z, Z_NO_FLUSH);
        if (code == Z_MEM_ERROR) return wg__no_memory(err, s->name);
        s->pending = s->z.avail_out == 0 && code != Z_STREAM_END;
        s->corrupt = code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR;
        if (code == Z_STREAM_END) s->between = true;
        *got = room - s->z.avail_out;
        if (*got > 0) return WG_OK;
    }
}

static wg_status read_some(wg__textsource *s, char *to, size_t room, size_t *got, wg_error *err)
{
    *got = 0;
    if (s->stats.gzip) return inflate_some(s, to, room, got, err);
    if (s->first < s->n_first) {
        *got = s->n_first - s->first < room ? s->n_first - s->first : room;
        memcpy(to, s->raw + s->first, *got);
        s->first += *got;
        return WG_OK;
    }
    return s->end_of_file ? WG_OK : read_raw(s, to, room, got, err);
}

wg_status wg__textsource_read(wg__textsource *s, char *to, size_t room, size_t *got, wg_error *err)
{
    const wg__textsource_stats *t = &s->stats;
    uint64_t left = s->o.max_total_bytes - t->bytes;
    /* All that is allowed is handed out, so that it does not depend on the size of blocks where the
     * error comes. */
    bool full = left == 0;
    if (room > left) room = full ? 1 : (size_t)left;
    wg_status status = read_some(s, to, room, got, err);
    if (status != WG_OK) return status;
    if (full && *got > 0) {
        *got = 0;
        return wg_error_set(err, WG_ELIMIT, "%s: more than the limit of %" PRIu64 " bytes of text",
                            s->name, s->o.max_total_bytes);
    }
    s->stats.bytes += *got;
    if (t->gzip && t->bytes > RATIO_FROM && t->bytes / s->o.max_ratio > t->stored)
        return wg_error_set(err, WG_ELIMIT,
                            "%s: expands to more than %u times its size (%" PRIu64
                            " bytes so far); raise the limit if that is meant",
                            s->name, s->o.max_ratio, t->bytes);
    return WG_OK;
}

/* Tells gzip from text by the first two bytes; a pipe may give them one by one. */
static wg_status sniff(wg__textsource *s, wg_error *err)
{
    while (s->n_first < 2 && !s->end_of_file) {
        size_t got;
        wg_status status = read_raw(s, s->raw + s->n_first, RAW - s->n_first, &got, err);
        if (status != WG_OK) return status;
        s->n_first += got;
    }
    s->stats.gzip = s->n_first >= 2 && s->raw[0] == 0x1f && s->raw[1] == 0x8b;
    if (!s->stats.gzip) return WG_OK;
    s->z.zalloc = wg__zalloc;
    s->z.zfree = wg__zfree;
    s->z.next_in = s->raw;
    s->z.avail_in = (uInt)s->n_first;
    s->inflating = inflateInit2(&s->z, 16 + MAX_WBITS) == Z_OK;
    return s->inflating ? WG_OK : wg__no_memory(err, s->name);
}

wg_status wg__textsource_open(const char *path, const char *name,
                              const wg__textsource_options *options, wg__textsource **out,
                              wg_error *err)
{
    *out = NULL;
    wg__textsource *s = wg_calloc(1, sizeof *s);
    if (!s) return wg__no_memory(err, name);
    s->name = name;
    s->o = *options;
    if (options->hash)
        s->stats.hash = *options->hash;
    else
        wg__sha256_init(&s->stats.hash);
    wg_status status = WG_OK;
    if (strcmp(path, "-") != 0) {
        status = wg__open_read(path, &s->fd, err);
        s->own_fd = status == WG_OK;
    }
    if (status == WG_OK) status = sniff(s, err);
    if (status != WG_OK) {
        wg__textsource_close(s);
        return status;
    }
    *out = s;
    return WG_OK;
}

void wg__textsource_close(wg__textsource *s)
{
    if (!s) return;
    if (s->inflating) inflateEnd(&s->z);
    if (s->own_fd) close(s->fd);
    wg_free(s);
}

bool wg__textsource_is_file(const wg__textsource *s)
{
    struct stat info;
    return fstat(s->fd, &info) == 0 && S_ISREG(info.st_mode);
}

static wg_status jump(wg__textsource *s, uint64_t byte, wg_error *err)
{
    if (byte > INT64_MAX || lseek(s->fd, (off_t)byte, SEEK_SET) < 0)
        return wg__file_error(err, s->name, "go to a place in it",
                              byte > INT64_MAX ? EINVAL : errno);
    s->jumped = true;
    s->end_of_file = s->stats.hashed = false;
    s->first = s->n_first = 0;
    return WG_OK;
}

static wg_status skip(wg__textsource *s, uint64_t byte, wg_error *err)
{
    char scratch[1 << 14];
    while (s->stats.bytes < byte) {
        uint64_t left = byte - s->stats.bytes;
        size_t got;
        wg_status status = wg__textsource_read(
            s, scratch, left < sizeof scratch ? (size_t)left : sizeof scratch, &got, err);
        if (status != WG_OK) return status;
        if (got == 0)
            return wg_error_set(err, WG_EINVAL,
                                "%s has only %" PRIu64
                                " bytes of text, so there is no byte %" PRIu64
                                " to go on from; is it another file than before?",
                                s->name, s->stats.bytes, byte);
    }
    return WG_OK;
}

wg_status wg__textsource_seek(wg__textsource *s, uint64_t byte, wg_error *err)
{
    if (byte < s->stats.bytes && s->stats.gzip) {
        wg_status status = jump(s, 0, err);
        if (status != WG_OK) return status;
        if (inflateReset(&s->z) != Z_OK)
            return wg_error_set(err, WG_EINTERNAL, "%s: cannot restart decompression", s->name);
        s->z.avail_in = 0;
        s->between = s->corrupt = s->pending = false;
        s->stats.bytes = s->stats.stored = 0;
    } else if (!s->stats.gzip && byte != s->stats.bytes) {
        /* One byte before, which is then read, tells whether the file goes so far. */
        uint64_t near = byte > 0 ? byte - 1 : 0;
        wg_error why;
        wg_status status = jump(s, near, &why);
        if (status == WG_OK)
            s->stats.bytes = s->stats.stored = near;
        else if (byte < s->stats.bytes) /* a pipe goes forwards only */
            return wg_error_set(err, status, "%s", why.message);
    }
    return skip(s, byte, err);
}

const wg__textsource_stats *wg__textsource_get_stats(const wg__textsource *s)
{
    return &s->stats;
}
