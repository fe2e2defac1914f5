/* The installed allocator, and everything the library allocates through it.
 *
 * The allocator is one of the few pieces of process-wide state: it is set before the first
 * allocation and only read afterwards. */
#include "memory_private.h"

#include <stdlib.h>
#include <string.h>
#ifdef __linux__
#include <sys/mman.h>
#endif

enum { ALIGNMENT = 64, HUGE_PAGE = 2 << 20, HUGE_FROM = 2 * HUGE_PAGE };

static void *default_alloc(void *user, size_t bytes)
{
    (void)user;
    return malloc(bytes);
}

static void *default_realloc(void *user, void *old, size_t bytes)
{
    (void)user;
    return realloc(old, bytes);
}

static void default_free(void *user, void *block)
{
    (void)user;
    free(block);
}

static const wg_allocator default_allocator = {
    .size = sizeof(wg_allocator),
    .alloc = default_alloc,
    .realloc = default_realloc,
    .free = default_free,
};

static wg_allocator current = {
    .size = sizeof(wg_allocator),
    .alloc = default_alloc,
    .realloc = default_realloc,
    .free = default_free,
};

wg_status wg_set_allocator(const wg_allocator *allocator)
{
    if (!allocator) {
        current = default_allocator;
        return WG_OK;
    }
    if (allocator->size < sizeof(wg_allocator)) return WG_EINVAL;
    if (!allocator->alloc || !allocator->realloc || !allocator->free) return WG_EINVAL;
    current = *allocator;
    current.size = sizeof(wg_allocator);
    return WG_OK;
}

void *wg_malloc(size_t bytes)
{
    return current.alloc(current.user, bytes ? bytes : 1);
}

void *wg_calloc(size_t count, size_t size)
{
    size_t bytes;
    if (!wg_mul_size(count, size, &bytes)) return NULL;
    /* calloc knows which pages come zeroed from the system; a host's allocator cannot say. */
    if (current.alloc == default_alloc) return calloc(1, bytes ? bytes : 1);
    void *block = wg_malloc(bytes);
    if (block) memset(block, 0, bytes);
    return block;
}

void *wg_realloc(void *block, size_t bytes)
{
    if (!block) return wg_malloc(bytes);
    return current.realloc(current.user, block, bytes ? bytes : 1);
}

void *wg_reallocarray(void *block, size_t count, size_t size)
{
    size_t bytes;
    if (!wg_mul_size(count, size, &bytes)) return NULL;
    return wg_realloc(block, bytes);
}

char *wg_strdup(const char *text)
{
    if (!text) return NULL;
    size_t bytes = strlen(text) + 1;
    char *copy = wg_malloc(bytes);
    if (copy) memcpy(copy, text, bytes);
    return copy;
}

void wg_free(void *block)
{
    if (block) current.free(current.user, block);
}

/* Large blocks ask for large pages: a product that reads megabytes of weights at every step would
 * wait for the page tables again and again (3 to 5 % of a training step). A hint only. */
static void advise(void *block, size_t bytes)
{
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    if (bytes >= HUGE_FROM) (void)madvise(block, bytes & ~(size_t)(HUGE_PAGE - 1), MADV_HUGEPAGE);
#else
    (void)block;
    (void)bytes;
#endif
}

static void *aligned(size_t bytes, bool zeroed)
{
    /* The pointer that the allocator gave is kept in front of the aligned block. */
    size_t total, alignment = bytes >= HUGE_FROM ? HUGE_PAGE : ALIGNMENT;
    if (!wg_add_size(bytes, alignment - 1 + sizeof(void *), &total)) return NULL;
    unsigned char *raw = zeroed ? wg_calloc(total, 1) : wg_malloc(total);
    if (!raw) return NULL;
    size_t start = sizeof(void *);
    size_t skew = ((uintptr_t)raw + start) % alignment;
    if (skew) start += alignment - skew;
    memcpy(raw + start - sizeof(void *), &raw, sizeof raw);
    advise(raw + start, bytes);
    return raw + start;
}

void *wg_malloc_aligned(size_t bytes)
{
    return aligned(bytes, false);
}

void *wg__calloc_aligned(size_t bytes)
{
    return aligned(bytes, true);
}

void wg_free_aligned(void *block)
{
    if (!block) return;
    void *raw;
    memcpy(&raw, (unsigned char *)block - sizeof(void *), sizeof raw);
    wg_free(raw);
}
