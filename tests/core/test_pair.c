/* The pass "pair gradients": cross entropy and its gradient as one kernel, with the bias before it
 * and the bias's gradient after it, give the bits that the ops one by one give, for every shape,
 * mask, smoothing, dtype, instruction set and number of threads; and where the logits are wanted
 * otherwise, or the gradient waits for the loss, they stay apart. */
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <wengert/ops.h>
#include <wengert/parallel.h>
#include <wengert/program.h>
#include <wengert/rng.h>
#include <wengert/scan.h>

/* ---- the same bits ---- */

enum bias { NO_BIAS, BIAS, BIAS_OF_RANK_2, FROZEN_BIAS, BIASES };

typedef struct sample {
    wg_dtype dtype;
    int rank;
    int64_t dim[3]; /* of the logits */
    enum bias bias;
    double smoothing;
    int mask;      /* 0 none, 1 some rows, 2 no row counts */
    bool leaf;     /* the logits are an input: their memory may not be written */
    bool leaf_b;   /* and so is the bias */
    bool weighted; /* the gradients of the rows differ */
    int special;   /* 0 none, 1 some -inf, 2 rows of -inf, 3 NaN and +inf, 4 large */
} sample;

static int64_t rows_of(const sample *s)
{
    int64_t n = 1;
    for (int i = 0; i < s->rank - 1; i++) n *= s->dim[i];
    return n;
}

static wg_tensor *new_tensor(wg_dtype dtype, wg_shape shape)
{
    wg_tensor *t;
    wg_error err;
    WGT_OK(wg_tensor_new(dtype, shape, &t, &err), &err);
    return t;
}

static wg_tensor *uniform(wg_dtype dtype, wg_shape shape, wg_rng *rng)
{
    wg_tensor *t = new_tensor(dtype, shape);
    for (int64_t i = 0; i < wg_tensor_count(t); i++)
        wg_tensor_set(t, i, 6 * wg_rng_uniform(rng) - 3);
    return t;
}

static void make_special(const sample *s, wg_tensor *x, wg_rng *rng)
{
    int64_t classes = s->dim[s->rank - 1];
    for (int64_t i = 0; i < wg_tensor_count(x); i++) {
        uint32_t die = wg_rng_below(rng, 20);
        if (s->special == 1 && die < 5) wg_tensor_set(x, i, -INFINITY);
        if (s->special == 2 && i / classes % 3 == 0) wg_tensor_set(x, i, -INFINITY);
        if (s->special == 3 && die < 2) wg_tensor_set(x, i, die ? (double)NAN : INFINITY);
        if (s->special == 4) wg_tensor_set(x, i, 100 * wg_tensor_get(x, i));
    }
}

/* Tensors of a sample's graph, and its outputs: the loss of each row, and what gradients there are.
 */
typedef struct graph {
    wg_tape *tape;
    wg_tensor *x, *b, *target, *mask, *weight;
    wg_var out[3];
    int n_out;
} graph;

