/* Learning the merges of byte-pair encoding (Sennrich et al. 2016, algorithm 1), incrementally:
 * each pair knows where it occurs, so a merge costs as much as its own occurrences, and a heap with
 * late corrections gives the most frequent pair. In all n log n for n characters of different
 * words. */
#include <wengert/subword.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include <wengert/memory.h>

#include "pair_table.h"
#include "subword_private.h"
#include "vocab_table.h"

enum { LONGEST_WORD = 4096, NONE = -1 };

/* A place in the text of all words, which lie behind each other, a NONE between two. */
typedef struct place {
    int32_t symbol;     /* NONE: between words, swallowed by a merge, or not in the alphabet */
    int32_t next, last; /* places of the neighbours in the word, or NONE */
    int32_t word;
} place;

typedef struct pair {
    int32_t left, right;
    uint64_t count;
    int32_t *at; /* where it occurs, and maybe places where it no longer does */
    int32_t n, room;
} pair;

typedef struct entry {
    uint64_t count; /* of the pair when it was put in: never less than its count now */
    int32_t pair;
} entry;

typedef struct learner {
    wg_subwords *rules;
    place *places;
    int32_t n_places;
    uint64_t *count; /* of each word */
    pair *pairs;
    int32_t n_pairs, room_pairs;
    wg__pair_table table;
    entry *heap;
    size_t n_heap, room_heap;
    int32_t *touched; /* pairs that the merge in progress made more frequent */
    size_t n_touched, room_touched;
} learner;

static wg_status no_memory(wg_error *err)
{
    return wg_error_set(err, WG_ENOMEM, "subwords: out of memory");
}

/* ---- the order of pairs ---- */

/* Compares two symbols as subword-nmt does: by their text, with "</w>" behind the end of a word. */
static int compare_symbols(const wg_subwords *s, int32_t a, int32_t b)
{
    if (a == b) return 0;
    static const char mark[] = "</w>";
    const char *text[2];
    size_t n[2];
    bool end[2];
    text[0] = wg__subwords_text(s, a, &n[0], &end[0]);
    text[1] = wg__subwords_text(s, b, &n[1], &end[1]);
    size_t total[2] = {n[0] + (end[0] ? 4 : 0), n[1] + (end[1] ? 4 : 0)};
    size_t common = n[0] < n[1] ? n[0] : n[1];
    int order = memcmp(text[0], text[1], common);
    for (size_t i = common; order == 0 && i < total[0] && i < total[1]; i++) {
        unsigned char c[2];
        for (int k = 0; k < 2; k++) c[k] = (unsigned char)(i < n[k] ? text[k][i] : mark[i - n[k]]);
        order = (int)c[0] - (int)c[1];
    }
    if (order == 0) order = total[0] < total[1] ? -1 : total[0] > total[1];
    /* Only text that spells "</w>" itself comes here. */
    return order ? order : end[0] - end[1];
}

/* Does a come out of the heap before b? */
static bool before(const learner *l, entry a, entry b)
{
    if (a.count != b.count) return a.count > b.count;
    const pair *p = &l->pairs[a.pair], *q = &l->pairs[b.pair];
    int order = compare_symbols(l->rules, p->left, q->left);
    if (order == 0) order = compare_symbols(l->rules, p->right, q->right);
    return order > 0;
}

static bool push(learner *l, int32_t which)
{
    if (l->n_heap == l->room_heap) {
        size_t room = 2 * l->room_heap + 1024;
        entry *heap = wg_reallocarray(l->heap, room, sizeof *heap);
        if (!heap) return false;
        l->heap = heap;
        l->room_heap = room;
    }
    entry e = {l->pairs[which].count, which};
    size_t at = l->n_heap++;
    for (; at > 0 && before(l, e, l->heap[(at - 1) / 2]); at = (at - 1) / 2)
        l->heap[at] = l->heap[(at - 1) / 2];
    l->heap[at] = e;
    return true;
}

static entry pop(learner *l)
{
    entry top = l->heap[0], e = l->heap[--l->n_heap];
    size_t at = 0, child;
    while ((child = 2 * at + 1) < l->n_heap) {
        if (child + 1 < l->n_heap && before(l, l->heap[child + 1], l->heap[child])) child++;
        if (!before(l, l->heap[child], e)) break;
        l->heap[at] = l->heap[child];
        at = child;
    }
    if (l->n_heap) l->heap[at] = e;
    return top;
}

/* ---- counting ---- */

/* The pair of two symbols, new where it must be; NULL: out of memory. */
static pair *find_pair(learner *l, int32_t left, int32_t right)
{
    int32_t which = wg__pair_table_find(&l->table, left, right);
    if (which >= 0) return &l->pairs[which];
    if (l->n_pairs == l->room_pairs) {
        int32_t room = 2 * l->room_pairs + 1024;
        pair *pairs = wg_reallocarray(l->pairs, (size_t)room, sizeof *pairs);
        if (!pairs) return NULL;
        l->pairs = pairs;
        l->room_pairs = room;
    }
    if (!wg__pair_table_add(&l->table, left, right, l->n_pairs)) return NULL;
    l->pairs[l->n_pairs] = (pair){.left = left, .right = right};
    return &l->pairs[l->n_pairs++];
}

