/* Reading and writing numpy's .npz: a zip of .npy arrays, with other members beside them.
 *
 * What is written, numpy.load reads; what numpy.savez and savez_compressed write of f4, f8, i4, i8
 * (when the values fit i32), u1 and bool (as u8) is read. docs/formats.md has the bytes. */
#ifndef WENGERT_NPZ_H
#define WENGERT_NPZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <wengert/tensor.h>

WG_BEGIN_DECLS

typedef enum wg_npz_compression {
    WG_NPZ_DEFAULT = 0, /* tensors: level 1, Huffman only; text: level 6 */
    WG_NPZ_STORE = 1,   /* nothing is compressed */
    WG_NPZ_DEFLATE = 2, /* everything with `level` and `strategy` */
} wg_npz_compression;

/* zlib's strategies, for WG_NPZ_DEFLATE. */
typedef enum wg_npz_strategy {
    WG_NPZ_MATCHES = 0, /* Z_DEFAULT_STRATEGY: repetitions are looked for as the level says */
    WG_NPZ_FILTERED = 1,
    WG_NPZ_HUFFMAN_ONLY = 2,
    WG_NPZ_RLE = 3,
} wg_npz_strategy;

/* Zero in any field means its default. */
typedef struct wg_npz_options {
    size_t size; /* sizeof(wg_npz_options) */
    wg_npz_compression compression;
    int level;            /* 1..9 for WG_NPZ_DEFLATE; default 6 */
    uint64_t max_member;  /* reading: bytes of one member; default 64 GiB */
    uint64_t max_total;   /* reading: bytes of all members together; default 256 GiB */
    uint32_t max_members; /* default 1,000,000 */
    wg_npz_strategy strategy;
    /* Large members are deflated, and inflated where the file has the index for it, by several
     * threads; default wg_default_threads(), at most 64. Bytes in the file do not depend on it. */
    int threads;
    size_t memory; /* bytes of buffers for that; default 64 MiB, at least some 3 MiB are used */
} wg_npz_options;

/* Writing. Names are UTF-8 paths such as "enc.0.Wx" or "a/b"; a tensor's member gets ".npy". The
 * file appears under `path` only when wg_npz_finish succeeds (atomicfile.h). After an error the
 * writer stays failed; finish and abort both free it. */
typedef struct wg_npz_writer wg_npz_writer;
WG_API wg_status wg_npz_create(const char *path, const wg_npz_options *options, wg_npz_writer **out,
                               wg_error *err);
WG_API wg_status wg_npz_add_tensor(wg_npz_writer *writer, const char *name, const wg_tensor *tensor,
                                   wg_error *err);
/* A member of plain bytes, under exactly this name ("config.json"). */
WG_API wg_status wg_npz_add_bytes(wg_npz_writer *writer, const char *name, const void *bytes,
                                  size_t size, wg_error *err);
WG_API wg_status wg_npz_finish(wg_npz_writer *writer, wg_error *err);
WG_API void wg_npz_abort(wg_npz_writer *writer);

/* Reading. Opening checks the whole directory of the zip: bounds, names, overlaps, duplicates. */
typedef struct wg_npz wg_npz;
WG_API wg_status wg_npz_open(const char *path, const wg_npz_options *options, wg_npz **out,
                             wg_error *err);
/* The same from memory, which must outlive the reader; `name` stands for the file in messages. */
WG_API wg_status wg_npz_open_memory(const char *name, const void *bytes, size_t size,
                                    const wg_npz_options *options, wg_npz **out, wg_error *err);
WG_API void wg_npz_close(wg_npz *npz);
WG_API int64_t wg_npz_count(const wg_npz *npz);
/* Name of member i, ".npy" cut off a tensor's; NULL when out of range. */
WG_API const char *wg_npz_name(const wg_npz *npz, int64_t i);
WG_API bool wg_npz_is_tensor(const wg_npz *npz, int64_t i);
/* Member with this name (without ".npy"); -1 when absent. */
WG_API int64_t wg_npz_find(const wg_npz *npz, const char *name);
/* Reads a member into a new tensor, owned by the caller, checking its CRC-32. */
WG_API wg_status wg_npz_read_tensor(wg_npz *npz, int64_t i, wg_tensor **out, wg_error *err);
/* Reads the bytes of a member as stored (a tensor's with its .npy header); NUL-terminated beyond
 * *size, freed with wg_free. */
WG_API wg_status wg_npz_read_bytes(wg_npz *npz, int64_t i, char **bytes, size_t *size,
                                   wg_error *err);

WG_END_DECLS

#endif
