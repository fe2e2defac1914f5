/* Products and reductions against plain loops: every layout of operands, every set of axes, sizes
 * beyond the blocks of the kernels, no elements, any number of threads. */
#include "ops_support.h"

/* ---- products ---- */

static double element(const wg_tensor *t, const int64_t *index)
{
    wg_shape s = wg_tensor_shape(t);
    int64_t at = 0;
    for (int i = 0; i < s.rank; i++) at = at * s.dim[i] + index[i];
    return wg_tensor_get(t, at);
}

/* Compares matmul_t(a, b) of two 2-D values with the sum written out. */
static void check_product(bench *b, wg_var x, wg_var w, bool tx, bool tw)
{
    wg_var out[3] = {wg_matmul_t(x, w, tx, tw), x, w};
    WGT_OK(wg_eval(out, 3, NULL, &b->err), &b->err);
    const wg_tensor *y = wg_eval_output(b->tape, 0), *a = wg_eval_output(b->tape, 1),
                    *c = wg_eval_output(b->tape, 2);
    int64_t m = wg_dim(out[0], 0), n = wg_dim(out[0], 1), k = wg_dim(x, tx ? 0 : 1);
    double tolerance = wg_tensor_dtype(y) == WG_F32 ? 1e-4 : 1e-11;
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++) {
            double sum = 0;
            for (int64_t l = 0; l < k; l++) {
                int64_t ia[2] = {tx ? l : i, tx ? i : l}, ib[2] = {tw ? j : l, tw ? l : j};
                sum += element(a, ia) * element(c, ib);
            }
            WGT_NEAR(wg_tensor_get(y, i * n + j), sum, tolerance * (1 + fabs(sum)));
        }
}

/* A [rows, cols] value in one of the layouts that a product may meet. */
enum { PLAIN, ROW_SLICE, COLUMN_SLICE, TRANSPOSED, ROW_REPEATED, COLUMN_REPEATED, NUMBER, LAYOUTS };
static wg_var in_layout(bench *b, wg_dtype dtype, int layout, int64_t rows, int64_t cols)
{
    switch (layout) {
    case ROW_SLICE: return wg_slice(bench_normal(b, dtype, WG_SHAPE(rows + 3, cols)), 0, 2, rows);
    case COLUMN_SLICE:
        return wg_slice(bench_normal(b, dtype, WG_SHAPE(rows, cols + 5)), 1, 3, cols);
    case TRANSPOSED: return wg_transpose(bench_normal(b, dtype, WG_SHAPE(cols, rows)), NULL, 0);
    case ROW_REPEATED:
        return wg_broadcast_to(bench_normal(b, dtype, WG_SHAPE(1, cols)), WG_SHAPE(rows, cols));
    case COLUMN_REPEATED:
        return wg_broadcast_to(bench_normal(b, dtype, WG_SHAPE(rows, 1)), WG_SHAPE(rows, cols));
    case NUMBER: return wg_broadcast_to(bench_normal(b, dtype, WG_SCALAR), WG_SHAPE(rows, cols));
    default: return bench_normal(b, dtype, WG_SHAPE(rows, cols));
    }
}

static void test_layouts(void **state)
{
    (void)state;
    static const int64_t sizes[][3] = {{3, 4, 5}, {1, 6, 7}, {7, 1, 6}, {5, 6, 1}, {1, 1, 1}};
    for (int dtype = 0; dtype < 2; dtype++)
        for (int la = 0; la < LAYOUTS; la++)
            for (int lb = 0; lb < LAYOUTS; lb++)
                for (int flags = 0; flags < 4; flags++)
                    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
                        bool ta = flags & 1, tb = flags >> 1;
                        int64_t m = sizes[s][0], n = sizes[s][1], k = sizes[s][2];
                        bench b;
                        bench_open(&b);
                        wg_var x = in_layout(&b, (wg_dtype)dtype, la, ta ? k : m, ta ? m : k);
                        wg_var w = in_layout(&b, (wg_dtype)dtype, lb, tb ? n : k, tb ? k : n);
                        check_product(&b, x, w, ta, tb);
                        bench_close(&b);
                    }
}

/* Operands that must be packed are packed in panels. */
static void test_many_panels(void **state)
{
    (void)state;
    bench b;
    bench_open(&b);
    wg_var x = in_layout(&b, WG_F32, COLUMN_REPEATED, 300, 9);
    wg_var w = in_layout(&b, WG_F32, ROW_REPEATED, 9, 530);
    check_product(&b, x, w, false, false);
    check_product(&b, x, bench_normal(&b, WG_F32, WG_SHAPE(9, 11)), false, false);
    check_product(&b, bench_normal(&b, WG_F32, WG_SHAPE(10, 9)), w, false, false);
    bench_close(&b);
}

