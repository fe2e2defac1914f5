/* Sums of batched products leave their loop: what attention looks at gets its gradient from one
 * product over all steps and not from one a step. Values against the plain program, products
 * counted, for one row and several rows a step, first and second derivatives. */
#include "support.h"

#include <string.h>

#include <wengert/ops.h>
#include <wengert/program.h>
#include <wengert/rng.h>
#include <wengert/scan.h>

enum { B = 3, S = 4, H = 5, N_LEAVES = 4 };

typedef struct attending {
    wg_var memory, w;
    int64_t g; /* rows a step of each member */
    bool watch;
} attending;

static wg_var rows_of(wg_var v, int64_t g)
{
    return wg_reshape(v, WG_SHAPE(B, g, H));
}

/* h' = tanh(h W + x + softmax(h M^T) M), the rows of h being g hypotheses of each of B members. */
static void body(void *user, wg_scan_step *s)
{
    const attending *a = user;
    wg_var h = s->carry[0];
    wg_var scores = wg_matmul_t(rows_of(h, a->g), a->memory, false, true);
    wg_var context = wg_matmul(wg_softmax(scores), a->memory);
    if (a->watch) wg_watch(context, "context");
    wg_var flat = wg_reshape(context, WG_SHAPE(B * a->g, H));
    s->next[0] = wg_tanh(wg_add(wg_add(wg_matmul(h, a->w), s->x[0]), flat));
    s->y[0] = s->next[0];
}

typedef struct problem {
    wg_tensor *leaf[N_LEAVES]; /* x [T,BG,H], h0 [BG,H], memory [B,S,H], W [H,H] */
    wg_tape *tape;
    wg_var out[1 + 2 * N_LEAVES];
    int n_out;
} problem;

static void record(problem *p, int64_t steps, int64_t g, bool watch, bool twice)
{
    const wg_shape shape[N_LEAVES] = {WG_SHAPE(steps, B * g, H), WG_SHAPE(B * g, H),
                                      WG_SHAPE(B, S, H), WG_SHAPE(H, H)};
    wg_error err = {WG_OK, ""};
    wg_rng rng;
    wg_rng_init(&rng, 3, "sink");
    WGT_OK(wg_tape_new(&p->tape, &err), &err);
    wg_var leaf[N_LEAVES];
    for (int i = 0; i < N_LEAVES; i++) {
        WGT_OK(wg_tensor_new(WG_F64, shape[i], &p->leaf[i], &err), &err);
        for (int64_t k = 0; k < wg_tensor_count(p->leaf[i]); k++)
            wg_tensor_set(p->leaf[i], k, 0.5 * wg_rng_normal(&rng));
        leaf[i] = wg_tensor_var(p->tape, p->leaf[i]);
    }
    attending a = {leaf[2], leaf[3], g, watch};
    wg_scan_def d = {.size = sizeof d,
                     .body = body,
                     .user = &a,
                     .sequences = leaf,
                     .n_sequences = 1,
                     .init = leaf + 1,
                     .n_carries = 1,
                     .n_outputs = 1};
    wg_var y, last;
    WGT_OK(wg_scan(p->tape, &d, &last, &y, NULL), NULL);
    p->n_out = 1 + N_LEAVES;
    p->out[0] = wg_add(wg_sum_all(wg_square(y)), wg_sum_all(last));
    WGT_OK(wg_grad(p->out, NULL, 1, leaf, N_LEAVES, p->out + 1), NULL);
    if (twice) {
        wg_var norm = wg_sum_all(wg_square(p->out[3])); /* of the gradient of the memory */
        WGT_OK(wg_grad(&norm, NULL, 1, leaf, N_LEAVES, p->out + p->n_out), NULL);
        p->n_out += N_LEAVES;
    }
}

static void drop(problem *p)
{
    wg_tape_free(p->tape);
    for (int i = 0; i < N_LEAVES; i++) wg_tensor_free(p->leaf[i]);
}

/* Runs the program and gives the number of products. */
static int64_t run(const problem *p, const char *passes, bool plain, wg_program **program)
{
    wg_error err = {WG_OK, ""};
    wg_compile_options o = {.size = sizeof o, .node_by_node = plain, .passes = passes};
    WGT_OK(wg_compile(p->out, p->n_out, &o, program, &err), &err);
    WGT_OK(wg_program_run(*program, &err), &err);
    wg_program_stats s = {.size = sizeof s};
    wg_program_get_stats(*program, &s);
    return s.products_a_run;
}

static void values_are_those_of_the_plain_program(void **state)
{
    (void)state;
    for (int64_t steps = 0; steps <= 3; steps++)
        for (int64_t g = 1; g <= 3; g++)
            for (int form = 0; form < 4; form++) {
                problem p;
                record(&p, steps, g, form & 1, form >> 1);
                wg_program *compiled, *plain;
                run(&p, NULL, false, &compiled);
                run(&p, NULL, true, &plain);
                for (int i = 0; i < p.n_out; i++) {
                    const wg_tensor *a = wg_program_output(compiled, i);
                    const wg_tensor *b = wg_program_output(plain, i);
                    for (int64_t k = 0; k < wg_tensor_count(b); k++)
                        WGT_NEAR(wg_tensor_get(a, k), wg_tensor_get(b, k), 1e-12);
                }
                wg_program_free(compiled);
                wg_program_free(plain);
                drop(&p);
            }
}

/* Forward h W, scores and contexts; back the three from their results, and W's gradient and the
 * memory's two sums after the loop: one each. */
static void products_are_counted(void **state)
{
    (void)state;
    for (int64_t steps = 1; steps <= 7; steps += 3)
        for (int64_t g = 1; g <= 2; g++) {
            problem p;
            record(&p, steps, g, false, false);
            wg_program *program;
            assert_int_equal(run(&p, NULL, false, &program), 6 * steps + 3);
            wg_program_free(program);
            assert_int_equal(run(&p, "-sink", false, &program), 9 * steps);
            wg_program_free(program);
            drop(&p);
        }
}

/* A sum that has left its loop is handed to watches all the same. */
static void note(void *user, const char *name, int64_t time, const wg_tensor *value)
{
    double *sum = user;
    assert_true(time == -1);
    for (int64_t k = 0; k < wg_tensor_count(value); k++)
        sum[name[0] == 'm' ? 0 : 1] += wg_tensor_get(value, k) + (k == 0 ? 1000 : 0);
}

static void sunk_sums_can_be_watched(void **state)
{
    (void)state;
    problem p;
    record(&p, 3, 1, false, false);
    double sum[2] = {0};
    wg_tape_on_watch(p.tape, note, sum);
    wg_watch(p.out[3], "memory");
    wg_watch(p.out[4], "weights");
    wg_program *program;
    assert_int_equal(run(&p, NULL, false, &program), 6 * 3 + 3);
    for (int i = 0; i < 2; i++) {
        const wg_tensor *t = wg_program_output(program, 3 + i);
        double want = 1000;
        for (int64_t k = 0; k < wg_tensor_count(t); k++) want += wg_tensor_get(t, k);
        WGT_NEAR(sum[i], want, 1e-9);
    }
    wg_program_free(program);
    drop(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_those_of_the_plain_program),
        cmocka_unit_test(products_are_counted),
        cmocka_unit_test(sunk_sums_can_be_watched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
