/* wengert tokenize, detokenize: raw text to words and back. */
#include "cli.h"

#include <string.h>

#include <wengert/memory.h>
#include <wengert/textfile.h>
#include <wengert/tokenize.h>

typedef wg_status (*line_filter)(const char *line, size_t length,
                                 const wg_tokenize_options *options, char **text, wg_error *err);

static int filter(const cli_args *args, bool lowercase, line_filter work)
{
    wg_error err = {0};
    wg_reader *reader = NULL;
    const wg_tokenize_options options = {.size = sizeof options,
                                         .language = cli_string(args, "language"),
                                         .lowercase = lowercase,
                                         .escape = cli_flag(args, "escape")};
    int status = CLI_FINE;
    if (wg_reader_open("-", NULL, &reader, &err)) return cli_fail(&err);
    while (status == CLI_FINE) {
        const char *line;
        char *text = NULL;
        size_t length;
        wg_status bad = wg_reader_line(reader, &line, &length, &err);
        if (!bad && !line) break;
        if (!bad) bad = work(line, length, &options, &text, &err);
        if (bad) {
            status = cli_fail(&err);
        } else {
            cli_put_text(stdout, text, strlen(text));
            putchar('\n');
            if (ferror(stdout)) status = cli_flush();
        }
        wg_free(text);
    }
    wg_reader_close(reader);
    return status;
}

#define LANGUAGE                                                                          \
    {                                                                                     \
        .name = "language", .letter = 'l', .kind = CLI_STRING, .fallback = "en",          \
        .help = "Language of the text: en, de, fr and it have rules of their own, others" \
                " those that all share"                                                   \
    }

static int run_tokenize(const cli_args *args)
{
    return filter(args, cli_flag(args, "lower"), wg_tokenize);
}

const cli_command cli_command_tokenize = {
    .path = {"tokenize"},
    .summary = "cut raw text into words",
    .description =
        "Reads raw text from standard input, a sentence a line, plain or gzipped, and writes its "
        "words separated by single blanks, by the rules of Moses: punctuation stands by itself, "
        "numbers and abbreviations stay whole, contractions are cut as the language does. Text is "
        "brought to Unicode's form C.",
    .options =
        (const cli_option[]){
            LANGUAGE,
            {.name = "lower", .kind = CLI_FLAG, .help = "Lower-case the words once they are cut"},
            {.name = "escape",
             .kind = CLI_FLAG,
             .help = "Write & | < > ' \" [ ] as &amp; &#124; ..., as "
                     "Moses does"},
            {0}},
    .examples = (const cli_example[]){{"Prepare a German text for training",
                                       "wengert tokenize --language de --lower < raw > tok"},
                                      {0}},
    .run = run_tokenize};

static int run_detokenize(const cli_args *args)
{
    return filter(args, false, wg_detokenize);
}

const cli_command cli_command_detokenize = {
    .path = {"detokenize"},
    .summary = "join words to running text",
    .description = "Reads words from standard input, a sentence a line, and writes them as running "
                   "text: punctuation moves to the word that it belongs to, quotation marks by "
                   "turns to the left and to the right.",
    .options = (const cli_option[]){LANGUAGE,
                                    {.name = "escape",
                                     .kind = CLI_FLAG,
                                     .help = "First write &amp; &#124; ... as & | ... again"},
                                    {0}},
    .examples =
        (const cli_example[]){
            {"Join what a translator wrote", "wengert detokenize --language de < out > text"}, {0}},
    .run = run_detokenize};
