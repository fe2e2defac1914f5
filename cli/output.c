/* Standard output must arrive: a full disk or a closed pipe is an error, not a shrug. */
#include "internal.h"

#include <errno.h>
#include <string.h>

int cli_flush(void)
{
    static bool reported; /* the stream stays broken: say so once */
    errno = 0;
    bool broken = fflush(stdout) != 0 || ferror(stdout);
    if (!broken) return CLI_FINE;
    if (!reported) {
        reported = true;
        if (errno)
            cli_error("cannot write standard output: %s", strerror(errno));
        else
            cli_error("cannot write standard output");
    }
    return CLI_TROUBLE;
}
