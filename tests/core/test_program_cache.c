/* What shares a program and what must not, and outputs that are inputs, doubles or states: every
 * result is compared with a fresh tape's. */
#include "support.h"

#include <stdio.h>
#include <string.h>

#include <wengert/ops.h>
#include <wengert/program.h>
#include <wengert/rng.h>
#include <wengert/scan.h>

enum { N = 4 };

static wg_tensor *tensor(uint64_t seed)
{
    wg_error err;
    wg_tensor *t;
    WGT_OK(wg_tensor_new(WG_F64, WG_SHAPE(N), &t, &err), &err);
    wg_rng rng;
    wg_rng_init(&rng, seed, "test");
    for (int64_t i = 0; i < N; i++) wg_tensor_set(t, i, 2 * wg_rng_uniform(&rng) - 1);
    return t;
}

typedef struct variant {
    double constant, factor, inner, outer; /* outer: a constant that the body lifts */
    bool swap, reverse, sigmoid;
    int64_t steps;
    double data[2];
    const char *watch;
} variant;

typedef struct use {
    const variant *v;
    wg_var outer;
} use;

static void inner_body(void *user, wg_scan_step *s)
{
    const use *u = user;
    s->next[0] = u->v->sigmoid ? wg_sigmoid(s->carry[0]) : wg_tanh(s->carry[0]);
    s->next[0] = wg_mul(wg_scale(s->next[0], u->v->inner), u->outer);
}

static void body(void *user, wg_scan_step *s)
{
    wg_scan_def d = {.size = sizeof d,
                     .body = inner_body,
                     .user = user,
                     .init = s->carry,
                     .n_carries = 1,
                     .steps = 2};
    wg_scan(s->tape, &d, s->next, NULL, NULL);
    s->next[0] = wg_add(s->next[0], wg_cast(s->time, WG_F64));
}

static wg_var record(wg_tape *tape, const variant *v, wg_tensor *const *t)
{
    wg_var a = wg_tensor_var(tape, t[v->swap]), b = wg_tensor_var(tape, t[!v->swap]), final;
    use u = {v, wg_const(tape, WG_F64, WG_SCALAR, v->outer)};
    wg_scan_def d = {.size = sizeof d,
                     .body = body,
                     .user = &u,
                     .init = &a,
                     .n_carries = 1,
                     .steps = v->steps,
                     .reverse = v->reverse};
    wg_scan(tape, &d, &final, NULL, NULL);
    wg_var y = wg_scale(wg_sub(wg_mul(final, b), wg_const(tape, WG_F64, WG_SCALAR, v->constant)),
                        v->factor);
    if (v->watch) wg_watch(y, v->watch);
    wg_var pair = wg_const_data(tape, WG_F64, WG_SHAPE(2), v->data);
    return wg_add(y, wg_sum_all(wg_square(pair)));
}

static void note(void *user, const char *name, int64_t time, const wg_tensor *value)
{
    (void)time;
    (void)value;
    snprintf(user, 32, "%s", name);
}

static void different_structures_do_not_share(void **state)
{
    (void)state;
    wg_error err = {WG_OK, ""};
    const variant plain = {.constant = 1, .factor = 2, .inner = 0.5, .outer = 3, .steps = 3};
    variant all[12];
    for (int i = 0; i < 12; i++) all[i] = plain;
    all[1].constant = -0.0;
    all[2].constant = 0.0;
    all[3].factor = 2.5;
    all[4].inner = 0.25;
    all[5].outer = 4;
    all[6].swap = true;
    all[7].reverse = true;
    all[8].sigmoid = true;
    all[9].steps = 2;
    all[10].data[1] = 7;
    all[11].watch = "y";
    wg_tensor *t[2] = {tensor(1), tensor(2)};
    wg_tape *one;
    WGT_OK(wg_tape_new(&one, &err), &err);
    char watched[32] = "";
    wg_tape_on_watch(one, note, watched);
    for (int round = 0; round < 3; round++)
        for (int i = 0; i < 12; i++) {
            wg_tape *fresh;
            WGT_OK(wg_tape_new(&fresh, &err), &err);
            wg_tape_reset(one);
            if (all[i].watch) all[i].watch = round ? "other" : "y";
            wg_var a = record(one, &all[i], t), b = record(fresh, &all[i], t);
            watched[0] = 0;
            WGT_OK(wg_eval(&a, 1, NULL, &err), &err);
            WGT_OK(wg_eval(&b, 1, NULL, &err), &err);
            assert_string_equal(watched, all[i].watch ? all[i].watch : "");
            for (int k = 0; k < N; k++)
                WGT_NEAR(wg_tensor_get(wg_eval_output(one, 0), k),
                         wg_tensor_get(wg_eval_output(fresh, 0), k), 0);
            wg_tape_free(fresh);
        }
    /* Swapped tensors are the same structure bound otherwise; two watches are two. */
    int64_t programs, misses;
    wg_tape_cache_stats(one, &programs, NULL, &misses);
    assert_int_equal(programs, 12);
    assert_int_equal(misses, 12);
    wg_tape_free(one);
    wg_tensor_free(t[0]);
    wg_tensor_free(t[1]);
}

/* An input as output, one value as two outputs, outputs exchanged with inputs, one tensor for a
 * state and a second output. */
