/* What made a value: for the few functions above core that recognise one of their own ops. */
#include "lookup.h"

#include "tape_internal.h"

const wg_op *wg__made_by(wg_var v, wg_var *in, int max_in)
{
    wg_tape *tape = wg__tape_of(v);
    if (!tape || !wg_var_ok(v)) return NULL;
    const wg__value *value = &tape->values[v.index];
    const wg__node *node = &tape->nodes[value->node];
    if (value->out != 0 || node->n_in > max_in) return NULL;
    for (int i = 0; i < node->n_in; i++) in[i] = wg__var(tape, node->in[i]);
    return node->op;
}
