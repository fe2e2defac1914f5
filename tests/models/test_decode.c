/* Decoding: greedy search against a loop written out here, beam search against all sequences there
 * are, ranking, penalties, limits, weights, batches, and what must be refused. */
#include "models_test.h"

#include <wengert/decode.h>

enum { V = 5, START = 1, END = 2, B = 3, S = 4, MOST = 4 };

typedef struct fixture {
    wg_params *params;
    wg_seq2seq *model;
} fixture;

static const int32_t src[S * B] = {3, 4, 2, 5, 3, 0, 1, 5, 0, 2, 0, 0};
static const int32_t lengths[B] = {4, 3, 1};

/* A model whose weights are large enough for its choices to differ. */
static fixture make(wg_dtype dtype, wg_attention_kind attention, bool feeding, const char *cell)
{
    fixture f;
    wg_error err = {WG_OK, ""};
    wg_seq2seq_config config = {.size = sizeof config,
                                .source_vocab = 6,
                                .target_vocab = V,
                                .embed = 5,
                                .hidden = 6,
                                .cell = cell,
                                .bidirectional = true,
                                .attention = attention,
                                .input_feeding = feeding};
    WGT_OK(wg_params_new(dtype, &f.params, &err), &err);
    WGT_OK(wg_seq2seq_new(f.params, &config, &f.model, &err), &err);
    WGT_OK(wg_params_init(f.params, 3, &err), &err);
    wg_rng rng;
    wg_rng_init(&rng, 5, "decode");
    wg_tensor *all = wg_params_values(f.params);
    for (int64_t i = 0; i < wg_tensor_count(all); i++)
        wg_tensor_set(all, i, 3 * wg_rng_uniform(&rng) - 1.5);
    return f;
}

static void drop(fixture *f)
{
    wg_seq2seq_free(f->model);
    wg_params_free(f->params);
}

/* Log-probabilities of the words after a prefix, for one sentence: the step of the decoder recorded
 * prefix by prefix, without any of the code under test. */
static void after(const fixture *f, int b, const int32_t *prefix, int n, double *log_probs,
                  double *weights)
{
    wg_error err = {WG_OK, ""};
    wg_tape *tape;
    wgt_pool pool = {.n = 0};
    WGT_OK(wg_tape_new(&tape, &err), &err);
    wg_tensor *ids = wgt_tensor(&pool, WG_I32, WG_SHAPE(lengths[b], 1));
    for (int s = 0; s < lengths[b]; s++) wg_tensor_set(ids, s, src[s * B + b]);
    wg_seq2seq_point at, next;
    wg_var out[2] = {WG_NONE, WG_NONE};
    WGT_OK(wg_seq2seq_record_encoder(tape, f->model, wg_tensor_var(tape, ids), WG_NONE, &at), NULL);
    for (int t = 0; t <= n; t++) {
        int32_t id = t == 0 ? START : prefix[t - 1];
        wg_var word = wg_const_data(tape, WG_I32, WG_SHAPE(1), &id);
        WGT_OK(wg_seq2seq_record_step(tape, f->model, &at, word, &out[0], &out[1], &next), NULL);
        at = next;
    }
    WGT_OK(wg_eval(out, wg_is_none(out[1]) ? 1 : 2, NULL, &err), &err);
    for (int v = 0; v < V; v++) log_probs[v] = wg_tensor_get(wg_eval_output(tape, 0), v);
    for (int s = 0; weights && s < lengths[b]; s++)
        weights[s] = wg_tensor_get(wg_eval_output(tape, 1), s);
    wg_tape_free(tape);
    wgt_pool_free(&pool);
}

static wg_decode_result *decode(const fixture *f, const wg_decoder_options *options)
{
    wg_error err = {WG_OK, ""};
    wg_decoder *decoder;
    wg_decode_result *result;
    WGT_OK(wg_decoder_new(f->model, options, &decoder, &err), &err);
    WGT_OK(wg_decoder_run(decoder, src, lengths, S, B, &result, &err), &err);
    wg_decoder_free(decoder);
    return result;
}

/* ---- greedy ---- */

