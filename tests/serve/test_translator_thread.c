/* The translator from C: many threads with one model give what one thread gives; options, n-best,
 * alignments, limits. The model is not trained: any weights will do to compare. */
#include "support.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <wengert/translator.h>

enum { LINES = 12, THREADS = 4, ROUNDS = 3 };

static char dir[512], path[600];
static const char *const lines[LINES] = {"Un deux, trois.",
                                         "",
                                         "quatre",
                                         "cinq six (sept)?",
                                         "huit neuf dix",
                                         "un un un un un un",
                                         "D'ici, l'ami!",
                                         "x",
                                         "\xC3\xA9t\xC3\xA9",
                                         "dix neuf huit sept",
                                         "\xFF\xFE",
                                         "   \t "};

static const char words[] = "un deux trois quatre cinq six sept huit neuf dix , . ? ! ( ) d' l' "
                            "un deux trois quatre cinq six sept huit neuf dix ici ami ici ami";

/* A small model with subwords, random weights, written for serving. */
static int set_up(void **state)
{
    (void)state;
    wg_error e;
    wg_vocab *counts, *vocab[2] = {NULL, NULL};
    wg_subwords *subwords;
    wg_translator_model *model;
    if (!wgt_temp_dir(dir)) return -1;
    snprintf(path, sizeof path, "%s/served.npz", dir);
    WGT_OK(wg_vocab_new(&counts, &e), &e);
    WGT_OK(wg_vocab_add_line(counts, words, sizeof words - 1, &e), &e);
    WGT_OK(wg_subwords_learn(counts, NULL, &subwords, &e), &e);
    for (int side = 0; side < 2; side++) {
        wg_segmenter *g;
        char *pieces;
        WGT_OK(wg_vocab_new(&vocab[side], &e), &e);
        WGT_OK(wg_segmenter_new(subwords, NULL, &g, &e), &e);
        WGT_OK(wg_segmenter_line(g, words, sizeof words - 1, &pieces, &e), &e);
        WGT_OK(wg_vocab_add_line(vocab[side], pieces, strlen(pieces), &e), &e);
        WGT_OK(wg_vocab_finish(vocab[side], 1, 0, &e), &e);
        wg_free(pieces);
        wg_segmenter_free(g);
    }
    const wg_seq2seq_config config = {.size = sizeof config,
                                      .embed = 8,
                                      .hidden = 16,
                                      .layers = 1,
                                      .cell = "lstm",
                                      .bidirectional = true,
                                      .attention = WG_ATTENTION_GENERAL};
    WGT_OK(wg_translator_model_new(config, vocab[0], vocab[1], subwords, (wg_translator_text){0}, 3,
                                   &model, &e),
           &e);
    /* Weights far from zero, so that translations differ. */
    for (int i = 0; i < wg_params_count(model->params); i++) {
        wg_tensor *value = wg_params_value(model->params, i);
        float *w = wg_tensor_data(value);
        for (int64_t k = 0; k < wg_tensor_count(value); k++) w[k] *= 4;
    }
    const wg_translator_raw raw = {.used = true, .language = {"fr", "en"}};
    WGT_OK(
        wg_translator_export(path, model, &raw, (wg_translator_text){.lowercase = true}, NULL, &e),
        &e);
    wg_translator_model_free(model);
    wg_vocab_free(counts);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    wgt_remove_tree(dir);
    return 0;
}

static bool same(const wg_translated *a, const wg_translated *b)
{
    if (a->n != b->n) return false;
    for (int64_t i = 0; i < a->n; i++) {
        if (a->line[i].count != b->line[i].count) return false;
        for (int k = 0; k < a->line[i].count; k++)
            if (strcmp(a->line[i].best[k].text, b->line[i].best[k].text) != 0 ||
                a->line[i].best[k].score != b->line[i].best[k].score)
                return false;
    }
    return true;
}

typedef struct request {
    wg_translator *translator;
    wg_translator_options options;
    const wg_translated *wanted;
    bool good;
} request;

