/* `wengert --version`: all that a report of a bug should quote. */
#include "internal.h"

#include <wengert/libraries.h>
#include <wengert/parallel.h>
#include <wengert/version.h>

void cli_version(FILE *out)
{
    wg_library libraries[16];
    size_t n = wg_libraries(libraries, sizeof libraries / sizeof libraries[0]);
    fprintf(out, "wengert %s\ncommit: %s\nlibraries: ", wg_version(), wg_commit());
    for (size_t i = 0; i < n && i < sizeof libraries / sizeof libraries[0]; i++)
        fprintf(out, "%s%s %s", i ? ", " : "", libraries[i].name, libraries[i].version);
    fprintf(out, "\nisa: %s\nthreads: %d\n", wg_isa_name(wg_isa_best()), wg_default_threads());
}
