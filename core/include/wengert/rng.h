/* Random numbers: Philox-4x32-10 (Salmon et al. 2011), counter based: a pure function of key and
 * counter, so that draws do not depend on order, threads or machines. */
#ifndef WENGERT_RNG_H
#define WENGERT_RNG_H

#include <stdint.h>
#include <wengert/export.h>

WG_BEGIN_DECLS

/* Four 32-bit words from a 128-bit counter and a 64-bit key. */
WG_API void wg_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

/* A sequential stream on top, for shuffling and initialising. */
typedef struct wg_rng {
    uint64_t seed;
    uint64_t stream;
    uint64_t position; /* words drawn so far */
    uint32_t block[4];
} wg_rng;

/* Independent streams by name: the same (seed, name) gives the same numbers. */
WG_API void wg_rng_init(wg_rng *rng, uint64_t seed, const char *stream);
WG_API uint32_t wg_rng_u32(wg_rng *rng);
WG_API double wg_rng_uniform(wg_rng *rng); /* [0, 1), 53 bits */
WG_API double wg_rng_normal(wg_rng *rng);  /* Box & Muller 1958 */
/* 0 .. n-1 without bias (Lemire 2019); n = 0 gives 0. */
WG_API uint32_t wg_rng_below(wg_rng *rng, uint32_t n);
/* FNV-1a of a stream's name: how streams enter the key. */
WG_API uint64_t wg_stream_id(const char *name);

WG_END_DECLS

#endif
