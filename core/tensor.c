/* Host tensors: a dtype, a shape and row-major data, owned or borrowed. */
#include <wengert/tensor.h>

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "memory_private.h"
#include "track.h"

struct wg_tensor {
    wg_type type;
    int64_t count;
    size_t bytes;
    void *data;
    bool owned;
    wg__track *track; /* of gradients */
};

/* Checks a type and gives its number of elements and bytes. */
static wg_status measure(wg_dtype dtype, const wg_shape *shape, int64_t *count, size_t *bytes,
                         wg_error *err)
{
    size_t size = wg_dtype_size(dtype);
    if (size == 0)
        return wg_error_set(err, WG_EDTYPE, "tensor: no dtype has number %d", (int)dtype);
    if (shape->rank < 0 || shape->rank > WG_MAX_AXES)
        return wg_error_set(err, WG_ELIMIT, "tensor: rank %d is not within 0..%d", (int)shape->rank,
                            WG_MAX_AXES);
    char text[160];
    for (int i = 0; i < shape->rank; i++)
        if (shape->dim[i] < 0)
            return wg_error_set(err, WG_EINVAL, "tensor: axis %d of %s has a negative length", i,
                                wg_shape_format(shape, text, sizeof text));
    *count = wg_shape_count(shape);
    /* Half of the address space is the most that pointers into one object can span. */
    if (*count < 0 || (uint64_t)*count > (uint64_t)PTRDIFF_MAX / size)
        return wg_error_set(err, WG_EOVERFLOW, "tensor: %s %s has more bytes than memory can",
                            wg_dtype_name(dtype), wg_shape_format(shape, text, sizeof text));
    *bytes = (size_t)*count * size;
    return WG_OK;
}

/* A tensor without data. */
static wg_status make(wg_dtype dtype, const wg_shape *shape, wg_tensor **out, wg_error *err)
{
    int64_t count = 0;
    size_t bytes = 0;
    wg_status status = measure(dtype, shape, &count, &bytes, err);
    if (status) return status;
    wg_tensor *tensor = wg_calloc(1, sizeof *tensor);
    if (!tensor) return wg_error_set(err, WG_ENOMEM, "tensor: out of memory");
    tensor->type.dtype = dtype;
    /* Rebuilt, so that the lengths past the rank are zero whatever the caller left there. */
    tensor->type.shape = wg_shape_of(shape->rank, shape->dim);
    tensor->count = count;
    tensor->bytes = bytes;
    *out = tensor;
    return WG_OK;
}

wg_status wg_tensor_new(wg_dtype dtype, wg_shape shape, wg_tensor **out, wg_error *err)
{
    *out = NULL;
    wg_tensor *tensor;
    wg_status status = make(dtype, &shape, &tensor, err);
    if (status) return status;
    tensor->data = wg__calloc_aligned(tensor->bytes);
    if (!tensor->data) {
        char text[160];
        status = wg_error_set(err, WG_ENOMEM, "tensor: no memory for %s %s (%zu bytes)",
                              wg_dtype_name(dtype), wg_shape_format(&shape, text, sizeof text),
                              tensor->bytes);
        wg_free(tensor);
        return status;
    }
    tensor->owned = true;
    *out = tensor;
    return WG_OK;
}

wg_status wg_tensor_wrap(wg_dtype dtype, wg_shape shape, void *data, wg_tensor **out, wg_error *err)
{
    *out = NULL;
    wg_tensor *tensor;
    wg_status status = make(dtype, &shape, &tensor, err);
    if (status) return status;
    if (!data && tensor->bytes) {
        wg_free(tensor);
        return wg_error_set(err, WG_EINVAL, "tensor: no data to wrap");
    }
    tensor->data = data;
    *out = tensor;
    return WG_OK;
}

wg_status wg_tensor_clone(const wg_tensor *tensor, wg_tensor **out, wg_error *err)
{
    wg_status status = wg_tensor_new(tensor->type.dtype, tensor->type.shape, out, err);
    if (status) return status;
    if (tensor->bytes) memcpy((*out)->data, tensor->data, tensor->bytes);
    return WG_OK;
}

void wg_tensor_free(wg_tensor *tensor)
{
    if (!tensor) return;
    if (tensor->owned) wg_free_aligned(tensor->data);
    wg_free(tensor);
}

wg_dtype wg_tensor_dtype(const wg_tensor *tensor)
{
    return tensor->type.dtype;
}

