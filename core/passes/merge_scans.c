/* Pass: scans that share body, operands and direction become one.
 *
 * wg_grad cannot add outputs to a scan already recorded; it appends an augmented one whose body has
 * the recorded body as a prefix. Here the two are joined, so that the forward loop runs once. */
#include <string.h>

#include "../graph.h"

/* Is the body of `a` a prefix of the body of `b`, with equal slots? */
static bool prefix(const wg__graph *a, const wg__graph *b)
{
    if (a->n_nodes > b->n_nodes || a->n_seq != b->n_seq || a->n_carry != b->n_carry ||
        a->n_const != b->n_const || a->time != b->time)
        return false;
    if (memcmp(a->seq, b->seq, (size_t)a->n_seq * sizeof *a->seq) != 0 ||
        memcmp(a->carry, b->carry, (size_t)a->n_carry * sizeof *a->carry) != 0 ||
        memcmp(a->constant, b->constant, (size_t)a->n_const * sizeof *a->constant) != 0 ||
        memcmp(a->out, b->out, (size_t)a->n_carry * sizeof *a->out) != 0)
        return false;
    for (int32_t i = 0; i < a->n_nodes; i++) {
        const wg__gnode *x = &a->nodes[i], *y = &b->nodes[i];
        if (x->op != y->op || x->n_in != y->n_in || x->n_out != y->n_out ||
            x->first_out != y->first_out || x->attr_size != y->attr_size ||
            x->source != y->source || memcmp(x->in, y->in, (size_t)x->n_in * sizeof *x->in) != 0 ||
            memcmp(x->attr, y->attr, x->attr_size) != 0)
            return false;
        for (int j = 0; j < x->n_out; j++) {
            const wg__gvalue *u = &a->values[x->first_out + j], *v = &b->values[y->first_out + j];
            if (u->type.dtype != v->type.dtype || !wg_shape_equal(&u->type.shape, &v->type.shape) ||
                (u->watch && v->watch && strcmp(u->watch, v->watch) != 0))
                return false;
        }
    }
    return true;
}

static bool same_operands(const wg__gnode *x, const wg__gnode *y)
{
    const wg__scan_attr *a = x->attr, *b = y->attr;
    return x->n_in == y->n_in && a->reverse == b->reverse && a->steps == b->steps &&
           memcmp(x->in, y->in, (size_t)x->n_in * sizeof *x->in) == 0;
}

/* Node `big` gets the outputs of `small` that it lacks; uses of small's results move over. */
static bool join(wg__graph *g, int32_t small, int32_t big)
{
    wg__gnode *s = &g->nodes[small], *b = &g->nodes[big];
    wg__graph *sb = s->body, *bb = b->body;
    wg__scan_attr attr = *(const wg__scan_attr *)b->attr;
    int32_t n_y = bb->n_y, n_sum = bb->n_sum;
    size_t most = (size_t)(bb->n_out + sb->n_out) + 1;
    int32_t *out = wg__arena_alloc(g->arena, most * sizeof *out);
    int32_t *where = wg__arena_alloc(g->arena, most * sizeof *where);
    wg_type *types = wg__arena_alloc(g->arena, most * sizeof *types);
    if (!out || !where || !types) return false;
    /* y of big, then y that only small has; then the sums likewise. */
    int32_t n = 0;
    for (int i = 0; i < bb->n_carry; i++) out[n++] = bb->out[i];
    for (int i = 0; i < bb->n_y; i++) out[n++] = bb->out[bb->n_carry + i];
    for (int i = 0; i < sb->n_y; i++) {
        int32_t v = sb->out[sb->n_carry + i], at = -1;
        for (int32_t k = bb->n_carry; k < n; k++)
            if (out[k] == v) at = k;
        if (at < 0) {
            at = n;
            out[n++] = v;
            n_y++;
        }
        where[sb->n_carry + i] = at;
    }
    int32_t sums = n;
    for (int i = 0; i < bb->n_sum; i++) out[n++] = bb->out[bb->n_carry + bb->n_y + i];
    for (int i = 0; i < sb->n_sum; i++) {
        int32_t v = sb->out[sb->n_carry + sb->n_y + i], at = -1;
        for (int32_t k = sums; k < n; k++)
            if (out[k] == v) at = k;
        if (at < 0) {
            at = n;
            out[n++] = v;
            n_sum++;
        }
        where[sb->n_carry + sb->n_y + i] = at;
    }
    attr.n_y = n_y;
    attr.n_sum = n_sum;
    for (int32_t k = 0; k < n; k++) {
        wg_type t = bb->values[out[k]].type;
        if (k >= bb->n_carry && k < sums) {
            memmove(t.shape.dim + 1, t.shape.dim, (WG_MAX_AXES - 1) * sizeof t.shape.dim[0]);
            t.shape.dim[0] = attr.steps;
            t.shape.rank++;
        }
        types[k] = t;
    }
    wg__gnode *joined = wg__graph_add(g, b->op, b->in, b->n_in, &attr, sizeof attr, types, n);
    if (!joined) return false;
    s = &g->nodes[small];
    b = &g->nodes[big];
    joined->scope = b->scope;
    joined->file = b->file;
    joined->line = b->line;
    joined->source = NULL;
    joined->body = bb;
    int32_t first = joined->first_out;
    for (int i = 0; i < bb->n_carry; i++) {
        wg__graph_replace(g, s->first_out + i, first + i);
        wg__graph_replace(g, b->first_out + i, first + i);
    }
    for (int i = sb->n_carry; i < sb->n_out; i++)
        wg__graph_replace(g, s->first_out + i, first + where[i]);
    for (int i = 0; i < bb->n_y; i++)
        wg__graph_replace(g, b->first_out + bb->n_carry + i, first + bb->n_carry + i);
    for (int i = 0; i < bb->n_sum; i++)
        wg__graph_replace(g, b->first_out + bb->n_carry + bb->n_y + i, first + sums + i);
    /* Watches are of the recorded body alone: the one that stays takes them over. */
    for (int32_t v = 0; v < sb->n_values; v++)
        if (sb->values[v].watch) bb->values[v].watch = sb->values[v].watch;
    bb->out = out;
    bb->n_out = n;
    bb->n_y = n_y;
    bb->n_sum = n_sum;
    s->live = b->live = 0;
    return true;
}

bool wg__pass_merge_scans(wg__graph *g)
{
    bool changed = false;
    for (int32_t j = 0; j < g->n_nodes; j++) {
        if (!g->nodes[j].live || !(g->nodes[j].op->traits & WG_OP_SCAN)) continue;
        for (int32_t i = 0; i < j; i++) {
            if (!g->nodes[i].live || !(g->nodes[i].op->traits & WG_OP_SCAN) ||
                !same_operands(&g->nodes[i], &g->nodes[j]))
                continue;
            bool ij = prefix(g->nodes[i].body, g->nodes[j].body);
            bool ji = !ij && prefix(g->nodes[j].body, g->nodes[i].body);
            if (!ij && !ji) continue;
            if (!join(g, ij ? i : j, ij ? j : i)) return false;
            changed = true;
            break;
        }
    }
    if (changed && !wg__graph_sort(g)) return false;
    /* Bodies come after: joining loops inside a body would hide that it is a prefix of another. */
    for (int32_t i = 0; i < g->n_nodes; i++)
        if (g->nodes[i].live && g->nodes[i].body && !wg__pass_merge_scans(g->nodes[i].body))
            return false;
    return true;
}
