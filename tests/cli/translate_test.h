/* What the tests of `wengert translate` share: a directory with a toy corpus that can be learnt in
 * a second, and the tool run in it. */
#ifndef WENGERT_TESTS_TRANSLATE_TEST_H
#define WENGERT_TESTS_TRANSLATE_TEST_H

#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Options of a model that learns the toy corpus. One thread: the machine may be busy, and equal
 * bits are compared. */
#define TOY_MODEL                                                                          \
    "--threads 1 --hidden 32 --embed 16 --batch 16 --lr 0.01 --dropout 0.1 --min-count 1 " \
    "--hold-out 0.1 "
#define TOY "--source s --target t " TOY_MODEL

static char tool[4096], dir[3072], out[1 << 16], err[1 << 16];

static inline void path_of(char *path, size_t size, const char *name)
{
    int n = snprintf(path, size, "%s/%s", dir, name);
    assert_true(n > 0 && (size_t)n < size);
}

static inline void write_bytes(const char *name, const void *bytes, size_t n)
{
    char path[4096];
    path_of(path, sizeof path, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
}

static inline void write_text(const char *name, const char *text)
{
    write_bytes(name, text, strlen(text));
}

/* The bytes of a file, NUL-terminated, in a buffer that the caller frees; NULL when it is absent.
 */
static inline char *slurp(const char *name, size_t *size)
{
    char path[4096];
    path_of(path, sizeof path, name);
    FILE *file = fopen(path, "rb");
    if (!file) return NULL;
    struct stat info;
    assert_int_equal(fstat(fileno(file), &info), 0);
    char *bytes = malloc((size_t)info.st_size + 1);
    assert_non_null(bytes);
    size_t n = fread(bytes, 1, (size_t)info.st_size, file);
    bytes[n] = '\0';
    if (size) *size = n;
    fclose(file);
    return bytes;
}

static inline bool exists(const char *name)
{
    char path[4096];
    path_of(path, sizeof path, name);
    return access(path, F_OK) == 0;
}

static inline void read_back(const char *name, char *buf, size_t size)
{
    char *bytes = slurp(name, NULL);
    snprintf(buf, size, "%s", bytes ? bytes : "");
    free(bytes);
}

/* Runs a shell command line in the directory, "%T" in it standing for the tool; its output is in
 * `out` and `err` then. Returns the exit status. */
static inline int shell(const char *command)
{
    char line[9000];
    int n = snprintf(line, sizeof line, "cd '%s' && T='%s' && { %s\n} > out.txt 2> err.txt", dir,
                     tool, command);
    assert_true(n > 0 && (size_t)n < sizeof line);
    int status = system(line);
    assert_true(WIFEXITED(status));
    read_back("out.txt", out, sizeof out);
    read_back("err.txt", err, sizeof err);
    return WEXITSTATUS(status);
}

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
    const char *bin = getenv("WENGERT_BIN");
    (void)state;
    snprintf(tool, sizeof tool, "%s/wengert", bin && *bin ? bin : WGT_BUILD_DIR "/bin");
    if (!wgt_temp_dir(dir)) return -1;
    write_toy("s", "t", 400);
    return access(tool, X_OK);
}

static inline int tear_down_translate(void **state)
{
    (void)state;
    wgt_remove_tree(dir);
    return 0;
}

#endif
