/* Loop bodies: shared lists, immutable but for the VJPs kept with them, with named slots; the scan
 * node; cloning of nodes. */
#include <string.h>

#include "builtin.h"
#include "scan_derive.h"

void wg__body_retain(wg__body *body)
{
    body->refs++;
}

void wg__body_release(wg__body *body)
{
    if (!body || --body->refs > 0) return;
    wg__derived_free(body->derived);
    wg_tape_free(body->graph);
}

wg_status wg__body_new(wg_tape *graph, int n_seq, int n_carry, int n_const, int n_y, int n_sum,
                       wg__body **out, wg_error *err)
{
    wg__body *body = wg__arena_calloc(&graph->arena, 1, sizeof *body);
    size_t slots =
        (size_t)n_seq + 2 * (size_t)n_carry + (size_t)n_const + (size_t)n_y + (size_t)n_sum;
    int32_t *all = wg__arena_calloc(&graph->arena, slots + 1, sizeof *all);
    if (!body || !all) return wg_error_set(err, WG_ENOMEM, "scan: out of memory");
    *body = (wg__body){.refs = 1,
                       .graph = graph,
                       .n_seq = n_seq,
                       .n_carry = n_carry,
                       .n_const = n_const,
                       .n_y = n_y,
                       .n_sum = n_sum,
                       .time = -1};
    body->seq = all;
    body->carry = all += n_seq;
    body->constant = all += n_carry;
    body->next = all += n_const;
    body->y = all += n_carry;
    body->sum = all += n_y;
    *out = body;
    return WG_OK;
}

bool wg__tape_effects(const wg_tape *graph)
{
    for (int32_t v = 0; v < graph->n_values; v++)
        if (graph->values[v].watch) return true;
    for (int32_t i = 0; i < graph->n_nodes; i++) {
        const wg__node *n = &graph->nodes[i];
        if (n->op->traits & WG_OP_EFFECT || (n->body && n->body->effects)) return true;
    }
    return false;
}

/* A tape keeps one reference to each body of its scans. */
wg_status wg__tape_own_body(wg_tape *tape, wg__body *body)
{
    for (int32_t i = tape->n_bodies - 1; i >= 0; i--)
        if (tape->bodies[i] == body) return WG_OK;
    if (tape->n_bodies == tape->cap_bodies) {
        int32_t cap = tape->cap_bodies ? 2 * tape->cap_bodies : 8;
        void *p = wg_reallocarray(tape->bodies, (size_t)cap, sizeof(wg__body *));
        if (!p) return WG_ENOMEM;
        tape->bodies = p;
        tape->cap_bodies = cap;
    }
    wg__body_retain(body);
    tape->bodies[tape->n_bodies++] = body;
    return WG_OK;
}

/* ---- the scan node ---- */

static wg_status infer_scan(wg_infer *c)
{
    return wg_infer_fail(c, WG_EINVAL, "a scan is recorded with wg_scan");
}

const wg_op wg__op_scan = {
    .size = sizeof(wg_op),
    .name = "scan",
    .version = 1,
    .traits = WG_OP_SCAN,
    .n_in = -1,
    .n_out = -1,
    .infer = infer_scan,
    .vjp = wg__scan_vjp,
    .doc = "carry, y[t] = body(x[t], carry) for t = 0..T-1",
};

