/* Elementwise ops of one floating operand and numbers that are part of the structure (attributes):
 * a scale or an exponent that may change between steps is an operand instead (wg_mul, wg_pow). */
#include "ops_internal.h"

#include <stdio.h>

static wg_status infer_scalar(wg_infer *c)
{
    if (c->attr_size != sizeof(wg__scalar_attr))
        return wg_infer_fail(c, WG_EINVAL, "attributes of %zu bytes instead of %zu", c->attr_size,
                             sizeof(wg__scalar_attr));
    return wg__infer_unary_float(c);
}

static void format_one(const void *attr, size_t attr_size, char *buf, size_t size)
{
    (void)attr_size;
    snprintf(buf, size, "%.9g", ((const wg__scalar_attr *)attr)->a);
}

static void format_two(const void *attr, size_t attr_size, char *buf, size_t size)
{
    const wg__scalar_attr *s = attr;
    (void)attr_size;
    snprintf(buf, size, "%.9g, %.9g", s->a, s->b);
}

/* rule: the gradient of x, an expression of g, x and s (the attributes); WG_NONE adds nothing. */
#define SCALAR(NAME, id, more_traits, formatter, formula, rule) \
    WG_MAP_LOOP(NAME, id)                                       \
    static void vjp_##id(wg_vjp *c)                             \
    {                                                           \
        const wg__scalar_attr *s = wg_vjp_attr(c);              \
        const wg_var g = wg_vjp_grad(c, 0);                     \
        const wg_var x = wg_vjp_in(c, 0);                       \
        (void)s, (void)x;                                       \
        const wg_var gx = (rule);                               \
        if (!wg_is_none(gx)) wg_vjp_add(c, 0, gx);              \
    }                                                           \
    const wg_op wg__op_##id = {                                 \
        .size = sizeof(wg_op),                                  \
        .name = #id,                                            \
        .version = 1,                                           \
        .traits = WG_OP_MAP | WG_OP_INPLACE | (more_traits),    \
        .n_in = 1,                                              \
        .n_out = 1,                                             \
        .infer = infer_scalar,                                  \
        .vjp = vjp_##id,                                        \
        .map = map_##id,                                        \
        .loop = loop_##id,                                      \
        .format = formatter,                                    \
        .doc = (formula),                                       \
    };

static wg_var record(const wg_op *op, wg_var x, double a, double b)
{
    const wg__scalar_attr attr = {a, b};
    return wg_record(op, &x, 1, &attr, sizeof attr);
}

SCALAR(LEAKY_RELU, leaky_relu, WG_OP_CHEAP | WG_OP_KINKS, format_one, "y = x > 0 ? x : slope x",
       wg_where(wg_gt(x, wg__number_like(x, 0.0)), g, wg_scale(g, s->a)))
wg_var wg_leaky_relu(wg_var x, double slope)
{
    return record(&wg__op_leaky_relu, x, slope, 0.0);
}

SCALAR(SCALE, scale, WG_OP_CHEAP, format_one, "y = factor x", wg_scale(g, s->a))
wg_var wg_scale(wg_var x, double factor)
{
    return record(&wg__op_scale, x, factor, 0.0);
}

SCALAR(ADD_SCALAR, add_scalar, WG_OP_CHEAP, format_one, "y = x + term", g)
wg_var wg_add_scalar(wg_var x, double term)
{
    return record(&wg__op_add_scalar, x, term, 0.0);
}

/* Small powers stop at a constant, so that higher derivatives of x^2 at 0 are 0 and not 0 inf. */
static wg_var pow_scalar_gradient(wg_var g, wg_var x, double exponent)
{
    if (exponent == 0.0) return WG_NONE;
    if (exponent == 1.0) return g;
    if (exponent == 2.0) return wg_mul(g, wg_scale(x, 2.0));
    return wg_mul(g, wg_scale(wg_pow_scalar(x, exponent - 1.0), exponent));
}
SCALAR(POW_SCALAR, pow_scalar, 0, format_one, "y = x^exponent", pow_scalar_gradient(g, x, s->a))
wg_var wg_pow_scalar(wg_var x, double exponent)
{
    return record(&wg__op_pow_scalar, x, exponent, 0.0);
}

static wg_var clamp_gradient(wg_var g, wg_var x, const wg__scalar_attr *s)
{
    const wg_var inside =
        wg_logical_and(wg_ge(x, wg__number_like(x, s->a)), wg_le(x, wg__number_like(x, s->b)));
    return wg_where(inside, g, wg__number_like(g, 0.0));
}
SCALAR(CLAMP, clamp, WG_OP_CHEAP | WG_OP_KINKS, format_two, "y = min(max(x, low), high)",
       clamp_gradient(g, x, s))
wg_var wg_clamp(wg_var x, double low, double high)
{
    wg_tape *tape = wg_var_tape(x);
    if (tape && wg_var_ok(x) && !(low <= high))
        return wg_tape_fail(tape, WG_EINVAL, "clamp: low %g is not at most high %g", low, high);
    return record(&wg__op_clamp, x, low, high);
}
