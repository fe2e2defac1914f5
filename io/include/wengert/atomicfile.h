/* Writing files that are either complete or not there.
 *
 * The bytes go to a temporary file in the same directory, which is flushed to the disk and then
 * renamed over the final name; the directory is flushed too. On any failure the temporary file is
 * removed and whatever had the final name is untouched. */
#ifndef WENGERT_ATOMICFILE_H
#define WENGERT_ATOMICFILE_H

#include <stddef.h>
#include <stdint.h>

#include <wengert/status.h>

WG_BEGIN_DECLS

/* Writes `size` bytes as the new contents of `path`. A symbolic link is followed; the mode of a
 * file that is replaced is kept, a new one gets 0666 less the umask. Devices and pipes
 * (/dev/stdout) are written to directly. WG_ENOSPC, WG_EPERM, WG_ENOTFOUND (no such directory),
 * WG_EINVAL (a directory), WG_EIO, WG_ENOMEM; the message names the file. */
WG_API wg_status wg_file_write_atomic(const char *path, const void *bytes, size_t size,
                                      wg_error *err);

/* Reads a whole file of at most `limit` bytes (0 = 1 GiB). *bytes is followed by a NUL that is not
 * counted, and freed with wg_free. WG_ELIMIT, WG_ENOTFOUND, WG_EPERM, WG_EINVAL, WG_EIO. */
WG_API wg_status wg_file_read(const char *path, size_t limit, char **bytes, size_t *size,
                              wg_error *err);

/* A file written piece by piece in the same way. Nothing is visible under the final name before
 * wg_atomic_commit. */
typedef struct wg_atomic wg_atomic;
WG_API wg_status wg_atomic_open(const char *path, wg_atomic **out, wg_error *err);
WG_API wg_status wg_atomic_write(wg_atomic *file, const void *bytes, size_t size, wg_error *err);
/* Finishes, or fails and removes the temporary file; frees `file` either way. After a failed write
 * it fails with the same error. */
WG_API wg_status wg_atomic_commit(wg_atomic *file, wg_error *err);
/* Gives up: removes the temporary file and frees `file`. NULL is fine. */
WG_API void wg_atomic_abort(wg_atomic *file);

/* Removes temporary files that processes left in `directory` which run no more (they were killed
 * while they wrote); says in *removed (may be NULL) how many. For a directory that processes of one
 * machine write to: others' process ids say nothing. WG_ENOTFOUND, WG_EPERM, WG_EIO. */
WG_API wg_status wg_atomic_clean(const char *directory, int *removed, wg_error *err);

WG_END_DECLS

#endif
