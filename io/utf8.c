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

bool wg__utf8_surely_nfc(const char *text, size_t size)
{
    /* Everything below U+0300, whose first byte is 0xCC, is its own form C and does not combine. */
    unsigned char most = 0;
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)text[i] > most) most = (unsigned char)text[i];
    return most < 0xCC;
}

/* May the text be cut before this character, so that both parts can be normalised by themselves?
 * Not where it may combine with what stands before it: marks, and vowels and finals of Hangul. */
static bool starts_anew(const char *text, size_t size)
{
    utf8proc_int32_t code;
    if (!((unsigned char)*text & 0x80)) return true;
    if (utf8proc_iterate((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)size, &code) <= 0)
        return true;
    utf8proc_category_t category = utf8proc_category(code);
    return category != UTF8PROC_CATEGORY_MN && category != UTF8PROC_CATEGORY_MC &&
           category != UTF8PROC_CATEGORY_ME && !(code >= 0x1160 && code <= 0x11ff);
}

/* How much of the text to normalise at once. utf8proc sorts runs of marks in time that grows with
 * their square: a run of more than 4,096 bytes, which no writing has, is cut. */
static size_t portion(const char *text, size_t size)
{
    const size_t least = 512, most = 4096;
    for (size_t at = least; at < size; at++) {
        if (((unsigned char)text[at] & 0xc0) == 0x80) continue;
        if (at >= most || starts_anew(text + at, size - at)) return at;
    }
    return size;
}

static bool add_nfc(wg__buf *out, const char *text, size_t size)
{
    const utf8proc_option_t form = UTF8PROC_STABLE | UTF8PROC_COMPOSE;
    const utf8proc_uint8_t *from = (const utf8proc_uint8_t *)text;
    /* utf8proc_map would take memory by malloc; its parts work in ours. */
    utf8proc_ssize_t n = utf8proc_decompose(from, (utf8proc_ssize_t)size, NULL, 0, form);
    if (n < 0) return false;
    utf8proc_int32_t *code = wg_reallocarray(NULL, (size_t)n + 1, sizeof *code);
    if (!code) return false;
    n = utf8proc_decompose(from, (utf8proc_ssize_t)size, code, n, form);
    if (n >= 0) n = utf8proc_reencode(code, n, form); /* in place; ends with a NUL */
    if (n >= 0) wg__buf_add(out, code, (size_t)n);
    wg_free(code);
    return n >= 0 && !out->failed;
}

bool wg__utf8_nfc(wg__buf *out, const char *text, size_t size)
{
    while (size) {
        size_t n = portion(text, size);
        if (!add_nfc(out, text, n)) return false;
        text += n;
        size -= n;
    }
    wg__buf_add(out, "", 1);
    return !out->failed;
}
