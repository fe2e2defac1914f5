/* Pass: an op and its gradient become one, which goes over their operand once.
 *
 *     y  = f(x, ...)                 dx, y, db = paired(dy, x, ..., b)
 *     dx = gradient(dy, x, ...)  ->
 *
 * f's descriptor says what belongs together (wg_op.gradient, wg_op.paired). Only where x has no
 * other reader, so that dx may lie where x was, and where dy does not wait for y. A row b that was
 * added to x is added on the way, and the sum of dx over all rows is made on the way: what an
 * output layer's bias and its gradient cost is a few more numbers in the cache, not two passes over
 * all logits.
 *
 * Runs after the passes that move nodes in and out of loops. */
#include <stddef.h>
#include <string.h>

#include "edit.h"

/* Is t, seen from a value of type x, one row along x's last axis? */
static bool is_row(const wg_type *t, const wg_type *x)
{
    int rank = t->shape.rank;
    if (t->dtype != x->dtype || rank < 1 || rank > x->shape.rank || x->shape.rank < 2 ||
        t->shape.dim[rank - 1] != x->shape.dim[x->shape.rank - 1])
        return false;
    for (int i = 0; i < rank - 1; i++)
        if (t->shape.dim[i] != 1) return false;
    return true;
}

static bool same_type(const wg_type *a, const wg_type *b)
{
    return a->dtype == b->dtype && wg_shape_equal(&a->shape, &b->shape);
}

/* The gradient of node f's first operand, if it is there: a node, or -1. */
static int32_t gradient_of(const wg__graph *g, const wg__gnode *f)
{
    for (int32_t i = 0; i < g->n_nodes; i++) {
        const wg__gnode *n = &g->nodes[i];
        if (n->live && n->op == f->op->gradient && n->n_out == 1 && n->n_in == f->n_in + 1 &&
            memcmp(n->in + 1, f->in, (size_t)f->n_in * sizeof *f->in) == 0 &&
            n->attr_size == f->attr_size &&
            (f->attr_size == 0 || memcmp(n->attr, f->attr, f->attr_size) == 0) &&
            same_type(&g->values[n->first_out].type, &g->values[f->in[0]].type))
            return i;
    }
    return -1;
}

/* Does value v need node `node`? 1, 0, or -1 on out of memory. */
static int needs(const wg__graph *g, int32_t v, int32_t node)
{
    uint8_t *seen = wg_calloc((size_t)g->n_nodes + 1, 1);
    int32_t *stack = wg_calloc((size_t)g->n_nodes + 1, sizeof *stack), n = 0;
    if (!seen || !stack) {
        wg_free(seen);
        wg_free(stack);
        return -1;
    }
    stack[n++] = g->values[v].node;
    seen[g->values[v].node] = 1;
    while (n > 0 && !seen[node]) {
        const wg__gnode *from = &g->nodes[stack[--n]];
        for (int j = 0; j < from->n_in; j++) {
            int32_t up = g->values[from->in[j]].node;
            if (seen[up]) continue;
            seen[up] = 1;
            stack[n++] = up;
        }
    }
    int found = seen[node];
    wg_free(seen);
    wg_free(stack);
    return found;
}

/* x = whole + row: gives both, or leaves *row at -1. */
static void take_row(const wg__graph *g, int32_t x, int32_t *whole, int32_t *row)
{
    const wg__gnode *n = &g->nodes[g->values[x].node];
    const wg_type *t = &g->values[x].type;
    *whole = x;
    *row = -1;
    if (n->op != &wg__op_add || n->n_in != 2 || g->values[x].watch) return;
    for (int j = 1; j >= 0 && *row < 0; j--) {
        if (!is_row(&g->values[n->in[j]].type, t) || !same_type(&g->values[n->in[1 - j]].type, t))
            continue;
        *whole = n->in[1 - j];
        *row = n->in[j];
    }
}

/* The sum of v over all but its last axis: a node, or -1. */
static int32_t sum_of_rows(const wg__graph *g, int32_t v)
{
    for (int32_t i = 0; i < g->n_nodes; i++) {
        const wg__gnode *n = &g->nodes[i];
        if (n->live && n->op == &wg__op_sum_to && n->in[0] == v &&
            is_row(&g->values[n->first_out].type, &g->values[v].type))
            return i;
    }
    return -1;
}

static void take_over(wg__graph *g, int32_t node, int32_t to)
{
    int32_t from = g->nodes[node].first_out;
    g->values[to].watch = g->values[from].watch;
    g->values[to].name = g->values[from].name;
    g->values[from].watch = NULL;
    g->nodes[node].live = 0;
    wg__graph_replace(g, from, to);
}

/* Pairs node `at` when it may be. False on out of memory. */
static bool pair(wg__graph *g, int32_t at, bool *changed)
{
    const wg__gnode f = g->nodes[at];
    if (!f.live || f.op->size < offsetof(wg_op, paired) + sizeof f.op->paired || !f.op->paired ||
        f.n_out != 1 || f.n_in < 1)
        return true;
    int32_t gradient = gradient_of(g, &f), x = f.in[0], whole, row;
    if (gradient < 0) return true;
    int32_t *uses = wg__count_uses(g);
    if (!uses) return false;
    bool alone = uses[x] == 2;
    wg_free(uses);
    if (!alone) return true;
    int waits = needs(g, g->nodes[gradient].in[0], at);
    if (waits != 0) return waits > 0;
    take_row(g, x, &whole, &row);
    int32_t sum = sum_of_rows(g, g->nodes[gradient].first_out);
    int32_t *in = wg_calloc((size_t)f.n_in + 2, sizeof *in), n_in = f.n_in + 1;
    if (!in) return false;
    memcpy(in, g->nodes[gradient].in, (size_t)n_in * sizeof *in);
    in[1] = whole;
    if (row >= 0) in[n_in++] = row;
    wg_type types[3] = {g->values[x].type, g->values[f.first_out].type};
    if (sum >= 0) types[2] = g->values[g->nodes[sum].first_out].type;
    wg__gnode *made =
        wg__graph_add(g, f.op->paired, in, n_in, f.attr, f.attr_size, types, sum >= 0 ? 3 : 2);
    wg_free(in);
    if (!made) return false;
    made->scope = f.scope;
    made->file = f.file;
    made->line = f.line;
    int32_t first = made->first_out;
    take_over(g, gradient, first);
    take_over(g, at, first + 1);
    if (sum >= 0) take_over(g, sum, first + 2);
    *changed = true;
    return true;
}

bool wg__pass_pair(wg__graph *g)
{
    bool changed = false;
    for (int32_t i = 0, n = g->n_nodes; i < n; i++) {
        if (!g->nodes[i].live) continue;
        if (g->nodes[i].body && !wg__pass_pair(g->nodes[i].body)) return false;
        if (!pair(g, i, &changed)) return false;
    }
    return !changed || wg__tidy(g);
}
