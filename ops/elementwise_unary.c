/* Elementwise ops of one floating operand: kernel and VJP rule side by side. Rules use the op's own
 * output wherever the derivative is a function of it, so that the input need not be kept. */
#include "ops_internal.h"
#include "patterns.h"

#include <math.h>

#define INV_SQRT_2 0.70710678118654752440
#define INV_SQRT_2PI 0.39894228040143267794
#define TWO_OVER_SQRT_PI 1.12837916709551257390

/* rule: the gradient of x, an expression of the gradient g, the input x and the output y. */
#define UNARY(NAME, id, more_traits, formula, rule, ...)                            \
    WG_MAP_LOOP(NAME, id)                                                           \
    static void vjp_##id(wg_vjp *c)                                                 \
    {                                                                               \
        const wg_var g = wg_vjp_grad(c, 0);                                         \
        const wg_var x = wg_vjp_in(c, 0);                                           \
        const wg_var y = wg_vjp_out(c, 0);                                          \
        (void)x, (void)y;                                                           \
        wg_vjp_add(c, 0, (rule));                                                   \
    }                                                                               \
    const wg_op wg__op_##id = {.size = sizeof(wg_op),                               \
                               .name = #id,                                         \
                               .version = 1,                                        \
                               .traits = WG_OP_MAP | WG_OP_INPLACE | (more_traits), \
                               .n_in = 1,                                           \
                               .n_out = 1,                                          \
                               .infer = wg__infer_unary_float,                      \
                               .vjp = vjp_##id,                                     \
                               .map = map_##id,                                     \
                               .loop = loop_##id,                                   \
                               .doc = (formula),                                    \
                               __VA_ARGS__};                                        \
    wg_var wg_##id(wg_var x)                                                        \
    {                                                                               \
        return wg__record1(&wg__op_##id, x);                                        \
    }

UNARY(NEG, neg, WG_OP_CHEAP, "y = -x", wg_neg(g))
UNARY(EXP, exp, 0, "y = e^x", wg_mul(g, y))
UNARY(LOG, log, 0, "y = ln x", wg_div(g, x))
UNARY(SQRT, sqrt, WG_OP_CHEAP, "y = x^(1/2)", wg_scale(wg_div(g, y), 0.5))
UNARY(SQUARE, square, WG_OP_CHEAP, "y = x x", wg_mul(g, wg_scale(x, 2.0)))
UNARY(RECIPROCAL, reciprocal, WG_OP_CHEAP, "y = 1 / x", wg_neg(wg_mul(g, wg_square(y))))
UNARY(ABS, abs, WG_OP_CHEAP | WG_OP_KINKS, "y = |x|", wg_mul(g, wg_sign(x)))
UNARY(SIGMOID, sigmoid, 0, "y = 1 / (1 + e^-x)", wg_mul(g, wg_mul(y, wg_one_minus(y))),
      .patterns = wg__sigmoid_patterns, .n_patterns = WG__SIGMOID_PATTERNS)
UNARY(TANH, tanh, 0, "y = tanh x", wg_mul(g, wg_one_minus(wg_square(y))),
      .patterns = wg__tanh_patterns, .n_patterns = WG__TANH_PATTERNS)
UNARY(RELU, relu, WG_OP_CHEAP | WG_OP_KINKS, "y = max(x, 0)",
      wg_where(wg_gt(x, wg__number_like(x, 0.0)), g, wg__number_like(g, 0.0)))
UNARY(SOFTPLUS, softplus, 0, "y = ln(1 + e^x)", wg_mul(g, wg_sigmoid(x)))
UNARY(ERF, erf, 0, "y = erf x", wg_mul(g, wg_scale(wg_exp(wg_neg(wg_square(x))), TWO_OVER_SQRT_PI)))
UNARY(SIN, sin, 0, "y = sin x", wg_mul(g, wg_cos(x)))
UNARY(COS, cos, 0, "y = cos x", wg_neg(wg_mul(g, wg_sin(x))))
UNARY(ONE_MINUS, one_minus, WG_OP_CHEAP, "y = 1 - x", wg_neg(g))

/* Phi(x) + x phi(x), with Phi = (1 + erf(x / sqrt 2)) / 2 and phi its density */
static wg_var gelu_slope(wg_var x)
{
    const wg_var cdf = wg_add_scalar(wg_scale(wg_erf(wg_scale(x, INV_SQRT_2)), 0.5), 0.5);
    const wg_var density = wg_scale(wg_exp(wg_scale(wg_square(x), -0.5)), INV_SQRT_2PI);
    return wg_add(cdf, wg_mul(x, density));
}
UNARY(GELU, gelu, 0, "y = x Phi(x), Phi by erf", wg_mul(g, gelu_slope(x)))

/* y = x s(w), w = 2 sqrt(2/pi) (x + 0.044715 x^3):  s + x s (1 - s) w' */
static wg_var gelu_tanh_slope(wg_var x)
{
    const double c1 = 1.5957691216057308, c3 = c1 * 0.044715;
    const wg_var xx = wg_square(x);
    const wg_var s = wg_sigmoid(wg_mul(x, wg_add_scalar(wg_scale(xx, c3), c1)));
    const wg_var dw = wg_add_scalar(wg_scale(xx, 3.0 * c3), c1);
    return wg_add(s, wg_mul(wg_mul(x, dw), wg_mul(s, wg_one_minus(s))));
}
UNARY(GELU_TANH, gelu_tanh, 0, "y = x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))",
      wg_mul(g, gelu_tanh_slope(x)))

WG_MAP_LOOP(SIGN, sign)
const wg_op wg__op_sign = {
    .size = sizeof(wg_op),
    .name = "sign",
    .version = 1,
    .traits = WG_OP_MAP | WG_OP_INPLACE | WG_OP_CHEAP | WG_OP_KINKS | WG_OP_NO_GRADIENT,
    .n_in = 1,
    .n_out = 1,
    .infer = wg__infer_unary_float,
    .map = map_sign,
    .loop = loop_sign,
    .doc = "y = -1, 0 or 1",
};
wg_var wg_sign(wg_var x)
{
    return wg__record1(&wg__op_sign, x);
}
