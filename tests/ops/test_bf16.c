/* Products in bf16. Everywhere: rounding against a plain witness, the calling of oneDNN's primitive
 * (in f32, whose results this CPU can compute), where the compiler places the ops, the refusal and
 * the key of the cache. The products themselves only where the CPU has them: else skipped. */
#include "ops_support.h"

#include <stdlib.h>

#include <wengert/parallel.h>
#include <wengert/scan.h>

#include "bf16.h"
#include "graph.h"

/* ---- rounding ---- */

static float of_bits(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* An infinity as the number that follows the largest one, which is what rounding sees. */
static double number(uint32_t high)
{
    float x = of_bits(high << 16);
    return isinf(x) ? copysign(0x1p128, x) : (double)x;
}

static uint16_t witness(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    uint32_t down = bits >> 16, up = down + 1;
    if (isinf(x)) return (uint16_t)down;
    double below = fabs((double)x - number(down)), above = fabs(number(up) - (double)x);
    if (below != above) return (uint16_t)(below < above ? down : up);
    return (uint16_t)(down % 2 == 0 ? down : up);
}

static void test_rounding(void **state)
{
    (void)state;
    static const uint32_t low[] = {0, 1, 0x7fff, 0x8000, 0x8001, 0xffff, 0x1234, 0xabcd};
    for (uint32_t high = 0; high < 65536; high++)
        for (size_t i = 0; i < sizeof low / sizeof *low; i++) {
            float x = of_bits(high << 16 | low[i]);
            uint16_t got = wg__bf16_of(x);
            if (isnan(x)) {
                assert_true(isnan(of_bits((uint32_t)got << 16)));
                assert_int_equal(got >> 15, high >> 15);
                assert_true(got & 0x40); /* quiet */
            } else if (got != witness(x)) {
                fail_msg("%a: 0x%04x, not 0x%04x", (double)x, got, witness(x));
            }
        }
}

static void test_views_become_dense(void **state)
{
    (void)state;
    enum { A = 3, B = 5, C = 7 };
    float data[A * B * C];
    uint16_t out[A * B * C];
    for (int i = 0; i < A * B * C; i++) data[i] = (float)i * 1.37F - 40;
    const wg_view v = {WG_F32, WG_SHAPE(B, C, A), {C, 1, (int64_t)B * C}, data};
    for (int threads = 1; threads <= 2; threads++) {
        memset(out, 0, sizeof out);
        wg__bf16_convert(&v, out, threads);
        int n = 0;
        for (int b = 0; b < B; b++)
            for (int c = 0; c < C; c++)
                for (int a = 0; a < A; a++)
                    assert_int_equal(out[n++], witness(data[(a * B + b) * C + c]));
    }
    const wg_view one = {WG_F32, WG_SCALAR, {0}, data};
    wg__bf16_convert(&one, out, 1);
    assert_int_equal(out[0], witness(data[0]));
    const wg_view none = {WG_F32, WG_SHAPE(4, 0), {0, 1}, NULL};
    wg__bf16_convert(&none, out, 1);
}

/* ---- the primitive, in f32 ---- */

/* Operands in bf16 are numbers that have that form, so that sums in f64 of their products are what
 * the primitive approximates. */
static uint16_t *rounded(float *x, int64_t count)
{
    uint16_t *out = wg_malloc_aligned((size_t)count * sizeof *out);
    assert_non_null(out);
    for (int64_t i = 0; i < count; i++) {
        out[i] = wg__bf16_of(x[i]);
        x[i] = of_bits((uint32_t)out[i] << 16);
    }
    return out;
}

static void check_primitive(wg__primitive_product p, int threads, wg_rng *rng)
{
    wg_error err = {WG_OK, ""};
    float *a = wg_malloc_aligned((size_t)(p.m * p.k) * sizeof *a);
    float *b = wg_malloc_aligned((size_t)(p.k * p.n) * sizeof *b);
    float *c = wg_malloc_aligned((size_t)(p.m * p.n) * sizeof *c);
    p.scratchpad_size = wg__primitive_scratchpad(&p, threads);
    p.scratchpad = wg_malloc_aligned(p.scratchpad_size + 1);
    assert_true(a && b && c && p.scratchpad);
    for (int64_t i = 0; i < p.m * p.k; i++) a[i] = (float)wg_rng_normal(rng);
    for (int64_t i = 0; i < p.k * p.n; i++) b[i] = (float)wg_rng_normal(rng);
    uint16_t *half[2] = {NULL, NULL};
    if (p.bf16) {
        half[0] = rounded(a, p.m * p.k);
        half[1] = rounded(b, p.k * p.n);
    }
    p.a = p.bf16 ? (const void *)half[0] : a;
    p.b = p.bf16 ? (const void *)half[1] : b;
    p.c = c;
    WGT_OK(wg__primitive_run(&p, threads, &err), &err);
    for (int64_t i = 0; i < p.m; i++)
        for (int64_t j = 0; j < p.n; j++) {
            double sum = 0, size = 0;
            for (int64_t l = 0; l < p.k; l++) {
                double term = (double)a[p.trans_a ? l * p.m + i : i * p.k + l] *
                              (double)b[p.trans_b ? j * p.k + l : l * p.n + j];
                sum += term;
                size += fabs(term);
            }
            WGT_NEAR(c[i * p.n + j], sum, (double)(p.k + 1) * 0x1p-24 * size);
        }
    if (p.scratchpad_size) {
        p.scratchpad_size--;
        WGT_STATUS(wg__primitive_run(&p, threads, &err), WG_EINTERNAL, &err);
    }
    wg_free_aligned(half[0]);
    wg_free_aligned(half[1]);
    wg_free_aligned(a);
    wg_free_aligned(b);
    wg_free_aligned(c);
    wg_free_aligned(p.scratchpad);
}

static void check_primitives(bool bf16)
{
    wg_error err = {WG_OK, ""};
    _Alignas(64) char scratchpad[1 << 14];
    float one = 1, c = 0;
    wg__primitive_product p = {.bf16 = bf16, .m = 1, .n = 1, .k = 1, .a = &one, .b = &one, .c = &c};
    p.scratchpad = scratchpad;
    p.scratchpad_size = sizeof scratchpad;
    if (wg__primitive_run(&p, 1, &err) == WG_ENOTSUP) {
        print_message("skipped: %s\n", err.message);
        skip();
    }
    static const int64_t sizes[][3] = {
        {1, 1, 1}, {1, 33, 20}, {20, 64, 31}, {65, 7, 40}, {3, 1, 9}};
    wg_rng rng;
    wg_rng_init(&rng, 3, "primitive");
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int how = 0; how < 8; how++)
            check_primitive((wg__primitive_product){.bf16 = bf16,
                                                    .m = sizes[i][0],
                                                    .n = sizes[i][1],
                                                    .k = sizes[i][2],
                                                    .trans_a = how & 1,
                                                    .trans_b = how & 2},
                            how & 4 ? 2 : 1, &rng);
}

