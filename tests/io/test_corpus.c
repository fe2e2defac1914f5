/* Corpora and batches: alignment, counts, splits, ids, order, padding, resuming. */
#include "io_test.h"

#include <stdlib.h>

#include <wengert/batch.h>
#include <wengert/corpus.h>

static void test_read(void **state)
{
    (void)state;
    wg_corpus *c;
    wg_error e;
    wg_corpus_options o = {.size = sizeof o, .lowercase = true, .max_tokens = 3};
    const char *src = io_text("s", "A b\n\n\xC3\x84 c d\nx\r\none two three four\n");
    const char *tgt = io_gzip("t.gz", "U v w\nempty source\ny\nz\nw\n");
    WGT_OK(wg_corpus_read(src, tgt, &o, &c, &e), &e);
    const wg_corpus_report *r = wg_corpus_get_report(c);
    assert_int_equal(r->lines, 5);
    assert_int_equal(r->kept, 3);
    assert_int_equal(r->empty[0], 1);
    assert_int_equal(r->empty[1], 0);
    assert_int_equal(r->first_empty_line, 2);
    assert_int_equal(r->too_long, 1);
    assert_int_equal(r->tokens[0], 6);
    assert_int_equal(r->tokens[1], 5);
    assert_int_equal(r->longest[0], 3);
    assert_int_equal(r->reader[0].crlf_lines, 1);
    assert_true(r->reader[1].gzip);
    assert_int_equal(strlen(r->sha256[1]), 64);
    assert_int_equal(wg_corpus_line(c, 1), 3);
    assert_int_equal(wg_corpus_length(c, WG_TARGET, 0), 3);
    char *text;
    WGT_OK(wg_corpus_text(c, WG_SOURCE, 1, &text, &e), &e);
    assert_string_equal(text, "\xC3\xA4 c d");
    wg_free(text);
    wg_corpus_free(c);
    o = (wg_corpus_options){.size = sizeof o, .keep_empty = true};
    WGT_OK(wg_corpus_read(src, tgt, &o, &c, &e), &e);
    assert_int_equal(wg_corpus_pairs(c), 5);
    assert_int_equal(wg_corpus_length(c, WG_SOURCE, 1), 0);
    wg_corpus_free(c);
}

static void test_refused(void **state)
{
    (void)state;
    wg_corpus *c;
    wg_error e;
    WGT_STATUS(
        wg_corpus_read(io_text("two", "a\nb\n"), io_text("four", "a\nb\nc\nd"), NULL, &c, &e),
        WG_EFORMAT, &e);
    IO_CONTAINS(e, "two has 2");
    IO_CONTAINS(e, "four has 4:");
    WGT_STATUS(wg_corpus_read(io_path("four"), io_path("two"), NULL, &c, &e), WG_EFORMAT, &e);
    IO_CONTAINS(e, "two has 2");
    WGT_STATUS(wg_corpus_read(io_text("e", ""), io_text("f", ""), NULL, &c, &e), WG_EFORMAT, &e);
    IO_CONTAINS(e, "empty");
    WGT_STATUS(wg_corpus_read(io_text("e", "\n"), io_text("f", "\n"), NULL, &c, &e), WG_EFORMAT,
               &e);
    IO_CONTAINS(e, "nothing is left");
    WGT_STATUS(wg_corpus_read(io_path("e"), io_path("absent"), NULL, &c, &e), WG_ENOTFOUND, &e);
    WGT_STATUS(wg_corpus_read(io_path("two"), io_text("bad", "a\n\xFF\n"), NULL, &c, &e),
               WG_EFORMAT, &e);
    IO_CONTAINS(e, "bad:2");
    WGT_STATUS(wg_corpus_read("-", "-", NULL, &c, &e), WG_EINVAL, &e);
}

