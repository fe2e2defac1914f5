/* Pass: sums leave a loop for after it.
 *
 * A sum of products A_t^T B_t is one product over the stacked A and B after the loop (the weight
 * gradients), or a batch of them where A and B are batches (the gradients of what attention looks
 * at); a stacked output that is a product with a loop constant is one product over the stacked left
 * operand (the input gradients); a sum over rows likewise (the bias gradients), and rows added into
 * zeros (WG_OP_ADDS: the gradient of a table that the body looks up, which would be cleared and
 * added as a whole at every step). Only these move: cheap elementwise work stays fused in the loop.
 */
#include "sink.h"

static int uses(const wg__graph *b, int32_t v)
{
    int n = 0;
    for (int32_t i = 0; i < b->n_nodes; i++)
        for (int j = 0; j < b->nodes[i].n_in; j++) n += b->nodes[i].in[j] == v;
    return n;
}

static int outputs(const wg__graph *b, int32_t v)
{
    int n = 0;
    for (int i = 0; i < b->n_out; i++) n += b->out[i] == v;
    return n;
}

static bool can_sink(const wg__graph *b, int32_t v, bool sum, int64_t steps)
{
    const wg__gnode *n = &b->nodes[b->values[v].node];
    if (wg__sink_kind_of(b, v, sum) == WG__SINK_NONE) return false;
    for (int j = 0; j < n->n_in; j++)
        if (!wg__stackable(b, n->in[j], steps)) return false;
    return true;
}

/* What of an output leaves the loop: a sum over steps of a sum is two sums, as when one value is
 * used twice a step. */
enum { MOST_TERMS = 8 };
typedef struct sunk {
    int n; /* 0 = it stays */
    int32_t term[MOST_TERMS];
} sunk;

static sunk to_sink(const wg__graph *b, int out, int64_t steps)
{
    const sunk stays = {.n = 0};
    const bool sum = out >= b->n_carry + b->n_y;
    sunk s = {.n = 1, .term = {b->out[out]}};
    if (out < b->n_carry) return stays;
    for (int k = 0; k < s.n;) {
        int32_t v = s.term[k];
        const wg__gnode *n = &b->nodes[b->values[v].node];
        /* The output itself nobody else reads; a term of it the addition alone. */
        bool whole = v == b->out[out];
        if (b->values[v].watch || uses(b, v) != !whole || outputs(b, v) != whole) return stays;
        if (can_sink(b, v, sum, steps)) {
            k++;
            continue;
        }
        if (!sum || n->op != &wg__op_add || s.n == MOST_TERMS) return stays;
        for (int j = 0; j < 2; j++)
            if (!wg_shape_equal(&b->values[n->in[j]].type.shape, &b->values[v].type.shape))
                return stays;
        s.term[k] = n->in[0];
        s.term[s.n++] = n->in[1];
    }
    return s;
}

static bool sink_scan(wg__graph *g, int32_t at)
{
    wg__graph *b = g->nodes[at].body;
    wg__gnode old = g->nodes[at];
    int32_t n_old = b->n_out, most = n_old + 1;
    sunk *leaving = wg__arena_calloc(g->arena, (size_t)n_old + 1, sizeof *leaving);
    if (!leaving) return false;
    bool any = false;
    wg__scan_attr attr = *(const wg__scan_attr *)old.attr;
    if (attr.remat) return true; /* as for hoist */
    for (int i = 0; i < n_old; i++) {
        leaving[i] = to_sink(b, i, attr.steps);
        any = any || leaving[i].n > 0;
        for (int k = 0; k < leaving[i].n; k++) most += wg__sink_most_stacks(b, leaving[i].term[k]);
    }
    if (!any) return true;
    int32_t *out = wg__arena_alloc(g->arena, (size_t)most * sizeof *out);
    int32_t *was = wg__arena_alloc(g->arena, (size_t)most * sizeof *was); /* old output, or -1 */
    wg_type *types = wg__arena_alloc(g->arena, (size_t)most * sizeof *types);
    if (!out || !was || !types) return false;
    int n = 0, n_y = 0, n_sum = 0;
    for (int i = 0; i < b->n_carry + b->n_y; i++) {
        if (leaving[i].n > 0) continue;
        was[n] = i;
        n_y += i >= b->n_carry;
        out[n++] = b->out[i];
    }
    wg__stacks st = {g, b, out, was, n, n_y, b->n_carry + b->n_y};
    for (int i = 0; i < n_old; i++)
        for (int k = 0; k < leaving[i].n; k++) wg__sink_want(&st, leaving[i].term[k], i);
    n = st.n;
    n_y = st.n_y;
    for (int i = b->n_carry + b->n_y; i < n_old; i++) {
        if (leaving[i].n > 0) continue;
        was[n] = i;
        n_sum++;
        out[n++] = b->out[i];
    }
    for (int i = 0; i < n; i++) {
        types[i] = b->values[out[i]].type;
        if (i >= b->n_carry && i < b->n_carry + n_y)
            types[i].shape = wg__stacked_shape(types[i].shape, attr.steps);
    }
    attr.n_y = n_y;
    attr.n_sum = n_sum;
    wg__gnode *made = wg__graph_add(g, old.op, old.in, old.n_in, &attr, sizeof attr, types, n);
    if (!made) return false;
    made->body = b;
    made->scope = old.scope;
    made->file = old.file;
    made->line = old.line;
    wg__gnode scan = *made;
    b->out = out;
    b->n_out = n;
    b->n_y = n_y;
    b->n_sum = n_sum;
    g->nodes[at].live = 0;
    g->nodes[at].body = NULL;
    for (int i = 0; i < n; i++)
        if (was[i] >= 0) {
            g->values[scan.first_out + i].watch = g->values[old.first_out + was[i]].watch;
            wg__graph_replace(g, old.first_out + was[i], scan.first_out + i);
        }
    for (int i = 0; i < n_old; i++) {
        int32_t v = -1;
        for (int k = 0; k < leaving[i].n; k++) {
            int32_t one = wg__sink_value(&st, &scan, leaving[i].term[k], i, attr.steps);
            if (one >= 0) v = k ? wg__add_sum(g, v, one, scan.scope) : one;
            if (one < 0 || v < 0) return false;
        }
        if (v < 0) continue;
        const char *watch = g->values[old.first_out + i].watch;
        if (watch && g->values[v].watch) v = wg__add_view(g, v, g->values[v].type.shape);
        if (v < 0) return false;
        if (watch) g->values[v].watch = watch;
        wg__graph_replace(g, old.first_out + i, v);
    }
    return true;
}

bool wg__pass_sink(wg__graph *g)
{
    bool any = false;
    for (int32_t i = 0, n = g->n_nodes; i < n; i++) {
        if (!g->nodes[i].body) continue;
        any = true;
        if (!wg__pass_sink(g->nodes[i].body) || !sink_scan(g, i)) return false;
    }
    return !any || wg__graph_sort(g);
}
