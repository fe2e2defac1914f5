/* Corpora out of streams: sentences as numbers of a word table a side, or their counts alone. */
#include <wengert/corpus.h>

#include <inttypes.h>
#include <string.h>

#include <wengert/memory.h>

#include "buffer.h"
#include "corpus_private.h"
#include "fileerror.h"
#include "utf8.h"
#include "vocab_table.h"

static wg_status no_memory(wg_error *err)
{
    return wg_error_set(err, WG_ENOMEM, "corpus: out of memory");
}

static bool push_word(wg__side *side, int32_t word)
{
    if (side->n_words == side->word_capacity) {
        size_t capacity = side->word_capacity ? side->word_capacity * 2 : 1024;
        int32_t *words = wg_reallocarray(side->word, capacity, sizeof *words);
        if (!words) return false;
        side->word = words;
        side->word_capacity = capacity;
    }
    side->word[side->n_words++] = word;
    return true;
}

/* Room for one more pair in the arrays that have an element a pair. */
static bool reserve_pair(wg_corpus *c)
{
    size_t need = (size_t)c->n + 2;
    if (need <= c->capacity) return true;
    size_t capacity = c->capacity ? c->capacity * 2 : 1024;
    int64_t *line = wg_reallocarray(c->line, capacity, sizeof *line);
    if (!line) return false;
    c->line = line;
    for (int s = 0; s < c->sides; s++) {
        int64_t *start = wg_reallocarray(c->side[s].start, capacity, sizeof *start);
        if (!start) return false;
        c->side[s].start = start;
        if (c->n == 0) start[0] = 0;
    }
    c->capacity = capacity;
    return true;
}

/* Appends the tokens of a line to a side, before it is known whether the pair is kept. */
static wg_status add_tokens(wg_corpus *c, int s, const wg_corpus_options *o, wg__buf *lower,
                            const char *text, size_t length, const char *name, int64_t line,
                            wg_error *err)
{
    if (o->lowercase) {
        lower->size = 0;
        wg__utf8_lower(lower, text, length);
        if (lower->failed) return no_memory(err);
        text = lower->data ? lower->data : "";
        length = lower->size;
    }
    const char *token, *end = text + length;
    size_t size;
    while (wg_next_token(&text, end, &token, &size)) {
        int32_t number;
        wg_error inner;
        wg_status status = wg__vocab_intern(c->side[s].table, token, size, 0, &number, &inner);
        if (status != WG_OK)
            return wg_error_set(err, status, "%s:%" PRId64 ": %s", name, line, inner.message);
        if (!push_word(&c->side[s], number)) return no_memory(err);
    }
    return WG_OK;
}

/* Decides about the pair whose tokens were appended last. */
static void settle_pair(wg_corpus *c, const wg_corpus_options *o)
{
    wg_corpus_report *r = &c->report;
    int64_t length[2] = {0, 0};
    bool empty = false, too_long = false;
    for (int s = 0; s < c->sides; s++) {
        length[s] = (int64_t)c->side[s].n_words - c->side[s].start[c->n];
        if (length[s] == 0) {
            r->empty[s]++;
            empty = true;
        }
        if (o->max_tokens > 0 && length[s] > o->max_tokens) too_long = true;
    }
    if (empty) {
        r->empty_pairs++;
        if (!r->first_empty_line) r->first_empty_line = r->lines;
    }
    if (too_long) r->too_long++;
    if (too_long || (empty && !o->keep_empty)) {
        for (int s = 0; s < c->sides; s++) c->side[s].n_words = (size_t)c->side[s].start[c->n];
        return;
    }
    r->kept++;
    for (int s = 0; s < c->sides; s++) {
        r->tokens[s] += length[s];
        if (length[s] > r->longest[s]) r->longest[s] = length[s];
    }
    if (o->counts_only) {
        for (int s = 0; s < c->sides; s++) {
            for (size_t k = 0; k < c->side[s].n_words; k++)
                wg__vocab_count(c->side[s].table, c->side[s].word[k]);
            c->side[s].n_words = 0;
        }
        return;
    }
    c->line[c->n++] = r->lines;
    for (int s = 0; s < c->sides; s++) c->side[s].start[c->n] = (int64_t)c->side[s].n_words;
}

/* The next line of each side; *more is false at the end. */
static wg_status read_pair(wg_corpus *c, wg_stream *stream, const wg_corpus_options *o,
                           wg__buf *lower, bool *more, wg_error *err)
{
    const char *text[2];
    size_t length[2];
    wg_status status = wg_stream_next(stream, text, length, err);
    *more = status == WG_OK && text[0];
    if (!*more) return status;
    /* Shuffling draws 32-bit numbers. */
    if (++c->report.lines == INT32_MAX && !o->counts_only)
        return wg_error_set(err, WG_ELIMIT, "%s: more than %d lines", wg_stream_name(stream, 0),
                            INT32_MAX - 1);
    if (!reserve_pair(c)) return no_memory(err);
    for (int s = 0; s < c->sides; s++) {
        status = add_tokens(c, s, o, lower, text[s], length[s], wg_stream_name(stream, s),
                            (int64_t)wg_stream_line(stream), err);
        if (status != WG_OK) return status;
    }
    settle_pair(c, o);
    return WG_OK;
}

static void finish_report(wg_corpus *c, const wg_stream *stream)
{
    wg_corpus_report *r = &c->report;
    const wg_stream_stats stats = wg_stream_get_stats(stream);
    for (int s = 0; s < 2; s++) {
        r->reader[s] = stats.reader[s];
        wg_stream_sha256(stream, s, r->sha256[s], NULL); /* "" after jumps */
    }
}

