/* Names of members, sorted. */
#include "npz_names.h"

#include <stdlib.h>
#include <string.h>

#include "fileerror.h"

static int by_name(const void *x, const void *y)
{
    return strcmp(((const wg__named *)x)->name, ((const wg__named *)y)->name);
}

wg_status wg__names_make(wg__names *n, const char *file, const wg__member *members, size_t count,
                         wg_error *err)
{
    *n = (wg__names){.count = count,
                     .name = wg_calloc(count, sizeof *n->name),
                     .tensor = wg_calloc(count, sizeof *n->tensor),
                     .sorted = wg_reallocarray(NULL, count, sizeof *n->sorted)};
    if (!n->name || !n->tensor || !n->sorted) return wg__no_memory(err, file);
    for (size_t i = 0; i < count; i++) {
        const char *name = members[i].name;
        size_t length = strlen(name);
        n->name[i] = wg_strdup(name);
        if (!n->name[i]) return wg__no_memory(err, file);
        n->tensor[i] = length > 4 && strcmp(name + length - 4, ".npy") == 0;
        if (n->tensor[i]) n->name[i][length - 4] = '\0';
        n->sorted[i] = (wg__named){n->name[i], (int64_t)i};
    }
    qsort(n->sorted, count, sizeof *n->sorted, by_name);
    for (size_t i = 0; i + 1 < count; i++)
        if (strcmp(n->sorted[i].name, n->sorted[i + 1].name) == 0)
            return wg_error_set(err, WG_EFORMAT, "%s: two members are named '%s'", file,
                                n->sorted[i].name);
    return WG_OK;
}

int64_t wg__names_find(const wg__names *n, const char *name)
{
    wg__named key = {name, 0};
    const wg__named *found =
        n->count && name ? bsearch(&key, n->sorted, n->count, sizeof *n->sorted, by_name) : NULL;
    return found ? found->index : -1;
}

void wg__names_free(wg__names *n)
{
    for (size_t i = 0; i < n->count && n->name; i++) wg_free(n->name[i]);
    wg_free(n->name);
    wg_free(n->tensor);
    wg_free(n->sorted);
    *n = (wg__names){0};
}
