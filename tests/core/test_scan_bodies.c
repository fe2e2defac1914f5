/* Bodies of loops: what they run and how often, what they watch, how they are named, whose their
 * leaves are, and what happens when they are wrong. */
#include "scan_cases.h"

#include <stdio.h>
#include <string.h>

static void count_watch(void *user, const char *name, int64_t time, const wg_tensor *value)
{
    (void)value;
    assert_string_equal(name, "inner state");
    assert_true(time >= 0 && time < 5);
    ++*(int *)user;
}

static void body_inner_product(void *user, wg_scan_step *s)
{
    wgt_given *g = user;
    s->next[0] = wg_tanh(wg_add(wg_matmul(s->carry[0], g->leaf[3]), s->x[0]));
    if (g->steps) wg_watch(s->next[0], "inner state");
}

static void body_outer_product(void *user, wg_scan_step *s)
{
    wgt_given *g = user;
    wg_scan_def d = {.size = sizeof d,
                     .body = body_inner_product,
                     .user = g,
                     .sequences = g->leaf,
                     .n_sequences = 1,
                     .init = s->carry,
                     .n_carries = 1};
    wg_scan(s->tape, &d, s->next, NULL, NULL);
}

/* A loop of 3 steps over one of 5, on a tape of its own; the inner states are watched where asked
 * for, and counted. */
typedef struct nest {
    wgt_given g;
    wg_tensor *leaf[WGT_LEAVES];
    wg_var final;
    int watched;
} nest;

static void nest_new(nest *n, bool watch)
{
    wg_error err = {WG_OK, ""};
    *n = (nest){.g = {.steps = watch}};
    WGT_OK(wg_tape_new(&n->g.tape, &err), &err);
    wgt_leaves_new(n->leaf, 5, 3, 31);
    wgt_leaves_record(&n->g, n->leaf);
    wg_tape_on_watch(n->g.tape, count_watch, &n->watched);
    wg_scan_def d = {.size = sizeof d,
                     .body = body_outer_product,
                     .user = &n->g,
                     .init = n->g.leaf + 1,
                     .n_carries = 1,
                     .steps = 3};
    WGT_OK(wg_scan(n->g.tape, &d, &n->final, NULL, NULL), NULL);
}

static void nest_free(nest *n)
{
    wg_tape_free(n->g.tape);
    wgt_leaves_free(n->leaf);
}

/* The augmented scan of a nested loop is merged with the recorded one on both levels: each inner
 * step runs forward once, watched or not. */
static void nested_loops_run_forward_once(void **state)
{
    (void)state;
    for (int watch = 0; watch < 2; watch++) {
        wg_error err = {WG_OK, ""};
        nest n;
        nest_new(&n, watch);
        wg_var out[2] = {wg_sum_all(n.final)};
        WGT_OK(wg_grad(out, NULL, 1, n.g.leaf + 1, 1, out + 1), NULL);
        wg_program *p;
        WGT_OK(wg_compile(out, 2, NULL, &p, &err), &err);
        WGT_OK(wg_program_run(p, &err), &err);
        wg_program_stats s = {.size = sizeof s};
        wg_program_get_stats(p, &s);
        /* Forward, the inner loop again in the backward one's place, and back: 3 x 5 each; what
         * the backward loop reads may be kept instead, never computed more often. */
        assert_true(s.products_a_run <= 3 * 3 * 5);
        assert_true(s.products_a_run >= 2 * 3 * 5);
        assert_int_equal(n.watched, watch ? 15 : 0);
        wg_program_free(p);
        nest_free(&n);
    }
}

/* A watch in a loop that no output needs is handed over all the same. */
static void watched_loops_are_needed(void **state)
{
    (void)state;
    wg_error err = {WG_OK, ""};
    nest n;
    nest_new(&n, true);
    wg_var out = wg_sum_all(n.g.leaf[1]);
    WGT_OK(wg_eval(&out, 1, NULL, &err), &err);
    assert_int_equal(n.watched, 15);
    nest_free(&n);
}

/* Bodies outlive a reset of the tape: nothing of theirs may lie in its memory. */
static void body_named_by_scope(void *user, wg_scan_step *s)
{
    s->next[0] = wg_matmul(s->carry[0], *(wg_var *)user);
}

static void keep_text(void *user, const char *pass, const char *text)
{
    if (strcmp(pass, "recorded") == 0) snprintf(user, 4000, "%s", text);
}

