/* Leaves and the few ops of core's own: inputs, tensors, constants, a body's slots, the identity
 * that stops gradients, and a change of shape without a copy. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "builtin.h"
#include "tape_internal.h"

static wg_status infer_leaf(wg_infer *c)
{
    if (c->attr_size < sizeof(wg__leaf_attr))
        return wg_infer_fail(c, WG_EINTERNAL, "leaf without attributes");
    const wg__leaf_attr *a = c->attr;
    c->out[0] = (wg_type){(wg_dtype)a->dtype, a->shape};
    return WG_OK;
}

static void format_const(const void *attr, size_t attr_size, char *buf, size_t size)
{
    (void)attr_size;
    snprintf(buf, size, "%.9g", ((const wg__leaf_attr *)attr)->value);
}

static void format_name(const void *attr, size_t attr_size, char *buf, size_t size)
{
    size_t n = attr_size - sizeof(wg__leaf_attr);
    snprintf(buf, size, "\"%.*s\"", (int)(n > 100 ? 100 : n),
             (const char *)attr + sizeof(wg__leaf_attr));
}

#define LEAF(symbol, text, about, fmt)                              \
    const wg_op symbol = {.size = sizeof(wg_op),                    \
                          .name = text,                             \
                          .version = 1,                             \
                          .traits = WG_OP_LEAF | WG_OP_NO_GRADIENT, \
                          .n_in = 0,                                \
                          .n_out = 1,                               \
                          .infer = infer_leaf,                      \
                          .format = fmt,                            \
                          .doc = about}

LEAF(wg__op_input, "input", "a value bound by name when the program runs", format_name);
LEAF(wg__op_tensor, "tensor", "the elements of a host tensor, read at each run", NULL);
LEAF(wg__op_const, "const", "one number everywhere", format_const);
LEAF(wg__op_const_data, "const_data", "a small constant tensor", NULL);
LEAF(wg__op_body_in, "slot", "an input slot of a loop body", NULL);

static wg_status infer_same(wg_infer *c)
{
    c->out[0] = c->in[0];
    return WG_OK;
}

static bool view_same(const wg_view *in, const wg_view *like, const void *attr, wg_view *out)
{
    (void)like;
    (void)attr;
    *out = *in;
    return true;
}

const wg_op wg__op_stop_gradient = {
    .size = sizeof(wg_op),
    .name = "stop_gradient",
    .version = 1,
    .traits = WG_OP_VIEW | WG_OP_NO_GRADIENT,
    .n_in = 1,
    .n_out = 1,
    .infer = infer_same,
    .view = view_same,
    .doc = "y = x; the gradient is zero",
};

static wg_status infer_view_as(wg_infer *c)
{
    const wg_shape *shape = c->attr;
    c->out[0] = (wg_type){c->in[0].dtype, *shape};
    if (wg_shape_count(shape) != wg_shape_count(&c->in[0].shape))
        return wg_infer_fail(c, WG_ESHAPE, "element counts differ");
    return WG_OK;
}

static void vjp_view_as(wg_vjp *c)
{
    wg_vjp_add(c, 0, wg__view_as(wg_vjp_grad(c, 0), wg_var_type(wg_vjp_in(c, 0)).shape));
}

/* Only a contiguous input can be seen in any other shape. */
static bool view_view_as(const wg_view *in, const wg_view *like, const void *attr, wg_view *out)
{
    (void)attr;
    int64_t expect = 1;
    for (int i = in->shape.rank - 1; i >= 0; i--) {
        if (in->shape.dim[i] != 1 && in->stride[i] != expect) return false;
        expect *= in->shape.dim[i];
    }
    *out = *in;
    out->shape = like->shape;
    expect = 1;
    for (int i = like->shape.rank - 1; i >= 0; i--) {
        out->stride[i] = expect;
        expect *= like->shape.dim[i];
    }
    return true;
}

const wg_op wg__op_view_as = {
    .size = sizeof(wg_op),
    .name = "view_as",
    .version = 1,
    .traits = WG_OP_VIEW,
    .n_in = 1,
    .n_out = 1,
    .infer = infer_view_as,
    .vjp = vjp_view_as,
    .view = view_view_as,
    .doc = "the same elements in another shape",
};

const wg_op *const wg__core_ops[] = {&wg__op_input,      &wg__op_tensor,  &wg__op_const,
                                     &wg__op_const_data, &wg__op_body_in, &wg__op_stop_gradient,
                                     &wg__op_view_as,    &wg__op_scan};
const int wg__core_op_count = (int)(sizeof wg__core_ops / sizeof *wg__core_ops);

/* ---- recording ---- */

static bool leaf_attr(wg_tape *tape, const char *what, wg_dtype dtype, wg_shape shape,
                      wg__leaf_attr *a)
{
    memset(a, 0, sizeof *a);
    if (wg_dtype_size(dtype) == 0) {
        wg_tape_fail(tape, WG_EDTYPE, "%s: unknown dtype %d", what, (int)dtype);
        return false;
    }
    if (shape.rank < 0 || shape.rank > WG_MAX_AXES || wg_shape_count(&shape) < 0) {
        wg_tape_fail(tape, WG_ESHAPE, "%s: not a shape", what);
        return false;
    }
    a->shape = wg_shape_of(shape.rank, shape.dim);
    a->dtype = (int32_t)dtype;
    return true;
}

/* Inputs and tensors form a list, so that finding one does not walk the whole tape. */
static void note_leaf(wg_tape *tape, wg_var v)
{
    if (!wg_var_ok(v)) return;
    tape->values[v.index].earlier = tape->last_leaf;
    tape->last_leaf = v.index + 1;
}

