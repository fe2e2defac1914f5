/* The one parallel loop under every kernel, the thread count, and the choice of instruction set.
 *
 * OpenMP underneath; plain threads where the library is built for ThreadSanitizer. */
#ifndef WENGERT_PARALLEL_H
#define WENGERT_PARALLEL_H

#include <wengert/status.h>
#include <stdbool.h>
#include <stdint.h>

WG_BEGIN_DECLS

/* Runs body(user, begin, end, worker) over disjoint ranges that cover [0, n), on at most `threads`
 * threads (0 = wg_default_threads()), in pieces of at least `grain`. The split depends on n, grain
 * and threads only, so results do not depend on timing. Returns when all ranges are done. */
WG_API void wg_parallel_for(int threads, int64_t n, int64_t grain,
                            void (*body)(void *user, int64_t begin, int64_t end, int worker),
                            void *user);

/* Libraries with OpenMP's threads (OpenBLAS, LAPACK, oneDNN) use as many as the calling thread's
 * setting says, which is that thread's own. A kernel sets it around a call of such a library: enter
 * with the threads that the kernel may use, leave with what enter returned. Nothing happens inside
 * of a parallel loop, whose threads have one each. */
WG_API int wg_library_threads_enter(int threads);
WG_API void wg_library_threads_leave(int before);

/* Threads in use by default: WENGERT_THREADS, else OMP_NUM_THREADS, else what affinity and cgroup
 * quota leave. At least 1. Looked up by the first call, for good. */
WG_API int wg_default_threads(void);

/* Instruction sets with kernels of their own, worst first. */
typedef enum wg_isa { WG_ISA_BASE = 0, WG_ISA_AVX2 = 1, WG_ISA_AVX512 = 2 } wg_isa;
#define WG_ISAS 3
/* The best that this CPU has, or the one forced by WENGERT_ISA=base|avx2|avx512 (when the CPU has
 * it; an unknown or missing one is ignored). */
WG_API wg_isa wg_isa_best(void);
WG_API const char *wg_isa_name(wg_isa isa);
/* Has the CPU products in bf16 (AVX-512 BF16, or AMX BF16, which comes with it), may they be used
 * (WENGERT_ISA, and oneDNN's DNNL_MAX_CPU_ISA), and was the library built with oneDNN 2? Then
 * wg_compile_options.bf16 can be set. */
WG_API bool wg_bf16_available(void);

WG_END_DECLS

#endif
