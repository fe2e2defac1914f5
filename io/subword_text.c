/* The text form of subword rules: a header, the alphabet, then one merge a line as "LEFT RIGHT", in
 * order, with "</w>" behind a right side that ends words. docs/formats.md describes it. */
#include <wengert/subword.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include <wengert/atomicfile.h>
#include <wengert/memory.h>
#include <wengert/textfile.h>

#include "buffer.h"
#include "escape.h"
#include "fileerror.h"
#include "subword_private.h"
#include "utf8.h"

#define MAGIC "wengert-subwords "
#define FORMAT_VERSION 1
static const char end_mark[] = "</w>";
#define END_SIZE (sizeof end_mark - 1)

/* ---- writing ---- */

/* The '<' of text that spells the mark at its end is escaped. */
static void write_symbol(wg__buf *out, const wg_subwords *s, int32_t number)
{
    size_t n;
    bool end;
    const char *text = wg__subwords_text(s, number, &n, &end);
    bool spells = n >= END_SIZE && memcmp(text + n - END_SIZE, end_mark, END_SIZE) == 0;
    for (size_t i = 0; i < n; i++) wg__escape_byte(out, text[i], spells && i == n - END_SIZE);
    if (end) wg__buf_text(out, end_mark);
}

wg_status wg_subwords_write(const wg_subwords *s, char **text, size_t *length, wg_error *err)
{
    wg__buf out = {0};
    wg__buf_printf(&out, MAGIC "%d %" PRId32 " %" PRId32 "\n", FORMAT_VERSION, s->characters,
                   s->rules);
    for (int32_t i = 0; i < s->characters; i++) {
        write_symbol(&out, s, WG_SPECIALS + 2 * i);
        wg__buf_text(&out, "\n");
    }
    for (int32_t i = 0; i < s->rules; i++) {
        write_symbol(&out, s, s->rule[i].left);
        wg__buf_text(&out, " ");
        write_symbol(&out, s, s->rule[i].right);
        wg__buf_text(&out, "\n");
    }
    *text = wg__buf_take(&out, length);
    return *text ? WG_OK : wg_error_set(err, WG_ENOMEM, "subwords: out of memory");
}

wg_status wg_subwords_save(const char *path, const wg_subwords *s, wg_error *err)
{
    char *text;
    size_t length;
    wg_status status = wg_subwords_write(s, &text, &length, err);
    if (status) return status;
    status = wg_file_write_atomic(path, text, length, err);
    wg_free(text);
    return status;
}

/* ---- reading ---- */

typedef struct parser {
    const char *name, *at, *end;
    const char *line; /* the line in hand */
    size_t length, number;
    bool foreign; /* a file of subword-nmt: nothing is escaped */
    wg__buf text; /* a symbol, its escapes undone */
} parser;

static wg_status no_memory(const parser *p, wg_error *err)
{
    return wg__no_memory(err, p->name);
}

/* The next line; WG_EFORMAT where the file ends, or its last line does not. */
static wg_status next_line(parser *p, wg_error *err)
{
    const char *newline = p->at < p->end ? memchr(p->at, '\n', (size_t)(p->end - p->at)) : NULL;
    p->number++;
    if (!newline)
        return wg_error_set(err, WG_EFORMAT, "%s:%zu: the file is cut short", p->name, p->number);
    p->line = p->at;
    p->length = (size_t)(newline - p->at);
    p->at = newline + 1;
    return WG_OK;
}

static wg_status malformed(const parser *p, const char *what, wg_error *err)
{
    return wg_error_set(err, WG_EFORMAT, "%s:%zu: %s", p->name, p->number, what);
}

/* A byte as it stands in files whose words hold no escapes. */
static bool plain_byte(char c, char *byte)
{
    *byte = c;
    return (unsigned char)c > 0x20 && c != 0x7f;
}

/* Undoes write_symbol, into p->text; only what it makes is accepted. */
static bool read_symbol(parser *p, const char *text, size_t length, bool *end)
{
    p->text.size = 0;
    *end = length > END_SIZE && memcmp(text + length - END_SIZE, end_mark, END_SIZE) == 0;
    if (*end) length -= END_SIZE;
    for (size_t i = 0; i < length; i++) {
        char byte;
        if (p->foreign ? !plain_byte(text[i], &byte)
                       : !wg__unescape_byte(text, length, &i, end_mark[0], &byte))
            return false;
        wg__buf_add(&p->text, &byte, 1);
    }
    return p->text.size > 0 && wg__utf8_valid(p->text.data, p->text.size) == p->text.size;
}

