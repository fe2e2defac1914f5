/* Sums of rows added into zeros: the gradient of a table that a loop's body looks up is one scatter
 * after the loop, that of a table looked up in several places one over all of them; either is then
 * known by rows. Values and derivatives against the plain program. */
#include "support.h"

#include <string.h>

#include <wengert/ops.h>
#include <wengert/param.h>
#include <wengert/program.h>
#include <wengert/rng.h>
#include <wengert/scan.h>

enum { V = 150, E = 6, B = 3, MOST = 8 };

typedef enum form {
    IN_LOOP,      /* h' = tanh(h + table[x]) */
    TWICE_A_STEP, /* the same, looked up at x and at y of each step */
    IN_CHUNKS,    /* IN_LOOP, recomputed in chunks */
    TWO_PLACES,   /* table[x] tanh(table[z]), x [T,B] and z [B] */
    FIVE_PLACES,  /* five lookups, one of them of a single word and one of none */
    LOOP_AND_OUT, /* in a loop and out of it */
    FORMS
} form;

typedef struct problem {
    form form;
    wg_params *params;
    wg_tensor *ids[4]; /* x, y [T,B], z [B], one [] */
    wg_tensor *none;   /* [0] */
    wg_tape *tape;
    bool watch;
    wg_var table, out[MOST];
    int n_out;
} problem;

static void body(void *user, wg_scan_step *s)
{
    const problem *p = user;
    wg_var rows = wg_embedding(p->table, s->x[0]);
    if (p->form == TWICE_A_STEP) rows = wg_mul(rows, wg_tanh(wg_embedding(p->table, s->x[1])));
    s->next[0] = wg_tanh(wg_add(rows, s->carry[0]));
    s->y[0] = s->next[0];
}

static wg_var loop(problem *p, const wg_var *ids, int64_t steps)
{
    wg_var init = wg_const(p->tape, WG_F64, WG_SHAPE(B, E), 0.25), y, last;
    wg_scan_def d = {.size = sizeof d,
                     .body = body,
                     .user = p,
                     .sequences = ids,
                     .n_sequences = p->form == TWICE_A_STEP ? 2 : 1,
                     .init = &init,
                     .n_carries = 1,
                     .n_outputs = 1,
                     .remat = p->form == IN_CHUNKS && steps > 1 ? 2 : 0};
    WGT_OK(wg_scan(p->tape, &d, &last, &y, NULL), NULL);
    return wg_add(wg_sum_all(wg_square(y)), wg_sum_all(last));
}

static wg_var squares(wg_var v)
{
    return wg_sum_all(wg_square(v));
}

static void record(problem *p, form how, int64_t steps, bool watch, bool twice)
{
    wg_error err = {WG_OK, ""};
    const wg_init normal = {.kind = WG_INIT_NORMAL, .b = 1};
    const wg_shape shape[4] = {WG_SHAPE(steps, B), WG_SHAPE(steps, B), WG_SHAPE(B), WG_SCALAR};
    wg_rng rng;
    wg_rng_init(&rng, 5, "adds");
    *p = (problem){.form = how, .watch = watch};
    WGT_OK(wg_params_new(WG_F64, &p->params, &err), &err);
    WGT_OK(wg_params_add(p->params, "table", WG_SHAPE(V, E), &normal, NULL, &err), &err);
    WGT_OK(wg_params_init(p->params, 1, &err), &err);
    WGT_OK(wg_tape_new(&p->tape, &err), &err);
    wg_var ids[4];
    for (int i = 0; i < 4; i++) {
        WGT_OK(wg_tensor_new(WG_I32, shape[i], &p->ids[i], &err), &err);
        for (int64_t k = 0; k < wg_tensor_count(p->ids[i]); k++)
            wg_tensor_set(p->ids[i], k, wg_rng_below(&rng, k % 2 ? 7 : V)); /* some twice */
        ids[i] = wg_tensor_var(p->tape, p->ids[i]);
    }
    WGT_OK(wg_tensor_new(WG_I32, WG_SHAPE(0), &p->none, &err), &err);
    p->table = wg_param(p->tape, p->params, 0);
    wg_var x = wg_embedding(p->table, ids[0]), z = wg_embedding(p->table, ids[2]), loss;
    switch (how) {
    case TWO_PLACES: loss = squares(wg_mul(x, wg_tanh(z))); break;
    case FIVE_PLACES:
        loss = wg_add(squares(wg_mul(x, wg_tanh(z))),
                      squares(wg_tanh(wg_embedding(p->table, ids[3]))));
        loss = wg_add(loss, wg_sum_all(wg_embedding(p->table, wg_tensor_var(p->tape, p->none))));
        loss = wg_add(loss, squares(wg_tanh(wg_embedding(p->table, ids[1]))));
        break;
    case LOOP_AND_OUT: loss = wg_add(loop(p, ids, steps), squares(wg_tanh(z))); break;
    default: loss = loop(p, ids, steps);
    }
    p->out[0] = loss;
    p->n_out = 2;
    WGT_OK(wg_grad_or_zeros(&loss, NULL, 1, &p->table, 1, p->out + 1), NULL);
    if (watch) wg_watch(p->out[1], "gradient");
    if (twice) {
        wg_var norm = squares(wg_tanh(p->out[1]));
        WGT_OK(wg_grad_or_zeros(&norm, NULL, 1, &p->table, 1, p->out + 2), NULL);
        p->n_out = 3;
    }
}

