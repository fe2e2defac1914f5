/* The built-in ops: every function records one node (or a short composition) and returns its value.
 *
 * All floating ops take f32 and f64 alike; dtypes are never promoted silently. Any op whose inputs
 * are poisoned returns a poisoned value. Axes may be negative (from the end). Ops written as
 * compositions are noted where they are implemented. Threading: as the tape (one thread at a time).
 *
 * Each function is also a macro (variadic, so that compound literals may be arguments) that first
 * notes the caller's file and line for error messages;
 * take the address of a function, or write (wg_add)(a, b), to call it without. */
#ifndef WENGERT_OPS_H
#define WENGERT_OPS_H

#include <wengert/tape.h>

WG_BEGIN_DECLS

/* ---- Elementwise, two operands (numpy broadcasting; same dtype on both sides) ---- */

/* y = a + b */
WG_API wg_var wg_add(wg_var a, wg_var b);
/* y = a - b */
WG_API wg_var wg_sub(wg_var a, wg_var b);
/* y = a b */
WG_API wg_var wg_mul(wg_var a, wg_var b);
/* y = a / b */
WG_API wg_var wg_div(wg_var a, wg_var b);
/* y = a^b (a > 0 for a gradient with respect to b) */
WG_API wg_var wg_pow(wg_var a, wg_var b);
/* y = min(a, b); at a tie each side gets half of the gradient */
WG_API wg_var wg_min(wg_var a, wg_var b);
/* y = max(a, b); ties as min */
WG_API wg_var wg_max(wg_var a, wg_var b);

/* ---- Elementwise, one operand ---- */

/* y = -x */
WG_API wg_var wg_neg(wg_var x);
/* y = e^x */
WG_API wg_var wg_exp(wg_var x);
/* y = ln x */
WG_API wg_var wg_log(wg_var x);
/* y = x^(1/2) */
WG_API wg_var wg_sqrt(wg_var x);
/* y = x x */
WG_API wg_var wg_square(wg_var x);
/* y = 1 / x */
WG_API wg_var wg_reciprocal(wg_var x);
/* y = |x|; derivative 0 at 0 */
WG_API wg_var wg_abs(wg_var x);
/* y = 1 / (1 + e^-x) */
WG_API wg_var wg_sigmoid(wg_var x);
/* y = tanh x */
WG_API wg_var wg_tanh(wg_var x);
/* y = max(x, 0); derivative 0 at 0 */
WG_API wg_var wg_relu(wg_var x);
/* y = ln(1 + e^x), computed without overflow */
WG_API wg_var wg_softplus(wg_var x);
/* y = x Phi(x), Phi by erf (Hendrycks & Gimpel 2016, eq. 1) */
WG_API wg_var wg_gelu(wg_var x);
/* y = x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) (Hendrycks & Gimpel 2016) */
WG_API wg_var wg_gelu_tanh(wg_var x);
/* y = erf x */
WG_API wg_var wg_erf(wg_var x);
/* y = sin x */
WG_API wg_var wg_sin(wg_var x);
/* y = cos x */
WG_API wg_var wg_cos(wg_var x);
/* y = 1 - x */
WG_API wg_var wg_one_minus(wg_var x);
/* y = -1, 0 or 1; gradient zero */
WG_API wg_var wg_sign(wg_var x);
/* y = x for x > 0, slope x otherwise (Maas et al. 2013) */
WG_API wg_var wg_leaky_relu(wg_var x, double slope);
/* y = factor x */
WG_API wg_var wg_scale(wg_var x, double factor);
/* y = x + term */
WG_API wg_var wg_add_scalar(wg_var x, double term);
/* y = x^exponent */
WG_API wg_var wg_pow_scalar(wg_var x, double exponent);
/* y = min(max(x, low), high); derivative 1 inside and at the bounds, 0 outside */
WG_API wg_var wg_clamp(wg_var x, double low, double high);

/* ---- Comparison (u8 results of 0 and 1, no gradient), selection ---- */