/* [T,B,K] x [K,N] as rows, also of a strided slice; a batch equals its products one by one. */
static void test_rows_and_batches(void **state)
{
    (void)state;
    bench b;
    bench_open(&b);
    wg_var x = bench_normal(&b, WG_F64, WG_SHAPE(4, 3, 10)),
           w = bench_normal(&b, WG_F64, WG_SHAPE(5, 6));
    wg_var part = wg_slice(x, 2, 2, 5), inner = wg_slice(x, 1, 1, 2);
    wg_var ws = bench_normal(&b, WG_F64, WG_SHAPE(4, 1, 5, 6));
    wg_var a = bench_normal(&b, WG_F64, WG_SHAPE(3, 2, 5));
    wg_var wide = bench_normal(&b, WG_F64, WG_SHAPE(10, 6));
    wg_var y[3] = {wg_matmul(part, w), wg_matmul(inner, wide), wg_matmul(a, ws)};
    for (int64_t t = 0; t < 4; t++) {
        wg_var one = wg_matmul(wg_squeeze(wg_slice(part, 0, t, 1), 0), w);
        wg_var two = wg_matmul(wg_squeeze(wg_slice(inner, 0, t, 1), 0), wide);
        wg_var gap[2] = {wg_sub(wg_squeeze(wg_slice(y[0], 0, t, 1), 0), one),
                         wg_sub(wg_squeeze(wg_slice(y[1], 0, t, 1), 0), two)};
        for (int i = 0; i < 2; i++)
            WGT_NEAR(wg_tensor_get(bench_eval(&b, wg_sum_all(wg_abs(gap[i]))), 0), 0, 1e-12);
        for (int64_t i = 0; i < 3; i++) {
            wg_var w2 = wg_reshape(wg_slice(ws, 0, t, 1), WG_SHAPE(5, 6));
            wg_var p = wg_matmul(wg_squeeze(wg_slice(a, 0, i, 1), 0), w2);
            wg_var q = wg_reshape(wg_slice(wg_slice(y[2], 0, t, 1), 1, i, 1), WG_SHAPE(2, 6));
            WGT_NEAR(wg_tensor_get(bench_eval(&b, wg_sum_all(wg_abs(wg_sub(p, q)))), 0), 0, 1e-12);
        }
    }
    bench_close(&b);
}

static void test_empty_products(void **state)
{
    (void)state;
    bench b;
    bench_open(&b);
    wg_var none = bench_leaf(&b, WG_F32, WG_SHAPE(2, 0)),
           w = bench_leaf(&b, WG_F32, WG_SHAPE(0, 3));
    EXPECT(&b, wg_matmul(none, w), WG_SHAPE(2, 3), 0, 0, 0, 0, 0, 0);
    EXPECT(&b, wg_matmul(w, bench_normal(&b, WG_F32, WG_SHAPE(3, 4))), WG_SHAPE(0, 4), 0);
    EXPECT(&b,
           wg_matmul(bench_leaf(&b, WG_F64, WG_SHAPE(0, 2, 3)),
                     bench_normal(&b, WG_F64, WG_SHAPE(3, 4))),
           WG_SHAPE(0, 2, 4), 0);
    bench_close(&b);
}

static void test_outer_and_affine(void **state)
{
    (void)state;
    bench b;
    bench_open(&b);
    wg_var x = bench_data(&b, WG_F64, WG_SHAPE(2), (double[]){2, 3});
    wg_var y = bench_data(&b, WG_F64, WG_SHAPE(3), (double[]){1, 10, 100});
    EXPECT(&b, wg_outer(x, y), WG_SHAPE(2, 3), 2, 20, 200, 3, 30, 300);
    wg_var w = bench_data(&b, WG_F64, WG_SHAPE(2, 3), (double[]){1, 2, 3, 4, 5, 6});
    wg_var row = wg_expand_dims(x, 0);
    EXPECT(&b, wg_affine(row, w, y), WG_SHAPE(1, 3), 15, 29, 124);
    EXPECT(&b, wg_affine(row, w, WG_NONE), WG_SHAPE(1, 3), 14, 19, 24);
    bench_close(&b);
}

/* ---- reductions ---- */

