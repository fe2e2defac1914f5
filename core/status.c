/* Texts of status codes, and filling of error messages. */
#include <wengert/status.h>

#include <stdio.h>

const char *wg_strerror(wg_status status)
{
    switch (status) {
#define WG_STATUS_TEXT(name, code, text) \
    case WG_##name: return text;
        WG_STATUS_MAP(WG_STATUS_TEXT)
#undef WG_STATUS_TEXT
    }
    return "unknown status";
}

const char *wg_status_name(wg_status status)
{
    switch (status) {
#define WG_STATUS_NAME(name, code, text) \
    case WG_##name: return "WG_" #name;
        WG_STATUS_MAP(WG_STATUS_NAME)
#undef WG_STATUS_NAME
    }
    return "WG_UNKNOWN";
}

wg_status wg_error_setv(wg_error *err, wg_status status, const char *fmt, va_list args)
{
    if (!err) return status;
    err->status = status;
    int length = vsnprintf(err->message, sizeof err->message, fmt, args);
    if (length < 0) {
        /* vsnprintf refuses only what it cannot convert; the code still says what happened. */
        snprintf(err->message, sizeof err->message, "%s", wg_strerror(status));
        return status;
    }
    size_t end = (size_t)length < sizeof err->message ? (size_t)length : sizeof err->message - 1;
    /* Never cut inside a UTF-8 sequence: a message is shown on terminals and stored in JSON. */
    if ((size_t)length >= sizeof err->message) {
        size_t start = end;
        while (start > 0 && end - start < 3 &&
               ((unsigned char)err->message[start - 1] & 0xC0) == 0x80)
            start--;
        if (start > 0 && ((unsigned char)err->message[start - 1] & 0xC0) == 0xC0) {
            unsigned char lead = (unsigned char)err->message[start - 1];
            size_t need = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
            if (end - (start - 1) < need) end = start - 1;
        }
        err->message[end] = '\0';
    }
    while (end > 0 && err->message[end - 1] == '\n') err->message[--end] = '\0';
    return status;
}

wg_status wg_error_set(wg_error *err, wg_status status, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    wg_error_setv(err, status, fmt, args);
    va_end(args);
    return status;
}
