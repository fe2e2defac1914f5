/* Corpora and sentences in pieces. Words are cut once each, whatever their number: a corpus keeps
 * numbers of a word table. */
#include <wengert/subword.h>

#include <stdio.h>
#include <string.h>
#include <utf8proc.h>

#include <wengert/memory.h>

#include "buffer.h"
#include "corpus_private.h"
#include "subword_private.h"
#include "vocab_table.h"

static wg_status no_memory(wg_error *err)
{
    return wg_error_set(err, WG_ENOMEM, "subwords: out of memory");
}

/* ---- vocabularies ---- */

/* Pieces of `words` by their counts. */
static wg_status count_pieces(const wg_subwords *s, const wg_vocab *words, wg_vocab *pieces,
                              wg_error *err)
{
    wg_segmenter *g = NULL;
    wg_status status = wg_segmenter_new(s, NULL, &g, err);
    for (int32_t w = 0; w < wg_vocab_size(words) && !status; w++) {
        wg_pieces p;
        uint64_t count = wg_vocab_count(words, w);
        if (count == 0 || w == WG_UNK) continue;
        status = wg_segmenter_word(g, wg_vocab_word(words, w), wg__vocab_length(words, w), &p, err);
        for (size_t i = 0; i < p.n && !status; i++)
            status = wg_vocab_add(pieces, p.text[i], strlen(p.text[i]), count, err);
    }
    wg_segmenter_free(g);
    return status;
}

/* Adds a piece that must be there, with the count that it has, or 1. */
static wg_status keep(wg_vocab *to, const wg_vocab *pieces, const char *text, size_t n,
                      wg_error *err)
{
    int32_t id = wg_vocab_find(pieces, text, n), number;
    uint64_t count = id < 0 ? 0 : wg_vocab_count(pieces, id);
    int32_t before = wg_vocab_size(to);
    wg_status status = wg__vocab_intern(to, text, n, 0, &number, err);
    if (status || number < before) return status; /* there already */
    return wg__vocab_intern(to, text, n, count ? count : 1, &number, err);
}

static wg_status keep_characters(const wg_subwords *s, const wg_vocab *pieces, wg_vocab *to,
                                 wg_error *err)
{
    for (int32_t i = WG_SPECIALS; wg__is_character(s, i); i++) {
        char text[16];
        size_t n;
        bool end;
        const char *character = wg__subwords_text(s, i, &n, &end);
        int size = snprintf(text, sizeof text, "%s%s", character, end ? "" : WG_SUBWORD_MARKER);
        wg_status status = keep(to, pieces, text, (size_t)size, err);
        if (status) return status;
    }
    return WG_OK;
}

/* Can this byte stand in the UTF-8 of a word, and at its end? */
static bool is_word_byte(int byte, bool end)
{
    if (byte == 0 || byte == ' ' || (byte >= '\t' && byte <= '\r')) return false;
    if (byte >= 0xc0) return !end && byte >= 0xc2 && byte <= 0xf4;
    return true;
}

static wg_status keep_bytes(const wg_vocab *pieces, bool all, wg_vocab *to, wg_error *err)
{
    for (int byte = 0; byte < 256; byte++)
        for (int end = 0; end < 2; end++) {
            char text[16];
            int n = snprintf(text, sizeof text, "<0x%02X>%s", (unsigned)byte,
                             end ? "" : WG_SUBWORD_MARKER);
            bool there = wg_vocab_find(pieces, text, (size_t)n) >= 0;
            if (!there && !(all && is_word_byte(byte, end))) continue;
            wg_status status = keep(to, pieces, text, (size_t)n, err);
            if (status) return status;
        }
    return WG_OK;
}

