/* Tensors and shapes: counting and its overflows, text, broadcasting, conversion, ownership. */
#include "support.h"

#include <math.h>
#include <string.h>

#include <wengert/tensor.h>

static void dtypes_have_sizes_and_names(void **state)
{
    (void)state;
    assert_int_equal(wg_dtype_size(WG_F32), 4);
    assert_int_equal(wg_dtype_size(WG_F64), 8);
    assert_int_equal(wg_dtype_size(WG_I32), 4);
    assert_int_equal(wg_dtype_size(WG_U8), 1);
    assert_int_equal(wg_dtype_size((wg_dtype)77), 0);
    assert_string_equal(wg_dtype_name(WG_F32), "f32");
    assert_string_equal(wg_dtype_name(WG_U8), "u8");
    assert_string_equal(wg_dtype_name((wg_dtype)77), "?");
}

static void shapes_compare_with_memcmp(void **state)
{
    (void)state;
    wg_shape a = WG_SHAPE(2, 3), b = WG_SHAPE(2, 3), c = WG_SHAPE(2, 3, 1);
    assert_memory_equal(&a, &b, sizeof a);
    assert_true(wg_shape_equal(&a, &b));
    assert_false(wg_shape_equal(&a, &c));
    int64_t dims[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    wg_shape cut = wg_shape_of(8, dims);
    assert_int_equal(cut.rank, WG_MAX_AXES);
    assert_int_equal(cut.dim[5], 6);
    wg_shape scalar = WG_SCALAR;
    assert_int_equal(scalar.rank, 0);
    assert_int_equal(wg_shape_of(-3, dims).rank, 0);
}

static void counts(void **state)
{
    (void)state;
    wg_shape scalar = WG_SCALAR, s = WG_SHAPE(2, 3, 4), empty = WG_SHAPE(5, 0, 2);
    assert_int_equal(wg_shape_count(&scalar), 1);
    assert_int_equal(wg_shape_count(&s), 24);
    assert_int_equal(wg_shape_count(&empty), 0);
    wg_shape large = WG_SHAPE(INT64_C(1) << 31, INT64_C(1) << 31, 1);
    assert_int_equal(wg_shape_count(&large), INT64_C(1) << 62);
    large = WG_SHAPE(INT64_C(1) << 31, INT64_C(1) << 31, 2);
    assert_int_equal(wg_shape_count(&large), -1);
    wg_shape hidden = WG_SHAPE(0, INT64_C(1) << 40, INT64_C(1) << 40);
    assert_int_equal(wg_shape_count(&hidden), -1); /* its strides overflow */
    wg_shape negative = WG_SHAPE(2, -1);
    assert_int_equal(wg_shape_count(&negative), -1);
    negative.rank = 9;
    assert_int_equal(wg_shape_count(&negative), -1);
}

static void shapes_as_text(void **state)
{
    (void)state;
    char buf[160];
    wg_shape s = WG_SHAPE(2, 3), scalar = WG_SCALAR;
    assert_string_equal(wg_shape_format(&s, buf, sizeof buf), "[2,3]");
    assert_string_equal(wg_shape_format(&scalar, buf, sizeof buf), "[]");
    assert_string_equal(wg_shape_format(&s, buf, 4), "[2,"); /* cut */
    assert_string_equal(wg_shape_format(&s, buf, 1), "");
    int64_t m = INT64_MIN;
    wg_shape longest = WG_SHAPE(m, m, m, m, m, m);
    wg_shape_format(&longest, buf, sizeof buf);
    assert_int_equal(strlen(buf), 2 + 6 * 20 + 5);
    assert_int_equal(buf[strlen(buf) - 1], ']');
}

static void check_broadcast(wg_shape a, wg_shape b, const char *wanted)
{
    wg_shape out, back;
    char buf[160];
    bool fits = wg_shape_broadcast(&a, &b, &out);
    assert_int_equal(fits, wanted != NULL);
    assert_int_equal(wg_shape_broadcast(&b, &a, &back), fits);
    if (!wanted) return;
    assert_string_equal(wg_shape_format(&out, buf, sizeof buf), wanted);
    assert_memory_equal(&out, &back, sizeof out);
}

static void broadcasts_as_numpy(void **state)
{
    (void)state;
    check_broadcast(WG_SHAPE(2, 3), WG_SHAPE(2, 3), "[2,3]");
    check_broadcast(WG_SHAPE(2, 3), WG_SHAPE(3), "[2,3]");
    check_broadcast(WG_SHAPE(2, 1), WG_SHAPE(1, 3), "[2,3]");
    check_broadcast(WG_SHAPE(4, 1, 3), WG_SHAPE(2, 1), "[4,2,3]");
    check_broadcast(WG_SHAPE(2, 3), WG_SCALAR, "[2,3]");
    check_broadcast(WG_SHAPE(0, 3), WG_SHAPE(1, 3), "[0,3]");
    check_broadcast(WG_SHAPE(2, 3), WG_SHAPE(2), NULL);
    check_broadcast(WG_SHAPE(0, 3), WG_SHAPE(2, 3), NULL);
}

static void new_tensors_are_zero_and_aligned(void **state)
{
    (void)state;
    wg_error err;
    for (int d = 0; d < WG_DTYPES; d++) {
        wg_tensor *t;
        WGT_OK(wg_tensor_new((wg_dtype)d, WG_SHAPE(3, 5), &t, &err), &err);
        assert_int_equal((uintptr_t)wg_tensor_data(t) % 64, 0);
        assert_int_equal(wg_tensor_count(t), 15);
        assert_int_equal(wg_tensor_bytes(t), 15 * wg_dtype_size((wg_dtype)d));
        assert_int_equal(wg_tensor_dtype(t), d);
        for (int i = 0; i < 15; i++) assert_true(wg_tensor_get(t, i) == 0);
        wg_tensor_free(t);
    }
    wg_tensor *empty;
    WGT_OK(wg_tensor_new(WG_F32, WG_SHAPE(0, 5), &empty, &err), &err);
    assert_int_equal(wg_tensor_count(empty), 0);
    wg_tensor_fill(empty, 1);
    wg_tensor *clone;
    WGT_OK(wg_tensor_clone(empty, &clone, &err), &err);
    wg_tensor_free(clone);
    wg_tensor_free(empty);
    wg_tensor_free(NULL);
}

static void impossible_tensors_are_refused(void **state)
{
    (void)state;
    wg_error err;
    wg_tensor *t = (wg_tensor *)&err;
    WGT_STATUS(wg_tensor_new((wg_dtype)9, WG_SCALAR, &t, &err), WG_EDTYPE, &err);
    assert_null(t);
    WGT_STATUS(wg_tensor_new(WG_F32, WG_SHAPE(2, -3), &t, &err), WG_EINVAL, &err);
    assert_string_equal(err.message, "tensor: axis 1 of [2,-3] has a negative length");
    wg_shape deep = WG_SHAPE(1);
    deep.rank = 7;
    WGT_STATUS(wg_tensor_new(WG_F32, deep, &t, &err), WG_ELIMIT, &err);
    WGT_STATUS(wg_tensor_new(WG_F64, WG_SHAPE(INT64_C(1) << 61), &t, &err), WG_EOVERFLOW, &err);
    WGT_STATUS(wg_tensor_new(WG_F64, WG_SHAPE(INT64_C(1) << 40, INT64_C(1) << 40), &t, &err),
               WG_EOVERFLOW, &err);
    WGT_STATUS(wg_tensor_wrap(WG_F32, WG_SHAPE(2), NULL, &t, &err), WG_EINVAL, &err);
    assert_null(t);
}

static void wrapping_borrows(void **state)
{
    (void)state;
    wg_error err;
    float data[4] = {1, 2, 3, 4};
    wg_tensor *t;
    wg_shape dirty = WG_SHAPE(2, 2);
    dirty.dim[4] = 99; /* past the rank: must not come back */
    WGT_OK(wg_tensor_wrap(WG_F32, dirty, data, &t, &err), &err);
    assert_ptr_equal(wg_tensor_data(t), data);
    wg_shape clean = WG_SHAPE(2, 2), got = wg_tensor_shape(t);
    assert_memory_equal(&clean, &got, sizeof got);
    wg_tensor_set(t, 3, 8);
    assert_true(data[3] == 8);
    wg_tensor_free(t);
    assert_true(data[0] == 1);
}

static void elements_convert(void **state)
{
    (void)state;
    static const struct {
        double in, f32, i32, u8;
    } cases[] = {
        {1.5, 1.5, 1, 1},
        {-1.5, -1.5, -1, 0},
        {300, 300, 300, 255},
        {-3e9, -3e9, INT32_MIN, 0},
        {3e9, 3e9, INT32_MAX, 255},
        {1e300, INFINITY, INT32_MAX, 255},
        {-INFINITY, -INFINITY, INT32_MIN, 0},
        {2147483647.0, 2147483648.0, INT32_MAX, 255},
    };
    wg_tensor *t[WG_DTYPES];
    for (int d = 0; d < WG_DTYPES; d++)
        WGT_OK(wg_tensor_new((wg_dtype)d, WG_SHAPE(2), &t[d], NULL), NULL);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (int d = 0; d < WG_DTYPES; d++) wg_tensor_set(t[d], 1, cases[i].in);
        assert_true(wg_tensor_get(t[WG_F64], 1) == cases[i].in);
        assert_true(wg_tensor_get(t[WG_F32], 1) == cases[i].f32);
        assert_true(wg_tensor_get(t[WG_I32], 1) == cases[i].i32);
        assert_true(wg_tensor_get(t[WG_U8], 1) == cases[i].u8);
    }
    for (int d = 0; d < WG_DTYPES; d++) wg_tensor_set(t[d], 1, NAN);
    assert_true(isnan(wg_tensor_get(t[WG_F32], 1)));
    assert_true(wg_tensor_get(t[WG_I32], 1) == 0);
    assert_true(wg_tensor_get(t[WG_U8], 1) == 0);
    for (int d = 0; d < WG_DTYPES; d++) {
        wg_tensor_set(t[d], -1, 5); /* out of range: nothing happens */
        wg_tensor_set(t[d], 2, 5);
        assert_true(wg_tensor_get(t[d], 0) == 0);
        assert_true(wg_tensor_get(t[d], 2) == 0);
        wg_tensor_fill(t[d], 7);
        assert_true(wg_tensor_get(t[d], 0) == 7 && wg_tensor_get(t[d], 1) == 7);
    }
    for (int a = 0; a < WG_DTYPES; a++)
        for (int b = 0; b < WG_DTYPES; b++) {
            wg_tensor_fill(t[a], 0);
            wg_tensor_set(t[b], 0, 3);
            wg_tensor_set(t[b], 1, 250);
            WGT_OK(wg_tensor_copy(t[a], t[b], NULL), NULL);
            assert_true(wg_tensor_get(t[a], 0) == 3 && wg_tensor_get(t[a], 1) == 250);
        }
    for (int d = 0; d < WG_DTYPES; d++) wg_tensor_free(t[d]);
}

