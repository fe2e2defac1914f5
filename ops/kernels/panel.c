/* The micro-kernels of packed products: this file is compiled once for each instruction set.
 *
 * A tile of up to ROWS rows and one or two panels is held in registers while the sum over k runs;
 * each step loads two vectors of a panel and multiplies them with one broadcast element a row (K.
 * Goto, R. van de Geijn, "Anatomy of High-Performance Matrix Multiplication", ACM TOMS 34(3), 2008;
 * here the rows are few, so a is read in place and b is packed once for many products). */
#include "panel.h"

#include <string.h>

#include "vector.h"

#if defined(__AVX512F__)
#define ROWS 12 /* 24 sums of 32 registers */
#else
#define ROWS 6 /* 12 of 16 */
#endif
#define WIDTH (2 * WG_LANES)
#define FETCH 64           /* terms between two rounds of fetching ahead */
#define FAR_AWAY (1 << 19) /* floats: 2 MiB, more than a second-level cache keeps */

enum {
    BLOCK = 8,    /* direct: rows of b read side by side, as many streams as are fetched ahead */
    STRIP = 1024, /* direct: columns whose sums stay in the first-level cache meanwhile */
};

/* What a tile computes: c = a b (+ add), over k terms. */
typedef struct tile_job {
    const float *a;
    int64_t a_row, a_column;
    const float *b; /* rows of one panel, b_row apart; a second panel follows the first */
    int64_t b_row, k;
    float *c;
    int64_t ldc;
    const float *add; /* NULL = none; may be c */
    int64_t ldadd;
    const char *ahead; /* what will be read later: `share` bytes of it are fetched a term */
    int64_t share;
} tile_job;

/* How a tile's loop is compiled. */
typedef enum tile_kind { PLAIN, AHEAD, TWICE, STRIDED, SHORT, KINDS } tile_kind;

/* One term of the sums over k. */
WG_INLINE void term(const int rows, const int panels, const float *restrict a, int64_t a_row,
                    const float *restrict b, const float *restrict next, wg__vec sum[ROWS][4])
{
    wg__vec right[4];
    WG_UNROLL
    for (int v = 0; v < 2; v++) {
        right[v] = *(const wg__vec_unaligned *)(b + v * WG_LANES);
        if (panels == 2) right[2 + v] = *(const wg__vec_aligned *)(next + v * WG_LANES);
    }
    WG_UNROLL
    for (int i = 0; i < rows; i++) {
        wg__vec left = a[i * a_row] - (wg__vec){0}; /* on every lane */
        WG_UNROLL
        for (int v = 0; v < 2 * panels; v++) sum[i][v] += left * right[v];
    }
}

/* `rows` and `kind` are constants where this is called, so that the sums live in registers. */
WG_INLINE void tile(const int rows, const tile_kind kind, const tile_job *t)
{
    const int panels = kind == TWICE ? 2 : 1, vectors = 2 * panels;
    const float *a = t->a, *b = t->b;
    const int64_t a_row = t->a_row;
    const int64_t a_column = kind == STRIDED || kind == SHORT ? t->a_column : 1;
    const int64_t b_row = kind == STRIDED || kind == SHORT ? t->b_row : WIDTH;
    const int64_t k = kind == SHORT ? BLOCK : t->k;
    const float *next = kind == TWICE ? b + k * WIDTH : b;
    wg__vec sum[ROWS][4];
    WG_UNROLL
    for (int i = 0; i < rows; i++) WG_UNROLL
    for (int v = 0; v < vectors; v++) sum[i][v] = (wg__vec){0};
    int64_t p = 0;
    if (kind == AHEAD) {
        const char *ahead = t->ahead;
        for (; p + FETCH <= k; p += FETCH) {
            const char *stop = ahead + FETCH * t->share;
            for (; ahead < stop; ahead += 64) __builtin_prefetch(ahead, 0, 2);
            for (int64_t q = p; q < p + FETCH; q++)
                term(rows, panels, a + q, a_row, b + q * WIDTH, next, sum);
        }
    }
    for (; p < k; p++)
        term(rows, panels, a + p * a_column, a_row, b + p * b_row, next + p * WIDTH, sum);
    WG_UNROLL
    for (int i = 0; i < rows; i++) WG_UNROLL
    for (int v = 0; v < vectors; v++) {
        if (t->add) sum[i][v] += *(const wg__vec_unaligned *)(t->add + i * t->ldadd + v * WG_LANES);
        *(wg__vec_unaligned *)(t->c + i * t->ldc + v * WG_LANES) = sum[i][v];
    }
}

/* A function each, so that the registers of one do not depend on the others. */
#define TILE(rows, kind)                                \
    static void tile_##rows##_##kind(const tile_job *t) \
    {                                                   \
        tile(rows, kind, t);                            \
    }
