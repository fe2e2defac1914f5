/* Comparisons (u8 masks of 0 and 1, no gradient), logic on masks, selection and conversion. */
#include "ops_internal.h"

#include <stdio.h>
#include <string.h>

static wg_status infer_compare(wg_infer *c)
{
    const wg_status status = wg__infer_same_dtype(c, 0, 1);
    if (status != WG_OK) return status;
    c->out[0].dtype = WG_U8;
    return wg__infer_broadcast(c);
}

static wg_status infer_logical(wg_infer *c)
{
    for (int i = 0; i < c->n_in; i++) {
        const wg_status status = wg__infer_dtype(c, i, WG_BIT(WG_U8));
        if (status != WG_OK) return status;
    }
    c->out[0].dtype = WG_U8;
    return wg__infer_broadcast(c);
}

#define MASK_OP(NAME, id, n, more_traits, rule, formula)                                       \
    WG_MAP_LOOP(NAME, id)                                                                      \
    const wg_op wg__op_##id = {                                                                \
        .size = sizeof(wg_op),                                                                 \
        .name = #id,                                                                           \
        .version = 1,                                                                          \
        .traits = WG_OP_MAP | WG_OP_INPLACE | WG_OP_CHEAP | WG_OP_NO_GRADIENT | (more_traits), \
        .n_in = (n),                                                                           \
        .n_out = 1,                                                                            \
        .infer = (rule),                                                                       \
        .map = map_##id,                                                                       \
        .loop = loop_##id,                                                                     \
        .doc = (formula),                                                                      \
    };
#define MASK_OP2(NAME, id, more_traits, rule, formula) \
    MASK_OP(NAME, id, 2, more_traits, rule, formula)   \
    wg_var wg_##id(wg_var a, wg_var b)                 \
    {                                                  \
        return wg__record2(&wg__op_##id, a, b);        \
    }

MASK_OP2(EQ, eq, WG_OP_COMMUTATIVE, infer_compare, "y = a == b")
MASK_OP2(NE, ne, WG_OP_COMMUTATIVE, infer_compare, "y = a != b")
MASK_OP2(LT, lt, 0, infer_compare, "y = a < b")
MASK_OP2(LE, le, 0, infer_compare, "y = a <= b")
MASK_OP2(GT, gt, 0, infer_compare, "y = a > b")
MASK_OP2(GE, ge, 0, infer_compare, "y = a >= b")
MASK_OP2(LOGICAL_AND, logical_and, WG_OP_COMMUTATIVE, infer_logical, "y = a && b")
MASK_OP2(LOGICAL_OR, logical_or, WG_OP_COMMUTATIVE, infer_logical, "y = a || b")
MASK_OP(LOGICAL_NOT, logical_not, 1, 0, infer_logical, "y = !mask")
wg_var wg_logical_not(wg_var mask)
{
    return wg__record1(&wg__op_logical_not, mask);
}

static wg_status infer_where(wg_infer *c)
{
    wg_status status = wg__infer_dtype(c, 0, WG_BIT(WG_U8));
    if (status == WG_OK) status = wg__infer_same_dtype(c, 1, 2);
    if (status != WG_OK) return status;
    c->out[0].dtype = c->in[1].dtype;
    return wg__infer_broadcast(c);
}

static void vjp_where(wg_vjp *c)
{
    const wg_var g = wg_vjp_grad(c, 0), mask = wg_vjp_in(c, 0);
    const wg_var zero = wg__number_like(g, 0.0);
    if (wg_vjp_needs(c, 1)) wg_vjp_add(c, 1, wg_where(mask, g, zero));
    if (wg_vjp_needs(c, 2)) wg_vjp_add(c, 2, wg_where(mask, zero, g));
}

WG_MAP_LOOP(WHERE, where)

const wg_op wg__op_where = {
    .size = sizeof(wg_op),
    .name = "where",
    .version = 1,
    .traits = WG_OP_MAP | WG_OP_INPLACE | WG_OP_CHEAP,
    .n_in = 3,
    .n_out = 1,
    .infer = infer_where,
    .vjp = vjp_where,
    .map = map_where,
    .loop = loop_where,
    .doc = "y = mask ? a : b",
};
wg_var wg_where(wg_var mask, wg_var a, wg_var b)
{
    return wg__record3(&wg__op_where, mask, a, b);
}

typedef struct cast_attr {
    int64_t dtype;
} cast_attr;

static wg_status infer_cast(wg_infer *c)
{
    const cast_attr *attr = c->attr;
    if (c->attr_size != sizeof *attr || attr->dtype < 0 || attr->dtype >= WG_DTYPES)
        return wg_infer_fail(c, WG_EDTYPE, "no such dtype");
    c->out[0] = c->in[0];
    c->out[0].dtype = (wg_dtype)attr->dtype;
    return WG_OK;
}

static bool is_float(wg_dtype dtype)
{
    return (WG_FLOATS >> dtype & 1u) != 0;
}

static void vjp_cast(wg_vjp *c)
{
    const wg_dtype from = wg_var_dtype(wg_vjp_in(c, 0));
    if (!is_float(from) || !is_float(wg_var_dtype(wg_vjp_out(c, 0)))) return;
    wg_vjp_add(c, 0, wg_cast(wg_vjp_grad(c, 0), from));
}

WG_MAP_LOOP(CAST, cast)

static void format_cast(const void *attr, size_t attr_size, char *buf, size_t size)
{
    (void)attr_size;
    snprintf(buf, size, "%s", wg_dtype_name((wg_dtype)((const cast_attr *)attr)->dtype));
}

const wg_op wg__op_cast = {
    .size = sizeof(wg_op),
    .name = "cast",
    .version = 1,
    .traits = WG_OP_MAP | WG_OP_CHEAP,
    .n_in = 1,
    .n_out = 1,
    .infer = infer_cast,
    .vjp = vjp_cast,
    .map = map_cast,
    .loop = loop_cast,
    .format = format_cast,
    .doc = "y = x in another dtype; to integers by truncation, saturated",
};
wg_var wg_cast(wg_var x, wg_dtype dtype)
{
    if (wg_var_ok(x) && wg_var_dtype(x) == dtype) return x;
    const cast_attr attr = {(int64_t)dtype};
    return wg_record(&wg__op_cast, &x, 1, &attr, sizeof attr);
}
