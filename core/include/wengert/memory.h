/* Memory: the allocator under every byte that the library takes, and checked size arithmetic.
 *
 * Nothing in the library calls malloc by itself. A host may install its own functions before the
 * first tape is made; tests install one that fails on the n-th call. Thread-safe once installed. */
#ifndef WENGERT_MEMORY_H
#define WENGERT_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <wengert/status.h>

WG_BEGIN_DECLS

typedef struct wg_allocator {
    size_t size; /* sizeof(wg_allocator) */
    void *(*alloc)(void *user, size_t bytes);
    void *(*realloc)(void *user, void *old, size_t bytes);
    void (*free)(void *user, void *block);
    void *user;
} wg_allocator;

/* Installs an allocator; NULL restores malloc/realloc/free. Call it while no other thread is
 * inside the library and nothing allocated by the previous one is alive. */
WG_API wg_status wg_set_allocator(const wg_allocator *allocator);

/* As malloc, calloc, realloc, free and strdup, through the installed allocator. The first four
 * return NULL when memory is out or count * size overflows; zero bytes give a valid pointer. */
WG_API void *wg_malloc(size_t bytes);
WG_API void *wg_calloc(size_t count, size_t size);
WG_API void *wg_realloc(void *block, size_t bytes);
WG_API void *wg_reallocarray(void *block, size_t count, size_t size);
WG_API char *wg_strdup(const char *text);
WG_API void wg_free(void *block);

/* 64-byte aligned memory for tensor data; freed with wg_free_aligned only. */
WG_API void *wg_malloc_aligned(size_t bytes);
WG_API void wg_free_aligned(void *block);

/* Checked arithmetic: false when the result does not fit, *out is then unspecified. */
static inline bool wg_mul_size(size_t a, size_t b, size_t *out)
{
    if (b != 0 && a > SIZE_MAX / b) return false;
    *out = a * b;
    return true;
}
static inline bool wg_add_size(size_t a, size_t b, size_t *out)
{
    if (a > SIZE_MAX - b) return false;
    *out = a + b;
    return true;
}

WG_END_DECLS

#endif
