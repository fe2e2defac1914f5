/* Learning rates over time, and when to stop.
 *
 *     rate = max(min_rate, rate0 factor^k) warm
 *
 *     warm: (step + 1) / warmup_steps during the first warmup_steps steps, 1 afterwards
 *     k: by kind
 *         constant  0
 *         epoch     epochs passed since `start`, divided by `every` (whole times), plus one from
 *                   `start` on (Zaremba et al. 2014; Luong et al. 2015: halve after each epoch)
 *         step      likewise, of steps
 *         plateau   how often `patience` + 1 validations in a row were no better (PyTorch's
 *                   ReduceLROnPlateau)
 *
 * A validation is better when it is below best (1 - threshold) for best > 0, best (1 + threshold)
 * else; larger ones count as better where `maximise`. Training should stop when stop_patience
 * validations in a row were no better than the best by this measure. Plain values: a schedule may
 * be copied; it belongs to one thread at a time. */
#ifndef WENGERT_SCHEDULE_H
#define WENGERT_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

#include <wengert/state.h>

WG_BEGIN_DECLS

typedef enum wg_schedule_kind {
    WG_SCHEDULE_CONSTANT = 0,
    WG_SCHEDULE_EPOCH,
    WG_SCHEDULE_STEP,
    WG_SCHEDULE_PLATEAU,
} wg_schedule_kind;
#define WG_SCHEDULE_KINDS 4
/* "constant", "epoch", "step", "plateau"; "?" for another number. ENOTFOUND for another text. */
WG_API const char *wg_schedule_name(wg_schedule_kind kind);
WG_API wg_status wg_schedule_from_name(const char *name, wg_schedule_kind *kind, wg_error *err);

typedef struct wg_schedule_options {
    size_t size; /* sizeof(wg_schedule_options) */
    wg_schedule_kind kind;
    double rate;          /* rate0, > 0 */
    double factor;        /* (0, 1] */
    double min_rate;      /* >= 0 */
    int64_t warmup_steps; /* 0 = none */
    int64_t start, every; /* of epoch and step; every >= 1 */
    int patience;         /* of plateau */
    double threshold;     /* relative, [0, 1) */
    bool maximise;        /* BLEU, say; false: loss, perplexity */
    int stop_patience;    /* 0 = never stop */
} wg_schedule_options;

/* A constant rate of 0.001; where another kind is chosen: halved at each epoch or step or at once
 * on a plateau. */
#define WG_SCHEDULE_OPTIONS_INIT                                                     \
    {                                                                                \
        .size = sizeof(wg_schedule_options), .rate = 1e-3, .factor = 0.5, .every = 1 \
    }

typedef struct wg_schedule {
    wg_schedule_options options;
    int64_t step, epoch;  /* finished so far */
    int64_t reductions;   /* k of plateau */
    double best;          /* validation; infinite before the first */
    int64_t best_epoch;   /* value of `epoch` when it was seen */
    int bad, bad_to_stop; /* validations that were no better: since the last reduction; in a row */
} wg_schedule;

/* Checks the options (NULL = defaults) and starts. EINVAL with the field. */
WG_API wg_status wg_schedule_init(wg_schedule *schedule, const wg_schedule_options *options,
                                  wg_error *err);

/* Learning rate of the next step. */
WG_API double wg_schedule_rate(const wg_schedule *schedule);
/* Say when a step, and when an epoch, has ended. */
WG_API void wg_schedule_step(wg_schedule *schedule);
WG_API void wg_schedule_epoch(wg_schedule *schedule);

typedef struct wg_schedule_verdict {
    bool better;  /* than all before: keep this model */
    bool reduced; /* the learning rate falls */
    bool stop;    /* training should end */
} wg_schedule_verdict;
/* Takes the value of a validation; NaN is never better. */
WG_API wg_schedule_verdict wg_schedule_validation(wg_schedule *schedule, double value);

/* "schedule/state.json": what has happened so far, not the options, so that a run can go on with
 * other ones. ENOTFOUND, EFORMAT on loading; nothing changes then. */
WG_API wg_status wg_schedule_save(const wg_schedule *schedule, wg_state *state, wg_error *err);
WG_API wg_status wg_schedule_load(wg_schedule *schedule, const wg_state *state, wg_error *err);

WG_END_DECLS

#endif
