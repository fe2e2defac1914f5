/* Decoding: greedy search against a loop written out here, beam search against all sequences there
 * are, ranking and ties. */
#include "decode_test.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_greedy),
        cmocka_unit_test(test_exhaustive),
        cmocka_unit_test(test_ties),
        cmocka_unit_test(test_sorted_and_better),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
