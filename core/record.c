/* Recording: an op call is checked, its results' types are inferred, and a node is appended; outer
 * values that a body uses are lifted to its constants. */
#include <string.h>

#include "builtin.h"
#include "tape_internal.h"

enum { FIRST_NODES = 64 };

static bool grow(void **array, int32_t *cap, int32_t need, size_t size)
{
    if (need <= *cap) return true;
    int32_t n = *cap ? *cap : FIRST_NODES;
    while (n < need) {
        if (n > INT32_MAX / 2) return false;
        n *= 2;
    }
    void *p = wg_reallocarray(*array, (size_t)n, size);
    if (!p) return false;
    *array = p;
    *cap = n;
    return true;
}

wg__node *wg__append(wg_tape *tape, const wg_op *op, const int32_t *in, int n_in, const void *attr,
                     size_t attr_size, wg__body *body, const wg_type *out, int n_out)
{
    if (!grow((void **)&tape->nodes, &tape->cap_nodes, tape->n_nodes + 1, sizeof *tape->nodes) ||
        !grow((void **)&tape->values, &tape->cap_values, tape->n_values + n_out,
              sizeof *tape->values))
        goto out_of_memory;
    int32_t *ins = wg__arena_copy(&tape->arena, in, (size_t)n_in * sizeof *in);
    void *bytes = wg__arena_copy(&tape->arena, attr, attr_size);
    if (!ins || !bytes) goto out_of_memory;
    if (body && wg__tape_own_body(tape, body) != WG_OK) goto out_of_memory;
    wg__node *node = &tape->nodes[tape->n_nodes];
    *node = (wg__node){.op = op,
                       .in = ins,
                       .n_in = n_in,
                       .n_out = n_out,
                       .first_out = tape->n_values,
                       .attr = bytes,
                       .attr_size = attr_size,
                       .body = body,
                       .scope = tape->scope};
    wg__place(&node->file, &node->line);
    for (int i = 0; i < n_out; i++)
        tape->values[tape->n_values++] =
            (wg__value){.type = out[i], .node = tape->n_nodes, .out = i};
    tape->n_nodes++;
    return node;
out_of_memory:
    wg__tape_poison(tape, WG_ENOMEM, "tape: out of memory while recording");
    return NULL;
}

int32_t wg__lift(wg_tape *tape, wg_var v)
{
    wg_tape *home = wg__tape_of(v);
    if (!home || v.index < 0) return -1;
    if (home == tape) return v.index;
    if (!tape->parent) {
        wg_tape_fail(tape, WG_EINVAL, "operands live on two unrelated tapes");
        return -1;
    }
    int32_t up = wg__lift(tape->parent, v);
    if (up < 0) return -1;
    for (int32_t i = 0; i < tape->n_captures; i++)
        if (tape->captures[i].outer.index == up) return tape->captures[i].inner;
    if (!grow((void **)&tape->captures, &tape->cap_captures, tape->n_captures + 1,
              sizeof *tape->captures)) {
        wg__tape_poison(tape, WG_ENOMEM, "tape: out of memory while recording");
        return -1;
    }
    wg_var inner = wg__body_input(tape, tape->parent->values[up].type);
    if (inner.index < 0) return -1;
    const char *name = tape->parent->values[up].name;
    tape->values[inner.index].name = name ? wg__arena_strdup(&tape->arena, name) : NULL;
    tape->captures[tape->n_captures++] =
        (wg__capture){.outer = wg__var(tape->parent, up), .inner = inner.index};
    return inner.index;
}

/* The tape an op is recorded on: the innermost body among its operands' tapes. */
static wg_tape *home_of(const wg_op *op, const wg_var *in, int n_in, bool *poisoned)
{
    wg_tape *home = NULL;
    bool stale = false, none = false;
    *poisoned = false;
    for (int i = 0; i < n_in; i++) {
        wg_tape *t = wg__tape_of(in[i]);
        if (wg_is_none(in[i]))
            none = true;
        else if (!t)
            stale = true;
        else if (!home || t->depth > home->depth)
            home = t;
        if (t && in[i].index < 0) *poisoned = true;
    }
    if (home && (stale || none)) {
        if (!*poisoned)
            wg_tape_fail(home, stale ? WG_ESTALE : WG_EINVAL,
                         stale ? "%s: an operand belongs to a "
                                 "tape that was reset or freed"
                               : "%s: an operand is missing (WG_NONE)",
                         op->name);
        *poisoned = true;
    }
    return home;
}

