/* libFuzzer entry: any bytes as the header of an .npy array. What is accepted has a size that is
 * that of its shape, and the header that we write for it says the same. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "npy.h"

#ifndef WGT_FUZZ_NPY
#define WGT_FUZZ_NPY LLVMFuzzerTestOneInput
#endif

static void npy_again(const wg__npy *npy)
{
    char header[WG__NPY_MAX_HEADER];
    wg_tensor *t;
    wg__npy again;
    size_t begin, length;
    if (npy->data_size > 1 << 16 || wg_tensor_new(npy->type.dtype, npy->type.shape, &t, NULL))
        return;
    size_t size = wg__npy_write(t, header);
    wg_tensor_free(t);
    if (size > sizeof header || size % 64 != 0) abort();
    if (wg__npy_prefix("again", (unsigned char *)header, &begin, &length, NULL) != WG_OK) abort();
    if (begin + length != size) abort();
    if (wg__npy_parse("again", header + begin, length, &again, NULL) != WG_OK) abort();
    if (again.type.dtype != npy->type.dtype || !wg_shape_equal(&again.type.shape, &npy->type.shape))
        abort();
}

int WGT_FUZZ_NPY(const uint8_t *data, size_t size);
int WGT_FUZZ_NPY(const uint8_t *data, size_t size)
{
    size_t begin, length;
    wg__npy npy;
    if (size < WG__NPY_PREFIX || wg__npy_prefix("fuzz", data, &begin, &length, NULL) != WG_OK ||
        length > size - begin)
        return 0;
    char *text = malloc(length + !length); /* exactly */
    if (!text) abort();
    memcpy(text, data + begin, length);
    if (wg__npy_parse("fuzz", text, length, &npy, NULL) == WG_OK) {
        size_t count = npy.element;
        bool none = false;
        for (int i = 0; i < npy.type.shape.rank; i++) {
            if (npy.type.shape.dim[i] < 0) abort();
            none = none || npy.type.shape.dim[i] == 0;
            count *= (size_t)npy.type.shape.dim[i];
        }
        if (npy.data_size != (none ? 0 : count)) abort();
        npy_again(&npy);
    }
    free(text);
    return 0;
}
