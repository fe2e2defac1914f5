/* Saving and loading a state tree (state.h) as .npz: tensors as .npy members, texts as they are. */
#ifndef WENGERT_STATEFILE_H
#define WENGERT_STATEFILE_H

#include <wengert/npz.h>
#include <wengert/state.h>

WG_BEGIN_DECLS

/* Writes the tree to `path`, atomically; options may be NULL. Errors of wg_npz_finish; WG_EINVAL
 * when a text's name ends in ".npy". */
WG_API wg_status wg_state_save(const char *path, const wg_state *state,
                               const wg_npz_options *options, wg_error *err);
/* Reads all members, in the order in which they were saved. The tree is owned by the caller. */
WG_API wg_status wg_state_load(const char *path, wg_state **out, wg_error *err);

WG_END_DECLS

#endif
