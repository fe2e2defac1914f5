/* Where a batcher stands, as JSON in a state tree. Whole numbers are texts there: JSON's numbers
 * are exact to 2^53 only. */
#include "batch_private.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define STATE "batches/state.json"

enum { N_PLACE = 5, N_OPTIONS = 9 };

static void place_fields(wg_stream_place *p, uint64_t *field[N_PLACE])
{
    field[0] = &p->shard;
    for (int side = 0; side < 2; side++) {
        field[1 + 2 * side] = &p->at[side].byte;
        field[2 + 2 * side] = &p->at[side].line;
    }
}

/* What decides which batches follow, besides the text. */
static void option_values(const wg_batcher *b, uint64_t value[N_OPTIONS])
{
    const wg_batch_options *o = &b->o;
    const uint64_t all[N_OPTIONS] = {(uint64_t)o->order,
                                     (uint64_t)o->unit,
                                     (uint64_t)o->batch_size,
                                     (uint64_t)o->window,
                                     (uint64_t)o->src_multiple,
                                     (uint64_t)o->tgt_multiple,
                                     (uint64_t)o->rows_multiple,
                                     o->seed,
                                     b->w.stream ? (uint64_t)o->shuffle_window : 0};
    memcpy(value, all, sizeof all);
}

static bool put(cJSON *object, const char *name, uint64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, value);
    return cJSON_AddStringToObject(object, name, text) != NULL;
}

static bool put_list(cJSON *object, const char *name, const uint64_t *value, int n)
{
    cJSON *list = cJSON_AddArrayToObject(object, name);
    for (int i = 0; i < n; i++) {
        char text[24];
        snprintf(text, sizeof text, "%" PRIu64, value[i]);
        cJSON *item = list ? cJSON_CreateString(text) : NULL;
        if (item && cJSON_AddItemToArray(list, item)) continue;
        cJSON_Delete(item);
        return false;
    }
    return true;
}

wg_status wg_batcher_save(const wg_batcher *b, wg_state *state, wg_error *err)
{
    wg_stream_place place = b->w.place;
    uint64_t *field[N_PLACE], value[N_PLACE], options[N_OPTIONS];
    place_fields(&place, field);
    for (int i = 0; i < N_PLACE; i++) value[i] = *field[i];
    option_values(b, options);
    cJSON *root = cJSON_CreateObject();
    bool good = put(root, "epoch", b->epoch) && put(root, "position", b->position) &&
                put_list(root, "options", options, N_OPTIONS);
    if (good && b->w.stream)
        good = put(root, "window", b->w.index) && put(root, "pairs_before", b->w.before) &&
               put(root, "batches_in_window", (uint64_t)b->at) &&
               put(root, "cells_before", (uint64_t)b->cells_before) &&
               put(root, "real_before", (uint64_t)b->real_before) &&
               put_list(root, "place", value, N_PLACE);
    char *text = good ? cJSON_PrintUnformatted(root) : NULL;
    wg_status status =
        text ? wg_state_put_text(state, STATE, text, strlen(text), err) : wg__batch_no_memory(err);
    cJSON_free(text);
    cJSON_Delete(root);
    return status;
}

/* Decimal digits, in range. */
static bool parse(const cJSON *item, uint64_t *value)
{
    if (!cJSON_IsString(item) || !*item->valuestring) return false;
    *value = 0;
    for (const char *c = item->valuestring; *c; c++) {
        if (*c < '0' || *c > '9' || *value > (UINT64_MAX - (uint64_t)(*c - '0')) / 10) return false;
        *value = *value * 10 + (uint64_t)(*c - '0');
    }
    return true;
}

static bool take(const cJSON *root, const char *name, uint64_t *value)
{
    return parse(cJSON_GetObjectItemCaseSensitive(root, name), value);
}

static bool take_list(const cJSON *root, const char *name, uint64_t *value, int n)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(root, name);
    if (!cJSON_IsArray(list) || cJSON_GetArraySize(list) != n) return false;
    for (int i = 0; i < n; i++)
        if (!parse(cJSON_GetArrayItem(list, i), &value[i])) return false;
    return true;
}

static wg_status malformed(wg_error *err)
{
    return wg_error_set(err, WG_EFORMAT, "batches: " STATE " is missing or not well formed");
}

static wg_status load_window(wg_batcher *b, const cJSON *root, uint64_t epoch, uint64_t position,
                             wg_error *err)
{
    wg_stream_place place;
    uint64_t *field[N_PLACE], value[N_PLACE], index, before, at, cells, real;
    if (!take(root, "window", &index) || !take(root, "pairs_before", &before) ||
        !take(root, "batches_in_window", &at) || !take(root, "cells_before", &cells) ||
        !take(root, "real_before", &real) || !take_list(root, "place", value, N_PLACE) ||
        at > position || at > INT64_MAX || cells > INT64_MAX / 2 || real > cells)
        return malformed(err);
    place_fields(&place, field);
    for (int i = 0; i < N_PLACE; i++) *field[i] = value[i];
    b->epoch = epoch;
    b->w.index = index;
    b->w.before = before;
    b->w.place = place;
    wg_status status = wg__windows_again(b, err);
    if (status != WG_OK) return status;
    b->cells_before = (int64_t)cells;
    b->real_before = (int64_t)real;
    b->position = position - at;
    return wg__batch_skip(b, (int64_t)at, err);
}

wg_status wg_batcher_load(wg_batcher *b, const wg_state *state, wg_error *err)
{
    size_t length = 0;
    uint64_t epoch, position, options[N_OPTIONS], mine[N_OPTIONS];
    const char *text = wg_state_text(state, STATE, &length);
    cJSON *root = text ? cJSON_ParseWithLength(text, length) : NULL;
    wg_status status = WG_OK;
    if (!take(root, "epoch", &epoch) || !take(root, "position", &position) ||
        !take_list(root, "options", options, N_OPTIONS))
        status = malformed(err);
    option_values(b, mine);
    if (status == WG_OK && memcmp(options, mine, sizeof mine) != 0)
        status = wg_error_set(err, WG_EINVAL, "batches: other options than before");
    if (status == WG_OK && b->w.stream)
        status = load_window(b, root, epoch, position, err);
    else if (status == WG_OK)
        status = wg_batcher_seek(b, (wg_batch_state){epoch, position}, err);
    cJSON_Delete(root);
    return status;
}