static void drop(problem *p)
{
    wg_tape_free(p->tape);
    for (int i = 0; i < 4; i++) wg_tensor_free(p->ids[i]);
    wg_tensor_free(p->none);
    wg_params_free(p->params);
}

/* How often the last list of the compiler scatters: by itself, and in loops. */
typedef struct found {
    int outside, inside;
} found;

static void count(void *user, const char *pass, const char *text)
{
    found *f = user;
    if (strcmp(pass, "fuse") != 0) return;
    *f = (found){0, 0};
    while (text && *text) {
        const char *end = strchr(text, '\n'), *at = strstr(text, "scatter_rows(");
        if (at && (!end || at < end)) *(*text == ' ' ? &f->inside : &f->outside) += 1;
        text = end ? end + 1 : NULL;
    }
}

static wg_program *compile(const problem *p, const char *passes, bool plain, found *f)
{
    wg_error err = {WG_OK, ""};
    wg_program *program;
    wg_compile_options o = {.size = sizeof o,
                            .node_by_node = plain,
                            .passes = passes,
                            .trace = f ? count : NULL,
                            .trace_user = f};
    WGT_OK(wg_compile(p->out, p->n_out, &o, &program, &err), &err);
    return program;
}

static void run(const problem *p, wg_program *program)
{
    wg_error err = {WG_OK, ""};
    WGT_OK(wg_program_bind_output(program, 1, wg_params_grad(p->params, 0), &err), &err);
    WGT_OK(wg_program_run(program, &err), &err);
}

static int64_t touched(const wg_params *params)
{
    int64_t n = 0, begin;
    for (int64_t at = 0; wg_params_touched(params, at, V * E, &begin, &at);) n += at - begin;
    return n;
}

static void values_are_those_of_the_plain_program(void **state)
{
    (void)state;
    static const char *const without[] = {NULL, "-sink", "-merge sums", "-sink,-merge sums"};
    for (form how = 0; how < FORMS; how++)
        for (int64_t steps = 0; steps <= 4; steps++)
            for (int twice = 0; twice < 2; twice++) {
                problem p;
                record(&p, how, steps, steps == 3, twice);
                wg_program *plain = compile(&p, NULL, true, NULL);
                wg_tensor *want;
                wg_error err;
                run(&p, plain);
                WGT_OK(wg_tensor_clone(wg_program_output(plain, 1), &want, &err), &err);
                for (size_t k = 0; k < sizeof without / sizeof *without; k++) {
                    wg_program *program = compile(&p, without[k], false, NULL);
                    for (int again = 0; again < 2; again++) run(&p, program);
                    for (int i = 0; i < p.n_out; i++) {
                        const wg_tensor *a = wg_program_output(program, i);
                        const wg_tensor *b = i == 1 ? want : wg_program_output(plain, i);
                        for (int64_t e = 0; e < wg_tensor_count(b); e++)
                            WGT_CLOSE(wg_tensor_get(a, e), wg_tensor_get(b, e), 1e-12, 1e-12);
                    }
                    wg_program_free(program);
                }
                wg_tensor_free(want);
                wg_program_free(plain);
                drop(&p);
            }
}

static void one_scatter_is_left(void **state)
{
    (void)state;
    for (form how = 0; how < FORMS; how++) {
        problem p;
        found f;
        record(&p, how, 4, false, false);
        wg_program *program = compile(&p, NULL, false, &f);
        run(&p, program);
        if (how == IN_CHUNKS) { /* chunks keep nothing over all of time */
            assert_int_equal(f.outside, 0);
            assert_int_equal(f.inside, 1);
        } else {
            assert_int_equal(f.outside, 1);
            assert_int_equal(f.inside, 0);
            assert_true(touched(p.params) < V * E / 2);
        }
        wg_program_free(program);
        program = compile(&p, "-sink,-merge sums", false, &f);
        assert_true(f.outside + f.inside >= 1);
        assert_true(how == IN_LOOP || how == IN_CHUNKS || f.outside + f.inside > 1);
        run(&p, program);
        assert_int_equal(touched(p.params), V * E);
        wg_program_free(program);
        drop(&p);
    }
}

/* Lookups of more rows than the table has: two tables are less than all these rows once more. */
static void long_lists_stay_apart(void **state)
{
    (void)state;
    problem p;
    found f;
    record(&p, TWO_PLACES, V / B, false, false);
    wg_program *program = compile(&p, NULL, false, &f);
    assert_int_equal(f.outside, 2);
    run(&p, program);
    assert_int_equal(touched(p.params), V * E);
    wg_program_free(program);
    drop(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_those_of_the_plain_program),
        cmocka_unit_test(one_scatter_is_left),
        cmocka_unit_test(long_lists_stay_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
