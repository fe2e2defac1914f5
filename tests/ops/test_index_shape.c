/* Index, shape and sequence ops: values by hand, errors at run time, hostile indices, sparse
 * gradients, strided views under every copying op. */
#include "ops_support.h"

/* ---- index ops ---- */

static void test_bad_indices(void **state)
{
    (void)state;
    bench b;
    bench_open(&b);
    wg_var table = bench_normal(&b, WG_F32, WG_SHAPE(5, 3));
    wg_var low = bench_data(&b, WG_I32, WG_SHAPE(3), (double[]){0, -1, 2});
    wg_var high = bench_data(&b, WG_I32, WG_SHAPE(2, 2), (double[]){0, 1, 4, 5});
    expect_run_error(&b, wg_embedding(table, low), WG_EINVAL,
                     "embedding: id -1 at position 1 is outside 0..4");
    expect_run_error(&b, wg_embedding(table, high), WG_EINVAL, "id 5 at position 3");
    wg_var rows = bench_normal(&b, WG_F32, WG_SHAPE(2, 2, 3));
    expect_run_error(&b, wg_scatter_rows(rows, high, 5), WG_EINVAL, "scatter_rows: id 5");
    wg_var x = bench_normal(&b, WG_F64, WG_SHAPE(2, 5));
    expect_run_error(&b, wg_gather(x, 1, high), WG_EINVAL,
                     "gather: index 5 at position 3 is outside 0..4");
    expect_run_error(&b, wg_scatter_add(x, 1, high, bench_normal(&b, WG_F64, WG_SHAPE(2, 2))),
                     WG_EINVAL, "scatter_add: index 5 at position 3");
    wg_var logits = bench_normal(&b, WG_F32, WG_SHAPE(3, 4));
    wg_var target = bench_data(&b, WG_I32, WG_SHAPE(3), (double[]){0, 12, -7});
    expect_run_error(&b, wg_cross_entropy(logits, target, WG_NONE, 0), WG_EINVAL,
                     "cross_entropy: target 12 of row 1 is outside 0..3");
    wg_var some = bench_data(&b, WG_U8, WG_SHAPE(3), (double[]){1, 0, 1});
    expect_run_error(&b, wg_cross_entropy(logits, target, some, 0), WG_EINVAL,
                     "target -7 of row 2");
    wg_var no_row = bench_leaf(&b, WG_F32, WG_SHAPE(0, 3)),
           none = bench_leaf(&b, WG_I32, WG_SHAPE(0));
    expect_run_error(&b, wg_embedding(no_row, low), WG_EINVAL, "embedding: id 0");
    EXPECT(&b, wg_embedding(no_row, none), WG_SHAPE(0, 3), 0);
    EXPECT(&b, wg_scatter_rows(no_row, none, 2), WG_SHAPE(2, 3), 0, 0, 0, 0, 0, 0);
    bench_close(&b);
}

static void test_one_hot_argmax_top_k(void **state)
{
    (void)state;
    bench b;
    bench_open(&b);
    wg_var ids = bench_data(&b, WG_I32, WG_SHAPE(4), (double[]){2, 0, -1, 3});
    EXPECT(&b, wg_one_hot(ids, 3, WG_U8), WG_SHAPE(4, 3), 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0);
    wg_var x =
        bench_data(&b, WG_F32, WG_SHAPE(2, 4), (double[]){1, 3, 3, 2, 0, NAN, INFINITY, NAN});
    EXPECT(&b, wg_argmax(x, -1), WG_SHAPE(2), 1, 1);
    EXPECT(&b, wg_argmax(x, 0), WG_SHAPE(4), 0, 1, 1, 1);
    wg_var values, indices;
    WGT_OK(wg_top_k(x, 3, &values, &indices), NULL);
    EXPECT(&b, values, WG_SHAPE(2, 3), 3, 3, 2, NAN, NAN, INFINITY);
    EXPECT(&b, indices, WG_SHAPE(2, 3), 1, 2, 3, 1, 3, 2);
    WGT_OK(wg_top_k(x, 0, &values, &indices), NULL);
    EXPECT(&b, values, WG_SHAPE(2, 0), 0);
    bench_close(&b);
}

