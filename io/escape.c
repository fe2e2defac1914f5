/* Escapes in words: see escape.h. */
#include "escape.h"

static bool is_plain(unsigned char byte)
{
    return byte > 0x20 && byte != 0x7f;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

void wg__escape_byte(wg__buf *out, char byte, bool always)
{
    if (always || !is_plain((unsigned char)byte))
        wg__buf_printf(out, "\\x%02x", (unsigned char)byte);
    else if (byte == '\\')
        wg__buf_text(out, "\\\\");
    else
        wg__buf_add(out, &byte, 1);
}

bool wg__unescape_byte(const char *text, size_t length, size_t *at, char also, char *byte)
{
    size_t i = *at;
    *byte = text[i];
    if (!is_plain((unsigned char)text[i])) return false;
    if (text[i] != '\\') return true;
    if (i + 1 < length && text[i + 1] == '\\') {
        *at = i + 1;
        return true;
    }
    if (length - i < 4 || text[i + 1] != 'x') return false;
    int high = hex_digit(text[i + 2]), low = hex_digit(text[i + 3]);
    if (high < 0 || low < 0) return false;
    unsigned char code = (unsigned char)(high * 16 + low);
    *byte = (char)code;
    *at = i + 3;
    return code != 0 && (!is_plain(code) || *byte == also);
}
