/* Writing safetensors: the header is made first, since it says where everything will lie. */
#include <wengert/safetensors.h>

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <wengert/atomicfile.h>
#include <wengert/memory.h>

#include "fileerror.h"
#include "utf8.h"

static const char *const names[WG_DTYPES] = {"F32", "F64", "I32", "U8"};
static const wg_dtype order[WG_DTYPES] = {WG_F64, WG_F32, WG_I32, WG_U8};

static bool add_tensor(cJSON *root, const char *name, const wg_tensor *t, uint64_t *at)
{
    wg_shape shape = wg_tensor_shape(t);
    cJSON *item = cJSON_AddObjectToObject(root, name);
    bool good = cJSON_AddStringToObject(item, "dtype", names[wg_tensor_dtype(t)]) != NULL;
    cJSON *list = good ? cJSON_AddArrayToObject(item, "shape") : NULL;
    cJSON *offsets = list ? cJSON_AddArrayToObject(item, "data_offsets") : NULL;
    good = offsets != NULL;
    for (int i = 0; i < shape.rank + 2 && good; i++) {
        char digits[24]; /* cJSON would round beyond 2^53 */
        uint64_t value = i < shape.rank    ? (uint64_t)shape.dim[i]
                         : i == shape.rank ? *at
                                           : *at + wg_tensor_bytes(t);
        snprintf(digits, sizeof digits, "%" PRIu64, value);
        cJSON *number = cJSON_CreateRaw(digits);
        good = number && cJSON_AddItemToArray(i < shape.rank ? list : offsets, number);
    }
    *at += wg_tensor_bytes(t);
    return good;
}

static wg_status add_texts(cJSON *root, const char *path, const wg_state *state, wg_error *err)
{
    cJSON *metadata = NULL;
    for (int i = 0; i < wg_state_count(state); i++) {
        size_t length;
        const char *text = wg_state_text_at(state, i, &length);
        if (!text) continue;
        if (memchr(text, 0, length) || wg__utf8_valid(text, length) < length)
            return wg_error_set(err, WG_EFORMAT, "%s: '%s' is not a text in UTF-8", path,
                                wg_state_name(state, i));
        if (!metadata) metadata = cJSON_AddObjectToObject(root, "__metadata__");
        if (!cJSON_AddStringToObject(metadata, wg_state_name(state, i), text))
            return wg__no_memory(err, path);
    }
    return WG_OK;
}

/* The header, padded so that the data begins at a multiple of eight. Freed with cJSON_free. */
static wg_status make_header(const char *path, const wg_state *state, char **out, wg_error *err)
{
    uint64_t at = 0;
    cJSON *root = cJSON_CreateObject();
    wg_status status = root ? add_texts(root, path, state, err) : wg__no_memory(err, path);
    for (int k = 0; k < WG_DTYPES && status == WG_OK; k++)
        for (int i = 0; i < wg_state_count(state) && status == WG_OK; i++) {
            const wg_tensor *t = wg_state_tensor_at(state, i);
            if (t && wg_tensor_dtype(t) == order[k] &&
                !add_tensor(root, wg_state_name(state, i), t, &at))
                status = wg__no_memory(err, path);
        }
    *out = status == WG_OK ? cJSON_PrintUnformatted(root) : NULL;
    cJSON_Delete(root);
    return status == WG_OK && !*out ? wg__no_memory(err, path) : status;
}

wg_status wg_safetensors_save(const char *path, const wg_state *state, wg_error *err)
{
    char *header;
    wg_atomic *file;
    wg_status status = make_header(path, state, &header, err);
    if (status != WG_OK) return status;
    status = wg_atomic_open(path, &file, err);
    if (status != WG_OK) {
        cJSON_free(header);
        return status;
    }
    size_t size = strlen(header), padding = (8 - size % 8) % 8;
    unsigned char head[8];
    for (int i = 0; i < 8; i++) head[i] = (unsigned char)((uint64_t)(size + padding) >> 8 * i);
    status = wg_atomic_write(file, head, 8, err);
    if (status == WG_OK) status = wg_atomic_write(file, header, size, err);
    if (status == WG_OK) status = wg_atomic_write(file, "        ", padding, err);
    for (int k = 0; k < WG_DTYPES; k++)
        for (int i = 0; i < wg_state_count(state) && status == WG_OK; i++) {
            const wg_tensor *t = wg_state_tensor_at(state, i);
            if (t && wg_tensor_dtype(t) == order[k])
                status = wg_atomic_write(file, wg_tensor_cdata(t), wg_tensor_bytes(t), err);
        }
    cJSON_free(header);
    if (status == WG_OK) return wg_atomic_commit(file, err);
    wg_atomic_abort(file);
    return status;
}
