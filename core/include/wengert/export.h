/* Symbol visibility and compiler attributes of the public headers.
 *
 * Everything in the library is hidden unless it is declared WG_API; the version script of the
 * shared library lets through wg_* only. */
#ifndef WENGERT_EXPORT_H
#define WENGERT_EXPORT_H

#if defined(__GNUC__)
#if defined(WENGERT_PLUGIN) && !defined(WENGERT_STATIC_PLUGIN)
/* In a plugin the functions are forwarders of its own (plugin.h), which must not be mixed up with
 * those of a library that the process holds as well. */
#define WG_API __attribute__((visibility("hidden")))
#else
#define WG_API __attribute__((visibility("default")))
#endif
#define WG_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define WG_MUST_CHECK __attribute__((warn_unused_result))
#else
#define WG_API
#define WG_PRINTF(fmt, args)
#define WG_MUST_CHECK
#endif

#ifdef __cplusplus
#define WG_BEGIN_DECLS extern "C" {
#define WG_END_DECLS }
#else
#define WG_BEGIN_DECLS
#define WG_END_DECLS
#endif

#endif
