/* Scan: time as an op.
 *
 * A body is recorded once, on a tape of its own, and run for every step. Outer values used inside a
 * body are lifted to constants by themselves; the body's own vars are stale once it is recorded.
 * Five slot kinds: sequences, constants, carries, stacked outputs, sums. The VJP of a scan is
 * another scan, run the other way over saved residuals; as it is ordinary tape, it can be
 * differentiated again. A scan equals the same body unrolled by a C loop, value and gradient. */
#ifndef WENGERT_SCAN_H
#define WENGERT_SCAN_H

#include <wengert/tape.h>

WG_BEGIN_DECLS

#define WG_SCAN_MAX_SLOTS 256

/* What the body sees and fills at one step. Arrays are as long as the counts in wg_scan_def. */
typedef struct wg_scan_step {
    size_t size;
    wg_tape *tape;       /* the body's tape */
    wg_var time;         /* absolute step t, i32 scalar: 0..T-1, also in a reverse scan */
    const wg_var *x;     /* slice t of each sequence: the sequence's shape less axis 0 */
    const wg_var *carry; /* states before the step */
    wg_var *next;        /* out: states after it, same types */
    wg_var *y;           /* out: stacked along a new axis 0 */
    wg_var *sum;         /* out: increments, added up over the steps */
} wg_scan_step;

typedef struct wg_scan_def {
    size_t size; /* sizeof(wg_scan_def); that of an earlier version will do */
    void (*body)(void *user, wg_scan_step *step);
    void *user;
    const wg_var *sequences; /* [T, ...] each, same T >= 0 */
    int n_sequences;
    const wg_var *init; /* initial states */
    int n_carries;
    int n_outputs; /* stacked outputs y */
    int n_sums;
    wg_var lengths; /* i32 [B] or WG_NONE. Axis 0 of carries and y, axis 1 of sequences, is then the
                       row B. Steps t >= lengths[b] of row b hold the state and give y = 0; the body
                       sees the row's last valid step there, never what the sequences hold.
                       Increments of sums are not masked: the body does that itself where it needs
                       to, by wg_lt(step->time, lengths). */
    int64_t steps;  /* T where there are no sequences; else 0, or the sequences' T */
    bool reverse;   /* from t = T-1 down to 0 */
    const char *name;
    /* Recomputation (Chen et al. 2016, arXiv:1604.06174): 0 = none. n > 0: the loop is cut into
       chunks of n steps; its gradient keeps the states at their borders alone and runs each chunk
       forward once more. -1: chunks of about sqrt(T) steps, so that what the gradient keeps grows
       with sqrt(T), for one more forward run. Values and gradients of every order stay as they
       are, and so do random bits, which know the absolute time. Sequences, stacked outputs and
       their gradients are as long as before: where memory matters, let a step give its loss as a
       sum. A body that watches values or has effects is not cut, since those happen once. */
    int64_t remat;
} wg_scan_def;

/* Records a scan on the tape of its operands. Fills final[n_carries], y[n_outputs] (each [T, ...])
 * and sum[n_sums]; arrays of no entries may be NULL. Errors poison the tape as any op's. */
WG_API wg_status wg_scan(wg_tape *tape, const wg_scan_def *def, wg_var *final, wg_var *y,
                         wg_var *sum);

WG_END_DECLS

#endif
