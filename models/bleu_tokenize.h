/* Cutting a segment into tokens as sacreBLEU does: lower-casing, mteval-v13a's rules, white space.
 * Internal to BLEU. */
#ifndef WENGERT_MODELS_BLEU_TOKENIZE_H
#define WENGERT_MODELS_BLEU_TOKENIZE_H

#include <wengert/bleu.h>

/* Bytes that grow. */
typedef struct wg__bleu_buffer {
    char *data;
    size_t size, capacity;
} wg__bleu_buffer;

/* Working memory of the tokeniser, kept from segment to segment. Zero-initialised; freed by
 * wg__bleu_scratch_free. */
typedef struct wg__bleu_scratch {
    wg__bleu_buffer a, b;
} wg__bleu_scratch;

/* Prepares `text`: *out points into the scratch (valid until its next use) to text in which tokens
 * are divided by white space, to be read with wg__bleu_next_token. Returns WG_OK, WG_ENOMEM or
 * WG_EFORMAT; then *bad is the offset of the first byte that is not UTF-8. */
wg_status wg__bleu_tokenize(wg__bleu_scratch *scratch, wg_bleu_tokenizer tokenizer, bool lowercase,
                            wg_bleu_text text, wg_bleu_text *out, size_t *bad);

/* Takes the next token off the front of *rest. `chars`: one code point a token. False at the end.
 */
bool wg__bleu_next_token(wg_bleu_text *rest, bool chars, wg_bleu_text *token);

void wg__bleu_scratch_free(wg__bleu_scratch *scratch);

#endif
