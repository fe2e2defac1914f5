/* Zip records as bytes: fixed times, so that the same tensors give the same file. */
#include "zip.h"

#include <string.h>

#define NEEDS64(x) ((x) >= 0xffffffffu)

static void put16(wg__buf *out, uint32_t x)
{
    wg__buf_add(out, (unsigned char[]){x & 0xff, x >> 8 & 0xff}, 2);
}

static void put32(wg__buf *out, uint32_t x)
{
    put16(out, x & 0xffff);
    put16(out, x >> 16);
}

static void put64(wg__buf *out, uint64_t x)
{
    put32(out, (uint32_t)x);
    put32(out, (uint32_t)(x >> 32));
}

/* From "version needed" to "uncompressed size", common to both headers. */
static void put_common(wg__buf *out, const wg__member *m, bool wide, bool later)
{
    put16(out, wide ? 45 : 20);
    put16(out, m->descriptor ? 0x0808 : 0x0800); /* names are UTF-8; bit 3: sizes follow */
    put16(out, m->method);
    put16(out, 0);      /* 00:00:00 */
    put16(out, 0x0021); /* 1 January 1980 */
    put32(out, later ? 0 : m->crc);
    put32(out, wide ? 0xffffffffu : later ? 0 : (uint32_t)m->stored);
    put32(out, wide ? 0xffffffffu : later ? 0 : (uint32_t)m->size);
    put16(out, (uint32_t)strlen(m->name));
}

void wg__zip_local_header(wg__buf *out, const wg__member *m, bool zip64)
{
    bool wide = zip64 || NEEDS64(m->stored) || NEEDS64(m->size);
    put32(out, 0x04034b50);
    put_common(out, m, wide, m->descriptor);
    put16(out, wide ? 20 : 0);
    wg__buf_text(out, m->name);
    if (wide) {
        put16(out, 1);
        put16(out, 16);
        put64(out, m->descriptor ? 0 : m->size);
        put64(out, m->descriptor ? 0 : m->stored);
    }
}

/* Section 4.3.9; its sizes are as wide as the local header announced. */
void wg__zip_descriptor(wg__buf *out, const wg__member *m, bool zip64)
{
    put32(out, 0x08074b50);
    put32(out, m->crc);
    if (zip64) {
        put64(out, m->stored);
        put64(out, m->size);
    } else {
        put32(out, (uint32_t)m->stored);
        put32(out, (uint32_t)m->size);
    }
}

static void put_index(wg__buf *out, const wg__flush_index *index)
{
    put16(out, WG__INDEX_ID);
    put16(out, WG__INDEX_HEAD + 4 * index->count);
    wg__buf_add(out, "WGFI\1", 5);
    wg__buf_add(out, (unsigned char[]){(unsigned char)index->log2, 0, 0}, 3);
    for (uint32_t i = 0; i < index->count; i++) put32(out, index->lengths[i]);
}

void wg__zip_central_header(wg__buf *out, const wg__member *m, bool zip64)
{
    bool wide = zip64 || NEEDS64(m->stored) || NEEDS64(m->size) || NEEDS64(m->header);
    put32(out, 0x02014b50);
    put16(out, 3 << 8 | 45); /* made on Unix: the mode below counts */
    put_common(out, m, wide, false);
    put16(out, (wide ? 28 : 0) + (m->index.count ? 4 + WG__INDEX_HEAD + 4 * m->index.count : 0));
    put16(out, 0);              /* comment */
    put16(out, 0);              /* disk */
    put16(out, 0);              /* internal attributes */
    put32(out, 0100644u << 16); /* a plain file, rw-r--r-- */
    put32(out, wide ? 0xffffffffu : (uint32_t)m->header);
    wg__buf_text(out, m->name);
    if (wide) {
        put16(out, 1);
        put16(out, 24);
        put64(out, m->size);
        put64(out, m->stored);
        put64(out, m->header);
    }
    if (m->index.count) put_index(out, &m->index);
}

void wg__zip_end(wg__buf *out, uint64_t count, uint64_t offset, uint64_t size, bool zip64)
{
    bool wide = zip64 || count >= 0xffff || NEEDS64(offset) || NEEDS64(size);
    if (wide) {
        put32(out, 0x06064b50);
        put64(out, 44);
        put16(out, 3 << 8 | 45);
        put16(out, 45);
        put32(out, 0);
        put32(out, 0);
        put64(out, count);
        put64(out, count);
        put64(out, size);
        put64(out, offset);
        put32(out, 0x07064b50);
        put32(out, 0);
        put64(out, offset + size);
        put32(out, 1);
    }
    put32(out, 0x06054b50);
    put16(out, 0);
    put16(out, 0);
    put16(out, wide ? 0xffff : (uint32_t)count);
    put16(out, wide ? 0xffff : (uint32_t)count);
    put32(out, wide ? 0xffffffffu : (uint32_t)size);
    put32(out, wide ? 0xffffffffu : (uint32_t)offset);
    put16(out, 0);
}
