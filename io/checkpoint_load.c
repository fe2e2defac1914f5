/* Loading: a plan (directory, names, shapes) made by one task, the engine of reading, and an end
 * where new entries join the tree. */
#include <stdio.h>
#include <string.h>

#include <wengert/memory.h>

#include "checkpoint_private.h"
#include "fileerror.h"

/* What becomes of a member: filled tensor, new tensor or text, or nothing. */
typedef struct fate {
    wg_tensor *target, *made;
    char *text;
} fate;

struct wg__load {
    wg__crew *crew;
    void (*finished)(void *user);
    void *user;
    wg__task task;
    char *path, *file_prefix, *target_prefix;
    wg_params *params; /* one of them */
    wg_state *state;
    wg_checkpoint_options options;
    wg_npz_options npz;
    wg__source source;
    wg__member *members;
    size_t count;
    wg__names names;
    fate *fates;
    wg__unpack_item *items;
    wg__unpack unpack;
    wg_load_report *report;
    atomic_bool cancel;
    wg_status status;
    wg_error error;
};

/* What was made and did not join the tree. */
static void drop_made(wg__load *l)
{
    for (size_t i = 0; i < l->count && l->fates; i++) {
        wg_tensor_free(l->fates[i].made);
        wg_free(l->fates[i].text);
    }
    wg_free(l->fates);
    l->fates = NULL;
}

static void dispose(wg__load *l)
{
    wg__source_close(&l->source);
    drop_made(l);
    wg_free(l->items);
    wg__names_free(&l->names);
    wg__zip_free(l->members, l->count);
    wg_load_report_free(l->report);
    wg_free(l->path);
    wg_free(l->file_prefix);
    wg_free(l->target_prefix);
    wg_free(l);
}

wg_status wg__load_new(const char *path, wg_params *params, wg_state *state,
                       const wg_checkpoint_options *options, wg__load **out, wg_error *err)
{
    wg_checkpoint_options o;
    wg_npz_options npz;
    *out = NULL;
    wg_status status = wg__checkpoint_defaults(&o, &npz, options, path, err);
    if (status != WG_OK) return status;
    if (!params && !state) return wg_error_set(err, WG_EINVAL, "%s: nothing to load into", path);
    if (params && wg_params_count(params) > 0 && !wg_params_value(params, 0))
        return wg_error_set(err, WG_EINVAL, "%s: the parameters are not initialised", path);
    wg__load *l = wg_calloc(1, sizeof *l);
    if (!l) return wg__no_memory(err, path);
    l->source.fd = -1;
    l->options = o;
    l->npz = npz;
    l->params = params;
    l->state = state;
    l->path = wg_strdup(path);
    bool fine = l->path != NULL;
    if (o.file_prefix) {
        l->file_prefix = wg_strdup(o.file_prefix);
        l->target_prefix = wg_strdup(o.target_prefix);
        fine = fine && l->file_prefix && l->target_prefix;
    }
    l->report = wg__report_new();
    if (!fine || !l->report) {
        dispose(l);
        return wg__no_memory(err, path);
    }
    *out = l;
    return WG_OK;
}

atomic_bool *wg__load_cancel(wg__load *l)
{
    return &l->cancel;
}

int wg__load_threads(const wg__load *l)
{
    return l->options.threads;
}

static wg_status no_memory(wg__load *l)
{
    return wg__no_memory(&l->error, l->path);
}

/* `name` with the prefix `from` replaced by `to`; false when it has another, or none fits. */
static bool rename_prefix(const char *name, const char *from, const char *to, char *out,
                          size_t room)
{
    if (!from) from = to = "";
    size_t n = strlen(from);
    if (strncmp(name, from, n) != 0) return false;
    return (size_t)snprintf(out, room, "%s%s", to, name + n) < room;
}

enum { NAME_ROOM = 2 * WG__ZIP_MAX_NAME + 2 };

