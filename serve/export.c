/* The serving file: a model without what only its training needs, and with a card that says what it
 * is. */
#include <wengert/translator_model.h>

#include <stdio.h>
#include <string.h>

#include <cjson/cJSON.h>

#include <wengert/memory.h>
#include <wengert/statefile.h>
#include <wengert/version.h>

#include "translator_config.h"

static wg_status no_memory(wg_error *err)
{
    return wg_error_set(err, WG_ENOMEM, "translator: out of memory");
}

/* ---- config.json ---- */

static cJSON *copy(const cJSON *from, const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(from, name);
    return item ? cJSON_Duplicate(item, true) : NULL;
}

/* Takes `item`, which may be NULL for nothing to add. */
static bool add(cJSON *object, const char *name, cJSON *item)
{
    if (!item || cJSON_AddItemToObject(object, name, item)) return true;
    cJSON_Delete(item);
    return false;
}

/* How lines become words: the lowest format_version that has it. */
static cJSON *text_json(const wg_translator_model *m, const wg_translator_raw *raw,
                        wg_translator_text form)
{
    cJSON *text = cJSON_CreateObject();
    bool good = wg__translator_text_json(form, text) &&
                (!m->subwords || cJSON_AddTrueToObject(text, "subwords"));
    if (good && raw->used) {
        cJSON *object = cJSON_AddObjectToObject(text, "raw");
        good = object && cJSON_AddStringToObject(object, "source", raw->language[0]) &&
               cJSON_AddStringToObject(object, "target", raw->language[1]) &&
               cJSON_AddBoolToObject(object, "escape", raw->escape);
    }
    if (good) return text;
    cJSON_Delete(text);
    return NULL;
}

static cJSON *serving_config(const wg_translator_model *m, const wg_translator_raw *raw,
                             wg_translator_text form)
{
    cJSON *root = cJSON_CreateObject(), *text = text_json(m, raw, form);
    bool good = text && cJSON_GetObjectItemCaseSensitive(m->config, "model") &&
                add(root, "format", copy(m->config, "format")) &&
                cJSON_AddNumberToObject(root, "format_version",
                                        wg__translator_format(form, m->subwords, raw->used)) &&
                cJSON_AddTrueToObject(root, "serving") &&
                add(root, "model", copy(m->config, "model"));
    if (good && add(root, "text", text)) return root;
    if (!good) cJSON_Delete(text);
    cJSON_Delete(root);
    return NULL;
}

/* ---- the card ---- */

/* Of each text its role, its SHA-256 and its number of lines: no names. */
static cJSON *data_json(const cJSON *provenance)
{
    static const char *const key[] = {"option", "sha256", "lines"};
    cJSON *list = cJSON_CreateArray();
    const cJSON *file = NULL;
    cJSON_ArrayForEach(file, cJSON_GetObjectItemCaseSensitive(provenance, "data"))
    {
        cJSON *entry = cJSON_CreateObject();
        bool good = entry && cJSON_AddItemToArray(list, entry);
        for (size_t i = 0; i < sizeof key / sizeof key[0] && good; i++)
            good = add(entry, i ? key[i] : "role", copy(file, key[i]));
        if (!good) {
            cJSON_Delete(list);
            return NULL;
        }
    }
    return list;
}

static bool add_texts(cJSON *card, const wg_translator_card *c, const wg_translator_raw *raw)
{
    cJSON *languages = cJSON_AddObjectToObject(card, "languages");
    return languages && cJSON_AddStringToObject(languages, "source", raw->language[0]) &&
           cJSON_AddStringToObject(languages, "target", raw->language[1]) &&
           cJSON_AddStringToObject(card, "name", c->name ? c->name : "translator") &&
           cJSON_AddStringToObject(card, "licence", c->licence ? c->licence : "not stated") &&
           (!c->description || cJSON_AddStringToObject(card, "description", c->description));
}

