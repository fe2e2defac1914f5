/* Saving a training and taking it up again: DIR/model.npz and DIR/last.npz, written beside the
 * training.
 *
 * last.npz names the best model, so it is never newer than model.npz: it is saved only once a new
 * model.npz is on the disk. A save that fails does not end the training (what was saved before is
 * still there, and disks are tidied up), but for the very first one, with which nothing is lost. It
 * is tried again at the next time to save and at the end, and the exit status tells of it. */
#include "translate_train.h"

#include <stdio.h>
#include <string.h>

static const char *file_name(translate_file file)
{
    return file == TRANSLATE_MODEL ? TRANSLATE_MODEL_NAME : TRANSLATE_LAST_NAME;
}

int translate_save_start(translate_training *t)
{
    wg_error err = {0};
    const wg_saver_options options = {.size = sizeof options,
                                      .threads = (int)cli_int(t->args, "save-threads")};
    t->saves.first = !t->resumed;
    return wg_saver_new(&options, &t->saves.saver, &err) ? cli_fail(&err) : CLI_FINE;
}

static int failed(translate_training *t, const wg_error *err)
{
    translate_saves *s = &t->saves;
    s->failures++;
    if (s->file == TRANSLATE_MODEL) s->model_failed = true;
    cli_progress_end(&t->line);
    if (s->first) return cli_fail(err);
    /* A disk that stays full would otherwise be complained of at every time to save; at the end
     * translate_save_verdict does. */
    if (!s->finishing && strcmp(err->message, s->said) != 0)
        cli_warn("%s; what was saved before is still there, and the training goes on: "
                 "the next try is at the next time to save",
                 err->message);
    snprintf(s->said, sizeof s->said, "%s", err->message);
    return translate_log_save(t, file_name(s->file), NULL, err);
}

static int succeeded(translate_training *t, const wg_saver_result *r)
{
    translate_saves *s = &t->saves;
    if (s->file == TRANSLATE_MODEL)
        s->model_failed = false;
    else
        s->last_updates = s->updates;
    s->first = false;
    s->said[0] = '\0';
    s->done++;
    if (s->file == TRANSLATE_LAST) /* model.npz has about a third as much in it */
        t->save_seconds = 1.4 * (r->copied + r->written);
    return translate_log_save(t, file_name(s->file), r, NULL);
}

static int took(translate_training *t, const wg_saver_result *r)
{
    return r->error.status ? failed(t, &r->error) : succeeded(t, r);
}

/* Waits for a save in progress. */
static int settle(translate_training *t)
{
    wg_saver_result r = {.size = sizeof r};
    return wg_saver_wait(t->saves.saver, &r) ? took(t, &r) : CLI_FINE;
}

static wg_status put_all(translate_training *t, wg_state *state, wg_error *err)
{
    wg_status status = translate_put_progress(t, state, err);
    if (!status) status = wg_optimizer_save(t->optimizer, state, err);
    if (!status) status = wg_trainer_save(t->trainer, state, err);
    if (!status) status = wg_schedule_save(&t->schedule, state, err);
    return status;
}

/* Waits for the save before, copies, and begins. */
static int begin(translate_training *t, translate_file file, const translate_score *score)
{
    char path[4096];
    wg_error err = {0};
    wg_state *state = NULL;
    int exit_status = settle(t);
    if (exit_status != CLI_FINE || (file == TRANSLATE_LAST && t->saves.model_failed))
        return exit_status;
    const wg_save_options how = {
        .size = sizeof how,
        .keep_last = cli_int(t->args, "keep-last") > 1 ? (int)cli_int(t->args, "keep-last") : 0,
        .number = t->at.updates};
    snprintf(path, sizeof path, "%s/%s", t->dir, file_name(file));
    t->saves.file = file;
    t->saves.updates = t->at.updates;
    wg_status status = translate_describe_score(t, score)
                           ? WG_OK
                           : wg_error_set(&err, WG_ENOMEM, "%s: %s", path, wg_strerror(WG_ENOMEM));
    if (!status) status = wg_state_new(&state, &err);
    if (!status) status = wg_translator_model_put(t->model, state, &err);
    if (!status && file == TRANSLATE_LAST) status = put_all(t, state, &err);
    if (!status)
        status =
            wg_saver_save(t->saves.saver, state, path, file == TRANSLATE_LAST ? &how : NULL, &err);
    wg_state_free(state);
    return status ? cli_fail(&err) : CLI_FINE; /* no memory for the copy */
}

int translate_save_model(translate_training *t, const translate_score *score)
{
    return begin(t, TRANSLATE_MODEL, score);
}

/* The best model once more, as it was when saving it failed; last.npz follows it. */
static int model_again(translate_training *t)
{
    wg_error err = {0};
    int status = settle(t);
    if (status != CLI_FINE || !t->saves.model_failed) return status;
    t->saves.file = TRANSLATE_MODEL;
    return wg_saver_again(t->saves.saver, &err) ? cli_fail(&err) : CLI_FINE;
}

int translate_save_last(translate_training *t)
{
    t->saved = cli_now();
    t->saves.last_due = true;
    return t->saves.model_failed ? model_again(t) : translate_save_poll(t);
}

int translate_save_poll(translate_training *t)
{
    wg_saver_result r = {.size = sizeof r};
    int status = wg_saver_poll(t->saves.saver, &r) ? took(t, &r) : CLI_FINE;
    if (status != CLI_FINE || !t->saves.last_due) return status;
    if (t->saves.model_failed) { /* until the next time to save */
        t->saves.last_due = false;
        return CLI_FINE;
    }
    if (t->saves.file == TRANSLATE_MODEL && wg_saver_busy(t->saves.saver)) return CLI_FINE;
    t->saves.last_due = false;
    return begin(t, TRANSLATE_LAST, NULL);
}

int translate_save_finish(translate_training *t)
{
    t->saves.finishing = true;
    int status = settle(t);
    if (status == CLI_FINE && t->saves.model_failed) {
        status = model_again(t);
        if (status == CLI_FINE) status = settle(t);
    }
    t->saves.last_due = false;
    if (status == CLI_FINE && !t->saves.model_failed) status = begin(t, TRANSLATE_LAST, NULL);
    return status == CLI_FINE ? settle(t) : status;
}

int translate_save_verdict(const translate_training *t)
{
    const translate_saves *s = &t->saves;
    if (s->failures == 0 && s->lines_lost > 0)
        return cli_error("%lld lines of %s/" TRANSLATE_LOG_NAME
                         " could not be written; all else is "
                         "complete",
                         (long long)s->lines_lost, t->dir);
    if (s->failures == 0) return CLI_FINE;
    if (s->model_failed || s->last_updates != t->at.updates)
        return cli_error("%lld of %lld saves failed, the last one too: %s; in %s is what was saved "
                         "before",
                         (long long)s->failures, (long long)(s->failures + s->done), s->said,
                         t->dir);
    return cli_error(
        "%lld of %lld saves failed on the way; those at the end did not, and what is in "
        "%s is complete",
        (long long)s->failures, (long long)(s->failures + s->done), t->dir);
}

int translate_take_last(translate_training *t, const wg_state *state, const char *path)
{
    wg_error err = {0};
    wg_status status = translate_take_progress(t, state, path, &err);
    if (!status) status = wg_optimizer_load(t->optimizer, state, &err);
    if (!status) status = wg_trainer_load(t->trainer, state, &err);
    if (!status) status = wg_schedule_load(&t->schedule, state, &err);
    return status ? cli_fail(&err) : CLI_FINE;
}
