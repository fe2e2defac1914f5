/* What other writers of files use of atomicfile.c. */
#ifndef WENGERT_IO_ATOMICFILE_PRIVATE_H
#define WENGERT_IO_ATOMICFILE_PRIVATE_H

#include <stdbool.h>

#include <wengert/atomicfile.h>

/* Can it go back? Devices and pipes cannot. */
bool wg__atomic_can_patch(const wg_atomic *file);
/* Overwrites bytes before the end, which stays where it is. */
wg_status wg__atomic_patch(wg_atomic *file, uint64_t offset, const void *bytes, size_t size,
                           wg_error *err);

/* Names of temporary files: this, the process id, a dash and a number. */
#define WG__TEMP_PREFIX ".wengert-tmp-"

/* A rename is durable once the directory is on the disk; file systems that cannot flush one
 * (EINVAL) are no reason to fail. False and errno where it was tried and failed. */
bool wg__sync_directory(const char *folder);

#endif
