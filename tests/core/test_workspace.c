/* Buffers that programs share: the same bits as with buffers of their own, in any order of runs and
 * of freeing, and the memory of the largest. */
#include "support.h"

#include <string.h>

#include <wengert/ops.h>
#include <wengert/program.h>
#include <wengert/scan.h>

#include "compile.h"
#include "tensors.h"

enum { KINDS = 3, W = 8 };
static const int64_t rows_of[KINDS] = {4, 64, 16};

typedef struct model {
    wg_tensor *x, *w, *out, *grad;
    wg_program *program;
} model;

static void body(void *user, wg_scan_step *s)
{
    const wg_var *w = user;
    s->next[0] = wg_tanh(wg_add(wg_matmul(s->carry[0], *w), s->x[0]));
}

/* The last state of a small recurrent net over 3 steps, and the gradient of its sum by w. */
static void record(wg_tape *tape, const model *m, wg_var out[2])
{
    wg_var x = wg_tensor_var(tape, m->x), w = wg_tensor_var(tape, m->w);
    wg_var init =
        wg_broadcast_to(wg_const(tape, WG_F32, WG_SCALAR, 0.25), WG_SHAPE(wg_dim(x, 1), W));
    wg_scan_def d = {.size = sizeof d,
                     .body = body,
                     .user = &w,
                     .sequences = &x,
                     .n_sequences = 1,
                     .init = &init,
                     .n_carries = 1};
    wg_scan(tape, &d, &out[0], NULL, NULL);
    wg_var sum = wg_sum_all(wg_square(out[0]));
    wg_error err;
    WGT_OK(wg_grad(&sum, NULL, 1, &w, 1, &out[1]), NULL);
    WGT_OK(wg_tape_status(tape, &err), &err);
}

static model make(int64_t rows, wg_workspace *workspace)
{
    wg_error err;
    model m = {.x = wgt_random_tensor(WG_F32, WG_SHAPE(3, rows, W), 1),
               .w = wgt_random_tensor(WG_F32, WG_SHAPE(W, W), 2)};
    WGT_OK(wg_tensor_new(WG_F32, WG_SHAPE(rows, W), &m.out, &err), &err);
    WGT_OK(wg_tensor_new(WG_F32, WG_SHAPE(W, W), &m.grad, &err), &err);
    wg_tape *tape;
    WGT_OK(wg_tape_new(&tape, &err), &err);
    wg_var out[2];
    record(tape, &m, out);
    const wg_compile_options o = {.size = sizeof o, .threads = 1, .workspace = workspace};
    WGT_OK(wg_compile(out, 2, &o, &m.program, &err), &err);
    WGT_OK(wg_program_bind_output(m.program, 0, m.out, &err), &err);
    WGT_OK(wg_program_bind_output(m.program, 1, m.grad, &err), &err);
    wg_tape_free(tape);
    return m;
}

static void drop(model *m)
{
    wg_program_free(m->program);
    wg_tensor_free(m->x);
    wg_tensor_free(m->w);
    wg_tensor_free(m->out);
    wg_tensor_free(m->grad);
}

static void same(const wg_tensor *a, const wg_tensor *b)
{
    assert_memory_equal(wg_tensor_cdata(a), wg_tensor_cdata(b), wg_tensor_bytes(a));
}

static void same_bits_in_any_order(void **state)
{
    (void)state;
    wg_error err;
    wg_workspace *ws;
    WGT_OK(wg_workspace_new(&ws, &err), &err);
    model own[KINDS], shared[KINDS];
    int64_t most = 0;
    for (int i = 0; i < KINDS; i++) {
        own[i] = make(rows_of[i], NULL);
        shared[i] = make(rows_of[i], ws);
        WGT_OK(wg_program_run(own[i].program, &err), &err);
        wg_program_stats s = {.size = sizeof s}, o = {.size = sizeof o};
        wg_program_get_stats(shared[i].program, &s);
        wg_program_get_stats(own[i].program, &o);
        if (s.bytes_planned > most) most = s.bytes_planned;
        assert_true(s.bytes_held > 0 && s.bytes_held + s.bytes_planned == o.bytes_held);
    }
    assert_int_equal(wg_workspace_bytes(ws), 0); /* taken by the first run */
    static const int order[] = {0, 1, 0, 2, 2, 1, 0};
    for (size_t k = 0; k < sizeof order / sizeof *order; k++) {
        int i = order[k];
        if (ws->memory) memset(ws->memory, 0xff, ws->bytes); /* NaN: nothing of it may be read */
        WGT_OK(wg_program_run(shared[i].program, &err), &err);
        same(shared[i].out, own[i].out);
        same(shared[i].grad, own[i].grad);
    }
    assert_true(wg_workspace_bytes(ws) >= (size_t)most);
    assert_true(wg_workspace_bytes(ws) <= (size_t)most * 5 / 4 + 256);
    drop(&shared[0]);
    wg_workspace_free(ws); /* before the others */
    WGT_OK(wg_program_run(shared[1].program, &err), &err);
    same(shared[1].grad, own[1].grad);
    for (int i = 0; i < KINDS; i++) {
        if (i > 0) drop(&shared[i]);
        drop(&own[i]);
    }
    wg_workspace_free(NULL);
}

