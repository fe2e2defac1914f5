/* PyTorch's layers as ours: converted weights must compute what PyTorch computed, and come back as
 * the same bits. The data is described in tests/golden/README.md. */
#include "models_test.h"

#include <wengert/interop.h>
#include <wengert/rnn.h>

enum { T = 7, B = 4, X = 5, H = 6, P = 3 };

static const struct {
    const char *name, *cell;
    int layers, directions;
} cases[] = {
    {"lstm1", "lstm", 1, 1},   {"lstm2", "lstm", 2, 1},
    {"bilstm1", "lstm", 1, 2}, {"bilstm2", "lstm", 2, 2},
    {"lstmp1", "lstmp", 1, 1}, {"gru1", "gru", 1, 1},
    {"bigru1", "gru", 1, 2},   {"gru_before1", "gru-reset-before", 1, 1},
    {"rnn1", "rnn", 1, 1},
};
enum { CASES = sizeof cases / sizeof cases[0] };

/* The parameters of a golden case under PREFIX + PyTorch's names. */
static wg_state *golden(wg_npz *npz, const char *name, const char *prefix)
{
    wg_state *s;
    wg_error e;
    char head[64], to[256];
    size_t n = (size_t)snprintf(head, sizeof head, "%s.full/", name);
    WGT_OK(wg_state_new(&s, &e), &e);
    for (int64_t i = 0; i < wg_npz_count(npz); i++) {
        const char *member = wg_npz_name(npz, i);
        if (strncmp(member, head, n) != 0) continue;
        if (strncmp(member + n, "weight_", 7) != 0 && strncmp(member + n, "bias_", 5) != 0)
            continue;
        wg_tensor *t;
        WGT_OK(wg_npz_read_tensor(npz, i, &t, &e), &e);
        snprintf(to, sizeof to, "%s%s", prefix, member + n);
        WGT_OK(wg_state_put_tensor(s, to, t, &e), &e);
    }
    return s;
}

static wg_tensor *member(wg_npz *npz, wgt_pool *pool, const char *name, const char *what)
{
    return wgt_golden(pool, npz, WG_F64, "%s.full/%s", name, what);
}

static bool same_tensors(const wg_state *a, const wg_state *b)
{
    if (wg_state_count(a) != wg_state_count(b)) return false;
    for (int i = 0; i < wg_state_count(a); i++) {
        const wg_tensor *x = wg_state_tensor_at(a, i), *y = wg_state_tensor(b, wg_state_name(a, i));
        if (!y || wg_tensor_bytes(x) != wg_tensor_bytes(y)) return false;
        wg_shape p = wg_tensor_shape(x), q = wg_tensor_shape(y);
        if (!wg_shape_equal(&p, &q)) return false;
        if (memcmp(wg_tensor_cdata(x), wg_tensor_cdata(y), wg_tensor_bytes(x)) != 0) return false;
    }
    return true;
}