static void test_primitive(void **state)
{
    (void)state;
    check_primitives(false);
}

/* Also where oneDNN has the slow way without the instructions. */
static void test_primitive_in_bf16(void **state)
{
    (void)state;
    check_primitives(true);
}

/* ---- the compiler ---- */

enum { T = 6, B = 4, H = 8 };

static void cell(void *user, wg_scan_step *s)
{
    const wg_var *w = user;
    s->next[0] = wg_tanh(wg_add(s->x[0], wg_matmul(s->carry[0], *w)));
    s->y[0] = s->next[0];
}

/* A recurrence and its gradient by the weights; out[0] is the loss. */
static void record(bench *b, wg_var out[2])
{
    wg_var x = bench_normal(b, WG_F32, WG_SHAPE(T, B, H));
    wg_var w = bench_normal(b, WG_F32, WG_SHAPE(H, H));
    wg_var init = wg_const(b->tape, WG_F32, WG_SHAPE(B, H), 0), y, final;
    const wg_scan_def def = {.size = sizeof def,
                             .name = "cell",
                             .body = cell,
                             .user = &w,
                             .n_sequences = 1,
                             .sequences = &x,
                             .n_carries = 1,
                             .init = &init,
                             .n_outputs = 1};
    WGT_OK(wg_scan(b->tape, &def, &final, &y, NULL), NULL);
    out[0] = wg_sum_all(wg_matmul(y, w));
    WGT_OK(wg_grad(out, NULL, 1, &w, 1, out + 1), NULL);
}

