/* Text as an array of code points, and the classes of characters that the tokeniser asks for. */
#ifndef WENGERT_IO_CODEPOINTS_H
#define WENGERT_IO_CODEPOINTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buffer.h"

/* Grows like wg__buf: append freely, look at `failed` once. */
typedef struct wg__points {
    int32_t *c;
    size_t n, room;
    bool failed;
} wg__points;

void wg__points_free(wg__points *p);
void wg__points_add(wg__points *p, int32_t c);
/* Appends text of any bytes as code points in form C; what is not UTF-8 becomes U+FFFD. */
void wg__points_decode(wg__points *p, const char *text, size_t size);
/* Appends a code point as UTF-8. */
void wg__put_point(wg__buf *out, int32_t c);

/* White space as Python's \s and Perl's \s see it: blanks of all kinds and the separators. */
bool wg__is_space(int32_t c);
/* Letters, with the marks that belong to them. */
bool wg__is_alpha(int32_t c);
/* Letters, marks and decimal digits. */
bool wg__is_alnum(int32_t c);
/* Numbers of all kinds (N). */
bool wg__is_number(int32_t c);
bool wg__is_lower(int32_t c);
bool wg__is_currency(int32_t c);
/* Chinese, Japanese, Korean: scripts that put no blanks between words (ranges of Moses). */
bool wg__is_cjk(int32_t c);

#endif
