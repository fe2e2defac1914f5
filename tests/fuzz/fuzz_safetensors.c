/* libFuzzer entry: any bytes as a safetensors file. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <wengert/safetensors.h>

#ifndef WGT_FUZZ_SAFETENSORS
#define WGT_FUZZ_SAFETENSORS LLVMFuzzerTestOneInput
#endif

int WGT_FUZZ_SAFETENSORS(const uint8_t *data, size_t size);
int WGT_FUZZ_SAFETENSORS(const uint8_t *data, size_t size)
{
    wg_safetensors *f;
    wg_error e;
    size_t bytes = 0;
    const char *value;
    if (wg_safetensors_open_memory("fuzz", data, size, &f, &e) != WG_OK) return 0;
    for (int64_t i = 0; i < wg_safetensors_count(f); i++) {
        wg_tensor *t;
        if (wg_safetensors_find(f, wg_safetensors_name(f, i)) != i) __builtin_trap();
        if (wg_safetensors_read(f, i, &t, &e) != WG_OK) continue;
        bytes += wg_tensor_bytes(t);
        wg_tensor_free(t);
    }
    /* What is read lies in the file, at most four times as wide there. */
    if (bytes > 4 * size) __builtin_trap();
    for (int64_t i = 0; i < wg_safetensors_metadata_count(f); i++)
        if (!wg_safetensors_metadata(f, i, &value) || !value) __builtin_trap();
    wg_safetensors_close(f);
    return 0;
}
