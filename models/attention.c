/* Attention: parameters, keys once a sequence, and scores as products over all queries of a row.
 *
 * One step and whole sequences share one path: queries are brought to [B,G,Q], G being the steps of
 * a sequence, the hypotheses of a beam, or 1. */
#define WG_BUILDING 1 /* errors name the place where the caller's own call was */
#include <wengert/attention.h>

#include <wengert/ops.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct wg_attention {
    wg_attention_kind kind;
    int64_t query_size, memory_size, key_size;
    const wg_params *params;
    char *prefix;
    int w, wq, wm, v; /* parameters; -1 = not of this kind */
};

static const char *const kind_name[WG_ATTENTION_KINDS] = {"none", "dot", "general", "bahdanau"};

const char *wg_attention_name(wg_attention_kind kind)
{
    return (int)kind >= 0 && (int)kind < WG_ATTENTION_KINDS ? kind_name[kind] : "?";
}

wg_status wg_attention_from_name(const char *name, wg_attention_kind *kind, wg_error *err)
{
    for (int i = 0; name && i < WG_ATTENTION_KINDS; i++)
        if (strcmp(name, kind_name[i]) == 0) {
            *kind = (wg_attention_kind)i;
            return WG_OK;
        }
    return wg_error_set(err, WG_ENOTFOUND,
                        "'%.64s' is no kind of attention; there are none, dot, general, bahdanau",
                        name ? name : "");
}

static wg_status check(const char *prefix, const wg_attention_config *c, wg_error *err)
{
    if (!c || c->size < sizeof *c || !prefix)
        return wg_error_set(err, WG_EINVAL, "attention: no configuration, or of unknown size");
    if ((int)c->kind <= WG_ATTENTION_NONE || (int)c->kind >= WG_ATTENTION_KINDS)
        return wg_error_set(err, WG_EINVAL, "attention '%.64s': no kind has number %d", prefix,
                            (int)c->kind);
    const int64_t limit = INT32_MAX;
    if (c->query_size < 1 || c->query_size > limit || c->memory_size < 1 ||
        c->memory_size > limit || c->width < 0 || c->width > limit)
        return wg_error_set(err, WG_EINVAL,
                            "attention '%.64s': sizes of query %" PRId64 ", memory %" PRId64
                            " and width %" PRId64 " cannot be",
                            prefix, c->query_size, c->memory_size, c->width);
    if (c->kind == WG_ATTENTION_DOT && c->query_size != c->memory_size)
        return wg_error_set(err, WG_EINVAL,
                            "attention '%.64s': dot needs queries and memory of one size, got "
                            "%" PRId64 " and %" PRId64 "; use general",
                            prefix, c->query_size, c->memory_size);
    return WG_OK;
}

static wg_status add(wg_params *params, const wg_attention *a, const char *name, wg_shape shape,
                     int *id, wg_error *err)
{
    char full[256];
    wg_init init = WG_XAVIER;
    int n = snprintf(full, sizeof full, "%s.%s", a->prefix, name);
    if (n < 0 || (size_t)n >= sizeof full)
        return wg_error_set(err, WG_ELIMIT, "attention '%.64s...': name too long", a->prefix);
    return wg_params_add(params, full, shape, &init, id, err);
}

static wg_status declare(wg_attention *a, wg_params *params, wg_error *err)
{
    int64_t q = a->query_size, m = a->memory_size, k = a->key_size;
    if (a->kind == WG_ATTENTION_GENERAL) return add(params, a, "W", WG_SHAPE(m, q), &a->w, err);
    if (a->kind != WG_ATTENTION_BAHDANAU) return WG_OK;
    wg_status status = add(params, a, "Wq", WG_SHAPE(q, k), &a->wq, err);
    if (!status) status = add(params, a, "Wm", WG_SHAPE(m, k), &a->wm, err);
    if (!status) status = add(params, a, "v", WG_SHAPE(k), &a->v, err);
    return status;
}

wg_status wg_attention_new(wg_params *params, const char *prefix, const wg_attention_config *config,
                           wg_attention **out, wg_error *err)
{
    wg_status status = check(prefix, config, err);
    if (status) return status;
    wg_attention *a = wg_calloc(1, sizeof *a);
    if (a) a->prefix = wg_strdup(prefix);
    if (!a || !a->prefix) {
        wg_free(a);
        return wg_error_set(err, WG_ENOMEM, "attention '%.64s': out of memory", prefix);
    }
    a->kind = config->kind;
    a->query_size = a->key_size = config->query_size;
    a->memory_size = config->memory_size;
    if (a->kind == WG_ATTENTION_BAHDANAU && config->width) a->key_size = config->width;
    a->params = params;
    a->w = a->wq = a->wm = a->v = -1;
    status = declare(a, params, err);
    if (status) {
        wg_attention_free(a);
        return status;
    }
    *out = a;
    return WG_OK;
}

void wg_attention_free(wg_attention *attention)
{
    if (!attention) return;
    wg_free(attention->prefix);
    wg_free(attention);
}

int64_t wg_attention_key_size(const wg_attention *attention)
{
    return attention->key_size;
}

