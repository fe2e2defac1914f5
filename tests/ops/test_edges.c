/* Elementwise ops where the tables do not look: ties and kinks, infinities and NaN behind masks,
 * powers at zero, integers that saturate or wrap. */
#include "support.h"

#include <math.h>
#include <string.h>

#include <wengert/ops.h>
#include <wengert/program.h>

static wg_tape *tape;

static int set_up(void **state)
{
    (void)state;
    wg_error err;
    WGT_OK(wg_tape_new(&tape, &err), &err);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    wg_tape_free(tape);
    tape = NULL;
    return 0;
}

#define VECTOR(...)                                                                         \
    wg_const_data(tape, WG_F64, WG_SHAPE(sizeof((double[]){__VA_ARGS__}) / sizeof(double)), \
                  (double[]){__VA_ARGS__})

/* Checks every element of v; a NaN is wanted where NaN stands. */
#define EXPECT(v, ...)                                                                            \
    expect((v), (double[]){__VA_ARGS__}, (int)(sizeof((double[]){__VA_ARGS__}) / sizeof(double)), \
           __LINE__)

static void expect(wg_var v, const double *wanted, int n, int line)
{
    wg_error err = {WG_OK, ""};
    wg_program *program = NULL;
    WGT_OK(wg_compile(&v, 1, NULL, &program, &err), &err);
    WGT_OK(wg_program_run(program, &err), &err);
    const wg_tensor *y = wg_program_output(program, 0);
    assert_int_equal(wg_tensor_count(y), n);
    for (int i = 0; i < n; i++) {
        const double got = wg_tensor_get(y, i);
        if (isnan(wanted[i]) ? !isnan(got) : !(fabs(got - wanted[i]) <= 1e-12 || got == wanted[i]))
            fail_msg("line %d, element %d: %.17g instead of %.17g", line, i, got, wanted[i]);
    }
    wg_program_free(program);
}

/* Gradient of sum(y) with respect to x. */
static wg_var slope(wg_var y, wg_var x)
{
    const wg_var ones = wg_ones_like(y);
    wg_var g;
    assert_int_equal(wg_grad_or_zeros(&y, &ones, 1, &x, 1, &g), WG_OK);
    return g;
}

static void ties_share(void **state)
{
    (void)state;
    const wg_var a = VECTOR(1, 2, 3), b = VECTOR(1, 3, 2);
    EXPECT(slope(wg_min(a, b), a), 0.5, 1, 0);
    EXPECT(slope(wg_min(a, b), b), 0.5, 0, 1);
    EXPECT(slope(wg_max(a, b), a), 0.5, 0, 1);
    EXPECT(slope(wg_max(a, b), b), 0.5, 1, 0);
    EXPECT(slope(wg_max(a, a), a), 1, 1, 1);
}

static void kinks(void **state)
{
    (void)state;
    const wg_var x = VECTOR(-1, -0.0, 0, 1);
    EXPECT(slope(wg_relu(x), x), 0, 0, 0, 1);
    EXPECT(slope(wg_abs(x), x), -1, 0, 0, 1);
    EXPECT(slope(wg_leaky_relu(x, 0.25), x), 0.25, 0.25, 0.25, 1);
    EXPECT(slope(wg_clamp(x, -1, 0), x), 1, 1, 1, 0);
    EXPECT(slope(wg_sign(x), x), 0, 0, 0, 0);
}

/* where selects: what is behind the mask reaches neither value nor gradient. */
static void where_selects(void **state)
{
    (void)state;
    const uint8_t bits[] = {1, 0, 1};
    const wg_var mask = wg_const_data(tape, WG_U8, WG_SHAPE(3), bits);
    const wg_var a = VECTOR(1, NAN, 3), b = VECTOR(INFINITY, 5, NAN);
    EXPECT(wg_where(mask, a, b), 1, 5, 3);
    EXPECT(slope(wg_where(mask, a, b), a), 1, 0, 1);
    EXPECT(slope(wg_where(mask, a, b), b), 0, 1, 0);
}

static void nan_wins(void **state)
{
    (void)state;
    const wg_var a = VECTOR(NAN, 1, NAN, -INFINITY), b = VECTOR(1, NAN, NAN, INFINITY);
    EXPECT(wg_min(a, b), NAN, NAN, NAN, -INFINITY);
    EXPECT(wg_max(a, b), NAN, NAN, NAN, INFINITY);
    EXPECT(wg_clamp(a, -2, 2), NAN, 1, NAN, -2);
    EXPECT(wg_relu(a), NAN, 1, NAN, 0);
    EXPECT(wg_eq(a, a), 0, 1, 0, 1);
    EXPECT(wg_ne(a, a), 1, 0, 1, 0);
    EXPECT(wg_le(a, b), 0, 0, 0, 1);
}

