/* The .npy header (numpy format versions 1.0 to 3.0): pure code on bytes in memory. */
#ifndef WENGERT_IO_NPY_H
#define WENGERT_IO_NPY_H

#include <stddef.h>

#include <wengert/tensor.h>

/* Element types as they lie in a file. */
typedef enum wg__npy_kind {
    WG__NPY_F4,
    WG__NPY_F8,
    WG__NPY_I4,
    WG__NPY_I8, /* read only, into i32 */
    WG__NPY_U1, /* also bool */
} wg__npy_kind;

typedef struct wg__npy {
    wg__npy_kind kind;
    wg_type type;     /* of the tensor */
    size_t element;   /* bytes of an element in the file */
    size_t data_size; /* of all elements */
} wg__npy;

enum { WG__NPY_PREFIX = 12, WG__NPY_MAX_HEADER = 512 };

/* Writes the header of a tensor; returns its size, a multiple of 64 and at most
 * WG__NPY_MAX_HEADER. */
size_t wg__npy_write(const wg_tensor *tensor, char header[WG__NPY_MAX_HEADER]);

/* From the first WG__NPY_PREFIX bytes: where the dictionary begins (10 or 12) and its size. `name`
 * stands for file and member in messages. */
wg_status wg__npy_prefix(const char *name, const unsigned char *prefix, size_t *begin, size_t *size,
                         wg_error *err);
/* Reads the dictionary. */
wg_status wg__npy_parse(const char *name, const char *text, size_t size, wg__npy *out,
                        wg_error *err);

#endif
