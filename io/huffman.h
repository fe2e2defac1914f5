/* Deflate data of Huffman-coded literals alone: pure code on bytes. */
#ifndef WENGERT_IO_HUFFMAN_H
#define WENGERT_IO_HUFFMAN_H

#include "buffer.h"

/* Appends `size` bytes as raw deflate blocks without any back reference. Blocks end at a bit, and
 * what is not yet a whole byte is kept in *state, which is zero before the first call. With `end`
 * the last block is marked as the last one of the stream. False when memory is out. */
typedef struct wg__huffman {
    uint64_t bits;
    unsigned count;
} wg__huffman;
bool wg__huffman_blocks(wg__huffman *state, const void *bytes, size_t size, bool end, wg__buf *out);
/* Ends it at a byte: with a full flush (an empty stored block), or behind the last block. */
bool wg__huffman_finish(wg__huffman *state, bool flush, wg__buf *out);

/* Lengths of an optimal prefix code of at most `limit` bits for symbols of these frequencies (0: no
 * code); at least two symbols get one. For tests too. */
void wg__huffman_lengths(const uint32_t *frequency, int symbols, int limit, uint8_t *length);

#endif
