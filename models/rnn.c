/* Recurrent layers: declaration of a stack's parameters, and what is asked about them. */
#include "rnn_internal.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *const direction_name[] = {"fw", "bw"};

/* The sizes that have a letter in symbolic shapes, for one layer. */
static wg_status layer_shape(const wg_rnn *rnn, const char *text, int layer, wg_shape *shape,
                             wg_error *err)
{
    int64_t input = layer == 0 ? rnn->input_size : wg_rnn_output_size(rnn);
    return wg_cell_shape(text, input, rnn->hidden_size, rnn->output_letter, shape, err);
}

static wg_status check_sizes(const char *prefix, const wg_rnn_config *c, wg_error *err)
{
    const int64_t limit = INT32_MAX; /* keeps every product of two sizes within 64 bits */
    if (!c || c->size < sizeof *c || !prefix)
        return wg_error_set(err, WG_EINVAL, "rnn: no configuration, or one of unknown size");
    if (!c->cell || c->cell->size < sizeof *c->cell || !c->cell->step || c->cell->n_states < 1 ||
        c->cell->n_states > WG_RNN_MAX_STATES)
        return wg_error_set(err, WG_EINVAL, "rnn '%.64s': no cell, or not a proper one", prefix);
    const struct {
        const char *name;
        int64_t value, low;
    } sizes[] = {{"input size", c->input_size, 1},
                 {"hidden size", c->hidden_size, 1},
                 {"output size", c->output_size, 0}};
    for (int i = 0; i < 3; i++)
        if (sizes[i].value < sizes[i].low || sizes[i].value > limit)
            return wg_error_set(err, WG_EINVAL,
                                "rnn '%.64s': %s is %" PRId64 ", should be %" PRId64 "..%" PRId64,
                                prefix, sizes[i].name, sizes[i].value, sizes[i].low, limit);
    if (c->layers < 0 || c->layers > WG_RNN_MAX_STATES)
        return wg_error_set(err, WG_EINVAL, "rnn '%.64s': %d layers, should be 1..%d", prefix,
                            c->layers, WG_RNN_MAX_STATES);
    if (!(c->dropout >= 0 && c->dropout < 1)) /* NaN fails as well */
        return wg_error_set(err, WG_EINVAL, "rnn '%.64s': dropout is %g, should be in [0, 1)",
                            prefix, c->dropout);
    int64_t states = (int64_t)(c->layers ? c->layers : 1) * (c->bidirectional ? 2 : 1) *
                     (int64_t)c->cell->n_states;
    if (states > WG_RNN_MAX_STATES)
        return wg_error_set(err, WG_ELIMIT, "rnn '%.64s': %" PRId64 " states, at most %d", prefix,
                            states, WG_RNN_MAX_STATES);
    return WG_OK;
}

/* Values of the cell's hyperparameters: its defaults, and over them what the config names. */
static wg_status take_hypers(wg_rnn *rnn, const wg_rnn_config *c, wg_error *err)
{
    const wg_cell *cell = rnn->cell;
    for (int i = 0; i < cell->n_hypers; i++) rnn->hyper[i] = cell->hypers[i].value;
    for (int k = 0; k < c->n_hypers; k++) {
        const char *name = c->hypers[k].name ? c->hypers[k].name : "";
        int i = 0;
        while (i < cell->n_hypers && strcmp(cell->hypers[i].name, name) != 0) i++;
        if (i == cell->n_hypers) {
            char list[160] = "none at all";
            for (int h = 0, n = 0; h < cell->n_hypers && n < (int)sizeof list; h++)
                n += snprintf(list + n, sizeof list - (size_t)n, "%s%s", h ? ", " : "",
                              cell->hypers[h].name);
            return wg_error_set(err, WG_ENOTFOUND,
                                "cell '%s' has no hyperparameter '%.64s'; it has: %s", cell->name,
                                name, list);
        }
        double v = c->hypers[k].value;
        if (!(v >= cell->hypers[i].low && v <= cell->hypers[i].high))
            return wg_error_set(err, WG_EINVAL,
                                "hyperparameter '%.64s' of cell '%s' is %g, should be %g..%g", name,
                                cell->name, v, cell->hypers[i].low, cell->hypers[i].high);
        rnn->hyper[i] = v;
    }
    return WG_OK;
}

/* Where a parameter names a hyperparameter, that fills one gate of it. */
static wg_status param_init(const wg_rnn *rnn, const wg_cell_param *p, wg_init *init, wg_error *err)
{
    *init = p->init;
    if (!p->hyper) return WG_OK;
    int i = 0;
    while (i < rnn->cell->n_hypers && strcmp(rnn->cell->hypers[i].name, p->hyper) != 0) i++;
    if (i == rnn->cell->n_hypers || p->hyper_gate < 0 || p->hyper_gate >= WG_MAX_GATES)
        return wg_error_set(err, WG_EINVAL,
                            "cell '%s': parameter '%s' is filled by hyperparameter '%s', gate %d: "
                            "no such thing",
                            rnn->cell->name, p->name, p->hyper, p->hyper_gate);
    init->gate_mask |= 1u << p->hyper_gate;
    init->gate_value[p->hyper_gate] = rnn->hyper[i];
    return WG_OK;
}