static wg_status record(wg_tape *tape, const wg_op *op, const wg_var *in, int n_in,
                        const void *attr, size_t attr_size, wg_var *out, int n_out)
{
    if (tape->status == WG_ENOMEM) return WG_ENOMEM;
    if (op->n_in >= 0 && n_in != op->n_in)
        return wg__tape_fail_v(tape, WG_EINVAL, "%s: takes %d operands, got %d", op->name, op->n_in,
                               n_in);
    if ((op->n_out >= 0 && n_out != op->n_out) || n_out < 0)
        return wg__tape_fail_v(tape, WG_EINVAL, "%s: gives %d results, asked for %d", op->name,
                               op->n_out, n_out);
    wg_status status = WG_ENOMEM;
    wg_type few_in[16], few_out[4];
    int32_t few_index[16];
    wg__arena *work = wg__work(tape);
    wg__arena_mark mark = wg__arena_mark_of(work);
    wg_type *types = n_in <= 16 ? few_in : wg__arena_calloc(work, (size_t)n_in, sizeof *types);
    wg_type *results =
        n_out <= 4 ? few_out : wg__arena_calloc(work, (size_t)n_out, sizeof *results);
    int32_t *index = n_in <= 16 ? few_index : wg__arena_calloc(work, (size_t)n_in, sizeof *index);
    if (!types || !results || !index) {
        wg__tape_poison(tape, WG_ENOMEM, "tape: out of memory while recording");
        goto done;
    }
    for (int i = 0; i < n_in; i++) {
        index[i] = wg__lift(tape, in[i]);
        if (index[i] < 0) {
            status = tape->status != WG_OK ? tape->status : WG_EINVAL;
            goto done;
        }
        types[i] = tape->values[index[i]].type;
    }
    memset(results, 0, (size_t)n_out * sizeof *results);
    wg_error why = {WG_OK, ""};
    wg_infer c = {.size = sizeof c,
                  .n_in = n_in,
                  .n_out = n_out,
                  .in = types,
                  .attr = attr,
                  .attr_size = attr_size,
                  .out = results,
                  .err = &why};
    status = op->infer(&c);
    if (status != WG_OK) {
        const char *text = why.message[0] ? why.message : wg_strerror(status);
        if (tape->scope[0])
            wg__tape_fail_v(tape, status, "%s '%s': %s", op->name, tape->scope, text);
        else
            wg__tape_fail_v(tape, status, "%s: %s", op->name, text);
        goto done;
    }
    for (int i = 0; i < n_out; i++)
        if (wg_shape_count(&results[i].shape) < 0) {
            status = wg__tape_fail_v(tape, WG_EOVERFLOW, "%s: the result is too large", op->name);
            goto done;
        }
    wg__node *node = wg__append(tape, op, index, n_in, attr, attr_size, NULL, results, n_out);
    if (!node) {
        status = WG_ENOMEM;
        goto done;
    }
    for (int i = 0; i < n_out; i++) out[i] = wg__var(tape, node->first_out + i);
done:
    wg__arena_release(work, mark);
    return status;
}

wg_status wg_record_n(const wg_op *op, const wg_var *in, int n_in, const void *attr,
                      size_t attr_size, wg_var *out, int n_out)
{
    bool poisoned;
    wg_tape *tape = home_of(op, in, n_in, &poisoned);
    wg_status status = tape ? (tape->status != WG_OK ? tape->status : WG_EINVAL) : WG_ESTALE;
    if (tape && !poisoned) status = record(tape, op, in, n_in, attr, attr_size, out, n_out);
    if (status == WG_OK) return WG_OK;
    for (int i = 0; i < n_out; i++) out[i] = tape ? wg__var(tape, -1) : (wg_var){0, 0, -1};
    return status;
}

wg_var wg_record(const wg_op *op, const wg_var *in, int n_in, const void *attr, size_t attr_size)
{
    wg_var out;
    wg_record_n(op, in, n_in, attr, attr_size, &out, 1);
    return out;
}

wg_var wg_record_on(wg_tape *tape, const wg_op *op, const wg_var *in, int n_in, const void *attr,
                    size_t attr_size)
{
    if (!tape) return WG_NONE;
    bool poisoned = false;
    wg_tape *home = n_in ? home_of(op, in, n_in, &poisoned) : tape;
    if (home && home->depth > tape->depth) tape = home;
    wg_var out = wg__var(tape, -1);
    if (!poisoned && home) record(tape, op, in, n_in, attr, attr_size, &out, 1);
    return out;
}
