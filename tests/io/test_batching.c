/* The batching strategies against a brute-force witness. */
#include "batching_test.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strategies),
    };
    return cmocka_run_group_tests(tests, io_setup, io_teardown);
}
