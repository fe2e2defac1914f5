/* Accuracy of the f32 functions: against f64 libm over every exponent, both signs, denormals, and
 * densely where they turn; special values; each instruction set that the CPU has.
 *
 * The bounds are those that ops/kernels/vecmath.h states. WGT_ULP_STRIDE=97 measures more points
 * (stride over the bit patterns of f32), and the largest errors are printed. */
#include "support.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/kernels.h"

static double ref_sigmoid(double x)
{
    return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x));
}
static double ref_softplus(double x)
{
    return fmax(x, 0) + log1p(exp(-fabs(x)));
}
static double ref_gelu(double x)
{
    return isinf(x) ? (x > 0 ? x : 0) : 0.5 * x * erfc(-x / sqrt(2.0));
}
static double ref_gelu_tanh(double x)
{
    const double u = sqrt(2 / acos(-1.0)) * (x + 0.044715 * x * x * x);
    return x == -INFINITY ? 0 : x * ref_sigmoid(2 * u);
}

typedef struct function {
    const char *name;
    int kernel;
    double (*ref)(double x);
    double bound; /* ulp: what vecmath.h states, and a little for other compilers */
} function;

static const function functions[] = {
    {"exp", WG__K_EXP, exp, 1.05},
    {"log", WG__K_LOG, log, 0.85},
    {"sigmoid", WG__K_SIGMOID, ref_sigmoid, 2.5},
    {"tanh", WG__K_TANH, tanh, 1.4},
    {"softplus", WG__K_SOFTPLUS, ref_softplus, 1.7},
    {"erf", WG__K_ERF, erf, 1.2},
    {"gelu", WG__K_GELU, ref_gelu, 3.2},
    {"gelu_tanh", WG__K_GELU_TANH, ref_gelu_tanh, 3.2},
    {"sin", WG__K_SIN, sin, 1},
    {"cos", WG__K_COS, cos, 1},
    {"sqrt", WG__K_SQRT, sqrt, 0.5001},
};

static float of_bits(uint32_t u)
{
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}

/* Distance of y from ref in units of the last place that an f32 near ref has. */
static double ulps(float y, double ref)
{
    if (isnan(ref)) return isnan(y) ? 0 : INFINITY;
    if (isnan(y)) return INFINITY;
    if ((double)y == ref || y == (float)ref) return fabs((double)y - ref) > 0 ? 0.5 : 0;
    if (isinf(y)) y = y > 0 ? FLT_MAX : -FLT_MAX; /* next to the overflow threshold, or wrong */
    int e;
    frexp(ref, &e);
    return fabs((double)y - ref) / ldexp(1, e - 24 < -149 ? -149 : e - 24);
}

static void run_map(int isa, int kernel, int64_t n, const float *x, float *y)
{
    const void *in[] = {x};
    const wg_map map = {
        .n = n, .dtype = WG_F32, .out_dtype = WG_F32, .out = y, .in = in, .isa = isa};
    wg__kernels_for(isa)->map[kernel][WG_F32](&map);
}

enum { BLOCK = 1000 }; /* no multiple of a vector: tails are measured too */

typedef struct measure {
    double worst[WG_ISAS];
    float at[WG_ISAS];
} measure;

static void measure_block(const function *f, const float *x, int64_t n, measure *m)
{
    double ref[BLOCK];
    float y[BLOCK];
    for (int64_t i = 0; i < n; i++) ref[i] = f->ref((double)x[i]);
    for (int isa = 0; isa <= (int)wg_isa_best(); isa++) {
        run_map(isa, f->kernel, n, x, y);
        for (int64_t i = 0; i < n; i++) {
            const double e = ulps(y[i], ref[i]);
            if (!(e <= m->worst[isa])) m->worst[isa] = e, m->at[isa] = x[i];
        }
    }
}

static void accurate(void **state)
{
    const function *f = *state;
    const char *text = getenv("WGT_ULP_STRIDE");
    const uint64_t stride = text ? (uint64_t)strtoul(text, NULL, 10) : 4099;
    assert_true(stride > 0);
    measure m = {{0}, {0}};
    float x[BLOCK];
    int64_t n = 0;
    for (uint64_t u = 0; u <= UINT32_MAX; u += stride) {
        x[n++] = of_bits((uint32_t)u);
        if (n == BLOCK) measure_block(f, x, n, &m), n = 0;
    }
    const double step = 40.0 * (double)stride / 4099e5;
    for (double v = -20; v < 20; v += step) {
        x[n++] = (float)v;
        if (n == BLOCK) measure_block(f, x, n, &m), n = 0;
    }
    measure_block(f, x, n, &m);
    for (int isa = 0; isa <= (int)wg_isa_best(); isa++)
        print_message("%-10s %-7s %.3f ulp at %a (%g)\n", f->name, wg_isa_name((wg_isa)isa),
                      m.worst[isa], (double)m.at[isa], (double)m.at[isa]);
    for (int isa = 0; isa <= (int)wg_isa_best(); isa++) assert_true(m.worst[isa] <= f->bound);
}

