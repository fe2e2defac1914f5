/* --plugin: shared objects are loaded before the command runs, so that what they register is there
 * when the command looks for it. */
#include "internal.h"

#include <wengert/plugin.h>

int cli_load_plugins(const cli_args *args)
{
    size_t n = 0;
    const char *const *paths = cli_strings(args, "plugin", &n);
    for (size_t i = 0; i < n; i++) {
        wg_error err;
        if (wg_plugin_load(paths[i], &err) != WG_OK) return cli_fail(&err);
    }
    return CLI_FINE;
}
