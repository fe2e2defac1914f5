/* The n-grams of one segment and how often references hold them.
 *
 * Tokens of the hypothesis are numbered; an n-gram is a node of a trie, found by the exact pair
 * (node of its first n-1 tokens, last token). References only look up: an n-gram that the
 * hypothesis lacks cannot match, so memory is in proportion to the hypothesis, and a segment of a
 * million tokens costs a few look-ups a token. */
#include "bleu_ngrams.h"

#include <string.h>

#include <wengert/memory.h>

#include "bleu_tokenize.h"

#define NONE UINT32_MAX
#define TOKEN_LIMIT ((size_t)1 << 30) /* so that four orders of nodes have 32-bit numbers */
#define FIRST_SLOTS 256

/* The finaliser of splitmix64: every bit of the input reaches every bit of the output. */
static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94D049BB133111EB);
    return x ^ (x >> 31);
}

static uint64_t hash_bytes(const char *text, size_t size)
{
    uint64_t hash = UINT64_C(0x9E3779B97F4A7C15) ^ size;

    while (size > 0) {
        uint64_t word = 0;
        size_t n = size < 8 ? size : 8;

        memcpy(&word, text, n);
        hash = mix(hash + word);
        text += n;
        size -= n;
    }
    return hash;
}

static uint64_t hash_pair(uint32_t parent, uint32_t token)
{
    return mix((((uint64_t)parent << 32) | token) + UINT64_C(0x9E3779B97F4A7C15));
}

/* Grows *block to hold `need` elements. */
static bool grow(void *block, size_t *capacity, size_t need, size_t element)
{
    void **pointer = block, *data;
    size_t more = *capacity < 64 ? 64 : *capacity;

    if (need <= *capacity) return true;
    while (more < need) {
        if (!wg_mul_size(more, 2, &more)) return false;
    }
    data = wg_reallocarray(*pointer, more, element);
    if (!data) return false;
    *pointer = data;
    *capacity = more;
    return true;
}

/* Empties an index. It starts small again: clearing the slots that a long segment once needed would
 * make every later segment as slow as that one. */
static bool index_reset(wg__bleu_index *index)
{
    if (!index->slots) {
        index->slots = wg_calloc(FIRST_SLOTS, sizeof *index->slots);
        if (!index->slots) return false;
        index->capacity = FIRST_SLOTS;
    } else {
        memset(index->slots, 0, FIRST_SLOTS * sizeof *index->slots);
    }
    index->used = FIRST_SLOTS;
    return true;
}

/* Doubles the slots; the caller enters its entries again. */
static bool index_double(wg__bleu_index *index)
{
    size_t used;

    if (!wg_mul_size(index->used, 2, &used)) return false;
    if (used > index->capacity) {
        uint32_t *slots = wg_reallocarray(index->slots, used, sizeof *slots);

        if (!slots) return false;
        index->slots = slots;
        index->capacity = used;
    }
    memset(index->slots, 0, used * sizeof *index->slots);
    index->used = used;
    return true;
}

static void index_enter(wg__bleu_index *index, uint64_t hash, size_t entry)
{
    size_t mask = index->used - 1, at = (size_t)hash & mask;

    while (index->slots[at] != 0) at = (at + 1) & mask;
    index->slots[at] = (uint32_t)entry + 1;
}

static uint32_t find_token(const wg__bleu_ngrams *g, wg_bleu_text token, uint64_t hash)
{
    size_t mask = g->token_index.used - 1;

    for (size_t at = (size_t)hash & mask;; at = (at + 1) & mask) {
        uint32_t slot = g->token_index.slots[at];
        const wg__bleu_token *t;

        if (slot == 0) return NONE;
        t = &g->tokens[slot - 1];
        if (t->hash == hash && t->size == token.size &&
            memcmp(g->text + t->offset, token.data, token.size) == 0)
            return slot - 1;
    }
}

static bool add_token(wg__bleu_ngrams *g, wg_bleu_text token, uint64_t hash)
{
    size_t end;

    if (!wg_add_size(g->text_size, token.size, &end)) return false;
    if (!grow(&g->text, &g->text_capacity, end, 1)) return false;
    if (!grow(&g->tokens, &g->token_capacity, g->token_count + 1, sizeof *g->tokens)) return false;
    if (2 * (g->token_count + 1) > g->token_index.used) {
        if (!index_double(&g->token_index)) return false;
        for (size_t i = 0; i < g->token_count; i++)
            index_enter(&g->token_index, g->tokens[i].hash, i);
    }
    memcpy(g->text + g->text_size, token.data, token.size);
    g->tokens[g->token_count] = (wg__bleu_token){hash, g->text_size, token.size};
    g->text_size = end;
    index_enter(&g->token_index, hash, g->token_count++);
    return true;
}

