/* Fused kernels: trees of maps with a loop of their own are found whichever way round they are
 * recorded, not where something else needs what lies within, and give the bits of the ops one by
 * one, on every instruction set. The trees are those that the registered ops declare. */
#include "support.h"

#include <math.h>
#include <string.h>

#include <wengert/op.h>
#include <wengert/ops.h>
#include <wengert/parallel.h>
#include <wengert/program.h>

#include "compile.h"
#include "tensors.h"

typedef struct tree {
    wg_tape *tape;
    wg_tensor *leaf[WG_PATTERN_OPERANDS];
    wg_var in[WG_PATTERN_OPERANDS], node[WG_PATTERN_NODES];
} tree;

/* Operand i of shape [rows, 4 width] seen through its i-th quarter: strided where `split`. */
static tree new_tree(const wg_map_pattern *p, wg_dtype dtype, int64_t rows, int64_t width,
                     bool split)
{
    tree t;
    memset(&t, 0, sizeof t);
    wg_error err;
    WGT_OK(wg_tape_new(&t.tape, &err), &err);
    for (int i = 0; i < p->n_in; i++) {
        wg_shape shape = WG_SHAPE(rows, split ? 4 * width : width);
        WGT_OK(wg_tensor_new(dtype, shape, &t.leaf[i], &err), &err);
        for (int64_t k = 0; k < wg_tensor_count(t.leaf[i]); k++)
            wg_tensor_set(t.leaf[i], k, 2 * sin(0.7 * (double)k + (double)i));
        t.in[i] = wg_tensor_var(t.tape, t.leaf[i]);
        wg_var quarter[4];
        if (!split) continue;
        wg_split(t.in[i], -1, 4, quarter);
        t.in[i] = quarter[i];
    }
    return t;
}

/* Records node k of the pattern; bit k of `swap`: its operands the other way round. */
static wg_var record(tree *t, const wg_map_pattern *p, int k, unsigned swap)
{
    const wg_op *op = p->op[k];
    wg_var in[3];
    for (int j = 0; j < op->n_in; j++) {
        int at = op->traits & WG_OP_COMMUTATIVE && swap >> k & 1 ? op->n_in - 1 - j : j;
        in[at] = p->in[k][j] < 0 ? t->in[~p->in[k][j]] : record(t, p, p->in[k][j], swap);
    }
    return t->node[k] = wg_record(op, in, op->n_in, NULL, 0);
}

static void drop(tree *t)
{
    wg_tape_free(t->tape);
    for (int i = 0; i < WG_PATTERN_OPERANDS; i++) wg_tensor_free(t->leaf[i]);
}

static wg_program *compile(const wg_var *out, int n_out, int isa, int threads, bool node_by_node)
{
    wg_compile_options o = {
        .size = sizeof o, .isa = isa + 1, .threads = threads, .node_by_node = node_by_node};
    wg_program *program;
    wg_error err;
    WGT_OK(wg_compile(out, n_out, &o, &program, &err), &err);
    WGT_OK(wg_program_run(program, &err), &err);
    return program;
}

static int block_instructions(const wg_program *p)
{
    int n = 0;
    for (int32_t i = 0; i < p->frame.n_instr; i++)
        if (p->frame.instr[i].kind == WG__FUSED) n += p->frame.instr[i].fused->n_ops;
    return n;
}

static void same_bits(const wg_program *a, const wg_program *b, const char *name)
{
    for (int i = 0; i < a->n_out; i++) {
        const wg_tensor *x = wg_program_output(a, i), *y = wg_program_output(b, i);
        if (memcmp(wg_tensor_cdata(x), wg_tensor_cdata(y), wg_tensor_bytes(x)) != 0)
            fail_msg("%s: output %d differs from that of the ops one by one", name, i);
    }
}

