/* The translator: one model, and a pool of workers. A worker is what only one thread may use at a
 * time: a decoder with its compiled programs, and a segmenter with its cache. */
#include <wengert/translator.h>

#include <inttypes.h>
#include <pthread.h>
#include <string.h>

#include <wengert/memory.h>
#include <wengert/parallel.h>
#include <wengert/tokenize.h>

#include "translator_private.h"

enum { MOST_IDLE = 32, DEFAULT_BATCH = 32, DEFAULT_WORDS = 10000 };

struct wg_translator {
    wg_translator_model *model;
    pthread_mutex_t lock; /* over what follows */
    wg__worker *idle[MOST_IDLE];
    int n_idle; /* used last, taken first: its programs are the likeliest to fit */
};

static wg_status no_memory(wg_error *err)
{
    return wg_error_set(err, WG_ENOMEM, "translator: out of memory");
}

/* ---- workers ---- */

static void free_worker(wg__worker *w)
{
    if (!w) return;
    wg_decoder_free(w->decoder);
    wg_segmenter_free(w->segmenter);
    wg_free(w);
}

static wg_status new_worker(const wg_translator_model *model, const wg_translator_options *o,
                            wg__worker **out, wg_error *err)
{
    const int32_t banned[] = {WG_PAD, WG_BOS, WG_UNK};
    wg_decoder_options d = WG_DECODER_OPTIONS_INIT;
    d.start_id = WG_BOS;
    d.end_id = WG_EOS;
    d.banned = banned;
    d.n_banned = o->replace_unk ? 2 : 3;
    d.beam_size = o->beam_size;
    d.n_best = o->n_best;
    d.norm = o->norm;
    d.alpha = o->alpha;
    d.max_length = o->max_length;
    if (d.max_length == 0) {
        d.max_length = 1 << 20;
        d.max_ratio = 2;
        d.max_extra = 20;
    }
    d.want_weights = o->replace_unk || o->want_alignment;
    d.threads = o->threads;
    d.trace = o->trace;
    d.trace_user = o->trace_user;
    wg__worker *w = wg_calloc(1, sizeof *w);
    if (!w) return no_memory(err);
    w->options = *o;
    wg_status status = wg_decoder_new(model->net, &d, &w->decoder, err);
    if (!status && model->subwords)
        status = wg_segmenter_new(model->subwords, model->vocab[0], &w->segmenter, err);
    if (status) {
        free_worker(w);
        return status;
    }
    *out = w;
    return WG_OK;
}

/* Would a decoder made for one serve the other? */
static bool same_search(const wg_translator_options *a, const wg_translator_options *b)
{
    return a->beam_size == b->beam_size && a->n_best == b->n_best && a->norm == b->norm &&
           a->alpha == b->alpha && a->max_length == b->max_length &&
           a->replace_unk == b->replace_unk && a->want_alignment == b->want_alignment &&
           a->threads == b->threads && a->trace == b->trace && a->trace_user == b->trace_user;
}

static wg_status take_worker(wg_translator *t, const wg_translator_options *o, wg__worker **out,
                             wg_error *err)
{
    wg__worker *found = NULL;
    pthread_mutex_lock(&t->lock);
    for (int i = t->n_idle; i-- > 0 && !found;)
        if (same_search(&t->idle[i]->options, o)) {
            found = t->idle[i];
            t->n_idle--;
            memmove(&t->idle[i], &t->idle[i + 1], (size_t)(t->n_idle - i) * sizeof *t->idle);
        }
    pthread_mutex_unlock(&t->lock);
    *out = found;
    return found ? WG_OK : new_worker(t->model, o, out, err);
}

static void give_worker(wg_translator *t, wg__worker *w)
{
    wg__worker *oldest = NULL;
    pthread_mutex_lock(&t->lock);
    if (t->n_idle == MOST_IDLE) {
        oldest = t->idle[0];
        memmove(&t->idle[0], &t->idle[1], (size_t)--t->n_idle * sizeof *t->idle);
    }
    t->idle[t->n_idle++] = w;
    pthread_mutex_unlock(&t->lock);
    free_worker(oldest);
}

/* ---- opening ---- */

wg_status wg_translator_open(const char *path, wg_translator **out, wg_error *err)
{
    *out = NULL;
    wg_translator *t = wg_calloc(1, sizeof *t);
    if (!t) return no_memory(err);
    wg_status status = wg_translator_model_load(path, &t->model, err);
    if (!status && pthread_mutex_init(&t->lock, NULL) != 0) {
        wg_translator_model_free(t->model);
        status = no_memory(err);
    }
    if (status) {
        wg_free(t);
        return status;
    }
    *out = t;
    return WG_OK;
}

void wg_translator_close(wg_translator *t)
{
    if (!t) return;
    for (int i = 0; i < t->n_idle; i++) free_worker(t->idle[i]);
    pthread_mutex_destroy(&t->lock);
    wg_translator_model_free(t->model);
    wg_free(t);
}

const wg_translator_model *wg_translator_get_model(const wg_translator *t)
{
    return t->model;
}

/* ---- running ---- */

