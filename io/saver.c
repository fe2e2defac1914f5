/* Saving beside a computation: the caller's thread copies, one thread of the saver writes. */
#include <wengert/saver.h>

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#include <wengert/memory.h>
#include <wengert/uv.h>

#include "saver_keep.h"

struct wg_saver {
    wg_npz_options npz;
    bool has_npz;
    int threads;
    size_t memory;
    /* The job: written by the caller while none is in progress, read by the thread. */
    wg_state *buffers; /* copies of tensors, used again by the next save */
    wg_state *job;     /* the tree to write: texts, and references to buffers */
    char *path;
    wg_save_options options;
    double waited, copied;
    /* Shared, under the lock. */
    uv_mutex_t lock;
    uv_cond_t changed;
    bool busy, quit;
    bool ended; /* the result is there and was not taken */
    wg_saver_result result;
    uv_thread_t thread;
};

static double seconds(void)
{
    return 1e-9 * (double)uv_hrtime();
}

/* ---- the thread ---- */

static void on_saved(wg_checkpoint_save_t *request, wg_status status)
{
    wg_saver_result *result = request->data;
    result->error = request->error;
    result->error.status = status;
}

/* On a loop of this thread's own: it hands pieces to libuv's pool, and sleeps. */
static void write_file(wg_saver *s, wg_saver_result *result)
{
    uv_loop_t loop;
    wg_checkpoint_save_t request = {.data = result};
    const wg_checkpoint_options options = {.size = sizeof options,
                                           .npz = s->has_npz ? &s->npz : NULL,
                                           .threads = s->threads,
                                           .memory = s->memory,
                                           .borrow = true};
    if (uv_loop_init(&loop) != 0) {
        wg_error_set(&result->error, WG_ENOMEM, "%s: no event loop can be made", s->path);
        return;
    }
    wg_status status = wg_checkpoint_save_state(&loop, &request, s->path, s->job, &options,
                                                on_saved, &result->error);
    if (status) result->error.status = status;
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
}

static void write_job(wg_saver *s, wg_saver_result *result)
{
    double begin = seconds();
    struct stat info;
    *result = (wg_saver_result){.size = sizeof *result, .waited = s->waited, .copied = s->copied};
    write_file(s, result);
    if (result->error.status == WG_OK && s->options.keep_last > 0)
        result->error.status =
            wg__keep_numbered(s->path, s->options.number, s->options.keep_last, &result->error);
    if (result->error.status == WG_OK && stat(s->path, &info) == 0)
        result->bytes = (uint64_t)info.st_size;
    result->written = seconds() - begin;
}

static void work(void *user)
{
    wg_saver *s = user;
    uv_mutex_lock(&s->lock);
    for (;;) {
        while (!s->busy && !s->quit) uv_cond_wait(&s->changed, &s->lock);
        if (!s->busy) break;
        wg_saver_result result;
        uv_mutex_unlock(&s->lock);
        write_job(s, &result);
        uv_mutex_lock(&s->lock);
        s->result = result;
        s->ended = true;
        s->busy = false;
        uv_cond_broadcast(&s->changed);
    }
    uv_mutex_unlock(&s->lock);
}

/* Signals are for the threads of the program: ours takes none. */
static int start_thread(wg_saver *s)
{
    sigset_t all, before;
    sigfillset(&all);
    if (pthread_sigmask(SIG_SETMASK, &all, &before) != 0) return UV_EINVAL;
    int failed = uv_thread_create(&s->thread, work, s);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed;
}

wg_status wg_saver_new(const wg_saver_options *options, wg_saver **out, wg_error *err)
{
    *out = NULL;
    if (options &&
        (options->size < sizeof *options || options->threads < 0 || options->threads > 64))
        return wg_error_set(err, WG_EINVAL, "saver: options that cannot be");
    wg_saver *s = wg_calloc(1, sizeof *s);
    if (!s) return wg_error_set(err, WG_ENOMEM, "saver: out of memory");
    s->threads = options && options->threads ? options->threads : 1;
    s->memory = options ? options->memory : 0;
    if (options && options->npz) {
        s->npz = *options->npz;
        s->has_npz = true;
    }
    bool lock = uv_mutex_init(&s->lock) == 0, changed = lock && uv_cond_init(&s->changed) == 0;
    if (changed && start_thread(s) == 0) {
        *out = s;
        return WG_OK;
    }
    if (changed) uv_cond_destroy(&s->changed);
    if (lock) uv_mutex_destroy(&s->lock);
    wg_free(s);
    return wg_error_set(err, WG_ENOMEM, "saver: no thread can be started");
}

void wg_saver_free(wg_saver *s)
{
    if (!s) return;
    uv_mutex_lock(&s->lock);
    s->quit = true;
    uv_cond_broadcast(&s->changed);
    uv_mutex_unlock(&s->lock);
    uv_thread_join(&s->thread); /* a save in progress is finished before */
    uv_cond_destroy(&s->changed);
    uv_mutex_destroy(&s->lock);
    wg_state_free(s->job);
    wg_state_free(s->buffers);
    wg_free(s->path);
    wg_free(s);
}

/* ---- the caller ---- */

bool wg_saver_busy(wg_saver *s)
{
    uv_mutex_lock(&s->lock);
    bool busy = s->busy;
    uv_mutex_unlock(&s->lock);
    return busy;
}

