/* What files that are compiled once for each instruction set share: vectors as wide as its
 * registers, how loops over them are compiled, and names of its own. */
#ifndef WG_OPS_KERNELS_VECTOR_H
#define WG_OPS_KERNELS_VECTOR_H

#include <stdint.h>
#ifdef __SSE2__
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
#define WG_VECTOR 64
#elif defined(__AVX__)
#define WG_VECTOR 32
#else
#define WG_VECTOR 16
#endif
#define WG_LANES ((int64_t)(WG_VECTOR / sizeof(float)))

/* f32 in a register, and as it is read from memory that need not be aligned, or is. */
typedef float wg__vec __attribute__((vector_size(WG_VECTOR)));
typedef float wg__vec_unaligned __attribute__((vector_size(WG_VECTOR), aligned(4), may_alias));
typedef float wg__vec_aligned __attribute__((vector_size(WG_VECTOR), may_alias));

#define WG_PRAGMA(text) _Pragma(#text)
/* The iterations of the loop that follows are independent. */
#define WG_SIMD WG_PRAGMA(omp simd)
/* The loop that follows has a few iterations, a constant number of them. */
#if defined(__clang__)
#define WG_UNROLL _Pragma("clang loop unroll(full)")
#else
#define WG_UNROLL _Pragma("GCC unroll 16")
#endif
#define WG_INLINE static inline __attribute__((always_inline))

/* The larger of two lanes, the smaller; that of b where one is a NaN. One instruction: compilers
 * make a comparison and a choice of what C can say. */
#if defined(__AVX512F__)
#define WG_VEC_OF_TWO(op, compare, a, b) (wg__vec) _mm512_##op##_ps((__m512)(a), (__m512)(b))
#elif defined(__AVX__)
#define WG_VEC_OF_TWO(op, compare, a, b) (wg__vec) _mm256_##op##_ps((__m256)(a), (__m256)(b))
#elif defined(__SSE2__)
#define WG_VEC_OF_TWO(op, compare, a, b) (wg__vec) _mm_##op##_ps((__m128)(a), (__m128)(b))
#else
typedef int32_t wg__vec_mask __attribute__((vector_size(WG_VECTOR)));
#define WG_VEC_OF_TWO(op, compare, a, b) \
    (wg__vec)((((a)compare(b)) & (wg__vec_mask)(a)) | (~((a)compare(b)) & (wg__vec_mask)(b)))
#endif

WG_INLINE wg__vec wg__vec_max(wg__vec a, wg__vec b)
{
    return WG_VEC_OF_TWO(max, >, a, b);
}

WG_INLINE wg__vec wg__vec_min(wg__vec a, wg__vec b)
{
    return WG_VEC_OF_TWO(min, <, a, b);
}

/* prefix_avx2 ... */
#define WG_CONCAT2(a, b) a##b
#define WG_CONCAT(a, b) WG_CONCAT2(a, b)
#define WG_FOR_ISA(prefix) WG_CONCAT(prefix, WG_ISA_NAME)

#endif
