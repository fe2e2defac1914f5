/* Words whose dot does not end a sentence ("nonbreaking prefixes"), by language. */
#ifndef WENGERT_IO_ABBREVIATIONS_H
#define WENGERT_IO_ABBREVIATIONS_H

#include <stdbool.h>
#include <stddef.h>

typedef enum wg__abbreviation {
    WG__NO_ABBREVIATION,
    WG__ABBREVIATION,
    WG__BEFORE_NUMBERS, /* only where a number follows: "No. 5" */
} wg__abbreviation;

/* `word` is UTF-8 without its dot; `language` as in wg_tokenize_options. */
wg__abbreviation wg__find_abbreviation(const char *language, const char *word, size_t length);

#endif
