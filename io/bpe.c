/* Cutting words by the rules of byte-pair encoding. Rules are applied as they were learnt: the
 * earliest one that fits anywhere in the word, at all its places from left to right, then again. */
#include <wengert/subword.h>

#include <string.h>
#include <utf8proc.h>

#include <wengert/memory.h>
#include <wengert/textfile.h>

#include "buffer.h"
#include "subword_private.h"
#include "vocab_table.h"

enum { NONE = -1, MOST_BYTES = 1 << 24, CACHED_WORDS = 1 << 16, CACHED_BYTES = 1 << 24 };
#define NOT_CUT SIZE_MAX /* pieces of a word that memory ran out for */

/* A symbol of the word in hand; a linked list in an array. */
typedef struct part {
    int32_t symbol; /* NONE: a character that the rules do not know */
    int32_t next, last;
    int32_t from, size; /* bytes of the word; size 0: swallowed by a merge */
} part;

struct wg_segmenter {
    const wg_subwords *rules;
    const wg_vocab *known;
    /* the word in hand */
    part *parts;
    uint64_t *heap; /* rule << 32 | place */
    int32_t *stack;
    uint64_t *later; /* heap entries that wait until the rule in progress is done */
    size_t room, n_heap, room_heap, n_later, room_later, room_stack;
    /* pieces of the words cut so far: text, where each begins, and ids */
    wg__buf text;
    size_t *offset;
    int32_t *id;
    size_t pieces, room_pieces;
    wg_vocab *cache; /* numbers the words */
    struct cached {
        size_t first, n;
    } * cached;
    int32_t room_cached;
    const char **shown; /* what wg_pieces points to */
    size_t room_shown;
};

static wg_status no_memory(wg_error *err)
{
    return wg_error_set(err, WG_ENOMEM, "subwords: out of memory");
}

/* Room for `need` elements; false: out of memory. */
#define GROW(array, room, need) grow((void **)&(array), &(room), (need), sizeof *(array))
static bool grow(void **array, size_t *room, size_t need, size_t size)
{
    if (need <= *room) return true;
    size_t more = need + need / 2 + 16;
    void *p = wg_reallocarray(*array, more, size);
    if (!p) return false;
    *array = p;
    *room = more;
    return true;
}

wg_status wg_segmenter_new(const wg_subwords *subwords, const wg_vocab *known, wg_segmenter **out,
                           wg_error *err)
{
    *out = NULL;
    wg_segmenter *g = wg_calloc(1, sizeof *g);
    if (!g) return no_memory(err);
    g->rules = subwords;
    g->known = known;
    wg_status status = wg_vocab_new(&g->cache, err);
    if (status) {
        wg_segmenter_free(g);
        return status;
    }
    *out = g;
    return WG_OK;
}

void wg_segmenter_free(wg_segmenter *g)
{
    if (!g) return;
    wg_free(g->parts);
    wg_free(g->heap);
    wg_free(g->stack);
    wg_free(g->later);
    wg__buf_free(&g->text);
    wg_free(g->offset);
    wg_free(g->id);
    wg_vocab_free(g->cache);
    wg_free(g->cached);
    wg_free(g->shown);
    wg_free(g);
}

/* ---- pieces ---- */

/* Appends a piece; its text has been put behind g->text by the caller, from `at`. */
static bool keep_piece(wg_segmenter *g, size_t at, int32_t id)
{
    if (g->pieces == g->room_pieces) {
        size_t rooms[2] = {g->room_pieces, g->room_pieces};
        if (!GROW(g->offset, rooms[0], g->pieces + 1) || !GROW(g->id, rooms[1], g->pieces + 1))
            return false;
        g->room_pieces = rooms[0] < rooms[1] ? rooms[0] : rooms[1];
    }
    g->offset[g->pieces] = at;
    g->id[g->pieces++] = id;
    wg__buf_add(&g->text, "", 1);
    return !g->text.failed;
}

static int32_t id_of(const wg_segmenter *g, size_t at)
{
    return g->known ? wg_vocab_id(g->known, g->text.data + at, g->text.size - at) : WG_UNK;
}

static bool emit_bytes(wg_segmenter *g, const char *bytes, size_t n, bool end)
{
    for (size_t i = 0; i < n; i++) {
        size_t at = g->text.size;
        wg__buf_printf(&g->text, "<0x%02X>", (unsigned)(unsigned char)bytes[i]);
        if (!end || i + 1 < n) wg__buf_text(&g->text, WG_SUBWORD_MARKER);
        if (g->text.failed || !keep_piece(g, at, id_of(g, at))) return false;
    }
    return true;
}

