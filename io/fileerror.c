/* System errors as status codes, and reading and writing that survive signals. */
#include "fileerror.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

wg_status wg__file_error(wg_error *err, const char *path, const char *action, int number)
{
    wg_status status = WG_EIO;
    switch (number) {
    case ENOENT:
    case ENOTDIR: status = WG_ENOTFOUND; break;
    case EACCES:
    case EPERM:
    case EROFS: status = WG_EPERM; break;
    case ENOSPC:
    case EDQUOT:
    case EFBIG: status = WG_ENOSPC; break;
    case ENOMEM: status = WG_ENOMEM; break;
    case EISDIR:
    case ENAMETOOLONG:
    case ELOOP:
    case ESPIPE:
    case EINVAL: status = WG_EINVAL; break;
    default: break;
    }
    /* libuv's texts: strerror is neither thread-safe nor free of the locale. */
    char text[128];
    if (number == EDQUOT)
        return wg_error_set(err, status, "%s: cannot %s: disk quota exceeded", path, action);
    uv_strerror_r(uv_translate_sys_error(number), text, sizeof text);
    return wg_error_set(err, status, "%s: cannot %s: %s", path, action, text);
}

ssize_t wg__read(int fd, void *bytes, size_t size)
{
    ssize_t got;
    if (size > SSIZE_MAX) size = SSIZE_MAX;
    do got = read(fd, bytes, size);
    while (got < 0 && errno == EINTR);
    return got;
}

bool wg__write_all(int fd, const void *bytes, size_t size)
{
    const char *at = bytes;
    while (size > 0) {
        ssize_t done = write(fd, at, size > (1u << 30) ? (1u << 30) : size);
        if (done < 0) {
            if (errno == EINTR) continue;
            return false;
        }
        at += done;
        size -= (size_t)done;
    }
    return true;
}

wg_status wg__open_read(const char *path, int *fd, wg_error *err)
{
    struct stat info;
    int file;
    do file = open(path, O_RDONLY | O_CLOEXEC);
    while (file < 0 && errno == EINTR);
    if (file < 0) return wg__file_error(err, path, "open", errno);
    if (fstat(file, &info) != 0) {
        int number = errno;
        close(file);
        return wg__file_error(err, path, "read", number);
    }
    if (S_ISDIR(info.st_mode)) {
        close(file);
        return wg_error_set(err, WG_EINVAL, "%s: is a directory, not a file", path);
    }
    *fd = file;
    return WG_OK;
}

wg_status wg__no_memory(wg_error *err, const char *name)
{
    return wg_error_set(err, WG_ENOMEM, "%s: out of memory", name);
}