static void check_reduction(const wg_shape *shape, unsigned mask, wg_dtype dtype, bool keep)
{
    bench b;
    bench_open(&b);
    int axes[WG_MAX_AXES], n = 0;
    for (int i = 0; i < shape->rank; i++)
        if (mask >> i & 1) axes[n++] = i % 2 ? i - shape->rank : i;
    wg_var x = bench_normal(&b, dtype, *shape);
    wg_var out[4] = {wg_sum(x, axes, n, keep), wg_mean(x, axes, n, keep),
                     wg_logsumexp(x, axes, n, keep), wg_max_over(x, axes, n, keep)};
    WGT_OK(wg_tape_status(b.tape, &b.err), &b.err);
    WGT_OK(wg_eval(out, 4, NULL, &b.err), &b.err);
    const wg_tensor *t = b.tensor[0];
    int64_t count = wg_tensor_count(t), n_out = wg_tensor_count(wg_eval_output(b.tape, 0));
    double *sum = wg_calloc((size_t)n_out, sizeof *sum),
           *total = wg_calloc((size_t)n_out, sizeof *sum);
    double *max = wg_calloc((size_t)n_out, sizeof *max);
    assert_true(sum && total && max);
    for (int64_t i = 0; i < n_out; i++) max[i] = -INFINITY;
    for (int64_t i = 0; i < count; i++) {
        int64_t rest = i, at = 0, step = 1;
        for (int a = shape->rank - 1; a >= 0; a--) {
            if (!(mask >> a & 1)) {
                at += rest % shape->dim[a] * step;
                step *= shape->dim[a];
            }
            rest /= shape->dim[a];
        }
        double v = wg_tensor_get(t, i);
        sum[at] += v;
        total[at] += exp(v);
        max[at] = fmax(max[at], v);
    }
    double tolerance = dtype == WG_F32 ? 1e-5 : 1e-12;
    for (int64_t i = 0; i < n_out; i++) {
        double each = (double)(count / n_out), scale = 1 + sqrt(each);
        WGT_NEAR(wg_tensor_get(wg_eval_output(b.tape, 0), i), sum[i], tolerance * scale);
        WGT_NEAR(wg_tensor_get(wg_eval_output(b.tape, 1), i), sum[i] / each, tolerance);
        WGT_NEAR(wg_tensor_get(wg_eval_output(b.tape, 2), i), log(total[i]), tolerance * 2);
        WGT_NEAR(wg_tensor_get(wg_eval_output(b.tape, 3), i), max[i], 0);
    }
    wg_free(sum);
    wg_free(total);
    wg_free(max);
    bench_close(&b);
}

static void test_every_set_of_axes(void **state)
{
    (void)state;
    const wg_shape shapes[] = {WG_SHAPE(3, 4, 2, 5), WG_SHAPE(2, 1, 3, 1), WG_SHAPE(70, 3, 41)};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
        for (unsigned mask = 1; mask < 1u << shapes[s].rank; mask++)
            for (int dtype = 0; dtype < 2; dtype++)
                check_reduction(&shapes[s], mask, (wg_dtype)dtype, dtype);
}

/* More columns than a block holds, more rows than are added at once. */
static void test_large_reductions(void **state)
{
    (void)state;
    const wg_shape shape = WG_SHAPE(101, 2, 1300);
    for (unsigned mask = 1; mask < 8; mask++) check_reduction(&shape, mask, WG_F32, false);
}

static void test_empty_reductions(void **state)
{
    (void)state;
    bench b;
    bench_open(&b);
    const int axis = 1;
    wg_var x = bench_leaf(&b, WG_F64, WG_SHAPE(2, 0));
    EXPECT(&b, wg_sum(x, &axis, 1, false), WG_SHAPE(2), 0, 0);
    EXPECT(&b, wg_logsumexp(x, &axis, 1, true), WG_SHAPE(2, 1), -INFINITY, -INFINITY);
    EXPECT(&b, wg_mean(x, &axis, 1, false), WG_SHAPE(2), NAN, NAN);
    EXPECT(&b, wg_sum_axis(x, 0, false), WG_SHAPE(0), 0);
    EXPECT(&b, wg_sum_all(x), WG_SCALAR, 0);
    EXPECT(&b, wg_norm(x, NULL, 0, false), WG_SCALAR, 0);
    expect_record_error(&b, wg_max_over(x, &axis, 1, false), "axis 1 of f64[2,0]");
    bench_close(&b);
}

/* Infinities and nan come through; logsumexp has finite gradients among -inf. */
static void test_special_numbers(void **state)
{
    (void)state;
    bench b;
    bench_open(&b);
    const double inf = INFINITY;
    wg_var x = bench_data(&b, WG_F64, WG_SHAPE(4, 3),
                          (double[]){-inf, -inf, -inf, -inf, 0, 0, inf, 1, 2, NAN, 1, inf});
    wg_var y = wg_logsumexp(x, (int[]){1}, 1, false), z, g;
    EXPECT(&b, y, WG_SHAPE(4), -inf, log(2), inf, NAN);
    EXPECT(&b, wg_max_over(x, (int[]){1}, 1, false), WG_SHAPE(4), -inf, 0, inf, NAN);
    z = wg_sum_all(wg_slice(y, 0, 1, 1));
    WGT_OK(wg_grad(&z, NULL, 1, &x, 1, &g), NULL);
    EXPECT(&b, wg_slice(g, 0, 0, 2), WG_SHAPE(2, 3), 0, 0, 0, 0, 0.5, 0.5);
    wg_var t =
        bench_data(&b, WG_F64, WG_SHAPE(3, 2), (double[]){-inf, 1e300, -inf, 1e300, -inf, -inf});
    EXPECT(&b, wg_logsumexp(t, (int[]){0}, 1, false), WG_SHAPE(2), -inf, 1e300);
    bench_close(&b);
}

