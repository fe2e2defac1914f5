/* Kernels that work in place: the gradient of cross entropy takes the place of the logits when
 * nothing reads them any more, so that a step plans one buffer of that size and not two; where they
 * are still wanted, by whatever, it does not. Values are those of the ops one by one. */
#include "support.h"

#include <math.h>
#include <string.h>

#include <wengert/op.h>
#include <wengert/ops.h>
#include <wengert/program.h>

enum { ROWS = 64, CLASSES = 1000, WIDTH = 8 };
static const int64_t logits_bytes = (int64_t)ROWS * CLASSES * 4;

static const int swap[2] = {1, 0};

typedef struct model {
    wg_tape *tape;
    wg_tensor *h, *w, *targets;
    wg_var logits, loss, grad[2];
} model;

static wg_tensor *floats(int64_t rows, int64_t columns, double phase)
{
    wg_tensor *t;
    wg_error err;
    WGT_OK(wg_tensor_new(WG_F32, WG_SHAPE(rows, columns), &t, &err), &err);
    for (int64_t i = 0; i < rows * columns; i++) wg_tensor_set(t, i, sin(0.3 * (double)i + phase));
    return t;
}

/* through: what stands between the logits and the loss. */
static model record(bool product, wg_var (*through)(wg_var))
{
    model m;
    wg_error err;
    WGT_OK(wg_tape_new(&m.tape, &err), &err);
    m.h = floats(ROWS, product ? WIDTH : CLASSES, 0);
    m.w = floats(product ? WIDTH : 1, CLASSES, 1);
    WGT_OK(wg_tensor_new(WG_I32, WG_SHAPE(ROWS), &m.targets, &err), &err);
    for (int64_t i = 0; i < ROWS; i++) wg_tensor_set(m.targets, i, (double)(i * 37 % CLASSES));
    wg_var x[2] = {wg_tensor_var(m.tape, m.h), wg_tensor_var(m.tape, m.w)};
    /* Products have memory of their own: without one, the logits are all there is. */
    m.logits = wg_scale(product ? wg_matmul(x[0], x[1]) : wg_add(x[0], x[1]), 2);
    wg_var seen = through ? through(m.logits) : m.logits;
    m.loss = wg_sum_all(wg_cross_entropy(seen, wg_tensor_var(m.tape, m.targets), WG_NONE, 0.1));
    assert_int_equal(wg_grad(&m.loss, NULL, 1, x, 2, m.grad), WG_OK);
    return m;
}

static void drop(model *m)
{
    wg_tape_free(m->tape);
    wg_tensor_free(m->h);
    wg_tensor_free(m->w);
    wg_tensor_free(m->targets);
}

/* Bytes planned; the values of two runs are compared with those of the ops one by one. */
static int64_t planned(const wg_var *out, int n_out)
{
    wg_program *p[2];
    wg_program_stats stats = {.size = sizeof stats};
    wg_error err;
    for (int plain = 0; plain < 2; plain++) {
        wg_compile_options o = {.size = sizeof o, .threads = 2, .node_by_node = plain};
        WGT_OK(wg_compile(out, n_out, &o, &p[plain], &err), &err);
        WGT_OK(wg_program_run(p[plain], &err), &err);
        WGT_OK(wg_program_run(p[plain], &err), &err);
    }
    for (int i = 0; i < n_out; i++) {
        const wg_tensor *a = wg_program_output(p[0], i), *b = wg_program_output(p[1], i);
        for (int64_t k = 0; k < wg_tensor_count(a); k++)
            WGT_CLOSE(wg_tensor_get(a, k), wg_tensor_get(b, k), 1e-5, 1e-6);
    }
    wg_program_get_stats(p[0], &stats);
    wg_program_free(p[0]);
    wg_program_free(p[1]);
    return stats.bytes_planned;
}

