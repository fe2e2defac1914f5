/* Interning of loop bodies: recording the same model again gives the same body, with the VJPs that
 * were derived from it, and the tape of the second recording is kept for the next one. Bodies are
 * compared by all of their canonical bytes, places of recording included, so that messages stay
 * true. */
#include <string.h>

#include "graph.h"

enum { MOST = 256 };

typedef struct interned {
    uint64_t hash;
    unsigned char *bytes;
    size_t size;
    wg__body *body;
} interned;

struct wg__intern {
    interned entries[MOST];
    int32_t n;
    wg__bytes scratch;
};

static void forget(struct wg__intern *t)
{
    for (int32_t i = 0; i < t->n; i++) {
        wg_free(t->entries[i].bytes);
        wg__body_release(t->entries[i].body);
    }
    t->n = 0;
}

void wg__intern_free(struct wg__intern *t)
{
    if (!t) return;
    forget(t);
    wg_free(t->scratch.data);
    wg_free(t);
}

wg_status wg__body_intern(wg_tape *tape, wg__body **body)
{
    while (tape->parent) tape = tape->parent;
    if (!tape->intern) tape->intern = wg_calloc(1, sizeof *tape->intern);
    struct wg__intern *t = tape->intern;
    if (!t) return WG_ENOMEM;
    t->scratch.size = 0;
    t->scratch.failed = false;
    wg__body_bytes(&t->scratch, *body);
    if (t->scratch.failed) return WG_ENOMEM;
    uint64_t hash = wg__bytes_hash(&t->scratch);
    for (int32_t i = 0; i < t->n; i++) {
        interned *e = &t->entries[i];
        if (e->hash != hash || e->size != t->scratch.size ||
            memcmp(e->bytes, t->scratch.data, e->size) != 0)
            continue;
        if ((*body)->refs == 1)
            wg__tape_recycle(tape, (*body)->graph);
        else
            wg__body_release(*body);
        *body = e->body;
        wg__body_retain(*body);
        return WG_OK;
    }
    /* Recording that never repeats must not fill memory: start over when full. */
    if (t->n == MOST) forget(t);
    unsigned char *bytes = wg_malloc(t->scratch.size);
    if (!bytes) return WG_ENOMEM;
    memcpy(bytes, t->scratch.data, t->scratch.size);
    t->entries[t->n++] =
        (interned){.hash = hash, .bytes = bytes, .size = t->scratch.size, .body = *body};
    wg__body_retain(*body);
    return WG_OK;
}
