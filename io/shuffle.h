/* Fisher-Yates over indices, from one of core's random streams. */
#ifndef WENGERT_IO_SHUFFLE_H
#define WENGERT_IO_SHUFFLE_H

#include <stdint.h>

#include <wengert/rng.h>

/* Uniform for n up to 2^32; corpora keep to that. */
static inline void wg__shuffle(int64_t *list, int64_t n, wg_rng *rng)
{
    for (int64_t i = n - 1; i > 0; i--) {
        int64_t k = (int64_t)wg_rng_below(rng, (uint32_t)(i + 1));
        int64_t swap = list[i];
        list[i] = list[k];
        list[k] = swap;
    }
}

#endif
