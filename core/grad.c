/* Differentiation: walks the list backwards and appends adjoint nodes through each op's VJP rule.
 *
 * Adjoints are vars, so an absent one is a symbolic zero, and the rules, being written with public
 * ops, append ordinary tape: gradients of gradients need nothing more. */
#include <string.h>

#include "builtin.h"
#include "tape_internal.h"

/* ---- what a rule sees ---- */

static const wg__node *node_of(const wg_vjp *c)
{
    return &c->tape->nodes[c->node];
}

int wg_vjp_n_in(const wg_vjp *c)
{
    return node_of(c)->n_in;
}
int wg_vjp_n_out(const wg_vjp *c)
{
    return node_of(c)->n_out;
}
const void *wg_vjp_attr(const wg_vjp *c)
{
    return node_of(c)->attr;
}
size_t wg_vjp_attr_size(const wg_vjp *c)
{
    return node_of(c)->attr_size;
}
wg_var wg_vjp_in(const wg_vjp *c, int i)
{
    return wg__var(c->tape, node_of(c)->in[i]);
}
wg_var wg_vjp_out(const wg_vjp *c, int i)
{
    return wg__var(c->tape, node_of(c)->first_out + i);
}

bool wg_vjp_needs(const wg_vjp *c, int i)
{
    return c->reach[node_of(c)->in[i]] != 0;
}

bool wg_vjp_has_grad(const wg_vjp *c, int i)
{
    return !wg_is_none(c->adjoint[node_of(c)->first_out + i]);
}

wg_var wg_vjp_grad(wg_vjp *c, int i)
{
    if (wg_vjp_has_grad(c, i)) return c->adjoint[node_of(c)->first_out + i];
    return wg_zeros_like(wg_vjp_out(c, i));
}

wg_var wg_sum_to(wg_var g, wg_shape shape)
{
    wg_type t = wg_var_type(g);
    if (!wg_var_ok(g) || wg_shape_equal(&t.shape, &shape)) return g;
    /* Of axes that stay: the sum that anybody would write, which is fused with what is around it.
     */
    wg_reduce_attr axes = {0, 1};
    bool stay = t.shape.rank == shape.rank && (t.dtype == WG_F32 || t.dtype == WG_F64);
    for (int i = 0; i < shape.rank && stay; i++) {
        if (t.shape.dim[i] == shape.dim[i]) continue;
        stay = shape.dim[i] == 1;
        axes.axes |= 1U << i;
    }
    if (stay) return wg_record(&wg__op_sum, &g, 1, &axes, sizeof axes);
    return wg_record(&wg__op_sum_to, &g, 1, &shape, sizeof shape);
}

void wg_vjp_add(wg_vjp *c, int i, wg_var g)
{
    if (i < 0 || i >= wg_vjp_n_in(c) || !wg_vjp_needs(c, i) || wg_is_none(g)) return;
    int32_t value = node_of(c)->in[i];
    wg_type want = c->tape->values[value].type;
    if (wg_var_ok(g) && wg_var_dtype(g) != want.dtype)
        g = wg_tape_fail(c->tape, WG_EDTYPE, "VJP of %s: gradient of input %d is %s, the input %s",
                         node_of(c)->op->name, i, wg_dtype_name(wg_var_dtype(g)),
                         wg_dtype_name(want.dtype));
    /* A gradient may come in a shape that broadcasts to the input's (a constant over an axis), or
     * in one that the input was broadcast to. */
    wg_type have = wg_var_type(g);
    wg_shape both;
    if (wg_var_ok(g) && wg_shape_count(&have.shape) < wg_shape_count(&want.shape) &&
        wg_shape_broadcast(&have.shape, &want.shape, &both) && wg_shape_equal(&both, &want.shape))
        g = wg_record(&wg__op_broadcast_to, &g, 1, &want.shape, sizeof want.shape);
    g = wg_sum_to(g, want.shape);
    wg_var *sum = &c->adjoint[value];
    *sum = wg_is_none(*sum) ? g : wg_record(&wg__op_add, (wg_var[]){*sum, g}, 2, NULL, 0);
}

