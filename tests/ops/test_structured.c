/* The table of the structured ops: products, reductions, softmax, index and shape ops,
 * normalisation. */
#include "op_table.h"

#include "ops_internal.h"

#define FLOAT(s)                 \
    {                            \
        .shape = s, .grad = true \
    }
#define INTEGERS(s, end)                                   \
    {                                                      \
        .shape = s, .kind = WGT_I32, .low = 0, .high = end \
    }
#define MASK(s)                    \
    {                              \
        .shape = s, .kind = WGT_U8 \
    }

#define RECORD(fn, expr)               \
    static wg_var fn(const wg_var *in) \
    {                                  \
        return expr;                   \
    }

/* ---- products ---- */

RECORD(matmul, wg_matmul(in[0], in[1]))
RECORD(matmul_tn, wg_matmul_t(in[0], in[1], true, false))
RECORD(matmul_nt, wg_matmul_t(in[0], in[1], false, true))
RECORD(matmul_tt, wg_matmul_t(in[0], in[1], true, true))
RECORD(affine, wg_affine(in[0], in[1], in[2]))
RECORD(affine_plain, wg_affine(in[0], in[1], WG_NONE))
RECORD(outer, wg_outer(in[0], in[1]))
/* Products of values that repeat: packed operands, gradients summed down. */
RECORD(matmul_repeated, wg_matmul(wg_broadcast_to(in[0], WG_SHAPE(4, wg_dim(in[0], -1))), in[1]))

/* ---- reductions ---- */

static const int first[] = {0}, last[] = {-1}, outer_axes[] = {0, 2}, middle[] = {1};
RECORD(sum, wg_sum(in[0], middle, 1, false))
RECORD(sum_keep, wg_sum(in[0], outer_axes, 2, true))
RECORD(sum_first, wg_sum(in[0], first, 1, false))
RECORD(sum_last, wg_sum(in[0], last, 1, true))
RECORD(sum_all, wg_sum_all(in[0]))
RECORD(sum_bad_axis, wg_sum_axis(in[0], 3, false))
RECORD(mean, wg_mean(in[0], outer_axes, 2, false))
RECORD(mean_all, wg_mean_all(in[0]))
RECORD(max_last, wg_max_over(in[0], last, 1, false))
RECORD(max_outer, wg_max_over(in[0], outer_axes, 2, true))
RECORD(logsumexp, wg_logsumexp(in[0], last, 1, false))
RECORD(logsumexp_outer, wg_logsumexp(in[0], outer_axes, 2, true))
RECORD(logsumexp_first, wg_logsumexp(in[0], first, 1, false))
RECORD(norm, wg_norm(in[0], last, 1, false))
RECORD(norm_all, wg_norm(in[0], NULL, 0, false))
RECORD(sum_to, wg_sum_to(in[0], WG_SHAPE(wg_dim(in[0], 1), 1)))

/* ---- softmax family ---- */

RECORD(softmax, wg_softmax(in[0]))
RECORD(log_softmax, wg_log_softmax(in[0]))
RECORD(softmax_masked, wg_softmax_masked(in[0], in[1]))
RECORD(cross_entropy, wg_cross_entropy(in[0], in[1], WG_NONE, 0))
RECORD(cross_entropy_mask, wg_cross_entropy(in[0], in[1], in[2], 0.125))
RECORD(cross_entropy_bad_smoothing, wg_cross_entropy(in[0], in[1], WG_NONE, 1.5))

static wg_var gradient_of_loss(const wg_var *in, wg_var mask, double smoothing)
{
    wg_var y = wg_cross_entropy(in[1], in[2], mask, smoothing), g = WG_NONE;
    if (!wg_var_ok(y) || !wg_var_ok(in[0])) return wg_mul(wg_expand_dims(in[0], -1), y);
    wg_grad(&y, &in[0], 1, &in[1], 1, &g);
    return g;
}
RECORD(cross_entropy_grad, gradient_of_loss(in, WG_NONE, 0))
RECORD(cross_entropy_grad_mask, gradient_of_loss(in, in[3], 0.125))

/* ---- index ops ---- */

