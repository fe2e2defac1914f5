/* Which op is wrong? Every node on the way from the leaves to the outputs is recorded alone on a
 * tape of its own, over the values that it really got, and its VJP rule checked with random
 * cotangents. The first in the order of the list that fails is the culprit: what comes after it
 * only passes its error on. A scan that fails is opened, and its body checked node by node over the
 * first steps. */
#include <stdio.h>
#include <string.h>

#include "gradcheck_internal.h"

enum { BODY_STEPS = 2 }; /* the first often starts from zeros, where much looks right */

typedef struct finder {
    wg_gradcheck_options options;
    char *found;
    size_t size;
    wg_error *err;
} finder;

static wg_status out_of_memory(const finder *f)
{
    return wg_error_set(f->err, WG_ENOMEM, "gradcheck: out of memory");
}

/* Node of a list with the tensors of all values that matter. */
typedef struct place {
    const wg_tape *tape;
    int32_t node;
    wg_tensor **value; /* by value; NULL where it was not computed */
    const uint8_t *reach;
} place;

static void name_node(const finder *f, const place *p, const char *note)
{
    const wg__node *node = &p->tape->nodes[p->node];
    char scope[128] = "", where[160] = "";
    if (node->scope && node->scope[0]) snprintf(scope, sizeof scope, " @%.100s", node->scope);
    if (node->file) snprintf(where, sizeof where, " (%.120s:%d)", node->file, (int)node->line);
    snprintf(f->found, f->size, "%s '%%%d'%s%s%s", node->op->name, (int)node->first_out, scope,
             where, note);
}

/* Records a node anew over operands on another tape. */
static wg_status record_again(wg_tape *tape, const wg__node *node, const wg_var *in, wg_var *out)
{
    if (node->body) return wg__scan_append(tape, node->body, in, node->attr, out);
    return wg_record_n(node->op, in, node->n_in, node->attr, node->attr_size, out, node->n_out);
}

/* Records the node alone on `tape` over copies of its operands; wrt gets the operands to check and
 * out the results. */
static wg_status record_alone(const finder *f, const place *p, wg_tape *tape, wg_tensor **copies,
                              wg_var *in, wg_var *wrt, int *n_wrt, wg_var *out, int *n_out)
{
    const wg__node *node = &p->tape->nodes[p->node];
    *n_wrt = *n_out = 0;
    for (int32_t i = 0; i < node->n_in; i++) {
        /* A copy for each place: an operand used twice is checked in each. */
        wg_status status = wg_tensor_clone(p->value[node->in[i]], &copies[i], f->err);
        if (status) return status;
        in[i] = wg_tensor_var(tape, copies[i]);
        if (p->reach[node->in[i]] && wg_tensor_dtype(copies[i]) == WG_F64) wrt[(*n_wrt)++] = in[i];
    }
    wg_var *all = wg_calloc((size_t)node->n_out + 1, sizeof *all);
    if (!all) return out_of_memory(f);
    const char *file;
    int line;
    wg__place(&file, &line);
    wg_here(node->file, node->line);
    wg_status status = record_again(tape, node, in, all);
    wg_here(file, line);
    if (wg_tape_status(tape, f->err)) status = wg_tape_status(tape, f->err);
    for (int32_t i = 0; i < node->n_out && !status; i++)
        if (wg_var_dtype(all[i]) == WG_F64) out[(*n_out)++] = all[i];
    wg_free(all);
    return status;
}

/* Is the node's own VJP wrong? */
static wg_status check_alone(const finder *f, const place *p, bool *wrong)
{
    const wg__node *node = &p->tape->nodes[p->node];
    *wrong = false;
    wg_tape *tape = NULL;
    size_t n = (size_t)node->n_in * 2 + (size_t)node->n_out + 1;
    wg_tensor **copies = wg_calloc((size_t)node->n_in + 1, sizeof *copies);
    wg_var *in = wg_calloc(n, sizeof *in);
    wg_var *wrt = in ? in + node->n_in : NULL, *out = in ? wrt + node->n_in : NULL;
    int n_wrt = 0, n_out = 0;
    wg_status status = copies && in ? wg_tape_new(&tape, f->err) : out_of_memory(f);
    if (!status) status = record_alone(f, p, tape, copies, in, wrt, &n_wrt, out, &n_out);
    if (!status && n_wrt && n_out) {
        wg_gradcheck_report report = {.size = sizeof report};
        wg_error err;
        status = wg_gradcheck(out, n_out, wrt, n_wrt, &f->options, &report, &err);
        /* A rule that cannot even be recorded or run is as wrong as one that gives other numbers.
         */
        *wrong = status ? status != WG_ENOMEM : !report.passed;
        if (status == WG_ENOMEM)
            wg_error_set(f->err, status, "%s", err.message);
        else
            status = WG_OK;
        wg_gradcheck_report_free(&report);
    }
    wg_tape_free(tape);
    for (int32_t i = 0; copies && i < node->n_in; i++) wg_tensor_free(copies[i]);
    wg_free(copies);
    wg_free(in);
    return status;
}

