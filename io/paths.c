/* Patterns of file names. */
#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <wengert/memory.h>
#include <wengert/stream.h>

#include "fileerror.h"

void wg_paths_free(char **paths, size_t n)
{
    for (size_t i = 0; paths && i < n; i++) wg_free(paths[i]);
    wg_free(paths);
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static wg_status copy(const char *pattern, char *const *from, size_t n, char ***paths,
                      size_t *count, wg_error *err)
{
    char **list = wg_calloc(n, sizeof *list);
    for (size_t i = 0; i < n && list; i++) {
        list[i] = wg_strdup(from[i]);
        if (list[i]) continue;
        wg_paths_free(list, i);
        list = NULL;
    }
    if (!list) return wg__no_memory(err, pattern);
    qsort(list, n, sizeof *list, compare);
    *paths = list;
    *count = n;
    return WG_OK;
}

wg_status wg_paths_expand(const char *pattern, char ***paths, size_t *n, wg_error *err)
{
    *paths = NULL;
    *n = 0;
    if (!pattern || !*pattern) return wg_error_set(err, WG_EINVAL, "file name is empty");
    char *self = (char *)pattern;
    if (!strpbrk(pattern, "*?[") || access(pattern, F_OK) == 0)
        return copy(pattern, &self, 1, paths, n, err);
    /* glob would sort by the locale. */
    glob_t found;
    int code = glob(pattern, GLOB_NOSORT, NULL, &found);
    if (code == GLOB_NOSPACE) return wg__no_memory(err, pattern);
    if (code == GLOB_ABORTED) return wg__file_error(err, pattern, "search", errno);
    if (code != 0)
        return wg_error_set(err, WG_ENOTFOUND, "%s: no file has a name like this", pattern);
    wg_status status = copy(pattern, found.gl_pathv, found.gl_pathc, paths, n, err);
    globfree(&found);
    return status;
}