static void bodies_keep_their_names(void **state)
{
    (void)state;
    wg_error err = {WG_OK, ""};
    wg_tape *tape;
    WGT_OK(wg_tape_new(&tape, &err), &err);
    wg_tensor *w = wgt_random_tensor(WG_F64, WG_SHAPE(2, 2), 3);
    for (int round = 0; round < 3; round++) {
        wg_tape_reset(tape);
        if (round == 1) /* what lay there is written over */
            for (int i = 0; i < 200; i++) wg_push_scope(tape, "zzzzzzzzzzzzzz");
        if (round == 1) continue;
        for (int i = 0; i < 10 * round; i++) { /* so that it lies elsewhere */
            wg_push_scope(tape, "zzzzzzzzzzzz");
            wg_pop_scope(tape);
        }
        wg_push_scope(tape, "decoder");
        wg_var v = wg_name(wg_tensor_var(tape, w), "weights"), final, g[2];
        wg_scan_def d = {.size = sizeof d,
                         .body = body_named_by_scope,
                         .user = &v,
                         .init = &v,
                         .n_carries = 1,
                         .steps = 2};
        WGT_OK(wg_scan(tape, &d, &final, NULL, NULL), NULL);
        g[0] = wg_sum_all(final);
        WGT_OK(wg_grad(g, NULL, 1, &v, 1, g + 1), NULL);
        char text[4000] = "";
        wg_compile_options o = {.size = sizeof o, .trace = keep_text, .trace_user = text};
        wg_program *p;
        WGT_OK(wg_compile(g, 2, &o, &p, &err), &err);
        assert_null(strstr(text, "@z"));
        for (const char *at = text; (at = strchr(at, '@')); at++)
            assert_memory_equal(at, "@decoder\n", 9);
        wg_program_free(p);
    }
    wg_tape_free(tape);
    wg_tensor_free(w);
}

/* An input asked for inside a body is the root's, as a tensor is. */
static void body_input(void *user, wg_scan_step *s)
{
    wg_var x = wg_input(s->tape, "x", WG_F64, WG_SHAPE(2));
    s->next[0] = wg_mul(s->carry[0], wg_add(x, wg_tensor_var(s->tape, user)));
}

static void leaves_of_a_body_are_the_roots(void **state)
{
    (void)state;
    wg_error err = {WG_OK, ""};
    wg_tape *tape;
    WGT_OK(wg_tape_new(&tape, &err), &err);
    wg_tensor *t = wgt_random_tensor(WG_F64, WG_SHAPE(2), 1),
              *x = wgt_random_tensor(WG_F64, WG_SHAPE(2), 2);
    wg_var init = wg_const(tape, WG_F64, WG_SHAPE(2), 1), out[2];
    wg_scan_def d = {
        .size = sizeof d, .body = body_input, .user = t, .init = &init, .n_carries = 1, .steps = 2};
    WGT_OK(wg_scan(tape, &d, out, NULL, NULL), NULL);
    wg_var input = wg_input(tape, "x", WG_F64, WG_SHAPE(2)), y = wg_sum_all(out[0]);
    WGT_OK(wg_grad(&y, NULL, 1, &input, 1, out + 1), NULL);
    wg_program *p;
    WGT_OK(wg_compile(out, 2, NULL, &p, &err), &err);
    WGT_OK(wg_program_bind(p, "x", x, &err), &err);
    WGT_OK(wg_program_run(p, &err), &err);
    for (int i = 0; i < 2; i++) {
        double sum = wg_tensor_get(t, i) + wg_tensor_get(x, i);
        WGT_NEAR(wg_tensor_get(wg_program_output(p, 0), i), sum * sum, 1e-15);
        WGT_NEAR(wg_tensor_get(wg_program_output(p, 1), i), 2 * sum, 1e-15);
    }
    wg_program_free(p);
    wg_tape_free(tape);
    wg_tensor_free(t);
    wg_tensor_free(x);
}

/* Two levels down: the message names op, scopes, shapes and place; all results are poisoned. */
static void body_wrong(void *user, wg_scan_step *s)
{
    wgt_given *g = user;
    if (g->steps-- > 0) {
        wg_scan_def d = {.size = sizeof d,
                         .body = body_wrong,
                         .user = g,
                         .init = s->carry,
                         .n_carries = 1,
                         .steps = 2,
                         .name = "lower"};
        wg_scan(s->tape, &d, s->next, NULL, NULL);
        assert_false(wg_var_ok(s->next[0]));
    } else {
        s->next[0] = wg_matmul(s->carry[0], wg_tanh(s->carry[0]));
        assert_false(wg_var_ok(wg_tanh(s->next[0])));
    }
}

