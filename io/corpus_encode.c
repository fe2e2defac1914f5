/* From a corpus to training data: hold-out split, vocabularies of a subset, ids. */
#include <wengert/corpus.h>

#include <inttypes.h>
#include <string.h>

#include <wengert/memory.h>
#include <wengert/rng.h>

#include "corpus_private.h"
#include "shuffle.h"
#include "vocab_table.h"

static wg_status no_memory(wg_error *err)
{
    return wg_error_set(err, WG_ENOMEM, "corpus: out of memory");
}

wg_status wg_corpus_split(const wg_corpus *c, double share, uint64_t seed, int64_t **train,
                          int64_t *n_train, int64_t **held, int64_t *n_held, wg_error *err)
{
    *train = *held = NULL;
    *n_train = *n_held = 0;
    if (!(share > 0 && share < 1))
        return wg_error_set(err, WG_EINVAL, "corpus: the share to hold out must lie in (0, 1)");
    if (c->n < 2)
        return wg_error_set(err, WG_EINVAL, "corpus: too few pairs (%" PRId64 ") to hold any out",
                            c->n);
    int64_t take = (int64_t)(share * (double)c->n + 0.5);
    if (take < 1) take = 1;
    if (take > c->n - 1) take = c->n - 1;
    int64_t *order = wg_reallocarray(NULL, (size_t)c->n, sizeof *order);
    unsigned char *out = wg_calloc((size_t)c->n, 1);
    *train = wg_reallocarray(NULL, (size_t)(c->n - take), sizeof **train);
    *held = wg_reallocarray(NULL, (size_t)take, sizeof **held);
    bool fine = order && out && *train && *held;
    if (fine) {
        for (int64_t i = 0; i < c->n; i++) order[i] = i;
        wg_rng rng;
        wg_rng_init(&rng, seed, "io.corpus.split");
        wg__shuffle(order, c->n, &rng);
        for (int64_t i = 0; i < take; i++) out[order[i]] = 1;
        for (int64_t i = 0; i < c->n; i++) {
            if (out[i])
                (*held)[(*n_held)++] = i;
            else
                (*train)[(*n_train)++] = i;
        }
    } else {
        wg_free(*train);
        wg_free(*held);
        *train = *held = NULL;
    }
    wg_free(order);
    wg_free(out);
    return fine ? WG_OK : no_memory(err);
}

static wg_status check_subset(const wg_corpus *c, const int64_t *subset, int64_t *n, wg_error *err)
{
    if (!subset) {
        *n = c->n;
        return WG_OK;
    }
    if (*n < 0) return wg_error_set(err, WG_EINVAL, "corpus: negative number of pairs");
    for (int64_t i = 0; i < *n; i++)
        if (subset[i] < 0 || subset[i] >= c->n)
            return wg_error_set(err, WG_EINVAL, "corpus: no pair %" PRId64, subset[i]);
    return WG_OK;
}

static wg_status count_side(const wg_corpus *c, const wg__side *side, const int64_t *subset,
                            int64_t n, wg_vocab *vocab, wg_error *err)
{
    int32_t size = wg_vocab_size(side->table);
    uint64_t *count = wg_calloc((size_t)size, sizeof *count);
    if (!count) return no_memory(err);
    for (int32_t w = 0; w < size && c->counts_only; w++) count[w] = wg_vocab_count(side->table, w);
    for (int64_t i = 0; i < n; i++) {
        int64_t pair = subset ? subset[i] : i;
        for (int64_t k = side->start[pair]; k < side->start[pair + 1]; k++) count[side->word[k]]++;
    }
    wg_status status = WG_OK;
    for (int32_t w = 0; w < size && status == WG_OK; w++)
        if (count[w])
            status = wg_vocab_add(vocab, wg_vocab_word(side->table, w),
                                  wg__vocab_length(side->table, w), count[w], err);
    wg_free(count);
    return status;
}