/* Many k of a long row, against a sort written out. */
static void test_top_k_sorts(void **state)
{
    (void)state;
    enum { N = 257 };
    for (int k = 1; k <= N; k += 37) {
        bench b;
        bench_open(&b);
        wg_var x = bench_leaf(&b, WG_F64, WG_SHAPE(N)), out[2];
        for (int i = 0; i < N; i++) wg_tensor_set(b.tensor[0], i, i * 101 % 64); /* many ties */
        WGT_OK(wg_top_k(x, k, &out[0], &out[1]), NULL);
        WGT_OK(wg_eval(out, 2, NULL, &b.err), &b.err);
        for (int i = 0; i < k; i++) {
            double v = wg_tensor_get(wg_eval_output(b.tape, 0), i);
            int at = (int)wg_tensor_get(wg_eval_output(b.tape, 1), i), rank = 0;
            for (int j = 0; j < N; j++) {
                double w = wg_tensor_get(b.tensor[0], j);
                rank += w > v || (w == v && j < at);
            }
            assert_int_equal(rank, i);
            WGT_NEAR(v, wg_tensor_get(b.tensor[0], at), 0);
        }
        bench_close(&b);
    }
}

/* The gradient of an embedding is known to be sparse, and is dense for whoever does not ask. */
static void test_sparse_rows(void **state)
{
    (void)state;
    bench b;
    bench_open(&b);
    wg_var table = bench_normal(&b, WG_F64, WG_SHAPE(4, 2)), g, rows, found;
    wg_var ids = bench_data(&b, WG_I32, WG_SHAPE(3), (double[]){3, 1, 3});
    wg_var weight = bench_data(&b, WG_F64, WG_SHAPE(3, 2), (double[]){1, 2, 3, 4, 5, 6});
    wg_var loss = wg_sum_all(wg_mul(wg_embedding(table, ids), weight));
    WGT_OK(wg_grad(&loss, NULL, 1, &table, 1, &g), NULL);
    assert_true(wg_sparse_rows(g, &rows, &found));
    assert_int_equal(found.index, ids.index);
    EXPECT(&b, rows, WG_SHAPE(3, 2), 1, 2, 3, 4, 5, 6);
    EXPECT(&b, g, WG_SHAPE(4, 2), 0, 0, 3, 4, 0, 0, 6, 8);
    assert_false(wg_sparse_rows(table, &rows, &found));
    assert_false(wg_sparse_rows(wg_neg(g), &rows, &found));
    assert_false(wg_sparse_rows(WG_NONE, &rows, &found));
    bench_close(&b);
}

/* ---- softmax over special rows ---- */

static void test_masked_softmax(void **state)
{
    (void)state;
    bench b;
    bench_open(&b);
    const double inf = INFINITY;
    wg_var x = bench_data(&b, WG_F64, WG_SHAPE(3, 3), (double[]){1, NAN, 1, 5, 6, 7, inf, 0, 0});
    wg_var mask = bench_data(&b, WG_U8, WG_SHAPE(3, 3), (double[]){1, 0, 1, 0, 0, 0, 0, 1, 1});
    wg_var y = wg_softmax_masked(x, mask), g;
    EXPECT(&b, y, WG_SHAPE(3, 3), 0.5, 0, 0.5, 0, 0, 0, 0, 0.5, 0.5);
    wg_var loss = wg_sum_all(wg_square(y));
    WGT_OK(wg_grad(&loss, NULL, 1, &x, 1, &g), NULL);
    EXPECT(&b, g, WG_SHAPE(3, 3), 0, 0, 0, 0, 0, 0, 0, 0, 0);
    wg_var z = bench_data(&b, WG_F32, WG_SHAPE(2, 2), (double[]){-inf, -inf, -inf, 0});
    EXPECT(&b, wg_softmax(z), WG_SHAPE(2, 2), 0, 0, 0, 1);
    bench_close(&b);
}

