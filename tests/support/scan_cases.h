/* Scans of every form, shared by the tests of scan: each case records loops through a function that
 * the test chooses (wg_scan, a variation of it, an ordinary C loop), so that two ways of running a
 * loop are compared by values and gradients of first, second and third order. */
#ifndef WENGERT_TESTS_SCAN_CASES_H
#define WENGERT_TESTS_SCAN_CASES_H

#include "tensors.h"

#include <wengert/ops.h>
#include <wengert/program.h>
#include <wengert/scan.h>

enum { WGT_LEAVES = 6, WGT_CASE_OUT = 12, WGT_CASE_STEPS = 7 };

typedef wg_status (*wgt_scan_fn)(wg_tape *tape, const wg_scan_def *def, wg_var *final, wg_var *y,
                                 wg_var *sum);

/* What a case is given: float leaves, lengths of three rows, and the scan to use. */
typedef struct wgt_given {
    wg_tape *tape;
    wgt_scan_fn scan;
    wg_var leaf[WGT_LEAVES];
    wg_var lengths, inner_lengths, key;
    int64_t t, b;  /* steps, rows */
    bool third;    /* derivatives too */
    int64_t steps; /* of a case: its own use */
} wgt_given;

/* Fills out[] and gives how many. */
typedef int (*wgt_case_fn)(wgt_given *g, wg_var *out);

typedef struct wgt_scan_case {
    const char *name;
    wgt_case_fn fn;
} wgt_scan_case;

extern const wgt_scan_case wgt_scan_cases[];
extern const size_t wgt_n_scan_cases;
int wgt_case_swap(wgt_given *g, wg_var *out);
int wgt_case_swap_lengths(wgt_given *g, wg_var *out);
int wgt_case_nested_both(wgt_given *g, wg_var *out);

/* Random leaves: [T,B,4] [B,4] [B,4] [4,4] [4] [B], f64; freed with wgt_leaves_free. */
void wgt_leaves_new(wg_tensor **leaf, int64_t t, int64_t b, uint64_t seed);
/* Records them on g->tape as g->leaf. */
void wgt_leaves_record(wgt_given *g, wg_tensor *const *leaf);
void wgt_leaves_free(wg_tensor **leaf);

/* The same as wg_scan by an ordinary C loop, at most WGT_CASE_STEPS steps. */
wg_status wgt_scan_by_loop(wg_tape *tape, const wg_scan_def *d, wg_var *final, wg_var *y,
                           wg_var *sum);

/* Records results, gradients of their squares' sum, gradients of the squares of those (and, where
 * g->third, of those again): out has room for 2 WGT_CASE_OUT + 3 WGT_LEAVES. */
int wgt_record_case(wgt_given *g, wgt_case_fn fn, wg_var *out);

/* How a case is compared. */
typedef struct wgt_scan_check {
    wgt_scan_fn scan, like; /* must give the same */
    int64_t t, b;
    bool plain; /* node by node */
    int threads;
    double tol; /* relative to 1 + |like| */
} wgt_scan_check;
void wgt_check_case(const wgt_scan_case *c, const wgt_scan_check *how);

#endif
