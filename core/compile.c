/* Compiling, the cache of programs, and the explicit interface: bind, run, read. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <wengert/parallel.h>

#include "exec.h"

typedef struct bound_input {
    const char *name; /* NULL for a tensor leaf */
    wg_type type;
    wg_tensor *tensor;
} bound_input;

struct wg_program {
    wg__arena arena;
    wg__graph *graph;
    wg__frame frame;
    const wg__backend *backend;
    void *memory;
    bound_input *inputs; /* in bind order */
    int32_t n_inputs;
    int32_t *out_bind;
    wg_tensor **own;  /* made when an output is not bound, or bound to an input's memory */
    wg_tensor **user; /* bound by the caller */
    wg_type *out_types;
    int32_t n_out;
    int threads, isa;
    wg_watch_fn watch;
    void *watch_user;
    wg_program_stats stats;
};

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

/* For compilations without a trace of their own; set once at the start of a process. */
static void (*default_trace)(void *user, const char *pass, const char *text);
static void *default_trace_user;

void wg_set_compile_trace(void (*fn)(void *user, const char *pass, const char *text), void *user)
{
    default_trace = fn;
    default_trace_user = user;
}

static void trace(const wg_compile_options *o, const char *pass, const wg__graph *g)
{
    if (!o->trace && !default_trace) return;
    char *text = wg__graph_text(g);
    if (text && o->trace) o->trace(o->trace_user, pass, text);
    if (text && !o->trace) default_trace(default_trace_user, pass, text);
    wg_free(text);
}

typedef struct pass {
    const char *name;
    bool (*run)(wg__graph *g);
} pass;

static const pass passes[] = {
    {"merge scans", wg__pass_merge_scans},
    {"dead code", wg__pass_dead},
    {"common subexpressions", wg__pass_cse},
    {"hoist", wg__pass_hoist},
    {"sink", wg__pass_sink},
    {"dead code again", wg__pass_dead},
    {"fuse", wg__pass_fuse},
};

/* Node by node: each map is a group of one, nothing else is rewritten. */
static void lone_groups(wg__graph *g)
{
    g->n_groups = 0;
    for (int32_t i = 0; i < g->n_nodes; i++) {
        wg__gnode *n = &g->nodes[i];
        n->group = n->op->traits & WG_OP_MAP && n->op->map ? g->n_groups++ : -1;
        if (n->body) lone_groups(n->body);
    }
}

static wg_status make_program(const wg_tape *tape, const int32_t *out, int n_out,
                              const wg_compile_options *o, wg_program **result, wg_error *err)
{
    int64_t begin = now_ns();
    wg_program *p = wg_calloc(1, sizeof *p);
    wg_status status = WG_ENOMEM;
    if (!p) goto out_of_memory;
    p->backend = &wg__cpu;
    p->threads = o->threads > 0 ? o->threads : wg_default_threads();
    p->isa = o->isa > 0 && o->isa <= WG_ISAS ? o->isa - 1 : (int)wg_isa_best();
    if (p->isa > (int)wg_isa_best()) p->isa = (int)wg_isa_best();
    p->watch = tape->watch;
    p->watch_user = tape->watch_user;
    p->graph = wg__graph_build(&p->arena, tape, out, n_out);
    if (!p->graph) goto out_of_memory;
    wg__graph *g = p->graph;
    p->stats.nodes = g->n_nodes;
    const char *env = getenv("WENGERT_COMPILE");
    bool plain = o->node_by_node || (env && strcmp(env, "0") == 0);
    trace(o, "recorded", g);
    if (plain) {
        lone_groups(g);
    } else {
        for (size_t i = 0; i < sizeof passes / sizeof *passes; i++) {
            if (!passes[i].run(g)) goto out_of_memory;
            trace(o, passes[i].name, g);
        }
    }
    int32_t *leaf = wg__arena_calloc(&p->arena, (size_t)g->n_nodes + 1, sizeof *leaf);
    p->out_bind = wg__arena_calloc(&p->arena, (size_t)n_out + 1, sizeof *p->out_bind);
    p->own = wg__arena_calloc(&p->arena, (size_t)n_out + 1, sizeof *p->own);
    p->user = wg__arena_calloc(&p->arena, (size_t)n_out + 1, sizeof *p->user);
    p->out_types = wg__arena_calloc(&p->arena, (size_t)n_out + 1, sizeof *p->out_types);
    if (!leaf || !p->out_bind || !p->own || !p->user || !p->out_types) goto out_of_memory;
    p->n_out = n_out;
    status = wg__plan_root(&p->arena, g, plain, p->threads, &p->frame, leaf, p->out_bind, err);
    if (status != WG_OK) goto failed;
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
    p->memory = p->backend->alloc(p->frame.arena_bytes + 64);
    if (!p->memory) goto out_of_memory;
    p->frame.arena = p->memory;
    p->stats.size = sizeof p->stats;
    p->stats.bytes_planned = (int64_t)p->frame.arena_bytes;
    p->stats.bytes_unplanned = (int64_t)p->frame.unplanned_bytes;
    count_code(&p->frame, &p->stats);
    p->stats.compile_ns = now_ns() - begin;
    *result = p;
    return WG_OK;
out_of_memory:
    status = wg_error_set(err, WG_ENOMEM, "compile: out of memory");
failed:
    wg_program_free(p);
    return status;
}

