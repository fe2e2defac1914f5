/* What the tests of the tool share: the tool itself, run in a directory of the test's own. */
#ifndef WENGERT_TESTS_TOOL_TEST_H
#define WENGERT_TESTS_TOOL_TEST_H

#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char tool[4096], dir[256], out[1 << 16], err[1 << 16];

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

/* Runs a shell command where the test itself runs; both of its streams are in `text` then. Returns
 * the exit status, -1 after a signal. */
static inline int shell_into(char *text, size_t size, const char *command)
{
    char all[12000];
    int n = snprintf(all, sizeof all, "{ %s\n} 2>&1", command);
    assert_true(n > 0 && (size_t)n < sizeof all);
    FILE *pipe = popen(all, "r");
    assert_non_null(pipe);
    text[fread(text, 1, size - 1, pipe)] = '\0';
    int status = pclose(pipe);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static inline int set_up_tool(void **state)
{
    const char *bin = getenv("WENGERT_BIN");
    (void)state;
    snprintf(tool, sizeof tool, "%s/wengert", bin && *bin ? bin : WGT_BUILD_DIR "/bin");
    if (!wgt_temp_dir(dir)) return -1;
    return access(tool, X_OK);
}

static inline int tear_down_tool(void **state)
{
    (void)state;
    wgt_remove_tree(dir);
    return 0;
}

#endif
