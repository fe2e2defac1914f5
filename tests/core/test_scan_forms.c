/* Scans of every form against an ordinary C loop that calls the same body: values, first and second
 * gradients; compiled and node by node; no steps; every allocation failing once. */
#include "scan_cases.h"

/* No steps: states are the initial ones, outputs empty, sums zero, gradients flow through states.
 */
static void no_steps(void **state)
{
    (void)state;
    wg_error err = {WG_OK, ""};
    for (int kind = 0; kind < 2; kind++) {
        wg_tensor *leaf[WGT_LEAVES], *lengths;
        wg_tape *tape;
        WGT_OK(wg_tape_new(&tape, &err), &err);
        WGT_OK(wg_tensor_new(WG_I32, WG_SHAPE(3), &lengths, &err), &err);
        wgt_given g = {.tape = tape, .scan = wg_scan, .b = 3};
        wgt_leaves_new(leaf, 0, 3, 5);
        wgt_leaves_record(&g, leaf);
        g.lengths = wg_tensor_var(tape, lengths);
        wg_var out[2 * WGT_CASE_OUT + 3 * WGT_LEAVES];
        int n = wgt_record_case(&g, kind ? wgt_case_swap_lengths : wgt_case_swap, out);
        wg_compile_options o = {.size = sizeof o};
        for (int plain = 0; plain < 2; plain++) {
            o.node_by_node = plain;
            wg_program *p;
            WGT_OK(wg_compile(out, n, &o, &p, &err), &err);
            WGT_OK(wg_program_run(p, &err), &err);
            for (int64_t i = 0; i < 12; i++) {
                WGT_NEAR(wg_tensor_get(wg_program_output(p, 0), i), wg_tensor_get(leaf[1], i), 0);
                WGT_NEAR(wg_tensor_get(wg_program_output(p, 1), i), wg_tensor_get(leaf[2], i), 0);
                WGT_NEAR(wg_tensor_get(wg_program_output(p, 8), i), 0, 0);
                /* d/d leaf[1] of its squares / 2 and / 4 */
                WGT_NEAR(wg_tensor_get(wg_program_output(p, 14), i),
                         1.5 * wg_tensor_get(leaf[1], i), 1e-12);
            }
            assert_int_equal(wg_tensor_count(wg_program_output(p, 4)), 0);
            wg_program_free(p);
        }
        wg_tape_free(tape);
        wg_tensor_free(lengths);
        wgt_leaves_free(leaf);
    }
}

static void every_form_equals_a_loop(void **state)
{
    (void)state;
    const wgt_scan_check how[] = {
        {.t = 5, .b = 3, .threads = 1}, {.t = 5, .b = 3, .threads = 1, .plain = true},
        {.t = 5, .b = 3, .threads = 2}, {.t = 1, .b = 2, .threads = 1},
        {.t = 2, .b = 1, .threads = 1}, {.t = 4, .b = 0, .threads = 1},
    };
    for (size_t i = 0; i < wgt_n_scan_cases; i++)
        for (size_t k = 0; k < sizeof how / sizeof *how; k++) {
            wgt_scan_check h = how[k];
            h.scan = wg_scan;
            h.like = wgt_scan_by_loop;
            h.tol = 1e-10;
            wgt_check_case(&wgt_scan_cases[i], &h);
        }
}

/* Each allocation fails once over recording, both gradients, compiling and running of a nested
 * loop: an error, nothing lost, nothing broken. */
static wg_status nested_path(wg_tensor *const *leaf, wg_tensor *lengths, wg_error *err)
{
    wg_tape *tape = NULL;
    wg_status status = wg_tape_new(&tape, err);
    if (status != WG_OK) return status;
    wgt_given g = {.tape = tape, .scan = wg_scan, .t = 2, .b = 1};
    for (int i = 0; i < WGT_LEAVES; i++) g.leaf[i] = wg_tensor_var(tape, leaf[i]);
    g.lengths = g.inner_lengths = wg_tensor_var(tape, lengths);
    wg_var out[WGT_CASE_OUT], w = g.leaf[3], grad;
    wgt_case_nested_both(&g, out);
    wg_var loss = wg_sum_all(wg_square(out[0]));
    wg_grad_or_zeros(&loss, NULL, 1, &w, 1, &grad);
    wg_var second = wg_sum_all(wg_square(grad));
    wg_grad_or_zeros(&second, NULL, 1, &w, 1, &out[0]);
    status = wg_tape_status(tape, err);
    if (status == WG_OK) status = wg_eval(out, 1, NULL, err);
    wg_tape_free(tape);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    wg_error err = {WG_OK, ""};
    wg_tensor *leaf[WGT_LEAVES], *lengths;
    wgt_leaves_new(leaf, 2, 1, 5);
    WGT_OK(wg_tensor_new(WG_I32, WG_SHAPE(1), &lengths, &err), &err);
    wg_tensor_fill(lengths, 2);
    WGT_OK(nested_path(leaf, lengths, &err), &err);
    wgt_fail_alloc_at(0);
    WGT_OK(nested_path(leaf, lengths, &err), &err);
    size_t calls = wgt_alloc_count(), step = calls / 1500 + 1;
    wgt_alloc_restore();
    for (size_t n = 1; n <= calls; n += step) {
        wgt_fail_alloc_at(n);
        wg_status status = nested_path(leaf, lengths, &err);
        bool reached = wgt_alloc_count() >= n;
        size_t live = wgt_alloc_live();
        wgt_alloc_restore();
        assert_int_equal(live, 0);
        assert_true(reached);
        assert_int_equal(status, WG_ENOMEM);
    }
    wgt_leaves_free(leaf);
    wg_tensor_free(lengths);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_equals_a_loop),
        cmocka_unit_test(no_steps),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
