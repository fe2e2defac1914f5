/* The loader of plugins. */
#include <wengert/plugin.h>

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "registry.h"

extern const wg_host wg__host_table; /* models/host_table.c */

/* What was loaded stays for as long as the process lives, as do the tables of the registry. */
enum { CAPACITY = 64 };
static struct {
    pthread_mutex_t lock;
    char path[CAPACITY][PATH_MAX];
    int count;
} plugins = {.lock = PTHREAD_MUTEX_INITIALIZER};

const wg_host *wg_plugin_host(void)
{
    return &wg__host_table;
}

int wg_plugin_count(void)
{
    pthread_mutex_lock(&plugins.lock);
    int n = plugins.count;
    pthread_mutex_unlock(&plugins.lock);
    return n;
}

const char *wg_plugin_path(int i)
{
    /* Entries never change once they are counted, so the pointer may leave the lock. */
    return i >= 0 && i < wg_plugin_count() ? plugins.path[i] : NULL;
}

static wg_status status_of_errno(int code)
{
    switch (code) {
    case ENOENT:
    case ENOTDIR: return WG_ENOTFOUND;
    case EACCES:
    case EPERM: return WG_EPERM;
    case ENOMEM: return WG_ENOMEM;
    default: return WG_EIO;
    }
}

/* The absolute path of a file that can be loaded. */
static wg_status resolve(const char *path, char absolute[PATH_MAX], wg_error *err)
{
    if (!path || !*path) return wg_error_set(err, WG_EINVAL, "plugin: no file name");
    struct stat info;
    if (!realpath(path, absolute) || stat(absolute, &info) != 0)
        return wg_error_set(err, status_of_errno(errno), "plugin '%.300s': %s", path,
                            strerror(errno));
    if (!S_ISREG(info.st_mode)) /* a FIFO would block the loader for ever */
        return wg_error_set(err, WG_EPLUGIN, "plugin '%.300s': not a file", path);
    return WG_OK;
}

/* Does the file hold all the segments that its headers name? The system's loader maps them without
 * looking, and a file cut short then ends the process with SIGBUS. Whether it is a proper object
 * for this machine is left to the loader, which says so. */
static bool complete(const char *absolute)
{
    ElfW(Ehdr) header;
    struct stat info;
    int fd = open(absolute, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return true;
    bool good = fstat(fd, &info) == 0 && pread(fd, &header, sizeof header, 0) == sizeof header;
    if (good && memcmp(header.e_ident, ELFMAG, SELFMAG) == 0 &&
        header.e_phentsize == sizeof(ElfW(Phdr))) {
        uint64_t size = (uint64_t)info.st_size;
        for (int i = 0; i < header.e_phnum && good; i++) {
            ElfW(Phdr) segment;
            uint64_t at = header.e_phoff + (uint64_t)i * sizeof segment;
            good = at <= size && pread(fd, &segment, sizeof segment, (off_t)at) == sizeof segment &&
                   (segment.p_type != PT_LOAD ||
                    (segment.p_offset <= size && segment.p_filesz <= size - segment.p_offset));
        }
    }
    close(fd);
    return good;
}

/* Opens the shared object and finds its entry point.
 *
 * Not libuv's uv_dlopen: that binds lazily (RTLD_LAZY), so a symbol that is missing would end the
 * process in the middle of a run instead of failing here. RTLD_LOCAL keeps what one plugin exports
 * from the others. */
static wg_status open_object(const char *path, const char *absolute, wg_plugin_entry *entry,
                             wg_error *err)
{
    if (!complete(absolute))
        return wg_error_set(err, WG_EPLUGIN, "plugin '%.300s': the file is cut short", path);
    void *object = dlopen(absolute, RTLD_NOW | RTLD_LOCAL);
    if (!object) {
        const char *why = dlerror();
        bool unbound = why && strstr(why, "undefined symbol: wg_");
        return wg_error_set(err, WG_EPLUGIN, "plugin '%.300s': %.500s%s", path,
                            why ? why : "cannot be loaded",
                            unbound ? " (a plugin defines WENGERT_PLUGIN before it includes "
                                      "<wengert.h>, and uses functions of core and ops only)"
                                    : "");
    }
    void *symbol = dlsym(object, WG_PLUGIN_ENTRY);
    if (!symbol) /* left loaded: its constructors may have started what must not be pulled away */
        return wg_error_set(err, WG_EPLUGIN,
                            "plugin '%.300s': has no function " WG_PLUGIN_ENTRY
                            " (a plugin defines WENGERT_PLUGIN before it includes <wengert.h>, and "
                            "ends with WG_PLUGIN_MAIN)",
                            path);
    memcpy(entry, &symbol, sizeof *entry); /* ISO C has no cast from data to functions */
    return WG_OK;
}

static wg_status load(const char *path, const char *absolute, wg_error *err)
{
    for (int i = 0; i < plugins.count; i++)
        if (strcmp(plugins.path[i], absolute) == 0) return WG_OK;
    if (plugins.count == CAPACITY)
        return wg_error_set(err, WG_ELIMIT, "plugin '%.300s': %d are loaded, no more fit", path,
                            CAPACITY);
    if (wg__registry_frozen())
        return wg_error_set(err, WG_ESTATE,
                            "plugin '%.300s': comes too late: plugins are loaded before the first "
                            "tape is made",
                            path);
    wg_plugin_entry entry;
    wg_status status = open_object(path, absolute, &entry, err);
    if (status) return status;
    wg_error inner = {WG_OK, ""};
    status = entry(&wg__host_table, &inner);
    if (status) {
        inner.message[sizeof inner.message - 1] = '\0';
        return wg_error_set(err, status, "plugin '%.300s': %.600s", path,
                            inner.message[0] ? inner.message : wg_strerror(status));
    }
    strcpy(plugins.path[plugins.count++], absolute);
    return WG_OK;
}

wg_status wg_plugin_load(const char *path, wg_error *err)
{
    char absolute[PATH_MAX];
    wg_status status = resolve(path, absolute, err);
    if (status) return status;
    pthread_mutex_lock(&plugins.lock);
    status = load(path, absolute, err);
    pthread_mutex_unlock(&plugins.lock);
    return status;
}
