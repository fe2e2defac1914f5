/* Packed products on the micro-kernel of tile.h: this file is compiled once for each instruction
 * set.
 *
 * The rows are few, so a is read in place and b is packed once for many products. Tiles of two
 * panels, of terms that are not side by side and of b as it lies are here, in C: they wait for
 * memory or are rare. */
#include "panel.h"

#include "pack.h"
#include "tile.h"

#define ROWS WG_TILE_ROWS
#define WIDTH WG_TILE_WIDTH

enum {
    BLOCK = 8,    /* direct: rows of b read side by side, as many streams as are fetched ahead */
    STRIP = 1024, /* direct: columns whose sums stay in the first-level cache meanwhile */
};

/* What a tile of these kinds computes, besides what wg__tile_job says. */
typedef struct tile_job {
    wg__tile_job to; /* b: rows of one panel, b_row apart; a second panel follows the first */
    int64_t a_column, b_row;
    int64_t b_panel; /* from a panel to the next */
} tile_job;

/* How a tile's loop is compiled. */
typedef enum tile_kind { TWICE, STRIDED, SHORT, KINDS } tile_kind;

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
    const float *a = t->to.a, *b = t->to.b, *from = t->to.from;
    const int64_t a_row = t->to.a_row, ldfrom = t->to.ldfrom, ldc = t->to.ldc;
    const int64_t a_column = kind == TWICE ? 1 : t->a_column;
    const int64_t b_row = kind == TWICE ? WIDTH : t->b_row;
    const int64_t k = kind == SHORT ? BLOCK : t->to.k;
    const float *next = kind == TWICE ? b + t->b_panel : b;
    float *c = t->to.c;
    wg__vec sum[ROWS][4];
    WG_UNROLL
    for (int i = 0; i < rows; i++) WG_UNROLL
    for (int v = 0; v < vectors; v++) sum[i][v] = (wg__vec){0};
    for (int64_t p = 0; p < k; p++)
        term(rows, panels, a + p * a_column, a_row, b + p * b_row, next + p * WIDTH, sum);
    if (from) WG_UNROLL
    for (int i = 0; i < rows; i++) WG_UNROLL
    for (int v = 0; v < vectors; v++)
        sum[i][v] += *(const wg__vec_unaligned *)(from + i * ldfrom + v * WG_LANES);
    WG_UNROLL
    for (int i = 0; i < rows; i++) WG_UNROLL
    for (int v = 0; v < vectors; v++)
        *(wg__vec_unaligned *)(c + i * ldc + v * WG_LANES) = sum[i][v];
}

/* A function each, so that the registers of one do not depend on the others. */
#define TILE(rows, kind)                                \
    static void tile_##rows##_##kind(const tile_job *t) \
    {                                                   \
        tile(rows, kind, t);                            \
    }
#define TILES(rows) TILE(rows, STRIDED) TILE(rows, SHORT)
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
    [TWICE] = HALF_THE_ROWS(TWICE),
    [STRIDED] = ALL_ROWS(STRIDED),
    [SHORT] = ALL_ROWS(SHORT),
};

/* Rows are cut into tiles as even as can be. */
typedef struct cut {
    int64_t count, least, more;
} cut;

static cut cut_rows(int64_t m)
{
    int64_t count = (m + ROWS - 1) / ROWS;
    return (cut){count, m / count, m % count};
}

static int64_t parts_of(const wg__panel_product *p)
{
    return (p->k + WG_TILE_TERMS - 1) / WG_TILE_TERMS;
}

/* What is added to the sums of element (i, j) over the terms from p0 on. */
static void add_to(const wg__panel_product *p, int64_t i, int64_t j, int64_t p0, wg__tile_job *t)
{
    t->from = p0 > 0 ? t->c : p->add ? p->add + i * p->ldadd + j : NULL;
    t->ldfrom = p0 > 0 ? t->ldc : p->ldadd;
}