static void check(const wg_map_pattern *p, wg_dtype dtype, int64_t rows, int64_t width, bool split)
{
    for (unsigned swap = 0; swap < 1u << p->n_nodes; swap++) {
        tree t = new_tree(p, dtype, rows, width, split);
        wg_var out = record(&t, p, 0, swap);
        for (int isa = 0; isa <= (int)wg_isa_best(); isa++) {
            wg_program *one = compile(&out, 1, isa, 1, false);
            wg_program *two = compile(&out, 1, isa, 2, false);
            wg_program *plain = compile(&out, 1, isa, 1, true);
            assert_int_equal(block_instructions(one), 1);
            assert_int_equal(block_instructions(plain), p->n_nodes);
            same_bits(one, plain, p->op[0]->name);
            same_bits(two, plain, p->op[0]->name);
            wg_program_free(one);
            wg_program_free(two);
            wg_program_free(plain);
        }
        drop(&t);
    }
}

static void every_pattern(void **state)
{
    (void)state;
    int patterns = 0;
    for (int i = 0; i < wg_op_count(); i++) {
        const wg_op *op = wg_op_at(i);
        for (int k = 0; k < op->n_patterns; k++, patterns++)
            for (int d = 0; d <= (int)WG_F64; d++) {
                check(&op->patterns[k], (wg_dtype)d, 3, 7, false);
                check(&op->patterns[k], (wg_dtype)d, 5, 200, true);
                check(&op->patterns[k], (wg_dtype)d, 2, 1100, true);
            }
    }
    assert_true(patterns > 0);
}

/* A value within a tree that is an output, or that another op needs, is computed by itself. */
static void values_in_use_stay(void **state)
{
    (void)state;
    for (int i = 0; i < wg_op_count(); i++) {
        const wg_op *op = wg_op_at(i);
        for (int k = 0; k < op->n_patterns; k++) {
            const wg_map_pattern *p = &op->patterns[k];
            tree t = new_tree(p, WG_F32, 4, 33, false);
            wg_var out[2] = {record(&t, p, 0, 0)};
            for (int j = 1; j < p->n_nodes; j++)
                for (int by_op = 0; by_op < 2; by_op++) {
                    out[1] = by_op ? wg_exp(t.node[j]) : t.node[j];
                    wg_program *a = compile(out, 2, (int)wg_isa_best(), 1, false);
                    wg_program *b = compile(out, 2, (int)wg_isa_best(), 1, true);
                    assert_true(block_instructions(a) > 1);
                    same_bits(a, b, op->name);
                    wg_program_free(a);
                    wg_program_free(b);
                }
            drop(&t);
        }
    }
}

/* A tree of the wrong operands: a b (1 - c) is no slope. */
static void repeated_operands_must_be_one(void **state)
{
    (void)state;
    const wg_map_pattern three = {.n_in = 3};
    tree t = new_tree(&three, WG_F32, 4, 33, false);
    wg_var out = wg_mul(t.in[0], wg_mul(t.in[1], wg_one_minus(t.in[2])));
    wg_program *a = compile(&out, 1, (int)wg_isa_best(), 1, false);
    wg_program *b = compile(&out, 1, (int)wg_isa_best(), 1, true);
    assert_int_equal(block_instructions(a), 2);
    same_bits(a, b, "mul");
    wg_program_free(a);
    wg_program_free(b);
    drop(&t);
}

/* The pointwise part of an LSTM takes the block instructions that a person would write. */
static void lstm_is_short(void **state)
{
    (void)state;
    const wg_map_pattern four = {.n_in = 4};
    tree t = new_tree(&four, WG_F32, 4, 33, false);
    wg_var g = t.in[0], i = t.in[1], y = t.in[2], dc = t.in[3];
    wg_var gate = wg_mul(wg_mul(dc, g), wg_mul(i, wg_one_minus(i)));
    wg_var out[2] = {gate, wg_add(wg_mul(gate, wg_one_minus(wg_square(y))), dc)};
    wg_program *p = compile(out, 2, (int)wg_isa_best(), 1, false);
    assert_int_equal(block_instructions(p), 2);
    wg_program_free(p);
    drop(&t);
}

/* Sums, differences and products with one value a row, whichever side it is on, and whether it is
 * an operand or made in the kernel; other ops have it spread over the row, once. */
