/* Checkpoints on a libuv loop: the only header with libuv's types. <uv.h> needs POSIX names:
 * compile with -std=gnu17, or define _XOPEN_SOURCE=700.
 *
 * As libuv does it: the caller owns the request and keeps it, and what is loaded or borrowed, until
 * the callback. A call that returns an error never calls back; after one that returns WG_OK the
 * callback is called exactly once, on the loop's thread, never before the call has returned. Files
 * are opened and read, bytes inflated, deflated and checked on libuv's pool, one member or chunk of
 * a large one at a time; the loop's thread only hands work out. Requests do not meet each other;
 * none may be used on two threads. Calls are made on the loop's thread. */
#ifndef WENGERT_UV_H
#define WENGERT_UV_H

#include <uv.h>

#include <wengert/checkpoint.h>

WG_BEGIN_DECLS

typedef struct wg_checkpoint_load_s wg_checkpoint_load_t;
typedef struct wg_checkpoint_save_s wg_checkpoint_save_t;
/* When it is called, the request is done: it may be freed or used again inside. */
typedef void (*wg_checkpoint_load_cb)(wg_checkpoint_load_t *request, wg_status status);
typedef void (*wg_checkpoint_save_cb)(wg_checkpoint_save_t *request, wg_status status);

struct wg_checkpoint_load_s {
    void *data;             /* the caller's; never touched */
    uv_loop_t *loop;        /* read only */
    wg_error error;         /* in the callback: filled unless status is WG_OK */
    wg_load_report *report; /* in the callback: the caller's from then on (wg_load_report_free);
                               set when the synchronous form would set it */
    void *work;             /* private */
    void *reserved[4];
};

struct wg_checkpoint_save_s {
    void *data;
    uv_loop_t *loop;
    wg_error error;
    void *work;
    void *reserved[4];
};

/* As wg_checkpoint_load_sync and wg_checkpoint_load_state_sync. At the call: WG_EINVAL (an argument
 * is NULL, parameters are not initialised, options make no sense), WG_ENOMEM; all else, a missing
 * file too, comes with the callback. The target must not be touched before it. */
WG_API wg_status wg_checkpoint_load(uv_loop_t *loop, wg_checkpoint_load_t *request,
                                    const char *path, wg_params *params,
                                    const wg_checkpoint_options *options,
                                    wg_checkpoint_load_cb callback, wg_error *err);
WG_API wg_status wg_checkpoint_load_state(uv_loop_t *loop, wg_checkpoint_load_t *request,
                                          const char *path, wg_state *state,
                                          const wg_checkpoint_options *options,
                                          wg_checkpoint_load_cb callback, wg_error *err);

/* As wg_checkpoint_save_sync and wg_checkpoint_save_state_sync. Unless options say `borrow`, the
 * tensors are copied before the call returns and may change at once. */
WG_API wg_status wg_checkpoint_save(uv_loop_t *loop, wg_checkpoint_save_t *request,
                                    const char *path, const wg_params *params,
                                    const wg_checkpoint_options *options,
                                    wg_checkpoint_save_cb callback, wg_error *err);
WG_API wg_status wg_checkpoint_save_state(uv_loop_t *loop, wg_checkpoint_save_t *request,
                                          const char *path, const wg_state *state,
                                          const wg_checkpoint_options *options,
                                          wg_checkpoint_save_cb callback, wg_error *err);

/* Asks a request to stop. The callback comes as always, soon, with WG_ECANCELED, or with how it
 * ended if that was decided already. Only between a call that returned WG_OK and its callback. */
WG_API void wg_checkpoint_load_cancel(wg_checkpoint_load_t *request);
WG_API void wg_checkpoint_save_cancel(wg_checkpoint_save_t *request);

WG_END_DECLS

#endif