/* A tensor of the target: which member fills it? */
static wg_status match(wg__load *l, const char *name, wg_tensor *tensor)
{
    char wanted[NAME_ROOM];
    if (!rename_prefix(name, l->target_prefix, l->file_prefix, wanted, sizeof wanted)) return WG_OK;
    int64_t i = wg__names_find(&l->names, wanted);
    if (i >= 0 && l->names.tensor[i]) {
        l->fates[i].target = tensor;
        return WG_OK;
    }
    return wg__report_add(l->report, WG_LOAD_MISSING, name, NULL) ? WG_OK : no_memory(l);
}

static wg_status match_all(wg__load *l)
{
    wg_status status = WG_OK;
    if (l->params)
        for (int i = 0; i < wg_params_count(l->params) && status == WG_OK; i++)
            status = match(l, wg_params_name(l->params, i), wg_params_value(l->params, i));
    else
        for (int i = 0; i < wg_state_count(l->state) && status == WG_OK; i++) {
            wg_tensor *tensor = wg_state_tensor_at(l->state, i);
            if (tensor) status = match(l, wg_state_name(l->state, i), tensor);
        }
    return status;
}

/* A member that is to fill a tensor, or of which one is made. */
static wg_status plan_tensor(wg__load *l, size_t i, wg__unpack_item *item)
{
    const wg__member *m = &l->members[i];
    fate *f = &l->fates[i];
    wg__npy npy;
    wg_status status = wg__unpack_header(&l->source, m, &npy, &item->skip, &l->error);
    if (status != WG_OK) return status;
    item->narrow = npy.kind == WG__NPY_I8;
    if (!f->target) {
        /* As large as the member says, which the size of the file bounds. */
        status = wg_tensor_new(npy.type.dtype, npy.type.shape, &f->made, &l->error);
        if (status != WG_OK) return status;
        item->out = wg_tensor_data(f->made);
        item->member = m;
        return WG_OK;
    }
    wg_shape wanted = wg_tensor_shape(f->target);
    if (npy.type.dtype == wg_tensor_dtype(f->target) && wg_shape_equal(&npy.type.shape, &wanted)) {
        item->out = wg_tensor_data(f->target);
        item->member = m;
        return WG_OK;
    }
    char have[160], want[160], detail[400];
    snprintf(detail, sizeof detail, "the file has %s %s, wanted is %s %s",
             wg_dtype_name(npy.type.dtype), wg_shape_format(&npy.type.shape, have, sizeof have),
             wg_dtype_name(wg_tensor_dtype(f->target)),
             wg_shape_format(&wanted, want, sizeof want));
    return wg__report_add(l->report, WG_LOAD_MISMATCHED, l->names.name[i], detail) ? WG_OK
                                                                                   : no_memory(l);
}

/* Fills in `item` when the member is to be read. */
static wg_status plan_member(wg__load *l, size_t i, wg__unpack_item *item)
{
    const wg__member *m = &l->members[i];
    const char *name = l->names.name[i];
    fate *f = &l->fates[i];
    char target[NAME_ROOM];
    if (f->target) return plan_tensor(l, i, item);
    if (!rename_prefix(name, l->file_prefix, l->target_prefix, target, sizeof target)) return WG_OK;
    if (l->params) {
        if (!l->names.tensor[i]) return WG_OK;
        return wg__report_add(l->report, WG_LOAD_UNEXPECTED, name, NULL) ? WG_OK : no_memory(l);
    }
    size_t length;
    if (wg_state_tensor(l->state, target) || wg_state_text(l->state, target, &length))
        return wg_error_set(&l->error, WG_EEXIST, "%s: the tree has '%s' already", l->path, target);
    if (l->names.tensor[i]) return plan_tensor(l, i, item);
    f->text = m->size < SIZE_MAX ? wg_malloc((size_t)m->size + 1) : NULL;
    if (!f->text) return no_memory(l);
    f->text[m->size] = '\0';
    item->out = f->text;
    item->member = m;
    return WG_OK;
}