static void powers_at_zero(void **state)
{
    (void)state;
    const wg_var x = VECTOR(0, 0, 0, 2), e = VECTOR(0, 1, 2, 3);
    EXPECT(wg_pow(x, e), 1, 0, 0, 8);
    EXPECT(slope(wg_pow(x, e), x), 0, 1, 0, 12);
    EXPECT(slope(wg_pow(x, e), e), 0, 0, 0, 8 * log(2));
    const wg_var zero = VECTOR(0);
    EXPECT(slope(slope(wg_pow_scalar(zero, 2), zero), zero), 2);
    EXPECT(slope(slope(wg_pow_scalar(zero, 1), zero), zero), 0);
    EXPECT(slope(wg_pow_scalar(zero, 0), zero), 0);
    EXPECT(slope(slope(slope(wg_pow_scalar(zero, 3), zero), zero), zero), 6);
}

static void tails(void **state)
{
    (void)state;
    const wg_var x = VECTOR(-INFINITY, -800, 800, INFINITY);
    EXPECT(wg_sigmoid(x), 0, 0, 1, 1);
    EXPECT(wg_softplus(x), 0, 0, 800, INFINITY);
    EXPECT(wg_tanh(x), -1, -1, 1, 1);
    EXPECT(wg_gelu(x), 0, 0, 800, INFINITY);
    EXPECT(wg_gelu_tanh(x), 0, 0, 800, INFINITY);
    EXPECT(slope(wg_sigmoid(x), x), 0, 0, 0, 0);
    EXPECT(slope(wg_softplus(x), x), 0, 0, 1, 1);
    EXPECT(slope(wg_tanh(x), x), 0, 0, 0, 0);
}

static void integers_wrap_and_saturate(void **state)
{
    (void)state;
    const int32_t big[] = {INT32_MAX, INT32_MIN, 65536};
    const wg_var i = wg_const_data(tape, WG_I32, WG_SHAPE(3), big);
    EXPECT(wg_add(i, i), -2, 0, 131072);
    EXPECT(wg_sub(i, wg_const(tape, WG_I32, WG_SCALAR, 1)), INT32_MAX - 1, INT32_MAX, 65535);
    EXPECT(wg_mul(i, i), 1, 0, 0);
    const wg_var x = VECTOR(NAN, INFINITY, -INFINITY, 1e300, -1.9, 2147483647.5, 255.9, 256);
    EXPECT(wg_cast(x, WG_I32), 0, INT32_MAX, INT32_MIN, INT32_MAX, -1, INT32_MAX, 255, 256);
    EXPECT(wg_cast(x, WG_U8), 0, 255, 0, 255, 0, 255, 255, 255);
    EXPECT(wg_cast(i, WG_U8), 255, 0, 255);
}

/* Floats cast to floats carry their gradient back; through integers none flows. */
static void gradient_of_cast(void **state)
{
    (void)state;
    const wg_var x = VECTOR(1, 2);
    const wg_var narrow = wg_square(wg_cast(x, WG_F32));
    EXPECT(slope(narrow, x), 2, 4);
    EXPECT(slope(slope(narrow, x), x), 2, 2);
    assert_int_equal(wg_var_dtype(slope(narrow, x)), WG_F64);
    EXPECT(slope(wg_cast(wg_cast(x, WG_I32), WG_F64), x), 0, 0);
    assert_true(wg_cast(x, WG_F64).index == x.index);
}

/* A recording error names the op and both shapes, and the first message stays. */
static void first_message(void **state)
{
    (void)state;
    const wg_var a = VECTOR(1, 2, 3), b = VECTOR(1, 2);
    wg_push_scope(tape, "enc");
    const wg_var bad = wg_add(a, b);
    wg_pop_scope(tape);
    assert_false(wg_var_ok(bad));
    assert_false(wg_var_ok(wg_mul(wg_tanh(bad), wg_sub(a, VECTOR(1, 2, 3, 4)))));
    wg_error err;
    WGT_STATUS(wg_tape_status(tape, &err), WG_ESHAPE, NULL);
    assert_non_null(strstr(err.message, "add"));
    assert_non_null(strstr(err.message, "enc"));
    assert_non_null(strstr(err.message, "shapes do not broadcast: [3] and [2]"));
    assert_non_null(strstr(err.message, "test_edges.c:"));
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(ties_share),
        TEST(kinks),
        TEST(where_selects),
        TEST(nan_wins),
        TEST(powers_at_zero),
        TEST(tails),
        TEST(integers_wrap_and_saturate),
        TEST(gradient_of_cast),
        TEST(first_message),
    };
    return cmocka_run_group_tests_name("edges", tests, NULL, NULL);
}