/* The only code point of p->text, or -1. */
static int32_t single(const parser *p)
{
    utf8proc_int32_t code;
    utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)p->text.data,
                                          (utf8proc_ssize_t)p->text.size, &code);
    return n > 0 && (size_t)n == p->text.size ? code : -1;
}

static wg_status read_alphabet(parser *p, int32_t n, wg_subwords **out, wg_error *err)
{
    int32_t *alphabet = wg_reallocarray(NULL, (size_t)n + 1, sizeof *alphabet);
    wg_status status = alphabet ? WG_OK : no_memory(p, err);
    for (int32_t i = 0; i < n && !status; i++) {
        bool end = false;
        status = next_line(p, err);
        if (status) break;
        bool fine = read_symbol(p, p->line, p->length, &end);
        if (p->text.failed)
            status = no_memory(p, err);
        else if (!fine || end || single(p) <= 0)
            status = malformed(p, "expected one character", err);
        else if (i && single(p) <= alphabet[i - 1])
            status = malformed(p, "characters must stand in rising order", err);
        if (!status) alphabet[i] = single(p);
    }
    if (!status) status = wg__subwords_new(alphabet, n, out, err);
    wg_free(alphabet);
    return status;
}

static wg_status read_merge(parser *p, wg_subwords *s, wg_error *err)
{
    const char *blank = memchr(p->line, ' ', p->length);
    if (!blank) return malformed(p, "expected LEFT RIGHT", err);
    const char *text[2] = {p->line, blank + 1};
    const size_t length[2] = {(size_t)(blank - p->line), p->length - 1 - (size_t)(blank - p->line)};
    int32_t part[2] = {0, 0}, made;
    for (int i = 0; i < 2; i++) {
        bool end;
        bool fine = read_symbol(p, text[i], length[i], &end);
        if (p->text.failed) return no_memory(p, err);
        if (!fine || (i == 0 && end)) return malformed(p, "expected LEFT RIGHT", err);
        wg_status status = wg__subwords_symbol(s, p->text.data, p->text.size, end, &part[i], err);
        if (status == WG_ENOTFOUND)
            return malformed(p,
                             i ? "the right side is neither a character of the alphabet nor made "
                                 "by an earlier line"
                               : "the left side is neither a character of the alphabet nor made "
                                 "by an earlier line",
                             err);
        if (status) return status;
    }
    if (wg__pair_table_find(&s->pairs, part[0], part[1]) >= 0)
        return p->foreign ? WG_OK : malformed(p, "the merge stands in an earlier line too", err);
    wg_error inner = {0};
    wg_status status = wg__subwords_add(s, part[0], part[1], &made, &inner);
    return status ? wg_error_set(err, status, "%s:%zu: %s", p->name, p->number, inner.message)
                  : WG_OK;
}

/* " A B" -> two numbers without signs or leading zeros. */
static bool read_numbers(const char *text, const char *end, int32_t out[3])
{
    for (int i = 0; i < 3; i++) {
        int64_t value = 0;
        const char *begin = text;
        for (; text < end && *text >= '0' && *text <= '9' && value < INT32_MAX; text++)
            value = 10 * value + (*text - '0');
        if (text == begin || value > INT32_MAX / 4 || (*begin == '0' && text > begin + 1))
            return false;
        out[i] = (int32_t)value;
        if (i < 2 && (text == end || *text++ != ' ')) return false;
    }
    return text == end;
}

static wg_status parse_own(parser *p, wg_subwords **out, wg_error *err)
{
    int32_t header[3] = {0};
    const char *text = p->line + sizeof MAGIC - 1, *end = p->line + p->length;
    if (text < end && *text >= '0' && *text <= '9' &&
        (text + 1 == end || text[1] != ' ' || *text != '0' + FORMAT_VERSION))
        return wg_error_set(err, WG_EVERSION,
                            "%s:1: subwords of a newer version than this program "
                            "knows",
                            p->name);
    if (!read_numbers(text, end, header))
        return malformed(p, "the first line must be '" MAGIC "1 CHARACTERS MERGES'", err);
    /* Each takes a line, of two bytes at least. */
    if ((int64_t)header[1] + header[2] > (p->end - p->at) / 2)
        return malformed(p, "the first line says more than the file holds", err);
    wg_status status = read_alphabet(p, header[1], out, err);
    for (int32_t i = 0; i < header[2] && !status; i++) {
        status = next_line(p, err);
        if (!status) status = read_merge(p, *out, err);
    }
    if (!status && p->at < p->end) {
        p->number++;
        status = malformed(p, "more lines than the first one says", err);
    }
    return status;
}

