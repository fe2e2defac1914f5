/* The bounded cache: a table searched from end to end, as compiled programs are few and dear. */
#include "lru.h"

#include <string.h>

#include <wengert/memory.h>

wg_status wg__lru_init(wg__lru *lru, int most, int64_t most_bytes, void (*free_value)(void *value),
                       wg_error *err)
{
    *lru = (wg__lru){.most = most < 1              ? 1
                             : most > WG__LRU_MOST ? WG__LRU_MOST
                                                   : most,
                     .most_bytes = most_bytes,
                     .free_value = free_value};
    lru->entries = wg_calloc((size_t)lru->most, sizeof *lru->entries);
    if (!lru->entries) return wg_error_set(err, WG_ENOMEM, "cache of programs: out of memory");
    return WG_OK;
}

void wg__lru_clear(wg__lru *lru)
{
    for (int i = 0; i < lru->n; i++) lru->free_value(lru->entries[i].value);
    wg_free(lru->entries);
    *lru = (wg__lru){0};
}

void *wg__lru_find(wg__lru *lru, const wg__lru_key *key)
{
    for (int i = 0; i < lru->n; i++)
        if (memcmp(&lru->entries[i].key, key, sizeof *key) == 0) {
            lru->entries[i].used = ++lru->clock;
            return lru->entries[i].value;
        }
    return NULL;
}

static void drop_oldest(wg__lru *lru)
{
    int oldest = 0;
    for (int i = 1; i < lru->n; i++)
        if (lru->entries[i].used < lru->entries[oldest].used) oldest = i;
    lru->bytes -= lru->entries[oldest].bytes;
    lru->free_value(lru->entries[oldest].value);
    lru->entries[oldest] = lru->entries[--lru->n];
}

void wg__lru_make_room(wg__lru *lru)
{
    while (lru->n > 0 && (lru->n >= lru->most || lru->bytes >= lru->most_bytes)) drop_oldest(lru);
}

void wg__lru_put(wg__lru *lru, const wg__lru_key *key, void *value, int64_t bytes)
{
    while (lru->n > 0 && (lru->n >= lru->most || bytes > lru->most_bytes - lru->bytes))
        drop_oldest(lru);
    lru->entries[lru->n++] =
        (wg__lru_entry){.key = *key, .value = value, .bytes = bytes, .used = ++lru->clock};
    lru->bytes += bytes;
}