/* With the lock held. */
static bool take(wg_saver *s, wg_saver_result *result)
{
    bool ended = s->ended;
    if (ended && result) {
        size_t size = result->size < sizeof *result ? result->size : sizeof *result;
        s->result.size = result->size;
        memcpy(result, &s->result, size);
        s->ended = false;
    }
    return ended;
}

bool wg_saver_poll(wg_saver *s, wg_saver_result *result)
{
    uv_mutex_lock(&s->lock);
    bool ended = take(s, result);
    uv_mutex_unlock(&s->lock);
    return ended;
}

bool wg_saver_wait(wg_saver *s, wg_saver_result *result)
{
    uv_mutex_lock(&s->lock);
    while (s->busy) uv_cond_wait(&s->changed, &s->lock);
    bool ended = take(s, result);
    uv_mutex_unlock(&s->lock);
    return ended;
}

/* The buffer for a tensor of this name; NULL where there is none that it fits into. */
static wg_tensor *buffer_for(const wg_saver *s, const char *name, const wg_tensor *like)
{
    wg_tensor *buffer = s->buffers ? wg_state_tensor(s->buffers, name) : NULL;
    if (!buffer || wg_tensor_dtype(buffer) != wg_tensor_dtype(like)) return NULL;
    wg_shape mine = wg_tensor_shape(buffer), wanted = wg_tensor_shape(like);
    return wg_shape_equal(&mine, &wanted) ? buffer : NULL;
}

/* Are there buffers of other shapes under these names (another model than before)? */
static bool outgrown(const wg_saver *s, const wg_state *state)
{
    for (int i = 0; s->buffers && i < wg_state_count(state); i++) {
        const wg_tensor *tensor = wg_state_tensor_at(state, i);
        const char *name = wg_state_name(state, i);
        if (tensor && wg_state_tensor(s->buffers, name) && !buffer_for(s, name, tensor))
            return true;
    }
    return false;
}

static wg_status copy_tensor(wg_saver *s, wg_state *job, const char *name, const wg_tensor *tensor,
                             wg_error *err)
{
    wg_tensor *buffer = buffer_for(s, name, tensor);
    if (!buffer) {
        wg_status status =
            wg_tensor_new(wg_tensor_dtype(tensor), wg_tensor_shape(tensor), &buffer, err);
        if (status) return status;
        status = wg_state_put_tensor(s->buffers, name, buffer, err);
        if (status) {
            wg_tensor_free(buffer);
            return status;
        }
    }
    wg_status status = wg_tensor_copy(buffer, tensor, err);
    return status ? status : wg_state_ref_tensor(job, name, buffer, err);
}

static wg_status copy_tree(wg_saver *s, const wg_state *state, wg_state *job, wg_error *err)
{
    wg_status status = WG_OK;
    if (outgrown(s, state)) {
        wg_state_free(s->buffers);
        s->buffers = NULL;
    }
    if (!s->buffers) status = wg_state_new(&s->buffers, err);
    for (int i = 0; i < wg_state_count(state) && !status; i++) {
        const char *name = wg_state_name(state, i);
        const wg_tensor *tensor = wg_state_tensor_at(state, i);
        size_t length = 0;
        const char *text = wg_state_text_at(state, i, &length);
        status = tensor ? copy_tensor(s, job, name, tensor, err)
                        : wg_state_put_text(job, name, text, length, err);
    }
    return status;
}

/* Waits; a failure that nobody was told of is told now. */
static wg_status settle(wg_saver *s, wg_error *err)
{
    wg_saver_result result = {.size = sizeof result};
    if (wg_saver_wait(s, &result) && result.error.status)
        return wg_error_set(err, result.error.status, "%s", result.error.message);
    return WG_OK;
}

static void begin(wg_saver *s)
{
    uv_mutex_lock(&s->lock);
    s->busy = true;
    uv_cond_broadcast(&s->changed);
    uv_mutex_unlock(&s->lock);
}

wg_status wg_saver_save(wg_saver *s, const wg_state *state, const char *path,
                        const wg_save_options *options, wg_error *err)
{
    if (!path || !*path) return wg_error_set(err, WG_EINVAL, "saver: file name is empty");
    if (options && (options->size < sizeof *options || options->keep_last < 0 ||
                    options->number < 0 || options->number > (int64_t)9e15))
        return wg_error_set(err, WG_EINVAL, "saver: options that cannot be");
    double start = seconds();
    wg_status status = settle(s, err);
    if (status) return status;
    double waited = seconds() - start;
    wg_state *job = NULL;
    char *name = wg_strdup(path);
    if (!name) return wg_error_set(err, WG_ENOMEM, "saver: out of memory");
    /* The tree of before refers to the buffers, which are about to change: it goes first. */
    wg_state_free(s->job);
    s->job = NULL;
    status = wg_state_new(&job, err);
    if (!status) status = copy_tree(s, state, job, err);
    if (status) {
        wg_state_free(job);
        wg_free(name);
        return status;
    }
    wg_free(s->path);
    s->path = name;
    s->job = job;
    s->options = options ? *options : (wg_save_options){.size = sizeof s->options};
    s->waited = waited;
    s->copied = seconds() - start - waited;
    begin(s);
    return WG_OK;
}

wg_status wg_saver_again(wg_saver *s, wg_error *err)
{
    double start = seconds();
    wg_status status = settle(s, err);
    if (status) return status;
    if (!s->job) return wg_error_set(err, WG_ESTATE, "saver: nothing was saved before");
    s->waited = seconds() - start;
    s->copied = 0;
    begin(s);
    return WG_OK;
}
