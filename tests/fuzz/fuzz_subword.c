/* libFuzzer entry: any bytes as the text form of subword rules, and what follows a first empty line
 * (or the bytes themselves) as text to be cut by them. Rules must be written back as the same
 * bytes, and cutting must be undone exactly. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <wengert/memory.h>
#include <wengert/subword.h>

#ifndef WGT_FUZZ_SUBWORD
#define WGT_FUZZ_SUBWORD LLVMFuzzerTestOneInput
#endif

static int subword_is_utf8(const char *text, size_t size)
{
    wg_vocab *v;
    if (wg_vocab_new(&v, NULL) != WG_OK) return 0;
    int fine = size > 0 && size < 65536 && wg_vocab_add(v, text, size, 1, NULL) == WG_OK;
    wg_vocab_free(v);
    return fine; /* valid UTF-8 without NUL */
}

static void subword_round_trip(const wg_subwords *rules, const char *text, size_t size)
{
    wg_segmenter *g;
    char *cut, *joined;
    if (wg_segmenter_new(rules, NULL, &g, NULL) != WG_OK) return;
    if (wg_segmenter_line(g, text, size, &cut, NULL) == WG_OK) {
        if (wg_subwords_undo(cut, strlen(cut), &joined, NULL) == WG_OK) {
            if (subword_is_utf8(text, size) &&
                (strlen(joined) != size || memcmp(joined, text, size) != 0))
                __builtin_trap();
            wg_free(joined);
        }
        wg_free(cut);
    }
    wg_segmenter_free(g);
}

int WGT_FUZZ_SUBWORD(const uint8_t *data, size_t size);
int WGT_FUZZ_SUBWORD(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data, *rest = NULL;
    for (size_t i = 0; i + 1 < size && !rest; i++)
        if (text[i] == '\n' && text[i + 1] == '\n') rest = text + i + 2;
    size_t head = rest ? (size_t)(rest - text) - 1 : size;
    wg_subwords *rules;
    char *joined, *written;
    size_t length;
    if (wg_subwords_undo(text, size, &joined, NULL) == WG_OK) wg_free(joined);
    if (wg_subwords_parse("fuzz", text, head, &rules, NULL) != WG_OK) return 0;
    if (wg_subwords_write(rules, &written, &length, NULL) == WG_OK) {
        wg_subwords *again;
        if (wg_subwords_parse("again", written, length, &again, NULL) == WG_OK)
            wg_subwords_free(again);
        else
            __builtin_trap();
        if (head > 0 && text[0] == 'w' && (length != head || memcmp(written, text, head) != 0))
            __builtin_trap();
        wg_free(written);
    }
    subword_round_trip(rules, rest ? rest : text, rest ? size - (size_t)(rest - text) : size);
    wg_subwords_free(rules);
    return 0;
}
