/* Random bodies of scans, correct by construction: products with weights in every form that papers
 * write them, maps, row reductions, views, joins, selection, lookups, dropout, time, values that
 * depend on constants alone, loops inside, states of other shapes, outputs and sums of all kinds.
 *
 * A cell is a function of its seed. It is recorded with its first and second gradients and compiled
 * in several ways; all must agree with the list run node by node. A failure is shrunk to fewer
 * operations and features and reported with the body's listing. */
#ifndef WENGERT_TESTS_RANDOM_CELL_H
#define WENGERT_TESTS_RANDOM_CELL_H

#include "support.h"

#include <wengert/tensor.h>

/* What of a cell is on; shrinking turns them off. */
enum {
    WGT_CELL_LENGTHS = 1 << 0,
    WGT_CELL_REVERSE = 1 << 1,
    WGT_CELL_REMAT = 1 << 2,
    WGT_CELL_NESTED = 1 << 3,
    WGT_CELL_EXTRA = 1 << 4,  /* more states, of other shapes */
    WGT_CELL_SECOND = 1 << 5, /* second gradients */
    WGT_CELL_WIDE = 1 << 6,   /* sizes beyond a vector register */
    WGT_CELL_TWICE = 1 << 7,  /* a second layer: another scan over the outputs of the first */
    WGT_CELL_ALL = (1 << 8) - 1,
};

typedef struct wgt_cell {
    uint64_t seed;
    uint32_t features;
    int ops;             /* operations drawn for a body, at most WGT_CELL_OPS */
    wg_dtype dtype;      /* f32 or f64 */
    bool every_pass;     /* leave out each pass alone, not a random choice of them */
    const char *without; /* compiled without these passes alone, as wg_compile_options has it */
} wgt_cell;

enum { WGT_CELL_OPS = 12 };

/* The cell of a seed: its features are drawn too. */
wgt_cell wgt_cell_of(uint64_t seed, wg_dtype dtype);

/* Checks the cells of seeds first .. first + count - 1 and fails the running test at the first that
 * does not hold, after shrinking it. The largest deviation seen, in units of the tolerance, is
 * printed at the end. */
void wgt_check_cells(uint64_t first, int count, wg_dtype dtype, bool every_pass);

/* What WENGERT_CELLS asks a test of random cells for. Unset: all *count of its own, from *first.
 * "N": at most N of them. "FIRST N": the N cells from seed FIRST instead, and the answer is true.
 * Anything else fails the running test. */
bool wgt_cells_chosen(uint64_t *first, int *count);

#endif
