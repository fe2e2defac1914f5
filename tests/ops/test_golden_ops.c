/* Values, gradients and second derivatives of single ops against PyTorch's (tests/golden/ops.npz,
 * made by make_ops.py), in f64 to 1e-12 and in f32 to its own error. */
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <wengert/npz.h>
#include <wengert/ops.h>
#include <wengert/program.h>

#define MAX_IN 6

typedef struct golden {
    const char *name;
    wg_var (*build)(const wg_var *in, const wg_var *extra);
    const char *in[MAX_IN + 1]; /* differentiated */
    const char *extra[3];       /* masks, indices */
    double f32_tolerance;       /* 0 = 1e-5, relative to max(1, |value|) */
    bool second;                /* has q and grad2 */
} golden;

/* ---- the cases ---- */

#define CASE(fn, expr)                                      \
    static wg_var fn(const wg_var *in, const wg_var *extra) \
    {                                                       \
        (void)extra;                                        \
        (void)in;                                           \
        return expr;                                        \
    }
CASE(gelu, wg_gelu(in[0]))
CASE(gelu_tanh, wg_gelu_tanh(in[0]))
CASE(softplus, wg_softplus(in[0]))
CASE(sigmoid, wg_sigmoid(in[0]))
CASE(tanh_, wg_tanh(in[0]))
CASE(erf_, wg_erf(in[0]))
CASE(leaky_relu, wg_leaky_relu(in[0], 0.125))
CASE(clamp, wg_clamp(in[0], -0.5, 1.25))
CASE(pow_half, wg_pow_scalar(in[0], 2.5))
CASE(pow_three, wg_pow_scalar(in[0], 3))
CASE(pow_negative, wg_pow_scalar(in[0], -1.5))
CASE(pow_, wg_pow(in[0], in[1]))
CASE(where, wg_where(extra[0], in[0], in[1]))
CASE(lerp, wg_lerp(in[0], in[1], in[2]))
CASE(softmax, wg_softmax(in[0]))
CASE(log_softmax, wg_log_softmax(in[0]))
CASE(cross_entropy, wg_cross_entropy(in[0], extra[0], WG_NONE, 0))
CASE(cross_entropy_smooth, wg_cross_entropy(in[0], extra[0], WG_NONE, 0.1))
CASE(cross_entropy_mask, wg_cross_entropy(in[0], extra[0], extra[1], 0))
CASE(cross_entropy_mask_smooth, wg_cross_entropy(in[0], extra[0], extra[1], 0.1))
CASE(matmul, wg_matmul(in[0], in[1]))
CASE(matmul_tn, wg_matmul_t(in[0], in[1], true, false))
CASE(matmul_nt, wg_matmul_t(in[0], in[1], false, true))
CASE(matmul_tt, wg_matmul_t(in[0], in[1], true, true))
CASE(layer_norm, wg_layer_norm(in[0], in[1], in[2], 1e-5))
CASE(layer_norm_flat, wg_layer_norm(in[0], WG_NONE, WG_NONE, 1e-5))
CASE(embedding, wg_embedding(in[0], extra[0]))
CASE(gather_0, wg_gather(in[0], 0, extra[0]))
CASE(gather_1, wg_gather(in[0], 1, extra[0]))
CASE(gather_2, wg_gather(in[0], -1, extra[0]))
CASE(scatter_add_0, wg_scatter_add(in[0], 0, extra[0], in[1]))
CASE(scatter_add_1, wg_scatter_add(in[0], 1, extra[0], in[1]))
CASE(scatter_add_2, wg_scatter_add(in[0], 2, extra[0], in[1]))

#define REDUCE(suffix, n_axes, ...)                                         \
    static wg_var logsumexp_##suffix(const wg_var *in, const wg_var *extra) \
    {                                                                       \
        const int axes[] = {__VA_ARGS__};                                   \
        (void)extra;                                                        \
        return wg_logsumexp(in[0], axes, n_axes, false);                    \
    }                                                                       \
    static wg_var norm_##suffix(const wg_var *in, const wg_var *extra)      \
    {                                                                       \
        const int axes[] = {__VA_ARGS__};                                   \
        (void)extra;                                                        \
        return wg_norm(in[0], axes, n_axes, false);                         \
    }
REDUCE(0, 1, 0)
REDUCE(1, 1, 1)
REDUCE(02, 2, 2, 0)
REDUCE(12, 2, 1, -1)
REDUCE(all, 0, 0)

static wg_var logsumexp_keep(const wg_var *in, const wg_var *extra)
{
    const int axes[] = {0, 2};
    (void)extra;
    return wg_logsumexp(in[0], axes, 2, true);
}

