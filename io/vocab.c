/* The vocabulary: an open-addressing hash table over words kept in one block of text.
 *
 * The hash is keyed with random bytes, so that no file can be made whose words all collide; ids
 * come from sorting and do not depend on it. */
#include <wengert/vocab.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include <wengert/memory.h>
#include <wengert/textfile.h>

#include "buffer.h"
#include "utf8.h"
#include "vocab_table.h"

enum { MAX_WORD = 65535 };

typedef struct entry {
    size_t at; /* offset into words */
    uint32_t length;
    uint32_t hash;
    uint64_t count;
} entry;

struct wg_vocab {
    bool finished;
    uint64_t key[2];
    wg__buf words; /* all words, each with a NUL */
    entry *entries;
    size_t size, capacity;
    int32_t *slots; /* entry + 1, or 0; at most half are taken */
    size_t n_slots; /* a power of two */
};

static const char *const special[WG_SPECIALS] = {"<pad>", "<unk>", "<s>", "</s>"};

#define ROTL(x, b) ((x) << (b) | (x) >> (64 - (b)))
#define SIPROUND(v)                                        \
    do {                                                   \
        v[0] += v[1], v[1] = ROTL(v[1], 13), v[1] ^= v[0]; \
        v[0] = ROTL(v[0], 32);                             \
        v[2] += v[3], v[3] = ROTL(v[3], 16), v[3] ^= v[2]; \
        v[0] += v[3], v[3] = ROTL(v[3], 21), v[3] ^= v[0]; \
        v[2] += v[1], v[1] = ROTL(v[1], 17), v[1] ^= v[2]; \
        v[2] = ROTL(v[2], 32);                             \
    } while (0)

/* SipHash-1-3 (Aumasson & Bernstein 2012), folded to 32 bits. */
static uint32_t hash_word(const uint64_t key[2], const char *word, size_t length)
{
    uint64_t v[4] = {key[0] ^ UINT64_C(0x736f6d6570736575), key[1] ^ UINT64_C(0x646f72616e646f6d),
                     key[0] ^ UINT64_C(0x6c7967656e657261), key[1] ^ UINT64_C(0x7465646279746573)};
    size_t left = length;
    for (; left >= 8; word += 8, left -= 8) {
        uint64_t m;
        memcpy(&m, word, sizeof m);
        v[3] ^= m;
        SIPROUND(v);
        v[0] ^= m;
    }
    uint64_t last = (uint64_t)length << 56;
    for (size_t i = 0; i < left; i++) last |= (uint64_t)(unsigned char)word[i] << (8 * i);
    v[3] ^= last;
    SIPROUND(v);
    v[0] ^= last;
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++) SIPROUND(v);
    uint64_t h = v[0] ^ v[1] ^ v[2] ^ v[3];
    return (uint32_t)(h ^ h >> 32);
}

/* The slot that holds the word, or the free one where it belongs. */
static size_t find_slot(const wg_vocab *v, const char *word, size_t length, uint32_t hash)
{
    size_t mask = v->n_slots - 1, slot = hash & mask;
    for (;; slot = (slot + 1) & mask) {
        if (!v->slots[slot]) return slot;
        const entry *e = &v->entries[v->slots[slot] - 1];
        if (e->hash == hash && e->length == length &&
            memcmp(v->words.data + e->at, word, length) == 0)
            return slot;
    }
}

static bool grow_slots(wg_vocab *v)
{
    size_t n = v->n_slots ? v->n_slots * 2 : 64;
    int32_t *slots = wg_calloc(n, sizeof *slots);
    if (!slots) return false;
    for (size_t i = 0; i < v->size; i++) {
        size_t slot = v->entries[i].hash & (n - 1);
        while (slots[slot]) slot = (slot + 1) & (n - 1);
        slots[slot] = (int32_t)i + 1;
    }
    wg_free(v->slots);
    v->slots = slots;
    v->n_slots = n;
    return true;
}

static bool grow_entries(wg_vocab *v)
{
    size_t capacity = v->capacity ? v->capacity * 2 : 64;
    entry *entries = wg_reallocarray(v->entries, capacity, sizeof *entries);
    if (!entries) return false;
    v->entries = entries;
    v->capacity = capacity;
    return true;
}

static wg_status no_memory(wg_error *err)
{
    return wg_error_set(err, WG_ENOMEM, "vocabulary: out of memory");
}

