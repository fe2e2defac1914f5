/* Pass: slices of elementwise results become elementwise results of slices.
 *
 *     split(a + b)  ->  split(a) + split(b)
 *
 * so that what makes the gates of a cell side by side and what uses each of them is one kernel,
 * which reads the slices where they lie. Only where slices are all that anybody reads and no
 * element is in two of them. */
#include <string.h>

#include "edit.h"

enum { MOST_PIECES = 64 };

/* Who reads each value: lists that grow while nodes are made. */
typedef struct reader {
    int32_t node, next; /* 1 + the next in the list; 0 = none */
} reader;

typedef struct pusher {
    wg__graph *g;
    int32_t *head; /* per value: 1 + its first reader */
    reader *readers;
    int32_t n_readers, cap_readers, cap_values;
    uint8_t *kept; /* per value: an output of the graph */
    int32_t n_kept;
    bool changed, failed;
} pusher;

static bool reserve(pusher *p, int32_t values)
{
    if (values <= p->cap_values) return true;
    int32_t cap = 2 * values + 64;
    int32_t *head = wg_reallocarray(p->head, (size_t)cap, sizeof *head);
    if (!head) return false;
    memset(head + p->cap_values, 0, (size_t)(cap - p->cap_values) * sizeof *head);
    p->head = head;
    p->cap_values = cap;
    return true;
}

static void note_reads(pusher *p, int32_t node)
{
    const wg__gnode *n = &p->g->nodes[node];
    if (!reserve(p, p->g->n_values)) p->failed = true;
    if (!p->failed && p->n_readers + n->n_in > p->cap_readers) {
        int32_t cap = 2 * (p->n_readers + n->n_in) + 64;
        reader *grown = wg_reallocarray(p->readers, (size_t)cap, sizeof *grown);
        if (!grown) p->failed = true;
        if (grown) {
            p->readers = grown;
            p->cap_readers = cap;
        }
    }
    for (int j = 0; j < n->n_in && !p->failed; j++) {
        p->readers[p->n_readers] = (reader){node, p->head[n->in[j]]};
        p->head[n->in[j]] = ++p->n_readers;
    }
}

typedef struct piece {
    int32_t value;
    wg__slice_attr what;
} piece;

/* The slices of v along one axis that are all its readers; 0 = it has others. */
static int pieces_of(const pusher *p, int32_t v, piece *list)
{
    const wg__graph *g = p->g;
    int n = 0;
    for (int32_t r = p->head[v]; r; r = p->readers[r - 1].next) {
        const wg__gnode *u = &g->nodes[p->readers[r - 1].node];
        if (!u->live) continue;
        for (int j = 0; j < u->n_out; j++) {
            int32_t s = u->first_out + j, of;
            if (n == MOST_PIECES || !wg__is_slice(g, s, &of, &list[n].what) || of != v ||
                g->values[s].watch || list[n].what.axis != list[0].what.axis)
                return 0;
            list[n++].value = s;
        }
    }
    /* No element in two pieces: nothing is computed twice. */
    for (int i = 0; i < n; i++)
        for (int k = 0; k < i; k++)
            if (list[i].what.start < list[k].what.start + list[k].what.length &&
                list[k].what.start < list[i].what.start + list[i].what.length)
                return 0;
    return n;
}

/* Operand o of a map with result shape s, cut where the result is. */
static int32_t cut(pusher *p, int32_t o, const wg_shape *s, const wg__slice_attr *what)
{
    const wg_shape *own = &p->g->values[o].type.shape;
    int64_t axis = what->axis - (s->rank - own->rank);
    if (axis < 0 || own->dim[axis] == 1) return o; /* broadcast along the axis */
    for (int32_t r = p->head[o]; r; r = p->readers[r - 1].next) {
        const wg__gnode *u = &p->g->nodes[p->readers[r - 1].node];
        wg__slice_attr there;
        int32_t of;
        for (int j = 0; j < u->n_out && u->live; j++)
            if (wg__is_slice(p->g, u->first_out + j, &of, &there) && of == o &&
                there.axis == axis && there.start == what->start && there.length == what->length)
                return u->first_out + j;
    }
    int32_t before = p->g->n_nodes, v = wg__add_slice(p->g, o, axis, what->start, what->length);
    if (v < 0) p->failed = true;
    if (p->g->n_nodes > before && !p->failed) note_reads(p, before);
    return v;
}

static void push(pusher *p, int32_t at)
{
    wg__graph *g = p->g;
    const wg__gnode m = g->nodes[at];
    if (!m.live || !(m.op->traits & WG_OP_MAP) || m.n_out != 1 || m.n_in < 1 || m.n_in > 8) return;
    int32_t v = m.first_out;
    if (g->values[v].watch || (v < p->n_kept && p->kept[v])) return;
    piece list[MOST_PIECES];
    int n = pieces_of(p, v, list);
    wg_type whole = g->values[v].type;
    for (int i = 0; i < n && !p->failed; i++) {
        int32_t in[8];
        for (int j = 0; j < m.n_in && !p->failed; j++)
            in[j] = cut(p, m.in[j], &whole.shape, &list[i].what);
        if (p->failed) return;
        wg_type t = g->values[list[i].value].type;
        wg__gnode *made = wg__graph_add(g, m.op, in, m.n_in, m.attr, m.attr_size, &t, 1);
        if (!made) {
            p->failed = true;
            return;
        }
        made->scope = m.scope;
        made->file = m.file;
        made->line = m.line;
        int32_t now = made->first_out;
        note_reads(p, g->n_nodes - 1);
        if (p->failed) return;
        /* Readers of the slice read the new value. */
        for (int32_t r = p->head[list[i].value]; r; r = p->readers[r - 1].next) {
            wg__gnode *u = &g->nodes[p->readers[r - 1].node];
            for (int j = 0; j < u->n_in; j++)
                if (u->in[j] == list[i].value) u->in[j] = now;
        }
        for (int k = 0; k < g->n_out; k++)
            if (g->out[k] == list[i].value) g->out[k] = now;
        g->nodes[g->values[list[i].value].node].live = 0;
        p->head[now] = p->head[list[i].value];
        p->head[list[i].value] = 0;
        p->changed = true;
    }
    if (n > 0) g->nodes[at].live = 0;
}

bool wg__pass_push_views(wg__graph *g)
{
    for (int32_t i = 0; i < g->n_nodes; i++)
        if ((g->nodes[i].body && !wg__pass_push_views(g->nodes[i].body)) ||
            (g->nodes[i].unmasked && !wg__pass_push_views(g->nodes[i].unmasked)))
            return false;
    pusher p = {.g = g, .kept = wg_calloc((size_t)g->n_values + 1, 1), .n_kept = g->n_values};
    p.failed = !p.kept || !reserve(&p, g->n_values);
    for (int i = 0; i < g->n_out && !p.failed; i++) p.kept[g->out[i]] = 1;
    for (int32_t i = 0; i < g->n_nodes && !p.failed; i++)
        if (g->nodes[i].live) note_reads(&p, i);
    /* Readers first: what is pushed past one map is pushed past the next. */
    for (int32_t i = g->n_nodes - 1; i >= 0 && !p.failed; i--) push(&p, i);
    wg_free(p.head);
    wg_free(p.readers);
    wg_free(p.kept);
    return !p.failed && (!p.changed || (wg__graph_sort(g) && wg__pass_cse(g) && wg__pass_dead(g)));
}
