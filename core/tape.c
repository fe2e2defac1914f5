/* The tape: its life, poison, scopes and names. What is written on it is in record.c. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "builtin.h"
#include "tape_internal.h"

wg_var wg__var(const wg_tape *tape, int32_t value)
{
    return (wg_var){tape->slot, tape->generation, value};
}

/* ---- the caller's place ---- */

static _Thread_local const char *here_file;
static _Thread_local int here_line;

void wg_here(const char *file, int line)
{
    here_file = file;
    here_line = line;
}

void wg__place(const char **file, int *line)
{
    *file = here_file;
    *line = here_line;
}

/* ---- life ---- */

static wg_tape *root_of(wg_tape *tape)
{
    while (tape->parent) tape = tape->parent;
    return tape;
}

wg__arena *wg__work(wg_tape *tape)
{
    return &root_of(tape)->work;
}

static wg_tape *take_spare(wg_tape *parent)
{
    wg_tape *root = root_of(parent), *tape = root->spare;
    if (tape) root->spare = tape->spare;
    if (tape) tape->spare = NULL;
    return tape;
}

static wg_status tape_new(wg_tape *parent, wg_tape **out, wg_error *err)
{
    wg_tape *tape = parent ? take_spare(parent) : NULL;
    if (!tape) tape = wg_calloc(1, sizeof *tape);
    if (!tape) return wg_error_set(err, WG_ENOMEM, "tape: out of memory");
    tape->parent = parent;
    tape->depth = parent ? parent->depth + 1 : 0;
    /* A body outlives resets of the tape it was recorded from: the text must be its own. */
    tape->scope = parent ? wg__arena_strdup(&tape->arena, parent->scope) : "";
    tape->options.size = sizeof tape->options;
    if (!tape->scope) {
        wg_tape_free(tape);
        return wg_error_set(err, WG_ENOMEM, "tape: out of memory");
    }
    if (!wg__slot_take(tape)) {
        wg_tape_free(tape);
        return wg_error_set(err, WG_ELIMIT, "tape: more than %d tapes at once", WG__MAX_TAPES);
    }
    *out = tape;
    return WG_OK;
}

wg_status wg_tape_new(wg_tape **out, wg_error *err)
{
    if (!out) return wg_error_set(err, WG_EINVAL, "wg_tape_new: out is NULL");
    *out = NULL;
    wg__registry_ensure();
    wg__registry_freeze();
    return tape_new(NULL, out, err);
}

wg_status wg__body_tape_new(wg_tape *parent, wg_tape **out, wg_error *err)
{
    return tape_new(parent, out, err);
}

void wg__tape_seal(wg_tape *tape)
{
    tape->parent = NULL;
    wg__slot_renew(tape);
}

void wg_tape_free(wg_tape *tape)
{
    while (tape) {
        wg_tape *next = tape->spare;
        wg__slot_leave(tape);
        for (int32_t i = 0; i < tape->n_bodies; i++) wg__body_release(tape->bodies[i]);
        wg__cache_free(tape->cache);
        wg__intern_free(tape->intern);
        wg_free(tape->bodies);
        wg_free(tape->captures);
        wg_free(tape->values);
        wg_free(tape->nodes);
        wg__arena_free(&tape->arena);
        wg__arena_free(&tape->work);
        wg_free(tape);
        tape = next;
    }
}

/* An empty list in the memory that it has. */
static void clear(wg_tape *tape)
{
    for (int32_t i = 0; i < tape->n_bodies; i++) wg__body_release(tape->bodies[i]);
    tape->n_bodies = tape->n_nodes = tape->n_values = tape->n_captures = tape->last_leaf = 0;
    wg__arena_reset(&tape->arena);
    tape->scope = "";
    tape->copied_scope[0] = tape->copied_scope[1] = NULL;
    tape->status = WG_OK;
    memset(&tape->error, 0, sizeof tape->error);
}

void wg__tape_recycle(wg_tape *root, wg_tape *tape)
{
    wg__slot_leave(tape);
    clear(tape);
    wg__cache_free(tape->cache);
    tape->cache = NULL;
    memset(&tape->options, 0, sizeof tape->options);
    tape->watch = NULL;
    tape->watch_user = NULL;
    tape->parent = NULL;
    tape->spare = root->spare;
    root->spare = tape;
}

void wg_tape_reset(wg_tape *tape)
{
    if (!tape) return;
    if (tape->parent) {
        wg_tape_fail(tape, WG_ESTATE, "the tape of a scan's body was reset while it is recorded");
        return;
    }
    wg__slot_renew(tape);
    clear(tape);
}

/* ---- errors ---- */

void wg__tape_poison(wg_tape *tape, wg_status status, const char *message)
{
    for (; tape; tape = tape->parent) {
        if (tape->status != WG_OK) continue;
        tape->status = status;
        wg_error_set(&tape->error, status, "%s", message);
    }
}

static void fail_v(wg_tape *tape, wg_status status, const char *fmt, va_list args)
{
    char text[800], message[1024];
    vsnprintf(text, sizeof text, fmt, args);
    if (here_file)
        snprintf(message, sizeof message, "%s (at %s:%d)", text, here_file, here_line);
    else
        snprintf(message, sizeof message, "%s", text);
    wg__tape_poison(tape, status, message);
}

