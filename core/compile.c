/* Compiling: from outputs on a tape, through the passes and the plan, to a program (program.c). */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <wengert/parallel.h>

#include "compile.h"
#include "isa.h"

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void count_code(const wg__frame *f, wg_program_stats *s)
{
    for (int32_t i = 0; i < f->n_instr; i++) {
        s->instructions++;
        s->fused += f->instr[i].kind == WG__FUSED;
        if (f->instr[i].loop) count_code(&f->instr[i].loop->body, s);
    }
}

static void show(const wg_compile_options *o, const char *pass, char *text)
{
    if (text) o->trace(o->trace_user, pass, text);
    wg_free(text);
}

static void trace(const wg_compile_options *o, const char *pass, const wg__graph *g)
{
    if (o->trace) show(o, pass, wg__graph_text(g));
}

typedef struct pass {
    const char *name;
    bool (*run)(wg__graph *g);
} pass;

static const pass passes[] = {
    {"merge scans", wg__pass_merge_scans},
    {"dead code", wg__pass_dead},
    {"implicit broadcasts", wg__pass_broadcasts},
    {"common subexpressions", wg__pass_cse},
    {"merge products", wg__pass_products},
    {"invariant code", wg__pass_invariant},
    {"common subexpressions", wg__pass_cse},
    {"hoist", wg__pass_hoist},
    {"sink", wg__pass_sink},
    {"merge sums", wg__pass_merge_sums},
    {"common subexpressions", wg__pass_cse},
    {"pack weights", wg__pass_pack_weights},
    {"dead code", wg__pass_dead},
    {"pair gradients", wg__pass_pair},
    {"unmasked steps", wg__pass_unmask},
    {"views before maps", wg__pass_push_views},
    {"fuse", wg__pass_fuse},
};

/* Is `name` among the comma-separated "-name"s of list? */
static bool left_out(const char *list, const char *name, size_t size)
{
    for (const char *at = list; at && *at;) {
        size_t n = strcspn(at, ",");
        if (n == size + 1 && memcmp(at + 1, name, size) == 0) return true;
        at += n + (at[n] == ',');
    }
    return false;
}

/* Does list name passes only, such as may be left out? */
static wg_status check_passes(const char *list, wg_error *err)
{
    for (const char *at = list; at && *at;) {
        size_t n = strcspn(at, ",");
        const pass *found = NULL;
        for (size_t i = 0; i < sizeof passes / sizeof *passes && *at == '-'; i++)
            if (strlen(passes[i].name) == n - 1 && memcmp(passes[i].name, at + 1, n - 1) == 0)
                found = &passes[i];
        /* Others rest on dead nodes being gone. */
        if (!found || found->run == wg__pass_dead)
            return wg_error_set(err, WG_EINVAL, "passes '%s': %s '%.*s'", list,
                                found ? "others need" : "there is no", (int)(n < 60 ? n : 60), at);
        at += n + (at[n] == ',');
    }
    return WG_OK;
}

/* Which outputs a kernel that tells the rows it touched writes, whole and alone. */
static bool find_touches(wg_program *p)
{
    wg__frame *f = &p->frame;
    f->touched = wg__arena_calloc(&p->arena, (size_t)f->n_bind + 1, sizeof *f->touched);
    p->touches = wg__arena_calloc(&p->arena, (size_t)p->n_out + 1, sizeof *p->touches);
    if (!f->touched || !p->touches) return false;
    if (p->backend->slot != WG_BACKEND_CPU) return true;
    for (int32_t o = 0; o < p->n_out; o++) {
        int32_t writers = 0;
        for (int32_t k = 0; k < f->n_instr; k++) {
            const wg__instr *i = &f->instr[k];
            for (int32_t j = 0; j < i->n_out; j++) {
                if (i->out_loc[j].bind != p->out_bind[o]) continue;
                writers++;
                p->touches[o] = i->kind == WG__KERNEL && j == 0 && i->op->traits & WG_OP_TOUCHES &&
                                i->out_loc[0].offset == 0 &&
                                wg_shape_equal(&i->out[0].shape, &p->out_types[o].shape);
            }
        }
        p->touches[o] = p->touches[o] && writers == 1;
    }
    return true;
}

