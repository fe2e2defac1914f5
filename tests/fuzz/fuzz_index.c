/* libFuzzer entry: an index of flush points over deflated data. The first byte is how many bytes
 * are skipped, the second says whether the rest is 64-bit integers, the third and fourth are the
 * size of the index, which stands before the data. Whatever the index says, what is read must be
 * what zlib reads from front to back. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include <wengert/memory.h>

#include "unpack.h"

#ifndef WGT_FUZZ_INDEX
#define WGT_FUZZ_INDEX LLVMFuzzerTestOneInput
#endif

enum { INDEX_MOST = 1 << 16 };

typedef struct index_data {
    const uint8_t *bytes;
    size_t size;
} index_data;

static wg_status index_read(void *user, uint64_t offset, void *bytes, size_t size, wg_error *err)
{
    const index_data *d = user;
    if (offset > d->size || size > d->size - offset)
        return wg_error_set(err, WG_EFORMAT, "cut short");
    memcpy(bytes, d->bytes + offset, size);
    return WG_OK;
}

/* zlib's answer: does the data end where it should? */
static bool index_reference(const index_data *d, uint8_t *out, size_t *size)
{
    z_stream z = {.next_in = (Bytef *)(uintptr_t)d->bytes, .avail_in = (uInt)d->size};
    if (inflateInit2(&z, -15) != Z_OK) abort();
    z.next_out = out;
    z.avail_out = INDEX_MOST;
    int code = inflate(&z, Z_FINISH);
    *size = INDEX_MOST - z.avail_out;
    bool fine = code == Z_STREAM_END && z.avail_in == 0;
    inflateEnd(&z);
    return fine;
}

/* Reads the member as it is; was it accepted? Then it has to be the reference. */
static bool index_accepts(const wg__source *source, const wg__member *m, uint64_t skip, bool narrow,
                          const uint8_t *reference)
{
    wg_npz_options o = {.size = sizeof o, .threads = 1, .memory = 1 << 20};
    size_t left = (size_t)(m->size - skip), room = narrow ? left / 2 : left;
    uint8_t *out = malloc(room + !room); /* exactly: sanitizers see a byte too many */
    if (!out) abort();
    wg__unpack_item item = {.member = m, .skip = skip, .out = out, .narrow = narrow};
    bool fine = wg__unpack_now(source, &item, 1, &o, NULL) == WG_OK;
    for (size_t i = 0; fine && narrow && i < left / 8; i++) {
        int64_t wide;
        int32_t small;
        memcpy(&wide, reference + skip + 8 * i, 8);
        memcpy(&small, out + 4 * i, 4);
        if (wide != small) abort();
    }
    if (fine && !narrow && memcmp(out, reference + skip, left) != 0) abort();
    free(out);
    return fine;
}

int WGT_FUZZ_INDEX(const uint8_t *data, size_t size);
int WGT_FUZZ_INDEX(const uint8_t *data, size_t size)
{
    if (size < 4) return 0;
    size_t field = (size_t)data[2] | (size_t)data[3] << 8, plain;
    if (field > size - 4) return 0;
    index_data d = {data + 4 + field, size - 4 - field};
    uint8_t *reference = malloc(INDEX_MOST);
    if (!reference) abort();
    bool valid = index_reference(&d, reference, &plain), memory;
    char name[] = "m";
    wg__source source = {index_read, &d, d.size, "fuzz", -1};
    wg__member m = {.name = name,
                    .method = WG__ZIP_DEFLATED,
                    .crc = (uint32_t)crc32_z(0, reference, plain),
                    .stored = d.size,
                    .size = plain};
    uint64_t skip = data[0] < plain ? data[0] : plain;
    bool narrow = (data[1] & 1) && (plain - skip) % 8 == 0;
    /* Without an index all that zlib takes is taken, but for integers that do not fit. */
    bool whole = index_accepts(&source, &m, skip, narrow, reference);
    if (whole != valid && !(narrow && valid)) abort();
    if (wg__zip_read_index(data + 4, field, &m, &memory) &&
        index_accepts(&source, &m, skip, narrow, reference) && !whole)
        abort();
    wg_free(m.index.lengths);
    free(reference);
    return 0;
}
