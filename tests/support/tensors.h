/* Tensors for tests. */
#ifndef WENGERT_TESTS_TENSORS_H
#define WENGERT_TESTS_TENSORS_H

#include "support.h"

#include <wengert/tensor.h>

/* Uniform in [-1, 1), a function of the seed; freed by the caller. */
wg_tensor *wgt_random_tensor(wg_dtype dtype, wg_shape shape, uint64_t seed);

#endif
