/* What a training says about itself: the progress line, and DIR/log.jsonl, an object a line. */
#include "translate_train.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* A line that cannot be written is no reason to lose a training: it is told at once, and by the
 * exit status. Without any saved state there is nothing to lose. */
static int end_event(translate_training *t)
{
    wg_error err = {0};
    if (!wg_jsonlog_end(t->log, &err)) return CLI_FINE;
    if (t->saves.first) return cli_fail(&err);
    cli_progress_end(&t->line);
    if (t->saves.lines_lost++ == 0) cli_warn("%s; the training goes on", err.message);
    return CLI_FINE;
}

static double per(double sum, double count)
{
    return count > 0 ? sum / count : 0;
}

static double seconds_in_all(const translate_training *t)
{
    return t->at.seconds + cli_now() - t->started;
}

static void put_json(translate_training *t, const char *key, const char *member)
{
    char *text = cJSON_PrintUnformatted(cJSON_GetObjectItemCaseSensitive(t->model->config, member));
    if (text) wg_jsonlog_json(t->log, key, text);
    cJSON_free(text);
}

int translate_log_start(translate_training *t)
{
    wg_jsonlog_begin(t->log, t->resumed ? "resume" : "start");
    wg_jsonlog_int(t->log, "updates", t->at.updates);
    wg_jsonlog_int(t->log, "parameters", wg_params_elements(t->model->params));
    wg_jsonlog_int(t->log, "pairs", t->data.n[TRANSLATE_TRAIN]);
    wg_jsonlog_int(t->log, "valid_pairs", t->data.pairs[TRANSLATE_VALID]->n);
    wg_jsonlog_int(t->log, "source_vocab", wg_vocab_size(t->model->vocab[0]));
    wg_jsonlog_int(t->log, "target_vocab", wg_vocab_size(t->model->vocab[1]));
    put_json(t, "options", "options");
    put_json(t, "provenance", "provenance");
    return end_event(t);
}

static void put_sums(translate_training *t, const translate_sums *sums)
{
    wg_jsonlog_int(t->log, "updates", t->at.updates);
    wg_jsonlog_number(t->log, "loss", per(sums->loss, sums->words));
    wg_jsonlog_number(t->log, "perplexity", exp(per(sums->loss, sums->words)));
    wg_jsonlog_number(t->log, "lr", wg_schedule_rate(&t->schedule));
    wg_jsonlog_number(t->log, "gradient_norm", per(sums->norm, (double)sums->updates));
    wg_jsonlog_number(t->log, "tokens_per_s", per(sums->words, sums->seconds));
    wg_jsonlog_number(t->log, "padding", wg_batcher_padding(t->batcher));
    wg_jsonlog_number(t->log, "seconds", seconds_in_all(t));
}

static void put_programs(translate_training *t)
{
    int64_t compiled = 0, held = 0;
    wg_trainer_cache_stats(t->trainer, &compiled, &held);
    wg_jsonlog_int(t->log, "programs_compiled", compiled);
    wg_jsonlog_int(t->log, "programs_held", held);
}

int translate_log_report(translate_training *t)
{
    const wg_batch_state at = wg_batcher_tell(t->batcher);
    wg_jsonlog_begin(t->log, "report");
    wg_jsonlog_int(t->log, "epoch", (int64_t)at.epoch + 1);
    wg_jsonlog_number(t->log, "epoch_share", wg_batcher_share(t->batcher));
    put_sums(t, &t->at.report);
    put_programs(t);
    t->at.report = (translate_sums){0};
    return end_event(t);
}