static void test_joint(void **state)
{
    (void)state;
    wg_corpus *c;
    wg_error e;
    WGT_OK(wg_corpus_read_joint(io_text("j", "a b ||| c\nd|||e ||| f g\n"), NULL, &c, &e), &e);
    assert_int_equal(wg_corpus_pairs(c), 2);
    assert_int_equal(wg_corpus_length(c, WG_SOURCE, 1), 1);
    assert_int_equal(wg_corpus_length(c, WG_TARGET, 1), 2);
    wg_corpus_free(c);
    WGT_STATUS(wg_corpus_read_joint(io_text("k", "a ||| b\nc\n"), NULL, &c, &e), WG_EFORMAT, &e);
    IO_CONTAINS(e, "k:2");
    WGT_STATUS(wg_corpus_read_joint(io_text("k", "a ||| b ||| c\n"), NULL, &c, &e), WG_EFORMAT, &e);
    IO_CONTAINS(e, "more than once");
    WGT_OK(wg_corpus_read_mono(io_text("m", "a ||| b\n"), NULL, &c, &e), &e);
    assert_int_equal(wg_corpus_sides(c), 1);
    assert_int_equal(wg_corpus_length(c, WG_SOURCE, 0), 3);
    wg_corpus_free(c);
}

/* n pairs with lengths 1 + i % 7 and 1 + i % 5; the first word of each is unique. */
static wg_corpus *make(int n)
{
    char *text[2] = {malloc((size_t)n * 64), malloc((size_t)n * 64)};
    char *at[2] = {text[0], text[1]};
    for (int i = 0; i < n; i++)
        for (int s = 0; s < 2; s++) {
            at[s] += sprintf(at[s], "u%d", i);
            for (int k = 0; k < i % (s ? 5 : 7); k++) at[s] += sprintf(at[s], " w%d", k);
            *at[s]++ = '\n';
        }
    wg_corpus *c;
    wg_error e;
    const char *src = io_file("src", text[0], (size_t)(at[0] - text[0]));
    WGT_OK(wg_corpus_read(src, io_file("tgt", text[1], (size_t)(at[1] - text[1])), NULL, &c, &e),
           &e);
    free(text[0]);
    free(text[1]);
    return c;
}

static void test_split(void **state)
{
    (void)state;
    wg_corpus *c = make(100);
    int64_t *train, *held, *other, *rest, n, k;
    wg_error e;
    WGT_OK(wg_corpus_split(c, 0.1, 7, &train, &n, &held, &k, &e), &e);
    assert_int_equal(n, 90);
    assert_int_equal(k, 10);
    char seen[100] = {0};
    for (int64_t i = 0; i < n; i++) seen[train[i]]++;
    for (int64_t i = 0; i < k; i++) seen[held[i]]++;
    for (int i = 0; i < 100; i++) assert_int_equal(seen[i], 1);
    WGT_OK(wg_corpus_split(c, 0.1, 7, &rest, &n, &other, &k, &e), &e);
    assert_memory_equal(held, other, 10 * sizeof *held);
    wg_free(rest);
    wg_free(other);
    WGT_OK(wg_corpus_split(c, 0.1, 8, &rest, &n, &other, &k, &e), &e);
    assert_memory_not_equal(held, other, 10 * sizeof *held);
    wg_free(rest);
    wg_free(other);
    wg_vocab *v;
    WGT_OK(wg_corpus_vocab(c, 1 << WG_SOURCE, train, 90, 1, 0, &v, &e), &e);
    char word[16];
    for (int i = 0; i < 10; i++) { /* words of held-out pairs are not in it */
        int length = snprintf(word, sizeof word, "u%d", (int)held[i]);
        assert_int_equal(wg_vocab_id(v, word, (size_t)length), WG_UNK);
    }
    wg_vocab_free(v);
    WGT_STATUS(wg_corpus_split(c, 1, 1, &rest, &n, &other, &k, &e), WG_EINVAL, &e);
    wg_free(train);
    wg_free(held);
    wg_corpus_free(c);
}

static wg_pairs *encode(wg_corpus *c, wg_vocab **out)
{
    wg_vocab *v;
    wg_pairs *p;
    wg_error e;
    WGT_OK(wg_corpus_vocab(c, 1 << WG_SOURCE | 1 << WG_TARGET, NULL, 0, 1, 0, &v, &e), &e);
    WGT_OK(wg_corpus_encode(c, v, v, NULL, 0, &p, &e), &e);
    assert_int_equal(p->unknown[0], 0);
    *out = v;
    return p;
}

