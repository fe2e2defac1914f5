/* The micro-kernel of products: up to ROWS rows against one panel (panel.h), summed in registers.
 *
 * Each term loads two vectors of the panel and multiplies them with one broadcast element a row (K.
 * Goto, R. van de Geijn, "Anatomy of High-Performance Matrix Multiplication", ACM TOMS 34(3),
 * 2008). With AVX2 the loop is written in assembly, for what it leaves out. A core whose other
 * thread is busy takes in about three instructions a cycle, not six: twelve multiplications in six
 * cycles then leave room for six instructions besides, loads included. Compilers add copies,
 * counters and addresses to them (gcc 12: 77 to 80 of 104 GFLOP/s, this: 90 to 92; with the core to
 * itself 102 and 101). Sanitizers see C alone, so their builds have the loop in C. */
#ifndef WG_OPS_TILE_H
#define WG_OPS_TILE_H

#include <stdbool.h>
#include <stddef.h>

#include "vector.h"

#if defined(__AVX512F__)
#define WG_TILE_ROWS 12 /* 24 sums of 32 registers */
#else
#define WG_TILE_ROWS 6 /* 12 of 16 */
#endif
#define WG_TILE_WIDTH (2 * WG_LANES)

/* Terms of a sum. Longer ones are sums of such: they err less, and what a tile reads of a panel
 * stays in a first-level cache for the next one. */
enum { WG_TILE_TERMS = 384 };

/* c = from + a b for the rows of a tile and the columns of a panel: each element is one sum over
 * its k terms in order, and then `from` is added. For wg__tiles rows of a lie a_row apart, terms
 * side by side; for wg__sliver_tiles terms follow each other, of as many elements as there are
 * rows. */
typedef struct wg__tile_job {
    const float *a;
    int64_t a_row;
    const float *b; /* a panel: k rows of WG_TILE_WIDTH, aligned to a vector */
    int64_t k;
    const float *from; /* rows ldfrom apart; NULL = zeros; may be c */
    int64_t ldfrom;
    float *c;
    int64_t ldc;
} wg__tile_job;

/* Part q of `whole` in parts as even as can be. */
static inline int64_t wg__even_part(int64_t whole, int64_t parts, int64_t q)
{
    return whole / parts + (q < whole % parts);
}

/* One term of the sums over k. */
WG_INLINE void wg__tile_term(const int rows, const float *restrict a, int64_t a_row,
                             const float *restrict b, wg__vec sum[WG_TILE_ROWS][2])
{
    const wg__vec left = *(const wg__vec_aligned *)b;
    const wg__vec right = *(const wg__vec_aligned *)(b + WG_LANES);
    WG_UNROLL
    for (int i = 0; i < rows; i++) {
        wg__vec x = a[i * a_row] - (wg__vec){0}; /* on every lane */
        sum[i][0] += x * left;
        sum[i][1] += x * right;
    }
}

/* `rows` and `sliver` are constants where this is called, so that the sums live in registers. */
WG_INLINE void wg__tile(const int rows, const bool sliver, const wg__tile_job *t)
{
    const float *a = t->a, *b = t->b, *from = t->from;
    const int64_t a_row = sliver ? 1 : t->a_row, a_term = sliver ? rows : 1;
    const int64_t k = t->k, ldfrom = t->ldfrom, ldc = t->ldc;
    float *c = t->c;
    wg__vec sum[WG_TILE_ROWS][2];
    WG_UNROLL
    for (int i = 0; i < rows; i++) WG_UNROLL
    for (int v = 0; v < 2; v++) sum[i][v] = (wg__vec){0};
    for (int64_t p = 0; p < k; p++)
        wg__tile_term(rows, a + p * a_term, a_row, b + p * WG_TILE_WIDTH, sum);
    if (from) WG_UNROLL
    for (int i = 0; i < rows; i++) WG_UNROLL
    for (int v = 0; v < 2; v++)
        sum[i][v] += *(const wg__vec_unaligned *)(from + i * ldfrom + v * WG_LANES);
    WG_UNROLL
    for (int i = 0; i < rows; i++) WG_UNROLL
    for (int v = 0; v < 2; v++) *(wg__vec_unaligned *)(c + i * ldc + v * WG_LANES) = sum[i][v];
}

