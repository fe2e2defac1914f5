/* Packed products: who makes which product, and the pass that packs the weights of a loop: values,
 * bits, and where the packing is placed. (The kernels: test_panels.c.) */
#include "ops_support.h"

#include <stdlib.h>

#include <wengert/parallel.h>
#include <wengert/scan.h>

/* ---- who makes a product ---- */

/* One shape of each rule of gemm.c, at every instruction set, by 1 and 3 threads. */
static void test_every_choice(void **state)
{
    (void)state;
    static const struct {
        int64_t m, n, k;
        bool ta, tb;
    } shape[] = {{2, 1040, 1100, false, false}, {7, 1027, 1030, false, false},
                 {8, 4096, 256, false, false},  {5, 512, 200, false, false},
                 {70, 512, 140, false, false},  {100, 300, 250, false, false},
                 {128, 700, 100, true, false},  {512, 96, 700, true, false},
                 {330, 512, 130, true, false},  {20, 330, 200, false, true}};
    for (size_t s = 0; s < sizeof shape / sizeof *shape; s++) {
        int64_t m = shape[s].m, n = shape[s].n, k = shape[s].k;
        bool ta = shape[s].ta, tb = shape[s].tb;
        bench b;
        bench_open(&b);
        wg_var x = bench_normal(&b, WG_F32, ta ? WG_SHAPE(k, m) : WG_SHAPE(m, k));
        wg_var w = bench_normal(&b, WG_F32, tb ? WG_SHAPE(n, k) : WG_SHAPE(k, n));
        wg_var out[2] = {wg_matmul_t(x, w, ta, tb),
                         wg_matmul_t(wg_cast(x, WG_F64), wg_cast(w, WG_F64), ta, tb)};
        for (int isa = 0; isa <= (int)wg_isa_best(); isa++)
            for (int threads = 1; threads <= 3; threads += 2) {
                wg_compile_options o = {.size = sizeof o, .threads = threads, .isa = isa + 1};
                wg_program *p;
                WGT_OK(wg_compile(out, 2, &o, &p, &b.err), &b.err);
                WGT_OK(wg_program_run(p, &b.err), &b.err);
                const wg_tensor *y = wg_program_output(p, 0), *z = wg_program_output(p, 1);
                for (int64_t i = 0; i < m * n; i++)
                    WGT_NEAR(wg_tensor_get(y, i), wg_tensor_get(z, i), 2e-5 * sqrt((double)k));
                wg_program_free(p);
            }
        bench_close(&b);
    }
}

/* ---- loops ---- */

/* h' = tanh(x_t W + (h U) + (h o g) V^T), with V read through a view; output h'. */
typedef struct cell {
    wg_var u, v, gate, w;
} cell;

static void step(void *user, wg_scan_step *s)
{
    cell *c = user;
    wg_var h = s->carry[0];
    wg_var vt = wg_transpose(c->v, NULL, 0);
    wg_var sum = wg_add(wg_matmul(s->x[0], c->w), wg_matmul(h, c->u));
    s->next[0] = wg_tanh(wg_add(sum, wg_matmul(wg_mul(h, c->gate), vt)));
    s->y[0] = s->next[0];
}

typedef struct recorded {
    bench b;
    wg_var out[8];
    int n_out;
} recorded;

static wg_var scan_of(bench *b, cell *c, wg_var x, wg_var h)
{
    wg_var y, last;
    wg_scan_def d = {.size = sizeof d,
                     .body = step,
                     .user = c,
                     .sequences = &x,
                     .n_sequences = 1,
                     .init = &h,
                     .n_carries = 1,
                     .n_outputs = 1};
    WGT_OK(wg_scan(b->tape, &d, &last, &y, NULL), NULL);
    return y;
}

/* Scaled so that sums stay of order 1. */
static wg_var weight(bench *b, wg_dtype dtype, int64_t rows, int64_t cols)
{
    return wg_scale(bench_normal(b, dtype, WG_SHAPE(rows, cols)), 1 / sqrt((double)rows));
}

