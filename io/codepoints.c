/* Code points and their classes, on utf8proc. */
#include "codepoints.h"

#include <utf8proc.h>

#include "utf8.h"

void wg__points_free(wg__points *p)
{
    wg_free(p->c);
    *p = (wg__points){0};
}

void wg__points_add(wg__points *p, int32_t c)
{
    if (p->failed) return;
    if (p->n == p->room) {
        size_t room = p->room + p->room / 2 + 64;
        int32_t *more = wg_reallocarray(p->c, room, sizeof *more);
        if (!more) {
            p->failed = true;
            return;
        }
        p->c = more;
        p->room = room;
    }
    p->c[p->n++] = c;
}

static void decode(wg__points *p, const char *text, size_t size)
{
    for (size_t at = 0; at < size;) {
        utf8proc_int32_t code;
        utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)text + at,
                                              (utf8proc_ssize_t)(size - at), &code);
        wg__points_add(p, n > 0 ? code : 0xfffd);
        at += n > 0 ? (size_t)n : 1;
    }
}

void wg__points_decode(wg__points *p, const char *text, size_t size)
{
    wg__buf fixed = {0}, normal = {0};
    if (wg__utf8_valid(text, size) < size) {
        wg__utf8_replace(&fixed, text, size);
        text = fixed.data;
        size = fixed.size;
    }
    if (!fixed.failed && !wg__utf8_surely_nfc(text, size)) {
        if (!wg__utf8_nfc(&normal, text, size)) normal.failed = true;
        text = normal.data;
        size = normal.size ? normal.size - 1 : 0; /* without the NUL behind it */
    }
    if (fixed.failed || normal.failed)
        p->failed = true;
    else
        decode(p, text, size);
    wg__buf_free(&fixed);
    wg__buf_free(&normal);
}

void wg__put_point(wg__buf *out, int32_t c)
{
    utf8proc_uint8_t bytes[4];
    wg__buf_add(out, bytes, (size_t)utf8proc_encode_char(c, bytes));
}

bool wg__is_space(int32_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r') || (c >= 0x1c && c <= 0x1f) || c == 0x85 ||
           c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 ||
           c == 0x202f || c == 0x205f || c == 0x3000;
}

bool wg__is_alpha(int32_t c)
{
    if (c < 0x80) return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    switch (utf8proc_category(c)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME: return true;
    default: return c == 0x200c || c == 0x200d; /* joiners inside words */
    }
}

bool wg__is_alnum(int32_t c)
{
    if (c < 0x80) return wg__is_alpha(c) || (c >= '0' && c <= '9');
    return wg__is_alpha(c) || utf8proc_category(c) == UTF8PROC_CATEGORY_ND;
}

bool wg__is_number(int32_t c)
{
    if (c < 0x80) return c >= '0' && c <= '9';
    utf8proc_category_t category = utf8proc_category(c);
    return category == UTF8PROC_CATEGORY_ND || category == UTF8PROC_CATEGORY_NL ||
           category == UTF8PROC_CATEGORY_NO;
}

bool wg__is_lower(int32_t c)
{
    if (c < 0x80) return c >= 'a' && c <= 'z';
    return utf8proc_category(c) == UTF8PROC_CATEGORY_LL;
}

bool wg__is_currency(int32_t c)
{
    return c == '$' || (c >= 0x80 && utf8proc_category(c) == UTF8PROC_CATEGORY_SC);
}

bool wg__is_cjk(int32_t c)
{
    static const int32_t range[][2] = {{4352, 4607},     {11904, 42191},  {43072, 43135},
                                       {44032, 55215},   {63744, 64255},  {65072, 65103},
                                       {65381, 65500},   {94208, 101119}, {110592, 110895},
                                       {110960, 111359}, {131072, 196607}};
    for (size_t i = 0; i < sizeof range / sizeof range[0] && c >= range[i][0]; i++)
        if (c <= range[i][1]) return true;
    return false;
}