wg_var wg_input(wg_tape *tape, const char *name, wg_dtype dtype, wg_shape shape)
{
    if (!tape) return WG_NONE;
    wg__leaf_attr a;
    size_t n = name ? strlen(name) : 0;
    if (n == 0 || n > 255)
        return wg_tape_fail(tape, WG_EINVAL, "input: a name of 1 to 255 bytes is needed");
    /* Leaves live on the root, so that a body that asks for one lifts it. */
    while (tape->parent) tape = tape->parent;
    if (!leaf_attr(tape, name, dtype, shape, &a)) return wg__var(tape, -1);
    for (int32_t v = tape->last_leaf; v; v = tape->values[v - 1].earlier) {
        const wg__node *node = &tape->nodes[tape->values[v - 1].node];
        if (node->op != &wg__op_input || node->attr_size != sizeof a + n ||
            memcmp((const char *)node->attr + sizeof a, name, n) != 0)
            continue;
        if (memcmp(node->attr, &a, sizeof a) == 0) return wg__var(tape, node->first_out);
        char old[160], now[160];
        wg_type t = tape->values[node->first_out].type;
        return wg_tape_fail(tape, WG_EEXIST, "input '%s' is already %s%s, not %s%s", name,
                            wg_dtype_name(t.dtype), wg_shape_format(&t.shape, old, sizeof old),
                            wg_dtype_name(dtype), wg_shape_format(&a.shape, now, sizeof now));
    }
    char bytes[sizeof a + 256];
    memcpy(bytes, &a, sizeof a);
    memcpy(bytes + sizeof a, name, n);
    wg_var v = wg_record_on(tape, &wg__op_input, NULL, 0, bytes, sizeof a + n);
    note_leaf(tape, v);
    return wg_name(v, name);
}

wg_var wg_tensor_var(wg_tape *tape, wg_tensor *tensor)
{
    if (!tape) return WG_NONE;
    if (!tensor) return wg_tape_fail(tape, WG_EINVAL, "wg_tensor_var: tensor is NULL");
    while (tape->parent) tape = tape->parent;
    for (int32_t i = tape->last_leaf; i; i = tape->values[i - 1].earlier)
        if (tape->values[i - 1].tensor == tensor) return wg__var(tape, i - 1);
    wg__leaf_attr a;
    if (!leaf_attr(tape, "tensor", wg_tensor_dtype(tensor), wg_tensor_shape(tensor), &a))
        return wg__var(tape, -1);
    wg_var v = wg_record_on(tape, &wg__op_tensor, NULL, 0, &a, sizeof a);
    if (wg_var_ok(v)) tape->values[v.index].tensor = tensor;
    note_leaf(tape, v);
    return v;
}

wg_var wg_const(wg_tape *tape, wg_dtype dtype, wg_shape shape, double value)
{
    if (!tape) return WG_NONE;
    wg__leaf_attr a;
    if (!leaf_attr(tape, "const", dtype, shape, &a)) return wg__var(tape, -1);
    a.value = value;
    return wg_record_on(tape, &wg__op_const, NULL, 0, &a, sizeof a);
}

wg_var wg_const_data(wg_tape *tape, wg_dtype dtype, wg_shape shape, const void *data)
{
    if (!tape) return WG_NONE;
    wg__leaf_attr a;
    if (!leaf_attr(tape, "const_data", dtype, shape, &a)) return wg__var(tape, -1);
    size_t bytes = (size_t)wg_shape_count(&a.shape) * wg_dtype_size(dtype);
    if (bytes > 64 * 1024)
        return wg_tape_fail(tape, WG_ELIMIT,
                            "const_data: %zu bytes, at most 65536 (use wg_tensor_var)", bytes);
    wg__arena *work = wg__work(tape);
    wg__arena_mark mark = wg__arena_mark_of(work);
    char *all = wg__arena_alloc(work, sizeof a + bytes);
    if (!all) return wg_tape_fail(tape, WG_ENOMEM, "const_data: out of memory");
    memcpy(all, &a, sizeof a);
    if (bytes) memcpy(all + sizeof a, data, bytes);
    wg_var v = wg_record_on(tape, &wg__op_const_data, NULL, 0, all, sizeof a + bytes);
    wg__arena_release(work, mark);
    return v;
}

wg_var wg_zeros_like(wg_var v)
{
    wg_type t = wg_var_type(v);
    return wg_var_ok(v) ? wg_const(wg__tape_of(v), t.dtype, t.shape, 0) : v;
}

wg_var wg_ones_like(wg_var v)
{
    wg_type t = wg_var_type(v);
    return wg_var_ok(v) ? wg_const(wg__tape_of(v), t.dtype, t.shape, 1) : v;
}

wg_var wg_stop_gradient(wg_var v)
{
    return wg_record(&wg__op_stop_gradient, &v, 1, NULL, 0);
}

wg_var wg__view_as(wg_var v, wg_shape shape)
{
    return wg_record(&wg__op_view_as, &v, 1, &shape, sizeof shape);
}

wg_var wg__body_input(wg_tape *tape, wg_type type)
{
    wg__leaf_attr a;
    if (!leaf_attr(tape, "slot", type.dtype, type.shape, &a)) return wg__var(tape, -1);
    a.number = tape->n_values; /* tells slots apart in the canonical bytes */
    return wg_record_on(tape, &wg__op_body_in, NULL, 0, &a, sizeof a);
}
