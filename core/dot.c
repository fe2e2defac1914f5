/* wg_dot: the recorded graph for Graphviz.
 *
 * Scopes are nested clusters, a scan is a cluster of its own with its body inside: operands enter
 * at the body's slots, results leave from its last values, and a dashed edge leads each new state
 * back to the old one. Colours tell parameters, products, maps, reductions and views apart. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "dot.h"

enum { MAX_DEPTH = 64 };

typedef struct item {
    const char *scope;
    int32_t node;
} item;

/* '.' sorts before everything, so that a scope's nodes and those of the scopes in it are together.
 * Where scopes are equal the order of the list stays. */
static int compare_items(const void *a, const void *b)
{
    const item *x = a, *y = b;
    const unsigned char *p = (const unsigned char *)x->scope, *q = (const unsigned char *)y->scope;
    while (*p && *p == *q) {
        p++;
        q++;
    }
    int c = *p == '.' ? 1 : *p ? *p + 1 : 0, d = *q == '.' ? 1 : *q ? *q + 1 : 0;
    if (c != d) return c < d ? -1 : 1;
    return x->node < y->node ? -1 : x->node > y->node;
}

/* Identifier of where a value comes from: its node, or the slot of a scan's result. */
static void put_source(wg__text *t, const wg_tape *tape, int number, const int *scan_number,
                       int32_t value)
{
    const wg__value *v = &tape->values[value];
    if (tape->nodes[v->node].body)
        wg__text_put(t, "out%d_%" PRId32, scan_number[v->node], v->out);
    else
        wg__text_put(t, "n%d_%" PRId32, number, v->node);
}

static void draw_list(wg__pen *p, wg__sheet *s, const wg__body *body);

static void draw_edge(wg__pen *p, const char *from, const wg__sheet *s, int32_t to,
                      const char *attributes)
{
    wg__text_put(&p->edges, "    %s -> ", from);
    wg__dot_id(&p->edges, s, to);
    wg__text_put(&p->edges, "%s;\n", attributes);
}

/* Draws the body of a scan and ties its slots to the outside. scan_number[] is of the outer list.
 */
static void draw_scan(wg__pen *p, const wg__sheet *outer, int32_t node_number,
                      const int *scan_number)
{
    const wg__node *node = &outer->tape->nodes[node_number];
    const wg__body *body = node->body;
    const wg__scan_attr *a = node->attr;
    const wg_tape *g = body->graph;
    int number = scan_number[node_number];
    uint8_t *needed = wg__needed_by_body(body);
    if (!needed) {
        p->nodes.failed = true;
        return;
    }
    wg__sheet s = {.tape = g,
                   .needed = needed,
                   .number = number,
                   .scope = node->scope,
                   .indent = outer->indent + 4};
    wg__text *t = &p->nodes;
    wg__text_spaces(t, outer->indent);
    wg__text_put(t, "subgraph cluster_%d {\n", p->clusters++);
    wg__text_spaces(t, s.indent);
    wg__text_put(t,
                 "label=\"scan: %" PRId64 " steps%s\"; style=\"rounded,filled\"; "
                 "fillcolor=\"#fafaff\"; color=\"#6c8ebf\"; penwidth=2;\n",
                 a->steps, a->reverse ? ", last to first" : "");
    const struct {
        const char *what;
        const int32_t *value;
        int32_t n;
    } slots[] = {{"x(t)", body->seq, body->n_seq},
                 {"state", body->carry, body->n_carry},
                 {"const", body->constant, body->n_const},
                 {"t", &body->time, 1}}; /* drawn when something looks at it */
    for (size_t k = 0; k < sizeof slots / sizeof slots[0]; k++)
        for (int32_t i = 0; i < slots[k].n; i++)
            wg__dot_slot(p, &s, slots[k].what, i, slots[k].n, slots[k].value[i]);
    int32_t out = 0;
    wg__dot_results(p, &s, "last", body->n_carry, node, outer->tape, &out);
    wg__dot_results(p, &s, "stack", body->n_y, node, outer->tape, &out);
    wg__dot_results(p, &s, "sum", body->n_sum, node, outer->tape, &out);
    draw_list(p, &s, body);
    wg__text_spaces(t, outer->indent);
    wg__text_put(t, "}\n");
    wg_free(needed);
}

