/* Parameters: layout of the arenas, initialisers by kind and gate, reproducibility, leaves of a
 * tape, bad declarations. */
#include "support.h"

#include <math.h>
#include <string.h>

#include <wengert/param.h>

static wg_params *new_params(wg_dtype dtype)
{
    wg_error err;
    wg_params *p;
    WGT_OK(wg_params_new(dtype, &p, &err), &err);
    return p;
}

static int add(wg_params *p, const char *name, wg_shape shape, wg_init init)
{
    wg_error err;
    int id = -1;
    WGT_OK(wg_params_add(p, name, shape, &init, &id, &err), &err);
    return id;
}

static void check_arenas(wg_dtype dtype)
{
    wg_params *p = new_params(dtype);
    assert_int_equal(add(p, "W", WG_SHAPE(3, 5), WG_XAVIER), 0);
    assert_int_equal(add(p, "b", WG_SHAPE(5), (wg_init){.a = 2}), 1);
    assert_int_equal(add(p, "none", WG_SHAPE(0, 4), WG_XAVIER), 2);
    assert_int_equal(add(p, "s", WG_SCALAR, (wg_init){.a = 7}), 3);
    assert_int_equal(add(p, "V", WG_SHAPE(4, 4), WG_XAVIER), 4);
    assert_null(wg_params_value(p, 0));
    assert_null(wg_params_values(p));
    wg_error err;
    WGT_OK(wg_params_init(p, 42, &err), &err);
    assert_int_equal(wg_params_count(p), 5);
    assert_int_equal(wg_params_elements(p), 15 + 5 + 0 + 1 + 16);
    assert_int_equal(wg_params_dtype(p), dtype);
    static const int64_t offsets[] = {0, 16, 32, 32, 48};
    size_t size = wg_dtype_size(dtype);
    char *values = wg_tensor_data(wg_params_values(p)), *grads = wg_tensor_data(wg_params_grads(p));
    assert_int_equal(wg_tensor_count(wg_params_values(p)), 64);
    assert_int_equal((uintptr_t)values % 64, 0);
    for (int i = 0; i < 5; i++) {
        assert_ptr_equal(wg_tensor_data(wg_params_value(p, i)), values + (size_t)offsets[i] * size);
        assert_ptr_equal(wg_tensor_data(wg_params_grad(p, i)), grads + (size_t)offsets[i] * size);
        wg_shape a = wg_params_shape(p, i), b = wg_tensor_shape(wg_params_value(p, i));
        assert_true(wg_shape_equal(&a, &b));
    }
    /* Padding and gradients are zero. */
    assert_true(wg_tensor_get(wg_params_values(p), 15) == 0);
    for (int i = 21; i < 32; i++) assert_true(wg_tensor_get(wg_params_values(p), i) == 0);
    for (int i = 0; i < 64; i++) assert_true(wg_tensor_get(wg_params_grads(p), i) == 0);
    assert_true(wg_tensor_get(wg_params_value(p, 1), 4) == 2);
    assert_true(wg_tensor_get(wg_params_value(p, 3), 0) == 7);
    assert_int_equal(wg_params_find(p, "V"), 4);
    assert_int_equal(wg_params_find(p, "v"), -1);
    assert_string_equal(wg_params_name(p, 1), "b");
    assert_null(wg_params_name(p, 5));
    assert_null(wg_params_value(p, -1));
    assert_null(wg_params_grad(p, 5));
    wg_params_free(p);
}

static void arenas_are_contiguous(void **state)
{
    (void)state;
    check_arenas(WG_F32);
    check_arenas(WG_F64);
    wg_params_free(NULL);
}

