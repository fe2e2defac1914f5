/* What files that are compiled once for each instruction set share: vectors as wide as its
 * registers, how loops over them are compiled, and names of its own. */
#ifndef WG_OPS_KERNELS_VECTOR_H
#define WG_OPS_KERNELS_VECTOR_H

#include <stdint.h>

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

/* prefix_avx2 ... */
#define WG_CONCAT2(a, b) a##b
#define WG_CONCAT(a, b) WG_CONCAT2(a, b)
#define WG_FOR_ISA(prefix) WG_CONCAT(prefix, WG_ISA_NAME)

#endif