/* From all pieces, finished and so by falling count, to those that are wanted. */
static wg_status choose(const wg_subwords *s, const wg_vocab *pieces, uint64_t min_count,
                        size_t max_size, bool all_bytes, wg_vocab *to, wg_error *err)
{
    wg_status status = keep_characters(s, pieces, to, err);
    if (!status) status = keep_bytes(pieces, all_bytes, to, err);
    if (status) return status;
    if (max_size && (size_t)wg_vocab_size(to) > max_size)
        return wg_error_set(err, WG_EINVAL,
                            "subwords: a vocabulary of %zu does not hold the %d characters and "
                            "bytes",
                            max_size, (int)wg_vocab_size(to));
    for (int32_t id = WG_SPECIALS; id < wg_vocab_size(pieces) && !status; id++) {
        const char *text = wg_vocab_word(pieces, id);
        if (wg_vocab_count(pieces, id) < min_count) break;
        if (max_size && (size_t)wg_vocab_size(to) >= max_size) break;
        status = keep(to, pieces, text, strlen(text), err);
    }
    return status ? status : wg_vocab_finish(to, 1, max_size, err);
}

wg_status wg_subwords_vocab(const wg_subwords *s, const wg_corpus *corpus, unsigned sides,
                            const int64_t *subset, int64_t n, uint64_t min_count, size_t max_size,
                            bool all_bytes, wg_vocab **out, wg_error *err)
{
    wg_vocab *words = NULL, *pieces = NULL, *to = NULL;
    *out = NULL;
    wg_status status = wg_corpus_vocab(corpus, sides, subset, n, 1, 0, &words, err);
    if (!status) status = wg_vocab_new(&pieces, err);
    if (!status) status = count_pieces(s, words, pieces, err);
    if (!status) status = wg_vocab_finish(pieces, 1, 0, err);
    if (!status) status = wg_vocab_new(&to, err);
    if (!status) status = choose(s, pieces, min_count, max_size, all_bytes, to, err);
    wg_vocab_free(words);
    wg_vocab_free(pieces);
    if (status) {
        wg_vocab_free(to);
        return status;
    }
    *out = to;
    return WG_OK;
}

/* ---- corpora ---- */

/* What each word of a side becomes: numbers of pieces in another table. */
typedef struct mapping {
    size_t *start; /* [words + 1] */
    int32_t *piece;
    size_t n, room;
} mapping;

static wg_status map_words(const wg_subwords *s, const wg_vocab *known, const wg_vocab *words,
                           wg_vocab *table, mapping *m, wg_error *err)
{
    int32_t size = wg_vocab_size(words);
    wg_segmenter *g = NULL;
    m->start = wg_calloc((size_t)size + 1, sizeof *m->start);
    wg_status status = m->start ? wg_segmenter_new(s, known, &g, err) : no_memory(err);
    for (int32_t w = 0; w < size && !status; w++) {
        wg_pieces p;
        m->start[w] = m->n;
        status = wg_segmenter_word(g, wg_vocab_word(words, w), wg__vocab_length(words, w), &p, err);
        if (!status && m->n + p.n > m->room) {
            size_t room = 2 * (m->n + p.n) + 64;
            int32_t *piece = wg_reallocarray(m->piece, room, sizeof *piece);
            if (piece) {
                m->piece = piece;
                m->room = room;
            } else {
                status = no_memory(err);
            }
        }
        for (size_t i = 0; i < p.n && !status; i++)
            status =
                wg__vocab_intern(table, p.text[i], strlen(p.text[i]), 0, &m->piece[m->n++], err);
    }
    if (!status) m->start[size] = m->n;
    wg_segmenter_free(g);
    return status;
}

static wg_status map_side(const wg_corpus *c, int side, const mapping *m, wg_corpus *out,
                          wg_error *err)
{
    const wg__side *from = &c->side[side];
    wg__side *to = &out->side[side];
    wg_corpus_report *r = &out->report;
    size_t total = 0;
    for (size_t k = 0; k < from->n_words; k++)
        total += m->start[from->word[k] + 1] - m->start[from->word[k]];
    to->word = wg_reallocarray(NULL, total, sizeof *to->word);
    to->start = wg_reallocarray(NULL, (size_t)c->n + 1, sizeof *to->start);
    if (!to->word || !to->start) return no_memory(err);
    to->word_capacity = total;
    r->tokens[side] = (int64_t)total;
    r->longest[side] = 0;
    for (int64_t i = 0; i < c->n; i++) {
        to->start[i] = (int64_t)to->n_words;
        for (int64_t k = from->start[i]; k < from->start[i + 1]; k++)
            for (size_t j = m->start[from->word[k]]; j < m->start[from->word[k] + 1]; j++)
                to->word[to->n_words++] = m->piece[j];
        int64_t length = (int64_t)to->n_words - to->start[i];
        if (length > r->longest[side]) r->longest[side] = length;
    }
    to->start[c->n] = (int64_t)to->n_words;
    return WG_OK;
}

