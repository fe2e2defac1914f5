/* Pass: elementwise chains and row reductions become groups, each one kernel.
 *
 * A group has one iteration shape. Its members are maps of that shape, reductions of that shape
 * over the last axis, and maps over the results of such reductions (one value a row). Two groups
 * are joined along an edge unless a path through something outside would make a cycle. Greedy, in
 * list order; the executor runs a group row by row over registers that stay in cache. */
#include <string.h>

#include "../graph.h"

enum {
    MAX_MEMBERS = 96,
    FARTHEST = 2048, /* units between two that are joined: keeps long lists linear */
};

typedef struct fuser {
    wg__graph *g;
    int32_t *unit;     /* per node: parent in the union of groups */
    int32_t *members;  /* per root: how many */
    int32_t *place;    /* per root: its place in a topological order of the groups */
    int32_t *at;       /* per place: the root there, -1 = none any more */
    int32_t *next;     /* per node: next member of its group, -1 ends */
    int32_t *tail;     /* per root */
    wg_shape *shape;   /* per root: iteration shape */
    uint8_t *eligible; /* per node */
    int32_t *seen, stamp, *stack;
} fuser;

static int32_t find(fuser *f, int32_t i)
{
    while (f->unit[i] != i) i = f->unit[i] = f->unit[f->unit[i]];
    return i;
}

static bool last_axis_only(const wg__graph *g, const wg__gnode *n)
{
    const wg_shape *s = &g->values[n->in[0]].type.shape;
    const wg_reduce_attr *a = n->attr;
    return s->rank > 0 && a->axes == 1u << (s->rank - 1);
}

static bool eligible(const wg__graph *g, const wg__gnode *n)
{
    if (n->n_out != 1 || n->n_in < 1 || n->n_in > 4) return false;
    if (n->op->traits & WG_OP_MAP) return n->op->map != NULL;
    if (n->op->traits & WG_OP_REDUCE) return n->op->row != NULL && last_axis_only(g, n);
    return false;
}

/* The shape of one value a row of `s`: last axis 1. */
static bool is_row_shape(const wg_shape *row, const wg_shape *s)
{
    if (row->rank != s->rank || s->rank == 0 || row->dim[row->rank - 1] != 1) return false;
    for (int i = 0; i < s->rank - 1; i++)
        if (row->dim[i] != s->dim[i]) return false;
    return true;
}

/* Marks the groups between `from` and `to` (in their order) that `to` needs. False when one of them
 * needs `from`: joined, the two would wait for each other. */
static bool mark_between(fuser *f, int32_t from, int32_t to)
{
    const wg__graph *g = f->g;
    int32_t n = 0;
    f->stamp++;
    f->stack[n++] = to;
    while (n) {
        int32_t u = f->stack[--n];
        for (int32_t m = u; m >= 0; m = f->next[m])
            for (int j = 0; j < g->nodes[m].n_in; j++) {
                int32_t p = find(f, g->values[g->nodes[m].in[j]].node);
                if (p == from && u != to) return false;
                /* Groups are in topological order (nodes are not, once some are joined): before
                 * `from` nothing needs it. */
                if (p == from || p == to || f->seen[p] == f->stamp || f->place[p] < f->place[from])
                    continue;
                f->seen[p] = f->stamp;
                f->stack[n++] = p;
            }
    }
    return true;
}

/* Moves what the later of two groups needs before both, which then stand together (the order is
 * kept as in Pearce & Kelly 2006). `root` is the group that the two become. */
static void reorder(fuser *f, int32_t from, int32_t to, int32_t root)
{
    int32_t write = f->place[from], end = f->place[to], n = 0;
    for (int32_t k = write; k <= end; k++) {
        int32_t u = f->at[k];
        if (u < 0 || u == from || u == to) continue;
        if (f->seen[u] == f->stamp) {
            f->at[write] = u;
            f->place[u] = write++;
        } else {
            f->stack[n++] = u;
        }
    }
    f->at[write] = root;
    f->place[root] = write++;
    for (int32_t k = 0; k < n; k++, write++) {
        f->at[write] = f->stack[k];
        f->place[f->stack[k]] = write;
    }
    while (write <= end) f->at[write++] = -1;
}