static graph record(const sample *s, uint64_t seed)
{
    graph g = {.n_out = 2};
    wg_error err;
    wg_rng rng;
    wg_rng_init(&rng, seed, "pair");
    wg_shape rows = wg_shape_of(s->rank - 1, s->dim);
    int64_t classes = s->dim[s->rank - 1];
    WGT_OK(wg_tape_new(&g.tape, &err), &err);
    g.x = uniform(s->dtype, wg_shape_of(s->rank, s->dim), &rng);
    make_special(s, g.x, &rng);
    g.b = uniform(s->dtype, s->bias == BIAS_OF_RANK_2 ? WG_SHAPE(1, classes) : WG_SHAPE(classes),
                  &rng);
    g.weight = uniform(s->dtype, rows, &rng);
    g.target = new_tensor(WG_I32, rows);
    g.mask = new_tensor(WG_U8, rows);
    for (int64_t i = 0; i < rows_of(s); i++) {
        bool counts = s->mask == 0 || (s->mask == 1 && wg_rng_below(&rng, 3) > 0);
        wg_tensor_set(g.mask, i, counts);
        /* The target of a row that does not count may be anything. */
        wg_tensor_set(g.target, i, counts ? (double)wg_rng_below(&rng, (uint32_t)classes) : -100.0);
    }
    wg_var x = wg_tensor_var(g.tape, g.x), b = wg_tensor_var(g.tape, g.b);
    wg_var from = s->leaf ? x : wg_neg(x), row = s->leaf_b ? b : wg_neg(b), logits = from;
    if (s->bias != NO_BIAS) logits = s->bias == FROZEN_BIAS ? wg_add(row, from) : wg_add(from, row);
    g.out[0] = wg_cross_entropy(logits, wg_tensor_var(g.tape, g.target),
                                s->mask ? wg_tensor_var(g.tape, g.mask) : WG_NONE, s->smoothing);
    wg_var loss =
        wg_sum_all(s->weighted ? wg_mul(g.out[0], wg_tensor_var(g.tape, g.weight)) : g.out[0]);
    wg_var leaf[2] = {x, b};
    if (s->bias == BIAS || s->bias == BIAS_OF_RANK_2) g.n_out = 3;
    WGT_OK(wg_grad(&loss, NULL, 1, leaf, g.n_out - 1, g.out + 1), NULL);
    return g;
}

static void drop(graph *g)
{
    wg_tape_free(g->tape);
    wg_tensor_free(g->x);
    wg_tensor_free(g->b);
    wg_tensor_free(g->target);
    wg_tensor_free(g->mask);
    wg_tensor_free(g->weight);
}

/* Keeps the listing after the pass, and that after the last one. */
typedef struct listing {
    char paired[20000], last[20000];
} listing;

static void keep(void *user, const char *pass, const char *text)
{
    listing *l = user;
    if (strcmp(pass, "pair gradients") == 0) snprintf(l->paired, sizeof l->paired, "%s", text);
    snprintf(l->last, sizeof l->last, "%s", text);
}

static int occurrences(const char *text, const char *what)
{
    int n = 0;
    for (const char *at = text; (at = strstr(at, what)); at += strlen(what)) n++;
    return n;
}

/* Compiles, and runs twice: what a run leaves behind does not change the next. Returns how many
 * pairs were made. */
static int compiled(const wg_var *out, int n_out, wg_compile_options o, wg_program **p,
                    char *listed, size_t size)
{
    static listing l;
    wg_error err = {WG_OK, ""};
    memset(&l, 0, sizeof l);
    o.size = sizeof o;
    o.trace = keep;
    o.trace_user = &l;
    WGT_OK(wg_compile(out, n_out, &o, p, &err), &err);
    for (int i = 0; i < 2; i++) WGT_OK(wg_program_run(*p, &err), &err);
    if (listed) snprintf(listed, size, "%s", l.last);
    return occurrences(l.paired, " = cross_entropy_pair(");
}

static bool same_bits(const wg_tensor *a, const wg_tensor *b, int64_t *at)
{
    size_t esize = wg_dtype_size(wg_tensor_dtype(a));
    const char *x = wg_tensor_cdata(a), *y = wg_tensor_cdata(b);
    for (int64_t i = 0; i < wg_tensor_count(a); i++) {
        *at = i;
        if (memcmp(x + (size_t)i * esize, y + (size_t)i * esize, esize) != 0 &&
            !(isnan(wg_tensor_get(a, i)) && isnan(wg_tensor_get(b, i))))
            return false;
    }
    return true;
}

