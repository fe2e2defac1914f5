/* Reading .npz member by member: its directory, names, and new tensors from what it holds. */
#include <wengert/npz.h>

#include <inttypes.h>
#include <string.h>

#include <wengert/memory.h>

#include "fileerror.h"
#include "npz_names.h"
#include "unpack.h"
#include "zip.h"

struct wg_npz {
    wg_npz_options options;
    wg__source source;
    char *path;
    const unsigned char *memory;
    wg__member *members;
    size_t count;
    wg__names names;
};

static wg_status memory_read_at(void *user, uint64_t offset, void *bytes, size_t size,
                                wg_error *err)
{
    const wg_npz *npz = user;
    if (offset > npz->source.size || size > npz->source.size - offset)
        return wg_error_set(err, WG_EFORMAT, "%s: cut short", npz->path);
    memcpy(bytes, npz->memory + offset, size);
    return WG_OK;
}

static wg_status open_npz(const char *name, const void *bytes, size_t size,
                          const wg_npz_options *options, wg_npz **out, wg_error *err)
{
    *out = NULL;
    if (!name || !*name) return wg_error_set(err, WG_EINVAL, "file name is empty");
    wg_npz *npz = wg_calloc(1, sizeof *npz);
    if (!npz) return wg__no_memory(err, name);
    npz->source.fd = -1;
    wg__npz_defaults(&npz->options, options);
    wg_status status = WG_OK;
    npz->path = wg_strdup(name);
    if (!npz->path) {
        status = wg__no_memory(err, name);
    } else if (bytes) {
        npz->memory = bytes;
        npz->source = (wg__source){memory_read_at, npz, size, npz->path, -1};
    } else {
        status = wg__source_open(&npz->source, npz->path, err);
    }
    if (status == WG_OK)
        status =
            wg__zip_read_directory(&npz->source, &npz->options, &npz->members, &npz->count, err);
    if (status == WG_OK)
        status = wg__names_make(&npz->names, npz->path, npz->members, npz->count, err);
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
    wg__source_close(&npz->source);
    wg__names_free(&npz->names);
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
    return i >= 0 && (size_t)i < npz->count ? npz->names.name[i] : NULL;
}

bool wg_npz_is_tensor(const wg_npz *npz, int64_t i)
{
    return i >= 0 && (size_t)i < npz->count && npz->names.tensor[i];
}

int64_t wg_npz_find(const wg_npz *npz, const char *name)
{
    return wg__names_find(&npz->names, name);
}

static wg_status check_index(const wg_npz *npz, int64_t i, wg_error *err)
{
    if (i >= 0 && (size_t)i < npz->count) return WG_OK;
    return wg_error_set(err, WG_ENOTFOUND, "%s: no member %" PRId64, npz->path, i);
}

wg_status wg_npz_read_tensor(wg_npz *npz, int64_t i, wg_tensor **out, wg_error *err)
{
    *out = NULL;
    wg_status status = check_index(npz, i, err);
    if (status != WG_OK) return status;
    const wg__member *m = &npz->members[i];
    if (!npz->names.tensor[i])
        return wg_error_set(err, WG_EINVAL, "%s: member '%s' is not a tensor", npz->path, m->name);
    wg__npy npy;
    wg_tensor *tensor;
    wg__unpack_item item = {.member = m};
    status = wg__unpack_header(&npz->source, m, &npy, &item.skip, err);
    if (status != WG_OK) return status;
    /* The data size equals what the member claims, which the size of the file bounds. */
    status = wg_tensor_new(npy.type.dtype, npy.type.shape, &tensor, err);
    if (status != WG_OK) return status;
    item.out = wg_tensor_data(tensor);
    item.narrow = npy.kind == WG__NPY_I8;
    status = wg__unpack_now(&npz->source, &item, 1, &npz->options, err);
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
    wg_status status = check_index(npz, i, err);
    if (status != WG_OK) return status;
    const wg__member *m = &npz->members[i];
    char *text = m->size < SIZE_MAX ? wg_malloc((size_t)m->size + 1) : NULL;
    if (!text) return wg__no_memory(err, npz->path);
    wg__unpack_item item = {.member = m, .out = text};
    status = wg__unpack_now(&npz->source, &item, 1, &npz->options, err);
    if (status != WG_OK) {
        wg_free(text);
        return status;
    }
    text[m->size] = '\0';
    *size = (size_t)m->size;
    *bytes = text;
    return WG_OK;
}
