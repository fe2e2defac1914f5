/* Saving a training and taking it up again: what lies in model.npz and last.npz beyond the model
 * itself. */
#include "translate_train.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <wengert/libraries.h>
#include <wengert/memory.h>
#include <wengert/parallel.h>
#include <wengert/statefile.h>
#include <wengert/version.h>

#define PROGRESS "progress/state.json"

static int no_memory(void)
{
    return cli_error("%s", wg_strerror(WG_ENOMEM));
}

/* ---- how the model was made ---- */

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

/* Figures of a training that ran away may be infinite or NaN, which JSON has no numbers for: they
 * are null there, and infinite when they are read. */
static bool add_figure(cJSON *object, const char *name, double value)
{
    return isfinite(value) ? cJSON_AddNumberToObject(object, name, value) != NULL
                           : cJSON_AddNullToObject(object, name) != NULL;
}

static bool describe_score(translate_training *t, const translate_score *score)
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

/* ---- writing ---- */

static int save(const translate_training *t, const wg_state *state, const char *name)
{
    char path[4096];
    wg_error err = {0};
    snprintf(path, sizeof path, "%s/%s", t->dir, name);
    return wg_state_save(path, state, NULL, &err) ? cli_fail(&err) : CLI_FINE;
}

int translate_save_model(translate_training *t, const translate_score *score)
{
    wg_error err = {0};
    wg_state *state = NULL;
    if (!describe_score(t, score)) return no_memory();
    wg_status status = wg_state_new(&state, &err);
    if (!status) status = translate_model_put(t->model, state, &err);
    int exit_status = status ? cli_fail(&err) : save(t, state, TRANSLATE_MODEL_NAME);
    wg_state_free(state);
    return exit_status;
}

#define AT(member) offsetof(translate_progress, member)
static const struct {
    const char *name;
    size_t offset;
    bool integer;
} progress_fields[] = {
    {"updates", AT(updates), true},
    {"epoch_loss", AT(epoch.loss), false},
    {"epoch_words", AT(epoch.words), false},
    {"epoch_norm", AT(epoch.norm), false},
    {"epoch_seconds", AT(epoch.seconds), false},
    {"epoch_updates", AT(epoch.updates), true},
    {"best_epoch", AT(best_epoch), true},
    {"best_loss", AT(best.loss), false},
    {"best_perplexity", AT(best.perplexity), false},
    {"best_bleu", AT(best.bleu), false},
    {"seconds", AT(seconds), false},
};
#define PROGRESS_FIELDS (sizeof progress_fields / sizeof progress_fields[0])

static wg_status put_progress(const translate_training *t, wg_state *state, wg_error *err)
{
    const wg_batch_state at = wg_batcher_tell(t->batcher);
    cJSON *object = cJSON_CreateObject();
    bool good = cJSON_AddNumberToObject(object, "batch_epoch", (double)at.epoch) &&
                cJSON_AddNumberToObject(object, "batch_position", (double)at.position);
    for (size_t i = 0; i < PROGRESS_FIELDS && good; i++) {
        const char *from = (const char *)&t->at + progress_fields[i].offset;
        double value =
            progress_fields[i].integer ? (double)*(const int64_t *)from : *(const double *)from;
        good = add_figure(object, progress_fields[i].name, value);
    }
    char *text = good ? cJSON_Print(object) : NULL;
    wg_status status = text ? wg_state_put_text(state, PROGRESS, text, strlen(text), err)
                            : wg_error_set(err, WG_ENOMEM, "translator: out of memory");
    cJSON_free(text);
    cJSON_Delete(object);
    return status;
}

int translate_save_last(translate_training *t)
{
    wg_error err = {0};
    wg_state *state = NULL;
    double begin = translate_now();
    if (!describe_score(t, NULL)) return no_memory();
    wg_status status = wg_state_new(&state, &err);
    if (!status) status = translate_model_put(t->model, state, &err);
    if (!status) status = put_progress(t, state, &err);
    if (!status) status = wg_optimizer_save(t->optimizer, state, &err);
    if (!status) status = wg_trainer_save(t->trainer, state, &err);
    if (!status) status = wg_schedule_save(&t->schedule, state, &err);
    int exit_status = status ? cli_fail(&err) : save(t, state, TRANSLATE_LAST_NAME);
    wg_state_free(state);
    t->saved = translate_now();
    t->save_seconds = 1.4 * (t->saved - begin); /* model.npz has about a third as much in it */
    return exit_status;
}

/* ---- reading ---- */

static wg_status take_number(const cJSON *object, const char *name, const char *path, double *value,
                             wg_error *err)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    if (!cJSON_IsNumber(item))
        return wg_error_set(err, WG_EFORMAT, "%s: " PROGRESS ": no number '%s'", path, name);
    *value = item->valuedouble;
    return WG_OK;
}

static wg_status take_progress(translate_training *t, const wg_state *state, const char *path,
                               wg_error *err)
{
    const double most = 9007199254740992.0; /* 2^53: whole numbers are exact up to here */
    double epoch = 0, position = 0;
    size_t length = 0;
    const char *text = wg_state_text(state, PROGRESS, &length);
    if (!text)
        return wg_error_set(err, WG_EFORMAT, "%s holds a model, but no training to go on with",
                            path);
    cJSON *object = cJSON_ParseWithLength(text, length);
    wg_status status = take_number(object, "batch_epoch", path, &epoch, err);
    if (!status) status = take_number(object, "batch_position", path, &position, err);
    for (size_t i = 0; i < PROGRESS_FIELDS && !status; i++) {
        char *to = (char *)&t->at + progress_fields[i].offset;
        double value = 0;
        bool figure = !progress_fields[i].integer;
        if (figure &&
            cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(object, progress_fields[i].name)))
            value = INFINITY;
        else
            status = take_number(object, progress_fields[i].name, path, &value, err);
        if (!status && progress_fields[i].integer && !(value >= 0 && value <= most))
            status = wg_error_set(err, WG_EFORMAT, "%s: " PROGRESS ": '%s' is no count", path,
                                  progress_fields[i].name);
        if (status) break;
        if (progress_fields[i].integer)
            *(int64_t *)to = (int64_t)value;
        else
            *(double *)to = value;
    }
    if (!status && !(epoch >= 0 && epoch <= most && position >= 0 && position <= most))
        status = wg_error_set(err, WG_EFORMAT, "%s: " PROGRESS ": a place that cannot be", path);
    if (!status)
        status =
            wg_batcher_seek(t->batcher, (wg_batch_state){(uint64_t)epoch, (uint64_t)position}, err);
    cJSON_Delete(object);
    return status;
}

int translate_take_last(translate_training *t, const wg_state *state, const char *path)
{
    wg_error err = {0};
    wg_status status = take_progress(t, state, path, &err);
    if (!status) status = wg_optimizer_load(t->optimizer, state, &err);
    if (!status) status = wg_trainer_load(t->trainer, state, &err);
    if (!status) status = wg_schedule_load(&t->schedule, state, &err);
    return status ? cli_fail(&err) : CLI_FINE;
}

/* What may differ between a training and its continuation: when it ends, what it reports, and names
 * of files, which their contents stand for. */
static bool may_change(const char *key)
{
    static const char *const keys[] = {
        "out",       "resume",     "epochs",       "time_limit",   "early_stopping",
        "log_every", "save_every", "quiet",        "plugin",       "threads",
        "source",    "target",     "valid_source", "valid_target", NULL};
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