static void compare(const sample *s, uint64_t seed)
{
    graph g = record(s, seed);
    for (int isa = 0; isa <= (int)wg_isa_best(); isa++) {
        wg_program *plain, *p;
        wg_compile_options o = {.threads = 1, .isa = isa + 1, .node_by_node = true};
        assert_int_equal(compiled(g.out, g.n_out, o, &plain, NULL, 0), 0);
        o.node_by_node = false;
        for (int form = 0; form < 4; form++) {
            o.threads = (const int[]){1, 2, 5, 1}[form];
            o.passes = form == 3 ? "-pair gradients" : "";
            int pairs = compiled(g.out, g.n_out, o, &p, NULL, 0);
            assert_int_equal(pairs, form < 3);
            for (int i = 0; i < g.n_out; i++) {
                int64_t at = 0;
                const wg_tensor *want = wg_program_output(plain, i);
                const wg_tensor *got = wg_program_output(p, i);
                if (same_bits(want, got, &at)) continue;
                fail_msg("seed %llu, %s, form %d: output %d, element %lld is %.17g, not %.17g",
                         (unsigned long long)seed, wg_isa_name((wg_isa)isa), form, i, (long long)at,
                         wg_tensor_get(got, at), wg_tensor_get(want, at));
            }
            wg_program_free(p);
        }
        wg_program_free(plain);
    }
    drop(&g);
}

static void pairs_give_the_bits_of_the_ops(void **state)
{
    (void)state;
    static const int64_t classes[] = {1, 2, 3, 7, 8, 15, 16, 17, 31, 33, 64, 100, 257, 1025};
    static const int64_t rows[] = {0, 1, 2, 5, 31, 32, 33, 64, 65, 130, 200};
    wg_rng rng;
    wg_rng_init(&rng, 7, "samples");
    for (uint64_t seed = 0; seed < 400; seed++) {
        sample s = {.dtype = seed % 2 ? WG_F64 : WG_F32,
                    .rank = 1 + (int)wg_rng_below(&rng, 5) / 2};
        for (int i = 0; i < s.rank - 1; i++)
            s.dim[i] = s.rank == 3 && i == 0 ? 1 + wg_rng_below(&rng, 4)
                                             : rows[wg_rng_below(&rng, sizeof rows / sizeof *rows)];
        s.dim[s.rank - 1] = classes[wg_rng_below(&rng, sizeof classes / sizeof *classes)];
        s.bias = s.rank == 1 ? NO_BIAS : (enum bias)wg_rng_below(&rng, BIASES);
        s.smoothing = (const double[]){0, 0.1, 1}[wg_rng_below(&rng, 3)];
        s.mask = (int)wg_rng_below(&rng, 5) / 2;
        s.leaf = wg_rng_below(&rng, 3) == 0;
        s.leaf_b = wg_rng_below(&rng, 2);
        s.weighted = wg_rng_below(&rng, 2);
        s.special = wg_rng_below(&rng, 3) ? 0 : 1 + (int)wg_rng_below(&rng, 4);
        compare(&s, seed);
    }
}

/* ---- where they are paired, and where not ---- */

enum { ROWS = 40, WIDTH = 6, CLASSES = 50 };

typedef struct model {
    wg_tape *tape;
    wg_tensor *h, *w, *b, *target;
    wg_var x[3], targets, product, logits, rows; /* x: leaves h, w, b */
} model;

static model model_new(void)
{
    model m;
    wg_error err;
    wg_rng rng;
    wg_rng_init(&rng, 1, "model");
    WGT_OK(wg_tape_new(&m.tape, &err), &err);
    m.h = uniform(WG_F64, WG_SHAPE(ROWS, WIDTH), &rng);
    m.w = uniform(WG_F64, WG_SHAPE(WIDTH, CLASSES), &rng);
    m.b = uniform(WG_F64, WG_SHAPE(CLASSES), &rng);
    m.target = new_tensor(WG_I32, WG_SHAPE(ROWS));
    for (int64_t i = 0; i < ROWS; i++) wg_tensor_set(m.target, i, (double)(i * 7 % CLASSES));
    m.x[0] = wg_tensor_var(m.tape, m.h);
    m.x[1] = wg_tensor_var(m.tape, m.w);
    m.x[2] = wg_tensor_var(m.tape, m.b);
    m.targets = wg_tensor_var(m.tape, m.target);
    m.product = wg_matmul(m.x[0], m.x[1]);
    m.logits = wg_add(m.product, m.x[2]);
    m.rows = wg_cross_entropy(m.logits, m.targets, WG_NONE, 0.1);
    return m;
}

