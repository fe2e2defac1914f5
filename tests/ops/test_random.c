/* Random ops: bits are a pure function of (seed, stream, step, time, row, element), so that slices
 * of time, split batches, loops and threads see the same ones. */
#include "support.h"

#include <math.h>
#include <string.h>

#include <wengert/ops.h>
#include <wengert/program.h>
#include <wengert/rng.h>
#include <wengert/scan.h>

enum { T = 3, B = 4, H = 7 };

typedef struct fixture {
    wg_tape *tape;
    wg_tensor *key_data;
    wg_var key;
} fixture;

static int set_up(void **state)
{
    static fixture f;
    memset(&f, 0, sizeof f);
    wg_error err;
    WGT_OK(wg_tape_new(&f.tape, &err), &err);
    WGT_OK(wg_tensor_new(WG_I32, WG_SHAPE(4), &f.key_data, &err), &err);
    const int32_t key[4] = {12345, -7, 3, 0};
    memcpy(wg_tensor_data(f.key_data), key, sizeof key);
    f.key = wg_tensor_var(f.tape, f.key_data);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    wg_tape_free(f->tape);
    wg_tensor_free(f->key_data);
    return 0;
}

static void set_key(fixture *f, int i, int32_t value)
{
    wg_tensor_set(f->key_data, i, value);
}

/* Computes one value into out[0..n), converted to double. */
static void eval(wg_var v, int threads, double *out, int64_t n)
{
    wg_error err = {WG_OK, ""};
    wg_compile_options options = {.size = sizeof options, .threads = threads};
    wg_program *program = NULL;
    WGT_OK(wg_compile(&v, 1, &options, &program, &err), &err);
    WGT_OK(wg_program_run(program, &err), &err);
    const wg_tensor *y = wg_program_output(program, 0);
    assert_int_equal(wg_tensor_count(y), n);
    for (int64_t i = 0; i < n; i++) out[i] = wg_tensor_get(y, i);
    wg_program_free(program);
}

static wg_var time_of(fixture *f, int32_t t)
{
    return wg_const_data(f->tape, WG_I32, WG_SCALAR, &t);
}

static void same(const double *a, const double *b, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (a[i] != b[i]) fail_msg("element %lld: %.17g and %.17g", (long long)i, a[i], b[i]);
}

static int64_t differing(const double *a, const double *b, int64_t n)
{
    int64_t count = 0;
    for (int64_t i = 0; i < n; i++) count += a[i] != b[i];
    return count;
}

/* The definition, spelled out once more from Philox itself. */
static void bits_are_as_documented(void **state)
{
    fixture *f = *state;
    set_key(f, 3, 5);
    double all[T * B * H];
    eval(wg_random_uniform(f->tape, "noise", f->key, time_of(f, 10), 0, WG_F32, WG_SHAPE(T, B, H)),
         1, all, T * B * H);
    const uint64_t id = wg_stream_id("noise");
    const uint32_t seed[2] = {12345, (uint32_t)-7};
    const uint32_t stream[4] = {(uint32_t)id, (uint32_t)(id >> 32), 0, 0};
    uint32_t derived[4];
    wg_philox(stream, seed, derived);
    for (uint32_t t = 0; t < T; t++) {
        for (uint32_t b = 0; b < B; b++) {
            for (uint32_t h = 0; h < H; h++) {
                const uint32_t counter[4] = {h / 4, 5 + b, 10 + t, 3};
                uint32_t word[4];
                wg_philox(counter, derived, word);
                assert_true(all[(t * B + b) * H + h] == (double)(word[h % 4] >> 8) / 16777216.0);
            }
        }
    }
}

static void slices_of_time(void **state)
{
    fixture *f = *state;
    for (int d = 0; d < 2; d++) {
        const wg_dtype dtype = d ? WG_F64 : WG_F32;
        double all[T * B * H], one[B * H];
        eval(wg_dropout_mask(f->tape, 0.4, f->key, "drop", WG_NONE, 0, dtype, WG_SHAPE(T, B, H)), 1,
             all, T * B * H);
        for (int t = 0; t < T; t++) {
            eval(wg_dropout_mask(f->tape, 0.4, f->key, "drop", time_of(f, t), -1, dtype,
                                 WG_SHAPE(B, H)),
                 1, one, B * H);
            same(one, all + t * B * H, B * H);
        }
        /* a chunk that begins at time 1, as truncation and rematerialisation have it */
        double chunk[(T - 1) * B * H];
        eval(wg_dropout_mask(f->tape, 0.4, f->key, "drop", time_of(f, 1), 0, dtype,
                             WG_SHAPE(T - 1, B, H)),
             1, chunk, (T - 1) * B * H);
        same(chunk, all + B * H, (T - 1) * B * H);
    }
}