static int compare_codes(const void *x, const void *y)
{
    int32_t a = *(const int32_t *)x, b = *(const int32_t *)y;
    return a < b ? -1 : a > b;
}

/* The alphabet of a file of subword-nmt: all characters in it. A byte above 0x7f begins one, or
 * goes on with it, so that there are at most as many as bytes. */
static wg_status foreign_alphabet(const parser *p, wg_subwords **out, wg_error *err)
{
    size_t room = (size_t)(p->end - p->at) + 1;
    int32_t n = 0, kept = 0;
    if (room > INT32_MAX / 4)
        return wg_error_set(err, WG_ELIMIT, "%s: too large for subwords", p->name);
    int32_t *codes = wg_reallocarray(NULL, room, sizeof *codes);
    if (!codes) return no_memory(p, err);
    for (const char *at = p->at; at < p->end;) {
        utf8proc_int32_t code;
        utf8proc_ssize_t size =
            utf8proc_iterate((const utf8proc_uint8_t *)at, (utf8proc_ssize_t)(p->end - at), &code);
        at += size > 0 ? size : 1;
        if (size > 0 && code > ' ' && code != 0x7f) codes[n++] = code;
    }
    qsort(codes, (size_t)n, sizeof *codes, compare_codes);
    for (int32_t i = 0; i < n; i++)
        if (i == 0 || codes[i] != codes[i - 1]) codes[kept++] = codes[i];
    wg_status status = wg__subwords_new(codes, kept, out, err);
    wg_free(codes);
    return status;
}

static wg_status parse_foreign(parser *p, wg_subwords **out, wg_error *err)
{
    p->foreign = true;
    wg_status status = foreign_alphabet(p, out, err);
    while (!status && p->at < p->end) {
        status = next_line(p, err);
        if (!status) status = read_merge(p, *out, err);
    }
    return status;
}

wg_status wg_subwords_parse(const char *name, const char *text, size_t length, wg_subwords **out,
                            wg_error *err)
{
    static const char foreign[] = "#version: 0.2";
    parser p = {.name = name, .at = text, .end = text + length};
    wg_subwords *s = NULL;
    wg_status status = WG_EFORMAT;
    *out = NULL;
    if (next_line(&p, NULL) == WG_OK && p.length >= sizeof MAGIC - 1 &&
        memcmp(p.line, MAGIC, sizeof MAGIC - 1) == 0)
        status = parse_own(&p, &s, err);
    else if (p.line && p.length == sizeof foreign - 1 && memcmp(p.line, foreign, p.length) == 0)
        status = parse_foreign(&p, &s, err);
    else
        wg_error_set(err, WG_EFORMAT,
                     "%s:1: not subwords (the first line must be '" MAGIC
                     "1 CHARACTERS MERGES', or '%s')",
                     name, foreign);
    wg__buf_free(&p.text);
    if (status) {
        wg_subwords_free(s);
        return status;
    }
    *out = s;
    return WG_OK;
}

wg_status wg_subwords_load(const char *path, wg_subwords **out, wg_error *err)
{
    *out = NULL;
    wg_reader *reader;
    const wg_reader_options options = {.size = sizeof options,
                                       .max_total_bytes = UINT64_C(1) << 30};
    wg_status status = wg_reader_open(path, &options, &reader, err);
    if (status) return status;
    wg__buf all = {0};
    for (;;) {
        const char *line;
        size_t length;
        status = wg_reader_line(reader, &line, &length, err);
        if (status || !line) break;
        wg__buf_add(&all, line, length);
        /* The parser sees a missing last newline as the reader did. */
        if (!wg_reader_get_stats(reader).unterminated) wg__buf_add(&all, "\n", 1);
        if (all.failed) {
            status = wg__no_memory(err, path);
            break;
        }
    }
    if (!status)
        status =
            wg_subwords_parse(wg_reader_name(reader), all.data ? all.data : "", all.size, out, err);
    wg_reader_close(reader);
    wg__buf_free(&all);
    return status;
}
