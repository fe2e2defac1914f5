/* An open safetensors file, and what its header says: safetensors.c reads, safetensors_header.c
 * parses and checks. */
#ifndef WG_IO_SAFETENSORS_HEADER_H
#define WG_IO_SAFETENSORS_HEADER_H

#include <wengert/safetensors.h>

/* How an element lies in the file; what a type that is not read needs is its size. */
typedef struct wg__st_element {
    const char *name;
    size_t size;
    int dtype; /* read as; -1 = not read */
} wg__st_element;

typedef struct wg__st_entry {
    char *name;
    const wg__st_element *element;
    wg_shape shape;
    bool too_deep; /* more axes than a wg_shape has */
    uint64_t begin, end;
} wg__st_entry;

typedef struct wg__st_text {
    char *key, *value;
} wg__st_text;

struct wg_safetensors {
    char *name;
    int fd;
    const unsigned char *bytes; /* NULL: a file */
    uint64_t data, size;        /* where the data begins; bytes in all */
    wg__st_entry *entry;
    int64_t n;
    wg__st_text *metadata;
    int64_t n_metadata;
};

/* Fills entries and metadata from a header of `size` bytes, as f->data and f->size say how long the
 * data is. What was made is there after an error, too. */
wg_status wg__safetensors_parse(wg_safetensors *f, const char *json, size_t size, wg_error *err);
/* EFORMAT: of the tensor `name`, or of the file (NULL). */
wg_status wg__safetensors_malformed(const wg_safetensors *f, const char *name, const char *what,
                                    wg_error *err);

#endif
