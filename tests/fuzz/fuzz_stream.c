/* libFuzzer entry: any bytes as two shards of a text, plain or gzipped. The first byte says where
 * they are cut and how they are read; read ahead or not, from the start or from any place on the
 * way, the same lines and the same error must come. */
#define _GNU_SOURCE
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <wengert/stream.h>

#ifndef WGT_FUZZ_STREAM
#define WGT_FUZZ_STREAM LLVMFuzzerTestOneInput
#endif

typedef struct fuzz_run {
    uint64_t lines, bytes, sum;
    wg_status status;
    wg_stream_place place[2]; /* two on the way, with the sums up to there */
    uint64_t before[2];
} fuzz_run;

static void fuzz_read(wg_stream *s, unsigned at, fuzz_run *r)
{
    const char *text[2];
    size_t length[2];
    wg_error e;
    for (;;) {
        for (int k = 0; k < 2; k++)
            if (r->lines == (k + 1) * at) {
                r->place[k] = wg_stream_tell(s);
                r->before[k] = r->sum;
            }
        r->status = wg_stream_next(s, text, length, &e);
        if (r->status != WG_OK || !text[0]) break;
        r->lines++;
        for (int side = 0; side < wg_stream_sides(s); side++)
            for (size_t i = 0; i < length[side]; i++) {
                r->bytes++;
                r->sum = r->sum * 31 + (unsigned char)text[side][i];
            }
        r->sum = r->sum * 31 + '\n';
    }
}

static wg_stream *fuzz_open(const char *const *path, size_t n, int how, unsigned ahead)
{
    wg_stream *s;
    wg_stream_options o = {.size = sizeof o,
                           .sides = how & 1 ? 2 : 1,
                           .source = path,
                           .n_source = how & 2 ? 1 : n,
                           .target = (how & 3) == 3 ? path + 1 : NULL,
                           .n_target = (how & 3) == 3 ? 1 : 0,
                           .reader = {.max_line_bytes = 4096,
                                      .max_total_bytes = 1 << 22,
                                      .invalid_utf8 = how & 4 ? WG_UTF8_REPLACE : WG_UTF8_REFUSE,
                                      .nfc = (how & 8) != 0,
                                      .ahead = ahead}};
    return wg_stream_open(&o, &s, NULL) == WG_OK ? s : NULL;
}

int WGT_FUZZ_STREAM(const uint8_t *data, size_t size);
int WGT_FUZZ_STREAM(const uint8_t *data, size_t size)
{
    if (size < 2) return 0;
    char name[2][64];
    const char *path[2] = {name[0], name[1]};
    int fd[2], how = data[0] & 15;
    size_t cut = (size - 2) * (data[1] & 15) / 15;
    bool good = true;
    for (int k = 0; k < 2; k++) {
        fd[k] = memfd_create("fuzz", MFD_CLOEXEC);
        snprintf(name[k], sizeof name[k], "/proc/self/fd/%d", fd[k]);
        const uint8_t *from = data + 2 + (k ? cut : 0);
        size_t n = k ? size - 2 - cut : cut;
        good = good && fd[k] >= 0 && (n == 0 || write(fd[k], from, n) == (ssize_t)n);
    }
    wg_stream *a = good ? fuzz_open(path, 2, how, 0) : NULL;
    wg_stream *b = good ? fuzz_open(path, 2, how, 2) : NULL;
    if (good && !a != !b) abort();
    if (a) {
        fuzz_run r = {.sum = 1}, q = {.sum = 1};
        unsigned at = 1 + (data[1] >> 4);
        fuzz_read(a, at, &r);
        fuzz_read(b, at, &q);
        if (r.lines != q.lines || r.sum != q.sum || r.status != q.status) abort();
        for (int k = 0; k < 2 && r.lines >= (unsigned)(k + 1) * at; k++) {
            fuzz_run rest = {.lines = (unsigned)(k + 1) * at, .sum = r.before[k]};
            if (wg_stream_seek(k ? a : b, r.place[k], NULL) != WG_OK) abort();
            fuzz_read(k ? a : b, 1u << 30, &rest);
            if (rest.lines != r.lines || rest.sum != r.sum || rest.status != r.status) abort();
        }
    }
    wg_stream_close(a);
    wg_stream_close(b);
    for (int k = 0; k < 2; k++)
        if (fd[k] >= 0) close(fd[k]);
    return 0;
}