static wg_status fail_shape(wg_tape *tape, const wg_attention *a, const char *what, wg_var v,
                            const char *want)
{
    char text[160];
    wg_shape s = wg_var_type(v).shape;
    if (!wg_var_ok(v)) {
        wg_tape_fail(tape, WG_ESTALE, "attention '%s': %s is not a value of a tape", a->prefix,
                     what);
        return wg_tape_status(tape, NULL);
    }
    wg_tape_fail(tape, WG_ESHAPE, "attention '%s': %s is %s, should be %s", a->prefix, what,
                 wg_shape_format(&s, text, sizeof text), want);
    return WG_ESHAPE;
}

wg_status wg_attention_prepare(wg_tape *tape, const wg_attention *attention, wg_var memory,
                               wg_var lengths, wg_attention_memory *out)
{
    const wg_attention *a = attention;
    *out = (wg_attention_memory){.size = sizeof *out};
    if (!wg_var_ok(memory) || wg_rank(memory) != 3 || wg_dim(memory, 2) != a->memory_size)
        return fail_shape(tape, a, "the memory", memory, "[S,B,M]");
    wg_push_scope(tape, "attention");
    out->values = wg_transpose(memory, (int[]){1, 0, 2}, 3);
    out->keys = out->values;
    if (a->kind == WG_ATTENTION_GENERAL)
        out->keys = wg_matmul(out->values, wg_param(tape, a->params, a->w));
    if (a->kind == WG_ATTENTION_BAHDANAU)
        out->keys = wg_matmul(out->values, wg_param(tape, a->params, a->wm));
    if (!wg_is_none(lengths)) out->mask = wg_sequence_mask(lengths, wg_dim(memory, 0), false);
    wg_pop_scope(tape);
    return wg_tape_status(tape, NULL);
}

/* queries [B,G,Q] -> weights [B,G,S] and contexts [B,G,M] */
static void attend(wg_tape *tape, const wg_attention *a, const wg_attention_memory *m,
                   wg_var queries, wg_var *contexts, wg_var *weights)
{
    wg_var scores;
    if (a->kind == WG_ATTENTION_BAHDANAU) {
        wg_var q = wg_matmul(queries, wg_param(tape, a->params, a->wq));
        wg_var sum = wg_add(wg_expand_dims(q, 2), wg_expand_dims(m->keys, 1)); /* [B,G,S,A] */
        scores = wg_sum_axis(wg_mul(wg_tanh(sum), wg_param(tape, a->params, a->v)), -1, false);
    } else {
        scores = wg_matmul_t(queries, m->keys, false, true);
    }
    *weights = wg_is_none(m->mask) ? wg_softmax(scores)
                                   : wg_softmax_masked(scores, wg_expand_dims(m->mask, 1));
    *contexts = wg_matmul(*weights, m->values);
}

wg_status wg_attention_step(wg_tape *tape, const wg_attention *attention,
                            const wg_attention_memory *memory, wg_var query, wg_var *context,
                            wg_var *weights)
{
    const wg_attention *a = attention;
    if (!wg_var_ok(query) || wg_rank(query) != 2 || wg_dim(query, 1) != a->query_size)
        return fail_shape(tape, a, "the query", query, "[R,Q]");
    if (!wg_var_ok(memory->values)) return fail_shape(tape, a, "the memory", memory->values, "");
    int64_t rows = wg_dim(query, 0), b = wg_dim(memory->values, 0), s = wg_dim(memory->values, 1);
    if (b == 0 ? rows != 0 : rows % b != 0) {
        wg_tape_fail(tape, WG_ESHAPE,
                     "attention '%s': %" PRId64 " queries are no multiple of the %" PRId64
                     " sequences of the memory",
                     a->prefix, rows, b);
        return WG_ESHAPE;
    }
    int64_t g = b ? rows / b : 1;
    wg_var c, w;
    wg_push_scope(tape, "attention");
    attend(tape, a, memory, wg_reshape(query, WG_SHAPE(b, g, a->query_size)), &c, &w);
    if (context) *context = wg_reshape(c, WG_SHAPE(rows, a->memory_size));
    if (weights) *weights = wg_reshape(w, WG_SHAPE(rows, s));
    wg_pop_scope(tape);
    return wg_tape_status(tape, NULL);
}

wg_status wg_attention_run(wg_tape *tape, const wg_attention *attention,
                           const wg_attention_memory *memory, wg_var queries, wg_var *contexts,
                           wg_var *weights)
{
    const wg_attention *a = attention;
    if (!wg_var_ok(queries) || wg_rank(queries) != 3 || wg_dim(queries, 2) != a->query_size)
        return fail_shape(tape, a, "the queries", queries, "[T,B,Q]");
    wg_var c, w;
    wg_push_scope(tape, "attention");
    attend(tape, a, memory, wg_transpose(queries, (int[]){1, 0, 2}, 3), &c, &w);
    if (contexts) *contexts = wg_transpose(c, (int[]){1, 0, 2}, 3);
    if (weights) *weights = wg_transpose(w, (int[]){1, 0, 2}, 3);
    wg_pop_scope(tape);
    return wg_tape_status(tape, NULL);
}
