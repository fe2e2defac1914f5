/* The model file: members put together and taken apart. A file comes from anywhere, so everything
 * that it says is checked against everything else before memory is taken by its word. */
#include <wengert/translator_model.h>

#include <cjson/cJSON.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <wengert/memory.h>
#include <wengert/statefile.h>

#include "translator_config.h"

#define FORMAT_NAME "wengert.translator"
#define PARAMETER "model/" /* before the names of parameters */
#define SUBWORDS "subwords.txt"
static const char *const vocab_name[2] = {"source.vocab", "target.vocab"};

static wg_status no_memory(wg_error *err)
{
    return wg_error_set(err, WG_ENOMEM, "translator: out of memory");
}

void wg_translator_model_free(wg_translator_model *model)
{
    if (!model) return;
    wg_seq2seq_free(model->net);
    wg_params_free(model->params);
    if (model->vocab[1] != model->vocab[0]) wg_vocab_free(model->vocab[1]);
    wg_vocab_free(model->vocab[0]);
    wg_subwords_free(model->subwords);
    cJSON_Delete(model->config);
    wg_free(model);
}

/* A model that holds the vocabularies and nothing else yet. */
static wg_translator_model *begin(wg_vocab *source, wg_vocab *target, wg_subwords *subwords,
                                  wg_translator_text text)
{
    wg_translator_model *model = wg_calloc(1, sizeof *model);
    if (!model) {
        if (target != source) wg_vocab_free(target);
        wg_vocab_free(source);
        wg_subwords_free(subwords);
        return NULL;
    }
    model->vocab[0] = source;
    model->vocab[1] = target;
    model->subwords = subwords;
    model->text = text;
    return model;
}

static wg_status declare(wg_translator_model *model, const wg_seq2seq_config *config, wg_error *err)
{
    wg_status status = wg_params_new(WG_F32, &model->params, err);
    return status ? status : wg_seq2seq_new(model->params, config, &model->net, err);
}

static bool describe(wg_translator_model *model)
{
    model->config = cJSON_CreateObject();
    if (!cJSON_AddStringToObject(model->config, "format", FORMAT_NAME) ||
        !cJSON_AddNumberToObject(model->config, "format_version",
                                 wg__translator_format(model->text, model->subwords, false)))
        return false;
    cJSON *net = wg__translator_config_json(wg_seq2seq_get_config(model->net));
    if (!net || !cJSON_AddItemToObject(model->config, "model", net)) {
        cJSON_Delete(net);
        return false;
    }
    cJSON *text = cJSON_AddObjectToObject(model->config, "text");
    return text && wg__translator_text_json(model->text, text) &&
           (!model->subwords || cJSON_AddTrueToObject(text, "subwords"));
}

wg_status wg_translator_model_new(wg_seq2seq_config config, wg_vocab *source, wg_vocab *target,
                                  wg_subwords *subwords, wg_translator_text text, uint64_t seed,
                                  wg_translator_model **out, wg_error *err)
{
    *out = NULL;
    wg_translator_model *model = begin(source, target, subwords, text);
    if (!model) return no_memory(err);
    config.source_vocab = wg_vocab_size(source);
    config.target_vocab = wg_vocab_size(target);
    wg_status status = declare(model, &config, err);
    if (!status) status = wg_params_init(model->params, seed, err);
    if (!status && !describe(model)) status = no_memory(err);
    if (status) {
        wg_translator_model_free(model);
        return status;
    }
    *out = model;
    return WG_OK;
}

/* ---- writing ---- */

static wg_status put_vocab(const wg_vocab *vocab, const char *name, wg_state *state, wg_error *err)
{
    char *text = NULL;
    size_t length = 0;
    wg_status status = wg_vocab_write(vocab, &text, &length, err);
    if (!status) status = wg_state_put_text(state, name, text, length, err);
    wg_free(text);
    return status;
}

static wg_status put_subwords(const wg_subwords *subwords, wg_state *state, wg_error *err)
{
    char *text = NULL;
    size_t length = 0;
    wg_status status = wg_subwords_write(subwords, &text, &length, err);
    if (!status) status = wg_state_put_text(state, SUBWORDS, text, length, err);
    wg_free(text);
    return status;
}

wg_status wg_translator_model_put(const wg_translator_model *model, wg_state *state, wg_error *err)
{
    char *json = cJSON_Print(model->config);
    if (!json) return no_memory(err);
    wg_status status = wg_state_put_text(state, "config.json", json, strlen(json), err);
    cJSON_free(json);
    for (int side = 0; side < 2 && !status; side++)
        if (side == 0 || model->vocab[1] != model->vocab[0])
            status = put_vocab(model->vocab[side], vocab_name[side], state, err);
    if (!status && model->subwords) status = put_subwords(model->subwords, state, err);
    for (int i = 0; i < wg_params_count(model->params) && !status; i++) {
        char name[300];
        snprintf(name, sizeof name, PARAMETER "%s", wg_params_name(model->params, i));
        status = wg_state_ref_tensor(state, name, wg_params_value(model->params, i), err);
    }
    return status;
}

