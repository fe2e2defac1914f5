/* Random graphs: fan-out, views, row reductions, concatenation, selection, products, several
 * dtypes, empty and one-size axes. Compiled = node by node = compiled on two threads, values and
 * gradients. */
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <wengert/ops.h>
#include <wengert/program.h>
#include <wengert/rng.h>

enum { LEAVES = 4, POOL = 64, GRAPHS = 300, MOST_OUT = POOL + LEAVES + 1 };

static wg_var pick(wg_rng *rng, const wg_var *pool, int n, wg_dtype dtype)
{
    for (;;) {
        wg_var v = pool[wg_rng_below(rng, (uint32_t)n)];
        if (wg_var_dtype(v) == dtype) return v;
    }
}

/* b in a shape that broadcasts against a: whole, one value a row, one row, or one number. */
static wg_var against(wg_rng *rng, wg_var a, wg_var b)
{
    wg_type t = wg_var_type(a), u = wg_var_type(b);
    if (wg_shape_equal(&t.shape, &u.shape)) return b;
    wg_var number = wg_sum_all(b);
    if (t.shape.rank == 0) return number;
    wg_shape s = t.shape;
    for (int i = 0; i < s.rank; i++)
        if (wg_rng_below(rng, 2)) s.dim[i] = 1;
    return wg_mul(number, wg_broadcast_to(wg_const(wg_var_tape(a), u.dtype, WG_SCALAR, 0.3), s));
}

static wg_var grow(wg_rng *rng, wg_tape *tape, wg_var *pool, int *n)
{
    wg_var a = pick(rng, pool, *n, WG_F64), b = pick(rng, pool, *n, WG_F64), part[2];
    wg_shape s = wg_var_type(a).shape;
    int axis = s.rank ? (int)wg_rng_below(rng, (uint32_t)s.rank) : 0, last = s.rank - 1;
    int64_t d = s.rank ? s.dim[axis] : 0;
    switch (wg_rng_below(rng, 26)) {
    case 0: return wg_add(a, against(rng, a, b));
    case 1: return wg_mul(a, against(rng, a, b));
    case 2: return wg_sub(against(rng, a, b), a);
    case 3: return wg_tanh(a);
    case 4: return wg_sigmoid(a);
    case 5: return wg_lerp(a, against(rng, a, b), wg_sigmoid(a));
    case 6: return s.rank ? wg_softmax(a) : wg_exp(wg_neg(wg_square(a)));
    case 7: return s.rank ? wg_sum_axis(a, last, true) : a;
    case 8: return s.rank ? wg_sum_axis(a, axis, wg_rng_below(rng, 2)) : a;
    case 9: return s.rank && d ? wg_logsumexp(a, &axis, 1, wg_rng_below(rng, 2)) : a;
    case 10: return s.rank && s.dim[last] ? wg_mean(a, &last, 1, true) : a;
    case 11: return s.rank && d > 1 ? wg_slice(a, axis, 1, d - 1) : a;
    case 12: return s.rank > 1 ? wg_swap_axes(a, axis, last) : a;
    case 13: return s.rank < 4 ? wg_expand_dims(a, axis) : a;
    case 14: {
        wg_shape flat = WG_SHAPE(wg_shape_count(&s));
        return wg_reshape(a, flat);
    }
    case 15:
        if (s.rank && d && d % 2 == 0) {
            wg_split(a, axis, 2, part);
            pool[(*n)++] = part[0];
            return part[1];
        }
        return wg_neg(a);
    case 16: return s.rank && d < 8 ? wg_concat((wg_var[]){a, wg_tanh(a)}, 2, axis) : a;
    case 17: return wg_where(wg_gt(a, against(rng, a, b)), a, wg_scale(a, 0.5));
    case 18: {
        wg_var m =
            wg_logical_and(wg_gt(a, wg_neg(a)), wg_lt(a, wg_const(tape, WG_F64, WG_SCALAR, 0.4)));
        pool[(*n)++] = m;
        return wg_cast(wg_logical_not(m), WG_F64);
    }
    case 19: return wg_cast(wg_cast(wg_scale(a, 5), WG_I32), WG_F64);
    case 20: return wg_cast(wg_mul(wg_cast(a, WG_F32), wg_cast(a, WG_F32)), WG_F64);
    case 21: {
        wg_var v = pool[wg_rng_below(rng, (uint32_t)*n)];
        wg_type t = wg_var_type(v);
        return wg_dim(v, -1) && t.dtype == WG_F64 && t.shape.rank == 2
                   ? wg_tanh(wg_matmul_t(v, v, false, true))
                   : wg_stop_gradient(a);
    }
    case 22: return s.rank == 2 ? wg_tanh(wg_matmul_t(a, a, true, false)) : a;
    case 23:
        return s.rank && s.dim[last] ? wg_layer_norm(a, WG_NONE, WG_NONE, 0.1) : wg_softplus(a);
    case 24: return s.rank && s.dim[last] ? wg_max_over(a, &last, 1, true) : a;
    default: return wg_mul(a, wg_abs(a));
    }
}

