/* The progress line on stderr: one line, rewritten in place, on terminals only. */
#include "internal.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <utf8proc.h>

double cli_now(void)
{
    struct timespec t;
    if (clock_gettime(CLOCK_MONOTONIC, &t) != 0) return 0;
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void cli_progress_start(cli_progress *p, const cli_args *args)
{
    memset(p, 0, sizeof *p);
    p->quiet = cli_quiet(args);
    p->terminal = cli_progress_terminal();
    p->every = p->terminal ? 0.1 : 60;
    /* The first line is due at once on a terminal, in a log file after the first minute. */
    p->last = p->terminal ? -1e9 : cli_now();
}

bool cli_progress_due(const cli_progress *p)
{
    return !p->quiet && cli_now() - p->last >= p->every;
}

static void wipe(cli_progress *p)
{
    if (p->shown) fputs("\r\x1b[K", stderr);
    p->shown = false;
}

static char *format(const char *fmt, va_list list)
{
    va_list again;
    va_copy(again, list);
    int n = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    char *text = n < 0 ? NULL : malloc((size_t)n + 1);
    if (!text) return NULL;
    vsnprintf(text, (size_t)n + 1, fmt, list);
    char *safe = cli_escape(text, (size_t)n);
    free(text);
    return safe;
}

/* Cuts at the last column but one: a line that wraps cannot be rewritten. */
static void cut(char *text, int columns)
{
    int width = 0;
    for (char *c = text; *c;) {
        utf8proc_int32_t code = 0;
        utf8proc_ssize_t used = utf8proc_iterate((const utf8proc_uint8_t *)c, -1, &code);
        if (used <= 0) break;
        width += code == '\t' ? 8 : utf8proc_charwidth(code);
        if (width >= columns) {
            *c = '\0';
            return;
        }
        c += used;
    }
}

void cli_progress_show(cli_progress *p, const char *fmt, ...)
{
    if (!cli_progress_due(p)) return;
    va_list list;
    va_start(list, fmt);
    char *text = format(fmt, list);
    va_end(list);
    if (!text) return;
    p->last = cli_now();
    if (p->terminal) {
        cut(text, cli_columns());
        fprintf(stderr, "\r%s\x1b[K", text);
        fflush(stderr);
        p->shown = true;
    } else {
        fprintf(stderr, "%s\n", text);
    }
    free(text);
}

void cli_progress_log(cli_progress *p, const char *fmt, ...)
{
    if (p->quiet) return;
    va_list list;
    va_start(list, fmt);
    char *text = format(fmt, list);
    va_end(list);
    wipe(p);
    if (text) fprintf(stderr, "%s\n", text);
    free(text);
}

void cli_progress_end(cli_progress *p)
{
    wipe(p);
}
