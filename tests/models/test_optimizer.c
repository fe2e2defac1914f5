/* Optimisers: each update against the formula written out in f64, clipping, gradients that are not
 * finite, the hook, any number of threads, state. (Ten steps of whole models against PyTorch's
 * Adam: test_seq2seq_golden.c.) */
#include "models_test.h"

#include <wengert/optimizer.h>

enum { N = 70001, STEPS = 4 };

static wg_params *make(wg_dtype dtype, int64_t n, uint64_t seed)
{
    wg_params *params;
    wg_error err = {WG_OK, ""};
    wg_init init = {.kind = WG_INIT_NORMAL, .b = 1};
    WGT_OK(wg_params_new(dtype, &params, &err), &err);
    WGT_OK(wg_params_add(params, "a", WG_SHAPE(3, 7), &init, NULL, &err), &err);
    WGT_OK(wg_params_add(params, "b", WG_SHAPE(n), &init, NULL, &err), &err);
    WGT_OK(wg_params_init(params, seed, &err), &err);
    return params;
}

static void draw_gradient(wg_params *params, int step)
{
    wg_rng rng;
    wg_rng_init(&rng, (uint64_t)step, "gradient");
    for (int p = 0; p < wg_params_count(params); p++) {
        wg_tensor *g = wg_params_grad(params, p);
        for (int64_t i = 0; i < wg_tensor_count(g); i++)
            wg_tensor_set(g, i, wg_rng_normal(&rng) * (i % 5 == 0 ? 10 : 0.01));
    }
}

static double *doubles(const wg_tensor *t)
{
    double *x = calloc((size_t)wg_tensor_count(t), sizeof *x);
    assert_non_null(x);
    for (int64_t i = 0; i < wg_tensor_count(t); i++) x[i] = wg_tensor_get(t, i);
    return x;
}

/* What the optimiser should do, as its header says, one element at a time. */
typedef struct reference {
    int64_t n;
    double *w, *m, *v;
} reference;

static double reference_step(reference *r, const wg_optimizer_options *o, const double *gradient,
                             double lr, double count, int t)
{
    double square = 0, clipped = 0;
    for (int64_t i = 0; i < r->n; i++) {
        double g = gradient[i] / count;
        square += g * g;
        if (o->clip_value > 0) g = fmax(-o->clip_value, fmin(o->clip_value, g));
        clipped += g * g;
    }
    double factor = o->clip_norm > 0 ? fmin(1, o->clip_norm / (sqrt(clipped) + 1e-6)) : 1;
    for (int64_t i = 0; i < r->n; i++) {
        double g = gradient[i] / count, step = 0;
        if (o->clip_value > 0) g = fmax(-o->clip_value, fmin(o->clip_value, g));
        g *= factor;
        if (o->kind == WG_OPTIMIZER_SGD) step = g;
        if (o->kind == WG_OPTIMIZER_MOMENTUM) {
            r->m[i] = o->momentum * r->m[i] + g;
            step = o->nesterov ? g + o->momentum * r->m[i] : r->m[i];
        }
        if (o->kind == WG_OPTIMIZER_ADAM) {
            r->m[i] = o->beta1 * r->m[i] + (1 - o->beta1) * g;
            r->v[i] = o->beta2 * r->v[i] + (1 - o->beta2) * g * g;
            double first = r->m[i] / (1 - pow(o->beta1, t));
            step = first / (sqrt(r->v[i] / (1 - pow(o->beta2, t))) + o->epsilon);
        }
        r->w[i] -= lr * o->weight_decay * r->w[i] + lr * step;
    }
    return sqrt(square);
}

static void check(wg_dtype dtype, const wg_optimizer_options *o, double tol)
{
    wg_error err = {WG_OK, ""};
    wg_optimizer *optimizer;
    wg_params *params = make(dtype, N, 1);
    const wg_tensor *w = wg_params_values(params);
    reference r = {.n = wg_tensor_count(w), .w = doubles(w)};
    r.m = calloc((size_t)r.n, sizeof *r.m);
    r.v = calloc((size_t)r.n, sizeof *r.v);
    WGT_OK(wg_optimizer_new(params, o, &optimizer, &err), &err);
    for (int t = 1; t <= STEPS; t++) {
        wg_optimizer_result result;
        double count = 10.0 * t;
        draw_gradient(params, t);
        double *g = doubles(wg_params_grads(params));
        double norm = reference_step(&r, o, g, 0.1 / t, count, t);
        free(g);
        WGT_OK(wg_optimizer_step(optimizer, 0.1 / t, count, &result, &err), &err);
        WGT_CLOSE(result.norm, norm, 1e-6, 0);
        WGT_CLOSE(wg_optimizer_gradient_norm(optimizer, count), norm, 1e-6, 0);
        assert_false(result.skipped);
        assert_int_equal(wg_optimizer_steps(optimizer), t);
    }
    for (int64_t i = 0; i < r.n; i++)
        if (!(fabs(wg_tensor_get(w, i) - r.w[i]) <= tol * fmax(1, fabs(r.w[i]))))
            fail_msg("%s, %s: element %lld is %.12g, should be %.12g", wg_optimizer_name(o->kind),
                     wg_dtype_name(dtype), (long long)i, wg_tensor_get(w, i), r.w[i]);
    free(r.w);
    free(r.m);
    free(r.v);
    wg_optimizer_free(optimizer);
    wg_params_free(params);
}

