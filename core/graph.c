/* Building and editing the compiler's graphs, and the canonical bytes by which programs are found
 * in the cache. */
#include "graph.h"

#include <stdio.h>
#include <string.h>

/* ---- editing ---- */

static bool reserve(wg__graph *g, int32_t nodes, int32_t values)
{
    /* Grown inside the arena: the old copy is left behind, freed with the program. */
    if (g->n_nodes + nodes > g->cap_nodes) {
        int32_t cap = 2 * (g->n_nodes + nodes) + 16;
        wg__gnode *p = wg__arena_alloc(g->arena, (size_t)cap * sizeof *p);
        if (!p) return false;
        if (g->n_nodes) memcpy(p, g->nodes, (size_t)g->n_nodes * sizeof *p);
        g->nodes = p;
        g->cap_nodes = cap;
    }
    if (g->n_values + values > g->cap_values) {
        int32_t cap = 2 * (g->n_values + values) + 16;
        wg__gvalue *p = wg__arena_alloc(g->arena, (size_t)cap * sizeof *p);
        if (!p) return false;
        if (g->n_values) memcpy(p, g->values, (size_t)g->n_values * sizeof *p);
        g->values = p;
        g->cap_values = cap;
    }
    return true;
}

wg__gnode *wg__graph_add(wg__graph *g, const wg_op *op, const int32_t *in, int n_in,
                         const void *attr, size_t attr_size, const wg_type *out, int n_out)
{
    if (!reserve(g, 1, n_out)) return NULL;
    int32_t *ins = wg__arena_alloc(g->arena, (size_t)n_in * sizeof *ins);
    void *bytes = wg__arena_copy(g->arena, attr, attr_size);
    if (!ins || !bytes) return NULL;
    if (n_in) memcpy(ins, in, (size_t)n_in * sizeof *ins);
    wg__gnode *n = &g->nodes[g->n_nodes];
    memset(n, 0, sizeof *n);
    n->op = op;
    n->in = ins;
    n->n_in = n_in;
    n->n_out = n_out;
    n->first_out = g->n_values;
    n->group = -1;
    n->live = 1;
    n->attr = bytes;
    n->attr_size = attr_size;
    n->scope = "";
    for (int i = 0; i < n_out; i++)
        g->values[g->n_values++] = (wg__gvalue){.type = out[i], .node = g->n_nodes, .out = i};
    g->n_nodes++;
    return n;
}

void wg__graph_replace(wg__graph *g, int32_t from, int32_t to)
{
    for (int32_t i = 0; i < g->n_nodes; i++)
        for (int j = 0; j < g->nodes[i].n_in; j++)
            if (g->nodes[i].in[j] == from) g->nodes[i].in[j] = to;
    for (int32_t i = 0; i < g->n_out; i++)
        if (g->out[i] == from) g->out[i] = to;
}

bool wg__graph_sort(wg__graph *g)
{
    int32_t n = g->n_nodes, n_stack = 0, n_done = 0;
    int32_t *stack = wg_calloc(3 * (size_t)n + 3, sizeof *stack);
    wg__gnode *sorted = wg__arena_alloc(g->arena, (size_t)(n + 1) * sizeof *sorted);
    if (!stack || !sorted) {
        wg_free(stack);
        return false;
    }
    int32_t *next = stack + n + 1, *place = next + n + 1; /* next: operand to visit; place: done */
    for (int32_t i = 0; i < n; i++) place[i] = -1;
    for (int32_t root = 0; root < n; root++) {
        if (place[root] >= 0) continue;
        stack[n_stack++] = root;
        place[root] = n; /* being visited */
        while (n_stack) {
            int32_t v = stack[n_stack - 1];
            if (next[v] < g->nodes[v].n_in) {
                int32_t p = g->values[g->nodes[v].in[next[v]++]].node;
                if (place[p] < 0) {
                    place[p] = n;
                    stack[n_stack++] = p;
                }
                continue;
            }
            n_stack--;
            place[v] = n_done;
            sorted[n_done++] = g->nodes[v];
        }
    }
    g->nodes = sorted;
    g->cap_nodes = n + 1;
    for (int32_t i = 0; i < g->n_values; i++)
        if (g->values[i].node >= 0) g->values[i].node = place[g->values[i].node];
    wg_free(stack);
    return true;
}

/* ---- building ---- */

