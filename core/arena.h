/* Bump allocation for what lives as long as its tape or program: freed all at once. */
#ifndef WG_CORE_ARENA_H
#define WG_CORE_ARENA_H

#include <stddef.h>

typedef struct wg__arena_block wg__arena_block;
typedef struct wg__arena {
    wg__arena_block *first, *current;
} wg__arena;

/* 16-byte aligned memory, NULL when out of memory. */
void *wg__arena_alloc(wg__arena *arena, size_t bytes);
void *wg__arena_calloc(wg__arena *arena, size_t count, size_t size);
void *wg__arena_copy(wg__arena *arena, const void *bytes, size_t size);
char *wg__arena_strdup(wg__arena *arena, const char *text);
/* What was taken since a mark is given back at once, the blocks kept: work arrays that end in the
 * order in which they began. A null mark is that of an empty arena. */
typedef struct wg__arena_mark {
    wg__arena_block *block;
    size_t used;
} wg__arena_mark;
wg__arena_mark wg__arena_mark_of(const wg__arena *arena);
void wg__arena_release(wg__arena *arena, wg__arena_mark mark);
/* What it takes, used or not. */
size_t wg__arena_bytes(const wg__arena *arena);
/* Forgets everything, keeps the blocks for reuse. */
void wg__arena_reset(wg__arena *arena);
void wg__arena_free(wg__arena *arena);

#endif