/* Batch-major data has the same bits as time-major data. */
static void time_axis_in_the_middle(void **state)
{
    fixture *f = *state;
    double tbh[T * B * H], bth[B * T * H];
    eval(wg_random_uniform(f->tape, "n", f->key, WG_NONE, 0, WG_F32, WG_SHAPE(T, B, H)), 1, tbh,
         T * B * H);
    eval(wg_random_uniform(f->tape, "n", f->key, WG_NONE, 1, WG_F32, WG_SHAPE(B, T, H)), 1, bth,
         B * T * H);
    for (int t = 0; t < T; t++)
        for (int b = 0; b < B; b++) same(bth + (b * T + t) * H, tbh + (t * B + b) * H, H);
}

static void rows_are_global(void **state)
{
    fixture *f = *state;
    double whole[B * H], part[2 * H];
    eval(wg_dropout_mask(f->tape, 0.5, f->key, "drop", WG_NONE, -1, WG_F32, WG_SHAPE(B, H)), 1,
         whole, B * H);
    for (int first = 0; first + 2 <= B; first++) {
        set_key(f, 3, first);
        eval(wg_dropout_mask(f->tape, 0.5, f->key, "drop", WG_NONE, -1, WG_F32, WG_SHAPE(2, H)), 1,
             part, 2 * H);
        same(part, whole + first * H, 2 * H);
    }
}

typedef struct dropped {
    wg_var key;
} dropped;

static void drop_body(void *user, wg_scan_step *step)
{
    const dropped *d = user;
    step->y[0] = wg_dropout(step->x[0], 0.3, d->key, "drop", step->time, -1);
}

static void in_a_loop_as_outside(void **state)
{
    fixture *f = *state;
    double outside[T * B * H], inside[T * B * H];
    const wg_var x = wg_const(f->tape, WG_F32, WG_SHAPE(T, B, H), 2.0);
    eval(wg_dropout(x, 0.3, f->key, "drop", WG_NONE, 0), 1, outside, T * B * H);
    dropped d = {f->key};
    for (int reverse = 0; reverse < 2; reverse++) {
        const wg_scan_def def = {.size = sizeof def,
                                 .body = drop_body,
                                 .user = &d,
                                 .sequences = &x,
                                 .n_sequences = 1,
                                 .n_outputs = 1,
                                 .reverse = reverse};
        wg_var y;
        wg_error err = {WG_OK, ""};
        wg_status status = wg_scan(f->tape, &def, NULL, &y, NULL);
        wg_tape_status(f->tape, &err);
        WGT_OK(status, &err);
        eval(y, 1, inside, T * B * H);
        same(inside, outside, T * B * H);
    }
}

static void everything_enters(void **state)
{
    fixture *f = *state;
    enum { N = 64 };
    double base[N], other[N];
    const wg_var v =
        wg_random_uniform(f->tape, "a", f->key, WG_NONE, -1, WG_F32, WG_SHAPE(N / 8, 8));
    eval(v, 1, base, N);
    for (int i = 0; i < 4; i++) { /* seed low, seed high, step, first row */
        const int32_t old = (int32_t)wg_tensor_get(f->key_data, i);
        set_key(f, i, old + 1);
        eval(v, 1, other, N); /* the same program: the key is an operand */
        assert_true(differing(base, other, N) > N - 4);
        set_key(f, i, old);
    }
    eval(wg_random_uniform(f->tape, "b", f->key, WG_NONE, -1, WG_F32, WG_SHAPE(N / 8, 8)), 1, other,
         N);
    assert_true(differing(base, other, N) > N - 4);
    eval(wg_random_uniform(f->tape, "a", f->key, time_of(f, 1), -1, WG_F32, WG_SHAPE(N / 8, 8)), 1,
         other, N);
    assert_true(differing(base, other, N) > N - 4);
    eval(wg_random_uniform(f->tape, "a", f->key, WG_NONE, -1, WG_F32, WG_SHAPE(N / 8, 8)), 1, other,
         N);
    same(other, base, N);
}

