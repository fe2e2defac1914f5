/* Elementwise ops of two and three floating operands, with numpy's broadcasting: shape rule, kernel
 * and VJP rule of each side by side. A gradient of a broadcast shape is summed down to the
 * operand's by wg_vjp_add itself. add, sub, mul, min and max take i32 too (wrapping; no gradient).
 */
#include "ops_internal.h"
#include "patterns.h"

#define WG_MAP_OP(NAME, id, n, more_traits, rule, formula, ...)                     \
    WG_MAP_LOOP(NAME, id)                                                           \
    const wg_op wg__op_##id = {.size = sizeof(wg_op),                               \
                               .name = #id,                                         \
                               .version = 1,                                        \
                               .traits = WG_OP_MAP | WG_OP_INPLACE | (more_traits), \
                               .n_in = (n),                                         \
                               .n_out = 1,                                          \
                               .infer = (rule),                                     \
                               .vjp = vjp_##id,                                     \
                               .map = map_##id,                                     \
                               .loop = loop_##id,                                   \
                               .doc = (formula),                                    \
                               __VA_ARGS__};

static void vjp_add(wg_vjp *c)
{
    if (wg_vjp_needs(c, 0)) wg_vjp_add(c, 0, wg_vjp_grad(c, 0));
    if (wg_vjp_needs(c, 1)) wg_vjp_add(c, 1, wg_vjp_grad(c, 0));
}
WG_MAP_OP(ADD, add, 2, WG_OP_CHEAP | WG_OP_COMMUTATIVE, wg__infer_broadcast_number, "y = a + b",
          .patterns = wg__add_patterns, .n_patterns = WG__ADD_PATTERNS)

static void vjp_sub(wg_vjp *c)
{
    if (wg_vjp_needs(c, 0)) wg_vjp_add(c, 0, wg_vjp_grad(c, 0));
    if (wg_vjp_needs(c, 1)) wg_vjp_add(c, 1, wg_neg(wg_vjp_grad(c, 0)));
}
WG_MAP_OP(SUB, sub, 2, WG_OP_CHEAP, wg__infer_broadcast_number, "y = a - b")

static void vjp_mul(wg_vjp *c)
{
    const wg_var g = wg_vjp_grad(c, 0);
    if (wg_vjp_needs(c, 0)) wg_vjp_add(c, 0, wg_mul(g, wg_vjp_in(c, 1)));
    if (wg_vjp_needs(c, 1)) wg_vjp_add(c, 1, wg_mul(g, wg_vjp_in(c, 0)));
}
WG_MAP_OP(MUL, mul, 2, WG_OP_CHEAP | WG_OP_COMMUTATIVE, wg__infer_broadcast_number, "y = a b",
          .patterns = wg__mul_patterns, .n_patterns = WG__MUL_PATTERNS)

/* da = g / b, db = -g y / b */
static void vjp_div(wg_vjp *c)
{
    const wg_var ga = wg_div(wg_vjp_grad(c, 0), wg_vjp_in(c, 1));
    if (wg_vjp_needs(c, 0)) wg_vjp_add(c, 0, ga);
    if (wg_vjp_needs(c, 1)) wg_vjp_add(c, 1, wg_neg(wg_mul(ga, wg_vjp_out(c, 0))));
}
WG_MAP_OP(DIV, div, 2, WG_OP_CHEAP, wg__infer_broadcast_float, "y = a / b")

/* da = g b a^(b-1), db = g y ln a. Where b = 0 the first is 0 even at a = 0, and where a = 0 the
 * second is taken as 0 (its limit for b > 0), instead of 0 times an infinity. */