int translate_log_epoch(translate_training *t, int64_t epoch, bool complete,
                        const translate_score *score, bool best)
{
    const translate_sums *sums = &t->at.epoch;
    char bleu[48] = "";
    if (score->bleu >= 0) snprintf(bleu, sizeof bleu, ", BLEU %.2f", score->bleu);
    cli_progress_log(&t->line,
                     "epoch %lld%s: loss %.3f, perplexity %.2f; validation: perplexity %.2f%s; lr "
                     "%.4g, %.0f tokens/s, %.0f s%s",
                     (long long)epoch, complete ? "" : " (not complete)",
                     per(sums->loss, sums->words), exp(per(sums->loss, sums->words)),
                     score->perplexity, bleu, wg_schedule_rate(&t->schedule),
                     per(sums->words, sums->seconds), seconds_in_all(t), best ? " *" : "");
    wg_jsonlog_begin(t->log, "epoch");
    wg_jsonlog_int(t->log, "epoch", epoch);
    wg_jsonlog_bool(t->log, "complete", complete);
    put_sums(t, sums);
    wg_jsonlog_number(t->log, "valid_loss", score->loss);
    wg_jsonlog_number(t->log, "valid_perplexity", score->perplexity);
    if (score->bleu >= 0) wg_jsonlog_number(t->log, "valid_bleu", score->bleu);
    wg_jsonlog_number(t->log, "valid_seconds", score->seconds);
    wg_jsonlog_bool(t->log, "best", best);
    return end_event(t);
}

int translate_log_save(translate_training *t, const char *file, const wg_saver_result *result,
                       const wg_error *why)
{
    wg_jsonlog_begin(t->log, "save");
    wg_jsonlog_string(t->log, "file", file);
    wg_jsonlog_int(t->log, "updates", t->saves.updates);
    if (why) {
        wg_jsonlog_string(t->log, "error", why->message);
    } else {
        wg_jsonlog_int(t->log, "bytes", (int64_t)result->bytes);
        wg_jsonlog_number(t->log, "wait_seconds", result->waited);
        wg_jsonlog_number(t->log, "copy_seconds", result->copied);
        wg_jsonlog_number(t->log, "write_seconds", result->written);
    }
    return end_event(t);
}

int translate_log_end(translate_training *t, const char *reason)
{
    wg_jsonlog_begin(t->log, "end");
    wg_jsonlog_string(t->log, "reason", reason);
    wg_jsonlog_int(t->log, "updates", t->at.updates);
    wg_jsonlog_int(t->log, "best_epoch", t->at.best_epoch);
    if (t->saves.failures > 0) wg_jsonlog_int(t->log, "saves_failed", t->saves.failures);
    put_programs(t);
    if (t->at.best_epoch > 0) {
        wg_jsonlog_number(t->log, "valid_perplexity", t->at.best.perplexity);
        if (t->at.best.bleu >= 0) wg_jsonlog_number(t->log, "valid_bleu", t->at.best.bleu);
    }
    wg_jsonlog_number(t->log, "seconds", seconds_in_all(t));
    return end_event(t);
}

/* Seconds until the time limit or the last epoch, whichever comes first. */
static double time_left(const translate_training *t, double share)
{
    const translate_sums *sums = &t->at.epoch;
    const wg_batch_state at = wg_batcher_tell(t->batcher);
    double epochs = (double)cli_int(t->args, "epochs") - (double)at.epoch;
    double whole = share > 0 ? sums->seconds / share : 0;
    double left = whole * (epochs - share) + epochs * t->valid_seconds;
    double limit = 60 * cli_float(t->args, "time-limit");
    if (limit > 0) {
        double until = limit - (cli_now() - t->started);
        if (until < left || share == 0) left = until;
    }
    return left > 0 ? left : 0;
}

void translate_show(translate_training *t)
{
    if (!cli_progress_due(&t->line)) return;
    const translate_sums *sums = t->at.report.updates ? &t->at.report : &t->at.epoch;
    const wg_batch_state at = wg_batcher_tell(t->batcher);
    double share = wg_batcher_share(t->batcher);
    double left = time_left(t, share);
    cli_progress_show(
        &t->line,
        "epoch %lld/%lld %3.0f %%  loss %.3f  ppl %.1f  %.0f tokens/s  padding %.0f %%"
        "  left %d:%02d%s",
        (long long)at.epoch + 1, (long long)cli_int(t->args, "epochs"), 100 * share,
        per(sums->loss, sums->words), exp(per(sums->loss, sums->words)),
        per(sums->words, sums->seconds), 100 * wg_batcher_padding(t->batcher), (int)(left / 60),
        (int)left % 60, wg_saver_busy(t->saves.saver) ? "  saving" : "");
}