/* Marks what depends on the marked values along differentiable edges. */
static void spread(const wg_tape *tape, uint8_t *reach)
{
    for (int32_t i = 0; i < tape->n_nodes; i++) {
        const wg__node *node = &tape->nodes[i];
        if (node->op->traits & WG_OP_NO_GRADIENT) continue;
        bool any = false;
        for (int32_t j = 0; j < node->n_in; j++) any = any || reach[node->in[j]];
        for (int32_t j = 0; any && j < node->n_out; j++)
            if (wg__is_float(tape->values[node->first_out + j].type.dtype))
                reach[node->first_out + j] = 1;
    }
}

static bool on_path(const wg__node *node, const uint8_t *reach)
{
    for (int32_t j = 0; j < node->n_out; j++)
        if (node->n_in && reach[node->first_out + j]) return true;
    return false;
}

/* Computes the marked values of a list with one program; value[] gets tensors of their own. */
static wg_status compute(const finder *f, wg_tape *tape, const uint8_t *wanted, wg__gc *binder,
                         wg_tensor **value)
{
    wg_var *list = wg_reallocarray(NULL, (size_t)tape->n_values + 1, sizeof *list);
    if (!list) return out_of_memory(f);
    int n = 0;
    for (int32_t v = 0; v < tape->n_values; v++)
        if (wanted[v]) list[n++] = wg__var(tape, v);
    const wg_compile_options options = {.size = sizeof options,
                                        .threads = 1,
                                        .node_by_node = true,
                                        .trace = f->options.trace,
                                        .trace_user = f->options.trace_user};
    wg_program *program = NULL;
    wg_status status = n ? wg_compile(list, n, &options, &program, f->err) : WG_OK;
    for (int i = 0; binder && i < binder->n_cotangents && !status && n; i++) {
        wg_error err;
        wg_status bound = wg_program_bind(program, binder->names[i], binder->cotangents[i], &err);
        if (bound && bound != WG_ENOTFOUND) status = wg_error_set(f->err, bound, "%s", err.message);
    }
    if (!status && n) status = wg_program_run(program, f->err);
    for (int i = 0; i < n && !status; i++)
        status = wg_tensor_clone(wg_program_output(program, i), &value[list[i].index], f->err);
    wg_program_free(program);
    wg_free(list);
    return status;
}

static wg_status check_body(const finder *f, const place *p);

/* Walks a list whose reached values are marked, and names the first node that is wrong. needed[] is
 * by node. */
static wg_status walk(const finder *f, wg_tape *tape, const uint8_t *needed, const uint8_t *reach,
                      wg__gc *binder, const char *note)
{
    size_t n = (size_t)tape->n_values + 1;
    int32_t n_nodes = tape->n_nodes, n_values = tape->n_values;
    uint8_t *wanted = wg_calloc(n, 1);
    wg_tensor **value = wg_calloc(n, sizeof(wg_tensor *));
    wg_status status = wanted && value ? WG_OK : out_of_memory(f);
    for (int32_t i = 0; i < n_nodes && !status; i++)
        for (int32_t j = 0; needed[i] && on_path(&tape->nodes[i], reach) && j < tape->nodes[i].n_in;
             j++)
            wanted[tape->nodes[i].in[j]] = 1;
    if (!status) status = compute(f, tape, wanted, binder, value);
    for (int32_t i = 0; i < n_nodes && !status && !f->found[0]; i++) {
        if (!needed[i] || !on_path(&tape->nodes[i], reach)) continue;
        const place p = {.tape = tape, .node = i, .value = value, .reach = reach};
        bool wrong;
        status = check_alone(f, &p, &wrong);
        if (status || !wrong) continue;
        if (tape->nodes[i].body) status = check_body(f, &p);
        if (!status && !f->found[0]) name_node(f, &p, note);
    }
    for (int32_t v = 0; value && v < n_values; v++) wg_tensor_free(value[v]);
    wg_free(value);
    wg_free(wanted);
    return status;
}