wg_status wg__vocab_intern(wg_vocab *v, const char *word, size_t length, uint64_t count,
                           int32_t *number, wg_error *err)
{
    if (v->finished)
        return wg_error_set(err, WG_ESTATE, "vocabulary: cannot add words to a finished one");
    if (length == 0 || length > MAX_WORD)
        return wg_error_set(err, length ? WG_ELIMIT : WG_EINVAL,
                            "vocabulary: a word must have 1 to %d bytes, not %zu", MAX_WORD,
                            length);
    uint32_t hash = hash_word(v->key, word, length);
    if (v->n_slots) {
        size_t slot = find_slot(v, word, length, hash);
        if (v->slots[slot]) {
            entry *e = &v->entries[v->slots[slot] - 1];
            e->count = e->count > UINT64_MAX - count ? UINT64_MAX : e->count + count;
            *number = v->slots[slot] - 1;
            return WG_OK;
        }
    }
    if (memchr(word, 0, length))
        return wg_error_set(err, WG_EFORMAT, "vocabulary: a word holds a NUL byte");
    if (wg__utf8_valid(word, length) < length)
        return wg_error_set(err, WG_EFORMAT, "vocabulary: a word is not valid UTF-8");
    if (v->size >= INT32_MAX / 2)
        return wg_error_set(err, WG_ELIMIT, "vocabulary: more than %d words", INT32_MAX / 2);
    if (v->size == v->capacity && !grow_entries(v)) return no_memory(err);
    if (2 * (v->size + 1) > v->n_slots && !grow_slots(v)) return no_memory(err);
    /* One reservation, so that a failure leaves no half word behind. */
    size_t at = v->words.size;
    if (!wg__buf_reserve(&v->words, length + 1)) {
        v->words.failed = false;
        return no_memory(err);
    }
    wg__buf_add(&v->words, word, length);
    wg__buf_add(&v->words, "", 1);
    size_t slot = find_slot(v, word, length, hash);
    v->entries[v->size] = (entry){at, (uint32_t)length, hash, count};
    v->slots[slot] = (int32_t)v->size + 1;
    *number = (int32_t)v->size++;
    return WG_OK;
}

wg_status wg_vocab_new(wg_vocab **out, wg_error *err)
{
    *out = NULL;
    wg_vocab *v = wg_calloc(1, sizeof *v);
    if (!v) return no_memory(err);
    if (uv_random(NULL, NULL, v->key, sizeof v->key, 0, NULL) != 0) {
        /* No entropy (an old kernel in a sandbox): an address is at least not in the file. */
        v->key[0] = (uint64_t)(uintptr_t)v * UINT64_C(0x9e3779b97f4a7c15);
        v->key[1] = ~v->key[0];
    }
    for (int i = 0; i < WG_SPECIALS; i++) {
        int32_t number;
        wg_status status = wg__vocab_intern(v, special[i], strlen(special[i]), 0, &number, err);
        if (status != WG_OK) {
            wg_vocab_free(v);
            return status;
        }
    }
    *out = v;
    return WG_OK;
}

void wg_vocab_free(wg_vocab *v)
{
    if (!v) return;
    wg__buf_free(&v->words);
    wg_free(v->entries);
    wg_free(v->slots);
    wg_free(v);
}

wg_status wg_vocab_add(wg_vocab *v, const char *word, size_t length, uint64_t count, wg_error *err)
{
    int32_t number;
    return wg__vocab_intern(v, word, length, count, &number, err);
}

wg_status wg_vocab_add_line(wg_vocab *v, const char *line, size_t length, wg_error *err)
{
    const char *token, *end = line + length;
    size_t size;
    while (wg_next_token(&line, end, &token, &size)) {
        wg_status status = wg_vocab_add(v, token, size, 1, err);
        if (status != WG_OK) return status;
    }
    return WG_OK;
}

typedef struct ranked {
    const char *word;
    entry e;
} ranked;

static int compare_ranked(const void *x, const void *y)
{
    const ranked *a = x, *b = y;
    if (a->e.count != b->e.count) return a->e.count > b->e.count ? -1 : 1;
    /* Words hold no NUL, so strcmp compares bytes; all are different. */
    return strcmp(a->word, b->word);
}