static wg_status plan(wg__load *l)
{
    wg_status status = wg__source_open(&l->source, l->path, &l->error);
    if (status == WG_OK)
        status = wg__zip_read_directory(&l->source, &l->npz, &l->members, &l->count, &l->error);
    if (status == WG_OK)
        status = wg__names_make(&l->names, l->path, l->members, l->count, &l->error);
    if (status != WG_OK) return status;
    l->fates = wg_calloc(l->count, sizeof *l->fates);
    l->items = wg_calloc(l->count, sizeof *l->items);
    if (!l->fates || !l->items) return no_memory(l);
    status = match_all(l);
    size_t n = 0;
    for (size_t i = 0; i < l->count && status == WG_OK; i++) {
        if (atomic_load(&l->cancel))
            return wg_error_set(&l->error, WG_ECANCELED, "%s: cancelled", l->path);
        status = plan_member(l, i, &l->items[n]);
        if (status != WG_OK || !l->items[n].member) {
            l->items[n] = (wg__unpack_item){0};
            continue;
        }
        n++;
        if (!wg__report_add(l->report, WG_LOAD_DONE, l->names.name[i], NULL)) return no_memory(l);
    }
    l->unpack.count = n;
    if (status == WG_OK) status = wg__report_judge(l->report, l->options.flags, l->path, &l->error);
    return status;
}

/* New entries join the tree. */
static wg_status commit(wg__load *l)
{
    for (size_t i = 0; i < l->count; i++) {
        fate *f = &l->fates[i];
        if (!f->made && !f->text) continue;
        char name[NAME_ROOM];
        wg_error inner = {0};
        rename_prefix(l->names.name[i], l->file_prefix, l->target_prefix, name, sizeof name);
        wg_status status = f->made ? wg_state_put_tensor(l->state, name, f->made, &inner)
                                   : wg_state_put_text(l->state, name, f->text,
                                                       (size_t)l->members[i].size, &inner);
        if (status != WG_OK)
            return wg_error_set(&l->error, status, "%s: %s", l->path, inner.message);
        f->made = NULL;
        wg_free(f->text);
        f->text = NULL;
    }
    return WG_OK;
}

static void run_commit(wg__task *task)
{
    wg__load *l = task->owner;
    if (l->status == WG_OK) l->status = commit(l);
    /* Here, for giving gigabytes back to the system takes a while. */
    drop_made(l);
    wg__source_close(&l->source);
}

static void after_commit(wg__task *task)
{
    wg__load *l = task->owner;
    l->finished(l->user);
}

static void submit_commit(wg__load *l)
{
    l->task.run = run_commit;
    l->task.after = after_commit;
    l->crew->submit(l->crew, &l->task);
}

static void after_unpack(wg__unpack *u)
{
    wg__load *l = u->owner;
    l->status = u->status;
    if (u->status != WG_OK) l->error = u->error;
    submit_commit(l);
}

static void run_plan(wg__task *task)
{
    wg__load *l = task->owner;
    l->status = plan(l);
}

static void after_plan(wg__task *task)
{
    wg__load *l = task->owner;
    l->unpack.crew = l->crew;
    l->unpack.source = &l->source;
    l->unpack.items = l->items;
    l->unpack.memory = l->options.memory;
    l->unpack.cancel = &l->cancel;
    l->unpack.progress = l->options.progress;
    l->unpack.user = l->options.user;
    l->unpack.finished = after_unpack;
    l->unpack.owner = l;
    if (l->status == WG_OK) {
        /* It may have ended already, and the last task may be running: nothing of `l` is touched
         * once it has begun. */
        wg_status status = wg__unpack_start(&l->unpack, &l->error);
        if (status == WG_OK) return;
        l->status = status;
    }
    submit_commit(l); /* which closes the file */
}

void wg__load_start(wg__load *l, wg__crew *crew, void (*finished)(void *user), void *user)
{
    l->crew = crew;
    l->finished = finished;
    l->user = user;
    l->task.owner = l;
    l->task.run = run_plan;
    l->task.after = after_plan;
    crew->submit(crew, &l->task);
}

wg_status wg__load_end(wg__load *l, wg_load_report **report, wg_error *err)
{
    wg_status status = l->status;
    if (status != WG_OK) wg_error_set(err, status, "%s", l->error.message);
    *report = NULL;
    if (status == WG_OK || status == WG_ENOTFOUND || status == WG_ESHAPE) {
        /* Without a plan, WG_ENOTFOUND is the file's. */
        if (status == WG_OK || l->items) {
            *report = l->report;
            l->report = NULL;
        }
    }
    dispose(l);
    return status;
}
