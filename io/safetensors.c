/* Reading safetensors: eight bytes of header length, JSON (safetensors_header.c), data. */
#include "safetensors_header.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <wengert/memory.h>

#include "fileerror.h"
#include "half.h"

/* cJSON takes up to some 64 bytes for two of the header, so this bounds what a file can ask for. */
#define MAX_HEADER ((uint64_t)8 << 20)

static wg_status read_at(wg_safetensors *f, uint64_t at, void *to, size_t size, wg_error *err)
{
    if (f->bytes) {
        memcpy(to, f->bytes + at, size);
        return WG_OK;
    }
    while (size > 0) {
        ssize_t got = pread(f->fd, to, size > 1u << 30 ? 1u << 30 : size, (off_t)at);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return wg__file_error(err, f->name, "read", errno);
        if (got == 0)
            return wg_error_set(err, WG_EFORMAT, "%s: became shorter while it was read", f->name);
        to = (char *)to + got;
        at += (uint64_t)got;
        size -= (size_t)got;
    }
    return WG_OK;
}

static wg_status read_header(wg_safetensors *f, wg_error *err)
{
    unsigned char head[8];
    uint64_t size = 0;
    if (f->size < 10) return wg__safetensors_malformed(f, NULL, "it is too short", err);
    wg_status status = read_at(f, 0, head, 8, err);
    if (status != WG_OK) return status;
    for (int i = 8; i-- > 0;) size = size << 8 | head[i];
    if (size > f->size - 8)
        return wg__safetensors_malformed(f, NULL, "its header goes beyond its end", err);
    if (size > MAX_HEADER)
        return wg_error_set(err, WG_ELIMIT,
                            "%s: a header of %" PRIu64 " bytes, the limit is %" PRIu64, f->name,
                            size, MAX_HEADER);
    char *json = wg_malloc((size_t)size + 1);
    if (!json) return wg__no_memory(err, f->name);
    status = read_at(f, 8, json, (size_t)size, err);
    f->data = 8 + size;
    if (status == WG_OK && (size == 0 || *json != '{'))
        status = wg__safetensors_malformed(f, NULL, "its header does not begin with '{'", err);
    if (status == WG_OK) status = wg__safetensors_parse(f, json, (size_t)size, err);
    wg_free(json);
    return status;
}

static wg_status make(const char *name, wg_safetensors **out, wg_error *err)
{
    *out = wg_calloc(1, sizeof **out);
    if (!*out) return wg__no_memory(err, name);
    (*out)->fd = -1;
    (*out)->name = wg_strdup(name);
    return (*out)->name ? WG_OK : wg__no_memory(err, name);
}

static wg_status finish(wg_status status, wg_safetensors *f, wg_safetensors **out)
{
    *out = f;
    if (status == WG_OK) return WG_OK;
    wg_safetensors_close(f);
    *out = NULL;
    return status;
}

wg_status wg_safetensors_open(const char *path, wg_safetensors **out, wg_error *err)
{
    *out = NULL;
    if (!path || !*path) return wg_error_set(err, WG_EINVAL, "file name is empty");
    wg_safetensors *f;
    wg_status status = make(path, &f, err);
    if (status == WG_OK) status = wg__open_read(path, &f->fd, err);
    struct stat info;
    if (status == WG_OK && fstat(f->fd, &info) != 0)
        status = wg__file_error(err, path, "read", errno);
    if (status == WG_OK) {
        f->size = (uint64_t)info.st_size;
        status = read_header(f, err);
    }
    return finish(status, f, out);
}

wg_status wg_safetensors_open_memory(const char *name, const void *bytes, size_t size,
                                     wg_safetensors **out, wg_error *err)
{
    wg_safetensors *f;
    wg_status status = make(name, &f, err);
    if (status == WG_OK) {
        f->bytes = bytes;
        f->size = size;
        status = read_header(f, err);
    }
    return finish(status, f, out);
}

void wg_safetensors_close(wg_safetensors *f)
{
    if (!f) return;
    for (int64_t i = 0; i < f->n; i++) wg_free(f->entry[i].name);
    for (int64_t i = 0; i < f->n_metadata; i++) {
        wg_free(f->metadata[i].key);
        wg_free(f->metadata[i].value);
    }
    wg_free(f->entry);
    wg_free(f->metadata);
    if (f->fd >= 0) close(f->fd);
    wg_free(f->name);
    wg_free(f);
}

int64_t wg_safetensors_count(const wg_safetensors *f)
{
    return f->n;
}

