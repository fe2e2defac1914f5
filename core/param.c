/* Parameters: declared by name, laid out side by side, initialised, put on tapes. */
#include <wengert/param.h>

#include <inttypes.h>
#include <string.h>

#include "init.h"
#include "registry.h"
#include "track.h"

/* Every parameter starts at a multiple of this many elements: a cache line of f32, and an offset
 * that does not depend on the dtype. */
enum { ALIGN = 16, MAX_PARAMS = 1 << 20 };

typedef struct param {
    char *name;
    wg_shape shape;
    wg_init init;
    int64_t offset, count;
    wg_tensor *value, *grad;
    wg__track track; /* of grad */
} param;

struct wg_params {
    wg_dtype dtype;
    param *list;
    int count, capacity;
    int64_t elements, length; /* without and with the padding */
    wg_tensor *values, *grads;
    wg__track track; /* of grads */
    uint64_t *bits;  /* of the rows of all matrices */
};

wg_status wg_params_new(wg_dtype dtype, wg_params **out, wg_error *err)
{
    *out = NULL;
    if (dtype != WG_F32 && dtype != WG_F64)
        return wg_error_set(err, WG_EDTYPE, "parameters: dtype %s is neither f32 nor f64",
                            wg_dtype_name(dtype));
    wg_params *params = wg_calloc(1, sizeof *params);
    if (!params) return wg_error_set(err, WG_ENOMEM, "parameters: out of memory");
    params->dtype = dtype;
    *out = params;
    return WG_OK;
}

static void drop_tensors(wg_params *params)
{
    for (int i = 0; i < params->count; i++) {
        wg_tensor_free(params->list[i].value);
        wg_tensor_free(params->list[i].grad);
        params->list[i].value = params->list[i].grad = NULL;
    }
    wg_tensor_free(params->values);
    wg_tensor_free(params->grads);
    params->values = params->grads = NULL;
    wg_free(params->bits);
    params->bits = NULL;
}

void wg_params_free(wg_params *params)
{
    if (!params) return;
    drop_tensors(params);
    for (int i = 0; i < params->count; i++) wg_free(params->list[i].name);
    wg_free(params->list);
    wg_free(params);
}

/* Sizes after a parameter of `count` elements; false when they overflow. */
static bool extend(const wg_params *params, int64_t count, int64_t *length)
{
    const int64_t most = PTRDIFF_MAX / 8 - ALIGN;
    if (count > most - params->length) return false;
    *length = (params->length + count + ALIGN - 1) / ALIGN * ALIGN;
    return true;
}

wg_status wg_params_add(wg_params *params, const char *name, wg_shape shape, const wg_init *init,
                        int *id, wg_error *err)
{
    if (params->values)
        return wg_error_set(err, WG_ESTATE, "parameter '%.255s' comes after the initialisation",
                            name ? name : "");
    wg_status status = wg__check_name("parameter", name, err);
    if (status) return status;
    if (wg_params_find(params, name) >= 0)
        return wg_error_set(err, WG_EEXIST, "parameter '%s' is declared twice", name);
    const wg_init zeros = WG_ZEROS;
    if (!init) init = &zeros;
    char text[160];
    int64_t count = wg_shape_count(&shape), length;
    if (count < 0 || !extend(params, count, &length))
        return wg_error_set(err, WG_EOVERFLOW, "parameter '%s': %s has too many elements", name,
                            wg_shape_format(&shape, text, sizeof text));
    if ((status = wg__init_check(name, &shape, init, err))) return status;
    if (params->count == MAX_PARAMS)
        return wg_error_set(err, WG_ELIMIT, "more than %d parameters", MAX_PARAMS);
    if (params->count == params->capacity) {
        int capacity = params->capacity ? params->capacity * 2 : 16;
        param *list = wg_reallocarray(params->list, (size_t)capacity, sizeof *list);
        if (!list) return wg_error_set(err, WG_ENOMEM, "parameter '%s': out of memory", name);
        params->list = list;
        params->capacity = capacity;
    }
    char *copy = wg_strdup(name);
    if (!copy) return wg_error_set(err, WG_ENOMEM, "parameter '%s': out of memory", name);
    params->list[params->count] = (param){.name = copy,
                                          .shape = wg_shape_of(shape.rank, shape.dim),
                                          .init = *init,
                                          .offset = params->length,
                                          .count = count};
    params->length = length;
    params->elements += count;
    if (id) *id = params->count;
    params->count++;
    return WG_OK;
}

static wg_status view_of(const wg_params *params, const param *p, wg_tensor *arena, wg_tensor **out,
                         wg_error *err)
{
    size_t offset = (size_t)p->offset * wg_dtype_size(params->dtype);
    return wg_tensor_wrap(params->dtype, p->shape, (char *)wg__tensor_memory(arena) + offset, out,
                          err);
}

static int64_t words_of(const param *p)
{
    return p->shape.rank == 2 && p->count > 0 ? (p->shape.dim[0] + 63) / 64 : 0;
}

/* Gradients start as zeros, and that is known. */
static wg_status track(wg_params *params, wg_error *err)
{
    int64_t words = 0; /* fewer than there are elements */
    for (int i = 0; i < params->count; i++) words += words_of(&params->list[i]);
    params->bits = wg_calloc((size_t)words + 1, sizeof *params->bits);
    if (!params->bits) return wg_error_set(err, WG_ENOMEM, "parameters: out of memory");
    atomic_init(&params->track.open, false);
    params->track.writes = 0;
    wg__tensor_track(params->grads, &params->track);
    uint64_t *bits = params->bits;
    for (int i = 0; i < params->count; i++) {
        param *p = &params->list[i];
        p->track = (wg__track){.whole = &params->track};
        if (words_of(p) > 0)
            p->track.rows = (wg_touched){.n = p->shape.dim[0], .bits = bits, .known = true};
        bits += words_of(p);
        wg__tensor_track(p->grad, &p->track);
    }
    return WG_OK;
}

