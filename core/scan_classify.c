/* How a backward loop body has each value that it reads: taken from a slot, computed again,
 * computed once outside the loop, or stacked by the forward scan (step 3 of scan_derive.c). */
#include "builtin.h"
#include "scan_derive.h"

enum { LONGEST_CHAIN = 64 }; /* cheap ops in a row that are computed again */

/* Is op to be run again rather than its results kept? All are in a body whose steps are chunks of
 * a longer loop. */
static bool cheap(const wg__derived *p, const wg_op *op)
{
    return p->remat || (op->traits & (WG_OP_VIEW | WG_OP_CHEAP)) != 0;
}

/* A map with vector loops of its own costs about what writing its result to memory and reading it
 * back does, and the memory is saved. */
static bool may_run_again(const wg_op *op)
{
    return op->traits & WG_OP_MAP && op->loop;
}

/* How many cheap ops deep each value is from what the backward body has; -1 = not to be had so.
 * Operands have lower numbers, so one sweep in order settles all (a walk from each value would
 * visit shared operands again and again). */
static int cheap_chain(const wg__derived *p, int32_t v, const uint8_t *const_only,
                       const int32_t *depth, bool again)
{
    switch (p->use[v]) {
    case WG__SEQUENCE:
    case WG__CONSTANT:
    case WG__TIME:
    case WG__STACK:
    case WG__RECOMPUTE:
    case WG__HOIST: return 0;
    default: break;
    }
    const wg__node *n = &p->d->nodes[p->d->values[v].node];
    if (n->n_in == 0) /* constants of the body; a state */
        return n->op != &wg__op_body_in || p->remat ? 0 : -1;
    if (const_only[v]) return 0;
    if (!again && !cheap(p, n->op)) return -1;
    int32_t most = 0;
    for (int j = 0; j < n->n_in; j++) {
        if (depth[n->in[j]] < 0) return -1;
        if (depth[n->in[j]] > most) most = depth[n->in[j]];
    }
    return p->remat || most < LONGEST_CHAIN ? most + 1 : -1;
}

/* The same, where an output of the loop (output[v] = 1) is there, stacked for others, if it cannot
 * be had otherwise: output[v] becomes 2. */
static int chain(const wg__derived *p, int32_t v, const uint8_t *const_only, const int32_t *depth,
                 bool again, uint8_t *output)
{
    int d = cheap_chain(p, v, const_only, depth, again);
    if (d >= 0 || !output[v]) return d;
    output[v] = 2;
    return 0;
}

/* Marks what v is computed from again, v included. */
static void mark_recompute(wg__derived *p, int32_t v, const uint8_t *const_only,
                           const uint8_t *output)
{
    if (p->use[v] != WG__UNUSED) return;
    const wg__node *n = &p->d->nodes[p->d->values[v].node];
    /* The state at the border of a chunk; what is stacked anyway. */
    if (n->op == &wg__op_body_in || output[v] == 2) {
        p->use[v] = WG__STACK;
        return;
    }
    if (n->n_in > 0 && const_only[v]) {
        p->use[v] = WG__HOIST;
        return;
    }
    for (int j = 0; j < n->n_out; j++)
        if (p->use[n->first_out + j] == WG__UNUSED) p->use[n->first_out + j] = WG__RECOMPUTE;
    for (int j = 0; j < n->n_in; j++) mark_recompute(p, n->in[j], const_only, output);
}

static size_t bytes_of(const wg_tape *d, int32_t v)
{
    return (size_t)wg_shape_count(&d->values[v].type.shape) *
           wg_dtype_size(d->values[v].type.dtype);
}

/* Several cheap residuals that want one and the same value more than is there (h - n and 1 - n^2 of
 * a GRU): it is stacked instead, where it is smaller than they are together. */
static bool stack_in_common(wg__derived *p, const uint8_t *residual, const uint8_t *again,
                            const int32_t *depth)
{
    enum { NONE = -1, MANY = -2 };
    const wg_tape *d = p->d;
    int32_t *lack =
        wg_calloc((size_t)d->n_values + 1, sizeof *lack); /* per value: what is not there */
    size_t *saved = wg_calloc((size_t)d->n_values + 1, sizeof *saved);
    for (int32_t v = 0; v < d->n_values && lack && saved; v++) {
        const wg__node *n = &d->nodes[d->values[v].node];
        lack[v] = NONE;
        if (depth[v] >= 0) continue;
        if (p->use[v] == WG__ADJOINT) {
            lack[v] = MANY;
            continue;
        }
        if (n->n_in == 0 || (!cheap(p, n->op) && !again[v])) {
            lack[v] = v;
            continue;
        }
        for (int j = 0; j < n->n_in; j++) {
            int32_t one = lack[n->in[j]];
            if (one != NONE) lack[v] = lack[v] == NONE || lack[v] == one ? one : MANY;
        }
        if (residual[v] && p->use[v] == WG__UNUSED && lack[v] >= 0)
            saved[lack[v]] += bytes_of(d, v);
    }
    for (int32_t v = 0; v < d->n_values && lack && saved; v++)
        if (saved[v] > bytes_of(d, v) && p->use[v] == WG__UNUSED) p->use[v] = WG__STACK;
    bool ok = lack && saved;
    wg_free(lack);
    wg_free(saved);
    return ok;
}

