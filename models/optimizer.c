/* Optimisers: options, making and freeing, state. (Norm, clipping, updates: optimizer_step.c) */
#include "optimizer_internal.h"

#include <math.h>
#include <string.h>

#include "json_numbers.h"

static const char *const kind_name[WG_OPTIMIZER_KINDS] = {"sgd", "momentum", "adam"};

const char *wg_optimizer_name(wg_optimizer_kind kind)
{
    return (int)kind >= 0 && (int)kind < WG_OPTIMIZER_KINDS ? kind_name[kind] : "?";
}

wg_status wg_optimizer_from_name(const char *name, wg_optimizer_kind *kind, wg_error *err)
{
    for (int i = 0; name && i < WG_OPTIMIZER_KINDS; i++)
        if (strcmp(name, kind_name[i]) == 0) {
            *kind = (wg_optimizer_kind)i;
            return WG_OK;
        }
    return wg_error_set(err, WG_ENOTFOUND, "'%.64s' is no optimiser; there are sgd, momentum, adam",
                        name ? name : "");
}

static wg_status check(const wg_optimizer_options *o, wg_error *err)
{
    if (o->size < sizeof *o)
        return wg_error_set(err, WG_EINVAL, "optimiser: options of unknown size");
    if ((int)o->kind < 0 || (int)o->kind >= WG_OPTIMIZER_KINDS)
        return wg_error_set(err, WG_EINVAL, "optimiser: no kind has number %d", (int)o->kind);
    const struct {
        const char *name;
        double value, below; /* [0, below), and finite */
    } numbers[] = {{"momentum", o->momentum, 1},
                   {"beta1", o->beta1, 1},
                   {"beta2", o->beta2, 1},
                   {"epsilon", o->epsilon, INFINITY},
                   {"weight_decay", o->weight_decay, INFINITY},
                   {"clip_norm", o->clip_norm, INFINITY},
                   {"clip_value", o->clip_value, INFINITY}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (!(numbers[i].value >= 0 && numbers[i].value < numbers[i].below))
            return wg_error_set(err, WG_EINVAL, "optimiser: %s cannot be %g", numbers[i].name,
                                numbers[i].value);
    if (o->kind == WG_OPTIMIZER_ADAM && o->epsilon == 0)
        return wg_error_set(err, WG_EINVAL, "optimiser: epsilon must be above 0");
    return WG_OK;
}

static wg_status new_moment(const wg_optimizer *o, wg_tensor **out, wg_error *err)
{
    return wg_tensor_new(wg_params_dtype(o->params), wg_tensor_shape(wg_params_values(o->params)),
                         out, err);
}

wg_status wg_optimizer_new(wg_params *params, const wg_optimizer_options *options,
                           wg_optimizer **out, wg_error *err)
{
    *out = NULL;
    wg_optimizer_options defaults = WG_OPTIMIZER_OPTIONS_INIT;
    if (!options) options = &defaults;
    wg_status status = check(options, err);
    if (status) return status;
    if (!params || !wg_params_values(params))
        return wg_error_set(err, WG_ESTATE, "optimiser: the parameters are not initialised");
    wg_optimizer *o = wg_calloc(1, sizeof *o);
    if (!o) return wg_error_set(err, WG_ENOMEM, "optimiser: out of memory");
    o->params = params;
    o->options = *options;
    o->options.size = sizeof o->options;
    int64_t n = wg_tensor_count(wg_params_values(params));
    o->block = wg_calloc((size_t)((n + WG__BLOCK - 1) / WG__BLOCK) + 1, sizeof *o->block);
    o->lazy = wg_calloc((size_t)wg_params_count(params) + 1, sizeof *o->lazy);
    if (!o->block || !o->lazy) status = wg_error_set(err, WG_ENOMEM, "optimiser: out of memory");
    if (!status && o->options.kind != WG_OPTIMIZER_SGD) status = new_moment(o, &o->m, err);
    if (!status && o->options.kind == WG_OPTIMIZER_ADAM) status = new_moment(o, &o->v, err);
    if (status) {
        wg_optimizer_free(o);
        return status;
    }
    *out = o;
    return WG_OK;
}

void wg_optimizer_free(wg_optimizer *optimizer)
{
    if (!optimizer) return;
    wg_tensor_free(optimizer->m);
    wg_tensor_free(optimizer->v);
    wg_free(optimizer->block);
    wg_free(optimizer->lazy);
    wg_free(optimizer);
}

const wg_optimizer_options *wg_optimizer_get_options(const wg_optimizer *optimizer)
{
    return &optimizer->options;
}

wg_status wg_optimizer_set_lazy(wg_optimizer *optimizer, int id, bool lazy, wg_error *err)
{
    if (id < 0 || id >= wg_params_count(optimizer->params))
        return wg_error_set(err, WG_ENOTFOUND, "optimiser: no parameter has number %d", id);
    if (wg_params_shape(optimizer->params, id).rank != 2)
        return wg_error_set(err, WG_ESHAPE,
                            "optimiser: parameter '%s' has no rows to be lazy about",
                            wg_params_name(optimizer->params, id));
    optimizer->lazy[id] = lazy;
    return WG_OK;
}

int64_t wg_optimizer_steps(const wg_optimizer *optimizer)
{
    return optimizer->steps;
}

int64_t wg_optimizer_skipped(const wg_optimizer *optimizer)
{
    return optimizer->skipped;
}

/* ---- state ---- */

static const char state_name[] = "optim/state.json", m_name[] = "optim/m", v_name[] = "optim/v";

wg_status wg_optimizer_save(wg_optimizer *o, wg_state *state, wg_error *err)
{
    const wg__json_field fields[] = {
        {.name = "kind", .text = wg_optimizer_name(o->options.kind)},
        {.name = "step", .number = (double)o->steps},
        {.name = "skipped", .number = (double)o->skipped},
    };
    wg_status status = wg__json_save(state, state_name, fields, 3, err);
    if (!status && o->m) status = wg_state_ref_tensor(state, m_name, o->m, err);
    if (!status && o->v) status = wg_state_ref_tensor(state, v_name, o->v, err);
    return status;
}

static wg_status find_moment(const wg_optimizer *o, const wg_state *state, const char *name,
                             const wg_tensor *mine, const wg_tensor **found, wg_error *err)
{
    *found = NULL;
    if (!mine) return WG_OK;
    *found = wg_state_tensor(state, name);
    if (!*found) return wg_error_set(err, WG_ENOTFOUND, "the state has no '%s'", name);
    wg_dtype dtype = wg_tensor_dtype(*found);
    if (wg_tensor_count(*found) != wg_tensor_count(mine))
        return wg_error_set(
            err, WG_ESHAPE, "'%s' has %lld elements, the parameters have %lld with their padding",
            name, (long long)wg_tensor_count(*found), (long long)wg_tensor_count(mine));
    if (dtype != wg_params_dtype(o->params))
        return wg_error_set(err, WG_EDTYPE, "'%s' is %s, the parameters are %s", name,
                            wg_dtype_name(dtype), wg_dtype_name(wg_params_dtype(o->params)));
    return WG_OK;
}

wg_status wg_optimizer_load(wg_optimizer *o, const wg_state *state, wg_error *err)
{
    const wg_tensor *m, *v;
    wg__json_field fields[] = {
        {.name = "kind", .text = wg_optimizer_name(o->options.kind)},
        {.name = "step"},
        {.name = "skipped"},
    };
    wg_status status = wg__json_load(state, state_name, fields, 3, err);
    if (!status) status = find_moment(o, state, m_name, o->m, &m, err);
    if (!status) status = find_moment(o, state, v_name, o->v, &v, err);
    if (status) return status;
    for (int i = 1; i < 3; i++)
        if (!(fields[i].number >= 0 && fields[i].number < 9e15))
            return wg_error_set(err, WG_EFORMAT, "'%s': '%s' cannot be %g", state_name,
                                fields[i].name, fields[i].number);
    if (m) memcpy(wg_tensor_data(o->m), wg_tensor_cdata(m), wg_tensor_bytes(m));
    if (v) memcpy(wg_tensor_data(o->v), wg_tensor_cdata(v), wg_tensor_bytes(v));
    o->steps = (int64_t)fields[1].number;
    o->skipped = (int64_t)fields[2].number;
    return WG_OK;
}