/* A function each, so that the registers of one do not depend on the others. */
#define WG_TILE(rows)                                    \
    static void wg__tile_##rows(const wg__tile_job *t)   \
    {                                                    \
        wg__tile(rows, false, t);                        \
    }                                                    \
    static void wg__sliver_##rows(const wg__tile_job *t) \
    {                                                    \
        wg__tile(rows, true, t);                         \
    }

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(memory_sanitizer) || \
    __has_feature(thread_sanitizer)
#define WG_TILE_IN_C
#endif
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define WG_TILE_IN_C
#endif

WG_TILE(1)
WG_TILE(2)
WG_TILE(3)

#if defined(__x86_64__) && defined(__AVX2__) && !defined(__AVX512F__) && !defined(WG_TILE_IN_C)

WG_INLINE void wg__tile_add(const int rows, const wg__tile_job *t, wg__vec *left, wg__vec *right)
{
    const float *from = t->from;
    const int64_t ldfrom = t->ldfrom;
    WG_UNROLL
    for (int i = 0; i < rows; i++) {
        left[i] += *(const wg__vec_unaligned *)(from + i * ldfrom);
        right[i] += *(const wg__vec_unaligned *)(from + i * ldfrom + WG_LANES);
    }
}

/* b stands 128 bytes ahead, so that four terms of it are within a displacement of one byte. */
#define WG_T_RIGHT(u)                           \
    "vmovaps -128+64*" #u "(%[b]), %[left]\n\t" \
    "vmovaps -96+64*" #u "(%[b]), %[right]\n\t"
#define WG_T_ROW(i, at)                         \
    "vbroadcastss " at ", %[x]\n\t"             \
    "vfmadd231ps %[left], %[x], %[s" #i "]\n\t" \
    "vfmadd231ps %[right], %[x], %[t" #i "]\n\t"
