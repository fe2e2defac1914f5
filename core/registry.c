/* The registry: ops and cells by name.
 *
 * Built-in descriptors are made known first, through the same door as everybody's. The registry is
 * the one piece of mutable process-wide state; it closes when the first tape is made. It lies in
 * fixed tables, because it outlives any allocator that a host installs. */
#include "registry.h"

#include <pthread.h>
#include <string.h>

#include "builtin.h"

enum { CAPACITY = 1024 };

/* Descriptors in the order of registration, and their numbers in the order of names. */
typedef struct table {
    const void *entry[CAPACITY];
    uint16_t sorted[CAPACITY];
    int count;
} table;

static struct {
    pthread_mutex_t lock;
    bool frozen;
    table ops, cells;
    wg_status builtin_status;
    wg_error builtin_error;
} registry = {.lock = PTHREAD_MUTEX_INITIALIZER};

typedef const char *(*name_fn)(const void *entry);

static const char *name_of_op(const void *entry)
{
    return ((const wg_op *)entry)->name;
}

static const char *name_of_cell(const void *entry)
{
    return ((const wg_cell *)entry)->name;
}

/* Place of a name among the sorted ones: of itself, or where it would go. */
static int place_of(const table *t, name_fn name_of, const char *name, bool *found)
{
    int low = 0, high = t->count;
    *found = false;
    while (low < high) {
        int middle = low + (high - low) / 2;
        int order = strcmp(name_of(t->entry[t->sorted[middle]]), name);
        if (order == 0) {
            *found = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Adds a descriptor that was found well formed; the lock is held. */
static wg_status add(table *t, name_fn name_of, const char *what, const void *entry, wg_error *err)
{
    const char *name = name_of(entry);
    bool found;
    int place = place_of(t, name_of, name, &found);
    if (found) return wg_error_set(err, WG_EEXIST, "%s '%s' is registered already", what, name);
    if (t->count == CAPACITY)
        return wg_error_set(err, WG_ELIMIT, "%s '%s': %d are registered, no more fit", what, name,
                            CAPACITY);
    memmove(t->sorted + place + 1, t->sorted + place,
            (size_t)(t->count - place) * sizeof t->sorted[0]);
    t->sorted[place] = (uint16_t)t->count;
    t->entry[t->count++] = entry;
    return WG_OK;
}

static void note_builtin(wg_status status, const wg_error *err)
{
    if (!status || registry.builtin_status) return;
    registry.builtin_status = status;
    registry.builtin_error = *err;
}

static void add_builtins(void)
{
    wg_error err;
    wg_status status;
    pthread_mutex_lock(&registry.lock);
    for (int i = 0; i < wg__core_op_count; i++) {
        status = wg__validate_op(wg__core_ops[i], true, &err);
        if (!status) status = add(&registry.ops, name_of_op, "op", wg__core_ops[i], &err);
        note_builtin(status, &err);
    }
    for (int i = 0; i < wg__builtin_op_count; i++) {
        status = wg__validate_op(wg__builtin_ops[i], false, &err);
        if (!status) status = add(&registry.ops, name_of_op, "op", wg__builtin_ops[i], &err);
        note_builtin(status, &err);
    }
    for (int i = 0; i < wg__builtin_cell_count; i++) {
        status = wg__validate_cell(wg__builtin_cells[i], &err);
        if (!status)
            status = add(&registry.cells, name_of_cell, "cell", wg__builtin_cells[i], &err);
        note_builtin(status, &err);
    }
    pthread_mutex_unlock(&registry.lock);
}

void wg__registry_ensure(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, add_builtins);
}

wg_status wg__registry_builtin_status(wg_error *err)
{
    wg__registry_ensure();
    pthread_mutex_lock(&registry.lock);
    wg_status status = registry.builtin_status;
    if (status && err) *err = registry.builtin_error;
    pthread_mutex_unlock(&registry.lock);
    return status;
}

void wg__registry_freeze(void)
{
    wg__registry_ensure();
    pthread_mutex_lock(&registry.lock);
    registry.frozen = true;
    pthread_mutex_unlock(&registry.lock);
}

bool wg__registry_frozen(void)
{
    pthread_mutex_lock(&registry.lock);
    bool frozen = registry.frozen;
    pthread_mutex_unlock(&registry.lock);
    return frozen;
}

static wg_status register_entry(table *t, name_fn name_of, const char *what, const void *entry,
                                wg_error *err)
{
    wg_status status = wg__registry_builtin_status(err);
    if (status) return status;
    pthread_mutex_lock(&registry.lock);
    if (registry.frozen)
        status = wg_error_set(err, WG_ESTATE,
                              "%s '%s' comes too late: register before the first "
                              "tape is made",
                              what, name_of(entry));
    else
        status = add(t, name_of, what, entry, err);
    pthread_mutex_unlock(&registry.lock);
    return status;
}

static const void *find(const table *t, name_fn name_of, const char *name)
{
    if (!name) return NULL;
    wg__registry_ensure();
    pthread_mutex_lock(&registry.lock);
    bool found;
    int place = place_of(t, name_of, name, &found);
    const void *entry = found ? t->entry[t->sorted[place]] : NULL;
    pthread_mutex_unlock(&registry.lock);
    return entry;
}

static int count(const table *t)
{
    wg__registry_ensure();
    pthread_mutex_lock(&registry.lock);
    int n = t->count;
    pthread_mutex_unlock(&registry.lock);
    return n;
}

static const void *at(const table *t, int i)
{
    wg__registry_ensure();
    pthread_mutex_lock(&registry.lock);
    const void *entry = i >= 0 && i < t->count ? t->entry[i] : NULL;
    pthread_mutex_unlock(&registry.lock);
    return entry;
}

wg_status wg_register_op(const wg_op *op, wg_error *err)
{
    wg_status status = wg__validate_op(op, false, err);
    if (status) return status;
    return register_entry(&registry.ops, name_of_op, "op", op, err);
}

const wg_op *wg_find_op(const char *name)
{
    return find(&registry.ops, name_of_op, name);
}

int wg_op_count(void)
{
    return count(&registry.ops);
}

const wg_op *wg_op_at(int i)
{
    return at(&registry.ops, i);
}

wg_status wg_register_cell(const wg_cell *cell, wg_error *err)
{
    wg_status status = wg__validate_cell(cell, err);
    if (status) return status;
    return register_entry(&registry.cells, name_of_cell, "cell", cell, err);
}

const wg_cell *wg_find_cell(const char *name)
{
    return find(&registry.cells, name_of_cell, name);
}

int wg_cell_count(void)
{
    return count(&registry.cells);
}

const wg_cell *wg_cell_at(int i)
{
    return at(&registry.cells, i);
}
