/* The batching strategies against a brute-force witness, and batches of a stream: the same seed
 * gives the same batches, and any of them can be gone on from exactly. */
#include "io_test.h"

#include <stdlib.h>

#include <wengert/batch.h>

enum { N = 611 };

static int words_of(int side, int i)
{
    return 1 + (side ? (i * 7919) % 13 : (i * 104729) % 17);
}

/* One shard of pairs [from, to): the first word of a sentence is its number. */
static void write_shard(const char *name, int side, int from, int to, bool gzip)
{
    char *text = malloc(200 * (size_t)(to - from) + 1), *at = text;
    for (int i = from; i < to; i++) {
        at += sprintf(at, "%d", i);
        for (int k = 1; k < words_of(side, i); k++) at += sprintf(at, " w%d", (i + k) % 37);
        *at++ = '\n';
    }
    *at = '\0';
    if (gzip)
        io_gzip(name, text);
    else
        io_text(name, text);
    free(text);
}

typedef struct fixture {
    wg_vocab *vocab;
    wg_pairs *pairs;
    wg_corpus_report report;
} fixture;

static void make(fixture *f)
{
    wg_corpus *c;
    wg_error e;
    write_shard("src", 0, 0, N, false);
    write_shard("tgt", 1, 0, N, false);
    WGT_OK(wg_corpus_read(io_path("src"), io_path("tgt"), NULL, &c, &e), &e);
    WGT_OK(wg_corpus_vocab(c, 3, NULL, 0, 1, 0, &f->vocab, &e), &e);
    WGT_OK(wg_corpus_encode(c, f->vocab, f->vocab, NULL, 0, &f->pairs, &e), &e);
    f->report = *wg_corpus_get_report(c);
    wg_corpus_free(c);
}

static void unmake(fixture *f)
{
    wg_pairs_free(f->pairs);
    wg_vocab_free(f->vocab);
}

/* Lengths as the strategies see them, in their order of importance. */
static void sort_key(wg_batch_order order, int i, int key[2])
{
    int src = words_of(0, i), tgt = words_of(1, i) + 1;
    key[0] = key[1] = 0;
    if (order == WG_BATCH_SRC) key[0] = src;
    if (order == WG_BATCH_TGT) key[0] = tgt;
    if (order == WG_BATCH_SRC_TGT) key[0] = src, key[1] = tgt;
    if (order == WG_BATCH_TGT_SRC) key[0] = tgt, key[1] = src;
}

static int compare(const int a[2], const int b[2])
{
    return a[0] != b[0] ? a[0] - b[0] : a[1] - b[1];
}

typedef struct rows {
    int n, index[64];
} rows;

static wg_batch_order current;
static int by_first(const void *x, const void *y)
{
    const rows *a = x, *b = y;
    int p[2], q[2], c;
    sort_key(current, a->index[0], p);
    sort_key(current, b->index[0], q);
    c = compare(p, q);
    if (c) return c;
    sort_key(current, a->index[a->n - 1], p);
    sort_key(current, b->index[b->n - 1], q);
    return compare(p, q);
}

static int number_of(const wg_vocab *v, const wg_batch *x, int64_t k)
{
    const int32_t *ids = wg_tensor_cdata(x->src_ids);
    return atoi(wg_vocab_word(v, ids[k]));
}

static rows rows_of(const wg_vocab *v, const wg_batch *x)
{
    rows r = {.n = (int)x->B};
    assert_true(x->B <= 64);
    for (int64_t k = 0; k < x->B; k++) r.index[k] = number_of(v, x, k);
    return r;
}

/* Witness: put back in order of length, the batches are the sorted corpus cut into pieces that
 * could not have been larger; each sentence is there once; padding is what counting cells gives. */
