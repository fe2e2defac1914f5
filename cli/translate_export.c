/* wengert translate export: a model file for serving. */
#include "cli.h"

#include <string.h>

#include <cjson/cJSON.h>

#include <wengert/translator_model.h>

static const cli_option options[] = {
    {.name = "model",
     .letter = 'm',
     .kind = CLI_PATH,
     .metavar = "DIR|FILE",
     .required = true,
     .help = "What 'wengert translate train' made: its directory, or a model file"},
    {.name = "out", .letter = 'o', .kind = CLI_PATH, .required = true, .help = "The file to write"},

    {.name = "source-language",
     .kind = CLI_STRING,
     .metavar = "LANG",
     .required = true,
     .help = "Language of what is translated, such as en",
     .group = "Text"},
    {.name = "target-language",
     .kind = CLI_STRING,
     .metavar = "LANG",
     .required = true,
     .help = "Language of the translations"},
    {.name = "raw",
     .kind = CLI_FLAG,
     .fallback = "true",
     .help = "Raw text comes in and goes out: it is cut and joined as 'wengert tokenize' and "
             "'detokenize' do; --no-raw: words, as in the training text"},
    {.name = "lowercase",
     .kind = CLI_FLAG,
     .help = "Lower-case what comes in, where the training text was; a model trained with "
             "--lowercase does it anyway"},
    {.name = "escape",
     .kind = CLI_FLAG,
     .help = "The training text has &apos; for ' and so on, as Moses writes it"},

    {.name = "name", .kind = CLI_STRING, .help = "Name of the model", .group = "Model card"},
    {.name = "licence", .kind = CLI_STRING, .help = "Licence of the model, such as CC-BY-4.0"},
    {.name = "description", .kind = CLI_STRING, .help = "A sentence about the model"},
    {.name = "metric",
     .kind = CLI_STRINGS,
     .metavar = "NAME=X",
     .help = "A figure, such as test_bleu=38.6; may be given several times"},
    {0}};

/* "test_bleu=38.6" ... -> {"test_bleu": 38.6}; *json is freed with cJSON_free. */
static int metrics_json(const cli_args *args, char **json)
{
    size_t n = 0;
    const char *const *text = cli_strings(args, "metric", &n);
    cJSON *object = cJSON_CreateObject();
    bool good = object != NULL;
    for (size_t i = 0; i < n && good; i++) {
        const char *equals = strchr(text[i], '=');
        cJSON *number = equals ? cJSON_Parse(equals + 1) : NULL;
        char name[64];
        if (!equals || equals == text[i] || (size_t)(equals - text[i]) >= sizeof name ||
            !cJSON_IsNumber(number)) {
            cJSON_Delete(number);
            cJSON_Delete(object);
            return cli_usage_error(args, "--metric %s: must be NAME=NUMBER", text[i]);
        }
        memcpy(name, text[i], (size_t)(equals - text[i]));
        name[equals - text[i]] = '\0';
        good = cJSON_AddItemToObject(object, name, number);
        if (!good) cJSON_Delete(number);
    }
    *json = good ? cJSON_PrintUnformatted(object) : NULL;
    cJSON_Delete(object);
    return *json ? CLI_FINE : cli_error("%s", wg_strerror(WG_ENOMEM));
}

static int take_languages(const cli_args *args, wg_translator_raw *raw)
{
    static const char *const option[2] = {"source-language", "target-language"};
    raw->used = cli_flag(args, "raw");
    raw->escape = cli_flag(args, "escape");
    for (int side = 0; side < 2; side++) {
        const char *name = cli_string(args, option[side]);
        if (!*name || strlen(name) >= sizeof raw->language[side])
            return cli_usage_error(args, "--%s %s: must have 1 to %d letters", option[side], name,
                                   (int)sizeof raw->language[side] - 1);
        strcpy(raw->language[side], name);
    }
    return CLI_FINE;
}

static int translate_export(const cli_args *args)
{
    wg_error err = {0};
    wg_translator_model *model = NULL;
    wg_translator_raw raw = {0};
    char *metrics = NULL;
    int status = take_languages(args, &raw);
    if (status == CLI_FINE) status = metrics_json(args, &metrics);
    if (status == CLI_FINE && wg_translator_model_load(cli_string(args, "model"), &model, &err))
        status = cli_fail(&err);
    if (status == CLI_FINE) {
        const wg_translator_card card = {.size = sizeof card,
                                         .name = cli_string(args, "name"),
                                         .licence = cli_string(args, "licence"),
                                         .description = cli_string(args, "description"),
                                         .metrics = metrics};
        wg_translator_text text = model->text;
        text.lowercase |= cli_flag(args, "lowercase");
        if (wg_translator_export(cli_string(args, "out"), model, &raw, text, &card, &err))
            status = cli_fail(&err);
    }
    wg_translator_model_free(model);
    cJSON_free(metrics);
    return status;
}

const cli_command cli_command_translate_export = {
    .path = {"translate", "export"},
    .summary = "write a translator to one file for serving",
    .description =
        "Writes a file that takes raw text and gives raw text: the network, its vocabularies and "
        "subwords, and how text is cut and joined, without anything that only the training needs "
        "and without names of files. A model card goes with it, card.json and card.md, with the "
        "SHA-256 of the training texts, the validation figures and what is said here. 'wengert "
        "translate run' and the C functions of wengert/translator.h read it.",
    .options = options,
    .examples =
        (const cli_example[]){
            {"Write a file for serving", "wengert translate export -m model --source-language en "
                                         "--target-language de -o x.npz"},
            {"The same of a model trained on lower-cased, tokenised text",
             "wengert translate export --model model --source-language en \\\n"
             "    --target-language de --lowercase --licence CC-BY-4.0 --out en-de.npz"},
            {"Translate raw text with it",
             "echo \"A man's dog is running.\" | wengert translate run --model en-de.npz"},
            {0}},
    .run = translate_export};
