/* Earlier checkpoints under names of their own: a hard link to each, the oldest ones removed. */
#include "saver_keep.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <wengert/memory.h>

#include "atomicfile_private.h"
#include "buffer.h"
#include "fileerror.h"

enum { DIGITS = 9 };

/* A path in three parts: "run/", "last", ".npz". */
typedef struct parts {
    const char *path, *name, *suffix;
} parts;

static parts split(const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    size_t n = strlen(name);
    return (parts){path, name, name + (n > 4 && strcmp(name + n - 4, ".npz") == 0 ? n - 4 : n)};
}

static char *numbered(const parts *p, int64_t number)
{
    wg__buf text = {0};
    wg__buf_add(&text, p->path, (size_t)(p->suffix - p->path));
    wg__buf_printf(&text, "-%0*" PRId64 "%s", DIGITS, number, p->suffix);
    return wg__buf_take(&text, NULL);
}

/* The number in the name of a file of this form, else -1. */
static int64_t number_of(const parts *p, const char *name)
{
    size_t stem = (size_t)(p->suffix - p->name), digits = 0;
    if (strncmp(name, p->name, stem) != 0 || name[stem] != '-') return -1;
    name += stem + 1;
    while (name[digits] >= '0' && name[digits] <= '9') digits++;
    bool padded = digits == DIGITS || (digits > DIGITS && digits <= 18 && name[0] != '0');
    if (!padded || strcmp(name + digits, p->suffix) != 0) return -1;
    return strtoll(name, NULL, 10);
}

static bool same_file(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static wg_status add_name(const char *path, const char *to, wg_error *err)
{
    if (link(path, to) == 0 || (errno == EEXIST && same_file(path, to))) return WG_OK;
    /* One of a run that went further before, and was taken up again from an earlier file. */
    if (errno == EEXIST && unlink(to) == 0 && link(path, to) == 0) return WG_OK;
    if (errno == EPERM || errno == EOPNOTSUPP || errno == ENOSYS)
        return wg_error_set(err, WG_ENOTSUP,
                            "%s: its file system has no hard links, which keeping earlier files "
                            "needs",
                            to);
    return wg__file_error(err, to, "create", errno);
}

static int falling(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x < y) - (x > y);
}

/* Numbers up to `most` of the files that are there. */
static wg_status list(const parts *p, const char *folder, int64_t most, int64_t **numbers,
                      size_t *count, wg_error *err)
{
    size_t capacity = 0;
    DIR *dir = opendir(folder);
    if (!dir) return wg__file_error(err, folder, "read", errno);
    wg_status status = WG_OK;
    for (const struct dirent *entry; status == WG_OK && (entry = readdir(dir));) {
        int64_t number = number_of(p, entry->d_name);
        if (number < 0 || number > most) continue;
        if (*count == capacity) {
            capacity = capacity ? 2 * capacity : 16;
            int64_t *grown = wg_reallocarray(*numbers, capacity, sizeof *grown);
            if (!grown) {
                status = wg__no_memory(err, folder);
                break;
            }
            *numbers = grown;
        }
        (*numbers)[(*count)++] = number;
    }
    closedir(dir);
    return status;
}

static wg_status remove_old(const parts *p, const char *folder, int64_t number, int keep,
                            wg_error *err)
{
    int64_t *numbers = NULL;
    size_t count = 0;
    wg_status status = list(p, folder, number, &numbers, &count, err);
    if (status == WG_OK && count > 1) qsort(numbers, count, sizeof *numbers, falling);
    for (size_t i = (size_t)keep; i < count && status == WG_OK; i++) {
        char *name = numbered(p, numbers[i]);
        if (!name)
            status = wg__no_memory(err, folder);
        else if (unlink(name) != 0 && errno != ENOENT)
            status = wg__file_error(err, name, "remove", errno);
        wg_free(name);
    }
    wg_free(numbers);
    return status;
}

wg_status wg__keep_numbered(const char *path, int64_t number, int keep, wg_error *err)
{
    parts p = split(path);
    wg__buf text = {0};
    wg__buf_add(&text, p.name > path ? path : ".", p.name > path ? (size_t)(p.name - path) : 1);
    char *folder = wg__buf_take(&text, NULL), *to = numbered(&p, number);
    wg_status status = folder && to ? add_name(path, to, err) : wg__no_memory(err, path);
    if (status == WG_OK) status = remove_old(&p, folder, number, keep, err);
    if (status == WG_OK && !wg__sync_directory(folder))
        status = wg__file_error(err, to, "flush the directory of", errno);
    wg_free(folder);
    wg_free(to);
    return status;
}