static void model_drop(model *m)
{
    wg_tape_free(m->tape);
    wg_tensor_free(m->h);
    wg_tensor_free(m->w);
    wg_tensor_free(m->b);
    wg_tensor_free(m->target);
}

static char text[20000];

/* The gradients of `loss` and `more` beside them: how many pairs; values are checked. */
static int pairs_of(model *m, wg_var loss, wg_var more)
{
    wg_var out[5] = {loss, WG_NONE, WG_NONE, WG_NONE, more};
    int n = wg_is_none(more) ? 4 : 5;
    WGT_OK(wg_grad(&loss, NULL, 1, m->x, 3, out + 1), NULL);
    wg_program *p[2];
    wg_compile_options o = {.threads = 1};
    int pairs = compiled(out, n, o, &p[0], text, sizeof text);
    o.node_by_node = true;
    compiled(out, n, o, &p[1], NULL, 0);
    for (int i = 0; i < n; i++)
        for (int64_t k = 0; k < wg_tensor_count(wg_program_output(p[0], i)); k++)
            WGT_NEAR(wg_tensor_get(wg_program_output(p[0], i), k),
                     wg_tensor_get(wg_program_output(p[1], i), k), 1e-12);
    wg_program_free(p[0]);
    wg_program_free(p[1]);
    return pairs;
}

static void what_depends_on_the_loss_or_reads_logits_stays_apart(void **state)
{
    (void)state;
    model m = model_new();
    wg_var loss = wg_sum_all(m.rows), g;
    assert_int_equal(pairs_of(&m, loss, WG_NONE), 1);
    assert_null(strstr(text, "= add("));
    assert_null(strstr(text, "= sum_to("));
    /* What reads the loss, or the product that the bias is added to, is no hindrance. */
    assert_int_equal(pairs_of(&m, loss, wg_exp(m.rows)), 1);
    assert_int_equal(pairs_of(&m, loss, wg_tanh(m.product)), 1);
    /* The gradient of each row waits for its loss. */
    assert_int_equal(pairs_of(&m, wg_sum_all(wg_square(m.rows)), WG_NONE), 0);
    assert_int_equal(pairs_of(&m, wg_exp(wg_scale(loss, 0.01)), WG_NONE), 0);
    /* The logits are an output, are looked at, are seen through a view. */
    assert_int_equal(pairs_of(&m, loss, m.logits), 0);
    assert_int_equal(pairs_of(&m, loss, wg_max_over(m.logits, NULL, 0, false)), 0);
    assert_int_equal(pairs_of(&m, loss, wg_reshape(m.logits, WG_SHAPE(CLASSES, ROWS))), 0);
    /* Two gradients of one loss. */
    wg_var twice = wg_scale(loss, 2);
    WGT_OK(wg_grad(&loss, NULL, 1, &m.logits, 1, &g), NULL);
    assert_int_equal(pairs_of(&m, twice, g), 0);
    model_drop(&m);
}

static void second_derivatives_stay_apart(void **state)
{
    (void)state;
    model m = model_new();
    wg_var loss = wg_sum_all(m.rows), g, penalty;
    WGT_OK(wg_grad(&loss, NULL, 1, &m.x[1], 1, &g), NULL);
    penalty = wg_add(loss, wg_sum_all(wg_square(g)));
    assert_int_equal(pairs_of(&m, penalty, WG_NONE), 0);
    model_drop(&m);
}