/* The columns of a batch hold exactly the sentences of its index list. */
static void check_batch(const wg_batch *b, const wg_pairs *p, bool eos)
{
    const int32_t *src = wg_tensor_cdata(b->src_ids), *in = wg_tensor_cdata(b->tgt_in);
    const int32_t *out = wg_tensor_cdata(b->tgt_out), *len = wg_tensor_cdata(b->src_len);
    const int32_t *tlen = wg_tensor_cdata(b->tgt_len);
    int64_t B = b->B, tokens = 0;
    for (int64_t k = 0; k < B; k++) {
        int64_t i = b->index[k], n = p->start[0][i + 1] - p->start[0][i];
        assert_int_equal(len[k], n + eos);
        for (int64_t t = 0; t < b->S; t++) {
            int32_t want = t < n ? p->id[0][p->start[0][i] + t] : eos && t == n ? WG_EOS : WG_PAD;
            assert_int_equal(src[t * B + k], want);
        }
        n = p->start[1][i + 1] - p->start[1][i];
        assert_int_equal(tlen[k], n + 1);
        tokens += n + 1;
        for (int64_t t = 0; t < b->T; t++) {
            const int32_t *y = p->id[1] + p->start[1][i];
            assert_int_equal(in[t * B + k], t == 0 ? WG_BOS : t <= n ? y[t - 1] : WG_PAD);
            assert_int_equal(out[t * B + k], t < n ? y[t] : t == n ? WG_EOS : WG_PAD);
        }
    }
    assert_int_equal(b->n_tokens, tokens);
}

static void test_batches(void **state)
{
    (void)state;
    enum { N = 203 };
    wg_corpus *c = make(N);
    wg_vocab *v;
    wg_pairs *p = encode(c, &v);
    wg_error e;
    double shuffled = 0;
    for (int order = 0; order <= WG_BATCH_IN_ORDER; order++)
        for (int unit = 0; unit < 2; unit++) {
            wg_batch_options o = {.size = sizeof o,
                                  .order = (wg_batch_order)order,
                                  .unit = (wg_batch_unit)unit,
                                  .batch_size = unit ? 64 : 16,
                                  .src_multiple = 1 + order % 3,
                                  .source_eos = order % 2,
                                  .seed = 3};
            wg_batcher *b;
            WGT_OK(wg_batcher_new(p, &o, &b, &e), &e);
            double padding = wg_batcher_padding(b);
            assert_true(padding >= 0 && padding < 1);
            if (!unit && order == WG_BATCH_SHUFFLE) shuffled = padding;
            if (!unit && order == WG_BATCH_SRC_TGT) assert_true(padding < shuffled);
            for (int epoch = 0; epoch < 2; epoch++) {
                int seen[N] = {0};
                int64_t count = wg_batcher_count(b);
                wg_batch *x;
                for (int64_t i = 0; i < count; i++) {
                    WGT_OK(wg_batcher_next(b, &x, &e), &e);
                    check_batch(x, p, o.source_eos);
                    assert_int_equal(x->S % o.src_multiple, 0);
                    if (unit) assert_true(x->B * (x->S > x->T ? x->S : x->T) <= 64);
                    if (!unit) assert_true(x->B <= 16);
                    for (int64_t k = 0; k < x->B; k++) seen[x->index[k]]++;
                    wg_batch_free(x);
                }
                WGT_OK(wg_batcher_next(b, &x, &e), &e);
                assert_null(x);
                for (int i = 0; i < N; i++) assert_int_equal(seen[i], 1);
            }
            assert_int_equal(wg_batcher_tell(b).epoch, 2);
            wg_batcher_free(b);
        }
    wg_pairs_free(p);
    wg_vocab_free(v);
    wg_corpus_free(c);
}

