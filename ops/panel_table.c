/* Which table of panel kernels serves which instruction set. */
#include <wengert/parallel.h>

#include "kernels/panel.h"

extern const wg__panel_kernels wg__panels_base;
#ifdef WG_HAVE_ISA_AVX2
extern const wg__panel_kernels wg__panels_avx2;
#endif
#ifdef WG_HAVE_ISA_AVX512
extern const wg__panel_kernels wg__panels_avx512;
#endif

const wg__panel_kernels *wg__panel_kernels_for(int isa)
{
#ifdef WG_HAVE_ISA_AVX512
    if (isa >= WG_ISA_AVX512) return &wg__panels_avx512;
#endif
#ifdef WG_HAVE_ISA_AVX2
    if (isa >= WG_ISA_AVX2) return &wg__panels_avx2;
#endif
    (void)isa;
    return &wg__panels_base;
}
