/* Which table of kernels serves which instruction set. */
#include "kernels/kernels.h"

extern const wg__kernels wg__kernels_base;
#ifdef WG_HAVE_ISA_AVX2
extern const wg__kernels wg__kernels_avx2;
#endif
#ifdef WG_HAVE_ISA_AVX512
extern const wg__kernels wg__kernels_avx512;
#endif

const wg__kernels *wg__kernels_for(int isa)
{
#ifdef WG_HAVE_ISA_AVX512
    if (isa >= WG_ISA_AVX512) return &wg__kernels_avx512;
#endif
#ifdef WG_HAVE_ISA_AVX2
    if (isa >= WG_ISA_AVX2) return &wg__kernels_avx2;
#endif
    (void)isa;
    return &wg__kernels_base;
}
