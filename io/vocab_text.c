/* The text form of a vocabulary: a header line, then one entry a line, `WORD<TAB>COUNT`, in order
 * of ids. docs/formats.md describes it. */
#include <wengert/vocab.h>

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include <wengert/atomicfile.h>
#include <wengert/memory.h>
#include <wengert/textfile.h>

#include "buffer.h"
#include "escape.h"
#include "fileerror.h"
#include "utf8.h"

static const char magic[] = "wengert-vocabulary 1 ";

wg_status wg_vocab_write(const wg_vocab *v, char **text, size_t *length, wg_error *err)
{
    wg__buf out = {0};
    *text = NULL;
    int32_t n = wg_vocab_size(v);
    wg__buf_printf(&out, "%s%" PRId32 "\n", magic, n);
    for (int32_t id = 0; id < n; id++) {
        for (const char *c = wg_vocab_word(v, id); *c; c++) wg__escape_byte(&out, *c, false);
        wg__buf_printf(&out, "\t%" PRIu64 "\n", wg_vocab_count(v, id));
    }
    *text = wg__buf_take(&out, length);
    return *text ? WG_OK : wg_error_set(err, WG_ENOMEM, "vocabulary: out of memory");
}

/* Only what wg_vocab_write makes is accepted. */
static bool read_word(wg__buf *out, const char *text, size_t length)
{
    out->size = 0;
    for (size_t i = 0; i < length; i++) {
        char byte;
        if (!wg__unescape_byte(text, length, &i, 0, &byte)) return false;
        wg__buf_add(out, &byte, 1);
    }
    return out->size > 0;
}

/* Decimal digits without sign or leading zeros. */
static bool read_count(const char *text, size_t length, uint64_t *out)
{
    uint64_t value = 0;
    if (length == 0 || (length > 1 && text[0] == '0')) return false;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9') return false;
        unsigned digit = (unsigned)(text[i] - '0');
        if (value > (UINT64_MAX - digit) / 10) return false;
        value = value * 10 + digit;
    }
    *out = value;
    return true;
}

static wg_status read_entry(wg_vocab *v, const char *name, size_t number, const char *line,
                            size_t length, wg__buf *word, wg_error *err)
{
    static const char *const special[WG_SPECIALS] = {"<pad>", "<unk>", "<s>", "</s>"};
    const char *tab = memchr(line, '\t', length);
    if (!tab) return wg_error_set(err, WG_EFORMAT, "%s:%zu: expected WORD<TAB>COUNT", name, number);
    uint64_t count;
    size_t size = (size_t)(tab - line);
    if (!read_count(tab + 1, length - size - 1, &count))
        return wg_error_set(err, WG_EFORMAT, "%s:%zu: the count is not a whole number", name,
                            number);
    bool fine = read_word(word, line, size);
    if (word->failed) return wg__no_memory(err, name);
    if (!fine)
        return wg_error_set(err, WG_EFORMAT, "%s:%zu: malformed word (empty, or a wrong \\ escape)",
                            name, number);
    size_t id = number - 2;
    if (id < WG_SPECIALS &&
        (word->size != strlen(special[id]) || memcmp(word->data, special[id], word->size) != 0))
        return wg_error_set(err, WG_EFORMAT, "%s:%zu: the special symbol %s must stand here", name,
                            number, special[id]);
    int32_t before = wg_vocab_size(v);
    wg_error inner;
    wg_status status = wg_vocab_add(v, word->data, word->size, count, &inner);
    if (status != WG_OK)
        return wg_error_set(err, status, "%s:%zu: %s", name, number, inner.message);
    if (id >= WG_SPECIALS && wg_vocab_size(v) == before)
        return wg_error_set(err, WG_EFORMAT, "%s:%zu: the word stands in an earlier line too", name,
                            number);
    return WG_OK;
}

/* wg_vocab_finish sorts and drops; a file's order is its meaning, so it is checked to be the one
 * that sorting gives. */