/* y = a == b */
WG_API wg_var wg_eq(wg_var a, wg_var b);
/* y = a != b */
WG_API wg_var wg_ne(wg_var a, wg_var b);
/* y = a < b */
WG_API wg_var wg_lt(wg_var a, wg_var b);
/* y = a <= b */
WG_API wg_var wg_le(wg_var a, wg_var b);
/* y = a > b */
WG_API wg_var wg_gt(wg_var a, wg_var b);
/* y = a >= b */
WG_API wg_var wg_ge(wg_var a, wg_var b);
/* y = !mask, u8 */
WG_API wg_var wg_logical_not(wg_var mask);
/* y = a && b, u8 */
WG_API wg_var wg_logical_and(wg_var a, wg_var b);
/* y = a || b, u8 */
WG_API wg_var wg_logical_or(wg_var a, wg_var b);
/* y = mask ? a : b, selected and never multiplied; mask u8, all three broadcast */
WG_API wg_var wg_where(wg_var mask, wg_var a, wg_var b);
/* y = (1 - w) a + w b */
WG_API wg_var wg_lerp(wg_var a, wg_var b, wg_var w);
/* y = x in another dtype; the gradient is cast back (float to float only) */
WG_API wg_var wg_cast(wg_var x, wg_dtype dtype);

/* ---- Products ---- */

/* y = a b. a [M,K], b [K,N] -> [M,N]; leading axes are batches and broadcast; rank of a and b
 * at least 2. Where b is 2-D, the leading axes of a are rows of one product. */
WG_API wg_var wg_matmul(wg_var a, wg_var b);
/* y = op(a) op(b): the last two axes of an operand are swapped first where its flag says so;
 * f32 and f64 */
WG_API wg_var wg_matmul_t(wg_var a, wg_var b, bool trans_a, bool trans_b);
/* y = x w + b. x [...,K], w [K,N], b [N] or WG_NONE */
WG_API wg_var wg_affine(wg_var x, wg_var w, wg_var b);
/* y[i,j] = a[i] b[j]; leading axes are batches */
WG_API wg_var wg_outer(wg_var a, wg_var b);

/* ---- Reductions (axes negative from the end; keep: reduced axes stay with length 1) ---- */

/* y = sum of x over axes; n_axes = 0 means all axes */
WG_API wg_var wg_sum(wg_var x, const int *axes, int n_axes, bool keep);
/* y = sum / count; n_axes = 0 means all axes */
WG_API wg_var wg_mean(wg_var x, const int *axes, int n_axes, bool keep);
/* y = largest element over axes; ties share the gradient evenly; n_axes = 0 means all axes */
WG_API wg_var wg_max_over(wg_var x, const int *axes, int n_axes, bool keep);
/* y = ln sum e^x over axes, computed from the maximum; n_axes = 0 means all axes */
WG_API wg_var wg_logsumexp(wg_var x, const int *axes, int n_axes, bool keep);
/* y = (sum x^2)^(1/2) over axes; derivative 0 at 0; n_axes = 0 means all axes */
WG_API wg_var wg_norm(wg_var x, const int *axes, int n_axes, bool keep);
/* y = sum of all elements, rank 0 */
WG_API wg_var wg_sum_all(wg_var x);
/* y = mean of all elements, rank 0 */
WG_API wg_var wg_mean_all(wg_var x);
/* wg_sum over one axis */
WG_API wg_var wg_sum_axis(wg_var x, int axis, bool keep);

/* ---- Softmax family (over the last axis) ---- */

/* y_i = e^(x_i) / sum_j e^(x_j), from the row maximum; a row of -inf gives zeros */
WG_API wg_var wg_softmax(wg_var x);
/* y_i = x_i - ln sum_j e^(x_j) */
WG_API wg_var wg_log_softmax(wg_var x);
/* softmax over the entries with mask != 0 (u8, broadcast to x); masked entries are exactly 0, a
 * row without any entry is all 0 */
WG_API wg_var wg_softmax_masked(wg_var x, wg_var mask);
/* per row: -sum_v q_v ln softmax(logits)_v with q = (1 - s) onehot(target) + s / V (Szegedy et
 * al. 2016, sec. 7). logits [...,V], targets i32 [...], mask u8 [...] or WG_NONE; rows masked
 * out give 0 and no gradient. Result [...] */
WG_API wg_var wg_cross_entropy(wg_var logits, wg_var targets, wg_var mask, double label_smoothing);

/* ---- Index ops ---- */

/* rows of table [V,E] by ids i32 [...]: y [...,E]. The gradient is a scatter-add of rows. An id
 * outside 0..V-1 is an error when the program runs */
WG_API wg_var wg_embedding(wg_var table, wg_var ids);
/* y[..,i,..] = x[..,index[..,i,..],..] along axis; index i32 of x's rank, equal to x on the
 * other axes */
