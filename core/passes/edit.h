/* What several passes need to look at a graph and to rewrite it. */
#ifndef WG_CORE_PASSES_EDIT_H
#define WG_CORE_PASSES_EDIT_H

#include "../builtin.h"
#include "../graph.h"

/* Place of v in list, or -1. */
int32_t wg__slot_of(const int32_t *list, int32_t n, int32_t v);
bool wg__rank2(const wg__graph *g, int32_t v);
/* s with an axis of `steps` before the others. */
wg_shape wg__stacked_shape(wg_shape s, int64_t steps);
/* Can steps of value v lie in one buffer? A scan may have more of them than memory has bytes. */
bool wg__stackable(const wg__graph *b, int32_t v, int64_t steps);
/* How often each value is read: by live nodes and by the graph's outputs. Freed with wg_free; NULL
 * on out of memory. */
int32_t *wg__count_uses(const wg__graph *g);
/* What of a body does not change from step to step: 2 = computed from loop constants, 1 = from
 * numbers alone, 0 = changes. Freed with wg_free; NULL on out of memory. */
uint8_t *wg__invariant(const wg__graph *body);

/* What v is a reshaping of: views of the same elements in the same order are looked through, but
 * for watched ones. */
int32_t wg__reshaped(const wg__graph *g, int32_t v);
/* Is v a view of one run of another value along one axis (a slice, or a piece of a split)? Says of
 * which. Told from the view rule alone. */
bool wg__is_slice(const wg__graph *g, int32_t v, int32_t *of, wg__slice_attr *what);
/* v[start : start + length] along axis; v itself when that is all, an operand of the join v when
 * that is what is there. -1 = out of memory. */
int32_t wg__add_slice(wg__graph *g, int32_t v, int64_t axis, int64_t start, int64_t length);
/* v in another shape of as many elements. -1 = out of memory. */
int32_t wg__add_view(wg__graph *g, int32_t v, wg_shape shape);
/* [T,B,K] seen as [T B,K]. */
int32_t wg__add_rows_view(wg__graph *g, int32_t v);
/* The values side by side along axis. -1 = out of memory. */
int32_t wg__add_join(wg__graph *g, const int32_t *v, int32_t n, int64_t axis);
/* op(a) op(b) of two matrices, an op like that of node `like`. -1 = out of memory. */
int32_t wg__add_product(wg__graph *g, const wg__gnode *like, int32_t a, int32_t b, bool trans_a,
                        bool trans_b);
int32_t wg__add_sum(wg__graph *g, int32_t a, int32_t b, const char *scope);
/* Node n of graph `from` once more in g, on operands `in` of g; its first output. -1 = out of
 * memory. */
int32_t wg__add_copy(wg__graph *g, const wg__graph *from, const wg__gnode *n, const int32_t *in);

/* The value of g that scan `at` hands to its body as constant v; -1 = v is none of its constants.
 */
int32_t wg__constant_operand(const wg__graph *g, int32_t at, int32_t v);
/* A new slot of the body of scan `at`, through which it reads operand v of g: step by step, or the
 * whole of it at every step. The body's value; -1 = out of memory. */
int32_t wg__add_sequence_slot(wg__graph *g, int32_t at, int32_t v);
int32_t wg__add_constant_slot(wg__graph *g, int32_t at, int32_t v);
/* Puts nodes in order after some were appended, and drops those that nothing needs any more. */
bool wg__tidy(wg__graph *g);

/* Values side by side along axis 1: its rows are theirs one behind the other. */
bool wg__joins_columns(const wg__graph *g, const wg__gnode *n);
/* A product of two matrices whose result may be replaced (nobody watches it). */
bool wg__is_product(const wg__graph *g, const wg__gnode *n);

#endif