static void one_buffer_of_logits(void **state)
{
    (void)state;
    model m = record(false, NULL);
    wg_var out[3] = {m.loss, m.grad[0], m.grad[1]};
    int64_t bytes = planned(out, 3);
    assert_true(bytes >= logits_bytes && bytes < logits_bytes * 5 / 4);
    drop(&m);
}

static wg_var flattened(wg_var x)
{
    const int64_t dim[] = {8, ROWS / 8, CLASSES};
    return wg_reshape(wg_reshape(x, wg_shape_of(3, dim)), WG_SHAPE(ROWS, CLASSES));
}

static void through_views_too(void **state)
{
    (void)state;
    model m = record(false, flattened);
    wg_var out[3] = {m.loss, m.grad[0], m.grad[1]};
    assert_true(planned(out, 3) < logits_bytes * 5 / 4);
    drop(&m);
}

/* The logits themselves, a view of them, and what is computed from them after the gradient. */
static void logits_in_use_stay(void **state)
{
    (void)state;
    model m = record(true, NULL);
    const wg_var later[] = {
        m.logits, wg_transpose(m.logits, swap, 2),
        wg_sum_all(wg_mul(m.logits, wg_matmul(wg_tensor_var(m.tape, m.h), m.grad[1]))),
        wg_matmul(m.grad[0], wg_tensor_var(m.tape, m.w))};
    for (size_t i = 0; i < sizeof later / sizeof *later; i++) {
        wg_var out[4] = {m.loss, m.grad[0], m.grad[1], later[i]};
        planned(out, 4);
        wg_var other[4] = {later[i], m.grad[1], m.grad[0], m.loss};
        planned(other, 4);
    }
    drop(&m);
}

/* A fused kernel, too: the bias is added, and tanh taken, where the product lies. */
static void fused_kernels_write_over_what_dies(void **state)
{
    (void)state;
    model m = record(true, NULL);
    wg_var h = wg_tensor_var(m.tape, m.h), w = wg_tensor_var(m.tape, m.w);
    wg_var x = wg_matmul(h, w), row = wg_slice(h, 0, 0, 1);
    wg_var out = wg_sum_axis(wg_tanh(wg_add(x, wg_sum_all(row))), 0, false);
    int64_t bytes = planned(&out, 1);
    if (bytes >= logits_bytes * 5 / 4) fail_msg("%lld bytes", (long long)bytes);
    drop(&m);
}

/* Two results of one kernel, of which one alone may lie over the operand. */
static void two_results_do_not_share(void **state)
{
    (void)state;
    model m = record(true, NULL);
    wg_var x = wg_matmul(wg_tensor_var(m.tape, m.h), wg_tensor_var(m.tape, m.w));
    wg_var a = wg_tanh(x), b = wg_mul(a, wg_sigmoid(x)), c = wg_sub(b, wg_square(x));
    wg_var t = wg_transpose(wg_tensor_var(m.tape, m.w), swap, 2);
    wg_var out[3] = {wg_matmul(a, t), wg_matmul(b, t), wg_matmul(c, t)};
    planned(out, 3);
    drop(&m);
}

static void softmax_in_place(void **state)
{
    (void)state;
    model m = record(false, NULL);
    wg_var x = wg_scale(wg_tensor_var(m.tape, m.h), 3);
    wg_var out = wg_sum_all(wg_log_softmax(wg_softmax(x)));
    assert_true(planned(&out, 1) < logits_bytes * 5 / 4);
    /* x is read once more: by a sum */
    wg_var two[2] = {out, wg_sum_all(wg_mul(x, wg_softmax(x)))};
    planned(two, 2);
    drop(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_buffer_of_logits),
        cmocka_unit_test(through_views_too),
        cmocka_unit_test(logits_in_use_stay),
        cmocka_unit_test(fused_kernels_write_over_what_dies),
        cmocka_unit_test(two_results_do_not_share),
        cmocka_unit_test(softmax_in_place),
    };
    return cmocka_run_group_tests_name("inplace", tests, NULL, NULL);
}
