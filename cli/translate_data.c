/* Reading parallel texts for training. */
#include "translate_data.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include <wengert/memory.h>

/* By set: source, target, or both in one. */
static const char *const file_option[2][3] = {{"source", "target", "pairs"},
                                              {"valid-source", "valid-target", "valid-pairs"}};

static bool in_one(const cli_args *args, int set)
{
    return cli_given(args, file_option[set][2]);
}

/* The name, as it was given, of the files of a side. */
static const char *file_of(const cli_args *args, int set, int side)
{
    return cli_string(args, file_option[set][in_one(args, set) ? 2 : side]);
}

static int check_options(const cli_args *args)
{
    for (int set = 0; set < 2; set++) {
        const char *const *name = file_option[set];
        if (in_one(args, set) && (cli_given(args, name[0]) || cli_given(args, name[1])))
            return cli_usage_error(args, "--%s stands for --%s and --%s; give one or the other",
                                   name[2], name[0], name[1]);
        if (cli_given(args, name[0]) != cli_given(args, name[1]))
            return cli_usage_error(args, "--%s and --%s go together", name[0], name[1]);
    }
    if (!file_of(args, TRANSLATE_TRAIN, 0))
        return cli_usage_error(args, "no texts: give --source and --target, or --pairs");
    bool stream = cli_flag(args, "stream");
    if (stream && !file_of(args, TRANSLATE_VALID, 0))
        return cli_usage_error(args, "--stream holds nothing out: give --valid-source and "
                                     "--valid-target, or --valid-pairs");
    for (int side = 0; side < 2 && stream; side++)
        if (strcmp(file_of(args, TRANSLATE_TRAIN, side), "-") == 0)
            return cli_usage_error(args, "--stream reads its texts again, which '-' cannot be");
    return CLI_FINE;
}

/* All files there? Asked before long ones are read. */
static int check_readable(const cli_args *args)
{
    int status = check_options(args);
    for (int i = 0; i < 4 && status == CLI_FINE; i++) {
        wg_error err = {0};
        char **path;
        size_t n;
        const char *pattern = file_of(args, i / 2, i % 2);
        if (!pattern) continue;
        if (wg_paths_expand(pattern, &path, &n, &err)) return cli_fail(&err);
        for (size_t k = 0; k < n && status == CLI_FINE; k++)
            if (strcmp(path[k], "-") != 0 && access(path[k], R_OK) != 0)
                status = cli_error("%s: %s", path[k], strerror(errno));
        wg_paths_free(path, n);
    }
    return status;
}

static wg_status open_set(const cli_args *args, int set, wg_stream **stream, wg_error *err)
{
    char **path[2] = {NULL, NULL};
    wg_stream_options o = {
        .size = sizeof o, .sides = 2, .reader = {.ahead = 4, .nfc = cli_flag(args, "nfc")}};
    wg_status status = wg_paths_expand(file_of(args, set, 0), &path[0], &o.n_source, err);
    if (!status && !in_one(args, set))
        status = wg_paths_expand(file_of(args, set, 1), &path[1], &o.n_target, err);
    o.source = (const char *const *)path[0];
    o.target = (const char *const *)path[1];
    if (!status) status = wg_stream_open(&o, stream, err);
    wg_paths_free(path[0], o.n_source);
    wg_paths_free(path[1], o.n_target);
    return status;
}

static wg_corpus_options text_options(const cli_args *args)
{
    return (wg_corpus_options){.size = sizeof(wg_corpus_options),
                               .lowercase = cli_flag(args, "lowercase"),
                               .max_tokens = cli_int(args, "max-length")};
}

/* What a reader of the result should know about the files. */
static void report(const cli_args *args, const wg_corpus *corpus, int set)
{
    const wg_corpus_report *r = wg_corpus_get_report(corpus);
    const char *name[2];
    for (int side = 0; side < 2; side++) {
        name[side] = file_of(args, set, side);
        if (r->reader[side].crlf_lines)
            cli_note(args, "%s: %" PRIu64 " %s in CR LF; read as if in LF", name[side],
                     r->reader[side].crlf_lines,
                     r->reader[side].crlf_lines == 1 ? "line ends" : "lines end");
        if (r->reader[side].normalized)
            cli_note(args, "%s: %" PRIu64 " %s brought to form C (--nfc)", name[side],
                     r->reader[side].normalized,
                     r->reader[side].normalized == 1 ? "line was" : "lines were");
        if (r->reader[side].bom) cli_note(args, "%s: byte order mark dropped", name[side]);
    }
    if (r->empty_pairs)
        cli_note(args,
                 "%" PRId64 " of %" PRId64 " pairs have an empty side and are left out (%" PRId64
                 " empty lines in %s, %" PRId64 " in %s, the first in line %" PRId64 ")",
                 r->empty_pairs, r->lines, r->empty[0], name[0], r->empty[1], name[1],
                 r->first_empty_line);
    if (r->too_long)
        cli_note(args,
                 "%" PRId64 " pairs of %s and %s are longer than %" PRId64
                 " words (--max-length) and are left out",
                 r->too_long, name[0], name[1], cli_int(args, "max-length"));
}