wg_status wg_corpus_vocab(const wg_corpus *c, unsigned sides, const int64_t *subset, int64_t n,
                          uint64_t min_count, size_t max_size, wg_vocab **out, wg_error *err)
{
    *out = NULL;
    if (sides == 0 || sides >= 1u << c->sides)
        return wg_error_set(err, WG_EINVAL, "corpus: no such sides");
    wg_status status = check_subset(c, subset, &n, err);
    if (status != WG_OK) return status;
    wg_vocab *vocab;
    status = wg_vocab_new(&vocab, err);
    for (int s = 0; s < c->sides && status == WG_OK; s++)
        if (sides >> s & 1) status = count_side(c, &c->side[s], subset, n, vocab, err);
    if (status == WG_OK) status = wg_vocab_finish(vocab, min_count, max_size, err);
    if (status != WG_OK) {
        wg_vocab_free(vocab);
        return status;
    }
    *out = vocab;
    return WG_OK;
}

static wg_status encode_side(const wg_corpus *c, int s, const wg_vocab *vocab,
                             const int64_t *subset, wg_pairs *p, wg_error *err)
{
    const wg__side *side = &c->side[s];
    int32_t size = wg_vocab_size(side->table);
    int32_t *map = wg_reallocarray(NULL, (size_t)size, sizeof *map);
    p->start[s] = wg_reallocarray(NULL, (size_t)p->n + 1, sizeof **p->start);
    if (!map || !p->start[s]) goto no_room;
    for (int32_t w = 0; w < size; w++)
        map[w] =
            wg_vocab_id(vocab, wg_vocab_word(side->table, w), wg__vocab_length(side->table, w));
    int64_t total = 0;
    for (int64_t i = 0; i < p->n; i++) {
        p->start[s][i] = total;
        total += wg_corpus_length(c, s, subset ? subset[i] : i);
    }
    p->start[s][p->n] = total;
    p->id[s] = wg_reallocarray(NULL, (size_t)total, sizeof **p->id);
    if (!p->id[s]) goto no_room;
    int32_t *id = p->id[s];
    for (int64_t i = 0; i < p->n; i++) {
        int64_t pair = subset ? subset[i] : i;
        for (int64_t k = side->start[pair]; k < side->start[pair + 1]; k++) {
            *id = map[side->word[k]];
            if (*id++ == WG_UNK) p->unknown[s]++;
        }
    }
    p->vocab_size[s] = wg_vocab_size(vocab);
    wg_free(map);
    return WG_OK;
no_room:
    wg_free(map);
    return no_memory(err);
}

wg_status wg_corpus_encode(const wg_corpus *c, const wg_vocab *source, const wg_vocab *target,
                           const int64_t *subset, int64_t n, wg_pairs **out, wg_error *err)
{
    *out = NULL;
    if (!source || (c->sides == 2 && !target))
        return wg_error_set(err, WG_EINVAL, "corpus: a vocabulary is missing");
    wg_status status = check_subset(c, subset, &n, err);
    if (status != WG_OK) return status;
    wg_pairs *p = wg_calloc(1, sizeof *p);
    if (!p) return no_memory(err);
    p->n = n;
    p->sides = c->sides;
    p->line = wg_reallocarray(NULL, (size_t)n, sizeof *p->line);
    if (!p->line) status = no_memory(err);
    for (int64_t i = 0; status == WG_OK && i < n; i++) p->line[i] = c->line[subset ? subset[i] : i];
    for (int s = 0; s < c->sides && status == WG_OK; s++)
        status = encode_side(c, s, s ? target : source, subset, p, err);
    if (status != WG_OK) {
        wg_pairs_free(p);
        return status;
    }
    *out = p;
    return WG_OK;
}

void wg_pairs_free(wg_pairs *p)
{
    if (!p) return;
    for (int s = 0; s < 2; s++) {
        wg_free(p->start[s]);
        wg_free(p->id[s]);
    }
    wg_free(p->line);
    wg_free(p);
}