static void test_updates(void **state)
{
    (void)state;
    for (int kind = 0; kind < WG_OPTIMIZER_KINDS; kind++)
        for (int variant = 0; variant < 6; variant++) {
            wg_optimizer_options o = WG_OPTIMIZER_OPTIONS_INIT;
            o.kind = (wg_optimizer_kind)kind;
            o.nesterov = variant & 1;
            o.weight_decay = variant == 5 ? 0.3 : 0;
            o.clip_norm = variant == 1 || variant == 3 ? 2 : variant == 2 ? 1e9 : 0;
            o.clip_value = variant == 3 || variant == 4 ? 0.5 : 0;
            check(WG_F64, &o, 1e-12);
            check(WG_F32, &o, 2e-5);
        }
}

/* Three steps of Adam on one number, by hand: w = 1, g = 1, 0, -2, lr = 0.5. */
static void test_adam_by_hand(void **state)
{
    (void)state;
    wg_error err = {WG_OK, ""};
    wg_params *params = make(WG_F64, 1, 1);
    wg_tensor *w = wg_params_value(params, 1), *g = wg_params_grad(params, 1);
    wg_optimizer *optimizer;
    WGT_OK(wg_optimizer_new(params, NULL, &optimizer, &err), &err);
    wg_tensor_set(w, 0, 1);
    const double gradient[] = {1, 0, -2};
    const double want[] = {
        /* m = 0.1, v = 0.001: a step of 1 to within epsilon */
        1 - 0.5 / (1 + 1e-8),
        /* m = 0.09, v = 0.000999 */
        1 - 0.5 / (1 + 1e-8) - 0.5 * (0.09 / 0.19) / (sqrt(0.000999 / 0.001999) + 1e-8),
        /* m = -0.119, v = 0.004998001 */
        1 - 0.5 / (1 + 1e-8) - 0.5 * (0.09 / 0.19) / (sqrt(0.000999 / 0.001999) + 1e-8) +
            0.5 * (0.119 / 0.271) / (sqrt(0.004998001 / 0.002997001) + 1e-8),
    };
    for (int t = 0; t < 3; t++) {
        wg_tensor_set(g, 0, gradient[t]);
        WGT_OK(wg_optimizer_step(optimizer, 0.5, 1, NULL, &err), &err);
        WGT_NEAR(wg_tensor_get(w, 0), want[t], 1e-13);
    }
    wg_optimizer_free(optimizer);
    wg_params_free(params);
}

static void test_not_finite(void **state)
{
    (void)state;
    wg_error err = {WG_OK, ""};
    const double bad[] = {NAN, INFINITY, -INFINITY};
    for (int i = 0; i < 6; i++) {
        wg_params *params = make(i % 2 ? WG_F32 : WG_F64, 100, 1);
        wg_optimizer *optimizer;
        wg_optimizer_options o = WG_OPTIMIZER_OPTIONS_INIT;
        wg_optimizer_result result;
        o.clip_value = o.clip_norm = 1; /* clamping must not hide an infinity */
        o.fail_not_finite = i >= 3;
        WGT_OK(wg_optimizer_new(params, &o, &optimizer, &err), &err);
        double *before = doubles(wg_params_values(params));
        wg_tensor_set(wg_params_grad(params, 1), 57, bad[i % 3]);
        wg_status status = wg_optimizer_step(optimizer, 0.1, 1, &result, &err);
        assert_int_equal(status, i >= 3 ? WG_ENUMERIC : WG_OK);
        assert_true(result.skipped);
        assert_false(isfinite(result.norm));
        assert_int_equal(wg_optimizer_steps(optimizer), 0);
        assert_int_equal(wg_optimizer_skipped(optimizer), 1);
        double *after = doubles(wg_params_values(params));
        assert_memory_equal(before, after,
                            (size_t)wg_tensor_count(wg_params_values(params)) * sizeof *before);
        free(before);
        free(after);
        wg_optimizer_free(optimizer);
        wg_params_free(params);
    }
}

