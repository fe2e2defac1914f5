/* Rewriting for wg_compile_options.bf16: products whose descriptor has a form in bf16 take it.
 *
 * No pass of the optimising ones, which never change what is computed by more than rounding: it is
 * asked for, runs before them (they keep the op of a product), and node by node as well. */
#include <stddef.h>

#include "../graph.h"

static bool has_form(const wg__graph *g, const wg__gnode *n)
{
    if (!(n->op->traits & WG_OP_PRODUCT) || n->n_in != 2 || n->n_out != 1 ||
        n->op->size < offsetof(wg_op, bf16) + sizeof n->op->bf16 || !n->op->bf16 ||
        n->attr_size != sizeof(wg_product_attr))
        return false;
    const wg_product_attr *attr = n->attr;
    const wg_type *a = &g->values[n->in[0]].type, *b = &g->values[n->in[1]].type;
    return a->dtype == WG_F32 && b->dtype == WG_F32 && b->shape.rank == 2 &&
           (a->shape.rank == 2 || !attr->trans_a);
}

void wg__products_in_bf16(wg__graph *g)
{
    for (int32_t i = 0; i < g->n_nodes; i++) {
        wg__gnode *n = &g->nodes[i];
        if (has_form(g, n)) n->op = n->op->bf16;
        if (n->body) wg__products_in_bf16(n->body);
    }
}
