/* Attention: against plain loops, masked memories, beams that share a memory row, all steps at once
 * equal to single steps, gradients, and bad sizes. */
#include "models_test.h"

#include <wengert/attention.h>
#include <wengert/gradcheck.h>

enum { T = 2, S = 5, B = 3, Q = 4, M = 6, A = 7 };

static const int swap[] = {1, 0, 2}; /* time major to row major and back */

typedef struct fixture {
    wgt_pool pool;
    wg_params *params;
    wg_attention *attention;
    wg_tape *tape;
    wg_error err;
    wg_tensor *memory, *lengths, *queries;
    wg_attention_memory prepared;
} fixture;

static int64_t memory_size(wg_attention_kind kind)
{
    return kind == WG_ATTENTION_DOT ? Q : M;
}

static void open_fixture(fixture *f, wg_attention_kind kind, wg_dtype dtype, bool masked)
{
    memset(f, 0, sizeof *f);
    wg_attention_config config = {.size = sizeof config,
                                  .kind = kind,
                                  .query_size = Q,
                                  .memory_size = memory_size(kind),
                                  .width = A};
    WGT_OK(wg_params_new(dtype, &f->params, &f->err), &f->err);
    WGT_OK(wg_attention_new(f->params, "attn", &config, &f->attention, &f->err), &f->err);
    WGT_OK(wg_params_init(f->params, 5, &f->err), &f->err);
    WGT_OK(wg_tape_new(&f->tape, &f->err), &f->err);
    f->memory = wgt_random(&f->pool, dtype, WG_SHAPE(S, B, config.memory_size), "memory");
    f->queries = wgt_random(&f->pool, dtype, WG_SHAPE(T, B, Q), "queries");
    f->lengths = wgt_ints(&f->pool, B, (int32_t[]){3, 5, masked ? 0 : 1});
    wg_var lengths = masked ? wg_tensor_var(f->tape, f->lengths) : WG_NONE;
    WGT_OK(wg_attention_prepare(f->tape, f->attention, wg_tensor_var(f->tape, f->memory), lengths,
                                &f->prepared),
           NULL);
}

static void close_fixture(fixture *f)
{
    wg_tape_free(f->tape);
    wg_attention_free(f->attention);
    wg_params_free(f->params);
    wgt_pool_free(&f->pool);
}

static const double *param(fixture *f, const char *name)
{
    int id = wg_params_find(f->params, name);
    assert_true(id >= 0);
    return wg_tensor_cdata(wg_params_value(f->params, id));
}

/* The score of query row q and memory row m, term by term from the definition. */
static double score(fixture *f, wg_attention_kind kind, const double *q, const double *m)
{
    double sum = 0;
    if (kind == WG_ATTENTION_DOT)
        for (int i = 0; i < Q; i++) sum += q[i] * m[i];
    if (kind == WG_ATTENTION_GENERAL) {
        const double *w = param(f, "attn.W");
        for (int i = 0; i < M; i++)
            for (int j = 0; j < Q; j++) sum += m[i] * w[i * Q + j] * q[j];
    }
    if (kind == WG_ATTENTION_BAHDANAU) {
        const double *wq = param(f, "attn.Wq"), *wm = param(f, "attn.Wm"), *v = param(f, "attn.v");
        for (int a = 0; a < A; a++) {
            double z = 0;
            for (int i = 0; i < Q; i++) z += q[i] * wq[i * A + a];
            for (int i = 0; i < M; i++) z += m[i] * wm[i * A + a];
            sum += v[a] * tanh(z);
        }
    }
    return sum;
}

