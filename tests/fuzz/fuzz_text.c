/* libFuzzer entry: any bytes as a text file, plain or gzipped. */
#define _GNU_SOURCE
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <wengert/textfile.h>

#ifndef WGT_FUZZ_TEXT
#define WGT_FUZZ_TEXT LLVMFuzzerTestOneInput
#endif

int WGT_FUZZ_TEXT(const uint8_t *data, size_t size);
int WGT_FUZZ_TEXT(const uint8_t *data, size_t size)
{
    char path[64];
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0) return 0;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (write(fd, data, size) == (ssize_t)size) {
        for (int policy = 0; policy < 2; policy++) {
            wg_reader_options o = {.size = sizeof o,
                                   .max_line_bytes = 4096,
                                   .max_total_bytes = 1 << 22,
                                   .invalid_utf8 = (wg_utf8_policy)policy};
            wg_reader *r;
            wg_error e;
            const char *text = NULL;
            size_t length;
            if (wg_reader_open(path, &o, &r, &e) != WG_OK) continue;
            while (wg_reader_line(r, &text, &length, &e) == WG_OK && text)
                if (strlen(text) != length || memchr(text, '\n', length)) __builtin_trap();
            wg_reader_close(r);
        }
    }
    close(fd);
    return 0;
}