static void check_greedy(const fixture *f, int max_length, int min_length, bool attention)
{
    wg_decoder_options o = WG_DECODER_OPTIONS_INIT;
    o.beam_size = 1;
    o.max_length = max_length;
    o.min_length = min_length;
    o.want_weights = true;
    wg_decode_result *result = decode(f, &o);
    assert_int_equal(result->count, B);
    for (int b = 0; b < B; b++) {
        int32_t words[64];
        double log_prob = 0, p[V], weights[S];
        int n = 0;
        assert_int_equal(result->sentences[b].count, 1);
        const wg_hypothesis *h = result->sentences[b].hypotheses;
        for (;; n++) {
            after(f, b, words, n, p, attention ? weights : NULL);
            int best = END;
            if (n < max_length) {
                best = -1;
                for (int v = 0; v < V; v++) {
                    if (v == START || (v == END && n < min_length)) continue;
                    if (best < 0 || p[v] > p[best]) best = v;
                }
            }
            log_prob += p[best];
            assert_true(n <= h->length);
            assert_int_equal(h->weights != NULL, attention);
            for (int s = 0; attention && s < S; s++)
                WGT_NEAR(h->weights[n * S + s], s < lengths[b] ? weights[s] : 0, 1e-5);
            int64_t most = 0;
            for (int s = 1; attention && s < lengths[b]; s++)
                if (weights[s] > weights[most]) most = s;
            assert_int_equal(wg_hypothesis_source(h, S, n), attention ? most : -1);
            if (best == END) break;
            words[n] = best;
            assert_int_equal(h->words[n], best);
        }
        assert_int_equal(h->length, n);
        assert_int_equal(wg_hypothesis_source(h, S, n + 1), -1);
        WGT_NEAR(h->log_prob, log_prob, 1e-4);
        WGT_NEAR(h->score, log_prob / wg_length_penalty(WG_LENGTH_WU, 1, n + 1), 1e-4);
    }
    wg_decode_result_free(result);
}

static void test_greedy(void **state)
{
    (void)state;
    static const struct {
        wg_attention_kind attention;
        bool feeding;
        const char *cell;
    } kinds[] = {{WG_ATTENTION_NONE, false, "lstm"},
                 {WG_ATTENTION_DOT, true, "gru"},
                 {WG_ATTENTION_GENERAL, false, "lstm"},
                 {WG_ATTENTION_BAHDANAU, true, "lstm"}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        wg_dtype dtype = i % 2 ? WG_F64 : WG_F32;
        fixture f = make(dtype, kinds[i].attention, kinds[i].feeding, kinds[i].cell);
        bool attention = kinds[i].attention != WG_ATTENTION_NONE;
        check_greedy(&f, 9, 0, attention);
        check_greedy(&f, 6, 5, attention);
        check_greedy(&f, 0, 0, attention);
        drop(&f);
    }
}

/* ---- against all sequences ---- */

typedef struct sequence {
    int32_t words[MOST];
    int length;
    double log_prob, score;
} sequence;

typedef struct exhaustive {
    const fixture *f;
    const wg_decoder_options *o;
    int b;
    sequence list[1024];
    int n;
} exhaustive;

static void search_all(exhaustive *e, const int32_t *prefix, int n, double log_prob)
{
    double p[V];
    after(e->f, e->b, prefix, n, p, NULL);
    if (n >= e->o->min_length || n == e->o->max_length) {
        sequence *s = &e->list[e->n++];
        memcpy(s->words, prefix, (size_t)n * sizeof *prefix);
        s->length = n;
        s->log_prob = log_prob + p[END];
        s->score = s->log_prob / wg_length_penalty(e->o->norm, e->o->alpha, n + 1);
    }
    if (n == e->o->max_length) return;
    for (int32_t v = 0; v < V; v++) {
        bool banned = false;
        for (int i = 0; i < e->o->n_banned; i++) banned |= e->o->banned[i] == v;
        if (v == START || v == END || banned) continue;
        int32_t longer[MOST];
        memcpy(longer, prefix, (size_t)n * sizeof *prefix);
        longer[n] = v;
        search_all(e, longer, n + 1, log_prob + p[v]);
    }
}

static int by_score(const void *a, const void *b)
{
    double x = ((const sequence *)a)->score, y = ((const sequence *)b)->score;
    return (x < y) - (x > y);
}

/* With a beam that nothing falls out of, and no early stop, the n best are the n best of all. */
static void check_exhaustive(const fixture *f, const wg_decoder_options *o)
{
    static exhaustive e;
    wg_decode_result *result = decode(f, o);
    for (int b = 0; b < B; b++) {
        e = (exhaustive){.f = f, .o = o, .b = b};
        int32_t none[MOST] = {0};
        search_all(&e, none, 0, 0);
        qsort(e.list, (size_t)e.n, sizeof *e.list, by_score);
        const wg_decoded *d = &result->sentences[b];
        assert_int_equal(d->count, e.n < o->n_best ? e.n : o->n_best);
        for (int i = 0; i < d->count; i++) {
            const wg_hypothesis *h = &d->hypotheses[i];
            WGT_NEAR(h->score, e.list[i].score, 1e-9);
            WGT_NEAR(h->log_prob, e.list[i].log_prob, 1e-9);
            assert_int_equal(h->length, e.list[i].length);
            assert_memory_equal(h->words, e.list[i].words, (size_t)h->length * sizeof *h->words);
        }
    }
    wg_decode_result_free(result);
}