static wg_var max_ties(const wg_var *in, const wg_var *extra)
{
    const int axis = 1;
    (void)extra;
    return wg_max_over(in[0], &axis, 1, false);
}

static wg_var top_k(const wg_var *in, int k)
{
    wg_var values, indices;
    wg_top_k(in[0], k, &values, &indices);
    return values;
}
CASE(topk_1, top_k(in, 1))
CASE(topk_3, top_k(in, 3))
CASE(topk_8, top_k(in, 8))

/* x, h, c, w_ih, w_hh, b: three steps, gates i, f, g, o; all hidden states and the last cell. */
static wg_var lstm(const wg_var *in, const wg_var *extra)
{
    (void)extra;
    wg_var h = in[1], c = in[2], y[4];
    for (int t = 0; t < 3; t++) {
        wg_var x = wg_squeeze(wg_slice(in[0], 0, t, 1), 0), gate[4];
        wg_var z = wg_add(
            wg_add(wg_matmul_t(x, in[3], false, true), wg_matmul_t(h, in[4], false, true)), in[5]);
        wg_split(z, 1, 4, gate);
        c = wg_add(wg_mul(wg_sigmoid(gate[1]), c), wg_mul(wg_sigmoid(gate[0]), wg_tanh(gate[2])));
        h = wg_mul(wg_sigmoid(gate[3]), wg_tanh(c));
        y[t] = h;
    }
    y[3] = c;
    return wg_stack(y, 4, 0);
}

#define IN1     \
    {           \
        "input" \
    }
#define WIDE 3e-4 /* logits up to 1024: a unit in the last place of f32 is 6e-5 */
static const golden goldens[] = {
    {.name = "gelu", .build = gelu, .in = IN1},
    {.name = "gelu_tanh", .build = gelu_tanh, .in = IN1},
    {.name = "softplus", .build = softplus, .in = IN1},
    {.name = "sigmoid", .build = sigmoid, .in = IN1},
    {.name = "tanh", .build = tanh_, .in = IN1},
    {.name = "erf", .build = erf_, .in = IN1},
    {.name = "leaky_relu", .build = leaky_relu, .in = IN1},
    {.name = "clamp", .build = clamp, .in = IN1},
    {.name = "pow_scalar", .build = pow_half, .in = IN1},
    {.name = "pow_scalar_int", .build = pow_three, .in = IN1},
    {.name = "pow_scalar_negative", .build = pow_negative, .in = IN1},
    {.name = "pow", .build = pow_, .in = {"input", "exponent"}},
    {.name = "where", .build = where, .in = {"a", "b"}, .extra = {"mask"}},
    {.name = "where_inf", .build = where, .in = {"a", "b"}, .extra = {"mask"}},
    {.name = "lerp", .build = lerp, .in = {"a", "b", "w"}},
    {.name = "softmax", .build = softmax, .in = IN1, .f32_tolerance = WIDE},
    {.name = "softmax_inf", .build = softmax, .in = IN1, .f32_tolerance = WIDE},
    {.name = "log_softmax", .build = log_softmax, .in = IN1, .f32_tolerance = WIDE},
    {.name = "logsumexp_0", .build = logsumexp_0, .in = IN1, .f32_tolerance = WIDE},
    {.name = "logsumexp_1", .build = logsumexp_1, .in = IN1, .f32_tolerance = WIDE},
    {.name = "logsumexp_02", .build = logsumexp_02, .in = IN1, .f32_tolerance = WIDE},
    {.name = "logsumexp_12", .build = logsumexp_12, .in = IN1, .f32_tolerance = WIDE},
    {.name = "logsumexp_all", .build = logsumexp_all, .in = IN1, .f32_tolerance = WIDE},
    {.name = "logsumexp_inf", .build = logsumexp_12, .in = IN1, .f32_tolerance = WIDE},
    {.name = "logsumexp_keep", .build = logsumexp_keep, .in = IN1, .f32_tolerance = WIDE},
    {.name = "norm_0", .build = norm_0, .in = IN1},
    {.name = "norm_1", .build = norm_1, .in = IN1},
    {.name = "norm_02", .build = norm_02, .in = IN1},
    {.name = "norm_12", .build = norm_12, .in = IN1},
    {.name = "norm_all", .build = norm_all, .in = IN1},
    {.name = "norm_zero_row", .build = norm_1, .in = IN1},
    {.name = "max_ties", .build = max_ties, .in = IN1},
    {.name = "cross_entropy", .build = cross_entropy, .in = IN1, .extra = {"target"}},
    {.name = "cross_entropy_smooth", .build = cross_entropy_smooth, .in = IN1, .extra = {"target"}},
    {.name = "cross_entropy_mask",
     .build = cross_entropy_mask,
     .in = IN1,
     .extra = {"target", "mask"}},
    {.name = "cross_entropy_mask_smooth",
     .build = cross_entropy_mask_smooth,
     .in = IN1,
     .extra = {"target", "mask"}},
    {.name = "matmul_2d", .build = matmul, .in = {"a", "b"}},
    {.name = "matmul_batched", .build = matmul, .in = {"a", "b"}},
    {.name = "matmul_right_2d", .build = matmul, .in = {"a", "b"}},
    {.name = "matmul_left_2d", .build = matmul, .in = {"a", "b"}},
    {.name = "matmul_broadcast", .build = matmul, .in = {"a", "b"}},
    {.name = "matmul_one", .build = matmul, .in = {"a", "b"}},
    {.name = "matmul_empty_k", .build = matmul, .in = {"a", "b"}},
    {.name = "matmul_tn", .build = matmul_tn, .in = {"a", "b"}},
    {.name = "matmul_nt", .build = matmul_nt, .in = {"a", "b"}},
    {.name = "matmul_tt", .build = matmul_tt, .in = {"a", "b"}},
    {.name = "layer_norm", .build = layer_norm, .in = {"input", "weight", "bias"}},
    /* variance 1e-6: the mean's rounding is magnified by 1 / (var + eps)^(1/2) = 300 */
    {.name = "layer_norm_flat", .build = layer_norm_flat, .in = IN1, .f32_tolerance = 2e-2},
    {.name = "embedding", .build = embedding, .in = {"table"}, .extra = {"ids"}},
    {.name = "gather_0", .build = gather_0, .in = IN1, .extra = {"index"}},
    {.name = "gather_1", .build = gather_1, .in = IN1, .extra = {"index"}},
    {.name = "gather_2", .build = gather_2, .in = IN1, .extra = {"index"}},
    {.name = "scatter_add_0", .build = scatter_add_0, .in = {"base", "src"}, .extra = {"index"}},
    {.name = "scatter_add_1", .build = scatter_add_1, .in = {"base", "src"}, .extra = {"index"}},
    {.name = "scatter_add_2", .build = scatter_add_2, .in = {"base", "src"}, .extra = {"index"}},
    {.name = "topk_1", .build = topk_1, .in = IN1},
    {.name = "topk_3", .build = topk_3, .in = IN1},
    {.name = "topk_8", .build = topk_8, .in = IN1},
    {.name = "twice_tanh", .build = tanh_, .in = IN1, .second = true},
    {.name = "twice_sigmoid", .build = sigmoid, .in = IN1, .second = true},
    {.name = "twice_softmax", .build = softmax, .in = IN1, .second = true},
    {.name = "twice_layer_norm",
     .build = layer_norm,
     .in = {"input", "weight", "bias"},
     .second = true,
     .f32_tolerance = 1e-4},
    {.name = "twice_lstm",
     .build = lstm,
     .in = {"x", "h", "c", "w_ih", "w_hh", "b"},
     .second = true,
     .f32_tolerance = 1e-4},
};

