/* The growing byte buffer. */
#include "buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void wg__buf_free(wg__buf *buf)
{
    wg_free(buf->data);
    *buf = (wg__buf){0};
}

bool wg__buf_reserve(wg__buf *buf, size_t more)
{
    size_t need;
    if (buf->failed || !wg_add_size(buf->size, more, &need)) goto fail;
    if (need <= buf->capacity) return true;
    size_t capacity = buf->capacity < 64 ? 64 : buf->capacity;
    while (capacity < need) {
        if (capacity > SIZE_MAX / 2) {
            capacity = need;
            break;
        }
        capacity += capacity / 2;
    }
    char *data = wg_realloc(buf->data, capacity);
    if (!data) goto fail;
    buf->data = data;
    buf->capacity = capacity;
    return true;
fail:
    buf->failed = true;
    return false;
}

void wg__buf_add(wg__buf *buf, const void *bytes, size_t size)
{
    if (size == 0 || !wg__buf_reserve(buf, size)) return;
    memcpy(buf->data + buf->size, bytes, size);
    buf->size += size;
}

void wg__buf_text(wg__buf *buf, const char *text)
{
    wg__buf_add(buf, text, strlen(text));
}

void wg__buf_printf(wg__buf *buf, const char *fmt, ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    int length = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (length < 0) length = 0;
    if ((size_t)length >= sizeof text) length = (int)sizeof text - 1;
    wg__buf_add(buf, text, (size_t)length);
}

void wg__buf_number(wg__buf *buf, double value, int digits)
{
    char text[64];
    snprintf(text, sizeof text, "%.*g", digits, value);
    /* Whatever is no digit, sign or exponent is the locale's decimal point, of one byte or more. */
    bool point = false;
    for (const char *c = text; *c; c++) {
        if ((*c >= '0' && *c <= '9') || *c == '-' || *c == '+' || *c == 'e') {
            wg__buf_add(buf, c, 1);
        } else if (!point) {
            wg__buf_add(buf, ".", 1);
            point = true;
        }
    }
}

char *wg__buf_take(wg__buf *buf, size_t *size)
{
    wg__buf_add(buf, "", 1);
    if (buf->failed) {
        wg__buf_free(buf);
        return NULL;
    }
    if (size) *size = buf->size - 1;
    char *data = buf->data;
    *buf = (wg__buf){0};
    return data;
}
