/* The order of units: operands first, depth first over the list, and in a program (bodies keep
 * theirs) whatever lets a buffer die is moved up: where all that still reads a value can run at
 * once and leaves less than the value itself, it runs before anything else. So the gradients of a
 * layer's weights are taken as soon as the layer's loop is done, and its gates' gradients do not
 * wait for those of all layers. */
#include "plan.h"

enum { WAITS = 0, ENTERED, PLANNED };

/* A frame on the stack walks member m of its unit, operand j. */
typedef struct walk {
    int32_t unit, member, operand;
} walk;

typedef struct order {
    wg__planner *p;
    walk *stack;
    int32_t depth;
    int32_t *whole;           /* per value: what it is a view of, or itself */
    uint8_t *kept;            /* per value: not the planner's to free */
    int32_t *first, *readers; /* per value: nodes that read it or views of it, one after another */
} order;

static int32_t leader(const wg__planner *p, int32_t node)
{
    int32_t group = p->g->nodes[node].group;
    return group >= 0 ? p->group_first[group] : node;
}

static bool is_view(const wg__gnode *n)
{
    return n->group < 0 && n->op->traits & WG_OP_VIEW && n->n_in > 0;
}

static void enter(order *o, int32_t unit)
{
    o->p->done[unit] = ENTERED;
    o->stack[o->depth++] = (walk){unit, unit, 0};
}

/* ---- moving up ---- */

static bool find_readers(order *o)
{
    const wg__graph *g = o->p->g;
    size_t nv = (size_t)g->n_values + 2, reads = 0;
    for (int32_t i = 0; i < g->n_nodes; i++) reads += (size_t)g->nodes[i].n_in;
    o->whole = wg_calloc(nv, sizeof *o->whole);
    o->kept = wg_calloc(nv, 1);
    o->first = wg_calloc(nv, sizeof *o->first);
    o->readers = wg_calloc(reads + 1, sizeof *o->readers);
    if (!o->whole || !o->kept || !o->first || !o->readers) return false;
    /* Values of nodes that are gone stay numbered. */
    for (int32_t v = 0; v < g->n_values; v++) {
        o->whole[v] = v;
        o->kept[v] = 1;
    }
    for (int32_t i = 0; i < g->n_nodes; i++) {
        const wg__gnode *n = &g->nodes[i];
        for (int32_t v = n->first_out; v < n->first_out + n->n_out; v++) {
            if (is_view(n)) o->whole[v] = n->in[0];
            o->kept[v] = n->op->traits & WG_OP_LEAF || n->n_in == 0 || o->p->target[v] != 0 ||
                         o->p->part_of[v] != 0;
        }
    }
    for (int32_t v = 0; v < g->n_values; v++)
        while (o->whole[o->whole[v]] != o->whole[v]) o->whole[v] = o->whole[o->whole[v]];
    for (int i = 0; i < g->n_out; i++) o->kept[o->whole[g->out[i]]] = 1;
    for (int32_t i = 0; i < g->n_nodes; i++)
        for (int j = 0; j < g->nodes[i].n_in && !is_view(&g->nodes[i]); j++)
            o->first[o->whole[g->nodes[i].in[j]] + 1]++;
    for (int32_t v = 0; v < g->n_values; v++) o->first[v + 1] += o->first[v];
    /* Filled from the front: first[v] ends where v's readers end, which is where v + 1's begin. */
    for (int32_t i = 0; i < g->n_nodes; i++)
        for (int j = 0; j < g->nodes[i].n_in && !is_view(&g->nodes[i]); j++)
            o->readers[o->first[o->whole[g->nodes[i].in[j]]]++] = i;
    return true;
}

/* Is v there, or a view that only has to be made? A view that is waiting on the stack is neither.
 */
static bool there(const order *o, int32_t v)
{
    const wg__planner *p = o->p;
    const wg__gnode *n = &p->g->nodes[p->g->values[v].node];
    while (is_view(n) && p->done[p->g->values[v].node] == WAITS) {
        v = n->in[0];
        n = &p->g->nodes[p->g->values[v].node];
    }
    return n->n_in == 0 || p->done[leader(p, p->g->values[v].node)] == PLANNED;
}

