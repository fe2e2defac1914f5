/* The rules of byte-pair encoding as a table, and joining pieces, which needs no rules. */
#include <wengert/subword.h>

#include <string.h>
#include <utf8proc.h>

#include <wengert/memory.h>
#include <wengert/textfile.h>

#include "buffer.h"
#include "subword_private.h"
#include "utf8.h"
#include "vocab_table.h"

#define MARKER_SIZE (sizeof WG_SUBWORD_MARKER - 1)

static wg_status no_memory(wg_error *err)
{
    return wg_error_set(err, WG_ENOMEM, "subwords: out of memory");
}

/* ---- bytes ---- */

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int wg__byte_piece(const char *text, size_t length)
{
    if (length != 6 || memcmp(text, "<0x", 3) != 0 || text[5] != '>') return -1;
    int high = hex_digit(text[3]), low = hex_digit(text[4]);
    return high < 0 || low < 0 ? -1 : 16 * high + low;
}

static bool ends_marked(const char *text, size_t length)
{
    return length >= MARKER_SIZE &&
           memcmp(text + length - MARKER_SIZE, WG_SUBWORD_MARKER, MARKER_SIZE) == 0;
}

/* Would the piece read as something else? At the end of words also what vocabularies mean by it. */
static bool is_reserved(const char *text, size_t length, bool end)
{
    static const char *const control[] = {"<pad>", "<unk>", "<s>", "</s>"};
    if (wg__byte_piece(text, length) >= 0) return true;
    if (!end) return false;
    if (ends_marked(text, length)) return true;
    for (size_t i = 0; i < sizeof control / sizeof control[0]; i++)
        if (length == strlen(control[i]) && memcmp(text, control[i], length) == 0) return true;
    return false;
}

/* ---- the table ---- */

/* The number of a symbol, made where it is new. */
static wg_status intern(wg_subwords *s, const char *text, size_t length, bool end, int32_t *number,
                        wg_error *err)
{
    wg__buf key = {0};
    wg__buf_add(&key, end ? "e" : "i", 1);
    wg__buf_add(&key, text, length);
    wg_status status = key.failed ? no_memory(err)
                                  : wg__vocab_intern(s->table, key.data, key.size, 0, number, err);
    wg__buf_free(&key);
    if (status || *number < s->symbols) return status;
    if (s->symbols == s->room) {
        int32_t room = 2 * s->room + 256;
        wg__symbol *symbol = wg_reallocarray(s->symbol, (size_t)room, sizeof *symbol);
        if (!symbol) return no_memory(err);
        s->symbol = symbol;
        s->room = room;
    }
    while (s->symbols <= *number)
        s->symbol[s->symbols++] = (wg__symbol){-1, -1, is_reserved(text, length, end)};
    return WG_OK;
}

wg_status wg__subwords_new(const int32_t *alphabet, int32_t characters, wg_subwords **out,
                           wg_error *err)
{
    *out = NULL;
    wg_subwords *s = wg_calloc(1, sizeof *s);
    if (!s) return no_memory(err);
    wg__pair_table_init(&s->pairs);
    s->alphabet = wg_reallocarray(NULL, (size_t)characters + 1, sizeof *s->alphabet);
    wg_status status = s->alphabet ? wg_vocab_new(&s->table, err) : no_memory(err);
    for (int32_t i = 0; i < characters && !status; i++) {
        utf8proc_uint8_t text[4];
        size_t length = (size_t)utf8proc_encode_char(alphabet[i], text);
        int32_t number;
        s->alphabet[i] = alphabet[i];
        status = intern(s, (const char *)text, length, false, &number, err);
        if (!status) status = intern(s, (const char *)text, length, true, &number, err);
    }
    if (status) {
        wg_subwords_free(s);
        return status;
    }
    s->characters = characters;
    *out = s;
    return WG_OK;
}

void wg_subwords_free(wg_subwords *s)
{
    if (!s) return;
    wg_vocab_free(s->table);
    wg__pair_table_free(&s->pairs);
    wg_free(s->symbol);
    wg_free(s->alphabet);
    wg_free(s->rule);
    wg_free(s);
}

wg_status wg__subwords_symbol(wg_subwords *s, const char *text, size_t length, bool end,
                              int32_t *number, wg_error *err)
{
    int32_t before = s->symbols;
    wg_status status = intern(s, text, length, end, number, err);
    if (status || *number < before) return status;
    return wg_error_set(err, WG_ENOTFOUND, "subwords: no such symbol");
}

