/* Cutting a segment into tokens as sacreBLEU does.
 *
 * The rules of mteval-v13a are regular expressions over code points. They look only for ASCII
 * characters and for "anything that is not a digit", so they can be run over the bytes of UTF-8: a
 * match that should begin or end with a whole code point then begins or ends with its last or first
 * byte, and the same text comes out. White space and case do need code points. */
#include "bleu_tokenize.h"

#include <string.h>

#include <utf8proc.h>

#include <wengert/memory.h>

static wg_status reserve(wg__bleu_buffer *buffer, size_t more)
{
    size_t need, capacity = buffer->capacity;
    char *data;

    if (!wg_add_size(buffer->size, more, &need)) return WG_ENOMEM;
    if (need <= capacity) return WG_OK;
    if (capacity < 256) capacity = 256;
    while (capacity < need) {
        if (!wg_mul_size(capacity, 2, &capacity)) return WG_ENOMEM;
    }
    data = wg_realloc(buffer->data, capacity);
    if (!data) return WG_ENOMEM;
    buffer->data = data;
    buffer->capacity = capacity;
    return WG_OK;
}

/* Room has been reserved. */
static void put(wg__bleu_buffer *buffer, char c)
{
    buffer->data[buffer->size++] = c;
}

/* One code point of text known to be valid; returns its length. */
static size_t decode(const char *text, size_t size, int32_t *point)
{
    utf8proc_int32_t c;
    utf8proc_ssize_t n;

    if ((unsigned char)text[0] < 0x80) {
        *point = text[0];
        return 1;
    }
    n = utf8proc_iterate((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)size, &c);
    *point = n > 0 ? c : 0xFFFD;
    return n > 0 ? (size_t)n : 1;
}

/* The offset of the first byte that is not UTF-8, or `size`. */
static size_t first_invalid(const char *text, size_t size)
{
    size_t at = 0;

    while (at < size) {
        utf8proc_int32_t c;
        size_t left = size - at;
        utf8proc_ssize_t n;

        if ((unsigned char)text[at] < 0x80) {
            at++;
            continue;
        }
        n = utf8proc_iterate((const utf8proc_uint8_t *)text + at,
                             (utf8proc_ssize_t)(left < 4 ? left : 4), &c);
        if (n <= 0) return at;
        at += (size_t)n;
    }
    return size;
}

/* What Python's str.split() and str.rstrip() take for white space: Unicode's White_Space, and the
 * four separators 1C-1F. */
static bool is_space(int32_t c)
{
    if (c <= 0x20) return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20);
    if (c < 0x85) return false;
    return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 ||
           c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

/* Unicode's Cased. utf8proc knows categories; the others are Other_Lowercase and Other_Uppercase
 * outside Lm, whose members are Case_Ignorable and passed over before this is asked. */
static bool is_cased(int32_t c)
{
    switch (utf8proc_category(c)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT: return true;
    default:
        return c == 0xAA || c == 0xBA || (c >= 0x2160 && c <= 0x217F) ||
               (c >= 0x24B6 && c <= 0x24E9) || (c >= 0x1F130 && c <= 0x1F149) ||
               (c >= 0x1F150 && c <= 0x1F169) || (c >= 0x1F170 && c <= 0x1F189);
    }
}

/* Unicode's Case_Ignorable: some categories, and what may stand in the middle of a word. */
static bool is_case_ignorable(int32_t c)
{
    switch (utf8proc_category(c)) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_SK: return true;
    default:
        return c == '\'' || c == '.' || c == ':' || c == 0xB7 || c == 0x387 || c == 0x55F ||
               c == 0x5F4 || c == 0x2018 || c == 0x2019 || c == 0x2024 || c == 0x2027 ||
               c == 0xFE13 || c == 0xFE52 || c == 0xFE55 || c == 0xFF07 || c == 0xFF0E ||
               c == 0xFF1A;
    }
}

/* Is what follows a capital sigma no further letter of its word? Reads ahead over ignorable code
 * points only, and a sigma is not one, so a text of sigmas takes linear time. */