static void outputs_of_every_kind(void **state)
{
    (void)state;
    wg_error err = {WG_OK, ""};
    for (int plain = 0; plain < 2; plain++) {
        wg_tape *tape;
        WGT_OK(wg_tape_new(&tape, &err), &err);
        wg_var a = wg_input(tape, "a", WG_F64, WG_SHAPE(N)),
               b = wg_input(tape, "b", WG_F64, WG_SHAPE(N));
        wg_var sum = wg_add(a, b), half[2];
        wg_split(sum, 0, 2, half);
        wg_var out[9] = {b,
                         a,
                         sum,
                         sum,
                         half[1],
                         wg_const(tape, WG_F64, WG_SHAPE(N), 4),
                         a,
                         wg_reshape(a, WG_SHAPE(2, 2)),
                         wg_broadcast_to(half[0], WG_SHAPE(2, 2))};
        wg_compile_options o = {.size = sizeof o, .node_by_node = plain};
        wg_program *p;
        WGT_OK(wg_compile(out, 9, &o, &p, &err), &err);
        wg_tape_free(tape);
        wg_tensor *t[2] = {tensor(3), tensor(4)};
        double a0[N], b0[N];
        for (int i = 0; i < N; i++) {
            a0[i] = wg_tensor_get(t[0], i);
            b0[i] = wg_tensor_get(t[1], i);
        }
        /* a, b = b, a: each written only when both were read. */
        WGT_OK(wg_program_bind(p, "b", t[1], &err), &err);
        WGT_OK(wg_program_bind(p, "a", t[0], &err), &err);
        WGT_OK(wg_program_bind_output(p, 0, t[0], &err), &err);
        WGT_OK(wg_program_bind_output(p, 1, t[1], &err), &err);
        for (int run = 0; run < 3; run++) {
            const double *u = run % 2 ? b0 : a0, *v = run % 2 ? a0 : b0;
            WGT_OK(wg_program_run(p, &err), &err);
            for (int i = 0; i < N; i++) {
                WGT_NEAR(wg_tensor_get(t[0], i), v[i], 0);
                WGT_NEAR(wg_tensor_get(t[1], i), u[i], 0);
                WGT_NEAR(wg_tensor_get(wg_program_output(p, 2), i), u[i] + v[i], 0);
                WGT_NEAR(wg_tensor_get(wg_program_output(p, 3), i), u[i] + v[i], 0);
                WGT_NEAR(wg_tensor_get(wg_program_output(p, 4), i % 2), u[i % 2 + 2] + v[i % 2 + 2],
                         0);
                WGT_NEAR(wg_tensor_get(wg_program_output(p, 5), i), 4, 0);
                WGT_NEAR(wg_tensor_get(wg_program_output(p, 6), i), u[i], 0);
                WGT_NEAR(wg_tensor_get(wg_program_output(p, 7), i), u[i], 0);
                WGT_NEAR(wg_tensor_get(wg_program_output(p, 8), i), u[i % 2] + v[i % 2], 0);
            }
        }
        /* One tensor for an input and two outputs: the last output stays in it. */
        WGT_OK(wg_program_bind_output(p, 1, NULL, &err), &err);
        WGT_OK(wg_program_bind_output(p, 2, t[0], &err), &err);
        wg_tensor_fill(t[0], 1);
        wg_tensor_fill(t[1], 2);
        WGT_OK(wg_program_run(p, &err), &err);
        WGT_NEAR(wg_tensor_get(t[0], 0), 3, 0);
        WGT_NEAR(wg_tensor_get(wg_program_output(p, 1), 0), 1, 0);
        WGT_NEAR(wg_tensor_get(wg_program_output(p, 3), 0), 3, 0);
        wg_program_free(p);
        wg_tensor_free(t[0]);
        wg_tensor_free(t[1]);
    }
}

/* Third derivatives against closed forms. */
static void third_derivatives(void **state)
{
    (void)state;
    wg_error err = {WG_OK, ""};
    wg_tape *tape;
    WGT_OK(wg_tape_new(&tape, &err), &err);
    wg_tensor *t = tensor(9);
    for (int i = 0; i < N; i++) wg_tensor_set(t, i, 0.3 + 0.4 * i);
    wg_var x = wg_tensor_var(tape, t);
    wg_var f[] = {wg_sin(x),        wg_log(x),  wg_exp(wg_scale(x, 2)), wg_pow_scalar(x, 4),
                  wg_reciprocal(x), wg_tanh(x), wg_mul(wg_mul(x, x), x)};
    enum { F = sizeof f / sizeof *f };
    wg_var out[F];
    for (int k = 0; k < F; k++) {
        wg_var g = f[k];
        for (int order = 0; order < 3; order++) {
            wg_var y = wg_sum_all(g);
            WGT_OK(wg_grad(&y, NULL, 1, &x, 1, &g), NULL);
        }
        out[k] = g;
    }
    WGT_OK(wg_eval(out, F, NULL, &err), &err);
    wg_var th = wg_tanh(x), s = wg_one_minus(wg_square(th));
    wg_var closed[F] = {wg_neg(wg_cos(x)),
                        wg_scale(wg_pow_scalar(x, -3), 2),
                        wg_scale(wg_exp(wg_scale(x, 2)), 8),
                        wg_scale(x, 24),
                        wg_scale(wg_pow_scalar(x, -4), -6),
                        wg_mul(s, wg_sub(wg_scale(wg_square(th), 4), wg_scale(s, 2))),
                        wg_const(tape, WG_F64, WG_SHAPE(N), 6)};
    double got[F][N];
    for (int k = 0; k < F; k++)
        for (int i = 0; i < N; i++) got[k][i] = wg_tensor_get(wg_eval_output(tape, k), i);
    WGT_OK(wg_eval(closed, F, NULL, &err), &err);
    for (int k = 0; k < F; k++)
        for (int i = 0; i < N; i++)
            WGT_CLOSE(got[k][i], wg_tensor_get(wg_eval_output(tape, k), i), 1e-10, 1e-10);
    wg_tape_free(tape);
    wg_tensor_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(different_structures_do_not_share),
        cmocka_unit_test(outputs_of_every_kind),
        cmocka_unit_test(third_derivatives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