/* ---- threads ---- */

static void evaluate_with(int threads, wg_tensor **out)
{
    bench b;
    bench_open(&b);
    wg_compile_options options = {.size = sizeof options, .threads = threads};
    WGT_OK(wg_tape_options(b.tape, &options, &b.err), &b.err);
    wg_var x = bench_normal(&b, WG_F32, WG_SHAPE(16, 40, 700));
    wg_var ids = bench_leaf(&b, WG_I32, WG_SHAPE(640));
    for (int i = 0; i < 640; i++) wg_tensor_set(b.tensor[1], i, i * i % 97);
    wg_var rows = wg_scatter_rows(wg_reshape(x, WG_SHAPE(640, 700)), ids, 97);
    wg_var parts[4] = {wg_sum_axis(x, 0, false), wg_sum_axis(x, 2, false),
                       wg_logsumexp(x, ((int[]){0, 1}), 2, false), wg_sum_axis(rows, 0, false)};
    for (int i = 0; i < 4; i++) parts[i] = wg_reshape(parts[i], WG_SHAPE(-1));
    WGT_OK(wg_tensor_clone(bench_eval(&b, wg_concat(parts, 4, 0)), out, &b.err), &b.err);
    bench_close(&b);
}

static void test_threads_change_nothing(void **state)
{
    (void)state;
    wg_tensor *one, *many;
    evaluate_with(1, &one);
    evaluate_with(3, &many);
    assert_memory_equal(wg_tensor_cdata(one), wg_tensor_cdata(many), wg_tensor_bytes(one));
    wg_tensor_free(one);
    wg_tensor_free(many);
}

/* ---- messages ---- */

static void test_messages(void **state)
{
    (void)state;
#define BAD(expr, text)                                         \
    do {                                                        \
        bench b;                                                \
        bench_open(&b);                                         \
        wg_var x = bench_leaf(&b, WG_F32, WG_SHAPE(32, 256));   \
        wg_var w = bench_leaf(&b, WG_F32, WG_SHAPE(512, 1024)); \
        wg_var d = bench_leaf(&b, WG_F64, WG_SHAPE(256, 2));    \
        wg_var i = bench_leaf(&b, WG_I32, WG_SHAPE(4));         \
        (void)w, (void)d, (void)i, (void)x;                     \
        expect_record_error(&b, expr, text);                    \
        bench_close(&b);                                        \
    } while (0)
    BAD(wg_matmul(x, w), "inner sizes differ: [32,256] x [512,1024]");
    BAD(wg_matmul_t(x, w, true, false), "inner sizes differ: [32,256]^T x [512,1024]");
    BAD(wg_matmul(x, d), "f32[32,256] x f64[256,2]");
    BAD(wg_matmul(i, x), "i32[4]");
    BAD(wg_matmul(wg_reshape(x, WG_SHAPE(-1)), w), "rank 2 or more");
    BAD(wg_matmul(wg_reshape(x, WG_SHAPE(2, 16, 256)), wg_reshape(w, WG_SHAPE(8, 256, 256))),
        "leading axes do not broadcast: [2,16,256] x [8,256,256]");
    BAD(wg_sum_axis(x, 2, false), "sum: axis 2 is out of range for f32[32,256]");
    BAD(wg_sum(x, ((int[]){0, -2}), 2, false), "axis -2 is given twice");
    BAD(wg_sum_axis(i, 0, false), "i32[4]");
#undef BAD
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layouts),          cmocka_unit_test(test_many_panels),
        cmocka_unit_test(test_rows_and_batches), cmocka_unit_test(test_empty_products),
        cmocka_unit_test(test_outer_and_affine), cmocka_unit_test(test_every_set_of_axes),
        cmocka_unit_test(test_large_reductions), cmocka_unit_test(test_empty_reductions),
        cmocka_unit_test(test_special_numbers),  cmocka_unit_test(test_threads_change_nothing),
        cmocka_unit_test(test_messages),
    };
    return cmocka_run_group_tests_name("products and reductions", tests, NULL, NULL);
}
