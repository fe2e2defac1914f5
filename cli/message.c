/* Messages to people, all on stderr and all beginning with the tool's name. */
#include "internal.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void cli_message(const char *label, const char *colour, const char *fmt, va_list list)
{
    char *text = NULL, *safe = NULL;
    va_list again;
    va_copy(again, list);
    int n = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    if (n >= 0) text = malloc((size_t)n + 1);
    if (text) {
        vsnprintf(text, (size_t)n + 1, fmt, list);
        safe = cli_escape(text, (size_t)n);
    }
    bool coloured = cli_colour(stderr);
    /* A progress line may stand there; wiping an empty line does no harm. */
    if (coloured || cli_progress_terminal()) fputs("\r\x1b[K", stderr);
    fputs("wengert: ", stderr);
    if (label)
        fprintf(stderr, coloured ? "%s%s:\x1b[0m " : "%s%s: ", coloured ? colour : "", label);
    /* Out of memory: the format says more than nothing. */
    fprintf(stderr, "%s\n", safe ? safe : fmt);
    free(text);
    free(safe);
}

int cli_error(const char *fmt, ...)
{
    va_list list;
    va_start(list, fmt);
    cli_message("error", "\x1b[1;31m", fmt, list);
    va_end(list);
    return CLI_TROUBLE;
}

int cli_fail(const wg_error *err)
{
    if (err->message[0]) return cli_error("%s", err->message);
    return cli_error("%s", wg_strerror(err->status));
}

void cli_warn(const char *fmt, ...)
{
    va_list list;
    va_start(list, fmt);
    cli_message("warning", "\x1b[1;33m", fmt, list);
    va_end(list);
}

void cli_note(const cli_args *args, const char *fmt, ...)
{
    if (cli_quiet(args)) return;
    va_list list;
    va_start(list, fmt);
    cli_message(NULL, "", fmt, list);
    va_end(list);
}

int cli_usage_error(const cli_args *args, const char *fmt, ...)
{
    va_list list;
    va_start(list, fmt);
    cli_message("error", "\x1b[1;31m", fmt, list);
    va_end(list);
    char name[128];
    fprintf(stderr, "See 'wengert %s --help'.\n",
            cli_command_name(args->command, ' ', name, sizeof name));
    return CLI_TROUBLE;
}

void cli_bug(const char *fmt, ...)
{
    va_list list;
    va_start(list, fmt);
    cli_message("internal error", "\x1b[1;31m", fmt, list);
    va_end(list);
    exit(CLI_TROUBLE);
}
