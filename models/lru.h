/* A small bounded cache of things made for a shape (compiled programs and their tensors): the least
 * recently used leave when there are too many of them, or when they take too many bytes. */
#ifndef WG_MODELS_LRU_H
#define WG_MODELS_LRU_H

#include <stdbool.h>
#include <stdint.h>

#include <wengert/status.h>

enum { WG__LRU_KEYS = 4, WG__LRU_MOST = 256 };

typedef struct wg__lru_key {
    int64_t part[WG__LRU_KEYS];
} wg__lru_key;

typedef struct wg__lru_entry {
    wg__lru_key key;
    void *value;
    int64_t bytes, used;
} wg__lru_entry;

typedef struct wg__lru {
    wg__lru_entry *entries; /* most of them */
    int n, most;
    int64_t bytes, most_bytes, clock;
    void (*free_value)(void *value);
} wg__lru;

/* most and most_bytes: 0 = the defaults given. ENOMEM. */
wg_status wg__lru_init(wg__lru *lru, int most, int64_t most_bytes, void (*free_value)(void *value),
                       wg_error *err);
void wg__lru_clear(wg__lru *lru);
/* NULL when it is not there. */
void *wg__lru_find(wg__lru *lru, const wg__lru_key *key);
/* Makes room for one more entry: call it before the value is made, so that the memory of those
 * that leave is free by then. */
void wg__lru_make_room(wg__lru *lru);
/* Adds a value that is not there yet, and owns it. Others leave until its bytes fit too; it stays
 * itself, however large. */
void wg__lru_put(wg__lru *lru, const wg__lru_key *key, void *value, int64_t bytes);

#endif