/* Values and gradients of the loop. */
static void record(recorded *r, wg_dtype dtype, int64_t steps, int64_t rows, int64_t in, int64_t h)
{
    bench *b = &r->b;
    bench_open(b);
    cell c = {.u = weight(b, dtype, h, h),
              .v = weight(b, dtype, h, h),
              .gate = bench_normal(b, dtype, WG_SHAPE(rows, h)),
              .w = weight(b, dtype, in, h)};
    wg_var x = bench_normal(b, dtype, WG_SHAPE(steps, rows, in));
    wg_var start = bench_normal(b, dtype, WG_SHAPE(rows, h));
    wg_var y = scan_of(b, &c, x, start);
    wg_var loss = wg_mean_all(wg_square(y));
    wg_var of[6] = {c.u, c.v, c.gate, c.w, x, start};
    r->out[0] = loss;
    r->out[1] = y;
    WGT_OK(wg_grad(&loss, NULL, 1, of, 6, r->out + 2), NULL);
    r->n_out = 8;
    WGT_OK(wg_tape_status(b->tape, &b->err), &b->err);
}

typedef struct listing {
    char *text;
    size_t size;
} listing;

static void keep(void *user, const char *pass, const char *text)
{
    listing *l = user;
    if (strcmp(pass, "fuse") != 0) return;
    snprintf(l->text, l->size, "%s", text);
}

/* Lines that hold `what` (and `also`, if any) at a depth of loops in [least, most]. */
static int lines_with(const char *text, const char *what, const char *also, int least, int most)
{
    int count = 0;
    while (*text) {
        const char *end = strchr(text, '\n');
        if (!end) break;
        int depth = 0;
        while (text[depth] == ' ') depth++;
        char line[512];
        snprintf(line, sizeof line, "%.*s", (int)(end - text), text);
        count += depth / 4 >= least && depth / 4 <= most && strstr(line, what) &&
                 (!also || strstr(line, also));
        text = end + 1;
    }
    return count;
}

static char text_of_program[1 << 20];

static wg_program *compiled(recorded *r, int threads, int isa, bool plain)
{
    listing l = {text_of_program, sizeof text_of_program};
    wg_compile_options o = {.size = sizeof o,
                            .threads = threads,
                            .isa = isa + 1,
                            .node_by_node = plain,
                            .trace = keep,
                            .trace_user = &l};
    wg_program *p;
    WGT_OK(wg_compile(r->out, r->n_out, &o, &p, &r->b.err), &r->b.err);
    WGT_OK(wg_program_run(p, &r->b.err), &r->b.err);
    return p;
}

/* Every instruction set and thread count: near node by node; the same bits for every thread count;
 * one packing a weight and direction, outside; nothing transposed inside. */
static void check_loop(wg_dtype dtype, int64_t steps, int64_t rows, int64_t in, int64_t h)
{
    recorded r;
    record(&r, dtype, steps, rows, in, h);
    wg_program *plain = compiled(&r, 1, (int)wg_isa_best(), true);
    for (int isa = 0; isa <= (int)wg_isa_best(); isa++) {
        wg_program *one = NULL;
        for (int threads = 1; threads <= 3; threads++) {
            wg_program *p = compiled(&r, threads, isa, false);
            if (threads == 1) {
                const char *t = text_of_program;
                assert_int_equal(lines_with(t, "matmul(", "b^T", 1, 9), 0);
                assert_int_equal(lines_with(t, "pack_right(", NULL, 1, 9), 0);
                bool panels = lines_with(t, "matmul_packed(", NULL, 0, 9) > 0;
                /* f32: h U and its gradient, (h o g) V^T and its; rows: the transposed ones. */
                assert_int_equal(lines_with(t, "pack_right(", NULL, 0, 0), panels ? 4 : 2);
                if (dtype == WG_F64) assert_false(panels);
                if (dtype == WG_F32 && isa < WG_ISA_AVX512) {
                    assert_true(panels);
                    assert_int_equal(lines_with(t, "matmul_packed(", NULL, 1, 1), 4);
                    assert_int_equal(lines_with(t, "matmul(", NULL, 1, 9), 0);
                }
            }
            for (int i = 0; i < r.n_out; i++) {
                const wg_tensor *y = wg_program_output(p, i), *z = wg_program_output(plain, i);
                for (int64_t e = 0; e < wg_tensor_count(y); e++)
                    WGT_CLOSE(wg_tensor_get(y, e), wg_tensor_get(z, e),
                              dtype == WG_F32 ? 2e-4 : 1e-11, dtype == WG_F32 ? 2e-5 : 1e-12);
                if (one && dtype == WG_F32 && i < 2)
                    assert_memory_equal(wg_tensor_cdata(y),
                                        wg_tensor_cdata(wg_program_output(one, i)),
                                        wg_tensor_bytes(y));
            }
            if (one)
                wg_program_free(p);
            else
                one = p;
        }
        wg_program_free(one);
    }
    wg_program_free(plain);
    bench_close(&r.b);
}

