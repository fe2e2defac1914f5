/* Which table of kernels for small products serves which instruction set. */
#include <wengert/parallel.h>

#include "kernels/small.h"

extern const wg__small_kernels wg__small_base;
#ifdef WG_HAVE_ISA_AVX2
extern const wg__small_kernels wg__small_avx2;
#endif
#ifdef WG_HAVE_ISA_AVX512
extern const wg__small_kernels wg__small_avx512;
#endif

const wg__small_kernels *wg__small_kernels_for(int isa)
{
#ifdef WG_HAVE_ISA_AVX512
    if (isa >= WG_ISA_AVX512) return &wg__small_avx512;
#endif
#ifdef WG_HAVE_ISA_AVX2
    if (isa >= WG_ISA_AVX2) return &wg__small_avx2;
#endif
    (void)isa;
    return &wg__small_base;
}