static void no_gradient_no_pair(void **state)
{
    (void)state;
    model m = model_new();
    wg_program *p;
    wg_compile_options o = {.threads = 1};
    assert_int_equal(compiled(&m.rows, 1, o, &p, NULL, 0), 0);
    wg_program_free(p);
    model_drop(&m);
}

/* Of other operands, other smoothing: another loss. */
static void two_losses_are_two_pairs(void **state)
{
    (void)state;
    model m = model_new();
    wg_var other = wg_scale(m.product, 0.5);
    wg_var second = wg_cross_entropy(other, m.targets, WG_NONE, 0);
    assert_int_equal(pairs_of(&m, wg_add(wg_sum_all(m.rows), wg_mean_all(second)), WG_NONE), 2);
    /* One set of logits under two losses: neither may write over them. */
    wg_var shared = wg_cross_entropy(m.logits, m.targets, WG_NONE, 0);
    assert_int_equal(pairs_of(&m, wg_add(wg_sum_all(m.rows), wg_mean_all(shared)), WG_NONE), 0);
    model_drop(&m);
}

/* Each step goes down the gradient of its own loss: the pair is in the loop's body. */
static void descent_step(void *user, wg_scan_step *s)
{
    const model *m = user;
    wg_var w = s->carry[0];
    wg_var rows = wg_cross_entropy(wg_add(wg_matmul(m->x[0], w), s->x[0]), m->targets, WG_NONE, 0);
    wg_var loss = wg_sum_all(rows), g;
    WGT_OK(wg_grad(&loss, NULL, 1, &w, 1, &g), NULL);
    s->next[0] = wg_sub(w, wg_scale(g, 0.01));
    s->y[0] = loss;
}

static void bodies_of_loops_too(void **state)
{
    (void)state;
    model m = model_new();
    wg_rng rng;
    wg_rng_init(&rng, 2, "rows");
    wg_tensor *b = uniform(WG_F64, WG_SHAPE(5, CLASSES), &rng);
    wg_var seq = wg_tensor_var(m.tape, b), final, losses;
    wg_scan_def d = {.size = sizeof d,
                     .body = descent_step,
                     .user = &m,
                     .sequences = &seq,
                     .n_sequences = 1,
                     .init = &m.x[1],
                     .n_carries = 1,
                     .n_outputs = 1};
    WGT_OK(wg_scan(m.tape, &d, &final, &losses, NULL), NULL);
    wg_var out[2] = {final, losses};
    wg_program *p[2];
    wg_compile_options o = {.threads = 1};
    assert_int_equal(compiled(out, 2, o, &p[0], NULL, 0), 1);
    o.node_by_node = true;
    assert_int_equal(compiled(out, 2, o, &p[1], NULL, 0), 0);
    for (int i = 0; i < 2; i++)
        for (int64_t k = 0; k < wg_tensor_count(wg_program_output(p[0], i)); k++)
            WGT_NEAR(wg_tensor_get(wg_program_output(p[0], i), k),
                     wg_tensor_get(wg_program_output(p[1], i), k), 1e-12);
    assert_true(wg_tensor_get(wg_program_output(p[0], 1), 4) <
                wg_tensor_get(wg_program_output(p[0], 1), 0));
    wg_program_free(p[0]);
    wg_program_free(p[1]);
    wg_tensor_free(b);
    model_drop(&m);
}

static void on_watch(void *user, const char *name, int64_t time, const wg_tensor *value)
{
    char *seen = user;
    (void)time;
    double sum = 0;
    for (int64_t i = 0; i < wg_tensor_count(value); i++) sum += wg_tensor_get(value, i);
    snprintf(seen + strlen(seen), 400 - strlen(seen), "%s=%.9f ", name, sum);
}

