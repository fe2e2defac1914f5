/* Reading safetensors: eight bytes of header length, JSON, data. What the header says is checked
 * against the size of the file, and against itself, before any of it is believed. */
#include <wengert/safetensors.h>

#include <cjson/cJSON.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <wengert/memory.h>

#include "fileerror.h"
#include "half.h"
#include "utf8.h"

/* cJSON takes up to some 64 bytes for two of the header, so this bounds what a file can ask for. */
#define MAX_HEADER ((uint64_t)8 << 20)
#define MAX_EXACT 9007199254740992.0 /* 2^53: JSON's whole numbers are exact up to here */

/* How an element lies in the file; what a type that is not read needs is its size. */
typedef struct element {
    const char *name;
    size_t size;
    int dtype; /* read as; -1 = not read */
} element;
static const element elements[] = {
    {"F64", 8, WG_F64}, {"F32", 4, WG_F32}, {"F16", 2, WG_F32}, {"BF16", 2, WG_F32},
    {"I64", 8, WG_I32}, {"I32", 4, WG_I32}, {"I16", 2, WG_I32}, {"I8", 1, WG_I32},
    {"U16", 2, WG_I32}, {"U8", 1, WG_U8},   {"BOOL", 1, WG_U8}, {"U64", 8, -1},
    {"U32", 4, -1},     {"F8_E5M2", 1, -1}, {"F8_E4M3", 1, -1},
};

typedef struct entry {
    char *name;
    const element *element;
    wg_shape shape;
    bool too_deep; /* more axes than a wg_shape has */
    uint64_t begin, end;
} entry;

typedef struct text {
    char *key, *value;
} text;

struct wg_safetensors {
    char *name;
    int fd;
    const unsigned char *bytes; /* NULL: a file */
    uint64_t data, size;        /* where the data begins; bytes in all */
    entry *entry;
    int64_t n;
    text *metadata;
    int64_t n_metadata;
};

static wg_status malformed(const wg_safetensors *f, const char *name, const char *what,
                           wg_error *err)
{
    if (!name) return wg_error_set(err, WG_EFORMAT, "%s: not safetensors: %s", f->name, what);
    return wg_error_set(err, WG_EFORMAT, "%s: tensor '%.200s': %s", f->name, name, what);
}

static wg_status read_at(wg_safetensors *f, uint64_t at, void *to, size_t size, wg_error *err)
{
    if (f->bytes) {
        memcpy(to, f->bytes + at, size);
        return WG_OK;
    }
    while (size > 0) {
        ssize_t got = pread(f->fd, to, size > 1u << 30 ? 1u << 30 : size, (off_t)at);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return wg__file_error(err, f->name, "read", errno);
        if (got == 0)
            return wg_error_set(err, WG_EFORMAT, "%s: became shorter while it was read", f->name);
        to = (char *)to + got;
        at += (uint64_t)got;
        size -= (size_t)got;
    }
    return WG_OK;
}

static bool whole_number(const cJSON *item, uint64_t *out)
{
    if (!cJSON_IsNumber(item) || !(item->valuedouble >= 0 && item->valuedouble <= MAX_EXACT))
        return false;
    *out = (uint64_t)item->valuedouble;
    return (double)*out == item->valuedouble;
}

static wg_status parse_shape(const wg_safetensors *f, const cJSON *list, entry *e, uint64_t *bytes,
                             wg_error *err)
{
    if (!cJSON_IsArray(list)) return malformed(f, e->name, "no shape", err);
    int64_t dim[WG_MAX_AXES];
    int rank = 0;
    *bytes = e->element->size;
    for (const cJSON *item = list->child; item; item = item->next, rank++) {
        uint64_t length;
        if (!whole_number(item, &length)) return malformed(f, e->name, "a wrong shape", err);
        if (length > 0 && *bytes > (UINT64_MAX >> 1) / length)
            return malformed(f, e->name, "its shape overflows", err);
        *bytes *= length;
        if (rank < WG_MAX_AXES) dim[rank] = (int64_t)length;
    }
    e->too_deep = rank > WG_MAX_AXES;
    e->shape = wg_shape_of(e->too_deep ? WG_MAX_AXES : rank, dim);
    return WG_OK;
}

