/* The header of a safetensors file: JSON that names tensors and where they lie. It is checked
 * against the size of the file, and against itself, before any of it is believed. */
#include "safetensors_header.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include <wengert/memory.h>

#include "fileerror.h"
#include "utf8.h"

#define MAX_EXACT 9007199254740992.0 /* 2^53: JSON's whole numbers are exact up to here */

static const wg__st_element elements[] = {
    {"F64", 8, WG_F64}, {"F32", 4, WG_F32}, {"F16", 2, WG_F32}, {"BF16", 2, WG_F32},
    {"I64", 8, WG_I32}, {"I32", 4, WG_I32}, {"I16", 2, WG_I32}, {"I8", 1, WG_I32},
    {"U16", 2, WG_I32}, {"U8", 1, WG_U8},   {"BOOL", 1, WG_U8}, {"U64", 8, -1},
    {"U32", 4, -1},     {"F8_E5M2", 1, -1}, {"F8_E4M3", 1, -1},
};

wg_status wg__safetensors_malformed(const wg_safetensors *f, const char *name, const char *what,
                                    wg_error *err)
{
    if (!name) return wg_error_set(err, WG_EFORMAT, "%s: not safetensors: %s", f->name, what);
    return wg_error_set(err, WG_EFORMAT, "%s: tensor '%.200s': %s", f->name, name, what);
}

static bool whole_number(const cJSON *item, uint64_t *out)
{
    if (!cJSON_IsNumber(item) || !(item->valuedouble >= 0 && item->valuedouble <= MAX_EXACT))
        return false;
    *out = (uint64_t)item->valuedouble;
    return (double)*out == item->valuedouble;
}

static wg_status parse_shape(const wg_safetensors *f, const cJSON *list, wg__st_entry *e,
                             uint64_t *bytes, wg_error *err)
{
    if (!cJSON_IsArray(list)) return wg__safetensors_malformed(f, e->name, "no shape", err);
    int64_t dim[WG_MAX_AXES];
    int rank = 0;
    *bytes = e->element->size;
    for (const cJSON *item = list->child; item; item = item->next, rank++) {
        uint64_t length;
        if (!whole_number(item, &length))
            return wg__safetensors_malformed(f, e->name, "a wrong shape", err);
        if (length > 0 && *bytes > (UINT64_MAX >> 1) / length)
            return wg__safetensors_malformed(f, e->name, "its shape overflows", err);
        *bytes *= length;
        if (rank < WG_MAX_AXES) dim[rank] = (int64_t)length;
    }
    e->too_deep = rank > WG_MAX_AXES;
    e->shape = wg_shape_of(e->too_deep ? WG_MAX_AXES : rank, dim);
    return WG_OK;
}

static wg_status parse_entry(wg_safetensors *f, const cJSON *item, wg__st_entry *e, wg_error *err)
{
    e->name = wg_strdup(item->string);
    if (!e->name) return wg__no_memory(err, f->name);
    if (!*e->name || wg__utf8_valid(e->name, strlen(e->name)) < strlen(e->name))
        return wg__safetensors_malformed(f, NULL, "a name is empty or not UTF-8", err);
    const cJSON *dtype = cJSON_GetObjectItemCaseSensitive(item, "dtype");
    const cJSON *offsets = cJSON_GetObjectItemCaseSensitive(item, "data_offsets");
    for (size_t i = 0; cJSON_IsString(dtype) && i < sizeof elements / sizeof *elements; i++)
        if (strcmp(elements[i].name, dtype->valuestring) == 0) e->element = &elements[i];
    if (!e->element) return wg__safetensors_malformed(f, e->name, "no dtype that is known", err);
    if (!cJSON_IsArray(offsets) || cJSON_GetArraySize(offsets) != 2 ||
        !whole_number(offsets->child, &e->begin) || !whole_number(offsets->child->next, &e->end) ||
        e->begin > e->end || e->end > f->size - f->data)
        return wg__safetensors_malformed(f, e->name, "its data lies outside the file", err);
    uint64_t bytes;
    wg_status status =
        parse_shape(f, cJSON_GetObjectItemCaseSensitive(item, "shape"), e, &bytes, err);
    if (status != WG_OK) return status;
    if (bytes != e->end - e->begin)
        return wg__safetensors_malformed(f, e->name, "shape and size of its data differ", err);
    return WG_OK;
}

