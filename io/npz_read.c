/* Reading .npz: members are inflated straight into the tensor, with size and CRC-32 checked. */
#include <wengert/npz.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <wengert/memory.h>

#include "fileerror.h"
#include "npy.h"
#include "npz_private.h"
#include "zip.h"
#include "zmem.h"

enum { CHUNK = 1 << 16 };

typedef struct named {
    const char *name; /* without ".npy" */
    int64_t index;
} named;

struct wg_npz {
    wg_npz_options options;
    wg__source source;
    char *path;
    int fd;
    const unsigned char *memory;
    wg__member *members;
    size_t count;
    char **names; /* without ".npy" */
    bool *tensor;
    named *sorted; /* by name */
};

static wg_status file_read_at(void *user, uint64_t offset, void *bytes, size_t size, wg_error *err)
{
    const wg_npz *npz = user;
    char *at = bytes;
    while (size > 0) {
        ssize_t got = pread(npz->fd, at, size < (1u << 30) ? size : (1u << 30), (off_t)offset);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return wg__file_error(err, npz->path, "read", errno);
        if (got == 0)
            return wg_error_set(err, WG_EFORMAT, "%s: became shorter while it was read", npz->path);
        at += got;
        size -= (size_t)got;
        offset += (uint64_t)got;
    }
    return WG_OK;
}

static wg_status memory_read_at(void *user, uint64_t offset, void *bytes, size_t size,
                                wg_error *err)
{
    const wg_npz *npz = user;
    if (offset > npz->source.size || size > npz->source.size - offset)
        return wg_error_set(err, WG_EFORMAT, "%s: cut short", npz->path);
    memcpy(bytes, npz->memory + offset, size);
    return WG_OK;
}

static int by_name(const void *x, const void *y)
{
    return strcmp(((const named *)x)->name, ((const named *)y)->name);
}

/* Names as callers see them, sorted for lookup; a name twice would make lookup ambiguous. */
static wg_status index_names(wg_npz *npz, wg_error *err)
{
    npz->names = wg_calloc(npz->count, sizeof *npz->names);
    npz->tensor = wg_calloc(npz->count, sizeof *npz->tensor);
    npz->sorted = wg_reallocarray(NULL, npz->count, sizeof *npz->sorted);
    if (!npz->names || !npz->tensor || !npz->sorted) return wg__no_memory(err, npz->path);
    for (size_t i = 0; i < npz->count; i++) {
        const char *name = npz->members[i].name;
        size_t length = strlen(name);
        npz->names[i] = wg_strdup(name);
        if (!npz->names[i]) return wg__no_memory(err, npz->path);
        npz->tensor[i] = length > 4 && strcmp(name + length - 4, ".npy") == 0;
        if (npz->tensor[i]) npz->names[i][length - 4] = '\0';
        npz->sorted[i] = (named){npz->names[i], (int64_t)i};
    }
    qsort(npz->sorted, npz->count, sizeof *npz->sorted, by_name);
    for (size_t i = 0; i + 1 < npz->count; i++)
        if (strcmp(npz->sorted[i].name, npz->sorted[i + 1].name) == 0)
            return wg_error_set(err, WG_EFORMAT, "%s: two members are named '%s'", npz->path,
                                npz->sorted[i].name);
    return WG_OK;
}

static wg_status open_npz(const char *name, const void *bytes, size_t size,
                          const wg_npz_options *options, wg_npz **out, wg_error *err)
{
    *out = NULL;
    if (!name || !*name) return wg_error_set(err, WG_EINVAL, "file name is empty");
    wg_npz *npz = wg_calloc(1, sizeof *npz);
    if (!npz) return wg__no_memory(err, name);
    npz->fd = -1;
    wg__npz_defaults(&npz->options, options);
    wg_status status = WG_OK;
    npz->path = wg_strdup(name);
    if (!npz->path) {
        status = wg__no_memory(err, name);
    } else if (bytes) {
        npz->memory = bytes;
        npz->source = (wg__source){memory_read_at, npz, size, npz->path};
    } else {
        struct stat info;
        status = wg__open_read(name, &npz->fd, err);
        if (status == WG_OK && fstat(npz->fd, &info) != 0)
            status = wg__file_error(err, name, "read", errno);
        if (status == WG_OK && !S_ISREG(info.st_mode))
            status = wg_error_set(err, WG_EINVAL, "%s: not a regular file", name);
        if (status == WG_OK)
            npz->source = (wg__source){file_read_at, npz, (uint64_t)info.st_size, npz->path};
    }
    if (status == WG_OK)
        status =
            wg__zip_read_directory(&npz->source, &npz->options, &npz->members, &npz->count, err);
    if (status == WG_OK) status = index_names(npz, err);
    if (status != WG_OK) {
        wg_npz_close(npz);
        return status;
    }
    *out = npz;
    return WG_OK;
}

wg_status wg_npz_open(const char *path, const wg_npz_options *options, wg_npz **out, wg_error *err)
{
    return open_npz(path, NULL, 0, options, out, err);
}