/* ---- reading ---- */

static wg_status parse_config(const wg_state *state, const char *path, cJSON **out, wg_error *err)
{
    size_t length = 0;
    const char *text = wg_state_text(state, "config.json", &length);
    *out = text ? cJSON_ParseWithLength(text, length) : NULL;
    if (!text)
        return wg_error_set(err, WG_EFORMAT, "%s is not a translator: it has no config.json", path);
    const cJSON *format = cJSON_GetObjectItemCaseSensitive(*out, "format");
    const cJSON *version = cJSON_GetObjectItemCaseSensitive(*out, "format_version");
    if (!cJSON_IsObject(*out))
        return wg_error_set(err, WG_EFORMAT, "%s: config.json is not valid JSON", path);
    if (!cJSON_IsString(format) || strcmp(format->valuestring, FORMAT_NAME) != 0)
        return wg_error_set(err, WG_EFORMAT, "%s is not a translator: its config.json says %.64s",
                            path, cJSON_IsString(format) ? format->valuestring : "nothing");
    if (!cJSON_IsNumber(version) || version->valuedouble < 1)
        return wg_error_set(err, WG_EFORMAT, "%s: config.json has no format_version", path);
    if (version->valuedouble > WG_TRANSLATOR_FORMAT_VERSION)
        return wg_error_set(err, WG_EVERSION,
                            "%s was written by a newer wengert: its format_version is %g, this one "
                            "reads up to %d",
                            path, version->valuedouble, WG_TRANSLATOR_FORMAT_VERSION);
    return WG_OK;
}

static wg_status take_vocab(const wg_state *state, const char *path, const char *name,
                            int64_t entries, wg_vocab **out, wg_error *err)
{
    char where[512];
    size_t length = 0;
    const char *text = wg_state_text(state, name, &length);
    if (!text) return wg_error_set(err, WG_EFORMAT, "%s: '%s' is missing", path, name);
    snprintf(where, sizeof where, "%.400s: %s", path, name);
    wg_status status = wg_vocab_parse(where, text, length, out, err);
    if (status) return status;
    if (wg_vocab_size(*out) != entries)
        return wg_error_set(err, WG_EFORMAT,
                            "%s has %" PRId32 " entries, config.json says %" PRId64, where,
                            wg_vocab_size(*out), entries);
    return WG_OK;
}

static wg_status take_subwords(const wg_state *state, const char *path, wg_subwords **out,
                               wg_error *err)
{
    char where[512];
    size_t length = 0;
    const char *text = wg_state_text(state, SUBWORDS, &length);
    if (!text) return wg_error_set(err, WG_EFORMAT, "%s: '" SUBWORDS "' is missing", path);
    snprintf(where, sizeof where, "%.400s: " SUBWORDS, path);
    return wg_subwords_parse(where, text, length, out, err);
}

static wg_status take_raw(const cJSON *text, const char *path, wg_translator_raw *raw,
                          wg_error *err)
{
    static const char *const key[2] = {"source", "target"};
    const cJSON *object = cJSON_GetObjectItemCaseSensitive(text, "raw");
    if (!object) return WG_OK;
    raw->used = true;
    raw->escape = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(object, "escape"));
    for (int side = 0; side < 2; side++) {
        const char *name =
            cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key[side]));
        if (!name || strlen(name) >= sizeof raw->language[side])
            return wg_error_set(err, WG_EFORMAT,
                                "%s: config.json: text.raw.%s is no name of a language", path,
                                key[side]);
        strcpy(raw->language[side], name);
    }
    return WG_OK;
}

/* Is there a float tensor of the right shape for each parameter? Asked before the arenas are made:
 * sizes in config.json are then known to be those of the file. */
