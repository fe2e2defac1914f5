/* Reading and writing safetensors, the format of the model hubs: a JSON header and raw tensors.
 *
 * Read are F64, F32, F16 and BF16 (both as f32), I32, U8, BOOL (as u8), and I64, I16, I8, U16 as
 * i32 where the values fit; other types can be listed. A file is checked as hostile when it is
 * opened: docs/formats.md says what is refused. A reader belongs to one thread at a time. */
#ifndef WENGERT_SAFETENSORS_H
#define WENGERT_SAFETENSORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <wengert/state.h>

WG_BEGIN_DECLS

typedef struct wg_safetensors wg_safetensors;

/* Reads and checks the header. WG_EFORMAT, WG_ELIMIT (a header of more than 8 MiB), WG_ENOTFOUND,
 * WG_EPERM, WG_EIO, WG_ENOMEM; the message names the file. */
WG_API wg_status wg_safetensors_open(const char *path, wg_safetensors **out, wg_error *err);
/* The same from memory, which must outlive the reader; `name` stands for the file in messages. */
WG_API wg_status wg_safetensors_open_memory(const char *name, const void *bytes, size_t size,
                                            wg_safetensors **out, wg_error *err);
WG_API void wg_safetensors_close(wg_safetensors *file);

/* Tensors in the order of their data. Name, type in the file ("BF16") and shape of tensor i; NULL,
 * or a scalar, when out of range. The rank of a shape is cut to WG_MAX_AXES where the file has more
 * axes; such a tensor cannot be read. */
WG_API int64_t wg_safetensors_count(const wg_safetensors *file);
WG_API const char *wg_safetensors_name(const wg_safetensors *file, int64_t i);
WG_API const char *wg_safetensors_dtype(const wg_safetensors *file, int64_t i);
WG_API wg_shape wg_safetensors_shape(const wg_safetensors *file, int64_t i);
/* Tensor with this name; -1 when absent. */
WG_API int64_t wg_safetensors_find(const wg_safetensors *file, const char *name);
/* Reads tensor i, owned by the caller. WG_EDTYPE for a type that is not read, WG_ELIMIT for an
 * integer that i32 does not hold or too many axes, WG_EIO, WG_ENOMEM. */
WG_API wg_status wg_safetensors_read(wg_safetensors *file, int64_t i, wg_tensor **out,
                                     wg_error *err);
/* Entries of "__metadata__", which are texts. */
WG_API int64_t wg_safetensors_metadata_count(const wg_safetensors *file);
WG_API const char *wg_safetensors_metadata(const wg_safetensors *file, int64_t i,
                                           const char **value);

/* Writes a state tree: tensors as F32, F64, I32, U8, texts as metadata. The widest elements come
 * first, so that every tensor lies aligned. Atomic (atomicfile.h). WG_EFORMAT for a text that is
 * not UTF-8 or holds a NUL. */
WG_API wg_status wg_safetensors_save(const char *path, const wg_state *state, wg_error *err);

WG_END_DECLS

#endif