/* Streams that differ in nothing else stay two values, whatever the passes merge. */
static void streams_are_never_merged(void **state)
{
    fixture *f = *state;
    enum { N = 40 };
    const wg_shape shape = WG_SHAPE(5, 8);
    const wg_var a = wg_dropout_mask(f->tape, 0.5, f->key, "a", WG_NONE, -1, WG_F32, shape);
    const wg_var b = wg_dropout_mask(f->tape, 0.5, f->key, "b", WG_NONE, -1, WG_F32, shape);
    double difference[N], zeros[N] = {0};
    eval(wg_sub(a, b), 1, difference, N);
    assert_true(differing(difference, zeros, N) > 5);
}

static void uniform_is_uniform(void **state)
{
    fixture *f = *state;
    enum { N = 40000 };
    static double v[N], wide[N];
    eval(wg_random_uniform(f->tape, "u", f->key, WG_NONE, -1, WG_F32, WG_SHAPE(200, 200)), 2, v, N);
    eval(wg_random_uniform(f->tape, "u", f->key, WG_NONE, -1, WG_F64, WG_SHAPE(200, 200)), 1, wide,
         N);
    double sum = 0, square = 0;
    int bins[16] = {0}, fine = 0;
    for (int i = 0; i < N; i++) {
        assert_true(v[i] >= 0 && v[i] < 1 && wide[i] >= v[i] && wide[i] < v[i] + 0x1p-24);
        fine += wide[i] != v[i];
        sum += wide[i], square += wide[i] * wide[i];
        bins[(int)(wide[i] * 16)]++;
    }
    assert_true(fine > N - 10); /* f64 numbers have bits below f32's */
    /* five standard deviations */
    WGT_NEAR(sum / N, 0.5, 5 * sqrt(1.0 / 12 / N));
    WGT_NEAR(square / N, 1.0 / 3, 5 * sqrt(4.0 / 45 / N));
    for (int i = 0; i < 16; i++) WGT_NEAR(bins[i], N / 16.0, 5 * sqrt(N / 16.0));
}

static void mask_has_its_rate(void **state)
{
    fixture *f = *state;
    enum { N = 40000 };
    static double v[N], u[N];
    const wg_shape shape = WG_SHAPE(100, 400);
    eval(wg_random_uniform(f->tape, "m", f->key, WG_NONE, -1, WG_F32, shape), 1, u, N);
    for (int r = 0; r < 4; r++) {
        const double rate = (double)r / 4;
        eval(wg_dropout_mask(f->tape, rate, f->key, "m", WG_NONE, -1, WG_F64, shape), 1, v, N);
        int kept = 0;
        for (int i = 0; i < N; i++) {
            assert_true(v[i] == (u[i] >= rate ? 1 / (1 - rate) : 0));
            kept += v[i] != 0;
        }
        WGT_NEAR(kept, N * (1 - rate), 5 * sqrt(N * rate * (1 - rate)) + 1e-9);
    }
}

static void threads_do_not_matter(void **state)
{
    fixture *f = *state;
    enum { N = 3 * 50 * 333 };
    static double one[N], two[N];
    const wg_var v =
        wg_random_uniform(f->tape, "t", f->key, WG_NONE, 0, WG_F32, WG_SHAPE(3, 50, 333));
    eval(v, 1, one, N);
    eval(v, 2, two, N);
    same(one, two, N);
}