static void errors_in_bodies_are_told_in_full(void **state)
{
    (void)state;
    wg_error err = {WG_OK, ""};
    wg_tape *tape;
    WGT_OK(wg_tape_new(&tape, &err), &err);
    wgt_given g = {.tape = tape, .steps = 1};
    wg_push_scope(tape, "model");
    wg_var init = wg_const(tape, WG_F64, WG_SHAPE(3, 4), 1), final, gx;
    wg_scan_def d = {.size = sizeof d,
                     .body = body_wrong,
                     .user = &g,
                     .init = &init,
                     .n_carries = 1,
                     .steps = 2,
                     .name = "upper"};
    assert_int_equal(wg_scan(tape, &d, &final, NULL, NULL), WG_ESHAPE);
    assert_false(wg_var_ok(final));
    wg_tape_status(tape, &err);
    const char *parts[] = {"matmul 'model.upper.lower'", "[3,4] x [3,4]", "test_scan_bodies.c:"};
    for (int i = 0; i < 3; i++)
        if (!strstr(err.message, parts[i])) fail_msg("'%s' is not in: %s", parts[i], err.message);
    assert_int_equal(wg_grad(&final, NULL, 1, &init, 1, &gx), WG_ESHAPE);
    wg_error again;
    assert_int_equal(wg_eval(&final, 1, NULL, &again), WG_ESHAPE);
    assert_string_equal(again.message, err.message);
    wg_tape_free(tape);
}

static void body_resets(void *user, wg_scan_step *s)
{
    (void)user;
    wg_tape_reset(s->tape);
    s->next[0] = wg_const(s->tape, WG_F64, WG_SHAPE(2), 0);
}

static void body_keeps(void *user, wg_scan_step *s)
{
    s->next[0] = *(wg_var *)user = wg_tanh(s->carry[0]);
}

/* Vars that are nobody's, a tape reset inside its own body: errors that stay with the tape. */
static void mistakes_stay_with_the_tape(void **state)
{
    (void)state;
    wg_error err = {WG_OK, ""};
    wg_tape *tape, *other;
    WGT_OK(wg_tape_new(&tape, &err), &err);
    WGT_OK(wg_tape_new(&other, &err), &err);
    wg_var init = wg_const(tape, WG_F64, WG_SHAPE(2), 1), final;
    wg_scan_def d = {.size = sizeof d,
                     .body = body_resets,
                     .init = &init,
                     .n_carries = 1,
                     .steps = 2,
                     .name = "loop"};
    assert_int_not_equal(wg_scan(tape, &d, &final, NULL, NULL), WG_OK);
    assert_int_equal(wg_tape_status(tape, &err), WG_ESTATE);
    wg_var old = init;
    wg_tape_reset(tape);
    /* a state of a tape that was reset */
    d.init = &old;
    assert_int_equal(wg_scan(tape, &d, &final, NULL, NULL), WG_ESTALE);
    assert_int_equal(wg_tape_status(tape, &err), WG_ESTALE);
    assert_non_null(strstr(err.message, "loop"));
    wg_tape_reset(tape);
    /* gradients with respect to vars that are stale, absent or another tape's */
    wg_var gx, theirs = wg_const(other, WG_F64, WG_SCALAR, 1), bad[3] = {old, WG_NONE, theirs};
    for (int i = 0; i < 3; i++) {
        wg_var y = wg_const(tape, WG_F64, WG_SCALAR, 1);
        assert_int_not_equal(wg_grad(&y, NULL, 1, &bad[i], 1, &gx), WG_OK);
        assert_int_not_equal(wg_tape_status(tape, &err), WG_OK);
        assert_non_null(strstr(err.message, i < 2 ? "grad" : "unrelated"));
        wg_tape_reset(tape);
    }
    wg_var y = wg_sum_all(wg_const(tape, WG_F64, WG_SHAPE(2), 1));
    assert_int_equal(wg_grad(&y, &theirs, 1, &y, 1, &gx), WG_EINVAL);
    assert_int_equal(wg_tape_status(tape, NULL), WG_EINVAL);
    assert_int_equal(wg_tape_status(other, NULL), WG_OK);
    wg_tape_reset(tape);
    /* a var kept from a body that is finished: the body is shared, nothing may be added to it */
    wg_var kept, root = wg_const(tape, WG_F64, WG_SHAPE(2), 1);
    d = (wg_scan_def){.size = sizeof d,
                      .body = body_keeps,
                      .user = &kept,
                      .init = &root,
                      .n_carries = 1,
                      .steps = 2};
    WGT_OK(wg_scan(tape, &d, &final, NULL, NULL), NULL);
    assert_false(wg_var_ok(kept));
    assert_false(wg_var_ok(wg_add(kept, kept)));
    assert_int_equal(wg_tape_status(tape, NULL), WG_OK);
    assert_false(wg_var_ok(wg_add(kept, root)));
    assert_int_equal(wg_tape_status(tape, NULL), WG_ESTALE);
    wg_tape_free(other);
    wg_tape_free(tape);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nested_loops_run_forward_once),
        cmocka_unit_test(watched_loops_are_needed),
        cmocka_unit_test(bodies_keep_their_names),
        cmocka_unit_test(leaves_of_a_body_are_the_roots),
        cmocka_unit_test(errors_in_bodies_are_told_in_full),
        cmocka_unit_test(mistakes_stay_with_the_tape),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
