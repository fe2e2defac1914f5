/* Scan = the same body unrolled by a C loop: value, gradient, second gradient; with and without
 * lengths, both directions, fused and node by node. Bodies are random, shape-correct cells. What
 * recording and running them costs. */
#include "tensors.h"

#include <math.h>
#include <string.h>

#include <wengert/ops.h>
#include <wengert/program.h>
#include <wengert/rng.h>
#include <wengert/scan.h>

enum { T = 5, B = 3, X = 4, H = 2, WEIGHTS = 4, LEAVES = WEIGHTS + 3 };

typedef struct problem {
    wg_tensor *leaf[LEAVES]; /* Wx Wh b v, x, h0, c0 */
    wg_tensor *lengths;
    uint64_t seed; /* of the random body */
    bool masked, reverse;
} problem;

static void problem_new(problem *p, uint64_t seed)
{
    wg_shape shapes[LEAVES] = {WG_SHAPE(X, 2 * H), WG_SHAPE(H, 2 * H), WG_SHAPE(2 * H), WG_SHAPE(H),
                               WG_SHAPE(T, B, X),  WG_SHAPE(B, H),     WG_SHAPE(B, H)};
    memset(p, 0, sizeof *p);
    p->seed = seed;
    for (int i = 0; i < LEAVES; i++)
        p->leaf[i] = wgt_random_tensor(WG_F64, shapes[i], 100 * seed + (uint64_t)i);
    wg_error err;
    WGT_OK(wg_tensor_new(WG_I32, WG_SHAPE(B), &p->lengths, &err), &err);
    int lengths[B] = {T, 2, 0};
    for (int i = 0; i < B; i++) wg_tensor_set(p->lengths, i, lengths[i]);
}

static void problem_free(problem *p)
{
    for (int i = 0; i < LEAVES; i++) wg_tensor_free(p->leaf[i]);
    wg_tensor_free(p->lengths);
}

/* A random cell: two gates from products, then a chain of random ops over what is there. */
static void random_cell(uint64_t seed, const wg_var *w, wg_var x, const wg_var *s, wg_var *next,
                        wg_var *y)
{
    wg_rng rng;
    wg_rng_init(&rng, seed, "cell");
    wg_var gates[2], pool[16];
    wg_split(wg_add(wg_affine(x, w[0], w[2]), wg_matmul(s[0], w[1])), -1, 2, gates);
    int n = 0;
    pool[n++] = gates[0];
    pool[n++] = gates[1];
    pool[n++] = s[0];
    pool[n++] = s[1];
    for (int k = 0; k < 7; k++) {
        wg_var a = pool[wg_rng_below(&rng, (uint32_t)n)], b = pool[wg_rng_below(&rng, (uint32_t)n)];
        wg_var v;
        switch (wg_rng_below(&rng, 9)) {
        case 0: v = wg_tanh(a); break;
        case 1: v = wg_sigmoid(a); break;
        case 2: v = wg_mul(a, b); break;
        case 3: v = wg_add(a, wg_mul(b, w[3])); break;
        case 4: v = wg_lerp(a, b, wg_sigmoid(gates[0])); break;
        case 5: v = wg_softmax(a); break;
        case 6: v = wg_sub(a, wg_sum_axis(b, -1, true)); break;
        case 7: v = wg_layer_norm(a, w[3], WG_NONE, 0.1); break;
        default: v = wg_concat((wg_var[]){wg_slice(a, 1, 1, 1), wg_slice(b, 1, 0, 1)}, 2, 1);
        }
        pool[n++] = wg_tanh(v); /* bounded */
    }
    next[0] = pool[n - 1];
    next[1] = wg_add(wg_scale(s[1], 0.5), pool[n - 2]);
    *y = wg_mul(pool[n - 3], next[0]);
}

typedef struct cell_use {
    uint64_t seed;
    const wg_var *w;
} cell_use;

static void body(void *user, wg_scan_step *s)
{
    const cell_use *u = user;
    random_cell(u->seed, u->w, s->x[0], s->carry, s->next, &s->y[0]);
    /* A sum slot, from values that are zero in masked rows. */
}

static wg_var loss_of(wg_var y, const wg_var *final)
{
    wg_var l = wg_sum_all(wg_square(y));
    return wg_add(l, wg_sum_all(wg_mul(final[0], wg_tanh(final[1]))));
}

static wg_var scanned(wg_tape *tape, const problem *p, const wg_var *leaf)
{
    cell_use u = {p->seed, leaf};
    wg_var final[2], y;
    wg_scan_def d = {.size = sizeof d,
                     .body = body,
                     .user = &u,
                     .sequences = &leaf[WEIGHTS],
                     .n_sequences = 1,
                     .init = &leaf[WEIGHTS + 1],
                     .n_carries = 2,
                     .n_outputs = 1,
                     .reverse = p->reverse,
                     .name = "cell"};
    if (p->masked) d.lengths = wg_tensor_var(tape, p->lengths);
    WGT_OK(wg_scan(tape, &d, final, &y, NULL), NULL);
    return loss_of(y, final);
}