/* All rows against the panel at column j. */
static void column(const wg__panel_product *p, int64_t j)
{
    const cut rows = cut_rows(p->m);
    const int64_t parts = parts_of(p);
    for (int64_t part = 0, p0 = 0; part < parts; part++) {
        wg__tile_job t = {.a = p->a + p0,
                          .a_row = p->a_row,
                          .b = p->panels + j * p->k + p0 * WIDTH,
                          .k = wg__even_part(p->k, parts, part),
                          .c = p->c + j,
                          .ldc = p->ldc};
        add_to(p, 0, j, p0, &t);
        for (int64_t q = 0; q < rows.count; q++) {
            int64_t n = rows.least + (q < rows.more);
            wg__tiles[n](&t);
            t.a += n * t.a_row;
            t.c += n * t.ldc;
            if (t.from) t.from += n * t.ldfrom;
        }
        p0 += t.k;
    }
}

/* The same for n columns, fewer than a panel (TWICE: two) has, or terms that lie apart. */
static void odd_column(const wg__panel_product *p, int64_t j, int64_t n, tile_kind kind)
{
    const int64_t width = kind == TWICE ? 2 * WIDTH : WIDTH, parts = parts_of(p);
    const cut rows = cut_rows(p->m);
    float part[ROWS * 2 * WIDTH], added[ROWS * 2 * WIDTH] = {0};
    for (int64_t q = 0, i = 0; q < rows.count; q++) {
        const int64_t count = rows.least + (q < rows.more);
        float *c = p->c + i * p->ldc + j;
        tile_job t = {.to = {.a_row = p->a_row,
                             .c = n == width ? c : part,
                             .ldc = n == width ? p->ldc : width},
                      .a_column = p->a_column,
                      .b_row = WIDTH,
                      .b_panel = p->k * WIDTH};
        for (int64_t l = 0, p0 = 0; l < parts; l++, p0 += t.to.k) {
            t.to.a = p->a + i * p->a_row + p0 * p->a_column;
            t.to.b = p->panels + j * p->k + p0 * WIDTH;
            t.to.k = wg__even_part(p->k, parts, l);
            add_to(p, i, j, p0, &t.to);
            if (p0 == 0 && n < width && p->add) {
                for (int64_t r = 0; r < count; r++)
                    memcpy(added + r * width, t.to.from + r * p->ldadd, (size_t)n * sizeof *added);
                t.to.from = added;
                t.to.ldfrom = width;
            }
            tiles[kind][count](&t);
        }
        for (int64_t r = 0; r < count && n < width; r++)
            memcpy(c + r * p->ldc, part + r * width, (size_t)n * sizeof *part);
        i += count;
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
            odd_column(p, j, p->n - j < 2 * WIDTH ? p->n - j : 2 * WIDTH, TWICE);
    if (unit)
        for (; j + WIDTH <= p->n; j += WIDTH) column(p, j);
    for (; j < p->n; j += WIDTH) odd_column(p, j, p->n - j < WIDTH ? p->n - j : WIDTH, STRIDED);
}

/* Columns j to end, which are whole panels, of BLOCK or fewer terms from p0 on. */
static void direct_block(const wg__panel_product *p, const float *b, int64_t ldb, int64_t j,
                         int64_t end, int64_t p0, int64_t terms)
{
    const cut rows = cut_rows(p->m);
    tile_job t = {.to = {.a_row = p->a_row, .k = terms, .ldc = p->ldc},
                  .a_column = p->a_column,
                  .b_row = ldb};
    for (int64_t q = 0, i = 0; q < rows.count; q++) {
        int64_t count = rows.least + (q < rows.more);
        t.to.a = p->a + i * p->a_row + p0 * p->a_column;
        for (int64_t l = j; l < end; l += WIDTH) {
            t.to.b = b + p0 * ldb + l;
            t.to.c = p->c + i * p->ldc + l;
            t.to.from = p0 > 0 ? t.to.c : NULL;
            t.to.ldfrom = p->ldc;
            tiles[terms == BLOCK ? SHORT : STRIDED][count](&t);
        }
        i += count;
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
    wg__pack_panel(b, row, column_, 0, k, n, panel);
}

#define TABLE WG_FOR_ISA(wg__panels_)

extern const wg__panel_kernels TABLE;
const wg__panel_kernels TABLE = {
    .width = WIDTH, .pack = pack, .product = product, .direct = direct};
