/* Deriving the two scans of a VJP from a loop body.
 *
 * 1. Which states carry a gradient is computed to a fixpoint on the body's list.
 * 2. The body is copied and differentiated once, with slots for the gradients of its results.
 * 3. What needs no incoming gradient and is used by what does is a residual: taken from a sequence
 *    or constant, computed again (cheap), computed once outside (constants only), or stacked by an
 *    augmented forward body as one more output.
 * 4. The rest is the backward body. Gradients of constants are sums, never carries.
 *
 * Step 3 is scan_classify.c. Nothing here depends on operands, so the result is kept with the body.
 */
#include <string.h>

#include "builtin.h"
#include "scan_derive.h"

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

static bool find_active(wg__derived *p, const uint8_t *has)
{
    const wg__body *b = p->body;
    const wg_tape *g = b->graph;
    uint8_t *live = wg_calloc((size_t)g->n_values + 1, 1);
    if (!live) return false;
    for (int i = 0; i < b->n_carry; i++)
        p->active[i] = has[i] && wg__is_float(g->values[b->carry[i]].type.dtype);
    for (bool changed = true; changed;) {
        changed = false;
        memset(live, 0, (size_t)g->n_values);
        for (int i = 0; i < b->n_carry; i++)
            if (p->active[i]) live[b->next[i]] = 1;
        for (int i = 0; i < b->n_y; i++)
            if (has[b->n_carry + i]) live[b->y[i]] = 1;
        for (int i = 0; i < b->n_sum; i++)
            if (has[b->n_carry + b->n_y + i]) live[b->sum[i]] = 1;
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
static wg_status differentiate(wg__derived *p, const uint8_t *has, const uint8_t *needs)
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
    int n = 0;
    for (int k = 0; k < n_out; k++) {
        bool carry = k < b->n_carry, sum = k >= b->n_carry + b->n_y;
        bool want = carry ? p->active[k] : has[k];
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
        bool want = is_carry ? p->active[i - b->n_seq] : needs[i];
        int32_t value = i < b->n_seq ? b->seq[i]
                        : is_carry   ? b->carry[i - b->n_seq]
                                     : b->constant[i - b->n_seq - b->n_carry];
        p->gx[i] = -1;
        if (!want) continue;
        x[m] = wg__var(d, value);
        which[m++] = i;
    }
    status = wg__grad(y, gy, n, x, m, gx, true, 0);
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

/* ---- step 4: the two bodies ---- */

/* Nodes of d are in topological order, so a backward mark and a forward pass do. */
wg_status wg__clone_needed(wg_tape *dst, const wg_tape *d, uint8_t *mark, int32_t *map)
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

/* A finished body belongs to no recording: nothing is lifted into it any more. */
static void detach(wg__body *body)
{
    body->graph->parent = NULL;
}

/* Results of the augmented scan: those of the body, with the residuals after its outputs. */
static wg_status make_forward(wg__derived *p, wg_tape *tape, wg_error *err)
{
    const wg__body *b = p->body;
    const wg_tape *d = p->d;
    int n_more = 0;
    for (int32_t v = 0; v < d->n_values; v++) {
        bool there = false;
        for (int i = 0; i < b->n_y; i++) there |= b->y[i] == v;
        n_more += p->use[v] == WG__STACK && !there;
    }
    if (n_more == 0) return WG_OK;
    wg_tape *graph = NULL;
    size_t n = (size_t)d->n_values;
    int32_t *map = wg_calloc(n + 1, sizeof *map);
    uint8_t *mark = wg_calloc(n + 1, 1);
    wg_status status = map && mark ? wg__body_tape_new(tape, &graph, err) : WG_ENOMEM;
    for (size_t v = 0; v < n && status == WG_OK; v++) map[v] = -1;
    if (status == WG_OK) status = clone_all(graph, b->graph, map);
    for (size_t v = 0; v < n && status == WG_OK; v++) mark[v] = p->use[v] == WG__STACK;
    if (status == WG_OK) status = wg__clone_needed(graph, d, mark, map);
    if (status == WG_OK)
        status = wg__body_new(graph, b->n_seq, b->n_carry, b->n_const, b->n_y + n_more, b->n_sum,
                              &p->forward, err);
    if (status == WG_OK) {
        wg__body *f = p->forward;
        graph = NULL;
        memcpy(f->seq, b->seq, (size_t)b->n_seq * sizeof *b->seq);
        memcpy(f->carry, b->carry, (size_t)b->n_carry * sizeof *b->carry);
        memcpy(f->next, b->next, (size_t)b->n_carry * sizeof *b->next);
        memcpy(f->constant, b->constant, (size_t)b->n_const * sizeof *b->constant);
        memcpy(f->y, b->y, (size_t)b->n_y * sizeof *b->y);
        memcpy(f->sum, b->sum, (size_t)b->n_sum * sizeof *b->sum);
        f->time = b->time;
        int k = b->n_y;
        for (int32_t v = 0; v < d->n_values; v++) {
            bool there = false;
            for (int i = 0; i < b->n_y; i++) there |= b->y[i] == v;
            if (p->use[v] == WG__STACK && !there) f->y[k++] = map[v];
        }
        detach(f);
    }
    if (graph) wg_tape_free(graph);
    wg_free(map);
    wg_free(mark);
    return status;
}

/* Operands of the backward scan and what its results are, in slot order. */
static wg_status choose_slots(wg__derived *p)
{
    const wg__body *b = p->body;
    const wg_tape *d = p->d;
    int n_x = b->n_seq + b->n_carry + b->n_const, n = 0, more = b->n_carry + b->n_y;
    p->operands = wg__arena_calloc(&p->arena, 2 * (size_t)d->n_values + 2 * (size_t)n_x + 1,
                                   sizeof *p->operands);
    p->carry = wg__arena_calloc(&p->arena, 3 * (size_t)n_x + 3, sizeof *p->carry);
    if (!p->operands || !p->carry) return WG_ENOMEM;
    p->y = p->carry + n_x + 1;
    p->sum = p->y + n_x + 1;
    for (int i = 0; i < b->n_y; i++)
        if (p->g_y[i] >= 0)
            p->operands[n++] = (wg__source){WG__FROM_GRAD, b->n_carry + i, p->g_y[i]};
    for (int i = 0; i < b->n_seq; i++)
        p->operands[n++] = (wg__source){WG__FROM_OPERAND, i, b->seq[i]};
    for (int32_t v = 0; v < d->n_values; v++) {
        if (p->use[v] != WG__STACK) continue;
        wg__source s = {WG__FROM_STACK, -1, v};
        for (int i = 0; i < b->n_y && s.index < 0; i++)
            if (b->y[i] == v) s = (wg__source){WG__FROM_RESULT, b->n_carry + i, v};
        if (s.index < 0) s.index = more++;
        p->operands[n++] = s;
    }
    p->n_seq = n;
    for (int i = 0; i < b->n_carry; i++) {
        if (!p->active[i]) continue;
        p->operands[n++] = (wg__source){WG__FROM_GRAD, i, p->g_next[i]};
        p->carry[p->n_carry++] = i;
    }
    int first = n;
    for (int i = 0; i < b->n_const; i++)
        p->operands[n++] =
            (wg__source){WG__FROM_OPERAND, b->n_seq + b->n_carry + i, b->constant[i]};
    for (int i = 0; i < b->n_sum; i++)
        if (p->g_sum[i] >= 0)
            p->operands[n++] = (wg__source){WG__FROM_GRAD, b->n_carry + b->n_y + i, p->g_sum[i]};
    for (int32_t v = 0; v < d->n_values; v++)
        if (p->use[v] == WG__HOIST) p->operands[n++] = (wg__source){WG__FROM_HOIST, v, v};
    p->n_const = n - first;
    for (int i = 0; i < b->n_seq; i++)
        if (p->gx[i] >= 0) p->y[p->n_y++] = i;
    for (int i = b->n_seq + b->n_carry; i < n_x; i++)
        if (p->gx[i] >= 0) p->sum[p->n_sum++] = i;
    return WG_OK;
}

static wg_status make_backward(wg__derived *p, wg_tape *tape, wg_error *err)
{
    const wg__body *b = p->body;
    const wg_tape *d = p->d;
    wg_tape *graph = NULL;
    size_t n = (size_t)d->n_values;
    int n_operands = p->n_seq + p->n_carry + p->n_const;
    uint8_t *mark = wg_calloc(n + 1, 1);
    int32_t *map = wg_calloc(n + 1, sizeof *map);
    wg_status status = mark && map ? wg__body_tape_new(tape, &graph, err) : WG_ENOMEM;
    if (status != WG_OK) goto done;
    for (size_t v = 0; v < n; v++) map[v] = -1;
    for (int i = 0; i < n_operands; i++) {
        int32_t v = p->operands[i].value;
        map[v] = wg__body_input(graph, d->values[v].type).index;
    }
    map[b->time] = wg__body_input(graph, (wg_type){WG_I32, WG_SCALAR}).index;
    int n_x = b->n_seq + b->n_carry + b->n_const;
    for (int i = 0; i < n_x; i++)
        if (p->gx[i] >= 0) mark[p->gx[i]] = 1;
    status = graph->status != WG_OK ? graph->status : wg__clone_needed(graph, d, mark, map);
    if (status == WG_OK)
        status = wg__body_new(graph, p->n_seq, p->n_carry, p->n_const, p->n_y, p->n_sum,
                              &p->backward, err);
    if (status != WG_OK) goto done;
    wg_tape *g = graph;
    wg__body *back = p->backward;
    graph = NULL;
    for (int i = 0; i < p->n_seq; i++) back->seq[i] = map[p->operands[i].value];
    for (int i = 0; i < p->n_const; i++)
        back->constant[i] = map[p->operands[p->n_seq + p->n_carry + i].value];
    for (int i = 0; i < p->n_carry && status == WG_OK; i++) {
        int32_t slot = map[p->g_next[p->carry[i]]], gx = p->gx[b->n_seq + p->carry[i]];
        back->carry[i] = slot;
        /* A state whose gradient stops here (nothing flows to the step before). */
        back->next[i] = gx >= 0 ? map[gx] : wg_zeros_like(wg__var(g, slot)).index;
        if (back->next[i] < 0) status = WG_ENOMEM;
    }
    for (int i = 0; i < p->n_y; i++) back->y[i] = map[p->gx[p->y[i]]];
    for (int i = 0; i < p->n_sum; i++) back->sum[i] = map[p->gx[p->sum[i]]];
    back->time = map[b->time];
    detach(back);
done:
    if (graph) wg_tape_free(graph);
    wg_free(mark);
    wg_free(map);
    return status;
}

/* ---- the list kept with a body ---- */

static void derived_free(wg__derived *p)
{
    wg__body_release(p->forward);
    wg__body_release(p->backward);
    if (p->d) wg_tape_free(p->d);
    wg_free(p->use);
    wg__arena_free(&p->arena);
    wg_free(p);
}

void wg__derived_free(wg__derived *list)
{
    while (list) {
        wg__derived *next = list->next;
        derived_free(list);
        list = next;
    }
}

static wg_status derive(wg__derived *p, wg_tape *tape, const uint8_t *has, const uint8_t *needs,
                        int32_t n_out, int32_t n_in, wg_error *err)
{
    const wg__body *b = p->body;
    p->key_size = (size_t)(n_out + n_in) + 1;
    p->key = wg__arena_calloc(&p->arena, p->key_size, 1);
    p->active = wg__arena_calloc(&p->arena, (size_t)b->n_carry + 1, 1);
    p->gx = wg__arena_calloc(&p->arena, (size_t)(n_in + n_out) + 1, sizeof *p->gx);
    if (!p->key || !p->active || !p->gx) return WG_ENOMEM;
    memcpy(p->key, has, (size_t)n_out);
    memcpy(p->key + n_out, needs, (size_t)n_in);
    p->key[n_out + n_in] = p->remat;
    p->g_next = p->gx + n_in;
    p->g_y = p->g_next + b->n_carry;
    p->g_sum = p->g_y + b->n_y;
    if (!find_active(p, has)) return WG_ENOMEM;
    wg_status status = wg__body_tape_new(tape, &p->d, err);
    if (status == WG_OK) status = differentiate(p, has, needs);
    if (status != WG_OK) return status;
    p->d->parent = NULL;
    p->use = wg_calloc((size_t)p->d->n_values + 1, 1);
    if (!p->use) return WG_ENOMEM;
    status = wg__scan_classify(p);
    if (status == WG_OK) status = make_forward(p, tape, err);
    if (status == WG_OK) status = choose_slots(p);
    if (status == WG_OK) status = make_backward(p, tape, err);
    return status;
}

const wg__derived *wg__scan_derive(wg_tape *tape, wg__body *body, bool remat, const uint8_t *has,
                                   const uint8_t *needs, int32_t n_out, int32_t n_in)
{
    for (wg__derived *p = body->derived; p; p = p->next)
        if (memcmp(p->key, has, (size_t)n_out) == 0 &&
            memcmp(p->key + n_out, needs, (size_t)n_in) == 0 && p->remat == remat)
            return p;
    wg_error err = {WG_OK, ""};
    wg__derived *p = wg_calloc(1, sizeof *p);
    wg_status status = p ? WG_OK : WG_ENOMEM;
    if (p) {
        p->body = body;
        p->remat = remat;
        status = derive(p, tape, has, needs, n_out, n_in, &err);
    }
    if (status == WG_OK) {
        p->next = body->derived;
        body->derived = p;
        return p;
    }
    if (p) derived_free(p);
    if (tape->status == WG_OK)
        wg__tape_fail_v(tape, status, "gradient of scan: %s",
                        err.message[0] ? err.message : wg_strerror(status));
    return NULL;
}