static void test_exhaustive(void **state)
{
    (void)state;
    static const int32_t banned[] = {0};
    fixture f = make(WG_F64, WG_ATTENTION_GENERAL, true, "lstm");
    for (int norm = 0; norm < WG_LENGTH_NORMS; norm++) {
        wg_decoder_options o = WG_DECODER_OPTIONS_INIT;
        o.norm = (wg_length_norm)norm;
        o.alpha = 0.7;
        o.beam_size = 121; /* 1 + 3 + 9 + 27 + 81 sequences of up to four words */
        o.n_best = 121;
        o.max_length = MOST;
        o.early_stop = false;
        check_exhaustive(&f, &o);
        o.min_length = 2;
        o.n_best = 20;
        check_exhaustive(&f, &o);
        o.banned = banned;
        o.n_banned = 1;
        check_exhaustive(&f, &o);
    }
    drop(&f);
}

/* ---- properties ---- */

static void test_sorted_and_better(void **state)
{
    (void)state;
    fixture f = make(WG_F32, WG_ATTENTION_DOT, false, "gru");
    double before[B] = {-1e30, -1e30, -1e30};
    for (int beam = 1; beam <= 40; beam += 13) {
        wg_decoder_options o = WG_DECODER_OPTIONS_INIT;
        o.beam_size = o.n_best = beam;
        o.max_length = 5;
        o.norm = WG_LENGTH_NONE;
        o.early_stop = false;
        wg_decode_result *result = decode(&f, &o);
        for (int b = 0; b < B; b++) {
            const wg_decoded *d = &result->sentences[b];
            assert_int_equal(d->count, beam);
            for (int i = 1; i < d->count; i++)
                assert_true(d->hypotheses[i - 1].score >= d->hypotheses[i].score);
            if (beam == 1 || beam == 40) {
                assert_true(d->hypotheses[0].score >= before[b] - 1e-6);
                before[b] = d->hypotheses[0].score;
            }
        }
        wg_decode_result_free(result);
    }
    drop(&f);
}

/* All weights zero: every word is as likely as another, and ties decide. */
static void test_ties(void **state)
{
    (void)state;
    fixture f = make(WG_F32, WG_ATTENTION_GENERAL, false, "lstm");
    wg_tensor_fill(wg_params_values(f.params), 0);
    wg_decoder_options o = WG_DECODER_OPTIONS_INIT;
    o.beam_size = o.n_best = 3;
    o.max_length = 3;
    for (int threads = 1; threads <= 3; threads++) {
        o.threads = threads;
        wg_decode_result *result = decode(&f, &o);
        for (int b = 0; b < B; b++) {
            const wg_hypothesis *h = result->sentences[b].hypotheses;
            assert_int_equal(result->sentences[b].count, 3);
            /* Of 0, end, 3, 4 after the empty prefix the end is second; then 0 0 and the end. */
            assert_int_equal(h[0].length, 0);
            assert_int_equal(h[1].length, 1);
            assert_int_equal(h[1].words[0], 0);
            WGT_NEAR(h[0].log_prob, -log(V), 1e-5);
        }
        wg_decode_result_free(result);
    }
    drop(&f);
}

static void test_limits(void **state)
{
    (void)state;
    fixture f = make(WG_F32, WG_ATTENTION_GENERAL, false, "lstm");
    wg_tensor_set(wg_params_value(f.params, wg_params_find(f.params, "out.b")), END, -50);
    wg_decoder_options o = WG_DECODER_OPTIONS_INIT;
    o.max_ratio = 1.5;
    o.max_extra = 1;
    o.beam_size = 2;
    wg_decode_result *result = decode(&f, &o);
    const int64_t want[B] = {7, 5, 2}; /* floor(1.5 length) + 1 */
    for (int b = 0; b < B; b++)
        assert_int_equal(result->sentences[b].hypotheses[0].length, want[b]);
    assert_int_equal(result->steps, 8);
    wg_decode_result_free(result);
    o.max_length = 40; /* more than the history has room for at first */
    o.max_ratio = 0;
    result = decode(&f, &o);
    for (int b = 0; b < B; b++) assert_int_equal(result->sentences[b].hypotheses[0].length, 40);
    wg_decode_result_free(result);
    drop(&f);
}

