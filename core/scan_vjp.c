/* The VJP of a scan: another scan, run the other way over saved residuals.
 *
 * 1. Which states carry a gradient is computed to a fixpoint on the body's list.
 * 2. The body is copied and differentiated once, with slots for the gradients of its results.
 * 3. What needs no incoming gradient and is used by what does is a residual: taken from a sequence
 *    or constant, computed again (cheap), computed once outside (constants only), or stacked by an
 *    augmented forward scan as one more output.
 * 4. The rest is the backward scan. Gradients of constants are sums, never carries.
 *
 * Both scans are plain scans of public ops, so second derivatives need no further rule. The
 * augmented scan repeats the recorded one; a compile pass merges the two. */
#include <string.h>

#include "builtin.h"
#include "tape_internal.h"

typedef struct plan {
    wg_vjp *c;
    wg_tape *tape; /* where the scan is */
    const wg__body *body;
    const wg__scan_attr *attr;
    wg_var *in, *out;     /* operands and results of the node */
    const uint8_t *needs; /* per operand */
    const uint8_t *has;   /* per result: is there a gradient? */

    wg_tape *d;                    /* the differentiated body */
    int32_t n_forward;             /* values of the body proper within d */
    uint8_t *active;               /* per carry */
    int32_t *g_next, *g_y, *g_sum; /* values of d: gradient slots; -1 = absent */
    int32_t *gx; /* per operand: value of d with its gradient in one step; -1 = zero */

    uint8_t *use; /* per value of d: how it is had in the backward body (below) */
    int32_t *map; /* value of d -> value of the backward body */
} plan;

enum {
    UNUSED = 0,
    ADJOINT,  /* depends on an incoming gradient: computed by the backward body */
    SEQUENCE, /* a slot of the forward body */
    CONSTANT,
    TIME,
    RECOMPUTE, /* cheap: computed again from what there is */
    HOIST,     /* depends on constants only: computed once outside */
    STACK,     /* stacked by the augmented forward scan */
};

/* ---- step 1: active carries ---- */

static void reach_back(const wg_tape *g, uint8_t *live)
{
    for (int32_t i = g->n_nodes - 1; i >= 0; i--) {
        const wg__node *n = &g->nodes[i];
        if (n->op->traits & WG_OP_NO_GRADIENT) continue;
        uint8_t any = 0;
        for (int j = 0; j < n->n_out; j++) any |= live[n->first_out + j];
        if (!any) continue;
        for (int j = 0; j < n->n_in; j++)
            if (wg__is_float(g->values[n->in[j]].type.dtype)) live[n->in[j]] = 1;
    }
}

static bool find_active(plan *p)
{
    const wg__body *b = p->body;
    const wg_tape *g = b->graph;
    uint8_t *live = wg_calloc((size_t)g->n_values + 1, 1);
    if (!live) return false;
    for (int i = 0; i < b->n_carry; i++)
        p->active[i] = p->has[i] && wg__is_float(g->values[b->carry[i]].type.dtype);
    for (bool changed = true; changed;) {
        changed = false;
        memset(live, 0, (size_t)g->n_values);
        for (int i = 0; i < b->n_carry; i++)
            if (p->active[i]) live[b->next[i]] = 1;
        for (int i = 0; i < b->n_y; i++)
            if (p->has[b->n_carry + i]) live[b->y[i]] = 1;
        for (int i = 0; i < b->n_sum; i++)
            if (p->has[b->n_carry + b->n_y + i]) live[b->sum[i]] = 1;
        reach_back(g, live);
        for (int i = 0; i < b->n_carry; i++)
            if (!p->active[i] && live[b->carry[i]] &&
                wg__is_float(g->values[b->carry[i]].type.dtype))
                p->active[i] = changed = true;
    }
    wg_free(live);
    return true;
}

/* ---- step 2: the differentiated body ---- */

static wg_status clone_all(wg_tape *dst, const wg_tape *src, int32_t *map)
{
    for (int32_t i = 0; i < src->n_nodes; i++) {
        wg_status status = wg__clone_node(dst, src, i, map);
        if (status != WG_OK) return status;
    }
    return WG_OK;
}

