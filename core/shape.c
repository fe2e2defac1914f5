/* dtypes and shapes: sizes, names, counting with overflow checks, broadcasting. */
#include <wengert/tensor.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

size_t wg_dtype_size(wg_dtype dtype)
{
    switch (dtype) {
#define SIZE_CASE(name, code, type, text) \
    case WG_##name: return sizeof(type);
        WG_DTYPE_MAP(SIZE_CASE)
#undef SIZE_CASE
    }
    return 0;
}

const char *wg_dtype_name(wg_dtype dtype)
{
    switch (dtype) {
#define NAME_CASE(name, code, type, text) \
    case WG_##name: return text;
        WG_DTYPE_MAP(NAME_CASE)
#undef NAME_CASE
    }
    return "?";
}

wg_shape wg_shape_of(int rank, const int64_t *dims)
{
    wg_shape shape;
    memset(&shape, 0, sizeof shape);
    if (rank > WG_MAX_AXES) rank = WG_MAX_AXES;
    if (rank < 0 || !dims) rank = 0;
    shape.rank = rank;
    for (int i = 0; i < rank; i++) shape.dim[i] = dims[i];
    return shape;
}

bool wg_shape_equal(const wg_shape *a, const wg_shape *b)
{
    if (a->rank != b->rank) return false;
    for (int i = 0; i < a->rank && i < WG_MAX_AXES; i++)
        if (a->dim[i] != b->dim[i]) return false;
    return true;
}

int64_t wg_shape_count(const wg_shape *shape)
{
    if (shape->rank < 0 || shape->rank > WG_MAX_AXES) return -1;
    /* The product of the lengths that are not zero must fit too: strides are products of some of
     * the lengths, and [0, 2^40, 2^40] would overflow there. */
    int64_t product = 1;
    bool empty = false;
    for (int i = 0; i < shape->rank; i++) {
        int64_t length = shape->dim[i];
        if (length < 0) return -1;
        if (length == 0) {
            empty = true;
            continue;
        }
        if (product > INT64_MAX / length) return -1;
        product *= length;
    }
    return empty ? 0 : product;
}

const char *wg_shape_format(const wg_shape *shape, char *buf, size_t size)
{
    if (!buf || size == 0) return "";
    size_t used = 0;
    int rank = shape->rank;
    if (rank < 0) rank = 0;
    if (rank > WG_MAX_AXES) rank = WG_MAX_AXES;
    buf[0] = '\0';
    for (int i = -1; i <= rank; i++) {
        char piece[24];
        if (i < 0) {
            snprintf(piece, sizeof piece, "[");
        } else if (i == rank) {
            snprintf(piece, sizeof piece, "]");
        } else {
            snprintf(piece, sizeof piece, "%s%" PRId64, i ? "," : "", shape->dim[i]);
        }
        size_t length = strlen(piece);
        if (length > size - 1 - used) length = size - 1 - used;
        memcpy(buf + used, piece, length);
        used += length;
        buf[used] = '\0';
    }
    return buf;
}

bool wg_shape_broadcast(const wg_shape *a, const wg_shape *b, wg_shape *out)
{
    wg_shape result;
    memset(&result, 0, sizeof result);
    result.rank = a->rank > b->rank ? a->rank : b->rank;
    for (int i = 1; i <= result.rank; i++) {
        int64_t x = i <= a->rank ? a->dim[a->rank - i] : 1;
        int64_t y = i <= b->rank ? b->dim[b->rank - i] : 1;
        if (x != y && x != 1 && y != 1) return false;
        result.dim[result.rank - i] = x == 1 ? y : x;
    }
    *out = result;
    return true;
}
