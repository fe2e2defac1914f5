/* Inside memory: zeroed aligned memory. */
#ifndef WENGERT_CORE_MEMORY_PRIVATE_H
#define WENGERT_CORE_MEMORY_PRIVATE_H

#include <wengert/memory.h>

/* As wg_malloc_aligned, zeroed. Large blocks come zeroed from the system and cost nothing before
 * they are touched: a tensor that is about to be read from a file is not written twice. */
void *wg__calloc_aligned(size_t bytes);

#endif