/* Rows that are masked out may hold anything, targets included. */
static void test_cross_entropy_ignores_masked_rows(void **state)
{
    (void)state;
    bench b;
    bench_open(&b);
    wg_var x = bench_data(&b, WG_F64, WG_SHAPE(2, 2), (double[]){0, 0, NAN, INFINITY});
    wg_var target = bench_data(&b, WG_I32, WG_SHAPE(2), (double[]){1, -100});
    wg_var mask = bench_data(&b, WG_U8, WG_SHAPE(2), (double[]){1, 0});
    wg_var loss = wg_cross_entropy(x, target, mask, 0.5), sum = wg_sum_all(loss), g, q, h;
    EXPECT(&b, loss, WG_SHAPE(2), log(2), 0);
    WGT_OK(wg_grad(&sum, NULL, 1, &x, 1, &g), NULL);
    EXPECT(&b, g, WG_SHAPE(2, 2), 0.25, -0.25, 0, 0);
    q = wg_sum_all(wg_mul(g, wg_slice(x, 0, 0, 1)));
    WGT_OK(wg_grad(&q, NULL, 1, &x, 1, &h), NULL);
    EXPECT(&b, wg_slice(h, 0, 0, 1), WG_SHAPE(1, 2), 0.25, -0.25);
    bench_close(&b);
}

/* ---- shape ops ---- */

/* Element [i,j,k,l] of the [2,3,4,5] block that counts 0, 1, 2, ... */
static int64_t number(const int64_t *index)
{
    return ((index[0] * 3 + index[1]) * 4 + index[2]) * 5 + index[3];
}

static wg_var counting(bench *b, wg_dtype dtype, wg_shape shape)
{
    wg_var x = bench_leaf(b, dtype, shape);
    wg_tensor *t = b->tensor[b->n - 1];
    for (int64_t i = 0; i < wg_tensor_count(t); i++) wg_tensor_set(t, i, (double)i);
    return x;
}

static void test_every_permutation(void **state)
{
    (void)state;
    const int64_t dim[4] = {2, 3, 4, 5};
    for (int code = 0; code < 256; code++) {
        int perm[4] = {code & 3, code >> 2 & 3, code >> 4 & 3, code >> 6};
        unsigned seen = 0;
        for (int i = 0; i < 4; i++) seen |= 1u << perm[i];
        if (seen != 15) continue;
        bench b;
        bench_open(&b);
        wg_var x = counting(&b, (wg_dtype)(code % WG_DTYPES), WG_SHAPE(2, 3, 4, 5));
        const wg_tensor *y = bench_eval(&b, wg_transpose(x, perm, 4));
        for (int64_t i = 0; i < 120; i++) {
            int64_t rest = i, index[4];
            for (int a = 3; a >= 0; a--) {
                index[perm[a]] = rest % dim[perm[a]];
                rest /= dim[perm[a]];
            }
            WGT_NEAR(wg_tensor_get(y, i), (double)number(index), 0);
        }
        bench_close(&b);
    }
}

/* Tiles of the blocked transpose, whole and cut. */
static void test_large_transpose(void **state)
{
    (void)state;
    bench b;
    bench_open(&b);
    wg_var x = counting(&b, WG_F32, WG_SHAPE(3, 67, 130));
    const wg_tensor *y = bench_eval(&b, wg_swap_axes(x, 1, 2));
    for (int64_t o = 0; o < 3; o++)
        for (int64_t i = 0; i < 67; i++)
            for (int64_t j = 0; j < 130; j++)
                assert_true(wg_tensor_get(y, (o * 130 + j) * 67 + i) ==
                            (double)((o * 67 + i) * 130 + j));
    bench_close(&b);
}

