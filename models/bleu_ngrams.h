/* The n-grams of one segment and how often references hold them. Internal to BLEU. */
#ifndef WENGERT_MODELS_BLEU_NGRAMS_H
#define WENGERT_MODELS_BLEU_NGRAMS_H

#include <wengert/bleu.h>

/* A hash index from keys to the numbers 0, 1, 2 ... of entries that somebody else stores. */
typedef struct wg__bleu_index {
    uint32_t *slots; /* entry + 1, or 0 */
    size_t capacity; /* slots allocated */
    size_t used;     /* slots in use for this segment: a power of two */
} wg__bleu_index;

typedef struct wg__bleu_token {
    uint64_t hash;
    size_t offset, size; /* in `text` */
} wg__bleu_token;

/* An n-gram of the hypothesis: the (n-1)-gram before it and its last token. */
typedef struct wg__bleu_node {
    uint32_t parent, token;
    uint32_t hyp; /* times in the hypothesis */
    uint32_t ref; /* most times in any one reference */
    uint32_t now; /* times in the reference being read */
} wg__bleu_node;

/* Zero-initialised; kept from segment to segment; freed by wg__bleu_ngrams_free. */
typedef struct wg__bleu_ngrams {
    wg__bleu_index token_index, node_index;
    char *text; /* the distinct tokens of the hypothesis, one after another */
    size_t text_size, text_capacity;
    wg__bleu_token *tokens;
    size_t token_count, token_capacity;
    wg__bleu_node *nodes; /* unigrams first, then bigrams ... */
    size_t node_count, node_capacity;
    size_t order_end[WG_BLEU_MAX_ORDER]; /* where the nodes of an order end */
    uint32_t *ids;                       /* the tokens of the text being read */
    size_t id_capacity;
    uint32_t *path; /* the node that begins at each position */
    size_t path_capacity;
} wg__bleu_ngrams;

/* Starts a segment: counts the n-grams of a tokenised hypothesis. *length is its tokens; totals the
 * n-grams of each order. WG_OK, WG_ENOMEM or WG_ELIMIT. */
wg_status wg__bleu_ngrams_hyp(wg__bleu_ngrams *ngrams, wg_bleu_text text, bool chars,
                              size_t *length, int64_t totals[WG_BLEU_MAX_ORDER]);

/* Counts the n-grams of the hypothesis in one more tokenised reference. */
wg_status wg__bleu_ngrams_ref(wg__bleu_ngrams *ngrams, wg_bleu_text text, bool chars,
                              size_t *length);

/* The clipped matches of each order. */
void wg__bleu_ngrams_matches(const wg__bleu_ngrams *ngrams, int64_t counts[WG_BLEU_MAX_ORDER]);

void wg__bleu_ngrams_free(wg__bleu_ngrams *ngrams);

#endif