/* Joins two groups unless that would make a cycle; `a` keeps its iteration shape. */
static void join(fuser *f, int32_t a, int32_t b)
{
    if (a == b || f->members[a] + f->members[b] > MAX_MEMBERS) return;
    int32_t from = f->place[a] < f->place[b] ? a : b, to = from == a ? b : a;
    if (f->place[to] - f->place[from] > FARTHEST || !mark_between(f, from, to)) return;
    reorder(f, from, to, a);
    f->next[f->tail[a]] = b;
    f->tail[a] = f->tail[b];
    f->unit[b] = a;
    f->members[a] += f->members[b];
}

static void fuse_node(fuser *f, int32_t i)
{
    wg__graph *g = f->g;
    wg__gnode *n = &g->nodes[i];
    bool reduce = (n->op->traits & WG_OP_REDUCE) != 0;
    wg_shape mine = reduce ? g->values[n->in[0]].type.shape : g->values[n->first_out].type.shape;
    f->shape[i] = mine;
    for (int j = 0; j < n->n_in; j++) {
        int32_t p = g->values[n->in[j]].node;
        if (!f->eligible[p]) continue;
        int32_t a = find(f, p), me = find(f, i);
        if (a == me) continue;
        const wg_shape *sa = &f->shape[a], *sm = &f->shape[me];
        const wg_shape *sp = &g->values[n->in[j]].type.shape;
        /* An operand is either of the iteration shape or one value a row of it. */
        bool full = wg_shape_equal(sa, sm) && (wg_shape_equal(sp, sa) || is_row_shape(sp, sa));
        bool row = !reduce && f->members[me] == 1 && is_row_shape(sm, sa) && wg_shape_equal(sp, sm);
        if (row) {
            /* Every operand must be one value a row, or broadcast to that. */
            for (int k = 0; k < n->n_in; k++) {
                const wg_shape *s = &g->values[n->in[k]].type.shape;
                row = row && (s->rank == 0 || s->dim[s->rank - 1] == 1);
            }
        }
        if (!full && !row) continue;
        join(f, a, me);
    }
}

bool wg__pass_fuse(wg__graph *g)
{
    size_t n = (size_t)g->n_nodes + 1;
    fuser f = {.g = g};
    int32_t *ints = wg_calloc(8 * n, sizeof *ints);
    f.shape = wg_calloc(n, sizeof *f.shape);
    f.eligible = wg_calloc(n, 1);
    bool ok = ints && f.shape && f.eligible;
    if (ok) {
        f.unit = ints;
        f.members = ints + n;
        f.place = ints + 2 * n;
        f.next = ints + 3 * n;
        f.tail = ints + 4 * n;
        f.seen = ints + 5 * n;
        f.stack = ints + 6 * n;
        f.at = ints + 7 * n;
        for (int32_t i = 0; i < g->n_nodes; i++) {
            f.unit[i] = f.place[i] = f.at[i] = f.tail[i] = i;
            f.members[i] = 1;
            f.next[i] = -1;
            f.eligible[i] = eligible(g, &g->nodes[i]);
        }
    }
    for (int32_t i = 0; i < g->n_nodes && ok; i++) {
        if (g->nodes[i].body) ok = wg__pass_fuse(g->nodes[i].body);
        if (ok && g->nodes[i].unmasked) ok = wg__pass_fuse(g->nodes[i].unmasked);
        if (ok && f.eligible[i]) fuse_node(&f, i);
    }
    /* Number the groups; a lone reduction keeps its own kernel. */
    for (int32_t i = 0; i < g->n_nodes && ok; i++) {
        wg__gnode *node = &g->nodes[i];
        node->group = -1;
        if (!f.eligible[i]) continue;
        int32_t root = find(&f, i);
        if (f.members[root] == 1 && node->op->traits & WG_OP_REDUCE) continue;
        node->group = root;
    }
    for (int32_t i = 0; i < g->n_nodes && ok; i++) f.seen[i] = -1;
    g->n_groups = 0;
    for (int32_t i = 0; i < g->n_nodes && ok; i++) {
        int32_t root = g->nodes[i].group;
        if (root < 0) continue;
        if (f.seen[root] < 0) f.seen[root] = g->n_groups++;
        g->nodes[i].group = f.seen[root];
    }
    wg_free(ints);
    wg_free(f.shape);
    wg_free(f.eligible);
    return ok;
}
