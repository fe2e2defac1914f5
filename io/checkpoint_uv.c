/* The libuv forms: loads and saves on a crew of the caller's loop. */
#include <wengert/uv.h>

#include <string.h>

#include <wengert/memory.h>
#include <wengert/parallel.h>

#include "checkpoint_private.h"
#include "crew_uv.h"
#include "fileerror.h"

typedef struct load_work {
    wg__uv_crew crew;
    wg__load *load;
    wg_checkpoint_load_cb callback;
} load_work;

typedef struct save_work {
    wg__uv_crew crew;
    wg__save *save;
    wg_checkpoint_save_cb callback;
} save_work;

/* A core is left to the loop's thread, unless threads were asked for. */
static void leave_one(wg_checkpoint_options *o, const wg_checkpoint_options *given)
{
    *o = (wg_checkpoint_options){0};
    if (given) memcpy(o, given, given->size < sizeof *o ? given->size : sizeof *o);
    o->size = sizeof *o;
    if (o->threads <= 0) o->threads = wg_default_threads() > 1 ? wg_default_threads() - 1 : 1;
}

static void load_finished(void *user)
{
    wg_checkpoint_load_t *r = user;
    load_work *w = r->work;
    wg_checkpoint_load_cb callback = w->callback;
    wg_status status = wg__load_end(w->load, &r->report, &r->error);
    r->work = NULL;
    wg_free(w);
    callback(r, status);
}

static wg_status load(uv_loop_t *loop, wg_checkpoint_load_t *r, const char *path, wg_params *params,
                      wg_state *state, const wg_checkpoint_options *options,
                      wg_checkpoint_load_cb callback, wg_error *err)
{
    if (!loop || !r || !callback)
        return wg_error_set(err, WG_EINVAL, "loop, request or callback is missing");
    load_work *w = wg_calloc(1, sizeof *w);
    if (!w) return wg__no_memory(err, path ? path : "");
    wg_checkpoint_options o;
    leave_one(&o, options);
    wg_status status = wg__load_new(path, params, state, &o, &w->load, err);
    if (status != WG_OK) {
        wg_free(w);
        return status;
    }
    r->loop = loop;
    r->report = NULL;
    r->work = w;
    w->callback = callback;
    wg__uv_crew_init(&w->crew, loop, wg__load_threads(w->load));
    wg__load_start(w->load, &w->crew.crew, load_finished, r);
    return WG_OK;
}

wg_status wg_checkpoint_load(uv_loop_t *loop, wg_checkpoint_load_t *request, const char *path,
                             wg_params *params, const wg_checkpoint_options *options,
                             wg_checkpoint_load_cb callback, wg_error *err)
{
    return load(loop, request, path, params, NULL, options, callback, err);
}

wg_status wg_checkpoint_load_state(uv_loop_t *loop, wg_checkpoint_load_t *request, const char *path,
                                   wg_state *state, const wg_checkpoint_options *options,
                                   wg_checkpoint_load_cb callback, wg_error *err)
{
    return load(loop, request, path, NULL, state, options, callback, err);
}

void wg_checkpoint_load_cancel(wg_checkpoint_load_t *request)
{
    load_work *w = request ? request->work : NULL;
    if (w) atomic_store(wg__load_cancel(w->load), true);
}

static void save_finished(void *user)
{
    wg_checkpoint_save_t *r = user;
    save_work *w = r->work;
    wg_checkpoint_save_cb callback = w->callback;
    wg_status status = wg__save_end(w->save, &r->error);
    r->work = NULL;
    wg_free(w);
    callback(r, status);
}

static wg_status save(uv_loop_t *loop, wg_checkpoint_save_t *r, const char *path,
                      const wg_params *params, const wg_state *state,
                      const wg_checkpoint_options *options, wg_checkpoint_save_cb callback,
                      wg_error *err)
{
    if (!loop || !r || !callback)
        return wg_error_set(err, WG_EINVAL, "loop, request or callback is missing");
    save_work *w = wg_calloc(1, sizeof *w);
    if (!w) return wg__no_memory(err, path ? path : "");
    wg_checkpoint_options o;
    leave_one(&o, options);
    wg_status status = wg__save_new(path, params, state, &o, false, &w->save, err);
    if (status != WG_OK) {
        wg_free(w);
        return status;
    }
    r->loop = loop;
    r->work = w;
    w->callback = callback;
    wg__uv_crew_init(&w->crew, loop, wg__save_threads(w->save));
    wg__save_start(w->save, &w->crew.crew, save_finished, r);
    return WG_OK;
}

wg_status wg_checkpoint_save(uv_loop_t *loop, wg_checkpoint_save_t *request, const char *path,
                             const wg_params *params, const wg_checkpoint_options *options,
                             wg_checkpoint_save_cb callback, wg_error *err)
{
    return save(loop, request, path, params, NULL, options, callback, err);
}

wg_status wg_checkpoint_save_state(uv_loop_t *loop, wg_checkpoint_save_t *request, const char *path,
                                   const wg_state *state, const wg_checkpoint_options *options,
                                   wg_checkpoint_save_cb callback, wg_error *err)
{
    return save(loop, request, path, NULL, state, options, callback, err);
}

void wg_checkpoint_save_cancel(wg_checkpoint_save_t *request)
{
    save_work *w = request ? request->work : NULL;
    if (w) atomic_store(wg__save_cancel(w->save), true);
}
