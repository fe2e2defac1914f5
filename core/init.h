/* Initialisers of parameters; private to core. */
#ifndef WG_CORE_INIT_H
#define WG_CORE_INIT_H

#include <wengert/param.h>

/* Is the initialiser sound for a parameter of this shape? `name` is for the message. */
wg_status wg__init_check(const char *name, const wg_shape *shape, const wg_init *init,
                         wg_error *err);
/* Fills the tensor from the stream `name` of the seed. The numbers are drawn in f64, so that an f32
 * tensor holds the rounded values of an f64 one. */
wg_status wg__init_fill(const char *name, const wg_init *init, uint64_t seed, wg_tensor *tensor,
                        wg_error *err);

#endif
