/* Ten Adam steps of small translators against PyTorch: logits, attention and gradients of the first
 * step, losses, norms and final parameters. Described in tests/golden/README.md. Once with the
 * optimiser written out in this file, so that what is compared is the model alone, and once through
 * the trainer and the optimiser that training uses. */
#include "models_test.h"

#include <wengert/seq2seq.h>
#include <wengert/trainer.h>

enum { STEPS = 10, MAX_PARAMS = 32 };

typedef struct variant {
    const char *name;
    wg_attention_kind attention;
    const char *cell;
    bool input_feeding, init_projection;
    double label_smoothing;
} variant;

static const variant variants[] = {
    {"luong", WG_ATTENTION_GENERAL, "lstm", false, false, 0},
    {"bahdanau", WG_ATTENTION_BAHDANAU, "gru", true, true, 0.1},
    {"luong-dot-if", WG_ATTENTION_DOT, "lstm", true, false, 0},
};

typedef struct run {
    const variant *v;
    wg_dtype dtype;
    double tol; /* of the first step; the tenth is held to 1e-4 in f32 */
    wg_npz *npz;
    wgt_pool pool;
    wg_params *params;
    wg_seq2seq *model;
} run;

/* Ours, PyTorch's, and whether that lies transposed. */
static const struct {
    const char *ours, *theirs;
    bool transposed;
} names[] = {
    {"src.embed", "src.weight", false},
    {"tgt.embed", "tgt.weight", false},
    {"enc.l0.fw.Wx", "encoder.weight_ih_l0", true},
    {"enc.l0.fw.Wh", "encoder.weight_hh_l0", true},
    {"enc.l0.fw.b", "encoder.bias_ih_l0", false},
    {"enc.l0.fw.bhn", "encoder.bias_hn_l0", false},
    {"enc.l0.bw.Wx", "encoder.weight_ih_l0_reverse", true},
    {"enc.l0.bw.Wh", "encoder.weight_hh_l0_reverse", true},
    {"enc.l0.bw.b", "encoder.bias_ih_l0_reverse", false},
    {"enc.l0.bw.bhn", "encoder.bias_hn_l0_reverse", false},
    {"dec.l0.fw.Wx", "decoder.weight_ih_l0", true},
    {"dec.l0.fw.Wh", "decoder.weight_hh_l0", true},
    {"dec.l0.fw.b", "decoder.bias_ih_l0", false},
    {"dec.l0.fw.bhn", "decoder.bias_hn_l0", false},
    {"init.l0.h.W", "init.weight", true},
    {"init.l0.h.b", "init.bias", false},
    {"attn.W", "key.weight", false}, /* [M,Q] on both sides */
    {"attn.Wq", "query.weight", true},
    {"attn.Wm", "memory.weight", true},
    {"attn.v", "v", false},
    {"combine.W", "combine.weight", true},
    {"combine.b", "combine.bias", false},
    {"out.W", "out.weight", true},
    {"out.b", "out.bias", false},
};

/* "init", "grad" or "final" of parameter id, in this library's layout. */
static wg_tensor *golden_param(run *r, const char *what, int id)
{
    const char *ours = wg_params_name(r->params, id);
    size_t i = 0;
    while (i < sizeof names / sizeof *names && strcmp(names[i].ours, ours) != 0) i++;
    if (i == sizeof names / sizeof *names) fail_msg("no golden name for parameter %s", ours);
    wg_tensor *t =
        wgt_golden(&r->pool, r->npz, WG_F64, "%s/%s.%s", r->v->name, what, names[i].theirs);
    if (!t) fail_msg("no member %s/%s.%s", r->v->name, what, names[i].theirs);
    if (!names[i].transposed) return t;
    wg_tensor *swapped = wgt_tensor(&r->pool, WG_F64, wg_params_shape(r->params, id));
    wgt_add_block(swapped, 0, t, 0, wg_tensor_shape(t).dim[0]);
    return swapped;
}

static wg_tensor *golden(run *r, const char *name)
{
    wg_tensor *t = wgt_golden(&r->pool, r->npz, WG_F64, "%s/%s", r->v->name, name);
    if (!t) fail_msg("no member %s/%s", r->v->name, name);
    return t;
}

static void setup(run *r)
{
    wg_error err = {WG_OK, ""};
    wg_seq2seq_config config = {.size = sizeof config,
                                .source_vocab = 11,
                                .target_vocab = 13,
                                .embed = 6,
                                .hidden = 8,
                                .cell = r->v->cell,
                                .bidirectional = true,
                                .attention = r->v->attention,
                                .attention_width = 7,
                                .input_feeding = r->v->input_feeding,
                                .init_projection = r->v->init_projection,
                                .label_smoothing = r->v->label_smoothing};
    WGT_OK(wg_params_new(r->dtype, &r->params, &err), &err);
    WGT_OK(wg_seq2seq_new(r->params, &config, &r->model, &err), &err);
    WGT_OK(wg_params_init(r->params, 1, &err), &err);
    for (int i = 0; i < wg_params_count(r->params); i++)
        WGT_OK(wg_tensor_copy(wg_params_value(r->params, i), golden_param(r, "init", i), &err),
               &err);
}