/* What instructions still say of the graph, into the program: the graph is three quarters of what
 * compiling takes, and goes. */
static bool leave_graph(wg__arena *arena, wg__frame *f)
{
    for (int32_t k = 0; k < f->n_instr; k++) {
        wg__instr *i = &f->instr[k];
        i->attr = i->attr_size ? wg__arena_copy(arena, i->attr, i->attr_size) : NULL;
        if (i->attr_size && !i->attr) return false;
        if (i->scope && !(i->scope = wg__arena_strdup(arena, i->scope))) return false;
        if (i->watch && !(i->watch = wg__arena_strdup(arena, i->watch))) return false;
        if (i->loop &&
            (!leave_graph(arena, &i->loop->body) || !leave_graph(arena, &i->loop->unmasked)))
            return false;
    }
    return true;
}

/* Node by node: each map is a group of one, nothing else is rewritten. */
static void lone_groups(wg__graph *g)
{
    g->n_groups = 0;
    for (int32_t i = 0; i < g->n_nodes; i++) {
        wg__gnode *n = &g->nodes[i];
        n->group = n->op->traits & WG_OP_MAP && n->op->map ? g->n_groups++ : -1;
        if (n->body) lone_groups(n->body);
        if (n->unmasked) lone_groups(n->unmasked);
    }
}

wg_status wg__program_make(const wg_tape *tape, const int32_t *out, int n_out,
                           const wg_compile_options *o, wg_program **result, wg_error *err)
{
    int64_t begin = now_ns();
    wg_program *p = wg_calloc(1, sizeof *p);
    wg_status status = WG_ENOMEM;
    wg__arena work = {NULL, NULL}; /* the graph's */
    if (!p) goto out_of_memory;
    p->backend = &wg__cpu;
    p->threads = o->threads > 0 ? o->threads : wg_default_threads();
    p->isa = o->isa > 0 && o->isa <= WG_ISAS ? o->isa - 1 : (int)wg_isa_best();
    if (p->isa > (int)wg_isa_best()) p->isa = (int)wg_isa_best();
    const char *missing = o->bf16 ? wg__bf16_missing(p->isa) : NULL;
    if (missing) {
        status = wg_error_set(err, WG_ENOTSUP, "compile: no products in bf16: %s", missing);
        goto failed;
    }
    p->watch = tape->watch;
    p->watch_user = tape->watch_user;
    wg__graph *g = wg__graph_build(&work, tape, out, n_out);
    if (!g) goto out_of_memory;
    g->isa = p->isa;
    p->stats.nodes = g->n_nodes;
    const char *env = getenv("WENGERT_COMPILE");
    bool plain = o->node_by_node || (env && strcmp(env, "0") == 0);
    trace(o, "recorded", g);
    const char *without = o->passes ? o->passes : getenv("WENGERT_PASSES");
    status = check_passes(without, err);
    if (status != WG_OK) goto failed;
    if (o->bf16) {
        wg__products_in_bf16(g);
        trace(o, "products in bf16", g);
    }
    if (plain) lone_groups(g);
    for (size_t i = 0; i < sizeof passes / sizeof *passes && !plain; i++) {
        if (left_out(without, passes[i].name, strlen(passes[i].name))) continue;
        if (!passes[i].run(g)) goto out_of_memory;
        trace(o, passes[i].name, g);
    }
    if (!plain && left_out(without, "fuse", 4)) lone_groups(g);
    int32_t *leaf = wg__arena_calloc(&work, (size_t)g->n_nodes + 1, sizeof *leaf);
    p->out_bind = wg__arena_calloc(&p->arena, (size_t)n_out + 1, sizeof *p->out_bind);
    p->own = wg__arena_calloc(&p->arena, (size_t)n_out + 1, sizeof *p->own);
    p->user = wg__arena_calloc(&p->arena, (size_t)n_out + 1, sizeof *p->user);
    p->out_types = wg__arena_calloc(&p->arena, (size_t)n_out + 1, sizeof *p->out_types);
    if (!leaf || !p->out_bind || !p->own || !p->user || !p->out_types) goto out_of_memory;
    p->n_out = n_out;
    char *held = NULL;
    status = wg__plan_root(&p->arena, g, plain, p->threads, &p->frame, leaf, p->out_bind,
                           o->trace ? &held : NULL, err);
    if (status != WG_OK) goto failed;
    if (held) show(o, "plan", held);
    for (int32_t i = 0; i < g->n_nodes; i++)
        p->n_inputs += g->nodes[i].op == &wg__op_tensor || g->nodes[i].op == &wg__op_input;
    p->inputs = wg__arena_calloc(&p->arena, (size_t)p->n_inputs + 1, sizeof *p->inputs);
    if (!p->inputs) goto out_of_memory;
    for (int32_t i = 0; i < p->n_inputs; i++) {
        const wg__gvalue *v = &g->values[leaf[i]];
        const wg__gnode *n = &g->nodes[v->node];
        p->inputs[i].type = v->type;
        p->inputs[i].tensor = v->tensor;
        if (n->op != &wg__op_input) continue;
        size_t length = n->attr_size - sizeof(wg__leaf_attr);
        char *name = wg__arena_calloc(&p->arena, length + 1, 1);
        if (!name) goto out_of_memory;
        memcpy(name, (const char *)n->attr + sizeof(wg__leaf_attr), length);
        p->inputs[i].name = name;
    }
    for (int i = 0; i < n_out; i++) p->out_types[i] = g->values[g->out[i]].type;
    if (!find_touches(p) || !leave_graph(&p->arena, &p->frame)) goto out_of_memory;
    p->workspace = wg__workspace_share(o->workspace);
    if (!p->workspace && !wg__program_memory(p)) goto out_of_memory;
    p->stats.size = sizeof p->stats;
    p->stats.bytes_planned = (int64_t)p->frame.arena_bytes;
    p->stats.bytes_unplanned = (int64_t)p->frame.unplanned_bytes;
    count_code(&p->frame, &p->stats);
    wg__arena_free(&work);
    p->stats.compile_ns = now_ns() - begin;
    *result = p;
    return WG_OK;
out_of_memory:
    status = wg_error_set(err, WG_ENOMEM, "compile: out of memory");
failed:
    wg__arena_free(&work);
    wg_program_free(p);
    return status;
}

