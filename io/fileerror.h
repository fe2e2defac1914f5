/* System errors as status codes with one wording, and small pieces that every file reader needs. */
#ifndef WENGERT_IO_FILEERROR_H
#define WENGERT_IO_FILEERROR_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <wengert/status.h>

/* Fills err with "PATH: cannot ACTION: reason" and returns the status that fits `number` (errno).
 */
wg_status wg__file_error(wg_error *err, const char *path, const char *action, int number);

/* read and write that go on after signals; write goes on after short writes. -1 and errno. */
ssize_t wg__read(int fd, void *bytes, size_t size);
bool wg__write_all(int fd, const void *bytes, size_t size);

/* Opens for reading; refuses directories. *fd is closed by the caller. */
wg_status wg__open_read(const char *path, int *fd, wg_error *err);

/* Fails with WG_ENOMEM "NAME: out of memory". */
wg_status wg__no_memory(wg_error *err, const char *name);

#endif
