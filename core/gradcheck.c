/* The gradient check: elements or projections of every leaf, first and second order, verdicts. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "gradcheck_internal.h"

/* Notes what one line showed. A worse error replaces a better one; NaN is worse than any. */
static void note(wg__gc_leaf *leaf, int64_t index, const wg__gc_derivative *d)
{
    wg_gradcheck_leaf *r = leaf->report;
    r->checked++;
    if (d->kink) {
        r->kinks++;
        if (r->verdict == WG_GRADCHECK_OK) r->verdict = WG_GRADCHECK_KINK;
        return;
    }
    if (!d->ok) {
        r->wrong++;
        r->verdict = WG_GRADCHECK_WRONG;
    }
    double error = isnan(d->error) ? INFINITY : d->error;
    bool first = r->checked - r->kinks == 1;
    if (!first && !(error > r->worst_error)) return;
    r->worst_error = error;
    r->worst_index = index;
    r->analytic = d->analytic;
    r->numeric = d->numeric;
}

static wg_status check_elements(wg__gc *g, wg__gc_leaf *leaf)
{
    for (int64_t i = 0; i < leaf->count; i++) {
        wg__gc_line line = {.leaf = leaf, .index = i};
        wg__gc_derivative d;
        wg_status status = wg__gc_check_line(g, &line, &d);
        if (status) return status;
        note(leaf, i, &d);
    }
    return WG_OK;
}

/* Directions of +1 and -1: a wrong element shows in every one of them. */
static wg_status check_projections(wg__gc *g, wg__gc_leaf *leaf)
{
    double *v = wg_reallocarray(NULL, (size_t)leaf->count, sizeof *v);
    if (!v) return wg_error_set(g->err, WG_ENOMEM, "gradcheck: out of memory");
    wg_status status = WG_OK;
    for (int p = 0; p < g->projections && !status; p++) {
        for (int64_t i = 0; i < leaf->count; i++) v[i] = wg_rng_u32(&g->rng) & 1 ? 1 : -1;
        wg__gc_line line = {.leaf = leaf, .index = -1, .v = v};
        wg__gc_derivative d;
        status = wg__gc_check_line(g, &line, &d);
        if (!status) note(leaf, -1, &d);
    }
    wg_free(v);
    return status;
}

wg_status wg__gc_check_leaves(wg__gc *g)
{
    wg_status status = WG_OK;
    for (int i = 0; i < g->n_leaves && !status; i++) {
        wg__gc_leaf *leaf = &g->leaves[i];
        if (!leaf->used) continue;
        status =
            leaf->count > g->max_elements ? check_projections(g, leaf) : check_elements(g, leaf);
    }
    return status;
}

/* ---- the whole ---- */

static wg_status check_arguments(const wg_var *out, int n_out, const wg_gradcheck_report *report,
                                 wg_tape **tape, wg_error *err)
{
    if (!report || report->size < sizeof *report)
        return wg_error_set(err, WG_EINVAL, "gradcheck: report->size must be its size");
    if (n_out < 1 || !out) return wg_error_set(err, WG_EINVAL, "gradcheck: no outputs");
    *tape = wg__tape_of(out[0]);
    if (!*tape) return wg_error_set(err, WG_ESTALE, "gradcheck: output 0 is of no tape that lives");
    wg_status status = wg_tape_status(*tape, err);
    if (status) return status;
    for (int i = 0; i < n_out; i++) {
        if (!wg_var_ok(out[i]) || wg__tape_of(out[i]) != *tape)
            return wg_error_set(err, WG_ESTALE,
                                "gradcheck: output %d is not on the tape of the others", i);
        if (wg_var_dtype(out[i]) != WG_F64)
            return wg_error_set(err, WG_EDTYPE,
                                "gradcheck: output %d is %s; checks are done in f64", i,
                                wg_dtype_name(wg_var_dtype(out[i])));
    }
    return WG_OK;
}

static wg_status make_report(wg__gc *g, wg_gradcheck_report *report)
{
    report->leaves = wg_calloc((size_t)g->n_leaves + 1, sizeof *report->leaves);
    if (!report->leaves) return wg_error_set(g->err, WG_ENOMEM, "gradcheck: out of memory");
    report->n_leaves = g->n_leaves;
    for (int i = 0; i < g->n_leaves; i++) {
        wg__gc_leaf *leaf = &g->leaves[i];
        wg_gradcheck_leaf *r = leaf->report = &report->leaves[i];
        const char *name = g->tape->values[leaf->var.index].name;
        if (name)
            snprintf(r->name, sizeof r->name, "%s", name);
        else
            snprintf(r->name, sizeof r->name, "%%%d", (int)leaf->var.index);
        r->elements = leaf->count;
        r->worst_index = -1;
    }
    return WG_OK;
}