static bool copy_node(wg__graph *g, const wg_tape *tape, int32_t i, int32_t *map)
{
    const wg__node *n = &tape->nodes[i];
    int32_t few[16];
    int32_t *in = n->n_in <= 16 ? few : wg_reallocarray(NULL, (size_t)n->n_in, sizeof *in);
    wg_type few_types[8];
    wg_type *types =
        n->n_out <= 8 ? few_types : wg_reallocarray(NULL, (size_t)n->n_out, sizeof *types);
    bool ok = in && types;
    for (int j = 0; j < n->n_in && ok; j++) in[j] = map[n->in[j]];
    for (int j = 0; j < n->n_out && ok; j++) types[j] = tape->values[n->first_out + j].type;
    wg__gnode *copy =
        ok ? wg__graph_add(g, n->op, in, n->n_in, n->attr, n->attr_size, types, n->n_out) : NULL;
    if (in != few) wg_free(in);
    if (types != few_types) wg_free(types);
    if (!copy) return false;
    copy->scope = wg__arena_strdup(g->arena, n->scope);
    copy->file = n->file;
    copy->line = n->line;
    copy->source = n->body;
    if (!copy->scope) return false;
    int32_t first = copy->first_out, at = g->n_nodes - 1;
    for (int j = 0; j < n->n_out; j++) {
        const wg__value *from = &tape->values[n->first_out + j];
        wg__gvalue *to = &g->values[first + j];
        to->watch = from->watch ? wg__arena_strdup(g->arena, from->watch) : NULL;
        to->name = from->name ? wg__arena_strdup(g->arena, from->name) : NULL;
        to->tensor = from->tensor;
        map[n->first_out + j] = first + j;
    }
    if (n->body) {
        wg__graph *body = wg__graph_body(g->arena, n->body);
        if (!body) return false;
        g->nodes[at].body = body;
    }
    return true;
}

static void mark_needed(const wg_tape *tape, const int32_t *out, int n_out, uint8_t *mark)
{
    memset(mark, 0, (size_t)tape->n_nodes);
    for (int i = 0; i < n_out; i++) mark[tape->values[out[i]].node] = 1;
    for (int32_t v = 0; v < tape->n_values; v++)
        if (tape->values[v].watch) mark[tape->values[v].node] = 1;
    for (int32_t i = tape->n_nodes - 1; i >= 0; i--) {
        const wg__node *n = &tape->nodes[i];
        if (n->op->traits & WG_OP_EFFECT || (n->body && n->body->effects)) mark[i] = 1;
        if (!mark[i]) continue;
        for (int j = 0; j < n->n_in; j++) mark[tape->values[n->in[j]].node] = 1;
    }
}

wg__graph *wg__graph_build(wg__arena *arena, const wg_tape *tape, const int32_t *out, int n_out)
{
    wg__graph *g = wg__arena_calloc(arena, 1, sizeof *g);
    int32_t *map = wg_calloc((size_t)tape->n_values + 1, sizeof *map);
    uint8_t *mark = wg_calloc((size_t)tape->n_nodes + 1, 1);
    bool ok = g && map && mark;
    if (ok) {
        g->arena = arena;
        g->time = -1;
        mark_needed(tape, out, n_out, mark);
        for (int32_t i = 0; i < tape->n_nodes && ok; i++)
            if (mark[i]) ok = copy_node(g, tape, i, map);
        g->out = wg__arena_alloc(arena, ((size_t)n_out + 1) * sizeof *g->out);
        g->n_out = n_out;
        ok = ok && g->out;
        for (int i = 0; i < n_out && ok; i++) g->out[i] = map[out[i]];
    }
    wg_free(map);
    wg_free(mark);
    return ok ? g : NULL;
}

static int32_t *mapped(wg__arena *arena, const int32_t *list, int32_t n, const int32_t *map)
{
    int32_t *copy = wg__arena_alloc(arena, ((size_t)n + 1) * sizeof *copy);
    for (int32_t i = 0; i < n && copy; i++) copy[i] = map[list[i]];
    return copy;
}

