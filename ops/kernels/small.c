/* The kernels of small products: this file is compiled once for each instruction set. Operands are
 * read where they lie; sums live in registers. */
#include "small.h"

#include <string.h>

#include "vector.h"

/* ---- rows of b weighted and added ---- */

/* Rows of c at once, two vectors each: 12 sums of 16 registers. One row takes more vectors, so that
 * b is read in longer runs: it comes from memory then. */
enum { ROWS = 6, WIDE = 8 };

/* `rows` x `vectors` vectors of c; both are constants where this is called. */
WG_INLINE void rows_tile(const int rows, const int vectors, const wg__small_product *p, int64_t i,
                         int64_t j)
{
    wg__vec sum[ROWS][WIDE];
    const float *a = p->a + i * p->a_row, *b = p->b + j;
    WG_UNROLL
    for (int r = 0; r < rows; r++) WG_UNROLL
    for (int v = 0; v < vectors; v++) sum[r][v] = (wg__vec){0};
    for (int64_t q = 0; q < p->k; q++) {
        wg__vec right[WIDE];
        WG_UNROLL
        for (int v = 0; v < vectors; v++)
            right[v] = *(const wg__vec_unaligned *)(b + q * p->ldb + v * WG_LANES);
        WG_UNROLL
        for (int r = 0; r < rows; r++) {
            wg__vec left = a[r * p->a_row + q * p->a_column] - (wg__vec){0}; /* on every lane */
            WG_UNROLL
            for (int v = 0; v < vectors; v++) sum[r][v] += left * right[v];
        }
    }
    WG_UNROLL
    for (int r = 0; r < rows; r++) WG_UNROLL
    for (int v = 0; v < vectors; v++)
        *(wg__vec_unaligned *)(p->c + (i + r) * p->ldc + j + v * WG_LANES) = sum[r][v];
}

WG_INLINE void rows_of(const int vectors, int rows, const wg__small_product *p, int64_t i,
                       int64_t j)
{
    switch (rows) {
    case 1: rows_tile(1, vectors, p, i, j); return;
    case 2: rows_tile(2, vectors, p, i, j); return;
    case 3: rows_tile(3, vectors, p, i, j); return;
    case 4: rows_tile(4, vectors, p, i, j); return;
    case 5: rows_tile(5, vectors, p, i, j); return;
    case 6: rows_tile(6, vectors, p, i, j); return;
    default: return;
    }
}

static void rows(const wg__small_product *p)
{
    if (p->m < 1) return;
    int64_t tiles = (p->m + ROWS - 1) / ROWS, least = p->m / tiles, more = p->m % tiles;
    for (int64_t t = 0, i = 0; t < tiles; t++) {
        int count = (int)(least + (t < more));
        int64_t j = 0;
        for (; count == 1 && j + WIDE * WG_LANES <= p->n; j += WIDE * WG_LANES)
            rows_tile(1, WIDE, p, i, j);
        for (; j + 2 * WG_LANES <= p->n; j += 2 * WG_LANES) rows_of(2, count, p, i, j);
        if (j + WG_LANES <= p->n) {
            rows_of(1, count, p, i, j);
            j += WG_LANES;
        }
        for (int r = 0; r < count && j < p->n; r++) {
            const float *a = p->a + (i + r) * p->a_row;
            for (int64_t col = j; col < p->n; col++) {
                float sum = 0;
                for (int64_t q = 0; q < p->k; q++)
                    sum += a[q * p->a_column] * p->b[q * p->ldb + col];
                p->c[(i + r) * p->ldc + col] = sum;
            }
        }
        i += count;
    }
}

/* ---- rows with rows ---- */

enum { DOT_ROWS = 3, DOT_COLUMNS = 4 };

/* Lanes by halves; the same tree for every element. */
WG_INLINE float total(wg__vec v)
{
    float lane[WG_VECTOR / sizeof(float)];
    memcpy(lane, &v, sizeof v);
    for (int width = (int)WG_LANES / 2; width; width /= 2)
        for (int l = 0; l < width; l++) lane[l] += lane[l + width];
    return lane[0];
}

WG_INLINE void dots_tile(const int rows, const int columns, const wg__small_product *p, int64_t i,
                         int64_t j)
{
    wg__vec sum[DOT_ROWS][DOT_COLUMNS];
    const float *a = p->a + i * p->a_row, *b = p->b + j * p->ldb;
    WG_UNROLL
    for (int r = 0; r < rows; r++) WG_UNROLL
    for (int s = 0; s < columns; s++) sum[r][s] = (wg__vec){0};
    int64_t q = 0;
    for (; q + WG_LANES <= p->k; q += WG_LANES) {
        wg__vec right[DOT_COLUMNS];
        WG_UNROLL
        for (int s = 0; s < columns; s++)
            right[s] = *(const wg__vec_unaligned *)(b + s * p->ldb + q);
        WG_UNROLL
        for (int r = 0; r < rows; r++) {
            wg__vec left = *(const wg__vec_unaligned *)(a + r * p->a_row + q);
            WG_UNROLL
            for (int s = 0; s < columns; s++) sum[r][s] += left * right[s];
        }
    }
    for (int r = 0; r < rows; r++)
        for (int s = 0; s < columns; s++) {
            float all = total(sum[r][s]);
            for (int64_t l = q; l < p->k; l++) all += a[r * p->a_row + l] * b[s * p->ldb + l];
            p->c[(i + r) * p->ldc + j + s] = all;
        }
}

WG_INLINE void dots_of(const int columns, int rows, const wg__small_product *p, int64_t i,
                       int64_t j)
{
    switch (rows) {
    case 1: dots_tile(1, columns, p, i, j); return;
    case 2: dots_tile(2, columns, p, i, j); return;
    case 3: dots_tile(3, columns, p, i, j); return;
    default: return;
    }
}

static void dots(const wg__small_product *p)
{
    for (int64_t i = 0; i < p->m; i += DOT_ROWS) {
        int count = (int)(p->m - i < DOT_ROWS ? p->m - i : DOT_ROWS);
        int64_t j = 0;
        for (; j + DOT_COLUMNS <= p->n; j += DOT_COLUMNS) dots_of(DOT_COLUMNS, count, p, i, j);
        for (; j < p->n; j++) dots_of(1, count, p, i, j);
    }
}

#define TABLE WG_FOR_ISA(wg__small_)

extern const wg__small_kernels TABLE;
const wg__small_kernels TABLE = {.rows = rows, .dots = dots};
