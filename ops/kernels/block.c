/* Products of any size: blocks of a stay in the second-level cache, panels of b in the first.
 *
 * The loops are those of K. Goto, R. van de Geijn, "Anatomy of High-Performance Matrix
 * Multiplication", ACM TOMS 34(3), 2008, and F. Van Zee, R. van de Geijn, "BLIS: A Framework for
 * Rapidly Instantiating BLAS Functionality", ACM TOMS 41(3), 2015: terms, columns of c, rows of a,
 * panels of b, tiles. Between the tiles, where it costs least, the next panel of b is copied and
 * the lines of c that a tile will write are fetched. What is read in order is left to the
 * processor: it fetches by itself, and instructions that do so cost more than they gain (AMD Zen 3:
 * 5 to 10 %). */
#include "block.h"

#include "pack.h"
#include "tile.h"

#define ROWS WG_TILE_ROWS
#define WIDTH WG_TILE_WIDTH

enum {
    TERMS_AT_ONCE = 16, /* of rows of a that lie side by side */
    LINE = 16,          /* floats of a line of the cache */
};

_Static_assert((int)WG_BLOCK_TERMS == (int)WG_TILE_TERMS,
               "the bits of packed and blocked products");

/* A block of rows and terms against a run of columns. */
typedef struct block {
    const wg__block_product *p;
    int64_t i, m;  /* rows */
    int64_t l, k;  /* terms */
    int64_t j, n;  /* columns */
    float *a;      /* slivers of as many rows as a tile has, one after the other */
    float *panels; /* of the columns, or two that are used in turn */
    bool copied;   /* are all panels there? */
    bool keep;     /* will they be read again? */
} block;