/* Checks outputs and gives their values; the tape they are on. */
static wg_status resolve_outputs(const wg_var *out, int n_out, wg_tape **tape, int32_t *index,
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
    wg_status status = resolve_outputs(out, n_out, &tape, index, err);
    if (status == WG_OK) status = make_program(tape, index, n_out, &o, program, err);
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
        p->frame.bind[i] = wg_tensor_data(p->inputs[i].tensor);
    }
    for (int32_t i = 0; i < p->n_out; i++) {
        bool direct = p->user[i] && !overlaps(p, i);
        if (!direct && !p->own[i]) {
            wg_status status =
                wg_tensor_new(p->out_types[i].dtype, p->out_types[i].shape, &p->own[i], err);
            if (status != WG_OK) return status;
        }
        p->frame.bind[p->out_bind[i]] = wg_tensor_data(direct ? p->user[i] : p->own[i]);
    }
    wg__run run = {.backend = p->backend,
                   .threads = p->threads,
                   .isa = p->isa,
                   .err = err,
                   .watch = p->watch,
                   .watch_user = p->watch_user};
    wg_status status = wg__frame_run(&p->frame, &run);
    if (status == WG_OK) status = p->backend->synchronize(err);
    p->stats.products_a_run = run.products;
    p->stats.kernels_a_run = run.kernels;
    for (int32_t i = 0; i < p->n_out && status == WG_OK; i++)
        if (p->user[i] && wg_tensor_data(p->user[i]) != p->frame.bind[p->out_bind[i]])
            memcpy(wg_tensor_data(p->user[i]), wg_tensor_cdata(p->own[i]),
                   wg_tensor_bytes(p->own[i]));
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
    memcpy(stats, &p->stats, size);
    stats->size = size;
}

/* ---- the cache ---- */

enum { CACHE_MOST = 64 };

typedef struct entry {
    uint64_t hash;
    unsigned char *key;
    size_t key_size;
    wg_program *program;
    int64_t used;
} entry;

typedef struct wg__cache {
    entry entries[CACHE_MOST];
    int32_t n;
    int64_t clock, hits, misses;
    wg__bytes bytes;
    int32_t *scratch, *leaves, *index;
    uint8_t *mark;
    int32_t cap_values, cap_nodes, cap_out;
    wg_program *last;
} wg__cache;

void wg__cache_free(wg__cache *c)
{
    if (!c) return;
    for (int32_t i = 0; i < c->n; i++) {
        wg_free(c->entries[i].key);
        wg_program_free(c->entries[i].program);
    }
    wg_free(c->bytes.data);
    wg_free(c->scratch);
    wg_free(c->leaves);
    wg_free(c->index);
    wg_free(c->mark);
    wg_free(c);
}

static bool cache_room(wg__cache *c, const wg_tape *tape, int n_out)
{
    if (c->cap_values < tape->n_values || c->cap_nodes < tape->n_nodes) {
        int32_t values = tape->n_values + tape->n_values / 2 + 64;
        int32_t nodes = tape->n_nodes + tape->n_nodes / 2 + 64;
        int32_t *s = wg_reallocarray(c->scratch, (size_t)values, sizeof *s);
        if (s) c->scratch = s;
        int32_t *l = wg_reallocarray(c->leaves, (size_t)nodes, sizeof *l);
        if (l) c->leaves = l;
        uint8_t *m = wg_realloc(c->mark, (size_t)nodes);
        if (m) c->mark = m;
        if (!s || !l || !m) return false;
        c->cap_values = values;
        c->cap_nodes = nodes;
    }
    if (c->cap_out < n_out) {
        int32_t *x = wg_reallocarray(c->index, (size_t)n_out + 16, sizeof *x);
        if (!x) return false;
        c->index = x;
        c->cap_out = n_out + 16;
    }
    return true;
}

