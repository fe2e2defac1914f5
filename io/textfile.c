/* Lines of plain or gzipped text: one chunk of the file, one of decompressed text and one line are
 * in memory at a time. */
#include <wengert/textfile.h>

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "buffer.h"
#include "fileerror.h"
#include "sha256.h"
#include "utf8.h"
#include "zmem.h"

enum { CHUNK = 1 << 16 };

/* Below this, a high ratio is only a short and regular text. */
#define RATIO_FROM (UINT64_C(64) << 20)

struct wg_reader {
    char *name;
    wg_reader_options options;
    wg_reader_stats stats;
    int fd;
    bool own_fd, end_of_file, end_of_text, failed;
    wg_error error;
    bool inflating; /* zlib's state exists */
    bool between;   /* between two gzip members: the file may end here */
    z_stream z;
    wg__sha256 hash;
    char sha256[65];
    size_t raw_size;  /* bytes in raw (for gzip, z.next_in points into it) */
    const char *text; /* unread decompressed bytes */
    size_t text_size;
    uint64_t line_start; /* offset of the current line in the decompressed text */
    wg__buf line, fixed;
    unsigned char raw[CHUNK];
    char plain[CHUNK];
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

static wg_status read_raw(wg_reader *r)
{
    ssize_t got = wg__read(r->fd, r->raw, CHUNK);
    if (got < 0) {
        r->failed = true;
        return wg__file_error(&r->error, r->name, "read", errno);
    }
    r->raw_size = (size_t)got;
    r->stats.bytes_stored += (uint64_t)got;
    wg__sha256_add(&r->hash, r->raw, (size_t)got);
    if (got == 0) r->end_of_file = true;
    return WG_OK;
}

/* The next piece of decompressed text into r->text; at the end sets end_of_text. */
static wg_status inflate_more(wg_reader *r)
{
    for (;;) {
        if (r->z.avail_in == 0) {
            wg_status status = read_raw(r);
            if (status != WG_OK) return status;
            if (r->end_of_file) {
                if (!r->between)
                    return fail(r, WG_EFORMAT, "%s: gzip data is cut short after %" PRIu64 " bytes",
                                r->name, r->stats.bytes_stored);
                r->end_of_text = true;
                return WG_OK;
            }
            r->z.next_in = r->raw;
            r->z.avail_in = (uInt)r->raw_size;
        }
        if (r->between) {
            /* Padding with zeros is common on tapes; anything else must be another member. */
            while (r->z.avail_in > 0 && *r->z.next_in == 0) r->z.next_in++, r->z.avail_in--;
            if (r->z.avail_in == 0) continue;
            if (inflateReset(&r->z) != Z_OK)
                return fail(r, WG_EINTERNAL, "%s: cannot restart decompression", r->name);
            r->between = false;
        }
        r->z.next_out = (Bytef *)r->plain;
        r->z.avail_out = CHUNK;
        int code = inflate(&r->z, Z_NO_FLUSH);
        if (code == Z_MEM_ERROR) return fail(r, WG_ENOMEM, "%s: out of memory", r->name);
        if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR)
            return fail(r, WG_EFORMAT, "%s: corrupt gzip data after %" PRIu64 " lines (%s)",
                        r->name, r->stats.lines, r->z.msg ? r->z.msg : "no detail");
        if (code == Z_STREAM_END) r->between = true;
        r->text = r->plain;
        r->text_size = CHUNK - r->z.avail_out;
        if (r->text_size > 0) return WG_OK;
    }
}