/* Adds up what "two machines" found. */
static wg_status double_it(void *user, wg_tensor *gradient, double *count, wg_error *err)
{
    if (*(bool *)user) return wg_error_set(err, WG_ECANCELED, "the hook said no");
    for (int64_t i = 0; i < wg_tensor_count(gradient); i++)
        wg_tensor_set(gradient, i, 4 * wg_tensor_get(gradient, i));
    *count *= 2;
    return WG_OK;
}

static void test_hook(void **state)
{
    (void)state;
    wg_error err = {WG_OK, ""};
    wg_params *params = make(WG_F64, 5, 1);
    wg_optimizer *optimizer;
    wg_optimizer_result result;
    bool refuse = false;
    wg_optimizer_options o = WG_OPTIMIZER_OPTIONS_INIT;
    o.kind = WG_OPTIMIZER_SGD;
    o.clip_norm = 100;
    o.hook = double_it;
    o.hook_user = &refuse;
    WGT_OK(wg_optimizer_new(params, &o, &optimizer, &err), &err);
    wg_tensor_set(wg_params_grad(params, 1), 2, 3);
    double before = wg_tensor_get(wg_params_value(params, 1), 2);
    WGT_OK(wg_optimizer_step(optimizer, 0.5, 1, &result, &err), &err);
    WGT_NEAR(result.norm, 6, 1e-12);
    WGT_NEAR(wg_tensor_get(wg_params_value(params, 1), 2), before - 3, 1e-12);
    refuse = true;
    WGT_STATUS(wg_optimizer_step(optimizer, 0.5, 1, &result, &err), WG_ECANCELED, &err);
    assert_int_equal(wg_optimizer_steps(optimizer), 1);
    wg_optimizer_free(optimizer);
    wg_params_free(params);
}

static void test_threads(void **state)
{
    (void)state;
    wg_error err = {WG_OK, ""};
    double *first = NULL, norm = 0;
    for (int threads = 1; threads <= 4; threads++) {
        wg_params *params = make(WG_F32, 300000, 2);
        wg_optimizer *optimizer;
        wg_optimizer_result result;
        wg_optimizer_options o = WG_OPTIMIZER_OPTIONS_INIT;
        o.clip_norm = 1;
        o.threads = threads;
        WGT_OK(wg_optimizer_new(params, &o, &optimizer, &err), &err);
        for (int t = 0; t < 2; t++) {
            draw_gradient(params, t);
            WGT_OK(wg_optimizer_step(optimizer, 0.01, 3, &result, &err), &err);
        }
        double *now = doubles(wg_params_values(params));
        if (first) {
            assert_memory_equal(first, now,
                                (size_t)wg_tensor_count(wg_params_values(params)) * sizeof *now);
            assert_true(result.norm == norm);
            free(now);
        } else {
            first = now;
            norm = result.norm;
        }
        wg_optimizer_free(optimizer);
        wg_params_free(params);
    }
    free(first);
}

/* Stopping and going on from a state tree equals going on. */
static void test_state(void **state)
{
    (void)state;
    wg_error err = {WG_OK, ""};
    for (int kind = 0; kind < WG_OPTIMIZER_KINDS; kind++) {
        wg_optimizer_options o = WG_OPTIMIZER_OPTIONS_INIT;
        o.kind = (wg_optimizer_kind)kind;
        wg_params *a = make(WG_F32, 1000, 1), *b = make(WG_F32, 1000, 9);
        wg_optimizer *x, *y;
        WGT_OK(wg_optimizer_new(a, &o, &x, &err), &err);
        for (int t = 0; t < 3; t++) {
            draw_gradient(a, t);
            WGT_OK(wg_optimizer_step(x, 0.01, 1, NULL, &err), &err);
        }
        wg_state *tree;
        WGT_OK(wg_state_new(&tree, &err), &err);
        WGT_OK(wg_optimizer_save(x, tree, &err), &err);
        assert_int_equal(wg_state_count(tree), 1 + kind);
        WGT_OK(wg_tensor_copy(wg_params_values(b), wg_params_values(a), &err), &err);
        WGT_OK(wg_optimizer_new(b, &o, &y, &err), &err);
        WGT_OK(wg_optimizer_load(y, tree, &err), &err);
        assert_int_equal(wg_optimizer_steps(y), 3);
        draw_gradient(a, 7);
        draw_gradient(b, 7);
        WGT_OK(wg_optimizer_step(x, 0.01, 1, NULL, &err), &err);
        WGT_OK(wg_optimizer_step(y, 0.01, 1, NULL, &err), &err);
        assert_memory_equal(wg_tensor_cdata(wg_params_values(a)),
                            wg_tensor_cdata(wg_params_values(b)),
                            wg_tensor_bytes(wg_params_values(a)));
        wg_state_free(tree);
        wg_optimizer_free(x);
        wg_optimizer_free(y);
        wg_params_free(a);
        wg_params_free(b);
    }
}