#define TILES(rows) TILE(rows, PLAIN) TILE(rows, AHEAD) TILE(rows, STRIDED) TILE(rows, SHORT)
TILES(1)
TILES(2)
TILES(3)
TILES(4)
TILES(5)
TILES(6)
TILE(1, TWICE)
TILE(2, TWICE)
TILE(3, TWICE)
#if ROWS == 12
TILES(7)
TILES(8)
TILES(9)
TILES(10)
TILES(11)
TILES(12)
TILE(4, TWICE)
TILE(5, TWICE)
TILE(6, TWICE)
#define ALL_ROWS(kind)                                                                   \
    {                                                                                    \
        NULL, tile_1_##kind, tile_2_##kind, tile_3_##kind, tile_4_##kind, tile_5_##kind, \
            tile_6_##kind, tile_7_##kind, tile_8_##kind, tile_9_##kind, tile_10_##kind,  \
            tile_11_##kind, tile_12_##kind                                               \
    }
#define HALF_THE_ROWS(kind)                                                              \
    {                                                                                    \
        NULL, tile_1_##kind, tile_2_##kind, tile_3_##kind, tile_4_##kind, tile_5_##kind, \
            tile_6_##kind                                                                \
    }
#else
#define ALL_ROWS(kind)                                                                   \
    {                                                                                    \
        NULL, tile_1_##kind, tile_2_##kind, tile_3_##kind, tile_4_##kind, tile_5_##kind, \
            tile_6_##kind                                                                \
    }
#define HALF_THE_ROWS(kind)                               \
    {                                                     \
        NULL, tile_1_##kind, tile_2_##kind, tile_3_##kind \
    }
#endif

static void (*const tiles[KINDS][ROWS + 1])(const tile_job *t) = {
    [PLAIN] = ALL_ROWS(PLAIN),     [AHEAD] = ALL_ROWS(AHEAD), [TWICE] = HALF_THE_ROWS(TWICE),
    [STRIDED] = ALL_ROWS(STRIDED), [SHORT] = ALL_ROWS(SHORT),
};

/* All rows against the panel (TWICE: two panels) at column j, of which n columns count. The rows
 * are cut into tiles as even as can be. */
static void column(const wg__panel_product *p, int64_t j, int64_t n, tile_kind kind)
{
    int64_t width = kind == TWICE ? 2 * WIDTH : WIDTH;
    int64_t count = (p->m + ROWS - 1) / ROWS, least = p->m / count, more = p->m % count;
    float part[ROWS * 2 * WIDTH];
    tile_job t = {.a_row = p->a_row,
                  .a_column = p->a_column,
                  .b = p->panels + j * p->k,
                  .b_row = WIDTH,
                  .k = p->k,
                  .ahead = (const char *)(p->panels + (j + WIDTH) * p->k),
                  .share = WIDTH * (int64_t)sizeof(float) / count};
    for (int64_t q = 0, i = 0; q < count; q++) {
        int rows = (int)(least + (q < more));
        const float *add = p->add ? p->add + i * p->ldadd + j : NULL;
        float *c = p->c + i * p->ldc + j;
        t.a = p->a + i * p->a_row;
        t.c = n == width ? c : part;
        t.ldc = n == width ? p->ldc : width;
        t.add = n == width ? add : NULL;
        t.ldadd = p->ldadd;
        tiles[kind][rows](&t);
        for (int r = 0; r < rows && n < width; r++)
            for (int64_t l = 0; l < n; l++)
                c[r * p->ldc + l] = part[r * width + l] + (add ? add[r * p->ldadd + l] : 0);
        i += rows;
        t.ahead += p->k * t.share;
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
            column(p, j, p->n - j < 2 * WIDTH ? p->n - j : 2 * WIDTH, TWICE);
    /* Weights come from the last cache or from memory unless the second level keeps them: each tile
     * fetches its share of the panel that follows, and the first tile there finds it near. */
    if (unit && p->k * p->n > FAR_AWAY)
        for (; j + 2 * WIDTH <= p->n; j += WIDTH) column(p, j, WIDTH, AHEAD);
    for (; j < p->n; j += WIDTH)
        column(p, j, p->n - j < WIDTH ? p->n - j : WIDTH, unit ? PLAIN : STRIDED);
}

/* Columns j to end, which are whole panels, of BLOCK or fewer terms from p0 on. */
static void direct_block(const wg__panel_product *p, const float *b, int64_t ldb, int64_t j,
                         int64_t end, int64_t p0, int64_t terms)
{
    int64_t count = (p->m + ROWS - 1) / ROWS, least = p->m / count, more = p->m % count;
    tile_job t = {.a_row = p->a_row,
                  .a_column = p->a_column,
                  .b_row = ldb,
                  .k = terms,
                  .ldc = p->ldc,
                  .ldadd = p->ldc};
    for (int64_t q = 0, i = 0; q < count; q++) {
        int rows = (int)(least + (q < more));
        t.a = p->a + i * p->a_row + p0 * p->a_column;
        for (int64_t l = j; l < end; l += WIDTH) {
            t.b = b + p0 * ldb + l;
            t.c = p->c + i * p->ldc + l;
            t.add = p0 > 0 ? t.c : NULL;
            tiles[terms == BLOCK ? SHORT : STRIDED][rows](&t);
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

#define TABLE WG_FOR_ISA(wg__panels_)

extern const wg__panel_kernels TABLE;
const wg__panel_kernels TABLE = {
    .width = WIDTH, .pack = pack, .product = product, .direct = direct};