static void test_values_of_shape_ops(void **state)
{
    (void)state;
    bench b;
    bench_open(&b);
    wg_var x = counting(&b, WG_I32, WG_SHAPE(2, 4)), part[2];
    WGT_OK(wg_split(x, 1, 2, part), NULL);
    EXPECT(&b, part[1], WG_SHAPE(2, 2), 2, 3, 6, 7);
    EXPECT(&b, wg_slice(x, -1, 1, 2), WG_SHAPE(2, 2), 1, 2, 5, 6);
    EXPECT(&b, wg_reshape(wg_slice(x, 1, 1, 2), WG_SHAPE(-1)), WG_SHAPE(4), 1, 2, 5, 6);
    EXPECT(&b, wg_reshape(part[1], WG_SHAPE(1, 2, 1, 2, 1)), WG_SHAPE(1, 2, 1, 2, 1), 2, 3, 6, 7);
    wg_var both[2] = {part[1], wg_slice(x, 1, 0, 1)};
    EXPECT(&b, wg_concat(both, 2, 1), WG_SHAPE(2, 3), 2, 3, 0, 6, 7, 4);
    EXPECT(&b, wg_stack(part, 2, 0), WG_SHAPE(2, 2, 2), 0, 1, 4, 5, 2, 3, 6, 7);
    EXPECT(&b, wg_stack(part, 2, -1), WG_SHAPE(2, 2, 2), 0, 2, 1, 3, 4, 6, 5, 7);
    EXPECT(&b, wg_pad(part[0], 0, 1, 0), WG_SHAPE(3, 2), 0, 0, 0, 1, 4, 5);
    EXPECT(&b, wg_pad(part[0], -1, 0, 1), WG_SHAPE(2, 3), 0, 1, 0, 4, 5, 0);
    EXPECT(&b, wg_reverse(part[0], 1, WG_NONE), WG_SHAPE(2, 2), 1, 0, 5, 4);
    EXPECT(&b, wg_reverse(x, 0, WG_NONE), WG_SHAPE(2, 4), 4, 5, 6, 7, 0, 1, 2, 3);
    wg_var row = wg_slice(x, 0, 1, 1);
    EXPECT(&b, wg_broadcast_to(wg_slice(row, 1, 2, 2), WG_SHAPE(2, 2)), WG_SHAPE(2, 2), 6, 7, 6, 7);
    EXPECT(&b, wg_transpose(wg_broadcast_to(row, WG_SHAPE(2, 4)), NULL, 0), WG_SHAPE(4, 2), 4, 4, 5,
           5, 6, 6, 7, 7);
    EXPECT(&b, wg_slice(x, 1, 4, 0), WG_SHAPE(2, 0), 0);
    EXPECT(&b, wg_squeeze(row, 0), WG_SHAPE(4), 4, 5, 6, 7);
    EXPECT(&b, wg_expand_dims(wg_squeeze(row, 0), -1), WG_SHAPE(4, 1), 4, 5, 6, 7);
    bench_close(&b);
}

static void test_recording_errors(void **state)
{
    (void)state;
#define BAD(expr, text)                                                  \
    do {                                                                 \
        bench b;                                                         \
        bench_open(&b);                                                  \
        wg_var x = bench_leaf(&b, WG_F32, WG_SHAPE(2, 3));               \
        wg_var six = bench_leaf(&b, WG_F32, WG_SHAPE(1, 1, 1, 1, 1, 1)); \
        (void)six, (void)x;                                              \
        expect_record_error(&b, expr, text);                             \
        bench_close(&b);                                                 \
    } while (0)
    BAD(wg_reshape(x, WG_SHAPE(-1, -1)), "only one may be -1");
    BAD(wg_reshape(x, WG_SHAPE(-1, 4)), "cannot be found");
    BAD(wg_reshape(x, WG_SHAPE(-1, 0)), "cannot be found");
    BAD(wg_reshape(x, WG_SHAPE(INT64_MAX, INT64_MAX)), "cannot become");
    BAD(wg_expand_dims(six, 0), "more than 6 axes");
    BAD(wg_expand_dims(x, 4), "expand_dims: axis 4 is out of range");
    BAD(wg_slice(x, 1, INT64_MAX, INT64_MAX), "do not lie within axis 1");
    BAD(wg_slice(x, 1, -1, 1), "do not lie within axis 1");
    BAD(wg_slice(x, 2, 0, 1), "slice: axis 2 is out of range for f32[2,3]");
    BAD(wg_pad(x, 0, INT64_MAX, INT64_MAX), "before and");
    BAD(wg_broadcast_to(x, WG_SHAPE(3)), "[2,3] does not broadcast to [3]");
    BAD(wg_one_hot(x, 3, WG_F32), "f32");
    BAD(wg_argmax(x, 5), "argmax: axis 5");
    BAD(wg_reverse(x, 7, WG_NONE), "reverse: axis 7");
#undef BAD
}

