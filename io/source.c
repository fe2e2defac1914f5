/* A file as a source of bytes. */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fileerror.h"
#include "zip.h"

static wg_status read_at(void *user, uint64_t offset, void *bytes, size_t size, wg_error *err)
{
    const wg__source *source = user;
    char *at = bytes;
    while (size > 0) {
        ssize_t got = pread(source->fd, at, size < (1u << 30) ? size : (1u << 30), (off_t)offset);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return wg__file_error(err, source->name, "read", errno);
        if (got == 0)
            return wg_error_set(err, WG_EFORMAT, "%s: became shorter while it was read",
                                source->name);
        at += got;
        size -= (size_t)got;
        offset += (uint64_t)got;
    }
    return WG_OK;
}

wg_status wg__source_open(wg__source *source, const char *path, wg_error *err)
{
    struct stat info;
    *source = (wg__source){read_at, source, 0, path, -1};
    wg_status status = wg__open_read(path, &source->fd, err);
    if (status != WG_OK) return status;
    if (fstat(source->fd, &info) != 0) return wg__file_error(err, path, "read", errno);
    if (!S_ISREG(info.st_mode)) return wg_error_set(err, WG_EINVAL, "%s: not a regular file", path);
    source->size = (uint64_t)info.st_size;
    return WG_OK;
}

void wg__source_close(wg__source *source)
{
    if (source->fd >= 0) close(source->fd);
    source->fd = -1;
}
