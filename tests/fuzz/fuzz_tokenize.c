/* libFuzzer entry: any bytes through tokeniser and detokeniser, in the language and way that the
 * first byte names. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <wengert/memory.h>
#include <wengert/tokenize.h>

#ifndef WGT_FUZZ_TOKENIZE
#define WGT_FUZZ_TOKENIZE LLVMFuzzerTestOneInput
#endif

int WGT_FUZZ_TOKENIZE(const uint8_t *data, size_t size);
int WGT_FUZZ_TOKENIZE(const uint8_t *data, size_t size)
{
    static const char *const languages[] = {"en", "de", "fr", "it", "ko", "xx", "", NULL};
    if (size == 0) return 0;
    const wg_tokenize_options o = {sizeof o, languages[data[0] & 7], (data[0] & 8) != 0,
                                   (data[0] & 16) != 0};
    char *words, *joined;
    if (wg_detokenize((const char *)data + 1, size - 1, &o, &joined, NULL) == WG_OK)
        wg_free(joined);
    if (wg_tokenize((const char *)data + 1, size - 1, &o, &words, NULL) != WG_OK) return 0;
    if (wg_detokenize(words, strlen(words), &o, &joined, NULL) == WG_OK) wg_free(joined);
    wg_free(words);
    return 0;
}