static void test_loops(void **state)
{
    (void)state;
    check_loop(WG_F32, 9, 20, 7, 33);
    check_loop(WG_F32, 130, 1, 3, 16);
    check_loop(WG_F32, 20, 7, 40, 65);
    check_loop(WG_F64, 9, 20, 7, 33);
}

/* Few products are not worth packing for. */
static void test_short_loops_do_not_pack(void **state)
{
    (void)state;
    recorded r;
    record(&r, WG_F32, 3, 4, 5, 6);
    wg_program *p = compiled(&r, 1, (int)wg_isa_best(), false);
    assert_int_equal(lines_with(text_of_program, "pack_right(", NULL, 0, 9), 0);
    wg_program_free(p);
    bench_close(&r.b);
}

/* ---- a loop in a loop ---- */

typedef struct outer {
    wg_var w, x;
} outer;

static void inner_step(void *user, wg_scan_step *s)
{
    outer *o = user;
    s->next[0] = wg_tanh(wg_add(wg_matmul(s->carry[0], o->w), s->x[0]));
    s->y[0] = s->next[0];
}

static void outer_step(void *user, wg_scan_step *s)
{
    outer *o = user;
    wg_var y, last;
    wg_scan_def d = {.size = sizeof d,
                     .body = inner_step,
                     .user = o,
                     .sequences = &o->x,
                     .n_sequences = 1,
                     .init = s->carry,
                     .n_carries = 1,
                     .n_outputs = 1};
    wg_scan(s->tape, &d, &last, &y, NULL);
    s->next[0] = wg_matmul(last, o->w);
}

static void test_packed_outside_of_both_loops(void **state)
{
    (void)state;
    recorded r;
    bench *b = &r.b;
    bench_open(b);
    outer o = {.w = weight(b, WG_F32, 24, 24), .x = bench_normal(b, WG_F32, WG_SHAPE(6, 5, 24))};
    wg_var start = bench_normal(b, WG_F32, WG_SHAPE(5, 24)), last;
    wg_scan_def d = {.size = sizeof d,
                     .body = outer_step,
                     .user = &o,
                     .init = &start,
                     .n_carries = 1,
                     .steps = 30};
    WGT_OK(wg_scan(b->tape, &d, &last, NULL, NULL), NULL);
    wg_var of[2] = {o.w, o.x};
    r.out[0] = last;
    wg_var loss = wg_sum_all(wg_square(last));
    WGT_OK(wg_grad(&loss, NULL, 1, of, 2, r.out + 1), NULL);
    r.n_out = 3;
    wg_program *plain = compiled(&r, 1, (int)wg_isa_best(), true);
    wg_program *p = compiled(&r, 2, (int)wg_isa_best() < WG_ISA_AVX2 ? 0 : WG_ISA_AVX2, false);
    assert_int_equal(lines_with(text_of_program, "pack_right(", NULL, 1, 9), 0);
    assert_int_equal(lines_with(text_of_program, "pack_right(", NULL, 0, 0), 2);
    assert_int_equal(lines_with(text_of_program, "matmul(", NULL, 2, 9), 0);
    assert_true(lines_with(text_of_program, "matmul_packed(", NULL, 2, 2) >= 2);
    for (int i = 0; i < r.n_out; i++)
        for (int64_t e = 0; e < wg_tensor_count(wg_program_output(p, i)); e++)
            WGT_CLOSE(wg_tensor_get(wg_program_output(p, i), e),
                      wg_tensor_get(wg_program_output(plain, i), e), 1e-3, 1e-4);
    wg_program_free(p);
    wg_program_free(plain);
    bench_close(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_choice),
        cmocka_unit_test(test_loops),
        cmocka_unit_test(test_short_loops_do_not_pack),
        cmocka_unit_test(test_packed_outside_of_both_loops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