/* Clips by the global norm 1 as PyTorch does and takes Adam's step t (from 1). */
static double clip_and_step(run *r, wg_tape *tape, int first, int t, wg_tensor **m, wg_tensor **v)
{
    double square = 0;
    int n = wg_params_count(r->params);
    for (int p = 0; p < n; p++) {
        const wg_tensor *g = wg_eval_output(tape, first + p);
        for (int64_t i = 0; i < wg_tensor_count(g); i++)
            square += wg_tensor_get(g, i) * wg_tensor_get(g, i);
    }
    double norm = sqrt(square), factor = fmin(1, 1 / (norm + 1e-6));
    for (int p = 0; p < n; p++) {
        const wg_tensor *gradient = wg_eval_output(tape, first + p);
        wg_tensor *w = wg_params_value(r->params, p);
        for (int64_t i = 0; i < wg_tensor_count(w); i++) {
            double g = wg_tensor_get(gradient, i) * factor;
            double mi = 0.9 * wg_tensor_get(m[p], i) + 0.1 * g;
            double vi = 0.999 * wg_tensor_get(v[p], i) + 0.001 * g * g;
            wg_tensor_set(m[p], i, mi);
            wg_tensor_set(v[p], i, vi);
            double step = 0.01 * (mi / (1 - pow(0.9, t))) / (sqrt(vi / (1 - pow(0.999, t))) + 1e-8);
            wg_tensor_set(w, i, wg_tensor_get(w, i) - step);
        }
    }
    return norm;
}

/* Where the target has words: values of step 1; elsewhere the golden file has zeros. */
static void same_where_valid(const char *what, const wg_tensor *have, const wg_tensor *want,
                             const wg_tensor *lengths, double tol)
{
    wg_shape s = wg_tensor_shape(want);
    assert_int_equal(wg_tensor_count(have), wg_tensor_count(want));
    for (int64_t i = 0; i < wg_tensor_count(want); i++) {
        int64_t t = i / (s.dim[1] * s.dim[2]), b = i / s.dim[2] % s.dim[1];
        double x = wg_tensor_get(have, i), y = wg_tensor_get(want, i);
        if (t < wg_tensor_get(lengths, b) && fabs(x - y) > tol * fmax(1, fabs(y)))
            fail_msg("%s: element %lld is %.12g, should be %.12g", what, (long long)i, x, y);
    }
}

static void check_first_step(run *r, wg_tape *tape, int first, const wg_tensor *lengths)
{
    same_where_valid("logits", wg_eval_output(tape, 1), golden(r, "logits"), lengths, r->tol);
    same_where_valid("attention", wg_eval_output(tape, 2), golden(r, "attention"), lengths, r->tol);
    for (int p = 0; p < wg_params_count(r->params); p++)
        wgt_same(wg_params_name(r->params, p), wg_eval_output(tape, first + p),
                 golden_param(r, "grad", p), r->tol);
}

static void train(run *r)
{
    wg_error err = {WG_OK, ""};
    wg_tape *tape;
    wg_tensor *m[MAX_PARAMS], *v[MAX_PARAMS];
    int n = wg_params_count(r->params);
    assert_true(n <= MAX_PARAMS);
    for (int p = 0; p < n; p++) {
        m[p] = wgt_tensor(&r->pool, WG_F64, wg_params_shape(r->params, p));
        v[p] = wgt_tensor(&r->pool, WG_F64, wg_params_shape(r->params, p));
    }
    const wg_tensor *losses = golden(r, "losses"), *norms = golden(r, "norms");
    double late = r->dtype == WG_F32 ? 1e-4 : 1e-9;
    WGT_OK(wg_tape_new(&tape, &err), &err);
    for (int k = 0; k < STEPS; k++) {
        wg_tape_reset(tape);
        wg_tensor *part[5];
        static const char *const name[] = {"src", "src_lengths", "tgt_in", "tgt_out",
                                           "tgt_lengths"};
        for (int i = 0; i < 5; i++)
            part[i] = wgt_golden(&r->pool, r->npz, WG_I32, "batch%d/%s", k % 2, name[i]);
        wg_seq2seq_batch batch = {.size = sizeof batch,
                                  .src = wg_tensor_var(tape, part[0]),
                                  .src_lengths = wg_tensor_var(tape, part[1]),
                                  .tgt_in = wg_tensor_var(tape, part[2]),
                                  .tgt_out = wg_tensor_var(tape, part[3]),
                                  .tgt_lengths = wg_tensor_var(tape, part[4]),
                                  .training = true,
                                  .want_weights = true};
        wg_seq2seq_loss loss;
        wg_var out[3 + MAX_PARAMS], x[MAX_PARAMS];
        WGT_OK(wg_seq2seq_record_loss(tape, r->model, &batch, &loss), NULL);
        out[0] = wg_div(loss.sum, loss.count);
        out[1] = loss.logits;
        out[2] = loss.weights;
        for (int p = 0; p < n; p++) x[p] = wg_param(tape, r->params, p);
        wg_grad_or_zeros(out, NULL, 1, x, n, out + 3);
        WGT_OK(wg_tape_status(tape, &err), &err);
        WGT_OK(wg_eval(out, 3 + n, NULL, &err), &err);
        if (k == 0) check_first_step(r, tape, 3, part[4]);
        double have = wg_tensor_get(wg_eval_output(tape, 0), 0), want = wg_tensor_get(losses, k);
        if (fabs(have - want) > late)
            fail_msg("%s: loss of step %d is %.9g, should be %.9g", r->v->name, k + 1, have, want);
        double norm = clip_and_step(r, tape, 3, k + 1, m, v);
        WGT_CLOSE(norm, wg_tensor_get(norms, k), late, 0);
    }
    for (int p = 0; p < n; p++)
        wgt_same(wg_params_name(r->params, p), wg_params_value(r->params, p),
                 golden_param(r, "final", p), 10 * late);
    wg_tape_free(tape);
}

