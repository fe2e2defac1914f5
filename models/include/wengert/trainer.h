/* Training of an encoder-decoder, one minibatch a call: forward, backward, clipping, update.
 *
 *     wg_trainer *trainer = NULL;
 *     status = wg_trainer_new(model, params, optimizer, NULL, &trainer, &err);
 *     while (... a minibatch ...)
 *         status = wg_trainer_step(trainer, &batch, rate, &result, &err);
 *
 * A program is compiled for each shape (S, T, B) and kept in a bounded cache; a step whose shape is
 * there compiles nothing and allocates nothing. Gradients are written straight into the arena of
 * the parameter set, as those of the summed loss; the optimiser divides by the count. Batches are
 * plain arrays, so anything can provide them.
 *
 * Same parameters, seed, batches, threads and instruction set: same bits. A trainer belongs to one
 * thread at a time, and to the only one that uses its parameter set meanwhile. */
#ifndef WENGERT_TRAINER_H
#define WENGERT_TRAINER_H

#include <wengert/optimizer.h>
#include <wengert/program.h>
#include <wengert/seq2seq.h>

WG_BEGIN_DECLS

typedef struct wg_trainer_options {
    size_t size;   /* sizeof(wg_trainer_options) */
    int threads;   /* of the programs; 0 = wg_default_threads() */
    uint64_t seed; /* of dropout */
    /* S and T are rounded up to multiples of these, B likewise: fewer programs for more padding.
     * 0 = 1. Results do not depend on it but by the rounding of sums. */
    int64_t round_steps, round_rows;
    int max_programs;  /* kept, of training and evaluation together; 0 = 64, at most 256 */
    int64_t max_bytes; /* of those kept, besides the buffers, which all share; 0 = 2 GiB */
    wg_trace_fn trace; /* of the programs; NULL = none */
    void *trace_user;
} wg_trainer_options;

typedef struct wg_trainer wg_trainer;

/* Model, parameters (initialised; those of the model) and optimiser (of the same parameters; NULL
 * for a trainer that only evaluates) must outlive the trainer. options may be NULL. */
WG_API wg_status wg_trainer_new(const wg_seq2seq *model, wg_params *params, wg_optimizer *optimizer,
                                const wg_trainer_options *options, wg_trainer **out, wg_error *err);
WG_API void wg_trainer_free(wg_trainer *trainer);

/* A minibatch, time major: element (t, b) at t * rows + b. Ids past a row's length are never looked
 * at. Owned by the caller, read during the call. */
typedef struct wg_trainer_batch {
    size_t size;                              /* sizeof(wg_trainer_batch) */
    int64_t source_steps, target_steps, rows; /* S, T, B, all at least 1 */
    const int32_t *source;                    /* [S,B] */
    const int32_t *source_lengths;            /* [B], 1..S; NULL = all S */
    const int32_t *target_in;                 /* [T,B]: start, y_1 .. */
    const int32_t *target_out;                /* [T,B]: y_1 .., end */
    const int32_t *target_lengths;            /* [B], 0..T; NULL = all T */
} wg_trainer_batch;

typedef struct wg_trainer_result {
    double loss;  /* cross entropy summed over the target words, with label smoothing in training */
    double count; /* target words */
    double norm;  /* of the gradient of loss / count, before clipping; 0 in evaluation */
    double factor; /* of clipping by norm */
    bool finite;   /* loss and gradient are */
    bool skipped;  /* nothing was updated, as they are not */
    bool compiled; /* this shape was new */
} wg_trainer_result;

/* One step with learning rate lr. A loss or gradient that is not finite is reported in the result
 * (and is an error where the optimiser was told so); the parameters are as before then. EINVAL for
 * ids outside the vocabularies, lengths outside their ranges and batches without any word. */
WG_API wg_status wg_trainer_step(wg_trainer *trainer, const wg_trainer_batch *batch, double lr,
                                 wg_trainer_result *result, wg_error *err);
/* Forward and backward only: the arena of gradients holds those of the summed loss afterwards, and
 * the result's norm is that of loss / count. */
WG_API wg_status wg_trainer_gradient(wg_trainer *trainer, const wg_trainer_batch *batch,
                                     wg_trainer_result *result, wg_error *err);
/* Loss and count without dropout and label smoothing: exp(sum of losses / sum of counts) over the
 * batches of a validation set is its perplexity. */
WG_API wg_status wg_trainer_evaluate(wg_trainer *trainer, const wg_trainer_batch *batch,
                                     wg_trainer_result *result, wg_error *err);

/* Steps taken, those skipped included: what dropout depends on, with the seed. */
WG_API int64_t wg_trainer_steps(const wg_trainer *trainer);
/* Programs compiled so far, and held now. */
WG_API void wg_trainer_cache_stats(const wg_trainer *trainer, int64_t *compiled, int64_t *held);
/* What the program of the last call does; zeros before the first. */
WG_API void wg_trainer_program_stats(const wg_trainer *trainer, wg_program_stats *stats);

/* "trainer/state.json" of a state tree: steps and seed. The optimiser saves its own. ENOTFOUND,
 * EFORMAT on loading. */
WG_API wg_status wg_trainer_save(const wg_trainer *trainer, wg_state *state, wg_error *err);
WG_API wg_status wg_trainer_load(wg_trainer *trainer, const wg_state *state, wg_error *err);

WG_END_DECLS

#endif
