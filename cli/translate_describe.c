/* How a model was made, as its config.json says it: options, texts, program, figures. And whether a
 * continued training is the one that it was made by. */
#include "translate_train.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <wengert/libraries.h>
#include <wengert/parallel.h>
#include <wengert/version.h>

static int no_memory(void)
{
    return cli_error("%s", wg_strerror(WG_ENOMEM));
}

static cJSON *provenance(const translate_training *t)
{
    cJSON *object = cJSON_CreateObject();
    wg_library libraries[16];
    size_t n = wg_libraries(libraries, sizeof libraries / sizeof libraries[0]);
    bool good = cJSON_AddStringToObject(object, "version", wg_version()) &&
                cJSON_AddStringToObject(object, "commit", wg_commit()) &&
                cJSON_AddStringToObject(object, "isa", wg_isa_name(wg_isa_best())) &&
                cJSON_AddNumberToObject(object, "threads", t->threads) &&
                cJSON_AddNumberToObject(object, "seed", (double)cli_int(t->args, "seed"));
    cJSON *list = good ? cJSON_AddObjectToObject(object, "libraries") : NULL;
    good = list != NULL;
    for (size_t i = 0; i < n && i < sizeof libraries / sizeof libraries[0] && good; i++)
        good = cJSON_AddStringToObject(list, libraries[i].name, libraries[i].version);
    cJSON *data = good ? translate_data_json(t->args, &t->data) : NULL;
    if (data && cJSON_AddItemToObject(object, "data", data)) return object;
    cJSON_Delete(data);
    cJSON_Delete(object);
    return NULL;
}

/* Takes the value; an old one of that name goes. */
static bool replace(cJSON *object, const char *name, cJSON *value)
{
    if (!value) return false;
    cJSON_DeleteItemFromObjectCaseSensitive(object, name);
    if (cJSON_AddItemToObject(object, name, value)) return true;
    cJSON_Delete(value);
    return false;
}

static cJSON *options_json(const cli_args *args)
{
    char *text = cli_config_json(args);
    cJSON *options = text ? cJSON_Parse(text) : NULL;
    free(text);
    return options;
}

int translate_describe(translate_training *t)
{
    if (replace(t->model->config, "options", options_json(t->args)) &&
        replace(t->model->config, "provenance", provenance(t)))
        return CLI_FINE;
    return no_memory();
}

/* Figures of a training that ran away may be infinite or NaN, which JSON has no numbers for. */
static bool add_figure(cJSON *object, const char *name, double value)
{
    return isfinite(value) ? cJSON_AddNumberToObject(object, name, value) != NULL
                           : cJSON_AddNullToObject(object, name) != NULL;
}

bool translate_describe_score(translate_training *t, const translate_score *score)
{
    cJSON *object = cJSON_CreateObject();
    const wg_batch_state at = wg_batcher_tell(t->batcher);
    bool good = cJSON_AddNumberToObject(object, "updates", (double)t->at.updates) &&
                cJSON_AddNumberToObject(object, "epochs", (double)at.epoch);
    if (good && score) {
        good = add_figure(object, "valid_loss", score->loss) &&
               add_figure(object, "valid_perplexity", score->perplexity) &&
               (score->bleu < 0 || add_figure(object, "valid_bleu", score->bleu));
    }
    if (good) return replace(t->model->config, "training", object);
    cJSON_Delete(object);
    return false;
}

/* ---- going on ---- */

/* What may differ between a training and its continuation: when it ends, what it reports, and names
 * of files, which their contents stand for. */
static bool may_change(const char *key)
{
    static const char *const keys[] = {
        "out",        "resume",    "epochs",       "time_limit",   "early_stopping", "log_every",
        "save_every", "keep_last", "save_threads", "quiet",        "plugin",         "threads",
        "source",     "target",    "valid_source", "valid_target", "pairs",          "valid_pairs",
        NULL};
    for (int i = 0; keys[i]; i++)
        if (strcmp(keys[i], key) == 0) return true;
    return false;
}

static void show_value(const cJSON *item, char *buf, size_t size)
{
    char *text = item ? cJSON_PrintUnformatted(item) : NULL;
    snprintf(buf, size, "%s", text && strcmp(text, "null") != 0 ? text : "not given");
    cJSON_free(text);
}

static int check_options(const cli_args *args, const cJSON *before, const char *path)
{
    int status = CLI_FINE;
    cJSON *now = options_json(args);
    if (!now) return no_memory();
    for (const cJSON *item = now->child; item; item = item->next) {
        const cJSON *old = cJSON_GetObjectItemCaseSensitive(before, item->string);
        if (may_change(item->string) || cJSON_Compare(old, item, true)) continue;
        char name[80], was[128], is[128];
        snprintf(name, sizeof name, "%s", item->string);
        for (char *c = name; *c; c++)
            if (*c == '_') *c = '-';
        /* An option that the program did not have then; its default is what was done. */
        if (!old && !cli_given(args, name)) continue;
        show_value(old, was, sizeof was);
        show_value(item, is, sizeof is);
        status = cli_error("--resume: --%s is %s, but was %s in %s", name, is, was, path);
    }
    cJSON_Delete(now);
    return status;
}

static int check_texts(const cli_args *args, const translate_data *data, const cJSON *before,
                       const char *path)
{
    int status = CLI_FINE;
    cJSON *now = translate_data_json(args, data);
    if (!now) return no_memory();
    if (cJSON_GetArraySize(before) != cJSON_GetArraySize(now))
        status = cli_error("--resume: with a validation set now, without one in %s, or the other "
                           "way round",
                           path);
    for (int i = 0; i < cJSON_GetArraySize(now) && status == CLI_FINE; i++) {
        const cJSON *old = cJSON_GetArrayItem(before, i), *file = cJSON_GetArrayItem(now, i);
        if (!cJSON_Compare(cJSON_GetObjectItem(old, "sha256"), cJSON_GetObjectItem(file, "sha256"),
                           true))
            status = cli_error("--resume: %s is not the text that the training in %s began with",
                               cJSON_GetObjectItem(file, "file")->valuestring, path);
    }
    cJSON_Delete(now);
    return status;
}

int translate_check_same(const cli_args *args, const translate_data *data,
                         const translate_model *model, const char *path)
{
    int status =
        check_options(args, cJSON_GetObjectItemCaseSensitive(model->config, "options"), path);
    if (status != CLI_FINE) return status;
    const cJSON *made = cJSON_GetObjectItemCaseSensitive(model->config, "provenance");
    return check_texts(args, data, cJSON_GetObjectItemCaseSensitive(made, "data"), path);
}
