/* What a gradient check runs: cotangents, gradients, and the two programs. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "gradcheck_internal.h"

static wg_status out_of_memory(wg_error *err)
{
    return wg_error_set(err, WG_ENOMEM, "gradcheck: out of memory");
}

/* ---- leaves ---- */

static wg_status add_leaf(wg__gc *g, wg_var v)
{
    wg_error *err = g->err;
    int32_t index = v.index;
    if (!wg_var_ok(v) || wg__tape_of(v) != g->tape)
        return wg_error_set(err, WG_ESTALE, "gradcheck: a leaf is not a value of this tape");
    const wg__value *value = &g->tape->values[index];
    if (!value->tensor || g->tape->nodes[value->node].op != &wg__op_tensor)
        return wg_error_set(err, WG_EINVAL,
                            "gradcheck: %%%d (%s) is no leaf made with wg_tensor_var or wg_param",
                            (int)index, g->tape->nodes[value->node].op->name);
    if (value->type.dtype != WG_F64)
        return wg_error_set(err, WG_EDTYPE, "gradcheck: leaf '%s' is %s; checks are done in f64",
                            value->name ? value->name : "", wg_dtype_name(value->type.dtype));
    wg__gc_leaf *leaf = &g->leaves[g->n_leaves++];
    *leaf = (wg__gc_leaf){.var = v,
                          .tensor = value->tensor,
                          .x = wg_tensor_data(value->tensor),
                          .count = wg_tensor_count(value->tensor),
                          .out = -1};
    leaf->keep = wg_malloc(wg_tensor_bytes(leaf->tensor));
    if (!leaf->keep) return out_of_memory(err);
    if (leaf->count) memcpy(leaf->keep, leaf->x, wg_tensor_bytes(leaf->tensor));
    return WG_OK;
}

static bool is_f64_leaf(const wg_tape *tape, int32_t value)
{
    const wg__value *v = &tape->values[value];
    return v->tensor && v->type.dtype == WG_F64 && tape->nodes[v->node].op == &wg__op_tensor;
}

wg_status wg__gc_new(wg_tape *tape, const wg_var *wrt, int n_wrt,
                     const wg_gradcheck_options *options, wg_error *err, wg__gc **out)
{
    *out = NULL;
    wg__gc *g = wg_calloc(1, sizeof *g);
    if (!g) return out_of_memory(err);
    g->tape = tape;
    g->err = err;
    g->step = options->step > 0 ? options->step : 1e-5;
    g->tolerance = options->tolerance > 0 ? options->tolerance : 1e-7;
    g->max_elements = options->max_elements > 0 ? options->max_elements : 2000;
    g->projections = options->projections > 0 ? options->projections : 20;
    g->trace = options->trace;
    g->trace_user = options->trace_user;
    wg_rng_init(&g->rng, options->seed, "gradcheck");
    int most = n_wrt > 0 ? n_wrt : tape->n_values;
    g->leaves = wg_calloc((size_t)most + 1, sizeof *g->leaves);
    wg_status status = g->leaves ? WG_OK : out_of_memory(err);
    for (int i = 0; i < n_wrt && !status; i++) status = add_leaf(g, wrt[i]);
    for (int32_t v = 0; n_wrt <= 0 && v < tape->n_values && !status; v++)
        if (is_f64_leaf(tape, v)) status = add_leaf(g, wg__var(tape, v));
    int64_t longest = 0;
    for (int i = 0; i < g->n_leaves; i++)
        if (g->leaves[i].count > longest) longest = g->leaves[i].count;
    if (!status) {
        g->gradient_there = wg_reallocarray(NULL, (size_t)longest + 1, sizeof(double));
        if (!g->gradient_there) status = out_of_memory(err);
    }
    if (status) {
        wg__gc_free(g);
        return status;
    }
    *out = g;
    return WG_OK;
}

static void drop_programs(wg__gc *g)
{
    wg_program_free(g->value);
    wg_program_free(g->gradient);
    g->value = g->gradient = NULL;
    wg_free(g->r);
    wg_free(g->base);
    wg_free(g->plus);
    wg_free(g->minus);
    g->r = g->base = g->plus = g->minus = NULL;
    for (int i = 0; i < g->n_leaves; i++) {
        wg_free(g->leaves[i].gradient);
        g->leaves[i].gradient = NULL;
        g->leaves[i].out = -1;
    }
}