static int read_set(const cli_args *args, int set, translate_data *data, wg_corpus **corpus)
{
    wg_error err = {0};
    wg_stream *stream = NULL;
    wg_corpus_options options = text_options(args);
    options.counts_only = set == TRANSLATE_TRAIN && cli_flag(args, "stream");
    wg_status status = open_set(args, set, &stream, &err);
    if (!status) status = wg_corpus_read_stream(stream, &options, corpus, &err);
    if (options.counts_only)
        data->stream = stream;
    else
        wg_stream_close(stream);
    if (status) return cli_fail(&err);
    report(args, *corpus, set);
    return CLI_FINE;
}

static int hold_out(const cli_args *args, translate_data *data)
{
    wg_error err = {0};
    int64_t pairs = wg_corpus_pairs(data->train);
    if (pairs < 2)
        return cli_error("%s: a single pair; training needs another one for validation "
                         "(--valid-source, --valid-target)",
                         file_of(args, TRANSLATE_TRAIN, 0));
    if (wg_corpus_split(data->train, cli_float(args, "hold-out"), (uint64_t)cli_int(args, "seed"),
                        &data->index[0], &data->n[0], &data->index[1], &data->n[1], &err))
        return cli_fail(&err);
    cli_note(args, "no validation set: %" PRId64 " of %" PRId64 " pairs (%.3g %%) held out for it",
             data->n[1], pairs, 100.0 * (double)data->n[1] / (double)pairs);
    return CLI_FINE;
}

int translate_data_read(const cli_args *args, translate_data *data)
{
    *data = (translate_data){0};
    int status = check_readable(args);
    if (status == CLI_FINE) status = read_set(args, TRANSLATE_TRAIN, data, &data->train);
    if (status != CLI_FINE) return status;
    if (!file_of(args, TRANSLATE_VALID, 0)) return hold_out(args, data);
    data->n[0] = wg_corpus_get_report(data->train)->kept;
    status = read_set(args, TRANSLATE_VALID, data, &data->valid);
    if (status == CLI_FINE) data->n[1] = wg_corpus_pairs(data->valid);
    return status;
}

/* Learnt from both sides together, so that what they share is cut alike. */
static wg_status learn_subwords(const cli_args *args, const translate_data *data,
                                wg_subwords **subwords, wg_error *err)
{
    wg_vocab *words = NULL;
    const wg_subwords_options options = {.size = sizeof options,
                                         .merges = (int32_t)cli_int(args, "subwords")};
    wg_status status = wg_corpus_vocab(data->train, 1u << WG_SOURCE | 1u << WG_TARGET,
                                       data->index[0], data->n[0], 1, 0, &words, err);
    if (!status) status = wg_subwords_learn(words, &options, subwords, err);
    wg_vocab_free(words);
    return status;
}

int translate_data_subwords(const cli_args *args, const translate_data *data,
                            wg_subwords **subwords)
{
    wg_error err = {0};
    wg_status status = WG_OK;
    const char *path = cli_string(args, "bpe");
    *subwords = NULL;
    if (path && cli_int(args, "subwords") > 0)
        return cli_usage_error(args, "--subwords learns merges and --bpe reads them; give one");
    if (path)
        status = wg_subwords_load(path, subwords, &err);
    else if (cli_int(args, "subwords") > 0)
        status = learn_subwords(args, data, subwords, &err);
    if (status) return cli_fail(&err);
    if (*subwords)
        cli_note(args, "subwords: %" PRId32 " merges of %" PRId32 " characters",
                 wg_subwords_merges(*subwords), wg_subwords_characters(*subwords));
    return CLI_FINE;
}

/* Every byte is in the source's vocabulary, so that nothing to be translated is unknown; in the
 * target's they would be outputs that no training pair asks for. */