static wg_status declare(wg_rnn *rnn, wg_params *params, wg_error *err)
{
    const wg_cell *cell = rnn->cell;
    int *id = rnn->param;
    for (int l = 0; l < rnn->layers; l++)
        for (int d = 0; d < rnn->directions; d++)
            for (int i = 0; i < cell->n_params; i++) {
                const wg_cell_param *p = &cell->params[i];
                char name[256];
                int n = snprintf(name, sizeof name, "%s.l%d.%s.%s", rnn->prefix, l,
                                 direction_name[d], p->name);
                if (n < 0 || (size_t)n >= sizeof name)
                    return wg_error_set(err, WG_ELIMIT, "rnn '%.64s...': name too long",
                                        rnn->prefix);
                wg_shape shape;
                wg_init init;
                wg_status status = layer_shape(rnn, p->shape, l, &shape, err);
                if (!status) status = param_init(rnn, p, &init, err);
                if (!status) status = wg_params_add(params, name, shape, &init, id++, err);
                if (status) return status;
            }
    return WG_OK;
}

/* The width of one direction's output; a stack needs outputs that are rows of numbers, of one width
 * in every layer. States are looked at as well: the table need not be a registered one. */
static wg_status check_shapes(wg_rnn *rnn, wg_error *err)
{
    const wg_cell *cell = rnn->cell;
    const char *text = cell->output ? cell->output : cell->states[0].shape;
    for (int l = 0; l < rnn->layers; l++) {
        wg_shape shape;
        for (int i = 0; i < cell->n_states; i++) {
            wg_status status = layer_shape(rnn, cell->states[i].shape, l, &shape, err);
            if (status) return status;
            if (shape.rank > WG_MAX_AXES - 2)
                return wg_error_set(err, WG_EINVAL, "cell '%s': state '%s' has too many axes",
                                    cell->name, cell->states[i].name);
        }
        wg_status status = layer_shape(rnn, text, l, &shape, err);
        if (status) return status;
        if (shape.rank != 1)
            return wg_error_set(err, WG_EINVAL,
                                "cell '%s': its output has shape '%s' a row; layers need one axis",
                                cell->name, text);
        if (l == 0) rnn->width = shape.dim[0];
        if (shape.dim[0] != rnn->width)
            return wg_error_set(err, WG_EINVAL,
                                "cell '%s': its output '%s' would be %" PRId64 " wide in layer %d "
                                "and %" PRId64 " in the first",
                                cell->name, text, shape.dim[0], l, rnn->width);
    }
    return WG_OK;
}

wg_status wg_rnn_new(wg_params *params, const char *prefix, const wg_rnn_config *config,
                     wg_rnn **out, wg_error *err)
{
    wg_status status = check_sizes(prefix, config, err);
    if (status) return status;
    const wg_cell *cell = config->cell;
    wg_rnn *rnn = wg_calloc(1, sizeof *rnn);
    if (!rnn) return wg_error_set(err, WG_ENOMEM, "rnn '%.64s': out of memory", prefix);
    rnn->cell = cell;
    rnn->params = params;
    rnn->input_size = config->input_size;
    rnn->hidden_size = config->hidden_size;
    rnn->output_letter = config->output_size ? config->output_size : config->hidden_size;
    rnn->layers = config->layers ? config->layers : 1;
    rnn->directions = config->bidirectional ? 2 : 1;
    rnn->dropout = config->dropout;
    size_t n_params = (size_t)rnn->layers * (size_t)rnn->directions * (size_t)cell->n_params;
    rnn->prefix = wg_strdup(prefix);
    rnn->param = wg_calloc(n_params + 1, sizeof *rnn->param);
    rnn->hyper = wg_calloc((size_t)cell->n_hypers + 1, sizeof *rnn->hyper);
    if (!rnn->prefix || !rnn->param || !rnn->hyper)
        status = wg_error_set(err, WG_ENOMEM, "rnn '%.64s': out of memory", prefix);
    if (!status) status = take_hypers(rnn, config, err);
    if (!status) status = check_shapes(rnn, err);
    if (!status) status = declare(rnn, params, err);
    if (status) {
        wg_rnn_free(rnn);
        return status;
    }
    *out = rnn;
    return WG_OK;
}

void wg_rnn_free(wg_rnn *rnn)
{
    if (!rnn) return;
    wg_free(rnn->prefix);
    wg_free(rnn->param);
    wg_free(rnn->hyper);
    wg_free(rnn);
}

const wg_cell *wg_rnn_cell(const wg_rnn *rnn)
{
    return rnn->cell;
}

int wg_rnn_layers(const wg_rnn *rnn)
{
    return rnn->layers;
}

int wg_rnn_directions(const wg_rnn *rnn)
{
    return rnn->directions;
}

int64_t wg_rnn_output_size(const wg_rnn *rnn)
{
    return rnn->directions * rnn->width;
}

int wg_rnn_state_count(const wg_rnn *rnn)
{
    return rnn->layers * rnn->directions * rnn->cell->n_states;
}

wg_shape wg_rnn_state_shape(const wg_rnn *rnn, int slot, int64_t rows)
{
    const wg_cell *cell = rnn->cell;
    if (slot < 0 || slot >= wg_rnn_state_count(rnn)) return WG_SCALAR;
    int layer = slot / (cell->n_states * rnn->directions);
    wg_shape row;
    if (layer_shape(rnn, cell->states[slot % cell->n_states].shape, layer, &row, NULL))
        return WG_SCALAR; /* cannot be: shapes are looked at when cells are registered */
    int64_t dims[WG_MAX_AXES] = {rows};
    int rank = row.rank < WG_MAX_AXES - 1 ? row.rank : WG_MAX_AXES - 1;
    for (int i = 0; i < rank; i++) dims[i + 1] = row.dim[i];
    return wg_shape_of(rank + 1, dims);
}

int wg_rnn_param(const wg_rnn *rnn, int layer, int direction, int i)
{
    if (layer < 0 || layer >= rnn->layers || direction < 0 || direction >= rnn->directions ||
        i < 0 || i >= rnn->cell->n_params)
        return -1;
    return rnn->param[(layer * rnn->directions + direction) * rnn->cell->n_params + i];
}
