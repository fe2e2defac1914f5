/* Writing .npz member by member; the directory follows at the end. */
#include <wengert/npz.h>

#include <string.h>

#include <wengert/atomicfile.h>
#include <wengert/memory.h>

#include "buffer.h"
#include "fileerror.h"
#include "npz_private.h"
#include "zip.h"

static void dispose(wg_npz_writer *w)
{
    wg_atomic_abort(w->file);
    wg__zip_free(w->members, w->count);
    wg_free(w->path);
    wg_free(w);
}

wg_status wg_npz_create(const char *path, const wg_npz_options *options, wg_npz_writer **out,
                        wg_error *err)
{
    *out = NULL;
    wg_npz_writer *w = wg_calloc(1, sizeof *w);
    if (!w) return wg__no_memory(err, path ? path : "");
    wg__npz_defaults(&w->options, options);
    w->chunk_log2 = 20;
    wg_status status = WG_OK;
    if (w->options.level < 1 || w->options.level > 9 ||
        (unsigned)w->options.compression > WG_NPZ_DEFLATE ||
        (unsigned)w->options.strategy > WG_NPZ_RLE)
        status = wg_error_set(err, WG_EINVAL, "%s: no such compression (levels are 1 to 9)",
                              path ? path : "");
    if (status == WG_OK) status = wg_atomic_open(path, &w->file, err);
    if (status == WG_OK && !(w->path = wg_strdup(path))) status = wg__no_memory(err, path);
    if (status != WG_OK) {
        dispose(w);
        return status;
    }
    *out = w;
    return WG_OK;
}

void wg__npz_force_zip64(wg_npz_writer *w)
{
    w->zip64 = true;
}

void wg__npz_force_chunks(wg_npz_writer *w, int log2)
{
    w->chunk_log2 = log2;
}

wg_status wg__writer_fail(wg_npz_writer *w, wg_status status, const char *fmt, ...)
{
    if (w->failed) return w->error.status;
    va_list args;
    va_start(args, fmt);
    wg_error_setv(&w->error, status, fmt, args);
    va_end(args);
    w->failed = true;
    return status;
}

wg_status wg__writer_write(wg_npz_writer *w, const void *bytes, size_t size)
{
    wg_status status = wg_atomic_write(w->file, bytes, size, &w->error);
    w->offset += size;
    w->failed = status != WG_OK;
    return status;
}

wg_status wg__writer_reserve(wg_npz_writer *w, size_t more)
{
    size_t need = w->count + more;
    if (need <= w->capacity) return WG_OK;
    size_t capacity = w->capacity ? w->capacity * 2 : 32;
    if (capacity < need) capacity = need;
    wg__member *members = wg_reallocarray(w->members, capacity, sizeof *members);
    if (!members) return wg__writer_fail(w, WG_ENOMEM, "%s: out of memory", w->path);
    w->members = members;
    w->capacity = capacity;
    return WG_OK;
}

bool wg__pack_tensor(wg__pack_item *item, const char *name, const wg_tensor *tensor,
                     char full[WG__ZIP_MAX_NAME + 1])
{
    size_t length = strlen(name);
    if (length + 4 > WG__ZIP_MAX_NAME || !wg__zip_name_ok(name, length)) return false;
    memcpy(full, name, length);
    memcpy(full + length, ".npy", 5);
    item->name = full;
    item->tensor = true;
    item->data = wg_tensor_cdata(tensor);
    item->size = wg_tensor_bytes(tensor);
    item->header_size = wg__npy_write(tensor, item->header);
    return true;
}

bool wg__pack_text(wg__pack_item *item, const char *name, const void *bytes, size_t size)
{
    size_t length = strlen(name);
    if (!wg__zip_name_ok(name, length)) return false;
    if (length >= 4 && strcmp(name + length - 4, ".npy") == 0) return false;
    item->name = name;
    item->tensor = false;
    item->data = bytes;
    item->size = size;
    item->header_size = 0;
    return true;
}

