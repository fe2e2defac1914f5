/* The .npy header at the front of a member: as much is read and inflated as it takes. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "fileerror.h"
#include "unpack.h"
#include "zmem.h"

typedef struct front {
    const wg__source *source;
    const wg__member *m;
    uint64_t taken, given; /* compressed bytes read, plain bytes handed out */
    z_stream z;
    unsigned char in[2048];
    char name[600]; /* "FILE: member 'NAME'", for messages */
} front;

/* Exactly `size` bytes. */
static wg_status take(front *f, void *bytes, size_t size, wg_error *err)
{
    if (size > f->m->size - f->given)
        return wg_error_set(err, WG_EFORMAT, "%s: too short for its header", f->name);
    f->given += size;
    if (f->m->method == WG__ZIP_STORED)
        return f->source->read_at(f->source->user, f->m->data + f->given - size, bytes, size, err);
    f->z.next_out = bytes;
    f->z.avail_out = (uInt)size;
    while (f->z.avail_out > 0) {
        if (f->z.avail_in == 0 && f->taken < f->m->stored) {
            uint64_t left = f->m->stored - f->taken;
            size_t step = left < sizeof f->in ? (size_t)left : sizeof f->in;
            wg_status status =
                f->source->read_at(f->source->user, f->m->data + f->taken, f->in, step, err);
            if (status != WG_OK) return status;
            f->taken += step;
            f->z.next_in = f->in;
            f->z.avail_in = (uInt)step;
        }
        int code = inflate(&f->z, Z_NO_FLUSH);
        if (code == Z_MEM_ERROR) return wg__no_memory(err, f->name);
        if (code == Z_STREAM_END && f->z.avail_out > 0)
            return wg_error_set(err, WG_EFORMAT, "%s: too short", f->name);
        if (code != Z_OK && code != Z_STREAM_END)
            return wg_error_set(err, WG_EFORMAT, "%s: damaged compressed data", f->name);
    }
    return WG_OK;
}

static wg_status read_header(front *f, wg__npy *npy, wg_error *err)
{
    unsigned char prefix[WG__NPY_PREFIX];
    size_t begin, size;
    wg_status status = take(f, prefix, 10, err);
    if (status == WG_OK && prefix[6] != 1) status = take(f, prefix + 10, 2, err);
    if (status == WG_OK) status = wg__npy_prefix(f->name, prefix, &begin, &size, err);
    if (status != WG_OK) return status;
    if (size > f->m->size - f->given)
        return wg_error_set(err, WG_EFORMAT, "%s: too short for its header", f->name);
    char *text = wg_malloc(size);
    if (!text) return wg__no_memory(err, f->name);
    status = take(f, text, size, err);
    if (status == WG_OK) status = wg__npy_parse(f->name, text, size, npy, err);
    wg_free(text);
    if (status == WG_OK && npy->data_size != f->m->size - f->given)
        status = wg_error_set(err, WG_EFORMAT,
                              "%s: its shape needs %zu bytes of data, but there are %" PRIu64,
                              f->name, npy->data_size, f->m->size - f->given);
    return status;
}

wg_status wg__unpack_header(const wg__source *source, const wg__member *m, wg__npy *npy,
                            uint64_t *begin, wg_error *err)
{
    front f = {.source = source, .m = m, .z = {.zalloc = wg__zalloc, .zfree = wg__zfree}};
    snprintf(f.name, sizeof f.name, "%.300s: member '%.260s'", source->name, m->name);
    if (inflateInit2(&f.z, -MAX_WBITS) != Z_OK) return wg__no_memory(err, f.name);
    wg_status status = read_header(&f, npy, err);
    inflateEnd(&f.z);
    *begin = f.given;
    return status;
}