wg_status wg__scan_classify(wg__derived *p)
{
    const wg_tape *d = p->d;
    const wg__body *b = p->body;
    size_t n = (size_t)d->n_values;
    uint8_t *flags = wg_calloc(6 * n + 1, 1);
    int32_t *depth = wg_calloc(n + 1, sizeof *depth);
    if (!flags || !depth) {
        wg_free(flags);
        wg_free(depth);
        return WG_ENOMEM;
    }
    uint8_t *on_g = flags, *wanted = flags + n, *const_only = wanted + n,
            *residual = const_only + n, *again = residual + n, *output = again + n;
    for (int i = 0; i < b->n_carry; i++)
        if (p->g_next[i] >= 0) on_g[p->g_next[i]] = 1;
    for (int i = 0; i < b->n_y; i++)
        if (p->g_y[i] >= 0) on_g[p->g_y[i]] = 1;
    for (int i = 0; i < b->n_sum; i++)
        if (p->g_sum[i] >= 0) on_g[p->g_sum[i]] = 1;
    for (int i = 0; i < b->n_const; i++) const_only[b->constant[i]] = 1;
    for (int32_t i = 0; i < d->n_nodes; i++) {
        const wg__node *node = &d->nodes[i];
        uint8_t any = 0, all = node->op != &wg__op_body_in;
        for (int j = 0; j < node->n_in; j++) {
            any |= on_g[node->in[j]];
            all &= const_only[node->in[j]];
        }
        for (int j = 0; j < node->n_out; j++) {
            on_g[node->first_out + j] |= any;
            const_only[node->first_out + j] |= all;
        }
    }
    for (int i = 0; i < b->n_y; i++) output[b->y[i]] = 1;
    /* Wanted: what the gradients of one step are computed from. */
    int n_x = b->n_seq + b->n_carry + b->n_const;
    for (int i = 0; i < n_x; i++)
        if (p->gx[i] >= 0) {
            wanted[p->gx[i]] = 1;
            if (!on_g[p->gx[i]]) residual[p->gx[i]] = 1;
        }
    for (int32_t i = d->n_nodes - 1; i >= 0; i--) {
        const wg__node *node = &d->nodes[i];
        uint8_t any = 0, adjoint = 0;
        for (int j = 0; j < node->n_out; j++) {
            any |= wanted[node->first_out + j];
            adjoint |= on_g[node->first_out + j];
        }
        if (!any || !adjoint) continue;
        for (int j = 0; j < node->n_out; j++) p->use[node->first_out + j] = WG__ADJOINT;
        for (int j = 0; j < node->n_in; j++) {
            wanted[node->in[j]] = 1;
            if (!on_g[node->in[j]]) residual[node->in[j]] = 1;
        }
    }
    for (int i = 0; i < b->n_seq; i++) p->use[b->seq[i]] = WG__SEQUENCE;
    for (int i = 0; i < b->n_const; i++) p->use[b->constant[i]] = WG__CONSTANT;
    p->use[b->time] = WG__TIME;
    /* Dear ones are stacked first, so that cheap ones can be had from them. A dear map of what is
     * there already (tanh(c') of f c + i g) is run again all the same: no residual is run again for
     * the sake of another, so that each one saves a stack. */
    for (int32_t v = 0; v < d->n_values; v++) {
        depth[v] = chain(p, v, const_only, depth, false, output);
        if (!residual[v] || p->use[v] != WG__UNUSED) continue;
        const wg__node *node = &d->nodes[d->values[v].node];
        bool slot = node->op == &wg__op_body_in; /* a carry */
        /* States laid side by side with something else are stacked alone. */
        for (int j = 0; j < node->n_in && node->op->traits & WG_OP_JOIN; j++)
            if (p->use[node->in[j]] == WG__UNUSED &&
                d->nodes[d->values[node->in[j]].node].op == &wg__op_body_in) {
                p->use[node->in[j]] = WG__STACK;
                depth[node->in[j]] = 0;
            }
        again[v] = depth[v] < 0 && may_run_again(node->op) &&
                   cheap_chain(p, v, const_only, depth, true) >= 0;
        if (slot || (node->n_in > 0 && !const_only[v] && !cheap(p, node->op) && !again[v])) {
            p->use[v] = WG__STACK;
            depth[v] = 0;
        }
    }
    bool ok = stack_in_common(p, residual, again, depth);
    for (int32_t v = 0; v < d->n_values && ok; v++) {
        depth[v] = chain(p, v, const_only, depth, again[v], output);
        if (!residual[v] || p->use[v] != WG__UNUSED) continue;
        if (depth[v] >= 0)
            mark_recompute(p, v, const_only, output);
        else
            p->use[v] = WG__STACK;
        depth[v] = 0; /* from here on it is there */
    }
    wg_free(depth);
    wg_free(flags);
    return ok ? WG_OK : WG_ENOMEM;
}
