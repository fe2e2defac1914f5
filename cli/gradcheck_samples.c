/* Sample inputs for ops that cannot be tried on just any: a domain, masks, indices, attributes.
 * Ops that are not here are tried as gradcheck_op.c says. */
#include "gradcheck.h"

#include <string.h>

#include <wengert/ops.h>

int64_t gc_length(char letter)
{
    static const char letters[] = "btnkmhv";
    const char *at = letter ? strchr(letters, letter) : NULL;
    return at ? 2 + (at - letters) : 1;
}

/* A recorder of one expression in in[]. */
#define ONE(name, expression)                               \
    static int record_##name(const wg_var *in, wg_var *out) \
    {                                                       \
        out[0] = expression;                                \
        return 1;                                           \
    }

ONE(div, wg_div(in[0], in[1]))
ONE(pow, wg_pow(in[0], in[1]))
ONE(log, wg_log(in[0]))
ONE(sqrt, wg_sqrt(in[0]))
ONE(reciprocal, wg_reciprocal(in[0]))
ONE(leaky_relu, wg_leaky_relu(in[0], 0.1))
ONE(scale, wg_scale(in[0], -1.5))
ONE(add_scalar, wg_square(wg_add_scalar(in[0], 0.75)))
ONE(pow_scalar, wg_pow_scalar(in[0], 2.5))
ONE(clamp, wg_clamp(in[0], -1, 0.5))
ONE(where, wg_where(in[0], in[1], in[2]))
ONE(matmul, wg_matmul_t(in[0], in[1], true, false))
ONE(sum, wg_sum(wg_square(in[0]), (const int[]){0, 2}, 2, false))
ONE(max_over, wg_max_over(in[0], (const int[]){1}, 1, true))
ONE(logsumexp, wg_logsumexp(in[0], (const int[]){1}, 1, false))
ONE(sum_to, wg_sum_to(wg_square(in[0]), wg_shape_of(2, (const int64_t[]){wg_dim(in[0], 1), 1})))
ONE(softmax_masked, wg_softmax_masked(in[0], in[1]))
ONE(cross_entropy, wg_cross_entropy(in[0], in[1], in[2], 0.1))
ONE(embedding, wg_embedding(in[0], in[1]))
ONE(scatter_rows, wg_square(wg_scatter_rows(in[0], in[1], 5)))
ONE(gather, wg_gather(in[0], 1, in[1]))
ONE(scatter_add, wg_square(wg_scatter_add(in[0], 1, in[1], in[2])))
ONE(reverse, wg_square(wg_reverse(in[0], 0, in[1])))
ONE(reshape, wg_square(wg_reshape(in[0], wg_shape_of(2, (const int64_t[]){wg_dim(in[0], 1), -1}))))
ONE(slice, wg_square(wg_slice(in[0], 1, 1, 2)))
ONE(broadcast_to,
    wg_square(wg_broadcast_to(in[0], wg_shape_of(2, (const int64_t[]){3, wg_dim(in[0], 0)}))))
ONE(transpose, wg_square(wg_transpose(in[0], (const int[]){2, 0, 1}, 3)))
ONE(concat, wg_square(wg_concat(in, 2, 1)))
ONE(pad, wg_square(wg_pad(in[0], 0, 1, 2)))

ONE(pad_edge, wg_square(wg_pad_edge(in[0], in[1])))

/* The gradient of pad_edge is an op of its own. */
static int record_fold_edge(const wg_var *in, wg_var *out)
{
    wg_var y = wg_pad_edge(in[0], in[1]), x = wg_square(in[0]);
    wg_grad(&y, &x, 1, in, 1, out);
    return 1;
}

static int record_split(const wg_var *in, wg_var *out)
{
    if (wg_split(in[0], 1, 2, out) != WG_OK) return 1;
    out[0] = wg_square(out[0]);
    return 2;
}

static int record_top_k(const wg_var *in, wg_var *out)
{
    wg_var indices;
    wg_top_k(in[0], 3, &out[0], &indices);
    out[0] = wg_square(out[0]);
    return 1;
}

/* The gradient of a cross entropy is an op of its own. */
static int record_cross_entropy_grad(const wg_var *in, wg_var *out)
{
    wg_var loss = wg_cross_entropy(in[0], in[1], in[2], 0.1);
    wg_grad(&loss, &in[3], 1, in, 1, out);
    return 1;
}