wg_status wg_subwords_corpus(const wg_subwords *s, const wg_corpus *c,
                             const wg_vocab *const known[2], wg_corpus **out, wg_error *err)
{
    *out = NULL;
    wg_corpus *made = wg_calloc(1, sizeof *made);
    if (!made) return no_memory(err);
    made->sides = c->sides;
    made->n = c->n;
    made->capacity = (size_t)c->n + 1;
    made->report = c->report;
    made->line = wg_reallocarray(NULL, (size_t)c->n + 1, sizeof *made->line);
    wg_status status = made->line ? WG_OK : no_memory(err);
    if (!status && c->n) memcpy(made->line, c->line, (size_t)c->n * sizeof *made->line);
    for (int side = 0; side < c->sides && !status; side++) {
        mapping m = {0};
        status = wg_vocab_new(&made->side[side].table, err);
        if (!status)
            status = map_words(s, known ? known[side] : NULL, c->side[side].table,
                               made->side[side].table, &m, err);
        if (!status) status = map_side(c, side, &m, made, err);
        wg_free(m.start);
        wg_free(m.piece);
    }
    if (status) {
        wg_corpus_free(made);
        return status;
    }
    *out = made;
    return WG_OK;
}

/* ---- running text ---- */

typedef struct cutting {
    wg__buf text;
    size_t *offset;
    int32_t *id;
    int64_t n, room;
} cutting;

static wg_status cut_word(cutting *c, wg_segmenter *g, const char *word, wg_error *err)
{
    wg_pieces p;
    wg_status status = wg_segmenter_word(g, word, strlen(word), &p, err);
    for (size_t i = 0; i < p.n && !status; i++) {
        if (c->n == c->room) {
            int64_t room = 2 * c->room + 64;
            size_t *offset = wg_reallocarray(c->offset, (size_t)room, sizeof *offset);
            if (!offset) return no_memory(err);
            c->offset = offset;
            int32_t *id = wg_reallocarray(c->id, (size_t)room, sizeof *id);
            if (!id) return no_memory(err);
            c->id = id;
            c->room = room;
        }
        c->offset[c->n] = c->text.size;
        c->id[c->n++] = p.id[i];
        wg__buf_add(&c->text, p.text[i], strlen(p.text[i]) + 1);
        if (c->text.failed) status = no_memory(err);
    }
    return status;
}

wg_status wg_sentences_segment(wg_sentences *s, wg_segmenter *g, wg_error *err)
{
    cutting c = {0};
    char **word = NULL;
    wg_status status = WG_OK;
    int64_t *start = wg_reallocarray(NULL, (size_t)s->n + 1, sizeof *start);
    if (!start) return no_memory(err);
    start[0] = 0;
    for (int64_t i = 0; i < s->n && !status; i++) {
        for (int64_t k = s->start[i]; k < s->start[i + 1] && !status; k++)
            status = cut_word(&c, g, s->word[k], err);
        start[i + 1] = c.n;
    }
    if (!status) {
        word = wg_reallocarray(NULL, (size_t)c.n + 1, sizeof *word);
        if (!word) status = no_memory(err);
    }
    if (status) {
        wg__buf_free(&c.text);
        wg_free(c.id);
        wg_free(start);
    } else {
        for (int64_t k = 0; k < c.n; k++) word[k] = c.text.data + c.offset[k];
        word[c.n] = NULL;
        wg_free(s->start);
        wg_free(s->word);
        wg_free(s->id);
        wg_free(s->text);
        s->start = start;
        s->word = word;
        s->id = c.id;
        s->text = c.text.data;
    }
    wg_free(c.offset);
    return status;
}
