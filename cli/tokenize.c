/* wengert tokenize, detokenize: raw text to words and back. */
#include "cli.h"

#include <wengert/tokenize.h>

static wg_tokenize_options text_options(const cli_args *args)
{
    return (wg_tokenize_options){.size = sizeof(wg_tokenize_options),
                                 .language = cli_string(args, "language"),
                                 .escape = cli_flag(args, "escape")};
}

#define LANGUAGE                                                                          \
    {                                                                                     \
        .name = "language", .letter = 'l', .kind = CLI_STRING, .fallback = "en",          \
        .help = "Language of the text: en, de, fr and it have rules of their own, others" \
                " those that all share"                                                   \
    }

static wg_status tokenize_line(void *options, const char *line, size_t length, char **text,
                               wg_error *err)
{
    return wg_tokenize(line, length, options, text, err);
}

static int run_tokenize(const cli_args *args)
{
    wg_tokenize_options options = text_options(args);
    options.lowercase = cli_flag(args, "lower");
    return cli_filter(tokenize_line, &options);
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

static wg_status detokenize_line(void *options, const char *line, size_t length, char **text,
                                 wg_error *err)
{
    return wg_detokenize(line, length, options, text, err);
}

static int run_detokenize(const cli_args *args)
{
    wg_tokenize_options options = text_options(args);
    return cli_filter(detokenize_line, &options);
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
