/* The cache of a tape: programs found again by the canonical bytes of what was recorded, so that
 * the next minibatch of a shape compiles nothing and allocates nothing. */
#include <string.h>

#include "compile.h"

enum { CACHE_MOST = 256 };

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
    wg_workspace *workspace; /* of all programs here */
} wg__cache;

void wg__cache_free(wg__cache *c)
{
    if (!c) return;
    for (int32_t i = 0; i < c->n; i++) {
        wg_free(c->entries[i].key);
        wg_program_free(c->entries[i].program);
    }
    wg_workspace_free(c->workspace);
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
    const int32_t how[4] = {tape->options.threads, tape->options.isa, tape->options.node_by_node,
                            tape->options.bf16};
    wg__bytes_put(&c->bytes, how, sizeof how);
    const char *passes = tape->options.passes;
    if (passes) wg__bytes_put(&c->bytes, passes, strlen(passes) + 1);
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
    wg_compile_options o = tape->options;
    wg_status status = WG_OK;
    if (!o.workspace && !c->workspace) status = wg_workspace_new(&c->workspace, err);
    if (!o.workspace) o.workspace = c->workspace;
    if (status == WG_OK) status = wg__program_make(tape, c->index, n_out, &o, program, err);
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
    wg_status status = wg__program_outputs(out, n_out, &tape, c->index, err);
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
