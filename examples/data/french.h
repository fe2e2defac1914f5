/* The rules of French spelling between words, and numerals; and lists of words to apply them to.
 *
 * Included by generate_corpus.c alone. */
#ifndef WENGERT_EXAMPLES_FRENCH_H
#define WENGERT_EXAMPLES_FRENCH_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_WORDS 64
#define MAX_BYTES 32

typedef struct words {
    char w[MAX_WORDS][MAX_BYTES];
    int n;
} words;

/* Adds one word made of a stem and an ending. The lexicon is ours: too long a word is a bug. */
static void add2(words *s, const char *stem, const char *ending)
{
    int n;

    if (s->n == MAX_WORDS) {
        fprintf(stderr, "generate_corpus: a sentence of more than %d words\n", MAX_WORDS);
        exit(2);
    }
    n = snprintf(s->w[s->n++], MAX_BYTES, "%s%s", stem, ending);
    if (n < 0 || n >= MAX_BYTES) {
        fprintf(stderr, "generate_corpus: the word %s%s is too long\n", stem, ending);
        exit(2);
    }
}

/* Adds the words of a text, which are divided by spaces; NULL adds none. */
static void add(words *s, const char *text)
{
    while (text && *text) {
        size_t n = strcspn(text, " ");
        char word[MAX_BYTES];

        snprintf(word, sizeof word, "%.*s", (int)n, text);
        add2(s, word, "");
        text += n;
        if (*text == ' ') text++;
    }
}

static void append(words *s, const words *more)
{
    for (int i = 0; i < more->n; i++) add(s, more->w[i]);
}

/* Does a word begin with the sound of a vowel? Every h of the lexicon is silent, but huit and onze
 * take no elision. */
static int starts_with_vowel(const char *word)
{
    static const char *const vowels[] = {"a", "e", "i", "o", "u", "h", "â",
                                         "é", "è", "ê", "î", "ô", "œ"};

    if (strcmp(word, "huit") == 0 || strcmp(word, "onze") == 0) return 0;
    if (strcmp(word, "y") == 0) return 1;
    for (size_t i = 0; i < sizeof vowels / sizeof *vowels; i++) {
        if (strncmp(word, vowels[i], strlen(vowels[i])) == 0) return 1;
    }
    return 0;
}

/* Rewrites s as it is written: elision (l' homme, d' un, qu' elle), ma to mon and ce to cet before
 * a vowel, à le to au, de les to des and so on. */
static void spell(words *s)
{
    static const char *const before_vowel[][2] = {
        {"le", "l'"}, {"la", "l'"}, {"de", "d'"},  {"que", "qu'"}, {"ne", "n'"},
        {"je", "j'"}, {"me", "m'"}, {"ma", "mon"}, {"sa", "son"},  {"ce", "cet"},
    };
    static const char *const contractions[][3] = {
        {"à", "le", "au"}, {"à", "les", "aux"}, {"de", "le", "du"}, {"de", "les", "des"}};
    int out = 0;

    for (int i = 0; i + 1 < s->n; i++) {
        if (strcmp(s->w[i], "si") == 0 && strncmp(s->w[i + 1], "il", 2) == 0)
            snprintf(s->w[i], MAX_BYTES, "s'");
        if (!starts_with_vowel(s->w[i + 1])) continue;
        for (size_t k = 0; k < sizeof before_vowel / sizeof *before_vowel; k++) {
            if (strcmp(s->w[i], before_vowel[k][0]) == 0) {
                snprintf(s->w[i], MAX_BYTES, "%s", before_vowel[k][1]);
                break;
            }
        }
    }
    for (int i = 0; i < s->n; i++) {
        if (out != i) memcpy(s->w[out], s->w[i], MAX_BYTES);
        for (size_t k = 0; k < sizeof contractions / sizeof *contractions && i + 1 < s->n; k++) {
            if (strcmp(s->w[i], contractions[k][0]) == 0 &&
                strcmp(s->w[i + 1], contractions[k][1]) == 0) {
                snprintf(s->w[out], MAX_BYTES, "%s", contractions[k][2]);
                i++;
                break;
            }
        }
        out++;
    }
    s->n = out;
}

/* A number from 2 to 100 before a noun of the given gender. A part that is joined to the one before
 * it by a hyphen is a word of its own that begins with the hyphen: vingt -deux, quatre -vingts. */
static void number_fr(words *s, int n, char gender)
{
    static const char *const small[] = {"",      "un",     "deux",     "trois",  "quatre", "cinq",
                                        "six",   "sept",   "huit",     "neuf",   "dix",    "onze",
                                        "douze", "treize", "quatorze", "quinze", "seize"};
    static const char *const tens[] = {
        "",          "",         "vingt",    "trente",        "quarante",
        "cinquante", "soixante", "soixante", "quatre -vingt", "quatre -vingt"};
    int ten = n / 10, rest = n % 10;

    if (n == 100) {
        add(s, "cent");
        return;
    }
    if (n <= 16) {
        add(s, small[n]);
        return;
    }
    if (n < 20) {
        add(s, "dix");
        add2(s, "-", small[rest]);
        return;
    }
    if (n == 80) { /* takes an s only here */
        add(s, "quatre -vingts");
        return;
    }
    add(s, tens[ten]);
    if (ten == 7 || ten == 9) rest += 10; /* soixante-dix-sept, quatre-vingt-onze */
    if (rest == 0) return;
    if (rest == 1 && ten == 8) {
        add2(s, "-", gender == 'f' ? "une" : "un");
    } else if (rest == 1) {
        add(s, gender == 'f' ? "et une" : "et un");
    } else if (rest == 11 && ten == 7) {
        add(s, "et onze");
    } else if (rest <= 16) {
        add2(s, "-", small[rest]);
    } else {
        add(s, "-dix");
        add2(s, "-", small[rest - 10]);
    }
}

static void number_en(words *s, int n)
{
    static const char *const small[] = {"",        "one",     "two",       "three",    "four",
                                        "five",    "six",     "seven",     "eight",    "nine",
                                        "ten",     "eleven",  "twelve",    "thirteen", "fourteen",
                                        "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"};
    static const char *const tens[] = {"",      "",      "twenty",  "thirty", "forty",
                                       "fifty", "sixty", "seventy", "eighty", "ninety"};

    if (n == 100) {
        add(s, "one hundred");
    } else if (n < 20) {
        add(s, small[n]);
    } else {
        add(s, tens[n / 10]);
        if (n % 10) add2(s, "-", small[n % 10]);
    }
}

#endif