wg_var wg_tape_failv(wg_tape *tape, wg_status status, const char *fmt, va_list args)
{
    if (!tape) return WG_NONE;
    fail_v(tape, status, fmt, args);
    return wg__var(tape, -1);
}

wg_var wg_tape_fail(wg_tape *tape, wg_status status, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    wg_var v = wg_tape_failv(tape, status, fmt, args);
    va_end(args);
    return v;
}

wg_status wg__tape_fail_v(wg_tape *tape, wg_status status, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fail_v(tape, status, fmt, args);
    va_end(args);
    return status;
}

wg_status wg_tape_status(const wg_tape *tape, wg_error *err)
{
    if (!tape) return wg_error_set(err, WG_EINVAL, "tape is NULL");
    if (tape->status != WG_OK && err) *err = tape->error;
    return tape->status;
}

wg_status wg_infer_failv(wg_infer *c, wg_status status, const char *fmt, va_list args)
{
    return wg_error_setv(c ? c->err : NULL, status, fmt, args);
}

wg_status wg_infer_fail(wg_infer *c, wg_status status, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    wg_status s = wg_infer_failv(c, status, fmt, args);
    va_end(args);
    return s;
}

/* ---- memory ---- */

void *wg_tape_alloc(wg_tape *tape, size_t count, size_t size)
{
    if (!tape) return NULL;
    void *p = wg__arena_calloc(&tape->arena, count, size);
    if (!p) wg__tape_poison(tape, WG_ENOMEM, "tape: out of memory while recording");
    return p;
}

/* ---- looking at vars ---- */

int64_t wg_tape_length(const wg_tape *tape)
{
    return tape ? tape->n_nodes : 0;
}
wg_tape *wg_var_tape(wg_var v)
{
    return wg__tape_of(v);
}

bool wg_var_ok(wg_var v)
{
    wg_tape *tape = wg__tape_of(v);
    return tape && v.index >= 0 && v.index < tape->n_values;
}

wg_type wg_var_type(wg_var v)
{
    return wg_var_ok(v) ? wg__tape_of(v)->values[v.index].type : (wg_type){WG_F32, WG_SCALAR};
}

wg_dtype wg_var_dtype(wg_var v)
{
    return wg_var_type(v).dtype;
}
int wg_rank(wg_var v)
{
    return wg_var_type(v).shape.rank;
}

int64_t wg_dim(wg_var v, int axis)
{
    wg_type t = wg_var_type(v);
    if (axis < 0) axis += t.shape.rank;
    return axis >= 0 && axis < t.shape.rank ? t.shape.dim[axis] : 0;
}

/* ---- scopes and names ---- */

void wg_push_scope(wg_tape *tape, const char *name)
{
    if (!tape || !name) return;
    size_t a = strlen(tape->scope), b = strlen(name);
    char *path = wg__arena_alloc(&tape->arena, a + b + 2);
    if (!path) {
        wg_tape_fail(tape, WG_ENOMEM, "scope '%s': out of memory", name);
        return;
    }
    memcpy(path, tape->scope, a);
    if (a) path[a++] = '.';
    memcpy(path + a, name, b + 1);
    tape->scope = path;
}

void wg_pop_scope(wg_tape *tape)
{
    if (!tape || !tape->scope[0]) return;
    const char *floor = tape->parent ? tape->parent->scope : "";
    if (strlen(tape->scope) <= strlen(floor)) return;
    const char *dot = strrchr(tape->scope, '.');
    size_t n = dot ? (size_t)(dot - tape->scope) : 0;
    char *path = wg__arena_alloc(&tape->arena, n + 1);
    if (!path) return;
    memcpy(path, tape->scope, n);
    path[n] = 0;
    tape->scope = path;
}

wg_var wg_name(wg_var v, const char *name)
{
    if (!wg_var_ok(v) || !name) return v;
    wg_tape *tape = wg__tape_of(v);
    tape->values[v.index].name = wg__arena_strdup(&tape->arena, name);
    return v;
}

wg_var wg_watch(wg_var v, const char *name)
{
    if (!wg_var_ok(v) || !name) return v;
    wg_tape *tape = wg__tape_of(v);
    const char *copy = wg__arena_strdup(&tape->arena, name);
    if (!copy) return wg_tape_fail(tape, WG_ENOMEM, "watch '%s': out of memory", name);
    tape->values[v.index].watch = copy;
    return v;
}

void wg_tape_on_watch(wg_tape *tape, wg_watch_fn fn, void *user)
{
    if (!tape) return;
    tape->watch = fn;
    tape->watch_user = user;
}

wg_status wg_tape_options(wg_tape *tape, const wg_compile_options *options, wg_error *err)
{
    if (!tape || !options || options->size > sizeof tape->options || options->size < sizeof(size_t))
        return wg_error_set(err, WG_EINVAL, "wg_tape_options: no tape or options of unknown size");
    memset(&tape->options, 0, sizeof tape->options);
    memcpy(&tape->options, options, options->size);
    tape->options.size = sizeof tape->options;
    return WG_OK;
}
