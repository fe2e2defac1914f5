/* Cells: symbolic shapes, and parameters and hyperparameters of a step by name. */
#include <wengert/cell.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* One term ("4H", "H", "3") at *text, which is moved past it. */
static wg_status parse_term(const char *whole, const char **text, const int64_t size[3],
                            int64_t *length, wg_error *err)
{
    static const char letters[] = "XHO";
    static const char *const meaning[] = {"input", "hidden", "output"};
    const char *p = *text;
    int64_t number = 0;
    bool digits = false;
    for (; *p >= '0' && *p <= '9'; p++, digits = true) {
        int digit = *p - '0';
        if (number > (INT64_MAX - digit) / 10)
            return wg_error_set(err, WG_EOVERFLOW, "shape '%.100s': a number overflows", whole);
        number = number * 10 + digit;
    }
    if (!digits) number = 1;
    if (number == 0) return wg_error_set(err, WG_EINVAL, "shape '%.100s': a length of zero", whole);
    const char *letter = *p ? strchr(letters, *p) : NULL;
    if (letter) {
        int64_t factor = size[letter - letters];
        if (factor < 1)
            return wg_error_set(err, WG_EINVAL, "shape '%.100s': the %s size is %" PRId64, whole,
                                meaning[letter - letters], factor);
        if (number > INT64_MAX / factor)
            return wg_error_set(err, WG_EOVERFLOW, "shape '%.100s': a length overflows", whole);
        number *= factor;
        p++;
    } else if (!digits) {
        return wg_error_set(err, WG_EINVAL,
                            "shape '%.100s': a length is a number, a letter (X input, "
                            "H hidden, O output size), both, or a sum of these, as in 'X+H,4H'",
                            whole);
    }
    *text = p;
    *length = number;
    return WG_OK;
}

/* One length, a sum of terms ("X+H"), at *text, which is moved past it. */
static wg_status parse_length(const char *whole, const char **text, const int64_t size[3],
                              int64_t *length, wg_error *err)
{
    *length = 0;
    for (;;) {
        int64_t term;
        wg_status status = parse_term(whole, text, size, &term, err);
        if (status) return status;
        if (term > INT64_MAX - *length)
            return wg_error_set(err, WG_EOVERFLOW, "shape '%.100s': a length overflows", whole);
        *length += term;
        if (**text != '+') return WG_OK;
        ++*text;
    }
}

wg_status wg_cell_shape(const char *text, int64_t input, int64_t hidden, int64_t output,
                        wg_shape *shape, wg_error *err)
{
    if (!text) return wg_error_set(err, WG_EINVAL, "a shape is missing");
    const int64_t size[3] = {input, hidden, output};
    int64_t dims[WG_MAX_AXES];
    int rank = 0;
    const char *p = text;
    for (;;) {
        while (*p == ' ') p++;
        if (*p == '\0' && rank == 0) break; /* "": a scalar */
        if (rank == WG_MAX_AXES)
            return wg_error_set(err, WG_ELIMIT, "shape '%.100s' has more than %d axes", text,
                                WG_MAX_AXES);
        wg_status status = parse_length(text, &p, size, &dims[rank++], err);
        if (status) return status;
        while (*p == ' ') p++;
        if (*p == '\0') break;
        if (*p != ',')
            return wg_error_set(err, WG_EINVAL,
                                "shape '%.100s': '%c' where ',' or the end should be", text,
                                *p >= ' ' && *p < 0x7f ? *p : '?');
        p++;
    }
    wg_shape result = wg_shape_of(rank, dims);
    if (wg_shape_count(&result) < 0)
        return wg_error_set(err, WG_EOVERFLOW, "shape '%.100s': too many elements", text);
    *shape = result;
    return WG_OK;
}

/* Letters to insert, drop or change to make one name the other (Levenshtein 1966); names past the
 * table are far from everything. */
static int distance(const char *a, const char *b)
{
    enum { LIMIT = 64 };
    int row[LIMIT + 1];
    size_t na = strlen(a), nb = strlen(b);
    if (na > LIMIT || nb > LIMIT) return LIMIT;
    for (size_t j = 0; j <= nb; j++) row[j] = (int)j;
    for (size_t i = 1; i <= na; i++) {
        int diagonal = row[0];
        row[0] = (int)i;
        for (size_t j = 1; j <= nb; j++) {
            int best = diagonal + (a[i - 1] != b[j - 1]);
            if (row[j] + 1 < best) best = row[j] + 1;
            if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
            diagonal = row[j];
            row[j] = best;
        }
    }
    return row[nb];
}

typedef const char *(*name_at_fn)(const wg_cell *cell, int i);

static const char *param_at(const wg_cell *cell, int i)
{
    return cell->params[i].name;
}

static const char *hyper_at(const wg_cell *cell, int i)
{
    return cell->hypers[i].name;
}

static int index_of(const wg_cell *cell, name_at_fn at, int n, const char *name)
{
    if (!name) return -1;
    for (int i = 0; i < n; i++)
        if (strcmp(at(cell, i), name) == 0) return i;
    return -1;
}

/* Poisons the tape: what was asked for, what there is, and what was probably meant. */
static wg_var unknown(wg_step *s, const char *what, name_at_fn at, int n, const char *name)
{
    if (!name) name = "";
    char list[400] = "";
    size_t used = 0;
    int nearest = -1, least = 0;
    for (int i = 0; i < n; i++) {
        const char *known = at(s->cell, i);
        if (used < sizeof list) {
            int wrote = snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", known);
            used += wrote > 0 ? (size_t)wrote : 0;
        }
        int d = distance(name, known);
        if (nearest < 0 || d < least) {
            nearest = i;
            least = d;
        }
    }
    if (n <= 0)
        return wg_tape_fail(s->tape, WG_ENOTFOUND,
                            "cell '%s' has no %s '%.64s': it has none at all", s->cell->name, what,
                            name);
    return wg_tape_fail(
        s->tape, WG_ENOTFOUND, "cell '%s' has no %s '%.64s'; did you mean '%s'? It has: %s%s",
        s->cell->name, what, name, at(s->cell, nearest), list, used >= sizeof list ? " ..." : "");
}

wg_var wg_p(wg_step *s, const char *name)
{
    int i = index_of(s->cell, param_at, s->cell->n_params, name);
    if (i < 0) return unknown(s, "parameter", param_at, s->cell->n_params, name);
    return s->param[i];
}

double wg_hyper(wg_step *s, const char *name)
{
    int i = index_of(s->cell, hyper_at, s->cell->n_hypers, name);
    if (i < 0) {
        unknown(s, "hyperparameter", hyper_at, s->cell->n_hypers, name);
        return 0;
    }
    return s->hyper[i];
}