static void values_may_come_from_elsewhere(void **state)
{
    (void)state;
    wg_error err;
    wg_params *p = new_params(WG_F32);
    add(p, "W", WG_SHAPE(3, 5), WG_XAVIER);
    add(p, "b", WG_SHAPE(5), (wg_init){.a = 2});
    WGT_OK(wg_params_alloc(p, &err), &err);
    for (int64_t i = 0; i < wg_tensor_count(wg_params_values(p)); i++)
        assert_true(wg_tensor_get(wg_params_values(p), i) == 0);
    assert_non_null(wg_params_grad(p, 1));
    WGT_STATUS(wg_params_init(p, 1, &err), WG_ESTATE, &err);
    WGT_STATUS(wg_params_alloc(p, &err), WG_ESTATE, &err);
    WGT_STATUS(wg_params_add(p, "c", WG_SCALAR, NULL, NULL, &err), WG_ESTATE, &err);
    wg_params_free(p);
}

static void an_empty_set_is_fine(void **state)
{
    (void)state;
    wg_params *p = new_params(WG_F32);
    wg_error err;
    WGT_OK(wg_params_init(p, 1, &err), &err);
    assert_int_equal(wg_tensor_count(wg_params_values(p)), 0);
    WGT_STATUS(wg_params_init(p, 1, &err), WG_ESTATE, &err);
    wg_params_free(p);
}

static void bad_declarations_are_refused(void **state)
{
    (void)state;
    wg_error err;
    wg_params *p;
    WGT_STATUS(wg_params_new(WG_I32, &p, &err), WG_EDTYPE, &err);
    assert_null(p);
    p = new_params(WG_F32);
    add(p, "W", WG_SHAPE(2, 6), WG_XAVIER);
    const wg_init fine = WG_XAVIER;
    WGT_STATUS(wg_params_add(p, "W", WG_SHAPE(2), &fine, NULL, &err), WG_EEXIST, &err);
    WGT_STATUS(wg_params_add(p, "", WG_SHAPE(2), &fine, NULL, &err), WG_EINVAL, &err);
    WGT_STATUS(wg_params_add(p, NULL, WG_SHAPE(2), &fine, NULL, &err), WG_EINVAL, &err);
    WGT_STATUS(wg_params_add(p, "a\nb", WG_SHAPE(2), &fine, NULL, &err), WG_EINVAL, &err);
    WGT_STATUS(wg_params_add(p, "n", WG_SHAPE(-2), &fine, NULL, &err), WG_EOVERFLOW, &err);
    WGT_STATUS(wg_params_add(p, "n", WG_SHAPE(INT64_C(1) << 62), &fine, NULL, &err), WG_EOVERFLOW,
               &err);
    wg_init init = fine;
    init.gates = 4;
    WGT_STATUS(wg_params_add(p, "n", WG_SHAPE(3, 6), &init, NULL, &err), WG_ESHAPE, &err);
    init.gates = 9;
    WGT_STATUS(wg_params_add(p, "n", WG_SHAPE(3, 9), &init, NULL, &err), WG_EINVAL, &err);
    init.gates = 2;
    init.gate_mask = 4;
    WGT_STATUS(wg_params_add(p, "n", WG_SHAPE(3, 6), &init, NULL, &err), WG_EINVAL, &err);
    init = (wg_init){.kind = (wg_init_kind)17};
    WGT_STATUS(wg_params_add(p, "n", WG_SHAPE(3), &init, NULL, &err), WG_EINVAL, &err);
    init = (wg_init){.kind = WG_INIT_NORMAL, .b = NAN};
    WGT_STATUS(wg_params_add(p, "n", WG_SHAPE(3), &init, NULL, &err), WG_EINVAL, &err);
    assert_int_equal(wg_params_count(p), 1);
    WGT_OK(wg_params_init(p, 1, &err), &err);
    WGT_STATUS(wg_params_add(p, "n", WG_SHAPE(3), &fine, NULL, &err), WG_ESTATE, &err);
    wg_params_free(p);
}