static bool any_wrong(const wg_gradcheck_report *report)
{
    for (int i = 0; i < report->n_leaves; i++)
        if (report->leaves[i].verdict == WG_GRADCHECK_WRONG) return true;
    return false;
}

static void find_worst(wg_gradcheck_report *report)
{
    report->worst_leaf = -1;
    for (int i = 0; i < report->n_leaves; i++) {
        const wg_gradcheck_leaf *r = &report->leaves[i];
        if (r->checked - r->kinks == 0) continue;
        if (report->worst_leaf < 0 ||
            r->worst_error > report->leaves[report->worst_leaf].worst_error)
            report->worst_leaf = i;
    }
}

/* Checks one order; *gradients (n_leaves) gets what the next one differentiates. */
static wg_status check_order(wg__gc *g, const wg_var *out, int n_out, wg_var *gradients,
                             bool name_op, wg_gradcheck_report *report)
{
    wg_status status = wg__gc_prepare(g, out, n_out, gradients);
    if (!status) status = wg__gc_check_leaves(g);
    if (!status && name_op && any_wrong(report))
        status = wg__gc_first_wrong(g, out, n_out, report->first_wrong_op,
                                    sizeof report->first_wrong_op);
    return status;
}

static wg_status check(wg__gc *g, const wg_var *out, int n_out, const wg_gradcheck_options *options,
                       wg_gradcheck_report *report)
{
    wg_var *gradients = wg_calloc((size_t)g->n_leaves + 1, sizeof *gradients);
    if (!gradients) return wg_error_set(g->err, WG_ENOMEM, "gradcheck: out of memory");
    int order = 1;
    wg_status status = check_order(g, out, n_out, gradients, options->name_op, report);
    for (int i = 0; i < g->n_leaves && !status; i++)
        if (!g->leaves[i].used) report->leaves[i].verdict = WG_GRADCHECK_UNUSED;
    if (!status && options->order >= 2 && !any_wrong(report)) {
        int n = 0;
        for (int i = 0; i < g->n_leaves; i++)
            if (!wg_is_none(gradients[i])) gradients[n++] = gradients[i];
        order = 2;
        if (n) status = check_order(g, gradients, n, NULL, options->name_op, report);
    }
    wg_free(gradients);
    if (status) return status;
    report->passed = !any_wrong(report);
    find_worst(report);
    report->text = wg__gc_text(g, report, order, out, n_out);
    return report->text ? WG_OK : wg_error_set(g->err, WG_ENOMEM, "gradcheck: out of memory");
}

wg_status wg_gradcheck(const wg_var *out, int n_out, const wg_var *wrt, int n_wrt,
                       const wg_gradcheck_options *options, wg_gradcheck_report *report,
                       wg_error *err)
{
    wg_gradcheck_options defaults = {.size = sizeof defaults, .name_op = true};
    if (options) {
        if (options->size < sizeof *options)
            return wg_error_set(err, WG_EINVAL, "gradcheck: options->size must be their size");
        if (options->order < 0 || options->order > 2)
            return wg_error_set(err, WG_EINVAL, "gradcheck: order %d is neither 1 nor 2",
                                options->order);
        if (options->step < 0 || options->tolerance < 0 || isnan(options->step) ||
            isnan(options->tolerance))
            return wg_error_set(err, WG_EINVAL, "gradcheck: a negative step or tolerance");
        defaults = *options;
    }
    wg_tape *tape;
    wg_status status = check_arguments(out, n_out, report, &tape, err);
    if (status) return status;
    memset(report, 0, sizeof *report);
    report->size = sizeof *report;
    report->worst_leaf = -1;
    wg__gc *g;
    status = wg__gc_new(tape, wrt, n_wrt, &defaults, err, &g);
    if (status) return status;
    status = make_report(g, report);
    if (!status) status = check(g, out, n_out, &defaults, report);
    wg__gc_free(g);
    if (status) wg_gradcheck_report_free(report);
    return status;
}

void wg_gradcheck_report_free(wg_gradcheck_report *report)
{
    if (!report) return;
    wg_free(report->leaves);
    wg_free(report->text);
    report->leaves = NULL;
    report->text = NULL;
    report->n_leaves = 0;
    report->worst_leaf = -1;
}
