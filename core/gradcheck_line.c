/* The derivative of the checked function along a line, by differences, against the analytic one.
 *
 * A central difference with the small step comes first and settles nearly every element. Where it
 * does not agree, the difference may be the fault of rounding (f large, derivative small), of a
 * kink or jump nearby, or of the gradient. Differences over several steps, extrapolated (Richardson
 * 1911; Ridders 1982), tell the first apart: they come with their own uncertainty. Left and right
 * derivative, and a look at points beside this one, tell the second. */
#include "gradcheck_internal.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* Steps for extrapolation, relative to the scale of x. */
static const double steps[] = {1e-3, 1e-4, 1e-5, 1e-6, 1e-7};
enum { N_STEPS = sizeof steps / sizeof steps[0], DISPLACEMENTS = 6 };
/* An extrapolated derivative that is less certain than this says nothing. */
static const double unsure = 1e-3;
/* Rounding errors in f and in its gradient, in units of DBL_EPSILON |f|. */
static const double rounding = 8;
static const double cancelled = 16;
static const double displacement = 1e-3;

wg_status wg__gc_evaluate(wg__gc *g, double *values)
{
    wg_status status = wg_program_run(g->value, g->err);
    if (status) return status;
    for (int i = 0; i < g->n_out; i++) {
        const wg_tensor *t = wg_program_output(g->value, i);
        size_t bytes = wg_tensor_bytes(t);
        if (bytes) memcpy(values, wg_tensor_cdata(t), bytes);
        values += wg_tensor_count(t);
    }
    return WG_OK;
}

/* Moves the leaf to x + t d, x being what `from` holds; returns the step really made along d, which
 * differs from t by the rounding of x + t. */
static double move(const wg__gc_line *line, const double *from, double t)
{
    wg__gc_leaf *leaf = line->leaf;
    if (line->v) {
        for (int64_t i = 0; i < leaf->count; i++) leaf->x[i] = from[i] + t * line->v[i];
        return t;
    }
    volatile double moved = from[line->index] + t;
    leaf->x[line->index] = moved;
    return moved - from[line->index];
}

static void restore(const wg__gc_line *line, const double *from)
{
    if (line->v)
        memcpy(line->leaf->x, from, (size_t)line->leaf->count * sizeof *from);
    else
        line->leaf->x[line->index] = from[line->index];
}

/* A difference quotient, the rounding error that it may have, and the size below which nothing can
 * be compared. */
typedef struct quotient {
    double value, noise, floor;
} quotient;

/* <r, b - a> / length. Only outputs that changed count, for its rounding as well. The analytic
 * gradient has rounding errors of its own: those of terms that cancel, as large as |f|. */
static quotient difference(const wg__gc *g, const double *a, const double *b, double length)
{
    double sum = 0, changed = 0, all = 0;
    for (int64_t i = 0; i < g->n_values; i++) {
        double size = fabs(g->r[i]) * fmax(fabs(a[i]), fabs(b[i]));
        all += size;
        if (a[i] == b[i]) continue;
        sum += g->r[i] * (b[i] - a[i]);
        changed += size;
    }
    quotient q = {.value = sum / length, .noise = DBL_EPSILON * changed / fabs(length)};
    q.floor = fmax(DBL_EPSILON * all / fabs(length), cancelled * DBL_EPSILON * all / g->tolerance);
    return q;
}

static wg_status central(wg__gc *g, const wg__gc_line *line, const double *from, double h,
                         quotient *q)
{
    double right = move(line, from, h);
    wg_status status = wg__gc_evaluate(g, g->plus);
    double left = move(line, from, -h);
    if (!status) status = wg__gc_evaluate(g, g->minus);
    restore(line, from);
    if (!status) *q = difference(g, g->minus, g->plus, right - left);
    return status;
}

static double scale_of(const wg__gc_line *line, const double *from)
{
    return line->v ? 1 : fmax(1, fabs(from[line->index]));
}

static double relative(double analytic, double numeric, double floor)
{
    double size = fmax(fmax(fabs(analytic), fabs(numeric)), floor);
    double gap = fabs(analytic - numeric);
    return gap == 0 ? 0 : gap / fmax(size, DBL_MIN);
}

/* Compares with extrapolated differences over several steps; leaves the most certain one in d. */
static wg_status extrapolate(wg__gc *g, const wg__gc_line *line, const double *from,
                             wg__gc_derivative *d)
{
    double scale = scale_of(line, from), least = INFINITY;
    for (int s = 0; s < N_STEPS && !d->ok; s++) {
        double h = steps[s] * scale;
        quotient q[3];
        for (int i = 0; i < 3; i++) {
            wg_status status = central(g, line, from, h / (1 << i), &q[i]);
            if (status) return status;
        }
        double coarse = (4 * q[1].value - q[0].value) / 3, fine = (4 * q[2].value - q[1].value) / 3;
        double value = (16 * fine - coarse) / 15;
        double noise = rounding * q[2].noise;
        double doubt = 4 * (fabs(fine - coarse) + noise);
        if (!isfinite(value) || !(doubt < least)) continue;
        least = doubt;
        d->numeric = value;
        double size = fmax(fabs(d->analytic), fabs(value));
        bool sure = doubt <= fmax(unsure * size, 1e-9 * q[2].noise * h / DBL_EPSILON);
        /* The gap that the numeric derivative cannot see is no error. */
        d->error = relative(d->analytic, value, fmax(q[0].floor, sure ? doubt / g->tolerance : 0));
        d->ok = d->error <= g->tolerance;
    }
    return WG_OK;
}

