/* Writing .npz: a member is compressed in memory, then written with its header; the directory
 * follows at the end. */
#include <wengert/npz.h>

#include <string.h>

#include <wengert/atomicfile.h>
#include <wengert/memory.h>

#include "buffer.h"
#include "fileerror.h"
#include "npy.h"
#include "npz_private.h"
#include "zip.h"
#include "zmem.h"

struct wg_npz_writer {
    wg_npz_options options;
    wg_atomic *file;
    char *path;
    uint64_t offset;
    wg__member *members;
    size_t count, capacity;
    bool zip64, failed;
    wg_error error;
};

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
    wg_status status = WG_OK;
    if (w->options.level < 1 || w->options.level > 9 ||
        (unsigned)w->options.compression > WG_NPZ_DEFLATE)
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

static wg_status fail(wg_npz_writer *w, wg_status status, const char *fmt, ...) WG_PRINTF(3, 4);
static wg_status fail(wg_npz_writer *w, wg_status status, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    wg_error_setv(&w->error, status, fmt, args);
    va_end(args);
    w->failed = true;
    return status;
}

static wg_status write_bytes(wg_npz_writer *w, const void *bytes, size_t size)
{
    wg_status status = wg_atomic_write(w->file, bytes, size, &w->error);
    w->offset += size;
    w->failed = status != WG_OK;
    return status;
}

/* Two pieces of a member: a .npy header and the data, or no header and the bytes. */
typedef struct pieces {
    const void *bytes[2];
    size_t size[2];
} pieces;

/* Deflates the pieces into `out`. Returns false when memory is out. */
static bool deflate_pieces(const pieces *p, int level, int strategy, wg__buf *out)
{
    enum { STEP = 1 << 20 };
    z_stream z = {.zalloc = wg__zalloc, .zfree = wg__zfree};
    if (deflateInit2(&z, level, Z_DEFLATED, -MAX_WBITS, 8, strategy) != Z_OK) return false;
    bool fine = true, done = false;
    for (int i = 0; i < 2 && fine; i++) {
        size_t left = p->size[i];
        z.next_in = (Bytef *)(uintptr_t)p->bytes[i]; /* zlib does not write to it */
        while (fine && !done && (left > 0 || z.avail_in > 0 || i == 1)) {
            if (z.avail_in == 0 && left > 0) {
                z.avail_in = left < STEP ? (uInt)left : STEP;
                left -= z.avail_in;
            }
            fine = wg__buf_reserve(out, 1 << 16);
            if (!fine) break;
            size_t room = out->capacity - out->size;
            z.next_out = (Bytef *)out->data + out->size;
            z.avail_out = room < STEP ? (uInt)room : STEP;
            uInt before = z.avail_out;
            done = deflate(&z, i == 1 && left == 0 ? Z_FINISH : Z_NO_FLUSH) == Z_STREAM_END;
            out->size += before - z.avail_out;
        }
    }
    deflateEnd(&z);
    return fine;
}

static wg_status add_member(wg_npz_writer *w, const char *name, const pieces *p, bool tensor)
{
    for (size_t i = 0; i < w->count; i++)
        if (strcmp(w->members[i].name, name) == 0)
            return fail(w, WG_EEXIST, "%s: member '%s' added twice", w->path, name);
    if (w->count == w->capacity) {
        size_t capacity = w->capacity ? w->capacity * 2 : 32;
        wg__member *members = wg_reallocarray(w->members, capacity, sizeof *members);
        if (!members) return fail(w, WG_ENOMEM, "%s: out of memory", w->path);
        w->members = members;
        w->capacity = capacity;
    }
    wg__member m = {.name = wg_strdup(name), .method = WG__ZIP_STORED, .header = w->offset};
    if (!m.name) return fail(w, WG_ENOMEM, "%s: out of memory", w->path);
    w->members[w->count++] = m;
    m.size = m.stored = (uint64_t)p->size[0] + p->size[1];
    m.crc = (uint32_t)crc32_z(crc32_z(0, p->bytes[0], p->size[0]), p->bytes[1], p->size[1]);
    wg__buf packed = {0}, header = {0};
    if (w->options.compression != WG_NPZ_STORE && m.size > 0) {
        /* Weights hold next to no repetitions: looking for them costs two thirds of the time and
         * gains 0.3 % of the size. */
        bool fast = w->options.compression == WG_NPZ_DEFAULT && tensor;
        if (!deflate_pieces(p, fast ? 1 : w->options.level,
                            fast ? Z_HUFFMAN_ONLY : Z_DEFAULT_STRATEGY, &packed)) {
            wg__buf_free(&packed);
            return fail(w, WG_ENOMEM, "%s: out of memory", w->path);
        }
        if (packed.size < m.size) {
            m.method = WG__ZIP_DEFLATED;
            m.stored = packed.size;
        }
    }
    w->members[w->count - 1] = m;
    wg__zip_local_header(&header, &m, w->zip64);
    wg_status status = header.failed ? fail(w, WG_ENOMEM, "%s: out of memory", w->path)
                                     : write_bytes(w, header.data, header.size);
    if (m.method == WG__ZIP_DEFLATED) {
        if (status == WG_OK) status = write_bytes(w, packed.data, packed.size);
    } else {
        for (int i = 0; i < 2 && status == WG_OK; i++)
            status = write_bytes(w, p->bytes[i], p->size[i]);
    }
    wg__buf_free(&packed);
    wg__buf_free(&header);
    return status;
}

static wg_status checked_add(wg_npz_writer *w, const char *name, const char *suffix,
                             const pieces *p, wg_error *err)
{
    char full[WG__ZIP_MAX_NAME + 1];
    size_t length = strlen(name), end = strlen(suffix);
    if (w->failed) {
        /* The first error is told again. */
    } else if (length + end > WG__ZIP_MAX_NAME || !wg__zip_name_ok(name, length)) {
        fail(w, WG_EINVAL, "%s: '%.80s' cannot be the name of a member", w->path, name);
    } else if (!*suffix && length >= 4 && strcmp(name + length - 4, ".npy") == 0) {
        fail(w, WG_EINVAL, "%s: the name '%s' is kept for a tensor", w->path, name);
    } else {
        memcpy(full, name, length);
        memcpy(full + length, suffix, end + 1);
        if (add_member(w, full, p, *suffix != '\0') == WG_OK) return WG_OK;
    }
    return wg_error_set(err, w->error.status, "%s", w->error.message);
}

wg_status wg_npz_add_tensor(wg_npz_writer *w, const char *name, const wg_tensor *tensor,
                            wg_error *err)
{
    char header[WG__NPY_MAX_HEADER];
    pieces p = {.bytes = {header, wg_tensor_cdata(tensor)},
                .size = {wg__npy_write(tensor, header), wg_tensor_bytes(tensor)}};
    return checked_add(w, name, ".npy", &p, err);
}

wg_status wg_npz_add_bytes(wg_npz_writer *w, const char *name, const void *bytes, size_t size,
                           wg_error *err)
{
    pieces p = {.bytes = {"", size ? bytes : ""}, .size = {0, size}};
    return checked_add(w, name, "", &p, err);
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
            fail(w, WG_ENOMEM, "%s: out of memory", w->path);
        else
            write_bytes(w, end.data, end.size);
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
