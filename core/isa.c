/* Which instruction set the kernels may use. */
#include <wengert/parallel.h>

#include <stdlib.h>
#include <string.h>

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