/* Values of d have the numbers they have in the body, since both start empty. */
static wg_status differentiate(plan *p)
{
    const wg__body *b = p->body;
    const wg_tape *g = b->graph;
    wg_status status = WG_ENOMEM;
    int n_out = b->n_carry + b->n_y + b->n_sum;
    int n_x = b->n_carry + b->n_seq + b->n_const;
    int32_t *map = wg_calloc((size_t)g->n_values + 1, sizeof *map);
    wg_var *y = wg_calloc(2 * (size_t)n_out + 2 * (size_t)n_x + 1, sizeof *y);
    int *which = wg_calloc((size_t)n_x + 1, sizeof *which);
    if (!map || !y || !which) goto done;
    wg_var *gy = y + n_out, *x = gy + n_out, *gx = x + n_x;
    wg_tape *d = p->d;
    status = clone_all(d, g, map);
    if (status != WG_OK) goto done;
    p->n_forward = d->n_values;
    int n = 0;
    for (int k = 0; k < n_out; k++) {
        bool carry = k < b->n_carry, sum = k >= b->n_carry + b->n_y;
        bool want = carry ? p->active[k] : p->has[k];
        int32_t value = carry ? b->next[k]
                        : sum ? b->sum[k - b->n_carry - b->n_y]
                              : b->y[k - b->n_carry];
        int32_t *slot = carry ? &p->g_next[k]
                        : sum ? &p->g_sum[k - b->n_carry - b->n_y]
                              : &p->g_y[k - b->n_carry];
        *slot = -1;
        if (!want) continue;
        wg_var s = wg__body_input(d, g->values[value].type);
        *slot = s.index;
        y[n] = wg__var(d, value);
        gy[n++] = s;
    }
    int m = 0;
    for (int i = 0; i < n_x; i++) {
        /* Operand order: sequences, initial states, constants. */
        bool is_carry = i >= b->n_seq && i < b->n_seq + b->n_carry;
        bool want = is_carry ? p->active[i - b->n_seq] : p->needs[i];
        int32_t value = i < b->n_seq ? b->seq[i]
                        : is_carry   ? b->carry[i - b->n_seq]
                                     : b->constant[i - b->n_seq - b->n_carry];
        p->gx[i] = -1;
        if (!want) continue;
        x[m] = wg__var(d, value);
        which[m++] = i;
    }
    status = wg__grad(y, gy, n, x, m, gx, true);
    for (int j = 0; j < m && status == WG_OK; j++)
        if (!wg_is_none(gx[j])) {
            p->gx[which[j]] = wg__lift(d, gx[j]);
            if (p->gx[which[j]] < 0) status = d->status;
        }
done:
    wg_free(map);
    wg_free(y);
    wg_free(which);
    return status;
}

/* ---- step 3: how each value is had ---- */

static bool cheap(const wg_op *op)
{
    return (op->traits & WG_OP_VIEW) || ((op->traits & WG_OP_MAP) && (op->traits & WG_OP_CHEAP));
}

static bool can_recompute(const plan *p, int32_t v, const uint8_t *const_only, int depth)
{
    switch (p->use[v]) {
    case SEQUENCE:
    case CONSTANT:
    case TIME:
    case STACK:
    case RECOMPUTE:
    case HOIST: return true;
    default: break;
    }
    const wg__node *n = &p->d->nodes[p->d->values[v].node];
    if (n->n_in == 0) return n->op != &wg__op_body_in; /* constants of the body */
    if (const_only[v]) return true;
    if (!cheap(n->op) || depth > 64) return false;
    for (int j = 0; j < n->n_in; j++)
        if (!can_recompute(p, n->in[j], const_only, depth + 1)) return false;
    return true;
}

/* Marks what v is computed from again, v included. */
static void mark_recompute(plan *p, int32_t v, const uint8_t *const_only)
{
    if (p->use[v] != UNUSED) return;
    const wg__node *n = &p->d->nodes[p->d->values[v].node];
    if (n->n_in > 0 && const_only[v]) {
        p->use[v] = HOIST;
        return;
    }
    for (int j = 0; j < n->n_out; j++)
        if (p->use[n->first_out + j] == UNUSED) p->use[n->first_out + j] = RECOMPUTE;
    for (int j = 0; j < n->n_in; j++) mark_recompute(p, n->in[j], const_only);
}

