/* Lines of plain or gzipped text: the blocks of text at hand and one line are in memory. */
#include <wengert/textfile.h>

#include <inttypes.h>
#include <string.h>

#include "blocks.h"
#include "buffer.h"
#include "fileerror.h"
#include "textfile_private.h"
#include "utf8.h"

struct wg_reader {
    char *name;
    wg_reader_options options;
    wg_reader_stats stats;
    bool end_of_text, failed;
    wg_error error;
    wg__blocks *blocks;
    wg__textsource_stats at; /* behind the block at hand */
    char sha256[65];
    const char *text; /* unread decompressed bytes */
    size_t text_size;
    uint64_t line_start; /* offset of the next line in the decompressed text */
    wg__buf line, fixed, normal;
};

static wg_status fail(wg_reader *r, wg_status status, const char *fmt, ...) WG_PRINTF(3, 4);
static wg_status fail(wg_reader *r, wg_status status, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    wg_error_setv(&r->error, status, fmt, args);
    va_end(args);
    r->failed = true;
    return status;
}

static wg_status more_text(wg_reader *r)
{
    wg_error why;
    wg_status status = wg__blocks_next(r->blocks, &r->text, &r->text_size, &r->at, &why);
    if (status == WG_EFORMAT)
        return fail(r, status, "%s, behind line %" PRIu64, why.message, r->stats.lines);
    if (status != WG_OK) return fail(r, status, "%s", why.message);
    r->stats.gzip = r->at.gzip;
    r->stats.bytes = r->at.bytes;
    r->stats.bytes_stored = r->at.stored;
    if (r->text_size > 0) return WG_OK;
    r->end_of_text = true;
    if (r->at.hashed) {
        wg__sha256 whole = r->at.hash;
        wg__sha256_hex(&whole, r->sha256);
    }
    return WG_OK;
}

static void set_options(wg_reader *r, const wg_reader_options *options)
{
    if (options && options->size >= sizeof *options) r->options = *options;
    if (!r->options.max_line_bytes) r->options.max_line_bytes = (size_t)1 << 20;
    if (!r->options.max_line_tokens) r->options.max_line_tokens = 100000;
    if (!r->options.max_total_bytes) r->options.max_total_bytes = UINT64_C(64) << 30;
    if (!r->options.max_ratio) r->options.max_ratio = 200;
}

wg_status wg__reader_open(const char *path, const wg_reader_options *options,
                          const wg__sha256 *hash, wg_reader **out, wg_error *err)
{
    *out = NULL;
    if (!path || !*path) return wg_error_set(err, WG_EINVAL, "file name is empty");
    wg_reader *r = wg_calloc(1, sizeof *r);
    if (!r) return wg__no_memory(err, path);
    set_options(r, options);
    r->name = wg_strdup(strcmp(path, "-") == 0 ? "standard input" : path);
    const wg__textsource_options o = {r->options.max_total_bytes, r->options.max_ratio,
                                      r->options.skip_sha256, hash};
    wg__textsource *source = NULL;
    wg_status status =
        r->name ? wg__textsource_open(path, r->name, &o, &source, err) : wg__no_memory(err, path);
    if (status == WG_OK) {
        r->stats.gzip = wg__textsource_get_stats(source)->gzip;
        /* A job that waits for a pipe could not be called back. */
        unsigned ahead = wg__textsource_is_file(source) ? r->options.ahead : 0;
        status = wg__blocks_new(source, r->name, ahead, &r->blocks, err);
    }
    if (status != WG_OK) {
        wg_reader_close(r);
        return status;
    }
    *out = r;
    return WG_OK;
}

wg_status wg_reader_open(const char *path, const wg_reader_options *options, wg_reader **out,
                         wg_error *err)
{
    return wg__reader_open(path, options, NULL, out, err);
}

