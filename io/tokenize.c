/* The tokeniser: the passes of Moses' tokenizer.perl, each over an array of code points. They are
 * kept as passes, although one walk would do, so that each can be held against the original: a
 * substitution there consumes what it matched, and some results hang on that. */
#include <wengert/tokenize.h>

#include <string.h>

#include <wengert/memory.h>

#include "abbreviations.h"
#include "codepoints.h"
#include "utf8.h"

/* k dots in a row, k > 1, are one symbol between the passes. */
enum { DOTS = 0x40000000 };

typedef struct text {
    wg__points now, next; /* a pass reads one and writes the other */
} text;

static void swap(text *t)
{
    wg__points old = t->now;
    if (t->next.failed) old.failed = true;
    t->now = t->next;
    t->now.failed = old.failed;
    t->next = old;
    t->next.n = 0;
}

static void add(text *t, int32_t c)
{
    wg__points_add(&t->next, c);
}

/* " c " */
static void add_apart(text *t, int32_t c)
{
    add(t, ' ');
    add(t, c);
    add(t, ' ');
}

/* Runs of white space to single blanks, none at the ends. */
static void squeeze(text *t)
{
    for (size_t i = 0; i < t->now.n; i++) {
        int32_t c = t->now.c[i];
        if (wg__is_space(c)) c = ' ';
        if (c == ' ' && (t->next.n == 0 || t->next.c[t->next.n - 1] == ' ')) continue;
        add(t, c);
    }
    if (t->next.n && t->next.c[t->next.n - 1] == ' ') t->next.n--;
    swap(t);
}

/* Everything that is no letter or digit stands apart, but for . ' ` , - which have their rules. */
static void pad_special(text *t)
{
    for (size_t i = 0; i < t->now.n; i++) {
        int32_t c = t->now.c[i];
        if (c == ' ' || c == '.' || c == '\'' || c == '`' || c == ',' || c == '-' ||
            wg__is_alnum(c))
            add(t, c);
        else
            add_apart(t, c);
    }
    swap(t);
}

static void join_dots(text *t)
{
    for (size_t i = 0, k; i < t->now.n; i += k) {
        for (k = 1; t->now.c[i] == '.' && i + k < t->now.n && t->now.c[i + k] == '.';) k++;
        if (k > 1)
            add_apart(t, DOTS + (int32_t)k);
        else
            add(t, t->now.c[i]);
    }
    swap(t);
}

/* Commas stand apart unless numbers are on both sides (1,000). */
static void split_commas(text *t)
{
    const wg__points *p = &t->now;
    for (size_t i = 0; i < p->n; i++) {
        if (i + 1 < p->n && !wg__is_number(p->c[i]) && p->c[i + 1] == ',') {
            add(t, p->c[i++]);
            add_apart(t, ',');
        } else {
            add(t, p->c[i]);
        }
    }
    swap(t);
    for (size_t i = 0; i < p->n; i++) {
        if (i + 1 < p->n && p->c[i] == ',' && !wg__is_number(p->c[i + 1])) {
            add_apart(t, ',');
            add(t, p->c[++i]);
        } else if (p->c[i] == ',' && i > 0 && i + 1 == p->n && wg__is_number(p->c[i - 1])) {
            add_apart(t, ',');
        } else {
            add(t, p->c[i]);
        }
    }
    swap(t);
}

/* ---- apostrophes ---- */

typedef bool (*class_of)(int32_t);
static bool not_alpha(int32_t c)
{
    return !wg__is_alpha(c);
}
static bool neither(int32_t c)
{
    return !wg__is_alpha(c) && !wg__is_number(c);
}
static bool is_s(int32_t c)
{
    return c == 's';
}

/* LEFT'RIGHT becomes LEFT ' RIGHT, with a blank before or behind or both. */
typedef struct apostrophe {
    class_of left, right;
    bool before, behind;
} apostrophe;

static const apostrophe english[] = {{not_alpha, not_alpha, true, true},
                                     {neither, wg__is_alpha, true, true},
                                     {wg__is_alpha, not_alpha, true, true},
                                     {wg__is_alpha, wg__is_alpha, true, false},
                                     {wg__is_number, is_s, true, false}};
static const apostrophe french[] = {{not_alpha, not_alpha, true, true},
                                    {not_alpha, wg__is_alpha, true, true},
                                    {wg__is_alpha, not_alpha, true, true},
                                    {wg__is_alpha, wg__is_alpha, false, true}};

static void split_apostrophes(text *t, const apostrophe *rule, size_t n)
{
    const wg__points *p = &t->now;
    for (size_t r = 0; r < n; r++) {
        for (size_t i = 0; i < p->n; i++) {
            add(t, p->c[i]);
            if (i + 2 >= p->n || p->c[i + 1] != '\'' || !rule[r].left(p->c[i]) ||
                !rule[r].right(p->c[i + 2]))
                continue;
            if (rule[r].before) add(t, ' ');
            add(t, '\'');
            if (rule[r].behind) add(t, ' ');
            add(t, p->c[i + 2]);
            i += 2;
        }
        swap(t);
    }
}

static void split_all_apostrophes(text *t)
{
    for (size_t i = 0; i < t->now.n; i++) {
        if (t->now.c[i] == '\'')
            add_apart(t, '\'');
        else
            add(t, t->now.c[i]);
    }
    swap(t);
}

