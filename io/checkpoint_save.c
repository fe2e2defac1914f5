/* Saving: a snapshot, a temporary file opened by one task, the engine of writing, and an end that
 * makes the file durable under its name. */
#include <string.h>

#include <wengert/memory.h>

#include "checkpoint_private.h"
#include "fileerror.h"

struct wg__save {
    wg__crew *crew;
    void (*finished)(void *user);
    void *user;
    wg__task task;
    char *path;
    const wg_params *params; /* one of them */
    const wg_state *state;
    wg_state *copy; /* owned: the snapshot */
    wg_checkpoint_options options;
    wg_npz_options npz;
    wg_npz_writer *writer;
    wg__pack pack;
    char full[WG__ZIP_MAX_NAME + 1];
    atomic_bool cancel;
    wg_status status;
    wg_error error;
};

static void dispose(wg__save *s)
{
    wg_npz_abort(s->writer);
    wg_state_free(s->copy);
    wg_free(s->path);
    wg_free(s);
}

static wg_status copy_tensor(wg_state *to, const char *name, const wg_tensor *tensor, wg_error *err)
{
    wg_tensor *copy;
    wg_status status = wg_tensor_clone(tensor, &copy, err);
    if (status != WG_OK) return status;
    status = wg_state_put_tensor(to, name, copy, err);
    if (status != WG_OK) wg_tensor_free(copy);
    return status;
}

static wg_status copy_state(const wg_state *from, wg_state *to, wg_error *err)
{
    wg_status status = WG_OK;
    for (int i = 0; i < wg_state_count(from) && status == WG_OK; i++) {
        const char *name = wg_state_name(from, i);
        const wg_tensor *tensor = wg_state_tensor_at(from, i);
        size_t length = 0;
        const char *text = wg_state_text_at(from, i, &length);
        status = tensor ? copy_tensor(to, name, tensor, err)
                        : wg_state_put_text(to, name, text, length, err);
    }
    return status;
}

static wg_status snapshot(wg__save *s, wg_error *err)
{
    wg_status status = wg_state_new(&s->copy, err);
    if (status == WG_OK && s->state) status = copy_state(s->state, s->copy, err);
    if (status == WG_OK && s->params)
        for (int i = 0; i < wg_params_count(s->params) && status == WG_OK; i++)
            status = copy_tensor(s->copy, wg_params_name(s->params, i),
                                 wg_params_value(s->params, i), err);
    s->state = s->copy;
    s->params = NULL;
    return status;
}

wg_status wg__save_new(const char *path, const wg_params *params, const wg_state *state,
                       const wg_checkpoint_options *options, bool borrow, wg__save **out,
                       wg_error *err)
{
    wg_checkpoint_options o;
    wg_npz_options npz;
    *out = NULL;
    wg_status status = wg__checkpoint_defaults(&o, &npz, options, path, err);
    if (status != WG_OK) return status;
    if (!params && !state) return wg_error_set(err, WG_EINVAL, "%s: nothing to save", path);
    if (params && wg_params_count(params) > 0 && !wg_params_value(params, 0))
        return wg_error_set(err, WG_EINVAL, "%s: the parameters are not initialised", path);
    wg__save *s = wg_calloc(1, sizeof *s);
    if (!s) return wg__no_memory(err, path);
    s->options = o;
    s->npz = npz;
    s->params = params;
    s->state = state;
    s->path = wg_strdup(path);
    status = s->path ? WG_OK : wg__no_memory(err, path);
    if (status == WG_OK && !borrow && !o.borrow) status = snapshot(s, err);
    if (status != WG_OK) {
        dispose(s);
        return status;
    }
    *out = s;
    return WG_OK;
}

atomic_bool *wg__save_cancel(wg__save *s)
{
    return &s->cancel;
}

int wg__save_threads(const wg__save *s)
{
    return s->options.threads;
}

static size_t count(const wg__save *s)
{
    return (size_t)(s->params ? wg_params_count(s->params) : wg_state_count(s->state));
}

/* False when its name cannot be a member's. */
static bool fill(wg__save *s, size_t i, wg__pack_item *item)
{
    if (s->params)
        return wg__pack_tensor(item, wg_params_name(s->params, (int)i),
                               wg_params_value(s->params, (int)i), s->full);
    const char *name = wg_state_name(s->state, (int)i);
    const wg_tensor *tensor = wg_state_tensor_at(s->state, (int)i);
    if (tensor) return wg__pack_tensor(item, name, tensor, s->full);
    size_t length = 0;
    const char *text = wg_state_text_at(s->state, (int)i, &length);
    return wg__pack_text(item, name, text, length);
}

static void item(wg__pack *pack, size_t i, wg__pack_item *out)
{
    fill(pack->owner, i, out); /* went well when `prepare` asked */
}

