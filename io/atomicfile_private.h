/* Inside atomicfile: changing what was written already. */
#ifndef WENGERT_IO_ATOMICFILE_PRIVATE_H
#define WENGERT_IO_ATOMICFILE_PRIVATE_H

#include <stdbool.h>

#include <wengert/atomicfile.h>

/* Can it go back? Devices and pipes cannot. */
bool wg__atomic_can_patch(const wg_atomic *file);
/* Overwrites bytes before the end, which stays where it is. */
wg_status wg__atomic_patch(wg_atomic *file, uint64_t offset, const void *bytes, size_t size,
                           wg_error *err);

#endif
