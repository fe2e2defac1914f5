/* Products of few rows with a right operand packed in panels, compiled once for each instruction
 * set and reached through one table an ISA.
 *
 * A panel holds `width` columns of op(b) (two registers of them), row after row: element (p, j) of
 * panel q is op(b)[p, q width + j], columns beyond the last are zeros. Panels follow each other, so
 * that a product reads its right operand once, in order, whatever the layout b had. */
#ifndef WG_OPS_PANEL_H
#define WG_OPS_PANEL_H

#include <wengert/op.h>

/* Columns of the widest panel of any instruction set: a packed operand has room for N rounded up to
 * this, so that its size does not depend on the instruction set. */
#define WG_PANEL_MOST 32

typedef struct wg__panel_product {
    int64_t m, n, k;
    const float *a; /* element (i, p) at a[i a_row + p a_column] */
    int64_t a_row, a_column;
    const float *panels; /* n columns from a panel's first on */
    const float *add;    /* [m, n] with row stride ldadd, or NULL; may be c */
    int64_t ldadd;
    float *c; /* [m, n] with row stride ldc */
    int64_t ldc;
} wg__panel_product;

typedef struct wg__panel_kernels {
    int64_t width;
    /* One panel of k rows and n <= width columns out of b: element (p, j) at
     * b[p row + j column]. */
    void (*pack)(const float *b, int64_t row, int64_t column, int64_t k, int64_t n, float *panel);
    /* c = a op(b) (+ add). Each element of c is a sum of sums over at most 384 terms in order,
     * whatever m, n and the range of panels: the bits depend on the instruction set alone. */
    void (*product)(const wg__panel_product *p);
    /* c = a b with b as it is, rows of n elements ldb apart (panels and add are not read): every
     * element of b is read once, in a few long streams. For few rows. */
    void (*direct)(const wg__panel_product *p, const float *b, int64_t ldb);
} wg__panel_kernels;

const wg__panel_kernels *wg__panel_kernels_for(int isa);

#endif