/* Edges from outer operands to the slots of a scan. */
static void tie_operands(wg__pen *p, const wg__sheet *outer, const wg__node *node, int number,
                         const int *scan_number)
{
    const wg__body *body = node->body;
    const wg__sheet inner = {.tape = body->graph, .number = number};
    for (int32_t i = 0; i < node->n_in; i++) {
        int32_t slot = i < body->n_seq ? body->seq[i]
                       : i < body->n_seq + body->n_carry
                           ? body->carry[i - body->n_seq]
                           : body->constant[i - body->n_seq - body->n_carry];
        wg__text from = {0};
        put_source(&from, outer->tape, outer->number, scan_number, node->in[i]);
        if (from.failed || !from.data)
            p->edges.failed = true;
        else
            draw_edge(p, from.data, &inner, body->graph->values[slot].node,
                      i < body->n_seq ? " [penwidth=2]" : "");
        wg_free(from.data);
    }
}

/* Edges from the body's last values to the results, and of states back to themselves. */
static void tie_results(wg__pen *p, const wg__body *body, int number, const int *inner_scans)
{
    const wg_tape *g = body->graph;
    const wg__sheet inner = {.tape = g, .number = number};
    const int32_t *groups[] = {body->next, body->y, body->sum};
    const int32_t sizes[] = {body->n_carry, body->n_y, body->n_sum};
    int32_t out = 0;
    for (int k = 0; k < 3; k++)
        for (int32_t i = 0; i < sizes[k]; i++, out++) {
            wg__text_put(&p->edges, "    ");
            put_source(&p->edges, g, number, inner_scans, groups[k][i]);
            wg__text_put(&p->edges, " -> out%d_%" PRId32 ";\n", number, out);
            if (k) continue;
            wg__text_put(&p->edges, "    out%d_%" PRId32 " -> ", number, out);
            wg__dot_id(&p->edges, &inner, g->values[body->carry[i]].node);
            wg__text_put(&p->edges, " [style=dashed, constraint=false, color=\"#6c8ebf\"];\n");
        }
}

static void draw_edges(wg__pen *p, const wg__sheet *s, const int *scan_number)
{
    for (int32_t i = 0; i < s->tape->n_nodes; i++) {
        const wg__node *node = &s->tape->nodes[i];
        if (!s->needed[i]) continue;
        if (node->body) {
            tie_operands(p, s, node, scan_number[i], scan_number);
            continue;
        }
        for (int32_t j = 0; j < node->n_in; j++) {
            const wg__value *v = &s->tape->values[node->in[j]];
            wg__text_put(&p->edges, "    ");
            put_source(&p->edges, s->tape, s->number, scan_number, node->in[j]);
            wg__text_put(&p->edges, " -> ");
            wg__dot_id(&p->edges, s, i);
            const wg__node *from = &s->tape->nodes[v->node];
            if (from->n_out > 1 && !from->body)
                wg__text_put(&p->edges, " [taillabel=\"%" PRId32 "\"]", v->out);
            wg__text_put(&p->edges, ";\n");
        }
    }
}

/* Closes clusters down to `keep` of the open scope and opens those of the new one. `open` holds the
 * ends of the open segments within `scope`. */