/* Collects bytes up to the next newline in r->line; *found is false at the end of the text. */
static wg_status collect(wg_reader *r, bool *found)
{
    /* One byte more than the limit, for the CR of a CRLF. */
    size_t limit = r->options.max_line_bytes;
    *found = false;
    r->line.size = 0;
    for (;;) {
        if (r->text_size == 0) {
            if (r->end_of_text) return WG_OK;
            wg_status status = more_text(r);
            if (status != WG_OK) return status;
            if (r->end_of_text) {
                r->stats.unterminated = *found;
                return WG_OK;
            }
        }
        *found = true;
        const char *newline = memchr(r->text, '\n', r->text_size);
        size_t take = newline ? (size_t)(newline - r->text) : r->text_size;
        size_t total = r->line.size + take;
        bool cr =
            total == limit + 1 && (take ? r->text[take - 1] : r->line.data[total - 1]) == '\r';
        if (total > limit && !cr)
            return fail(r, WG_ELIMIT, "%s:%" PRIu64 ": line is longer than the limit of %zu bytes",
                        r->name, r->stats.lines + 1, limit);
        wg__buf_add(&r->line, r->text, take);
        if (r->line.failed) return fail(r, WG_ENOMEM, "%s: out of memory", r->name);
        r->text += take + (newline ? 1 : 0);
        r->text_size -= take + (newline ? 1 : 0);
        if (newline) return WG_OK;
    }
}

static wg_status check_tokens(wg_reader *r, const char *text, size_t size)
{
    /* A line of n bytes has at most (n + 1) / 2 tokens. */
    if (size / 2 < r->options.max_line_tokens) return WG_OK;
    size_t tokens = 0, length;
    const char *token, *end = text + size;
    while (wg_next_token(&text, end, &token, &length)) tokens++;
    if (tokens <= r->options.max_line_tokens) return WG_OK;
    return fail(r, WG_ELIMIT, "%s:%" PRIu64 ": line has %zu tokens, more than the limit of %zu",
                r->name, r->stats.lines, tokens, r->options.max_line_tokens);
}

static wg_status next_line(wg_reader *r, const char **text, size_t *length)
{
    bool found;
    wg_status status = collect(r, &found);
    if (status != WG_OK || !found) return status;
    uint64_t offset = r->line_start;
    r->line_start += r->line.size + (r->stats.unterminated ? 0 : 1);
    r->stats.lines++;
    const char *line = r->line.size ? r->line.data : "";
    size_t size = r->line.size;
    if (offset == 0 && size >= 3 && memcmp(line, "\xEF\xBB\xBF", 3) == 0) {
        r->stats.bom = true;
        line += 3, size -= 3, offset += 3;
    }
    if (size > 0 && line[size - 1] == '\r') {
        size--;
        r->stats.crlf_lines++;
    }
    const char *nul = memchr(line, 0, size);
    if (nul)
        return fail(r, WG_EFORMAT,
                    "%s:%" PRIu64 ": NUL byte at offset %" PRIu64 " (not a text file?)", r->name,
                    r->stats.lines, offset + (uint64_t)(nul - line));
    size_t valid = wg__utf8_valid(line, size);
    if (valid < size) {
        if (r->options.invalid_utf8 != WG_UTF8_REPLACE)
            return fail(r, WG_EFORMAT,
                        "%s:%" PRIu64 ": invalid UTF-8 at byte offset %" PRIu64
                        " (byte 0x%02x, column %zu of the line)",
                        r->name, r->stats.lines, offset + valid,
                        (unsigned)(unsigned char)line[valid], valid + 1);
        r->fixed.size = 0;
        r->stats.replaced += wg__utf8_replace(&r->fixed, line, size);
        wg__buf_add(&r->fixed, "", 1);
        if (r->fixed.failed) return fail(r, WG_ENOMEM, "%s: out of memory", r->name);
        line = r->fixed.data;
        size = r->fixed.size - 1;
    } else {
        size_t skip = r->line.size ? (size_t)(line - r->line.data) : 0;
        r->line.size = skip + size;
        wg__buf_add(&r->line, "", 1);
        if (r->line.failed) return fail(r, WG_ENOMEM, "%s: out of memory", r->name);
        line = r->line.data + skip;
    }
    if (r->options.nfc && !wg__utf8_surely_nfc(line, size)) {
        r->normal.size = 0;
        if (!wg__utf8_nfc(&r->normal, line, size))
            return fail(r, WG_ENOMEM, "%s: out of memory", r->name);
        r->stats.normalized +=
            r->normal.size - 1 != size || memcmp(r->normal.data, line, size) != 0;
        line = r->normal.data;
        size = r->normal.size - 1;
    }
    status = check_tokens(r, line, size);
    if (status != WG_OK) return status;
    *text = line;
    *length = size;
    return WG_OK;
}