/* ---- sequences ---- */

static void test_sequences(void **state)
{
    (void)state;
    bench b;
    bench_open(&b);
    wg_var lengths = bench_data(&b, WG_I32, WG_SHAPE(3), (double[]){2, 0, 3});
    EXPECT(&b, wg_sequence_mask(lengths, 3, true), WG_SHAPE(3, 3), 1, 0, 1, 1, 0, 1, 0, 0, 1);
    EXPECT(&b, wg_sequence_mask(lengths, 2, false), WG_SHAPE(3, 2), 1, 1, 0, 0, 1, 1);
    EXPECT(&b, wg_sequence_mask(lengths, 0, true), WG_SHAPE(0, 3), 0);
    const double nan = NAN;
    wg_var x =
        bench_data(&b, WG_F64, WG_SHAPE(3, 3), (double[]){1, nan, 2, 3, nan, 4, nan, nan, 5});
    EXPECT(&b, wg_reverse(x, 0, lengths), WG_SHAPE(3, 3), 3, nan, 5, 1, nan, 4, nan, nan, 2);
    EXPECT(&b, wg_pad_edge(x, lengths), WG_SHAPE(3, 3), 1, 0, 2, 3, 0, 4, 3, 0, 5);
    wg_var loss = wg_sum_all(wg_pad_edge(x, lengths)), g;
    WGT_OK(wg_grad(&loss, NULL, 1, &x, 1, &g), NULL);
    EXPECT(&b, g, WG_SHAPE(3, 3), 1, 0, 1, 2, 0, 1, 0, 0, 1);
    wg_var wide = wg_broadcast_to(wg_expand_dims(x, -1), WG_SHAPE(3, 3, 2));
    EXPECT(&b, wg_slice(wg_pad_edge(wide, lengths), 0, 2, 1), WG_SHAPE(1, 3, 2), 3, 3, 0, 0, 5, 5);
    wg_var bad = bench_data(&b, WG_I32, WG_SHAPE(3), (double[]){2, -1, 3});
    wg_var far = bench_data(&b, WG_I32, WG_SHAPE(3), (double[]){2, 1, 4});
    expect_run_error(&b, wg_reverse(x, 0, far), WG_EINVAL,
                     "reverse: length 4 of row 2 is outside 0..3");
    expect_run_error(&b, wg_pad_edge(x, bad), WG_EINVAL, "pad_edge: length -1 of row 1");
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_indices),
        cmocka_unit_test(test_one_hot_argmax_top_k),
        cmocka_unit_test(test_top_k_sorts),
        cmocka_unit_test(test_sparse_rows),
        cmocka_unit_test(test_masked_softmax),
        cmocka_unit_test(test_cross_entropy_ignores_masked_rows),
        cmocka_unit_test(test_every_permutation),
        cmocka_unit_test(test_large_transpose),
        cmocka_unit_test(test_values_of_shape_ops),
        cmocka_unit_test(test_recording_errors),
        cmocka_unit_test(test_sequences),
    };
    return cmocka_run_group_tests_name("index and shape ops", tests, NULL, NULL);
}