static wg_status classify(plan *p)
{
    const wg_tape *d = p->d;
    const wg__body *b = p->body;
    size_t n = (size_t)d->n_values;
    uint8_t *flags = wg_calloc(4 * n + 1, 1);
    if (!flags) return WG_ENOMEM;
    uint8_t *on_g = flags, *wanted = flags + n, *const_only = wanted + n,
            *residual = const_only + n;
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
        for (int j = 0; j < node->n_out; j++) p->use[node->first_out + j] = ADJOINT;
        for (int j = 0; j < node->n_in; j++) {
            wanted[node->in[j]] = 1;
            if (!on_g[node->in[j]]) residual[node->in[j]] = 1;
        }
    }
    for (int i = 0; i < b->n_seq; i++) p->use[b->seq[i]] = SEQUENCE;
    for (int i = 0; i < b->n_const; i++) p->use[b->constant[i]] = CONSTANT;
    p->use[b->time] = TIME;
    /* Dear ones are stacked first, so that cheap ones can be had from them. */
    for (int32_t v = 0; v < d->n_values; v++) {
        if (!residual[v] || p->use[v] != UNUSED) continue;
        const wg__node *node = &d->nodes[d->values[v].node];
        bool slot = node->op == &wg__op_body_in; /* a carry */
        if (slot || (node->n_in > 0 && !const_only[v] && !cheap(node->op))) p->use[v] = STACK;
    }
    for (int32_t v = 0; v < d->n_values; v++) {
        if (!residual[v] || p->use[v] != UNUSED) continue;
        if (can_recompute(p, v, const_only, 0))
            mark_recompute(p, v, const_only);
        else
            p->use[v] = STACK;
    }
    wg_free(flags);
    return WG_OK;
}

/* ---- step 4: the two scans ---- */

/* Clones from d onto dst whatever v needs and is not yet mapped, by an explicit order: nodes of d
 * are in topological order, so a backward mark and a forward pass do. */
static wg_status clone_needed(wg_tape *dst, const wg_tape *d, uint8_t *mark, int32_t *map)
{
    for (int32_t i = d->n_nodes - 1; i >= 0; i--) {
        const wg__node *n = &d->nodes[i];
        bool any = false;
        for (int j = 0; j < n->n_out; j++)
            any |= mark[n->first_out + j] && map[n->first_out + j] < 0;
        if (!any) continue;
        for (int j = 0; j < n->n_in; j++) mark[n->in[j]] = 1;
    }
    for (int32_t i = 0; i < d->n_nodes; i++) {
        const wg__node *n = &d->nodes[i];
        bool any = false;
        for (int j = 0; j < n->n_out; j++)
            any |= mark[n->first_out + j] && map[n->first_out + j] < 0;
        if (!any) continue;
        wg_status status = wg__clone_node(dst, d, i, map);
        if (status != WG_OK) return status;
    }
    return WG_OK;
}