/* Term u of rows that lie apart, and of a sliver. */
#define WG_T_APART_4(u)                      \
    WG_T_RIGHT(u)                            \
    WG_T_ROW(0, "4*" #u "(%[a])")            \
    WG_T_ROW(1, "4*" #u "(%[a], %[row])")    \
    WG_T_ROW(2, "4*" #u "(%[a], %[row], 2)") \
    WG_T_ROW(3, "4*" #u "(%[a], %[row3])")
#define WG_T_APART_5(u) WG_T_APART_4(u) WG_T_ROW(4, "4*" #u "(%[a], %[row], 4)")
#define WG_T_APART_6(u) WG_T_APART_5(u) WG_T_ROW(5, "4*" #u "(%[a], %[row5])")
#define WG_T_NEXT(i, u, rows) WG_T_ROW(i, "4*(" #rows "*" #u "+" #i ")(%[a])")
#define WG_T_SLIVER_4(u) \
    WG_T_RIGHT(u)        \
    WG_T_NEXT(0, u, 4) WG_T_NEXT(1, u, 4) WG_T_NEXT(2, u, 4) WG_T_NEXT(3, u, 4)
#define WG_T_SLIVER_5(u) \
    WG_T_RIGHT(u)        \
    WG_T_NEXT(0, u, 5) WG_T_NEXT(1, u, 5) WG_T_NEXT(2, u, 5) WG_T_NEXT(3, u, 5) WG_T_NEXT(4, u, 5)
#define WG_T_SLIVER_6(u) \
    WG_T_RIGHT(u)        \
    WG_T_NEXT(0, u, 6)   \
    WG_T_NEXT(1, u, 6) WG_T_NEXT(2, u, 6) WG_T_NEXT(3, u, 6) WG_T_NEXT(4, u, 6) WG_T_NEXT(5, u, 6)
#define WG_T_ZERO(i)                                \
    "vxorps %[s" #i "], %[s" #i "], %[s" #i "]\n\t" \
    "vxorps %[t" #i "], %[t" #i "], %[t" #i "]\n\t"
#define WG_T_ZERO_4 WG_T_ZERO(0) WG_T_ZERO(1) WG_T_ZERO(2) WG_T_ZERO(3)
#define WG_T_ZERO_5 WG_T_ZERO_4 WG_T_ZERO(4)
#define WG_T_ZERO_6 WG_T_ZERO_5 WG_T_ZERO(5)
#define WG_T_SUM(i) [s##i] "=&x"(s[i]), [t##i] "=&x"(r[i])
#define WG_T_SUM_4 WG_T_SUM(0), WG_T_SUM(1), WG_T_SUM(2), WG_T_SUM(3)
#define WG_T_SUM_5 WG_T_SUM_4, WG_T_SUM(4)
#define WG_T_SUM_6 WG_T_SUM_5, WG_T_SUM(5)

/* clang-format off */
#define WG_T_LOOPS(rows, TERM, step)                                            \
    WG_T_ZERO_##rows                                                            \
    "test %[fours], %[fours]\n\t"                                               \
    "jz 2f\n\t"                                                                 \
    ".p2align 5\n"                                                              \
    "1:\n\t"                                                                    \
    TERM(0) TERM(1) TERM(2) TERM(3)                                             \
    "add $4*" #step ", %[a]\n\t"                                                \
    "sub $-256, %[b]\n\t"                                                       \
    "dec %[fours]\n\t"                                                          \
    "jnz 1b\n"                                                                  \
    "2:\n\t"                                                                    \
    "test %[ones], %[ones]\n\t"                                                 \
    "jz 4f\n"                                                                   \
    "3:\n\t"                                                                    \
    TERM(0)                                                                     \
    "add $" #step ", %[a]\n\t"                                                  \
    "add $64, %[b]\n\t"                                                         \
    "dec %[ones]\n\t"                                                           \
    "jnz 3b\n"                                                                  \
    "4:"
/* clang-format on */

#define WG_TILE_IN_ASSEMBLY(name, rows, TERM, step)                                    \
    static void name(const wg__tile_job *t)                                            \
    {                                                                                  \
        wg__vec s[rows], r[rows], left, right, x;                                      \
        const float *a = t->a, *b = t->b + 32;                                         \
        int64_t fours = t->k / 4, ones = t->k % 4, row = 4 * t->a_row;                 \
        __asm__ volatile(                                                              \
            WG_T_LOOPS(rows, TERM, step)                                               \
            : WG_T_SUM_##rows, [left] "=&x"(left), [right] "=&x"(right), [x] "=&x"(x), \
              [a] "+&r"(a), [b] "+&r"(b), [fours] "+&r"(fours), [ones] "+&r"(ones)     \
            : [row] "r"(row), [row3] "r"(3 * row), [row5] "r"(5 * row)                 \
            : "memory", "cc");                                                         \
        if (t->from) wg__tile_add(rows, t, s, r);                                      \
        float *c = t->c;                                                               \
        const int64_t ldc = t->ldc;                                                    \
        WG_UNROLL                                                                      \
        for (int i = 0; i < rows; i++) {                                               \
            *(wg__vec_unaligned *)(c + i * ldc) = s[i];                                \
            *(wg__vec_unaligned *)(c + i * ldc + WG_LANES) = r[i];                     \
        }                                                                              \
    }
WG_TILE_IN_ASSEMBLY(wg__tile_4, 4, WG_T_APART_4, 4)
WG_TILE_IN_ASSEMBLY(wg__tile_5, 5, WG_T_APART_5, 4)
WG_TILE_IN_ASSEMBLY(wg__tile_6, 6, WG_T_APART_6, 4)
WG_TILE_IN_ASSEMBLY(wg__sliver_4, 4, WG_T_SLIVER_4, 16)
WG_TILE_IN_ASSEMBLY(wg__sliver_5, 5, WG_T_SLIVER_5, 20)
WG_TILE_IN_ASSEMBLY(wg__sliver_6, 6, WG_T_SLIVER_6, 24)

#else
WG_TILE(4)
WG_TILE(5)
WG_TILE(6)
#endif

#if WG_TILE_ROWS == 12
WG_TILE(7)
WG_TILE(8)
WG_TILE(9)
WG_TILE(10)
WG_TILE(11)
WG_TILE(12)
#endif

#if WG_TILE_ROWS == 12
#define WG_TILE_TABLE(x)                                                                \
    {                                                                                   \
        NULL, x##1, x##2, x##3, x##4, x##5, x##6, x##7, x##8, x##9, x##10, x##11, x##12 \
    }
#else
#define WG_TILE_TABLE(x)                         \
    {                                            \
        NULL, x##1, x##2, x##3, x##4, x##5, x##6 \
    }
#endif

typedef void wg__tile_function(const wg__tile_job *t);
static wg__tile_function *const wg__tiles[WG_TILE_ROWS + 1] = WG_TILE_TABLE(wg__tile_);
static wg__tile_function *const wg__sliver_tiles[WG_TILE_ROWS + 1] = WG_TILE_TABLE(wg__sliver_);

#endif