wg_status wg__corpus_read(wg_stream *stream, const wg_corpus_options *options, wg_corpus **out,
                          wg_error *err)
{
    *out = NULL;
    wg_corpus_options o = {.size = sizeof o};
    if (options && options->size >= sizeof o) o = *options;
    if (o.max_tokens < 0 || o.max_pairs < 0)
        return wg_error_set(err, WG_EINVAL, "corpus: a limit is negative");
    wg_corpus *c = wg_calloc(1, sizeof *c);
    if (!c) return no_memory(err);
    c->sides = wg_stream_sides(stream);
    c->counts_only = o.counts_only;
    wg__buf lower = {0};
    wg_status status = WG_OK;
    for (int s = 0; s < c->sides && status == WG_OK; s++)
        status = wg_vocab_new(&c->side[s].table, err);
    if (status == WG_OK && !reserve_pair(c)) status = no_memory(err);
    bool more = true;
    while (status == WG_OK && more && (o.max_pairs == 0 || c->report.kept < o.max_pairs))
        status = read_pair(c, stream, &o, &lower, &more, err);
    if (status == WG_OK && !more) finish_report(c, stream);
    wg__buf_free(&lower);
    if (status != WG_OK) {
        wg_corpus_free(c);
        return status;
    }
    *out = c;
    return WG_OK;
}

wg_status wg_corpus_read_stream(wg_stream *stream, const wg_corpus_options *options,
                                wg_corpus **out, wg_error *err)
{
    wg_status status = wg__corpus_read(stream, options, out, err);
    if (status != WG_OK) return status;
    const wg_corpus_report *r = &(*out)->report;
    const char *name = wg_stream_name(stream, 0);
    if (r->lines == 0)
        status = wg_error_set(err, WG_EFORMAT, "%s: the corpus is empty", name);
    else if (r->kept == 0)
        status = wg_error_set(err, WG_EFORMAT,
                              "%s: nothing is left of %" PRId64 " lines: %" PRId64
                              " have an empty side, %" PRId64 " are too long",
                              name, r->lines, r->empty_pairs, r->too_long);
    if (status == WG_OK) return WG_OK;
    wg_corpus_free(*out);
    *out = NULL;
    return status;
}

static wg_status read_files(const char *first, const char *second, int sides,
                            const wg_corpus_options *options, wg_corpus **out, wg_error *err)
{
    *out = NULL;
    wg_stream_options o = {.size = sizeof o,
                           .sides = sides,
                           .source = &first,
                           .n_source = 1,
                           .target = second ? &second : NULL,
                           .n_target = second ? 1 : 0};
    if (options && options->size >= sizeof *options) o.reader = options->reader;
    wg_stream *stream;
    wg_status status = wg_stream_open(&o, &stream, err);
    if (status == WG_OK) status = wg_corpus_read_stream(stream, options, out, err);
    wg_stream_close(stream);
    return status;
}

wg_status wg_corpus_read(const char *source, const char *target, const wg_corpus_options *options,
                         wg_corpus **out, wg_error *err)
{
    *out = NULL;
    if (!source || !target) return wg_error_set(err, WG_EINVAL, "corpus: two files are needed");
    return read_files(source, target, 2, options, out, err);
}

wg_status wg_corpus_read_joint(const char *path, const wg_corpus_options *options, wg_corpus **out,
                               wg_error *err)
{
    return read_files(path, NULL, 2, options, out, err);
}

wg_status wg_corpus_read_mono(const char *path, const wg_corpus_options *options, wg_corpus **out,
                              wg_error *err)
{
    return read_files(path, NULL, 1, options, out, err);
}

void wg_corpus_free(wg_corpus *c)
{
    if (!c) return;
    for (int s = 0; s < 2; s++) {
        wg_vocab_free(c->side[s].table);
        wg_free(c->side[s].word);
        wg_free(c->side[s].start);
    }
    wg_free(c->line);
    wg_free(c);
}

int wg_corpus_sides(const wg_corpus *c)
{
    return c->sides;
}

int64_t wg_corpus_pairs(const wg_corpus *c)
{
    return c->n;
}

const wg_corpus_report *wg_corpus_get_report(const wg_corpus *c)
{
    return &c->report;
}

static bool in_range(const wg_corpus *c, int side, int64_t i)
{
    return side >= 0 && side < c->sides && i >= 0 && i < c->n;
}

int64_t wg_corpus_length(const wg_corpus *c, int side, int64_t i)
{
    return in_range(c, side, i) ? c->side[side].start[i + 1] - c->side[side].start[i] : 0;
}

int64_t wg_corpus_line(const wg_corpus *c, int64_t i)
{
    return in_range(c, 0, i) ? c->line[i] : 0;
}

wg_status wg_corpus_text(const wg_corpus *c, int side, int64_t i, char **text, wg_error *err)
{
    *text = NULL;
    if (!in_range(c, side, i))
        return wg_error_set(err, WG_EINVAL, "corpus: no sentence %" PRId64 " on side %d", i, side);
    const wg__side *s = &c->side[side];
    wg__buf buf = {0};
    for (int64_t k = s->start[i]; k < s->start[i + 1]; k++) {
        if (buf.size) wg__buf_add(&buf, " ", 1);
        wg__buf_add(&buf, wg_vocab_word(s->table, s->word[k]),
                    wg__vocab_length(s->table, s->word[k]));
    }
    *text = wg__buf_take(&buf, NULL);
    return *text ? WG_OK : no_memory(err);
}