static int occurrences(const char *text, const char *word)
{
    int n = 0;
    for (const char *at = text; (at = strstr(at, word)); at += strlen(word)) n++;
    return n;
}

static void test_placing(void **state)
{
    (void)state;
    bench b;
    bench_open(&b);
    wg_var out[2];
    record(&b, out);
    const int32_t index[2] = {out[0].index, out[1].index};
    wg__arena arena = {NULL, NULL};
    wg__graph *g = wg__graph_build(&arena, b.tape, index, 2);
    assert_non_null(g);
    char *before = wg__graph_text(g);
    wg__products_in_bf16(g);
    char *after = wg__graph_text(g);
    assert_true(before && after);
    assert_int_equal(occurrences(after, "matmul_bf16"), occurrences(before, "matmul"));
    assert_int_equal(occurrences(after, "matmul"), occurrences(before, "matmul"));
    assert_true(wg__pass_pack_weights(g) && wg__pass_dead(g));
    char *packed = wg__graph_text(g);
    assert_non_null(packed);
    assert_true(occurrences(packed, "matmul_bf16_packed") >= 2); /* forward and backward */
    assert_int_equal(occurrences(packed, "pack_right"), 1);      /* one copy serves both */
    wg_free(before);
    wg_free(after);
    wg_free(packed);
    wg__arena_free(&arena);
    /* What has no form in bf16 stays as it is. */
    wg_var d = wg_matmul(bench_normal(&b, WG_F64, WG_SHAPE(2, 3)),
                         bench_normal(&b, WG_F64, WG_SHAPE(3, 4)));
    wg_var batch = wg_matmul(bench_normal(&b, WG_F32, WG_SHAPE(5, 2, 3)),
                             bench_normal(&b, WG_F32, WG_SHAPE(5, 3, 4)));
    const int32_t others[2] = {d.index, batch.index};
    g = wg__graph_build(&arena, b.tape, others, 2);
    assert_non_null(g);
    wg__products_in_bf16(g);
    after = wg__graph_text(g);
    assert_non_null(after);
    assert_int_equal(occurrences(after, "matmul"), 2);
    assert_int_equal(occurrences(after, "bf16"), 0);
    wg_free(after);
    wg__arena_free(&arena);
    bench_close(&b);
}

static void test_refusal_and_key(void **state)
{
    (void)state;
    if (wg_bf16_available()) {
        print_message("skipped: this CPU has products in bf16\n");
        skip();
    }
    bench b;
    bench_open(&b);
    wg_var out[2];
    record(&b, out);
    wg_program *program = NULL;
    wg_compile_options how = {.size = sizeof how, .bf16 = true};
    for (int plain = 0; plain < 2; plain++) {
        how.node_by_node = plain;
        WGT_STATUS(wg_compile(out, 2, &how, &program, &b.err), WG_ENOTSUP, &b.err);
        assert_null(program);
        assert_non_null(strstr(b.err.message, "bf16: "));
    }
    print_message("%s\n", b.err.message);
    /* A program in f32 is in the cache: bf16 must not find it. */
    how.node_by_node = false;
    WGT_OK(wg_eval(out, 2, NULL, &b.err), &b.err);
    WGT_OK(wg_tape_options(b.tape, &how, &b.err), &b.err);
    WGT_STATUS(wg_eval(out, 2, NULL, &b.err), WG_ENOTSUP, &b.err);
    how.bf16 = false;
    WGT_OK(wg_tape_options(b.tape, &how, &b.err), &b.err);
    WGT_OK(wg_eval(out, 2, NULL, &b.err), &b.err);
    /* Callers built before the field existed. */
    how.size = offsetof(wg_compile_options, bf16);
    how.bf16 = true;
    WGT_OK(wg_compile(out, 2, &how, &program, &b.err), &b.err);
    wg_program_free(program);
    bench_close(&b);
}