static void test_strategies(void **state)
{
    (void)state;
    fixture f;
    make(&f);
    double padding[5];
    for (int order = 0; order < 5; order++)
        for (int unit = 0; unit < 2; unit++) {
            const int size = unit ? 160 : 16;
            wg_batch_options o = {.size = sizeof o,
                                  .order = (wg_batch_order)order,
                                  .unit = (wg_batch_unit)unit,
                                  .batch_size = size,
                                  .seed = 11};
            wg_batcher *b;
            wg_batch *x;
            wg_error e;
            static rows batch[N];
            int n = 0, seen[N] = {0};
            int64_t cells = 0, real = 0;
            WGT_OK(wg_batcher_new(f.pairs, &o, &b, &e), &e);
            double reported = wg_batcher_padding(b);
            for (;;) {
                WGT_NEAR(wg_batcher_share(b), (double)n / (double)wg_batcher_count(b), 1e-12);
                WGT_OK(wg_batcher_next(b, &x, &e), &e);
                if (!x) break;
                batch[n] = rows_of(f.vocab, x);
                int longest[2] = {0, 0};
                for (int k = 0; k < batch[n].n; k++) {
                    int i = batch[n].index[k], len[2] = {words_of(0, i), words_of(1, i) + 1};
                    seen[i]++;
                    for (int side = 0; side < 2; side++) {
                        real += len[side];
                        if (len[side] > longest[side]) longest[side] = len[side];
                    }
                }
                assert_int_equal(x->S, longest[0]);
                assert_int_equal(x->T, longest[1]);
                cells += x->B * (x->S + x->T);
                n++;
                wg_batch_free(x);
            }
            wg_batcher_free(b);
            for (int i = 0; i < N; i++) assert_int_equal(seen[i], 1);
            WGT_NEAR(reported, 1 - (double)real / (double)cells, 1e-12);
            if (!unit) padding[order] = reported;
            if (order == WG_BATCH_SHUFFLE) continue;
            /* Were the batches themselves shuffled? */
            current = (wg_batch_order)order;
            int falls = 0;
            for (int i = 1; i < n; i++) falls += by_first(&batch[i - 1], &batch[i]) > 0;
            assert_true(falls > n / 4);
            qsort(batch, (size_t)n, sizeof *batch, by_first);
            int before[2] = {0, 0};
            for (int i = 0; i < n; i++)
                for (int k = 0; k < batch[i].n; k++) {
                    int now[2];
                    sort_key(current, batch[i].index[k], now);
                    assert_true(compare(before, now) <= 0);
                    memcpy(before, now, sizeof now);
                }
            int small = 0;
            for (int i = 0; i < n; i++) small += !unit && batch[i].n != size;
            assert_true(small <= 1);
            for (int i = 0; i + 1 < n && unit; i++) {
                /* One sentence more, and padded words would be too many. */
                int wide = 0;
                for (int k = 0; k <= batch[i].n; k++) {
                    int j = k < batch[i].n ? batch[i].index[k] : batch[i + 1].index[0];
                    int len =
                        words_of(0, j) > words_of(1, j) + 1 ? words_of(0, j) : words_of(1, j) + 1;
                    if (k < batch[i].n || by_first(&batch[i], &batch[i + 1]) < 0)
                        wide = len > wide ? len : wide;
                    if (k + 1 == batch[i].n) assert_true(wide * batch[i].n <= size);
                }
            }
        }
    /* As in the paper's figure: sorting by both sides pads least, shuffling most. */
    for (int order = 1; order < 5; order++) assert_true(padding[order] < padding[0]);
    assert_true(padding[WG_BATCH_SRC_TGT] < padding[WG_BATCH_SRC]);
    assert_true(padding[WG_BATCH_TGT_SRC] < padding[WG_BATCH_TGT]);
    unmake(&f);
}

static const char *shards[2][3];

static void make_shards(void)
{
    static char path[2][3][1024];
    static const int from[4] = {0, 150, 333, N};
    for (int side = 0; side < 2; side++)
        for (int k = 0; k < 3; k++) {
            char name[16];
            snprintf(name, sizeof name, "%c%d", side ? 't' : 's', k);
            write_shard(name, side, from[k], from[k + 1], (k + side) % 2);
            snprintf(path[side][k], sizeof path[side][k], "%s", io_path(name));
            shards[side][k] = path[side][k];
        }
}

static wg_stream *open_shards(void)
{
    wg_stream *s;
    wg_error e;
    const wg_stream_options o = {.size = sizeof o,
                                 .sides = 2,
                                 .source = shards[0],
                                 .target = shards[1],
                                 .n_source = 3,
                                 .n_target = 3,
                                 .reader = {.ahead = 2, .skip_sha256 = true}};
    WGT_OK(wg_stream_open(&o, &s, &e), &e);
    return s;
}

