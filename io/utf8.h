/* UTF-8 checks and conversions shared by the readers and writers. */
#ifndef WENGERT_IO_UTF8_H
#define WENGERT_IO_UTF8_H

#include <stdbool.h>
#include <stddef.h>

#include "buffer.h"

/* Bytes that are valid UTF-8 from the start: equal to `size` when all are. */
size_t wg__utf8_valid(const char *text, size_t size);
/* Appends the text with each invalid sequence replaced by U+FFFD; returns how many were. */
size_t wg__utf8_replace(wg__buf *out, const char *text, size_t size);
/* Appends valid UTF-8 lower-cased by Unicode's simple mapping. */
void wg__utf8_lower(wg__buf *out, const char *text, size_t size);
/* Is valid UTF-8 in normalisation form C by a glance at its bytes? (false: perhaps.) */
bool wg__utf8_surely_nfc(const char *text, size_t size);
/* Appends valid UTF-8 in normalisation form C and a NUL; false when memory is out. */
bool wg__utf8_nfc(wg__buf *out, const char *text, size_t size);

#endif