RECORD(embedding, wg_embedding(in[0], in[1]))
RECORD(scatter_rows, wg_scatter_rows(in[0], in[1], 9))
RECORD(gather, wg_gather(in[0], 1, in[1]))
RECORD(gather_first, wg_gather(in[0], 0, in[1]))
RECORD(scatter_add, wg_scatter_add(in[0], 1, in[1], in[2]))
RECORD(one_hot, wg_one_hot(in[0], 4, WG_F32))
RECORD(argmax, wg_argmax(in[0], 1))

static wg_var top_k(const wg_var *in)
{
    wg_var values, indices;
    wg_top_k(in[0], 3, &values, &indices);
    return values;
}

static wg_var top_k_indices(const wg_var *in)
{
    wg_var values, indices;
    wg_top_k(in[0], 3, &values, &indices);
    return indices;
}

/* ---- shape ops ---- */

RECORD(reshape, wg_reshape(in[0], WG_SHAPE(wg_dim(in[0], 2), wg_dim(in[0], 0) * wg_dim(in[0], 1))))
RECORD(reshape_of_slice,
       wg_reshape(wg_slice(in[0], 2, 0, wg_dim(in[0], 2) / 2),
                  WG_SHAPE(wg_dim(in[0], 0) * wg_dim(in[0], 1), wg_dim(in[0], 2) / 2)))
RECORD(reshape_bad, wg_reshape(in[0], WG_SHAPE(5, 5)))
RECORD(expand, wg_expand_dims(in[0], 1))
RECORD(squeeze, wg_squeeze(in[0], 1))
RECORD(slice, wg_slice(in[0], 1, wg_dim(in[0], 1) / 3, wg_dim(in[0], 1) - wg_dim(in[0], 1) / 3))
RECORD(slice_bad, wg_slice(in[0], 1, 2, wg_dim(in[0], 1)))
RECORD(transpose, wg_transpose(in[0], NULL, 0))
RECORD(transpose_perm, wg_transpose(in[0], ((int[]){1, -1, 0}), 3))
RECORD(transpose_bad, wg_transpose(in[0], ((int[]){1, 1, 0}), 3))
RECORD(swap_axes, wg_swap_axes(in[0], 0, 1))
RECORD(concat, wg_concat(in, 3, 1))
RECORD(concat_bad_axis, wg_concat(in, 3, 2))
RECORD(stack, wg_stack(in, 2, 1))
RECORD(pad, wg_pad(in[0], 1, 2, 1))
RECORD(pad_bad, wg_pad(in[0], 1, -1, 1))
RECORD(broadcast_to, wg_broadcast_to(in[0], WG_SHAPE(2, wg_dim(in[0], 0), 4, wg_dim(in[0], 2))))
RECORD(broadcast_to_bad, wg_broadcast_to(in[0], WG_SHAPE(wg_dim(in[0], 0), 4)))

static wg_var split(const wg_var *in)
{
    wg_var both[2] = {in[0], wg_square(in[0])}, piece[2] = {WG_NONE, WG_NONE};
    wg_split(wg_concat(both, 2, 1), 1, 2, piece);
    return wg_mul(piece[0], piece[1]);
}

/* The other pieces have no gradient. */
static wg_var split_one(const wg_var *in)
{
    wg_var all[3] = {in[0], in[0], wg_square(in[0])}, piece[3] = {WG_NONE, WG_NONE, WG_NONE};
    wg_split(wg_concat(all, 3, -1), -1, 3, piece);
    return piece[2];
}

static wg_var split_bad(const wg_var *in)
{
    wg_var piece[4];
    wg_split(in[0], 1, 4, piece);
    return piece[3];
}

/* ---- sequences, normalisation ---- */

RECORD(reverse, wg_reverse(in[0], 1, WG_NONE))
RECORD(reverse_lengths, wg_reverse(in[0], 0, in[1]))
RECORD(reverse_wrong_axis, wg_reverse(in[0], 1, in[1]))
RECORD(sequence_mask, wg_sequence_mask(in[0], 4, true))
RECORD(sequence_mask_batch, wg_sequence_mask(in[0], 4, false))
RECORD(layer_norm, wg_layer_norm(in[0], in[1], in[2], 1e-5))
RECORD(layer_norm_plain, wg_layer_norm(in[0], WG_NONE, WG_NONE, 1e-5))