static void copies_need_equal_counts(void **state)
{
    (void)state;
    wg_error err;
    wg_tensor *a, *b, *c;
    WGT_OK(wg_tensor_new(WG_F32, WG_SHAPE(2, 3), &a, NULL), NULL);
    WGT_OK(wg_tensor_new(WG_F64, WG_SHAPE(6), &b, NULL), NULL);
    WGT_OK(wg_tensor_new(WG_F64, WG_SHAPE(5), &c, NULL), NULL);
    for (int i = 0; i < 6; i++) wg_tensor_set(a, i, i + 0.5);
    WGT_OK(wg_tensor_copy(b, a, &err), &err);
    assert_true(wg_tensor_get(b, 5) == 5.5);
    WGT_STATUS(wg_tensor_copy(c, a, &err), WG_ESHAPE, &err);
    assert_non_null(strstr(err.message, "[2,3]"));
    wg_tensor *d;
    WGT_OK(wg_tensor_clone(a, &d, &err), &err);
    assert_ptr_not_equal(wg_tensor_data(a), wg_tensor_data(d));
    assert_memory_equal(wg_tensor_data(a), wg_tensor_data(d), wg_tensor_bytes(a));
    wg_tensor_free(a);
    wg_tensor_free(b);
    wg_tensor_free(c);
    wg_tensor_free(d);
}

static wg_status make_and_clone(void)
{
    wg_tensor *a, *b = NULL;
    wg_status status = wg_tensor_new(WG_F32, WG_SHAPE(2, 3), &a, NULL);
    if (!status) status = wg_tensor_clone(a, &b, NULL);
    wg_tensor_free(a);
    wg_tensor_free(b);
    return status;
}

static void memory_may_run_out(void **state)
{
    (void)state;
    for (size_t n = 1;; n++) {
        wgt_fail_alloc_at(n);
        if (!wgt_alloc_ran_out(make_and_clone())) break;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dtypes_have_sizes_and_names),
        cmocka_unit_test(shapes_compare_with_memcmp),
        cmocka_unit_test(counts),
        cmocka_unit_test(shapes_as_text),
        cmocka_unit_test(broadcasts_as_numpy),
        cmocka_unit_test(new_tensors_are_zero_and_aligned),
        cmocka_unit_test(impossible_tensors_are_refused),
        cmocka_unit_test(wrapping_borrows),
        cmocka_unit_test(elements_convert),
        cmocka_unit_test(copies_need_equal_counts),
        cmocka_unit_test(memory_may_run_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
