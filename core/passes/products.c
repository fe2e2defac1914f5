/* Pass: products in loop bodies take the form in which least of them is left inside the loop.
 *
 *   sums      a Wa^T + b Wb^T  ->  [a b] [Wa Wb]^T     (the gradient that several gates send to one
 *                                                       operand is one product)
 *   shared    x Wi, x Wf       ->  x [Wi Wf]           (separate gate matrices cost what one does)
 *   joins     [x_t h] W        ->  x_t Wx + h Wh       (so that x_t Wx can leave the loop)
 *   slices    (d W^T)[:, :X]   ->  d (W[:X])^T         (so that a product that is only an output
 *                                                       can leave the loop)
 *
 * in this order; W is always a loop constant, and joins of constants leave the loop by the pass
 * after this one: weights are packed once a run. Weights are joined in the order of their slots,
 * which a forward body and its gradient share, so both use the same packed ones. */
#include <string.h>

#include "edit.h"

enum { MOST_TERMS = 64 };

typedef struct rewriter {
    wg__graph *b;
    int32_t *uses;
    uint8_t *inv;
    int32_t known; /* values that the two arrays tell of: those made meanwhile are left alone */
    bool changed, failed;
} rewriter;

static const wg_product_attr *flags(const wg__gnode *n)
{
    return n->attr;
}

/* x W with x a row for each row of the result, W not changing in the loop, x changing. */
static bool weighs(const rewriter *r, const wg__gnode *n)
{
    return wg__is_product(r->b, n) && n->in[0] < r->known && n->in[1] < r->known &&
           !flags(n)->trans_a && r->inv[n->in[1]] && !r->inv[n->in[0]];
}

static const wg__gnode *maker(const wg__graph *b, int32_t v)
{
    return &b->nodes[b->values[v].node];
}

static void replace(rewriter *r, int32_t from, int32_t to)
{
    if (to < 0) {
        r->failed = true;
        return;
    }
    wg__graph_replace(r->b, from, to);
    r->b->nodes[r->b->values[from].node].live = 0;
    r->changed = true;
}

/* Products in the order of their weights; insertion, as lists are short. */
static void by_weight(const wg__graph *b, int32_t *v, int n)
{
    for (int i = 1; i < n; i++)
        for (int k = i; k > 0 && maker(b, v[k - 1])->in[1] > maker(b, v[k])->in[1]; k--) {
            int32_t t = v[k];
            v[k] = v[k - 1];
            v[k - 1] = t;
        }
}

/* ---- sums of products ---- */

/* An addition without broadcasting whose result nobody watches. */
static bool plain_add(const wg__graph *b, int32_t v)
{
    const wg__gnode *n = maker(b, v);
    const wg_shape *s = &b->values[v].type.shape;
    return n->live && n->op == &wg__op_add && s->rank == 2 && !b->values[v].watch &&
           wg_shape_equal(s, &b->values[n->in[0]].type.shape) &&
           wg_shape_equal(s, &b->values[n->in[1]].type.shape);
}

/* Terms of the addition v: additions with no other reader are looked through. */
static int terms_of(const rewriter *r, int32_t v, int32_t *term)
{
    int32_t stack[MOST_TERMS];
    int n = 0, depth = 0;
    stack[depth++] = v;
    while (depth) {
        int32_t u = stack[--depth];
        bool inner = u == v || (u < r->known && plain_add(r->b, u) && r->uses[u] == 1);
        if (inner && n + depth + 2 <= MOST_TERMS) {
            stack[depth++] = maker(r->b, u)->in[1];
            stack[depth++] = maker(r->b, u)->in[0];
        } else {
            term[n++] = u;
        }
    }
    return n;
}

/* A term that may be merged: a product nobody else reads, whose left side the loop computes. */
static bool mergeable(const rewriter *r, int32_t v, const wg__gnode *first)
{
    const wg__gnode *n = maker(r->b, v);
    return v < r->known && weighs(r, n) && r->uses[v] == 1 &&
           maker(r->b, n->in[0])->op != &wg__op_body_in &&
           (!first || (n->op == first->op && flags(n)->trans_b == flags(first)->trans_b));
}

