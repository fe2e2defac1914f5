/* What the tests of readers and streams share: files of lines that can be told apart. */
#ifndef WENGERT_TESTS_STREAM_TEST_H
#define WENGERT_TESTS_STREAM_TEST_H

#include "io_test.h"

#include <stdlib.h>

#include <wengert/textfile.h>

/* n lines "side i ..." of different lengths, some with umlauts. */
static inline char *make_text(const char *side, int from, int n)
{
    char *text = malloc((size_t)n * 160 + 1), *at = text;
    for (int i = from; i < from + n; i++) {
        at += sprintf(at, "%s %d", side, i);
        for (int k = 0; k < (i * 7919) % 23; k++)
            at += sprintf(at, k % 5 ? " w%d" : " \xC3\xBC%d", k);
        *at++ = '\n';
    }
    *at = '\0';
    return text;
}

static const char *shard(const char *name, const char *side, int from, int n, bool gzip)
{
    char *text = make_text(side, from, n);
    const char *path = gzip ? io_gzip(name, text) : io_text(name, text);
    free(text);
    return path;
}

static inline wg_reader *open_reader(const char *path, unsigned ahead)
{
    wg_reader *r;
    wg_error e;
    wg_reader_options o = {.size = sizeof o, .ahead = ahead};
    WGT_OK(wg_reader_open(path, &o, &r, &e), &e);
    return r;
}

#endif
