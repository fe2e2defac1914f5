/* The state tree: named tensors and texts in the order of insertion, found through a hash table. */
#include <wengert/state.h>

#include <string.h>

#include <wengert/rng.h>

#include "registry.h"

typedef struct entry {
    char *name;
    wg_tensor *tensor; /* or */
    char *text;
    size_t length;
    bool borrowed;
} entry;

struct wg_state {
    entry *entries;
    int count, capacity;
    /* Open addressing: number of an entry + 1, or 0. Its size is a power of two, at least twice
     * `capacity`. Files of many thousand members stay linear. */
    int *slots;
    size_t n_slots;
};

enum { FIRST_CAPACITY = 16, MAX_ENTRIES = 1 << 24 };

wg_status wg_state_new(wg_state **out, wg_error *err)
{
    *out = wg_calloc(1, sizeof **out);
    return *out ? WG_OK : wg_error_set(err, WG_ENOMEM, "state: out of memory");
}

void wg_state_free(wg_state *state)
{
    if (!state) return;
    for (int i = 0; i < state->count; i++) {
        entry *e = &state->entries[i];
        if (!e->borrowed) wg_tensor_free(e->tensor);
        wg_free(e->text);
        wg_free(e->name);
    }
    wg_free(state->entries);
    wg_free(state->slots);
    wg_free(state);
}

/* The slot that a name has or would take. */
static size_t slot_of(const wg_state *state, const char *name)
{
    size_t mask = state->n_slots - 1;
    size_t slot = (size_t)wg_stream_id(name) & mask;
    while (state->slots[slot] && strcmp(state->entries[state->slots[slot] - 1].name, name) != 0)
        slot = (slot + 1) & mask;
    return slot;
}

static const entry *find(const wg_state *state, const char *name)
{
    if (!name || state->n_slots == 0) return NULL;
    int number = state->slots[slot_of(state, name)];
    return number ? &state->entries[number - 1] : NULL;
}

/* Room for one more entry. */
static bool grow(wg_state *state)
{
    if (state->count < state->capacity) return true;
    int capacity = state->capacity ? state->capacity * 2 : FIRST_CAPACITY;
    size_t n_slots = (size_t)capacity * 2;
    entry *entries = wg_reallocarray(state->entries, (size_t)capacity, sizeof *entries);
    if (!entries) return false;
    state->entries = entries;
    int *slots = wg_calloc(n_slots, sizeof *slots);
    if (!slots) return false;
    wg_free(state->slots);
    state->slots = slots;
    state->n_slots = n_slots;
    state->capacity = capacity;
    for (int i = 0; i < state->count; i++) slots[slot_of(state, entries[i].name)] = i + 1;
    return true;
}

/* Checks the name and appends an entry that has nothing but it. */
static wg_status append(wg_state *state, const char *name, entry **out, wg_error *err)
{
    wg_status status = wg__check_name("state", name, err);
    if (status) return status;
    if (find(state, name))
        return wg_error_set(err, WG_EEXIST, "state: '%s' is there already", name);
    if (state->count == MAX_ENTRIES)
        return wg_error_set(err, WG_ELIMIT, "state: more than %d entries", MAX_ENTRIES);
    char *copy = wg_strdup(name);
    if (!copy || !grow(state)) {
        wg_free(copy);
        return wg_error_set(err, WG_ENOMEM, "state: out of memory");
    }
    state->slots[slot_of(state, copy)] = state->count + 1;
    *out = &state->entries[state->count++];
    **out = (entry){.name = copy};
    return WG_OK;
}

static wg_status put_tensor(wg_state *state, const char *name, wg_tensor *tensor, bool borrowed,
                            wg_error *err)
{
    if (!tensor) return wg_error_set(err, WG_EINVAL, "state: no tensor for '%s'", name ? name : "");
    entry *e;
    wg_status status = append(state, name, &e, err);
    if (status) return status;
    e->tensor = tensor;
    e->borrowed = borrowed;
    return WG_OK;
}

wg_status wg_state_put_tensor(wg_state *state, const char *name, wg_tensor *tensor, wg_error *err)
{
    return put_tensor(state, name, tensor, false, err);
}

wg_status wg_state_ref_tensor(wg_state *state, const char *name, wg_tensor *tensor, wg_error *err)
{
    return put_tensor(state, name, tensor, true, err);
}

wg_status wg_state_put_text(wg_state *state, const char *name, const char *text, size_t length,
                            wg_error *err)
{
    size_t bytes;
    if (!text && length)
        return wg_error_set(err, WG_EINVAL, "state: no text for '%s'", name ? name : "");
    if (!wg_add_size(length, 1, &bytes))
        return wg_error_set(err, WG_EOVERFLOW, "state: text too long");
    char *copy = wg_malloc(bytes);
    if (!copy) return wg_error_set(err, WG_ENOMEM, "state: out of memory");
    if (length) memcpy(copy, text, length);
    copy[length] = '\0';
    entry *e;
    wg_status status = append(state, name, &e, err);
    if (status) {
        wg_free(copy);
        return status;
    }
    e->text = copy;
    e->length = length;
    return WG_OK;
}

static const entry *at(const wg_state *state, int i)
{
    return i >= 0 && i < state->count ? &state->entries[i] : NULL;
}

static const char *text_of(const entry *e, size_t *length)
{
    if (length) *length = e && e->text ? e->length : 0;
    return e ? e->text : NULL;
}

int wg_state_count(const wg_state *state)
{
    return state->count;
}

const char *wg_state_name(const wg_state *state, int i)
{
    const entry *e = at(state, i);
    return e ? e->name : NULL;
}

wg_tensor *wg_state_tensor_at(const wg_state *state, int i)
{
    const entry *e = at(state, i);
    return e ? e->tensor : NULL;
}

const char *wg_state_text_at(const wg_state *state, int i, size_t *length)
{
    return text_of(at(state, i), length);
}

wg_tensor *wg_state_tensor(const wg_state *state, const char *name)
{
    const entry *e = find(state, name);
    return e ? e->tensor : NULL;
}

const char *wg_state_text(const wg_state *state, const char *name, size_t *length)
{
    return text_of(find(state, name), length);
}