wg_status wg_npz_open_memory(const char *name, const void *bytes, size_t size,
                             const wg_npz_options *options, wg_npz **out, wg_error *err)
{
    return open_npz(name, bytes ? bytes : "", size, options, out, err);
}

void wg_npz_close(wg_npz *npz)
{
    if (!npz) return;
    if (npz->fd >= 0) close(npz->fd);
    if (npz->names)
        for (size_t i = 0; i < npz->count; i++) wg_free(npz->names[i]);
    wg_free(npz->names);
    wg_free(npz->tensor);
    wg_free(npz->sorted);
    wg__zip_free(npz->members, npz->count);
    wg_free(npz->path);
    wg_free(npz);
}

int64_t wg_npz_count(const wg_npz *npz)
{
    return (int64_t)npz->count;
}

const char *wg_npz_name(const wg_npz *npz, int64_t i)
{
    return i >= 0 && (size_t)i < npz->count ? npz->names[i] : NULL;
}

bool wg_npz_is_tensor(const wg_npz *npz, int64_t i)
{
    return i >= 0 && (size_t)i < npz->count && npz->tensor[i];
}

int64_t wg_npz_find(const wg_npz *npz, const char *name)
{
    named key = {name, 0};
    const named *found = npz->count && name
                             ? bsearch(&key, npz->sorted, npz->count, sizeof *npz->sorted, by_name)
                             : NULL;
    return found ? found->index : -1;
}

/* A member being read from front to back. */
typedef struct stream {
    const wg_npz *npz;
    const wg__member *m;
    uint64_t taken; /* compressed bytes fetched */
    uint64_t given; /* bytes handed out */
    uint32_t crc;
    bool inflating, ended;
    z_stream z;
    unsigned char in[CHUNK];
    char name[600]; /* "FILE: member 'NAME'", for messages */
} stream;

static wg_status stream_open(const wg_npz *npz, int64_t i, stream **out, wg_error *err)
{
    *out = NULL;
    if (i < 0 || (size_t)i >= npz->count)
        return wg_error_set(err, WG_ENOTFOUND, "%s: no member %" PRId64, npz->path, i);
    stream *s = wg_calloc(1, sizeof *s);
    if (!s) return wg__no_memory(err, npz->path);
    s->npz = npz;
    s->m = &npz->members[i];
    snprintf(s->name, sizeof s->name, "%.300s: member '%.260s'", npz->path, s->m->name);
    s->z.zalloc = wg__zalloc;
    s->z.zfree = wg__zfree;
    if (s->m->method == WG__ZIP_DEFLATED) {
        if (inflateInit2(&s->z, -MAX_WBITS) != Z_OK) {
            wg_free(s);
            return wg__no_memory(err, npz->path);
        }
        s->inflating = true;
    }
    *out = s;
    return WG_OK;
}

static void stream_close(stream *s)
{
    if (!s) return;
    if (s->inflating) inflateEnd(&s->z);
    wg_free(s);
}

static wg_status refill(stream *s, wg_error *err)
{
    uint64_t left = s->m->stored - s->taken;
    size_t take = left < CHUNK ? (size_t)left : CHUNK;
    const wg__source *source = &s->npz->source;
    wg_status status = source->read_at(source->user, s->m->data + s->taken, s->in, take, err);
    s->taken += take;
    s->z.next_in = s->in;
    s->z.avail_in = (uInt)take;
    return status;
}

/* Inflates up to `size` bytes; *got is less only at the end of the deflate data. */
static wg_status inflate_into(stream *s, char *bytes, size_t size, size_t *got, wg_error *err)
{
    *got = 0;
    while (*got < size && !s->ended) {
        if (s->z.avail_in == 0 && s->taken < s->m->stored) {
            wg_status status = refill(s, err);
            if (status != WG_OK) return status;
        }
        size_t step = size - *got < (1u << 30) ? size - *got : (1u << 30);
        s->z.next_out = (Bytef *)bytes + *got;
        s->z.avail_out = (uInt)step;
        uInt in = s->z.avail_in;
        int code = inflate(&s->z, Z_NO_FLUSH);
        *got += step - s->z.avail_out;
        s->ended = code == Z_STREAM_END;
        if (code == Z_MEM_ERROR) return wg__no_memory(err, s->name);
        bool stuck = in == s->z.avail_in && step == s->z.avail_out;
        if ((code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR) || (stuck && !s->ended))
            return wg_error_set(err, WG_EFORMAT, "%s: damaged compressed data", s->name);
    }
    return WG_OK;
}

/* Exactly `size` bytes. */
static wg_status stream_read(stream *s, void *bytes, size_t size, wg_error *err)
{
    wg_status status;
    size_t got = size;
    if (size > s->m->size - s->given)
        return wg_error_set(err, WG_EFORMAT, "%s: too short", s->name);
    if (s->inflating) {
        status = inflate_into(s, bytes, size, &got, err);
    } else {
        const wg__source *source = &s->npz->source;
        status = source->read_at(source->user, s->m->data + s->given, bytes, size, err);
    }
    if (status != WG_OK) return status;
    if (got < size) return wg_error_set(err, WG_EFORMAT, "%s: too short", s->name);
    s->crc = (uint32_t)crc32_z(s->crc, bytes, size);
    s->given += size;
    return WG_OK;
}

