/* Files for tests of io: a directory of the test's own, and writing into it. */
#ifndef WENGERT_TESTS_IO_TEST_H
#define WENGERT_TESTS_IO_TEST_H

#include "support.h"

#include <stdio.h>
#include <string.h>
#include <zlib.h>

static char io_dir[512];

static int io_setup(void **state)
{
    (void)state;
    return wgt_temp_dir(io_dir) ? 0 : -1;
}

static int io_teardown(void **state)
{
    (void)state;
    wgt_remove_tree(io_dir);
    return 0;
}

/* Path of a file in the test's directory; sixteen may be in use at a time. */
static inline const char *io_path(const char *name)
{
    static char path[16][1024];
    static int next;
    next = (next + 1) % 16;
    snprintf(path[next], sizeof path[next], "%s/%s", io_dir, name);
    return path[next];
}

static inline const char *io_file(const char *name, const void *bytes, size_t size)
{
    const char *path = io_path(name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
    return path;
}

static inline const char *io_text(const char *name, const char *text)
{
    return io_file(name, text, strlen(text));
}

static inline const char *io_gzip(const char *name, const char *text)
{
    const char *path = io_path(name);
    gzFile f = gzopen(path, "wb");
    assert_non_null(f);
    if (*text) assert_int_equal(gzwrite(f, text, (unsigned)strlen(text)), strlen(text));
    assert_int_equal(gzclose(f), Z_OK);
    return path;
}

#define IO_CONTAINS(err, text)                                          \
    do {                                                                \
        if (!strstr((err).message, (text)))                             \
            fail_msg("'%s' does not hold '%s'", (err).message, (text)); \
    } while (0)

#endif
