/* The pass "pair gradients" changes no bit: cross entropy and its gradient as one kernel, with the
 * bias before it and the bias's gradient after it, give what the ops one by one give, for every
 * shape, mask, smoothing, dtype, instruction set and number of threads. */
#include "pair_support.h"

#include <wengert/parallel.h>

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
    for (uint64_t seed = 0; seed < 250; seed++) {
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pairs_give_the_bits_of_the_ops),
    };
    return cmocka_run_group_tests_name("pair_bits", tests, NULL, NULL);
}
