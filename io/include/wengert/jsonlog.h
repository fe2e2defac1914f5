/* Logs of JSON lines: one object a line, written and flushed as a whole, so that a log of a run
 * that was killed is readable up to its last event. Numbers do not depend on the locale. One thread
 * at a time. */
#ifndef WENGERT_JSONLOG_H
#define WENGERT_JSONLOG_H

#include <stdbool.h>
#include <stdint.h>

#include <wengert/status.h>

WG_BEGIN_DECLS

typedef struct wg_jsonlog wg_jsonlog;

/* Opens for appending; with `fresh` an existing log is emptied first. A last line that was cut
 * short is ended, so that the next event starts on a line of its own. */
WG_API wg_status wg_jsonlog_open(const char *path, bool fresh, wg_jsonlog **out, wg_error *err);

/* Opens for appending the log of a run that is taken up again: what was appended after the first
 * `bytes` of it is cut off, as the run will come by there again. Nothing is cut where no line ends
 * after `bytes` bytes (another file than before), or when it is 0. */
WG_API wg_status wg_jsonlog_resume(const char *path, int64_t bytes, wg_jsonlog **out,
                                   wg_error *err);
/* Bytes of the log so far, for wg_jsonlog_resume; -1 for what is no file (a pipe). */
WG_API int64_t wg_jsonlog_tell(const wg_jsonlog *log);

/* An event: begin, members in order, end. The member functions keep the first error (out of memory,
 * a member outside an event, a string that is not UTF-8), which wg_jsonlog_end returns. NaN and
 * infinities, which JSON lacks, are written as null. */
WG_API void wg_jsonlog_begin(wg_jsonlog *log, const char *event); /* {"event": ... */
WG_API void wg_jsonlog_string(wg_jsonlog *log, const char *key, const char *value);
WG_API void wg_jsonlog_int(wg_jsonlog *log, const char *key, int64_t value);
WG_API void wg_jsonlog_number(wg_jsonlog *log, const char *key, double value);
WG_API void wg_jsonlog_bool(wg_jsonlog *log, const char *key, bool value);
/* `json` must be one JSON value; it is checked, and written without line breaks. */
WG_API void wg_jsonlog_json(wg_jsonlog *log, const char *key, const char *json);
/* Writes the event. When that fails (a full disk) the log is as it was before it, and others may
 * follow. */
WG_API wg_status wg_jsonlog_end(wg_jsonlog *log, wg_error *err);
/* Closes; an event begun but not ended is dropped. */
WG_API wg_status wg_jsonlog_close(wg_jsonlog *log, wg_error *err);

WG_END_DECLS

#endif
