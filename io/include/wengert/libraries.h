/* Which other libraries are in use, with their versions as they are at run time: for --version, for
 * model files and for reports of bugs. */
#ifndef WENGERT_LIBRARIES_H
#define WENGERT_LIBRARIES_H

#include <stddef.h>

#include <wengert/export.h>

WG_BEGIN_DECLS

typedef struct wg_library {
    char name[32];    /* "zlib" */
    char version[32]; /* "1.2.13" */
} wg_library;

/* Fills at most `max` entries of `out` and returns how many libraries there are (16 suffice). Any
 * thread. */
WG_API size_t wg_libraries(wg_library *out, size_t max);

WG_END_DECLS

#endif
