/* Strided block copy. Axes of length 1 vanish and neighbours that step together become one axis, so
 * that most copies end as a few long memcpy runs; where source and destination run along different
 * axes, tiles keep both within the cache. */
#include "ndcopy.h"

#include <string.h>

#include <wengert/parallel.h>

typedef struct block {
    size_t esize;
    int rank;
    int64_t dim[WG_MAX_AXES], ds[WG_MAX_AXES], ss[WG_MAX_AXES];
    char *dst;
    const char *src;
} block;

#define TILE 64

/* Returns false when there is nothing to copy. */
static bool simplify(block *b, int rank, const int64_t *dim, const int64_t *ds, const int64_t *ss)
{
    b->rank = 0;
    for (int i = 0; i < rank; i++) {
        if (dim[i] <= 0) return false;
        if (dim[i] == 1) continue;
        int last = b->rank - 1;
        if (last >= 0 && b->ds[last] == ds[i] * dim[i] && b->ss[last] == ss[i] * dim[i]) {
            b->dim[last] *= dim[i];
            b->ds[last] = ds[i];
            b->ss[last] = ss[i];
        } else {
            b->dim[b->rank] = dim[i];
            b->ds[b->rank] = ds[i];
            b->ss[b->rank] = ss[i];
            b->rank++;
        }
    }
    if (b->rank == 0) {
        b->rank = 1;
        b->dim[0] = b->ds[0] = b->ss[0] = 1;
    }
    return true;
}

/* Brings the axis along which the source is dense next to the last one, where tiles see both. */
static void order(block *b)
{
    int last = b->rank - 1;
    if (b->rank < 3 || b->ss[last] == 1) return;
    for (int i = last - 1; i >= 0; i--) {
        if (b->ss[i] != 1) continue;
        int64_t dim = b->dim[i], ds = b->ds[i], ss = b->ss[i];
        for (int j = i; j < last - 1; j++) {
            b->dim[j] = b->dim[j + 1];
            b->ds[j] = b->ds[j + 1];
            b->ss[j] = b->ss[j + 1];
        }
        b->dim[last - 1] = dim;
        b->ds[last - 1] = ds;
        b->ss[last - 1] = ss;
        return;
    }
}

#define DEFINE_LINE(name, type)                                                                 \
    static void name(int64_t n, char *dst, int64_t ds, const char *src, int64_t ss)             \
    {                                                                                           \
        type *d = (type *)(void *)dst;                                                          \
        const type *s = (const type *)(const void *)src;                                        \
        if (ss == 0 && ds == 1) {                                                               \
            type value = *s;                                                                    \
            for (int64_t i = 0; i < n; i++) d[i] = value;                                       \
        } else {                                                                                \
            for (int64_t i = 0; i < n; i++) d[i * ds] = s[i * ss];                              \
        }                                                                                       \
    }                                                                                           \
    static void name##_tiles(const int64_t *dim, char *dst, const int64_t *ds, const char *src, \
                             const int64_t *ss)                                                 \
    {                                                                                           \
        type *d = (type *)(void *)dst;                                                          \
        const type *s = (const type *)(const void *)src;                                        \
        type tile[TILE][TILE + 1];                                                              \
        for (int64_t i0 = 0; i0 < dim[0]; i0 += TILE) {                                         \
            int64_t ni = dim[0] - i0 < TILE ? dim[0] - i0 : TILE;                               \
            for (int64_t j0 = 0; j0 < dim[1]; j0 += TILE) {                                     \
                int64_t nj = dim[1] - j0 < TILE ? dim[1] - j0 : TILE;                           \
                for (int64_t j = 0; j < nj; j++)                                                \
                    memcpy(tile[j], s + i0 + (j0 + j) * ss[1], (size_t)ni * sizeof(type));      \
                for (int64_t i = 0; i < ni; i++)                                                \
                    for (int64_t j = 0; j < nj; j++)                                            \
                        d[(i0 + i) * ds[0] + (j0 + j) * ds[1]] = tile[j][i];                    \
            }                                                                                   \
        }                                                                                       \
    }
DEFINE_LINE(line1, uint8_t)
DEFINE_LINE(line4, uint32_t)
DEFINE_LINE(line8, uint64_t)

static void copy_line(const block *b, char *dst, const char *src)
{
    int i = b->rank - 1;
    if (b->ds[i] == 1 && b->ss[i] == 1)
        memcpy(dst, src, (size_t)b->dim[i] * b->esize);
    else if (b->esize == 4)
        line4(b->dim[i], dst, b->ds[i], src, b->ss[i]);
    else if (b->esize == 8)
        line8(b->dim[i], dst, b->ds[i], src, b->ss[i]);
    else
        line1(b->dim[i], dst, b->ds[i], src, b->ss[i]);
}

static void copy_axes(const block *b, int axis, int64_t begin, int64_t end, char *dst,
                      const char *src)
{
    int64_t ds = b->ds[axis] * (int64_t)b->esize, ss = b->ss[axis] * (int64_t)b->esize;
    if (axis == b->rank - 2 && b->ss[axis] == 1 && b->ss[axis + 1] != 1) {
        int64_t dim[2] = {end - begin, b->dim[axis + 1]};
        dst += begin * ds;
        src += begin * ss;
        if (b->esize == 4)
            line4_tiles(dim, dst, b->ds + axis, src, b->ss + axis);
        else if (b->esize == 8)
            line8_tiles(dim, dst, b->ds + axis, src, b->ss + axis);
        else
            line1_tiles(dim, dst, b->ds + axis, src, b->ss + axis);
        return;
    }
    for (int64_t i = begin; i < end; i++) {
        if (axis == b->rank - 2)
            copy_line(b, dst + i * ds, src + i * ss);
        else
            copy_axes(b, axis + 1, 0, b->dim[axis + 1], dst + i * ds, src + i * ss);
    }
}

static void copy_range(void *user, int64_t begin, int64_t end, int worker)
{
    const block *b = user;
    (void)worker;
    if (b->rank == 1) {
        block part = *b;
        part.dim[0] = end - begin;
        copy_line(&part, b->dst + begin * b->ds[0] * (int64_t)b->esize,
                  b->src + begin * b->ss[0] * (int64_t)b->esize);
        return;
    }
    copy_axes(b, 0, begin, end, b->dst, b->src);
}

void wg__ndcopy(size_t esize, int rank, const int64_t *dim, const int64_t *dst_stride, void *dst,
                const int64_t *src_stride, const void *src, int threads)
{
    block b;
    memset(&b, 0, sizeof b);
    b.esize = esize;
    b.dst = dst;
    b.src = src;
    if (!simplify(&b, rank, dim, dst_stride, src_stride)) return;
    order(&b);
    int64_t inner = 1;
    for (int i = 1; i < b.rank; i++) inner *= b.dim[i];
    int64_t grain = inner >= 16384 ? 1 : 16384 / inner;
    wg_parallel_for(threads, b.dim[0], grain, copy_range, &b);
}