static wg_batcher *batcher_of(wg_stream *s, const wg_vocab *v, wg_batch_order order, int64_t window)
{
    wg_batcher *b;
    wg_error e;
    const wg_corpus_options text = {.size = sizeof text, .max_tokens = 16};
    const wg_batch_options o = {.size = sizeof o,
                                .order = order,
                                .batch_size = 16,
                                .window = 48,
                                .source_eos = true,
                                .seed = 3,
                                .shuffle_window = window};
    WGT_OK(wg_batcher_new_stream(s, v, v, &text, NULL, NULL, N, &o, &b, &e), &e);
    return b;
}

static void same(const wg_batch *x, const wg_batch *y)
{
    assert_int_equal(x == NULL, y == NULL);
    if (!x) return;
    assert_int_equal(x->S, y->S);
    assert_int_equal(x->T, y->T);
    assert_int_equal(x->B, y->B);
    assert_memory_equal(wg_tensor_cdata(x->src_ids), wg_tensor_cdata(y->src_ids),
                        (size_t)(x->S * x->B) * 4);
    assert_memory_equal(wg_tensor_cdata(x->tgt_out), wg_tensor_cdata(y->tgt_out),
                        (size_t)(x->T * x->B) * 4);
}

static void test_stream(void **state)
{
    (void)state;
    fixture f;
    make(&f);
    make_shards();
    wg_error e;
    for (int order = 0; order <= WG_BATCH_IN_ORDER; order++) {
        wg_stream *sa = open_shards(), *sb;
        wg_batcher *a = batcher_of(sa, f.vocab, (wg_batch_order)order, 100), *b;
        int first[3], place = 0;
        assert_int_equal(wg_batcher_count(a), -1);
        for (int epoch = 0; epoch < 3; epoch++) {
            int seen[N] = {0}, last_window = 0;
            double share = -1;
            for (int n = 0;; n++) {
                wg_batch *x, *y;
                wg_state *saved;
                WGT_OK(wg_state_new(&saved, &e), &e);
                WGT_OK(wg_batcher_save(a, saved, &e), &e);
                assert_true(wg_batcher_share(a) > share);
                share = wg_batcher_share(a);
                double pad = wg_batcher_padding(a);
                WGT_OK(wg_batcher_next(a, &x, &e), &e);
                if (n % 5 == 0 || !x) { /* another process goes on there */
                    sb = open_shards();
                    b = batcher_of(sb, f.vocab, (wg_batch_order)order, 100);
                    WGT_OK(wg_batcher_load(b, saved, &e), &e);
                    WGT_NEAR(wg_batcher_share(b), share, 0);
                    WGT_NEAR(wg_batcher_padding(b), pad, 0);
                    WGT_OK(wg_batcher_next(b, &y, &e), &e);
                    same(x, y);
                    wg_batch_free(y);
                    assert_int_equal(wg_batcher_tell(a).epoch, wg_batcher_tell(b).epoch);
                    assert_int_equal(wg_batcher_tell(a).position, wg_batcher_tell(b).position);
                    /* The long way, from the start of the epoch. */
                    WGT_OK(wg_batcher_seek(b, wg_batcher_tell(a), &e), &e);
                    wg_batch *p, *q;
                    WGT_OK(wg_batcher_next(b, &p, &e), &e);
                    wg_state *here;
                    WGT_OK(wg_state_new(&here, &e), &e);
                    WGT_OK(wg_batcher_save(a, here, &e), &e);
                    WGT_OK(wg_batcher_load(b, here, &e), &e);
                    WGT_OK(wg_batcher_next(b, &q, &e), &e);
                    same(p, q);
                    wg_batch_free(p);
                    wg_batch_free(q);
                    wg_state_free(here);
                    wg_batcher_free(b);
                    wg_stream_close(sb);
                }
                wg_state_free(saved);
                if (!x) break;
                if (n == 0) first[epoch] = number_of(f.vocab, x, 0);
                for (int64_t k = 0; k < x->B; k++) {
                    int i = number_of(f.vocab, x, k);
                    seen[i]++;
                    if (order == WG_BATCH_IN_ORDER && k > 0) {
                        assert_true(i > last_window);
                    }
                    last_window = i;
                }
                wg_batch_free(x);
                place++;
            }
            for (int i = 0; i < N; i++) assert_int_equal(seen[i], words_of(0, i) <= 16);
        }
        if (order != WG_BATCH_IN_ORDER) assert_true(first[0] != first[1] || first[1] != first[2]);
        wg_batcher_free(a);
        wg_stream_close(sa);
    }
    unmake(&f);
}