wg_status wg_reader_line(wg_reader *r, const char **text, size_t *length, wg_error *err)
{
    *text = NULL;
    *length = 0;
    if (!r->failed) {
        wg_status status = next_line(r, text, length);
        if (status == WG_OK) return WG_OK;
    }
    return wg_error_set(err, r->error.status, "%s", r->error.message);
}

wg_reader_stats wg_reader_get_stats(const wg_reader *r)
{
    return r->stats;
}

const char *wg_reader_name(const wg_reader *r)
{
    return r->name;
}

wg_status wg_reader_sha256(const wg_reader *r, char hex[65], wg_error *err)
{
    hex[0] = '\0';
    if (!r->end_of_text || !r->sha256[0])
        return wg_error_set(err, WG_ESTATE,
                            "%s: its SHA-256 is known once it was read to its end, without jumps",
                            r->name);
    memcpy(hex, r->sha256, sizeof r->sha256);
    return WG_OK;
}

bool wg__reader_hash(const wg_reader *r, wg__sha256 *hash)
{
    *hash = r->at.hash;
    return r->end_of_text && r->at.hashed;
}

wg_reader_place wg_reader_tell(const wg_reader *r)
{
    return (wg_reader_place){r->line_start, r->stats.lines};
}

/* The byte before a line is an end of line, or the last of a text whose last line has none. */
static wg_status check_place(wg_reader *r, wg_reader_place place)
{
    wg_status status = more_text(r);
    if (status != WG_OK) return status;
    if (!r->end_of_text) {
        bool newline = *r->text == '\n';
        r->text++;
        r->text_size--;
        if (newline) return WG_OK;
        if (r->text_size == 0) status = more_text(r);
        if (status != WG_OK || r->end_of_text) return status;
    }
    return fail(r, WG_EINVAL,
                "%s: no line begins at byte %" PRIu64
                " of the text; is it another file than before?",
                r->name, place.byte);
}

wg_status wg_reader_seek(wg_reader *r, wg_reader_place place, wg_error *err)
{
    wg_error why;
    r->failed = r->end_of_text = r->stats.unterminated = false;
    r->text_size = 0;
    r->sha256[0] = '\0';
    r->line_start = place.byte;
    r->stats.lines = place.line;
    wg_status status = wg__blocks_seek(r->blocks, place.byte > 0 ? place.byte - 1 : 0, &why);
    if (status != WG_OK) fail(r, status, "%s", why.message);
    if (status == WG_OK && place.byte > 0) status = check_place(r, place);
    return status == WG_OK ? WG_OK : wg_error_set(err, r->error.status, "%s", r->error.message);
}

void wg_reader_close(wg_reader *r)
{
    if (!r) return;
    wg__blocks_free(r->blocks);
    wg__buf_free(&r->line);
    wg__buf_free(&r->fixed);
    wg__buf_free(&r->normal);
    wg_free(r->name);
    wg_free(r);
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

bool wg_next_token(const char **cursor, const char *end, const char **token, size_t *length)
{
    const char *at = *cursor;
    while (at < end && is_space(*at)) at++;
    *token = at;
    while (at < end && !is_space(*at)) at++;
    *length = (size_t)(at - *token);
    *cursor = at;
    return *length > 0;
}
