/* Plugins: ops and cells from outside the library, in a shared object or linked in.
 *
 * A plugin is ordinary code against <wengert.h> that begins and ends like this:
 *
 *     #define WENGERT_PLUGIN
 *     #include <wengert.h>
 *     ...
 *     static wg_status register_mine(wg_error *err)
 *     {
 *         return wg_register_cell(&cell, err);
 *     }
 *     WG_PLUGIN_MAIN(mine, register_mine);
 *
 *     cc -std=c17 -O2 -fPIC -shared $(pkg-config --cflags wengert) -o mine.so mine.c
 *
 * It links with NOTHING of wengert: the host passes its functions in a table (struct wg_host), and
 * every wg_* function that the plugin calls is a hidden forwarder through that table. So a tool
 * with a static library and its plugins share one registry, and a plugin never meets another copy
 * of the library by accident. In a plugin of several files each of them defines WENGERT_PLUGIN, and
 * one of them holds WG_PLUGIN_MAIN. The functions of core and ops are there; those of models and io
 * are not.
 *
 * The same source links into a program as well: compile it with -DWENGERT_STATIC_PLUGIN (or without
 * WENGERT_PLUGIN); the program says WG_PLUGIN_DECLARE(mine); and calls wengert_plugin_mine(&err)
 * before it makes its first tape. */
#ifndef WENGERT_PLUGIN_H
#define WENGERT_PLUGIN_H

#include <stdio.h>
#include <string.h>

#include <wengert/cell.h>
#include <wengert/gradcheck.h>
#include <wengert/host_api.h>
#include <wengert/op.h>
#include <wengert/parallel.h>
#include <wengert/program.h>
#include <wengert/rng.h>
#include <wengert/scan.h>
#include <wengert/state.h>

WG_BEGIN_DECLS

/* Raised when the meaning of a type, constant or function of the table changes, which a longer
 * table cannot say. Descriptors (wg_op, wg_cell) carry sizes of their own. */
#define WG_PLUGIN_ABI 1

/* The host's functions. The first two members and wg_error stay what they are for ever, so that a
 * plugin for one version can turn down another with a message. */
typedef struct wg_host {
    size_t size;  /* bytes of the host's table: a newer host's is longer */
    uint32_t abi; /* WG_PLUGIN_ABI of the host */
    uint32_t reserved;
#define WG__HOST_F(type, name, params, args) type(*name) params;
#define WG__HOST_P(name, params, args) void(*name) params;
    WG_HOST_API(WG__HOST_F, WG__HOST_P)
#undef WG__HOST_F
#undef WG__HOST_P
} wg_host;

/* The one symbol of a plugin. Called once, before the first tape; registers what it has. The table
 * stays valid while the process lives. */
typedef wg_status (*wg_plugin_entry)(const wg_host *host, wg_error *err);
#define WG_PLUGIN_ENTRY "wengert_plugin"

#if !defined(WENGERT_PLUGIN) || defined(WENGERT_STATIC_PLUGIN)
/* Loads a plugin and lets it register. The path is made absolute first, so no search path of the
 * system's loader plays a part. Loading the same file again does nothing. A plugin is never
 * unloaded, not even one whose registration failed: descriptors of it may be in the registry.
 *
 * Errors name the file. ESTATE once the first tape was made; EIO, ENOTFOUND, EPERM for the file;
 * EPLUGIN when it cannot be loaded or has no entry point; EVERSION when it was made for a host with
 * other or more functions; whatever its registration returns (EEXIST for a name taken). A plugin is
 * code and runs with all rights of the process: load only what you would run. Thread-safe. */
WG_API wg_status wg_plugin_load(const char *path, wg_error *err);
/* The plugins loaded so far, in order, by absolute path; NULL when i is out of range. */
WG_API int wg_plugin_count(void);
WG_API const char *wg_plugin_path(int i);
/* This library's table, for hosts that find modules in ways of their own. */
WG_API const wg_host *wg_plugin_host(void);
#endif

/* WG_PLUGIN_MAIN(name, function): `name` is an identifier, shown in messages; `function` is
 * wg_status function(wg_error *err), which registers. Followed by a semicolon. */
#if defined(WENGERT_PLUGIN) && !defined(WENGERT_STATIC_PLUGIN)

#define WG__HIDDEN __attribute__((visibility("hidden")))

/* Does the host have all that this plugin was compiled with? Written without the host's functions,
 * which may not be there. */