/* Left and right derivative at the point with step h. */
static wg_status one_sided(wg__gc *g, const wg__gc_line *line, const double *from, double h,
                           quotient *left, quotient *right)
{
    double to = move(line, from, h);
    wg_status status = wg__gc_evaluate(g, g->plus);
    double back = move(line, from, -h);
    if (!status) status = wg__gc_evaluate(g, g->minus);
    restore(line, from);
    if (status) return status;
    *right = difference(g, g->base, g->plus, to);
    *left = difference(g, g->minus, g->base, -back);
    return WG_OK;
}

/* Do the one-sided derivatives differ by an amount that does not shrink with the step, and is the
 * analytic one between them? Where f is smooth they come together in proportion to the step. */
static wg_status bent(wg__gc *g, const wg__gc_line *line, wg__gc_derivative *d)
{
    const double *from = line->leaf->keep;
    double scale = scale_of(line, from), jump[2] = {0, 0};
    quotient left = {0}, right = {0};
    for (int i = 0; i < 2; i++) {
        wg_status status = one_sided(g, line, from, (i ? 1e-6 : 1e-5) * scale, &left, &right);
        if (status) return status;
        jump[i] = fabs(right.value - left.value);
    }
    double noise = 100 * (left.noise + right.noise);
    double size = fmax(fabs(left.value), fabs(right.value));
    double low = fmin(left.value, right.value), high = fmax(left.value, right.value);
    d->kink = jump[1] > 0.5 * jump[0] && jump[1] > noise && jump[1] > 1e-6 * size &&
              d->analytic >= low - 1e-4 * size - noise && d->analytic <= high + 1e-4 * size + noise;
    return WG_OK;
}

/* The analytic derivative along the line at the leaves' present data. */
static wg_status analytic_there(wg__gc *g, const wg__gc_line *line, double *value)
{
    double *gradient = g->gradient_there;
    wg_status status = wg__gc_gradients(g, line->leaf, gradient);
    if (status) return status;
    *value = 0;
    if (line->leaf->out < 0) return WG_OK;
    if (!line->v) *value = gradient[line->index];
    for (int64_t i = 0; line->v && i < line->leaf->count; i++) *value += gradient[i] * line->v[i];
    return WG_OK;
}

/* Where ops with kinks are on the way, their kinks may cancel (relu(x) - relu(-x) at 0): the rule
 * of such an op is judged beside the point. A gradient that is right at every point nearby is right
 * wherever f has one. */
static wg_status right_beside(wg__gc *g, const wg__gc_line *line, bool *right)
{
    wg_status status = WG_OK;
    *right = true;
    for (int trial = 0; trial < DISPLACEMENTS && *right && !status; trial++) {
        for (int i = 0; i < g->n_leaves; i++)
            for (int64_t j = 0; j < g->leaves[i].count; j++)
                g->leaves[i].x[j] +=
                    displacement * fmax(1, fabs(g->leaves[i].keep[j])) * wg_rng_normal(&g->rng);
        wg__gc_leaf *leaf = line->leaf;
        size_t bytes = (size_t)leaf->count * sizeof(double);
        double *from = wg_malloc(bytes);
        if (!from) status = wg_error_set(g->err, WG_ENOMEM, "gradcheck: out of memory");
        if (from) memcpy(from, leaf->x, bytes);
        wg__gc_derivative d = {0};
        if (!status) status = analytic_there(g, line, &d.analytic);
        if (!status) status = extrapolate(g, line, from, &d);
        *right = d.ok;
        wg_free(from);
        for (int i = 0; i < g->n_leaves; i++)
            if (g->leaves[i].count)
                memcpy(g->leaves[i].x, g->leaves[i].keep,
                       (size_t)g->leaves[i].count * sizeof(double));
    }
    return status;
}

wg_status wg__gc_check_line(wg__gc *g, const wg__gc_line *line, wg__gc_derivative *d)
{
    const double *from = line->leaf->keep, *gradient = line->leaf->gradient;
    *d = (wg__gc_derivative){.numeric = NAN, .error = INFINITY};
    if (gradient && !line->v) d->analytic = gradient[line->index];
    for (int64_t i = 0; gradient && line->v && i < line->leaf->count; i++)
        d->analytic += gradient[i] * line->v[i];
    quotient q;
    wg_status status = central(g, line, from, g->step * scale_of(line, from), &q);
    if (status) return status;
    d->numeric = q.value;
    if (isfinite(d->analytic) && isfinite(q.value)) {
        d->error = relative(d->analytic, q.value, q.floor);
        d->ok = d->error <= g->tolerance;
    }
    /* A derivative that is not a number is wrong, and nothing nearby can help it. */
    if (d->ok || !isfinite(d->analytic)) return WG_OK;
    status = extrapolate(g, line, from, d);
    if (!status && !d->ok) status = bent(g, line, d);
    if (!status && !d->ok && !d->kink && g->kinks) status = right_beside(g, line, &d->kink);
    return status;
}
