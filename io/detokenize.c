/* The detokeniser: the rules of Moses' detokenizer.perl, word by word. */
#include <wengert/tokenize.h>

#include <string.h>

#include <wengert/memory.h>

#include "codepoints.h"

enum { KINDS = 16 };

/* How often a quotation mark (or a run of them) was seen: even numbers open. */
typedef struct quote {
    const int32_t *c; /* NULL: the straight double one, for which „ and “ stand as well */
    size_t n;
    unsigned count;
} quote;

typedef struct joiner {
    const char *language;
    wg__points in;
    wg__buf out;
    bool glue; /* no blank before the next word */
    quote quotes[KINDS];
    int kinds;
} joiner;

static bool is_language(const joiner *j, const char *name)
{
    return j->language && strcmp(j->language, name) == 0;
}

static bool all(const int32_t *c, size_t n, bool (*is)(int32_t))
{
    for (size_t i = 0; i < n; i++)
        if (!is(c[i])) return false;
    return n > 0;
}

static bool opens(int32_t c)
{
    return wg__is_currency(c) || c == '(' || c == '[' || c == '{' || c == 0xbf || c == 0xa1;
}

static bool ends(int32_t c)
{
    return c > 0 && c < 0x80 && strchr(",.?!:;\\%}])", (int)c);
}

static bool is_quote(int32_t c)
{
    return c == '\'' || c == '"' || c == 0x201e || c == 0x201c || c == '`';
}

static bool is_double(int32_t c)
{
    return c == 0x201e || c == 0x201c || c == '"';
}

static void put(joiner *j, const int32_t *c, size_t n)
{
    for (size_t i = 0; i < n; i++) wg__put_point(&j->out, c[i]);
}

static void blank(joiner *j)
{
    if (j->out.size && j->out.data[j->out.size - 1] != ' ') wg__buf_add(&j->out, " ", 1);
}

/* A word with a blank before it, unless the one before it wants none; `glue`: nor behind it. */
static void put_word(joiner *j, const int32_t *c, size_t n, bool glue)
{
    if (!j->glue) blank(j);
    put(j, c, n);
    j->glue = glue;
}

/* A word that moves to the left. */
static void put_left(joiner *j, const int32_t *c, size_t n)
{
    put(j, c, n);
    j->glue = false;
}

static quote *find_quote(joiner *j, const int32_t *c, size_t n)
{
    bool typographic = true, plain = n == 1 && c[0] == '"';
    for (size_t i = 0; i < n; i++)
        if (!is_double(c[i]) || c[i] == '"') typographic = false;
    bool straight = typographic || plain;
    for (int i = 0; i < j->kinds; i++) {
        quote *q = &j->quotes[i];
        if (straight ? !q->c : q->c && q->n == n && memcmp(q->c, c, n * sizeof *c) == 0) return q;
    }
    if (j->kinds == KINDS) return NULL;
    j->quotes[j->kinds] = (quote){straight ? NULL : c, n, 0};
    return &j->quotes[j->kinds++];
}

static void put_quote(joiner *j, const int32_t *c, size_t n, int32_t before)
{
    quote *q = find_quote(j, c, n);
    if (!q || q->count % 2 == 0) {
        /* Behind an s it is a possessive, not a quotation. */
        if (is_language(j, "en") && n == 1 && c[0] == '\'' && before == 's') {
            put_left(j, c, n);
            return;
        }
        put_word(j, c, n, true);
    } else {
        put_left(j, c, n);
    }
    if (q) q->count++;
}

/* One word; `before` is the last character of the word before it, `next` the first of the next, 0
 * where there is none. */
static void add_word(joiner *j, const int32_t *c, size_t n, int32_t before, int32_t next)
{
    bool french = is_language(j, "fr"), italian = is_language(j, "it");
    if (wg__is_cjk(c[0]) && !is_language(j, "ko")) {
        if (before && wg__is_cjk(before))
            put(j, c, n);
        else
            put_word(j, c, n, false);
        j->glue = false;
    } else if (all(c, n, opens)) {
        put_word(j, c, n, true);
    } else if (all(c, n, ends)) {
        if (french && n == 1 && strchr("?!:;\\%", (int)c[0])) blank(j);
        put_left(j, c, n);
    } else if (n == 1 && c[0] == 0x201d) {
        /* Closes whatever was opened. Moses leaves it where it stands. */
        quote *q = find_quote(j, (const int32_t[]){'"'}, 1);
        if (q && q->count % 2) q->count++;
        put_left(j, c, n);
    } else if (is_language(j, "en") && before && n > 1 && c[0] == '\'' && wg__is_alpha(c[1])) {
        put_left(j, c, n);
    } else if ((french || italian) && n > 1 && c[n - 1] == '\'' && wg__is_alpha(c[n - 2]) &&
               wg__is_alpha(next)) {
        put_word(j, c, n, true);
    } else if (all(c, n, is_quote)) {
        put_quote(j, c, n, before);
    } else {
        put_word(j, c, n, false);
    }
}

/* ---- what the tokeniser escaped ---- */

static const struct {
    const char *name;
    char c;
} entities[] = {{"&bar;", '|'}, {"&#124;", '|'}, {"&lt;", '<'},   {"&gt;", '>'},
                {"&bra;", '['}, {"&ket;", ']'},  {"&quot;", '"'}, {"&apos;", '\''},
                {"&#91;", '['}, {"&#93;", ']'},  {"&amp;", '&'}};

static void unescape(const char *line, size_t length, wg__buf *out)
{
    for (size_t at = 0; at < length;) {
        size_t used = 1;
        const char *c = line + at;
        for (size_t i = 0; *c == '&' && used == 1 && i < sizeof entities / sizeof entities[0];
             i++) {
            size_t n = strlen(entities[i].name);
            if (n > length - at || memcmp(c, entities[i].name, n) != 0) continue;
            c = &entities[i].c;
            used = n;
        }
        wg__buf_add(out, c, 1);
        at += used;
    }
}

wg_status wg_detokenize(const char *line, size_t length, const wg_tokenize_options *options,
                        char **text, wg_error *err)
{
    wg_tokenize_options o = {.size = sizeof o};
    joiner j = {0};
    wg__buf plain = {0};
    *text = NULL;
    if (options && options->size >= sizeof o) o = *options;
    j.language = o.language;
    j.glue = true;
    if (o.escape) {
        unescape(line, length, &plain);
        line = plain.data;
        length = plain.size;
    }
    if (!plain.failed) wg__points_decode(&j.in, line, length);
    const int32_t *c = j.in.c;
    size_t n = j.in.failed || plain.failed ? 0 : j.in.n, at = 0;
    int32_t before = 0;
    while (at < n) {
        size_t from, end, behind;
        for (from = at; from < n && wg__is_space(c[from]);) from++;
        for (end = from; end < n && !wg__is_space(c[end]);) end++;
        for (behind = end; behind < n && wg__is_space(c[behind]);) behind++;
        if (end > from) {
            add_word(&j, c + from, end - from, before, behind < n ? c[behind] : 0);
            before = c[end - 1];
        }
        at = behind;
    }
    if (j.in.failed || plain.failed) j.out.failed = true;
    wg__points_free(&j.in);
    wg__buf_free(&plain);
    *text = wg__buf_take(&j.out, NULL);
    return *text ? WG_OK : wg_error_set(err, WG_ENOMEM, "detokeniser: out of memory");
}