/* Watched logits are still there to be seen, with the bias; so are watched results. */
static void watched_values_are_seen(void **state)
{
    (void)state;
    char seen[2][400] = {"", ""};
    for (int plain = 0; plain < 2; plain++) {
        wg_error err;
        model m = model_new();
        wg_compile_options o = {.size = sizeof o, .threads = 1, .node_by_node = plain};
        WGT_OK(wg_tape_options(m.tape, &o, &err), &err);
        wg_tape_on_watch(m.tape, on_watch, seen[plain]);
        wg_watch(m.logits, "logits");
        wg_watch(m.rows, "rows");
        wg_var loss = wg_sum_all(m.rows), out[3] = {loss};
        WGT_OK(wg_grad(&loss, NULL, 1, m.x + 1, 2, out + 1), NULL);
        WGT_OK(wg_eval(out, 3, NULL, &err), &err);
        model_drop(&m);
    }
    assert_non_null(strstr(seen[0], "logits="));
    assert_non_null(strstr(seen[0], "rows="));
    assert_string_equal(seen[0], seen[1]);
}

static void bad_targets_are_named(void **state)
{
    (void)state;
    wg_error err;
    model m = model_new();
    wg_var loss = wg_sum_all(m.rows), out[2] = {loss};
    WGT_OK(wg_grad(&loss, NULL, 1, &m.x[2], 1, out + 1), NULL);
    for (int plain = 0; plain < 2; plain++) {
        wg_compile_options o = {.size = sizeof o, .threads = 2, .node_by_node = plain};
        wg_program *p;
        wg_tensor_set(m.target, 3, 0);
        WGT_OK(wg_compile(out, 2, &o, &p, &err), &err);
        WGT_OK(wg_program_run(p, &err), &err);
        wg_tensor_set(m.target, 3, CLASSES);
        WGT_STATUS(wg_program_run(p, &err), WG_EINVAL, NULL);
        assert_non_null(strstr(err.message, "cross_entropy: target 50 of row 3 is outside 0..49"));
        wg_program_free(p);
    }
    model_drop(&m);
}

/* ---- a language model's step ---- */

static void rnn_step(void *user, wg_scan_step *s)
{
    const wg_var *recurrent = user;
    s->next[0] = wg_tanh(wg_add(s->x[0], wg_matmul(s->carry[0], *recurrent)));
    s->y[0] = s->next[0];
}

/* The output layer of a training step is products and one kernel over one buffer of logits. */
static void one_kernel_over_one_buffer(void **state)
{
    (void)state;
    enum { T = 10, B = 8, H = 16, V = 3000 };
    wg_error err;
    wg_rng rng;
    wg_rng_init(&rng, 3, "lm");
    wg_tape *tape;
    WGT_OK(wg_tape_new(&tape, &err), &err);
    const int64_t seq[] = {T, B, H};
    wg_tensor *t[6] = {
        uniform(WG_F32, wg_shape_of(3, seq), &rng), uniform(WG_F32, WG_SHAPE(H, H), &rng),
        uniform(WG_F32, WG_SHAPE(H, V), &rng),      uniform(WG_F32, WG_SHAPE(V), &rng),
        new_tensor(WG_I32, WG_SHAPE(T, B)),         uniform(WG_F32, WG_SHAPE(B, H), &rng)};
    wg_tensor_fill(t[4], 17);
    wg_var v[6], h, final, out[5];
    for (int i = 0; i < 6; i++) v[i] = wg_tensor_var(tape, t[i]);
    wg_scan_def d = {.size = sizeof d,
                     .body = rnn_step,
                     .user = v + 1,
                     .sequences = v,
                     .n_sequences = 1,
                     .init = v + 5,
                     .n_carries = 1,
                     .n_outputs = 1};
    WGT_OK(wg_scan(tape, &d, &final, &h, NULL), NULL);
    out[0] = wg_mean_all(wg_cross_entropy(wg_affine(h, v[2], v[3]), v[4], WG_NONE, 0));
    WGT_OK(wg_grad(out, NULL, 1, v, 4, out + 1), NULL);
    wg_program *p[2];
    wg_compile_options o = {.threads = 1};
    assert_int_equal(compiled(out, 5, o, &p[0], text, sizeof text), 1);
    o.passes = "-pair gradients";
    char other[sizeof text];
    assert_int_equal(compiled(out, 5, o, &p[1], other, sizeof other), 0);
    /* Of the logits' shape: the product, and the gradient in its place. */
    assert_int_equal(occurrences(text, " f32[10,8,3000] ="), 1);
    assert_int_equal(occurrences(text, " f32[10,8,3000],"), 1);
    assert_int_equal(occurrences(other, " f32[10,8,3000] ="), 3);
    wg_program_stats s[2] = {{.size = sizeof s[0]}, {.size = sizeof s[1]}};
    for (int i = 0; i < 2; i++) wg_program_get_stats(p[i], &s[i]);
    /* bias, loss, gradient, sum: one kernel of four */
    assert_int_equal(s[0].kernels_a_run + 3, s[1].kernels_a_run);
    assert_int_equal(s[0].products_a_run, s[1].products_a_run);
    for (int i = 0; i < 5; i++) {
        int64_t at = 0;
        assert_true(same_bits(wg_program_output(p[0], i), wg_program_output(p[1], i), &at));
    }
    for (int i = 0; i < 2; i++) wg_program_free(p[i]);
    wg_tape_free(tape);
    for (int i = 0; i < 6; i++) wg_tensor_free(t[i]);
}