static void merge_sum(rewriter *r, int32_t v)
{
    wg__graph *b = r->b;
    int32_t term[MOST_TERMS], merged[MOST_TERMS], rest[MOST_TERMS], left[MOST_TERMS];
    int n = terms_of(r, v, term), n_merged = 0, n_rest = 0;
    for (int i = 0; i < n; i++) {
        const wg__gnode *first = n_merged ? maker(b, merged[0]) : NULL;
        if (mergeable(r, term[i], first))
            merged[n_merged++] = term[i];
        else
            rest[n_rest++] = term[i];
    }
    if (n_merged < 2) return;
    by_weight(b, merged, n_merged);
    const wg__gnode like = *maker(b, merged[0]);
    int32_t right[MOST_TERMS];
    for (int i = 0; i < n_merged; i++) {
        left[i] = maker(b, merged[i])->in[0];
        right[i] = maker(b, merged[i])->in[1];
    }
    bool tb = flags(&like)->trans_b;
    int32_t a = wg__add_join(b, left, n_merged, 1);
    int32_t w = a < 0 ? -1 : wg__add_join(b, right, n_merged, tb ? 1 : 0);
    int32_t sum = w < 0 ? -1 : wg__add_product(b, &like, a, w, false, tb);
    for (int i = 0; i < n_rest && sum >= 0; i++) sum = wg__add_sum(b, rest[i], sum, like.scope);
    replace(r, v, sum);
}

static void merge_sums(rewriter *r)
{
    /* Backwards, so that the last addition of a chain comes first. */
    for (int32_t i = r->b->n_nodes - 1; i >= 0 && !r->failed; i--) {
        const wg__gnode *n = &r->b->nodes[i];
        if (n->n_out == 1 && n->live && plain_add(r->b, n->first_out)) merge_sum(r, n->first_out);
    }
}

/* ---- products that share their left operand ---- */

static void merge_shared(rewriter *r)
{
    wg__graph *b = r->b;
    for (int32_t i = 0, all = b->n_nodes; i < all && !r->failed; i++) {
        if (!weighs(r, &b->nodes[i])) continue;
        const wg__gnode first = b->nodes[i];
        int32_t group[MOST_TERMS], right[MOST_TERMS];
        int n = 0;
        for (int32_t k = i; k < all && n < MOST_TERMS; k++) {
            const wg__gnode *p = &b->nodes[k];
            if (weighs(r, p) && p->in[0] == first.in[0] && p->op == first.op &&
                flags(p)->trans_b == flags(&first)->trans_b)
                group[n++] = p->first_out;
        }
        if (n < 2) continue;
        by_weight(b, group, n);
        for (int k = 0; k < n; k++) right[k] = maker(b, group[k])->in[1];
        bool tb = flags(&first)->trans_b;
        int32_t w = wg__add_join(b, right, n, tb ? 0 : 1);
        int32_t all_of = w < 0 ? -1 : wg__add_product(b, &first, first.in[0], w, false, tb);
        int64_t start = 0;
        for (int k = 0; k < n && !r->failed; k++) {
            int64_t length = b->values[group[k]].type.shape.dim[1];
            replace(r, group[k], all_of < 0 ? -1 : wg__add_slice(b, all_of, 1, start, length));
            start += length;
        }
    }
}

/* ---- products of a concatenation ---- */

/* Is one of the parts a slice of a sequence, so that its product can leave the loop? */
static bool hoistable_part(const wg__graph *b, const wg__gnode *join)
{
    for (int j = 0; j < join->n_in; j++)
        if (wg__slot_of(b->seq, b->n_seq, join->in[j]) >= 0) return true;
    return false;
}

