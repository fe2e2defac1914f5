/* Tensors on the host: dtype, shape, row-major data.
 *
 * A wg_tensor is what goes into and comes out of programs: bound inputs, results, parameters,
 * saved state. Values inside a program are not tensors but slices of the program's own memory.
 * A tensor is owned by who made it and is not locked: several threads may read one, one may write.
 */
#ifndef WENGERT_TENSOR_H
#define WENGERT_TENSOR_H

#include <stdbool.h>
#include <stdint.h>

#include <wengert/memory.h>
#include <wengert/status.h>

WG_BEGIN_DECLS

#define WG_MAX_AXES 6

/* X(NAME, code, C type, text) */
#define WG_DTYPE_MAP(X)       \
    X(F32, 0, float, "f32")   \
    X(F64, 1, double, "f64")  \
    X(I32, 2, int32_t, "i32") \
    X(U8, 3, uint8_t, "u8")

typedef enum wg_dtype {
#define WG_DTYPE_ENUM(name, code, type, text) WG_##name = (code),
    WG_DTYPE_MAP(WG_DTYPE_ENUM)
#undef WG_DTYPE_ENUM
} wg_dtype;
#define WG_DTYPES 4

/* Bits for dtype masks. */
#define WG_BIT(dtype) (1u << (dtype))
#define WG_FLOATS (WG_BIT(WG_F32) | WG_BIT(WG_F64))
#define WG_ANY_DTYPE (WG_FLOATS | WG_BIT(WG_I32) | WG_BIT(WG_U8))

/* Bytes an element takes; 0 for an invalid dtype. */
WG_API size_t wg_dtype_size(wg_dtype dtype);
/* "f32", "f64", "i32", "u8"; "?" for an invalid one. */
WG_API const char *wg_dtype_name(wg_dtype dtype);

/* Axis lengths, outermost first. Rank 0 is a scalar. A length of zero is legal. dim[i] is zero for
 * every i >= rank, so that shapes compare with memcmp. */
typedef struct wg_shape {
    int32_t rank;
    int32_t reserved; /* zero */
    int64_t dim[WG_MAX_AXES];
} wg_shape;

/* WG_SHAPE(2, 3): a shape from a list of lengths; WG_SCALAR: rank 0. */
#define WG_SHAPE(...) \
    wg_shape_of((int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (int64_t[]){__VA_ARGS__})
#define WG_SCALAR wg_shape_of(0, (const int64_t *)0)

/* Builds a shape; rank is cut to WG_MAX_AXES. */
WG_API wg_shape wg_shape_of(int rank, const int64_t *dims);
WG_API bool wg_shape_equal(const wg_shape *a, const wg_shape *b);
/* Number of elements (1 for a scalar); -1 when it overflows or a length is negative. */
WG_API int64_t wg_shape_count(const wg_shape *shape);
/* Writes "[2,3]" ("[]" for a scalar) into buf, cut to `size`; returns buf. 160 bytes suffice. */
WG_API const char *wg_shape_format(const wg_shape *shape, char *buf, size_t size);
/* numpy's broadcasting: aligned at the last axis, lengths equal or 1. False when they do not fit.
 */
WG_API bool wg_shape_broadcast(const wg_shape *a, const wg_shape *b, wg_shape *out);

typedef struct wg_type {
    wg_dtype dtype;
    wg_shape shape;
} wg_type;

typedef struct wg_tensor wg_tensor;

/* New zeroed tensor, 64-byte aligned, owned by the caller. ELIMIT/EOVERFLOW on sizes that cannot
 * be, ENOMEM. */
WG_API wg_status wg_tensor_new(wg_dtype dtype, wg_shape shape, wg_tensor **out, wg_error *err);
/* Tensor over memory of the caller, which must outlive it; wg_tensor_free leaves that memory. */
WG_API wg_status wg_tensor_wrap(wg_dtype dtype, wg_shape shape, void *data, wg_tensor **out,
                                wg_error *err);
WG_API wg_status wg_tensor_clone(const wg_tensor *tensor, wg_tensor **out, wg_error *err);
WG_API void wg_tensor_free(wg_tensor *tensor);

WG_API wg_dtype wg_tensor_dtype(const wg_tensor *tensor);
WG_API wg_shape wg_tensor_shape(const wg_tensor *tensor);
WG_API int64_t wg_tensor_count(const wg_tensor *tensor); /* elements */
WG_API size_t wg_tensor_bytes(const wg_tensor *tensor);
WG_API void *wg_tensor_data(wg_tensor *tensor);
WG_API const void *wg_tensor_cdata(const wg_tensor *tensor);

/* Element i (flat, row-major) as a double, whatever the dtype; 0 when out of range. */
WG_API double wg_tensor_get(const wg_tensor *tensor, int64_t i);
/* Stores a double, converted as C converts (saturated for integers); ignored when out of range. */
WG_API void wg_tensor_set(wg_tensor *tensor, int64_t i, double value);
WG_API void wg_tensor_fill(wg_tensor *tensor, double value);
/* Copies the elements of src into dst: same count; dtypes are converted. */
WG_API wg_status wg_tensor_copy(wg_tensor *dst, const wg_tensor *src, wg_error *err);

WG_END_DECLS

#endif
