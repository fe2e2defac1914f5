/* Private to the pass sink: sink.c, which decides what leaves and rebuilds the loop, and
 * sink_forms.c, which knows each form of it. */
#ifndef WG_CORE_PASSES_SINK_H
#define WG_CORE_PASSES_SINK_H

#include "edit.h"

typedef enum wg__sink_kind {
    WG__SINK_NONE,
    WG__SINK_SUM_PRODUCT, /* A_t^T B_t, summed */
    WG__SINK_SUM_BATCH,   /* the same of batches [B,G,M] and [B,G,N] */
    WG__SINK_SUM_ROWS,
    WG__SINK_SUM_ADDS, /* an op that adds over leading axes: time becomes one of them */
    WG__SINK_OUTPUT
} wg__sink_kind;

/* Stacks of a loop while it is rebuilt: its sequences, and outputs that are kept or added. */
typedef struct wg__stacks {
    wg__graph *g;
    const wg__graph *b;
    int32_t *out; /* y from n_carry on */
    int32_t *was; /* old output, or -1 */
    int n, n_y;
    int first_sum; /* of the old outputs */
} wg__stacks;

/* What form has value v of a body, an output's sum or (`sum` false) the output itself? */
wg__sink_kind wg__sink_kind_of(const wg__graph *b, int32_t v, bool sum);
/* No more stacks than this are added for v. */
int wg__sink_most_stacks(const wg__graph *b, int32_t v);
/* Adds the stacks that term v of output `out` of the old loop is made from. */
void wg__sink_want(wg__stacks *s, int32_t v, int out);
/* The term after the loop `scan`. -1 = out of memory. */
int32_t wg__sink_value(const wg__stacks *s, const wg__gnode *scan, int32_t v, int out,
                       int64_t steps);

#endif