static wg_status parse_entry(wg_safetensors *f, const cJSON *item, entry *e, wg_error *err)
{
    e->name = wg_strdup(item->string);
    if (!e->name) return wg__no_memory(err, f->name);
    if (!*e->name || wg__utf8_valid(e->name, strlen(e->name)) < strlen(e->name))
        return malformed(f, NULL, "a name is empty or not UTF-8", err);
    const cJSON *dtype = cJSON_GetObjectItemCaseSensitive(item, "dtype");
    const cJSON *offsets = cJSON_GetObjectItemCaseSensitive(item, "data_offsets");
    for (size_t i = 0; cJSON_IsString(dtype) && i < sizeof elements / sizeof *elements; i++)
        if (strcmp(elements[i].name, dtype->valuestring) == 0) e->element = &elements[i];
    if (!e->element) return malformed(f, e->name, "no dtype that is known", err);
    if (!cJSON_IsArray(offsets) || cJSON_GetArraySize(offsets) != 2 ||
        !whole_number(offsets->child, &e->begin) || !whole_number(offsets->child->next, &e->end) ||
        e->begin > e->end || e->end > f->size - f->data)
        return malformed(f, e->name, "its data lies outside the file", err);
    uint64_t bytes;
    wg_status status =
        parse_shape(f, cJSON_GetObjectItemCaseSensitive(item, "shape"), e, &bytes, err);
    if (status != WG_OK) return status;
    if (bytes != e->end - e->begin)
        return malformed(f, e->name, "shape and size of its data differ", err);
    return WG_OK;
}

static wg_status parse_metadata(wg_safetensors *f, const cJSON *object, wg_error *err)
{
    if (!cJSON_IsObject(object) || f->metadata)
        return malformed(f, NULL, "__metadata__ is no object, or stands there twice", err);
    f->metadata = wg_calloc((size_t)cJSON_GetArraySize(object) + 1, sizeof *f->metadata);
    if (!f->metadata) return wg__no_memory(err, f->name);
    for (const cJSON *item = object->child; item; item = item->next) {
        if (!cJSON_IsString(item)) return malformed(f, NULL, "__metadata__ holds no text", err);
        text *t = &f->metadata[f->n_metadata++];
        t->key = wg_strdup(item->string);
        t->value = wg_strdup(item->valuestring);
        if (!t->key || !t->value) return wg__no_memory(err, f->name);
    }
    return WG_OK;
}

static int by_place(const void *x, const void *y)
{
    const entry *a = x, *b = y;
    if (a->begin != b->begin) return a->begin < b->begin ? -1 : 1;
    if (a->end != b->end) return a->end < b->end ? -1 : 1;
    return strcmp(a->name, b->name);
}

static int by_name(const void *x, const void *y)
{
    return strcmp((*(const entry *const *)x)->name, (*(const entry *const *)y)->name);
}

/* The data is covered by tensors without gaps and overlaps, and no name stands there twice. */
static wg_status check_entries(wg_safetensors *f, wg_error *err)
{
    uint64_t at = 0;
    qsort(f->entry, (size_t)f->n, sizeof *f->entry, by_place);
    for (int64_t i = 0; i < f->n; i++) {
        if (f->entry[i].begin != at)
            return malformed(f, f->entry[i].name, "overlaps another, or lies behind a gap", err);
        at = f->entry[i].end;
    }
    if (at != f->size - f->data) return malformed(f, NULL, "bytes that belong to no tensor", err);
    const entry **list = wg_reallocarray(NULL, (size_t)f->n + 1, sizeof *list);
    if (!list) return wg__no_memory(err, f->name);
    for (int64_t i = 0; i < f->n; i++) list[i] = &f->entry[i];
    qsort(list, (size_t)f->n, sizeof *list, by_name);
    const char *twice = NULL;
    for (int64_t i = 1; i < f->n && !twice; i++)
        if (strcmp(list[i - 1]->name, list[i]->name) == 0) twice = list[i]->name;
    wg_free(list);
    return twice ? malformed(f, twice, "stands there twice", err) : WG_OK;
}

