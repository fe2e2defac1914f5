/* Recording: shapes at once, poison with the first message, stale handles, leaves, places. */
#include "support.h"

#include <stdio.h>
#include <string.h>

#include <wengert/ops.h>
#include <wengert/program.h>

static wg_tape *new_tape(void)
{
    wg_error err;
    wg_tape *tape;
    WGT_OK(wg_tape_new(&tape, &err), &err);
    return tape;
}

static void shapes_are_known_at_once(void **state)
{
    (void)state;
    wg_tape *tape = new_tape();
    wg_var a = wg_input(tape, "a", WG_F32, WG_SHAPE(4, 1, 3));
    wg_var b = wg_input(tape, "b", WG_F32, WG_SHAPE(5, 1));
    wg_var y = wg_add(a, b);
    assert_true(wg_var_ok(y));
    wg_shape want = WG_SHAPE(4, 5, 3), got = wg_var_type(y).shape;
    assert_true(wg_shape_equal(&want, &got));
    assert_int_equal(wg_dim(y, -1), 3);
    assert_int_equal(wg_tape_length(tape), 3);
    wg_tape_free(tape);
}

static void the_first_message_is_kept(void **state)
{
    (void)state;
    wg_tape *tape = new_tape();
    wg_var a = wg_input(tape, "a", WG_F32, WG_SHAPE(32, 256));
    wg_var w = wg_input(tape, "w", WG_F32, WG_SHAPE(512, 1024));
    wg_push_scope(tape, "enc");
    wg_push_scope(tape, "0");
    int line = __LINE__ + 1;
    wg_var bad = wg_matmul(a, w);
    wg_pop_scope(tape);
    wg_pop_scope(tape);
    assert_false(wg_var_ok(bad));
    wg_var worse = wg_tanh(wg_add(bad, a)); /* passes the poison on, adds no message */
    assert_false(wg_var_ok(worse));
    wg_add(a, w); /* a second error of its own */
    wg_error err = {WG_OK, ""};
    WGT_STATUS(wg_tape_status(tape, &err), WG_ESHAPE, NULL);
    assert_non_null(strstr(err.message, "matmul 'enc.0'"));
    assert_non_null(strstr(err.message, "[32,256]"));
    assert_non_null(strstr(err.message, "[512,1024]"));
    char place[64];
    snprintf(place, sizeof place, "test_tape.c:%d", line);
    assert_non_null(strstr(err.message, place));
    wg_program *program;
    wg_error again = {WG_OK, ""};
    WGT_STATUS(wg_compile(&worse, 1, NULL, &program, &again), WG_ESHAPE, NULL);
    assert_string_equal(err.message, again.message);
    wg_var g;
    WGT_STATUS(wg_grad(&worse, NULL, 1, &a, 1, &g), WG_ESHAPE, NULL);
    wg_tape_free(tape);
}

static void old_handles_are_detected(void **state)
{
    (void)state;
    wg_tape *tape = new_tape();
    wg_var a = wg_const(tape, WG_F64, WG_SHAPE(2), 1);
    wg_tape_reset(tape);
    assert_false(wg_var_ok(a));
    assert_null(wg_var_tape(a));
    wg_var b = wg_const(tape, WG_F64, WG_SHAPE(2), 1);
    wg_var y = wg_add(b, a);
    assert_false(wg_var_ok(y));
    wg_error err;
    WGT_STATUS(wg_tape_status(tape, &err), WG_ESTALE, NULL);
    assert_non_null(strstr(err.message, "reset or freed"));
    wg_tape_free(tape);
    assert_false(wg_var_ok(b));
    assert_false(wg_var_ok(wg_neg(b)));
    wg_program *program;
    WGT_STATUS(wg_compile(&b, 1, NULL, &program, &err), WG_ESTALE, NULL);
}

static void absent_and_foreign_operands(void **state)
{
    (void)state;
    wg_tape *one = new_tape(), *two = new_tape();
    wg_var a = wg_const(one, WG_F64, WG_SCALAR, 1), b = wg_const(two, WG_F64, WG_SCALAR, 1);
    wg_error err;
    assert_false(wg_var_ok(wg_add(a, b)));
    assert_true(wg_tape_status(one, &err) == WG_EINVAL || wg_tape_status(two, &err) == WG_EINVAL);
    wg_tape_reset(one);
    a = wg_const(one, WG_F64, WG_SCALAR, 1);
    assert_false(wg_var_ok(wg_add(a, WG_NONE)));
    WGT_STATUS(wg_tape_status(one, &err), WG_EINVAL, NULL);
    wg_tape_free(one);
    wg_tape_free(two);
}

static void inputs_and_tensors_are_one_leaf_each(void **state)
{
    (void)state;
    wg_tape *tape = new_tape();
    wg_var a = wg_input(tape, "x", WG_F32, WG_SHAPE(2)),
           b = wg_input(tape, "x", WG_F32, WG_SHAPE(2));
    assert_int_equal(a.index, b.index);
    wg_error err;
    wg_tensor *t;
    WGT_OK(wg_tensor_new(WG_F64, WG_SHAPE(3), &t, &err), &err);
    assert_int_equal(wg_tensor_var(tape, t).index, wg_tensor_var(tape, t).index);
    assert_false(wg_var_ok(wg_input(tape, "x", WG_F32, WG_SHAPE(3))));
    WGT_STATUS(wg_tape_status(tape, &err), WG_EEXIST, NULL);
    wg_tape_free(tape);
    wg_tensor_free(t);
}

static void dtypes_are_not_promoted(void **state)
{
    (void)state;
    wg_tape *tape = new_tape();
    wg_var a = wg_const(tape, WG_F32, WG_SHAPE(2), 1), b = wg_const(tape, WG_F64, WG_SHAPE(2), 1);
    assert_false(wg_var_ok(wg_mul(a, b)));
    wg_error err;
    WGT_STATUS(wg_tape_status(tape, &err), WG_EDTYPE, NULL);
    wg_tape_free(tape);
}

static void gradients_need_scalars_or_cotangents(void **state)
{
    (void)state;
    wg_tape *tape = new_tape();
    wg_var a = wg_input(tape, "a", WG_F64, WG_SHAPE(2)), y = wg_square(a), g;
    WGT_STATUS(wg_grad(&y, NULL, 1, &a, 1, &g), WG_ESHAPE, NULL);
    wg_tape_free(tape);
}

static void a_gradient_that_is_not_there_is_none(void **state)
{
    (void)state;
    wg_tape *tape = new_tape();
    wg_var a = wg_input(tape, "a", WG_F64, WG_SCALAR), b = wg_input(tape, "b", WG_F64, WG_SCALAR);
    wg_var y = wg_mul(wg_stop_gradient(a), a), x[2] = {a, b}, g[2];
    WGT_OK(wg_grad(&y, NULL, 1, x, 2, g), NULL);
    assert_true(wg_var_ok(g[0]));
    assert_true(wg_is_none(g[1]));
    WGT_OK(wg_grad_or_zeros(&y, NULL, 1, x, 2, g), NULL);
    assert_true(wg_var_ok(g[1]));
    wg_tape_free(tape);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shapes_are_known_at_once),
        cmocka_unit_test(the_first_message_is_kept),
        cmocka_unit_test(old_handles_are_detected),
        cmocka_unit_test(absent_and_foreign_operands),
        cmocka_unit_test(inputs_and_tensors_are_one_leaf_each),
        cmocka_unit_test(dtypes_are_not_promoted),
        cmocka_unit_test(gradients_need_scalars_or_cotangents),
        cmocka_unit_test(a_gradient_that_is_not_there_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
