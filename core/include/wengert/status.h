/* Status codes and error messages.
 *
 * Every function of Wengert that can fail returns a wg_status: WG_OK (zero) or one of the negative
 * codes below. Functions outside the tape take a trailing `wg_error *err`, which may be NULL; on
 * failure they fill it with the code and a full sentence that names the file, line, tensor or
 * shape at fault. On success `err` is left untouched. The library never prints, aborts or exits. */
#ifndef WENGERT_STATUS_H
#define WENGERT_STATUS_H

#include <stdarg.h>

#include <wengert/export.h>

WG_BEGIN_DECLS

/* X(NAME, code, text): the one list from which the enum, names and texts are made. */
#define WG_STATUS_MAP(X)                                        \
    X(OK, 0, "success")                                         \
    X(EINVAL, -1, "invalid argument")                           \
    X(ENOMEM, -2, "out of memory")                              \
    X(ESHAPE, -3, "shapes do not fit")                          \
    X(EDTYPE, -4, "dtypes do not fit")                          \
    X(ESTALE, -5, "variable of a tape that was reset or freed") \
    X(EOVERFLOW, -6, "size overflows")                          \
    X(ENOTFOUND, -7, "not found")                               \
    X(EEXIST, -8, "already exists")                             \
    X(EIO, -9, "input/output error")                            \
    X(EFORMAT, -10, "malformed file")                           \
    X(EVERSION, -11, "unsupported version")                     \
    X(ENOSPC, -12, "no space left on device")                   \
    X(EPERM, -13, "permission denied")                          \
    X(ECANCELED, -14, "cancelled")                              \
    X(ENUMERIC, -15, "not a finite number")                     \
    X(ENOTSUP, -16, "not supported")                            \
    X(ELIMIT, -17, "over a limit")                              \
    X(ESTATE, -18, "called in the wrong state")                 \
    X(EPLUGIN, -19, "plugin error")                             \
    X(ECHECK, -20, "check failed")                              \
    X(EINTERNAL, -21, "internal error")

typedef enum wg_status {
#define WG_STATUS_ENUM(name, code, text) WG_##name = (code),
    WG_STATUS_MAP(WG_STATUS_ENUM)
#undef WG_STATUS_ENUM
} wg_status;

/* A code and its message. Filled by the callee, owned by the caller, no pointers inside. */
typedef struct wg_error {
    wg_status status;
    char message[1024]; /* always NUL-terminated once filled; never ends in a newline */
} wg_error;

/* The fixed text of a code ("shapes do not fit"); "unknown status" for any other number. */
WG_API const char *wg_strerror(wg_status status);

/* The name of a code ("WG_ESHAPE"); "WG_UNKNOWN" for any other number. */
WG_API const char *wg_status_name(wg_status status);

/* Fills *err (when not NULL) from a printf format and returns `status`, so that a failing function
 * can end in `return wg_error_set(err, WG_EFORMAT, "%s:%zu: ...", path, line);`. A message longer
 * than the buffer is cut. */
WG_API wg_status wg_error_set(wg_error *err, wg_status status, const char *fmt, ...)
    WG_PRINTF(3, 4);
WG_API wg_status wg_error_setv(wg_error *err, wg_status status, const char *fmt, va_list args)
    WG_PRINTF(3, 0);

WG_END_DECLS

#endif
