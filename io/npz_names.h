/* Names of members as callers see them: ".npy" cut off, sorted for lookup, none twice. */
#ifndef WENGERT_IO_NPZ_NAMES_H
#define WENGERT_IO_NPZ_NAMES_H

#include "zip.h"

typedef struct wg__named {
    const char *name;
    int64_t index;
} wg__named;

typedef struct wg__names {
    size_t count;
    char **name;
    bool *tensor;
    wg__named *sorted;
} wg__names;

/* WG_EFORMAT when two members would have one name. `names` is to be freed in any case. */
wg_status wg__names_make(wg__names *names, const char *file, const wg__member *members,
                         size_t count, wg_error *err);
int64_t wg__names_find(const wg__names *names, const char *name); /* -1: none */
void wg__names_free(wg__names *names);

#endif
