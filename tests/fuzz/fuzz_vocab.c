/* libFuzzer entry: any bytes as the text form of a vocabulary. What is read must be written back as
 * the same bytes: the form is canonical. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <wengert/memory.h>
#include <wengert/vocab.h>

#ifndef WGT_FUZZ_VOCAB
#define WGT_FUZZ_VOCAB LLVMFuzzerTestOneInput
#endif

int WGT_FUZZ_VOCAB(const uint8_t *data, size_t size);
int WGT_FUZZ_VOCAB(const uint8_t *data, size_t size)
{
    wg_vocab *v;
    wg_error e;
    char *text;
    size_t length;
    if (wg_vocab_parse("fuzz", (const char *)data, size, &v, &e) != WG_OK) return 0;
    if (wg_vocab_write(v, &text, &length, &e) == WG_OK) {
        if (length != size || memcmp(text, data, size) != 0) __builtin_trap();
        wg_free(text);
    }
    wg_vocab_free(v);
    return 0;
}