static bool is_language(const char *language, const char *name)
{
    return language && strcmp(language, name) == 0;
}

/* ---- dots ---- */

/* Does the dot of the word c[from .. end - 1], which it ends, belong to it? `next` is the first
 * character of the word behind it, 0 where there is none. */
static bool keeps_dot(const wg__points *p, size_t from, size_t end, int32_t next,
                      const char *language, wg__buf *word)
{
    bool inner = false, alpha = false;
    word->size = 0;
    for (size_t i = from; i + 1 < end; i++) {
        if (p->c[i] == '.') inner = true;
        if (wg__is_alpha(p->c[i])) alpha = true;
        if (i < from + 32 && p->c[i] < DOTS) wg__put_point(word, p->c[i]);
    }
    if (inner && alpha) return true; /* U.S. */
    if (wg__is_lower(next)) return true;
    if (end - from > 32 || word->failed) return false;
    switch (wg__find_abbreviation(language, word->data, word->size)) {
    case WG__ABBREVIATION: return true;
    case WG__BEFORE_NUMBERS: return next >= '0' && next <= '9';
    default: return false;
    }
}

/* Dots at the ends of words stand apart, but for those of abbreviations. */
static void split_dots(text *t, const char *language)
{
    const wg__points *p = &t->now;
    wg__buf word = {0};
    for (size_t i = 0; i < p->n;) {
        size_t from = i, end, behind;
        if (p->c[i] == ' ') {
            add(t, p->c[i++]);
            continue;
        }
        for (end = from; end < p->n && p->c[end] != ' ';) end++;
        for (behind = end; behind < p->n && p->c[behind] == ' ';) behind++;
        int32_t next = behind < p->n ? p->c[behind] : 0;
        bool apart = end - from > 1 && p->c[end - 1] == '.' &&
                     !keeps_dot(p, from, end, next, language, &word);
        for (; i < end; i++) {
            if (apart && i + 1 == end) add(t, ' ');
            add(t, p->c[i]);
        }
    }
    if (word.failed) t->next.failed = true;
    wg__buf_free(&word);
    swap(t);
    squeeze(t);
    /* A dot and an apostrophe at the very end: both stand apart. */
    size_t n = t->now.n;
    if (n < 2 || t->now.c[n - 2] != '.' || t->now.c[n - 1] != '\'') return;
    t->now.n = n - 2;
    for (size_t i = 0; i < t->now.n; i++) add(t, t->now.c[i]);
    add_apart(t, '.');
    add_apart(t, '\'');
    swap(t);
    squeeze(t);
}

/* ---- the result ---- */

static const char *escaped(int32_t c)
{
    switch (c) {
    case '&': return "&amp;";
    case '|': return "&#124;";
    case '<': return "&lt;";
    case '>': return "&gt;";
    case '\'': return "&apos;";
    case '"': return "&quot;";
    case '[': return "&#91;";
    case ']': return "&#93;";
    default: return NULL;
    }
}

static void write_out(const wg__points *p, bool escape, wg__buf *out)
{
    for (size_t i = 0; i < p->n; i++) {
        const char *name = escape ? escaped(p->c[i]) : NULL;
        if (name)
            wg__buf_text(out, name);
        else if (p->c[i] > DOTS)
            for (int32_t k = p->c[i] - DOTS; k > 0; k--) wg__buf_add(out, ".", 1);
        else
            wg__put_point(out, p->c[i]);
    }
}

/* Control characters go before the text is normalised: a mark may then meet its letter. */
static void decode(const char *line, size_t length, wg__points *p)
{
    wg__buf clean = {0};
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)line[i];
        if (c >= ' ' || wg__is_space(c)) wg__buf_add(&clean, &line[i], 1);
    }
    if (clean.failed)
        p->failed = true;
    else
        wg__points_decode(p, clean.data, clean.size);
    wg__buf_free(&clean);
}

wg_status wg_tokenize(const char *line, size_t length, const wg_tokenize_options *options,
                      char **out, wg_error *err)
{
    wg_tokenize_options o = {.size = sizeof o};
    text t = {0};
    wg__buf words = {0}, lower = {0};
    *out = NULL;
    if (options && options->size >= sizeof o) o = *options;
    decode(line, length, &t.now);
    squeeze(&t);
    pad_special(&t);
    join_dots(&t);
    split_commas(&t);
    if (is_language(o.language, "en"))
        split_apostrophes(&t, english, sizeof english / sizeof english[0]);
    else if (is_language(o.language, "fr") || is_language(o.language, "it"))
        split_apostrophes(&t, french, sizeof french / sizeof french[0]);
    else
        split_all_apostrophes(&t);
    squeeze(&t);
    split_dots(&t, o.language);
    if (t.now.failed || t.next.failed)
        words.failed = true;
    else
        write_out(&t.now, o.escape, &words);
    wg__points_free(&t.now);
    wg__points_free(&t.next);
    if (o.lowercase && !words.failed) {
        wg__utf8_lower(&lower, words.data, words.size);
        wg__buf_free(&words);
        words = lower;
    }
    *out = wg__buf_take(&words, NULL);
    return *out ? WG_OK : wg_error_set(err, WG_ENOMEM, "tokeniser: out of memory");
}
