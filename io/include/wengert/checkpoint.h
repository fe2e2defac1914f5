/* Checkpoints: parameters and state trees saved to .npz and loaded back, without libuv's types.
 *
 * Here are the options, the report of a load, the synchronous forms, and saving in the background
 * for programs without an event loop; <wengert/uv.h> has the same for a libuv loop. Work is done a
 * member, or a chunk of a large one, at a time on several threads; the bytes of a file do not
 * depend on how many. docs/formats.md has the bytes. */
#ifndef WENGERT_CHECKPOINT_H
#define WENGERT_CHECKPOINT_H

#include <wengert/npz.h>
#include <wengert/param.h>
#include <wengert/state.h>

WG_BEGIN_DECLS

/* What a load may find without failing. Each is an error otherwise. */
enum {
    WG_LOAD_MAY_MISS = 1,   /* the target has tensors that the file lacks: they stay as they are */
    WG_LOAD_MAY_IGNORE = 2, /* the file has tensors that the target lacks: they are not read */
    WG_LOAD_MAY_MISMATCH = 4, /* dtype or shape differ: the target's stays as it is */
    WG_LOAD_PARTIAL = 7,      /* all three: an encoder from a language model */
};

/* Zero in any field means its default. Strings are copied by the call. */
typedef struct wg_checkpoint_options {
    size_t size; /* sizeof(wg_checkpoint_options) */
    /* Saving: compression; loading: limits. NULL = defaults. Its `threads` and `memory` are not
     * looked at here. */
    const wg_npz_options *npz;
    int threads;   /* pieces worked on at once; default wg_default_threads(), on a loop one less so
                      that its thread has a core; at most 64. libuv's pool may have fewer threads
                      (UV_THREADPOOL_SIZE) */
    size_t memory; /* bytes of buffers beyond the tensors and the snapshot; default 64 MiB, at
                      least some 3 MiB are used */
    /* Called with bytes done and bytes in all, the first rising: on the loop's thread, in
     * synchronous forms on the caller's, in the background on that thread. False cancels. */
    bool (*progress)(void *user, uint64_t done, uint64_t total);
    void *user;
    /* Loading. */
    unsigned flags; /* WG_LOAD_* */
    /* The file's tensor file_prefix + X is the target's target_prefix + X. Where one of them is
     * given, names that do not begin with it take no part: neither missing nor unexpected. */
    const char *file_prefix, *target_prefix;
    /* Saving: false copies all tensors before the call returns; true only refers to them, and they
     * must not change before the end of the save. */
    bool borrow;
} wg_checkpoint_options;

/* What a load found. Missing names are the target's, others the file's. Owned by the caller. */
typedef struct wg_load_report wg_load_report;
typedef enum wg_load_outcome {
    WG_LOAD_DONE = 0,   /* loaded */
    WG_LOAD_MISSING,    /* in the target only */
    WG_LOAD_UNEXPECTED, /* in the file only */
    WG_LOAD_MISMATCHED, /* in both, of other dtype or shape */
} wg_load_outcome;
#define WG_LOAD_OUTCOMES 4
WG_API int64_t wg_load_report_count(const wg_load_report *report, wg_load_outcome outcome);
/* Name i of an outcome; NULL when out of range. */
WG_API const char *wg_load_report_name(const wg_load_report *report, wg_load_outcome outcome,
                                       int64_t i);
/* For mismatched ones: "the file has f32 [3,4], wanted is f32 [4,4]"; "" for others. */
WG_API const char *wg_load_report_detail(const wg_load_report *report, wg_load_outcome outcome,
                                         int64_t i);
WG_API void wg_load_report_free(wg_load_report *report);

/* Loads by name, dtype and shape into parameters that were initialised (wg_params_init), straight
 * into their memory. *report (may be NULL) is set also where the status is WG_ENOTFOUND (missing or
 * unexpected tensors) or WG_ESHAPE (mismatched ones), which are found before anything is written;
 * NULL otherwise on failure. After any later error (WG_EFORMAT: damage, WG_EIO, WG_ENOMEM,
 * WG_ECANCELED) the parameters hold a mixture. Texts in the file are ignored. */
WG_API wg_status wg_checkpoint_load_sync(const char *path, wg_params *params,
                                         const wg_checkpoint_options *options,
                                         wg_load_report **report, wg_error *err);
/* Loads a whole file into a tree. Tensors that the tree already has are filled where they lie, as
 * above; everything else of the file, texts too, is added at the end in the order of the file, once
 * all of it was read and checked (memory that runs out in that last step leaves part). A text of
 * the tree is never replaced: WG_EEXIST. Unexpected is nothing here; with a prefix, other members
 * are passed over. */
WG_API wg_status wg_checkpoint_load_state_sync(const char *path, wg_state *state,
                                               const wg_checkpoint_options *options,
                                               wg_load_report **report, wg_error *err);

/* Saves parameters or a tree under `path`: temporary file, fsync, rename, fsync of the directory.
 * Errors of wg_npz_finish; whatever `path` was stays when it fails. `borrow` makes no difference
 * here. WG_ECANCELED when the progress callback said so. */
WG_API wg_status wg_checkpoint_save_sync(const char *path, const wg_params *params,
                                         const wg_checkpoint_options *options, wg_error *err);
WG_API wg_status wg_checkpoint_save_state_sync(const char *path, const wg_state *state,
                                               const wg_checkpoint_options *options, wg_error *err);

/* Saving beside other work, without a loop: a thread of its own (and `threads` - 1 helpers) writes
 * what was copied by the call. Every wg_save_begin that succeeds needs one wg_save_end. */
typedef struct wg_save_job wg_save_job;
WG_API wg_status wg_save_begin(const char *path, const wg_state *state,
                               const wg_checkpoint_options *options, wg_save_job **out,
                               wg_error *err);
/* Has it ended? Any thread may ask. */
WG_API bool wg_save_done(const wg_save_job *job);
/* Asks it to stop; wg_save_end then gives WG_ECANCELED, or WG_OK if it came too late. */
WG_API void wg_save_cancel(wg_save_job *job);
/* Waits for the end, frees the job, gives how it ended. */
WG_API wg_status wg_save_end(wg_save_job *job, wg_error *err);

/* Copies `from` into *to (a tree made by this function before, or NULL), in memory that is used
 * again where names, dtypes and shapes are as last time: what a training loop calls before it saves
 * with `borrow`. On failure *to is freed and NULL. */
WG_API wg_status wg_state_snapshot(const wg_state *from, wg_state **to, wg_error *err);

WG_END_DECLS

#endif
