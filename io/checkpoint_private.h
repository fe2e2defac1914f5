/* Inside checkpoints: loads and saves as jobs for any crew. */
#ifndef WENGERT_IO_CHECKPOINT_PRIVATE_H
#define WENGERT_IO_CHECKPOINT_PRIVATE_H

#include <wengert/checkpoint.h>

#include "npz_names.h"
#include "npz_private.h"
#include "unpack.h"

/* Options with defaults filled in. The prefixes are not copied. */
wg_status wg__checkpoint_defaults(wg_checkpoint_options *options, wg_npz_options *npz,
                                  const wg_checkpoint_options *given, const char *path,
                                  wg_error *err);

wg_load_report *wg__report_new(void);
bool wg__report_add(wg_load_report *report, wg_load_outcome outcome, const char *name,
                    const char *detail);
/* The error that the flags do not forgive; WG_OK when there is none. */
wg_status wg__report_judge(const wg_load_report *report, unsigned flags, const char *path,
                           wg_error *err);

typedef struct wg__load wg__load;
/* A load that has not begun. */
wg_status wg__load_new(const char *path, wg_params *params, wg_state *state,
                       const wg_checkpoint_options *options, wg__load **out, wg_error *err);
/* Begins; `finished` is called once, on the coordinating thread, never by this call. */
void wg__load_start(wg__load *load, wg__crew *crew, void (*finished)(void *user), void *user);
atomic_bool *wg__load_cancel(wg__load *load);
int wg__load_threads(const wg__load *load);
/* How it ended; hands the report over and frees the load. */
wg_status wg__load_end(wg__load *load, wg_load_report **report, wg_error *err);

typedef struct wg__save wg__save;
/* One of params and state; with `borrow` they are only referred to, whatever the options say. */
wg_status wg__save_new(const char *path, const wg_params *params, const wg_state *state,
                       const wg_checkpoint_options *options, bool borrow, wg__save **out,
                       wg_error *err);
void wg__save_start(wg__save *save, wg__crew *crew, void (*finished)(void *user), void *user);
atomic_bool *wg__save_cancel(wg__save *save);
int wg__save_threads(const wg__save *save);
wg_status wg__save_end(wg__save *save, wg_error *err);

#endif