/* Checks outputs and gives their values; the tape they are on. */
wg_status wg__program_outputs(const wg_var *out, int n_out, wg_tape **tape, int32_t *index,
                              wg_error *err)
{
    *tape = NULL;
    for (int i = 0; i < n_out; i++) {
        wg_tape *t = wg__tape_of(out[i]);
        if (!t)
            return wg_error_set(err, WG_ESTALE,
                                "output %d belongs to a tape that was reset or freed", i);
        if (t->status != WG_OK) return wg_tape_status(t, err);
        if (out[i].index < 0) return wg_error_set(err, WG_EINVAL, "output %d is poisoned", i);
        if (t->depth > 0)
            return wg_error_set(err, WG_EINVAL, "output %d lives inside a scan's body", i);
        if (*tape && t != *tape) return wg_error_set(err, WG_EINVAL, "outputs of two tapes");
        *tape = t;
        index[i] = out[i].index;
    }
    if (!*tape) return wg_error_set(err, WG_EINVAL, "no outputs");
    return WG_OK;
}

wg_status wg_compile(const wg_var *out, int n_out, const wg_compile_options *options,
                     wg_program **program, wg_error *err)
{
    if (!program || n_out < 1 || !out)
        return wg_error_set(err, WG_EINVAL, "wg_compile: nothing to compile");
    *program = NULL;
    wg_compile_options o = {.size = sizeof o};
    if (options) {
        if (options->size < sizeof(size_t) || options->size > sizeof o)
            return wg_error_set(err, WG_EINVAL, "wg_compile: options of unknown size");
        memcpy(&o, options, options->size);
    }
    int32_t *index = wg_calloc((size_t)n_out, sizeof *index);
    if (!index) return wg_error_set(err, WG_ENOMEM, "compile: out of memory");
    wg_tape *tape;
    wg_status status = wg__program_outputs(out, n_out, &tape, index, err);
    if (status == WG_OK) status = wg__program_make(tape, index, n_out, &o, program, err);
    wg_free(index);
    return status;
}