/* ---- the products ---- */

static wg_status products_in(bool bf16, int threads, double *loss, double *grad)
{
    bench b;
    bench_open(&b);
    wg_var out[2];
    record(&b, out);
    const wg_compile_options how = {.size = sizeof how, .threads = threads, .bf16 = bf16};
    WGT_OK(wg_tape_options(b.tape, &how, &b.err), &b.err);
    wg_status status = wg_eval(out, 2, NULL, &b.err);
    if (status == WG_OK) {
        *loss = wg_tensor_get(wg_eval_output(b.tape, 0), 0);
        for (int i = 0; i < H * H; i++) grad[i] = wg_tensor_get(wg_eval_output(b.tape, 1), i);
    } else {
        print_message("skipped: %s\n", b.err.message);
    }
    bench_close(&b);
    return status;
}

static void test_products(void **state)
{
    (void)state;
    double loss[2], grad[2][H * H], size = 0;
    for (int threads = 1; threads <= 2; threads++) {
        assert_int_equal(products_in(false, threads, &loss[0], grad[0]), WG_OK);
        if (products_in(true, threads, &loss[1], grad[1]) == WG_ENOTSUP) skip();
        for (int i = 0; i < H * H; i++) size = fmax(size, fabs(grad[0][i]));
        /* 2^-8 an operand, through six steps. */
        WGT_NEAR(loss[1], loss[0], 0.05 * fmax(fabs(loss[0]), 1));
        for (int i = 0; i < H * H; i++) WGT_NEAR(grad[1][i], grad[0][i], 0.1 * size);
        assert_true(memcmp(grad[0], grad[1], sizeof grad[0]) != 0); /* it was not f32 */
    }
}

/* Where there is none, a kernel that is called all the same says so; or the product is right, since
 * oneDNN has a slower way on CPUs with AVX-512 that lack the instructions. */
static void test_kernel_says_so(void **state)
{
    (void)state;
    if (wg_bf16_available()) skip();
    float a[6] = {1, 2, 3, 4, 5, 6}, c[4];
    _Alignas(64) char workspace[1 << 14];
    const wg_product_attr attr = {0, 1};
    const wg_view in[2] = {{WG_F32, WG_SHAPE(2, 3), {3, 1}, a},
                           {WG_F32, WG_SHAPE(2, 3), {3, 1}, a}};
    const wg_view out = {WG_F32, WG_SHAPE(2, 2), {2, 1}, c};
    wg_error err = {WG_OK, ""};
    wg_kernel k = {.size = sizeof k,
                   .n_in = 2,
                   .n_out = 1,
                   .in = in,
                   .out = &out,
                   .attr = &attr,
                   .attr_size = sizeof attr,
                   .workspace = workspace,
                   .workspace_size = sizeof workspace,
                   .threads = 1,
                   .err = &err};
    wg_status status = wg__op_matmul_bf16.kernel[0](&k);
    static const float right[4] = {14, 32, 32, 77};
    for (int i = 0; i < 4 && status == WG_OK; i++) WGT_NEAR(c[i], right[i], 0);
    if (status != WG_OK) WGT_STATUS(status, WG_ENOTSUP, &err);
    k.workspace_size = 100;
    WGT_STATUS(wg__op_matmul_bf16.kernel[0](&k), WG_EINTERNAL, &err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rounding),  cmocka_unit_test(test_views_become_dense),
        cmocka_unit_test(test_primitive), cmocka_unit_test(test_primitive_in_bf16),
        cmocka_unit_test(test_placing),   cmocka_unit_test(test_refusal_and_key),
        cmocka_unit_test(test_products),  cmocka_unit_test(test_kernel_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