static wg_status parse_metadata(wg_safetensors *f, const cJSON *object, wg_error *err)
{
    if (!cJSON_IsObject(object) || f->metadata)
        return wg__safetensors_malformed(f, NULL,
                                         "__metadata__ is no object, or stands there twice", err);
    f->metadata = wg_calloc((size_t)cJSON_GetArraySize(object) + 1, sizeof *f->metadata);
    if (!f->metadata) return wg__no_memory(err, f->name);
    for (const cJSON *item = object->child; item; item = item->next) {
        if (!cJSON_IsString(item))
            return wg__safetensors_malformed(f, NULL, "__metadata__ holds no text", err);
        wg__st_text *t = &f->metadata[f->n_metadata++];
        t->key = wg_strdup(item->string);
        t->value = wg_strdup(item->valuestring);
        if (!t->key || !t->value) return wg__no_memory(err, f->name);
    }
    return WG_OK;
}

static int by_place(const void *x, const void *y)
{
    const wg__st_entry *a = x, *b = y;
    if (a->begin != b->begin) return a->begin < b->begin ? -1 : 1;
    if (a->end != b->end) return a->end < b->end ? -1 : 1;
    return strcmp(a->name, b->name);
}

static int by_name(const void *x, const void *y)
{
    return strcmp((*(const wg__st_entry *const *)x)->name, (*(const wg__st_entry *const *)y)->name);
}

/* The data is covered by tensors without gaps and overlaps, and no name stands there twice. */
static wg_status check_entries(wg_safetensors *f, wg_error *err)
{
    uint64_t at = 0;
    qsort(f->entry, (size_t)f->n, sizeof *f->entry, by_place);
    for (int64_t i = 0; i < f->n; i++) {
        if (f->entry[i].begin != at)
            return wg__safetensors_malformed(f, f->entry[i].name,
                                             "overlaps another, or lies behind a gap", err);
        at = f->entry[i].end;
    }
    if (at != f->size - f->data)
        return wg__safetensors_malformed(f, NULL, "bytes that belong to no tensor", err);
    const wg__st_entry **list = wg_reallocarray(NULL, (size_t)f->n + 1, sizeof *list);
    if (!list) return wg__no_memory(err, f->name);
    for (int64_t i = 0; i < f->n; i++) list[i] = &f->entry[i];
    qsort(list, (size_t)f->n, sizeof *list, by_name);
    const char *twice = NULL;
    for (int64_t i = 1; i < f->n && !twice; i++)
        if (strcmp(list[i - 1]->name, list[i]->name) == 0) twice = list[i]->name;
    wg_free(list);
    return twice ? wg__safetensors_malformed(f, twice, "stands there twice", err) : WG_OK;
}

wg_status wg__safetensors_parse(wg_safetensors *f, const char *json, size_t size, wg_error *err)
{
    const char *end = NULL;
    /* cJSON reads up to a NUL where there is one. */
    cJSON *root = memchr(json, 0, size) ? NULL : cJSON_ParseWithLengthOpts(json, size, &end, 0);
    for (; root && end < json + size; end++)
        if (*end != ' ' && *end != '\n' && *end != '\t' && *end != '\r') {
            cJSON_Delete(root);
            root = NULL;
        }
    if (!cJSON_IsObject(root)) {
        cJSON_Delete(root);
        return wg__safetensors_malformed(f, NULL, "its header is not a JSON object", err);
    }
    wg_status status = WG_OK;
    f->entry = wg_calloc((size_t)cJSON_GetArraySize(root) + 1, sizeof *f->entry);
    if (!f->entry) status = wg__no_memory(err, f->name);
    for (const cJSON *item = root->child; item && status == WG_OK; item = item->next) {
        if (strcmp(item->string, "__metadata__") == 0)
            status = parse_metadata(f, item, err);
        else
            status = parse_entry(f, item, &f->entry[f->n++], err);
    }
    cJSON_Delete(root);
    return status == WG_OK ? check_entries(f, err) : status;
}
