/* UTF-8 checks and conversions, on utf8proc. */
#include "utf8.h"

#include <stdint.h>
#include <string.h>
#include <utf8proc.h>

size_t wg__utf8_valid(const char *text, size_t size)
{
    size_t i = 0;
    while (i < size) {
        uint64_t eight;
        /* Most text is mostly ASCII: eight bytes at a time. */
        if (size - i >= sizeof eight) {
            memcpy(&eight, text + i, sizeof eight);
            if (!(eight & UINT64_C(0x8080808080808080))) {
                i += sizeof eight;
                continue;
            }
        }
        if (!((unsigned char)text[i] & 0x80)) {
            i++;
            continue;
        }
        utf8proc_int32_t code;
        utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)text + i,
                                              (utf8proc_ssize_t)(size - i), &code);
        if (n <= 0 || code < 0) return i;
        i += (size_t)n;
    }
    return size;
}

size_t wg__utf8_replace(wg__buf *out, const char *text, size_t size)
{
    size_t replaced = 0;
    for (;;) {
        size_t good = wg__utf8_valid(text, size);
        wg__buf_add(out, text, good);
        if (good == size) return replaced;
        wg__buf_add(out, "\xEF\xBF\xBD", 3);
        replaced++;
        text += good + 1;
        size -= good + 1;
        /* Continuation bytes that belong to the broken sequence go with it. */
        for (int k = 0; k < 3 && size > 0 && ((unsigned char)*text & 0xC0) == 0x80; k++) {
            text++;
            size--;
        }
    }
}

void wg__utf8_lower(wg__buf *out, const char *text, size_t size)
{
    size_t i = 0;
    while (i < size) {
        unsigned char c = (unsigned char)text[i];
        if (c < 0x80) {
            char low = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
            wg__buf_add(out, &low, 1);
            i++;
            continue;
        }
        utf8proc_int32_t code;
        utf8proc_uint8_t bytes[4];
        utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)text + i,
                                              (utf8proc_ssize_t)(size - i), &code);
        if (n <= 0) {
            wg__buf_add(out, text + i, 1);
            i++;
            continue;
        }
        wg__buf_add(out, bytes, (size_t)utf8proc_encode_char(utf8proc_tolower(code), bytes));
        i += (size_t)n;
    }
}