void wg_translated_free(wg_translated *r)
{
    if (!r) return;
    for (int64_t i = 0; r->line && i < r->n; i++) {
        for (int k = 0; k < r->line[i].count; k++) {
            wg_translation *best = &r->line[i].best[k];
            for (int64_t j = 0; best->target && j < best->target_pieces; j++)
                wg_free(best->target[j]);
            for (int64_t j = 0; best->source && j < best->source_pieces; j++)
                wg_free(best->source[j]);
            wg_free(best->target);
            wg_free(best->source);
            wg_free(best->weights);
            wg_free(best->text);
        }
        wg_free(r->line[i].best);
    }
    wg_free(r->line);
    wg_free(r);
}

static wg_status check_options(const wg_translator *t, wg_translator_options *o, wg_error *err)
{
    bool attention = wg_seq2seq_get_config(t->model->net)->attention != WG_ATTENTION_NONE;
    if (!attention && (o->replace_unk || o->want_alignment))
        return wg_error_set(err, WG_EINVAL, "translator: %s needs a model with attention",
                            o->replace_unk ? "replacing unknown words" : "alignment");
    if (o->batch < 0 || o->batch > 1 << 20 || o->max_words < 0)
        return wg_error_set(err, WG_EINVAL, "translator: batch or max_words is out of range");
    if (!o->batch) o->batch = DEFAULT_BATCH;
    if (!o->max_words) o->max_words = DEFAULT_WORDS;
    if (o->threads == 0) o->threads = wg_default_threads();
    return WG_OK;
}

/* Raw lines as words; as many as `lines`, each freed by the caller. */
static wg_status tokenize(const wg_translator_model *model, const char *const *lines, int64_t n,
                          char **words, wg_error *err)
{
    const wg_tokenize_options how = {.size = sizeof how,
                                     .language = model->raw.language[0],
                                     .lowercase = model->text.lowercase,
                                     .escape = model->raw.escape};
    wg_status status = WG_OK;
    for (int64_t i = 0; i < n && !status; i++)
        status = wg_tokenize(lines[i], strlen(lines[i]), &how, &words[i], err);
    return status;
}

/* Lines of words in form C, in the same way. */
static wg_status normalize(const char *const *lines, int64_t n, char **words, wg_error *err)
{
    wg_status status = WG_OK;
    for (int64_t i = 0; i < n && !status; i++)
        status = wg_line_nfc(lines[i], strlen(lines[i]), &words[i], err);
    return status;
}

static wg_status make_sentences(const wg_translator_model *model, const char *const *lines,
                                int64_t n, wg_sentences **out, wg_error *err)
{
    const wg_vocab *vocab = model->vocab[0];
    bool raw = model->raw.used, lowercase = !raw && model->text.lowercase;
    if (!raw && !model->text.nfc) return wg_sentences_make(lines, n, vocab, lowercase, out, err);
    char **words = wg_calloc((size_t)n + 1, sizeof *words);
    if (!words) return no_memory(err);
    wg_status status =
        raw ? tokenize(model, lines, n, words, err) : normalize(lines, n, words, err);
    if (!status)
        status = wg_sentences_make((const char *const *)words, n, vocab, lowercase, out, err);
    for (int64_t i = 0; i < n; i++) wg_free(words[i]);
    wg_free(words);
    return status;
}

static wg_status check_lengths(const wg_sentences *s, int64_t most, wg_error *err)
{
    for (int64_t i = 0; i < s->n; i++)
        if (s->start[i + 1] - s->start[i] > most)
            return wg_error_set(err, WG_ELIMIT,
                                "line %" PRId64 " has %" PRId64
                                " words or pieces, more than the limit of %" PRId64,
                                i + 1, s->start[i + 1] - s->start[i], most);
    return WG_OK;
}

wg_status wg_translator_run(wg_translator *t, const char *const *lines, int64_t n,
                            const wg_translator_options *options, wg_translated **out,
                            wg_error *err)
{
    wg_translator_options o = WG_TRANSLATOR_OPTIONS_INIT;
    wg__worker *worker = NULL;
    wg_sentences *sentences = NULL;
    *out = NULL;
    if (n < 0) return wg_error_set(err, WG_EINVAL, "translator: a negative number of lines");
    if (options && options->size >= sizeof o) o = *options;
    wg_status status = check_options(t, &o, err);
    if (status) return status;
    wg_translated *r = wg_calloc(1, sizeof *r);
    if (!r) return no_memory(err);
    r->size = sizeof *r;
    r->line = wg_calloc((size_t)n + 1, sizeof *r->line);
    if (r->line)
        r->n = n;
    else
        status = no_memory(err);
    if (!status) status = take_worker(t, &o, &worker, err);
    if (!status) status = make_sentences(t->model, lines, n, &sentences, err);
    if (!status && worker->segmenter)
        status = wg_sentences_segment(sentences, worker->segmenter, err);
    if (!status) status = check_lengths(sentences, o.max_words, err);
    if (!status) {
        worker->options = o;
        status = wg__translate_sentences(t->model, worker, sentences, r, err);
    }
    wg_sentences_free(sentences);
    if (worker) give_worker(t, worker);
    if (status) {
        wg_translated_free(r);
        return status;
    }
    *out = r;
    return WG_OK;
}
