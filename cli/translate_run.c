/* wengert translate run: translates standard input, line by line, with a trained model. */
#include "cli.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <wengert/atomicfile.h>
#include <wengert/heatmap.h>
#include <wengert/memory.h>
#include <wengert/textfile.h>
#include <wengert/translator.h>

static const cli_option options[] = {
    {.name = "model",
     .letter = 'm',
     .kind = CLI_PATH,
     .metavar = "DIR|FILE",
     .required = true,
     .help = "What 'wengert translate train' or 'export' made: its directory, or a model file"},
    {.name = "beam-size",
     .kind = CLI_INT,
     .fallback = "5",
     .min = 1,
     .max = 256,
     .help = "Hypotheses that are followed; 1 takes the best word at each step",
     .group = "Search"},
    {.name = "n-best",
     .kind = CLI_INT,
     .fallback = "0",
     .min = 0,
     .max = 256,
     .help = "Write this many translations of each sentence, as 'number ||| words ||| score', "
             "instead of the best one alone; at most --beam-size"},
    {.name = "length-norm",
     .kind = CLI_CHOICE,
     .choices = CLI_CHOICES("none", "wu", "average"),
     .fallback = "wu",
     .help = "What scores are divided by: nothing, ((5 + length) / 6)^X (Wu et al. 2016), or the "
             "length"},
    {.name = "length-penalty",
     .kind = CLI_FLOAT,
     .fallback = "1",
     .min = 0,
     .max = 10,
     .help = "X of wu; larger values favour longer translations"},
    {.name = "max-length",
     .kind = CLI_INT,
     .fallback = "0",
     .min = 0,
     .max = 1 << 20,
     .help = "Most words of a translation; 0: twice those of the sentence and 20 more"},
    {.name = "replace-unk",
     .kind = CLI_FLAG,
     .help = "Allow unknown words, and put in the source word that they look at most"},
    {.name = "batch",
     .letter = 'b',
     .kind = CLI_INT,
     .fallback = "32",
     .min = 1,
     .max = 4096,
     .help = "Sentences translated together",
     .group = "Input and output"},
    {.name = "max-input",
     .kind = CLI_INT,
     .fallback = "1000",
     .min = 1,
     .max = 100000,
     .help = "A line of more words than this is an error"},
    {.name = "stream", .kind = CLI_FLAG, .help = "Translate and flush each line by itself"},
    {.name = "attention",
     .kind = CLI_PATH,
     .metavar = "FILE.svg",
     .help = "Draw where the translation of the first sentence looks"},
    {0}};

typedef struct translate_job {
    const cli_args *args;
    wg_translator *translator;
    wg_translator_options options;
    bool n_best;      /* lines of the form i ||| words ||| score */
    const char *draw; /* where the picture goes, until it is drawn */
} translate_job;

/* The lines that are translated together. */
typedef struct piece {
    char **line;
    int64_t n, room;
    size_t bytes;
} piece;

static int check(const cli_args *args, const wg_translator_model *model)
{
    bool attention = wg_seq2seq_get_config(model->net)->attention != WG_ATTENTION_NONE;
    if (cli_int(args, "n-best") > cli_int(args, "beam-size"))
        return cli_usage_error(args, "--n-best %lld is more than --beam-size %lld",
                               (long long)cli_int(args, "n-best"),
                               (long long)cli_int(args, "beam-size"));
    if (!attention && cli_flag(args, "replace-unk"))
        return cli_error("--replace-unk needs a model with attention");
    if (!attention && cli_given(args, "attention"))
        return cli_error("--attention needs a model with attention");
    return CLI_FINE;
}

static void set_options(translate_job *job)
{
    const cli_args *args = job->args;
    job->options = (wg_translator_options){.size = sizeof job->options,
                                           .beam_size = (int)cli_int(args, "beam-size"),
                                           .n_best = job->n_best ? (int)cli_int(args, "n-best") : 1,
                                           .norm = (wg_length_norm)cli_choice(args, "length-norm"),
                                           .alpha = cli_float(args, "length-penalty"),
                                           .max_length = cli_int(args, "max-length"),
                                           .max_words = INT64_MAX, /* the reader counts */
                                           .replace_unk = cli_flag(args, "replace-unk"),
                                           .batch = cli_int(args, "batch"),
                                           .threads = (int)cli_int(args, "threads"),
                                           .trace = cli_trace()};
}

/* ---- the picture ---- */

static wg_status write_picture(const char *path, const wg_translation *t, wg_error *err)
{
    int64_t rows = t->target_pieces, columns = t->source_pieces;
    size_t length = 0;
    char *svg = NULL;
    wg_tensor *weights = NULL;
    wg_status status = wg_tensor_new(WG_F32, WG_SHAPE(rows, columns), &weights, err);
    if (!status) {
        memcpy(wg_tensor_data(weights), t->weights, (size_t)(rows * columns) * sizeof(float));
        status = wg_heatmap_svg(weights, (const char *const *)t->target,
                                (const char *const *)t->source, NULL, &svg, &length, err);
    }
    if (!status) status = wg_file_write_atomic(path, svg, length, err);
    wg_tensor_free(weights);
    wg_free(svg);
    return status;
}

/* Draws the first line that has words, once. */
static int draw(translate_job *job, const piece *p, const wg_translated *done)
{
    wg_error err = {0};
    for (int64_t i = 0; job->draw && i < done->n; i++) {
        if (!done->line[i].count) continue;
        if (write_picture(job->draw, &done->line[i].best[0], &err)) return cli_fail(&err);
        if (p->n > 1) cli_note(job->args, "--attention: drew the first sentence of several");
        job->draw = NULL;
        job->options.want_alignment = false;
    }
    return CLI_FINE;
}

