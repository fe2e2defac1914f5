/* Version and commit of the library as built. */
#include <wengert/version.h>

#include "wg_commit.h"

const char *wg_version(void)
{
    return WENGERT_VERSION;
}

const char *wg_commit(void)
{
    return WG_COMMIT;
}