/* Mean and largest magnitude of a block of columns. */
static void moments(const wg_tensor *t, int64_t stride, int64_t from, int64_t to, double *mean,
                    double *deviation, double *largest)
{
    double sum = 0, squares = 0, n = 0;
    *largest = 0;
    for (int64_t i = 0; i < wg_tensor_count(t); i++) {
        if (i % stride < from || i % stride >= to) continue;
        double x = wg_tensor_get(t, i);
        sum += x;
        squares += x * x;
        n++;
        if (fabs(x) > *largest) *largest = fabs(x);
    }
    *mean = sum / n;
    *deviation = sqrt(squares / n - *mean * *mean);
}

static void distributions_have_their_moments(void **state)
{
    (void)state;
    wg_params *p = new_params(WG_F64);
    enum { IN = 70, OUT = 110 };
    wg_shape shape = WG_SHAPE(IN, OUT);
    int uniform = add(p, "uniform", shape, (wg_init){.kind = WG_INIT_UNIFORM, .a = -1, .b = 3});
    int normal = add(p, "normal", shape, (wg_init){.kind = WG_INIT_NORMAL, .a = 1, .b = 2});
    int xu = add(p, "xu", shape, (wg_init){.kind = WG_INIT_XAVIER_UNIFORM}); /* 0 = gain 1 */
    int xn = add(p, "xn", shape, (wg_init){.kind = WG_INIT_XAVIER_NORMAL, .a = 3});
    WGT_OK(wg_params_init(p, 5, NULL), NULL);
    double mean, deviation, largest, n = sqrt(IN * OUT);
    moments(wg_params_value(p, uniform), OUT, 0, OUT, &mean, &deviation, &largest);
    WGT_NEAR(mean, 1, 5 * 1.155 / n);
    WGT_CLOSE(deviation, 4 / sqrt(12), 0.03, 0);
    assert_true(largest < 3 && largest > 2.9);
    moments(wg_params_value(p, normal), OUT, 0, OUT, &mean, &deviation, &largest);
    WGT_NEAR(mean, 1, 5 * 2 / n);
    WGT_CLOSE(deviation, 2, 0.05, 0);
    moments(wg_params_value(p, xu), OUT, 0, OUT, &mean, &deviation, &largest);
    double bound = sqrt(6.0 / (IN + OUT));
    WGT_NEAR(mean, 0, 5 * bound / n);
    assert_true(largest <= bound && largest > 0.99 * bound);
    WGT_CLOSE(deviation, bound / sqrt(3), 0.03, 0);
    moments(wg_params_value(p, xn), OUT, 0, OUT, &mean, &deviation, &largest);
    WGT_CLOSE(deviation, 3 * sqrt(2.0 / (IN + OUT)), 0.05, 0);
    wg_params_free(p);
}

static void gates_are_matrices_of_their_own(void **state)
{
    (void)state;
    enum { IN = 40, H = 30 };
    wg_params *p = new_params(WG_F32);
    wg_init init = {.kind = WG_INIT_XAVIER_UNIFORM, .gates = 4, .gate_mask = 2};
    init.gate_value[1] = 0.5;
    int w = add(p, "W", WG_SHAPE(IN, 4 * H), init);
    wg_init bias = {.kind = WG_INIT_CONSTANT, .a = -3, .gates = 4, .gate_mask = 5};
    bias.gate_value[0] = 1;
    bias.gate_value[2] = 2;
    int b = add(p, "b", WG_SHAPE(4 * H), bias);
    WGT_OK(wg_params_init(p, 9, NULL), NULL);
    double bound = sqrt(6.0 / (IN + H)), mean, deviation, largest; /* fan out is H, not 4H */
    for (int g = 0; g < 4; g++) {
        moments(wg_params_value(p, w), 4 * H, g * H, (g + 1) * H, &mean, &deviation, &largest);
        if (g == 1) {
            assert_true(mean == 0.5 && largest == 0.5);
        } else {
            assert_true(largest <= bound * (1 + 1e-6) && largest > 0.98 * bound);
        }
    }
    static const double wanted[] = {1, -3, 2, -3};
    for (int i = 0; i < 4 * H; i++)
        assert_true(wg_tensor_get(wg_params_value(p, b), i) == wanted[i / H]);
    wg_params_free(p);
}

