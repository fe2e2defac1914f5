/* Deflate (RFC 1951) of weights: they hold no repetitions worth looking for, so all there is to
 * gain is a code for bytes, and zlib's Z_HUFFMAN_ONLY gains it at the price of its general
 * machinery. This does the same some seven times as fast; what comes out is inflated by anything.
 * docs/decisions/0013 has the measurements. */
#include "huffman.h"

#include <string.h>

enum {
    BLOCK = 1 << 17, /* bytes a code is made for */
    LITERALS = 257,  /* bytes and the end of a block */
    LIMIT = 14,      /* four codes and seven bits fill 63 */
    LENGTH_CODES = 19,
    STORED_MOST = 65535,
};

/* ---- lengths of codes ---- */

typedef struct weighed {
    uint64_t weight;
    int symbol;
} weighed;

/* Shell's sort: short lists, and the same order everywhere (ties by symbol). */
static void sort(weighed *w, int n)
{
    static const int gaps[] = {132, 57, 23, 10, 4, 1};
    for (size_t g = 0; g < sizeof gaps / sizeof *gaps; g++)
        for (int i = gaps[g]; i < n; i++) {
            weighed x = w[i];
            int k = i;
            for (; k >= gaps[g] &&
                   (w[k - gaps[g]].weight > x.weight ||
                    (w[k - gaps[g]].weight == x.weight && w[k - gaps[g]].symbol > x.symbol));
                 k -= gaps[g])
                w[k] = w[k - gaps[g]];
            w[k] = x;
        }
}

/* Huffman's algorithm with two queues: leaves by weight, and inner nodes in the order in which they
 * are made, which is by weight too (van Leeuwen 1976). Returns the longest length. */
static int plain_lengths(weighed *leaf, int n, uint8_t *length)
{
    uint64_t weight[LITERALS];
    int parent[2 * LITERALS], depth[2 * LITERALS];
    int next_leaf = 0, next_node = 0, longest = 0;
    for (int made = 0; made < n - 1; made++) {
        uint64_t sum = 0;
        for (int side = 0; side < 2; side++) {
            bool take_leaf =
                next_node == made || (next_leaf < n && leaf[next_leaf].weight <= weight[next_node]);
            sum += take_leaf ? leaf[next_leaf].weight : weight[next_node];
            parent[take_leaf ? next_leaf++ : n + next_node++] = n + made;
        }
        weight[made] = sum;
    }
    depth[2 * n - 2] = 0;
    for (int i = 2 * n - 3; i >= 0; i--) depth[i] = depth[parent[i]] + 1;
    for (int i = 0; i < n; i++) {
        length[leaf[i].symbol] = (uint8_t)depth[i];
        if (depth[i] > longest) longest = depth[i];
    }
    return longest;
}

void wg__huffman_lengths(const uint32_t *frequency, int symbols, int limit, uint8_t *length)
{
    weighed leaf[LITERALS];
    int n = 0;
    memset(length, 0, (size_t)symbols);
    for (int i = 0; i < symbols; i++)
        if (frequency[i]) leaf[n++] = (weighed){frequency[i], i};
    for (int i = 0; n < 2; i++)
        if (!frequency[i]) leaf[n++] = (weighed){1, i};
    sort(leaf, n);
    /* Frequencies apart by less make flatter trees; that many steps are needed next to never. */
    while (plain_lengths(leaf, n, length) > limit)
        for (int i = 0; i < n; i++) leaf[i].weight = leaf[i].weight / 2 + 1;
}

/* ---- codes: RFC 1951, section 3.2.2, with the bits turned round ---- */

typedef struct code {
    uint32_t bits;
    uint32_t length;
} code;

