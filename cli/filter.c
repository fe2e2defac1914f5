/* Filters: each line of standard input becomes a line of standard output. */
#include "cli.h"

#include <string.h>

#include <wengert/memory.h>
#include <wengert/textfile.h>

int cli_filter(cli_line_work work, void *user)
{
    wg_error err = {0};
    wg_reader *reader = NULL;
    int status = CLI_FINE;
    if (wg_reader_open("-", NULL, &reader, &err)) return cli_fail(&err);
    while (status == CLI_FINE) {
        const char *line;
        char *text = NULL;
        size_t length;
        wg_status bad = wg_reader_line(reader, &line, &length, &err);
        if (!bad && !line) break;
        if (!bad) bad = work(user, line, length, &text, &err);
        if (bad) {
            status = cli_fail(&err);
        } else {
            cli_put_text(stdout, text, strlen(text));
            putchar('\n');
            if (ferror(stdout)) status = cli_flush();
        }
        wg_free(text);
    }
    wg_reader_close(reader);
    return status;
}
