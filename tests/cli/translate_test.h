/* What the tests of `wengert translate` share: a toy corpus that can be learnt in a second. */
#ifndef WENGERT_TESTS_TRANSLATE_TEST_H
#define WENGERT_TESTS_TRANSLATE_TEST_H

#include "tool_test.h"

/* Options of a model that learns the toy corpus. One thread: the machine may be busy, and equal
 * bits are compared. */
#define TOY_MODEL                                                                          \
    "--threads 1 --hidden 32 --embed 16 --batch 16 --lr 0.01 --dropout 0.1 --min-count 1 " \
    "--hold-out 0.1 "
#define TOY "--source s --target t " TOY_MODEL

/* Sentences of 2 to 6 of ten words, and what they mean: word by word, in the other order. */
static inline void write_toy(const char *source, const char *target, int pairs)
{
    static const char *const from[] = {"un",  "deux", "trois", "quatre", "cinq",
                                       "six", "sept", "huit",  "neuf",   "dix"};
    static const char *const to[] = {"one", "two",   "three", "four", "five",
                                     "six", "seven", "eight", "nine", "ten"};
    char path[4096];
    path_of(path, sizeof path, source);
    FILE *s = fopen(path, "w");
    path_of(path, sizeof path, target);
    FILE *t = fopen(path, "w");
    assert_non_null(s);
    assert_non_null(t);
    unsigned seed = 7;
    for (int i = 0; i < pairs; i++) {
        int word[6], n = 2 + i % 5;
        for (int k = 0; k < n; k++) {
            seed = seed * 1103515245u + 12345u;
            word[k] = (int)(seed >> 16) % 10;
        }
        for (int k = 0; k < n; k++) fprintf(s, "%s%s", k ? " " : "", from[word[k]]);
        for (int k = n; k-- > 0;) fprintf(t, "%s%s", k < n - 1 ? " " : "", to[word[k]]);
        fputc('\n', s);
        fputc('\n', t);
    }
    assert_int_equal(fclose(s) | fclose(t), 0);
}

static inline int set_up_translate(void **state)
{
    int status = set_up_tool(state);
    if (!status) write_toy("s", "t", 400);
    return status;
}

#endif
