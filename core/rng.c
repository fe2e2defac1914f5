/* Random numbers by counting: Philox-4x32-10, and sequential streams on top of it.
 *
 * Philox itself is Random123's (Salmon, Moraes, Dror, Shaw 2011). */
#include <wengert/rng.h>

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include <Random123/philox.h>

static const double two_pi = 6.283185307179586476925286766559;

void wg_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4])
{
    philox4x32_ctr_t c = {{counter[0], counter[1], counter[2], counter[3]}};
    philox4x32_key_t k = {{key[0], key[1]}};
    philox4x32_ctr_t r = philox4x32_R(10, c, k);
    for (int i = 0; i < 4; i++) out[i] = r.v[i];
}

uint64_t wg_stream_id(const char *name)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (const unsigned char *p = (const unsigned char *)(name ? name : ""); *p; p++)
        hash = (hash ^ *p) * UINT64_C(0x100000001b3);
    return hash;
}

void wg_rng_init(wg_rng *rng, uint64_t seed, const char *stream)
{
    memset(rng, 0, sizeof *rng);
    rng->seed = seed;
    rng->stream = wg_stream_id(stream);
}

/* The stream enters the key, and the upper half of the counter as well: so no two pairs of seed and
 * stream share a block, whatever their values. */
static void fill_block(wg_rng *rng)
{
    uint64_t block = rng->position / 4;
    uint64_t mixed = rng->seed ^ rng->stream;
    const uint32_t counter[4] = {(uint32_t)block, (uint32_t)(block >> 32), (uint32_t)rng->stream,
                                 (uint32_t)(rng->stream >> 32)};
    const uint32_t key[2] = {(uint32_t)mixed, (uint32_t)(mixed >> 32)};
    wg_philox(counter, key, rng->block);
}

uint32_t wg_rng_u32(wg_rng *rng)
{
    /* A block of zeros is one that was never filled: a stream whose position was restored. */
    bool empty = !(rng->block[0] | rng->block[1] | rng->block[2] | rng->block[3]);
    if (rng->position % 4 == 0 || empty) fill_block(rng);
    return rng->block[rng->position++ % 4];
}

double wg_rng_uniform(wg_rng *rng)
{
    uint64_t high = wg_rng_u32(rng);
    uint64_t low = wg_rng_u32(rng);
    return (double)((high << 32 | low) >> 11) * 0x1p-53;
}

double wg_rng_normal(wg_rng *rng)
{
    /* The second number of the pair is dropped, so that the stream is a function of its position
     * alone. 1 - u lies in (0, 1], where the logarithm is finite. */
    double radius = sqrt(-2.0 * log(1.0 - wg_rng_uniform(rng)));
    return radius * cos(two_pi * wg_rng_uniform(rng));
}

uint32_t wg_rng_below(wg_rng *rng, uint32_t n)
{
    if (n == 0) return 0;
    uint64_t product = (uint64_t)wg_rng_u32(rng) * n;
    if ((uint32_t)product < n) {
        uint32_t threshold = (uint32_t)(-n) % n; /* 2^32 mod n */
        while ((uint32_t)product < threshold) product = (uint64_t)wg_rng_u32(rng) * n;
    }
    return (uint32_t)(product >> 32);
}
