/* The micro-kernels of packed products: this file is compiled once for each instruction set.
 *
 * A tile of up to ROWS rows and one or two panels is held in registers while the sum over k runs;
 * each step loads two vectors of a panel and multiplies them with one broadcast element a row (K.
 * Goto, R. van de Geijn, "Anatomy of High-Performance Matrix Multiplication", ACM TOMS 34(3), 2008;
 * here the rows are few, so a is read in place and b is packed once for many products). */
#include "panel.h"

#include <string.h>

#if defined(__AVX512F__)
#define VECTOR 64
#define ROWS 12 /* 24 sums of 32 registers */
#elif defined(__AVX__)
#define VECTOR 32
#define ROWS 6 /* 12 of 16 */
#else
#define VECTOR 16
#define ROWS 6
#endif
#define LANES ((int64_t)(VECTOR / sizeof(float)))
#define WIDTH (2 * LANES)

typedef float vec __attribute__((vector_size(VECTOR)));
typedef float vec_unaligned __attribute__((vector_size(VECTOR), aligned(4), may_alias));
typedef float vec_aligned __attribute__((vector_size(VECTOR), may_alias));

#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif
#define INLINE static inline __attribute__((always_inline))

/* `rows` x `panels` panels; both are constants where this is called, so that the sums live in
 * registers. a_column is 1 but for operands of odd layout. */
INLINE void tile(const int rows, const int panels, const float *restrict a, int64_t a_row,
                 int64_t a_column, const float *restrict b, int64_t b_row, int64_t k, float *c,
                 int64_t ldc, const float *add, int64_t ldadd)
{
    vec sum[ROWS][4];
    const int vectors = 2 * panels;
    UNROLL
    for (int i = 0; i < rows; i++) UNROLL
    for (int v = 0; v < vectors; v++) sum[i][v] = (vec){0};
    const float *next = b + (panels - 1) * k * WIDTH;
    for (int64_t p = 0; p < k; p++) {
        vec right[4];
        UNROLL
        for (int v = 0; v < 2; v++) {
            right[v] = *(const vec_unaligned *)(b + p * b_row + v * LANES);
            if (panels == 2) right[2 + v] = *(const vec_aligned *)(next + p * WIDTH + v * LANES);
        }
        UNROLL
        for (int i = 0; i < rows; i++) {
            vec left = a[i * a_row + p * a_column] - (vec){0}; /* on every lane */
            UNROLL
            for (int v = 0; v < vectors; v++) sum[i][v] += left * right[v];
        }
    }
    UNROLL
    for (int i = 0; i < rows; i++) UNROLL
    for (int v = 0; v < vectors; v++) {
        if (add) sum[i][v] += *(const vec_unaligned *)(add + i * ldadd + v * LANES);
        *(vec_unaligned *)(c + i * ldc + v * LANES) = sum[i][v];
    }
}

#define TILE(rows_, panels_) \
    tile(rows_, panels_, a, p->a_row, unit ? 1 : p->a_column, b, b_row, k, c, ldc, add, ldadd)

/* One tile by its number of rows. */
INLINE void tile_of(int rows, const int panels, const bool unit, const wg__panel_product *p,
                    const float *a, const float *b, int64_t b_row, int64_t k, float *c, int64_t ldc,
                    const float *add, int64_t ldadd)
{
    if (panels == 2) {
        switch (rows) {
        case 1: TILE(1, 2); return;
        case 2: TILE(2, 2); return;
        case 3: TILE(3, 2); return;
#if ROWS == 12
        case 4: TILE(4, 2); return;
        case 5: TILE(5, 2); return;
        case 6: TILE(6, 2); return;
#endif
        default: return;
        }
    }
    switch (rows) {
    case 1: TILE(1, 1); return;
    case 2: TILE(2, 1); return;
    case 3: TILE(3, 1); return;
    case 4: TILE(4, 1); return;
    case 5: TILE(5, 1); return;
    case 6: TILE(6, 1); return;
#if ROWS == 12
    case 7: TILE(7, 1); return;
    case 8: TILE(8, 1); return;
    case 9: TILE(9, 1); return;
    case 10: TILE(10, 1); return;
    case 11: TILE(11, 1); return;
    case 12: TILE(12, 1); return;
#endif
    default: return;
    }
}

/* All rows against `panels` panels, of which n columns count. The rows are cut into tiles as even
 * as can be. */
