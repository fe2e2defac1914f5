/* libFuzzer entry: any bytes as an .npz file. tests/io/test_fuzz.c runs it over fixed mutations. */
#include <stddef.h>
#include <stdint.h>

#include <wengert/npz.h>

#ifndef WGT_FUZZ_NPZ
#define WGT_FUZZ_NPZ LLVMFuzzerTestOneInput
#endif

int WGT_FUZZ_NPZ(const uint8_t *data, size_t size);
int WGT_FUZZ_NPZ(const uint8_t *data, size_t size)
{
    wg_npz_options o = {.size = sizeof o, .max_member = 1 << 22, .max_total = 1 << 24};
    wg_npz *npz;
    wg_error e;
    if (wg_npz_open_memory("fuzz", data, size, &o, &npz, &e) != WG_OK) return 0;
    for (int64_t i = 0; i < wg_npz_count(npz); i++) {
        wg_tensor *tensor;
        char *bytes;
        size_t length;
        if (wg_npz_read_tensor(npz, i, &tensor, &e) == WG_OK) wg_tensor_free(tensor);
        if (wg_npz_read_bytes(npz, i, &bytes, &length, &e) == WG_OK) wg_free(bytes);
        if (wg_npz_find(npz, wg_npz_name(npz, i)) != i) __builtin_trap();
    }
    wg_npz_close(npz);
    return 0;
}