static wg_status check_tensors(const wg_translator_model *model, const wg_state *state,
                               const char *path, wg_error *err)
{
    for (int i = 0; i < wg_params_count(model->params); i++) {
        char name[300], want_text[160], have_text[160];
        snprintf(name, sizeof name, PARAMETER "%s", wg_params_name(model->params, i));
        const wg_tensor *tensor = wg_state_tensor(state, name);
        if (!tensor) return wg_error_set(err, WG_EFORMAT, "%s: tensor '%s' is missing", path, name);
        wg_shape want = wg_params_shape(model->params, i), have = wg_tensor_shape(tensor);
        if (!wg_shape_equal(&want, &have))
            return wg_error_set(err, WG_ESHAPE, "%s: tensor '%s' is %s, must be %s", path, name,
                                wg_shape_format(&have, have_text, sizeof have_text),
                                wg_shape_format(&want, want_text, sizeof want_text));
        if (!(WG_BIT(wg_tensor_dtype(tensor)) & WG_FLOATS))
            return wg_error_set(err, WG_EDTYPE, "%s: tensor '%s' is %s, must be f32", path, name,
                                wg_dtype_name(wg_tensor_dtype(tensor)));
    }
    return WG_OK;
}

static wg_status copy_tensors(wg_translator_model *model, const wg_state *state, wg_error *err)
{
    wg_status status = wg_params_alloc(model->params, err);
    for (int i = 0; i < wg_params_count(model->params) && !status; i++) {
        char name[300];
        snprintf(name, sizeof name, PARAMETER "%s", wg_params_name(model->params, i));
        status =
            wg_tensor_copy(wg_params_value(model->params, i), wg_state_tensor(state, name), err);
    }
    return status;
}

/* Is the cell of the file there, and does it still mean the same? */
static wg_status check_cell(const wg_translator_model *model, const char *name, const char *path,
                            wg_error *err)
{
    const wg_cell *cell = wg_find_cell(name);
    if (!cell)
        return wg_error_set(err, WG_ENOTFOUND,
                            "%s needs the cell '%.64s', which this program does not have; name "
                            "the plugin that provides it with --plugin FILE.so",
                            path, name);
    const cJSON *version = cJSON_GetObjectItemCaseSensitive(
        cJSON_GetObjectItemCaseSensitive(model->config, "model"), "cell_version");
    if (version && (!cJSON_IsNumber(version) || version->valuedouble != cell->version))
        return wg_error_set(err, WG_EVERSION,
                            "%s was trained with version %g of the cell '%.64s'; here it is "
                            "version %u, which may compute something else",
                            path, version->valuedouble, name, cell->version);
    return WG_OK;
}

static wg_status build(wg_translator_model *model, const wg_state *state, const char *path,
                       wg_error *err)
{
    wg_seq2seq_config config;
    wg_hyper_value *hypers = NULL;
    wg_error why = {0};
    wg_status status = wg__translator_config_parse(
        cJSON_GetObjectItemCaseSensitive(model->config, "model"), path, &config, &hypers, err);
    if (!status) status = check_cell(model, config.cell, path, err);
    if (!status)
        status = take_vocab(state, path, vocab_name[0], config.source_vocab, &model->vocab[0], err);
    if (!status && config.tie == WG_TIE_ALL)
        model->vocab[1] = model->vocab[0];
    else if (!status)
        status = take_vocab(state, path, vocab_name[1], config.target_vocab, &model->vocab[1], err);
    if (!status) {
        status = declare(model, &config, &why);
        if (status) wg_error_set(err, status, "%s: %s", path, why.message);
    }
    if (!status) status = check_tensors(model, state, path, err);
    if (!status) status = copy_tensors(model, state, err);
    const cJSON *text = cJSON_GetObjectItemCaseSensitive(model->config, "text");
    model->text = wg__translator_text_parse(text);
    if (!status && cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(text, "subwords")))
        status = take_subwords(state, path, &model->subwords, err);
    if (!status) status = take_raw(text, path, &model->raw, err);
    wg_free(hypers);
    return status;
}

wg_status wg_translator_model_take(const wg_state *state, const char *path,
                                   wg_translator_model **out, wg_error *err)
{
    *out = NULL;
    wg_translator_model *model = begin(NULL, NULL, NULL, (wg_translator_text){0});
    if (!model) return no_memory(err);
    wg_status status = parse_config(state, path, &model->config, err);
    if (!status) status = build(model, state, path, err);
    if (status) {
        wg_translator_model_free(model);
        return status;
    }
    *out = model;
    return WG_OK;
}

wg_status wg_translator_model_load(const char *path, wg_translator_model **out, wg_error *err)
{
    struct stat info;
    char inside[4096];
    wg_state *state = NULL;
    *out = NULL;
    if (stat(path, &info) == 0 && S_ISDIR(info.st_mode)) {
        int n = snprintf(inside, sizeof inside, "%s/" WG_TRANSLATOR_FILE, path);
        if (n < 0 || (size_t)n >= sizeof inside)
            return wg_error_set(err, WG_ELIMIT, "%.200s...: the path is too long", path);
        path = inside;
    }
    wg_status status = wg_state_load(path, &state, err);
    if (!status) status = wg_translator_model_take(state, path, out, err);
    wg_state_free(state);
    return status;
}