static void one_value_a_row(void **state)
{
    (void)state;
    static const int64_t width[] = {1, 5, 300, 2100};
    for (size_t w = 0; w < sizeof width / sizeof *width; w++)
        for (int d = 0; d <= (int)WG_F64; d++)
            for (int made = 0; made <= 1; made++) {
                const wg_map_pattern two = {.n_in = 2};
                tree t = new_tree(&two, (wg_dtype)d, 3, width[w], false);
                wg_var x = t.in[0], r = wg_sum_axis(t.in[1], -1, true);
                wg_tensor *given = wgt_random_tensor((wg_dtype)d, WG_SHAPE(3, 1), 8);
                if (!made) r = wg_tensor_var(t.tape, given);
                wg_var out[] = {wg_mul(x, r),
                                wg_mul(r, x),
                                wg_add(x, r),
                                wg_add(r, x),
                                wg_sub(x, r),
                                wg_sub(r, x),
                                wg_div(x, r),
                                wg_max(wg_div(r, x), r),
                                wg_mul(r, r),
                                wg_mul(wg_sum_axis(wg_mul(x, r), -1, true), x),
                                wg_add(wg_mul(r, x), wg_mul(x, wg_exp(wg_neg(wg_square(r))))),
                                wg_sum_axis(wg_broadcast_to(r, WG_SHAPE(3, width[w])), -1, true),
                                r};
                enum { OUTS = sizeof out / sizeof *out - 1 };
                for (int isa = 0; isa <= (int)wg_isa_best(); isa++) {
                    wg_program *one = compile(out, OUTS + 1, isa, 1, false);
                    wg_program *two_threads = compile(out, OUTS + 1, isa, 2, false);
                    wg_program *plain = compile(out, OUTS + 1, isa, 1, true);
                    same_bits(one, plain, "one value a row");
                    same_bits(two_threads, plain, "one value a row");
                    WGT_NEAR(wg_tensor_get(wg_program_output(one, OUTS - 1), 2),
                             (double)width[w] * wg_tensor_get(wg_program_output(one, OUTS), 2),
                             1e-3 * (double)width[w]);
                    wg_program_free(one);
                    wg_program_free(two_threads);
                    wg_program_free(plain);
                }
                wg_tensor_free(given);
                drop(&t);
            }
}

/* The gradient of a layer norm is sums over rows, and each feeds elements of its row: all of it one
 * kernel, and the sums over the rows' axis. */
static void gradient_of_layer_norm_is_one_kernel(void **state)
{
    (void)state;
    const wg_map_pattern two = {.n_in = 2};
    tree t = new_tree(&two, WG_F64, 6, 33, false);
    wg_var y = wg_layer_norm(t.in[0], WG_NONE, WG_NONE, 1e-5), gx;
    wg_error err;
    WGT_OK(wg_grad(&y, &t.in[1], 1, &t.in[0], 1, &gx), &err);
    wg_program *p = compile(&gx, 1, (int)wg_isa_best(), 1, false);
    wg_program *plain = compile(&gx, 1, (int)wg_isa_best(), 1, true);
    wg_program_stats s = {.size = sizeof s};
    wg_program_get_stats(p, &s);
    assert_int_equal(s.kernels_a_run, 1);
    for (int64_t i = 0; i < 6 * 33; i++)
        WGT_NEAR(wg_tensor_get(wg_program_output(p, 0), i),
                 wg_tensor_get(wg_program_output(plain, 0), i), 1e-12);
    wg_program_free(p);
    wg_program_free(plain);
    drop(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_pattern),
        cmocka_unit_test(values_in_use_stay),
        cmocka_unit_test(repeated_operands_must_be_one),
        cmocka_unit_test(lstm_is_short),
        cmocka_unit_test(one_value_a_row),
        cmocka_unit_test(gradient_of_layer_norm_is_one_kernel),
    };
    return cmocka_run_group_tests_name("fused", tests, NULL, NULL);
}
