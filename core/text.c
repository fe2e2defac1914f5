/* Text that grows, escaping, and numbers without regard to the locale. */
#include "text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <utf8proc.h>

static bool reserve(wg__text *t, size_t more)
{
    if (t->failed) return false;
    size_t need;
    if (!wg_add_size(t->length, more, &need) || !wg_add_size(need, 1, &need)) {
        t->failed = true;
        return false;
    }
    if (need <= t->capacity) return true;
    size_t capacity = t->capacity ? t->capacity : 256;
    while (capacity < need) {
        if (capacity > SIZE_MAX / 2) {
            t->failed = true;
            return false;
        }
        capacity *= 2;
    }
    char *data = wg_realloc(t->data, capacity);
    if (!data) {
        t->failed = true;
        return false;
    }
    t->data = data;
    t->capacity = capacity;
    return true;
}

void wg__text_put(wg__text *t, const char *fmt, ...)
{
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, fmt, args);
    if (length >= 0 && reserve(t, (size_t)length)) {
        vsnprintf(t->data + t->length, (size_t)length + 1, fmt, again);
        t->length += (size_t)length;
    }
    va_end(again);
    va_end(args);
}

static void put_bytes(wg__text *t, const char *bytes, size_t n)
{
    if (!reserve(t, n)) return;
    memcpy(t->data + t->length, bytes, n);
    t->length += n;
    t->data[t->length] = '\0';
}

static void put_clean(wg__text *t, const char *s, bool escape)
{
    size_t length = strlen(s);
    for (size_t i = 0; i < length;) {
        utf8proc_int32_t c;
        utf8proc_ssize_t used =
            utf8proc_iterate((const utf8proc_uint8_t *)s + i, (utf8proc_ssize_t)(length - i), &c);
        if (used <= 0) {
            put_bytes(t, "?", 1);
            i++;
            continue;
        }
        if (c < 0x20 || (c >= 0x7f && c < 0xa0)) {
            put_bytes(t, " ", 1);
        } else {
            if (escape && (c == '"' || c == '\\')) put_bytes(t, "\\", 1);
            put_bytes(t, s + i, (size_t)used);
        }
        i += (size_t)used;
    }
}

void wg__text_quoted(wg__text *t, const char *s)
{
    put_clean(t, s, true);
}

void wg__text_plain(wg__text *t, const char *s)
{
    put_clean(t, s, false);
}

void wg__text_type(wg__text *t, const wg_type *type)
{
    char shape[160];
    wg__text_put(t, "%s%s", wg_dtype_name(type->dtype),
                 wg_shape_format(&type->shape, shape, sizeof shape));
}

void wg__text_spaces(wg__text *t, int n)
{
    wg__text_put(t, "%*s", n, "");
}

char *wg__text_take(wg__text *t)
{
    char *data = t->failed ? NULL : t->data;
    if (t->failed) wg_free(t->data);
    *t = (wg__text){0};
    return data;
}

wg__c_locale wg__c_locale_enter(void)
{
    wg__c_locale l = {.c = newlocale(LC_ALL_MASK, "C", (locale_t)0), .old = (locale_t)0};
    if (l.c) l.old = uselocale(l.c);
    return l;
}

void wg__c_locale_leave(wg__c_locale l)
{
    if (!l.c) return;
    uselocale(l.old);
    freelocale(l.c);
}