WG_API wg_var wg_gather(wg_var x, int axis, wg_var index);
/* base with src[..,i,..] added at index[..,i,..] along axis; duplicates add up */
WG_API wg_var wg_scatter_add(wg_var base, int axis, wg_var index, wg_var src);
/* zeros [n_rows,E] with rows [...,E] added at ids [...]: the gradient of embedding (lazy: see
 * wg_sparse_rows) */
WG_API wg_var wg_scatter_rows(wg_var rows, wg_var ids, int64_t n_rows);
/* y[...,v] = ids[...] == v */
WG_API wg_var wg_one_hot(wg_var ids, int64_t classes, wg_dtype dtype);
/* i32 index of the largest element along axis, the first of equals; axis dropped; no gradient */
WG_API wg_var wg_argmax(wg_var x, int axis);
/* the k largest along the last axis, descending, ties by index: [...,k] and i32 [...,k]. values
 * carry a gradient (through gather) */
WG_API wg_status wg_top_k(wg_var x, int k, wg_var *values, wg_var *indices);
/* true when v is a lazy scatter_rows: gives its rows and ids */
WG_API bool wg_sparse_rows(wg_var v, wg_var *rows, wg_var *ids);

/* ---- Shape ops ---- */

/* same elements, row-major, another shape; one length may be -1 */
WG_API wg_var wg_reshape(wg_var x, wg_shape shape);
/* axes in another order; n_perm = 0 reverses them */
WG_API wg_var wg_transpose(wg_var x, const int *perm, int n_perm);
/* transpose of two axes */
WG_API wg_var wg_swap_axes(wg_var x, int a, int b);
/* x repeated to a shape that it broadcasts to */
WG_API wg_var wg_broadcast_to(wg_var x, wg_shape shape);
/* a new axis of length 1 before `axis` */
WG_API wg_var wg_expand_dims(wg_var x, int axis);
/* drops an axis of length 1 */
WG_API wg_var wg_squeeze(wg_var x, int axis);
/* pieces one after another along an axis */
WG_API wg_var wg_concat(const wg_var *x, int n, int axis);
/* pieces of one shape along a new axis */
WG_API wg_var wg_stack(const wg_var *x, int n, int axis);
/* n equal pieces along an axis, as views (nothing is copied); the gradient is one concat */
WG_API wg_status wg_split(wg_var x, int axis, int n, wg_var *out);
/* length elements from start along an axis, as a view */
WG_API wg_var wg_slice(wg_var x, int axis, int64_t start, int64_t length);
/* zeros before and after along an axis */
WG_API wg_var wg_pad(wg_var x, int axis, int64_t before, int64_t after);
/* reversed along `axis` (0 = time); with lengths i32 [B] (x is [T,B,...], axis 0) row b is
 * reversed within its first lengths[b] steps and the padding stays. lengths may be WG_NONE */
WG_API wg_var wg_reverse(wg_var x, int axis, wg_var lengths);
/* u8 mask: [T,B] (time major) or [B,T]: 1 where t < lengths[b] */
WG_API wg_var wg_sequence_mask(wg_var lengths, int64_t steps, bool time_major);
/* x [T,B,...] with every step t >= lengths[b] replaced by the last valid one (zeros where
 * lengths[b] = 0): padding that holds NaN cannot leak. The gradient of the padding
 * goes to the last valid step */
WG_API wg_var wg_pad_edge(wg_var x, wg_var lengths);

/* ---- Random bits and regularisation ---- */

/* uniform in [0,1): Philox-4x32-10 (Salmon et al. 2011) of (key = i32 [4]: seed low, seed high,
 * step, first row; stream name; absolute time; row; element). time: i32 scalar added to the
 * time coordinate, or WG_NONE; time_axis: the axis of the shape that is time, or -1. The axis
 * after time (or the first) is the row */
WG_API wg_var wg_random_uniform(wg_tape *tape, const char *stream, wg_var key, wg_var time,
                                int time_axis, wg_dtype dtype, wg_shape shape);
/* inverted dropout: x m / (1 - rate), m = uniform >= rate (Srivastava et al. 2014); rate 0
 * gives x */
WG_API wg_var wg_dropout(wg_var x, double rate, wg_var key, const char *stream, wg_var time,
                         int time_axis);
/* the mask m / (1 - rate) itself, to share between uses (Gal & Ghahramani 2016) */
WG_API wg_var wg_dropout_mask(wg_tape *tape, double rate, wg_var key, const char *stream,
                              wg_var time, int time_axis, wg_dtype dtype, wg_shape shape);
