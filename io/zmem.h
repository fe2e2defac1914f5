/* zlib's memory through wg_malloc, so that a host's allocator and the tests' failing one see it. */
#ifndef WENGERT_IO_ZMEM_H
#define WENGERT_IO_ZMEM_H

#include <zlib.h>

#include <wengert/memory.h>

static inline voidpf wg__zalloc(voidpf opaque, uInt count, uInt size)
{
    (void)opaque;
    return wg_calloc(count, size);
}

static inline void wg__zfree(voidpf opaque, voidpf block)
{
    (void)opaque;
    wg_free(block);
}

#endif