static void check_values(wg_attention_kind kind, bool masked)
{
    fixture f;
    wg_var out[2];
    open_fixture(&f, kind, WG_F64, masked);
    int64_t m_size = memory_size(kind);
    WGT_OK(wg_attention_run(f.tape, f.attention, &f.prepared, wg_tensor_var(f.tape, f.queries),
                            &out[0], &out[1]),
           NULL);
    WGT_OK(wg_eval(out, 2, NULL, &f.err), &f.err);
    const double *q = wg_tensor_cdata(f.queries), *m = wg_tensor_cdata(f.memory);
    const wg_tensor *contexts = wg_eval_output(f.tape, 0), *weights = wg_eval_output(f.tape, 1);
    for (int t = 0; t < T; t++)
        for (int b = 0; b < B; b++) {
            int steps = masked ? (int)wg_tensor_get(f.lengths, b) : S;
            double w[S] = {0}, total = 0;
            for (int s = 0; s < steps; s++) {
                w[s] = exp(score(&f, kind, q + (t * B + b) * Q, m + (s * B + b) * m_size));
                total += w[s];
            }
            for (int s = 0; s < S; s++) {
                double want = total > 0 ? w[s] / total : 0;
                WGT_NEAR(wg_tensor_get(weights, (t * B + b) * S + s), want, 1e-13);
                if (s >= steps) assert_true(wg_tensor_get(weights, (t * B + b) * S + s) == 0);
            }
            for (int i = 0; i < m_size; i++) {
                double want = 0;
                for (int s = 0; s < steps; s++) want += w[s] / total * m[(s * B + b) * m_size + i];
                WGT_NEAR(wg_tensor_get(contexts, (t * B + b) * m_size + i), want, 1e-13);
            }
        }
    close_fixture(&f);
}

static void test_values(void **state)
{
    (void)state;
    for (int kind = WG_ATTENTION_DOT; kind < WG_ATTENTION_KINDS; kind++) {
        check_values((wg_attention_kind)kind, false);
        check_values((wg_attention_kind)kind, true);
    }
}

/* Steps one by one, and the T steps as T hypotheses of one memory row, give what a run gives. */
static void test_steps(void **state)
{
    (void)state;
    for (int kind = WG_ATTENTION_DOT; kind < WG_ATTENTION_KINDS; kind++) {
        fixture f;
        wg_var out[6], context[T], weights[T];
        open_fixture(&f, (wg_attention_kind)kind, WG_F64, true);
        wg_var queries = wg_tensor_var(f.tape, f.queries);
        int64_t m_size = memory_size((wg_attention_kind)kind);
        wg_attention_run(f.tape, f.attention, &f.prepared, queries, &out[0], &out[1]);
        for (int t = 0; t < T; t++)
            wg_attention_step(f.tape, f.attention, &f.prepared,
                              wg_squeeze(wg_slice(queries, 0, t, 1), 0), &context[t], &weights[t]);
        out[2] = wg_stack(context, T, 0);
        out[3] = wg_stack(weights, T, 0);
        wg_var rows = wg_reshape(wg_transpose(queries, swap, 3), WG_SHAPE(B * T, Q));
        wg_attention_step(f.tape, f.attention, &f.prepared, rows, &out[4], &out[5]);
        out[4] = wg_transpose(wg_reshape(out[4], WG_SHAPE(B, T, m_size)), swap, 3);
        out[5] = wg_transpose(wg_reshape(out[5], WG_SHAPE(B, T, S)), swap, 3);
        WGT_OK(wg_eval(out, 6, NULL, &f.err), &f.err);
        for (int i = 2; i < 6; i++)
            wgt_same(wg_attention_name((wg_attention_kind)kind), wg_eval_output(f.tape, i),
                     wg_eval_output(f.tape, i % 2), 1e-13);
        close_fixture(&f);
    }
}

static void test_gradients(void **state)
{
    (void)state;
    for (int kind = WG_ATTENTION_DOT; kind < WG_ATTENTION_KINDS; kind++)
        for (int masked = 0; masked < 2; masked++) {
            fixture f;
            wg_var out[2];
            open_fixture(&f, (wg_attention_kind)kind, WG_F64, masked);
            wg_attention_run(f.tape, f.attention, &f.prepared, wg_tensor_var(f.tape, f.queries),
                             &out[0], &out[1]);
            wg_gradcheck_options options = {.size = sizeof options, .order = 2};
            wg_gradcheck_report report = {.size = sizeof report};
            WGT_OK(wg_gradcheck(out, 2, NULL, 0, &options, &report, &f.err), &f.err);
            if (!report.passed)
                fail_msg("%s: %s", wg_attention_name((wg_attention_kind)kind), report.text);
            wg_gradcheck_report_free(&report);
            close_fixture(&f);
        }
}

