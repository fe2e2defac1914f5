/* Reading members into memory, a piece at a time on a crew: read, inflate, check. */
#ifndef WENGERT_IO_UNPACK_H
#define WENGERT_IO_UNPACK_H

#include <stdatomic.h>

#include "crew.h"
#include "npy.h"
#include "zip.h"

/* One member. Its first `skip` bytes (the .npy header) are checked and dropped, the rest is written
 * to `out`, which has room for exactly that: half of it, in 32-bit integers, with `narrow`. */
typedef struct wg__unpack_item {
    const wg__member *member;
    uint64_t skip;
    void *out;
    bool narrow; /* 64-bit integers to 32-bit ones */
    /* The engine's. */
    uint32_t crc;
    uint64_t spans; /* not yet finished */
} wg__unpack_item;

typedef struct wg__unpack wg__unpack;
struct wg__unpack {
    /* Filled by the caller before wg__unpack_start; all must live until `finished`. */
    wg__crew *crew;
    const wg__source *source;
    wg__unpack_item *items;
    size_t count;
    size_t memory; /* for buffers */
    atomic_bool *cancel;
    bool (*progress)(void *user, uint64_t done, uint64_t total);
    void *user;
    /* Called once, on the coordinating thread, when nothing of the engine runs any more. */
    void (*finished)(wg__unpack *unpack);
    void *owner; /* for finished */
    /* The result. */
    wg_status status;
    wg_error error;
    /* The engine's. */
    struct wg__lane *lanes;
    size_t n_lanes, active, item;
    size_t buffer; /* bytes of a lane's buffer */
    uint64_t span; /* the next of the item */
    uint64_t span_offset, done, total;
};

/* Begins. WG_ENOMEM: nothing was begun, and `finished` is not called. With nothing to do it is
 * called at once. */
wg_status wg__unpack_start(wg__unpack *unpack, wg_error *err);

/* The header of a member that is a .npy array: reads, inflates and parses its first bytes. *begin
 * is the size of the header. The data size is that of the member. */
wg_status wg__unpack_header(const wg__source *source, const wg__member *member, wg__npy *npy,
                            uint64_t *begin, wg_error *err);

/* Reads items on threads of their own, and returns when done. */
wg_status wg__unpack_now(const wg__source *source, wg__unpack_item *items, size_t count,
                         const wg_npz_options *options, wg_error *err);

#endif