static wg_status parse_header(wg_safetensors *f, const char *json, size_t size, wg_error *err)
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
        return malformed(f, NULL, "its header is not a JSON object", err);
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

static wg_status read_header(wg_safetensors *f, wg_error *err)
{
    unsigned char head[8];
    uint64_t size = 0;
    if (f->size < 10) return malformed(f, NULL, "it is too short", err);
    wg_status status = read_at(f, 0, head, 8, err);
    if (status != WG_OK) return status;
    for (int i = 8; i-- > 0;) size = size << 8 | head[i];
    if (size > f->size - 8) return malformed(f, NULL, "its header goes beyond its end", err);
    if (size > MAX_HEADER)
        return wg_error_set(err, WG_ELIMIT,
                            "%s: a header of %" PRIu64 " bytes, the limit is %" PRIu64, f->name,
                            size, MAX_HEADER);
    char *json = wg_malloc((size_t)size + 1);
    if (!json) return wg__no_memory(err, f->name);
    status = read_at(f, 8, json, (size_t)size, err);
    f->data = 8 + size;
    if (status == WG_OK && (size == 0 || *json != '{'))
        status = malformed(f, NULL, "its header does not begin with '{'", err);
    if (status == WG_OK) status = parse_header(f, json, (size_t)size, err);
    wg_free(json);
    return status;
}

static wg_status make(const char *name, wg_safetensors **out, wg_error *err)
{
    *out = wg_calloc(1, sizeof **out);
    if (!*out) return wg__no_memory(err, name);
    (*out)->fd = -1;
    (*out)->name = wg_strdup(name);
    return (*out)->name ? WG_OK : wg__no_memory(err, name);
}

static wg_status finish(wg_status status, wg_safetensors *f, wg_safetensors **out)
{
    *out = f;
    if (status == WG_OK) return WG_OK;
    wg_safetensors_close(f);
    *out = NULL;
    return status;
}

wg_status wg_safetensors_open(const char *path, wg_safetensors **out, wg_error *err)
{
    *out = NULL;
    if (!path || !*path) return wg_error_set(err, WG_EINVAL, "file name is empty");
    wg_safetensors *f;
    wg_status status = make(path, &f, err);
    if (status == WG_OK) status = wg__open_read(path, &f->fd, err);
    struct stat info;
    if (status == WG_OK && fstat(f->fd, &info) != 0)
        status = wg__file_error(err, path, "read", errno);
    if (status == WG_OK) {
        f->size = (uint64_t)info.st_size;
        status = read_header(f, err);
    }
    return finish(status, f, out);
}

wg_status wg_safetensors_open_memory(const char *name, const void *bytes, size_t size,
                                     wg_safetensors **out, wg_error *err)
{
    wg_safetensors *f;
    wg_status status = make(name, &f, err);
    if (status == WG_OK) {
        f->bytes = bytes;
        f->size = size;
        status = read_header(f, err);
    }
    return finish(status, f, out);
}

void wg_safetensors_close(wg_safetensors *f)
{
    if (!f) return;
    for (int64_t i = 0; i < f->n; i++) wg_free(f->entry[i].name);
    for (int64_t i = 0; i < f->n_metadata; i++) {
        wg_free(f->metadata[i].key);
        wg_free(f->metadata[i].value);
    }
    wg_free(f->entry);
    wg_free(f->metadata);
    if (f->fd >= 0) close(f->fd);
    wg_free(f->name);
    wg_free(f);
}

int64_t wg_safetensors_count(const wg_safetensors *f)
{
    return f->n;
}

static const entry *at(const wg_safetensors *f, int64_t i)
{
    return i >= 0 && i < f->n ? &f->entry[i] : NULL;
}

const char *wg_safetensors_name(const wg_safetensors *f, int64_t i)
{
    return at(f, i) ? at(f, i)->name : NULL;
}