/* seed NULL: the values stay zero. */
static wg_status allocate(wg_params *params, const uint64_t *seed, wg_error *err)
{
    if (params->values) return wg_error_set(err, WG_ESTATE, "parameters are initialised already");
    wg_shape flat = WG_SHAPE(params->length);
    wg_status status = wg_tensor_new(params->dtype, flat, &params->values, err);
    if (!status) status = wg_tensor_new(params->dtype, flat, &params->grads, err);
    for (int i = 0; i < params->count && !status; i++) {
        param *p = &params->list[i];
        status = view_of(params, p, params->values, &p->value, err);
        if (!status) status = view_of(params, p, params->grads, &p->grad, err);
        if (!status && seed) status = wg__init_fill(p->name, &p->init, *seed, p->value, err);
    }
    if (!status) status = track(params, err);
    if (status) drop_tensors(params);
    return status;
}

wg_status wg_params_init(wg_params *params, uint64_t seed, wg_error *err)
{
    return allocate(params, &seed, err);
}

wg_status wg_params_alloc(wg_params *params, wg_error *err)
{
    return allocate(params, NULL, err);
}

wg_dtype wg_params_dtype(const wg_params *params)
{
    return params->dtype;
}

int wg_params_count(const wg_params *params)
{
    return params->count;
}

int64_t wg_params_elements(const wg_params *params)
{
    return params->elements;
}

int wg_params_find(const wg_params *params, const char *name)
{
    for (int i = 0; name && i < params->count; i++)
        if (strcmp(params->list[i].name, name) == 0) return i;
    return -1;
}

static const param *at(const wg_params *params, int id)
{
    return id >= 0 && id < params->count ? &params->list[id] : NULL;
}

const char *wg_params_name(const wg_params *params, int id)
{
    const param *p = at(params, id);
    return p ? p->name : NULL;
}

wg_shape wg_params_shape(const wg_params *params, int id)
{
    const param *p = at(params, id);
    return p ? p->shape : WG_SCALAR;
}

wg_tensor *wg_params_value(const wg_params *params, int id)
{
    const param *p = at(params, id);
    return p ? p->value : NULL;
}

wg_tensor *wg_params_grad(const wg_params *params, int id)
{
    const param *p = at(params, id);
    return p ? p->grad : NULL;
}

wg_tensor *wg_params_values(const wg_params *params)
{
    return params->values;
}

wg_tensor *wg_params_grads(const wg_params *params)
{
    return params->grads;
}

/* ---- which gradients may differ from zero ---- */

/* The last parameter that starts at or before element `at` of the arena. */
static int param_at(const wg_params *params, int64_t at)
{
    int low = 0, high = params->count - 1;
    while (low < high) {
        int middle = low + (high - low + 1) / 2;
        if (params->list[middle].offset <= at)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

/* The first row from `row` on whose bit is `set`; n when there is none. */
static int64_t find_row(const wg_touched *rows, int64_t row, bool set)
{
    while (row < rows->n) {
        uint64_t word = set ? rows->bits[row / 64] : ~rows->bits[row / 64];
        word &= ~(uint64_t)0 << (row % 64);
        row -= row % 64;
        if (!word) {
            row += 64;
            continue;
        }
        while (!(word & 1)) word >>= 1, row++;
        break;
    }
    return row < rows->n ? row : rows->n;
}

bool wg_params_touched(const wg_params *params, int64_t from, int64_t to, int64_t *begin,
                       int64_t *end)
{
    if (to > params->length) to = params->length;
    if (from < 0) from = 0;
    for (int i = from < to ? param_at(params, from) : 0; from < to; i++) {
        const param *p = &params->list[i];
        int64_t last = i + 1 < params->count ? params->list[i + 1].offset : params->length;
        if (last <= from) continue; /* an empty one */
        const wg_touched *rows = p->grad ? wg__tensor_rows(p->grad) : NULL;
        if (!rows || !rows->known) {
            *begin = from;
            *end = last < to ? last : to;
            return true;
        }
        int64_t width = p->shape.dim[1], row = (from - p->offset) / width;
        row = find_row(rows, row < rows->n ? row : rows->n, true);
        if (row < rows->n) {
            int64_t first = p->offset + row * width;
            int64_t stop = p->offset + find_row(rows, row, false) * width;
            first -= first % ALIGN;
            stop += (ALIGN - stop % ALIGN) % ALIGN;
            if (first >= to) return false;
            *begin = first > from ? first : from;
            *end = stop < to ? stop : to;
            return true;
        }
        from = last;
    }
    return false;
}

wg_var wg_param(wg_tape *tape, const wg_params *params, int id)
{
    const param *p = at(params, id);
    if (!p) return wg_tape_fail(tape, WG_ENOTFOUND, "no parameter has number %d", id);
    if (!p->value)
        return wg_tape_fail(tape, WG_ESTATE, "parameter '%s' is used before the initialisation",
                            p->name);
    return wg_name(wg_tensor_var(tape, p->value), p->name);
}

wg_var wg_param_named(wg_tape *tape, const wg_params *params, const char *name)
{
    int id = wg_params_find(params, name);
    if (id < 0)
        return wg_tape_fail(tape, WG_ENOTFOUND, "there is no parameter '%.255s'", name ? name : "");
    return wg_param(tape, params, id);
}
