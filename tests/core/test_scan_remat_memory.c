/* Recomputation: what a gradient keeps grows with the square root of the number of steps, and the
 * products stay outside the loops inside the chunks. */
#include "scan_remat_test.h"

#include <math.h>
#include <stdio.h>
#include <sys/resource.h>

/* Bytes that a training step over `steps` steps plans, its loss a sum; run where asked for. */
static int64_t planned(int64_t steps, int64_t rows, int64_t hidden, int64_t remat, bool also_run,
                       double *loss, int64_t *products)
{
    wg_error err = {WG_OK, ""};
    leaves l;
    leaves_new(&l, WG_F32, steps, rows, hidden);
    wg_tape *tape;
    WGT_OK(wg_tape_new(&tape, &err), &err);
    net n = net_on(tape, &l, false, false);
    wg_var final[2], y, out[1 + PARAMS];
    out[0] = run(tape, &n, remat, false, final, &y);
    WGT_OK(wg_grad(out, NULL, 1, n.p, PARAMS, out + 1), NULL);
    wg_program *p;
    WGT_OK(wg_compile(out, 1 + PARAMS, NULL, &p, &err), &err);
    wg_program_stats s = {.size = sizeof s};
    if (also_run) WGT_OK(wg_program_run(p, &err), &err);
    wg_program_get_stats(p, &s);
    if (also_run) *loss = wg_tensor_get(wg_program_output(p, 0), 0);
    if (products) *products = s.products_a_run;
    wg_program_free(p);
    wg_tape_free(tape);
    leaves_free(&l);
    return s.bytes_planned;
}

static void memory_grows_with_the_root(void **state)
{
    (void)state;
    const int64_t steps[] = {100, 400, 1600, 6400};
    int64_t plain[4], root[4];
    for (int i = 0; i < 4; i++) {
        plain[i] = planned(steps[i], 2, 16, 0, false, NULL, NULL);
        root[i] = planned(steps[i], 2, 16, -1, false, NULL, NULL);
        print_message("T = %5d: %9lld bytes planned, in chunks %7lld\n", (int)steps[i],
                      (long long)plain[i], (long long)root[i]);
    }
    /* Beside what does not depend on T: four times the steps take four times the memory, in
     * chunks twice. */
    for (int i = 2; i < 4; i++) {
        WGT_CLOSE(plain[i] - plain[i - 1], 4 * (plain[i - 1] - plain[i - 2]), 0.1, 0);
        WGT_CLOSE(root[i] - root[i - 1], 2 * (root[i - 1] - root[i - 2]), 0.1, 0);
    }
    assert_true(root[3] * 20 < plain[3]);
}

/* What is hoisted and sunk is so inside the chunks: products a run of T = 100, chunks of 10.
 * Forward: one a chunk in, 100 recurrent; again in the backward loop, with 100 back and one for
 * each of two weights a chunk. */
static void products_leave_the_loop_inside_chunks(void **state)
{
    (void)state;
    double loss;
    int64_t products;
    planned(100, 2, 16, 10, true, &loss, &products);
    assert_int_equal(products, (10 + 100) + (10 + 100) + 100 + 2 * 10);
}

static long peak_kib(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return u.ru_maxrss;
}

/* 100,000 steps train in bounded memory. Run first, so that the peak is this test's. */
static void long_sequences_train_in_bounded_memory(void **state)
{
    (void)state;
    enum { STEPS = 100000, ROWS = 2, UNITS = 32 };
    long before = peak_kib();
    double loss;
    int64_t bytes = planned(STEPS, ROWS, UNITS, -1, true, &loss, NULL);
    long after = peak_kib();
    int64_t plain = planned(STEPS, ROWS, UNITS, 0, false, NULL, NULL);
    print_message("T = 100000, B = 2, H = 32: %.2f MB planned (%.0f MB without chunks), peak "
                  "memory %.1f MB over %.1f MB, loss %.6g\n",
                  (double)bytes / 1e6, (double)plain / 1e6, (double)after * 1024 / 1e6,
                  (double)before * 1024 / 1e6, loss);
    assert_true(isfinite(loss) && loss > 0);
    assert_true(bytes < 4000000);
    assert_true(plain > 100 * bytes / 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(long_sequences_train_in_bounded_memory),
        cmocka_unit_test(memory_grows_with_the_root),
        cmocka_unit_test(products_leave_the_loop_inside_chunks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
