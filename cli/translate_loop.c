/* The loop of a training: updates, reports, an end of epoch with its validation, and all the ways
 * in which it ends. */
#include "translate_train.h"

#include <math.h>
#include <stdio.h>

#define NOT_FINITE_LIMIT 50 /* updates in a row */

/* Why a loop ends; the texts stand in the log. */
typedef enum ending { GOING_ON, EPOCHS, EARLY, TIME, SIGNAL, FAILED } ending;
static const char *const ending_name[] = {"",           "epochs", "early-stopping",
                                          "time-limit", "signal", "failed"};

static void add(translate_sums *sums, const wg_trainer_result *r, double seconds)
{
    sums->seconds += seconds;
    if (!r->finite) return;
    sums->loss += r->loss;
    sums->words += r->count;
    sums->norm += r->norm;
    sums->updates++;
}

static int update(translate_training *t, const wg_batch *b)
{
    wg_error err = {0};
    wg_trainer_result r = {0};
    const wg_trainer_batch batch = translate_batch(b);
    double begin = cli_now();
    if (wg_trainer_step(t->trainer, &batch, wg_schedule_rate(&t->schedule), &r, &err))
        return cli_fail(&err);
    double seconds = cli_now() - begin;
    wg_schedule_step(&t->schedule);
    t->at.updates++;
    t->at.skipped_in_a_row = r.finite ? 0 : t->at.skipped_in_a_row + 1;
    if (t->at.skipped_in_a_row == NOT_FINITE_LIMIT)
        return cli_error("loss or gradient were not finite in %d updates in a row; a smaller --lr "
                         "or --clip may help",
                         NOT_FINITE_LIMIT);
    add(&t->at.report, &r, seconds);
    add(&t->at.epoch, &r, seconds);
    return CLI_FINE;
}

static bool better(const translate_training *t, const translate_score *score)
{
    if (t->at.best_epoch == 0) return true;
    /* Early on, several models in a row may have no 4-gram right. */
    if (score->bleu >= 0 && cli_choice(t->args, "select") == 0 && score->bleu != t->at.best.bleu)
        return score->bleu > t->at.best.bleu;
    /* A model without a number for it is worse than any with one. */
    return score->perplexity < t->at.best.perplexity ||
           (isnan(t->at.best.perplexity) && !isnan(score->perplexity));
}

/* Validates, keeps the model where it is the best so far, and logs. */
static int check_in(translate_training *t, int64_t epoch, bool complete, translate_score *score)
{
    int status = translate_validate(t, score);
    if (status != CLI_FINE) return status;
    t->valid_seconds = score->seconds;
    bool best = better(t, score);
    if (best) {
        t->at.best = *score;
        t->at.best_epoch = epoch;
        status = translate_save_model(t, score);
    }
    if (status == CLI_FINE) status = translate_log_epoch(t, epoch, complete, score, best);
    return status;
}

/* Is the training over, after the epochs that are done and validated? */
static ending at_end(const translate_training *t)
{
    int64_t epoch = t->schedule.epoch, stop = cli_int(t->args, "early-stopping");
    /* BLEU near 0 is noise: while perplexity falls, the training has not come to its end. */
    int64_t last = t->at.best_epoch;
    if (t->schedule.best_epoch > last) last = t->schedule.best_epoch;
    if (epoch >= cli_int(t->args, "epochs")) return EPOCHS;
    return stop > 0 && epoch - last >= stop ? EARLY : GOING_ON;
}

/* The end of an epoch; *end says what follows. */
static int end_epoch(translate_training *t, ending *end)
{
    translate_score score = {0};
    int64_t epoch = (int64_t)wg_batcher_tell(t->batcher).epoch; /* the batcher is at the next one */
    t->at.report = (translate_sums){0};                         /* the line of the epoch says it */
    int status = check_in(t, epoch, true, &score);
    if (status == cli_interrupted() && status != CLI_FINE) {
        /* Not validated, so this epoch is not over: its validation is repeated by --resume. */
        *end = SIGNAL;
        return CLI_FINE;
    }
    if (status != CLI_FINE) return status;
    double old = wg_schedule_rate(&t->schedule);
    wg_schedule_epoch(&t->schedule);
    wg_schedule_validation(&t->schedule, score.perplexity);
    if (wg_schedule_rate(&t->schedule) < old)
        cli_progress_log(&t->line, "learning rate %.4g -> %.4g", old,
                         wg_schedule_rate(&t->schedule));
    t->at.epoch = (translate_sums){0};
    *end = at_end(t);
    return *end == GOING_ON ? translate_save_last(t) : CLI_FINE;
}