static void change_scope(wg__pen *p, wg__sheet *s, const char *old, const char *scope, size_t *ends,
                         int *depth)
{
    int keep = 0;
    while (keep < *depth && strncmp(old, scope, ends[keep]) == 0 &&
           (scope[ends[keep]] == '.' || scope[ends[keep]] == '\0'))
        keep++;
    for (; *depth > keep; --*depth) {
        s->indent -= 4;
        wg__text_spaces(&p->nodes, s->indent);
        wg__text_put(&p->nodes, "}\n");
    }
    size_t at = *depth ? ends[*depth - 1] : 0;
    while (scope[at] && *depth < MAX_DEPTH) {
        size_t from = scope[at] == '.' ? at + 1 : at;
        size_t to = from + strcspn(scope + from, ".");
        char label[256];
        size_t length = to < sizeof label ? to : sizeof label - 1;
        memcpy(label, scope, length);
        label[length] = '\0';
        wg__text_spaces(&p->nodes, s->indent);
        wg__text_put(&p->nodes, "subgraph cluster_%d { label=\"", p->clusters++);
        wg__text_quoted(&p->nodes, label);
        wg__text_put(&p->nodes, "\"; color=\"#999999\"; style=\"rounded\"; penwidth=1;\n");
        s->indent += 4;
        ends[(*depth)++] = to;
        at = to;
    }
}

/* Nodes of a list by scope, its scans inside, then its edges; body: whose list it is, or NULL. */
static void draw_list(wg__pen *p, wg__sheet *s, const wg__body *body)
{
    const wg_tape *tape = s->tape;
    size_t n = (size_t)tape->n_nodes + 1;
    item *items = wg_reallocarray(NULL, n, sizeof *items);
    int *scan_number = wg_calloc(n, sizeof *scan_number);
    size_t count = 0;
    if (!items || !scan_number) {
        p->nodes.failed = true;
        goto done;
    }
    for (int32_t i = 0; i < tape->n_nodes; i++) {
        if (!s->needed[i]) continue;
        if (tape->nodes[i].body) scan_number[i] = ++p->scans;
        const char *scope = tape->nodes[i].scope ? tape->nodes[i].scope : "";
        if (tape->nodes[i].op != &wg__op_body_in)
            items[count++] = (item){wg__scope_below(scope, s->scope), i};
    }
    qsort(items, count, sizeof *items, compare_items);
    const char *open = "";
    size_t ends[MAX_DEPTH];
    int depth = 0;
    for (size_t i = 0; i < count; i++) {
        change_scope(p, s, open, items[i].scope, ends, &depth);
        open = items[i].scope;
        if (tape->nodes[items[i].node].body)
            draw_scan(p, s, items[i].node, scan_number);
        else
            wg__dot_node(p, s, items[i].node);
    }
    change_scope(p, s, open, "", ends, &depth);
    draw_edges(p, s, scan_number);
    if (body) tie_results(p, body, s->number, scan_number);
done:
    wg_free(items);
    wg_free(scan_number);
}

wg_status wg_dot(const wg_tape *tape, const wg_var *out, int n_out, char **text, wg_error *err)
{
    *text = NULL;
    int32_t *values;
    wg_status status = wg__values_of(tape, out, n_out, &values, err);
    if (status) return status;
    uint8_t *needed = wg__needed(tape, values, n_out > 0 ? n_out : -1);
    wg__pen p = {0};
    wg__c_locale l = wg__c_locale_enter();
    wg__text_put(&p.nodes, "digraph wengert {\n"
                           "    graph [rankdir=TB, fontname=\"Helvetica\", nodesep=0.25, "
                           "ranksep=0.35, labeljust=l];\n"
                           "    node [shape=box, style=\"rounded,filled\", fillcolor=white, "
                           "fontname=\"Helvetica\", fontsize=11, margin=\"0.09,0.05\"];\n"
                           "    edge [arrowsize=0.6, fontname=\"Helvetica\", fontsize=9];\n");
    if (needed) {
        wg__sheet root = {.tape = tape, .needed = needed, .scope = "", .indent = 4};
        draw_list(&p, &root, NULL);
    }
    wg__text_put(&p.nodes, "%s}\n", p.edges.data ? p.edges.data : "");
    wg__c_locale_leave(l);
    if (!needed || p.edges.failed) p.nodes.failed = true;
    wg_free(p.edges.data);
    wg_free(needed);
    wg_free(values);
    *text = wg__text_take(&p.nodes);
    return *text ? WG_OK : wg_error_set(err, WG_ENOMEM, "dot: out of memory");
}
