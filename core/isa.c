/* Which instruction set the kernels may use. */
#include "isa.h"

#include <stdlib.h>
#include <string.h>

#ifdef WG_HAVE_ONEDNN
#include <dnnl.h>
#endif

static const char *const names[WG_ISAS] = {"base", "avx2", "avx512"};

const char *wg_isa_name(wg_isa isa)
{
    return (int)isa >= 0 && (int)isa < WG_ISAS ? names[isa] : "?";
}

/* What this CPU has, system support for its registers included, of what the library was built
 * with. The features are those that cmake/WengertLibrary.cmake compiles the kernels for. */
static wg_isa of_cpu(void)
{
#if defined(__x86_64__)
#if defined(WG_HAVE_ISA_AVX512)
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("fma"))
        return WG_ISA_AVX512;
#endif
#if defined(WG_HAVE_ISA_AVX2)
    /* Every CPU with AVX2 and FMA has F16C. */
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return WG_ISA_AVX2;
#endif
#endif
    return WG_ISA_BASE;
}

wg_isa wg_isa_best(void)
{
    wg_isa best = of_cpu();
    const char *forced = getenv("WENGERT_ISA");
    if (forced)
        for (int isa = 0; isa <= (int)best; isa++)
            if (strcmp(forced, names[isa]) == 0) return (wg_isa)isa;
    return best;
}

const char *wg__bf16_missing(int isa)
{
#if defined(WG_HAVE_ONEDNN) && DNNL_VERSION_MAJOR == 2 && defined(__x86_64__)
    if (!__builtin_cpu_supports("avx512bf16"))
        return "the CPU has neither AVX-512 BF16 nor AMX BF16";
    if (isa < WG_ISA_AVX512) return "the instruction set is held below avx512";
    /* Each of oneDNN's sets has the bits of those that it contains. */
    unsigned all = (unsigned)dnnl_get_effective_cpu_isa(), bf16 = dnnl_cpu_isa_avx512_core_bf16;
    return (all & bf16) == bf16 ? NULL
                                : "oneDNN does not use AVX-512 BF16 here (DNNL_MAX_CPU_ISA?)";
#else
    (void)isa;
    return "the library was built without oneDNN 2 for x86-64";
#endif
}

bool wg_bf16_available(void)
{
    return !wg__bf16_missing((int)wg_isa_best());
}