static wg_status make_vocab(const translate_data *data, const wg_subwords *subwords, unsigned sides,
                            uint64_t least, size_t most, wg_vocab **vocab, wg_error *err)
{
    if (!subwords)
        return wg_corpus_vocab(data->train, sides, data->index[0], data->n[0], least, most, vocab,
                               err);
    return wg_subwords_vocab(subwords, data->train, sides, data->index[0], data->n[0], least, most,
                             (sides >> WG_SOURCE & 1) != 0, vocab, err);
}

int translate_data_vocab(const cli_args *args, const translate_data *data,
                         const wg_subwords *subwords, bool joint, wg_vocab *vocab[2])
{
    wg_error err = {0};
    static const unsigned side_bits[2] = {1u << WG_SOURCE, 1u << WG_TARGET};
    uint64_t least = (uint64_t)cli_int(args, "min-count");
    size_t most = (size_t)cli_int(args, "max-vocab");
    vocab[0] = vocab[1] = NULL;
    for (int side = 0; side < (joint ? 1 : 2); side++) {
        unsigned sides = joint ? side_bits[0] | side_bits[1] : side_bits[side];
        if (make_vocab(data, subwords, sides, least, most, &vocab[side], &err)) {
            wg_vocab_free(vocab[0]);
            return cli_fail(&err);
        }
        if (wg_vocab_size(vocab[side]) <= WG_SPECIALS) { /* nothing but <unk> to learn from */
            for (int i = 0; i <= side; i++) wg_vocab_free(vocab[i]);
            return cli_error("%s: no word occurs %" PRIu64 " times or more (--min-count)",
                             file_of(args, TRANSLATE_TRAIN, side), least);
        }
    }
    if (joint) vocab[1] = vocab[0];
    return CLI_FINE;
}

static const wg_corpus *corpus_of(const translate_data *data, int set)
{
    return set == TRANSLATE_VALID && data->valid ? data->valid : data->train;
}

static int keep_references(translate_data *data)
{
    wg_error err = {0};
    const wg_corpus *corpus = corpus_of(data, TRANSLATE_VALID);
    data->reference = wg_calloc((size_t)data->n[1], sizeof *data->reference);
    if (!data->reference) return cli_error("%s", wg_strerror(WG_ENOMEM));
    for (int64_t i = 0; i < data->n[1]; i++) {
        int64_t which = data->index[1] ? data->index[1][i] : i;
        if (wg_corpus_text(corpus, WG_TARGET, which, &data->reference[i], &err))
            return cli_fail(&err);
    }
    return CLI_FINE;
}

static double percent(int64_t part, int64_t whole)
{
    return whole ? 100.0 * (double)part / (double)whole : 0;
}

static void note_stream(const cli_args *args, const translate_data *data, wg_vocab *const vocab[2])
{
    const wg_corpus_report *r = wg_corpus_get_report(data->train);
    cli_note(args,
             "%" PRId64 " pairs to train on, in windows of %" PRId64 ", %" PRId64
             " to validate; %" PRId64 " and %" PRId64 " words; vocabularies of %" PRId32
             " and %" PRId32,
             data->n[0], cli_int(args, "shuffle-window"), data->pairs[TRANSLATE_VALID]->n,
             r->tokens[0], r->tokens[1], wg_vocab_size(vocab[0]), wg_vocab_size(vocab[1]));
}

static wg_status cut_corpus(void *user, const wg_corpus *in, wg_corpus **out, wg_error *err)
{
    const translate_data *data = user;
    return wg_subwords_corpus(data->subwords, in, data->known, out, err);
}

static wg_status encode_set(translate_data *data, int set, wg_error *err)
{
    const wg_corpus *corpus = corpus_of(data, set);
    wg_corpus *cut = NULL;
    wg_status status = WG_OK;
    if (data->subwords) status = cut_corpus(data, corpus, &cut, err);
    if (!status)
        status = wg_corpus_encode(cut ? cut : corpus, data->known[0], data->known[1],
                                  data->index[set], data->n[set], &data->pairs[set], err);
    wg_corpus_free(cut);
    return status;
}