/* The exponentials of rows, which know that no argument is above 0, are as good as exp. */
static void exponentials_of_rows(void **state)
{
    (void)state;
    const function f = {"exp_sub", WG__K_EXP, exp, 1.05};
    for (int isa = 0; isa <= (int)wg_isa_best(); isa++) {
        double worst = 0;
        float x[BLOCK], y[BLOCK], at = 0;
        for (uint64_t u = 0x80000000U; u <= UINT32_MAX; u += 4099 * (uint64_t)BLOCK) {
            double sum = 0;
            for (int i = 0; i < BLOCK; i++) {
                x[i] = of_bits((uint32_t)(u + 4099 * (uint64_t)i));
                if (!(x[i] <= 0)) x[i] = (float)(-0.11 * i); /* past the end, or a NaN */
            }
            double got = wg__kernels_for(isa)->exp_sub_row[WG_F32](x, 0, y, BLOCK);
            for (int i = 0; i < BLOCK; i++) {
                const double e = ulps(y[i], f.ref((double)x[i]));
                if (!(e <= worst)) worst = e, at = x[i];
                sum += (double)y[i];
            }
            assert_true(fabs(got - sum) <= 1e-6 * sum);
        }
        print_message("%-10s %-7s %.3f ulp at %a (%g)\n", f.name, wg_isa_name((wg_isa)isa), worst,
                      (double)at, (double)at);
        assert_true(worst <= f.bound);
        for (int n = 1; n <= 33; n += 16) {
            for (int i = 0; i < n; i++) x[i] = i % 2 ? -INFINITY : 0;
            wg__kernels_for(isa)->exp_sub_row[WG_F32](x, 0, y, n);
            for (int i = 0; i < n; i++) assert_true(y[i] == (i % 2 ? 0 : 1));
            x[n - 1] = NAN;
            assert_true(isnan(wg__kernels_for(isa)->exp_sub_row[WG_F32](x, 0, y, n)));
            assert_true(isnan(y[n - 1]));
        }
    }
}

static void special_values(void **state)
{
    (void)state;
    static const struct {
        int kernel;
        double x, y;
    } cases[] = {
        {WG__K_EXP, INFINITY, INFINITY},
        {WG__K_EXP, -INFINITY, 0},
        {WG__K_EXP, 0, 1},
        {WG__K_EXP, -0.0, 1},
        {WG__K_EXP, 88.8, INFINITY},
        {WG__K_EXP, -104, 0},
        {WG__K_EXP, 3e38, INFINITY},
        {WG__K_EXP, -3e38, 0},
        {WG__K_LOG, 0, -INFINITY},
        {WG__K_LOG, -0.0, -INFINITY},
        {WG__K_LOG, INFINITY, INFINITY},
        {WG__K_LOG, -1, NAN},
        {WG__K_LOG, -INFINITY, NAN},
        {WG__K_LOG, 1, 0},
        {WG__K_SIGMOID, INFINITY, 1},
        {WG__K_SIGMOID, -INFINITY, 0},
        {WG__K_SIGMOID, 0, 0.5},
        {WG__K_SIGMOID, 1000, 1},
        {WG__K_TANH, INFINITY, 1},
        {WG__K_TANH, -INFINITY, -1},
        {WG__K_TANH, 1e-40, 1e-40},
        {WG__K_TANH, 0, 0},
        {WG__K_TANH, -0.0, -0.0},
        {WG__K_TANH, 3e38, 1},
        {WG__K_SOFTPLUS, INFINITY, INFINITY},
        {WG__K_SOFTPLUS, -INFINITY, 0},
        {WG__K_SOFTPLUS, 3e38, 3e38},
        {WG__K_SOFTPLUS, -1000, 0},
        {WG__K_ERF, INFINITY, 1},
        {WG__K_ERF, -INFINITY, -1},
        {WG__K_ERF, 0, 0},
        {WG__K_ERF, 3e38, 1},
        {WG__K_GELU, INFINITY, INFINITY},
        {WG__K_GELU, -INFINITY, -0.0},
        {WG__K_GELU, 3e38, 3e38},
        {WG__K_GELU, -3e38, -0.0},
        {WG__K_GELU_TANH, INFINITY, INFINITY},
        {WG__K_GELU_TANH, -INFINITY, -0.0},
        {WG__K_GELU_TANH, 3e38, 3e38},
        {WG__K_GELU_TANH, -3e38, -0.0},
        {WG__K_SIGN, -0.0, -0.0},
        {WG__K_SIGN, -INFINITY, -1},
        {WG__K_RELU, -INFINITY, 0},
        {WG__K_RELU, INFINITY, INFINITY},
        {WG__K_SQRT, -1, NAN},
        {WG__K_RECIPROCAL, 0, INFINITY},
        {WG__K_RECIPROCAL, -0.0, -INFINITY},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (int isa = 0; isa <= (int)wg_isa_best(); isa++) {
            for (int n = 1; n <= 33; n += 16) { /* in a tail, and in whole vectors */
                float x[33], y[33];
                double x64[33], y64[33];
                for (int j = 0; j < n; j++) x[j] = (float)cases[i].x, x64[j] = cases[i].x;
                run_map(isa, cases[i].kernel, n, x, y);
                const void *in[] = {x64};
                const wg_map map = {
                    .n = n, .dtype = WG_F64, .out_dtype = WG_F64, .out = y64, .in = in, .isa = isa};
                wg__kernels_for(isa)->map[cases[i].kernel][WG_F64](&map);
                for (int j = 0; j < n; j++) {
                    const float wanted = (float)cases[i].y;
                    if (isnan(wanted)) {
                        assert_true(isnan(y[j]) && isnan(y64[j]));
                        continue;
                    }
                    if (y[j] != wanted || signbit(y[j]) != signbit(wanted))
                        fail_msg("kernel %d isa %d at %g: %g instead of %g", cases[i].kernel, isa,
                                 cases[i].x, (double)y[j], cases[i].y);
                    /* f64 has a wider range: only values that do not leave f32's */
                    if (fabs(cases[i].x) <= 80 || isinf(cases[i].x))
                        assert_true(y64[j] == cases[i].y);
                }
            }
        }
    }
}

