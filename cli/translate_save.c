/* Saving a training and taking it up again: DIR/model.npz and DIR/last.npz. */
#include "translate_train.h"

#include <stdio.h>

#include <wengert/statefile.h>

static int no_memory(void)
{
    return cli_error("%s", wg_strerror(WG_ENOMEM));
}

static int save(const translate_training *t, const wg_state *state, const char *name)
{
    char path[4096];
    wg_error err = {0};
    snprintf(path, sizeof path, "%s/%s", t->dir, name);
    return wg_state_save(path, state, NULL, &err) ? cli_fail(&err) : CLI_FINE;
}

int translate_save_model(translate_training *t, const translate_score *score)
{
    wg_error err = {0};
    wg_state *state = NULL;
    if (!translate_describe_score(t, score)) return no_memory();
    wg_status status = wg_state_new(&state, &err);
    if (!status) status = translate_model_put(t->model, state, &err);
    int exit_status = status ? cli_fail(&err) : save(t, state, TRANSLATE_MODEL_NAME);
    wg_state_free(state);
    return exit_status;
}

int translate_save_last(translate_training *t)
{
    wg_error err = {0};
    wg_state *state = NULL;
    double begin = translate_now();
    if (!translate_describe_score(t, NULL)) return no_memory();
    wg_status status = wg_state_new(&state, &err);
    if (!status) status = translate_model_put(t->model, state, &err);
    if (!status) status = translate_put_progress(t, state, &err);
    if (!status) status = wg_optimizer_save(t->optimizer, state, &err);
    if (!status) status = wg_trainer_save(t->trainer, state, &err);
    if (!status) status = wg_schedule_save(&t->schedule, state, &err);
    int exit_status = status ? cli_fail(&err) : save(t, state, TRANSLATE_LAST_NAME);
    wg_state_free(state);
    t->saved = translate_now();
    t->save_seconds = 1.4 * (t->saved - begin); /* model.npz has about a third as much in it */
    return exit_status;
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
