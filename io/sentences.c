/* Pieces of running text. Words are gathered as offsets into one growing text, which may move; they
 * become pointers when the piece is complete. */
#include <wengert/sentences.h>

#include <string.h>

#include <wengert/memory.h>

#include "buffer.h"
#include "utf8.h"

typedef struct gathering {
    wg_sentences *s;
    wg__buf text, lower;
    size_t *offset; /* of each word in text */
    int64_t words, room_words, room;
} gathering;

static wg_status no_memory(wg_error *err)
{
    return wg_error_set(err, WG_ENOMEM, "sentences: out of memory");
}

void wg_sentences_free(wg_sentences *s)
{
    if (!s) return;
    wg_free(s->start);
    wg_free(s->word);
    wg_free(s->id);
    wg_free(s->text);
    wg_free(s);
}

static bool add_word(gathering *g, const wg_vocab *vocab, const char *word, size_t length)
{
    if (g->words == g->room_words) {
        int64_t room = g->room_words ? 2 * g->room_words : 64;
        size_t *offset = wg_reallocarray(g->offset, (size_t)room, sizeof *offset);
        if (!offset) return false;
        g->offset = offset;
        int32_t *id = wg_reallocarray(g->s->id, (size_t)room, sizeof *id);
        if (!id) return false;
        g->s->id = id;
        g->room_words = room;
    }
    g->offset[g->words] = g->text.size;
    g->s->id[g->words++] = wg_vocab_id(vocab, word, length);
    wg__buf_add(&g->text, word, length);
    wg__buf_add(&g->text, "", 1);
    return !g->text.failed;
}

static bool add_line(gathering *g, const wg_vocab *vocab, const char *text, size_t length)
{
    if (g->s->n + 2 > g->room) {
        int64_t room = g->room ? 2 * g->room : 16;
        int64_t *start = wg_reallocarray(g->s->start, (size_t)room, sizeof *start);
        if (!start) return false;
        g->s->start = start;
        g->room = room;
    }
    const char *end = text + length, *word;
    size_t n;
    g->s->start[g->s->n++] = g->words;
    while (wg_next_token(&text, end, &word, &n))
        if (!add_word(g, vocab, word, n)) return false;
    g->s->start[g->s->n] = g->words;
    return true;
}

static bool add_text(gathering *g, const wg_vocab *vocab, bool lowercase, const char *text,
                     size_t length)
{
    if (lowercase) {
        g->lower.size = 0;
        wg__utf8_lower(&g->lower, text, length);
        if (g->lower.failed) return false;
        text = g->lower.data ? g->lower.data : "";
        length = g->lower.size;
    }
    return add_line(g, vocab, text, length);
}

static wg_status gather(gathering *g, wg_reader *reader, const wg_vocab *vocab, bool lowercase,
                        int64_t most, int64_t most_words, wg_error *err)
{
    while (g->s->n < most && g->words < most_words) {
        const char *text = NULL;
        size_t length = 0;
        wg_status status = wg_reader_line(reader, &text, &length, err);
        /* The reader repeats its error, so the lines before it are not lost. */
        if (status) return g->s->n > 0 ? WG_OK : status;
        if (!text) break;
        if (g->s->n == 0) g->s->first_line = wg_reader_get_stats(reader).lines;
        if (!add_text(g, vocab, lowercase, text, length)) return no_memory(err);
    }
    return WG_OK;
}

/* Offsets become pointers. */
static wg_status settle(gathering *g, wg_error *err)
{
    g->s->text = g->text.data;
    g->text.data = NULL;
    g->s->word = wg_reallocarray(NULL, (size_t)g->words + 1, sizeof *g->s->word);
    if (!g->s->word) return no_memory(err);
    for (int64_t i = 0; i < g->words; i++) g->s->word[i] = g->s->text + g->offset[i];
    g->s->word[g->words] = NULL;
    return WG_OK;
}

/* Ends the gathering, well or not. */
static wg_status finish(gathering *g, wg_status status, wg_sentences **out, wg_error *err)
{
    if (!status) status = settle(g, err);
    wg__buf_free(&g->text);
    wg__buf_free(&g->lower);
    wg_free(g->offset);
    if (status)
        wg_sentences_free(g->s);
    else
        *out = g->s;
    return status;
}

wg_status wg_sentences_read(wg_reader *reader, const wg_vocab *vocab, bool lowercase, int64_t most,
                            int64_t most_words, wg_sentences **out, wg_error *err)
{
    *out = NULL;
    gathering g = {.s = wg_calloc(1, sizeof *g.s)};
    if (!g.s) return no_memory(err);
    return finish(&g, gather(&g, reader, vocab, lowercase, most, most_words, err), out, err);
}

wg_status wg_sentences_make(const char *const *lines, int64_t n, const wg_vocab *vocab,
                            bool lowercase, wg_sentences **out, wg_error *err)
{
    *out = NULL;
    gathering g = {.s = wg_calloc(1, sizeof *g.s)};
    if (!g.s) return no_memory(err);
    wg_status status = WG_OK;
    g.s->first_line = 1;
    for (int64_t i = 0; i < n && !status; i++)
        if (!add_text(&g, vocab, lowercase, lines[i], strlen(lines[i]))) status = no_memory(err);
    return finish(&g, status, out, err);
}

wg_status wg_sentences_pairs(const wg_sentences *s, const wg_vocab *vocab, wg_pairs **out,
                             wg_error *err)
{
    *out = NULL;
    int64_t words = s->n ? s->start[s->n] : 0;
    wg_pairs *p = wg_calloc(1, sizeof *p);
    if (!p) return no_memory(err);
    p->sides = 1;
    p->vocab_size[0] = wg_vocab_size(vocab);
    p->start[0] = wg_calloc((size_t)s->n + 1, sizeof *p->start[0]);
    p->line = wg_calloc((size_t)s->n + 1, sizeof *p->line);
    p->id[0] = wg_reallocarray(NULL, (size_t)words + 1, sizeof *p->id[0]);
    if (!p->start[0] || !p->line || !p->id[0]) {
        wg_pairs_free(p);
        return no_memory(err);
    }
    if (words) memcpy(p->id[0], s->id, (size_t)words * sizeof *s->id);
    for (int64_t i = 0; i < s->n; i++) {
        if (s->start[i + 1] == s->start[i]) continue;
        p->line[p->n++] = i;
        p->start[0][p->n] = s->start[i + 1];
    }
    for (int64_t i = 0; i < words; i++) p->unknown[0] += s->id[i] == WG_UNK;
    *out = p;
    return WG_OK;
}
