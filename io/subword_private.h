/* What the rules of byte-pair encoding are made of, shared by learner, text form and segmenter. */
#ifndef WENGERT_IO_SUBWORD_PRIVATE_H
#define WENGERT_IO_SUBWORD_PRIVATE_H

#include <wengert/subword.h>

#include "pair_table.h"

/* A rule joins two neighbours; symbols are numbers of the table below. */
typedef struct wg__rule {
    int32_t left, right, made;
} wg__rule;

typedef struct wg__symbol {
    int32_t left, right; /* what the first rule that made it joined; -1 for a character */
    bool reserved;       /* must not stand as a piece: it would read as something else */
} wg__symbol;

/* Symbols are text inside a word or at its end. The table of a vocabulary numbers them: its words
 * are the text behind one letter, 'i' (inside) or 'e' (end). Characters come first, in pairs: that
 * of index k is WG_SPECIALS + 2 k inside a word, and the number after it at the end. */
struct wg_subwords {
    wg_vocab *table;
    wg__symbol *symbol; /* by number */
    int32_t symbols, room;
    int32_t *alphabet; /* code points, ascending */
    int32_t characters;
    wg__rule *rule; /* in order */
    int32_t rules, rule_room;
    wg__pair_table pairs; /* (left, right) -> number of the rule */
};

/* Rules with an alphabet (ascending code points, copied) and no merges. */
wg_status wg__subwords_new(const int32_t *alphabet, int32_t characters, wg_subwords **out,
                           wg_error *err);
/* Adds a rule and gives the number of what it makes. Both symbols must be there; `left` must not be
 * the end of a word. WG_EINVAL where there is a rule for the pair already. */
wg_status wg__subwords_add(wg_subwords *s, int32_t left, int32_t right, int32_t *made,
                           wg_error *err);

/* Number of a character; -1 where it is not in the alphabet. */
int32_t wg__subwords_character(const wg_subwords *s, int32_t code, bool end);
/* Number of a symbol by its text, while the rules are made; WG_ENOTFOUND when it is not there, and
 * then the rules are spoilt. */
wg_status wg__subwords_symbol(wg_subwords *s, const char *text, size_t length, bool end,
                              int32_t *number, wg_error *err);
/* Text of a symbol, without the letter, and whether it ends a word. */
const char *wg__subwords_text(const wg_subwords *s, int32_t number, size_t *length, bool *end);

/* Is this the name of a byte, <0xHH>? Its value, or -1. */
int wg__byte_piece(const char *text, size_t length);

static inline bool wg__is_character(const wg_subwords *s, int32_t number)
{
    return number < WG_SPECIALS + 2 * s->characters;
}

#endif