/* The gradient of dropout is the very mask of the forward pass. */
static void gradient_is_the_mask(void **state)
{
    fixture *f = *state;
    enum { N = 30 };
    wg_tensor *data;
    wg_error err;
    WGT_OK(wg_tensor_new(WG_F64, WG_SHAPE(5, 6), &data, &err), &err);
    wg_tensor_fill(data, 1.5);
    const wg_var x = wg_tensor_var(f->tape, data);
    const wg_var y = wg_dropout(x, 0.5, f->key, "g", WG_NONE, -1);
    const wg_var gy = wg_ones_like(y);
    wg_var gx;
    double dropped_values[N], slope[N], mask[N];
    assert_int_equal(wg_grad(&y, &gy, 1, &x, 1, &gx), WG_OK);
    eval(y, 1, dropped_values, N);
    eval(gx, 1, slope, N);
    eval(wg_dropout_mask(f->tape, 0.5, f->key, "g", WG_NONE, -1, WG_F64, WG_SHAPE(5, 6)), 1, mask,
         N);
    same(slope, mask, N);
    for (int i = 0; i < N; i++) assert_true(dropped_values[i] == 1.5 * mask[i]);
    const wg_var whole = wg_dropout(x, 0, f->key, "g", WG_NONE, -1);
    assert_true(whole.index == x.index);
    wg_tape_free(f->tape);
    f->tape = NULL;
    wg_tensor_free(data);
}

static void empty_shapes(void **state)
{
    fixture *f = *state;
    double none[1];
    eval(wg_random_uniform(f->tape, "e", f->key, WG_NONE, 0, WG_F32, WG_SHAPE(0, 3, 4)), 1, none,
         0);
    eval(wg_random_uniform(f->tape, "e", f->key, WG_NONE, -1, WG_F32, WG_SHAPE(3, 0)), 1, none, 0);
    eval(wg_random_uniform(f->tape, "e", f->key, WG_NONE, -1, WG_F32, WG_SCALAR), 1, none, 1);
}

static void refused(wg_var v, const char *message)
{
    wg_tape *tape = wg_var_tape(v);
    wg_error err = {WG_OK, ""};
    assert_false(wg_var_ok(v));
    assert_int_not_equal(wg_tape_status(tape, &err), WG_OK);
    if (!strstr(err.message, message)) fail_msg("'%s' instead of '%s'", err.message, message);
    wg_tape_reset(tape);
}

static void bad_input(void **state)
{
    fixture *f = *state;
    const wg_shape shape = WG_SHAPE(2, 3);
    static const double rates[] = {1, -0.1, 1.5, NAN};
    for (int i = 0; i < 4; i++) {
        const wg_var key = wg_tensor_var(f->tape, f->key_data);
        refused(wg_dropout_mask(f->tape, rates[i], key, "s", WG_NONE, -1, WG_F32, shape),
                "is not in [0, 1)");
    }
    wg_var key = wg_const(f->tape, WG_F32, WG_SHAPE(4), 0);
    refused(wg_random_uniform(f->tape, "s", key, WG_NONE, -1, WG_F32, shape),
            "key must be i32[4] (seed low, seed high, step, first row), not f32[4]");
    key = wg_const(f->tape, WG_I32, WG_SHAPE(3), 0);
    refused(wg_random_uniform(f->tape, "s", key, WG_NONE, -1, WG_F32, shape), "not i32[3]");
    key = wg_tensor_var(f->tape, f->key_data);
    refused(wg_random_uniform(f->tape, "s", key, key, -1, WG_F32, shape),
            "time must be an i32 scalar, not i32[4]");
    key = wg_tensor_var(f->tape, f->key_data);
    refused(wg_random_uniform(f->tape, "s", key, WG_NONE, 2, WG_F32, shape), "time axis 2");
    key = wg_tensor_var(f->tape, f->key_data);
    refused(wg_random_uniform(f->tape, "s", key, WG_NONE, -2, WG_F32, shape), "time axis -2");
    key = wg_tensor_var(f->tape, f->key_data);
    refused(wg_random_uniform(f->tape, "", key, WG_NONE, -1, WG_F32, shape),
            "a stream needs a name");
    key = wg_tensor_var(f->tape, f->key_data);
    refused(wg_random_uniform(f->tape, "s", key, WG_NONE, -1, WG_I32, shape), "gives f32 or f64");
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(bits_are_as_documented),
        TEST(slices_of_time),
        TEST(time_axis_in_the_middle),
        TEST(rows_are_global),
        TEST(in_a_loop_as_outside),
        TEST(everything_enters),
        TEST(streams_are_never_merged),
        TEST(uniform_is_uniform),
        TEST(mask_has_its_rate),
        TEST(threads_do_not_matter),
        TEST(gradient_is_the_mask),
        TEST(empty_shapes),
        TEST(bad_input),
    };
    return cmocka_run_group_tests_name("random", tests, NULL, NULL);
}