/* Checks that the columns (or, when wide, the rows) of a block are orthogonal, of length `gain`. */
static void check_orthogonal(const wg_tensor *t, int64_t rows, int64_t stride, int64_t from,
                             int64_t columns, double gain)
{
    bool wide = rows < columns;
    int64_t n = wide ? rows : columns, m = wide ? columns : rows;
    for (int64_t a = 0; a < n; a++)
        for (int64_t b = 0; b <= a; b++) {
            double dot = 0;
            for (int64_t i = 0; i < m; i++) {
                int64_t x = wide ? a * stride + from + i : i * stride + from + a;
                int64_t y = wide ? b * stride + from + i : i * stride + from + b;
                dot += wg_tensor_get(t, x) * wg_tensor_get(t, y);
            }
            WGT_NEAR(dot, a == b ? gain * gain : 0, 1e-12);
        }
}

static void orthogonal_matrices_are_orthogonal(void **state)
{
    (void)state;
    wg_params *p = new_params(WG_F64);
    wg_init init = {.kind = WG_INIT_ORTHOGONAL, .a = 1.5};
    static const int64_t sizes[][2] = {{7, 7}, {70, 33}, {33, 70},  {1, 5},
                                       {5, 1}, {1, 1},   {130, 130}};
    enum { N = sizeof sizes / sizeof sizes[0] };
    static const char *const names[N] = {"a", "b", "c", "d", "e", "f", "g"};
    for (int i = 0; i < N; i++) add(p, names[i], WG_SHAPE(sizes[i][0], sizes[i][1]), init);
    wg_init gates = {.kind = WG_INIT_ORTHOGONAL, .gates = 3};
    int packed = add(p, "gates", WG_SHAPE(8, 24), gates);
    int none = add(p, "none", WG_SHAPE(0, 6), gates);
    int cube = add(p, "cube", WG_SHAPE(2, 5, 4), init);
    WGT_OK(wg_params_init(p, 3, NULL), NULL);
    for (int i = 0; i < N; i++)
        check_orthogonal(wg_params_value(p, i), sizes[i][0], sizes[i][1], 0, sizes[i][1], 1.5);
    for (int g = 0; g < 3; g++) check_orthogonal(wg_params_value(p, packed), 8, 24, g * 8, 8, 1);
    check_orthogonal(wg_params_value(p, cube), 10, 4, 0, 4, 1.5);
    /* The gates differ. */
    assert_true(wg_tensor_get(wg_params_value(p, packed), 0) !=
                wg_tensor_get(wg_params_value(p, packed), 8));
    assert_int_equal(wg_tensor_count(wg_params_value(p, none)), 0);
    wg_params_free(p);
}

/* Uniform among the orthogonal matrices: without the signs of R's diagonal the first element of Q
 * would always be negative. */
static void orthogonal_matrices_are_uniform(void **state)
{
    (void)state;
    int positive = 0;
    enum { N = 200 };
    for (int seed = 0; seed < N; seed++) {
        wg_params *p = new_params(WG_F64);
        int id = add(p, "W", WG_SHAPE(3, 3), (wg_init){.kind = WG_INIT_ORTHOGONAL});
        WGT_OK(wg_params_init(p, (uint64_t)seed, NULL), NULL);
        positive += wg_tensor_get(wg_params_value(p, id), 0) > 0;
        wg_params_free(p);
    }
    assert_in_range(positive, 65, 135); /* five standard deviations around 100 */
}

