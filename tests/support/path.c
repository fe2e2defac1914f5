/* Places of files that tests read and write. */
#define _XOPEN_SOURCE 700 /* nftw */
#include "support.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static bool fits(int length, size_t size)
{
    return length >= 0 && (size_t)length < size;
}

bool wgt_source_path_n(char *buf, size_t size, const char *name)
{
    return fits(snprintf(buf, size, "%s/%s", WGT_SOURCE_DIR, name), size);
}

bool wgt_shared_path_n(char *buf, size_t size, const char *name)
{
    const char *base = getenv("WENGERT_SHARED");
    int length = base && *base ? snprintf(buf, size, "%s/%s", base, name)
                               : snprintf(buf, size, "%s/../shared/%s", WGT_SOURCE_DIR, name);
    return fits(length, size) && access(buf, R_OK) == 0;
}

bool wgt_temp_dir_n(char *buf, size_t size)
{
    const char *base = getenv("TMPDIR");
    int length = snprintf(buf, size, "%s/wengert-test-XXXXXX", base && *base ? base : "/tmp");
    return fits(length, size) && mkdtemp(buf) != NULL;
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *place)
{
    (void)status;
    (void)kind;
    (void)place;
    return remove(path);
}

void wgt_remove_tree(const char *path)
{
    nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}