#define FLOATS(text)  \
    {                 \
        .shape = text \
    }
#define POSITIVE(text)                       \
    {                                        \
        .shape = text, .low = 0.5, .high = 2 \
    }
#define INDICES(text, below)                           \
    {                                                  \
        .shape = text, .kind = GC_INDEX, .high = below \
    }
#define MASK(text)                     \
    {                                  \
        .shape = text, .kind = GC_MASK \
    }

static const gc_sample samples[] = {
    {"div", NULL, {FLOATS("mk"), POSITIVE("k")}, record_div},
    {"pow", NULL, {POSITIVE("mk"), FLOATS("k")}, record_pow},
    {"log", NULL, {POSITIVE("mk")}, record_log},
    {"sqrt", NULL, {POSITIVE("mk")}, record_sqrt},
    {"reciprocal", NULL, {POSITIVE("mk")}, record_reciprocal},
    {"leaky_relu", NULL, {FLOATS("mk")}, record_leaky_relu},
    {"scale", NULL, {FLOATS("mk")}, record_scale},
    {"add_scalar", NULL, {FLOATS("mk")}, record_add_scalar},
    {"pow_scalar", NULL, {POSITIVE("mk")}, record_pow_scalar},
    {"clamp", NULL, {FLOATS("mk")}, record_clamp},
    {"where", NULL, {MASK("mk"), FLOATS("k"), FLOATS("m1")}, record_where},
    {"cast", "it rounds to another dtype, which a check in f64 cannot see through", {{0}}, NULL},
    {"matmul", NULL, {FLOATS("bkm"), FLOATS("bkn")}, record_matmul},
    {"sum", NULL, {FLOATS("bmk")}, record_sum},
    {"max_over", NULL, {FLOATS("bmk")}, record_max_over},
    {"logsumexp", NULL, {FLOATS("bmk")}, record_logsumexp},
    {"sum_to", NULL, {FLOATS("bmk")}, record_sum_to},
    {"softmax_masked", NULL, {FLOATS("mk"), MASK("mk")}, record_softmax_masked},
    {"cross_entropy", NULL, {FLOATS("bmv"), INDICES("bm", 8), MASK("bm")}, record_cross_entropy},
    {"cross_entropy_grad",
     NULL,
     {FLOATS("bmv"), INDICES("bm", 8), MASK("bm"), FLOATS("bm")},
     record_cross_entropy_grad},
    {"embedding", NULL, {FLOATS("vk"), INDICES("bm", 8)}, record_embedding},
    {"scatter_rows", NULL, {FLOATS("mk"), INDICES("m", 5)}, record_scatter_rows},
    {"gather", NULL, {FLOATS("bmk"), INDICES("bnk", 6)}, record_gather},
    {"scatter_add", NULL, {FLOATS("bmk"), INDICES("bnk", 6), FLOATS("bnk")}, record_scatter_add},
    {"top_k", NULL, {FLOATS("mk")}, record_top_k},
    {"reverse", NULL, {FLOATS("tbk"), INDICES("b", 4)}, record_reverse},
    {"pad_edge", NULL, {FLOATS("tbk"), INDICES("b", 4)}, record_pad_edge},
    {"fold_edge", NULL, {FLOATS("tbk"), INDICES("b", 4)}, record_fold_edge},
    {"view_as", "core makes it while differentiating: order 2 of other ops checks it", {{0}}, NULL},
    {"reshape", NULL, {FLOATS("bmk")}, record_reshape},
    {"slice", NULL, {FLOATS("bmk")}, record_slice},
    {"split", NULL, {FLOATS("bm")}, record_split},
    {"broadcast_to", NULL, {FLOATS("k")}, record_broadcast_to},
    {"transpose", NULL, {FLOATS("bmk")}, record_transpose},
    {"concat", NULL, {FLOATS("bmk"), FLOATS("bnk")}, record_concat},
    {"pad", NULL, {FLOATS("mk")}, record_pad},
    {"scan", "it is checked with every cell", {{0}}, NULL},
};

const gc_sample *gc_find_sample(const char *op)
{
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++)
        if (strcmp(samples[i].op, op) == 0) return &samples[i];
    return NULL;
}