/* The forward scan with the residuals as further outputs; fills stacked[v] (vars of the tape). */
static wg_status augment(plan *p, wg_var *stacked)
{
    const wg__body *b = p->body;
    const wg_tape *d = p->d;
    wg_status status = WG_ENOMEM;
    int n_more = 0;
    for (int32_t v = 0; v < d->n_values; v++) {
        if (p->use[v] != STACK) continue;
        bool there = false;
        for (int i = 0; i < b->n_y && !there; i++)
            if (b->y[i] == v) {
                stacked[v] = p->out[b->n_carry + i];
                there = true;
            }
        if (!there) n_more++;
    }
    if (n_more == 0) return WG_OK;
    wg_tape *graph = NULL;
    wg__body *body = NULL;
    wg_error err = {WG_OK, ""};
    size_t n = (size_t)d->n_values;
    int n_out = b->n_carry + b->n_y + n_more + b->n_sum;
    int32_t *map = wg_calloc(n + 1, sizeof *map);
    uint8_t *mark = wg_calloc(n + 1, 1);
    wg_var *out = wg_calloc((size_t)n_out + 1, sizeof *out);
    if (!map || !mark || !out) goto done;
    status = wg__body_tape_new(p->tape, &graph, &err);
    if (status != WG_OK) goto done;
    for (size_t v = 0; v < n; v++) map[v] = -1;
    status = clone_all(graph, b->graph, map);
    for (size_t v = 0; v < n; v++) mark[v] = p->use[v] == STACK;
    if (status == WG_OK) status = clone_needed(graph, d, mark, map);
    if (status != WG_OK) goto done;
    status = wg__body_new(graph, b->n_seq, b->n_carry, b->n_const, b->n_y + n_more, b->n_sum, &body,
                          &err);
    if (status != WG_OK) goto done;
    graph = NULL;
    memcpy(body->seq, b->seq, (size_t)b->n_seq * sizeof *b->seq);
    memcpy(body->carry, b->carry, (size_t)b->n_carry * sizeof *b->carry);
    memcpy(body->next, b->next, (size_t)b->n_carry * sizeof *b->next);
    memcpy(body->constant, b->constant, (size_t)b->n_const * sizeof *b->constant);
    memcpy(body->y, b->y, (size_t)b->n_y * sizeof *b->y);
    memcpy(body->sum, b->sum, (size_t)b->n_sum * sizeof *b->sum);
    body->time = b->time;
    int k = b->n_y;
    for (int32_t v = 0; v < d->n_values; v++)
        if (p->use[v] == STACK && wg_is_none(stacked[v])) body->y[k++] = map[v];
    wg__scan_attr attr = *p->attr;
    attr.n_y = b->n_y + n_more;
    status = wg__scan_append(p->tape, body, p->in, &attr, out);
    k = b->n_carry + b->n_y;
    for (int32_t v = 0; v < d->n_values && status == WG_OK; v++)
        if (p->use[v] == STACK && wg_is_none(stacked[v])) stacked[v] = out[k++];
done:
    if (graph) wg_tape_free(graph);
    wg__body_release(body);
    wg_free(map);
    wg_free(mark);
    wg_free(out);
    return status;
}

/* Values that depend on constants alone are computed on the outer tape. */
static wg_status hoist(plan *p, wg_var *hoisted)
{
    const wg__body *b = p->body;
    const wg_tape *d = p->d;
    size_t n = (size_t)d->n_values;
    bool any = false;
    for (size_t v = 0; v < n; v++) any |= p->use[v] == HOIST;
    if (!any) return WG_OK;
    int32_t *map = wg_calloc(n + 1, sizeof *map);
    uint8_t *mark = wg_calloc(n + 1, 1);
    wg_status status = map && mark ? WG_OK : WG_ENOMEM;
    if (status == WG_OK) {
        for (size_t v = 0; v < n; v++) {
            map[v] = -1;
            mark[v] = p->use[v] == HOIST;
        }
        for (int i = 0; i < b->n_const; i++)
            map[b->constant[i]] = wg__lift(p->tape, p->in[b->n_seq + b->n_carry + i]);
        status = clone_needed(p->tape, d, mark, map);
    }
    for (size_t v = 0; v < n && status == WG_OK; v++)
        if (p->use[v] == HOIST) hoisted[v] = wg__var(p->tape, map[v]);
    wg_free(map);
    wg_free(mark);
    return status;
}

typedef struct operand {
    int32_t value; /* of d */
    wg_var outer;
} operand;

/* The lists of what the backward body takes and gives, in slot order. */
typedef struct slots {
    operand *seq, *constant;
    int n_seq, n_const, n_carry, n_y, n_sum;
    int *carry;   /* which forward carry */
    int *y, *sum; /* which forward operand */
} slots;