/* Stopping anywhere and seeking in a new batcher gives the batches that would have come. */
static void test_resume(void **state)
{
    (void)state;
    wg_corpus *c = make(97);
    wg_vocab *v;
    wg_pairs *p = encode(c, &v);
    wg_batch_options o = {
        .size = sizeof o, .order = WG_BATCH_SRC, .batch_size = 8, .window = 40, .seed = 5};
    wg_batcher *a, *b;
    wg_error e;
    WGT_OK(wg_batcher_new(p, &o, &a, &e), &e);
    int64_t first[2][200];
    int n = 0;
    for (int epoch = 0; epoch < 2;) {
        wg_batch *x, *y;
        wg_batch_state at = wg_batcher_tell(a);
        WGT_OK(wg_batcher_next(a, &x, &e), &e);
        WGT_OK(wg_batcher_new(p, &o, &b, &e), &e);
        WGT_OK(wg_batcher_seek(b, at, &e), &e);
        WGT_OK(wg_batcher_next(b, &y, &e), &e);
        wg_batcher_free(b);
        assert_int_equal(x == NULL, y == NULL);
        if (x) {
            assert_int_equal(x->B, y->B);
            assert_memory_equal(x->index, y->index, (size_t)x->B * sizeof *x->index);
            first[epoch][n++] = x->index[0];
        } else {
            epoch++;
            n = 0;
        }
        wg_batch_free(x);
        wg_batch_free(y);
    }
    assert_memory_not_equal(first[0], first[1], 5 * sizeof **first);
    wg_batch_state before = wg_batcher_tell(a);
    WGT_STATUS(wg_batcher_seek(a, (wg_batch_state){9, 1000}, &e), WG_EINVAL, &e);
    assert_int_equal(before.epoch, 2);
    assert_int_equal(before.position, 0);
    assert_int_equal(wg_batcher_tell(a).epoch, 2);
    wg_batcher_free(a);
    wg_pairs_free(p);
    wg_vocab_free(v);
    wg_corpus_free(c);
}

static void test_bad_options(void **state)
{
    (void)state;
    wg_corpus *c = make(3);
    wg_vocab *v;
    wg_pairs *p = encode(c, &v);
    wg_batcher *b;
    wg_error e;
    wg_batch_options o = {.size = sizeof o, .batch_size = -1};
    WGT_STATUS(wg_batcher_new(p, &o, &b, &e), WG_EINVAL, &e);
    o = (wg_batch_options){.size = sizeof o, .order = (wg_batch_order)77};
    WGT_STATUS(wg_batcher_new(p, &o, &b, &e), WG_EINVAL, &e);
    WGT_STATUS(wg_batcher_new(NULL, NULL, &b, &e), WG_EINVAL, &e);
    assert_string_equal(wg_batch_order_name(WG_BATCH_TGT_SRC), "tgt_src");
    assert_null(wg_batch_order_name((wg_batch_order)77));
    wg_pairs_free(p);
    wg_vocab_free(v);
    wg_corpus_free(c);
}

static wg_status whole_path(const char *src, const char *tgt)
{
    wg_corpus *c = NULL;
    wg_vocab *v = NULL;
    wg_pairs *p = NULL;
    wg_batcher *b = NULL;
    wg_batch *x = NULL;
    wg_batch_options o = {.size = sizeof o, .order = WG_BATCH_SRC, .batch_size = 4};
    wg_status status = wg_corpus_read(src, tgt, NULL, &c, NULL);
    if (status == WG_OK) status = wg_corpus_vocab(c, 3, NULL, 0, 1, 0, &v, NULL);
    if (status == WG_OK) status = wg_corpus_encode(c, v, v, NULL, 0, &p, NULL);
    if (status == WG_OK) status = wg_batcher_new(p, &o, &b, NULL);
    if (status == WG_OK) status = wg_batcher_next(b, &x, NULL);
    wg_batch_free(x);
    wg_batcher_free(b);
    wg_pairs_free(p);
    wg_vocab_free(v);
    wg_corpus_free(c);
    return status;
}

static void test_out_of_memory(void **state)
{
    (void)state;
    const char *src = io_text("os", "a b\nc d\ne\nf\ng h i\n"),
               *tgt = io_text("ot", "k\nl\nm\nn\no p\n");
    for (size_t n = 1;; n++) {
        wgt_fail_alloc_at(n);
        if (!wgt_alloc_ran_out(whole_path(src, tgt))) break;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_joint),       cmocka_unit_test(test_split),
        cmocka_unit_test(test_batches),     cmocka_unit_test(test_resume),
        cmocka_unit_test(test_bad_options), cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, io_setup, io_teardown);
}
