/* Temporary files of processes that were killed while they wrote. */
#include <wengert/atomicfile.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "atomicfile_private.h"
#include "fileerror.h"

/* The process id in a temporary file's name; 0 when the name is another. */
static long process_of(const char *name)
{
    size_t prefix = strlen(WG__TEMP_PREFIX);
    if (strncmp(name, WG__TEMP_PREFIX, prefix) != 0) return 0;
    char *end;
    errno = 0;
    long number = strtol(name + prefix, &end, 10);
    if (errno != 0 || number <= 0 || end == name + prefix || *end != '-') return 0;
    size_t digits = strspn(end + 1, "0123456789");
    return digits > 0 && end[1 + digits] == '\0' && (long)(pid_t)number == number ? number : 0;
}

wg_status wg_atomic_clean(const char *directory, int *removed, wg_error *err)
{
    int count = 0;
    wg_status status = WG_OK;
    DIR *dir = opendir(directory);
    if (!dir) return wg__file_error(err, directory, "read", errno);
    for (const struct dirent *entry; status == WG_OK && (entry = readdir(dir));) {
        long process = process_of(entry->d_name);
        if (process == 0 || process == (long)getpid()) continue;
        if (kill((pid_t)process, 0) == 0 || errno != ESRCH) continue;
        if (unlinkat(dirfd(dir), entry->d_name, 0) == 0)
            count++;
        else if (errno != ENOENT)
            status = wg__file_error(err, directory, "remove leftovers from", errno);
    }
    closedir(dir);
    if (removed) *removed = count;
    return status;
}