/* Writes a symbol as one piece, or as those that it was made of where it may not stand. */
static bool emit(wg_segmenter *g, int32_t symbol)
{
    size_t n = 0;
    if (!GROW(g->stack, g->room_stack, 1)) return false;
    g->stack[n++] = symbol;
    while (n) {
        size_t length, at = g->text.size;
        bool end;
        symbol = g->stack[--n];
        const wg__symbol *info = &g->rules->symbol[symbol];
        const char *text = wg__subwords_text(g->rules, symbol, &length, &end);
        if (!info->reserved) {
            wg__buf_add(&g->text, text, length);
            if (!end) wg__buf_text(&g->text, WG_SUBWORD_MARKER);
            if (g->text.failed) return false;
            int32_t id = id_of(g, at);
            if (!g->known || id != WG_UNK) {
                if (!keep_piece(g, at, id)) return false;
                continue;
            }
            g->text.size = at;
        }
        if (wg__is_character(g->rules, symbol)) {
            if (!emit_bytes(g, text, length, end)) return false;
            continue;
        }
        if (!GROW(g->stack, g->room_stack, n + 2)) return false;
        g->stack[n++] = info->right;
        g->stack[n++] = info->left;
    }
    return true;
}

/* ---- merging ---- */

static bool heap_push(wg_segmenter *g, uint64_t e)
{
    if (!GROW(g->heap, g->room_heap, g->n_heap + 1)) return false;
    size_t at = g->n_heap++;
    for (; at > 0 && e < g->heap[(at - 1) / 2]; at = (at - 1) / 2)
        g->heap[at] = g->heap[(at - 1) / 2];
    g->heap[at] = e;
    return true;
}

static uint64_t heap_pop(wg_segmenter *g)
{
    uint64_t top = g->heap[0], e = g->heap[--g->n_heap];
    size_t at = 0, child;
    while ((child = 2 * at + 1) < g->n_heap) {
        if (child + 1 < g->n_heap && g->heap[child + 1] < g->heap[child]) child++;
        if (g->heap[child] >= e) break;
        g->heap[at] = g->heap[child];
        at = child;
    }
    if (g->n_heap) g->heap[at] = e;
    return top;
}

/* The rule for the pair that begins here, or NONE. */
static int32_t rule_at(const wg_segmenter *g, int32_t at)
{
    const part *p = &g->parts[at];
    if (p->symbol == NONE || p->next == NONE || g->parts[p->next].symbol == NONE) return NONE;
    return wg__pair_table_find(&g->rules->pairs, p->symbol, g->parts[p->next].symbol);
}

static bool wait_for(wg_segmenter *g, int32_t at)
{
    int32_t rule = at == NONE ? NONE : rule_at(g, at);
    if (rule == NONE) return true;
    if (!GROW(g->later, g->room_later, g->n_later + 1)) return false;
    g->later[g->n_later++] = (uint64_t)(uint32_t)rule << 32 | (uint32_t)at;
    return true;
}

static bool merge_all(wg_segmenter *g, int32_t n)
{
    g->n_heap = g->n_later = 0;
    for (int32_t i = 0; i < n; i++)
        if (!wait_for(g, i)) return false;
    for (;;) {
        while (g->n_later)
            if (!heap_push(g, g->later[--g->n_later])) return false;
        if (!g->n_heap) return true;
        /* All places of one rule; what they give rise to waits. */
        const int32_t rule = (int32_t)(g->heap[0] >> 32);
        while (g->n_heap && (int32_t)(g->heap[0] >> 32) == rule) {
            int32_t at = (int32_t)(uint32_t)heap_pop(g);
            if (g->parts[at].size == 0 || rule_at(g, at) != rule) continue;
            part *p = &g->parts[at], *q = &g->parts[p->next];
            p->symbol = g->rules->rule[rule].made;
            p->size += q->size;
            p->next = q->next;
            q->size = 0;
            q->symbol = NONE;
            if (p->next != NONE) g->parts[p->next].last = at;
            if (!wait_for(g, p->last) || !wait_for(g, at)) return false;
        }
    }
}