/* ---- running them ---- */

static wg_npz *file;

static wg_tensor *load(const char *name, const char *prefix, const char *member, wg_dtype dtype)
{
    char path[128];
    wg_error err = {.status = WG_OK};
    snprintf(path, sizeof path, "%s/%s%s", name, prefix, member);
    int64_t i = wg_npz_find(file, path);
    if (i < 0) fail_msg("no member %s", path);
    wg_tensor *stored, *t;
    WGT_OK(wg_npz_read_tensor(file, i, &stored, &err), &err);
    if (wg_tensor_dtype(stored) != WG_F64) return stored;
    WGT_OK(wg_tensor_new(dtype, wg_tensor_shape(stored), &t, &err), &err);
    WGT_OK(wg_tensor_copy(t, stored, &err), &err);
    wg_tensor_free(stored);
    return t;
}

static void compare(const golden *c, const char *prefix, const char *member, const wg_tensor *got,
                    double tolerance)
{
    wg_tensor *want = load(c->name, prefix, member, WG_F64);
    wg_shape a = wg_tensor_shape(want), b = wg_tensor_shape(got);
    char ta[160], tb[160];
    if (!wg_shape_equal(&a, &b))
        fail_msg("%s/%s%s: shape %s, should be %s", c->name, prefix, member,
                 wg_shape_format(&b, tb, sizeof tb), wg_shape_format(&a, ta, sizeof ta));
    for (int64_t i = 0; i < wg_tensor_count(want); i++) {
        double w = wg_tensor_get(want, i), g = wg_tensor_get(got, i);
        bool same = w == g || (isnan(w) && isnan(g)) || fabs(w - g) <= tolerance * fmax(1, fabs(w));
        if (!same)
            fail_msg("%s/%s%s[%lld] (%s): %.17g, should be %.17g", c->name, prefix, member,
                     (long long)i, wg_dtype_name(wg_tensor_dtype(got)), g, w);
    }
    wg_tensor_free(want);
}

