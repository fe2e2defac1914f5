/* Configurations as JSON and back. The network's is one table of fields, so that the two directions
 * cannot disagree. */
#include "translator_config.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <wengert/memory.h>

typedef enum field_kind { FIELD_INT64, FIELD_INT, FIELD_BOOL, FIELD_NUMBER } field_kind;

typedef struct field {
    const char *name;
    field_kind kind;
    size_t offset;
} field;

#define FIELD(name, kind)                              \
    {                                                  \
#name, kind, offsetof(wg_seq2seq_config, name) \
    }
static const field fields[] = {
    FIELD(source_vocab, FIELD_INT64),
    FIELD(target_vocab, FIELD_INT64),
    FIELD(embed, FIELD_INT64),
    FIELD(hidden, FIELD_INT64),
    FIELD(layers, FIELD_INT),
    FIELD(bidirectional, FIELD_BOOL),
    FIELD(attention_width, FIELD_INT64),
    FIELD(input_feeding, FIELD_BOOL),
    FIELD(init_projection, FIELD_BOOL),
    FIELD(reverse_source, FIELD_BOOL),
    FIELD(dropout, FIELD_NUMBER),
    FIELD(label_smoothing, FIELD_NUMBER),
};
#define FIELDS (sizeof fields / sizeof fields[0])

static cJSON *add_field(cJSON *object, const wg_seq2seq_config *config, const field *f)
{
    const char *at = (const char *)config + f->offset;
    switch (f->kind) {
    case FIELD_INT64: return cJSON_AddNumberToObject(object, f->name, (double)*(int64_t *)at);
    case FIELD_INT: return cJSON_AddNumberToObject(object, f->name, *(int *)at);
    case FIELD_BOOL: return cJSON_AddBoolToObject(object, f->name, *(bool *)at);
    case FIELD_NUMBER: return cJSON_AddNumberToObject(object, f->name, *(double *)at);
    }
    return NULL;
}

cJSON *wg__translator_config_json(const wg_seq2seq_config *config)
{
    cJSON *object = cJSON_CreateObject();
    bool good =
        cJSON_AddStringToObject(object, "cell", config->cell) &&
        cJSON_AddNumberToObject(object, "cell_version", wg_find_cell(config->cell)->version) &&
        cJSON_AddStringToObject(object, "attention", wg_attention_name(config->attention)) &&
        cJSON_AddStringToObject(object, "tie", wg_tie_name(config->tie));
    for (size_t i = 0; i < FIELDS && good; i++) good = add_field(object, config, &fields[i]);
    cJSON *hypers = good ? cJSON_AddObjectToObject(object, "hypers") : NULL;
    good = hypers != NULL;
    for (int i = 0; i < config->n_hypers && good; i++)
        good = cJSON_AddNumberToObject(hypers, config->hypers[i].name, config->hypers[i].value);
    if (good) return object;
    cJSON_Delete(object);
    return NULL;
}

static wg_status take_field(const cJSON *object, const char *path, const field *f,
                            wg_seq2seq_config *config, wg_error *err)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, f->name);
    char *at = (char *)config + f->offset;
    bool number = cJSON_IsNumber(item);
    double x = number ? item->valuedouble : 0;
    bool whole = number && x >= 0 && x <= INT32_MAX && x == (double)(int64_t)x;
    if (f->kind == FIELD_INT64 && whole)
        *(int64_t *)at = (int64_t)x;
    else if (f->kind == FIELD_INT && whole)
        *(int *)at = (int)x;
    else if (f->kind == FIELD_BOOL && cJSON_IsBool(item))
        *(bool *)at = cJSON_IsTrue(item);
    else if (f->kind == FIELD_NUMBER && number)
        *(double *)at = x;
    else
        return wg_error_set(err, WG_EFORMAT, "%s: config.json: model.%s is missing or wrong", path,
                            f->name);
    return WG_OK;
}

static const char *take_string(const cJSON *object, const char *name)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
    return text ? text : "";
}

static wg_status take_hypers(const cJSON *object, const char *path, wg_seq2seq_config *config,
                             wg_hyper_value **hypers, wg_error *err)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(object, "hypers");
    int n = cJSON_IsObject(list) ? cJSON_GetArraySize(list) : 0;
    *hypers = wg_calloc((size_t)n + 1, sizeof **hypers);
    if (!*hypers) return wg_error_set(err, WG_ENOMEM, "%s: out of memory", path);
    for (const cJSON *item = n ? list->child : NULL; item; item = item->next) {
        if (!cJSON_IsNumber(item))
            return wg_error_set(err, WG_EFORMAT, "%s: config.json: model.hypers.%.64s is no number",
                                path, item->string);
        (*hypers)[config->n_hypers++] = (wg_hyper_value){item->string, item->valuedouble};
    }
    config->hypers = *hypers;
    return WG_OK;
}

wg_status wg__translator_config_parse(const cJSON *object, const char *path,
                                      wg_seq2seq_config *config, wg_hyper_value **hypers,
                                      wg_error *err)
{
    wg_error why = {0};
    *config = (wg_seq2seq_config){.size = sizeof *config};
    *hypers = NULL;
    if (!cJSON_IsObject(object))
        return wg_error_set(err, WG_EFORMAT, "%s: config.json has no object 'model'", path);
    for (size_t i = 0; i < FIELDS; i++) {
        wg_status status = take_field(object, path, &fields[i], config, err);
        if (status) return status;
    }
    config->cell = take_string(object, "cell");
    if (wg_attention_from_name(take_string(object, "attention"), &config->attention, &why) ||
        wg_tie_from_name(take_string(object, "tie"), &config->tie, &why))
        return wg_error_set(err, WG_EFORMAT, "%s: config.json: %s", path, why.message);
    return take_hypers(object, path, config, hypers, err);
}

/* ---- the text ---- */

bool wg__translator_text_json(wg_translator_text form, cJSON *text)
{
    return cJSON_AddBoolToObject(text, "lowercase", form.lowercase) &&
           (!form.nfc || cJSON_AddTrueToObject(text, "nfc"));
}

wg_translator_text wg__translator_text_parse(const cJSON *text)
{
    return (wg_translator_text){
        .nfc = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(text, "nfc")),
        .lowercase = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(text, "lowercase"))};
}

int wg__translator_format(wg_translator_text form, bool subwords, bool raw)
{
    if (raw) return 3; /* which is brought to form C in any case */
    if (form.nfc) return 4;
    return subwords ? 2 : 1;
}
