/* JSON lines, built in a buffer and written with one call a line. */
#include <wengert/jsonlog.h>

#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <wengert/memory.h>

#include "buffer.h"
#include "fileerror.h"
#include "utf8.h"

struct wg_jsonlog {
    char *path;
    int fd;
    bool open; /* between begin and end */
    wg__buf line;
    wg_status status; /* first error of the event */
    char reason[128];
};

static void fail(wg_jsonlog *log, wg_status status, const char *fmt, const char *key)
{
    if (log->status != WG_OK) return;
    wg_error e;
    log->status = status;
    wg_error_set(&e, status, "%s '%.60s'", fmt, key);
    memcpy(log->reason, e.message, sizeof log->reason - 1);
}

wg_status wg_jsonlog_open(const char *path, bool fresh, wg_jsonlog **out, wg_error *err)
{
    *out = NULL;
    if (!path || !*path) return wg_error_set(err, WG_EINVAL, "file name is empty");
    wg_jsonlog *log = wg_calloc(1, sizeof *log);
    if (!log) return wg__no_memory(err, path);
    log->fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | (fresh ? O_TRUNC : 0), 0666);
    /* Write-only places (a pipe, /dev/stderr) have no last line to look at. */
    if (log->fd < 0 && errno == EACCES)
        log->fd =
            open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | (fresh ? O_TRUNC : 0), 0666);
    wg_status status = log->fd < 0 ? wg__file_error(err, path, "open", errno) : WG_OK;
    if (status == WG_OK && !(log->path = wg_strdup(path))) status = wg__no_memory(err, path);
    char last = '\n';
    off_t end = status == WG_OK ? lseek(log->fd, 0, SEEK_END) : 0;
    if (end > 0 && pread(log->fd, &last, 1, end - 1) == 1 && last != '\n' &&
        !wg__write_all(log->fd, "\n", 1))
        status = wg__file_error(err, path, "write", errno);
    if (status != WG_OK) {
        if (log->fd >= 0) close(log->fd);
        wg_free(log->path);
        wg_free(log);
        return status;
    }
    *out = log;
    return WG_OK;
}

wg_status wg_jsonlog_resume(const char *path, int64_t bytes, wg_jsonlog **out, wg_error *err)
{
    wg_status status = wg_jsonlog_open(path, false, out, err);
    if (status != WG_OK) return status;
    char last = 0;
    int fd = (*out)->fd;
    if (bytes > 0 && wg_jsonlog_tell(*out) > bytes && pread(fd, &last, 1, (off_t)bytes - 1) == 1 &&
        last == '\n' && ftruncate(fd, (off_t)bytes) != 0) {
        status = wg__file_error(err, path, "cut", errno);
        wg_jsonlog_close(*out, NULL);
        *out = NULL;
    }
    return status;
}

int64_t wg_jsonlog_tell(const wg_jsonlog *log)
{
    struct stat info;
    return fstat(log->fd, &info) == 0 && S_ISREG(info.st_mode) ? (int64_t)info.st_size : -1;
}

static void put_string(wg_jsonlog *log, const char *text, const char *key)
{
    if (!text) {
        wg__buf_text(&log->line, "null");
        return;
    }
    size_t length = strlen(text);
    if (wg__utf8_valid(text, length) < length)
        fail(log, WG_EFORMAT, "a string is not UTF-8: member", key);
    wg__buf_add(&log->line, "\"", 1);
    for (const char *c = text; *c; c++) {
        unsigned char byte = (unsigned char)*c;
        if (byte == '"' || byte == '\\') wg__buf_add(&log->line, "\\", 1);
        if (byte < 0x20 || byte == 0x7f)
            wg__buf_printf(&log->line, "\\u%04x", byte);
        else
            wg__buf_add(&log->line, c, 1);
    }
    wg__buf_add(&log->line, "\"", 1);
}

/* Begins a member; false outside an event. */
static bool member(wg_jsonlog *log, const char *key)
{
    if (!log->open) {
        fail(log, WG_ESTATE, "outside an event: member", key);
        return false;
    }
    if (log->line.size > 1) wg__buf_text(&log->line, ", ");
    put_string(log, key, key);
    wg__buf_text(&log->line, ": ");
    return true;
}

void wg_jsonlog_begin(wg_jsonlog *log, const char *event)
{
    log->line.size = 0;
    log->line.failed = false;
    if (log->open) fail(log, WG_ESTATE, "an event inside another:", event);
    log->open = true;
    wg__buf_text(&log->line, "{");
    wg_jsonlog_string(log, "event", event);
}

void wg_jsonlog_string(wg_jsonlog *log, const char *key, const char *value)
{
    if (member(log, key)) put_string(log, value, key);
}

void wg_jsonlog_int(wg_jsonlog *log, const char *key, int64_t value)
{
    if (member(log, key)) wg__buf_printf(&log->line, "%" PRId64, value);
}

void wg_jsonlog_number(wg_jsonlog *log, const char *key, double value)
{
    if (!member(log, key)) return;
    if (isfinite(value))
        wg__buf_number(&log->line, value, 12);
    else
        wg__buf_text(&log->line, "null");
}

void wg_jsonlog_bool(wg_jsonlog *log, const char *key, bool value)
{
    if (member(log, key)) wg__buf_text(&log->line, value ? "true" : "false");
}

void wg_jsonlog_json(wg_jsonlog *log, const char *key, const char *json)
{
    if (!member(log, key)) return;
    cJSON *value = cJSON_ParseWithOpts(json, NULL, true);
    if (!value) fail(log, WG_EFORMAT, "not one JSON value: member", key);
    cJSON_Delete(value);
    /* Copied as it stands, so that no number is rewritten; line breaks can only be white space. */
    for (const char *c = json; *c; c++)
        wg__buf_add(&log->line, *c == '\n' || *c == '\r' ? " " : c, 1);
}

wg_status wg_jsonlog_end(wg_jsonlog *log, wg_error *err)
{
    if (!log->open) fail(log, WG_ESTATE, "outside an event:", "end");
    wg_status status = log->status;
    int64_t before = wg_jsonlog_tell(log);
    wg__buf_text(&log->line, "}\n");
    if (status != WG_OK) {
        wg_error_set(err, status, "%s: %s", log->path, log->reason);
    } else if (log->line.failed) {
        status = wg__no_memory(err, log->path);
    } else if (!wg__write_all(log->fd, log->line.data, log->line.size)) {
        status = wg__file_error(err, log->path, "write", errno);
        /* Half a line would spoil the next. Where it cannot be cut off, the next opening ends it.
         */
        if (before >= 0 && ftruncate(log->fd, (off_t)before) != 0) errno = 0;
    }
    log->open = false;
    log->status = WG_OK;
    log->line.size = 0;
    log->line.failed = false;
    return status;
}

wg_status wg_jsonlog_close(wg_jsonlog *log, wg_error *err)
{
    if (!log) return WG_OK;
    wg_status status = WG_OK;
    if (close(log->fd) != 0 && errno != EINTR)
        status = wg__file_error(err, log->path, "close", errno);
    wg__buf_free(&log->line);
    wg_free(log->path);
    wg_free(log);
    return status;
}