/* A sentence is translated alike alone and in any company. */
static void test_batch(void **state)
{
    (void)state;
    wg_error err = {WG_OK, ""};
    fixture f = make(WG_F64, WG_ATTENTION_BAHDANAU, true, "gru");
    wg_decoder_options o = WG_DECODER_OPTIONS_INIT;
    int traced = 0;
    o.n_best = 4;
    o.max_length = 8;
    o.round_steps = 3;
    o.trace = wgt_count_programs;
    o.trace_user = &traced;
    wg_decoder *decoder;
    wg_decode_result *together, *alone;
    WGT_OK(wg_decoder_new(f.model, &o, &decoder, &err), &err);
    WGT_OK(wg_decoder_run(decoder, src, lengths, S, B, &together, &err), &err);
    int64_t compiled, held;
    for (int round = 0; round < 2; round++)
        for (int b = 0; b < B; b++) {
            int32_t one[S];
            for (int s = 0; s < lengths[b]; s++) one[s] = src[s * B + b];
            WGT_OK(wg_decoder_run(decoder, one, NULL, lengths[b], 1, &alone, &err), &err);
            const wg_decoded *x = &together->sentences[b], *y = &alone->sentences[0];
            assert_int_equal(x->count, y->count);
            for (int i = 0; i < x->count; i++) {
                const wg_hypothesis *h = &x->hypotheses[i], *g = &y->hypotheses[i];
                assert_int_equal(h->length, g->length);
                assert_memory_equal(h->words, g->words, (size_t)h->length * sizeof *h->words);
                WGT_NEAR(h->score, g->score, 1e-10);
            }
            wg_decode_result_free(alone);
        }
    /* Alone: 4 steps are rounded to 6, 3 and 1 to 3; together: 6 again, of three rows. */
    wg_decoder_cache_stats(decoder, &compiled, &held);
    assert_int_equal(compiled, 3);
    assert_int_equal(traced, 2 * compiled); /* encoder and step */
    assert_int_equal(held, 3);
    wg_decode_result_free(together);
    wg_decoder_free(decoder);
    drop(&f);
}

static void test_penalties(void **state)
{
    (void)state;
    WGT_NEAR(wg_length_penalty(WG_LENGTH_WU, 1, 1), 1, 1e-12);
    WGT_NEAR(wg_length_penalty(WG_LENGTH_WU, 0.5, 19), 2, 1e-12);
    WGT_NEAR(wg_length_penalty(WG_LENGTH_AVERAGE, 1, 7), 7, 0);
    WGT_NEAR(wg_length_penalty(WG_LENGTH_NONE, 1, 7), 1, 0);
    for (int i = 0; i < WG_LENGTH_NORMS; i++) {
        wg_length_norm norm;
        WGT_OK(wg_length_norm_from_name(wg_length_norm_name((wg_length_norm)i), &norm, NULL), NULL);
        assert_int_equal(norm, i);
    }
    WGT_STATUS(wg_length_norm_from_name("wo", &(wg_length_norm){0}, NULL), WG_ENOTFOUND, NULL);
}

static void test_refused(void **state)
{
    (void)state;
    wg_error err = {WG_OK, ""};
    fixture f = make(WG_F32, WG_ATTENTION_GENERAL, false, "lstm");
    wg_decoder *decoder;
    wg_decode_result *result;
    for (int i = 0; i < 7; i++) {
        static const int32_t end[] = {END};
        wg_decoder_options o = WG_DECODER_OPTIONS_INIT;
        if (i == 0) o.beam_size = 0;
        if (i == 1) o.n_best = 6;
        if (i == 2) o.start_id = V;
        if (i == 3) o.end_id = o.start_id;
        if (i == 4) o.banned = end, o.n_banned = 1;
        if (i == 5) o.alpha = NAN;
        if (i == 6) o.max_length = -1;
        WGT_STATUS(wg_decoder_new(f.model, &o, &decoder, &err), WG_EINVAL, &err);
    }
    WGT_OK(wg_decoder_new(f.model, NULL, &decoder, &err), &err);
    const int32_t bad_id[] = {3, 6}, long_length[] = {5};
    WGT_STATUS(wg_decoder_run(decoder, bad_id, NULL, 2, 1, &result, &err), WG_EINVAL, &err);
    WGT_STATUS(wg_decoder_run(decoder, src, long_length, 4, 1, &result, &err), WG_EINVAL, &err);
    WGT_STATUS(wg_decoder_run(decoder, src, NULL, 0, 1, &result, &err), WG_EINVAL, &err);
    wg_tensor_set(wg_params_value(f.params, wg_params_find(f.params, "out.b")), 3, NAN);
    WGT_STATUS(wg_decoder_run(decoder, src, lengths, S, B, &result, &err), WG_ENUMERIC, &err);
    assert_null(result);
    wg_decoder_free(decoder);
    drop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_greedy),    cmocka_unit_test(test_exhaustive),
        cmocka_unit_test(test_ties),      cmocka_unit_test(test_sorted_and_better),
        cmocka_unit_test(test_limits),    cmocka_unit_test(test_batch),
        cmocka_unit_test(test_penalties), cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