/* All bytes were read: nothing may be left over, and the checksum must fit. */
static wg_status stream_finish(stream *s, wg_error *err)
{
    if (s->inflating) {
        char more;
        size_t got;
        wg_status status = inflate_into(s, &more, 1, &got, err);
        if (status != WG_OK) return status;
        if (got > 0 || !s->ended || s->z.avail_in > 0 || s->taken < s->m->stored)
            return wg_error_set(err, WG_EFORMAT, "%s: longer than it says", s->name);
    }
    if (s->crc != s->m->crc)
        return wg_error_set(err, WG_EFORMAT,
                            "%s: damaged (CRC-32 is %08" PRIx32 ", not %08" PRIx32 ")", s->name,
                            s->crc, s->m->crc);
    return WG_OK;
}

static wg_status read_header(stream *s, wg__npy *npy, wg_error *err)
{
    unsigned char prefix[WG__NPY_PREFIX];
    size_t begin, size;
    wg_status status = stream_read(s, prefix, 10, err);
    if (status == WG_OK && prefix[6] != 1) status = stream_read(s, prefix + 10, 2, err);
    if (status == WG_OK) status = wg__npy_prefix(s->name, prefix, &begin, &size, err);
    if (status != WG_OK) return status;
    if (size > s->m->size - s->given)
        return wg_error_set(err, WG_EFORMAT, "%s: too short for its header", s->name);
    char *text = wg_malloc(size);
    if (!text) return wg__no_memory(err, s->name);
    status = stream_read(s, text, size, err);
    if (status == WG_OK) status = wg__npy_parse(s->name, text, size, npy, err);
    wg_free(text);
    if (status == WG_OK && npy->data_size != s->m->size - s->given)
        status = wg_error_set(err, WG_EFORMAT,
                              "%s: its shape needs %zu bytes of data, but there are %" PRIu64,
                              s->name, npy->data_size, s->m->size - s->given);
    return status;
}

/* numpy's default integers, for as long as they fit. */
static wg_status read_i64(stream *s, wg_tensor *tensor, wg_error *err)
{
    int64_t part[512];
    int32_t *out = wg_tensor_data(tensor);
    int64_t count = wg_tensor_count(tensor);
    for (int64_t i = 0; i < count;) {
        int64_t n = count - i < 512 ? count - i : 512;
        wg_status status = stream_read(s, part, (size_t)n * sizeof *part, err);
        if (status != WG_OK) return status;
        for (int64_t k = 0; k < n; k++, i++) {
            if (part[k] < INT32_MIN || part[k] > INT32_MAX)
                return wg_error_set(err, WG_EOVERFLOW,
                                    "%s: element %" PRId64 " is %" PRId64
                                    ", which does not fit a 32-bit integer",
                                    s->name, i, part[k]);
            out[i] = (int32_t)part[k];
        }
    }
    return WG_OK;
}

wg_status wg_npz_read_tensor(wg_npz *npz, int64_t i, wg_tensor **out, wg_error *err)
{
    *out = NULL;
    stream *s;
    wg_status status = stream_open(npz, i, &s, err);
    if (status != WG_OK) return status;
    wg__npy npy;
    wg_tensor *tensor = NULL;
    if (!npz->tensor[i]) status = wg_error_set(err, WG_EINVAL, "%s is not a tensor", s->name);
    if (status == WG_OK) status = read_header(s, &npy, err);
    /* The data size equals what the member claims, which the size of the file bounds. */
    if (status == WG_OK) status = wg_tensor_new(npy.type.dtype, npy.type.shape, &tensor, err);
    if (status == WG_OK)
        status = npy.kind == WG__NPY_I8
                     ? read_i64(s, tensor, err)
                     : stream_read(s, wg_tensor_data(tensor), npy.data_size, err);
    if (status == WG_OK) status = stream_finish(s, err);
    stream_close(s);
    if (status != WG_OK) {
        wg_tensor_free(tensor);
        return status;
    }
    *out = tensor;
    return WG_OK;
}

wg_status wg_npz_read_bytes(wg_npz *npz, int64_t i, char **bytes, size_t *size, wg_error *err)
{
    *bytes = NULL;
    *size = 0;
    stream *s;
    wg_status status = stream_open(npz, i, &s, err);
    if (status != WG_OK) return status;
    char *text = s->m->size < SIZE_MAX ? wg_malloc((size_t)s->m->size + 1) : NULL;
    if (!text) status = wg__no_memory(err, s->name);
    if (status == WG_OK) status = stream_read(s, text, (size_t)s->m->size, err);
    if (status == WG_OK) status = stream_finish(s, err);
    if (status == WG_OK) {
        text[s->m->size] = '\0';
        *size = (size_t)s->m->size;
        *bytes = text;
        text = NULL;
    }
    wg_free(text);
    stream_close(s);
    return status;
}