static const int32_t *ints(run *r, int k, const char *name, int64_t dim[2])
{
    wg_tensor *t = wgt_golden(&r->pool, r->npz, WG_I32, "batch%d/%s", k, name);
    assert_non_null(t);
    wg_shape shape = wg_tensor_shape(t);
    dim[0] = shape.dim[0];
    dim[1] = shape.dim[1];
    return wg_tensor_cdata(t);
}

/* The same ten steps as a program that trains takes them. */
static void train_with_trainer(run *r)
{
    wg_error err = {WG_OK, ""};
    wg_optimizer *optimizer;
    wg_trainer *trainer;
    wg_optimizer_options adam = WG_OPTIMIZER_OPTIONS_INIT;
    adam.clip_norm = 1;
    const wg_tensor *losses = golden(r, "losses"), *norms = golden(r, "norms");
    double late = r->dtype == WG_F32 ? 1e-4 : 1e-9;
    WGT_OK(wg_optimizer_new(r->params, &adam, &optimizer, &err), &err);
    WGT_OK(wg_trainer_new(r->model, r->params, optimizer, NULL, &trainer, &err), &err);
    for (int k = 0; k < STEPS; k++) {
        int64_t src[2], tgt[2], one[2];
        wg_trainer_batch batch = {.size = sizeof batch};
        wg_trainer_result result;
        batch.source = ints(r, k % 2, "src", src);
        batch.source_lengths = ints(r, k % 2, "src_lengths", one);
        batch.target_in = ints(r, k % 2, "tgt_in", tgt);
        batch.target_out = ints(r, k % 2, "tgt_out", tgt);
        batch.target_lengths = ints(r, k % 2, "tgt_lengths", one);
        batch.source_steps = src[0];
        batch.target_steps = tgt[0];
        batch.rows = src[1];
        WGT_OK(wg_trainer_step(trainer, &batch, 0.01, &result, &err), &err);
        WGT_NEAR(result.loss / result.count, wg_tensor_get(losses, k), late);
        WGT_CLOSE(result.norm, wg_tensor_get(norms, k), late, 0);
    }
    for (int p = 0; p < wg_params_count(r->params); p++)
        wgt_same(wg_params_name(r->params, p), wg_params_value(r->params, p),
                 golden_param(r, "final", p), 10 * late);
    wg_trainer_free(trainer);
    wg_optimizer_free(optimizer);
}

static void check(wg_dtype dtype, double tol, void (*how)(run *))
{
    wg_npz *npz = wgt_golden_open("tests/golden/seq2seq.npz");
    for (size_t i = 0; i < sizeof variants / sizeof *variants; i++) {
        run r = {.v = &variants[i], .dtype = dtype, .tol = tol, .npz = npz};
        setup(&r);
        how(&r);
        wg_seq2seq_free(r.model);
        wg_params_free(r.params);
        wgt_pool_free(&r.pool);
    }
    wg_npz_close(npz);
}

static void test_f64(void **state)
{
    (void)state;
    check(WG_F64, 1e-10, train);
}

static void test_f32(void **state)
{
    (void)state;
    check(WG_F32, 1e-5, train);
}

static void test_trainer_f64(void **state)
{
    (void)state;
    check(WG_F64, 1e-10, train_with_trainer);
}

static void test_trainer_f32(void **state)
{
    (void)state;
    check(WG_F32, 1e-5, train_with_trainer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_f64),
        cmocka_unit_test(test_f32),
        cmocka_unit_test(test_trainer_f64),
        cmocka_unit_test(test_trainer_f32),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
