/* Copies of operands in the order in which the micro-kernel reads them. */
#ifndef WG_OPS_PACK_H
#define WG_OPS_PACK_H

#include <string.h>

#include "tile.h"

typedef float wg__vec4 __attribute__((vector_size(16), aligned(4), may_alias));

#if defined(__clang__) || __GNUC__ >= 12
#define WG_SHUFFLE4(x, y, a, b, c, d) __builtin_shufflevector(x, y, a, b, c, d)
#else
typedef int32_t wg__int4 __attribute__((vector_size(16)));
#define WG_SHUFFLE4(x, y, a, b, c, d) __builtin_shuffle(x, y, (wg__int4){a, b, c, d})
#endif

/* Four rows of four elements, `row` apart, become four columns in rows `to_row` apart. */
WG_INLINE void wg__transpose4(const float *from, int64_t row, float *to, int64_t to_row)
{
    wg__vec4 x0 = *(const wg__vec4 *)from, x1 = *(const wg__vec4 *)(from + row);
    wg__vec4 x2 = *(const wg__vec4 *)(from + 2 * row), x3 = *(const wg__vec4 *)(from + 3 * row);
    wg__vec4 low = WG_SHUFFLE4(x0, x1, 0, 4, 1, 5), low2 = WG_SHUFFLE4(x2, x3, 0, 4, 1, 5);
    wg__vec4 high = WG_SHUFFLE4(x0, x1, 2, 6, 3, 7), high2 = WG_SHUFFLE4(x2, x3, 2, 6, 3, 7);
    *(wg__vec4 *)to = WG_SHUFFLE4(low, low2, 0, 1, 4, 5);
    *(wg__vec4 *)(to + to_row) = WG_SHUFFLE4(low, low2, 2, 3, 6, 7);
    *(wg__vec4 *)(to + 2 * to_row) = WG_SHUFFLE4(high, high2, 0, 1, 4, 5);
    *(wg__vec4 *)(to + 3 * to_row) = WG_SHUFFLE4(high, high2, 2, 3, 6, 7);
}

/* to[i to_row + j] = from[i row + j column] for m rows of n elements. */
WG_INLINE void wg__pack_rows(const float *from, int64_t row, int64_t column, int64_t m, int64_t n,
                             float *to, int64_t to_row)
{
    if (column == 1) {
        for (int64_t i = 0; i < m; i++)
            memcpy(to + i * to_row, from + i * row, (size_t)n * sizeof *to);
        return;
    }
    const int64_t fours = row == 1 ? m & ~3LL : 0, whole = n & ~3LL;
    for (int64_t i = 0; i < fours; i += 4) {
        for (int64_t j = 0; j < whole; j += 4)
            wg__transpose4(from + i + j * column, column, to + i * to_row + j, to_row);
        for (int64_t j = whole; j < n; j++)
            for (int64_t l = i; l < i + 4; l++) to[l * to_row + j] = from[l + j * column];
    }
    for (int64_t i = fours; i < m; i++)
        for (int64_t j = 0; j < n; j++) to[i * to_row + j] = from[i * row + j * column];
}

/* The last four of `rows` may be copied twice. `rows` is a constant where this is called. */
WG_INLINE int64_t wg__four_of(const int rows, int i)
{
    return i + 4 < rows ? i : rows - 4;
}

WG_INLINE void wg__pack_sliver_of(const int rows, const float *from, int64_t row, int64_t column,
                                  int64_t k, float *to)
{
    int64_t p = 0;
    if (rows >= 4 && row == 1)
        for (; p < k; p++) WG_UNROLL
    for (int i = 0; i < rows; i += 4)
        *(wg__vec4 *)(to + p * rows + wg__four_of(rows, i)) =
            *(const wg__vec4 *)(from + p * column + wg__four_of(rows, i));
    if (rows >= 4 && column == 1)
        for (; p + 4 <= k; p += 4) WG_UNROLL
    for (int i = 0; i < rows; i += 4)
        wg__transpose4(from + wg__four_of(rows, i) * row + p, row,
                       to + p * rows + wg__four_of(rows, i), rows);
    for (; p < k; p++)
        for (int64_t i = 0; i < rows; i++) to[p * rows + i] = from[i * row + p * column];
}

/* A sliver of `rows` rows and k terms: to[p rows + i] = from[i row + p column]. */
WG_INLINE void wg__pack_sliver(const float *from, int64_t row, int64_t column, int64_t rows,
                               int64_t k, float *to)
{
    switch (rows) {
#define WG_SLIVER(n) \
    case n: wg__pack_sliver_of(n, from, row, column, k, to); break;
        WG_SLIVER(1)
        WG_SLIVER(2)
        WG_SLIVER(3)
        WG_SLIVER(4)
        WG_SLIVER(5)
        WG_SLIVER(6)
#if WG_TILE_ROWS == 12
        WG_SLIVER(7)
        WG_SLIVER(8)
        WG_SLIVER(9)
        WG_SLIVER(10)
        WG_SLIVER(11)
        WG_SLIVER(12)
#endif
#undef WG_SLIVER
    default: break;
    }
}

/* Rows begin to end of a panel of n <= WG_TILE_WIDTH columns: element (p, j) of the panel is
 * b[p row + j column], and columns beyond n are zeros. */
WG_INLINE void wg__pack_panel(const float *b, int64_t row, int64_t column, int64_t begin,
                              int64_t end, int64_t n, float *panel)
{
    float *to = panel + begin * WG_TILE_WIDTH;
    b += begin * row;
    if (n < WG_TILE_WIDTH) memset(to, 0, (size_t)((end - begin) * WG_TILE_WIDTH) * sizeof *to);
    if (column == 1 && n == WG_TILE_WIDTH)
        for (int64_t p = begin; p < end; p++, b += row, to += WG_TILE_WIDTH) {
            *(wg__vec_aligned *)to = *(const wg__vec_unaligned *)b;
            *(wg__vec_aligned *)(to + WG_LANES) = *(const wg__vec_unaligned *)(b + WG_LANES);
        }
    else
        wg__pack_rows(b, row, column, end - begin, n, to, WG_TILE_WIDTH);
}

#endif
