/* Learning rates and early stopping: a function of what has happened so far. */
#include <wengert/schedule.h>

#include <limits.h>
#include <math.h>
#include <string.h>

#include "json_numbers.h"

static const char *const kind_name[WG_SCHEDULE_KINDS] = {"constant", "epoch", "step", "plateau"};

const char *wg_schedule_name(wg_schedule_kind kind)
{
    return (int)kind >= 0 && (int)kind < WG_SCHEDULE_KINDS ? kind_name[kind] : "?";
}

wg_status wg_schedule_from_name(const char *name, wg_schedule_kind *kind, wg_error *err)
{
    for (int i = 0; name && i < WG_SCHEDULE_KINDS; i++)
        if (strcmp(name, kind_name[i]) == 0) {
            *kind = (wg_schedule_kind)i;
            return WG_OK;
        }
    return wg_error_set(err, WG_ENOTFOUND,
                        "'%.64s' is no schedule; there are constant, epoch, step, plateau",
                        name ? name : "");
}

wg_status wg_schedule_init(wg_schedule *schedule, const wg_schedule_options *options, wg_error *err)
{
    const wg_schedule_options defaults = WG_SCHEDULE_OPTIONS_INIT;
    const wg_schedule_options *o = options ? options : &defaults;
    if (o->size < sizeof *o)
        return wg_error_set(err, WG_EINVAL, "schedule: options of unknown size");
    if ((int)o->kind < 0 || (int)o->kind >= WG_SCHEDULE_KINDS)
        return wg_error_set(err, WG_EINVAL, "schedule: no kind has number %d", (int)o->kind);
    const struct {
        const char *name;
        bool ok;
        double value;
    } fields[] = {{"rate", o->rate > 0 && isfinite(o->rate), o->rate},
                  {"factor", o->factor > 0 && o->factor <= 1, o->factor},
                  {"min_rate", o->min_rate >= 0 && isfinite(o->min_rate), o->min_rate},
                  {"threshold", o->threshold >= 0 && o->threshold < 1, o->threshold},
                  {"warmup_steps", o->warmup_steps >= 0, (double)o->warmup_steps},
                  {"start", o->start >= 0, (double)o->start},
                  {"every", o->every >= 1, (double)o->every},
                  {"patience", o->patience >= 0, o->patience},
                  {"stop_patience", o->stop_patience >= 0, o->stop_patience}};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (!fields[i].ok)
            return wg_error_set(err, WG_EINVAL, "schedule: %s cannot be %g", fields[i].name,
                                fields[i].value);
    *schedule = (wg_schedule){.options = *o, .best = o->maximise ? -INFINITY : INFINITY};
    schedule->options.size = sizeof schedule->options;
    return WG_OK;
}

/* Decays of a fixed decay after n steps or epochs. */
static double decays(const wg_schedule_options *o, int64_t n)
{
    return n < o->start ? 0 : floor((double)(n - o->start) / (double)o->every) + (o->start > 0);
}

double wg_schedule_rate(const wg_schedule *s)
{
    const wg_schedule_options *o = &s->options;
    double k = 0;
    if (o->kind == WG_SCHEDULE_EPOCH) k = decays(o, s->epoch);
    if (o->kind == WG_SCHEDULE_STEP) k = decays(o, s->step);
    if (o->kind == WG_SCHEDULE_PLATEAU) k = (double)s->reductions;
    double rate = fmax(o->min_rate, o->rate * pow(o->factor, k));
    if (s->step < o->warmup_steps) rate *= (double)(s->step + 1) / (double)o->warmup_steps;
    return rate;
}

void wg_schedule_step(wg_schedule *schedule)
{
    schedule->step++;
}

void wg_schedule_epoch(wg_schedule *schedule)
{
    schedule->epoch++;
}

static bool is_better(const wg_schedule *s, double value)
{
    double sign = s->options.maximise ? -1 : 1, best = sign * s->best;
    if (isinf(best)) return sign * value < best;
    return sign * value < best - s->options.threshold * fabs(best);
}

wg_schedule_verdict wg_schedule_validation(wg_schedule *s, double value)
{
    const wg_schedule_options *o = &s->options;
    wg_schedule_verdict verdict = {.better = is_better(s, value)};
    if (verdict.better) {
        s->best = value;
        s->best_epoch = s->epoch;
        s->bad = s->bad_to_stop = 0;
        return verdict;
    }
    if (s->bad < INT_MAX) s->bad++;
    if (s->bad_to_stop < INT_MAX) s->bad_to_stop++;
    if (o->kind == WG_SCHEDULE_PLATEAU && s->bad > o->patience) {
        double before = wg_schedule_rate(s);
        s->reductions++;
        s->bad = 0;
        verdict.reduced = wg_schedule_rate(s) < before;
    }
    verdict.stop = o->stop_patience > 0 && s->bad_to_stop >= o->stop_patience;
    return verdict;
}

/* ---- state ---- */

static const char state_name[] = "schedule/state.json";
enum { STEP, EPOCH, REDUCTIONS, BEST_EPOCH, BAD, BAD_TO_STOP, BEST, N_FIELDS };
static const char *const field_name[N_FIELDS] = {"step", "epoch",       "reductions", "best_epoch",
                                                 "bad",  "bad_to_stop", "best"};

wg_status wg_schedule_save(const wg_schedule *s, wg_state *state, wg_error *err)
{
    const double number[N_FIELDS] = {
        (double)s->step, (double)s->epoch, (double)s->reductions, (double)s->best_epoch, s->bad,
        s->bad_to_stop,  s->best};
    wg__json_field fields[N_FIELDS];
    for (int i = 0; i < N_FIELDS; i++)
        fields[i] = (wg__json_field){.name = field_name[i], .number = number[i]};
    return wg__json_save(state, state_name, fields, N_FIELDS, err);
}

wg_status wg_schedule_load(wg_schedule *s, const wg_state *state, wg_error *err)
{
    wg__json_field fields[N_FIELDS];
    for (int i = 0; i < N_FIELDS; i++) fields[i] = (wg__json_field){.name = field_name[i]};
    wg_status status = wg__json_load(state, state_name, fields, N_FIELDS, err);
    if (status) return status;
    for (int i = 0; i < BEST; i++) {
        double most = i == BAD || i == BAD_TO_STOP ? INT_MAX : 9e15;
        if (!(fields[i].number >= 0 && fields[i].number <= most))
            return wg_error_set(err, WG_EFORMAT, "'%s': '%s' cannot be %g", state_name,
                                field_name[i], fields[i].number);
    }
    s->step = (int64_t)fields[STEP].number;
    s->epoch = (int64_t)fields[EPOCH].number;
    s->reductions = (int64_t)fields[REDUCTIONS].number;
    s->best_epoch = (int64_t)fields[BEST_EPOCH].number;
    s->bad = (int)fields[BAD].number;
    s->bad_to_stop = (int)fields[BAD_TO_STOP].number;
    s->best = fields[BEST].number;
    return WG_OK;
}
