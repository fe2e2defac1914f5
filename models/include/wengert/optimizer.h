/* Optimisers: SGD, momentum, Adam, with clipping, over the flat arenas of a parameter set.
 *
 * With the gradient g = G / count (G the arena of gradients of a loss summed over `count` items):
 *
 *     g' = clip(g)                       by value, then by the norm of what is left:
 *                                        g min(1, max_norm / (|g| + 1e-6)), PyTorch's factor
 *     sgd        w -= lr g'
 *     momentum   m = mu m + g';  w -= lr m, or lr (g' + mu m) with Nesterov's
 *                (Polyak 1964; Nesterov's as in Sutskever et al. 2013, PyTorch's form)
 *     adam       m = b1 m + (1 - b1) g';  v = b2 v + (1 - b2) g' g'
 *                w -= lr (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps)
 *                (Kingma & Ba 2015, algorithm 1)
 *
 * Norm and clipping take one pass over the arena, the update another. Rows of an embedding's
 * gradient that are known to be zero (wg_params_touched) are read by neither for sgd without weight
 * decay, and not by the norm for the others, with the very bits that reading them gives: additions
 * go in one order, zeros change no sum, and w - lr 0 is w. Momentum, Adam and weight decay move
 * weights without a gradient too, and do so unless wg_optimizer_set_lazy says otherwise.
 *
 * Weight decay is decoupled: w -= lr decay w as well (Loshchilov & Hutter 2019). Everything is
 * computed in the dtype of the parameters, norms in f64. Results do not depend on the number of
 * threads. An optimiser belongs to one thread at a time and allocates nothing after it is made. */
#ifndef WENGERT_OPTIMIZER_H
#define WENGERT_OPTIMIZER_H

#include <wengert/param.h>
#include <wengert/state.h>

WG_BEGIN_DECLS

typedef enum wg_optimizer_kind {
    WG_OPTIMIZER_SGD = 0,
    WG_OPTIMIZER_MOMENTUM,
    WG_OPTIMIZER_ADAM,
} wg_optimizer_kind;
#define WG_OPTIMIZER_KINDS 3

/* "sgd", "momentum", "adam"; "?" for another number. ENOTFOUND for another text. */
WG_API const char *wg_optimizer_name(wg_optimizer_kind kind);
WG_API wg_status wg_optimizer_from_name(const char *name, wg_optimizer_kind *kind, wg_error *err);

/* Sees the arena of gradients and what it is to be divided by, before norm, clipping and update,
 * and may change both: to add up the gradients and counts of many machines, for one. An error ends
 * the step with nothing changed but what the hook did. */
typedef wg_status (*wg_gradient_hook)(void *user, wg_tensor *gradient, double *count,
                                      wg_error *err);

typedef struct wg_optimizer_options {
    size_t size; /* sizeof(wg_optimizer_options) */
    wg_optimizer_kind kind;
    double momentum; /* mu, [0, 1) */
    bool nesterov;
    double beta1, beta2; /* [0, 1) */
    double epsilon;      /* > 0 */
    double weight_decay; /* >= 0 */
    double clip_norm;    /* max_norm; 0 = no clipping */
    double clip_value;   /* |g_i| at most this; 0 = no clipping */
    /* A gradient that is not finite is an error (ENUMERIC) instead of a step left out. */
    bool fail_not_finite;
    int threads; /* 0 = wg_default_threads() */
    wg_gradient_hook hook;
    void *hook_user;
} wg_optimizer_options;

/* Adam with the constants of the paper, no clipping. */
#define WG_OPTIMIZER_OPTIONS_INIT                                                         \
    {                                                                                     \
        .size = sizeof(wg_optimizer_options), .kind = WG_OPTIMIZER_ADAM, .momentum = 0.9, \
        .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8                                     \
    }

typedef struct wg_optimizer wg_optimizer;

/* Makes an optimiser of a parameter set, which must be initialised and outlive it. options may be
 * NULL for the defaults. EINVAL with the field for options that cannot be, ESTATE for parameters
 * without values, ENOMEM. */
WG_API wg_status wg_optimizer_new(wg_params *params, const wg_optimizer_options *options,
                                  wg_optimizer **out, wg_error *err);
WG_API void wg_optimizer_free(wg_optimizer *optimizer);
/* The optimiser's copy of its options. */
WG_API const wg_optimizer_options *wg_optimizer_get_options(const wg_optimizer *optimizer);

/* Makes the rows of parameter id, a matrix, lazy, or not (the default). A step leaves a lazy row
 * whose gradient is zero throughout as it is, with its moments, and does not decay it: "sparse" or
 * "lazy" momentum and Adam, as in PyTorch's SparseAdam, with t counting all steps. For tables of
 * embeddings; it differs from the formulas above in rows that had a gradient before. ENOTFOUND,
 * ESHAPE. */
WG_API wg_status wg_optimizer_set_lazy(wg_optimizer *optimizer, int id, bool lazy, wg_error *err);

typedef struct wg_optimizer_result {
    double norm;   /* of g, before any clipping; not finite where g is not */
    double factor; /* by which clipping by norm shortened it; 1 = not at all */
    bool skipped;  /* g was not finite: nothing was updated */
} wg_optimizer_result;

/* One update with learning rate lr >= 0 from the arena of gradients divided by count > 0; the arena
 * is only read. result may be NULL. ENUMERIC with fail_not_finite; EINVAL for numbers that cannot
 * be; what the hook returns. */
WG_API wg_status wg_optimizer_step(wg_optimizer *optimizer, double lr, double count,
                                   wg_optimizer_result *result, wg_error *err);

/* Updates done, and steps left out because the gradient was not finite. */
WG_API int64_t wg_optimizer_steps(const wg_optimizer *optimizer);
WG_API int64_t wg_optimizer_skipped(const wg_optimizer *optimizer);

/* Norm of the arena of gradients divided by count. */
WG_API double wg_optimizer_gradient_norm(wg_optimizer *optimizer, double count);

/* Puts "optim/m" and "optim/v" (by reference: the tree must not outlive the optimiser) and
 * "optim/state.json" into a tree. */
WG_API wg_status wg_optimizer_save(wg_optimizer *optimizer, wg_state *state, wg_error *err);
/* Takes them from a tree: they are copied. ENOTFOUND for what is missing, EINVAL for the state of
 * another kind of optimiser, ESHAPE, EFORMAT; the optimiser is as before then. */
WG_API wg_status wg_optimizer_load(wg_optimizer *optimizer, const wg_state *state, wg_error *err);

WG_END_DECLS

#endif