static bool word_ends(const char *text, size_t size)
{
    size_t at = 0;

    while (at < size) {
        int32_t c;

        at += decode(text + at, size - at, &c);
        if (!is_case_ignorable(c)) return !is_cased(c);
    }
    return true;
}

/* Appends `text` to `out` as Python's str.lower() writes it: simple mappings, and the two
 * unconditional or contextual ones of SpecialCasing.txt, U+0130 and final sigma. */
static wg_status lower(wg__bleu_buffer *out, const char *text, size_t size)
{
    size_t at = 0;
    bool in_word = false; /* the last code point that is not ignorable is cased */

    while (at < size) {
        int32_t c;
        size_t n = decode(text + at, size - at, &c);
        wg_status status = reserve(out, 8);

        if (status != WG_OK) return status;
        if (c < 0x80 && c != '\'' && c != '.' && c != ':') {
            bool upper = c >= 'A' && c <= 'Z';

            put(out, (char)(upper ? c + 32 : c));
            /* ^ and ` are modifier symbols (Sk), so ignorable. */
            if (c != '^' && c != '`') in_word = upper || (c >= 'a' && c <= 'z');
            at++;
            continue;
        }
        at += n;
        if (c == 0x3A3) {
            bool final = in_word && word_ends(text + at, size - at);

            out->size += (size_t)utf8proc_encode_char(final ? 0x3C2 : 0x3C3,
                                                      (utf8proc_uint8_t *)out->data + out->size);
        } else {
            out->size += (size_t)utf8proc_encode_char(utf8proc_tolower(c),
                                                      (utf8proc_uint8_t *)out->data + out->size);
            if (c == 0x130) { /* i, then a combining dot above */
                out->size +=
                    (size_t)utf8proc_encode_char(0x307, (utf8proc_uint8_t *)out->data + out->size);
            }
        }
        if (!is_case_ignorable(c)) in_word = is_cased(c);
    }
    return WG_OK;
}

/* Removes white space from the end. */
static size_t trimmed(const char *text, size_t size)
{
    while (size > 0) {
        size_t start = size - 1;
        int32_t c;

        while (start > 0 && ((unsigned char)text[start] & 0xC0) == 0x80) start--;
        decode(text + start, size - start, &c);
        if (!is_space(c)) break;
        size = start;
    }
    return size;
}