static void *serve(void *user)
{
    request *r = user;
    r->good = true;
    for (int i = 0; i < ROUNDS; i++) {
        wg_translated *done;
        if (wg_translator_run(r->translator, lines, LINES, &r->options, &done, NULL)) {
            r->good = false;
            return NULL;
        }
        if (!same(done, r->wanted)) r->good = false;
        wg_translated_free(done);
    }
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    wg_error e;
    wg_translator *t;
    wg_translated *wanted[2];
    wg_translator_options options[2] = {WG_TRANSLATOR_OPTIONS_INIT, WG_TRANSLATOR_OPTIONS_INIT};
    for (int i = 0; i < 2; i++) {
        options[i].beam_size = 3 - 2 * i;
        options[i].n_best = options[i].beam_size;
        options[i].max_length = 12;
        WGT_OK(wg_translator_open(path, &t, &e), &e);
        WGT_OK(wg_translator_run(t, lines, LINES, &options[i], &wanted[i], &e), &e);
        wg_translator_close(t);
    }
    /* All at once with a fresh model: the first runs compile side by side. */
    WGT_OK(wg_translator_open(path, &t, &e), &e);
    pthread_t thread[THREADS];
    request r[THREADS];
    for (int i = 0; i < THREADS; i++) {
        r[i] = (request){t, options[i % 2], wanted[i % 2], false};
        assert_int_equal(pthread_create(&thread[i], NULL, serve, &r[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) assert_int_equal(pthread_join(thread[i], NULL), 0);
    for (int i = 0; i < THREADS; i++) assert_true(r[i].good);
    wg_translator_close(t);
    for (int i = 0; i < 2; i++) wg_translated_free(wanted[i]);
}

static void test_results(void **state)
{
    (void)state;
    wg_error e;
    wg_translator *t;
    wg_translated *done, *one;
    wg_translator_options o = WG_TRANSLATOR_OPTIONS_INIT;
    WGT_OK(wg_translator_open(path, &t, &e), &e);
    assert_true(wg_translator_get_model(t)->raw.used);
    o.n_best = 3;
    o.max_length = 10;
    o.want_alignment = true;
    WGT_OK(wg_translator_run(t, lines, LINES, &o, &done, &e), &e);
    assert_int_equal(done->n, LINES);
    assert_int_equal(done->line[1].count, 0); /* no words */
    assert_int_equal(done->line[LINES - 1].count, 0);
    for (int64_t i = 0; i < LINES; i++) {
        const wg_translated_line *line = &done->line[i];
        assert_true(line->count <= 3);
        for (int k = 0; k < line->count; k++) {
            const wg_translation *b = &line->best[k];
            assert_null(strstr(b->text, "@@"));
            assert_true(k == 0 || b->score <= line->best[k - 1].score);
            assert_string_equal(b->source[b->source_pieces - 1], "</s>");
            for (int64_t r = 0; r < b->target_pieces; r++) {
                double sum = 0;
                for (int64_t c = 0; c < b->source_pieces; c++)
                    sum += (double)b->weights[r * b->source_pieces + c];
                WGT_NEAR(sum, 1, 1e-4);
            }
        }
        /* Neighbours do not matter. */
        WGT_OK(wg_translator_run(t, &lines[i], 1, &o, &one, &e), &e);
        assert_int_equal(one->line[0].count, line->count);
        if (line->count) assert_string_equal(one->line[0].best[0].text, line->best[0].text);
        wg_translated_free(one);
    }
    wg_translated_free(done);
    /* What is traced elsewhere, or not at all, is another search. */
    int traced[2] = {0, 0};
    o.trace = wgt_count_programs;
    for (int i = 0; i < 3; i++) {
        o.trace_user = &traced[i / 2];
        WGT_OK(wg_translator_run(t, lines, 1, &o, &one, &e), &e);
        wg_translated_free(one);
    }
    assert_int_equal(traced[0], 2); /* encoder and step, once */
    assert_int_equal(traced[1], 2);
    WGT_OK(wg_translator_run(t, NULL, 0, NULL, &done, &e), &e);
    assert_int_equal(done->n, 0);
    wg_translated_free(done);
    o.n_best = 9; /* more than the beam */
    WGT_STATUS(wg_translator_run(t, lines, 1, &o, &done, &e), WG_EINVAL, &e);
    assert_null(done);
    o = (wg_translator_options)WG_TRANSLATOR_OPTIONS_INIT;
    o.max_words = 2;
    WGT_STATUS(wg_translator_run(t, lines, 4, &o, &done, &e), WG_ELIMIT, &e);
    assert_non_null(strstr(e.message, "line 1 has"));
    WGT_STATUS(wg_translator_run(t, lines, -1, NULL, &done, &e), WG_EINVAL, &e);
    wg_translator_close(t);
    WGT_STATUS(wg_translator_open("/nonexistent/x.npz", &t, &e), WG_ENOTFOUND, &e);
    wg_translator_close(NULL);
    wg_translated_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_threads),
                                       cmocka_unit_test(test_results)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