static wg_status check_order(const wg_vocab *v, const char *name, wg_error *err)
{
    for (int32_t id = WG_SPECIALS + 1; id < wg_vocab_size(v); id++) {
        uint64_t a = wg_vocab_count(v, id - 1), b = wg_vocab_count(v, id);
        if (a > b || (a == b && strcmp(wg_vocab_word(v, id - 1), wg_vocab_word(v, id)) < 0))
            continue;
        return wg_error_set(err, WG_EFORMAT,
                            "%s:%ld: out of order (falling count, then rising bytes)", name,
                            (long)id + 2);
    }
    if (wg_vocab_size(v) > WG_SPECIALS && wg_vocab_count(v, wg_vocab_size(v) - 1) == 0)
        return wg_error_set(err, WG_EFORMAT, "%s:%ld: a word with count 0", name,
                            (long)wg_vocab_size(v) + 1);
    return WG_OK;
}

wg_status wg_vocab_parse(const char *name, const char *text, size_t length, wg_vocab **out,
                         wg_error *err)
{
    *out = NULL;
    size_t prefix = sizeof magic - 1;
    const char *end = text + length;
    const char *newline = length ? memchr(text, '\n', length) : NULL;
    uint64_t expected;
    if (!newline || (size_t)(newline - text) < prefix || memcmp(text, magic, prefix) != 0) {
        if (newline && newline - text > 19 && memcmp(text, magic, 19) == 0)
            return wg_error_set(err, WG_EVERSION,
                                "%s:1: vocabulary of a newer version than this program knows",
                                name);
        return wg_error_set(err, WG_EFORMAT,
                            "%s:1: not a vocabulary (the first line must be '%sN')", name, magic);
    }
    if (!read_count(text + prefix, (size_t)(newline - text) - prefix, &expected))
        return wg_error_set(err, WG_EFORMAT, "%s:1: the number of entries is malformed", name);
    wg_vocab *v;
    wg__buf word = {0};
    wg_status status = wg_vocab_new(&v, err);
    size_t number = 1;
    for (const char *line = newline + 1; status == WG_OK && line < end; line = newline + 1) {
        newline = memchr(line, '\n', (size_t)(end - line));
        number++;
        if (!newline) {
            status =
                wg_error_set(err, WG_EFORMAT, "%s:%zu: the last line is cut short", name, number);
            break;
        }
        status = read_entry(v, name, number, line, (size_t)(newline - line), &word, err);
    }
    if (status == WG_OK && number - 1 != expected)
        status = wg_error_set(err, WG_EFORMAT, "%s: %zu entries, but the first line says %" PRIu64,
                              name, number - 1, expected);
    if (status == WG_OK && expected < WG_SPECIALS)
        status = wg_error_set(err, WG_EFORMAT, "%s: the special symbols are missing", name);
    if (status == WG_OK) status = check_order(v, name, err);
    if (status == WG_OK) status = wg_vocab_finish(v, 1, 0, err);
    wg__buf_free(&word);
    if (status != WG_OK) {
        wg_vocab_free(v);
        return status;
    }
    *out = v;
    return WG_OK;
}

wg_status wg_vocab_save(const char *path, const wg_vocab *v, wg_error *err)
{
    char *text;
    size_t length;
    wg_status status = wg_vocab_write(v, &text, &length, err);
    if (status != WG_OK) return status;
    status = wg_file_write_atomic(path, text, length, err);
    wg_free(text);
    return status;
}

wg_status wg_vocab_load(const char *path, wg_vocab **out, wg_error *err)
{
    *out = NULL;
    wg_reader *reader;
    wg_reader_options options = {.size = sizeof options, .max_total_bytes = UINT64_C(4) << 30};
    wg_status status = wg_reader_open(path, &options, &reader, err);
    if (status != WG_OK) return status;
    wg__buf all = {0};
    for (;;) {
        const char *line;
        size_t length;
        status = wg_reader_line(reader, &line, &length, err);
        if (status != WG_OK || !line) break;
        wg__buf_add(&all, line, length);
        /* The parser sees a missing last newline as the reader did. */
        if (!wg_reader_get_stats(reader).unterminated) wg__buf_add(&all, "\n", 1);
        if (all.failed) {
            status = wg__no_memory(err, path);
            break;
        }
    }
    if (status == WG_OK)
        status =
            wg_vocab_parse(wg_reader_name(reader), all.data ? all.data : "", all.size, out, err);
    wg_reader_close(reader);
    wg__buf_free(&all);
    return status;
}