/* The pair that begins at this place came up; false: out of memory. */
static bool count_up(learner *l, int32_t at, bool touch)
{
    const place *p = &l->places[at];
    if (p->symbol == NONE || p->next == NONE || l->places[p->next].symbol == NONE) return true;
    pair *q = find_pair(l, p->symbol, l->places[p->next].symbol);
    if (!q) return false;
    if (q->n == q->room) {
        int32_t room = 2 * q->room + 4;
        int32_t *list = wg_reallocarray(q->at, (size_t)room, sizeof *list);
        if (!list) return false;
        q->at = list;
        q->room = room;
    }
    q->at[q->n++] = at;
    q->count += l->count[p->word];
    if (!touch) return true;
    if (l->n_touched == l->room_touched) {
        size_t room = 2 * l->room_touched + 64;
        int32_t *touched = wg_reallocarray(l->touched, room, sizeof *touched);
        if (!touched) return false;
        l->touched = touched;
        l->room_touched = room;
    }
    l->touched[l->n_touched++] = (int32_t)(q - l->pairs);
    return true;
}

/* The pair that begins at this place goes. Its place stays in the list: what is found there is
 * compared before it is merged. */
static void count_down(learner *l, int32_t at)
{
    if (at == NONE) return;
    const place *p = &l->places[at];
    if (p->symbol == NONE || p->next == NONE || l->places[p->next].symbol == NONE) return;
    int32_t which = wg__pair_table_find(&l->table, p->symbol, l->places[p->next].symbol);
    if (which >= 0) l->pairs[which].count -= l->count[p->word];
}

static int compare_places(const void *x, const void *y)
{
    int32_t a = *(const int32_t *)x, b = *(const int32_t *)y;
    return a < b ? -1 : a > b;
}

/* Makes the pair one symbol wherever it occurs, from left to right. */
static bool merge(learner *l, int32_t which, int32_t made)
{
    /* The list is taken out: pairs may move, and this one may come up again next to itself. */
    int32_t *list = l->pairs[which].at, n = l->pairs[which].n;
    const int32_t left = l->pairs[which].left, right = l->pairs[which].right;
    bool good = true;
    l->pairs[which].at = NULL;
    l->pairs[which].n = l->pairs[which].room = 0;
    l->n_touched = 0;
    qsort(list, (size_t)n, sizeof *list, compare_places);
    for (int32_t i = 0; i < n && good; i++) {
        int32_t at = list[i];
        place *p = &l->places[at];
        if (p->symbol != left || p->next == NONE || l->places[p->next].symbol != right) continue;
        place *q = &l->places[p->next];
        count_down(l, p->last);
        count_down(l, at);
        count_down(l, p->next);
        p->symbol = made;
        p->next = q->next;
        q->symbol = NONE;
        if (p->next != NONE) l->places[p->next].last = at;
        if (p->last != NONE) good = count_up(l, p->last, true);
        good = good && count_up(l, at, true);
    }
    wg_free(list);
    /* A pair stands in `touched` once for each occurrence; the heap needs it once. */
    if (l->n_touched > 1) qsort(l->touched, l->n_touched, sizeof *l->touched, compare_places);
    for (size_t i = 0; i < l->n_touched && good; i++)
        if (i == 0 || l->touched[i] != l->touched[i - 1]) good = push(l, l->touched[i]);
    return good;
}

/* ---- words ---- */

typedef struct character {
    int32_t code;
    uint64_t count;
} character;

static int compare_characters(const void *x, const void *y)
{
    int32_t a = ((const character *)x)->code, b = ((const character *)y)->code;
    return a < b ? -1 : a > b;
}

static int32_t next_code(const char **text, const char *end)
{
    utf8proc_int32_t code;
    utf8proc_ssize_t n =
        utf8proc_iterate((const utf8proc_uint8_t *)*text, (utf8proc_ssize_t)(end - *text), &code);
    *text += n > 0 ? n : 1; /* words of a vocabulary are valid */
    return code;
}

static bool is_learnt(const wg_vocab *words, int32_t w)
{
    return wg__vocab_length(words, w) <= LONGEST_WORD && wg_vocab_count(words, w) > 0;
}

/* How many places the words need; WG_ELIMIT where numbers of 32 bits, or counts, would run over. */
static wg_status measure(const wg_vocab *words, int32_t *places, wg_error *err)
{
    uint64_t bytes = 0, weight = 0;
    for (int32_t w = WG_SPECIALS; w < wg_vocab_size(words); w++) {
        uint64_t n = wg__vocab_length(words, w) + 1, count = wg_vocab_count(words, w);
        if (!is_learnt(words, w)) continue;
        if (count > (UINT64_MAX - weight) / n)
            return wg_error_set(err, WG_ELIMIT, "subwords: the counts of the words are too large");
        weight += n * count;
        bytes += n;
    }
    if (bytes >= INT32_MAX / 2)
        return wg_error_set(err, WG_ELIMIT,
                            "subwords: more than %d bytes of different words to learn from",
                            INT32_MAX / 2);
    *places = (int32_t)bytes;
    return WG_OK;
}

