/* Template: elementwise kernels of one floating dtype. Included by table.c with
 *   T        the C type             M(f)   the name of function f of vecmath.h
 *   LIBM(f)  libm's f for T         FN(k)  the name of kernel k
 *   MATH_LOOP  the loop pragma for vecmath (empty where it calls libm)
 *
 * WG_SIMD states that iterations are independent: out is one of the inputs or disjoint from all. */

#define UNARY_LOOP(name, loop, expr)         \
    static void FN(name)(const wg_map *c)    \
    {                                        \
        const T *px = c->in[0];              \
        T *py = c->out;                      \
        const int64_t n = c->n;              \
        loop for (int64_t i = 0; i < n; i++) \
        {                                    \
            const T x = px[i];               \
            py[i] = (expr);                  \
        }                                    \
    }
#define UNARY(name, expr) UNARY_LOOP(name, WG_SIMD, expr)
#define UNARY_MATH(name) UNARY_LOOP(name, MATH_LOOP, M(name)(x))

#define SCALAR_LOOP(name, loop, expr)            \
    static void FN(name)(const wg_map *c)        \
    {                                            \
        const T *px = c->in[0];                  \
        T *py = c->out;                          \
        const wg__scalar_attr *attr = c->attr;   \
        const T s = (T)attr->a, s2 = (T)attr->b; \
        const int64_t n = c->n;                  \
        (void)s2;                                \
        loop for (int64_t i = 0; i < n; i++)     \
        {                                        \
            const T x = px[i];                   \
            py[i] = (expr);                      \
        }                                        \
    }

#define BINARY_LOOP(name, loop, out_type, expr) \
    static void FN(name)(const wg_map *c)       \
    {                                           \
        const T *pa = c->in[0], *pb = c->in[1]; \
        out_type *py = c->out;                  \
        const int64_t n = c->n;                 \
        loop for (int64_t i = 0; i < n; i++)    \
        {                                       \
            const T a = pa[i], b = pb[i];       \
            py[i] = (out_type)(expr);           \
        }                                       \
    }
#define BINARY(name, expr) BINARY_LOOP(name, WG_SIMD, T, expr)
#define COMPARE(name, expr) BINARY_LOOP(name, WG_SIMD, uint8_t, expr)

BINARY(add, a + b)
BINARY(sub, a - b)
BINARY(mul, a *b)
BINARY(div, a / b)
BINARY_LOOP(pow, , T, LIBM(pow)(a, b))
/* a NaN on either side wins */
BINARY(min, a < b || a != a ? a : b)
BINARY(max, a > b || a != a ? a : b)

UNARY(neg, -x)
UNARY(square, x *x)
UNARY(reciprocal, (T)1 / x)
UNARY(sqrt, LIBM(sqrt)(x))
UNARY(abs, LIBM(fabs)(x))
UNARY(relu, x > 0 || x != x ? x : (T)0)
UNARY(one_minus, (T)1 - x)
UNARY(sign, x > 0 ? (T)1 : (x < 0 ? (T)-1 : x))
UNARY_MATH(exp)
UNARY_MATH(log)
UNARY_MATH(tanh)
UNARY_MATH(softplus)
UNARY_MATH(gelu)
UNARY_MATH(gelu_tanh)
UNARY_MATH(erf)
UNARY_LOOP(sin, , LIBM(sin)(x))
UNARY_LOOP(cos, , LIBM(cos)(x))

SCALAR_LOOP(leaky_relu, WG_SIMD, x > 0 ? x : s * x)
SCALAR_LOOP(scale, WG_SIMD, s *x)
SCALAR_LOOP(add_scalar, WG_SIMD, x + s)
SCALAR_LOOP(pow_scalar, , LIBM(pow)(x, s))
SCALAR_LOOP(clamp, WG_SIMD, x < s ? s : (x > s2 ? s2 : x))

COMPARE(eq, a == b)
COMPARE(ne, a != b)
COMPARE(lt, a < b)
COMPARE(le, a <= b)
COMPARE(gt, a > b)
COMPARE(ge, a >= b)

static void FN(lerp)(const wg_map *c)
{
    const T *pa = c->in[0], *pb = c->in[1], *pw = c->in[2];
    T *py = c->out;
    const int64_t n = c->n;
    WG_SIMD for (int64_t i = 0; i < n; i++)
    {
        py[i] = pa[i] + pw[i] * (pb[i] - pa[i]);
    }
}

/* Trees of maps whose root is a function of vecmath.h (trees.c has the others). */
#define SUM_LOOP(name, f)                         \
    static void FN(name)(const wg_map *c)         \
    {                                             \
        const T *pa = c->in[0], *pb = c->in[1];   \
        T *py = c->out;                           \
        const int64_t n = c->n;                   \
        MATH_LOOP for (int64_t i = 0; i < n; i++) \
        {                                         \
            py[i] = M(f)(pa[i] + pb[i]);          \
        }                                         \
    }
SUM_LOOP(tanh_add, tanh)
#ifdef WG_LIBM_MAPS /* those of f32 are in lanes.h */
UNARY_MATH(sigmoid)
SUM_LOOP(sigmoid_add, sigmoid)
#endif

#undef SUM_LOOP
#undef UNARY_LOOP
#undef UNARY
#undef UNARY_MATH
#undef SCALAR_LOOP
#undef BINARY_LOOP
#undef BINARY
#undef COMPARE