/* ---- lines ---- */

static void write_line(const translate_job *job, const wg_translated_line *line, int64_t number)
{
    for (int k = 0; k < line->count; k++) {
        if (job->n_best) printf("%" PRId64 " ||| ", number);
        cli_put_text(stdout, line->best[k].text, strlen(line->best[k].text));
        if (job->n_best) printf(" ||| %.6g", line->best[k].score);
        putchar('\n');
    }
    if (line->count) return;
    if (job->n_best)
        printf("%" PRId64 " |||  ||| 0\n", number);
    else
        putchar('\n'); /* no words, or no translation of any probability */
}

static int translate_piece(translate_job *job, const piece *p, int64_t first)
{
    wg_error err = {0};
    wg_translated *done = NULL;
    if (wg_translator_run(job->translator, (const char *const *)p->line, p->n, &job->options, &done,
                          &err))
        return cli_fail(&err);
    int status = draw(job, p, done);
    for (int64_t i = 0; i < p->n && status == CLI_FINE; i++)
        write_line(job, &done->line[i], first + i);
    wg_translated_free(done);
    return status == CLI_FINE ? cli_flush() : status;
}

static void clear(piece *p)
{
    for (int64_t i = 0; i < p->n; i++) wg_free(p->line[i]);
    p->n = 0;
    p->bytes = 0;
}

static bool keep_line(piece *p, const char *text, size_t length)
{
    if (p->n == p->room) {
        int64_t room = 2 * p->room + 16;
        char **line = wg_reallocarray(p->line, (size_t)room, sizeof *line);
        if (!line) return false;
        p->line = line;
        p->room = room;
    }
    p->line[p->n] = wg_strdup(text);
    if (!p->line[p->n]) return false;
    p->n++;
    p->bytes += length;
    return true;
}

/* Reads at most `most` lines, or some megabyte. An error behind the first line ends the piece; the
 * reader repeats it, so that all that came before it is translated. */
static int read_piece(wg_reader *reader, int64_t most, piece *p)
{
    wg_error err = {0};
    clear(p);
    while (p->n < most && p->bytes < (size_t)1 << 20) {
        const char *text = NULL;
        size_t length = 0;
        if (wg_reader_line(reader, &text, &length, &err))
            return p->n > 0 ? CLI_FINE : cli_fail(&err);
        if (!text) break;
        if (!keep_line(p, text, length)) return cli_error("%s", wg_strerror(WG_ENOMEM));
    }
    return CLI_FINE;
}

static int translate_all(translate_job *job, wg_reader *reader)
{
    /* Many batches at once, so that sentences of one length meet. */
    bool stream = cli_flag(job->args, "stream");
    int64_t most = stream ? 1 : 32 * job->options.batch, first = 0;
    int status = CLI_FINE;
    piece p = {0};
    for (;; first += p.n) {
        status = read_piece(reader, most, &p);
        if (status != CLI_FINE || p.n == 0) break;
        status = translate_piece(job, &p, first);
        if (status != CLI_FINE) break;
    }
    clear(&p);
    wg_free(p.line);
    const wg_reader_stats stats = wg_reader_get_stats(reader);
    if (status == CLI_FINE && stats.crlf_lines)
        cli_note(job->args, "standard input: %llu %s in CR LF; translated as if in LF",
                 (unsigned long long)stats.crlf_lines,
                 stats.crlf_lines == 1 ? "line ends" : "lines end");
    if (status == CLI_FINE && job->draw) cli_warn("--attention: there was no sentence to draw");
    return status;
}

static int translate_run(const cli_args *args)
{
    wg_error err = {0};
    wg_reader *reader = NULL;
    translate_job job = {
        .args = args, .n_best = cli_int(args, "n-best") > 0, .draw = cli_string(args, "attention")};
    if (wg_translator_open(cli_string(args, "model"), &job.translator, &err)) return cli_fail(&err);
    const wg_reader_options limits = {.size = sizeof limits,
                                      .max_line_tokens = (size_t)cli_int(args, "max-input")};
    int status = check(args, wg_translator_get_model(job.translator));
    set_options(&job);
    job.options.want_alignment = job.draw != NULL;
    if (status == CLI_FINE && wg_reader_open("-", &limits, &reader, &err)) status = cli_fail(&err);
    if (status == CLI_FINE) status = translate_all(&job, reader);
    wg_reader_close(reader);
    wg_translator_close(job.translator);
    return status;
}

const cli_command cli_command_translate_run = {
    .path = {"translate", "run"},
    .summary = "translate standard input",
    .description =
        "Reads sentences from standard input, one a line, plain or gzipped, and writes a "
        "translation for each, one a line, in the same order. An empty line stays an empty line. "
        "Sentences are words separated by blanks, as in the training text; to a model of "
        "'wengert translate export' they are raw text, and so are its translations.",
    .options = options,
    .examples =
        (const cli_example[]){
            {"Translate a file", "wengert translate run --model model < test.en > test.out"},
            {"Line by line, in a pipe", "tokenise | wengert translate run --model model --stream"},
            {"The ten best translations of each sentence",
             "wengert translate run --model model --beam-size 10 "
             "--n-best 10 < test.en"},
            {"Draw where the translator looks",
             "echo 'the cat sleeps .' | \\\n"
             "    wengert translate run --model model --attention a.svg"},
            {0}},
    .run = translate_run};
