/* Small records of numbers as JSON text in a state tree: what optimisers, schedules and trainers
 * remember besides tensors. */
#ifndef WG_MODELS_JSON_NUMBERS_H
#define WG_MODELS_JSON_NUMBERS_H

#include <wengert/state.h>

/* A field: a text that must be equal on loading, or a number. */
typedef struct wg__json_field {
    const char *name;
    const char *text; /* NULL = a number */
    double number;    /* any but NaN; the infinities are kept as "inf" and "-inf" */
} wg__json_field;

/* Puts {"format_version":1, fields...} under `name`. */
wg_status wg__json_save(wg_state *state, const char *name, const wg__json_field *fields, int n,
                        wg_error *err);
/* Fills the numbers of the fields from it. ENOTFOUND without such a text, EVERSION for a newer
 * format, EFORMAT for what is no number, EINVAL for another text; nothing is filled then. */
wg_status wg__json_load(const wg_state *state, const char *name, wg__json_field *fields, int n,
                        wg_error *err);

#endif