static void split_joins(rewriter *r)
{
    wg__graph *b = r->b;
    for (int32_t i = 0, all = b->n_nodes; i < all && !r->failed; i++) {
        if (!weighs(r, &b->nodes[i])) continue;
        const wg__gnode p = b->nodes[i], join = *maker(b, p.in[0]);
        if (!wg__joins_columns(b, &join) || !hoistable_part(b, &join)) continue;
        bool tb = flags(&p)->trans_b;
        int64_t start = 0;
        int32_t sum = -1;
        for (int j = 0; j < join.n_in; j++) {
            int64_t length = b->values[join.in[j]].type.shape.dim[1];
            int32_t w = wg__add_slice(b, p.in[1], tb ? 1 : 0, start, length);
            int32_t one = w < 0 ? -1 : wg__add_product(b, &p, join.in[j], w, false, tb);
            if (one >= 0 && sum >= 0) one = wg__add_sum(b, sum, one, p.scope);
            sum = one;
            if (one < 0) break;
            start += length;
        }
        replace(r, p.first_out, sum);
    }
}

/* ---- slices of products ---- */

/* Is v read by nothing but stacked outputs of the loop? */
static bool only_output(const rewriter *r, int32_t v)
{
    const wg__graph *b = r->b;
    int n = 0;
    for (int32_t i = b->n_carry; i < b->n_carry + b->n_y; i++) n += b->out[i] == v;
    return n > 0 && n == r->uses[v];
}

static void split_slices(rewriter *r)
{
    wg__graph *b = r->b;
    for (int32_t i = 0, all = b->n_nodes; i < all && !r->failed; i++) {
        if (!weighs(r, &b->nodes[i])) continue;
        const wg__gnode p = b->nodes[i];
        int32_t v = p.first_out, of, slice[MOST_TERMS];
        wg__slice_attr what;
        int n = 0, reads = 0;
        bool output = false;
        for (int32_t k = 0; k < all && n < MOST_TERMS; k++) {
            const wg__gnode *u = &b->nodes[k];
            if (!u->live || u->n_in != 1 || u->in[0] != v) continue;
            reads++;
            for (int j = 0; j < u->n_out && n < MOST_TERMS; j++) {
                int32_t s = u->first_out + j;
                if (r->uses[s] == 0) continue;
                if (!wg__is_slice(b, s, &of, &what) || what.axis != 1 || b->values[s].watch) {
                    n = MOST_TERMS;
                    break;
                }
                slice[n++] = s;
                output |= only_output(r, s);
            }
        }
        /* Of a product that only one slice is wanted of, the rest is not computed at all. */
        if (n < 1 || n == MOST_TERMS || !(output || n == 1) || reads != r->uses[v]) continue;
        bool tb = flags(&p)->trans_b;
        for (int k = 0; k < n && !r->failed; k++) {
            wg__is_slice(b, slice[k], &of, &what);
            int32_t w = wg__add_slice(b, p.in[1], tb ? 0 : 1, what.start, what.length);
            int32_t one = w < 0 ? -1 : wg__add_product(b, &p, p.in[0], w, false, tb);
            if (one < 0)
                r->failed = true;
            else
                wg__graph_replace(b, slice[k], one);
        }
        r->changed = true;
    }
}

/* ---- the pass ---- */

static bool rewrite(wg__graph *b, void (*rule)(rewriter *r))
{
    rewriter r = {.b = b, .uses = wg__count_uses(b), .inv = wg__invariant(b), .known = b->n_values};
    bool ok = r.uses && r.inv;
    if (ok) rule(&r);
    wg_free(r.uses);
    wg_free(r.inv);
    return ok && !r.failed && (!r.changed || wg__tidy(b));
}

bool wg__pass_products(wg__graph *g)
{
    for (int32_t i = 0; i < g->n_nodes; i++) {
        wg__graph *b = g->nodes[i].body;
        if (!b) continue;
        if (!wg__pass_products(b) || !rewrite(b, merge_sums) || !rewrite(b, merge_shared) ||
            !rewrite(b, split_joins) || !rewrite(b, split_slices))
            return false;
    }
    return true;
}