RECORD(pad_edge, wg_pad_edge(in[0], in[1]))

/* The gradient of pad_edge for the cotangent in[0] is an op of its own. */
static wg_var fold_edge(const wg_var *in)
{
    wg_var y = wg_pad_edge(in[0], in[1]), g = WG_NONE;
    if (!wg_var_ok(y)) return y;
    wg_grad(&y, in, 1, in, 1, &g);
    return g;
}

/* Two threads may split K: sums of thousands of products in another order. */
#define PRODUCT .thread_tol = 1e-4, .n_in = 2

static const wgt_op_row rows[] = {
    {.name = "matmul",
     .record = matmul,
     PRODUCT,
     .in = {FLOAT("MK"), FLOAT("KN")},
     .bad = {{.shape = {"MK", "NK"},
              .status = WG_ESHAPE,
              .message = "matmul: inner sizes differ: [6,5] x [4,5]"},
             {.shape = {"K", "KN"}, .status = WG_ESHAPE, .message = "rank 2 or more"},
             {.shape = {"BMK", "TKN"}, .status = WG_ESHAPE, .message = "do not broadcast"},
             {.dtype = {WG_F32 + 1, WG_F64 + 1}, .status = WG_EDTYPE, .message = "f64[5,4]"}}},
    {.name = "matmul: rows", .record = matmul, PRODUCT, .in = {FLOAT("BTMK"), FLOAT("KN")}},
    {.name = "matmul: batches", .record = matmul, PRODUCT, .in = {FLOAT("BMK"), FLOAT("BKN")}},
    {.name = "matmul: left matrix", .record = matmul, PRODUCT, .in = {FLOAT("MK"), FLOAT("BKN")}},
    {.name = "matmul: broadcast", .record = matmul, PRODUCT, .in = {FLOAT("B1MK"), FLOAT("TKN")}},
    {.name = "matmul: tn", .record = matmul_tn, PRODUCT, .in = {FLOAT("KM"), FLOAT("KN")}},
    {.name = "matmul: nt", .record = matmul_nt, PRODUCT, .in = {FLOAT("MK"), FLOAT("NK")}},
    {.name = "matmul: tt", .record = matmul_tt, PRODUCT, .in = {FLOAT("KM"), FLOAT("NK")}},
    {.name = "matmul: tn batches", .record = matmul_tn, PRODUCT, .in = {FLOAT("BKM"), FLOAT("KN")}},
    {.name = "matmul: nt rows", .record = matmul_nt, PRODUCT, .in = {FLOAT("BMK"), FLOAT("NK")}},
    {.name = "matmul: tt batches",
     .record = matmul_tt,
     PRODUCT,
     .in = {FLOAT("BKM"), FLOAT("BNK")}},
    {.name = "matmul: repeated",
     .record = matmul_repeated,
     PRODUCT,
     .in = {FLOAT("1K"), FLOAT("KN")}},
    {.name = "affine",
     .record = affine,
     .thread_tol = 1e-4,
     .n_in = 3,
     .in = {FLOAT("BTK"), FLOAT("KN"), FLOAT("N")},
     .bad = {{.shape = {NULL, NULL, "K"}, .status = WG_ESHAPE, .message = "add"}}},
    {.name = "affine: no bias", .record = affine_plain, PRODUCT, .in = {FLOAT("MK"), FLOAT("KN")}},
    {.name = "outer",
     .record = outer,
     .n_in = 2,
     .in = {FLOAT("BM"), FLOAT("BN")},
     .takes_i32 = true},

    {.name = "sum",
     .record = sum,
     .n_in = 1,
     .in = {FLOAT("BTN")},
     .bad = {{.record = sum_bad_axis,
              .status = WG_EINVAL,
              .message = "sum: axis 3 is out of range for f32[2,3,4]"}}},
    /* thousands of terms that cancel */
    {.name = "sum: keep", .record = sum_keep, .n_in = 1, .in = {FLOAT("BTN")}, .f32_tol = 1e-4},
    {.name = "sum: first", .record = sum_first, .n_in = 1, .in = {FLOAT("BTN")}},
    {.name = "sum: last", .record = sum_last, .n_in = 1, .in = {FLOAT("BTN")}},
    {.name = "sum: all", .record = sum_all, .n_in = 1, .in = {FLOAT("BTN")}},
    {.name = "mean", .record = mean, .n_in = 1, .in = {FLOAT("BTN")}},
    {.name = "mean: all", .record = mean_all, .n_in = 1, .in = {FLOAT("BTN")}},
    {.name = "max_over", .record = max_last, .n_in = 1, .in = {FLOAT("BTN")}, .no_zero = "N"},
    {.name = "max_over: outer",
     .record = max_outer,
     .n_in = 1,
     .in = {FLOAT("BTN")},
     .no_zero = "BN"},
    {.name = "logsumexp", .record = logsumexp, .n_in = 1, .in = {FLOAT("BTN")}},
    {.name = "logsumexp: outer", .record = logsumexp_outer, .n_in = 1, .in = {FLOAT("BTN")}},
    {.name = "logsumexp: first", .record = logsumexp_first, .n_in = 1, .in = {FLOAT("BTN")}},
    {.name = "norm", .record = norm, .n_in = 1, .in = {FLOAT("BTN")}},
    {.name = "norm: all", .record = norm_all, .n_in = 1, .in = {FLOAT("BN")}},
    {.name = "sum_to", .record = sum_to, .n_in = 1, .in = {FLOAT("BTN")}},

    {.name = "softmax", .record = softmax, .n_in = 1, .in = {FLOAT("BTN")}},
    {.name = "log_softmax", .record = log_softmax, .n_in = 1, .in = {FLOAT("BTN")}},
    {.name = "softmax_masked",
     .record = softmax_masked,
     .n_in = 2,
     .in = {FLOAT("BTN"), MASK("BTN")},
     .bad = {{.shape = {NULL, "K"}, .status = WG_ESHAPE, .message = "does not broadcast"},
             {.dtype = {0, WG_I32 + 1}, .status = WG_ESHAPE, .message = "mask i32"}}},
    {.name = "softmax_masked: one mask for all",
     .record = softmax_masked,
     .n_in = 2,
     .in = {FLOAT("BTN"), MASK("B1N")}},
    {.name = "cross_entropy",
     .record = cross_entropy,
     .n_in = 2,
     .in = {FLOAT("BTV"), INTEGERS("BT", 9)},
     .no_zero = "V",
     .no_one = "V",
     .bad = {{.shape = {NULL, "T"}, .status = WG_ESHAPE, .message = "targets (i32) i32[3]"},
             {.record = cross_entropy_bad_smoothing,
              .status = WG_EINVAL,
              .message = "label smoothing"}}},
    {.name = "cross_entropy: mask, smoothing",
     .record = cross_entropy_mask,
     .n_in = 3,
     .in = {FLOAT("BTV"), INTEGERS("BT", 9), MASK("BT")},
     .no_zero = "V",
     .no_one = "V",
     .bad = {{.shape = {NULL, NULL, "T"}, .status = WG_ESHAPE, .message = "mask (u8) u8[3]"}}},
    {.name = "cross_entropy_grad",
     .record = cross_entropy_grad,
     .n_in = 3,
     .in = {FLOAT("BT"), FLOAT("BTV"), INTEGERS("BT", 9)},
     .no_zero = "V",
     .no_one = "V"},
    {.name = "cross_entropy_grad: mask, smoothing",
     .record = cross_entropy_grad_mask,
     .n_in = 4,
     .in = {FLOAT("BT"), FLOAT("BTV"), INTEGERS("BT", 9), MASK("BT")},
     .no_zero = "V",
     .no_one = "V"},

    {.name = "embedding",
     .record = embedding,
     .n_in = 2,
     .in = {FLOAT("VE"), INTEGERS("BT", 9)},
     .takes_i32 = true,
     .no_zero = "V",
     .no_one = "V",
     .bad = {{.shape = {"V"}, .status = WG_ESHAPE, .message = "the table must be [V,E]"},
             {.dtype = {0, WG_F32 + 1}, .status = WG_EDTYPE, .message = "ids must be i32"}}},
    {.name = "scatter_rows",
     .record = scatter_rows,
     .n_in = 2,
     .in = {FLOAT("BTE"), INTEGERS("BT", 9)},
     .bad = {{.shape = {NULL, "T"}, .status = WG_ESHAPE, .message = "do not go with ids"}}},
    {.name = "gather",
     .record = gather,
     .n_in = 2,
     .in = {FLOAT("BTN"), INTEGERS("BKN", 3)},
     .takes_i32 = true,
     .no_zero = "T",
     .no_one = "T",
     .bad = {{.shape = {NULL, "BK"}, .status = WG_ESHAPE, .message = "does not go with"},
             {.dtype = {0, WG_U8 + 1}, .status = WG_EDTYPE, .message = "index must be i32"}}},
    {.name = "gather: first axis",
     .record = gather_first,
     .n_in = 2,
     .in = {FLOAT("TN"), INTEGERS("KN", 3)},
     .takes_i32 = true,
     .no_zero = "T",
     .no_one = "T"},
    {.name = "scatter_add",
     .record = scatter_add,
     .n_in = 3,
     .in = {FLOAT("BTN"), INTEGERS("BKN", 3), FLOAT("BKN")},
     .no_zero = "T",
     .no_one = "T",
     .bad = {{.shape = {NULL, NULL, "BTN"}, .status = WG_ESHAPE, .message = "source"}}},
    {.name = "one_hot",
     .record = one_hot,
     .n_in = 1,
     .in = {INTEGERS("BT", 5)},
     .no_gradient = true},
    {.name = "argmax",
     .record = argmax,
     .n_in = 1,
     .in = {{.shape = "BTN"}},
     .takes_i32 = true,
     .no_gradient = true,
     .no_zero = "T"},
    {.name = "top_k",
     .record = top_k,
     .n_in = 1,
     .in = {FLOAT("BTN")},
     .no_zero = "N",
     .no_one = "N",
     .bad = {{.shape = {"NB"}, .status = WG_EINVAL, .message = "has no 3 largest"}}},
    {.name = "top_k: indices",
     .record = top_k_indices,
     .n_in = 1,
     .in = {{.shape = "BTN"}},
     .no_gradient = true,
     .no_zero = "N",
     .no_one = "N"},

    {.name = "reshape",
     .record = reshape,
     .n_in = 1,
     .in = {FLOAT("BTN")},
     .takes_i32 = true,
     .bad = {{.record = reshape_bad,
              .status = WG_ESHAPE,
              .message = "[2,3,4] cannot become [5,5]"}}},
    {.name = "reshape: of a slice",
     .record = reshape_of_slice,
     .n_in = 1,
     .in = {FLOAT("BTN")},
     .takes_i32 = true},
    {.name = "reshape: expand_dims",
     .record = expand,
     .n_in = 1,
     .in = {FLOAT("BT")},
     .takes_i32 = true},
    {.name = "reshape: squeeze",
     .record = squeeze,
     .n_in = 1,
     .in = {FLOAT("B1T")},
     .takes_i32 = true,
     .bad = {{.shape = {"BT"}, .status = WG_ESHAPE, .message = "has not length 1"}}},
    {.name = "slice",
     .record = slice,
     .n_in = 1,
     .in = {FLOAT("BTN")},
     .takes_i32 = true,
     .bad = {{.record = slice_bad,
              .status = WG_ESHAPE,
              .message = "3 elements from 2 do not lie within axis 1 of [2,3,4]"}}},
    {.name = "split",
     .record = split,
     .n_in = 1,
     .in = {FLOAT("MN")},
     .bad =
         {{.record = split_bad, .shape = {"MK"}, .status = WG_ESHAPE, .message = "equal pieces"}}},
    {.name = "split: one piece used", .record = split_one, .n_in = 1, .in = {FLOAT("MN")}},
    {.name = "broadcast_to",
     .record = broadcast_to,
     .n_in = 1,
     .in = {FLOAT("T1N")},
     .takes_i32 = true,
     .bad = {{.record = broadcast_to_bad, .status = WG_ESHAPE, .message = "does not broadcast"}}},
    {.name = "transpose", .record = transpose, .n_in = 1, .in = {FLOAT("BTN")}, .takes_i32 = true},
    {.name = "transpose: permutation",
     .record = transpose_perm,
     .n_in = 1,
     .in = {FLOAT("BTN")},
     .takes_i32 = true,
     .bad = {{.record = transpose_bad,
              .status = WG_EINVAL,
              .message = "entry 1 of the permutation is 1"}}},
    {.name = "transpose: two axes",
     .record = swap_axes,
     .n_in = 1,
     .in = {FLOAT("BTN")},
     .takes_i32 = true},
    {.name = "concat",
     .record = concat,
     .n_in = 3,
     .in = {FLOAT("BT"), FLOAT("BN"), FLOAT("B1")},
     .takes_i32 = true,
     .bad = {{.shape = {NULL, "TN"}, .status = WG_ESHAPE, .message = "operand 1 is f32[3,4]"},
             {.dtype = {0, WG_F64 + 1}, .status = WG_EDTYPE, .message = "operand 1 is f64[2,4]"},
             {.record = concat_bad_axis,
              .status = WG_EINVAL,
              .message = "axis 2 is out of range"}}},
    {.name = "concat: stack",
     .record = stack,
     .n_in = 2,
     .in = {FLOAT("BT"), FLOAT("BT")},
     .takes_i32 = true},
    {.name = "pad",
     .record = pad,
     .n_in = 1,
     .in = {FLOAT("BTN")},
     .takes_i32 = true,
     .bad = {{.record = pad_bad, .status = WG_EINVAL, .message = "-1 before and 1 after"}}},

    {.name = "reverse", .record = reverse, .n_in = 1, .in = {FLOAT("BTN")}, .takes_i32 = true},
    {.name = "reverse: lengths",
     .record = reverse_lengths,
     .n_in = 2,
     .in = {FLOAT("TBN"), INTEGERS("B", 4)},
     .takes_i32 = true,
     .no_zero = "T",
     .no_one = "T",
     .bad = {{.shape = {NULL, "T"}, .status = WG_ESHAPE, .message = "do not go with a sequence"},
             {.record = reverse_wrong_axis, .status = WG_EINVAL, .message = "axis must be 0"}}},
    {.name = "sequence_mask",
     .record = sequence_mask,
     .n_in = 1,
     .in = {INTEGERS("B", 6)},
     .no_gradient = true,
     .bad = {{.shape = {"BT"}, .status = WG_ESHAPE, .message = "lengths must be i32[B]"}}},
    {.name = "sequence_mask: batch major",
     .record = sequence_mask_batch,
     .n_in = 1,
     .in = {INTEGERS("B", 6)},
     .no_gradient = true},
    {.name = "pad_edge",
     .record = pad_edge,
     .n_in = 2,
     .in = {FLOAT("TBN"), INTEGERS("B", 4)},
     .takes_i32 = true,
     .no_zero = "T",
     .no_one = "T"},
    {.name = "fold_edge",
     .record = fold_edge,
     .n_in = 2,
     .in = {FLOAT("TBN"), INTEGERS("B", 4)},
     .no_zero = "T",
     .no_one = "T"},
    {.name = "layer_norm",
     .record = layer_norm,
     .n_in = 3,
     .in = {FLOAT("BTN"), FLOAT("N"), FLOAT("N")},
     .f32_tol = 1e-4,
     .bad = {{.shape = {NULL, "T"}, .status = WG_ESHAPE, .message = "gain f32[3]"}}},
    {.name = "layer_norm: plain",
     .record = layer_norm_plain,
     .n_in = 1,
     .in = {FLOAT("BTN")},
     .f32_tol = 1e-4},
};

int main(void)
{
    static const wg_op *const ops[] = {
#define LIST(name) &wg__op_##name,
        WG_OPS_STRUCTURED(LIST)
#undef LIST
    };
    return wgt_run_op_table(rows, sizeof rows / sizeof rows[0], ops, sizeof ops / sizeof ops[0]);
}
