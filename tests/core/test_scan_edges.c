/* Scans at the edges: no sequences, no steps, sums alone; and what cannot be one. */
#include "tensors.h"

#include <string.h>

#include <wengert/ops.h>
#include <wengert/program.h>
#include <wengert/scan.h>

enum { B = 3, H = 2 };

/* Sums, no sequences, outer values lifted, time. */
static void sum_body(void *user, wg_scan_step *s)
{
    const wg_var *w = user;
    wg_var t = wg_cast(s->time, WG_F64);
    s->sum[0] = wg_mul(w[0], t);
    s->y[0] = wg_square(t);
}

static void sums_time_and_zero_steps(void **state)
{
    (void)state;
    for (int64_t steps = 0; steps <= 4; steps += 4) {
        wg_error err = {WG_OK, ""};
        wg_tape *tape;
        WGT_OK(wg_tape_new(&tape, &err), &err);
        wg_tensor *w = wgt_random_tensor(WG_F64, WG_SHAPE(3), 7);
        wg_var v = wg_tensor_var(tape, w), y, sum, g, out[3];
        wg_scan_def d = {.size = sizeof d,
                         .body = sum_body,
                         .user = &v,
                         .n_outputs = 1,
                         .n_sums = 1,
                         .steps = steps};
        WGT_OK(wg_scan(tape, &d, NULL, &y, &sum), NULL);
        wg_var loss = wg_sum_all(sum);
        WGT_OK(wg_grad_or_zeros(&loss, NULL, 1, &v, 1, &g), NULL);
        out[0] = y;
        out[1] = sum;
        out[2] = g;
        WGT_OK(wg_eval(out, 3, NULL, &err), &err);
        double total = steps ? 0 + 1 + 2 + 3 : 0;
        assert_int_equal(wg_tensor_count(wg_eval_output(tape, 0)), steps);
        if (steps) WGT_NEAR(wg_tensor_get(wg_eval_output(tape, 0), 3), 9, 0);
        for (int i = 0; i < 3; i++) {
            WGT_NEAR(wg_tensor_get(wg_eval_output(tape, 1), i), total * wg_tensor_get(w, i), 1e-12);
            WGT_NEAR(wg_tensor_get(wg_eval_output(tape, 2), i), total, 1e-12);
        }
        wg_tape_free(tape);
        wg_tensor_free(w);
    }
}

static void bad_body(void *user, wg_scan_step *s)
{
    (void)user;
    s->next[0] = wg_concat((wg_var[]){s->carry[0], s->carry[0]}, 2, 1);
}

static void unset_body(void *user, wg_scan_step *s)
{
    (void)user;
    (void)s;
}

static void bad_scans_say_what_is_wrong(void **state)
{
    (void)state;
    wg_error err = {WG_OK, ""};
    wg_tape *tape;
    WGT_OK(wg_tape_new(&tape, &err), &err);
    wg_var h = wg_const(tape, WG_F64, WG_SHAPE(B, H), 0), final;
    wg_scan_def d = {
        .size = sizeof d, .body = bad_body, .init = &h, .n_carries = 1, .steps = 3, .name = "mine"};
    assert_int_equal(wg_scan(tape, &d, &final, NULL, NULL), WG_ESHAPE);
    assert_false(wg_var_ok(final));
    wg_tape_status(tape, &err);
    assert_non_null(strstr(err.message, "mine: state 0 is f64[3,2] before the step, f64[3,4]"));
    wg_tape_reset(tape);
    h = wg_const(tape, WG_F64, WG_SHAPE(B, H), 0);
    d.body = unset_body;
    assert_int_equal(wg_scan(tape, &d, &final, NULL, NULL), WG_EINVAL);
    wg_tape_status(tape, &err);
    assert_non_null(strstr(err.message, "left state 0 unset"));
    wg_tape_reset(tape);
    wg_var seq[2] = {wg_const(tape, WG_F64, WG_SHAPE(4, 2), 0),
                     wg_const(tape, WG_F64, WG_SHAPE(5, 2), 0)};
    d = (wg_scan_def){.size = sizeof d, .body = unset_body, .sequences = seq, .n_sequences = 2};
    assert_int_equal(wg_scan(tape, &d, NULL, NULL, NULL), WG_ESHAPE);
    wg_tape_status(tape, &err);
    assert_non_null(strstr(err.message, "5 steps"));
    wg_tape_free(tape);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_time_and_zero_steps),
        cmocka_unit_test(bad_scans_say_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
