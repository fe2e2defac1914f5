/* Batches of a stream: the same seed gives the same batches, and any of them can be gone on from
 * exactly. */
#include "batching_test.h"

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
        cmocka_unit_test(test_stream),
        cmocka_unit_test(test_stream_refused),
        cmocka_unit_test(test_counts_only),
    };
    return cmocka_run_group_tests(tests, io_setup, io_teardown);
}