static wg_status choose_slots(plan *p, slots *s, const wg_var *stacked, const wg_var *hoisted)
{
    const wg__body *b = p->body;
    const wg_tape *d = p->d;
    size_t n = (size_t)d->n_values + 1;
    s->seq = wg_calloc(2 * n, sizeof *s->seq);
    int n_x = b->n_seq + b->n_carry + b->n_const;
    s->carry = wg_calloc(3 * (size_t)n_x + 3, sizeof *s->carry);
    if (!s->seq || !s->carry) return WG_ENOMEM;
    s->constant = s->seq + n;
    s->y = s->carry + n_x + 1;
    s->sum = s->y + n_x + 1;
    for (int i = 0; i < b->n_y; i++)
        if (p->g_y[i] >= 0)
            s->seq[s->n_seq++] = (operand){p->g_y[i], p->c->adjoint[p->out[b->n_carry + i].index]};
    for (int i = 0; i < b->n_seq; i++) s->seq[s->n_seq++] = (operand){b->seq[i], p->in[i]};
    for (int32_t v = 0; v < d->n_values; v++)
        if (p->use[v] == STACK) s->seq[s->n_seq++] = (operand){v, stacked[v]};
    for (int i = 0; i < b->n_const; i++)
        s->constant[s->n_const++] = (operand){b->constant[i], p->in[b->n_seq + b->n_carry + i]};
    for (int i = 0; i < b->n_sum; i++)
        if (p->g_sum[i] >= 0)
            s->constant[s->n_const++] =
                (operand){p->g_sum[i], p->c->adjoint[p->out[b->n_carry + b->n_y + i].index]};
    for (int32_t v = 0; v < d->n_values; v++)
        if (p->use[v] == HOIST) s->constant[s->n_const++] = (operand){v, hoisted[v]};
    for (int i = 0; i < b->n_carry; i++)
        if (p->active[i]) s->carry[s->n_carry++] = i;
    for (int i = 0; i < b->n_seq; i++)
        if (p->gx[i] >= 0) s->y[s->n_y++] = i;
    for (int i = b->n_seq + b->n_carry; i < n_x; i++)
        if (p->gx[i] >= 0) s->sum[s->n_sum++] = i;
    return WG_OK;
}

static wg_status backward(plan *p, const wg_var *stacked, const wg_var *hoisted)
{
    const wg__body *b = p->body;
    const wg_tape *d = p->d;
    wg_status status = WG_ENOMEM;
    wg_error err = {WG_OK, ""};
    slots s = {0};
    wg_tape *graph = NULL;
    wg__body *body = NULL;
    wg_var *operands = NULL, *out = NULL;
    size_t n = (size_t)d->n_values;
    uint8_t *mark = wg_calloc(n + 1, 1);
    int32_t *map = wg_calloc(n + 1, sizeof *map);
    if (!mark || !map) goto done;
    status = choose_slots(p, &s, stacked, hoisted);
    if (status != WG_OK) goto done;
    status = wg__body_tape_new(p->tape, &graph, &err);
    if (status != WG_OK) goto done;
    for (size_t v = 0; v < n; v++) map[v] = -1;
    for (int i = 0; i < s.n_seq; i++)
        map[s.seq[i].value] = wg__body_input(graph, d->values[s.seq[i].value].type).index;
    for (int i = 0; i < s.n_carry; i++) {
        int32_t v = p->g_next[s.carry[i]];
        map[v] = wg__body_input(graph, d->values[v].type).index;
    }
    for (int i = 0; i < s.n_const; i++)
        map[s.constant[i].value] = wg__body_input(graph, d->values[s.constant[i].value].type).index;
    map[b->time] = wg__body_input(graph, (wg_type){WG_I32, WG_SCALAR}).index;
    int n_x = b->n_seq + b->n_carry + b->n_const;
    for (int i = 0; i < n_x; i++)
        if (p->gx[i] >= 0) mark[p->gx[i]] = 1;
    status = graph->status != WG_OK ? graph->status : clone_needed(graph, d, mark, map);
    if (status != WG_OK) goto done;
    status = wg__body_new(graph, s.n_seq, s.n_carry, s.n_const, s.n_y, s.n_sum, &body, &err);
    if (status != WG_OK) goto done;
    wg_tape *g = graph;
    graph = NULL;
    for (int i = 0; i < s.n_seq; i++) body->seq[i] = map[s.seq[i].value];
    for (int i = 0; i < s.n_const; i++) body->constant[i] = map[s.constant[i].value];
    for (int i = 0; i < s.n_carry; i++) {
        int32_t slot = p->g_next[s.carry[i]], gx = p->gx[b->n_seq + s.carry[i]];
        body->carry[i] = map[slot];
        /* A state whose gradient stops here (nothing flows to the step before). */
        body->next[i] = gx >= 0 ? map[gx] : wg_zeros_like(wg__var(g, map[slot])).index;
        if (body->next[i] < 0) status = WG_ENOMEM;
    }
    for (int i = 0; i < s.n_y; i++) body->y[i] = map[p->gx[s.y[i]]];
    for (int i = 0; i < s.n_sum; i++) body->sum[i] = map[p->gx[s.sum[i]]];
    body->time = map[b->time];
    operands = wg_calloc((size_t)(s.n_seq + s.n_carry + s.n_const) + 1, sizeof *operands);
    out = wg_calloc((size_t)(s.n_carry + s.n_y + s.n_sum) + 1, sizeof *out);
    if (status != WG_OK || !operands || !out) {
        status = WG_ENOMEM;
        goto done;
    }
    int k = 0;
    for (int i = 0; i < s.n_seq; i++) operands[k++] = s.seq[i].outer;
    for (int i = 0; i < s.n_carry; i++) operands[k++] = wg_vjp_grad(p->c, s.carry[i]);
    for (int i = 0; i < s.n_const; i++) operands[k++] = s.constant[i].outer;
    wg__scan_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.n_seq = s.n_seq;
    attr.n_carry = s.n_carry;
    attr.n_const = s.n_const;
    attr.n_y = s.n_y;
    attr.n_sum = s.n_sum;
    attr.reverse = !p->attr->reverse;
    attr.steps = p->attr->steps;
    status = wg__scan_append(p->tape, body, operands, &attr, out);
    if (status != WG_OK) goto done;
    for (int i = 0; i < s.n_carry; i++) wg_vjp_add(p->c, b->n_seq + s.carry[i], out[i]);
    for (int i = 0; i < s.n_y; i++) wg_vjp_add(p->c, s.y[i], out[s.n_carry + i]);
    for (int i = 0; i < s.n_sum; i++) wg_vjp_add(p->c, s.sum[i], out[s.n_carry + s.n_y + i]);
done:
    if (graph) wg_tape_free(graph);
    wg__body_release(body);
    wg_free(operands);
    wg_free(out);
    wg_free(mark);
    wg_free(map);
    wg_free(s.seq);
    wg_free(s.carry);
    return status;
}

