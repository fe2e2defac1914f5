/* Transcendental functions that a compiler can vectorise: f32 as branch-free polynomials, f64 as
 * libm's functions under the same names, so that one source serves both.
 *
 * Every f32 function is right at 0, +-inf, NaN and denormals and never needs a floating point flag.
 * The errors stated are the largest found against f64 libm by tests/ops/test_ulp.c over the whole
 * range (every 97th f32), in units in the last place of the f32 result, with gcc 12 and clang 14,
 * without and with fused multiply-adds (base, AVX2; AVX-512 emulated). Nothing here may
 * be rearranged by value-changing optimisations: -ffast-math is banned in this project. */
#ifndef WG_OPS_VECMATH_H
#define WG_OPS_VECMATH_H

#include <math.h>
#include <stdint.h>
#include <string.h>

/* 2 sqrt(2/pi), and 0.044715 times that */
#define GELU_TANH_C1 1.5957691216057308
#define GELU_TANH_C3 (GELU_TANH_C1 * 0.044715)

static inline uint32_t wg__bits(float x)
{
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

static inline float wg__float(uint32_t u)
{
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}

/* The smaller, the larger of x and a number; a NaN stays. Written as the vector instructions have
 * it, whose second operand comes out where a comparison fails. */
static inline float wg__most_f32(float limit, float x)
{
    return limit < x ? limit : x;
}

static inline float wg__least_f32(float limit, float x)
{
    return limit > x ? limit : x;
}

/* Parts of the exponential, for F a number or a vector of them; sign is 1, or -1 for e^-x.
 *
 * reduce: sign x = n ln 2 + sign r, |r| <= ln(2)/2. Returns r; the low bits of *t, as an integer,
 * are those of n + bias, and nothing else of t survives a shift to the place of the exponent, where
 * a bias of 127 + k makes them the number 2^(n + k). For |x| < 2^20. Adding a number of 2^23 and
 * more rounds to the nearest integer.
 *
 * core: scale e^(sign r) for |r| <= ln(2)/2 and a power of two that is constant: it is one with the
 * coefficients. The polynomial is 1 + r and the minimax approximation of the rest, its coefficients
 * rounded one after the other; relative error 3.2e-9. The last two steps are those of Horner's
 * scheme where they round once each; without fused multiply-adds that would cost an eighth of an
 * ulp. */
#ifdef __FMA__
#define WG_EXP_END(p, r, sign, scale) ((p) * (r) + (sign) * (scale)) * (r) + (scale)
#else
#define WG_EXP_END(p, r, sign, scale) ((p) * ((r) * (r)) + (r) * ((sign) * (scale))) + (scale)
#endif
#define WG_EXP_PARTS(F, suffix)                                                \
    static inline F wg__exp_reduce_##suffix(F x, float sign, float bias, F *t) \
    {                                                                          \
        const float magic = 0x1.8p23f + bias;                                  \
        const F shifted = x * (sign * 0x1.715476p0f) + magic;                  \
        const F n = shifted - magic;                                           \
        *t = shifted;                                                          \
        return (x - n * (sign * 0x1.62e4p-1f)) - n * (sign * 0x1.7f7d1cp-20f); \
    }                                                                          \
    static inline F wg__exp_core_##suffix(F r, float sign, float scale)        \
    {                                                                          \
        F p = r * (0x1.6a5228p-10f * scale) + 0x1.12396cp-7f * (sign * scale); \
        p = p * r + 0x1.5558aap-5f * scale;                                    \
        p = p * r + 0x1.555492p-3f * (sign * scale);                           \
        p = p * r + 0x1.fffffcp-2f * scale;                                    \
        return WG_EXP_END(p, r, sign, scale);                                  \
    }
WG_EXP_PARTS(float, f32)

/* p 2^n for n of wg__exp_reduce_f32 without bias, in two halves so that denormal results come out
 * right */
static inline float wg__scale_f32(float p, float shifted)
{
    const uint32_t t = wg__bits(shifted), half = t >> 1, one = 127u << 23;
    return p * wg__float((half << 23) + one) * wg__float(((t - half) << 23) + one);
}

/* factor e^(x + low) for |low| much smaller than 1. The low part lets callers hand over an argument
 * of more than f32 precision, which large |x| needs (an error of e in x is one of e in the result);
 * the factor enters before the result can become denormal and lose bits. */
static inline float wg__exp_times_f32(float x, float low, float factor)
{
    float t;
    const float r =
        wg__exp_reduce_f32(wg__least_f32(-120.0f, wg__most_f32(90.0f, x)), 1.0f, 0.0f, &t) + low;
    return wg__scale_f32(wg__exp_core_f32(r, 1.0f, 1.0f) * factor, t);
}

/* e^x; 0.99 ulp, results below 2^-126 included */
static inline float wg__exp_f32(float x)
{
    float t;
    const float r =
        wg__exp_reduce_f32(wg__least_f32(-120.0f, wg__most_f32(90.0f, x)), 1.0f, 0.0f, &t);
    return wg__scale_f32(wg__exp_core_f32(r, 1.0f, 1.0f), t);
}

/* ln(1 + f) + k ln 2 for f in [sqrt(1/2) - 1, sqrt(2) - 1]: fdlibm's e_logf.c (Sun, 1993). */
static inline float wg__log1p_core_f32(float f, float k)
{
    const float s = f / (2.0f + f);
    const float z = s * s;
    const float w = z * z;
    const float t1 = w * (0xccce13.0p-25f + w * 0xf89e26.0p-26f);
    const float t2 = z * (0xaaaaaa.0p-24f + w * 0x91e9ee.0p-25f);
    const float h = 0.5f * f * f;
    return k * 0x1.62e3p-1f - ((h - (s * (h + (t1 + t2)) + k * 0x1.2fefa2p-17f)) - f);
}

/* ln x; 0.79 ulp */
static inline float wg__log_f32(float x)
{
    const int tiny = x < 0x1p-126f;
    const float scaled = tiny ? x * 0x1p23f : x;
    /* the exponent such that the mantissa lies in [sqrt(1/2), sqrt(2)) */
    const uint32_t u = wg__bits(scaled) - 0x3f3504f3u;
    const int32_t e = (int32_t)u >> 23;
    const float m = wg__float((u & 0x007fffffu) + 0x3f3504f3u);
    float y = wg__log1p_core_f32(m - 1.0f, (float)e - (tiny ? 23.0f : 0.0f));
    y = x == INFINITY ? INFINITY : y;
    y = x == 0.0f ? -INFINITY : y;
    return x >= 0.0f ? y : NAN;
}

/* tanh x: Cephes' polynomial below 0.625, 1 - 2 / (e^2|x| + 1) elsewhere; 1.4 ulp. Where the
 * exponential is large its error does not matter, so that n ln 2 need not be exact, and half of it
 * is subtracted from |x|: r is half of what the polynomial has. */
static inline float wg__tanh_f32(float x)
{
    const float a = fabsf(x);
    const float z = a * a;
    float p = -5.70498872745e-3f;
    p = p * z + 2.06390887954e-2f;
    p = p * z - 5.37397155531e-2f;
    p = p * z + 1.33314422036e-1f;
    p = p * z - 3.33332819422e-1f;
    const float small = p * z * a + a;
    const float b = wg__most_f32(10.0f, a);
    const float magic = 0x1.8p23f + 127.0f;
    const float shifted = b * 0x1.715476p1f + magic;
    const float n = shifted - magic;
#ifdef __FMA__
    const float r = b - n * 0x1.62e43p-2f;
#else
    const float r = (b - n * 0x1.62e4p-2f) - n * 0x1.7f7d1cp-21f;
#endif
    float q = 0x1.6a5228p-4f;
    q = q * r + 0x1.12396cp-2f;
    q = q * r + 0x1.5558aap-1f;
    q = q * r + 0x1.555492p0f;
    q = q * r + 0x1.fffffcp0f;
    q = q * r + 2.0f;
    q = q * r + 1.0f;
    const float large = 1.0f - 2.0f / (wg__float(wg__bits(shifted) << 23) * q + 1.0f);
    return wg__float(wg__bits(a < 0.625f ? small : large) | (wg__bits(x) & 0x80000000u));
}

/* ln(1 + e^x) = max(x, 0) + ln(1 + e^-|x|); 1.7 ulp */
static inline float wg__softplus_f32(float x)
{
    const float e = wg__exp_f32(-fabsf(x));
    const int big = e > 0.41421356f;
    const float f = big ? 0.5f * (e - 1.0f) : e;
    return (x > 0.0f ? x : 0.0f) + wg__log1p_core_f32(f, big ? 1.0f : 0.0f);
}

/* erf x: minimax polynomials below and above 0.9277, the latter of ln(1 - erf); 1.2 ulp */
static inline float wg__erf_f32(float x)
{
    float a = fabsf(x);
    a = a > 4.0f ? 4.0f : a;
    const float s = a * a;
    float r = -1.72853470e-5f * a + 3.83197126e-4f;
    const float u = -3.88396438e-3f * a + 2.42546219e-2f;
    r = r * s + u;
    r = r * a - 1.06777877e-1f;
    r = r * a - 6.34846687e-1f;
    r = r * a - 1.28717512e-1f;
    r = r * a - a;
    const float large = copysignf(1.0f - wg__exp_f32(r), x);
    float p = -5.96761703e-4f;
    p = p * s + 4.99119423e-3f;
    p = p * s - 2.67681349e-2f;
    p = p * s + 1.12819925e-1f;
    p = p * s - 3.76125336e-1f;
    p = p * s + 1.28379166e-1f;
    return a > 0.927734375f ? large : p * x + x;
}

/* x Phi(x). Near 0 x/2 (1 + erf a) with a = x / sqrt 2 and erf's polynomial above. Elsewhere by the
 * tail, |x| Phi(-|x|) with erfc a = e^(-a a) (1 + p(q)) / (1 + 2 a), q = (a - 2) / (a + 2) (the
 * form of Shepherd & Laframboise 1981); a a is formed in f64, since f32 would lose up to 6 bits of
 * it; so is the quotient, for its last bit. 3.1 ulp */
static inline float wg__gelu_f32(float x)
{
    float b = fabsf(x);
    b = b > 15.0f ? 15.0f : b;
    const float a = b * 0x1.6a09e6p-1f;
    const float s = a * a;
    float r = -5.96761703e-4f;
    r = r * s + 4.99119423e-3f;
    r = r * s - 2.67681349e-2f;
    r = r * s + 1.12819925e-1f;
    r = r * s - 3.76125336e-1f;
    r = r * s + 1.28379166e-1f;
    const float half = 0.5f * x;
    const float small = half * copysignf(r * a + a, x) + half;
    const float q = (a - 2.0f) / (a + 2.0f);
    float p = -4.01139259e-4f;
    p = p * q - 1.23075210e-3f;
    p = p * q + 1.31355342e-3f;
    p = p * q + 8.63227434e-3f;
    p = p * q - 8.05991981e-3f;
    p = p * q - 5.42046614e-2f;
    p = p * q + 1.64055392e-1f;
    p = p * q - 1.66031361e-1f;
    p = p * q - 9.27639827e-2f;
    p = p * q + 2.76978403e-1f;
    const double d = (double)b;
    const float g = (float)(0.5 * d * (1.0 + (double)p) / (1.0 + 1.4142135623730951 * d));
    const double square = -0.5 * d * d;
    const float high = (float)square;
    const float low = (float)(square - (double)high);
    const float tail = wg__exp_times_f32(high, low, g);
    const float far = x < 0.0f ? -tail : x - tail;
    return x > -0.25f && x < 1.0f ? small : far;
}

/* x/2 (1 + tanh u) = x sigmoid(2 u), 2 u = x (c1 + c2 x x) formed in f64 for the negative tail; 3.1
 * ulp */
static inline float wg__gelu_tanh_f32(float x)
{
    float b = fabsf(x);
    b = b > 15.0f ? 15.0f : b;
    const double d = (double)b;
    const double w = -d * (GELU_TANH_C1 + GELU_TANH_C3 * d * d);
    const float high = (float)w;
    const float low = (float)(w - (double)high);
    const float e = wg__exp_times_f32(high, low, 1.0f);
    const float tail = wg__exp_times_f32(high, low, b) / (1.0f + e);
    return x < 0.0f ? -tail : x / (1.0f + e);
}

static inline double wg__exp_f64(double x)
{
    return exp(x);
}

static inline double wg__log_f64(double x)
{
    return log(x);
}

static inline double wg__sigmoid_f64(double x)
{
    const double e = exp(-fabs(x));
    return (x >= 0.0 ? 1.0 : e) / (1.0 + e);
}

static inline double wg__tanh_f64(double x)
{
    return tanh(x);
}

static inline double wg__softplus_f64(double x)
{
    return (x > 0.0 ? x : 0.0) + log1p(exp(-fabs(x)));
}

static inline double wg__erf_f64(double x)
{
    return erf(x);
}

static inline double wg__gelu_f64(double x)
{
    return x == -INFINITY ? -0.0 : 0.5 * x * erfc(-x * 0.70710678118654752440);
}

static inline double wg__gelu_tanh_f64(double x)
{
    const double w = x * (GELU_TANH_C1 + GELU_TANH_C3 * x * x);
    return x == -INFINITY ? -0.0 : x * wg__sigmoid_f64(w);
}

#endif