/* ---- bodies ---- */

/* A tensor of step t of a sequence. */
static wg_status slice_of(const wg_tensor *sequence, int64_t t, wg_tensor **out, wg_error *err)
{
    wg_shape s = wg_tensor_shape(sequence);
    wg_shape row = wg_shape_of(s.rank - 1, s.dim + 1);
    wg_status status = wg_tensor_new(wg_tensor_dtype(sequence), row, out, err);
    if (status) return status;
    size_t bytes = wg_tensor_bytes(*out);
    if (bytes)
        memcpy(wg_tensor_data(*out), (const char *)wg_tensor_cdata(sequence) + (size_t)t * bytes,
               bytes);
    return WG_OK;
}

/* One step of a body on a tape of its own, with tensors in its slots. */
typedef struct unrolled {
    wg_tape *tape;
    int32_t *map;      /* value of the body -> value of the tape */
    wg_tensor **slots; /* by value of the body; owned */
    uint8_t *marked;   /* by value of the body: slot that depends on what is checked */
} unrolled;

static wg_status record_step(const finder *f, const wg__body *body, unrolled *u)
{
    const wg_tape *g = body->graph;
    for (int32_t i = 0; i < g->n_nodes; i++) {
        int32_t v = g->nodes[i].first_out;
        if (g->nodes[i].op == &wg__op_body_in) {
            if (!u->slots[v]) continue; /* a slot that nothing was put in is one nobody uses */
            wg_var leaf = wg_tensor_var(u->tape, u->slots[v]);
            if (!wg_var_ok(leaf)) return wg_tape_status(u->tape, f->err);
            u->map[v] = leaf.index;
            continue;
        }
        wg_status status = wg__clone_node(u->tape, g, i, u->map);
        if (status)
            return wg_error_set(f->err, status, "gradcheck: a scan body could not be copied");
    }
    return WG_OK;
}

/* The states after the step, into the slots of the next. */
static wg_status advance(const finder *f, const wg__body *body, unrolled *u)
{
    wg_status status = WG_OK;
    size_t n = (size_t)u->tape->n_values + 1;
    uint8_t *wanted = wg_calloc(n, 1);
    wg_tensor **value = wg_calloc(n, sizeof(wg_tensor *));
    int32_t n_values = u->tape->n_values;
    if (!wanted || !value) status = out_of_memory(f);
    for (int32_t i = 0; i < body->n_carry && !status; i++) wanted[u->map[body->next[i]]] = 1;
    if (!status) status = compute(f, u->tape, wanted, NULL, value);
    for (int32_t i = 0; i < body->n_carry && !status; i++) {
        wg_tensor *next;
        status = wg_tensor_clone(value[u->map[body->next[i]]], &next, f->err);
        if (status) break;
        wg_tensor_free(u->slots[body->carry[i]]);
        u->slots[body->carry[i]] = next;
    }
    for (int32_t v = 0; value && v < n_values; v++) wg_tensor_free(value[v]);
    wg_free(value);
    wg_free(wanted);
    return status;
}

static wg_status fill_slots(const finder *f, const place *p, int64_t t, bool first, unrolled *u)
{
    const wg__node *node = &p->tape->nodes[p->node];
    const wg__body *body = node->body;
    wg_status status = WG_OK;
    for (int32_t i = 0; i < body->n_seq && !status; i++) {
        wg_tensor_free(u->slots[body->seq[i]]);
        u->slots[body->seq[i]] = NULL;
        status = slice_of(p->value[node->in[i]], t, &u->slots[body->seq[i]], f->err);
        u->marked[body->seq[i]] = p->reach[node->in[i]];
    }
    if (!status && !u->slots[body->time])
        status = wg_tensor_new(WG_I32, WG_SCALAR, &u->slots[body->time], f->err);
    if (!status) wg_tensor_set(u->slots[body->time], 0, (double)t);
    if (!first) return status;
    bool any = false;
    for (int32_t i = 0; i < node->n_in; i++) any = any || p->reach[node->in[i]];
    for (int32_t i = 0; i < body->n_carry && !status; i++) {
        status =
            wg_tensor_clone(p->value[node->in[body->n_seq + i]], &u->slots[body->carry[i]], f->err);
        /* From the second step on a state depends on whatever the scan depends on. */
        u->marked[body->carry[i]] =
            any && wg__is_float(wg_tensor_dtype(p->value[node->in[body->n_seq + i]]));
    }
    for (int32_t i = 0; i < body->n_const && !status; i++) {
        int32_t operand = node->in[body->n_seq + body->n_carry + i];
        status = wg_tensor_clone(p->value[operand], &u->slots[body->constant[i]], f->err);
        u->marked[body->constant[i]] = p->reach[operand];
    }
    return status;
}