wg_shape wg_tensor_shape(const wg_tensor *tensor)
{
    return tensor->type.shape;
}

int64_t wg_tensor_count(const wg_tensor *tensor)
{
    return tensor->count;
}

size_t wg_tensor_bytes(const wg_tensor *tensor)
{
    return tensor->bytes;
}

void *wg_tensor_data(wg_tensor *tensor)
{
    if (tensor->track) atomic_store_explicit(&tensor->track->open, true, memory_order_relaxed);
    return tensor->data;
}

const void *wg_tensor_cdata(const wg_tensor *tensor)
{
    return tensor->data;
}

/* Integers saturate, and NaN becomes 0: C leaves both undefined. */
static int32_t to_i32(double value)
{
    if (isnan(value)) return 0;
    if (value <= INT32_MIN) return INT32_MIN;
    if (value >= INT32_MAX) return INT32_MAX;
    return (int32_t)value;
}

static uint8_t to_u8(double value)
{
    if (!(value > 0)) return 0;
    return value >= UINT8_MAX ? UINT8_MAX : (uint8_t)value;
}

static double load(wg_dtype dtype, const void *data, int64_t i)
{
    switch (dtype) {
    case WG_F32: return ((const float *)data)[i];
    case WG_F64: return ((const double *)data)[i];
    case WG_I32: return ((const int32_t *)data)[i];
    case WG_U8: return ((const uint8_t *)data)[i];
    }
    return 0;
}

static void store(wg_dtype dtype, void *data, int64_t i, double value)
{
    switch (dtype) {
    case WG_F32: ((float *)data)[i] = (float)value; return;
    case WG_F64: ((double *)data)[i] = value; return;
    case WG_I32: ((int32_t *)data)[i] = to_i32(value); return;
    case WG_U8: ((uint8_t *)data)[i] = to_u8(value); return;
    }
}

double wg_tensor_get(const wg_tensor *tensor, int64_t i)
{
    if (i < 0 || i >= tensor->count) return 0;
    return load(tensor->type.dtype, tensor->data, i);
}

void wg_tensor_set(wg_tensor *tensor, int64_t i, double value)
{
    if (i < 0 || i >= tensor->count) return;
    wg__tensor_forget(tensor);
    store(tensor->type.dtype, tensor->data, i, value);
}

void wg_tensor_fill(wg_tensor *tensor, double value)
{
    wg__tensor_forget(tensor);
    for (int64_t i = 0; i < tensor->count; i++) store(tensor->type.dtype, tensor->data, i, value);
}

wg_status wg_tensor_copy(wg_tensor *dst, const wg_tensor *src, wg_error *err)
{
    if (dst->count != src->count) {
        char a[160], b[160];
        return wg_error_set(err, WG_ESHAPE,
                            "tensor: cannot copy %s (%" PRId64 " elements) into %s (%" PRId64 ")",
                            wg_shape_format(&src->type.shape, a, sizeof a), src->count,
                            wg_shape_format(&dst->type.shape, b, sizeof b), dst->count);
    }
    wg__tensor_forget(dst);
    if (dst->type.dtype == src->type.dtype) {
        if (dst->bytes) memmove(dst->data, src->data, dst->bytes);
        return WG_OK;
    }
    for (int64_t i = 0; i < dst->count; i++)
        store(dst->type.dtype, dst->data, i, load(src->type.dtype, src->data, i));
    return WG_OK;
}

/* ---- what is known of gradients ---- */

void wg__tensor_track(wg_tensor *tensor, wg__track *track)
{
    tensor->track = track;
}

void *wg__tensor_memory(const wg_tensor *tensor)
{
    return tensor->data;
}

static bool is_open(wg__track *track)
{
    return atomic_load_explicit(&track->open, memory_order_relaxed);
}

wg_touched *wg__tensor_rows(const wg_tensor *tensor)
{
    wg__track *t = tensor->track;
    if (!t || !t->rows.bits || is_open(t) || is_open(t->whole)) return NULL;
    if (t->seen != t->whole->writes) {
        t->rows.known = false;
        t->seen = t->whole->writes;
    }
    return &t->rows;
}

void wg__tensor_forget(wg_tensor *tensor)
{
    wg__track *t = tensor->track;
    if (!t) return;
    if (!t->whole) t->writes++;
    t->rows.known = false;
}