wg__graph *wg__graph_body(wg__arena *arena, const wg__body *body)
{
    const wg_tape *tape = body->graph;
    wg__graph *g = wg__arena_calloc(arena, 1, sizeof *g);
    int32_t *map = wg_calloc((size_t)tape->n_values + 1, sizeof *map);
    bool ok = g && map;
    if (ok) g->arena = arena;
    for (int32_t i = 0; i < tape->n_nodes && ok; i++) ok = copy_node(g, tape, i, map);
    if (ok) {
        g->n_seq = body->n_seq;
        g->n_carry = body->n_carry;
        g->n_const = body->n_const;
        g->n_y = body->n_y;
        g->n_sum = body->n_sum;
        g->seq = mapped(arena, body->seq, body->n_seq, map);
        g->carry = mapped(arena, body->carry, body->n_carry, map);
        g->constant = mapped(arena, body->constant, body->n_const, map);
        g->time = map[body->time];
        g->n_out = body->n_carry + body->n_y + body->n_sum;
        g->out = wg__arena_alloc(arena, ((size_t)g->n_out + 1) * sizeof *g->out);
        ok = g->seq && g->carry && g->constant && g->out;
    }
    for (int i = 0; i < body->n_carry && ok; i++) g->out[i] = map[body->next[i]];
    for (int i = 0; i < body->n_y && ok; i++) g->out[body->n_carry + i] = map[body->y[i]];
    for (int i = 0; i < body->n_sum && ok; i++)
        g->out[body->n_carry + body->n_y + i] = map[body->sum[i]];
    wg_free(map);
    return ok ? g : NULL;
}

/* ---- canonical bytes ---- */

void wg__bytes_put(wg__bytes *b, const void *data, size_t size)
{
    if (b->failed || size == 0) return;
    if (b->size + size > b->capacity) {
        size_t cap = 2 * (b->size + size) + 4096;
        unsigned char *p = wg_realloc(b->data, cap);
        if (!p) {
            b->failed = true;
            return;
        }
        b->data = p;
        b->capacity = cap;
    }
    memcpy(b->data + b->size, data, size);
    b->size += size;
}

static void put_int(wg__bytes *b, int64_t v)
{
    wg__bytes_put(b, &v, sizeof v);
}

static void put_text(wg__bytes *b, const char *text)
{
    size_t n = text ? strlen(text) : 0;
    put_int(b, text ? (int64_t)n : -1);
    wg__bytes_put(b, text, n);
}

static void put_body(wg__bytes *b, const wg__body *body);

/* number[v] is the canonical number of value v; NULL in bodies, whose numbers are canonical. */
static void put_node(wg__bytes *b, const wg_tape *tape, const wg__node *n, const int32_t *number)
{
    put_text(b, n->op->name);
    put_int(b, n->op->version);
    put_int(b, n->n_in);
    for (int j = 0; j < n->n_in; j++) put_int(b, number ? number[n->in[j]] : n->in[j]);
    put_int(b, (int64_t)n->attr_size);
    wg__bytes_put(b, n->attr, n->attr_size);
    put_int(b, n->n_out);
    for (int j = 0; j < n->n_out; j++) {
        const wg__value *v = &tape->values[n->first_out + j];
        put_int(b, v->type.dtype);
        wg__bytes_put(b, &v->type.shape, sizeof v->type.shape);
        put_text(b, v->watch);
    }
    if (n->body) put_body(b, n->body);
}

static void put_body(wg__bytes *b, const wg__body *body)
{
    const wg_tape *g = body->graph;
    put_int(b, g->n_nodes);
    for (int32_t i = 0; i < g->n_nodes; i++) put_node(b, g, &g->nodes[i], NULL);
    const int32_t *lists[] = {body->seq,  body->carry, body->constant,
                              body->next, body->y,     body->sum};
    int32_t sizes[] = {body->n_seq,   body->n_carry, body->n_const,
                       body->n_carry, body->n_y,     body->n_sum};
    for (int k = 0; k < 6; k++) {
        put_int(b, sizes[k]);
        wg__bytes_put(b, lists[k], (size_t)sizes[k] * sizeof(int32_t));
    }
    put_int(b, body->time);
}

void wg__body_bytes(wg__bytes *b, const wg__body *body)
{
    put_body(b, body);
    const wg_tape *g = body->graph;
    for (int32_t i = 0; i < g->n_nodes; i++) {
        /* Slots are made by wg_scan, wherever the op before was recorded. */
        if (g->nodes[i].op == &wg__op_body_in) continue;
        put_text(b, g->nodes[i].scope);
        put_text(b, g->nodes[i].file);
        put_int(b, g->nodes[i].line);
    }
    for (int32_t v = 0; v < g->n_values; v++) put_text(b, g->values[v].name);
}

