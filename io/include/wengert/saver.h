/* Saving beside a computation: a state tree is copied, and while the next steps run the copy is
 * compressed and written by other threads. For training loops of any kind:
 *
 *     wg_saver_new(NULL, &saver, &err);
 *     for each step:
 *         ... train ...
 *         if (time to save)
 *             status = wg_saver_save(saver, state, "run/last.npz", NULL, &err);
 *     wg_saver_wait(saver, &result);              then look at result.error
 *     wg_saver_free(saver);
 *
 * Files are complete or not there (atomicfile.h): temporary file, fsync, rename, fsync of the
 * directory; whatever a failure or a crash interrupts, the file of before is still good. Saves
 * never mix: one that begins while another is being written waits for it.
 *
 * A saver belongs to one thread at a time. What it does beside runs on a thread of its own and on
 * libuv's pool, neither of which touches the caller's tensors. */
#ifndef WENGERT_SAVER_H
#define WENGERT_SAVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <wengert/npz.h>
#include <wengert/state.h>

WG_BEGIN_DECLS

typedef struct wg_saver wg_saver;

typedef struct wg_saver_options {
    size_t size;               /* sizeof(wg_saver_options) */
    const wg_npz_options *npz; /* compression; NULL = defaults. Copied. */
    int threads;   /* pieces compressed at once, at most 64; 0 = 1: what takes least from
                      the computation. libuv's pool may have fewer (UV_THREADPOOL_SIZE) */
    size_t memory; /* bytes of buffers beyond the copy; 0 = 64 MiB */
} wg_saver_options;

/* options may be NULL. WG_ENOMEM; WG_EINVAL for options that make no sense. */
WG_API wg_status wg_saver_new(const wg_saver_options *options, wg_saver **out, wg_error *err);
/* Waits for a save in progress; its result is lost. NULL is fine. */
WG_API void wg_saver_free(wg_saver *saver);

/* What else is done with a file; zeros: nothing. */
typedef struct wg_save_options {
    size_t size; /* sizeof(wg_save_options) */
    /* Keep the last so many saves under names of their own: run/last.npz is also
     * run/last-NUMBER.npz (nine digits or more; the same file under two names, no second copy), and
     * of such files numbered up to `number` only the `keep_last` highest stay. 0 = none. Higher
     * numbers, of a run that went further before, are left alone. */
    int keep_last;
    int64_t number; /* steps so far, say; at least 0 */
} wg_save_options;

/* Copies the tree and begins to write it to `path`; returns when it is copied. Tensors are copied
 * into buffers that are used again by the next save, so a saver needs the memory of the largest
 * tree once. Waits for a save in progress first. When that or an earlier one failed and its result
 * was not taken yet, nothing is begun and the error is that failure's; the next call begins again.
 * WG_ENOMEM, WG_EINVAL (no path). */
WG_API wg_status wg_saver_save(wg_saver *saver, const wg_state *state, const char *path,
                               const wg_save_options *options, wg_error *err);
/* Writes the tree of the last call once more, after a failure: as it was then. WG_ESTATE without
 * one; errors as above. */
WG_API wg_status wg_saver_again(wg_saver *saver, wg_error *err);
/* Is a save in progress? */
WG_API bool wg_saver_busy(wg_saver *saver);

/* How a save ended. */
typedef struct wg_saver_result {
    size_t size;    /* sizeof(wg_saver_result), set by the caller */
    wg_error error; /* error.status is WG_OK when the file is complete, and on the disk */
    uint64_t bytes; /* of the file */
    double waited;  /* seconds that the call of wg_saver_save took: for the save before, */
    double copied;  /*   for the copy; */
    double written; /* and what it took beside */
} wg_saver_result;
/* True once for each save that has ended: its result is in *result (NULL: only that is asked). poll
 * returns at once, wait when no save is in progress. */
WG_API bool wg_saver_poll(wg_saver *saver, wg_saver_result *result);
WG_API bool wg_saver_wait(wg_saver *saver, wg_saver_result *result);

WG_END_DECLS

#endif
