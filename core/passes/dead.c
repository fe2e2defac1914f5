/* Pass: dead code, and slots of scans that nothing uses (outputs, sums, states, then operands). */
#include <string.h>

#include "../graph.h"

/* Is node n needed whoever uses its results: an effect, a watched value, or a loop with one? */
static bool needed(const wg__graph *g, const wg__gnode *n)
{
    if (n->op->traits & WG_OP_EFFECT) return true;
    for (int j = 0; j < n->n_out; j++)
        if (g->values[n->first_out + j].watch) return true;
    for (int32_t i = 0; n->body && i < n->body->n_nodes; i++)
        if (n->body->nodes[i].live && needed(n->body, &n->body->nodes[i])) return true;
    return false;
}

/* Values a body's live results are computed from, by one backward sweep; no scan slots dropped. */
static void reach_back(const wg__graph *g, uint8_t *used)
{
    for (int32_t i = g->n_nodes - 1; i >= 0; i--) {
        const wg__gnode *n = &g->nodes[i];
        bool any = false;
        for (int j = 0; j < n->n_out && !any; j++) any = used[n->first_out + j];
        if (!n->live || !(any || needed(g, n))) continue;
        for (int j = 0; j < n->n_in; j++) used[n->in[j]] = 1;
    }
}

/* Drops the slots of scan node `at` that are not needed, given which results are used. */
static bool prune(wg__graph *g, int32_t at, const uint8_t *used)
{
    wg__gnode *node = &g->nodes[at];
    wg__graph *b = node->body;
    uint8_t *keep = wg_calloc((size_t)(b->n_out + 1) + (size_t)b->n_values, 1);
    if (!keep) return false;
    uint8_t *reach = keep + b->n_out + 1;
    for (int i = 0; i < b->n_out; i++) keep[i] = used[node->first_out + i];
    for (bool changed = true; changed;) {
        changed = false;
        memset(reach, 0, (size_t)b->n_values);
        for (int i = 0; i < b->n_out; i++)
            if (keep[i]) reach[b->out[i]] = 1;
        reach_back(b, reach);
        for (int i = 0; i < b->n_carry; i++)
            if (!keep[i] && reach[b->carry[i]]) keep[i] = changed = true;
    }
    wg__scan_attr attr = *(const wg__scan_attr *)node->attr;
    int32_t *in = node->in;
    int32_t n_in = 0, n_seq = 0, n_carry = 0, n_const = 0, n_out = 0, n_y = 0, n_sum = 0;
    for (int i = 0; i < b->n_seq; i++)
        if (reach[b->seq[i]]) {
            in[n_in++] = node->in[i];
            b->seq[n_seq++] = b->seq[i];
        }
    /* Compacting in place: reads are never behind writes. */
    for (int i = 0; i < b->n_carry; i++)
        if (keep[i]) {
            in[n_in++] = node->in[attr.n_seq + i];
            b->carry[n_carry++] = b->carry[i];
        }
    for (int i = 0; i < b->n_const; i++)
        if (reach[b->constant[i]]) {
            in[n_in++] = node->in[attr.n_seq + attr.n_carry + i];
            b->constant[n_const++] = b->constant[i];
        }
    /* Results keep their value numbers in the parent by renumbering the node's outputs. */
    wg_type *types = wg__arena_alloc(g->arena, ((size_t)b->n_out + 1) * sizeof *types);
    int32_t *from = wg__arena_alloc(g->arena, ((size_t)b->n_out + 1) * sizeof *from);
    int32_t *out = wg__arena_alloc(g->arena, ((size_t)b->n_out + 1) * sizeof *out);
    if (!types || !from || !out) {
        wg_free(keep);
        return false;
    }
    for (int i = 0; i < b->n_out; i++) {
        if (!keep[i]) continue;
        from[n_out] = node->first_out + i;
        types[n_out] = g->values[node->first_out + i].type;
        out[n_out++] = b->out[i];
        if (i >= b->n_carry + b->n_y)
            n_sum++;
        else if (i >= b->n_carry)
            n_y++;
    }
    bool same = n_out == b->n_out && n_seq == attr.n_seq && n_carry == attr.n_carry &&
                n_const == attr.n_const;
    bool ok = true;
    if (!same) {
        b->out = out;
        b->n_out = n_out;
        b->n_seq = attr.n_seq = n_seq;
        b->n_carry = attr.n_carry = n_carry;
        b->n_const = attr.n_const = n_const;
        b->n_y = attr.n_y = n_y;
        b->n_sum = attr.n_sum = n_sum;
        wg__gnode *copy = wg__graph_add(g, node->op, in, n_in, &attr, sizeof attr, types, n_out);
        ok = copy != NULL;
        if (ok) {
            node = &g->nodes[at];
            int32_t first = copy->first_out, last = g->n_nodes - 1;
            copy->scope = node->scope;
            copy->file = node->file;
            copy->line = node->line;
            copy->body = b;
            for (int i = 0; i < n_out; i++) {
                g->values[first + i].watch = g->values[from[i]].watch;
                g->values[first + i].name = g->values[from[i]].name;
                wg__graph_replace(g, from[i], first + i);
            }
            for (int i = 0; i < node->n_out; i++) g->values[node->first_out + i].node = -1;
            /* The copy takes the old node's place in the order. */
            wg__gnode t = g->nodes[at];
            g->nodes[at] = g->nodes[last];
            g->nodes[last] = t;
            g->n_nodes--;
            for (int i = 0; i < n_out; i++) g->values[first + i].node = at;
        }
    }
    wg_free(keep);
    return ok;
}

bool wg__pass_dead(wg__graph *g)
{
    /* Pruning renames values, so room is taken for what the sweep can add. */
    int32_t extra = 0;
    for (int32_t i = 0; i < g->n_nodes; i++)
        if (g->nodes[i].body) extra += g->nodes[i].n_out;
    uint8_t *used = wg_calloc((size_t)(g->n_values + extra) + 1, 1);
    if (!used) return false;
    bool ok = true;
    for (int i = 0; i < g->n_out; i++) used[g->out[i]] = 1;
    for (int32_t i = g->n_nodes - 1; i >= 0 && ok; i--) {
        wg__gnode *n = &g->nodes[i];
        bool any = false;
        for (int j = 0; j < n->n_out && !any; j++) any = used[n->first_out + j];
        n->live = n->live && (any || needed(g, n));
        if (!n->live) continue;
        if (n->body) {
            ok = prune(g, i, used) && wg__pass_dead(g->nodes[i].body);
            n = &g->nodes[i];
        }
        for (int j = 0; j < n->n_in; j++) used[n->in[j]] = 1;
    }
    /* Dead nodes leave; slots of a body and leaves stay, the executor fills them. */
    int32_t k = 0;
    for (int32_t i = 0; i < g->n_nodes && ok; i++) {
        bool leaf = g->nodes[i].op == &wg__op_body_in || g->nodes[i].op == &wg__op_tensor ||
                    g->nodes[i].op == &wg__op_input;
        if (!g->nodes[i].live && !leaf) {
            /* Its values are nobody's now; passes must not follow them to a node. */
            for (int j = 0; j < g->nodes[i].n_out; j++)
                g->values[g->nodes[i].first_out + j].node = -1;
            continue;
        }
        g->nodes[i].live = 1;
        if (k != i) g->nodes[k] = g->nodes[i];
        for (int j = 0; j < g->nodes[k].n_out; j++) g->values[g->nodes[k].first_out + j].node = k;
        k++;
    }
    if (ok) g->n_nodes = k;
    wg_free(used);
    return ok;
}