/* Runs the stack with these parameters from PyTorch's initial states; compares the outputs. */
static void computes_the_same(wg_npz *npz, int k, const wg_state *ours)
{
    wg_error err = {WG_OK, ""};
    wgt_pool pool = {.n = 0};
    wg_params *params;
    wg_rnn *rnn;
    wg_tape *tape;
    WGT_OK(wg_params_new(WG_F64, &params, &err), &err);
    wg_rnn_config config = {.size = sizeof config,
                            .cell = wg_find_cell(cases[k].cell),
                            .input_size = X,
                            .hidden_size = H,
                            .output_size = strcmp(cases[k].cell, "lstmp") == 0 ? P : 0,
                            .layers = cases[k].layers,
                            .bidirectional = cases[k].directions == 2};
    WGT_OK(wg_rnn_new(params, "enc", &config, &rnn, &err), &err);
    WGT_OK(wg_params_init(params, 1, &err), &err);
    assert_int_equal(wg_params_count(params), wg_state_count(ours));
    for (int i = 0; i < wg_params_count(params); i++) {
        const wg_tensor *t = wg_state_tensor(ours, wg_params_name(params, i));
        if (!t) fail_msg("%s: no '%s'", cases[k].name, wg_params_name(params, i));
        wg_shape want = wg_params_shape(params, i), have = wg_tensor_shape(t);
        assert_true(wg_shape_equal(&want, &have));
        WGT_OK(wg_tensor_copy(wg_params_value(params, i), t, &err), &err);
    }
    WGT_OK(wg_tape_new(&tape, &err), &err);
    wg_var state[WG_RNN_MAX_STATES], y;
    int per_cell = wg_rnn_cell(rnn)->n_states;
    for (int i = 0; i < wg_rnn_state_count(rnn); i++) {
        wg_tensor *all = member(npz, &pool, cases[k].name, i % per_cell ? "c0" : "h0");
        wg_shape s = wg_tensor_shape(all);
        wg_tensor *one = wgt_tensor(&pool, WG_F64, WG_SHAPE(s.dim[1], s.dim[2]));
        for (int64_t j = 0; j < wg_tensor_count(one); j++)
            wg_tensor_set(one, j, wg_tensor_get(all, i / per_cell * wg_tensor_count(one) + j));
        state[i] = wg_tensor_var(tape, one);
    }
    const wg_rnn_options options = {.size = sizeof options, .states = state};
    wg_var x = wg_tensor_var(tape, member(npz, &pool, cases[k].name, "x"));
    WGT_OK(wg_rnn_run(tape, rnn, &options, x, &y, NULL), NULL);
    WGT_OK(wg_eval(&y, 1, NULL, &err), &err);
    wgt_same(cases[k].name, wg_eval_output(tape, 0), member(npz, &pool, cases[k].name, "y"), 1e-12);
    wg_tape_free(tape);
    wg_rnn_free(rnn);
    wg_params_free(params);
    wgt_pool_free(&pool);
}

static void test_golden(void **state)
{
    (void)state;
    wg_npz *npz = wgt_golden_open("tests/golden/rnn_full.npz");
    const char *const map[] = {"a.rnn.=enc.", "a=wrong"}, *const back[] = {"enc.=a.rnn."};
    for (int k = 0; k < CASES; k++) {
        wg_error e;
        wg_interop_options o = {.size = sizeof o, .map = map, .n_map = 2, .gru = "gru"};
        if (k == 7) o.gru = "gru-reset-before";
        wg_interop_report report;
        wg_state *theirs = golden(npz, cases[k].name, "a.rnn."), *ours, *out, *again;
        WGT_OK(wg_state_new(&ours, &e), &e);
        WGT_OK(wg_state_new(&out, &e), &e);
        WGT_OK(wg_state_new(&again, &e), &e);
        WGT_OK(wg_interop_from_pytorch(theirs, &o, ours, &report, &e), &e);
        assert_int_equal(report.layers, cases[k].layers * cases[k].directions);
        assert_int_equal(report.others, 0);
        computes_the_same(npz, k, ours);
        /* Out and in again: PyTorch's names, and our bits. */
        o.map = back;
        o.n_map = 1;
        WGT_OK(wg_interop_to_pytorch(ours, &o, out, &report, &e), &e);
        assert_int_equal(wg_state_count(out), wg_state_count(theirs));
        for (int i = 0; i < wg_state_count(theirs); i++) {
            const wg_tensor *t = wg_state_tensor(out, wg_state_name(theirs, i));
            assert_non_null(t);
            wg_shape p = wg_tensor_shape(t), q = wg_tensor_shape(wg_state_tensor_at(theirs, i));
            assert_true(wg_shape_equal(&p, &q));
        }
        o.map = map;
        o.n_map = 2;
        WGT_OK(wg_interop_from_pytorch(out, &o, again, NULL, &e), &e);
        assert_true(same_tensors(ours, again));
        wg_state_free(theirs);
        wg_state_free(ours);
        wg_state_free(out);
        wg_state_free(again);
    }
    wg_npz_close(npz);
}