/* The least recently used entry leaves when the cache is full. */
static entry *new_entry(wg__cache *c)
{
    if (c->n < CACHE_MOST) {
        memset(&c->entries[c->n], 0, sizeof(entry));
        return &c->entries[c->n++];
    }
    entry *oldest = &c->entries[0];
    for (int32_t i = 1; i < c->n; i++)
        if (c->entries[i].used < oldest->used) oldest = &c->entries[i];
    wg_free(oldest->key);
    wg_program_free(oldest->program);
    if (c->last == oldest->program) c->last = NULL;
    memset(oldest, 0, sizeof *oldest);
    return oldest;
}

static wg_status lookup(wg_tape *tape, int n_out, wg_program **program, int32_t *n_leaves,
                        wg_error *err)
{
    wg__cache *c = tape->cache;
    if (!wg__canonical(tape, c->index, n_out, &c->bytes, c->scratch, c->mark, c->leaves, n_leaves))
        return wg_error_set(err, WG_ENOMEM, "compile: out of memory");
    wg__bytes_put(&c->bytes, &tape->options, sizeof tape->options);
    if (c->bytes.failed) return wg_error_set(err, WG_ENOMEM, "compile: out of memory");
    uint64_t h = wg__bytes_hash(&c->bytes);
    for (int32_t i = 0; i < c->n; i++) {
        entry *e = &c->entries[i];
        if (e->hash != h || e->key_size != c->bytes.size ||
            memcmp(e->key, c->bytes.data, e->key_size) != 0)
            continue;
        e->used = ++c->clock;
        c->hits++;
        *program = e->program;
        return WG_OK;
    }
    c->misses++;
    unsigned char *key = wg_malloc(c->bytes.size);
    if (!key) return wg_error_set(err, WG_ENOMEM, "compile: out of memory");
    memcpy(key, c->bytes.data, c->bytes.size);
    wg_status status = make_program(tape, c->index, n_out, &tape->options, program, err);
    if (status != WG_OK) {
        wg_free(key);
        return status;
    }
    entry *e = new_entry(c);
    *e = (entry){
        .hash = h, .key = key, .key_size = c->bytes.size, .program = *program, .used = ++c->clock};
    return WG_OK;
}

wg_status wg_eval(const wg_var *out, int n_out, wg_tensor *const *tensors, wg_error *err)
{
    if (!out || n_out < 1) return wg_error_set(err, WG_EINVAL, "wg_eval: no outputs");
    wg_tape *tape = wg__tape_of(out[0]);
    if (!tape)
        return wg_error_set(err, WG_ESTALE, "output 0 belongs to a tape that was reset or freed");
    if (!tape->cache) tape->cache = wg_calloc(1, sizeof(wg__cache));
    wg__cache *c = tape->cache;
    if (!c || !cache_room(c, tape, n_out))
        return wg_error_set(err, WG_ENOMEM, "wg_eval: out of memory");
    wg_status status = resolve_outputs(out, n_out, &tape, c->index, err);
    if (status != WG_OK) return status;
    wg_program *p;
    int32_t n_leaves;
    status = lookup(tape, n_out, &p, &n_leaves, err);
    if (status != WG_OK) return status;
    /* Programs keep no tensors of the recording that made them: leaves are bound afresh. Dead
     * leaves may be gone from the program; its own carry the order of the list. */
    p->watch = tape->watch;
    p->watch_user = tape->watch_user;
    if (n_leaves != p->n_inputs)
        return wg_error_set(err, WG_EINTERNAL, "wg_eval: %d leaves for %d inputs", n_leaves,
                            p->n_inputs);
    for (int32_t i = 0; i < n_leaves; i++) {
        const wg__value *v = &tape->values[c->leaves[i]];
        if (!v->tensor)
            return wg_error_set(err, WG_ESTATE,
                                "input '%s' has no tensor: wg_eval needs wg_tensor_var, or "
                                "compile and bind",
                                v->name ? v->name : "");
        p->inputs[i].tensor = v->tensor;
    }
    for (int i = 0; i < n_out; i++) {
        status = wg_program_bind_output(p, i, tensors ? tensors[i] : NULL, err);
        if (status != WG_OK) return status;
    }
    status = wg_program_run(p, err);
    c->last = status == WG_OK ? p : NULL;
    return status;
}

const wg_tensor *wg_eval_output(const wg_tape *tape, int i)
{
    return tape && tape->cache && tape->cache->last ? wg_program_output(tape->cache->last, i)
                                                    : NULL;
}

void wg_tape_cache_stats(const wg_tape *tape, int64_t *programs, int64_t *hits, int64_t *misses)
{
    const wg__cache *c = tape ? tape->cache : NULL;
    if (programs) *programs = c ? c->n : 0;
    if (hits) *hits = c ? c->hits : 0;
    if (misses) *misses = c ? c->misses : 0;
}
