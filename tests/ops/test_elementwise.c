/* The standing tests of the elementwise ops, one row each, with values checked against independent
 * formulas in f64. */
#include "op_table.h"

#include <math.h>

#include "ops_internal.h"

#define A in[0]
#define B in[1]
#define C in[2]

/* A recorder and a reference from two expressions. */
#define CASE(name, var, value)                 \
    static wg_var name(const wg_var *in)       \
    {                                          \
        return var;                            \
    }                                          \
    static double name##_ref(const double *in) \
    {                                          \
        (void)in;                              \
        return value;                          \
    }

CASE(add, wg_add(A, B), A + B)
CASE(sub, wg_sub(A, B), A - B)
CASE(mul, wg_mul(A, B), A *B)
CASE(div_, wg_div(A, B), A / B)
CASE(pow_, wg_pow(A, B), pow(A, B))
CASE(min_, wg_min(A, B), fmin(A, B))
CASE(max_, wg_max(A, B), fmax(A, B))
CASE(neg, wg_neg(A), -A)
CASE(exp_, wg_exp(A), exp(A))
CASE(log_, wg_log(A), log(A))
CASE(sqrt_, wg_sqrt(A), sqrt(A))
CASE(square, wg_square(A), pow(A, 2))
CASE(reciprocal, wg_reciprocal(A), pow(A, -1))
CASE(abs_, wg_abs(A), fabs(A))
CASE(sigmoid, wg_sigmoid(A), 0.5 * (1 + tanh(0.5 * A)))
CASE(tanh_, wg_tanh(A), 1 - 2 / (exp(2 * A) + 1))
CASE(relu, wg_relu(A), fmax(A, 0))
CASE(softplus, wg_softplus(A), log(1 + exp(A)))
CASE(gelu, wg_gelu(A), A * 0.5 * (1 + erf(A / sqrt(2))))
CASE(gelu_tanh, wg_gelu_tanh(A),
     A * 0.5 * (1 + tanh(sqrt(2 / acos(-1)) * (A + 0.044715 * pow(A, 3)))))
CASE(erf_, wg_erf(A), erf(A))
CASE(sin_, wg_sin(A), sin(A))
CASE(cos_, wg_cos(A), cos(A))
CASE(one_minus, wg_one_minus(A), 1 - A)
CASE(sign, wg_sign(A), (A > 0) - (A < 0))
CASE(leaky_relu, wg_leaky_relu(A, 0.1), A > 0 ? A : 0.1 * A)
CASE(scale, wg_scale(A, -1.75), -1.75 * A)
CASE(add_scalar, wg_add_scalar(A, 0.625), A + 0.625)
CASE(pow_scalar, wg_pow_scalar(A, 2.5), exp(2.5 * log(A)))
CASE(pow_zero, wg_pow_scalar(A, 0), 1)
CASE(pow_one, wg_pow_scalar(A, 1), A)
CASE(pow_two, wg_pow_scalar(A, 2), A *A)
CASE(pow_three, wg_pow_scalar(A, 3), A *A *A)
CASE(pow_minus, wg_pow_scalar(A, -1), 1 / A)
CASE(clamp, wg_clamp(A, -0.5, 1), fmin(fmax(A, -0.5), 1))
CASE(eq, wg_eq(A, B), A == B)
CASE(ne, wg_ne(A, B), A != B)
CASE(lt, wg_lt(A, B), A < B)
CASE(le, wg_le(A, B), A <= B)
CASE(gt, wg_gt(A, B), A > B)
CASE(ge, wg_ge(A, B), A >= B)
CASE(logical_not, wg_logical_not(A), A == 0)
CASE(logical_and, wg_logical_and(A, B), A != 0 && B != 0)
CASE(logical_or, wg_logical_or(A, B), A != 0 || B != 0)
CASE(where, wg_where(A, B, C), A != 0 ? B : C)
CASE(lerp, wg_lerp(A, B, C), (1 - C) * A + C * B)
CASE(to_i32, wg_cast(A, WG_I32), trunc(A))
CASE(to_u8, wg_cast(A, WG_U8), A > 0 ? trunc(A) : 0)
CASE(of_i32, wg_cast(A, WG_F64), A)

/* Another float dtype and back: the same values, as inputs are f32 numbers. */
static wg_var cast_there(const wg_var *in)
{
    const wg_dtype own = wg_var_dtype(A);
    return wg_cast(wg_sin(wg_cast(A, own == WG_F32 ? WG_F64 : WG_F32)), own);
}

static wg_var clamp_empty(const wg_var *in)
{
    return wg_clamp(A, 1, -1);
}

static wg_var clamp_nan(const wg_var *in)
{
    return wg_clamp(A, NAN, 1);
}

static wg_var cast_nowhere(const wg_var *in)
{
    return wg_cast(A, (wg_dtype)17);
}

#define X                           \
    {                               \
        .shape = "MN", .grad = true \
    }
#define RANGE(a, b)                                          \
    {                                                        \
        .shape = "MN", .low = (a), .high = (b), .grad = true \
    }
