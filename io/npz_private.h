/* Inside npz: the writer's engine, and what tests force. */
#ifndef WENGERT_IO_NPZ_PRIVATE_H
#define WENGERT_IO_NPZ_PRIVATE_H

#include <stdatomic.h>

#include <wengert/atomicfile.h>
#include <wengert/npz.h>

#include "crew.h"
#include "npy.h"
#include "zip.h"

/* A member to be written. What the pieces point to must live until it is. */
typedef struct wg__pack_item {
    const char *name; /* in full, checked by wg__pack_name */
    bool tensor;
    const void *data;
    size_t size;
    char header[WG__NPY_MAX_HEADER]; /* in front of the data */
    size_t header_size;
} wg__pack_item;

struct wg_npz_writer {
    wg_npz_options options;
    wg_atomic *file;
    char *path;
    uint64_t offset;
    wg__member *members;
    size_t count, capacity;
    bool zip64, failed;
    int chunk_log2; /* large members are cut at this size, or a larger one */
    wg_error error;
};

/* The engine: compresses items side by side and writes them in order. */
typedef struct wg__pack wg__pack;
struct wg__pack {
    /* Filled by the caller before wg__pack_start; all must live until `finished`. */
    wg__crew *crew;
    wg_npz_writer *writer;
    /* Item i, valid until the next call; called in order. */
    void (*item)(wg__pack *pack, size_t i, wg__pack_item *item);
    size_t count;
    uint64_t total; /* bytes in all, for progress */
    size_t memory;
    atomic_bool *cancel;
    bool (*progress)(void *user, uint64_t done, uint64_t total);
    void *user;
    /* Called once, on the coordinating thread, when nothing of the engine runs any more; errors are
     * the writer's. */
    void (*finished)(wg__pack *pack);
    void *owner; /* for item and finished */
    /* The engine's. */
    struct wg__slot *slots;
    size_t n_slots;
    uint64_t begun, written; /* numbers of jobs */
    uint64_t ready;          /* jobs up to this one may be written */
    size_t next;             /* item */
    uint64_t next_at;        /* in it */
    wg__pack_item current;
    bool writing, failed;
    wg_status own;
    uint64_t done;
    wg__task task; /* of writing */
};

/* Begins; the writer's members were reserved. With WG_ENOMEM nothing was begun. */
wg_status wg__pack_start(wg__pack *pack, wg_error *err);

/* Room for `more` members. */
wg_status wg__writer_reserve(wg_npz_writer *writer, size_t more);
/* Marks it failed, with its first error. */
wg_status wg__writer_fail(wg_npz_writer *writer, wg_status status, const char *fmt, ...)
    WG_PRINTF(3, 4);
wg_status wg__writer_write(wg_npz_writer *writer, const void *bytes, size_t size);

/* Fills an item for a tensor or text; false when the name cannot be a member's, or, for a text, is
 * a tensor's. `full` receives the name. */
bool wg__pack_tensor(wg__pack_item *item, const char *name, const wg_tensor *tensor,
                     char full[WG__ZIP_MAX_NAME + 1]);
bool wg__pack_text(wg__pack_item *item, const char *name, const void *bytes, size_t size);

/* For tests. Writes every record in its zip64 form, which otherwise needs more than 4 GiB. */
void wg__npz_force_zip64(wg_npz_writer *writer);
/* Cuts members at 2^log2 bytes, which is 1 MiB otherwise. */
void wg__npz_force_chunks(wg_npz_writer *writer, int log2);

#endif