/* Without the gradient of h, whose product asks for room to pack its operands in. */
static void buffers_of_logits_planned(void **state)
{
    (void)state;
    enum { N = 256, H = 4, V = 2000 };
    const int64_t bytes = (int64_t)N * V * 4;
    wg_error err;
    wg_rng rng;
    wg_rng_init(&rng, 3, "lm");
    wg_tape *tape;
    WGT_OK(wg_tape_new(&tape, &err), &err);
    wg_tensor *t[4] = {uniform(WG_F32, WG_SHAPE(N, H), &rng), uniform(WG_F32, WG_SHAPE(H, V), &rng),
                       uniform(WG_F32, WG_SHAPE(V), &rng), new_tensor(WG_I32, WG_SHAPE(N))};
    wg_var v[4], out[3];
    for (int i = 0; i < 4; i++) v[i] = wg_tensor_var(tape, t[i]);
    out[0] = wg_mean_all(wg_cross_entropy(wg_affine(v[0], v[1], v[2]), v[3], WG_NONE, 0));
    WGT_OK(wg_grad(out, NULL, 1, v + 1, 2, out + 1), NULL);
    wg_program *p;
    wg_compile_options o = {.threads = 1};
    assert_int_equal(compiled(out, 3, o, &p, NULL, 0), 1);
    wg_program_stats s = {.size = sizeof s};
    wg_program_get_stats(p, &s);
    if (s.bytes_planned >= bytes * 3 / 2) fail_msg("%lld bytes", (long long)s.bytes_planned);
    wg_program_free(p);
    wg_tape_free(tape);
    for (int i = 0; i < 4; i++) wg_tensor_free(t[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pairs_give_the_bits_of_the_ops),
        cmocka_unit_test(what_depends_on_the_loss_or_reads_logits_stays_apart),
        cmocka_unit_test(second_derivatives_stay_apart),
        cmocka_unit_test(no_gradient_no_pair),
        cmocka_unit_test(two_losses_are_two_pairs),
        cmocka_unit_test(bodies_of_loops_too),
        cmocka_unit_test(watched_values_are_seen),
        cmocka_unit_test(bad_targets_are_named),
        cmocka_unit_test(one_kernel_over_one_buffer),
        cmocka_unit_test(buffers_of_logits_planned),
    };
    return cmocka_run_group_tests_name("pair", tests, NULL, NULL);
}