const char *wg_safetensors_dtype(const wg_safetensors *f, int64_t i)
{
    return at(f, i) ? at(f, i)->element->name : NULL;
}

wg_shape wg_safetensors_shape(const wg_safetensors *f, int64_t i)
{
    return at(f, i) ? at(f, i)->shape : WG_SCALAR;
}

int64_t wg_safetensors_find(const wg_safetensors *f, const char *name)
{
    for (int64_t i = 0; i < f->n; i++)
        if (strcmp(f->entry[i].name, name) == 0) return i;
    return -1;
}

int64_t wg_safetensors_metadata_count(const wg_safetensors *f)
{
    return f->n_metadata;
}

const char *wg_safetensors_metadata(const wg_safetensors *f, int64_t i, const char **value)
{
    if (i < 0 || i >= f->n_metadata) return NULL;
    *value = f->metadata[i].value;
    return f->metadata[i].key;
}

/* Element k of a narrow or wide type as i32; false where it does not fit. */
static bool as_i32(const element *e, const unsigned char *from, int32_t *to)
{
    uint64_t bits = 0;
    for (size_t i = e->size; i-- > 0;) bits = bits << 8 | from[i];
    if (e->name[0] == 'U') {
        *to = (int32_t)bits;
        return bits <= INT32_MAX;
    }
    unsigned shift = 64 - 8 * (unsigned)e->size;
    int64_t value = (int64_t)(bits << shift) >> shift;
    *to = (int32_t)value;
    return value >= INT32_MIN && value <= INT32_MAX;
}

static wg_status convert(wg_safetensors *f, const entry *e, wg_tensor *t, wg_error *err)
{
    unsigned char chunk[1 << 14];
    const size_t size = e->element->size;
    bool bf16 = e->element->name[0] == 'B', half = wg_tensor_dtype(t) == WG_F32;
    uint64_t place = f->data + e->begin;
    int64_t count = wg_tensor_count(t), k = 0;
    while (k < count) {
        size_t n = sizeof chunk / size;
        if ((int64_t)n > count - k) n = (size_t)(count - k);
        wg_status status = read_at(f, place, chunk, n * size, err);
        if (status != WG_OK) return status;
        for (size_t i = 0; i < n; i++, k++) {
            const unsigned char *from = chunk + i * size;
            uint16_t bits = (uint16_t)(from[0] | (size > 1 ? from[1] << 8 : 0));
            if (half)
                ((float *)wg_tensor_data(t))[k] = bf16 ? wg__from_bf16(bits) : wg__from_f16(bits);
            else if (!as_i32(e->element, from, (int32_t *)wg_tensor_data(t) + k))
                return wg_error_set(err, WG_ELIMIT,
                                    "%s: tensor '%.200s': element %" PRId64 " does not fit i32",
                                    f->name, e->name, k);
        }
        place += n * size;
    }
    return WG_OK;
}

wg_status wg_safetensors_read(wg_safetensors *f, int64_t i, wg_tensor **out, wg_error *err)
{
    const entry *e = at(f, i);
    *out = NULL;
    if (!e) return wg_error_set(err, WG_EINVAL, "%s: no tensor %" PRId64, f->name, i);
    if (e->element->dtype < 0)
        return wg_error_set(err, WG_EDTYPE, "%s: tensor '%.200s' is %s, which is not read", f->name,
                            e->name, e->element->name);
    if (e->too_deep)
        return wg_error_set(err, WG_ELIMIT, "%s: tensor '%.200s' has more than %d axes", f->name,
                            e->name, WG_MAX_AXES);
    wg_tensor *t;
    wg_dtype dtype = (wg_dtype)e->element->dtype;
    wg_status status = wg_tensor_new(dtype, e->shape, &t, err);
    if (status != WG_OK) return status;
    if (wg_dtype_size(dtype) == e->element->size)
        status = read_at(f, f->data + e->begin, wg_tensor_data(t), wg_tensor_bytes(t), err);
    else
        status = convert(f, e, t, err);
    if (status != WG_OK) {
        wg_tensor_free(t);
        return status;
    }
    *out = t;
    return WG_OK;
}
