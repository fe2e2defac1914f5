/* The synchronous forms, and saving in the background on a thread of its own. */
#include <wengert/checkpoint.h>

#include <wengert/memory.h>

#include "checkpoint_private.h"
#include "fileerror.h"

static void nothing(void *user)
{
    (void)user;
}

static wg_status load_now(const char *path, wg_params *params, wg_state *state,
                          const wg_checkpoint_options *options, wg_load_report **report,
                          wg_error *err)
{
    wg__load *load;
    wg__threads threads;
    wg_load_report *found = NULL;
    if (report) *report = NULL;
    wg_status status = wg__load_new(path, params, state, options, &load, err);
    if (status != WG_OK) return status;
    wg_status crew = wg__threads_init(&threads, wg__load_threads(load), err);
    if (crew == WG_OK) {
        wg__load_start(load, &threads.crew, nothing, NULL);
        wg__threads_run(&threads);
        wg__threads_end(&threads);
    }
    status = wg__load_end(load, &found, err);
    if (crew != WG_OK) status = crew;
    if (report && crew == WG_OK)
        *report = found;
    else
        wg_load_report_free(found);
    return status;
}

wg_status wg_checkpoint_load_sync(const char *path, wg_params *params,
                                  const wg_checkpoint_options *options, wg_load_report **report,
                                  wg_error *err)
{
    return load_now(path, params, NULL, options, report, err);
}

wg_status wg_checkpoint_load_state_sync(const char *path, wg_state *state,
                                        const wg_checkpoint_options *options,
                                        wg_load_report **report, wg_error *err)
{
    return load_now(path, NULL, state, options, report, err);
}

static wg_status run_save(wg__save *save, wg_error *err)
{
    wg__threads threads;
    wg_status crew = wg__threads_init(&threads, wg__save_threads(save), err);
    if (crew == WG_OK) {
        wg__save_start(save, &threads.crew, nothing, NULL);
        wg__threads_run(&threads);
        wg__threads_end(&threads);
    }
    wg_status status = wg__save_end(save, err);
    return crew == WG_OK ? status : crew;
}

static wg_status save_now(const char *path, const wg_params *params, const wg_state *state,
                          const wg_checkpoint_options *options, wg_error *err)
{
    wg__save *save;
    wg_status status = wg__save_new(path, params, state, options, true, &save, err);
    return status == WG_OK ? run_save(save, err) : status;
}

wg_status wg_checkpoint_save_sync(const char *path, const wg_params *params,
                                  const wg_checkpoint_options *options, wg_error *err)
{
    return save_now(path, params, NULL, options, err);
}

wg_status wg_checkpoint_save_state_sync(const char *path, const wg_state *state,
                                        const wg_checkpoint_options *options, wg_error *err)
{
    return save_now(path, NULL, state, options, err);
}

struct wg_save_job {
    wg__save *save;
    atomic_bool *cancel;
    uv_thread_t thread;
    uv_mutex_t lock; /* between cancelling and the end of `save` */
    atomic_bool done;
    wg_status status;
    wg_error error;
};

static void work(void *user)
{
    wg_save_job *job = user;
    wg__threads threads;
    job->status = wg__threads_init(&threads, wg__save_threads(job->save), &job->error);
    bool ran = job->status == WG_OK;
    if (ran) {
        wg__save_start(job->save, &threads.crew, nothing, NULL);
        wg__threads_run(&threads);
        wg__threads_end(&threads);
    }
    uv_mutex_lock(&job->lock);
    job->cancel = NULL;
    uv_mutex_unlock(&job->lock);
    wg_error error;
    wg_status status = wg__save_end(job->save, &error);
    if (ran) {
        job->status = status;
        if (status != WG_OK) job->error = error;
    }
    atomic_store(&job->done, true);
}

wg_status wg_save_begin(const char *path, const wg_state *state,
                        const wg_checkpoint_options *options, wg_save_job **out, wg_error *err)
{
    *out = NULL;
    wg_save_job *job = wg_calloc(1, sizeof *job);
    if (!job) return wg__no_memory(err, path ? path : "");
    wg_status status = wg__save_new(path, NULL, state, options, false, &job->save, err);
    if (status != WG_OK) {
        wg_free(job);
        return status;
    }
    job->cancel = wg__save_cancel(job->save);
    if (uv_mutex_init(&job->lock) == 0) {
        if (uv_thread_create(&job->thread, work, job) == 0) {
            *out = job;
            return WG_OK;
        }
        uv_mutex_destroy(&job->lock);
    }
    wg__save_end(job->save, NULL);
    wg_free(job);
    return wg_error_set(err, WG_ENOMEM, "%s: no thread to be had from the system", path);
}

bool wg_save_done(const wg_save_job *job)
{
    return atomic_load(&job->done);
}

void wg_save_cancel(wg_save_job *job)
{
    uv_mutex_lock(&job->lock);
    if (job->cancel) atomic_store(job->cancel, true);
    uv_mutex_unlock(&job->lock);
}

wg_status wg_save_end(wg_save_job *job, wg_error *err)
{
    if (!job) return wg_error_set(err, WG_EINVAL, "no save to end");
    uv_thread_join(&job->thread);
    wg_status status = job->status;
    if (status != WG_OK) wg_error_set(err, status, "%s", job->error.message);
    uv_mutex_destroy(&job->lock);
    wg_free(job);
    return status;
}
