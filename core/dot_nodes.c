/* wg_dot: how single nodes look, and the slots and results of scans. */
#include "dot.h"

#include <inttypes.h>

void wg__dot_id(wg__text *t, const wg__sheet *s, int32_t node)
{
    wg__text_put(t, "n%d_%" PRId32, s->number, node);
}

static const char *style_of(const wg__node *node, bool named)
{
    uint32_t family = node->op->traits & WG_OP_FAMILY;
    if (node->op == &wg__op_input) return "shape=ellipse, fillcolor=\"#fff2cc\"";
    if (node->op == &wg__op_tensor)
        return named ? "shape=box, style=\"filled\", fillcolor=\"#d5e8d4\""
                     : "shape=ellipse, fillcolor=\"#fff2cc\"";
    if (family == WG_OP_LEAF) return "shape=plaintext, style=\"\", fontcolor=\"#666666\"";
    if (family == WG_OP_PRODUCT) return "fillcolor=\"#dae8fc\", penwidth=2";
    if (family == WG_OP_MAP) return "fillcolor=\"#ffffff\"";
    if (family == WG_OP_REDUCE) return "fillcolor=\"#ffe6cc\"";
    if (family == WG_OP_VIEW) return "style=\"rounded,filled,dashed\", fillcolor=\"#f5f5f5\"";
    if (family == WG_OP_RANDOM) return "fillcolor=\"#f8cecc\"";
    if (family == WG_OP_GATHER || family == WG_OP_SCATTER) return "fillcolor=\"#e1d5e7\"";
    return "fillcolor=\"#eeeeee\"";
}

/* Types of the results, equal ones in one line. */
static void put_types(wg__text *t, const wg_tape *tape, const wg__node *node)
{
    const wg__value *v = &tape->values[node->first_out];
    for (int32_t i = 0, same; i < node->n_out; i += same) {
        same = 1;
        while (i + same < node->n_out && v[i].type.dtype == v[i + same].type.dtype &&
               wg_shape_equal(&v[i].type.shape, &v[i + same].type.shape))
            same++;
        wg__text_put(t, "\\n");
        if (same > 1) wg__text_put(t, "%" PRId32 " x ", same);
        wg__text_type(t, &v[i].type);
    }
}

static void put_names(wg__text *t, const wg_tape *tape, const wg__node *node)
{
    for (int32_t i = 0; i < node->n_out; i++) {
        const wg__value *v = &tape->values[node->first_out + i];
        if (v->name && node->op != &wg__op_input) {
            wg__text_quoted(t, v->name);
            wg__text_put(t, "\\n");
        }
        if (v->watch) {
            wg__text_put(t, "watch ");
            wg__text_quoted(t, v->watch);
            wg__text_put(t, "\\n");
        }
    }
}

void wg__dot_node(wg__pen *p, const wg__sheet *s, int32_t number)
{
    const wg_tape *tape = s->tape;
    const wg__node *node = &tape->nodes[number];
    wg__text *t = &p->nodes;
    bool named = tape->values[node->first_out].name != NULL;
    char attr[512];
    wg__attr_text(node, attr, sizeof attr);
    wg__text_spaces(t, s->indent);
    wg__dot_id(t, s, number);
    wg__text_put(t, " [label=\"");
    put_names(t, tape, node);
    if (node->op == &wg__op_const) {
        /* A number needs no frame and no op. */
        wg__text_quoted(t, attr);
        if (tape->values[node->first_out].type.shape.rank) put_types(t, tape, node);
    } else {
        if (!(node->op == &wg__op_tensor && named)) wg__text_put(t, "%s", node->op->name);
        if (attr[0]) wg__text_put(t, " ");
        wg__text_quoted(t, attr);
        /* A name of its own already ended its line. */
        if (node->op == &wg__op_tensor && named)
            wg__text_type(t, &tape->values[node->first_out].type);
        else
            put_types(t, tape, node);
    }
    wg__text_put(t, "\", %s", style_of(node, named));
    if (node->file) {
        wg__text_put(t, ", tooltip=\"%%%" PRId32 " at ", node->first_out);
        wg__text_quoted(t, node->file);
        wg__text_put(t, ":%" PRId32 "\"", node->line);
    }
    wg__text_put(t, "];\n");
}

/* What enters or leaves a body: "state", or "state 1" where there are several without a name. */
static void put_port(wg__text *t, const char *what, int32_t i, int32_t n, const wg__value *v,
                     const char *colour)
{
    wg__text_put(t, " [label=\"%s", what);
    if (v->name) {
        wg__text_put(t, " ");
        wg__text_quoted(t, v->name);
    } else if (n > 1) {
        wg__text_put(t, " %" PRId32, i);
    }
    wg__text_put(t, "\\n");
    wg__text_type(t, &v->type);
    wg__text_put(t, "\", shape=cds, style=filled, fillcolor=\"%s\"];\n", colour);
}

void wg__dot_slot(wg__pen *p, const wg__sheet *s, const char *what, int32_t i, int32_t n,
                  int32_t value)
{
    const wg__value *v = &s->tape->values[value];
    if (!s->needed[v->node]) return;
    wg__text_spaces(&p->nodes, s->indent);
    wg__dot_id(&p->nodes, s, v->node);
    put_port(&p->nodes, what, i, n, v, "#fff8e5");
}

void wg__dot_results(wg__pen *p, const wg__sheet *s, const char *what, int32_t n,
                     const wg__node *scan, const wg_tape *outer, int32_t *out)
{
    for (int32_t i = 0; i < n; i++, ++*out) {
        wg__text_spaces(&p->nodes, s->indent);
        wg__text_put(&p->nodes, "out%d_%" PRId32, s->number, *out);
        put_port(&p->nodes, what, i, n, &outer->values[scan->first_out + *out], "#e6f2e6");
    }
}