static void vjp_pow(wg_vjp *c)
{
    const wg_var g = wg_vjp_grad(c, 0), a = wg_vjp_in(c, 0), b = wg_vjp_in(c, 1);
    if (wg_vjp_needs(c, 0)) {
        const wg_var slope = wg_mul(b, wg_pow(a, wg_add_scalar(b, -1.0)));
        const wg_var flat = wg_eq(b, wg__number_like(b, 0.0));
        wg_vjp_add(c, 0, wg_mul(g, wg_where(flat, wg__number_like(b, 0.0), slope)));
    }
    if (wg_vjp_needs(c, 1)) {
        const wg_var zero = wg_eq(a, wg__number_like(a, 0.0));
        const wg_var safe = wg_where(zero, wg__number_like(a, 1.0), a);
        wg_vjp_add(c, 1, wg_mul(g, wg_mul(wg_vjp_out(c, 0), wg_log(safe))));
    }
}
WG_MAP_OP(POW, pow, 2, 0, wg__infer_broadcast_float, "y = a^b")

/* Gradient of the side that wins where `wins`, halved where `ties`. */
static wg_var of_winner(wg_var g, wg_var wins, wg_var ties)
{
    return wg_where(wins, g, wg_where(ties, wg_scale(g, 0.5), wg__number_like(g, 0.0)));
}

static void vjp_min(wg_vjp *c)
{
    const wg_var g = wg_vjp_grad(c, 0), a = wg_vjp_in(c, 0), b = wg_vjp_in(c, 1);
    const wg_var ties = wg_eq(a, b);
    if (wg_vjp_needs(c, 0)) wg_vjp_add(c, 0, of_winner(g, wg_lt(a, b), ties));
    if (wg_vjp_needs(c, 1)) wg_vjp_add(c, 1, of_winner(g, wg_lt(b, a), ties));
}
WG_MAP_OP(MIN, min, 2, WG_OP_CHEAP | WG_OP_KINKS, wg__infer_broadcast_number, "y = min(a, b)")

static void vjp_max(wg_vjp *c)
{
    const wg_var g = wg_vjp_grad(c, 0), a = wg_vjp_in(c, 0), b = wg_vjp_in(c, 1);
    const wg_var ties = wg_eq(a, b);
    if (wg_vjp_needs(c, 0)) wg_vjp_add(c, 0, of_winner(g, wg_gt(a, b), ties));
    if (wg_vjp_needs(c, 1)) wg_vjp_add(c, 1, of_winner(g, wg_gt(b, a), ties));
}
WG_MAP_OP(MAX, max, 2, WG_OP_CHEAP | WG_OP_KINKS, wg__infer_broadcast_number, "y = max(a, b)")

/* da = g (1 - w), db = g w, dw = g (b - a) */
static void vjp_lerp(wg_vjp *c)
{
    const wg_var g = wg_vjp_grad(c, 0), w = wg_vjp_in(c, 2);
    if (wg_vjp_needs(c, 0)) wg_vjp_add(c, 0, wg_mul(g, wg_one_minus(w)));
    if (wg_vjp_needs(c, 1)) wg_vjp_add(c, 1, wg_mul(g, w));
    if (wg_vjp_needs(c, 2)) wg_vjp_add(c, 2, wg_mul(g, wg_sub(wg_vjp_in(c, 1), wg_vjp_in(c, 0))));
}
WG_MAP_OP(LERP, lerp, 3, WG_OP_CHEAP, wg__infer_broadcast_float, "y = a + w (b - a)")

wg_var wg_add(wg_var a, wg_var b)
{
    return wg__record2(&wg__op_add, a, b);
}
wg_var wg_sub(wg_var a, wg_var b)
{
    return wg__record2(&wg__op_sub, a, b);
}
wg_var wg_mul(wg_var a, wg_var b)
{
    return wg__record2(&wg__op_mul, a, b);
}
wg_var wg_div(wg_var a, wg_var b)
{
    return wg__record2(&wg__op_div, a, b);
}
wg_var wg_pow(wg_var a, wg_var b)
{
    return wg__record2(&wg__op_pow, a, b);
}
wg_var wg_min(wg_var a, wg_var b)
{
    return wg__record2(&wg__op_min, a, b);
}
wg_var wg_max(wg_var a, wg_var b)
{
    return wg__record2(&wg__op_max, a, b);
}
wg_var wg_lerp(wg_var a, wg_var b, wg_var w)
{
    return wg__record3(&wg__op_lerp, a, b, w);
}