wg_status wg_vocab_finish(wg_vocab *v, uint64_t min_count, size_t max_size, wg_error *err)
{
    if (v->finished) return wg_error_set(err, WG_ESTATE, "vocabulary: finished twice");
    if (max_size > 0 && max_size < WG_SPECIALS)
        return wg_error_set(err, WG_EINVAL,
                            "vocabulary: a size of %zu leaves no room for the %d special symbols",
                            max_size, WG_SPECIALS);
    if (min_count == 0) min_count = 1;
    size_t n = v->size - WG_SPECIALS;
    ranked *order = wg_reallocarray(NULL, n, sizeof *order);
    if (!order) return no_memory(err);
    for (size_t i = 0; i < n; i++) {
        order[i].e = v->entries[WG_SPECIALS + i];
        order[i].word = v->words.data + order[i].e.at;
    }
    qsort(order, n, sizeof *order, compare_ranked);
    size_t keep = 0;
    while (keep < n && order[keep].e.count >= min_count) keep++;
    if (max_size > 0 && keep > max_size - WG_SPECIALS) keep = max_size - WG_SPECIALS;
    for (size_t i = keep; i < n; i++) {
        uint64_t count = order[i].e.count;
        uint64_t *unk = &v->entries[WG_UNK].count;
        *unk = *unk > UINT64_MAX - count ? UINT64_MAX : *unk + count;
    }
    for (size_t i = 0; i < keep; i++) v->entries[WG_SPECIALS + i] = order[i].e;
    wg_free(order);
    v->size = WG_SPECIALS + keep;
    /* The same slots serve: there are enough, and refilling them cannot fail. */
    memset(v->slots, 0, v->n_slots * sizeof *v->slots);
    for (size_t i = 0; i < v->size; i++) {
        size_t slot = v->entries[i].hash & (v->n_slots - 1);
        while (v->slots[slot]) slot = (slot + 1) & (v->n_slots - 1);
        v->slots[slot] = (int32_t)i + 1;
    }
    v->finished = true;
    return WG_OK;
}

int32_t wg_vocab_size(const wg_vocab *v)
{
    return (int32_t)v->size;
}

int32_t wg_vocab_find(const wg_vocab *v, const char *word, size_t length)
{
    if (!v->finished || length == 0 || length > MAX_WORD) return -1;
    return v->slots[find_slot(v, word, length, hash_word(v->key, word, length))] - 1;
}

int32_t wg_vocab_id(const wg_vocab *v, const char *word, size_t length)
{
    int32_t id = wg_vocab_find(v, word, length);
    return id < WG_SPECIALS ? WG_UNK : id;
}

const char *wg_vocab_word(const wg_vocab *v, int32_t id)
{
    if (id < 0 || (size_t)id >= v->size) return NULL;
    return v->words.data + v->entries[id].at;
}

void wg__vocab_count(wg_vocab *v, int32_t number)
{
    uint64_t *count = &v->entries[number].count;
    if (*count < UINT64_MAX) ++*count;
}

size_t wg__vocab_length(const wg_vocab *v, int32_t number)
{
    return v->entries[number].length;
}

uint64_t wg_vocab_count(const wg_vocab *v, int32_t id)
{
    return id < 0 || (size_t)id >= v->size ? 0 : v->entries[id].count;
}

size_t wg_vocab_encode(const wg_vocab *v, const char *line, size_t length, int32_t *ids,
                       size_t capacity)
{
    const char *token, *end = line + length;
    size_t size, n = 0;
    while (wg_next_token(&line, end, &token, &size)) {
        if (n < capacity) ids[n] = wg_vocab_id(v, token, size);
        n++;
    }
    return n;
}

wg_status wg_vocab_decode(const wg_vocab *v, const int32_t *ids, size_t count, char **text,
                          wg_error *err)
{
    wg__buf buf = {0};
    *text = NULL;
    for (size_t i = 0; i < count; i++) {
        const char *word = wg_vocab_word(v, ids[i]);
        if (!word) {
            wg__buf_free(&buf);
            return wg_error_set(err, WG_EINVAL, "vocabulary: id %d is outside [0, %d)", (int)ids[i],
                                (int)wg_vocab_size(v));
        }
        if (ids[i] == WG_PAD || ids[i] == WG_BOS || ids[i] == WG_EOS) continue;
        if (buf.size) wg__buf_add(&buf, " ", 1);
        wg__buf_text(&buf, word);
    }
    *text = wg__buf_take(&buf, NULL);
    return *text ? WG_OK : no_memory(err);
}
