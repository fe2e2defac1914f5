/* Words in the text forms of vocabularies and subwords: a backslash stands as two; blanks, control
 * characters, and what a form must escape besides, as \xHH. One way to write each byte, and nothing
 * else is read. */
#ifndef WENGERT_IO_ESCAPE_H
#define WENGERT_IO_ESCAPE_H

#include "buffer.h"

/* `always`: as \xHH, whatever it is. */
void wg__escape_byte(wg__buf *out, char byte, bool always);
/* The byte that text[*at] begins; *at moves to the last character of its escape. False for what is
 * not written so: `also` may stand as \xHH besides, 0 is nothing. */
bool wg__unescape_byte(const char *text, size_t length, size_t *at, char also, char *byte);

#endif
