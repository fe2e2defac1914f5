/* The state tree: everything a run must remember, as named tensors and named texts.
 *
 * Models, optimisers and readers put what they need under names with slashes ("optim/m/enc.0.W");
 * io saves and loads the tree without knowing any model. Texts hold JSON or UTF-8 ("config.json",
 * "source.vocab"). Order is that of insertion. Not locked. */
#ifndef WENGERT_STATE_H
#define WENGERT_STATE_H

#include <wengert/tensor.h>

WG_BEGIN_DECLS

typedef struct wg_state wg_state;

WG_API wg_status wg_state_new(wg_state **out, wg_error *err);
WG_API void wg_state_free(wg_state *state);
/* Takes ownership of the tensor on success. EEXIST when the name is taken. Names are UTF-8, not
 * empty, at most 255 bytes, without control characters, "..", "\\" or a leading "/". */
WG_API wg_status wg_state_put_tensor(wg_state *state, const char *name, wg_tensor *tensor,
                                     wg_error *err);
/* As above but keeps only a reference: the tensor must outlive the tree. */
WG_API wg_status wg_state_ref_tensor(wg_state *state, const char *name, wg_tensor *tensor,
                                     wg_error *err);
/* Copies the bytes. */
WG_API wg_status wg_state_put_text(wg_state *state, const char *name, const char *text,
                                   size_t length, wg_error *err);
WG_API int wg_state_count(const wg_state *state);
WG_API const char *wg_state_name(const wg_state *state, int i);
/* Entry i or the entry of a name as a tensor or text; NULL when it is none. */
WG_API wg_tensor *wg_state_tensor_at(const wg_state *state, int i);
WG_API const char *wg_state_text_at(const wg_state *state, int i, size_t *length);
WG_API wg_tensor *wg_state_tensor(const wg_state *state, const char *name);
WG_API const char *wg_state_text(const wg_state *state, const char *name, size_t *length);

WG_END_DECLS

#endif
