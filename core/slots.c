/* Slots: from the small handles that users hold to tapes, in a table that never moves, so that an
 * old handle is looked up without touching memory that is gone. */
#include <pthread.h>
#include <stdatomic.h>

#include "tape_internal.h"

/* A handle names a slot and a generation; the generation is raised when the tape is reset or freed,
 * so that an old handle is told from a new one without touching freed memory. */
static struct slot {
    _Atomic(wg_tape *) tape;
    atomic_uint generation;
} slots[WG__MAX_TAPES];
static pthread_mutex_t slot_lock = PTHREAD_MUTEX_INITIALIZER;
static uint32_t slot_hint;

bool wg__slot_take(wg_tape *tape)
{
    bool found = false;
    pthread_mutex_lock(&slot_lock);
    for (uint32_t i = 0; i < WG__MAX_TAPES && !found; i++) {
        uint32_t s = (slot_hint + i) % WG__MAX_TAPES;
        if (atomic_load(&slots[s].tape)) continue;
        tape->slot = s + 1;
        tape->generation = atomic_fetch_add(&slots[s].generation, 1) + 1;
        atomic_store(&slots[s].tape, tape);
        slot_hint = s + 1;
        found = true;
    }
    pthread_mutex_unlock(&slot_lock);
    return found;
}

void wg__slot_leave(wg_tape *tape)
{
    if (!tape->slot) return;
    pthread_mutex_lock(&slot_lock);
    atomic_fetch_add(&slots[tape->slot - 1].generation, 1);
    atomic_store(&slots[tape->slot - 1].tape, NULL);
    pthread_mutex_unlock(&slot_lock);
    tape->slot = 0;
}

wg_tape *wg__tape_of(wg_var v)
{
    if (v.slot == 0 || v.slot > WG__MAX_TAPES) return NULL;
    struct slot *s = &slots[v.slot - 1];
    wg_tape *tape = atomic_load(&s->tape);
    return tape && atomic_load(&s->generation) == v.generation ? tape : NULL;
}

void wg__slot_renew(wg_tape *tape)
{
    tape->generation = atomic_fetch_add(&slots[tape->slot - 1].generation, 1) + 1;
}
