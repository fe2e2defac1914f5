/* Terminals: colours, width, and text made harmless before it is shown. */
#include "internal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <utf8proc.h>

static bool is_terminal(FILE *stream)
{
    int fd = fileno(stream);
    if (fd < 0 || !isatty(fd)) return false;
    const char *term = getenv("TERM");
    return term && *term && strcmp(term, "dumb") != 0;
}

bool cli_colour(FILE *stream)
{
    const char *no = getenv("NO_COLOR"); /* https://no-color.org: set and not empty */
    return !(no && *no) && is_terminal(stream);
}

bool cli_progress_terminal(void)
{
    return is_terminal(stderr);
}

int cli_columns(void)
{
    struct winsize size;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
    return 80;
}

/* Code points that move the cursor, start a terminal's control sequence, or make text appear in
 * another order than it is stored. A tab is harmless. */
static bool harmful(utf8proc_int32_t c)
{
    if (c < 0x20) return c != '\t';
    if (c >= 0x7f && c < 0xa0) return true;
    return c == 0x2028 || c == 0x2029 || (c >= 0x202a && c <= 0x202e) ||
           (c >= 0x2066 && c <= 0x2069) || c == 0x200e || c == 0x200f || c == 0xfeff;
}

char *cli_escape(const char *text, size_t n)
{
    /* The longest form of a byte takes four bytes, of a code point of two bytes or more, six. */
    if (n > (SIZE_MAX - 1) / 4) return NULL;
    char *out = malloc(4 * n + 1);
    if (!out) return NULL;
    size_t at = 0;
    for (size_t i = 0; i < n;) {
        utf8proc_int32_t c = 0;
        size_t left = n - i;
        utf8proc_ssize_t used = utf8proc_iterate((const utf8proc_uint8_t *)text + i,
                                                 left > 4 ? 4 : (utf8proc_ssize_t)left, &c);
        if (used <= 0) {
            at += (size_t)sprintf(out + at, "\\x%02x", (unsigned char)text[i]);
            i++;
            continue;
        }
        if (!harmful(c)) {
            memcpy(out + at, text + i, (size_t)used);
            at += (size_t)used;
        } else {
            at += (size_t)sprintf(out + at, c < 0x80 ? "\\x%02x" : "\\u%04x", (unsigned)c);
        }
        i += (size_t)used;
    }
    out[at] = '\0';
    return out;
}

void cli_put_text(FILE *out, const char *text, size_t n)
{
    int fd = fileno(out);
    char *safe = fd >= 0 && isatty(fd) ? cli_escape(text, n) : NULL;
    if (safe) {
        fputs(safe, out);
        free(safe);
    } else if (fd < 0 || !isatty(fd)) {
        fwrite(text, 1, n, out);
    } else {
        /* Out of memory before a terminal: showing nothing is safe, showing the bytes is not. */
        fputs("(out of memory)", out);
    }
}
