/* Pass: maps read operands as they are where they broadcast them anyway.
 *
 *     x - broadcast_to(s)  ->  x - s
 *
 * Derivatives of sums spell the broadcast out, since a gradient has the shape of its value. Read as
 * one value a row, such an operand lets everything around a sum over rows be one kernel. */
#include "edit.h"

/* The shape to which the operands of n broadcast, with s in place of operand j. */
static bool stays(const wg__graph *g, const wg__gnode *n, int j, const wg_shape *s)
{
    wg_shape all = *s;
    for (int k = 0; k < n->n_in; k++)
        if (k != j && !wg_shape_broadcast(&all, &g->values[n->in[k]].type.shape, &all))
            return false;
    return wg_shape_equal(&all, &g->values[n->first_out].type.shape);
}

bool wg__pass_broadcasts(wg__graph *g)
{
    bool changed = false;
    for (int32_t i = 0; i < g->n_nodes; i++) {
        wg__gnode *n = &g->nodes[i];
        if (n->body && !wg__pass_broadcasts(n->body)) return false;
        if (!n->live || !(n->op->traits & WG_OP_MAP) || n->n_out != 1) continue;
        for (int j = 0; j < n->n_in; j++) {
            const wg__gvalue *v = &g->values[n->in[j]];
            const wg__gnode *from = &g->nodes[v->node];
            if (from->op != &wg__op_broadcast_to || v->watch) continue;
            if (!stays(g, n, j, &g->values[from->in[0]].type.shape)) continue;
            n->in[j] = from->in[0];
            changed = true;
        }
    }
    return !changed || wg__pass_dead(g);
}