void wg__gc_free(wg__gc *g)
{
    if (!g) return;
    drop_programs(g);
    for (int i = 0; i < g->n_leaves; i++) {
        wg__gc_leaf *leaf = &g->leaves[i];
        if (leaf->keep && leaf->count) memcpy(leaf->x, leaf->keep, wg_tensor_bytes(leaf->tensor));
        wg_free(leaf->keep);
    }
    for (int i = 0; i < g->n_cotangents; i++) wg_tensor_free(g->cotangents[i]);
    wg_free(g->cotangents);
    wg_free(g->names);
    wg_free(g->leaves);
    wg_free(g->gradient_there);
    wg_free(g);
}

/* ---- cotangents ---- */

/* A tensor of the type of v that is bound by name, not put on the tape as a leaf: the tape outlives
 * it. Numbers lie in +-[0.5, 1.5), so that none hides an error; one scalar gets 1. */
static wg_status add_cotangent(wg__gc *g, wg_type type, bool one, wg_var *v)
{
    if (g->n_cotangents == g->cap_cotangents) {
        int cap = g->cap_cotangents ? g->cap_cotangents * 2 : 8;
        wg_tensor **tensors = wg_reallocarray(g->cotangents, (size_t)cap, sizeof *tensors);
        if (tensors) g->cotangents = tensors;
        void *names = wg_reallocarray(g->names, (size_t)cap, sizeof *g->names);
        if (names) g->names = names;
        if (!tensors || !names) return out_of_memory(g->err);
        g->cap_cotangents = cap;
    }
    wg_tensor *t;
    wg_status status = wg_tensor_new(type.dtype, type.shape, &t, g->err);
    if (status) return status;
    for (int64_t i = 0; i < wg_tensor_count(t); i++) {
        double u = 0.5 + wg_rng_uniform(&g->rng);
        wg_tensor_set(t, i, one ? 1 : (wg_rng_u32(&g->rng) & 1) ? u : -u);
    }
    char *name = g->names[g->n_cotangents];
    snprintf(name, sizeof g->names[0], "gradcheck.%lld.%d", (long long)wg_tape_length(g->tape),
             g->n_cotangents);
    g->cotangents[g->n_cotangents++] = t;
    *v = wg_input(g->tape, name, type.dtype, type.shape);
    return wg_var_ok(*v) ? WG_OK : wg_tape_status(g->tape, g->err);
}

static wg_status bind(wg__gc *g, wg_program *program)
{
    for (int i = 0; i < g->n_cotangents; i++) {
        wg_error err;
        wg_status status = wg_program_bind(program, g->names[i], g->cotangents[i], &err);
        /* A gradient that does not depend on a cotangent has no such input. */
        if (status && status != WG_ENOTFOUND)
            return wg_error_set(g->err, status, "%s", err.message);
    }
    return WG_OK;
}

/* ---- programs ---- */

/* Which nodes do the outputs need; which leaves are among them; has any of them kinks? */
static wg_status look(wg__gc *g, const wg_var *out, int n_out)
{
    const wg_tape *tape = g->tape;
    uint8_t *needed = wg_calloc((size_t)tape->n_nodes + 1, 1);
    if (!needed) return out_of_memory(g->err);
    for (int i = 0; i < n_out; i++) needed[tape->values[out[i].index].node] = 1;
    g->kinks = false;
    for (int32_t i = tape->n_nodes - 1; i >= 0; i--) {
        const wg__node *node = &tape->nodes[i];
        if (!needed[i]) continue;
        for (int j = 0; j < node->n_in; j++) needed[tape->values[node->in[j]].node] = 1;
        if (node->op->traits & WG_OP_KINKS) g->kinks = true;
        for (int32_t k = 0; node->body && k < node->body->graph->n_nodes; k++)
            if (node->body->graph->nodes[k].op->traits & WG_OP_KINKS) g->kinks = true;
    }
    for (int i = 0; i < g->n_leaves; i++)
        g->leaves[i].used = needed[tape->values[g->leaves[i].var.index].node];
    wg_free(needed);
    return WG_OK;
}