static void assign(const uint8_t *length, int symbols, code *out)
{
    uint32_t next[16] = {0}, count[16] = {0};
    for (int i = 0; i < symbols; i++) count[length[i]]++;
    count[0] = 0;
    for (int k = 1; k < 16; k++) next[k] = (next[k - 1] + count[k - 1]) << 1;
    for (int i = 0; i < symbols; i++) {
        uint32_t value = length[i] ? next[length[i]]++ : 0, turned = 0;
        for (int k = 0; k < length[i]; k++) turned |= (value >> k & 1) << (length[i] - 1 - k);
        out[i] = (code){turned, length[i]};
    }
}

/* ---- bits; there must be room for eight bytes more than are written ---- */

static inline void put(wg__huffman *s, uint64_t bits, unsigned count)
{
    s->bits |= bits << s->count;
    s->count += count;
}

static inline unsigned char *flush(wg__huffman *s, unsigned char *at)
{
    memcpy(at, &s->bits, 8); /* little-endian, as npy.c asserts */
    at += s->count >> 3;
    s->bits >>= s->count & ~7u;
    s->count &= 7;
    return at;
}

/* ---- the header of a block: the lengths, run-length coded (3.2.7) ---- */

typedef struct header {
    uint8_t symbol[LITERALS + 2], extra[LITERALS + 2];
    int count;
    uint8_t length[LENGTH_CODES];
    int lengths; /* written of `length` */
    uint64_t bits;
} header;

static const uint8_t order[LENGTH_CODES] = {16, 17, 18, 0, 8,  7, 9,  6, 10, 5,
                                            11, 4,  12, 3, 13, 2, 14, 1, 15};

static unsigned extra_bits(int symbol)
{
    return symbol == 16 ? 2 : symbol == 17 ? 3 : symbol == 18 ? 7 : 0;
}

static void make_header(const uint8_t literal[LITERALS], header *h)
{
    uint8_t all[LITERALS + 2];
    uint32_t frequency[LENGTH_CODES] = {0};
    memcpy(all, literal, LITERALS);
    all[LITERALS] = all[LITERALS + 1] = 1; /* two distances, never used: as zlib writes it */
    h->count = 0;
    for (int i = 0, run; i < LITERALS + 2; i += run) {
        int n = 1, symbol = all[i], extra = 0;
        while (i + n < LITERALS + 2 && all[i + n] == all[i]) n++;
        run = 1;
        if (all[i] == 0 && n >= 3) {
            run = n < 138 ? n : 138;
            symbol = run < 11 ? 17 : 18;
            extra = run - (run < 11 ? 3 : 11);
        } else if (i > 0 && all[i] == all[i - 1] && n >= 3) {
            run = n < 6 ? n : 6;
            symbol = 16;
            extra = run - 3;
        }
        h->symbol[h->count] = (uint8_t)symbol;
        h->extra[h->count++] = (uint8_t)extra;
        frequency[symbol]++;
    }
    wg__huffman_lengths(frequency, LENGTH_CODES, 7, h->length);
    h->lengths = LENGTH_CODES;
    while (h->lengths > 4 && h->length[order[h->lengths - 1]] == 0) h->lengths--;
    h->bits = 3 + 5 + 5 + 4 + 3 * (uint64_t)h->lengths;
    for (int i = 0; i < h->count; i++)
        h->bits += h->length[h->symbol[i]] + extra_bits(h->symbol[i]);
}

static unsigned char *put_header(wg__huffman *s, const header *h, bool last, unsigned char *at)
{
    code codes[LENGTH_CODES];
    assign(h->length, LENGTH_CODES, codes);
    put(s, last ? 5 : 4, 3); /* BFINAL, BTYPE = 2 */
    put(s, 0, 5);            /* 257 literals */
    put(s, 1, 5);            /* 2 distances */
    put(s, (uint64_t)h->lengths - 4, 4);
    for (int i = 0; i < h->lengths; i++) {
        put(s, h->length[order[i]], 3);
        at = flush(s, at);
    }
    for (int i = 0; i < h->count; i++) {
        put(s, codes[h->symbol[i]].bits, codes[h->symbol[i]].length);
        put(s, h->extra[i], extra_bits(h->symbol[i]));
        at = flush(s, at);
    }
    return at;
}

