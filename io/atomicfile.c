/* Complete files or none: temporary file, fsync, rename, fsync of the directory. */
#include <wengert/atomicfile.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <wengert/memory.h>

#include "atomicfile_private.h"
#include "buffer.h"
#include "fileerror.h"

struct wg_atomic {
    char *path;  /* as the caller named it, for messages */
    char *final; /* with symbolic links followed */
    char *
        folder; /* where it lies: made beforehand, so that nothing can fail for memory at the end */
    char *temp; /* NULL: written to directly (devices and pipes) */
    size_t directory; /* bytes of `final` up to and with the last slash */
    int fd;
    wg_error error; /* the first failed write */
    bool failed;
};

static void dispose(wg_atomic *file)
{
    if (file->fd >= 0) close(file->fd);
    if (file->temp) unlink(file->temp);
    wg_free(file->path);
    wg_free(file->final);
    wg_free(file->temp);
    wg_free(file->folder);
    wg_free(file);
}

/* Creates the temporary file beside the final one. Its name holds the process id, and O_EXCL
 * settles the rest; a fixed short prefix keeps it legal however long the final name is. */
static wg_status create_temp(wg_atomic *file, mode_t mode, wg_error *err)
{
    for (unsigned n = 0; n < 10000; n++) {
        wg__buf name = {0};
        wg__buf_add(&name, file->final, file->directory);
        wg__buf_printf(&name, WG__TEMP_PREFIX "%ld-%u", (long)getpid(), n);
        char *temp = wg__buf_take(&name, NULL);
        if (!temp) return wg__no_memory(err, file->path);
        file->fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (file->fd >= 0) {
            file->temp = temp;
            /* Keeping the mode of the old file is a courtesy: file systems without modes refuse. */
            if (mode != (mode_t)-1 && fchmod(file->fd, mode) != 0) errno = 0;
            return WG_OK;
        }
        int number = errno;
        wg_free(temp);
        if (number == EINTR || number == EEXIST) continue;
        return wg__file_error(err, file->path, "create", number);
    }
    return wg_error_set(err, WG_EIO, "%s: too many temporary files in its directory", file->path);
}

wg_status wg_atomic_open(const char *path, wg_atomic **out, wg_error *err)
{
    *out = NULL;
    if (!path || !*path) return wg_error_set(err, WG_EINVAL, "file name is empty");
    wg_atomic *file = wg_calloc(1, sizeof *file);
    if (!file) return wg__no_memory(err, path);
    file->fd = -1;

    struct stat info;
    char resolved[PATH_MAX];
    mode_t mode = (mode_t)-1;
    bool exists = stat(path, &info) == 0;
    wg_status status = WG_OK;
    if (exists && S_ISDIR(info.st_mode)) {
        status = wg_error_set(err, WG_EINVAL, "%s: is a directory, not a file", path);
        goto fail;
    }
    bool direct = exists && !S_ISREG(info.st_mode);
    if (exists && !direct) {
        mode = info.st_mode & 07777;
        /* A rename would replace a file that we may not write to; keep to what its mode says. */
        if (access(path, W_OK) != 0) {
            status = wg__file_error(err, path, "write", errno);
            goto fail;
        }
    }
    file->path = wg_strdup(path);
    file->final = wg_strdup(exists && !direct && realpath(path, resolved) ? resolved : path);
    if (!file->path || !file->final) {
        status = wg__no_memory(err, path);
        goto fail;
    }
    if (direct) {
        file->fd = open(path, O_WRONLY | O_CLOEXEC);
        if (file->fd < 0) status = wg__file_error(err, path, "open", errno);
    } else {
        const char *slash = strrchr(file->final, '/');
        file->directory = slash ? (size_t)(slash - file->final) + 1 : 0;
        wg__buf folder = {0};
        wg__buf_add(&folder, file->directory ? file->final : ".",
                    file->directory ? file->directory : 1);
        file->folder = wg__buf_take(&folder, NULL);
        status = file->folder ? create_temp(file, mode, err) : wg__no_memory(err, path);
    }
    if (status != WG_OK) goto fail;
    *out = file;
    return WG_OK;
fail:
    dispose(file);
    return status;
}

