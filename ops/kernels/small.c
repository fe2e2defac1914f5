/* The kernels of small products: this file is compiled once for each instruction set. Operands are
 * read where they lie; sums live in registers. */
#include "small.h"

#include <string.h>

#if defined(__AVX512F__)
#define VECTOR 64
#elif defined(__AVX__)
#define VECTOR 32
#else
#define VECTOR 16
#endif
#define LANES ((int64_t)(VECTOR / sizeof(float)))

typedef float vec __attribute__((vector_size(VECTOR)));
typedef float vec_unaligned __attribute__((vector_size(VECTOR), aligned(4), may_alias));

#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif
#define INLINE static inline __attribute__((always_inline))

/* ---- rows of b weighted and added ---- */

/* Rows of c at once, two vectors each: 12 sums of 16 registers. One row takes more vectors, so that
 * b is read in longer runs: it comes from memory then. */
enum { ROWS = 6, WIDE = 8 };

/* `rows` x `vectors` vectors of c; both are constants where this is called. */
INLINE void rows_tile(const int rows, const int vectors, const wg__small_product *p, int64_t i,
                      int64_t j)
{
    vec sum[ROWS][WIDE];
    const float *a = p->a + i * p->a_row, *b = p->b + j;
    UNROLL
    for (int r = 0; r < rows; r++) UNROLL
    for (int v = 0; v < vectors; v++) sum[r][v] = (vec){0};
    for (int64_t q = 0; q < p->k; q++) {
        vec right[WIDE];
        UNROLL
        for (int v = 0; v < vectors; v++)
            right[v] = *(const vec_unaligned *)(b + q * p->ldb + v * LANES);
        UNROLL
        for (int r = 0; r < rows; r++) {
            vec left = a[r * p->a_row + q * p->a_column] - (vec){0}; /* on every lane */
            UNROLL
            for (int v = 0; v < vectors; v++) sum[r][v] += left * right[v];
        }
    }
    UNROLL
    for (int r = 0; r < rows; r++) UNROLL
    for (int v = 0; v < vectors; v++)
        *(vec_unaligned *)(p->c + (i + r) * p->ldc + j + v * LANES) = sum[r][v];
}

INLINE void rows_of(const int vectors, int rows, const wg__small_product *p, int64_t i, int64_t j)
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
        for (; count == 1 && j + WIDE * LANES <= p->n; j += WIDE * LANES)
            rows_tile(1, WIDE, p, i, j);
        for (; j + 2 * LANES <= p->n; j += 2 * LANES) rows_of(2, count, p, i, j);
        if (j + LANES <= p->n) {
            rows_of(1, count, p, i, j);
            j += LANES;
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
INLINE float total(vec v)
{
    float lane[VECTOR / sizeof(float)];
    memcpy(lane, &v, sizeof v);
    for (int width = (int)LANES / 2; width; width /= 2)
        for (int l = 0; l < width; l++) lane[l] += lane[l + width];
    return lane[0];
}

INLINE void dots_tile(const int rows, const int columns, const wg__small_product *p, int64_t i,
                      int64_t j)
{
    vec sum[DOT_ROWS][DOT_COLUMNS];
    const float *a = p->a + i * p->a_row, *b = p->b + j * p->ldb;
    UNROLL
    for (int r = 0; r < rows; r++) UNROLL
    for (int s = 0; s < columns; s++) sum[r][s] = (vec){0};
    int64_t q = 0;
    for (; q + LANES <= p->k; q += LANES) {
        vec right[DOT_COLUMNS];
        UNROLL
        for (int s = 0; s < columns; s++) right[s] = *(const vec_unaligned *)(b + s * p->ldb + q);
        UNROLL
        for (int r = 0; r < rows; r++) {
            vec left = *(const vec_unaligned *)(a + r * p->a_row + q);
            UNROLL
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

INLINE void dots_of(const int columns, int rows, const wg__small_product *p, int64_t i, int64_t j)
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

#define CONCAT2(a, b) a##b
#define CONCAT(a, b) CONCAT2(a, b)
#define TABLE CONCAT(wg__small_, WG_ISA_NAME)

extern const wg__small_kernels TABLE;
const wg__small_kernels TABLE = {.rows = rows, .dots = dots};
