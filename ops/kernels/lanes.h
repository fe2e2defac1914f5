/* Functions of vectors, for loops that much of the time outside of products goes into. Compilers
 * vectorise those of vecmath.h, too, but make several instructions of a bound and a loop of scalars
 * of a row's last elements; here each element, wherever it is, goes through the same few. (tanh,
 * which has one bound and more constants than there are registers, gains nothing.) Included by
 * table.c; the errors stated are those that tests/ops/test_ulp.c finds, as in vecmath.h. */

WG_EXP_PARTS(vec_f32, vec)

static inline vec_f32 larger_f32(vec_f32 a, vec_f32 b)
{
    return wg__vec_max(a, b);
}

static inline vec_f64 larger_f64(vec_f64 a, vec_f64 b)
{
    const mask_f64 which = a > b;
    return (vec_f64)((which & (mask_f64)a) | (~which & (mask_f64)b));
}

static inline vec_f32 all_lanes(float x)
{
    return (vec_f32){0} + x;
}

/* The number whose exponent the low bits of t are. */
static inline vec_f32 power_of(vec_f32 t)
{
    return (vec_f32)((mask_f32)t << 23);
}

/* e^x for x <= 0 (or NaN); 0.88 ulp. 2^n is 2^(n + 64) 2^-64, so that denormal results come out
 * right, and the second of these is in the coefficients. */
static inline vec_f32 exp_below_f32(vec_f32 x)
{
    vec_f32 t;
    const vec_f32 bounded = wg__vec_max(all_lanes(-120.0f), x);
    const vec_f32 r = wg__exp_reduce_vec(bounded, 1.0f, 127.0f + 64.0f, &t);
    return wg__exp_core_vec(r, 1.0f, 0x1p-64f) * power_of(t);
}

static inline vec_f64 exp_below_f64(vec_f64 x)
{
    for (size_t j = 0; j < sizeof x / sizeof x[0]; j++) x[j] = exp(x[j]);
    return x;
}

/* 1 / (1 + e^-x) = c / (c + c 2^n e^r) with e^-x = 2^n e^r and c = 2^-32: nothing overflows where
 * the result is denormal, and the negative tail keeps its relative precision. 2.5 ulp; above
 * -16: 2.2 */
static inline vec_f32 lanes_sigmoid(vec_f32 x)
{
    const float c = 0x1p-32f;
    vec_f32 t;
    x = wg__vec_min(all_lanes(60.0f), wg__vec_max(all_lanes(-105.0f), x));
    const vec_f32 r = wg__exp_reduce_vec(x, -1.0f, 127.0f - 32.0f, &t);
    return c / (power_of(t) * wg__exp_core_vec(r, -1.0f, 1.0f) + c);
}

/* A map of one or two operands by such a function. Where n is no multiple, the last vector begins
 * earlier; it is read before anything is written, since out may be an operand. */
#define LANES_MAP(name, f, two)                                                  \
    static void name(const wg_map *c)                                            \
    {                                                                            \
        enum { L = WG_LANES };                                                   \
        const float *pa = c->in[0], *pb = c->in[two ? 1 : 0];                    \
        float *py = c->out;                                                      \
        const int64_t n = c->n;                                                  \
        vec_f32 v, w, last = {0};                                                \
        int64_t i = 0;                                                           \
        if (n >= L) {                                                            \
            memcpy(&last, pa + n - L, sizeof last);                              \
            memcpy(&w, pb + n - L, sizeof w);                                    \
            if (two) last += w;                                                  \
        }                                                                        \
        for (; i + 2 * L <= n; i += 2 * L) WG_UNROLL for (int k = 0; k < 2; k++) \
            {                                                                    \
                memcpy(&v, pa + i + k * L, sizeof v);                            \
                memcpy(&w, pb + i + k * L, sizeof w);                            \
                v = f(two ? v + w : v);                                          \
                memcpy(py + i + k * L, &v, sizeof v);                            \
            }                                                                    \
        if (i + L <= n) {                                                        \
            memcpy(&v, pa + i, sizeof v);                                        \
            memcpy(&w, pb + i, sizeof w);                                        \
            v = f(two ? v + w : v);                                              \
            memcpy(py + i, &v, sizeof v);                                        \
            i += L;                                                              \
        }                                                                        \
        if (i < n && n > L) {                                                    \
            v = f(last);                                                         \
            memcpy(py + n - L, &v, sizeof v);                                    \
            return;                                                              \
        }                                                                        \
        for (; i < n; i++) {                                                     \
            v = all_lanes(two ? pa[i] + pb[i] : pa[i]);                          \
            v = f(v);                                                            \
            py[i] = v[0];                                                        \
        }                                                                        \
    }
LANES_MAP(sigmoid_f32, lanes_sigmoid, 0)
LANES_MAP(sigmoid_add_f32, lanes_sigmoid, 1)
