/* wg_print: the recorded equations, one node a line, bodies of scans indented. */
#include <inttypes.h>

#include "listing.h"

static void put_value(wg__text *t, const wg_tape *tape, int32_t value)
{
    const wg__value *v = &tape->values[value];
    wg__text_put(t, "%%%" PRId32, value);
    /* An input says its name by itself. */
    if (v->name && tape->nodes[v->node].op != &wg__op_input) {
        wg__text_put(t, " \"");
        wg__text_quoted(t, v->name);
        wg__text_put(t, "\"");
    }
}

static void put_list(wg__text *t, const char *what, const int32_t *value, int32_t n)
{
    if (n) wg__text_put(t, "%s", what);
    for (int32_t i = 0; i < n; i++) wg__text_put(t, "%s%%%" PRId32, i ? ", " : "", value[i]);
}

static void put_scan_operands(wg__text *t, const wg__node *node)
{
    const wg__scan_attr *a = node->attr;
    const int32_t *in = node->in;
    put_list(t, "x ", in, a->n_seq);
    put_list(t, a->n_seq ? "; init " : "init ", in + a->n_seq, a->n_carry);
    put_list(t, a->n_seq + a->n_carry ? "; const " : "const ", in + a->n_seq + a->n_carry,
             a->n_const);
    wg__text_put(t, "%ssteps=%" PRId64 "%s%s", node->n_in ? "; " : "", a->steps,
                 a->reverse ? " reverse" : "", a->remat ? " remat" : "");
}

static void put_operands(wg__text *t, const wg__node *node)
{
    char attr[512];
    wg__attr_text(node, attr, sizeof attr);
    put_list(t, "", node->in, node->n_in);
    if (!attr[0]) return;
    if (node->n_in) wg__text_put(t, "; ");
    wg__text_plain(t, attr);
}

static void put_body(wg__text *t, const wg__body *body, int indent);

static void put_node(wg__text *t, const wg_tape *tape, const wg__node *node, int indent)
{
    wg__text_spaces(t, indent);
    for (int32_t i = 0; i < node->n_out; i++) {
        if (i) wg__text_put(t, ", ");
        put_value(t, tape, node->first_out + i);
    }
    wg__text_put(t, "%s%s(", node->n_out ? " = " : "", node->op->name);
    if (node->body)
        put_scan_operands(t, node);
    else
        put_operands(t, node);
    wg__text_put(t, ")");
    for (int32_t i = 0; i < node->n_out; i++) {
        wg__text_put(t, i ? ", " : "  ");
        wg__text_type(t, &tape->values[node->first_out + i].type);
    }
    if (node->scope && node->scope[0]) {
        wg__text_put(t, "  @");
        wg__text_quoted(t, node->scope);
    }
    for (int32_t i = 0; i < node->n_out; i++) {
        const char *watch = tape->values[node->first_out + i].watch;
        if (!watch) continue;
        wg__text_put(t, "  watch \"");
        wg__text_quoted(t, watch);
        wg__text_put(t, "\"");
    }
    wg__text_put(t, "\n");
    if (node->body) put_body(t, node->body, indent + 4);
}

/* Slots are named in the first line, with their types; they are no nodes of interest. */
static void put_slots(wg__text *t, const wg_tape *g, const char *what, const int32_t *value,
                      int32_t n)
{
    if (n) wg__text_put(t, "  %s", what);
    for (int32_t i = 0; i < n; i++) {
        wg__text_put(t, i ? ", " : " ");
        put_value(t, g, value[i]);
        wg__text_put(t, " ");
        wg__text_type(t, &g->values[value[i]].type);
    }
}

static void put_body(wg__text *t, const wg__body *body, int indent)
{
    const wg_tape *g = body->graph;
    uint8_t *needed = wg__needed_by_body(body);
    if (!needed) {
        t->failed = true;
        return;
    }
    wg__text_spaces(t, indent);
    wg__text_put(t, "body:");
    put_slots(t, g, "x", body->seq, body->n_seq);
    put_slots(t, g, "carry", body->carry, body->n_carry);
    put_slots(t, g, "const", body->constant, body->n_const);
    if (needed[g->values[body->time].node]) put_slots(t, g, "time", &body->time, 1);
    wg__text_put(t, "\n");
    for (int32_t i = 0; i < g->n_nodes; i++)
        if (needed[i] && g->nodes[i].op != &wg__op_body_in) put_node(t, g, &g->nodes[i], indent);
    wg__text_spaces(t, indent);
    wg__text_put(t, "end:");
    put_list(t, "  next ", body->next, body->n_carry);
    put_list(t, "  y ", body->y, body->n_y);
    put_list(t, "  sum ", body->sum, body->n_sum);
    wg__text_put(t, "\n");
    wg_free(needed);
}

wg_status wg_print(const wg_tape *tape, const wg_var *out, int n_out, char **text, wg_error *err)
{
    *text = NULL;
    int32_t *values;
    wg_status status = wg__values_of(tape, out, n_out, &values, err);
    if (status) return status;
    uint8_t *needed = wg__needed(tape, values, n_out > 0 ? n_out : -1);
    wg__text t = {0};
    wg__text_put(&t, "%s", "");
    wg__c_locale l = wg__c_locale_enter();
    for (int32_t i = 0; needed && i < tape->n_nodes; i++)
        if (needed[i]) put_node(&t, tape, &tape->nodes[i], 0);
    wg__c_locale_leave(l);
    if (!needed) t.failed = true;
    wg_free(needed);
    wg_free(values);
    *text = wg__text_take(&t);
    return *text ? WG_OK : wg_error_set(err, WG_ENOMEM, "print: out of memory");
}
