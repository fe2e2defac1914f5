/* Tensors for tests: see tensors.h. */
#include "tensors.h"

#include <wengert/rng.h>

wg_tensor *wgt_random_tensor(wg_dtype dtype, wg_shape shape, uint64_t seed)
{
    wg_error err;
    wg_tensor *t;
    WGT_OK(wg_tensor_new(dtype, shape, &t, &err), &err);
    wg_rng rng;
    wg_rng_init(&rng, seed, "test");
    for (int64_t i = 0; i < wg_tensor_count(t); i++)
        wg_tensor_set(t, i, 2 * wg_rng_uniform(&rng) - 1);
    return t;
}