static wg_status card_json(const wg_translator_model *m, const wg_translator_raw *raw,
                           const wg_translator_card *c, cJSON **out, wg_error *err)
{
    const cJSON *provenance = cJSON_GetObjectItemCaseSensitive(m->config, "provenance");
    cJSON *card = cJSON_CreateObject(), *metrics = NULL, *data = NULL;
    if (c->metrics) {
        metrics = cJSON_Parse(c->metrics);
        if (!cJSON_IsObject(metrics)) {
            cJSON_Delete(metrics);
            cJSON_Delete(card);
            return wg_error_set(err, WG_EINVAL, "export: the metrics are not a JSON object");
        }
    }
    data = data_json(provenance);
    bool good = card && data && add_texts(card, c, raw) &&
                cJSON_AddNumberToObject(card, "parameters", (double)wg_params_elements(m->params));
    good = good && add(card, "training", copy(m->config, "training")) &&
           add(card, "trained_by", copy(provenance, "version")) &&
           add(card, "commit", copy(provenance, "commit")) &&
           cJSON_AddStringToObject(card, "exported_by", wg_version());
    /* Each is given away once, whether that works or not. */
    bool gave_data = good;
    good = good && add(card, "data", data);
    bool gave_metrics = good;
    good = good && add(card, "metrics", metrics);
    if (!gave_data) cJSON_Delete(data);
    if (!gave_metrics) cJSON_Delete(metrics);
    if (!good) {
        cJSON_Delete(card);
        return no_memory(err);
    }
    *out = card;
    return WG_OK;
}

/* The same to be read by people: a heading, then one line a field. */
typedef struct page {
    char *text;
    size_t size;
    bool failed;
} page;

static void write_text(page *p, const char *text)
{
    size_t n = strlen(text);
    char *more = p->failed ? NULL : wg_realloc(p->text, p->size + n + 1);
    if (!more) {
        p->failed = true;
        return;
    }
    memcpy(more + p->size, text, n + 1);
    p->text = more;
    p->size += n;
}

static void write_field(page *p, const cJSON *item, int depth)
{
    for (int i = 0; i < depth; i++) write_text(p, "  ");
    write_text(p, "- ");
    if (item->string) {
        write_text(p, item->string);
        write_text(p, ":");
    }
    if (cJSON_IsObject(item) || cJSON_IsArray(item)) {
        const cJSON *child = NULL;
        write_text(p, "\n");
        /* Metrics are the caller's and may nest; the rest is three deep. */
        if (depth < 16) cJSON_ArrayForEach(child, item) write_field(p, child, depth + 1);
        return;
    }
    char *text = cJSON_IsString(item) ? NULL : cJSON_PrintUnformatted(item);
    write_text(p, item->string ? " " : "");
    write_text(p, cJSON_IsString(item) ? item->valuestring : text ? text : "");
    write_text(p, "\n");
    cJSON_free(text);
}

static char *card_page(const cJSON *card)
{
    page p = {0};
    const cJSON *item = NULL;
    write_text(&p, "# ");
    write_text(&p, cJSON_GetObjectItemCaseSensitive(card, "name")->valuestring);
    write_text(&p, "\n\n");
    cJSON_ArrayForEach(item, card)
    {
        if (strcmp(item->string, "name") != 0) write_field(&p, item, 0);
    }
    if (!p.failed) return p.text;
    wg_free(p.text);
    return NULL;
}

/* ---- the file ---- */

static wg_status put_json(const cJSON *json, const char *name, wg_state *state, wg_error *err)
{
    char *text = cJSON_Print(json);
    wg_status status =
        text ? wg_state_put_text(state, name, text, strlen(text), err) : no_memory(err);
    cJSON_free(text);
    return status;
}

static wg_status put_card(const cJSON *card, wg_state *state, wg_error *err)
{
    char *text = card_page(card);
    wg_status status = put_json(card, "card.json", state, err);
    if (!status)
        status =
            text ? wg_state_put_text(state, "card.md", text, strlen(text), err) : no_memory(err);
    wg_free(text);
    return status;
}

wg_status wg_translator_export(const char *path, const wg_translator_model *model,
                               const wg_translator_raw *raw, wg_translator_text text,
                               const wg_translator_card *card, wg_error *err)
{
    wg_translator_card c = {.size = sizeof c};
    cJSON *card_object = NULL;
    wg_state *state = NULL;
    if (card && card->size >= sizeof c) c = *card;
    for (int side = 0; side < 2; side++)
        if (!memchr(raw->language[side], 0, sizeof raw->language[side]))
            return wg_error_set(err, WG_EINVAL, "export: the name of a language is too long");
    /* A model of the same parts, described otherwise. */
    wg_translator_model served = *model;
    served.config = serving_config(model, raw, text);
    wg_status status = served.config ? WG_OK : no_memory(err);
    if (!status) status = card_json(model, raw, &c, &card_object, err);
    if (!status) status = wg_state_new(&state, err);
    if (!status) status = wg_translator_model_put(&served, state, err);
    if (!status) status = put_card(card_object, state, err);
    if (!status) status = wg_state_save(path, state, NULL, err);
    wg_state_free(state);
    cJSON_Delete(card_object);
    cJSON_Delete(served.config);
    return status;
}
