/* What prints and graphs of a list have in common: which nodes are needed, attributes, scopes. */
#include "listing.h"

#include <stdio.h>
#include <string.h>

static void mark_back(const wg_tape *tape, uint8_t *needed)
{
    for (int32_t i = tape->n_nodes - 1; i >= 0; i--) {
        const wg__node *node = &tape->nodes[i];
        for (int j = 0; needed[i] && j < node->n_in; j++)
            needed[tape->values[node->in[j]].node] = 1;
    }
}

uint8_t *wg__needed(const wg_tape *tape, const int32_t *out, int n_out)
{
    uint8_t *needed = wg_calloc((size_t)tape->n_nodes + 1, 1);
    if (!needed) return NULL;
    if (n_out < 0) {
        memset(needed, 1, (size_t)tape->n_nodes);
        return needed;
    }
    for (int i = 0; i < n_out; i++) needed[tape->values[out[i]].node] = 1;
    mark_back(tape, needed);
    return needed;
}

uint8_t *wg__needed_by_body(const wg__body *body)
{
    const wg_tape *tape = body->graph;
    uint8_t *needed = wg_calloc((size_t)tape->n_nodes + 1, 1);
    if (!needed) return NULL;
    const struct {
        const int32_t *value;
        int32_t n;
    } ends[] = {{body->next, body->n_carry},  {body->y, body->n_y},
                {body->sum, body->n_sum},     {body->seq, body->n_seq},
                {body->carry, body->n_carry}, {body->constant, body->n_const}};
    for (size_t k = 0; k < sizeof ends / sizeof ends[0]; k++)
        for (int32_t i = 0; i < ends[k].n; i++) needed[tape->values[ends[k].value[i]].node] = 1;
    mark_back(tape, needed);
    return needed;
}

wg_status wg__values_of(const wg_tape *tape, const wg_var *out, int n_out, int32_t **values,
                        wg_error *err)
{
    *values = NULL;
    if (!tape) return wg_error_set(err, WG_EINVAL, "no tape to look at");
    int32_t *list = wg_reallocarray(NULL, (size_t)(n_out > 0 ? n_out : 0) + 1, sizeof *list);
    if (!list) return wg_error_set(err, WG_ENOMEM, "tape: out of memory");
    for (int i = 0; i < n_out; i++) {
        if (!wg_var_ok(out[i]) || wg__tape_of(out[i]) != tape) {
            wg_free(list);
            if (tape->status != WG_OK) return wg_tape_status(tape, err);
            return wg_error_set(err, WG_ESTALE, "output %d is not a value of this tape", i);
        }
        list[i] = out[i].index;
    }
    *values = list;
    return WG_OK;
}

const char *wg__attr_text(const wg__node *node, char *buf, size_t size)
{
    buf[0] = '\0';
    if (node->op->format) node->op->format(node->attr, node->attr_size, buf, size);
    buf[size - 1] = '\0';
    return buf;
}

const char *wg__scope_below(const char *scope, const char *outer)
{
    size_t n = strlen(outer);
    if (n == 0) return scope;
    if (strncmp(scope, outer, n) != 0) return scope;
    if (scope[n] == '\0') return "";
    return scope[n] == '.' ? scope + n + 1 : scope;
}