int translate_data_encode(const cli_args *args, translate_data *data, const wg_subwords *subwords,
                          wg_vocab *const vocab[2])
{
    wg_error err = {0};
    data->subwords = subwords;
    data->known[0] = vocab[0];
    data->known[1] = vocab[1];
    for (int set = data->stream ? TRANSLATE_VALID : TRANSLATE_TRAIN; set < 2; set++)
        if (encode_set(data, set, &err)) return cli_fail(&err);
    const wg_pairs *p = data->pairs[TRANSLATE_TRAIN];
    if (data->stream) note_stream(args, data, vocab);
    if (p)
        cli_note(args,
                 "%" PRId64 " pairs to train on, %" PRId64 " to validate; %" PRId64 " and %" PRId64
                 " %s, of which %.2g %% and %.2g %% are unknown; vocabularies of %" PRId32
                 " and %" PRId32,
                 p->n, data->pairs[TRANSLATE_VALID]->n, p->start[0][p->n], p->start[1][p->n],
                 subwords ? "subwords" : "words", percent(p->unknown[0], p->start[0][p->n]),
                 percent(p->unknown[1], p->start[1][p->n]), wg_vocab_size(vocab[0]),
                 wg_vocab_size(vocab[1]));
    return keep_references(data);
}

wg_status translate_data_batches(const cli_args *args, translate_data *data, wg_batcher **out,
                                 wg_error *err)
{
    int64_t words = cli_int(args, "batch-tokens"), rows = cli_int(args, "batch");
    /* Sorted by length within large runs of shuffled sentences: little padding, other neighbours in
     * each epoch. Lengths are rounded up so that few shapes are compiled. */
    const wg_batch_options options = {.size = sizeof options,
                                      .order = (wg_batch_order)cli_choice(args, "batching"),
                                      .unit = words ? WG_BATCH_TOKENS : WG_BATCH_SENTENCES,
                                      .batch_size = words ? words : rows,
                                      .window = words ? 0 : 100 * rows,
                                      .src_multiple = 4,
                                      .tgt_multiple = 4,
                                      .rows_multiple = words ? 8 : 1,
                                      .source_eos = true,
                                      .seed = (uint64_t)cli_int(args, "seed"),
                                      .shuffle_window = cli_int(args, "shuffle-window")};
    if (!data->stream) return wg_batcher_new(data->pairs[TRANSLATE_TRAIN], &options, out, err);
    const wg_corpus_options text = text_options(args);
    return wg_batcher_new_stream(data->stream, data->known[0], data->known[1], &text,
                                 data->subwords ? cut_corpus : NULL, data, (uint64_t)data->n[0],
                                 &options, out, err);
}

wg_trainer_batch translate_batch(const wg_batch *b)
{
    return (wg_trainer_batch){.size = sizeof(wg_trainer_batch),
                              .source_steps = b->S,
                              .target_steps = b->T,
                              .rows = b->B,
                              .source = wg_tensor_cdata(b->src_ids),
                              .source_lengths = wg_tensor_cdata(b->src_len),
                              .target_in = wg_tensor_cdata(b->tgt_in),
                              .target_out = wg_tensor_cdata(b->tgt_out),
                              .target_lengths = wg_tensor_cdata(b->tgt_len)};
}

void translate_data_free(translate_data *data)
{
    wg_stream_close(data->stream);
    for (int64_t i = 0; data->reference && i < data->n[1]; i++) wg_free(data->reference[i]);
    wg_free(data->reference);
    for (int set = 0; set < 2; set++) {
        wg_pairs_free(data->pairs[set]);
        wg_free(data->index[set]);
    }
    wg_corpus_free(data->valid);
    wg_corpus_free(data->train);
    *data = (translate_data){0};
}

cJSON *translate_data_json(const cli_args *args, const translate_data *data)
{
    cJSON *list = cJSON_CreateArray();
    const wg_corpus *corpora[2] = {data->train, data->valid};
    for (int i = 0; i < 4; i++) {
        const wg_corpus *corpus = corpora[i / 2];
        if (!corpus) continue;
        if (i % 2 == 1 && in_one(args, i / 2)) continue;
        const wg_corpus_report *r = wg_corpus_get_report(corpus);
        cJSON *file = cJSON_CreateObject();
        if (!file || !cJSON_AddItemToArray(list, file)) {
            cJSON_Delete(file);
            goto fail;
        }
        const char *option = file_option[i / 2][in_one(args, i / 2) ? 2 : i % 2];
        if (!cJSON_AddStringToObject(file, "option", option) ||
            !cJSON_AddStringToObject(file, "file", cli_string(args, option)) ||
            !cJSON_AddStringToObject(file, "sha256", r->sha256[i % 2]) ||
            !cJSON_AddNumberToObject(file, "lines", (double)r->lines))
            goto fail;
    }
    return list;
fail:
    cJSON_Delete(list);
    return NULL;
}
