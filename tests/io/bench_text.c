/* Reading texts and cutting batches, measured: the figures of docs/results/io.md.
 *
 *   bench_text read FILE...            MB of text a second, read ahead and not, with SHA-256 and
 * not bench_text padding SOURCE TARGET   share of padding by strategy, sentences and words
 *
 * Texts are plain or gzipped, tokenised. */
#include <stdio.h>
#include <string.h>
#include <uv.h>

#include <wengert/batch.h>

static int trouble(const wg_error *err)
{
    fprintf(stderr, "bench_text: %s\n", err->message);
    return 2;
}

/* Best of three, since the first one may wait for the disk. */
static int read_file(const char *path, unsigned ahead, bool skip_sha256)
{
    double best = 0, lines = 0;
    for (int i = 0; i < 3; i++) {
        const wg_reader_options o = {.size = sizeof o, .ahead = ahead, .skip_sha256 = skip_sha256};
        wg_reader *r;
        wg_error err;
        const char *text;
        size_t length;
        uint64_t begin = uv_hrtime();
        if (wg_reader_open(path, &o, &r, &err)) return trouble(&err);
        do {
            if (wg_reader_line(r, &text, &length, &err)) return trouble(&err);
        } while (text);
        double seconds = (double)(uv_hrtime() - begin) / 1e9;
        double rate = (double)wg_reader_get_stats(r).bytes / 1e6 / seconds;
        lines = (double)wg_reader_get_stats(r).lines;
        if (rate > best) best = rate;
        wg_reader_close(r);
    }
    printf("%s: %u blocks ahead, SHA-256 %s: %.0f MB/s (%.0f lines)\n", path, ahead,
           skip_sha256 ? "no" : "yes", best, lines);
    return 0;
}

/* What a training does with its text: words are cut and looked up while blocks are read. */
static int count_file(const char *path, unsigned ahead)
{
    double best = 0;
    int64_t tokens = 0;
    for (int i = 0; i < 3; i++) {
        const wg_stream_options o = {.size = sizeof o,
                                     .sides = 1,
                                     .source = &path,
                                     .n_source = 1,
                                     .reader = {.ahead = ahead, .skip_sha256 = true}};
        const wg_corpus_options counts = {.size = sizeof counts, .counts_only = true};
        wg_stream *s;
        wg_corpus *c;
        wg_error err;
        uint64_t begin = uv_hrtime();
        if (wg_stream_open(&o, &s, &err) || wg_corpus_read_stream(s, &counts, &c, &err))
            return trouble(&err);
        double seconds = (double)(uv_hrtime() - begin) / 1e9;
        double rate = (double)wg_stream_get_stats(s).reader[0].bytes / 1e6 / seconds;
        tokens = wg_corpus_get_report(c)->tokens[0];
        if (rate > best) best = rate;
        wg_corpus_free(c);
        wg_stream_close(s);
    }
    printf("%s: %u blocks ahead, words counted: %.0f MB/s (%lld words)\n", path, ahead, best,
           (long long)tokens);
    return 0;
}

static int padding(const char *source, const char *target)
{
    static const char *const name[] = {"shuffle", "source", "target", "source-target",
                                       "target-source"};
    static const int64_t sizes[2][3] = {{32, 64, 128}, {1024, 2048, 4096}};
    wg_corpus *c;
    wg_vocab *v;
    wg_pairs *p;
    wg_error err;
    const wg_corpus_options text = {.size = sizeof text, .max_tokens = 100};
    if (wg_corpus_read(source, target, &text, &c, &err) ||
        wg_corpus_vocab(c, 3, NULL, 0, 1, 0, &v, &err) ||
        wg_corpus_encode(c, v, v, NULL, 0, &p, &err))
        return trouble(&err);
    printf("%lld pairs\n", (long long)p->n);
    for (int order = 0; order < 5; order++)
        for (int window = 0; window < 2; window++) {
            if (order == 0 && window) continue;
            printf("%-14s %-8s", name[order], order == 0 ? "" : window ? "windows" : "all");
            for (int unit = 0; unit < 2; unit++)
                for (int i = 0; i < 3; i++) {
                    int64_t size = sizes[unit][i];
                    const wg_batch_options o = {.size = sizeof o,
                                                .order = (wg_batch_order)order,
                                                .unit = (wg_batch_unit)unit,
                                                .batch_size = size,
                                                .window = !window ? 0
                                                          : unit  ? 6400
                                                                  : 100 * size,
                                                .source_eos = true,
                                                .seed = 1};
                    wg_batcher *b;
                    if (wg_batcher_new(p, &o, &b, &err)) return trouble(&err);
                    printf("  %5.1f", 100 * wg_batcher_padding(b));
                    wg_batcher_free(b);
                }
            printf("\n");
        }
    wg_pairs_free(p);
    wg_vocab_free(v);
    wg_corpus_free(c);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "padding") == 0) return padding(argv[2], argv[3]);
    bool count = argc > 2 && strcmp(argv[1], "count") == 0;
    int status = count || (argc > 2 && strcmp(argv[1], "read") == 0) ? 0 : 2;
    if (status) fprintf(stderr, "usage: bench_text read|count FILE... | padding SOURCE TARGET\n");
    for (int i = 2; i < argc && count && !status; i++)
        for (unsigned ahead = 0; ahead <= 4 && !status; ahead += 4)
            status = count_file(argv[i], ahead);
    if (count) return status;
    for (int i = 2; i < argc && !status; i++)
        for (unsigned ahead = 0; ahead <= 4 && !status; ahead += 4)
            for (int skip = 0; skip < 2 && !status; skip++)
                status = read_file(argv[i], ahead, skip);
    return status;
}