/* Is there just time enough for a validation, and for saving? */
static bool out_of_time(const translate_training *t)
{
    double limit = 60 * cli_float(t->args, "time-limit");
    if (limit <= 0) return false;
    double valid = t->valid_seconds;
    if (valid <= 0 && t->at.epoch.words > 0) /* none yet: about what training on it would take */
        valid = t->at.epoch.seconds / t->at.epoch.words *
                (double)(t->data.pairs[TRANSLATE_VALID]->start[1][t->data.n[1]] + t->data.n[1]);
    return cli_now() - t->started + 1.2 * valid + t->save_seconds + 0.3 >= limit;
}

static int step(translate_training *t, ending *end)
{
    wg_error err = {0};
    wg_batch *batch = NULL;
    if (wg_batcher_next(t->batcher, &batch, &err)) return cli_fail(&err);
    if (!batch) return end_epoch(t, end);
    int status = update(t, batch);
    wg_batch_free(batch);
    if (status != CLI_FINE) return status;
    translate_show(t);
    if (t->at.updates % cli_int(t->args, "log-every") == 0) status = translate_log_report(t);
    double every = 60 * cli_float(t->args, "save-every");
    if (status == CLI_FINE && every > 0 && cli_now() - t->saved >= every)
        status = translate_save_last(t);
    if (status == CLI_FINE) status = translate_save_poll(t);
    if (out_of_time(t)) *end = TIME;
    if (cli_interrupted()) *end = SIGNAL;
    return status;
}

/* The files of a training that ends as it should, whatever the reason. */
static int finish(translate_training *t, ending end)
{
    int status = CLI_FINE;
    translate_score score = {0};
    if (end == TIME && t->at.epoch.updates > 0) {
        int64_t epoch = (int64_t)wg_batcher_tell(t->batcher).epoch + 1;
        status = check_in(t, epoch, false, &score);
        if (status == cli_interrupted()) status = CLI_FINE;
    }
    t->at.seconds += cli_now() - t->started;
    t->started = cli_now();
    /* Without a validation so far, the model as it is is the best there is. */
    if (status == CLI_FINE && t->at.best_epoch == 0) status = translate_save_model(t, NULL);
    if (status == CLI_FINE) status = translate_save_finish(t);
    if (status == CLI_FINE) status = translate_log_end(t, ending_name[end]);
    return status;
}

static void say_goodbye(translate_training *t, ending end)
{
    static const char *const why[] = {"",
                                      "all epochs are done",
                                      "nothing got better in --early-stopping epochs",
                                      "--time-limit is reached",
                                      "stopped by a signal; --resume goes on",
                                      ""};
    cli_progress_end(&t->line);
    if (t->at.best_epoch == 0)
        cli_note(t->args, "%s; %s/" TRANSLATE_MODEL_NAME " is the model as it is, not validated",
                 why[end], t->dir);
    else if (t->at.best.bleu >= 0)
        cli_note(
            t->args,
            "%s; %s/" TRANSLATE_MODEL_NAME " is that of epoch %lld: perplexity %.2f, BLEU %.2f",
            why[end], t->dir, (long long)t->at.best_epoch, t->at.best.perplexity, t->at.best.bleu);
    else
        cli_note(t->args, "%s; %s/" TRANSLATE_MODEL_NAME " is that of epoch %lld: perplexity %.2f",
                 why[end], t->dir, (long long)t->at.best_epoch, t->at.best.perplexity);
}

int translate_loop(translate_training *t)
{
    ending end = GOING_ON;
    const wg_batch_state at = wg_batcher_tell(t->batcher);
    int status = translate_log_start(t);
    /* Interrupted in a validation (the schedule counts epochs that are done with theirs): it comes
     * first then. A training that was over is not begun anew. */
    if (status == CLI_FINE && at.position == 0 && t->schedule.epoch < (int64_t)at.epoch)
        status = end_epoch(t, &end);
    else
        end = at_end(t);
    /* At once, so that an interruption early on loses nothing, and a disk without room is known
     * before hours are spent. */
    if (status == CLI_FINE && !t->resumed) status = translate_save_last(t);
    while (status == CLI_FINE && end == GOING_ON) status = step(t, &end);
    if (status == CLI_FINE) status = finish(t, end);
    cli_progress_end(&t->line);
    if (status != CLI_FINE) return status;
    say_goodbye(t, end);
    status = translate_save_verdict(t);
    return status == CLI_FINE && end == SIGNAL ? cli_interrupted() : status;
}
