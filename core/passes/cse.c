/* Pass: common subexpressions. Two nodes with the same op, attributes and operands are one.
 *
 * Random ops are pure functions of their operands and attributes (which hold the stream), so equal
 * ones may be joined and streams never are. Leaves other than constants, ops with effects and scans
 * stay apart. */
#include <string.h>

#include "../graph.h"

static uint64_t hash_bytes(uint64_t h, const void *data, size_t n)
{
    const unsigned char *p = data;
    for (size_t i = 0; i < n; i++) h = (h ^ p[i]) * 1099511628211u;
    return h;
}

static bool equal(const wg__graph *g, const wg__gnode *a, const wg__gnode *b)
{
    if (a->op != b->op || a->n_in != b->n_in || a->n_out != b->n_out ||
        a->attr_size != b->attr_size || memcmp(a->attr, b->attr, a->attr_size) != 0 ||
        memcmp(a->in, b->in, (size_t)a->n_in * sizeof *a->in) != 0)
        return false;
    for (int j = 0; j < a->n_out; j++) {
        const wg__gvalue *u = &g->values[a->first_out + j], *v = &g->values[b->first_out + j];
        if (u->watch || v->watch || u->type.dtype != v->type.dtype ||
            !wg_shape_equal(&u->type.shape, &v->type.shape))
            return false;
    }
    return true;
}

static bool eligible(const wg__gnode *n)
{
    if (!n->live || n->op->traits & (WG_OP_SCAN | WG_OP_EFFECT)) return false;
    return !(n->op->traits & WG_OP_LEAF) || n->op == &wg__op_const || n->op == &wg__op_const_data;
}

bool wg__pass_cse(wg__graph *g)
{
    size_t slots = 16;
    while (slots < 2 * (size_t)g->n_nodes) slots *= 2;
    int32_t *table = wg_calloc(slots + (size_t)g->n_values + 1, sizeof *table);
    if (!table) return false;
    int32_t *rep = table + slots; /* 1 + replacement of a value, 0 = itself */
    for (int32_t i = 0; i < g->n_nodes; i++) {
        wg__gnode *n = &g->nodes[i];
        for (int j = 0; j < n->n_in; j++)
            if (rep[n->in[j]]) n->in[j] = rep[n->in[j]] - 1;
        if (n->op->traits & WG_OP_COMMUTATIVE && n->n_in == 2 && n->in[0] > n->in[1]) {
            int32_t t = n->in[0];
            n->in[0] = n->in[1];
            n->in[1] = t;
        }
        if (n->body && !wg__pass_cse(n->body)) {
            wg_free(table);
            return false;
        }
        if (!eligible(n)) continue;
        uint64_t h = hash_bytes(14695981039346656037u, &n->op, sizeof n->op);
        h = hash_bytes(h, n->in, (size_t)n->n_in * sizeof *n->in);
        h = hash_bytes(h, n->attr, n->attr_size);
        size_t s = (size_t)h & (slots - 1);
        while (table[s] && !equal(g, n, &g->nodes[table[s] - 1])) s = (s + 1) & (slots - 1);
        if (!table[s]) {
            table[s] = i + 1;
            continue;
        }
        const wg__gnode *first = &g->nodes[table[s] - 1];
        for (int j = 0; j < n->n_out; j++) rep[n->first_out + j] = first->first_out + j + 1;
    }
    for (int i = 0; i < g->n_out; i++)
        if (rep[g->out[i]]) g->out[i] = rep[g->out[i]] - 1;
    wg_free(table);
    return true;
}