/* Characters that occur often enough, in order of their codes. */
static wg_status find_alphabet(const wg_vocab *words, uint64_t least, int32_t places,
                               wg_subwords **rules, wg_error *err)
{
    character *list = wg_reallocarray(NULL, (size_t)places + 1, sizeof *list);
    int32_t *alphabet = wg_reallocarray(NULL, (size_t)places + 1, sizeof *alphabet);
    int32_t n = 0, kept = 0;
    wg_status status = list && alphabet ? WG_OK : no_memory(err);
    for (int32_t w = WG_SPECIALS; w < wg_vocab_size(words) && !status; w++) {
        const char *text = wg_vocab_word(words, w), *end = text + wg__vocab_length(words, w);
        if (!is_learnt(words, w)) continue;
        while (text < end) list[n++] = (character){next_code(&text, end), wg_vocab_count(words, w)};
    }
    if (!status) qsort(list, (size_t)n, sizeof *list, compare_characters);
    for (int32_t i = 0, j; i < n; i = j) {
        uint64_t count = 0;
        for (j = i; j < n && list[j].code == list[i].code; j++) count += list[j].count;
        if (count >= least) alphabet[kept++] = list[i].code;
    }
    if (!status) status = wg__subwords_new(alphabet, kept, rules, err);
    wg_free(list);
    wg_free(alphabet);
    return status;
}

static void place_word(learner *l, const wg_vocab *words, int32_t w)
{
    const char *text = wg_vocab_word(words, w), *end = text + wg__vocab_length(words, w);
    int32_t last = NONE;
    while (text < end) {
        int32_t at = l->n_places++, code = next_code(&text, end);
        l->places[at] = (place){wg__subwords_character(l->rules, code, text == end), NONE, last, w};
        if (last != NONE) l->places[last].next = at;
        last = at;
    }
}

/* All words as characters, and their pairs counted. */
static bool lay_out(learner *l, const wg_vocab *words, int32_t places)
{
    int32_t n = wg_vocab_size(words);
    l->places = wg_reallocarray(NULL, (size_t)places + 1, sizeof *l->places);
    l->count = wg_reallocarray(NULL, (size_t)n, sizeof *l->count);
    if (!l->places || !l->count) return false;
    for (int32_t w = WG_SPECIALS; w < n; w++) {
        l->count[w] = wg_vocab_count(words, w);
        if (is_learnt(words, w)) place_word(l, words, w);
    }
    for (int32_t i = 0; i < l->n_places; i++)
        if (!count_up(l, i, false)) return false;
    for (int32_t i = 0; i < l->n_pairs; i++)
        if (!push(l, i)) return false;
    return true;
}

static wg_status learn(learner *l, int32_t merges, uint64_t least, wg_error *err)
{
    while (l->rules->rules < merges && l->n_heap) {
        entry top = pop(l);
        uint64_t now = l->pairs[top.pair].count;
        if (now < top.count) { /* less frequent since: it waits for its turn */
            if (now >= least && !push(l, top.pair)) return no_memory(err);
            continue;
        }
        if (now < least) break;
        /* A merged pair comes up again where a later rule makes one of its sides from other parts.
         * Its rule is there and would be applied at once. */
        const pair *p = &l->pairs[top.pair];
        int32_t rule = wg__pair_table_find(&l->rules->pairs, p->left, p->right), made;
        if (rule >= 0) {
            made = l->rules->rule[rule].made;
        } else {
            wg_status status = wg__subwords_add(l->rules, p->left, p->right, &made, err);
            if (status) return status;
        }
        if (!merge(l, top.pair, made)) return no_memory(err);
    }
    return WG_OK;
}

wg_status wg_subwords_learn(const wg_vocab *words, const wg_subwords_options *options,
                            wg_subwords **out, wg_error *err)
{
    wg_subwords_options o = {.size = sizeof o};
    *out = NULL;
    if (options && options->size >= sizeof o) o = *options;
    if (o.merges < 0) return wg_error_set(err, WG_EINVAL, "subwords: a negative number of merges");
    if (!o.merges) o.merges = 10000;
    if (!o.min_count) o.min_count = 2;
    if (!o.min_char_count) o.min_char_count = 2;
    learner l = {0};
    int32_t places = 0;
    wg__pair_table_init(&l.table);
    wg_status status = measure(words, &places, err);
    if (!status) status = find_alphabet(words, o.min_char_count, places, &l.rules, err);
    if (!status && !lay_out(&l, words, places)) status = no_memory(err);
    if (!status) status = learn(&l, o.merges, o.min_count, err);
    for (int32_t i = 0; i < l.n_pairs; i++) wg_free(l.pairs[i].at);
    wg_free(l.pairs);
    wg_free(l.places);
    wg_free(l.count);
    wg_free(l.heap);
    wg_free(l.touched);
    wg__pair_table_free(&l.table);
    if (status) {
        wg_subwords_free(l.rules);
        return status;
    }
    *out = l.rules;
    return WG_OK;
}