void wg__scan_vjp(wg_vjp *c)
{
    wg_tape *tape = c->tape;
    const wg__node node = tape->nodes[c->node];
    const wg__body *b = node.body;
    wg__scan_attr attr = *(const wg__scan_attr *)node.attr;
    plan p = {.c = c, .tape = tape, .body = b, .attr = &attr};
    wg_status status = WG_ENOMEM;
    wg_error err = {WG_OK, ""};
    wg_var *stacked = NULL;
    size_t n_in = (size_t)node.n_in, n_out = (size_t)node.n_out;
    uint8_t *bytes = wg_calloc(n_in + n_out + (size_t)b->n_carry + 1, 1);
    p.in = wg_calloc(n_in + n_out + 1, sizeof *p.in);
    p.gx = wg_calloc(n_in + n_out + 1, sizeof *p.gx);
    if (!bytes || !p.in || !p.gx) goto done;
    p.out = p.in + n_in;
    p.g_next = p.gx + n_in;
    p.g_y = p.g_next + b->n_carry;
    p.g_sum = p.g_y + b->n_y;
    p.active = bytes + n_in + n_out;
    for (size_t i = 0; i < n_in; i++) {
        p.in[i] = wg_vjp_in(c, (int)i);
        bytes[i] = wg_vjp_needs(c, (int)i);
    }
    for (size_t i = 0; i < n_out; i++) {
        p.out[i] = wg_vjp_out(c, (int)i);
        bytes[n_in + i] = wg_vjp_has_grad(c, (int)i);
    }
    p.needs = bytes;
    p.has = bytes + n_in;
    if (!find_active(&p)) goto done;
    status = wg__body_tape_new(tape, &p.d, &err);
    if (status == WG_OK) status = differentiate(&p);
    if (status != WG_OK) goto done;
    size_t n = (size_t)p.d->n_values;
    p.use = wg_calloc(n + 1, 1);
    stacked = wg_calloc(2 * n + 1, sizeof *stacked);
    status = p.use && stacked ? classify(&p) : WG_ENOMEM;
    if (status == WG_OK) status = augment(&p, stacked);
    if (status == WG_OK) status = hoist(&p, stacked + n);
    if (status == WG_OK) status = backward(&p, stacked, stacked + n);
done:
    if (status != WG_OK && tape->status == WG_OK)
        wg__tape_fail_v(tape, status, "gradient of scan: %s",
                        err.message[0] ? err.message : wg_strerror(status));
    if (p.d) wg_tape_free(p.d);
    wg_free(bytes);
    wg_free(p.in);
    wg_free(p.gx);
    wg_free(p.use);
    wg_free(stacked);
}