/* Can unit u run? If so, *bytes grows by what its results take. */
static bool ready(const order *o, int32_t u, size_t *bytes)
{
    const wg__graph *g = o->p->g;
    int32_t group = g->nodes[u].group;
    for (int32_t m = u; m >= 0; m = group >= 0 ? o->p->unit_next[m] : -1) {
        const wg__gnode *n = &g->nodes[m];
        for (int j = 0; j < n->n_in; j++)
            if ((group < 0 || g->nodes[g->values[n->in[j]].node].group != group) &&
                !there(o, n->in[j]))
                return false;
        for (int k = 0; k < n->n_out; k++) {
            int32_t v = n->first_out + k;
            if (!o->p->target[v] && (group < 0 || o->p->outside[v]))
                *bytes += wg__type_bytes(g->values[v].type);
        }
    }
    return true;
}

/* Enters all that still reads value v, if then it dies and less is left. */
static void let_die(order *o, int32_t v)
{
    const wg__planner *p = o->p;
    if (o->kept[v]) return;
    size_t bytes = wg__type_bytes(p->g->values[v].type), left = 0;
    int32_t begin = v > 0 ? o->first[v - 1] : 0, end = o->first[v], before = -1;
    for (int32_t k = begin; k < end; k++) {
        int32_t u = leader(p, o->readers[k]);
        if (u == before || p->done[u] == PLANNED) continue;
        if (p->done[u] == ENTERED || !ready(o, u, &left) || left >= bytes) return;
        before = u;
    }
    for (int32_t k = end - 1; k >= begin; k--) {
        int32_t u = leader(p, o->readers[k]);
        if (p->done[u] == WAITS) enter(o, u);
    }
}

static void move_up(order *o, int32_t unit)
{
    const wg__planner *p = o->p;
    const wg__graph *g = p->g;
    for (int32_t m = unit; m >= 0; m = g->nodes[m].group >= 0 ? p->unit_next[m] : -1) {
        const wg__gnode *n = &g->nodes[m];
        for (int k = 0; k < n->n_out; k++) let_die(o, o->whole[n->first_out + k]);
        for (int j = 0; j < n->n_in; j++) let_die(o, o->whole[n->in[j]]);
    }
}

/* ---- the walk ---- */

static void walk_from(order *o, int32_t root)
{
    wg__planner *p = o->p;
    const wg__graph *g = p->g;
    enter(o, root);
    while (o->depth && !p->failed) {
        walk *w = &o->stack[o->depth - 1];
        const wg__gnode *m = &g->nodes[w->member];
        if (w->operand < m->n_in) {
            int32_t v = leader(p, g->values[m->in[w->operand++]].node);
            if (p->done[v] == WAITS) enter(o, v);
        } else if (m->group >= 0 && p->unit_next[w->member] >= 0) {
            w->member = p->unit_next[w->member];
            w->operand = 0;
        } else {
            int32_t unit = w->unit;
            o->depth--;
            wg__plan_unit(p, unit);
            p->done[unit] = PLANNED;
            if (o->whole && !p->failed) move_up(o, unit);
        }
    }
}

wg_status wg__plan_graph(wg__planner *p, bool program)
{
    const wg__graph *g = p->g;
    order o = {.p = p, .stack = wg_calloc((size_t)g->n_nodes + 1, sizeof *o.stack)};
    wg__plan_joins(p);
    bool ok = o.stack && (!program || p->keep_apart || find_readers(&o));
    for (int32_t i = 0; i < g->n_nodes && ok && !p->failed; i++)
        if (p->done[leader(p, i)] == WAITS) walk_from(&o, leader(p, i));
    wg_free(o.stack);
    wg_free(o.whole);
    wg_free(o.kept);
    wg_free(o.first);
    wg_free(o.readers);
    if (ok && !p->failed) return WG_OK;
    return p->err && p->err->message[0] ? p->err->status : WG_ENOMEM;
}