static wg_var unrolled(wg_tape *tape, const problem *p, const wg_var *leaf)
{
    wg_var s[2] = {leaf[WEIGHTS + 1], leaf[WEIGHTS + 2]}, ys[T];
    for (int k = 0; k < T; k++) {
        int t = p->reverse ? T - 1 - k : k;
        wg_var next[2], y;
        random_cell(p->seed, leaf, wg_squeeze(wg_slice(leaf[WEIGHTS], 0, t, 1), 0), s, next, &y);
        if (p->masked) {
            wg_var now = wg_const(tape, WG_I32, WG_SCALAR, t);
            wg_var m = wg_reshape(wg_gt(wg_tensor_var(tape, p->lengths), now), WG_SHAPE(B, 1));
            for (int i = 0; i < 2; i++) next[i] = wg_where(m, next[i], s[i]);
            y = wg_where(m, y, wg_const(tape, WG_F64, WG_SCALAR, 0));
        }
        s[0] = next[0];
        s[1] = next[1];
        ys[t] = y;
    }
    return loss_of(wg_stack(ys, T, 0), s);
}

/* Loss, gradients and gradients of the sum of squares of the gradients: 1 + 2 LEAVES outputs. */
static void outputs_of(wg_tape *tape, wg_var loss, const wg_var *leaf, wg_var *out)
{
    wg_error err = {WG_OK, ""};
    out[0] = loss;
    wg_grad_or_zeros(&loss, NULL, 1, leaf, LEAVES, out + 1);
    wg_var second = wg_const(tape, WG_F64, WG_SCALAR, 0);
    for (int i = 0; i < LEAVES; i++) second = wg_add(second, wg_sum_all(wg_square(out[1 + i])));
    wg_grad_or_zeros(&second, NULL, 1, leaf, LEAVES, out + 1 + LEAVES);
    WGT_OK(wg_tape_status(tape, &err), &err);
}

enum { OUTS = 1 + 2 * LEAVES };

static void compare(const problem *p, bool plain)
{
    wg_error err = {WG_OK, ""};
    wg_tape *tape;
    WGT_OK(wg_tape_new(&tape, &err), &err);
    wg_var leaf[LEAVES], out[2 * OUTS];
    for (int i = 0; i < LEAVES; i++) leaf[i] = wg_tensor_var(tape, p->leaf[i]);
    outputs_of(tape, scanned(tape, p, leaf), leaf, out);
    outputs_of(tape, unrolled(tape, p, leaf), leaf, out + OUTS);
    wg_compile_options o = {.size = sizeof o, .node_by_node = plain, .threads = 1};
    wg_program *program;
    WGT_OK(wg_compile(out, 2 * OUTS, &o, &program, &err), &err);
    WGT_OK(wg_program_run(program, &err), &err);
    for (int k = 0; k < OUTS; k++) {
        const wg_tensor *a = wg_program_output(program, k),
                        *b = wg_program_output(program, OUTS + k);
        for (int64_t i = 0; i < wg_tensor_count(a); i++) {
            double u = wg_tensor_get(a, i), v = wg_tensor_get(b, i);
            assert_true(isfinite(u));
            WGT_CLOSE(u, v, 1e-10, 1e-10);
        }
    }
    wg_program_free(program);
    wg_tape_free(tape);
}

static void scan_equals_unrolled(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        problem p;
        problem_new(&p, seed);
        for (int kind = 0; kind < 4; kind++) {
            p.masked = kind & 1;
            p.reverse = kind >> 1;
            compare(&p, false);
            if (seed <= 3) compare(&p, true);
        }
        problem_free(&p);
    }
}

/* NaN in the padding must not reach values or gradients. */
static void padding_does_not_leak(void **state)
{
    (void)state;
    problem p;
    problem_new(&p, 4);
    p.masked = true;
    int lengths[B] = {T, 2, 0};
    for (int t = 0; t < T; t++)
        for (int b = 0; b < B; b++)
            for (int i = 0; i < X && t >= lengths[b]; i++)
                wg_tensor_set(p.leaf[WEIGHTS], (t * B + b) * X + i, NAN);
    wg_error err = {WG_OK, ""};
    wg_tape *tape;
    WGT_OK(wg_tape_new(&tape, &err), &err);
    wg_var leaf[LEAVES], out[OUTS];
    for (int i = 0; i < LEAVES; i++) leaf[i] = wg_tensor_var(tape, p.leaf[i]);
    outputs_of(tape, scanned(tape, &p, leaf), leaf, out);
    WGT_OK(wg_eval(out, OUTS, NULL, &err), &err);
    for (int k = 0; k < OUTS; k++) {
        const wg_tensor *a = wg_eval_output(tape, k);
        for (int64_t i = 0; i < wg_tensor_count(a); i++) assert_true(isfinite(wg_tensor_get(a, i)));
    }
    wg_tape_free(tape);
    problem_free(&p);
}

static void lstm_body(void *user, wg_scan_step *s)
{
    const wg_var *w = user;
    wg_var g[2];
    wg_split(wg_add(wg_affine(s->x[0], w[0], w[2]), wg_matmul(s->carry[0], w[1])), -1, 2, g);
    s->next[0] = wg_mul(wg_sigmoid(g[0]), wg_tanh(g[1]));
    s->y[0] = s->next[0];
}