static void values_depend_on_seed_and_name_alone(void **state)
{
    (void)state;
    wg_params *a = new_params(WG_F32), *b = new_params(WG_F64), *c = new_params(WG_F32);
    add(a, "x", WG_SHAPE(6, 6), WG_XAVIER);
    add(a, "y", WG_SHAPE(6, 6), WG_XAVIER);
    add(b, "other", WG_SHAPE(9), WG_XAVIER); /* order and neighbours do not matter */
    add(b, "y", WG_SHAPE(6, 6), WG_XAVIER);
    add(b, "x", WG_SHAPE(6, 6), WG_XAVIER);
    add(c, "x", WG_SHAPE(6, 6), WG_XAVIER);
    WGT_OK(wg_params_init(a, 1, NULL), NULL);
    WGT_OK(wg_params_init(b, 1, NULL), NULL);
    WGT_OK(wg_params_init(c, 2, NULL), NULL);
    int differs = 0;
    for (int i = 0; i < 36; i++) {
        double x = wg_tensor_get(wg_params_value(a, 0), i);
        /* f32 holds the rounded f64 values. */
        assert_true(x == (float)wg_tensor_get(wg_params_value(b, 2), i));
        assert_true(wg_tensor_get(wg_params_value(a, 1), i) ==
                    (float)wg_tensor_get(wg_params_value(b, 1), i));
        differs += x != wg_tensor_get(wg_params_value(c, 0), i);
        differs += x != wg_tensor_get(wg_params_value(a, 1), i);
    }
    assert_true(differs > 70);
    wg_params_free(a);
    wg_params_free(b);
    wg_params_free(c);
}

static void parameters_are_leaves(void **state)
{
    (void)state;
    wg_error err;
    wg_params *p = new_params(WG_F64);
    int w = add(p, "W", WG_SHAPE(2, 3), WG_XAVIER);
    wg_tape *tape;
    WGT_OK(wg_tape_new(&tape, &err), &err);
    assert_false(wg_var_ok(wg_param(tape, p, w))); /* before the initialisation */
    WGT_STATUS(wg_tape_status(tape, &err), WG_ESTATE, &err);
    wg_tape_reset(tape);
    WGT_OK(wg_params_init(p, 1, NULL), NULL);
    wg_var v = wg_param(tape, p, w);
    assert_true(wg_var_ok(v));
    assert_int_equal(wg_dim(v, 1), 3);
    wg_var again = wg_param_named(tape, p, "W");
    assert_int_equal(again.index, v.index);
    assert_int_equal(wg_tape_length(tape), 1);
    assert_false(wg_var_ok(wg_param_named(tape, p, "U")));
    WGT_STATUS(wg_tape_status(tape, &err), WG_ENOTFOUND, &err);
    assert_non_null(strstr(err.message, "'U'"));
    wg_tape_reset(tape);
    assert_false(wg_var_ok(wg_param(tape, p, 5)));
    WGT_STATUS(wg_tape_status(tape, &err), WG_ENOTFOUND, &err);
    wg_tape_free(tape);
    wg_params_free(p);
}

static wg_status build(void)
{
    wg_params *p;
    wg_status status = wg_params_new(WG_F32, &p, NULL);
    if (status) return status;
    const wg_init init = {.kind = WG_INIT_ORTHOGONAL, .gates = 2};
    status = wg_params_add(p, "W", WG_SHAPE(3, 8), &init, NULL, NULL);
    if (!status) status = wg_params_add(p, "b", WG_SHAPE(8), NULL, NULL, NULL);
    if (!status) status = wg_params_init(p, 1, NULL);
    wg_params_free(p);
    return status;
}

static void memory_may_run_out(void **state)
{
    (void)state;
    for (size_t n = 1;; n++) {
        wgt_fail_alloc_at(n);
        if (!wgt_alloc_ran_out(build())) break;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arenas_are_contiguous),
        cmocka_unit_test(values_may_come_from_elsewhere),
        cmocka_unit_test(an_empty_set_is_fine),
        cmocka_unit_test(bad_declarations_are_refused),
        cmocka_unit_test(distributions_have_their_moments),
        cmocka_unit_test(gates_are_matrices_of_their_own),
        cmocka_unit_test(orthogonal_matrices_are_orthogonal),
        cmocka_unit_test(orthogonal_matrices_are_uniform),
        cmocka_unit_test(values_depend_on_seed_and_name_alone),
        cmocka_unit_test(parameters_are_leaves),
        cmocka_unit_test(memory_may_run_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