static wg_status prepare(wg__save *s)
{
    wg_status status = wg_npz_create(s->path, &s->npz, &s->writer, &s->error);
    if (status != WG_OK) return status;
    size_t n = count(s);
    for (size_t i = 0; i < n; i++) {
        wg__pack_item it;
        if (!fill(s, i, &it))
            return wg_error_set(
                &s->error, WG_EINVAL, "%s: '%.200s' cannot be the name of a member", s->path,
                s->params ? wg_params_name(s->params, (int)i) : wg_state_name(s->state, (int)i));
        s->pack.total += it.header_size + it.size;
    }
    s->pack.count = n;
    status = wg__writer_reserve(s->writer, n);
    if (status != WG_OK) s->error = s->writer->error;
    return status;
}

static void run_commit(wg__task *task)
{
    wg__save *s = task->owner;
    if (s->status == WG_OK && !s->writer->failed && atomic_load(&s->cancel))
        wg__writer_fail(s->writer, WG_ECANCELED, "%s: cancelled", s->path);
    if (s->status == WG_OK)
        s->status = wg_npz_finish(s->writer, &s->error);
    else
        wg_npz_abort(s->writer);
    s->writer = NULL;
    /* Memory is not given back on the loop's thread: unmapping gigabytes takes a while. */
    wg_state_free(s->copy);
    s->copy = NULL;
}

static void after_commit(wg__task *task)
{
    wg__save *s = task->owner;
    s->finished(s->user);
}

static void submit_commit(wg__save *s)
{
    s->task.run = run_commit;
    s->task.after = after_commit;
    s->crew->submit(s->crew, &s->task);
}

static void after_pack(wg__pack *pack)
{
    submit_commit(pack->owner);
}

static void run_open(wg__task *task)
{
    wg__save *s = task->owner;
    s->status = prepare(s);
}

static void after_open(wg__task *task)
{
    wg__save *s = task->owner;
    s->pack.crew = s->crew;
    s->pack.writer = s->writer;
    s->pack.item = item;
    s->pack.memory = s->options.memory;
    s->pack.cancel = &s->cancel;
    s->pack.progress = s->options.progress;
    s->pack.user = s->options.user;
    s->pack.finished = after_pack;
    s->pack.owner = s;
    if (s->status == WG_OK) {
        /* It may have ended already, and the last task may be running: nothing of `s` is touched
         * once it has begun. */
        wg_status status = wg__pack_start(&s->pack, &s->error);
        if (status == WG_OK) return;
        s->status = status;
    }
    submit_commit(s);
}

void wg__save_start(wg__save *s, wg__crew *crew, void (*finished)(void *user), void *user)
{
    s->crew = crew;
    s->finished = finished;
    s->user = user;
    s->task.owner = s;
    s->task.run = run_open;
    s->task.after = after_open;
    crew->submit(crew, &s->task);
}

wg_status wg__save_end(wg__save *s, wg_error *err)
{
    wg_status status = s->status;
    if (status != WG_OK) wg_error_set(err, status, "%s", s->error.message);
    dispose(s);
    return status;
}

/* Is `to` what a snapshot of `from` would be, but for values? */
static bool same_form(const wg_state *from, const wg_state *to)
{
    if (!to || wg_state_count(from) != wg_state_count(to)) return false;
    for (int i = 0; i < wg_state_count(from); i++) {
        const wg_tensor *a = wg_state_tensor_at(from, i), *b = wg_state_tensor_at(to, i);
        size_t m = 0, n = 0;
        const char *x = wg_state_text_at(from, i, &m), *y = wg_state_text_at(to, i, &n);
        if (strcmp(wg_state_name(from, i), wg_state_name(to, i)) != 0) return false;
        if (!a != !b || m != n || (x && memcmp(x, y, n) != 0)) return false;
        if (!a) continue;
        wg_shape p = wg_tensor_shape(a), q = wg_tensor_shape(b);
        if (wg_tensor_dtype(a) != wg_tensor_dtype(b) || !wg_shape_equal(&p, &q)) return false;
    }
    return true;
}

wg_status wg_state_snapshot(const wg_state *from, wg_state **to, wg_error *err)
{
    wg_status status = WG_OK;
    if (same_form(from, *to)) {
        for (int i = 0; i < wg_state_count(from); i++) {
            const wg_tensor *tensor = wg_state_tensor_at(from, i);
            if (tensor)
                memcpy(wg_tensor_data(wg_state_tensor_at(*to, i)), wg_tensor_cdata(tensor),
                       wg_tensor_bytes(tensor));
        }
        return WG_OK;
    }
    wg_state_free(*to);
    *to = NULL;
    status = wg_state_new(to, err);
    if (status == WG_OK) status = copy_state(from, *to, err);
    if (status != WG_OK) {
        wg_state_free(*to);
        *to = NULL;
    }
    return status;
}
