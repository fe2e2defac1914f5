/* What the files of `translate train` share: one training, from its texts to its log. */
#ifndef WENGERT_CLI_TRANSLATE_TRAIN_H
#define WENGERT_CLI_TRANSLATE_TRAIN_H

#include "cli.h"
#include "translate_data.h"
#include "translate_model.h"

#include <wengert/batch.h>
#include <wengert/decode.h>
#include <wengert/jsonlog.h>
#include <wengert/saver.h>
#include <wengert/schedule.h>
#include <wengert/trainer.h>

/* Sentences validated together. */
#define TRANSLATE_VALID_ROWS 64

/* Sums over some updates. */
typedef struct translate_sums {
    double loss, words, norm, seconds;
    int64_t updates;
} translate_sums;

/* Result of one validation; bleu is -1 where it was not asked for. */
typedef struct translate_score {
    double loss, perplexity, bleu, seconds;
} translate_score;

/* What must outlive an interruption besides parameters, optimiser and schedule. */
typedef struct translate_progress {
    int64_t updates;
    translate_sums epoch;     /* of the epoch that is going on */
    translate_sums report;    /* since the last line of the log */
    int64_t skipped_in_a_row; /* updates whose gradient was not finite */
    translate_score best;     /* of the model in model.npz */
    int64_t best_epoch;       /* 0 = there is none yet */
    double seconds;           /* spent in all runs so far */
    int64_t log_bytes;        /* of log.jsonl, when this was saved; 0 = not known */
} translate_progress;

typedef enum translate_file { TRANSLATE_LAST, TRANSLATE_MODEL } translate_file;

/* The saves of one run: one at a time is written, beside the training. */
typedef struct translate_saves {
    wg_saver *saver;
    translate_file file;    /* that is, or was last, written */
    int64_t updates;        /* when it was copied */
    int64_t last_updates;   /* of the last.npz that this run has written */
    int64_t done, failures; /* saves that have ended well, and not */
    int64_t lines_lost;     /* of the log */
    bool first;             /* nothing was saved yet: a failure ends the run */
    bool last_due;          /* last.npz is to be saved as soon as model.npz is there */
    bool model_failed;      /* the model that is the best is not in model.npz yet */
    bool finishing;
    char said[1024]; /* what is wrong with the saves, if anything, and was said */
} translate_saves;

typedef struct translate_training {
    const cli_args *args;
    const char *dir;
    bool resumed;
    int lock; /* descriptor of the directory; -1: none */
    int threads;
    translate_data data;
    translate_model *model;
    wg_optimizer *optimizer;
    wg_trainer *trainer;
    wg_schedule schedule;
    wg_decoder *decoder;
    wg_batcher *batcher;
    wg_jsonlog *log;
    translate_saves saves;
    cli_progress line;
    translate_progress at;
    double started, saved; /* monotonic seconds: of this run, of the last saving */
    double valid_seconds;  /* how long a validation takes; a guess before the first */
    double save_seconds;   /* how long it takes to write both files; a guess before the first */
} translate_training;

/* translate_start.c */
int translate_train(const cli_args *args);

/* translate_loop.c: trains until something ends it; returns an exit status. */
int translate_loop(translate_training *t);

/* translate_valid.c: loss, perplexity and BLEU of the validation set. CLI_FINE, or a status after a
 * message; where a signal came in, that of the signal, without a score. */
int translate_validate(translate_training *t, translate_score *score);

/* translate_save.c: every function returns an exit status. */
int translate_save_start(translate_training *t);
/* Begins to write DIR/model.npz: parameters and vocabularies. */
int translate_save_model(translate_training *t, const translate_score *score);
/* Begins to write DIR/last.npz: that, and all that --resume needs; or will, once model.npz is
 * there. */
int translate_save_last(translate_training *t);
/* After each update: looks how a save has ended, and begins what is due. */
int translate_save_poll(translate_training *t);
/* Saves all that there is, and waits for it. Failed saves are no trouble until the verdict. */
int translate_save_finish(translate_training *t);
/* CLI_TROUBLE, after a message, where any save has failed. */
int translate_save_verdict(const translate_training *t);
/* Takes what translate_save_last added to a model from `state`. */
int translate_take_last(translate_training *t, const wg_state *state, const char *path);

/* translate_progress.c: t->at and the place in the data. */
wg_status translate_put_progress(translate_training *t, wg_state *state, wg_error *err);
wg_status translate_take_progress(translate_training *t, const wg_state *state, const char *path,
                                  wg_error *err);

/* translate_describe.c */
/* Adds options and provenance to the model's config.json. */
int translate_describe(translate_training *t);
/* Updates, epochs and, unless it is NULL, the score. False: out of memory. */
bool translate_describe_score(translate_training *t, const translate_score *score);
/* Are the options and texts those with which `model` was made? A message names what is not. */
int translate_check_same(const cli_args *args, const translate_data *data,
                         const translate_model *model, const char *path);

/* translate_log.c: the progress line and DIR/log.jsonl. */
int translate_log_start(translate_training *t);
int translate_log_report(translate_training *t);
int translate_log_epoch(translate_training *t, int64_t epoch, bool complete,
                        const translate_score *score, bool best);
/* A file was saved (`result`), or was not (`why`). */
int translate_log_save(translate_training *t, const char *file, const wg_saver_result *result,
                       const wg_error *why);
int translate_log_end(translate_training *t, const char *reason);
void translate_show(translate_training *t);

#endif