#define AWAY(k)                                               \
    {                                                         \
        .shape = "MN", .kink = (k), .gap = 0.02, .grad = true \
    }
#define MASK                          \
    {                                 \
        .shape = "MN", .kind = WGT_U8 \
    }
#define INTEGER(a, b)                                           \
    {                                                           \
        .shape = "MN", .kind = WGT_I32, .low = (a), .high = (b) \
    }

#define ONE(op, fn, ...)                                                                    \
    {                                                                                       \
        .name = (op), .record = fn, .ref = fn##_ref, .n_in = 1, .broadcasts = true, .in = { \
            __VA_ARGS__                                                                     \
        }                                                                                   \
    }

#define BAD_BINARY                                                                      \
    .bad = {{.shape = {"MN", "K"},                                                      \
             .status = WG_ESHAPE,                                                       \
             .message = "shapes do not broadcast: [6,4] and [5]"},                      \
            {.shape = {"MN", "NM"}, .status = WG_ESHAPE, .message = "[6,4] and [4,6]"}, \
            {.dtype = {WG_F32 + 1, WG_F64 + 1},                                         \
             .status = WG_EDTYPE,                                                       \
             .message = "dtypes differ: f32 and f64"},                                  \
            {.dtype = {WG_U8 + 1, WG_F64 + 1}, .status = WG_EDTYPE, .message = "u8"}}