uint64_t wg__bytes_hash(const wg__bytes *b)
{
    const unsigned char *p = b->data;
    size_t n = b->size;
    uint64_t h = 14695981039346656037u;
    for (; n >= 8; n -= 8, p += 8) {
        uint64_t w;
        memcpy(&w, p, 8);
        h = (h ^ w) * 0x9E3779B97F4A7C15u;
        h ^= h >> 29;
    }
    for (; n; n--, p++) h = (h ^ *p) * 1099511628211u;
    return h;
}

bool wg__canonical(const wg_tape *tape, const int32_t *out, int n_out, wg__bytes *bytes,
                   int32_t *scratch, uint8_t *mark, int32_t *leaves, int32_t *n_leaves)
{
    bytes->size = 0;
    bytes->failed = false;
    mark_needed(tape, out, n_out, mark);
    int32_t number = 0;
    *n_leaves = 0;
    for (int32_t i = 0; i < tape->n_nodes; i++) {
        if (!mark[i]) continue;
        const wg__node *n = &tape->nodes[i];
        for (int j = 0; j < n->n_out; j++) scratch[n->first_out + j] = number++;
        put_node(bytes, tape, n, scratch);
        if (n->op == &wg__op_tensor || n->op == &wg__op_input) leaves[(*n_leaves)++] = n->first_out;
    }
    put_int(bytes, -1);
    for (int i = 0; i < n_out; i++) put_int(bytes, scratch[out[i]]);
    return !bytes->failed;
}

/* ---- text ---- */

static void put_line(wg__bytes *b, const wg__graph *g, int32_t i, int depth)
{
    const wg__gnode *n = &g->nodes[i];
    char buf[256], shape[160];
    for (int k = 0; k < depth; k++) wg__bytes_put(b, "    ", 4);
    for (int j = 0; j < n->n_out; j++) {
        const wg_type *t = &g->values[n->first_out + j].type;
        snprintf(buf, sizeof buf, "%s%%%d %s%s", j ? ", " : "", n->first_out + j,
                 wg_dtype_name(t->dtype), wg_shape_format(&t->shape, shape, sizeof shape));
        wg__bytes_put(b, buf, strlen(buf));
    }
    snprintf(buf, sizeof buf, " = %s(", n->op->name);
    wg__bytes_put(b, buf, strlen(buf));
    for (int j = 0; j < n->n_in; j++) {
        snprintf(buf, sizeof buf, "%s%%%d", j ? ", " : "", n->in[j]);
        wg__bytes_put(b, buf, strlen(buf));
    }
    wg__bytes_put(b, ")", 1);
    if (n->op->format) {
        char attr[160] = "";
        n->op->format(n->attr, n->attr_size, attr, sizeof attr);
        snprintf(buf, sizeof buf, " {%s}", attr);
        wg__bytes_put(b, buf, strlen(buf));
    }
    if (n->group >= 0) {
        snprintf(buf, sizeof buf, "  #%d", n->group);
        wg__bytes_put(b, buf, strlen(buf));
    }
    if (n->scope && n->scope[0]) {
        wg__bytes_put(b, "  @", 3);
        wg__bytes_put(b, n->scope, strlen(n->scope));
    }
    wg__bytes_put(b, "\n", 1);
}

static void put_graph(wg__bytes *b, const wg__graph *g, int depth)
{
    for (int32_t i = 0; i < g->n_nodes; i++) {
        if (!g->nodes[i].live) continue;
        put_line(b, g, i, depth);
        if (g->nodes[i].body) put_graph(b, g->nodes[i].body, depth + 1);
    }
    for (int k = 0; k < depth; k++) wg__bytes_put(b, "    ", 4);
    wg__bytes_put(b, "->", 2);
    char buf[32];
    for (int i = 0; i < g->n_out; i++) {
        snprintf(buf, sizeof buf, " %%%d", g->out[i]);
        wg__bytes_put(b, buf, strlen(buf));
    }
    wg__bytes_put(b, "\n", 1);
}

char *wg__graph_text(const wg__graph *g)
{
    wg__bytes b = {0};
    put_graph(&b, g, 0);
    wg__bytes_put(&b, "", 1);
    if (b.failed) {
        wg_free(b.data);
        return NULL;
    }
    return (char *)b.data;
}
