/* Normalisation form C of a line that does not come from a reader, which would do it by itself. */
#include <wengert/textfile.h>

#include "utf8.h"

wg_status wg_line_nfc(const char *line, size_t length, char **text, wg_error *err)
{
    wg__buf valid = {0}, normal = {0};
    *text = NULL;
    if (wg__utf8_valid(line, length) < length) {
        wg__utf8_replace(&valid, line, length);
        line = valid.data;
        length = valid.size;
    }
    bool good = !valid.failed;
    if (good && wg__utf8_surely_nfc(line, length)) {
        wg__buf_add(&normal, line, length);
        good = !normal.failed;
    } else if (good) {
        good = wg__utf8_nfc(&normal, line, length);
    }
    if (good) *text = wg__buf_take(&normal, NULL);
    wg__buf_free(&normal);
    wg__buf_free(&valid);
    return *text ? WG_OK : wg_error_set(err, WG_ENOMEM, "form C: out of memory");
}