/* Rows of gates as another program orders them, "iofc" say: the same parameters come out. */
static void test_order_of_gates(void **state)
{
    (void)state;
    wg_npz *npz = wgt_golden_open("tests/golden/rnn_full.npz");
    wg_error e;
    static const char order[] = "oifg", torch[] = "ifgo";
    wg_state *a = golden(npz, "lstm1", ""), *b, *from_a, *from_b;
    WGT_OK(wg_state_new(&b, &e), &e);
    for (int i = 0; i < wg_state_count(a); i++) {
        const wg_tensor *t = wg_state_tensor_at(a, i);
        wg_tensor *turned;
        WGT_OK(wg_tensor_clone(t, &turned, &e), &e);
        int64_t block = wg_tensor_count(t) / 4;
        for (int g = 0; g < 4; g++) {
            int64_t from = strchr(torch, order[g]) - torch;
            for (int64_t j = 0; j < block; j++)
                wg_tensor_set(turned, g * block + j, wg_tensor_get(t, from * block + j));
        }
        WGT_OK(wg_state_put_tensor(b, wg_state_name(a, i), turned, &e), &e);
    }
    wg_interop_options o = {.size = sizeof o};
    WGT_OK(wg_state_new(&from_a, &e), &e);
    WGT_OK(wg_state_new(&from_b, &e), &e);
    WGT_OK(wg_interop_from_pytorch(a, &o, from_a, NULL, &e), &e);
    o.lstm_gates = order;
    WGT_OK(wg_interop_from_pytorch(b, &o, from_b, NULL, &e), &e);
    assert_true(same_tensors(from_a, from_b));
    assert_non_null(wg_state_tensor(from_a, "rnn.l0.fw.Wx"));
    wg_state_free(a);
    wg_state_free(b);
    wg_state_free(from_a);
    wg_state_free(from_b);
    wg_npz_close(npz);
}

static void put(wg_state *s, const char *name, wg_dtype dtype, wg_shape shape)
{
    wg_tensor *t;
    wg_error e;
    WGT_OK(wg_tensor_new(dtype, shape, &t, &e), &e);
    for (int64_t i = 0; i < wg_tensor_count(t); i++) wg_tensor_set(t, i, (double)(i % 100));
    WGT_OK(wg_state_put_tensor(s, name, t, &e), &e);
}

static void test_others(void **state)
{
    (void)state;
    wg_error e;
    wg_state *s, *out;
    WGT_OK(wg_state_new(&s, &e), &e);
    WGT_OK(wg_state_new(&out, &e), &e);
    put(s, "embed.weight", WG_F32, WG_SHAPE(4, 3));
    put(s, "linear.weight", WG_F32, WG_SHAPE(2, 3));
    put(s, "steps", WG_I32, WG_SCALAR);
    put(s, "weight_ih_other", WG_F32, WG_SHAPE(2)); /* a name that only begins alike */
    WGT_OK(wg_state_put_text(s, "config.json", "{}", 2, &e), &e);
    const char *const map[] = {"linear.weight=out.W", "embed.=model/src."}, *const turn[] = {
                                                                                "lin*"};
    const wg_interop_options o = {
        .size = sizeof o, .map = map, .n_map = 2, .transpose = turn, .n_transpose = 1};
    wg_interop_report r;
    WGT_OK(wg_interop_from_pytorch(s, &o, out, &r, &e), &e);
    assert_int_equal(r.layers, 0);
    assert_int_equal(r.others, 4);
    assert_int_equal(r.transposed, 1);
    const wg_tensor *t = wg_state_tensor(out, "out.W");
    assert_int_equal(wg_tensor_shape(t).dim[0], 3);
    WGT_NEAR(wg_tensor_get(t, 1), 3, 0); /* [0,1] is [1,0] of [2,3] */
    assert_int_equal(wg_tensor_shape(wg_state_tensor(out, "model/src.weight")).dim[0], 4);
    size_t length;
    assert_string_equal(wg_state_text(out, "config.json", &length), "{}");
    wg_state_free(s);
    wg_state_free(out);
}

/* One tensor of a good layer replaced (or left out, for shape of rank -1). */
static void refused(bool import, const char *which, wg_dtype dtype, wg_shape shape,
                    const char *part)
{
    static const struct {
        const char *name;
        int64_t rows, columns;
    } theirs[] = {{"e.weight_ih_l0", 8, 3},
                  {"e.weight_hh_l0", 8, 2},
                  {"e.bias_ih_l0", 8, 0},
                  {"e.bias_hh_l0", 8, 0}},
      ours[] = {{"e.l0.fw.Wx", 3, 8}, {"e.l0.fw.Wh", 2, 8}, {"e.l0.fw.b", 8, 0}};
    wg_error e;
    wg_state *s, *out;
    WGT_OK(wg_state_new(&s, &e), &e);
    WGT_OK(wg_state_new(&out, &e), &e);
    for (int i = 0; i < (import ? 4 : 3); i++) {
        const char *name = import ? theirs[i].name : ours[i].name;
        int64_t rows = import ? theirs[i].rows : ours[i].rows;
        int64_t columns = import ? theirs[i].columns : ours[i].columns;
        wg_shape good = columns ? WG_SHAPE(rows, columns) : WG_SHAPE(rows);
        if (strcmp(name, which) != 0)
            put(s, name, WG_F32, good);
        else if (shape.rank >= 0)
            put(s, name, dtype, shape);
    }
    wg_status status = import ? wg_interop_from_pytorch(s, NULL, out, NULL, &e)
                              : wg_interop_to_pytorch(s, NULL, out, NULL, &e);
    WGT_STATUS(status, WG_EFORMAT, &e);
    if (!strstr(e.message, part)) fail_msg("'%s' does not hold '%s'", e.message, part);
    wg_state_free(s);
    wg_state_free(out);
}

