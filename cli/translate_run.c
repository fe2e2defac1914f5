/* wengert translate run: translates standard input, line by line, with a trained model. */
#include "translate_run.h"

#include <wengert/textfile.h>

static const cli_option options[] = {
    {.name = "model",
     .letter = 'm',
     .kind = CLI_PATH,
     .metavar = "DIR|FILE",
     .required = true,
     .help = "What 'wengert translate train' made: its directory, or a model file"},
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

static int check(const cli_args *args, const translate_model *model)
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

static wg_status make_decoder(translate_job *job, wg_error *err)
{
    const cli_args *args = job->args;
    const int32_t banned[] = {WG_PAD, WG_BOS, WG_UNK};
    wg_decoder_options o = WG_DECODER_OPTIONS_INIT;
    o.start_id = WG_BOS;
    o.end_id = WG_EOS;
    o.banned = banned;
    o.n_banned = job->replace_unk ? 2 : 3;
    o.beam_size = (int)cli_int(args, "beam-size");
    o.n_best = job->n_best ? (int)cli_int(args, "n-best") : 1;
    o.norm = (wg_length_norm)cli_choice(args, "length-norm");
    o.alpha = cli_float(args, "length-penalty");
    o.max_length = cli_int(args, "max-length");
    if (o.max_length == 0) {
        o.max_length = 1 << 20;
        o.max_ratio = 2;
        o.max_extra = 20;
    }
    o.want_weights = job->replace_unk || job->draw;
    o.threads = (int)cli_int(args, "threads");
    return wg_decoder_new(job->model->net, &o, &job->decoder, err);
}

static int translate_all(translate_job *job, wg_reader *reader)
{
    wg_error err = {0};
    /* Many batches at once, so that sentences of one length meet. */
    bool stream = cli_flag(job->args, "stream");
    int64_t most = stream ? 1 : 32 * job->batch, first = 0;
    int status = CLI_FINE;
    while (status == CLI_FINE) {
        wg_sentences *piece = NULL;
        if (wg_sentences_read(reader, job->model->vocab[0], job->model->lowercase, most, 1 << 18,
                              &piece, &err))
            return cli_fail(&err);
        if (job->segmenter && wg_sentences_segment(piece, job->segmenter, &err)) {
            wg_sentences_free(piece);
            return cli_fail(&err);
        }
        int64_t n = piece->n;
        if (n > 0) status = translate_piece(job, piece, first);
        wg_sentences_free(piece);
        if (n == 0) break;
        first += n;
    }
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
    translate_model *model = NULL;
    wg_reader *reader = NULL;
    if (translate_model_load(cli_string(args, "model"), &model, &err)) return cli_fail(&err);
    translate_job job = {.args = args,
                         .model = model,
                         .batch = cli_int(args, "batch"),
                         .n_best = cli_int(args, "n-best") > 0,
                         .replace_unk = cli_flag(args, "replace-unk"),
                         .draw = cli_string(args, "attention")};
    const wg_reader_options limits = {.size = sizeof limits,
                                      .max_line_tokens = (size_t)cli_int(args, "max-input")};
    int status = check(args, model);
    if (status == CLI_FINE &&
        (make_decoder(&job, &err) ||
         (model->subwords &&
          wg_segmenter_new(model->subwords, model->vocab[0], &job.segmenter, &err)) ||
         wg_reader_open("-", &limits, &reader, &err)))
        status = cli_fail(&err);
    if (status == CLI_FINE) status = translate_all(&job, reader);
    wg_reader_close(reader);
    wg_segmenter_free(job.segmenter);
    wg_decoder_free(job.decoder);
    translate_model_free(model);
    return status;
}

const cli_command cli_command_translate_run = {
    .path = {"translate", "run"},
    .summary = "translate standard input",
    .description =
        "Reads sentences from standard input, one a line, words separated by blanks, plain or "
        "gzipped, and writes a translation for each, one a line, in the same order. An empty line "
        "stays an empty line.",
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