static wg_status walk_step(const finder *f, const wg__body *body, unrolled *u, int64_t t)
{
    size_t n_values = (size_t)u->tape->n_values + 1, n_nodes = (size_t)u->tape->n_nodes + 1;
    uint8_t *reach = wg_calloc(n_values + n_nodes, 1);
    if (!reach) return out_of_memory(f);
    uint8_t *needed = reach + n_values;
    memset(needed, 1, n_nodes);
    for (int32_t v = 0; v < body->graph->n_values; v++)
        if (u->marked[v] && u->slots[v]) reach[u->map[v]] = 1;
    spread(u->tape, reach);
    char note[64];
    snprintf(note, sizeof note, " in the body of a scan, step %lld", (long long)t);
    wg_status status = walk(f, u->tape, needed, reach, NULL, note);
    wg_free(reach);
    return status;
}

/* The VJP of this scan is wrong: is it that of an op in its body? */
static wg_status check_body(const finder *f, const place *p)
{
    const wg__node *node = &p->tape->nodes[p->node];
    const wg__scan_attr *a = node->attr;
    const wg__body *body = node->body;
    size_t n = (size_t)body->graph->n_values + 1;
    unrolled u = {.map = wg_calloc(n, sizeof(int32_t)),
                  .slots = wg_calloc(n, sizeof(wg_tensor *)),
                  .marked = wg_calloc(n, 1)};
    wg_status status = u.map && u.slots && u.marked ? WG_OK : out_of_memory(f);
    for (int64_t s = 0; s < a->steps && s < BODY_STEPS && !status && !f->found[0]; s++) {
        int64_t t = a->reverse ? a->steps - 1 - s : s;
        status = fill_slots(f, p, t, s == 0, &u);
        if (!status) status = wg_tape_new(&u.tape, f->err);
        if (!status) status = record_step(f, body, &u);
        if (!status) status = walk_step(f, body, &u, t);
        if (!status) status = advance(f, body, &u);
        wg_tape_free(u.tape);
        u.tape = NULL;
    }
    for (size_t v = 0; u.slots && v < n; v++) wg_tensor_free(u.slots[v]);
    wg_free(u.map);
    wg_free(u.slots);
    wg_free(u.marked);
    return status;
}

/* ---- the whole ---- */

wg_status wg__gc_first_wrong(wg__gc *g, const wg_var *out, int n_out, char *found, size_t size)
{
    const finder f = {.options = {.size = sizeof(wg_gradcheck_options),
                                  .step = g->step,
                                  .tolerance = g->tolerance,
                                  .max_elements = g->max_elements,
                                  .projections = g->projections,
                                  .seed = 1,
                                  .order = 1,
                                  .trace = g->trace,
                                  .trace_user = g->trace_user},
                      .found = found,
                      .size = size,
                      .err = g->err};
    found[0] = '\0';
    wg_tape *tape = g->tape;
    size_t n_values = (size_t)tape->n_values + 1, n_nodes = (size_t)tape->n_nodes + 1;
    uint8_t *reach = wg_calloc(n_values + n_nodes, 1);
    if (!reach) return out_of_memory(&f);
    uint8_t *needed = reach + n_values;
    for (int i = 0; i < n_out; i++) needed[tape->values[out[i].index].node] = 1;
    for (int32_t i = tape->n_nodes - 1; i >= 0; i--)
        for (int32_t j = 0; needed[i] && j < tape->nodes[i].n_in; j++)
            needed[tape->values[tape->nodes[i].in[j]].node] = 1;
    for (int i = 0; i < g->n_leaves; i++) reach[g->leaves[i].var.index] = 1;
    spread(tape, reach);
    wg_status status = walk(&f, tape, needed, reach, g, "");
    wg_free(reach);
    return status;
}