/* Replaces `from` by the not longer `to`, in place, from left to right. */
static void replace(wg__bleu_buffer *text, const char *from, const char *to)
{
    size_t nfrom = strlen(from), nto = strlen(to), in = 0, out = 0;

    while (in < text->size) {
        if (text->data[in] == from[0] && text->size - in >= nfrom &&
            memcmp(text->data + in, from, nfrom) == 0) {
            memcpy(text->data + out, to, nto);
            out += nto;
            in += nfrom;
        } else {
            text->data[out++] = text->data[in++];
        }
    }
    text->size = out;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_point(char c)
{
    return c == '.' || c == ',';
}

/* Punctuation that always stands alone: ASCII but letters, digits, white space and ' , - . */
static bool is_symbol(char c)
{
    return (c > ' ' && c <= '&') || (c >= '(' && c <= '+') || c == '/' || (c >= ':' && c <= '@') ||
           (c >= '[' && c <= '`') || (c >= '{' && c <= '~');
}

/* " text ", each symbol between spaces: s/([\{-\~\[-\` -\&\(-\+\:-\@\/])/ $1 /g. (The spaces that
 * the original puts round spaces change nothing later.) */
static wg_status split_symbols(const wg__bleu_buffer *in, wg__bleu_buffer *out)
{
    out->size = 0;
    if (reserve(out, 2) != WG_OK) return WG_ENOMEM;
    put(out, ' ');
    for (size_t i = 0; i < in->size; i++) {
        if (reserve(out, 4) != WG_OK) return WG_ENOMEM;
        if (is_symbol(in->data[i])) {
            put(out, ' ');
            put(out, in->data[i]);
            put(out, ' ');
        } else {
            put(out, in->data[i]);
        }
    }
    put(out, ' ');
    return WG_OK;
}

/* The three rules on pairs of characters, each as a global substitution: matches do not overlap,
 * so a match consumes both characters. */
typedef enum pair_rule {
    POINT_AFTER_OTHER,  /* s/([^0-9])([.,])/$1 $2 /g */
    POINT_BEFORE_OTHER, /* s/([.,])([^0-9])/ $1 $2/g */
    DASH_AFTER_DIGIT    /* s/([0-9])(-)/$1 $2 /g */
} pair_rule;

static wg_status split_pairs(const wg__bleu_buffer *in, wg__bleu_buffer *out, pair_rule rule)
{
    size_t i = 0;

    out->size = 0;
    while (i < in->size) {
        char c = in->data[i], next = i + 1 < in->size ? in->data[i + 1] : '0';
        bool match;

        if (reserve(out, 4) != WG_OK) return WG_ENOMEM;
        if (i + 1 == in->size) {
            match = false;
        } else if (rule == POINT_AFTER_OTHER) {
            match = !is_digit(c) && is_point(next);
        } else if (rule == POINT_BEFORE_OTHER) {
            match = is_point(c) && !is_digit(next);
        } else {
            match = is_digit(c) && next == '-';
        }
        if (!match) {
            put(out, c);
            i++;
            continue;
        }
        if (rule == POINT_BEFORE_OTHER) put(out, ' ');
        put(out, c);
        put(out, ' ');
        put(out, next);
        if (rule != POINT_BEFORE_OTHER) put(out, ' ');
        i += 2;
    }
    return WG_OK;
}

/* mteval-v13a, from a to a by way of b. */
static wg_status tokenize_13a(wg__bleu_buffer *a, wg__bleu_buffer *b)
{
    replace(a, "<skipped>", "");
    replace(a, "-\n", "");
    replace(a, "\n", " ");
    if (a->size && memchr(a->data, '&', a->size)) {
        replace(a, "&quot;", "\"");
        replace(a, "&amp;", "&");
        replace(a, "&lt;", "<");
        replace(a, "&gt;", ">");
    }
    if (split_symbols(a, b) != WG_OK || split_pairs(b, a, POINT_AFTER_OTHER) != WG_OK ||
        split_pairs(a, b, POINT_BEFORE_OTHER) != WG_OK ||
        split_pairs(b, a, DASH_AFTER_DIGIT) != WG_OK)
        return WG_ENOMEM;
    return WG_OK;
}

wg_status wg__bleu_tokenize(wg__bleu_scratch *scratch, wg_bleu_tokenizer tokenizer, bool lowercase,
                            wg_bleu_text text, wg_bleu_text *out, size_t *bad)
{
    wg__bleu_buffer *a = &scratch->a;
    wg_status status = WG_OK;

    *bad = first_invalid(text.data, text.size);
    if (*bad < text.size) return WG_EFORMAT;
    a->size = 0;
    if (lowercase) {
        status = lower(a, text.data, text.size);
    } else {
        status = reserve(a, text.size);
        if (status == WG_OK && text.size) memcpy(a->data, text.data, text.size);
        if (status == WG_OK) a->size = text.size;
    }
    if (status != WG_OK) return status;
    a->size = trimmed(a->data, a->size);
    if (tokenizer == WG_BLEU_TOKENIZE_13A) status = tokenize_13a(a, &scratch->b);
    if (status != WG_OK) return status;
    out->data = a->data;
    out->size = a->size;
    return WG_OK;
}

bool wg__bleu_next_token(wg_bleu_text *rest, bool chars, wg_bleu_text *token)
{
    size_t n = 0, end = 0;
    int32_t c = ' ';

    while (rest->size > 0) {
        n = decode(rest->data, rest->size, &c);
        if (!is_space(c)) break;
        rest->data += n;
        rest->size -= n;
    }
    if (rest->size == 0) return false;
    end = n;
    while (!chars && end < rest->size) {
        n = decode(rest->data + end, rest->size - end, &c);
        if (is_space(c)) break;
        end += n;
    }
    token->data = rest->data;
    token->size = end;
    rest->data += end;
    rest->size -= end;
    return true;
}

void wg__bleu_scratch_free(wg__bleu_scratch *scratch)
{
    wg_free(scratch->a.data);
    wg_free(scratch->b.data);
    memset(scratch, 0, sizeof *scratch);
}