INLINE void column(const wg__panel_product *p, int64_t j, int64_t n, const int panels,
                   const bool unit)
{
    const float *b = p->panels + j * p->k;
    int64_t tiles = (p->m + ROWS - 1) / ROWS, least = p->m / tiles, more = p->m % tiles;
    float part[ROWS * 2 * WIDTH];
    for (int64_t t = 0, i = 0; t < tiles; t++) {
        int rows = (int)(least + (t < more));
        const float *a = p->a + i * p->a_row;
        const float *add = p->add ? p->add + i * p->ldadd + j : NULL;
        float *c = p->c + i * p->ldc + j;
        if (n == panels * WIDTH) {
            tile_of(rows, panels, unit, p, a, b, WIDTH, p->k, c, p->ldc, add, p->ldadd);
        } else {
            tile_of(rows, panels, unit, p, a, b, WIDTH, p->k, part, panels * WIDTH, NULL, 0);
            for (int r = 0; r < rows; r++)
                for (int64_t q = 0; q < n; q++)
                    c[r * p->ldc + q] =
                        part[r * panels * WIDTH + q] + (add ? add[r * p->ldadd + q] : 0);
        }
        i += rows;
    }
}

static void product(const wg__panel_product *p)
{
    int64_t j = 0;
    bool unit = p->a_column == 1;
    if (p->m < 1) return;
    /* Few rows fill the multipliers' pipelines only with two panels at once. */
    if (p->m <= ROWS / 2 && unit)
        for (; j + WIDTH < p->n; j += 2 * WIDTH)
            column(p, j, p->n - j < 2 * WIDTH ? p->n - j : 2 * WIDTH, 2, true);
    for (; j < p->n; j += WIDTH) {
        int64_t n = p->n - j < WIDTH ? p->n - j : WIDTH;
        if (unit)
            column(p, j, n, 1, true);
        else
            column(p, j, n, 1, false);
    }
}

enum {
    BLOCK = 8,    /* rows of b read side by side: as many streams as are fetched ahead */
    STRIP = 1024, /* columns whose sums stay in the first-level cache meanwhile */
};

/* Columns j to end, which are whole panels, of BLOCK or fewer terms from p0 on. */
static void direct_block(const wg__panel_product *p, const float *b, int64_t ldb, int64_t j,
                         int64_t end, int64_t p0, int64_t terms)
{
    int64_t count = (p->m + ROWS - 1) / ROWS, least = p->m / count, more = p->m % count;
    for (int64_t t = 0, i = 0; t < count; t++) {
        int rows = (int)(least + (t < more));
        const float *a = p->a + i * p->a_row + p0 * p->a_column;
        for (int64_t q = j; q < end; q += WIDTH) {
            float *c = p->c + i * p->ldc + q;
            const float *add = p0 > 0 ? c : NULL;
            if (terms == BLOCK)
                tile_of(rows, 1, false, p, a, b + p0 * ldb + q, ldb, BLOCK, c, p->ldc, add, p->ldc);
            else
                tile_of(rows, 1, false, p, a, b + p0 * ldb + q, ldb, terms, c, p->ldc, add, p->ldc);
        }
        i += rows;
    }
}

static void direct(const wg__panel_product *p, const float *b, int64_t ldb)
{
    int64_t whole = p->n / WIDTH * WIDTH;
    for (int64_t j = 0; j < whole; j += STRIP) {
        int64_t end = whole - j < STRIP ? whole : j + STRIP;
        for (int64_t p0 = 0; p0 < p->k; p0 += BLOCK)
            direct_block(p, b, ldb, j, end, p0, p->k - p0 < BLOCK ? p->k - p0 : BLOCK);
    }
    for (int64_t i = 0; i < p->m; i++)
        for (int64_t q = whole; q < p->n; q++) p->c[i * p->ldc + q] = 0;
    if (whole < p->n)
        for (int64_t i = 0; i < p->m; i++)
            for (int64_t l = 0; l < p->k; l++) {
                float left = p->a[i * p->a_row + l * p->a_column];
                for (int64_t q = whole; q < p->n; q++)
                    p->c[i * p->ldc + q] += left * b[l * ldb + q];
            }
}

static void pack(const float *b, int64_t row, int64_t column_, int64_t k, int64_t n, float *panel)
{
    if (n < WIDTH) memset(panel, 0, (size_t)(k * WIDTH) * sizeof *panel);
    if (column_ == 1) {
        for (int64_t p = 0; p < k; p++)
            memcpy(panel + p * WIDTH, b + p * row, (size_t)n * sizeof *panel);
        return;
    }
    /* Transposed: blocks of columns that stay in cache while their rows are read along. */
    for (int64_t p0 = 0; p0 < k; p0 += 16) {
        int64_t end = p0 + 16 < k ? p0 + 16 : k;
        for (int64_t j = 0; j < n; j++)
            for (int64_t p = p0; p < end; p++) panel[p * WIDTH + j] = b[p * row + j * column_];
    }
}

#define CONCAT2(a, b) a##b
#define CONCAT(a, b) CONCAT2(a, b)
#define TABLE CONCAT(wg__panels_, WG_ISA_NAME)

extern const wg__panel_kernels TABLE;
const wg__panel_kernels TABLE = {
    .width = WIDTH, .pack = pack, .product = product, .direct = direct};
