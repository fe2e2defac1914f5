/* What the two files of the optimisers share. */
#ifndef WG_MODELS_OPTIMIZER_INTERNAL_H
#define WG_MODELS_OPTIMIZER_INTERNAL_H

#include <wengert/optimizer.h>

/* Norms are sums of blocks of this many elements, whatever the number of threads. */
enum { WG__BLOCK = 8192 };

/* A block of the arena in which some gradient may differ from zero. */
typedef struct wg__active_block {
    int64_t number;
    int64_t before;        /* elements to be looked at in the active blocks before it */
    double plain, clipped; /* sums of squares */
} wg__active_block;

struct wg_optimizer {
    wg_params *params;
    wg_optimizer_options options;
    wg_tensor *m, *v; /* NULL where the kind has none */
    int64_t steps, skipped;
    bool *lazy;              /* by parameter */
    wg__active_block *block; /* of the present gradient: n_active, with n_elements in all */
    int64_t n_active, n_elements;
};

#endif