static uint32_t find_node(const wg__bleu_ngrams *g, uint32_t parent, uint32_t token)
{
    size_t mask = g->node_index.used - 1;

    for (size_t at = (size_t)hash_pair(parent, token) & mask;; at = (at + 1) & mask) {
        uint32_t slot = g->node_index.slots[at];

        if (slot == 0) return NONE;
        if (g->nodes[slot - 1].parent == parent && g->nodes[slot - 1].token == token)
            return slot - 1;
    }
}

static bool add_node(wg__bleu_ngrams *g, uint32_t parent, uint32_t token)
{
    if (!grow(&g->nodes, &g->node_capacity, g->node_count + 1, sizeof *g->nodes)) return false;
    if (2 * (g->node_count + 1) > g->node_index.used) {
        if (!index_double(&g->node_index)) return false;
        for (size_t i = 0; i < g->node_count; i++)
            index_enter(&g->node_index, hash_pair(g->nodes[i].parent, g->nodes[i].token), i);
    }
    g->nodes[g->node_count] = (wg__bleu_node){parent, token, 0, 0, 0};
    index_enter(&g->node_index, hash_pair(parent, token), g->node_count++);
    return true;
}

/* The numbers of a text's tokens, in g->ids; `add` numbers those not met before. */
static wg_status read_ids(wg__bleu_ngrams *g, wg_bleu_text text, bool chars, bool add,
                          size_t *length)
{
    wg_bleu_text token;
    size_t count = 0;

    while (wg__bleu_next_token(&text, chars, &token)) {
        uint64_t hash = hash_bytes(token.data, token.size);
        uint32_t id = find_token(g, token, hash);

        if (count + 1 >= TOKEN_LIMIT) return WG_ELIMIT;
        if (!grow(&g->ids, &g->id_capacity, count + 1, sizeof *g->ids)) return WG_ENOMEM;
        if (id == NONE && add) {
            id = (uint32_t)g->token_count;
            if (!add_token(g, token, hash)) return WG_ENOMEM;
        }
        g->ids[count++] = id;
    }
    *length = count;
    return WG_OK;
}

wg_status wg__bleu_ngrams_hyp(wg__bleu_ngrams *g, wg_bleu_text text, bool chars, size_t *length,
                              int64_t totals[WG_BLEU_MAX_ORDER])
{
    wg_status status;

    g->text_size = g->token_count = g->node_count = 0;
    if (!index_reset(&g->token_index) || !index_reset(&g->node_index)) return WG_ENOMEM;
    status = read_ids(g, text, chars, true, length);
    if (status != WG_OK) return status;
    if (!grow(&g->path, &g->path_capacity, *length, sizeof *g->path)) return WG_ENOMEM;
    for (size_t i = 0; i < *length; i++) g->path[i] = NONE;
    for (size_t order = 0; order < WG_BLEU_MAX_ORDER; order++) {
        size_t starts = *length > order ? *length - order : 0;

        for (size_t i = 0; i < starts; i++) {
            uint32_t token = g->ids[i + order], node = find_node(g, g->path[i], token);

            if (node == NONE) {
                node = (uint32_t)g->node_count;
                if (!add_node(g, g->path[i], token)) return WG_ENOMEM;
            }
            g->nodes[node].hyp++;
            g->path[i] = node;
        }
        totals[order] = (int64_t)starts;
        g->order_end[order] = g->node_count;
    }
    return WG_OK;
}

wg_status wg__bleu_ngrams_ref(wg__bleu_ngrams *g, wg_bleu_text text, bool chars, size_t *length)
{
    wg_status status = read_ids(g, text, chars, false, length);

    if (status != WG_OK) return status;
    for (size_t i = 0; i < *length; i++) {
        uint32_t node = NONE;

        for (size_t order = 0; order < WG_BLEU_MAX_ORDER && i + order < *length; order++) {
            if (g->ids[i + order] == NONE) break;
            node = find_node(g, node, g->ids[i + order]);
            if (node == NONE) break;
            g->nodes[node].now++;
        }
    }
    for (size_t i = 0; i < g->node_count; i++) {
        if (g->nodes[i].now > g->nodes[i].ref) g->nodes[i].ref = g->nodes[i].now;
        g->nodes[i].now = 0;
    }
    return WG_OK;
}

void wg__bleu_ngrams_matches(const wg__bleu_ngrams *g, int64_t counts[WG_BLEU_MAX_ORDER])
{
    size_t i = 0;

    for (int order = 0; order < WG_BLEU_MAX_ORDER; order++) {
        counts[order] = 0;
        for (; i < g->order_end[order]; i++) {
            const wg__bleu_node *node = &g->nodes[i];

            counts[order] += node->hyp < node->ref ? node->hyp : node->ref;
        }
    }
}

void wg__bleu_ngrams_free(wg__bleu_ngrams *g)
{
    wg_free(g->token_index.slots);
    wg_free(g->node_index.slots);
    wg_free(g->text);
    wg_free(g->tokens);
    wg_free(g->nodes);
    wg_free(g->ids);
    wg_free(g->path);
    memset(g, 0, sizeof *g);
}
