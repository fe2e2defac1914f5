/* Two tapes on two threads do not meet: record, differentiate, compile and run side by side, with
 * the same results as one after the other. Run under ThreadSanitizer in CI. */
#include "support.h"

#include <pthread.h>

#include <wengert/ops.h>
#include <wengert/program.h>
#include <wengert/scan.h>

enum { THREADS = 4, ROUNDS = 8 };

static void body(void *user, wg_scan_step *s)
{
    const wg_var *w = user;
    s->next[0] = wg_tanh(wg_add(wg_matmul(s->carry[0], *w), s->x[0]));
    s->y[0] = s->next[0];
}

typedef struct work {
    double start, result;
    wg_status status;
} work;

static void *run(void *user)
{
    work *job = user;
    wg_error err = {WG_OK, ""};
    wg_tape *tape = NULL;
    wg_tensor *x = NULL;
    job->status = wg_tensor_new(WG_F64, WG_SHAPE(5, 3, 3), &x, &err);
    if (job->status == WG_OK) job->status = wg_tape_new(&tape, &err);
    wg_compile_options o = {.size = sizeof o, .threads = 2};
    if (job->status == WG_OK) job->status = wg_tape_options(tape, &o, &err);
    for (int k = 0; k < ROUNDS && job->status == WG_OK; k++) {
        wg_tape_reset(tape);
        wg_tensor_fill(x, job->start);
        wg_var v = wg_tensor_var(tape, x), h = wg_const(tape, WG_F64, WG_SHAPE(3, 3), 0.1);
        wg_var w = wg_const(tape, WG_F64, WG_SHAPE(3, 3), 0.3), y, out[2];
        wg_scan_def d = {.size = sizeof d,
                         .body = body,
                         .user = &w,
                         .sequences = &v,
                         .n_sequences = 1,
                         .init = &h,
                         .n_carries = 1,
                         .n_outputs = 1};
        wg_scan(tape, &d, NULL, &y, NULL);
        out[0] = wg_sum_all(wg_square(y));
        job->status = wg_grad(out, NULL, 1, &w, 1, &out[1]);
        if (job->status == WG_OK) job->status = wg_eval(out, 2, NULL, &err);
        if (job->status == WG_OK)
            job->result = wg_tensor_get(wg_eval_output(tape, 0), 0) +
                          wg_tensor_get(wg_eval_output(tape, 1), 4);
    }
    wg_tape_free(tape);
    wg_tensor_free(x);
    return NULL;
}

static void tapes_on_threads_do_not_meet(void **state)
{
    (void)state;
    work alone[THREADS], beside[THREADS];
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        alone[i] = beside[i] = (work){.start = 0.1 * (i + 1)};
        run(&alone[i]);
        WGT_OK(alone[i].status, NULL);
    }
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run, &beside[i]), 0);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < THREADS; i++) {
        WGT_OK(beside[i].status, NULL);
        WGT_NEAR(alone[i].result, beside[i].result, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(tapes_on_threads_do_not_meet)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
