/* wengert subwords learn, apply, undo: byte-pair encoding of text. */
#include "cli.h"

#include <inttypes.h>
#include <string.h>

#include <wengert/memory.h>
#include <wengert/subword.h>
#include <wengert/textfile.h>

/* ---- learn ---- */

static int count_file(const char *path, wg_vocab *words, int64_t *lines)
{
    wg_error err = {0};
    wg_reader *reader = NULL;
    const char *text = NULL;
    size_t length = 0;
    wg_status status = wg_reader_open(path, NULL, &reader, &err);
    while (!status) {
        status = wg_reader_line(reader, &text, &length, &err);
        if (status || !text) break;
        ++*lines;
        status = wg_vocab_add_line(words, text, length, &err);
        if (status)
            cli_error("%s:%" PRIu64 ": %s", wg_reader_name(reader),
                      wg_reader_get_stats(reader).lines, err.message);
        if (status) break;
    }
    bool told = status && text;
    wg_reader_close(reader);
    return !status ? CLI_FINE : told ? CLI_TROUBLE : cli_fail(&err);
}

static int write_rules(const cli_args *args, const wg_subwords *rules)
{
    wg_error err = {0};
    char *text = NULL;
    size_t length = 0;
    const char *path = cli_string(args, "out");
    if (path && strcmp(path, "-") != 0)
        return wg_subwords_save(path, rules, &err) ? cli_fail(&err) : CLI_FINE;
    if (wg_subwords_write(rules, &text, &length, &err)) return cli_fail(&err);
    for (const char *at = text, *end = text + length; at < end;) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        cli_put_text(stdout, at, (size_t)(newline - at));
        putchar('\n');
        at = newline + 1;
    }
    wg_free(text);
    return CLI_FINE;
}

static int run_learn(const cli_args *args)
{
    wg_error err = {0};
    wg_vocab *words = NULL;
    wg_subwords *rules = NULL;
    size_t n = 0;
    int64_t lines = 0;
    const char *const *file = cli_arg_list(args, "FILE", &n);
    const wg_subwords_options options = {.size = sizeof options,
                                         .merges = (int32_t)cli_int(args, "merges"),
                                         .min_count = (uint64_t)cli_int(args, "min-count"),
                                         .min_char_count =
                                             (uint64_t)cli_int(args, "min-char-count")};
    int status = wg_vocab_new(&words, &err) ? cli_fail(&err) : CLI_FINE;
    for (size_t i = 0; i < n && status == CLI_FINE; i++)
        status = count_file(file[i], words, &lines);
    if (status == CLI_FINE && wg_subwords_learn(words, &options, &rules, &err))
        status = cli_fail(&err);
    if (status == CLI_FINE)
        cli_note(args,
                 "%" PRId64 " lines, %" PRId32 " different words: %" PRId32 " characters, %" PRId32
                 " merges",
                 lines, wg_vocab_size(words) - WG_SPECIALS, wg_subwords_characters(rules),
                 wg_subwords_merges(rules));
    if (status == CLI_FINE) status = write_rules(args, rules);
    wg_subwords_free(rules);
    wg_vocab_free(words);
    return status;
}

const cli_command cli_command_subwords_learn = {
    .path = {"subwords", "learn"},
    .summary = "learn subwords (byte-pair encoding) from text",
    .description =
        "Reads texts, words separated by blanks, plain or gzipped, and learns which pieces words "
        "are best cut into: the most frequent pair of neighbouring symbols becomes one symbol, "
        "again and again (Sennrich et al. 2016). Several files are learnt from together, so that "
        "languages share what they have in common. The merges are those of subword-nmt.",
    .operands = (const cli_operand[]){{.name = "FILE",
                                       .help = "Texts to learn from; - is standard input",
                                       .repeat = true,
                                       .path = true},
                                      {0}},
    .options = (const cli_option[]){{.name = "merges",
                                     .kind = CLI_INT,
                                     .fallback = "10000",
                                     .min = 1,
                                     .max = 100000000,
                                     .help = "Most merges"},
                                    {.name = "min-count",
                                     .kind = CLI_INT,
                                     .fallback = "2",
                                     .min = 1,
                                     .max = CLI_NO_LIMIT,
                                     .help = "Pairs that occur less often are not merged"},
                                    {.name = "min-char-count",
                                     .kind = CLI_INT,
                                     .fallback = "2",
                                     .min = 1,
                                     .max = CLI_NO_LIMIT,
                                     .help = "Characters that occur less often are written as "
                                             "bytes, <0xHH>"},
                                    {.name = "out",
                                     .letter = 'o',
                                     .kind = CLI_PATH,
                                     .help = "Where the merges go, instead of standard output"},
                                    {0}},
    .examples = (const cli_example[]){{"10,000 merges of two languages together",
                                       "wengert subwords learn --merges 10000 --out merges.txt "
                                       "train.en train.de"},
                                      {0}},
    .run = run_learn};

/* ---- apply and undo ---- */

static wg_status cut_line(void *segmenter, const char *line, size_t length, char **text,
                          wg_error *err)
{
    return wg_segmenter_line(segmenter, line, length, text, err);
}

static wg_status join_line(void *user, const char *line, size_t length, char **text, wg_error *err)
{
    (void)user;
    return wg_subwords_undo(line, length, text, err);
}

static int run_apply(const cli_args *args)
{
    wg_error err = {0};
    wg_subwords *rules = NULL;
    wg_vocab *known = NULL;
    wg_segmenter *segmenter = NULL;
    const char *vocab = cli_string(args, "vocab");
    int status = CLI_FINE;
    if (wg_subwords_load(cli_string(args, "merges"), &rules, &err) ||
        (vocab && wg_vocab_load(vocab, &known, &err)) ||
        wg_segmenter_new(rules, known, &segmenter, &err))
        status = cli_fail(&err);
    if (status == CLI_FINE) status = cli_filter(cut_line, segmenter);
    wg_segmenter_free(segmenter);
    wg_vocab_free(known);
    wg_subwords_free(rules);
    return status;
}

const cli_command cli_command_subwords_apply = {
    .path = {"subwords", "apply"},
    .summary = "cut the words of a text into subwords",
    .description =
        "Reads text from standard input and writes it with its words cut into pieces; all pieces "
        "of a word but the last end in @@. Characters that the merges do not know become bytes, "
        "<0xHH>. White space stays as it is, and 'wengert subwords undo' restores the text "
        "exactly, whatever it holds.",
    .options =
        (const cli_option[]){
            {.name = "merges",
             .kind = CLI_PATH,
             .required = true,
             .help = "What 'wengert subwords learn' wrote, or a file of subword-nmt"},
            {.name = "vocab",
             .kind = CLI_PATH,
             .help = "Vocabulary of pieces: what is not in it is cut further, until it is"},
            {0}},
    .examples =
        (const cli_example[]){
            {"Cut a text", "wengert subwords apply --merges merges.txt < in > out"}, {0}},
    .run = run_apply};

static int run_undo(const cli_args *args)
{
    (void)args;
    return cli_filter(join_line, NULL);
}

const cli_command cli_command_subwords_undo = {
    .path = {"subwords", "undo"},
    .summary = "join subwords to words again",
    .description =
        "Reads text in pieces from standard input, as 'wengert subwords apply' or a translator "
        "writes it, and joins them. Bytes that do not make UTF-8 become U+FFFD.",
    .examples =
        (const cli_example[]){
            {"Join the pieces of a text", "wengert subwords undo < pieces > words"}, {0}},
    .run = run_undo};
