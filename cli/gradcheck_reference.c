/* Outputs of a cell against those that another program computed from the same numbers. */
#include "gradcheck.h"

#include <math.h>
#include <string.h>

#include <wengert/npz.h>
#include <wengert/program.h>

typedef struct reference {
    const char *path;
    wg_npz *npz;
    gc_subject owner; /* of the tensors read */
    gc_settings settings;
    wg_tensor *x, *lengths;
    wg_tensor *param[GC_MAX_TENSORS];
    wg_tensor *state[WG_RNN_MAX_STATES];        /* initial; NULL = zeros */
    wg_tensor *expected[1 + WG_RNN_MAX_STATES]; /* y, then final states; NULL = not there */
    char expected_name[1 + WG_RNN_MAX_STATES][80];
} reference;

/* A member as a tensor, NULL when it is not there. */
static wg_status find(reference *r, const char *name, wg_tensor **out, wg_error *err)
{
    *out = NULL;
    int64_t i = wg_npz_find(r->npz, name);
    if (i < 0 || !wg_npz_is_tensor(r->npz, i)) return WG_OK;
    if (r->owner.n_tensors == GC_MAX_TENSORS)
        return wg_error_set(err, WG_ELIMIT, "%s: more than %d arrays", r->path, GC_MAX_TENSORS);
    wg_status status = wg_npz_read_tensor(r->npz, i, out, err);
    if (!status) r->owner.tensor[r->owner.n_tensors++] = *out;
    return status;
}

static wg_status need(reference *r, const char *name, wg_tensor **out, wg_error *err)
{
    wg_status status = find(r, name, out, err);
    if (!status && !*out)
        return wg_error_set(err, WG_ENOTFOUND, "%s: no array '%s'", r->path, name);
    return status;
}

/* Learns the sizes that a symbolic shape names from the axes of an array, `skip` of them in front.
 * Mismatches are found later, when whole shapes are compared. */
static void learn(reference *r, const char *text, const wg_tensor *tensor, int skip)
{
    if (!tensor || !text) return;
    wg_shape shape = wg_tensor_shape(tensor);
    for (int axis = skip; *text && axis < shape.rank; axis++) {
        int64_t factor = 0;
        for (; *text == ' '; text++) {
        }
        for (; *text >= '0' && *text <= '9' && factor < 1000000; text++)
            factor = 10 * factor + (*text - '0');
        int which = *text == 'X' ? GC_X : *text == 'H' ? GC_H : *text == 'O' ? GC_O : -1;
        if (which >= 0 && r->settings.size[which] == 0)
            r->settings.size[which] = shape.dim[axis] / (factor ? factor : 1);
        text += strcspn(text, ",");
        if (*text == ',') text++;
    }
}

static wg_status expect_shape(const reference *r, const char *name, const wg_tensor *tensor,
                              wg_shape wanted, wg_error *err)
{
    wg_shape is = wg_tensor_shape(tensor);
    char a[160], b[160];
    if (wg_shape_equal(&is, &wanted)) return WG_OK;
    return wg_error_set(err, WG_ESHAPE, "%s: '%s' is %s, should be %s", r->path, name,
                        wg_shape_format(&is, a, sizeof a), wg_shape_format(&wanted, b, sizeof b));
}

static wg_status read_inputs(reference *r, const wg_cell *cell, wg_error *err)
{
    wg_status status = need(r, "x", &r->x, err);
    if (!status) status = find(r, "lengths", &r->lengths, err);
    for (int i = 0; i < cell->n_params && !status; i++) {
        if (i == GC_MAX_TENSORS) return wg_error_set(err, WG_ELIMIT, "too many parameters");
        status = need(r, cell->params[i].name, &r->param[i], err);
    }
    for (int i = 0; i < cell->n_states && !status; i++) {
        char name[80];
        snprintf(name, sizeof name, "%s0", cell->states[i].name);
        status = find(r, name, &r->state[i], err);
    }
    return status;
}

static wg_status read_outputs(reference *r, const wg_cell *cell, wg_error *err)
{
    int n = 0;
    wg_status status = WG_OK;
    for (int i = 0; i <= cell->n_states && !status; i++) {
        if (i == 0)
            strcpy(r->expected_name[0], "y");
        else
            snprintf(r->expected_name[i], sizeof r->expected_name[i], "%sT",
                     cell->states[i - 1].name);
        status = find(r, r->expected_name[i], &r->expected[i], err);
        n += r->expected[i] != NULL;
    }
    if (!status && n == 0)
        return wg_error_set(err, WG_ENOTFOUND,
                            "%s: nothing to compare with: neither y nor a final state (%s)",
                            r->path, r->expected_name[1]);
    return status;
}

/* T, B, X from x; H and O from whatever has them. */
static wg_status find_sizes(reference *r, const wg_cell *cell, wg_error *err)
{
    int64_t *size = r->settings.size;
    wg_shape x = wg_tensor_shape(r->x);
    char text[160];
    if (x.rank != 3 || x.dim[1] < 1 || x.dim[2] < 1)
        return wg_error_set(err, WG_ESHAPE, "%s: 'x' is %s, should be [T,B,X]", r->path,
                            wg_shape_format(&x, text, sizeof text));
    size[GC_T] = x.dim[0];
    size[GC_B] = x.dim[1];
    size[GC_X] = x.dim[2];
    for (int i = 0; i < cell->n_params; i++) learn(r, cell->params[i].shape, r->param[i], 0);
    for (int i = 0; i < cell->n_states; i++) {
        learn(r, cell->states[i].shape, r->state[i], 1);
        learn(r, cell->states[i].shape, r->expected[1 + i], 1);
    }
    learn(r, cell->output ? cell->output : cell->states[0].shape, r->expected[0], 2);
    if (size[GC_H] < 1) size[GC_H] = 1;
    if (size[GC_O] < 1) size[GC_O] = size[GC_H];
    return WG_OK;
}