const char *wg__subwords_text(const wg_subwords *s, int32_t number, size_t *length, bool *end)
{
    const char *key = wg_vocab_word(s->table, number);
    *length = wg__vocab_length(s->table, number) - 1;
    *end = key[0] == 'e';
    return key + 1;
}

wg_status wg__subwords_add(wg_subwords *s, int32_t left, int32_t right, int32_t *made,
                           wg_error *err)
{
    if (wg__pair_table_find(&s->pairs, left, right) >= 0)
        return wg_error_set(err, WG_EINVAL, "subwords: the same merge twice");
    if (s->rules == INT32_MAX / 4)
        return wg_error_set(err, WG_ELIMIT, "subwords: more than %d merges", INT32_MAX / 4);
    if (s->rules == s->rule_room) {
        int32_t room = 2 * s->rule_room + 256;
        wg__rule *rule = wg_reallocarray(s->rule, (size_t)room, sizeof *rule);
        if (!rule) return no_memory(err);
        s->rule = rule;
        s->rule_room = room;
    }
    size_t n[2];
    bool end[2];
    wg__buf text = {0};
    for (int i = 0; i < 2; i++) {
        const char *part = wg__subwords_text(s, i ? right : left, &n[i], &end[i]);
        wg__buf_add(&text, part, n[i]);
    }
    if (end[0]) {
        wg__buf_free(&text);
        return wg_error_set(err, WG_EINVAL, "subwords: nothing follows the end of a word");
    }
    int32_t before = s->symbols;
    wg_status status =
        text.failed ? no_memory(err) : intern(s, text.data, text.size, end[1], made, err);
    wg__buf_free(&text);
    if (status) return status;
    /* Two pairs may make the same text; it is cut back as the first one made it. */
    if (*made >= before) {
        s->symbol[*made].left = left;
        s->symbol[*made].right = right;
    }
    if (!wg__pair_table_add(&s->pairs, left, right, s->rules)) return no_memory(err);
    s->rule[s->rules++] = (wg__rule){left, right, *made};
    return WG_OK;
}

int32_t wg__subwords_character(const wg_subwords *s, int32_t code, bool end)
{
    int32_t low = 0, high = s->characters;
    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        if (s->alphabet[middle] < code)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == s->characters || s->alphabet[low] != code) return -1;
    return WG_SPECIALS + 2 * low + end;
}

int32_t wg_subwords_merges(const wg_subwords *s)
{
    return s->rules;
}

int32_t wg_subwords_characters(const wg_subwords *s)
{
    return s->characters;
}

/* ---- joining ---- */

/* Bytes of which words are made but no line may hold. */
static bool is_forbidden(int byte)
{
    return byte == 0 || byte == ' ' || (byte >= '\t' && byte <= '\r');
}

/* Appends the gathered bytes, which should be UTF-8. */
static void flush_bytes(wg__buf *out, wg__buf *bytes)
{
    if (bytes->size) wg__utf8_replace(out, bytes->data, bytes->size);
    if (bytes->failed) out->failed = true;
    bytes->size = 0;
}

wg_status wg_subwords_undo(const char *line, size_t length, char **text, wg_error *err)
{
    wg__buf out = {0}, bytes = {0};
    const char *at = line, *end = line + length, *token;
    size_t n;
    *text = NULL;
    for (const char *from = at; wg_next_token(&at, end, &token, &n); from = at) {
        bool marked = ends_marked(token, n);
        if (marked) n -= MARKER_SIZE;
        int byte = wg__byte_piece(token, n);
        if (token > from) { /* white space that stays ends a run of bytes */
            flush_bytes(&out, &bytes);
            wg__buf_add(&out, from, (size_t)(token - from));
        }
        if (byte >= 0 && !is_forbidden(byte)) {
            char c = (char)byte;
            wg__buf_add(&bytes, &c, 1);
        } else {
            flush_bytes(&out, &bytes);
            wg__buf_add(&out, byte >= 0 ? "\xEF\xBF\xBD" : token, byte >= 0 ? 3 : n);
        }
        if (marked && at < end) at++; /* the one blank behind the marker */
    }
    flush_bytes(&out, &bytes);
    /* White space behind the last token. */
    const char *tail = end;
    while (tail > line && (tail[-1] == ' ' || (tail[-1] >= '\t' && tail[-1] <= '\r'))) tail--;
    bool last_marked = ends_marked(line, (size_t)(tail - line));
    if (last_marked && tail < end) tail++;
    wg__buf_add(&out, tail, (size_t)(end - tail));
    wg__buf_free(&bytes);
    *text = wg__buf_take(&out, NULL);
    return *text ? WG_OK : no_memory(err);
}