/* Whatever stands in the padding of the memory has no influence, not even infinities. */
static void test_padding(void **state)
{
    (void)state;
    for (int kind = WG_ATTENTION_DOT; kind < WG_ATTENTION_KINDS; kind++) {
        double first[T * B * M];
        int64_t n = 0;
        for (int pass = 0; pass < 2; pass++) {
            fixture f;
            wg_var out;
            open_fixture(&f, (wg_attention_kind)kind, WG_F64, true);
            int64_t m_size = memory_size((wg_attention_kind)kind);
            for (int s = 0; s < S; s++)
                for (int b = 0; b < B; b++)
                    for (int64_t i = 0; pass && i < m_size; i++)
                        if (s >= wg_tensor_get(f.lengths, b))
                            wg_tensor_set(f.memory, (s * B + b) * m_size + i, 1e6 * (i + 1));
            wg_attention_run(f.tape, f.attention, &f.prepared, wg_tensor_var(f.tape, f.queries),
                             &out, NULL);
            WGT_OK(wg_eval(&out, 1, NULL, &f.err), &f.err);
            const wg_tensor *y = wg_eval_output(f.tape, 0);
            n = wg_tensor_count(y);
            for (int64_t i = 0; i < n; i++) {
                if (pass)
                    assert_true(wg_tensor_get(y, i) == first[i]);
                else
                    first[i] = wg_tensor_get(y, i);
            }
            close_fixture(&f);
        }
        assert_int_equal(n, T * B * memory_size((wg_attention_kind)kind));
    }
}

static void refused(wg_attention_config config, const char *part)
{
    wg_params *params;
    wg_attention *a = NULL;
    wg_error err = {WG_OK, ""};
    WGT_OK(wg_params_new(WG_F64, &params, &err), &err);
    WGT_STATUS(wg_attention_new(params, "attn", &config, &a, &err), WG_EINVAL, &err);
    if (!strstr(err.message, part)) fail_msg("'%s' does not say '%s'", err.message, part);
    wg_params_free(params);
}

static void test_bad(void **state)
{
    (void)state;
    const wg_attention_config good = {
        .size = sizeof good, .kind = WG_ATTENTION_DOT, .query_size = Q, .memory_size = Q};
    wg_attention_config c = good;
    c.memory_size = M;
    refused(c, "dot needs");
    c = good, c.query_size = 0;
    refused(c, "sizes");
    c = good, c.kind = WG_ATTENTION_NONE;
    refused(c, "kind");
    c = good, c.kind = (wg_attention_kind)9;
    refused(c, "kind");
    wg_attention_kind kind;
    wg_error err = {WG_OK, ""};
    WGT_OK(wg_attention_from_name("bahdanau", &kind, &err), &err);
    assert_int_equal(kind, WG_ATTENTION_BAHDANAU);
    WGT_STATUS(wg_attention_from_name("luong", &kind, &err), WG_ENOTFOUND, &err);
    assert_non_null(strstr(err.message, "general"));

    fixture f;
    wg_var y;
    open_fixture(&f, WG_ATTENTION_GENERAL, WG_F64, true);
    wg_var query = wg_const(f.tape, WG_F64, WG_SHAPE(B + 1, Q), 0);
    WGT_STATUS(wg_attention_step(f.tape, f.attention, &f.prepared, query, &y, NULL), WG_ESHAPE,
               NULL);
    close_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),  cmocka_unit_test(test_steps),
        cmocka_unit_test(test_padding), cmocka_unit_test(test_gradients),
        cmocka_unit_test(test_bad),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
