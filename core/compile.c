/* Compiling, and the explicit interface: bind, run, read. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <wengert/parallel.h>

#include "compile.h"
#include "isa.h"
#include "track.h"

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void wg_program_free(wg_program *p)
{
    if (!p) return;
    for (int32_t i = 0; i < p->n_out && p->own; i++) wg_tensor_free(p->own[i]);
    if (p->memory) p->backend->free(p->memory);
    wg_workspace_free(p->workspace);
    wg__arena_free(&p->arena);
    wg_free(p);
}

/* ---- compiling ---- */

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

static void *own_memory(wg_program *p)
{
    if (!p->memory) p->memory = p->backend->alloc(p->frame.arena_bytes + 64);
    return p->memory;
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
    if (!p->workspace && !own_memory(p)) goto out_of_memory;
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

/* ---- binding and running ---- */

static wg_status check_type(const char *what, const char *name, wg_type want, const wg_tensor *t,
                            wg_error *err)
{
    char a[160], b[160];
    wg_shape s = wg_tensor_shape(t);
    if (wg_tensor_dtype(t) == want.dtype && wg_shape_equal(&s, &want.shape)) return WG_OK;
    return wg_error_set(err, WG_ESHAPE, "%s '%s' is %s%s, the tensor %s%s", what, name,
                        wg_dtype_name(want.dtype), wg_shape_format(&want.shape, a, sizeof a),
                        wg_dtype_name(wg_tensor_dtype(t)), wg_shape_format(&s, b, sizeof b));
}

wg_status wg_program_bind(wg_program *p, const char *name, wg_tensor *tensor, wg_error *err)
{
    if (!p || !name || !tensor)
        return wg_error_set(err, WG_EINVAL, "wg_program_bind: program, name or tensor is NULL");
    for (int32_t i = 0; i < p->n_inputs; i++) {
        if (!p->inputs[i].name || strcmp(p->inputs[i].name, name) != 0) continue;
        wg_status status = check_type("input", name, p->inputs[i].type, tensor, err);
        if (status == WG_OK) p->inputs[i].tensor = tensor;
        return status;
    }
    return wg_error_set(err, WG_ENOTFOUND, "the program has no input '%s' (or does not use it)",
                        name);
}

wg_status wg_program_bind_output(wg_program *p, int i, wg_tensor *tensor, wg_error *err)
{
    if (!p || i < 0 || i >= p->n_out)
        return wg_error_set(err, WG_EINVAL, "wg_program_bind_output: no output %d", i);
    if (tensor) {
        wg_status status = check_type("output", "", p->out_types[i], tensor, err);
        if (status != WG_OK) return status;
    }
    p->user[i] = tensor;
    return WG_OK;
}

/* Would writing output i while the program runs change an input, or another output? */
static bool overlaps(const wg_program *p, int32_t i)
{
    const char *a = wg_tensor_cdata(p->user[i]), *end = a + wg_tensor_bytes(p->user[i]);
    for (int32_t k = 0; k < p->n_inputs; k++) {
        const char *b = wg_tensor_cdata(p->inputs[k].tensor);
        if (b < end && a < b + wg_tensor_bytes(p->inputs[k].tensor)) return true;
    }
    for (int32_t k = 0; k < i; k++) {
        if (!p->user[k]) continue;
        const char *b = wg_tensor_cdata(p->user[k]);
        if (b < end && a < b + wg_tensor_bytes(p->user[k])) return true;
    }
    return false;
}

wg_status wg_program_run(wg_program *p, wg_error *err)
{
    if (!p) return wg_error_set(err, WG_EINVAL, "wg_program_run: program is NULL");
    for (int32_t i = 0; i < p->n_inputs; i++) {
        if (!p->inputs[i].tensor)
            return wg_error_set(err, WG_ESTATE, "input '%s' is not bound", p->inputs[i].name);
        p->frame.bind[i] = wg__tensor_memory(p->inputs[i].tensor);
    }
    for (int32_t i = 0; i < p->n_out; i++) {
        bool direct = p->user[i] && !overlaps(p, i);
        if (!direct && !p->own[i]) {
            wg_status status =
                wg_tensor_new(p->out_types[i].dtype, p->out_types[i].shape, &p->own[i], err);
            if (status != WG_OK) return status;
        }
        p->frame.bind[p->out_bind[i]] = wg__tensor_memory(direct ? p->user[i] : p->own[i]);
        wg_touched *rows = direct && p->touches[i] ? wg__tensor_rows(p->user[i]) : NULL;
        p->frame.touched[p->out_bind[i]] = rows;
        if (p->user[i] && !rows) wg__tensor_forget(p->user[i]);
    }
    wg__run run = {.backend = p->backend,
                   .threads = p->threads,
                   .isa = p->isa,
                   .err = err,
                   .watch = p->watch,
                   .watch_user = p->watch_user};
    bool shared = p->workspace && !p->workspace->busy;
    size_t bytes = p->frame.arena_bytes + 64;
    p->frame.arena = shared ? wg__workspace_enter(p->workspace, p->backend, bytes) : own_memory(p);
    if (!p->frame.arena)
        return wg_error_set(err, WG_ENOMEM, "wg_program_run: no memory for %zu bytes of buffers",
                            bytes);
    wg_status status = wg__frame_run(&p->frame, &run);
    if (status == WG_OK) status = p->backend->synchronize(err);
    if (shared) wg__workspace_leave(p->workspace);
    p->stats.products_a_run = run.products;
    p->stats.kernels_a_run = run.kernels;
    for (int32_t i = 0; i < p->n_out && status == WG_OK; i++)
        if (p->user[i] && wg_tensor_cdata(p->user[i]) != p->frame.bind[p->out_bind[i]]) {
            memcpy(wg__tensor_memory(p->user[i]), wg_tensor_cdata(p->own[i]),
                   wg_tensor_bytes(p->own[i]));
            wg__tensor_forget(p->user[i]); /* what it overlaps may have been told otherwise */
        }
    return status;
}

const wg_tensor *wg_program_output(const wg_program *p, int i)
{
    if (!p || i < 0 || i >= p->n_out) return NULL;
    return p->user[i] ? p->user[i] : p->own[i];
}

void wg_program_get_stats(const wg_program *p, wg_program_stats *stats)
{
    size_t size = stats->size < sizeof *stats ? stats->size : sizeof *stats;
    wg_program_stats all = p->stats;
    all.bytes_held = (int64_t)(sizeof *p + wg__arena_bytes(&p->arena));
    if (p->memory) all.bytes_held += all.bytes_planned;
    for (int32_t i = 0; i < p->n_out; i++)
        if (p->own[i]) all.bytes_held += (int64_t)wg_tensor_bytes(p->own[i]);
    memcpy(stats, &all, size);
    stats->size = size;
}
