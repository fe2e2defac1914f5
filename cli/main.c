/* The program: everything of the tool is in cli_main, so that tests can link it without a main.
 * Here is only what belongs to a process: showing the compiler's passes under
 * WENGERT_TRACE=compile. */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <wengert/program.h>

static void show_pass(void *user, const char *pass, const char *text)
{
    (void)user;
    fprintf(stderr, "== after: %s\n%s\n", pass, text);
}

int main(int argc, char **argv)
{
    const char *trace = getenv("WENGERT_TRACE");
    if (trace && strcmp(trace, "compile") == 0) wg_set_compile_trace(show_pass, NULL);
    return cli_main(argc, argv);
}
