/* Minibatches of a text larger than memory: a window of pairs after the other is read, encoded,
 * shuffled, ordered and cut as a small corpus would be.
 *
 * The order is a function of (text, options, seed, epoch), so that the place where a window begins,
 * its number and how many of its batches were handed out are all there is to remember. In each
 * epoch the shards come in another order, and the first window is shorter by another share, so that
 * pairs meet others than those of one fixed window. */
#include "batch_private.h"

#include <inttypes.h>
#include <stdio.h>

#include <wengert/memory.h>
#include <wengert/rng.h>

#include "corpus_private.h"

/* Pairs of window `index`: the first one is between half as large and as large as the others. */
static int64_t window_size(const wg_batcher *b, uint64_t epoch, uint64_t index)
{
    int64_t size = b->o.shuffle_window;
    if (index > 0 || b->o.order == WG_BATCH_IN_ORDER) return size;
    wg_rng rng;
    char name[48];
    snprintf(name, sizeof name, "io.window.%" PRIu64, epoch);
    wg_rng_init(&rng, b->o.seed, name);
    return size - (int64_t)wg_rng_below(&rng, (uint32_t)(size / 2 + 1));
}

/* Reads and plans the window that begins where the stream stands. */
static wg_status read_window(wg_batcher *b, bool *more, wg_error *err)
{
    wg__windows *w = &b->w;
    wg_corpus *corpus;
    wg_pairs *pairs = NULL;
    char name[72];
    w->text.max_pairs = window_size(b, b->epoch, w->index);
    wg_stream_place place = wg_stream_tell(w->stream);
    wg_status status = wg__corpus_read(w->stream, &w->text, &corpus, err);
    if (status != WG_OK) return status;
    *more = wg_corpus_pairs(corpus) > 0;
    if (*more && w->cut) {
        wg_corpus *words = corpus;
        corpus = NULL;
        status = w->cut(w->user, words, &corpus, err);
        wg_corpus_free(words);
    }
    if (status == WG_OK && *more)
        status = wg_corpus_encode(corpus, w->vocab[0], w->vocab[1], NULL, 0, &pairs, err);
    wg_corpus_free(corpus);
    if (status != WG_OK || !*more) return status;
    wg_pairs_free(w->held);
    w->held = pairs;
    b->pairs = pairs;
    w->place = place;
    snprintf(name, sizeof name, "io.batch.%" PRIu64 ".%" PRIu64, b->epoch, w->index);
    return wg__batch_plan(b, name, err);
}

wg_status wg__windows_start(wg_batcher *b, uint64_t epoch, wg_error *err)
{
    bool more;
    b->w.index = b->w.before = 0;
    wg_status status =
        wg_stream_rewind(b->w.stream, b->o.order != WG_BATCH_IN_ORDER, b->o.seed, epoch, err);
    if (status == WG_OK) status = read_window(b, &more, err);
    if (status == WG_OK && !more)
        status = wg_error_set(err, WG_EFORMAT, "%s: nothing is left to make batches of",
                              wg_stream_name(b->w.stream, 0));
    return status;
}

wg_status wg__windows_next(wg_batcher *b, bool *more, wg_error *err)
{
    int64_t pairs = b->pairs->n, cells = b->cells, real = b->real;
    b->w.index++;
    wg_status status = read_window(b, more, err);
    if (status != WG_OK || !*more) return status;
    b->w.before += (uint64_t)pairs;
    b->cells_before += cells;
    b->real_before += real;
    return WG_OK;
}

wg_status wg__windows_again(wg_batcher *b, wg_error *err)
{
    bool more;
    wg_status status =
        wg_stream_rewind(b->w.stream, b->o.order != WG_BATCH_IN_ORDER, b->o.seed, b->epoch, err);
    if (status == WG_OK) status = wg_stream_seek(b->w.stream, b->w.place, err);
    if (status == WG_OK) status = read_window(b, &more, err);
    if (status == WG_OK && !more)
        status =
            wg_error_set(err, WG_EINVAL,
                         "%s: there are no pairs where this training stood; is it another text "
                         "than before?",
                         wg_stream_name(b->w.stream, 0));
    return status;
}

wg_status wg_batcher_new_stream(wg_stream *stream, const wg_vocab *source, const wg_vocab *target,
                                const wg_corpus_options *text, wg_corpus_cut cut, void *user,
                                uint64_t pairs, const wg_batch_options *options, wg_batcher **out,
                                wg_error *err)
{
    *out = NULL;
    if (!stream || !source || (wg_stream_sides(stream) == 2 && !target))
        return wg_error_set(err, WG_EINVAL, "batches: a stream and its vocabularies are needed");
    wg_batcher *b;
    wg_status status = wg__batch_new(options, &b, err);
    if (status != WG_OK) return status;
    b->w.stream = stream;
    b->w.vocab[0] = source;
    b->w.vocab[1] = target;
    b->w.pairs = pairs;
    b->w.cut = cut;
    b->w.user = user;
    if (text && text->size >= sizeof *text) b->w.text = *text;
    b->w.text.size = sizeof b->w.text;
    b->w.text.counts_only = false;
    status = wg__windows_start(b, 0, err);
    if (status != WG_OK) {
        wg_batcher_free(b);
        return status;
    }
    *out = b;
    return WG_OK;
}