static int64_t at_most(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t tiles_of(const block *b)
{
    return (b->m + ROWS - 1) / ROWS;
}

/* ---- copies ---- */

/* The rows of a block, in slivers. Rows of a that lie side by side are read in the order of memory,
 * a few terms of all slivers after the other. */
static void copy_slivers(const block *b)
{
    const wg__block_product *p = b->p;
    const int64_t tiles = tiles_of(b), step = p->a_row == 1 ? TERMS_AT_ONCE : b->k;
    for (int64_t q = 0; q < b->k; q += step) {
        const float *a = p->a + b->i * p->a_row + (b->l + q) * p->a_column;
        const int64_t terms = at_most(step, b->k - q);
        float *to = b->a;
        for (int64_t s = 0; s < tiles; s++) {
            const int64_t rows = wg__even_part(b->m, tiles, s);
            wg__pack_sliver(a, p->a_row, p->a_column, rows, terms, to + q * rows);
            a += rows * p->a_row;
            to += rows * b->k;
        }
    }
}

static float *panel_at(const block *b, int64_t q)
{
    return b->panels + (b->keep ? q : q % 2) * b->k * WIDTH;
}

/* Terms `begin` to `end` of panel q. */
static void copy_panel(const block *b, int64_t q, int64_t begin, int64_t end)
{
    const wg__block_product *p = b->p;
    wg__pack_panel(p->b + b->l * p->b_row + (b->j + q * WIDTH) * p->b_column, p->b_row, p->b_column,
                   begin, end, at_most(WIDTH, b->n - q * WIDTH), panel_at(b, q));
}

/* A part of panel q is copied, unless it was; and the rows that make the panel after it, which are
 * too far apart for the processor to see them coming, are brought into the second-level cache. */
static void prepare(const block *b, int64_t q, int64_t begin, int64_t end)
{
    const wg__block_product *p = b->p;
    if (b->copied || q * WIDTH >= b->n) return;
    copy_panel(b, q, begin, end);
    if (p->b_column != 1 || (q + 1) * WIDTH >= b->n) return;
    const float *row = p->b + (b->l + begin) * p->b_row + b->j + (q + 1) * WIDTH;
    for (int64_t i = begin; i < end; i++, row += p->b_row) __builtin_prefetch(row, 0, 2);
}

/* ---- sums ---- */

/* n columns of a tile: whole where they are a panel's. */
static void tile(const block *b, wg__tile_job *t, int64_t rows, int64_t n)
{
    const bool first = b->l == 0;
    float *c = t->c, part[WG_TILE_ROWS * WG_TILE_WIDTH];
    const int64_t ldc = t->ldc;
    for (int64_t r = 0; r < rows; r++) {
        __builtin_prefetch(c + r * ldc, 1, 3);
        __builtin_prefetch(c + r * ldc + n - 1, 1, 3);
    }
    if (n < WIDTH) {
        t->c = part;
        t->ldc = WIDTH;
        for (int64_t r = 0; r < rows && !first; r++) {
            memset(part + r * WIDTH, 0, WIDTH * sizeof *part);
            memcpy(part + r * WIDTH, c + r * ldc, (size_t)n * sizeof *c);
        }
    }
    t->from = first ? NULL : t->c;
    t->ldfrom = t->ldc;
    wg__sliver_tiles[rows](t);
    for (int64_t r = 0; r < rows && n < WIDTH; r++)
        memcpy(c + r * ldc, part + r * WIDTH, (size_t)n * sizeof *c);
    t->c = c;
    t->ldc = ldc;
}

static void run(const block *b)
{
    const int64_t tiles = tiles_of(b), share = ((b->k + tiles - 1) / tiles + 3) / 4 * 4;
    if (!b->copied) copy_panel(b, 0, 0, b->k);
    for (int64_t q = 0; q * WIDTH < b->n; q++) {
        wg__tile_job t = {.a = b->a,
                          .b = panel_at(b, q),
                          .k = b->k,
                          .c = b->p->c + b->i * b->p->ldc + b->j + q * WIDTH,
                          .ldc = b->p->ldc};
        for (int64_t s = 0; s < tiles; s++) {
            const int64_t rows = wg__even_part(b->m, tiles, s), done = at_most(s * share, b->k);
            prepare(b, q + 1, done, at_most(done + share, b->k));
            tile(b, &t, rows, at_most(WIDTH, b->n - q * WIDTH));
            t.a += rows * b->k;
            t.c += rows * t.ldc;
        }
    }
}

/* ---- blocks ---- */

/* The next block of rows; false after the last. */
static bool next_rows(block *b, int64_t blocks, int64_t x)
{
    if (x > 0) {
        b->i += b->m;
        b->a += b->m * b->k;
    } else {
        b->i = 0;
        b->a = b->p->room;
    }
    if (x >= blocks) return false;
    b->m = wg__even_part(b->p->m, blocks, x);
    return true;
}

/* At most WG_BLOCK_MOST rows. */
static void product(const wg__block_product *p)
{
    const int64_t blocks = (p->m + WG_BLOCK_ROWS - 1) / WG_BLOCK_ROWS;
    const int64_t parts = (p->k + WG_BLOCK_TERMS - 1) / WG_BLOCK_TERMS;
    block b = {.p = p, .keep = blocks > 1};
    for (int64_t q = 0; q < parts; q++, b.l += b.k) {
        b.k = wg__even_part(p->k, parts, q);
        for (int64_t x = 0; next_rows(&b, blocks, x); x++) copy_slivers(&b);
        b.panels = p->room + (p->m * b.k + LINE - 1) / LINE * LINE;
        for (b.j = 0; b.j < p->n; b.j += b.n) {
            b.n = at_most(WG_BLOCK_COLUMNS, p->n - b.j);
            for (int64_t x = 0; next_rows(&b, blocks, x); x++) {
                b.copied = x > 0;
                run(&b);
            }
        }
    }
}

void WG_FOR_ISA(wg__block_product_)(const wg__block_product *whole)
{
    const int64_t runs = (whole->m + WG_BLOCK_MOST - 1) / WG_BLOCK_MOST;
    wg__block_product p = *whole;
    for (int64_t q = 0; q < runs; q++) {
        p.m = wg__even_part(whole->m, runs, q);
        product(&p);
        p.a += p.m * p.a_row;
        p.c += p.m * p.ldc;
    }
}