static bool split(wg_segmenter *g, const char *word, size_t length, int32_t *n)
{
    size_t at = 0;
    *n = 0;
    while (at < length) {
        utf8proc_int32_t code;
        utf8proc_ssize_t size = utf8proc_iterate((const utf8proc_uint8_t *)word + at,
                                                 (utf8proc_ssize_t)(length - at), &code);
        if (!GROW(g->parts, g->room, (size_t)*n + 1)) return false;
        if (size <= 0) {
            size = 1;
            code = NONE;
        }
        bool end = at + (size_t)size == length;
        g->parts[*n] = (part){code < 0 ? NONE : wg__subwords_character(g->rules, code, end),
                              end ? NONE : *n + 1, *n - 1, (int32_t)at, (int32_t)size};
        at += (size_t)size;
        ++*n;
    }
    return true;
}

static bool cut(wg_segmenter *g, const char *word, size_t length)
{
    int32_t n = 0;
    if (!split(g, word, length, &n) || !merge_all(g, n)) return false;
    for (int32_t at = n ? 0 : NONE; at != NONE; at = g->parts[at].next) {
        const part *p = &g->parts[at];
        if (p->symbol != NONE ? !emit(g, p->symbol)
                              : !emit_bytes(g, word + p->from, (size_t)p->size, p->next == NONE))
            return false;
    }
    return true;
}

/* ---- the cache ---- */

static wg_status forget(wg_segmenter *g, wg_error *err)
{
    wg_vocab *fresh = NULL;
    wg_status status = wg_vocab_new(&fresh, err);
    if (status) return status;
    wg_vocab_free(g->cache);
    g->cache = fresh;
    g->pieces = 0;
    g->text.size = 0;
    return WG_OK;
}

/* Where the pieces of the word lie, found or made. */
static wg_status look_up(wg_segmenter *g, const char *word, size_t length, struct cached *where,
                         wg_error *err)
{
    int32_t before, number = 0;
    wg_status status = WG_OK;
    if (wg_vocab_size(g->cache) > CACHED_WORDS || g->text.size > CACHED_BYTES)
        status = forget(g, err);
    if (status) return status;
    before = wg_vocab_size(g->cache);
    size_t room = (size_t)g->room_cached, text = g->text.size;
    if (!GROW(g->cached, room, (size_t)before + 1)) return no_memory(err);
    g->room_cached = (int32_t)room;
    /* The names of the special symbols are in the table from the start, without pieces. */
    bool cached = length <= 256 && !wg__vocab_intern(g->cache, word, length, 0, &number, NULL) &&
                  number >= WG_SPECIALS;
    if (cached && number < before && g->cached[number].n != NOT_CUT) {
        *where = g->cached[number];
        return WG_OK;
    }
    if (cached) g->cached[number] = (struct cached){0, NOT_CUT};
    *where = (struct cached){g->pieces, 0};
    if (!cut(g, word, length)) {
        g->pieces = where->first;
        g->text.failed = false;
        g->text.size = text;
        return no_memory(err);
    }
    where->n = g->pieces - where->first;
    if (cached) g->cached[number] = *where;
    return WG_OK;
}

wg_status wg_segmenter_word(wg_segmenter *g, const char *word, size_t length, wg_pieces *pieces,
                            wg_error *err)
{
    struct cached where;
    *pieces = (wg_pieces){0};
    if (length > MOST_BYTES)
        return wg_error_set(err, WG_ELIMIT, "subwords: a word of more than %d bytes", MOST_BYTES);
    wg_status status = look_up(g, word, length, &where, err);
    if (status) return status;
    if (!GROW(g->shown, g->room_shown, where.n + 1)) return no_memory(err);
    for (size_t i = 0; i < where.n; i++) g->shown[i] = g->text.data + g->offset[where.first + i];
    *pieces = (wg_pieces){where.n, g->shown, g->id ? g->id + where.first : NULL};
    return WG_OK;
}

wg_status wg_segmenter_line(wg_segmenter *g, const char *line, size_t length, char **text,
                            wg_error *err)
{
    wg__buf out = {0};
    wg_status status = WG_OK;
    const char *at = line, *from = line, *end = line + length, *token;
    size_t n;
    *text = NULL;
    while (!status && wg_next_token(&at, end, &token, &n)) {
        wg_pieces pieces;
        wg__buf_add(&out, from, (size_t)(token - from));
        status = wg_segmenter_word(g, token, n, &pieces, err);
        for (size_t i = 0; i < pieces.n; i++) {
            if (i) wg__buf_add(&out, " ", 1);
            wg__buf_text(&out, pieces.text[i]);
        }
        from = at;
    }
    wg__buf_add(&out, from, (size_t)(end - from));
    if (!status) {
        *text = wg__buf_take(&out, NULL);
        if (!*text) status = no_memory(err);
    }
    wg__buf_free(&out);
    return status;
}
