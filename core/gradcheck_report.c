/* The report of a gradient check: a page for people. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "gradcheck_internal.h"

enum { EQUATION_LINES = 200 };

/* printf shows the sign of a NaN, which means nothing. */
static double unsigned_nan(double x)
{
    return isnan(x) ? (double)NAN : x;
}

static const char *verdict_name(wg_gradcheck_verdict verdict)
{
    switch (verdict) {
    case WG_GRADCHECK_OK: return "ok";
    case WG_GRADCHECK_WRONG: return "WRONG";
    case WG_GRADCHECK_KINK: return "kink";
    case WG_GRADCHECK_UNUSED: return "unused";
    }
    return "?";
}

/* "[1,0,2]" for a flat index. */
static void put_place(wg__text *t, const wg_shape *shape, int64_t flat)
{
    int64_t at[WG_MAX_AXES];
    for (int i = shape->rank - 1; i >= 0; i--) {
        at[i] = flat % shape->dim[i];
        flat /= shape->dim[i];
    }
    wg__text_put(t, "[");
    for (int i = 0; i < shape->rank; i++) wg__text_put(t, "%s%" PRId64, i ? "," : "", at[i]);
    wg__text_put(t, "]");
}

static void put_table(wg__text *t, const wg__gc *g, const wg_gradcheck_report *report)
{
    wg__text_put(t, "  verdict  %-24s %-14s %9s %7s %7s  %s\n", "leaf", "shape", "checked", "wrong",
                 "kinks", "worst error");
    for (int i = 0; i < report->n_leaves; i++) {
        const wg_gradcheck_leaf *r = &report->leaves[i];
        wg_shape s = wg_tensor_shape(g->leaves[i].tensor);
        char shape[160];
        wg__text_put(t, "  %-8s ", verdict_name(r->verdict));
        size_t before = t->length;
        wg__text_plain(t, r->name);
        size_t wide = t->length - before;
        if (wide < 24) wg__text_spaces(t, (int)(24 - wide));
        wg__text_put(t, " %-14s %9" PRId64 " %7" PRId64 " %7" PRId64 "  ",
                     wg_shape_format(&s, shape, sizeof shape), r->checked, r->wrong, r->kinks);
        if (r->checked - r->kinks > 0)
            wg__text_put(t, "%.3g\n", unsigned_nan(r->worst_error));
        else
            wg__text_put(t, "-\n");
    }
}

static void put_worst(wg__text *t, const wg__gc *g, const wg_gradcheck_report *report)
{
    if (report->worst_leaf < 0) return;
    const wg_gradcheck_leaf *r = &report->leaves[report->worst_leaf];
    wg_shape shape = wg_tensor_shape(g->leaves[report->worst_leaf].tensor);
    wg__text_put(t, "worst: ");
    wg__text_plain(t, r->name);
    if (r->worst_index >= 0)
        put_place(t, &shape, r->worst_index);
    else
        wg__text_put(t, " along a random direction");
    wg__text_put(t, ": analytic %.17g, numeric %.17g, error %.3g\n", unsigned_nan(r->analytic),
                 unsigned_nan(r->numeric), r->worst_error);
    if (!isfinite(r->analytic))
        wg__text_put(t, "  the analytic gradient is not a finite number\n");
    else if (!isfinite(r->numeric))
        wg__text_put(t, "  the outputs are not finite numbers at or beside this point\n");
    else if (r->verdict == WG_GRADCHECK_WRONG && r->numeric != 0 && r->analytic != 0)
        wg__text_put(t, "  analytic / numeric = %.9g\n", r->analytic / r->numeric);
}

/* Outputs that are no numbers make every derivative one: say where it begins. */
static void put_not_finite(wg__text *t, const wg__gc *g)
{
    const double *value = g->base;
    for (int i = 0; i < g->n_out; i++) {
        const wg_tensor *out = wg_program_output(g->value, i);
        wg_shape shape = wg_tensor_shape(out);
        int64_t count = wg_tensor_count(out), bad = 0, first = 0;
        for (int64_t k = count - 1; k >= 0; k--)
            if (!isfinite(value[k])) {
                bad++;
                first = k;
            }
        if (bad) {
            wg__text_put(t, "not finite: output %d at ", i);
            put_place(t, &shape, first);
            wg__text_put(t, " is %s (%" PRId64 " of %" PRId64 " elements are not finite)\n",
                         isnan(value[first]) ? "nan"
                         : value[first] > 0  ? "inf"
                                             : "-inf",
                         bad, count);
        }
        value += count;
    }
}

static void put_notes(wg__text *t, const wg_gradcheck_report *report)
{
    for (int i = 0; i < report->n_leaves; i++) {
        const wg_gradcheck_leaf *r = &report->leaves[i];
        if (r->kinks) {
            wg__text_put(t, "kink: ");
            wg__text_plain(t, r->name);
            wg__text_put(
                t,
                ": at %" PRId64 " of %" PRId64 " the outputs have no derivative there (left "
                "and right differ, or the gradient is right at every point beside it); not "
                "counted as wrong\n",
                r->kinks, r->checked);
        }
        if (r->verdict == WG_GRADCHECK_UNUSED) {
            wg__text_put(t, "unused: the outputs do not depend on ");
            wg__text_plain(t, r->name);
            wg__text_put(t, "\n");
        }
    }
}

static void put_equations(wg__text *t, const wg__gc *g, const wg_var *out, int n_out)
{
    char *text;
    if (wg_print(g->tape, out, n_out, &text, NULL)) {
        t->failed = true;
        return;
    }
    wg__text_put(t, "equations:\n");
    int lines = 0;
    const char *p = text;
    while (*p && lines < EQUATION_LINES) {
        size_t length = strcspn(p, "\n");
        wg__text_put(t, "  %.*s\n", (int)length, p);
        p += length + (p[length] == '\n');
        lines++;
    }
    if (*p) {
        while (*p) lines += *p++ == '\n';
        wg__text_put(t, "  ... (%d lines in all)\n", lines);
    }
    wg_free(text);
}

char *wg__gc_text(const wg__gc *g, const wg_gradcheck_report *report, int order, const wg_var *out,
                  int n_out)
{
    wg__text t = {0};
    wg__c_locale l = wg__c_locale_enter();
    int unused = 0, kinks = 0;
    for (int i = 0; i < report->n_leaves; i++) {
        unused += report->leaves[i].verdict == WG_GRADCHECK_UNUSED;
        kinks += report->leaves[i].kinks > 0;
    }
    wg__text_put(&t, "gradient check: %s", report->passed ? "passed" : "FAILED");
    if (kinks) wg__text_put(&t, ", %d with kinks", kinks);
    if (unused) wg__text_put(&t, ", %d unused", unused);
    wg__text_put(&t, " (order %d, step %g, tolerance %g)\n", order, g->step, g->tolerance);
    put_table(&t, g, report);
    put_worst(&t, g, report);
    if (report->first_wrong_op[0]) {
        wg__text_put(&t, "first wrong op: ");
        wg__text_plain(&t, report->first_wrong_op);
        wg__text_put(&t, "\n");
    }
    put_not_finite(&t, g);
    put_notes(&t, report);
    put_equations(&t, g, out, n_out);
    wg__c_locale_leave(l);
    return wg__text_take(&t);
}