void wg_vjp_through(wg_vjp *c, wg_var same)
{
    int n = wg_vjp_n_in(c), m = 0;
    wg__arena *work = wg__work(c->tape);
    wg__arena_mark mark = wg__arena_mark_of(work);
    wg_var *x = wg__arena_calloc(work, 2 * (size_t)n + 1, sizeof *x);
    int *which = wg__arena_calloc(work, (size_t)n + 1, sizeof *which);
    if (!x || !which) {
        wg__tape_fail_v(c->tape, WG_ENOMEM, "grad: out of memory");
        goto done;
    }
    wg_var *gx = x + n;
    /* A value that is operand twice counts once: its gradient comes whole. */
    for (int i = 0; i < n; i++) {
        bool repeated = false;
        for (int k = 0; k < m; k++) repeated |= x[k].index == wg_vjp_in(c, i).index;
        if (repeated || !wg_vjp_needs(c, i)) continue;
        x[m] = wg_vjp_in(c, i);
        which[m++] = i;
    }
    wg_var g = wg_vjp_grad(c, 0);
    if (wg__grad(&same, &g, 1, x, m, gx, true, c->first_new) == WG_OK)
        for (int j = 0; j < m; j++) wg_vjp_add(c, which[j], gx[j]);
done:
    wg__arena_release(work, mark);
}

/* ---- the walk ---- */

/* reach[v]: does a float value depend on an x along differentiable edges? */
static void mark_reach(const wg_tape *tape, int32_t first, int32_t last_node, uint8_t *reach)
{
    for (int32_t i = first; i <= last_node; i++) {
        const wg__node *node = &tape->nodes[i];
        if (node->op->traits & WG_OP_NO_GRADIENT) continue;
        uint8_t any = 0;
        for (int j = 0; j < node->n_in && !any; j++) any = reach[node->in[j]];
        if (!any) continue;
        for (int j = 0; j < node->n_out; j++)
            if (wg__is_float(tape->values[node->first_out + j].type.dtype))
                reach[node->first_out + j] |= 1;
    }
}

static void visit(wg_vjp *c)
{
    const wg__node *node = node_of(c);
    if (node->op->traits & WG_OP_NO_GRADIENT || !node->op->vjp) return;
    bool has = false, needs = false;
    for (int j = 0; j < node->n_out; j++) has |= wg_vjp_has_grad(c, j);
    for (int j = 0; j < node->n_in && has; j++) needs |= wg_vjp_needs(c, j);
    if (!has || !needs) return;
    /* Adjoint nodes carry the scope and place of the node they are the adjoint of. */
    const char *file, *scope = c->tape->scope;
    int line;
    wg__place(&file, &line);
    wg_here(node->file, node->line);
    c->tape->scope = node->scope;
    node->op->vjp(c);
    c->tape->scope = scope;
    wg_here(file, line);
}

/* A var that cannot be had on the tape is an error that the tape keeps: a gradient that is merely
 * absent would pass for zero. */
static wg_status check_var(wg_tape *tape, const char *what, int i, wg_var v)
{
    if (wg__lift(tape, v) >= 0) return WG_OK;
    if (tape->status != WG_OK) return tape->status;
    return wg__tape_fail_v(tape, WG_ESTALE, "grad: %s %d %s", what, i,
                           wg_is_none(v)  ? "is missing (WG_NONE)"
                           : v.index >= 0 ? "belongs to a tape that was reset or freed"
                                          : "is poisoned");
}

static wg_status seed(wg_tape *tape, int i, wg_var y, const wg_var *gy, wg_var *adjoint)
{
    int32_t v = wg__lift(tape, y);
    if (v < 0) return tape->status != WG_OK ? tape->status : WG_ESTALE;
    wg_type t = tape->values[v].type;
    char a[160], b[160];
    if (!wg__is_float(t.dtype))
        return wg__tape_fail_v(tape, WG_EDTYPE, "grad: an output of dtype %s has no gradient",
                               wg_dtype_name(t.dtype));
    wg_var g;
    if (gy && !wg_is_none(*gy)) {
        g = *gy;
        if (!wg_var_ok(g)) return check_var(tape, "cotangent of output", i, g);
        const wg_tape *theirs = wg__tape_of(g), *ours = tape;
        while (theirs->parent) theirs = theirs->parent;
        while (ours->parent) ours = ours->parent;
        if (theirs != ours)
            return wg__tape_fail_v(
                tape, WG_EINVAL, "grad: the cotangent of output %d lives on an unrelated tape", i);
        wg_type tg = wg_var_type(g);
        if (tg.dtype != t.dtype || !wg_shape_equal(&tg.shape, &t.shape))
            return wg__tape_fail_v(tape, WG_ESHAPE, "grad: cotangent %s%s for an output %s%s",
                                   wg_dtype_name(tg.dtype), wg_shape_format(&tg.shape, a, sizeof a),
                                   wg_dtype_name(t.dtype), wg_shape_format(&t.shape, b, sizeof b));
    } else {
        if (wg_shape_count(&t.shape) != 1)
            return wg__tape_fail_v(tape, WG_ESHAPE,
                                   "grad: an output of shape %s needs a cotangent (only a single "
                                   "element has gradient one by default)",
                                   wg_shape_format(&t.shape, a, sizeof a));
        g = wg_const(tape, t.dtype, t.shape, 1);
    }
    wg_var *sum = &adjoint[v];
    *sum = wg_is_none(*sum) ? g : wg_record(&wg__op_add, (wg_var[]){*sum, g}, 2, NULL, 0);
    return WG_OK;
}

