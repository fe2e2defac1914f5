/* Pairs of numbers in a hash table. */
#include "pair_table.h"

#include <uv.h>

#include <wengert/memory.h>

void wg__pair_table_init(wg__pair_table *t)
{
    *t = (wg__pair_table){0};
    if (uv_random(NULL, NULL, t->seed, sizeof t->seed, 0, NULL) != 0) {
        /* No entropy (an old kernel in a sandbox): an address is at least not in the file. */
        t->seed[0] = (uint64_t)(uintptr_t)t * UINT64_C(0x9e3779b97f4a7c15);
        t->seed[1] = ~t->seed[0];
    }
}

void wg__pair_table_free(wg__pair_table *t)
{
    wg_free(t->slot);
    t->slot = NULL;
    t->slots = t->used = 0;
}

static uint64_t pack(int32_t left, int32_t right)
{
    return (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
}

/* The mixer of splitmix64 (Steele, Lea and Flood 2014) between two keys. */
static size_t place(const wg__pair_table *t, uint64_t key)
{
    uint64_t h = key ^ t->seed[0];
    h = (h ^ h >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    h ^= t->seed[1];
    h = (h ^ h >> 27) * UINT64_C(0x94d049bb133111eb);
    h ^= h >> 31;
    size_t mask = t->slots - 1, at = (size_t)h & mask;
    while (t->slot[at].value >= 0 && t->slot[at].key != key) at = (at + 1) & mask;
    return at;
}

int32_t wg__pair_table_find(const wg__pair_table *t, int32_t left, int32_t right)
{
    return t->slots ? t->slot[place(t, pack(left, right))].value : -1;
}

static bool grow(wg__pair_table *t)
{
    wg__pair_table more = *t;
    more.slots = t->slots ? 2 * t->slots : 256;
    more.slot = wg_reallocarray(NULL, more.slots, sizeof *more.slot);
    if (!more.slot) return false;
    for (size_t i = 0; i < more.slots; i++) more.slot[i].value = -1;
    for (size_t i = 0; i < t->slots; i++)
        if (t->slot[i].value >= 0) more.slot[place(&more, t->slot[i].key)] = t->slot[i];
    wg_free(t->slot);
    *t = more;
    return true;
}

bool wg__pair_table_add(wg__pair_table *t, int32_t left, int32_t right, int32_t value)
{
    if (2 * (t->used + 1) > t->slots && !grow(t)) return false;
    uint64_t key = pack(left, right);
    t->slot[place(t, key)] = (wg__pair_slot){key, value};
    t->used++;
    return true;
}