/* Records graph `seed`; outputs: some of the pool, the loss, gradients. */
static int record(wg_tape *tape, uint64_t seed, wg_tensor *const *leaf, wg_var *out)
{
    wg_rng rng;
    wg_rng_init(&rng, seed, "graph");
    wg_var x[LEAVES], pool[POOL + 2];
    int n = 0, n_out = 0;
    for (int i = 0; i < LEAVES; i++) pool[n++] = x[i] = wg_tensor_var(tape, leaf[i]);
    int want = 8 + (int)wg_rng_below(&rng, POOL - 12);
    while (n < want) {
        wg_var v = grow(&rng, tape, pool, &n);
        wg_type t = wg_var_type(v);
        if (wg_shape_count(&t.shape) > 4000) v = wg_sum_all(v);
        /* Bounded, so that equal means equal. */
        pool[n++] = wg_rng_below(&rng, 3) ? v : wg_scale(wg_tanh(v), 0.9);
    }
    wg_var loss = wg_const(tape, WG_F64, WG_SCALAR, 0);
    for (int i = LEAVES; i < n; i++) {
        if (wg_rng_below(&rng, 3) == 0) out[n_out++] = pool[i];
        if (wg_var_dtype(pool[i]) == WG_F64 && wg_rng_below(&rng, 2))
            loss = wg_add(loss, wg_sum_all(wg_tanh(pool[i])));
    }
    out[n_out++] = loss;
    wg_grad_or_zeros(&loss, NULL, 1, x, LEAVES, out + n_out);
    return n_out + LEAVES;
}

static void compare(uint64_t seed, const wg_program *a, const wg_program *b, const char *what,
                    int n_out, double tol)
{
    for (int k = 0; k < n_out; k++) {
        const wg_tensor *u = wg_program_output(a, k), *v = wg_program_output(b, k);
        for (int64_t i = 0; i < wg_tensor_count(u); i++) {
            double x = wg_tensor_get(u, i), y = wg_tensor_get(v, i);
            if (!(fabs(x - y) <= tol * (1 + fabs(y))) && !(isnan(x) && isnan(y)))
                fail_msg("graph %d, output %d of %d, element %d: compiled %.17g, %s %.17g",
                         (int)seed, k, n_out, (int)i, x, what, y);
        }
    }
}

static void programs_agree(void **state)
{
    (void)state;
    wg_error err = {WG_OK, ""};
    int largest = 0;
    for (uint64_t seed = 1; seed <= GRAPHS; seed++) {
        wg_rng rng;
        wg_rng_init(&rng, seed, "leaves");
        wg_tensor *leaf[LEAVES];
        /* Now and then an axis is empty or one long. */
        int64_t rows = seed % 7 == 0 ? 0 : seed % 5 == 0 ? 1 : 6;
        int64_t cols = seed % 11 == 0 ? 0 : seed % 6 == 0 ? 1 : 4;
        if (seed % 50 == 49) cols = 1500; /* more than a block */
        const wg_shape shapes[LEAVES] = {WG_SHAPE(rows, cols), WG_SHAPE(2, rows, cols),
                                         WG_SHAPE(cols), WG_SHAPE(3, 2)};
        for (int i = 0; i < LEAVES; i++) {
            WGT_OK(wg_tensor_new(WG_F64, shapes[i], &leaf[i], &err), &err);
            for (int64_t k = 0; k < wg_tensor_count(leaf[i]); k++)
                wg_tensor_set(leaf[i], k, 2 * wg_rng_uniform(&rng) - 1);
        }
        wg_tape *tape;
        WGT_OK(wg_tape_new(&tape, &err), &err);
        wg_var out[MOST_OUT + POOL];
        int n_out = record(tape, seed, leaf, out);
        if (wg_tape_status(tape, &err) != WG_OK) fail_msg("graph %d: %s", (int)seed, err.message);
        if (wg_tape_length(tape) > largest) largest = (int)wg_tape_length(tape);
        wg_program *p[3];
        const wg_compile_options o[3] = {
            {.size = sizeof o[0], .threads = 1},
            {.size = sizeof o[0], .threads = 1, .node_by_node = true},
            {.size = sizeof o[0], .threads = 2},
        };
        for (int k = 0; k < 3; k++) {
            WGT_OK(wg_compile(out, n_out, &o[k], &p[k], &err), &err);
            WGT_OK(wg_program_run(p[k], &err), &err);
        }
        WGT_OK(wg_program_run(p[0], &err), &err);
        compare(seed, p[0], p[1], "node by node", n_out, 1e-12);
        compare(seed, p[0], p[2], "on two threads", n_out, 1e-12);
        for (int k = 0; k < 3; k++) wg_program_free(p[k]);
        wg_tape_free(tape);
        for (int i = 0; i < LEAVES; i++) wg_tensor_free(leaf[i]);
    }
    assert_true(largest > 200);
}