wg_status wg__grad(const wg_var *y, const wg_var *gy, int n_y, const wg_var *x, int n_x, wg_var *gx,
                   bool partial, int32_t first)
{
    for (int j = 0; j < n_x; j++) gx[j] = WG_NONE;
    wg_tape *tape = NULL;
    for (int i = 0; i < n_y; i++) {
        wg_tape *t = wg__tape_of(y[i]);
        if (!t) continue; /* said below, by a tape that lives */
        if (!tape || t->depth > tape->depth) tape = t;
    }
    for (int j = 0; j < n_x && !tape; j++) tape = wg__tape_of(x[j]);
    if (!tape) return n_y ? WG_ESTALE : WG_EINVAL;
    if (tape->status != WG_OK) return tape->status;
    /* Lifting may add capture slots, so it comes before sizes are taken. */
    wg_status status = WG_OK;
    for (int j = 0; j < n_x && status == WG_OK; j++) status = check_var(tape, "variable", j, x[j]);
    for (int i = 0; i < n_y && status == WG_OK; i++) status = check_var(tape, "output", i, y[i]);
    if (status != WG_OK) return status;
    int32_t n = tape->n_values, n_nodes = tape->n_nodes;
    wg__arena *work = wg__work(tape);
    wg__arena_mark mark = wg__arena_mark_of(work);
    uint8_t *reach = wg__arena_calloc(work, (size_t)n + 1, 2);
    wg_var *adjoint = wg__arena_calloc(work, (size_t)n + 1, sizeof *adjoint);
    if (!reach || !adjoint) {
        status = wg__tape_fail_v(tape, WG_ENOMEM, "grad: out of memory");
        goto done;
    }
    uint8_t *is_x = reach + n;
    for (int j = 0; j < n_x; j++) {
        int32_t v = wg__lift(tape, x[j]);
        is_x[v] = 1;
        if (wg__is_float(tape->values[v].type.dtype)) reach[v] = 1;
    }
    mark_reach(tape, first, n_nodes - 1, reach);
    for (int i = 0; i < n_y && status == WG_OK; i++)
        status = seed(tape, i, y[i], gy ? &gy[i] : NULL, adjoint);
    wg_vjp c = {.tape = tape, .reach = reach, .adjoint = adjoint, .n_adjoint = n};
    for (int32_t i = n_nodes - 1; i >= first && status == WG_OK; i--) {
        bool stop = false;
        if (partial)
            for (int j = 0; j < tape->nodes[i].n_out; j++)
                stop |= is_x[tape->nodes[i].first_out + j];
        if (stop) continue;
        c.node = i;
        c.first_new = tape->n_nodes;
        visit(&c);
        status = tape->status;
    }
    for (int j = 0; j < n_x && status == WG_OK; j++) gx[j] = adjoint[wg__lift(tape, x[j])];
done:
    wg__arena_release(work, mark);
    return status;
}

wg_status wg_grad(const wg_var *y, const wg_var *gy, int n_y, const wg_var *x, int n_x, wg_var *gx)
{
    return wg__grad(y, gy, n_y, x, n_x, gx, false, 0);
}

wg_status wg_grad_or_zeros(const wg_var *y, const wg_var *gy, int n_y, const wg_var *x, int n_x,
                           wg_var *gx)
{
    wg_status status = wg__grad(y, gy, n_y, x, n_x, gx, false, 0);
    for (int j = 0; j < n_x && status == WG_OK; j++)
        if (wg_is_none(gx[j])) gx[j] = wg_zeros_like(x[j]);
    return status;
}

wg_status wg_hvp(wg_var y, const wg_var *x, const wg_var *v, int n, wg_var *hv)
{
    wg_var *g = wg_reallocarray(NULL, (size_t)n + 1, sizeof *g);
    if (!g) return WG_ENOMEM;
    wg_status status = wg_grad_or_zeros(&y, NULL, 1, x, n, g);
    /* <grad y, v> is differentiated by giving v as the cotangents of the gradients. */
    if (status == WG_OK) status = wg_grad_or_zeros(g, v, n, x, n, hv);
    wg_free(g);
    return status;
}