/* y = gain (x - mean) / (var + eps)^(1/2) + bias over the last axis (Ba et al. 2016, eq. 4);
 * gain, bias [N] or WG_NONE; biased variance */
WG_API wg_var wg_layer_norm(wg_var x, wg_var gain, wg_var bias, double eps);

WG_END_DECLS

/* Notes the caller's place before each op. Not inside the library (WG_BUILDING), where the place
 * noted by the user's own call stays. */
#ifndef WG_BUILDING
#define WG_HERE wg_here(__FILE__, __LINE__)
#define wg_add(...) (WG_HERE, (wg_add)(__VA_ARGS__))
#define wg_sub(...) (WG_HERE, (wg_sub)(__VA_ARGS__))
#define wg_mul(...) (WG_HERE, (wg_mul)(__VA_ARGS__))
#define wg_div(...) (WG_HERE, (wg_div)(__VA_ARGS__))
#define wg_pow(...) (WG_HERE, (wg_pow)(__VA_ARGS__))
#define wg_min(...) (WG_HERE, (wg_min)(__VA_ARGS__))
#define wg_max(...) (WG_HERE, (wg_max)(__VA_ARGS__))
#define wg_neg(...) (WG_HERE, (wg_neg)(__VA_ARGS__))
#define wg_exp(...) (WG_HERE, (wg_exp)(__VA_ARGS__))
#define wg_log(...) (WG_HERE, (wg_log)(__VA_ARGS__))
#define wg_sqrt(...) (WG_HERE, (wg_sqrt)(__VA_ARGS__))
#define wg_square(...) (WG_HERE, (wg_square)(__VA_ARGS__))
#define wg_reciprocal(...) (WG_HERE, (wg_reciprocal)(__VA_ARGS__))
#define wg_abs(...) (WG_HERE, (wg_abs)(__VA_ARGS__))
#define wg_sigmoid(...) (WG_HERE, (wg_sigmoid)(__VA_ARGS__))
#define wg_tanh(...) (WG_HERE, (wg_tanh)(__VA_ARGS__))
#define wg_relu(...) (WG_HERE, (wg_relu)(__VA_ARGS__))
#define wg_softplus(...) (WG_HERE, (wg_softplus)(__VA_ARGS__))
#define wg_gelu(...) (WG_HERE, (wg_gelu)(__VA_ARGS__))
#define wg_gelu_tanh(...) (WG_HERE, (wg_gelu_tanh)(__VA_ARGS__))
#define wg_erf(...) (WG_HERE, (wg_erf)(__VA_ARGS__))
#define wg_sin(...) (WG_HERE, (wg_sin)(__VA_ARGS__))
#define wg_cos(...) (WG_HERE, (wg_cos)(__VA_ARGS__))
#define wg_one_minus(...) (WG_HERE, (wg_one_minus)(__VA_ARGS__))
#define wg_sign(...) (WG_HERE, (wg_sign)(__VA_ARGS__))
#define wg_leaky_relu(...) (WG_HERE, (wg_leaky_relu)(__VA_ARGS__))
#define wg_scale(...) (WG_HERE, (wg_scale)(__VA_ARGS__))
#define wg_add_scalar(...) (WG_HERE, (wg_add_scalar)(__VA_ARGS__))
#define wg_pow_scalar(...) (WG_HERE, (wg_pow_scalar)(__VA_ARGS__))
#define wg_clamp(...) (WG_HERE, (wg_clamp)(__VA_ARGS__))
#define wg_eq(...) (WG_HERE, (wg_eq)(__VA_ARGS__))
#define wg_ne(...) (WG_HERE, (wg_ne)(__VA_ARGS__))
#define wg_lt(...) (WG_HERE, (wg_lt)(__VA_ARGS__))
#define wg_le(...) (WG_HERE, (wg_le)(__VA_ARGS__))
#define wg_gt(...) (WG_HERE, (wg_gt)(__VA_ARGS__))
#define wg_ge(...) (WG_HERE, (wg_ge)(__VA_ARGS__))
#define wg_logical_not(...) (WG_HERE, (wg_logical_not)(__VA_ARGS__))
#define wg_logical_and(...) (WG_HERE, (wg_logical_and)(__VA_ARGS__))
#define wg_logical_or(...) (WG_HERE, (wg_logical_or)(__VA_ARGS__))
#define wg_where(...) (WG_HERE, (wg_where)(__VA_ARGS__))
#define wg_lerp(...) (WG_HERE, (wg_lerp)(__VA_ARGS__))
#define wg_cast(...) (WG_HERE, (wg_cast)(__VA_ARGS__))
#define wg_matmul(...) (WG_HERE, (wg_matmul)(__VA_ARGS__))
#define wg_matmul_t(...) (WG_HERE, (wg_matmul_t)(__VA_ARGS__))
#define wg_affine(...) (WG_HERE, (wg_affine)(__VA_ARGS__))
#define wg_outer(...) (WG_HERE, (wg_outer)(__VA_ARGS__))
#define wg_sum(...) (WG_HERE, (wg_sum)(__VA_ARGS__))
#define wg_mean(...) (WG_HERE, (wg_mean)(__VA_ARGS__))
#define wg_max_over(...) (WG_HERE, (wg_max_over)(__VA_ARGS__))
#define wg_logsumexp(...) (WG_HERE, (wg_logsumexp)(__VA_ARGS__))
#define wg_norm(...) (WG_HERE, (wg_norm)(__VA_ARGS__))
#define wg_sum_all(...) (WG_HERE, (wg_sum_all)(__VA_ARGS__))
#define wg_mean_all(...) (WG_HERE, (wg_mean_all)(__VA_ARGS__))
#define wg_sum_axis(...) (WG_HERE, (wg_sum_axis)(__VA_ARGS__))
#define wg_softmax(...) (WG_HERE, (wg_softmax)(__VA_ARGS__))
#define wg_log_softmax(...) (WG_HERE, (wg_log_softmax)(__VA_ARGS__))
#define wg_softmax_masked(...) (WG_HERE, (wg_softmax_masked)(__VA_ARGS__))
#define wg_cross_entropy(...) (WG_HERE, (wg_cross_entropy)(__VA_ARGS__))
#define wg_embedding(...) (WG_HERE, (wg_embedding)(__VA_ARGS__))
#define wg_gather(...) (WG_HERE, (wg_gather)(__VA_ARGS__))
#define wg_scatter_add(...) (WG_HERE, (wg_scatter_add)(__VA_ARGS__))
#define wg_scatter_rows(...) (WG_HERE, (wg_scatter_rows)(__VA_ARGS__))
#define wg_one_hot(...) (WG_HERE, (wg_one_hot)(__VA_ARGS__))
#define wg_argmax(...) (WG_HERE, (wg_argmax)(__VA_ARGS__))
#define wg_top_k(...) (WG_HERE, (wg_top_k)(__VA_ARGS__))
#define wg_sparse_rows(...) (WG_HERE, (wg_sparse_rows)(__VA_ARGS__))
#define wg_reshape(...) (WG_HERE, (wg_reshape)(__VA_ARGS__))
#define wg_transpose(...) (WG_HERE, (wg_transpose)(__VA_ARGS__))
#define wg_swap_axes(...) (WG_HERE, (wg_swap_axes)(__VA_ARGS__))
#define wg_broadcast_to(...) (WG_HERE, (wg_broadcast_to)(__VA_ARGS__))
#define wg_expand_dims(...) (WG_HERE, (wg_expand_dims)(__VA_ARGS__))
#define wg_squeeze(...) (WG_HERE, (wg_squeeze)(__VA_ARGS__))
#define wg_concat(...) (WG_HERE, (wg_concat)(__VA_ARGS__))
#define wg_stack(...) (WG_HERE, (wg_stack)(__VA_ARGS__))
#define wg_split(...) (WG_HERE, (wg_split)(__VA_ARGS__))
#define wg_slice(...) (WG_HERE, (wg_slice)(__VA_ARGS__))
#define wg_pad(...) (WG_HERE, (wg_pad)(__VA_ARGS__))
#define wg_reverse(...) (WG_HERE, (wg_reverse)(__VA_ARGS__))
#define wg_sequence_mask(...) (WG_HERE, (wg_sequence_mask)(__VA_ARGS__))
#define wg_pad_edge(...) (WG_HERE, (wg_pad_edge)(__VA_ARGS__))
#define wg_random_uniform(...) (WG_HERE, (wg_random_uniform)(__VA_ARGS__))
#define wg_dropout(...) (WG_HERE, (wg_dropout)(__VA_ARGS__))
#define wg_dropout_mask(...) (WG_HERE, (wg_dropout_mask)(__VA_ARGS__))
#define wg_layer_norm(...) (WG_HERE, (wg_layer_norm)(__VA_ARGS__))
#endif

#endif
