/* Bump allocator: blocks in a list, reused after a reset so that recording the next minibatch takes
 * no new memory. */
#include "arena.h"

#include <stdint.h>
#include <string.h>

#include <wengert/memory.h>

struct wg__arena_block {
    wg__arena_block *next;
    size_t capacity, used;
    _Alignas(16) unsigned char data[];
};

enum { FIRST_BLOCK = 16 * 1024 };

static wg__arena_block *add_block(wg__arena *arena, size_t bytes)
{
    size_t capacity = arena->current ? arena->current->capacity * 2 : FIRST_BLOCK;
    if (capacity > (size_t)1 << 24) capacity = (size_t)1 << 24;
    if (capacity < bytes) capacity = bytes;
    size_t total;
    if (!wg_add_size(capacity, sizeof(wg__arena_block), &total)) return NULL;
    wg__arena_block *block = wg_malloc(total);
    if (!block) return NULL;
    block->capacity = capacity;
    block->used = 0;
    if (arena->current) {
        block->next = arena->current->next;
        arena->current->next = block;
    } else {
        block->next = NULL;
        arena->first = block;
    }
    return block;
}

void *wg__arena_alloc(wg__arena *arena, size_t bytes)
{
    if (bytes > SIZE_MAX - 15) return NULL;
    bytes = (bytes + 15) & ~(size_t)15;
    wg__arena_block *block = arena->current;
    while (block && block->capacity - block->used < bytes) block = block->next;
    if (!block) {
        block = add_block(arena, bytes);
        if (!block) return NULL;
    }
    arena->current = block;
    void *p = block->data + block->used;
    block->used += bytes;
    return p;
}

void *wg__arena_calloc(wg__arena *arena, size_t count, size_t size)
{
    size_t bytes;
    if (!wg_mul_size(count, size, &bytes)) return NULL;
    void *p = wg__arena_alloc(arena, bytes);
    if (p) memset(p, 0, bytes);
    return p;
}

void *wg__arena_copy(wg__arena *arena, const void *bytes, size_t size)
{
    void *p = wg__arena_alloc(arena, size);
    if (p && size) memcpy(p, bytes, size);
    return p;
}

char *wg__arena_strdup(wg__arena *arena, const char *text)
{
    return wg__arena_copy(arena, text, strlen(text) + 1);
}

size_t wg__arena_bytes(const wg__arena *arena)
{
    size_t bytes = 0;
    for (const wg__arena_block *b = arena->first; b; b = b->next) bytes += sizeof *b + b->capacity;
    return bytes;
}

wg__arena_mark wg__arena_mark_of(const wg__arena *arena)
{
    wg__arena_block *b = arena->current;
    return (wg__arena_mark){b, b ? b->used : 0};
}

void wg__arena_release(wg__arena *arena, wg__arena_mark mark)
{
    if (!mark.block) {
        wg__arena_reset(arena);
        return;
    }
    /* Blocks behind the current one are always empty. */
    for (wg__arena_block *b = mark.block; b; b = b->next) b->used = 0;
    mark.block->used = mark.used;
    arena->current = mark.block;
}

void wg__arena_reset(wg__arena *arena)
{
    for (wg__arena_block *b = arena->first; b; b = b->next) b->used = 0;
    arena->current = arena->first;
}

void wg__arena_free(wg__arena *arena)
{
    for (wg__arena_block *b = arena->first; b;) {
        wg__arena_block *next = b->next;
        wg_free(b);
        b = next;
    }
    arena->first = arena->current = NULL;
}