static wg_status check_shapes(reference *r, const wg_cell *cell, wg_error *err)
{
    const int64_t *size = r->settings.size;
    wg_status status = WG_OK;
    wg_shape shape;
    if (r->lengths) status = expect_shape(r, "lengths", r->lengths, WG_SHAPE(size[GC_B]), err);
    for (int64_t b = 0; r->lengths && !status && b < size[GC_B]; b++) {
        double length = wg_tensor_get(r->lengths, b);
        if (length < 0 || length > (double)size[GC_T])
            status = wg_error_set(err, WG_EINVAL, "%s: lengths[%lld] is %g, not within 0..%lld",
                                  r->path, (long long)b, length, (long long)size[GC_T]);
    }
    for (int i = 0; i < cell->n_params && !status; i++) {
        status =
            wg_cell_shape(cell->params[i].shape, size[GC_X], size[GC_H], size[GC_O], &shape, err);
        if (!status) status = expect_shape(r, cell->params[i].name, r->param[i], shape, err);
    }
    for (int i = 0; i < cell->n_states && !status; i++) {
        char name[80];
        status =
            wg_cell_shape(cell->states[i].shape, size[GC_X], size[GC_H], size[GC_O], &shape, err);
        if (status || !r->state[i]) continue;
        memmove(shape.dim + 1, shape.dim, (WG_MAX_AXES - 1) * sizeof shape.dim[0]);
        shape.dim[0] = size[GC_B];
        shape.rank++;
        snprintf(name, sizeof name, "%s0", cell->states[i].name);
        status = expect_shape(r, name, r->state[i], shape, err);
    }
    return status;
}

/* The indices of element `at`: as a shape, because they are written alike. */
static wg_shape place_of(const wg_shape *shape, int64_t at)
{
    wg_shape place = {.rank = shape->rank};
    for (int axis = shape->rank; axis-- > 0; at /= shape->dim[axis])
        place.dim[axis] = at % shape->dim[axis];
    return place;
}

/* One row of the table: the largest difference and where it is. */
static bool compare(const char *name, const wg_tensor *have, const wg_tensor *want,
                    double tolerance)
{
    double worst = 0;
    int64_t at = 0;
    wg_shape shape = wg_tensor_shape(want);
    char text[160];
    if (tolerance == 0) tolerance = wg_tensor_dtype(want) == WG_F64 ? 1e-9 : 1e-5;
    for (int64_t i = 0; i < wg_tensor_count(want); i++) {
        double a = wg_tensor_get(have, i), b = wg_tensor_get(want, i);
        double d = fabs(a - b) / fmax(1, fabs(b));
        if (a == b || (isnan(a) && isnan(b))) d = 0; /* equal infinities too */
        if (isnan(d)) d = INFINITY;
        if (d > worst) {
            worst = d;
            at = i;
        }
    }
    bool same = worst <= tolerance;
    printf("  %-8s %-24s %-14s largest difference %.3g", same ? "ok" : "WRONG", name,
           wg_shape_format(&shape, text, sizeof text), worst);
    if (!same) {
        wg_shape place = place_of(&shape, at);
        printf(" at %s: %.12g, reference %.12g", wg_shape_format(&place, text, sizeof text),
               wg_tensor_get(have, at), wg_tensor_get(want, at));
    }
    putchar('\n');
    return same;
}

static wg_status run(reference *r, const wg_cell *cell, double tolerance, bool *same, wg_error *err)
{
    gc_subject s = {0};
    wg_status status = gc_record_cell_on(&s, cell, &r->settings, r->x, r->lengths,
                                         (const wg_tensor *const *)r->param,
                                         (const wg_tensor *const *)r->state, err);
    if (!status) status = wg_eval(s.out, s.n_out, NULL, err);
    for (int i = 0; i < s.n_out && !status; i++)
        if (r->expected[i])
            status = expect_shape(r, r->expected_name[i], r->expected[i],
                                  wg_tensor_shape(wg_eval_output(s.tape, i)), err);
    if (!status) {
        *same = true;
        printf("cell %s against %s:\n", cell->name, r->path);
        for (int i = 0; i < s.n_out; i++)
            if (r->expected[i] &&
                !compare(r->expected_name[i], wg_eval_output(s.tape, i), r->expected[i], tolerance))
                *same = false;
    }
    gc_subject_free(&s);
    return status;
}

int gc_reference(const wg_cell *cell, const char *path, double tolerance)
{
    reference *r = wg_calloc(1, sizeof *r);
    wg_error err;
    bool same = false;
    if (!r) return cli_error("out of memory");
    r->path = path;
    wg_status status =
        cell->n_states > WG_RNN_MAX_STATES
            ? wg_error_set(&err, WG_ELIMIT, "cell '%s' has too many states", cell->name)
            : wg_npz_open(path, NULL, &r->npz, &err);
    if (!status) status = read_inputs(r, cell, &err);
    if (!status) status = read_outputs(r, cell, &err);
    if (!status) status = find_sizes(r, cell, &err);
    if (!status) status = check_shapes(r, cell, &err);
    if (!status) status = run(r, cell, tolerance, &same, &err);
    gc_subject_free(&r->owner);
    wg_npz_close(r->npz);
    wg_free(r);
    if (status) return cli_fail(&err);
    return same ? CLI_FINE : CLI_CHECK_FAILED;
}