static void run(const golden *c, wg_dtype dtype, double tolerance)
{
    wg_error err = {.status = WG_OK};
    wg_tape *tape;
    WGT_OK(wg_tape_new(&tape, &err), &err);
    wg_tensor *kept[MAX_IN + 4];
    wg_var in[MAX_IN] = {WG_NONE}, extra[3] = {WG_NONE}, out[2 + 2 * MAX_IN], grads[MAX_IN];
    int n = 0, n_kept = 0, n_out = 0;
    for (; n < MAX_IN && c->in[n]; n++) {
        kept[n_kept] = load(c->name, "", c->in[n], dtype);
        in[n] = wg_tensor_var(tape, kept[n_kept++]);
    }
    for (int i = 0; i < 3 && c->extra[i]; i++) {
        kept[n_kept] = load(c->name, "", c->extra[i], dtype);
        extra[i] = wg_tensor_var(tape, kept[n_kept++]);
    }
    kept[n_kept] = load(c->name, "", "gy", dtype);
    wg_var gy = wg_tensor_var(tape, kept[n_kept++]);
    wg_var y = c->build(in, extra);
    wg_grad_or_zeros(&y, &gy, 1, in, n, grads);
    out[n_out++] = y;
    for (int i = 0; i < n; i++) out[n_out++] = grads[i];
    if (c->second) {
        wg_var q = wg_sum_all(wg_square(grads[0])), twice[MAX_IN];
        for (int i = 1; i < n; i++) q = wg_add(q, wg_sum_all(wg_square(grads[i])));
        wg_grad_or_zeros(&q, NULL, 1, in, n, twice);
        out[n_out++] = q;
        for (int i = 0; i < n; i++) out[n_out++] = twice[i];
    }
    wg_status status = wg_tape_status(tape, &err);
    if (status != WG_OK) fail_msg("%s: %s", c->name, err.message);
    status = wg_eval(out, n_out, NULL, &err);
    if (status != WG_OK) fail_msg("%s: %s", c->name, err.message);
    compare(c, "", "y", wg_eval_output(tape, 0), tolerance);
    for (int i = 0; i < n; i++)
        compare(c, "grad.", c->in[i], wg_eval_output(tape, 1 + i), tolerance);
    if (c->second) {
        compare(c, "", "q", wg_eval_output(tape, 1 + n), tolerance);
        for (int i = 0; i < n; i++)
            compare(c, "grad2.", c->in[i], wg_eval_output(tape, 2 + n + i), tolerance);
    }
    wg_tape_free(tape);
    for (int i = 0; i < n_kept; i++) wg_tensor_free(kept[i]);
}

static void test_f64(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof goldens / sizeof *goldens; i++) run(&goldens[i], WG_F64, 1e-12);
}

static void test_f32(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof goldens / sizeof *goldens; i++) {
        double tolerance = goldens[i].f32_tolerance;
        run(&goldens[i], WG_F32, tolerance > 0 ? tolerance : 1e-5);
    }
}

/* Nothing in the file is left out by mistake. */
static void test_every_case_is_here(void **state)
{
    (void)state;
    for (int64_t i = 0; i < wg_npz_count(file); i++) {
        const char *name = wg_npz_name(file, i), *slash = strchr(name, '/');
        if (!slash || strcmp(slash, "/y") != 0) continue;
        bool found = false;
        for (size_t j = 0; j < sizeof goldens / sizeof *goldens; j++)
            found |= strlen(goldens[j].name) == (size_t)(slash - name) &&
                     strncmp(goldens[j].name, name, (size_t)(slash - name)) == 0;
        if (!found) fail_msg("%s is not tested", name);
    }
}

static int open_file(void **state)
{
    (void)state;
    char path[4096];
    wg_error err = {.status = WG_OK};
    if (!wgt_source_path(path, "tests/golden/ops.npz")) return -1;
    if (wg_npz_open(path, NULL, &file, &err) == WG_OK) return 0;
    fprintf(stderr, "%s\n", err.message);
    return -1;
}

static int close_file(void **state)
{
    (void)state;
    wg_npz_close(file);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_case_is_here),
        cmocka_unit_test(test_f64),
        cmocka_unit_test(test_f32),
    };
    return cmocka_run_group_tests_name("golden ops", tests, open_file, close_file);
}