wg_status wg__scan_append(wg_tape *tape, wg__body *body, const wg_var *operands,
                          const wg__scan_attr *attr, wg_var *out)
{
    int n_in = attr->n_seq + attr->n_carry + attr->n_const;
    int n_out = attr->n_carry + attr->n_y + attr->n_sum;
    wg_status status = WG_ENOMEM;
    wg__arena *work = wg__work(tape);
    wg__arena_mark mark = wg__arena_mark_of(work);
    int32_t *in = wg__arena_calloc(work, (size_t)n_in + 1, sizeof *in);
    wg_type *types = wg__arena_calloc(work, (size_t)n_out + 1, sizeof *types);
    if (!in || !types) {
        wg__tape_fail_v(tape, WG_ENOMEM, "scan: out of memory");
        goto done;
    }
    for (int i = 0; i < n_in; i++) {
        in[i] = wg__lift(tape, operands[i]);
        if (in[i] < 0) {
            status = tape->status != WG_OK ? tape->status : WG_ESTALE;
            goto done;
        }
    }
    const wg__value *values = body->graph->values;
    for (int i = 0; i < attr->n_carry; i++) types[i] = values[body->carry[i]].type;
    for (int i = 0; i < attr->n_y; i++) {
        wg_type t = values[body->y[i]].type;
        if (t.shape.rank == WG_MAX_AXES) {
            status = wg__tape_fail_v(tape, WG_ESHAPE,
                                     "scan: output %d of a step has %d axes, "
                                     "too many to stack",
                                     i, t.shape.rank);
            goto done;
        }
        memmove(t.shape.dim + 1, t.shape.dim, (WG_MAX_AXES - 1) * sizeof t.shape.dim[0]);
        t.shape.dim[0] = attr->steps;
        t.shape.rank++;
        if (wg_shape_count(&t.shape) < 0) {
            status = wg__tape_fail_v(tape, WG_EOVERFLOW, "scan: stacked output %d is too large", i);
            goto done;
        }
        types[attr->n_carry + i] = t;
    }
    for (int i = 0; i < attr->n_sum; i++)
        types[attr->n_carry + attr->n_y + i] = values[body->sum[i]].type;
    wg__node *node =
        wg__append(tape, &wg__op_scan, in, n_in, attr, sizeof *attr, body, types, n_out);
    if (!node) goto done;
    for (int i = 0; i < n_out; i++) out[i] = wg__var(tape, node->first_out + i);
    status = WG_OK;
done:
    wg__arena_release(work, mark);
    return status;
}

/* ---- cloning ---- */

wg_status wg__clone_node(wg_tape *dst, const wg_tape *src, int32_t node, int32_t *map)
{
    const wg__node n = src->nodes[node];
    int32_t few[32];
    wg__arena *work = wg__work(dst);
    wg__arena_mark mark = wg__arena_mark_of(work);
    int32_t *in = n.n_in <= 32 ? few : wg__arena_calloc(work, (size_t)n.n_in, sizeof *in);
    wg_type few_types[8];
    wg_type *types =
        n.n_out <= 8 ? few_types : wg__arena_calloc(work, (size_t)n.n_out, sizeof *types);
    wg_status status = WG_ENOMEM;
    if (!in || !types) goto done;
    for (int i = 0; i < n.n_in; i++) in[i] = map[n.in[i]];
    for (int i = 0; i < n.n_out; i++) types[i] = src->values[n.first_out + i].type;
    wg__node *copy = wg__append(dst, n.op, in, n.n_in, n.attr, n.attr_size, n.body, types, n.n_out);
    if (!copy) goto done;
    copy->file = n.file;
    copy->line = n.line;
    /* Strings move to the new tape's arena: the old tape may die first. */
    if (n.scope != dst->copied_scope[0]) {
        dst->copied_scope[0] = n.scope;
        dst->copied_scope[1] = wg__arena_strdup(&dst->arena, n.scope);
        if (!dst->copied_scope[1]) dst->copied_scope[1] = dst->copied_scope[0] = "";
    }
    copy->scope = dst->copied_scope[1];
    int32_t first = copy->first_out;
    for (int i = 0; i < n.n_out; i++) {
        const wg__value *from = &src->values[n.first_out + i];
        wg__value *to = &dst->values[first + i];
        to->name = from->name ? wg__arena_strdup(&dst->arena, from->name) : NULL;
        to->tensor = from->tensor;
        map[n.first_out + i] = first + i;
    }
    status = WG_OK;
done:
    wg__arena_release(work, mark);
    return status;
}
