/* Large products, on the micro-kernel of packed ones (tile.h): both operands are copied, in blocks
 * that stay in the caches. */
#ifndef WG_OPS_BLOCK_H
#define WG_OPS_BLOCK_H

#include <stddef.h>
#include <stdint.h>

typedef struct wg__block_product {
    int64_t m, n, k;
    const float *a; /* element (i, p) at a[i a_row + p a_column] */
    int64_t a_row, a_column;
    const float *b; /* element (p, j) at b[p b_row + j b_column] */
    int64_t b_row, b_column;
    float *c; /* [m, n] with row stride ldc; overlaps nothing */
    int64_t ldc;
    float *room; /* of wg__block_room(m, n, k) bytes, aligned to 64 */
} wg__block_product;

enum {
    WG_BLOCK_TERMS = 384,    /* WG_TILE_TERMS */
    WG_BLOCK_ROWS = 192,     /* as many of a stay in half of a second-level cache of 512 KiB */
    WG_BLOCK_COLUMNS = 1024, /* of b that are copied before other rows of a come */
    WG_BLOCK_MOST = 2560,    /* rows of a that are copied at once */
};

/* Bytes that a product of these sizes, or of any that are no larger, works in: a multiple of 64. */
static inline size_t wg__block_room(int64_t m, int64_t n, int64_t k)
{
    const size_t terms = (size_t)(k < WG_BLOCK_TERMS ? k : WG_BLOCK_TERMS);
    const size_t rows = (size_t)(m < WG_BLOCK_MOST ? m : WG_BLOCK_MOST);
    const size_t columns = (size_t)(n < WG_BLOCK_COLUMNS ? n : WG_BLOCK_COLUMNS);
    /* Columns of a last panel that is not full, of the widest one, and a panel to use in turn. */
    return ((rows + columns + 64) * terms * sizeof(float) + 127) / 64 * 64;
}

/* c = a b, k > 0. Each element is a sum of sums over at most WG_BLOCK_TERMS terms in order,
 * whatever m and n: the bits depend on the instruction set alone, and are those of the packed
 * product. */
void wg__block_product_base(const wg__block_product *p);
void wg__block_product_avx2(const wg__block_product *p);
void wg__block_product_avx512(const wg__block_product *p);

#endif