static void load_fails(wg_optimizer *o, const char *text, wg_tensor *m, wg_tensor *v,
                       wg_status want)
{
    wg_error err = {WG_OK, ""};
    wg_state *tree;
    WGT_OK(wg_state_new(&tree, &err), &err);
    if (text) WGT_OK(wg_state_put_text(tree, "optim/state.json", text, strlen(text), &err), &err);
    if (m) WGT_OK(wg_state_ref_tensor(tree, "optim/m", m, &err), &err);
    if (v) WGT_OK(wg_state_ref_tensor(tree, "optim/v", v, &err), &err);
    WGT_STATUS(wg_optimizer_load(o, tree, &err), want, &err);
    assert_int_equal(wg_optimizer_steps(o), 0);
    wg_state_free(tree);
}

static void test_bad_state(void **state)
{
    (void)state;
    wg_error err = {WG_OK, ""};
    wg_params *params = make(WG_F32, 10, 1);
    wg_optimizer *o;
    wgt_pool pool = {.n = 0};
    WGT_OK(wg_optimizer_new(params, NULL, &o, &err), &err);
    wg_shape right = wg_tensor_shape(wg_params_values(params));
    wg_tensor *m = wgt_tensor(&pool, WG_F32, right), *f64 = wgt_tensor(&pool, WG_F64, right);
    wg_tensor *small = wgt_tensor(&pool, WG_F32, WG_SHAPE(3));
    const char *good = "{\"format_version\":1,\"kind\":\"adam\",\"step\":3,\"skipped\":0}";
    load_fails(o, NULL, m, m, WG_ENOTFOUND);
    load_fails(o, good, m, NULL, WG_ENOTFOUND);
    load_fails(o, good, m, small, WG_ESHAPE);
    load_fails(o, good, m, f64, WG_EDTYPE);
    load_fails(o, "{\"format_version\":1,\"kind\":\"sgd\",\"step\":3,\"skipped\":0}", m, m,
               WG_EINVAL);
    load_fails(o, "{\"format_version\":2,\"kind\":\"adam\",\"step\":3,\"skipped\":0}", m, m,
               WG_EVERSION);
    load_fails(o, "{\"format_version\":1,\"kind\":\"adam\",\"step\":-3,\"skipped\":0}", m, m,
               WG_EFORMAT);
    load_fails(o, "{\"format_version\":1,\"kind\":\"adam\",\"step\":\"x\",\"skipped\":0}", m, m,
               WG_EFORMAT);
    load_fails(o, "[", m, m, WG_EFORMAT);
    load_fails(o, "", m, m, WG_EFORMAT);
    wgt_pool_free(&pool);
    wg_optimizer_free(o);
    wg_params_free(params);
}

static void test_refused(void **state)
{
    (void)state;
    wg_error err = {WG_OK, ""};
    wg_params *params = make(WG_F32, 10, 1), *empty;
    wg_optimizer *o;
    for (int i = 0; i < 7; i++) {
        wg_optimizer_options options = WG_OPTIMIZER_OPTIONS_INIT;
        if (i == 0) options.momentum = 1;
        if (i == 1) options.beta1 = -0.1;
        if (i == 2) options.beta2 = NAN;
        if (i == 3) options.epsilon = 0;
        if (i == 4) options.clip_norm = -1;
        if (i == 5) options.weight_decay = INFINITY;
        if (i == 6) options.kind = (wg_optimizer_kind)3;
        WGT_STATUS(wg_optimizer_new(params, &options, &o, &err), WG_EINVAL, &err);
    }
    WGT_OK(wg_params_new(WG_F32, &empty, &err), &err);
    WGT_STATUS(wg_optimizer_new(empty, NULL, &o, &err), WG_ESTATE, &err);
    WGT_OK(wg_optimizer_new(params, NULL, &o, &err), &err);
    WGT_STATUS(wg_optimizer_step(o, -1, 1, NULL, &err), WG_EINVAL, &err);
    WGT_STATUS(wg_optimizer_step(o, NAN, 1, NULL, &err), WG_EINVAL, &err);
    WGT_STATUS(wg_optimizer_step(o, 1, 0, NULL, &err), WG_EINVAL, &err);
    wg_optimizer_free(o);
    wg_optimizer_kind kind;
    WGT_OK(wg_optimizer_from_name("momentum", &kind, &err), &err);
    assert_int_equal(kind, WG_OPTIMIZER_MOMENTUM);
    WGT_STATUS(wg_optimizer_from_name("adamw", &kind, &err), WG_ENOTFOUND, &err);
    wg_params_free(params);
    wg_params_free(empty);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_updates),    cmocka_unit_test(test_adam_by_hand),
        cmocka_unit_test(test_not_finite), cmocka_unit_test(test_hook),
        cmocka_unit_test(test_threads),    cmocka_unit_test(test_state),
        cmocka_unit_test(test_bad_state),  cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
