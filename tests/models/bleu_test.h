/* What the tests of BLEU share. */
#ifndef WENGERT_TESTS_BLEU_TEST_H
#define WENGERT_TESTS_BLEU_TEST_H

#include "support.h"

#include <string.h>

#include <wengert/bleu.h>

static inline wg_bleu_text text_of(const char *s)
{
    wg_bleu_text text = {s, strlen(s)};

    return text;
}

#endif