static wg_scan_def lstm(wg_var *leaf)
{
    return (wg_scan_def){.size = sizeof(wg_scan_def),
                         .body = lstm_body,
                         .user = leaf,
                         .sequences = &leaf[WEIGHTS],
                         .n_sequences = 1,
                         .init = &leaf[WEIGHTS + 1],
                         .n_carries = 1,
                         .n_outputs = 1};
}

/* What is left in the loop is one product a step and direction; the rest is done once. */
static void products_leave_the_loop(void **state)
{
    (void)state;
    problem p;
    problem_new(&p, 1);
    wg_error err = {WG_OK, ""};
    wg_tape *tape;
    WGT_OK(wg_tape_new(&tape, &err), &err);
    wg_var leaf[LEAVES], y, g[5];
    for (int i = 0; i < LEAVES; i++) leaf[i] = wg_tensor_var(tape, p.leaf[i]);
    wg_scan_def d = lstm(leaf);
    WGT_OK(wg_scan(tape, &d, NULL, &y, NULL), NULL);
    wg_var loss = wg_sum_all(wg_square(y));
    wg_var wrt[4] = {leaf[0], leaf[1], leaf[2], leaf[WEIGHTS]};
    WGT_OK(wg_grad(&loss, NULL, 1, wrt, 4, g), NULL);
    g[4] = loss;
    int64_t want = 1 + T + (T - 0) + 3; /* in, recurrent, back, two weights and the input */
    for (int plain = 0; plain < 2; plain++) {
        wg_compile_options o = {.size = sizeof o, .node_by_node = plain};
        wg_program *program;
        WGT_OK(wg_compile(g, 5, &o, &program, &err), &err);
        WGT_OK(wg_program_run(program, &err), &err);
        wg_program_stats s = {.size = sizeof s};
        wg_program_get_stats(program, &s);
        if (!plain)
            assert_int_equal(s.products_a_run, want);
        else
            assert_true(s.products_a_run > want);
        wg_program_free(program);
    }
    wg_tape_free(tape);
    problem_free(&p);
}

/* Each allocation fails once: an error, no leak, no crash. */
static wg_status whole_path(const problem *p, wg_error *err)
{
    wg_tape *tape = NULL;
    wg_status status = wg_tape_new(&tape, err);
    if (status != WG_OK) return status;
    wg_var leaf[LEAVES], y, g[LEAVES];
    for (int i = 0; i < LEAVES; i++) leaf[i] = wg_tensor_var(tape, p->leaf[i]);
    wg_scan_def d = lstm(leaf);
    d.lengths = wg_tensor_var(tape, p->lengths);
    status = wg_scan(tape, &d, NULL, &y, NULL);
    wg_var loss = wg_sum_all(wg_square(y));
    if (status == WG_OK) status = wg_grad_or_zeros(&loss, NULL, 1, leaf, LEAVES, g);
    if (status == WG_OK) status = wg_eval(g, LEAVES, NULL, err);
    wg_tape_free(tape);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    problem p;
    problem_new(&p, 2);
    wg_error err = {WG_OK, ""};
    WGT_OK(whole_path(&p, &err), &err);
    for (size_t n = 1;; n++) {
        wgt_fail_alloc_at(n);
        if (!wgt_alloc_ran_out(whole_path(&p, &err))) break;
    }
    problem_free(&p);
}

/* Recorded again, a body is the one recorded before, with its VJP: no work but appending. */
static void bodies_are_interned(void **state)
{
    (void)state;
    problem p;
    problem_new(&p, 3);
    wg_error err = {WG_OK, ""};
    wg_tape *tape;
    size_t calls[4] = {0};
    wgt_fail_alloc_at(0); /* counts */
    WGT_OK(wg_tape_new(&tape, &err), &err);
    for (int round = 0; round < 4; round++) {
        wg_tape_reset(tape);
        size_t before = wgt_alloc_count();
        wg_var leaf[LEAVES], g[LEAVES];
        for (int i = 0; i < LEAVES; i++) leaf[i] = wg_tensor_var(tape, p.leaf[i]);
        wg_var loss = scanned(tape, &p, leaf);
        WGT_OK(wg_grad_or_zeros(&loss, NULL, 1, leaf, LEAVES, g), NULL);
        calls[round] = wgt_alloc_count() - before;
        WGT_OK(wg_eval(g, LEAVES, NULL, &err), &err);
    }
    assert_true(calls[1] * 2 < calls[0]);
    assert_int_equal(calls[2], calls[3]);
    int64_t misses;
    wg_tape_cache_stats(tape, NULL, NULL, &misses);
    assert_int_equal(misses, 1);
    wg_tape_free(tape);
    assert_int_equal(wgt_alloc_live(), 0);
    wgt_alloc_restore();
    problem_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scan_equals_unrolled),    cmocka_unit_test(padding_does_not_leak),
        cmocka_unit_test(products_leave_the_loop), cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(bodies_are_interned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
