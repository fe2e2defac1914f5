/* progress/state.json of last.npz: what a training must remember besides its parameters, optimiser,
 * schedule and random numbers. */
#include "translate_train.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define PROGRESS "progress/state.json"

/* Counts are exact in JSON up to here. */
static const double most = 9007199254740992.0; /* 2^53 */

#define AT(member) offsetof(translate_progress, member)
static const struct {
    const char *name;
    size_t offset;
    bool count;
    bool newer; /* absent in files of older programs; zero then */
} fields[] = {
    {"updates", AT(updates), true, false},
    {"epoch_loss", AT(epoch.loss), false, false},
    {"epoch_words", AT(epoch.words), false, false},
    {"epoch_norm", AT(epoch.norm), false, false},
    {"epoch_seconds", AT(epoch.seconds), false, false},
    {"epoch_updates", AT(epoch.updates), true, false},
    {"report_loss", AT(report.loss), false, true},
    {"report_words", AT(report.words), false, true},
    {"report_norm", AT(report.norm), false, true},
    {"report_seconds", AT(report.seconds), false, true},
    {"report_updates", AT(report.updates), true, true},
    {"skipped_in_a_row", AT(skipped_in_a_row), true, true},
    {"best_epoch", AT(best_epoch), true, false},
    {"best_loss", AT(best.loss), false, false},
    {"best_perplexity", AT(best.perplexity), false, false},
    {"best_bleu", AT(best.bleu), false, false},
    {"seconds", AT(seconds), false, false},
    {"log_bytes", AT(log_bytes), true, true},
};
#define FIELDS (sizeof fields / sizeof fields[0])

/* With 17 digits, from which the same bits are read back (cJSON itself writes 15 where they come
 * near). JSON has no numbers for what a training that ran away may have: words stand for them. */
static bool put_number(cJSON *object, const char *name, double value)
{
    char text[40];
    if (isnan(value)) return cJSON_AddStringToObject(object, name, "nan") != NULL;
    if (isinf(value))
        return cJSON_AddStringToObject(object, name, value > 0 ? "inf" : "-inf") != NULL;
    snprintf(text, sizeof text, "%.17g", value); /* the tool's locale is C */
    return cJSON_AddRawToObject(object, name, text) != NULL;
}

wg_status translate_put_progress(translate_training *t, wg_state *state, wg_error *err)
{
    const wg_batch_state at = wg_batcher_tell(t->batcher);
    int64_t log = wg_jsonlog_tell(t->log);
    t->at.log_bytes = log > 0 ? log : 0;
    translate_progress now = t->at;
    now.seconds += cli_now() - t->started;
    cJSON *object = cJSON_CreateObject();
    bool good = put_number(object, "batch_epoch", (double)at.epoch) &&
                put_number(object, "batch_position", (double)at.position);
    for (size_t i = 0; i < FIELDS && good; i++) {
        const char *from = (const char *)&now + fields[i].offset;
        good = put_number(object, fields[i].name,
                          fields[i].count ? (double)*(const int64_t *)from : *(const double *)from);
    }
    char *text = good ? cJSON_Print(object) : NULL;
    wg_status status = text ? wg_state_put_text(state, PROGRESS, text, strlen(text), err)
                            : wg_error_set(err, WG_ENOMEM, "translator: out of memory");
    cJSON_free(text);
    cJSON_Delete(object);
    return status ? status : wg_batcher_save(t->batcher, state, err);
}

static wg_status take_number(const cJSON *object, const char *name, const char *path, double *value,
                             wg_error *err)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    const char *word = cJSON_IsString(item) ? item->valuestring : "";
    if (cJSON_IsNumber(item))
        *value = item->valuedouble;
    else if (strcmp(word, "nan") == 0)
        *value = NAN;
    else if (strcmp(word, "-inf") == 0)
        *value = -INFINITY;
    else if (strcmp(word, "inf") == 0 || cJSON_IsNull(item)) /* null: older programs */
        *value = INFINITY;
    else
        return wg_error_set(err, WG_EFORMAT, "%s: " PROGRESS ": no number '%s'", path, name);
    return WG_OK;
}

static wg_status take_count(const cJSON *object, const char *name, const char *path, double *value,
                            wg_error *err)
{
    wg_status status = take_number(object, name, path, value, err);
    if (!status && !(*value >= 0 && *value <= most && *value == floor(*value)))
        status = wg_error_set(err, WG_EFORMAT, "%s: " PROGRESS ": '%s' is no count", path, name);
    return status;
}

static wg_status take_fields(const cJSON *object, const char *path, translate_progress *to,
                             wg_error *err)
{
    for (size_t i = 0; i < FIELDS; i++) {
        const char *name = fields[i].name;
        char *place = (char *)to + fields[i].offset;
        double value = 0;
        if (fields[i].newer && !cJSON_GetObjectItemCaseSensitive(object, name)) continue;
        wg_status status = fields[i].count ? take_count(object, name, path, &value, err)
                                           : take_number(object, name, path, &value, err);
        if (status) return status;
        if (fields[i].count)
            *(int64_t *)place = (int64_t)value;
        else
            *(double *)place = value;
    }
    return WG_OK;
}

wg_status translate_take_progress(translate_training *t, const wg_state *state, const char *path,
                                  wg_error *err)
{
    double epoch = 0, position = 0;
    size_t length = 0;
    const char *text = wg_state_text(state, PROGRESS, &length);
    if (!text)
        return wg_error_set(err, WG_EFORMAT, "%s holds a model, but no training to go on with",
                            path);
    translate_progress at = {0};
    cJSON *object = cJSON_ParseWithLength(text, length);
    wg_status status = take_count(object, "batch_epoch", path, &epoch, err);
    if (!status) status = take_count(object, "batch_position", path, &position, err);
    if (!status) status = take_fields(object, path, &at, err);
    wg_batch_state place = {(uint64_t)epoch, (uint64_t)position};
    if (!status) /* older programs saved the place here only */
        status = wg_state_text(state, "batches/state.json", NULL)
                     ? wg_batcher_load(t->batcher, state, err)
                     : wg_batcher_seek(t->batcher, place, err);
    if (!status) t->at = at;
    cJSON_Delete(object);
    return status;
}