static void test_refused(void **state)
{
    (void)state;
    const wg_shape gone = {.rank = -1};
    refused(true, "e.weight_ih_l0", WG_F32, gone, "'e.weight_ih_l0' is missing");
    refused(true, "e.weight_hh_l0", WG_F32, gone, "'e.weight_hh_l0' is missing");
    refused(true, "e.weight_hh_l0", WG_F32, WG_SHAPE(8, 3), "has the shape of no layer");
    refused(true, "e.weight_hh_l0", WG_F32, WG_SHAPE(8, 0), "has the shape of no layer");
    refused(true, "e.weight_hh_l0", WG_F32, WG_SHAPE(6, 2), "does not fit");
    refused(true, "e.weight_hh_l0", WG_F32, WG_SHAPE(8), "is not a matrix");
    refused(true, "e.weight_ih_l0", WG_I32, WG_SHAPE(8, 3), "is not of floating point");
    refused(true, "e.bias_ih_l0", WG_F32, WG_SHAPE(7), "does not fit");
    refused(true, "e.bias_hh_l0", WG_F32, WG_SHAPE(8, 1), "is not a vector");
    refused(false, "e.l0.fw.Wx", WG_F32, gone, "'e.l0.fw.Wx' is missing");
    refused(false, "e.l0.fw.b", WG_F32, gone, "'e.l0.fw.b' is missing");
    refused(false, "e.l0.fw.b", WG_F32, WG_SHAPE(6), "does not fit");
    refused(false, "e.l0.fw.Wx", WG_F32, WG_SHAPE(24), "has a wrong rank");
    wg_error e;
    wg_state *s, *out;
    WGT_OK(wg_state_new(&s, &e), &e);
    WGT_OK(wg_state_new(&out, &e), &e);
    const char *const map[] = {"no equals"};
    wg_interop_options o = {.size = sizeof o, .map = map, .n_map = 1};
    WGT_STATUS(wg_interop_from_pytorch(s, &o, out, NULL, &e), WG_EINVAL, &e);
    o = (wg_interop_options){.size = sizeof o, .lstm_gates = "iffo"};
    WGT_STATUS(wg_interop_from_pytorch(s, &o, out, NULL, &e), WG_EINVAL, &e);
    o = (wg_interop_options){.size = sizeof o, .gru = "cuDNN"};
    WGT_STATUS(wg_interop_from_pytorch(s, &o, out, NULL, &e), WG_EINVAL, &e);
    wg_state_free(s);
    wg_state_free(out);
}

static wg_status both_ways(const wg_state *in)
{
    wg_state *a = NULL, *b = NULL;
    wg_status status = wg_state_new(&a, NULL);
    if (status == WG_OK) status = wg_state_new(&b, NULL);
    if (status == WG_OK) status = wg_interop_from_pytorch(in, NULL, a, NULL, NULL);
    if (status == WG_OK) status = wg_interop_to_pytorch(a, NULL, b, NULL, NULL);
    wg_state_free(a);
    wg_state_free(b);
    return status;
}

static void test_out_of_memory(void **state)
{
    (void)state;
    wg_npz *npz = wgt_golden_open("tests/golden/rnn_full.npz");
    wg_state *in = golden(npz, "bigru1", "");
    for (size_t n = 1;; n++) {
        wgt_fail_alloc_at(n);
        if (!wgt_alloc_ran_out(both_ways(in))) break;
    }
    wg_state_free(in);
    wg_npz_close(npz);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),        cmocka_unit_test(test_order_of_gates),
        cmocka_unit_test(test_others),        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