static void test_stream_refused(void **state)
{
    (void)state;
    fixture f;
    make(&f);
    make_shards();
    wg_error e;
    wg_state *saved, *bad;
    wg_stream *s = open_shards();
    wg_batcher *a = batcher_of(s, f.vocab, WG_BATCH_SRC, 100), *b;
    wg_batch *x;
    for (int i = 0; i < 9; i++) {
        WGT_OK(wg_batcher_next(a, &x, &e), &e);
        wg_batch_free(x);
    }
    WGT_OK(wg_state_new(&saved, &e), &e);
    WGT_OK(wg_batcher_save(a, saved, &e), &e);
    wg_batcher_free(a);
    b = batcher_of(s, f.vocab, WG_BATCH_SRC, 101);
    WGT_STATUS(wg_batcher_load(b, saved, &e), WG_EINVAL, &e);
    wg_batcher_free(b);
    b = batcher_of(s, f.vocab, WG_BATCH_SRC, 100);
    size_t length;
    const char *text = wg_state_text(saved, "batches/state.json", &length);
    for (size_t cut = 0; cut < length; cut++) { /* any part of it is refused or means a place */
        WGT_OK(wg_state_new(&bad, &e), &e);
        char *copy = malloc(length);
        memcpy(copy, text, length);
        copy[cut] = copy[cut] == '9' ? '"' : '9';
        WGT_OK(wg_state_put_text(bad, "batches/state.json", copy, length, &e), &e);
        if (wg_batcher_load(b, bad, &e) == WG_OK) {
            WGT_OK(wg_batcher_next(b, &x, &e), &e);
            wg_batch_free(x);
        }
        free(copy);
        wg_state_free(bad);
    }
    WGT_OK(wg_state_new(&bad, &e), &e);
    WGT_STATUS(wg_batcher_load(b, bad, &e), WG_EFORMAT, &e);
    WGT_OK(wg_batcher_load(b, saved, &e), &e);
    wg_batcher_free(b);
    wg_state_free(bad);
    wg_state_free(saved);
    wg_stream_close(s);
    unmake(&f);
}

/* What counting alone finds is what reading into memory finds. */
static void test_counts_only(void **state)
{
    (void)state;
    fixture f;
    make(&f);
    make_shards();
    wg_stream *s = open_shards();
    wg_corpus *c;
    wg_vocab *v;
    wg_error e;
    const wg_corpus_options o = {.size = sizeof o, .counts_only = true};
    WGT_OK(wg_corpus_read_stream(s, &o, &c, &e), &e);
    assert_int_equal(wg_corpus_pairs(c), 0);
    assert_int_equal(wg_corpus_get_report(c)->kept, N);
    assert_int_equal(wg_corpus_get_report(c)->tokens[1], f.report.tokens[1]);
    WGT_OK(wg_corpus_vocab(c, 3, NULL, 0, 1, 0, &v, &e), &e);
    char *p, *q;
    size_t n, m;
    WGT_OK(wg_vocab_write(v, &p, &n, &e), &e);
    WGT_OK(wg_vocab_write(f.vocab, &q, &m, &e), &e);
    assert_int_equal(n, m);
    assert_memory_equal(p, q, n);
    wg_free(p);
    wg_free(q);
    wg_vocab_free(v);
    wg_corpus_free(c);
    wg_stream_close(s);
    unmake(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strategies),
        cmocka_unit_test(test_stream),
        cmocka_unit_test(test_stream_refused),
        cmocka_unit_test(test_counts_only),
    };
    return cmocka_run_group_tests(tests, io_setup, io_teardown);
}
