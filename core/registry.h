/* What the registry asks of descriptors; private to core. */
#ifndef WG_CORE_REGISTRY_H
#define WG_CORE_REGISTRY_H

#include <wengert/cell.h>
#include <wengert/op.h>

/* core/validate.c: is the table well formed? EINVAL with the reason, EVERSION for one made for a
 * newer library. `core` allows the families that only core itself may define (leaves, scan). */
wg_status wg__validate_op(const wg_op *op, bool core, wg_error *err);
wg_status wg__validate_cell(const wg_cell *cell, wg_error *err);

/* core/validate.c: names of parameters and of entries of the state tree: UTF-8, not empty, at most
 * 255 bytes, no control characters, "..", "\\" or leading "/". `what` begins the message. */
wg_status wg__check_name(const char *what, const char *name, wg_error *err);

/* WG_OK, or what was wrong with the first built-in descriptor that was refused. */
wg_status wg__registry_builtin_status(wg_error *err);

/* Was the first tape made? Then nothing can be registered any more. */
bool wg__registry_frozen(void);

#endif