/* A watch that runs another program of the workspace while the first one is at work. */
static void run_other(void *user, const char *name, int64_t time, const wg_tensor *value)
{
    wg_error err;
    model *other = user;
    (void)name;
    (void)time;
    (void)value;
    WGT_OK(wg_program_run(other->program, &err), &err);
}

static void a_program_within_a_run_has_its_own(void **state)
{
    (void)state;
    wg_error err;
    wg_workspace *ws;
    WGT_OK(wg_workspace_new(&ws, &err), &err);
    model other = make(64, ws), alone = make(64, NULL);
    WGT_OK(wg_program_run(alone.program, &err), &err);
    wg_tape *tape;
    WGT_OK(wg_tape_new(&tape, &err), &err);
    wg_tensor *x = wgt_random_tensor(WG_F32, WG_SHAPE(100), 3);
    wg_var a = wg_exp(wg_tensor_var(tape, x)), b = wg_watch(wg_square(a), "b");
    wg_var y = wg_add(wg_sum_all(b), wg_sum_all(wg_mul(a, b)));
    wg_tape_on_watch(tape, run_other, &other);
    const wg_compile_options o = {.size = sizeof o, .workspace = ws};
    wg_program *outer, *plain;
    WGT_OK(wg_compile(&y, 1, &o, &outer, &err), &err);
    wg_tape_on_watch(tape, NULL, NULL);
    WGT_OK(wg_compile(&y, 1, NULL, &plain, &err), &err);
    WGT_OK(wg_program_run(plain, &err), &err);
    for (int round = 0; round < 2; round++) {
        WGT_OK(wg_program_run(outer, &err), &err);
        same(wg_program_output(outer, 0), wg_program_output(plain, 0));
        same(other.grad, alone.grad);
    }
    wg_tape_free(tape);
    wg_program_free(plain);
    wg_program_free(outer);
    wg_workspace_free(ws);
    drop(&other);
    drop(&alone);
    wg_tensor_free(x);
}

static wg_status two_runs(void)
{
    wg_workspace *ws = NULL;
    wg_program *program[2] = {NULL, NULL};
    wg_tape *tape = NULL;
    wg_status status = wg_workspace_new(&ws, NULL);
    if (!status) status = wg_tape_new(&tape, NULL);
    for (int i = 0; i < 2 && !status; i++) {
        wg_var x = wg_broadcast_to(wg_const(tape, WG_F64, WG_SCALAR, 2), WG_SHAPE(i ? 5000 : 50));
        wg_var y = wg_sum_all(wg_exp(wg_reverse(wg_tanh(x), 0, WG_NONE)));
        const wg_compile_options o = {.size = sizeof o, .threads = 1, .workspace = ws};
        status = wg_tape_status(tape, NULL);
        if (!status) status = wg_compile(&y, 1, &o, &program[i], NULL);
    }
    for (int i = 0; i < 4 && !status; i++) {
        status = wg_program_run(program[i % 2], NULL);
        /* Once more: what did not fit may fit the next time. */
        if (status == WG_ENOMEM && wg_program_run(program[i % 2], NULL) != WG_OK)
            fail_msg("a run after one without memory");
    }
    for (int i = 0; i < 2; i++) wg_program_free(program[i]);
    wg_tape_free(tape);
    wg_workspace_free(ws);
    return status;
}

static void out_of_memory(void **state)
{
    (void)state;
    for (size_t n = 1;; n++) {
        wgt_fail_alloc_at(n);
        wg_status status = two_runs();
        if (!wgt_alloc_ran_out(status)) break;
    }
}

/* wg_eval's programs share without being told; 256 of them stay. */
static void programs_of_a_tape_share(void **state)
{
    (void)state;
    enum { SHAPES = 300 };
    wg_error err;
    wg_tape *tape;
    WGT_OK(wg_tape_new(&tape, &err), &err);
    for (int round = 0; round < 2; round++)
        for (int64_t n = 1; n <= SHAPES; n++) {
            wg_tape_reset(tape);
            wg_var x = wg_broadcast_to(wg_const(tape, WG_F64, WG_SCALAR, 0.5), WG_SHAPE(n, 4));
            wg_var y = wg_sum_all(wg_matmul(x, wg_swap_axes(wg_exp(x), 0, 1)));
            WGT_OK(wg_eval(&y, 1, NULL, &err), &err);
            WGT_CLOSE(wg_tensor_get(wg_eval_output(tape, 0), 0),
                      (double)(n * n) * 4 * 0.5 * 1.6487212707001282, 1e-12, 0);
        }
    int64_t programs;
    wg_tape_cache_stats(tape, &programs, NULL, NULL);
    assert_int_equal(programs, 256);
    wg_tape_free(tape);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_bits_in_any_order),
        cmocka_unit_test(a_program_within_a_run_has_its_own),
        cmocka_unit_test(out_of_memory),
        cmocka_unit_test(programs_of_a_tape_share),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