static wg_status more_text(wg_reader *r)
{
    wg_status status;
    if (r->stats.gzip) {
        status = inflate_more(r);
    } else {
        status = read_raw(r);
        r->text = (const char *)r->raw;
        r->text_size = r->raw_size;
        if (r->end_of_file) r->end_of_text = true;
    }
    if (status != WG_OK) return status;
    if (r->end_of_text) {
        wg__sha256_hex(&r->hash, r->sha256);
        return WG_OK;
    }
    r->stats.bytes += r->text_size;
    if (r->stats.bytes > r->options.max_total_bytes)
        return fail(r, WG_ELIMIT, "%s: more than the limit of %" PRIu64 " bytes of text", r->name,
                    r->options.max_total_bytes);
    if (r->stats.gzip && r->stats.bytes > RATIO_FROM &&
        r->stats.bytes / r->options.max_ratio > r->stats.bytes_stored)
        return fail(r, WG_ELIMIT,
                    "%s: expands to more than %u times its size (%" PRIu64
                    " bytes so far); raise the limit if that is meant",
                    r->name, r->options.max_ratio, r->stats.bytes);
    return WG_OK;
}

wg_status wg_reader_open(const char *path, const wg_reader_options *options, wg_reader **out,
                         wg_error *err)
{
    *out = NULL;
    if (!path || !*path) return wg_error_set(err, WG_EINVAL, "file name is empty");
    bool standard = strcmp(path, "-") == 0;
    const char *name = standard ? "standard input" : path;
    wg_reader *r = wg_calloc(1, sizeof *r);
    if (!r) return wg__no_memory(err, name);
    r->fd = -1;
    if (options && options->size >= sizeof *options) r->options = *options;
    if (!r->options.max_line_bytes) r->options.max_line_bytes = (size_t)1 << 20;
    if (!r->options.max_line_tokens) r->options.max_line_tokens = 100000;
    if (!r->options.max_total_bytes) r->options.max_total_bytes = UINT64_C(64) << 30;
    if (!r->options.max_ratio) r->options.max_ratio = 200;
    wg__sha256_init(&r->hash);
    wg_status status = WG_OK;
    r->name = wg_strdup(name);
    if (!r->name) {
        status = wg__no_memory(err, name);
    } else if (standard) {
        r->fd = 0;
    } else {
        status = wg__open_read(path, &r->fd, err);
        r->own_fd = status == WG_OK;
    }
    /* The first two bytes tell gzip from text; a pipe may give them one by one. */
    while (status == WG_OK && r->raw_size < 2) {
        ssize_t got = wg__read(r->fd, r->raw + r->raw_size, CHUNK - r->raw_size);
        if (got < 0) status = wg__file_error(err, name, "read", errno);
        if (got <= 0) break;
        r->raw_size += (size_t)got;
    }
    if (status == WG_OK) {
        r->stats.bytes_stored = r->raw_size;
        wg__sha256_add(&r->hash, r->raw, r->raw_size);
        r->stats.gzip = r->raw_size >= 2 && r->raw[0] == 0x1f && r->raw[1] == 0x8b;
        if (r->stats.gzip) {
            r->z.zalloc = wg__zalloc;
            r->z.zfree = wg__zfree;
            r->z.next_in = r->raw;
            r->z.avail_in = (uInt)r->raw_size;
            r->inflating = inflateInit2(&r->z, 16 + MAX_WBITS) == Z_OK;
            if (!r->inflating) status = wg__no_memory(err, name);
        } else {
            r->text = (const char *)r->raw;
            r->text_size = r->raw_size;
            r->stats.bytes = r->raw_size;
        }
    }
    if (status != WG_OK) {
        wg_reader_close(r);
        return status;
    }
    *out = r;
    return WG_OK;
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
    if (r->stats.lines == 1 && size >= 3 && memcmp(line, "\xEF\xBB\xBF", 3) == 0) {
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
    if (!r->end_of_text)
        return wg_error_set(err, WG_ESTATE, "%s: its SHA-256 is known at its end only", r->name);
    memcpy(hex, r->sha256, sizeof r->sha256);
    return WG_OK;
}

void wg_reader_close(wg_reader *r)
{
    if (!r) return;
    if (r->inflating) inflateEnd(&r->z);
    if (r->own_fd) close(r->fd);
    wg__buf_free(&r->line);
    wg__buf_free(&r->fixed);
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