/* ---- blocks ---- */

/* Several tables, so that equal neighbours do not wait for each other. */
static void count_bytes(const unsigned char *bytes, size_t size, uint32_t frequency[LITERALS])
{
    uint32_t table[4][256];
    memset(table, 0, sizeof table);
    size_t i = 0;
    for (; i + 4 <= size; i += 4)
        for (int k = 0; k < 4; k++) table[k][bytes[i + (size_t)k]]++;
    for (; i < size; i++) table[0][bytes[i]]++;
    for (int b = 0; b < 256; b++)
        frequency[b] = table[0][b] + table[1][b] + table[2][b] + table[3][b];
    frequency[256] = 1;
}

static unsigned char *put_stored(wg__huffman *s, const unsigned char *bytes, size_t size, bool last,
                                 unsigned char *at)
{
    do {
        size_t n = size < STORED_MOST ? size : STORED_MOST;
        put(s, last && n == size, 3);
        s->count = (s->count + 7) & ~7u;
        at = flush(s, at);
        put(s, n | (uint64_t)(~n & 0xffff) << 16, 32);
        at = flush(s, at);
        memcpy(at, bytes, n);
        at += n;
        bytes += n;
        size -= n;
    } while (size > 0);
    return at;
}

static unsigned char *put_block(wg__huffman *s, const unsigned char *bytes, size_t size, bool last,
                                unsigned char *at)
{
    uint32_t frequency[LITERALS];
    uint8_t length[LITERALS];
    header h;
    count_bytes(bytes, size, frequency);
    wg__huffman_lengths(frequency, LITERALS, LIMIT, length);
    make_header(length, &h);
    uint64_t bits = h.bits;
    for (int i = 0; i < LITERALS; i++) bits += (uint64_t)frequency[i] * length[i];
    if (bits >= 8 * ((uint64_t)size + 5 * (size / STORED_MOST + 1)))
        return put_stored(s, bytes, size, last, at);
    code codes[LITERALS];
    assign(length, LITERALS, codes);
    at = put_header(s, &h, last, at);
    /* In registers: `at` might point to anything, this structure too. */
    wg__huffman t = *s;
    size_t i = 0;
    for (; i + 4 <= size; i += 4) {
        for (int k = 0; k < 4; k++) {
            code c = codes[bytes[i + (size_t)k]];
            put(&t, c.bits, c.length);
        }
        at = flush(&t, at);
    }
    for (; i < size; i++) {
        put(&t, codes[bytes[i]].bits, codes[bytes[i]].length);
        at = flush(&t, at);
    }
    put(&t, codes[256].bits, codes[256].length);
    at = flush(&t, at);
    *s = t;
    return at;
}

bool wg__huffman_blocks(wg__huffman *s, const void *bytes, size_t size, bool end, wg__buf *out)
{
    const unsigned char *from = bytes;
    do {
        size_t n = size < BLOCK ? size : BLOCK;
        /* Never more than stored, and the widest stores reach eight bytes beyond. */
        if (!wg__buf_reserve(out, n + 5 * (n / STORED_MOST + 1) + 32)) return false;
        unsigned char *at = (unsigned char *)out->data + out->size;
        at = put_block(s, from, n, end && n == size, at);
        out->size = (size_t)(at - (unsigned char *)out->data);
        from += n;
        size -= n;
    } while (size > 0);
    return true;
}

bool wg__huffman_finish(wg__huffman *s, bool full_flush, wg__buf *out)
{
    if (!wg__buf_reserve(out, 32)) return false;
    unsigned char *at = (unsigned char *)out->data + out->size;
    if (full_flush) {
        at = put_stored(s, (const unsigned char *)"", 0, false, at);
    } else {
        s->count = (s->count + 7) & ~7u;
        at = flush(s, at);
    }
    out->size = (size_t)(at - (unsigned char *)out->data);
    *s = (wg__huffman){0};
    return true;
}
