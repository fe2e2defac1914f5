/* Attention over a memory of S steps: scores, weights and contexts.
 *
 * Scores of a query q (the decoder's output of this step) and a row m of the memory:
 *
 *     dot        q . m                        (Luong et al. 2015, eq. 8)
 *     general    m . (W q)                    (Luong et al. 2015, eq. 8)
 *     bahdanau   v . tanh(Wq q + Wm m)        (Bahdanau et al. 2015, appendix A.1.2)
 *
 * weights = softmax of the scores over the steps that the mask lets through (exactly 0 elsewhere);
 * context = sum of weights times m. Whatever depends on the memory alone (m itself, m W, m Wm) is
 * computed once a sequence, by wg_attention_prepare. Recording functions as in rnn.h. */
#ifndef WENGERT_ATTENTION_H
#define WENGERT_ATTENTION_H

#include <wengert/param.h>

WG_BEGIN_DECLS

typedef enum wg_attention_kind {
    WG_ATTENTION_NONE = 0,
    WG_ATTENTION_DOT,
    WG_ATTENTION_GENERAL,
    WG_ATTENTION_BAHDANAU,
} wg_attention_kind;
#define WG_ATTENTION_KINDS 4

/* "none", "dot", "general", "bahdanau"; "?" for another number. */
WG_API const char *wg_attention_name(wg_attention_kind kind);
/* ENOTFOUND, with the names there are, for another text. */
WG_API wg_status wg_attention_from_name(const char *name, wg_attention_kind *kind, wg_error *err);

typedef struct wg_attention_config {
    size_t size; /* sizeof(wg_attention_config) */
    wg_attention_kind kind;
    int64_t query_size;  /* Q */
    int64_t memory_size; /* M; equal to Q for dot */
    int64_t width;       /* A of bahdanau; 0 = Q */
} wg_attention_config;

typedef struct wg_attention wg_attention;

/* Declares "<prefix>.W" [M,Q] (general), or "<prefix>.Wq" [Q,A], "<prefix>.Wm" [M,A] and
 * "<prefix>.v" [A] (bahdanau). The parameter set must outlive the result. EINVAL with the reason
 * for sizes that cannot be, and for kind none. */
WG_API wg_status wg_attention_new(wg_params *params, const char *prefix,
                                  const wg_attention_config *config, wg_attention **out,
                                  wg_error *err);
WG_API void wg_attention_free(wg_attention *attention);
/* Width K of the keys: Q, or A. */
WG_API int64_t wg_attention_key_size(const wg_attention *attention);

/* What attention needs of a memory: one row of each a sequence. */
typedef struct wg_attention_memory {
    size_t size;   /* sizeof(wg_attention_memory) */
    wg_var keys;   /* [B,S,K] */
    wg_var values; /* [B,S,M] */
    wg_var mask;   /* u8 [B,S], or none: every step counts */
} wg_attention_memory;

/* From a memory [S,B,M], time major as layers give it, and lengths i32 [B] or WG_NONE. */
WG_API wg_status wg_attention_prepare(wg_tape *tape, const wg_attention *attention, wg_var memory,
                                      wg_var lengths, wg_attention_memory *out);

/* One step: query [R,Q] -> context [R,M] and weights [R,S] (each may be NULL). R is B, or a
 * multiple g B of it: row r then looks at memory row r / g, as the g hypotheses of a beam do. */
WG_API wg_status wg_attention_step(wg_tape *tape, const wg_attention *attention,
                                   const wg_attention_memory *memory, wg_var query, wg_var *context,
                                   wg_var *weights);

/* All steps at once: queries [T,B,Q] -> contexts [T,B,M] and weights [T,B,S] (each may be NULL).
 * Bahdanau scores take T B S A elements of memory this way where nothing fuses them. */
WG_API wg_status wg_attention_run(wg_tape *tape, const wg_attention *attention,
                                  const wg_attention_memory *memory, wg_var queries,
                                  wg_var *contexts, wg_var *weights);

WG_END_DECLS

#endif