static void the_item(wg__pack *pack, size_t i, wg__pack_item *item)
{
    (void)i;
    *item = *(const wg__pack_item *)pack->owner;
}

static void finished(wg__pack *pack)
{
    (void)pack;
}

static wg_status add_member(wg_npz_writer *w, wg__pack_item *item)
{
    for (size_t i = 0; i < w->count; i++)
        if (strcmp(w->members[i].name, item->name) == 0)
            return wg__writer_fail(w, WG_EEXIST, "%s: member '%s' added twice", w->path,
                                   item->name);
    wg__threads threads;
    wg_status status = wg__writer_reserve(w, 1);
    if (status == WG_OK) {
        status = wg__threads_init(&threads, w->options.threads, &w->error);
        w->failed = status != WG_OK;
    }
    if (status != WG_OK) return status;
    wg__pack pack = {.crew = &threads.crew,
                     .writer = w,
                     .item = the_item,
                     .count = 1,
                     .memory = w->options.memory,
                     .finished = finished,
                     .owner = item};
    if (wg__pack_start(&pack, &w->error) != WG_OK) w->failed = true;
    wg__threads_run(&threads);
    wg__threads_end(&threads);
    return w->failed ? w->error.status : WG_OK;
}

static wg_status bad_name(wg_npz_writer *w, const char *name)
{
    size_t length = strlen(name);
    if (length >= 4 && length <= WG__ZIP_MAX_NAME && strcmp(name + length - 4, ".npy") == 0)
        return wg__writer_fail(w, WG_EINVAL, "%s: the name '%s' is kept for a tensor", w->path,
                               name);
    return wg__writer_fail(w, WG_EINVAL, "%s: '%.80s' cannot be the name of a member", w->path,
                           name);
}

/* The first error is told again. */
static wg_status told(const wg_npz_writer *w, wg_error *err)
{
    return wg_error_set(err, w->error.status, "%s", w->error.message);
}

wg_status wg_npz_add_tensor(wg_npz_writer *w, const char *name, const wg_tensor *tensor,
                            wg_error *err)
{
    char full[WG__ZIP_MAX_NAME + 1];
    wg__pack_item item;
    if (w->failed) return told(w, err);
    if (!wg__pack_tensor(&item, name, tensor, full))
        bad_name(w, name);
    else if (add_member(w, &item) == WG_OK)
        return WG_OK;
    return told(w, err);
}

wg_status wg_npz_add_bytes(wg_npz_writer *w, const char *name, const void *bytes, size_t size,
                           wg_error *err)
{
    wg__pack_item item;
    if (w->failed) return told(w, err);
    if (!wg__pack_text(&item, name, size ? bytes : "", size))
        bad_name(w, name);
    else if (add_member(w, &item) == WG_OK)
        return WG_OK;
    return told(w, err);
}

wg_status wg_npz_finish(wg_npz_writer *w, wg_error *err)
{
    if (!w) return wg_error_set(err, WG_EINVAL, "no .npz file to finish");
    wg__buf end = {0};
    if (!w->failed) {
        for (size_t i = 0; i < w->count; i++)
            wg__zip_central_header(&end, &w->members[i], w->zip64);
        wg__zip_end(&end, w->count, w->offset, end.size, w->zip64);
        if (end.failed)
            wg__writer_fail(w, WG_ENOMEM, "%s: out of memory", w->path);
        else
            wg__writer_write(w, end.data, end.size);
    }
    wg__buf_free(&end);
    wg_status status;
    if (w->failed) {
        status = wg_error_set(err, w->error.status, "%s", w->error.message);
    } else {
        status = wg_atomic_commit(w->file, err);
        w->file = NULL;
    }
    dispose(w);
    return status;
}

void wg_npz_abort(wg_npz_writer *w)
{
    if (w) dispose(w);
}
