/* Files of named tensors whatever their format: .npz, .npy and safetensors, told apart by their
 * first bytes; and figures of a tensor. What `wengert inspect` and `wengert convert` read. */
#ifndef WENGERT_TENSORFILE_H
#define WENGERT_TENSORFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <wengert/state.h>

WG_BEGIN_DECLS

typedef enum wg_file_format {
    WG_FILE_NPZ = 0,
    WG_FILE_NPY = 1,
    WG_FILE_SAFETENSORS = 2,
} wg_file_format;

/* By the end of a name: ".npz", ".npy", ".safetensors"; -1 for any other. */
WG_API int wg_file_format_of(const char *path);
WG_API const char *wg_file_format_name(wg_file_format format); /* "npz" ...; NULL = none */

typedef struct wg_tensorfile wg_tensorfile;

/* Opens and checks what can be checked without reading the tensors: wg_npz_open,
 * wg_safetensors_open. The one tensor of a .npy file has the file's name without directory and
 * suffix. Errors name the file. */
WG_API wg_status wg_tensorfile_open(const char *path, wg_tensorfile **out, wg_error *err);
WG_API void wg_tensorfile_close(wg_tensorfile *file);
WG_API wg_file_format wg_tensorfile_format(const wg_tensorfile *file);
/* Members: tensors, and texts (members of an .npz that are not .npy; metadata of safetensors). */
WG_API int64_t wg_tensorfile_count(const wg_tensorfile *file);
WG_API const char *wg_tensorfile_name(const wg_tensorfile *file, int64_t i);
WG_API bool wg_tensorfile_is_tensor(const wg_tensorfile *file, int64_t i);
/* The type as the file names it ("BF16"), where it tells before the tensor is read; else NULL. */
WG_API const char *wg_tensorfile_dtype(const wg_tensorfile *file, int64_t i);
/* Reads a tensor, or a text (NUL-terminated beyond *length, freed with wg_free), checking its
 * CRC-32 where the format has one. */
WG_API wg_status wg_tensorfile_tensor(wg_tensorfile *file, int64_t i, wg_tensor **out,
                                      wg_error *err);
WG_API wg_status wg_tensorfile_text(wg_tensorfile *file, int64_t i, char **text, size_t *length,
                                    wg_error *err);
/* Reads member i and checks all that can be: WG_EFORMAT where it is damaged. A type that is not
 * read is no damage. */
WG_API wg_status wg_tensorfile_verify(wg_tensorfile *file, int64_t i, wg_error *err);

/* Writes a tree in a format: wg_state_save, wg_safetensors_save, or one tensor as .npy (WG_EINVAL
 * where it has more, or none). Atomic. */
WG_API wg_status wg_tensorfile_save(const char *path, wg_file_format format, const wg_state *state,
                                    wg_error *err);

/* Figures of a tensor, in f64. min, max, mean and std (population standard deviation, by two
 * passes) are of the finite elements, NaN where there is none. */
typedef struct wg_summary {
    int64_t count, nan, inf, zeros;
    double min, max, mean, std;
} wg_summary;
WG_API void wg_tensor_summary(const wg_tensor *tensor, wg_summary *out);
/* Counts the finite elements in `bins` intervals of equal width from summary->min to summary->max;
 * the last one holds its upper end. All in the first one where min = max. */
WG_API void wg_tensor_histogram(const wg_tensor *tensor, const wg_summary *summary, int bins,
                                int64_t *count);

WG_END_DECLS

#endif
