/* A growing byte buffer with sticky failure: append freely, check once at the end. */
#ifndef WENGERT_IO_BUFFER_H
#define WENGERT_IO_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <wengert/memory.h>

typedef struct wg__buf {
    char *data;
    size_t size, capacity;
    bool failed; /* memory ran out: what follows is dropped */
} wg__buf;

void wg__buf_free(wg__buf *buf);
/* Room for `more` bytes beyond size; false when memory is out. */
bool wg__buf_reserve(wg__buf *buf, size_t more);
void wg__buf_add(wg__buf *buf, const void *bytes, size_t size);
void wg__buf_text(wg__buf *buf, const char *text);
/* printf, for integers and strings: floating point would follow the locale. At most 512 bytes. */
void wg__buf_printf(wg__buf *buf, const char *fmt, ...) WG_PRINTF(2, 3);
/* A finite number with up to `digits` significant digits and a point, whatever the locale. */
void wg__buf_number(wg__buf *buf, double value, int digits);
/* The NUL-terminated contents, owned by the caller (wg_free); NULL when memory ran out. */
char *wg__buf_take(wg__buf *buf, size_t *size);

#endif
