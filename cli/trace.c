/* Showing the compiler's passes: what a command hands to all that compiles programs for it. */
#include "cli.h"

#include <stdlib.h>
#include <string.h>

static void show_pass(void *user, const char *pass, const char *text)
{
    (void)user;
    fprintf(stderr, "== after: %s\n%s\n", pass, text);
}

wg_trace_fn cli_trace(void)
{
    const char *what = getenv("WENGERT_TRACE");
    return what && strcmp(what, "compile") == 0 ? show_pass : NULL;
}