wg_status wg_atomic_write(wg_atomic *file, const void *bytes, size_t size, wg_error *err)
{
    if (!file->failed && !wg__write_all(file->fd, bytes, size)) {
        file->failed = true;
        wg__file_error(&file->error, file->path, "write", errno);
    }
    if (file->failed) return wg_error_set(err, file->error.status, "%s", file->error.message);
    return WG_OK;
}

bool wg__atomic_can_patch(const wg_atomic *file)
{
    return file->temp != NULL;
}

wg_status wg__atomic_patch(wg_atomic *file, uint64_t offset, const void *bytes, size_t size,
                           wg_error *err)
{
    const char *at = bytes;
    while (!file->failed && size > 0) {
        ssize_t done = pwrite(file->fd, at, size, (off_t)offset);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) {
            file->failed = true;
            wg__file_error(&file->error, file->path, "write", done < 0 ? errno : EIO);
            break;
        }
        at += done;
        size -= (size_t)done;
        offset += (uint64_t)done;
    }
    if (file->failed) return wg_error_set(err, file->error.status, "%s", file->error.message);
    return WG_OK;
}

bool wg__sync_directory(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return errno == EACCES; /* searchable but not readable */
    bool done = fsync(fd) == 0 || errno == EINVAL || errno == ENOTSUP;
    int number = errno;
    close(fd);
    errno = number;
    return done;
}

wg_status wg_atomic_commit(wg_atomic *file, wg_error *err)
{
    if (!file) return wg_error_set(err, WG_EINVAL, "no file to finish");
    wg_status status = WG_OK;
    if (file->failed) {
        status = wg_error_set(err, file->error.status, "%s", file->error.message);
    } else if (file->temp && fsync(file->fd) != 0) {
        status = wg__file_error(err, file->path, "flush", errno);
    } else {
        int fd = file->fd;
        file->fd = -1;
        if (close(fd) != 0 && errno != EINTR) {
            status = wg__file_error(err, file->path, "close", errno);
        } else if (file->temp) {
            if (rename(file->temp, file->final) != 0) {
                status = wg__file_error(err, file->path, "create", errno);
            } else {
                wg_free(file->temp);
                file->temp = NULL;
                if (!wg__sync_directory(file->folder))
                    status = wg__file_error(err, file->path, "flush the directory of", errno);
            }
        }
    }
    dispose(file);
    return status;
}

void wg_atomic_abort(wg_atomic *file)
{
    if (file) dispose(file);
}

wg_status wg_file_write_atomic(const char *path, const void *bytes, size_t size, wg_error *err)
{
    wg_atomic *file;
    wg_status status = wg_atomic_open(path, &file, err);
    if (status != WG_OK) return status;
    status = wg_atomic_write(file, bytes, size, err);
    if (status != WG_OK) {
        wg_atomic_abort(file);
        return status;
    }
    return wg_atomic_commit(file, err);
}

wg_status wg_file_read(const char *path, size_t limit, char **bytes, size_t *size, wg_error *err)
{
    *bytes = NULL;
    *size = 0;
    if (limit == 0) limit = (size_t)1 << 30;
    int fd;
    wg_status status = wg__open_read(path, &fd, err);
    if (status != WG_OK) return status;
    wg__buf buf = {0};
    for (;;) {
        /* The size is not asked for beforehand: pipes have none, and files change. */
        if (!wg__buf_reserve(&buf, 1 << 16)) {
            status = wg__no_memory(err, path);
            break;
        }
        ssize_t got = wg__read(fd, buf.data + buf.size, buf.capacity - buf.size);
        if (got < 0) {
            status = wg__file_error(err, path, "read", errno);
            break;
        }
        if (got == 0) break;
        buf.size += (size_t)got;
        if (buf.size > limit) {
            status =
                wg_error_set(err, WG_ELIMIT, "%s: larger than the limit of %zu bytes", path, limit);
            break;
        }
    }
    close(fd);
    if (status == WG_OK) {
        *bytes = wg__buf_take(&buf, size);
        if (!*bytes) status = wg__no_memory(err, path);
    }
    wg__buf_free(&buf);
    return status;
}
