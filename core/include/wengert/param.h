/* Named parameters: declared, then laid out side by side in one arena and initialised.
 *
 * Values and gradients each lie in one contiguous arena in the order of declaration, so that norms,
 * clipping and updates are single passes. A set has one dtype (f32 to train, f64 to check). */
#ifndef WENGERT_PARAM_H
#define WENGERT_PARAM_H

#include <wengert/tape.h>

WG_BEGIN_DECLS

typedef enum wg_init_kind {
    WG_INIT_CONSTANT = 0,   /* a everywhere */
    WG_INIT_UNIFORM,        /* uniform in [a, b) */
    WG_INIT_NORMAL,         /* mean a, standard deviation b */
    WG_INIT_XAVIER_UNIFORM, /* +- gain sqrt(6 / (fan_in + fan_out)) (Glorot & Bengio 2010, eq. 16);
                               a = gain, 0 = 1 */
    WG_INIT_XAVIER_NORMAL,  /* standard deviation gain sqrt(2 / (fan_in + fan_out)); a as above */
    WG_INIT_ORTHOGONAL, /* gain times an orthogonal matrix (Saxe et al. 2014), by QR; a as above;
                           columns orthonormal, or rows where those are fewer */
} wg_init_kind;

#define WG_MAX_GATES 8
typedef struct wg_init {
    wg_init_kind kind;
    double a, b;
    /* The last axis is `gates` equal blocks, each initialised as a matrix of its own (0 = 1). */
    int gates;
    /* Block g gets gate_value[g] instead where bit g of gate_mask is set: the forget bias. */
    uint32_t gate_mask;
    double gate_value[WG_MAX_GATES];
} wg_init;
#define WG_ZEROS ((wg_init){.kind = WG_INIT_CONSTANT})
#define WG_XAVIER ((wg_init){.kind = WG_INIT_XAVIER_UNIFORM, .a = 1})

typedef struct wg_params wg_params;

WG_API wg_status wg_params_new(wg_dtype dtype, wg_params **out, wg_error *err);
WG_API void wg_params_free(wg_params *params);
/* Declares a parameter; *id (may be NULL) gets its number; init NULL = zeros. EEXIST, ESTATE after
 * initialisation. */
WG_API wg_status wg_params_add(wg_params *params, const char *name, wg_shape shape,
                               const wg_init *init, int *id, wg_error *err);
/* Allocates the arenas and initialises. Each parameter draws from a stream of its own name. */
WG_API wg_status wg_params_init(wg_params *params, uint64_t seed, wg_error *err);
/* The same without drawing: all values are zero, to be filled from elsewhere (a file). */
WG_API wg_status wg_params_alloc(wg_params *params, wg_error *err);

WG_API wg_dtype wg_params_dtype(const wg_params *params);
WG_API int wg_params_count(const wg_params *params);
WG_API int64_t wg_params_elements(const wg_params *params);
WG_API int wg_params_find(const wg_params *params, const char *name); /* -1 = none */
WG_API const char *wg_params_name(const wg_params *params, int id);
WG_API wg_shape wg_params_shape(const wg_params *params, int id);
/* Tensors over the arenas, owned by the set; NULL before initialisation or for a wrong id. */
WG_API wg_tensor *wg_params_value(const wg_params *params, int id);
WG_API wg_tensor *wg_params_grad(const wg_params *params, int id);
/* The whole arenas as rank-1 tensors (padding between parameters is zero). */
WG_API wg_tensor *wg_params_values(const wg_params *params);
WG_API wg_tensor *wg_params_grads(const wg_params *params);

/* The first part [*begin, *end) of [from, to) of the arena of gradients that may differ from zero;
 * false when all of it is zero. Its ends are multiples of 16, or from, or to. Parts come in order:
 *
 *     for (int64_t at = 0, begin; wg_params_touched(params, at, n, &begin, &at);)
 *         update(begin, at);
 *
 * Of the gradient of an embedding these are the rows whose ids occurred, as long as only programs
 * write it: a program that adds such rows straight into wg_params_grad clears and writes no others.
 * The tensors hold the zeros all the same. Any other writer makes the whole tensor count: a program
 * whose gradient is a sum of more than the lookup (tied weights), wg_tensor_set, _fill and _copy
 * until a program writes rows again, and wg_tensor_data for good, since its pointer may be kept; so
 * read gradients through wg_tensor_cdata. Before initialisation everything counts. */
WG_API bool wg_params_touched(const wg_params *params, int64_t from, int64_t to, int64_t *begin,
                              int64_t *end);

/* The parameter as a leaf of a tape: the same var each time on one tape. */
WG_API wg_var wg_param(wg_tape *tape, const wg_params *params, int id);
WG_API wg_var wg_param_named(wg_tape *tape, const wg_params *params, const char *name);

WG_END_DECLS

#endif