static inline wg_status wg__plugin_check(const char *plugin, const wg_host *host, wg_error *err)
{
    static const struct {
        size_t offset;
        const char *name;
    } need[] = {
#define WG__HOST_F(type, name, params, args) {offsetof(wg_host, name), #name},
#define WG__HOST_P(name, params, args) {offsetof(wg_host, name), #name},
        WG_HOST_API(WG__HOST_F, WG__HOST_P)
#undef WG__HOST_F
#undef WG__HOST_P
    };
    wg_error unused;
    if (!err) err = &unused;
    err->status = WG_EVERSION;
    if (!host || host->size < offsetof(wg_host, abi) + sizeof host->abi) {
        snprintf(err->message, sizeof err->message, "%s: the host gave no table of functions",
                 plugin);
        return err->status;
    }
    if (host->abi != WG_PLUGIN_ABI) {
        snprintf(err->message, sizeof err->message,
                 "%s: made for plugin interface %d, this wengert has %u; compile the plugin again",
                 plugin, WG_PLUGIN_ABI, (unsigned)host->abi);
        return err->status;
    }
    for (size_t i = 0; i < sizeof need / sizeof need[0]; i++) {
        void (*function)(void) = NULL;
        if (need[i].offset + sizeof function <= host->size)
            memcpy(&function, (const char *)host + need[i].offset, sizeof function);
        if (function) continue;
        snprintf(err->message, sizeof err->message,
                 "%s: made for a newer wengert: this one has no function %s", plugin, need[i].name);
        return err->status;
    }
    return WG_OK;
}

/* Names are in brackets because most are macros too (WG_HERE of ops.h). */
#define WG__FORWARD_F(type, name, params, args) \
    WG__HIDDEN type(name) params                \
    {                                           \
        return (wg__host->name)args;            \
    }
#define WG__FORWARD_P(name, params, args) \
    WG__HIDDEN void(name) params          \
    {                                     \
        (wg__host->name) args;            \
    }

#define WG_PLUGIN_MAIN(plugin, function)                                                           \
    static const wg_host *wg__host;                                                                \
    WG_HOST_API(WG__FORWARD_F, WG__FORWARD_P)                                                      \
    WG__HIDDEN wg_status wg_error_set(wg_error *err_, wg_status status_, const char *fmt_, ...)    \
    {                                                                                              \
        va_list args_;                                                                             \
        va_start(args_, fmt_);                                                                     \
        wg_error_setv(err_, status_, fmt_, args_);                                                 \
        va_end(args_);                                                                             \
        return status_;                                                                            \
    }                                                                                              \
    WG__HIDDEN wg_var wg_tape_fail(wg_tape *tape_, wg_status status_, const char *fmt_, ...)       \
    {                                                                                              \
        va_list args_;                                                                             \
        va_start(args_, fmt_);                                                                     \
        wg_var poisoned_ = wg_tape_failv(tape_, status_, fmt_, args_);                             \
        va_end(args_);                                                                             \
        return poisoned_;                                                                          \
    }                                                                                              \
    WG__HIDDEN wg_status wg_infer_fail(wg_infer *infer_, wg_status status_, const char *fmt_, ...) \
    {                                                                                              \
        va_list args_;                                                                             \
        va_start(args_, fmt_);                                                                     \
        wg_infer_failv(infer_, status_, fmt_, args_);                                              \
        va_end(args_);                                                                             \
        return status_;                                                                            \
    }                                                                                              \
    __attribute__((visibility("default"))) wg_status wengert_plugin(const wg_host *host_,          \
                                                                    wg_error *err_);               \
    wg_status wengert_plugin(const wg_host *host_, wg_error *err_)                                 \
    {                                                                                              \
        wg_status status_ = wg__plugin_check(#plugin, host_, err_);                                \
        if (status_ != WG_OK) return status_;                                                      \
        wg__host = host_;                                                                          \
        return function(err_);                                                                     \
    }                                                                                              \
    wg_status wengert_plugin(const wg_host *host_, wg_error *err_)

#else

#define WG_PLUGIN_MAIN(plugin, function)              \
    wg_status wengert_plugin_##plugin(wg_error *err); \
    wg_status wengert_plugin_##plugin(wg_error *err)  \
    {                                                 \
        return function(err);                         \
    }                                                 \
    wg_status wengert_plugin_##plugin(wg_error *err)

#endif

/* In a program that links with the plugin's source compiled with -DWENGERT_STATIC_PLUGIN. */
#define WG_PLUGIN_DECLARE(plugin) wg_status wengert_plugin_##plugin(wg_error *err)

WG_END_DECLS

#endif