/* A NaN comes out as a NaN, of every kernel of one operand and both dtypes. */
static void nan_stays(void **state)
{
    (void)state;
    static const int kernels[] = {
        WG__K_EXP,  WG__K_LOG,       WG__K_SIGMOID, WG__K_TANH,       WG__K_SOFTPLUS,
        WG__K_ERF,  WG__K_GELU,      WG__K_SIN,     WG__K_GELU_TANH,  WG__K_COS,
        WG__K_RELU, WG__K_ONE_MINUS, WG__K_NEG,     WG__K_RECIPROCAL, WG__K_ABS,
        WG__K_SIGN, WG__K_SQRT,      WG__K_SQUARE,  WG__K_CLAMP,      WG__K_LEAKY_RELU,
    };
    const wg__scalar_attr attr = {-1, 1};
    for (size_t i = 0; i < sizeof kernels / sizeof kernels[0]; i++) {
        for (int isa = 0; isa <= (int)wg_isa_best(); isa++) {
            float x[19], y[19];
            double x64[19], y64[19];
            for (int j = 0; j < 19; j++) x[j] = NAN, x64[j] = NAN;
            const void *in[] = {x}, *in64[] = {x64};
            wg_map map = {.n = 19, .dtype = WG_F32, .out = y, .in = in, .attr = &attr, .isa = isa};
            wg__kernels_for(isa)->map[kernels[i]][WG_F32](&map);
            map.dtype = WG_F64, map.out = y64, map.in = in64;
            wg__kernels_for(isa)->map[kernels[i]][WG_F64](&map);
            for (int j = 0; j < 19; j++)
                if (!isnan(y[j]) || !isnan(y64[j])) fail_msg("kernel %d, isa %d", kernels[i], isa);
        }
    }
}

int main(void)
{
    enum { N = sizeof functions / sizeof functions[0] };
    struct CMUnitTest tests[N + 3];
    memset(tests, 0, sizeof tests);
    for (int i = 0; i < N; i++) {
        tests[i].name = functions[i].name;
        tests[i].test_func = accurate;
        tests[i].initial_state = (void *)(uintptr_t)&functions[i];
    }
    tests[N] = (struct CMUnitTest)cmocka_unit_test(special_values);
    tests[N + 1] = (struct CMUnitTest)cmocka_unit_test(nan_stays);
    tests[N + 2] = (struct CMUnitTest)cmocka_unit_test(exponentials_of_rows);
    return cmocka_run_group_tests_name("ulp", tests, NULL, NULL);
}