/* A long unrolled loop with its gradient compiles in time that grows as its length (0.1 s here, a
 * hundred times that when a pass looks through the whole list for each node). */
static void long_lists_compile(void **state)
{
    (void)state;
    wg_error err = {WG_OK, ""};
    wg_tape *tape;
    wg_tensor *w;
    WGT_OK(wg_tape_new(&tape, &err), &err);
    WGT_OK(wg_tensor_new(WG_F32, WG_SHAPE(4, 16), &w, &err), &err);
    wg_tensor_fill(w, 0.1);
    wg_var v = wg_tensor_var(tape, w), h = wg_const(tape, WG_F32, WG_SHAPE(2, 4), 0.5), c = h, g[4];
    wg_var out[2] = {wg_const(tape, WG_F32, WG_SCALAR, 0)};
    for (int t = 0; t < 450; t++) {
        wg_split(wg_matmul(h, wg_tensor_var(tape, w)), -1, 4, g);
        c = wg_add(wg_mul(wg_sigmoid(g[0]), c), wg_mul(wg_sigmoid(g[1]), wg_tanh(g[2])));
        h = wg_mul(wg_sigmoid(g[3]), wg_tanh(c));
        out[0] = wg_add(out[0], wg_sum_all(wg_square(h)));
    }
    WGT_OK(wg_grad(out, NULL, 1, &v, 1, out + 1), NULL);
    assert_true(wg_tape_length(tape) > 20000);
    for (int plain = 0; plain < 2; plain++) {
        wg_compile_options o = {.size = sizeof o, .node_by_node = plain};
        wg_program *p;
        WGT_OK(wg_compile(out, 2, &o, &p, &err), &err);
        wg_program_stats s = {.size = sizeof s};
        wg_program_get_stats(p, &s);
        assert_true(s.compile_ns < 10000000000);
        wg_program_free(p);
    }
    wg_tape_free(tape);
    wg_tensor_free(w);
}

/* Rows of no elements: their sums meet values of one element a row in the same kernel. */
static void empty_rows_have_sums(void **state)
{
    (void)state;
    wg_error err = {WG_OK, ""};
    wg_tensor *a, *b;
    wg_tape *tape;
    WGT_OK(wg_tape_new(&tape, &err), &err);
    WGT_OK(wg_tensor_new(WG_F64, WG_SHAPE(3, 0), &a, &err), &err);
    WGT_OK(wg_tensor_new(WG_F64, WG_SHAPE(3, 1), &b, &err), &err);
    for (int i = 0; i < 3; i++) wg_tensor_set(b, i, i + 1);
    wg_var sum = wg_sum_axis(wg_exp(wg_tensor_var(tape, a)), 1, true);
    wg_var y = wg_add(wg_add(sum, wg_tensor_var(tape, b)), wg_const(tape, WG_F64, WG_SCALAR, 10));
    WGT_OK(wg_eval(&y, 1, NULL, &err), &err);
    for (int i = 0; i < 3; i++) WGT_NEAR(wg_tensor_get(wg_eval_output(tape, 0), i), 11 + i, 0);
    wg_tape_free(tape);
    wg_tensor_free(a);
    wg_tensor_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(programs_agree),
                                       cmocka_unit_test(empty_rows_have_sums),
                                       cmocka_unit_test(long_lists_compile)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