#define TWO(op, fn, ...)                                                            \
    {                                                                               \
        .name = (op), .record = fn, .ref = fn##_ref, .n_in = 2, .broadcasts = true, \
        .in = {__VA_ARGS__}, BAD_BINARY
#define COMPARE(op, fn)                                                                  \
    {.name = (op),                                                                       \
     .record = fn,                                                                       \
     .ref = fn##_ref,                                                                    \
     .n_in = 2,                                                                          \
     .broadcasts = true,                                                                 \
     .no_gradient = true,                                                                \
     .takes_i32 = true,                                                                  \
     .in = {{.shape = "MN"}, {.shape = "MN"}},                                           \
     BAD_BINARY},                                                                        \
        {.name = op ": i32",                                                             \
         .record = fn,                                                                   \
         .ref = fn##_ref,                                                                \
         .n_in = 2,                                                                      \
         .broadcasts = true,                                                             \
         .no_gradient = true,                                                            \
         .in = {INTEGER(-2, 2), INTEGER(-2, 2)}},                                        \
    {                                                                                    \
        .name = op ": u8", .record = fn, .ref = fn##_ref, .n_in = 2, .broadcasts = true, \
        .no_gradient = true, .in = {                                                     \
            MASK,                                                                        \
            MASK                                                                         \
        }                                                                                \
    }
#define NUMBERS(op, fn)                                                                   \
    {                                                                                     \
        .name = op ": i32", .record = fn, .ref = fn##_ref, .n_in = 2, .broadcasts = true, \
        .no_gradient = true, .in = {                                                      \
            INTEGER(-9, 9),                                                               \
            INTEGER(-9, 9)                                                                \
        }                                                                                 \
    }
#define LOGICAL(op, fn)                                                             \
    {                                                                               \
        .name = (op), .record = fn, .ref = fn##_ref, .n_in = 2, .broadcasts = true, \
        .no_gradient = true, .in = {MASK, MASK}, .bad = {                           \
            {.dtype = {0, WG_F32 + 1},                                              \
             .status = WG_EDTYPE,                                                   \
             .message = "operand 2 must be u8, not f32"}                            \
        }                                                                           \
    }

static const wgt_op_row rows[] = {TWO("add", add, X, X), .takes_i32 = true}, TWO("sub", sub, X, X),
                        .takes_i32 = true
}
, TWO("mul", mul, X, X), .takes_i32 = true
}
, TWO("div", div_, X, RANGE(0.5, 2))
}
, TWO("pow", pow_, RANGE(0.5, 2), X)
}
, TWO("min", min_, X, X), .takes_i32 = true
}
, TWO("max", max_, X, X), .takes_i32 = true
}
, NUMBERS("add", add), NUMBERS("sub", sub), NUMBERS("mul", mul), NUMBERS("min", min_),
    NUMBERS("max", max_), ONE("neg", neg, X), ONE("exp", exp_, X), ONE("log", log_, RANGE(0.25, 3)),
    ONE("sqrt", sqrt_, RANGE(0.25, 3)), ONE("square", square, X),
    ONE("reciprocal", reciprocal, RANGE(0.5, 2)), ONE("abs", abs_, AWAY(0)),
    ONE("sigmoid", sigmoid, X), ONE("tanh", tanh_, X), ONE("relu", relu, AWAY(0)),
    ONE("softplus", softplus, X), ONE("gelu", gelu, X), ONE("gelu_tanh", gelu_tanh, X),
    ONE("erf", erf_, X), ONE("sin", sin_, X), ONE("cos", cos_, X), ONE("one_minus", one_minus, X),
    {.name = "sign",
     .record = sign,
     .ref = sign_ref,
     .n_in = 1,
     .broadcasts = true,
     .no_gradient = true,
     .in = {AWAY(0)}},
    ONE("leaky_relu", leaky_relu, AWAY(0)), ONE("scale", scale, X),
    ONE("add_scalar", add_scalar, X), ONE("pow_scalar", pow_scalar, RANGE(0.5, 2)),
    {.name = "pow_scalar: 0",
     .record = pow_zero,
     .ref = pow_zero_ref,
     .n_in = 1,
     .broadcasts = true,
     .no_gradient = true,
     .in = {X}},
    ONE("pow_scalar: 1", pow_one, X), ONE("pow_scalar: 2", pow_two, X),
    ONE("pow_scalar: 3", pow_three, X), ONE("pow_scalar: -1", pow_minus, RANGE(0.5, 2)),
    {.name = "clamp",
     .record = clamp,
     .ref = clamp_ref,
     .n_in = 1,
     .broadcasts = true,
     .in = {RANGE(-0.45, 0.95)},
     .bad = {{.record = clamp_empty,
              .status = WG_EINVAL,
              .message = "low 1 is not at most high -1"},
             {.record = clamp_nan, .status = WG_EINVAL, .message = "low nan"}}},
    ONE("clamp: above", clamp, RANGE(1.05, 2)), ONE("clamp: below", clamp, RANGE(-2, -0.55)),
    COMPARE("eq", eq), COMPARE("ne", ne), COMPARE("lt", lt), COMPARE("le", le), COMPARE("gt", gt),
    COMPARE("ge", ge),
    {.name = "logical_not",
     .record = logical_not,
     .ref = logical_not_ref,
     .n_in = 1,
     .broadcasts = true,
     .no_gradient = true,
     .in = {MASK},
     .bad = {{.dtype = {WG_F32 + 1}, .status = WG_EDTYPE, .message = "must be u8, not f32"}}},
    LOGICAL("logical_and", logical_and), LOGICAL("logical_or", logical_or),
    {.name = "where",
     .record = where,
     .ref = where_ref,
     .n_in = 3,
     .broadcasts = true,
     .in = {MASK, X, X},
     .bad = {{.shape = {"MN", "K", "N"},
              .status = WG_ESHAPE,
              .message = "shapes do not broadcast: [6,4], [5] and [4]"},
             {.dtype = {WG_F32 + 1}, .status = WG_EDTYPE, .message = "operand 1 must be u8"},
             {.dtype = {0, WG_F64 + 1},
              .status = WG_EDTYPE,
              .message = "dtypes differ: f64 and f32"}}},
    {.name = "where: i32",
     .record = where,
     .ref = where_ref,
     .n_in = 3,
     .broadcasts = true,
     .no_gradient = true,
     .in = {MASK, INTEGER(-9, 9), INTEGER(-9, 9)}},
    {.name = "where: u8",
     .record = where,
     .ref = where_ref,
     .n_in = 3,
     .broadcasts = true,
     .no_gradient = true,
     .in = {MASK, MASK, MASK}},
    {.name = "lerp",
     .record = lerp,
     .ref = lerp_ref,
     .n_in = 3,
     .broadcasts = true,
     .in = {X, X, X},
     .bad = {{.shape = {"MN", "N", "K"}, .status = WG_ESHAPE, .message = "and [5]"},
             {.dtype = {0, 0, WG_F64 + 1}, .status = WG_EDTYPE, .message = "dtypes differ"}}},
    {.name = "cast",
     .record = cast_there,
     .n_in = 1,
     .no_gradient = true,
     .takes_i32 = true,
     .in = {X},
     .bad = {{.record = cast_nowhere, .status = WG_EDTYPE, .message = "no such dtype"}}},
    {.name = "cast: to i32",
     .record = to_i32,
     .ref = to_i32_ref,
     .n_in = 1,
     .broadcasts = true,
     .no_gradient = true,
     .takes_i32 = true,
     .in = {RANGE(-300, 300)}},
    {.name = "cast: to u8",
     .record = to_u8,
     .ref = to_u8_ref,
     .n_in = 1,
     .broadcasts = true,
     .no_gradient = true,
     .takes_i32 = true,
     .in = {RANGE(-50, 250)}},
    {.name = "cast: of i32",
     .record = of_i32,
     .ref = of_i32_ref,
     .n_in = 1,
     .broadcasts = true,
     .no_gradient = true,
     .in = {INTEGER(-1e9, 1e9)}},
    {.name = "cast: of u8",
     .record = of_i32,
     .ref = of_i32_ref,
     .n_in = 1,
     .broadcasts = true,
     .no_gradient = true,
     .in = {MASK}},
}
;

int main(void)
{
    static const wg_op *const ops[] = {
#define LIST(name) &wg__op_##name,
        WG_OPS_ELEMENTWISE(LIST)
#undef LIST
    };
    return wgt_run_op_table(rows, sizeof rows / sizeof rows[0], ops, sizeof ops / sizeof ops[0]);
}