static wg_status compile(wg__gc *g, const wg_var *out, int n_out, wg_program **program)
{
    /* One thread: the checked functions are small, and run thousands of times. */
    const wg_compile_options options = {
        .size = sizeof options, .threads = 1, .trace = g->trace, .trace_user = g->trace_user};
    /* Who watches values wants those of his own runs, not those of thousands of shifted points. */
    wg_watch_fn watch = g->tape->watch;
    g->tape->watch = NULL;
    wg_status status = wg_compile(out, n_out, &options, program, g->err);
    g->tape->watch = watch;
    return status ? status : bind(g, *program);
}

static wg_status compile_gradients(wg__gc *g, const wg_var *gradients)
{
    wg_var *list = wg_reallocarray(NULL, (size_t)g->n_leaves + 1, sizeof *list);
    if (!list) return out_of_memory(g->err);
    int n = 0;
    for (int i = 0; i < g->n_leaves; i++) {
        if (wg_is_none(gradients[i])) continue;
        g->leaves[i].out = n;
        list[n++] = gradients[i];
    }
    wg_status status = n ? compile(g, list, n, &g->gradient) : WG_OK;
    wg_free(list);
    return status;
}

wg_status wg__gc_gradients(wg__gc *g, const wg__gc_leaf *leaf, double *data)
{
    if (!g->gradient) return WG_OK;
    wg_status status = wg_program_run(g->gradient, g->err);
    for (int i = 0; i < g->n_leaves && !status; i++) {
        wg__gc_leaf *l = &g->leaves[i];
        if (l->out < 0 || (leaf && leaf != l)) continue;
        const wg_tensor *t = wg_program_output(g->gradient, l->out);
        if (!leaf && !l->gradient) l->gradient = wg_malloc(wg_tensor_bytes(t));
        double *to = leaf ? data : l->gradient;
        if (!to) return out_of_memory(g->err);
        if (l->count) memcpy(to, wg_tensor_cdata(t), wg_tensor_bytes(t));
    }
    return status;
}

static wg_status allocate_values(wg__gc *g, const wg_var *out, int n_out)
{
    g->n_values = 0;
    for (int i = 0; i < n_out; i++) {
        wg_type type = wg_var_type(out[i]);
        g->n_values += wg_shape_count(&type.shape);
    }
    double **arrays[] = {&g->r, &g->base, &g->plus, &g->minus};
    for (int i = 0; i < 4; i++) {
        *arrays[i] = wg_reallocarray(NULL, (size_t)g->n_values + 1, sizeof(double));
        if (!*arrays[i]) return out_of_memory(g->err);
    }
    double *r = g->r;
    for (int i = 0; i < n_out; i++) {
        const wg_tensor *t = g->cotangents[g->first_cotangent + i];
        if (wg_tensor_bytes(t)) memcpy(r, wg_tensor_cdata(t), wg_tensor_bytes(t));
        r += wg_tensor_count(t);
    }
    return WG_OK;
}

wg_status wg__gc_prepare(wg__gc *g, const wg_var *out, int n_out, wg_var *gradients)
{
    drop_programs(g);
    size_t n = (size_t)n_out + (size_t)g->n_leaves * 2;
    wg_var *r = wg_calloc(n + 1, sizeof *r);
    if (!r) return out_of_memory(g->err);
    wg_var *x = r + n_out, *gx = x + g->n_leaves;
    g->first_cotangent = g->n_cotangents;
    g->n_out = n_out;
    wg_status status = look(g, out, n_out);
    bool one = n_out == 1 && wg_rank(out[0]) == 0;
    for (int i = 0; i < n_out && !status; i++)
        status = add_cotangent(g, wg_var_type(out[i]), one, &r[i]);
    for (int i = 0; i < g->n_leaves; i++) x[i] = g->leaves[i].var;
    if (!status) {
        status = wg_grad(out, r, n_out, x, g->n_leaves, gx);
        if (status && wg_tape_status(g->tape, g->err) == WG_OK)
            wg_error_set(g->err, status, "gradcheck: the gradient could not be recorded");
    }
    if (!status) status = compile(g, out, n_out, &g->value);
    if (!status) status = compile_gradients(g, gx);
    if (!status) status = allocate_values(g, out, n_out);
    if (!status) status = wg__gc_evaluate(g, g->base);
    if (!status) status = wg__gc_gradients(g, NULL, NULL);
    for (int i = 0; gradients && i < g->n_leaves; i++) gradients[i] = status ? WG_NONE : gx[i];
    wg_free(r);
    return status;
}