static const wg__st_entry *at(const wg_safetensors *f, int64_t i)
{
    return i >= 0 && i < f->n ? &f->entry[i] : NULL;
}

const char *wg_safetensors_name(const wg_safetensors *f, int64_t i)
{
    return at(f, i) ? at(f, i)->name : NULL;
}

const char *wg_safetensors_dtype(const wg_safetensors *f, int64_t i)
{
    return at(f, i) ? at(f, i)->element->name : NULL;
}

wg_shape wg_safetensors_shape(const wg_safetensors *f, int64_t i)
{
    return at(f, i) ? at(f, i)->shape : WG_SCALAR;
}

int64_t wg_safetensors_find(const wg_safetensors *f, const char *name)
{
    for (int64_t i = 0; i < f->n; i++)
        if (strcmp(f->entry[i].name, name) == 0) return i;
    return -1;
}

int64_t wg_safetensors_metadata_count(const wg_safetensors *f)
{
    return f->n_metadata;
}

const char *wg_safetensors_metadata(const wg_safetensors *f, int64_t i, const char **value)
{
    if (i < 0 || i >= f->n_metadata) return NULL;
    *value = f->metadata[i].value;
    return f->metadata[i].key;
}

/* Element k of a narrow or wide type as i32; false where it does not fit. */
static bool as_i32(const wg__st_element *e, const unsigned char *from, int32_t *to)
{
    uint64_t bits = 0;
    for (size_t i = e->size; i-- > 0;) bits = bits << 8 | from[i];
    if (e->name[0] == 'U') {
        *to = (int32_t)bits;
        return bits <= INT32_MAX;
    }
    unsigned shift = 64 - 8 * (unsigned)e->size;
    int64_t value = (int64_t)(bits << shift) >> shift;
    *to = (int32_t)value;
    return value >= INT32_MIN && value <= INT32_MAX;
}

static wg_status convert(wg_safetensors *f, const wg__st_entry *e, wg_tensor *t, wg_error *err)
{
    unsigned char chunk[1 << 14];
    const size_t size = e->element->size;
    bool bf16 = e->element->name[0] == 'B', half = wg_tensor_dtype(t) == WG_F32;
    uint64_t place = f->data + e->begin;
    int64_t count = wg_tensor_count(t), k = 0;
    while (k < count) {
        size_t n = sizeof chunk / size;
        if ((int64_t)n > count - k) n = (size_t)(count - k);
        wg_status status = read_at(f, place, chunk, n * size, err);
        if (status != WG_OK) return status;
        for (size_t i = 0; i < n; i++, k++) {
            const unsigned char *from = chunk + i * size;
            uint16_t bits = (uint16_t)(from[0] | (size > 1 ? from[1] << 8 : 0));
            if (half)
                ((float *)wg_tensor_data(t))[k] = bf16 ? wg__from_bf16(bits) : wg__from_f16(bits);
            else if (!as_i32(e->element, from, (int32_t *)wg_tensor_data(t) + k))
                return wg_error_set(err, WG_ELIMIT,
                                    "%s: tensor '%.200s': element %" PRId64 " does not fit i32",
                                    f->name, e->name, k);
        }
        place += n * size;
    }
    return WG_OK;
}

wg_status wg_safetensors_read(wg_safetensors *f, int64_t i, wg_tensor **out, wg_error *err)
{
    const wg__st_entry *e = at(f, i);
    *out = NULL;
    if (!e) return wg_error_set(err, WG_EINVAL, "%s: no tensor %" PRId64, f->name, i);
    if (e->element->dtype < 0)
        return wg_error_set(err, WG_EDTYPE, "%s: tensor '%.200s' is %s, which is not read", f->name,
                            e->name, e->element->name);
    if (e->too_deep)
        return wg_error_set(err, WG_ELIMIT, "%s: tensor '%.200s' has more than %d axes", f->name,
                            e->name, WG_MAX_AXES);
    wg_tensor *t;
    wg_dtype dtype = (wg_dtype)e->element->dtype;
    wg_status status = wg_tensor_new(dtype, e->shape, &t, err);
    if (status != WG_OK) return status;
    if (wg_dtype_size(dtype) == e->element->size)
        status = read_at(f, f->data + e->begin, wg_tensor_data(t), wg_tensor_bytes(t), err);
    else
        status = convert(f, e, t, err);
    if (status != WG_OK) {
        wg_tensor_free(t);
        return status;
    }
    *out = t;
    return WG_OK;
}
