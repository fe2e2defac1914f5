/* Planning: from a graph to a frame. Views become layouts, values get storage, units of work are
 * put in order, lifetimes are measured and buffers packed into one arena.
 *
 * Storage of a value is (bind, offset) with strides. Binds are pointers set at run time: leaves and
 * outputs of the root, slots of a body. Everything else lies in the frame's arena. A result of a
 * body is computed straight into its slot where that is possible, else copied at the end of a step.
 */
#include <string.h>

#include "plan.h"

static bool more(void **array, int32_t *cap, int32_t need, size_t size)
{
    if (need <= *cap) return true;
    int32_t n = 2 * need + 32;
    void *p = wg_reallocarray(*array, (size_t)n, size);
    if (!p) return false;
    *array = p;
    *cap = n;
    return true;
}

int32_t wg__plan_store(wg__planner *p, int32_t bind, size_t bytes)
{
    if (!more((void **)&p->stores, &p->cap_stores, p->n_stores + 1, sizeof *p->stores)) {
        p->failed = true;
        return 0;
    }
    p->stores[p->n_stores] =
        (wg__store){.bind = bind, .bytes = (bytes + 63) & ~(size_t)63, .first = -1, .last = -1};
    return p->n_stores++;
}

static void touch(wg__planner *p, int32_t s, int32_t instr)
{
    if (p->stores[s].first < 0) p->stores[s].first = instr;
    if (instr > p->stores[s].last) p->stores[s].last = instr;
}

void wg__layout(wg_view *v, wg_type t)
{
    memset(v, 0, sizeof *v);
    v->dtype = t.dtype;
    v->shape = t.shape;
    int64_t run = 1;
    for (int i = t.shape.rank - 1; i >= 0; i--) {
        v->stride[i] = run;
        run *= t.shape.dim[i];
    }
}

bool wg__layout_is_contiguous(const wg_view *v)
{
    int64_t run = 1;
    for (int i = v->shape.rank - 1; i >= 0; i--) {
        if (v->shape.dim[i] != 1 && v->stride[i] != run) return false;
        run *= v->shape.dim[i];
    }
    return true;
}

size_t wg__type_bytes(wg_type t)
{
    return (size_t)wg_shape_count(&t.shape) * wg_dtype_size(t.dtype);
}

wg__instr *wg__plan_instr(wg__planner *p, wg__instr_kind kind, int n_in, int n_out)
{
    wg__frame *f = p->frame;
    if (f->n_instr == f->cap_instr) {
        int32_t cap = 2 * f->n_instr + 32;
        wg__instr *grown = wg__arena_alloc(p->arena, (size_t)cap * sizeof *grown);
        if (!grown) {
            p->failed = true;
            return NULL;
        }
        if (f->n_instr) memcpy(grown, f->instr, (size_t)f->n_instr * sizeof *grown);
        f->instr = grown;
        f->cap_instr = cap;
    }
    wg__instr *i = &f->instr[f->n_instr];
    memset(i, 0, sizeof *i);
    i->kind = kind;
    i->n_in = n_in;
    i->n_out = n_out;
    i->scope = "";
    i->workspace = -1;
    i->in = wg__arena_calloc(p->arena, (size_t)n_in + 1, sizeof *i->in);
    i->out = wg__arena_calloc(p->arena, (size_t)n_out + 1, sizeof *i->out);
    i->in_loc = wg__arena_calloc(p->arena, (size_t)n_in + 1, sizeof *i->in_loc);
    i->out_loc = wg__arena_calloc(p->arena, (size_t)n_out + 1, sizeof *i->out_loc);
    if (!i->in || !i->out || !i->in_loc || !i->out_loc) {
        p->failed = true;
        return NULL;
    }
    f->n_instr++;
    return i;
}

static void use(wg__planner *p, wg__loc *loc, int32_t s, int64_t offset)
{
    int32_t instr = p->frame->n_instr - 1;
    if (!more((void **)&p->uses, &p->cap_uses, p->n_uses + 1, sizeof *p->uses)) {
        p->failed = true;
        return;
    }
    p->uses[p->n_uses++] = (struct use){s, instr, loc, offset};
    touch(p, s, instr);
}

void wg__plan_scratch(wg__planner *p, size_t bytes, int64_t *where)
{
    int32_t s = wg__plan_store(p, -1, bytes);
    if (!p->failed) wg__plan_offset(p, s, where);
}

void wg__plan_offset(wg__planner *p, int32_t s, int64_t *where)
{
    if (!more((void **)&p->extras, &p->cap_extras, p->n_extras + 1, sizeof *p->extras)) {
        p->failed = true;
        return;
    }
    touch(p, s, p->frame->n_instr - 1);
    p->extras[p->n_extras++] = (struct extra){s, p->frame->n_instr - 1, where};
}

void wg__plan_read(wg__planner *p, wg__instr *i, int k, const wg__home *from)
{
    i->in[k] = from->view;
    use(p, &i->in_loc[k], from->store, from->offset);
}

/* Gives value v storage of its own (its target slot, or the arena) as result k of i. */
void wg__plan_write(wg__planner *p, wg__instr *i, int k, int32_t v)
{
    wg_type t = p->g->values[v].type;
    wg__home *at = &p->at[v];
    if (!wg__plan_part(p, v, at)) {
        wg__layout(&at->view, t);
        at->store = wg__plan_store(p, p->target[v] ? p->target[v] - 1 : -1, wg__type_bytes(t));
        at->offset = 0;
    }
    wg__plan_write_at(p, i, k, at);
}

void wg__plan_write_at(wg__planner *p, wg__instr *i, int k, const wg__home *to)
{
    if (p->failed) return;
    i->out[k] = to->view;
    use(p, &i->out_loc[k], to->store, to->offset);
}

void wg__plan_result(wg__planner *p, int32_t v, wg_view *view)
{
    wg__home at;
    if (wg__plan_part(p, v, &at))
        *view = at.view;
    else
        wg__layout(view, p->g->values[v].type);
}

/* A place with the elements of v contiguous: v itself, or a copy made once. */
wg__home wg__plan_contiguous(wg__planner *p, int32_t v)
{
    wg__home at = p->at[v];
    if (wg__layout_is_contiguous(&at.view)) return at;
    wg__layout(&at.view, p->g->values[v].type);
    at.offset = 0;
    if (p->copy_of[v]) {
        at.store = p->copy_of[v] - 1;
        return at;
    }
    wg__instr *i = wg__plan_instr(p, WG__COPY, 1, 1);
    if (!i) return at;
    wg__plan_read(p, i, 0, &p->at[v]);
    at.store = wg__plan_store(p, -1, wg__type_bytes(p->g->values[v].type));
    if (p->failed) return at;
    i->out[0] = at.view;
    use(p, &i->out_loc[0], at.store, 0);
    p->copy_of[v] = at.store + 1;
    return at;
}

/* ---- slots ---- */

void wg__plan_slot(wg__planner *q, int32_t value, const wg_view *view, int32_t bind)
{
    q->at[value].view = *view;
    q->at[value].offset = 0;
    q->at[value].store = wg__plan_store(q, bind, 0);
}

bool wg__plan_aim(wg__planner *q, int32_t v, int32_t bind)
{
    const wg__gnode *n = &q->g->nodes[q->g->values[v].node];
    if (q->target[v] || n->op->traits & (WG_OP_VIEW | WG_OP_LEAF)) return false;
    q->target[v] = bind + 1;
    return true;
}

/* ---- units ---- */

void wg__plan_watch(wg__planner *p, int32_t v)
{
    if (!p->g->values[v].watch) return;
    wg__instr *i = wg__plan_instr(p, WG__WATCH, 1, 0);
    if (!i) return;
    i->watch = p->g->values[v].watch;
    wg__plan_read(p, i, 0, &p->at[v]);
}

/* A constant number is one element seen with strides of zero; data constants are stored whole. */
static void plan_constant(wg__planner *p, const wg__gnode *n)
{
    int32_t v = n->first_out;
    const wg__leaf_attr *a = n->attr;
    wg__home *at = &p->at[v];
    wg__layout(&at->view, p->g->values[v].type);
    void *data;
    if (n->op == &wg__op_const) {
        data = wg__arena_calloc(p->arena, 1, 16);
        memset(at->view.stride, 0, sizeof at->view.stride);
        wg_tensor *t = NULL;
        if (data && wg_tensor_wrap((wg_dtype)a->dtype, WG_SCALAR, data, &t, NULL) == WG_OK)
            wg_tensor_set(t, 0, a->value);
        else
            p->failed = true;
        wg_tensor_free(t);
    } else {
        data = wg__arena_copy(p->arena, a + 1, n->attr_size - sizeof *a);
    }
    /* The pointer goes through a bind of its own, set for good. */
    wg__frame *f = p->frame;
    if (data && f->n_bind >= p->cap_bind) {
        int32_t cap = 2 * f->n_bind + 16;
        void **binds = wg__arena_alloc(p->arena, (size_t)cap * sizeof *binds);
        if (!binds) {
            p->failed = true;
            return;
        }
        if (f->n_bind) memcpy(binds, f->bind, (size_t)f->n_bind * sizeof *binds);
        f->bind = binds;
        p->cap_bind = cap;
    }
    if (!data) {
        p->failed = true;
        return;
    }
    f->bind[f->n_bind] = data;
    at->store = wg__plan_store(p, f->n_bind++, 0);
    at->offset = 0;
}

static void plan_view(wg__planner *p, const wg__gnode *n)
{
    for (int k = 0; k < n->n_out; k++) {
        int32_t v = n->first_out + k;
        wg_view like;
        wg__layout(&like, p->g->values[v].type);
        like.data = (void *)(intptr_t)k;
        wg__home from = p->at[n->in[0]];
        wg_view in = from.view, out;
        in.data = NULL;
        if (!n->op->view(&in, &like, n->attr, &out)) {
            from = wg__plan_contiguous(p, n->in[0]);
            in = from.view;
            in.data = NULL;
            if (p->failed || !n->op->view(&in, &like, n->attr, &out)) {
                wg_error_set(p->err, WG_EINTERNAL, "%s: cannot view a contiguous operand",
                             n->op->name);
                p->failed = true;
                return;
            }
        }
        /* A view rule moves `data` in elements of a null base. */
        int64_t moved = (int64_t)((char *)out.data - (char *)in.data);
        p->at[v] = (wg__home){.store = from.store, .offset = from.offset + moved, .view = out};
        p->at[v].view.data = NULL;
        wg__plan_watch(p, v);
    }
}

/* May node n overwrite operand j, whose elements are at `place`: the whole of a buffer of the arena
 * that nothing else reads any more? */
static bool dies_here(const wg__planner *p, const wg__gnode *n, int j, const wg__home *places)
{
    int32_t v = n->in[j], s = places[j].store;
    if (p->at[v].store != s || places[j].offset != 0) return false;
    const wg__store *store = &p->stores[s];
    wg_type t = p->g->values[v].type;
    if (store->bind >= 0 || store->fixed ||
        store->bytes != ((wg__type_bytes(t) + 63) & ~(size_t)63) || p->readers[v] != 1)
        return false;
    for (int i = 0; i < n->n_in; i++)
        if (i != j && places[i].store == s) return false;
    /* Views of it, and what it is itself a view of. */
    for (int32_t u = 0; u < p->g->n_values; u++)
        if (u != v && p->at[u].store == s && p->readers[u] > 0) return false;
    return true;
}

/* Result 0 takes the storage of an operand that dies, where the op may work in place. */
static bool take_over(wg__planner *p, const wg__gnode *n, wg__instr *i, const wg__home *places)
{
    int32_t v = n->first_out;
    const wg_type *t = &p->g->values[v].type;
    if (p->keep_apart || !(n->op->traits & WG_OP_INPLACE) || p->target[v] || p->part_of[v])
        return false;
    for (int j = 0; j < n->n_in; j++) {
        const wg_type *o = &p->g->values[n->in[j]].type;
        if (o->dtype != t->dtype || !wg_shape_equal(&o->shape, &t->shape)) continue;
        if (!dies_here(p, n, j, places)) continue;
        p->at[v].store = places[j].store;
        p->at[v].offset = 0;
        wg__layout(&p->at[v].view, *t);
        wg__plan_write_at(p, i, 0, &p->at[v]);
        return true;
    }
    return false;
}

static void plan_kernel(wg__planner *p, const wg__gnode *n)
{
    wg__home from[64], *places = from;
    if (n->n_in > 64) {
        places = wg_reallocarray(NULL, (size_t)n->n_in, sizeof *places);
        if (!places) {
            p->failed = true;
            return;
        }
    }
    bool strided = (n->op->traits & WG_OP_STRIDED) != 0;
    for (int j = 0; j < n->n_in; j++)
        places[j] = strided ? p->at[n->in[j]] : wg__plan_contiguous(p, n->in[j]);
    wg__instr *i = wg__plan_instr(p, WG__KERNEL, n->n_in, n->n_out);
    if (i) {
        i->op = n->op;
        i->attr = n->attr;
        i->attr_size = n->attr_size;
        i->scope = n->scope;
        for (int j = 0; j < n->n_in; j++) wg__plan_read(p, i, j, &places[j]);
        int first = !p->failed && take_over(p, n, i, places);
        for (int k = first; k < n->n_out && !p->failed; k++)
            wg__plan_write(p, i, k, n->first_out + k);
        if (n->op->workspace) {
            wg_type in[64], out[64];
            if (n->n_in <= 64 && n->n_out <= 64) {
                for (int j = 0; j < n->n_in; j++) in[j] = p->g->values[n->in[j]].type;
                for (int k = 0; k < n->n_out; k++) out[k] = p->g->values[n->first_out + k].type;
                i->workspace_size =
                    n->op->workspace(in, n->n_in, out, n->n_out, n->attr, p->threads);
            }
            if (i->workspace_size) wg__plan_scratch(p, i->workspace_size, NULL);
        }
    }
    if (places != from) wg_free(places);
    for (int k = 0; k < n->n_out && !p->failed; k++) wg__plan_watch(p, n->first_out + k);
}

/* Is operand i of the kernel last read no later than result j is written, so that both may be in
 * one place? */
static bool read_before(const wg__fused *f, int32_t i, int32_t j)
{
    int32_t made = -1;
    for (int32_t k = 0; k < f->n_ops && made < 0; k++) {
        const wg__reg *out = &f->regs[f->ops[k].out];
        if (out->kind == WG__REG_OUT && out->index == j && f->ops[k].op->traits & WG_OP_INPLACE)
            made = k;
    }
    if (made < 0) return false;
    for (int32_t k = made + 1; k < f->n_ops; k++)
        for (int a = 0; a < f->ops[k].n_in; a++) {
            const wg__reg *r = &f->regs[f->ops[k].in[a]];
            if (r->kind == WG__REG_IN && r->index == i) return false;
        }
    return true;
}

/* Result j of a group takes the storage of an operand that nothing reads after it: the whole of a
 * buffer, walked as the result is. */
static bool group_takes(wg__planner *p, const wg__fused *f, int32_t group, wg__instr *instr,
                        const int32_t *in, int32_t n_in, int32_t v, int32_t j)
{
    const wg__graph *g = p->g;
    const wg_type *t = &g->values[v].type;
    size_t bytes = (wg__type_bytes(*t) + 63) & ~(size_t)63;
    if (p->keep_apart || p->target[v] || p->part_of[v] || bytes == 0) return false;
    for (int32_t i = 0; i < n_in; i++) {
        int32_t u = in[i], reads = 0;
        const wg__home *at = &p->at[u];
        const wg_type *o = &g->values[u].type;
        if (o->dtype != t->dtype || !wg_shape_equal(&o->shape, &t->shape) || at->offset != 0 ||
            !wg__layout_is_contiguous(&at->view) || p->stores[at->store].bind >= 0 ||
            p->stores[at->store].fixed || p->stores[at->store].bytes != bytes)
            continue;
        for (int32_t m = p->group_first[group]; m >= 0; m = p->unit_next[m])
            for (int a = 0; a < g->nodes[m].n_in; a++) reads += g->nodes[m].in[a] == u;
        bool dies = p->readers[u] == reads && read_before(f, i, j);
        for (int32_t k = 0; k < n_in && dies; k++) dies = k == i || p->at[in[k]].store != at->store;
        for (int32_t w = 0; w < g->n_values && dies; w++)
            dies = w == u || p->at[w].store != at->store || p->readers[w] <= 0;
        if (!dies) continue;
        p->at[v] = *at;
        wg__layout(&p->at[v].view, *t);
        wg__plan_write_at(p, instr, j, &p->at[v]);
        return true;
    }
    return false;
}

static void plan_group(wg__planner *p, int32_t group)
{
    const wg__graph *g = p->g;
    int32_t n_members = 0, n_in = 0, n_out = 0;
    for (int32_t m = p->group_first[group]; m >= 0; m = p->unit_next[m]) n_members++;
    int32_t *list = wg_calloc(6 * (size_t)n_members + 1, sizeof *list);
    wg_view *views = wg_calloc(5 * (size_t)n_members + 1, sizeof *views);
    if (!list || !views) {
        p->failed = true;
        goto done;
    }
    int32_t *members = list, *in = list + n_members, *out = in + 4 * n_members;
    int k = 0;
    for (int32_t m = p->group_first[group]; m >= 0; m = p->unit_next[m]) members[k++] = m;
    for (k = 0; k < n_members; k++) {
        const wg__gnode *n = &g->nodes[members[k]];
        for (int j = 0; j < n->n_in; j++) {
            int32_t v = n->in[j];
            bool known = g->nodes[g->values[v].node].group == group;
            for (int i = 0; i < n_in && !known; i++) known = in[i] == v;
            if (!known) in[n_in++] = v;
        }
        if (p->outside[n->first_out]) out[n_out++] = n->first_out;
    }
    for (int i = 0; i < n_in; i++) views[i] = p->at[in[i]].view;
    for (int i = 0; i < n_out; i++) wg__plan_result(p, out[i], &views[n_in + i]);
    wg__fused *f = wg__fused_build(p->arena, g, members, n_members, in, views, n_in, out,
                                   views + n_in, n_out, p->reg_of);
    wg__instr *i = f ? wg__plan_instr(p, WG__FUSED, n_in, n_out) : NULL;
    if (!i) {
        p->failed = true;
        goto done;
    }
    i->fused = f;
    i->scope = g->nodes[members[n_members - 1]].scope;
    for (int j = 0; j < n_in; j++) wg__plan_read(p, i, j, &p->at[in[j]]);
    for (int j = 0; j < n_out && !p->failed; j++)
        if (!group_takes(p, f, group, i, in, n_in, out[j], j)) wg__plan_write(p, i, j, out[j]);
    i->workspace_size = f->scratch * (size_t)p->threads;
    if (i->workspace_size && !p->failed) wg__plan_scratch(p, i->workspace_size, NULL);
    for (int j = 0; j < n_out && !p->failed; j++) wg__plan_watch(p, out[j]);
done:
    wg_free(list);
    wg_free(views);
}

/* ---- order ---- */

static int32_t leader(const wg__planner *p, int32_t node)
{
    int32_t group = p->g->nodes[node].group;
    return group >= 0 ? p->group_first[group] : node;
}

static void plan_unit(wg__planner *p, int32_t at)
{
    const wg__gnode *n = &p->g->nodes[at];
    if (n->group >= 0) {
        plan_group(p, n->group);
    } else if (n->op == &wg__op_const || n->op == &wg__op_const_data) {
        plan_constant(p, n);
    } else if (n->op->traits & WG_OP_LEAF) {
        wg__plan_watch(p, n->first_out); /* placed by the caller */
    } else if (n->op->traits & WG_OP_VIEW) {
        plan_view(p, n);
    } else if (n->op->traits & WG_OP_SCAN) {
        wg__plan_loop(p, n);
    } else if (!wg__plan_join(p, n)) {
        plan_kernel(p, n);
    }
    for (int32_t m = at; m >= 0; m = n->group >= 0 ? p->unit_next[m] : -1)
        for (int j = 0; j < p->g->nodes[m].n_in; j++) p->readers[p->g->nodes[m].in[j]]--;
}

/* Emits units in an order in which operands come first: depth first over the contracted graph. */
wg_status wg__plan_graph(wg__planner *p)
{
    const wg__graph *g = p->g;
    size_t n = (size_t)g->n_nodes + 1;
    /* A frame on the stack walks member m of its unit, operand j. */
    struct walk {
        int32_t unit, member, operand;
    } *stack = wg_calloc(n, sizeof *stack);
    if (!stack) return WG_ENOMEM;
    wg__plan_joins(p);
    int32_t depth = 0;
    for (int32_t root = 0; root < g->n_nodes && !p->failed; root++) {
        int32_t u = leader(p, root);
        if (p->done[u]) continue;
        p->done[u] = 1;
        stack[depth++] = (struct walk){u, u, 0};
        while (depth && !p->failed) {
            struct walk *w = &stack[depth - 1];
            const wg__gnode *m = &g->nodes[w->member];
            if (w->operand < m->n_in) {
                int32_t v = leader(p, g->values[m->in[w->operand++]].node);
                if (!p->done[v]) {
                    p->done[v] = 1;
                    stack[depth++] = (struct walk){v, v, 0};
                }
            } else if (m->group >= 0 && p->unit_next[w->member] >= 0) {
                w->member = p->unit_next[w->member];
                w->operand = 0;
            } else {
                int32_t unit = w->unit;
                depth--;
                plan_unit(p, unit);
            }
        }
    }
    wg_free(stack);
    if (!p->failed) return WG_OK;
    return p->err && p->err->message[0] ? p->err->status : WG_ENOMEM;
}

bool wg__planner_new(wg__planner *p, wg__arena *arena, const wg__graph *g, wg__frame *frame,
                     const wg__planner *like)
{
    *p = (wg__planner){.arena = arena, .g = g, .frame = frame};
    if (like) {
        p->keep_apart = like->keep_apart;
        p->threads = like->threads;
        p->err = like->err;
    }
    frame->time = -1;
    size_t nv = (size_t)g->n_values + 1, nn = (size_t)g->n_nodes + 1;
    p->at = wg_calloc(nv, sizeof *p->at);
    p->copy_of = wg_calloc(nv, sizeof *p->copy_of);
    p->target = wg_calloc(nv, sizeof *p->target);
    p->part_of = wg_calloc(nv, sizeof *p->part_of);
    p->part_at = wg_calloc(nv, sizeof *p->part_at);
    p->unit_next = wg_calloc(nn, sizeof *p->unit_next);
    p->group_first = wg_calloc((size_t)g->n_groups + 1, sizeof *p->group_first);
    p->done = wg_calloc(nn, 1);
    p->outside = wg_calloc(nv, 1);
    p->reg_of = wg_calloc(nv, sizeof *p->reg_of);
    p->readers = wg_calloc(nv, sizeof *p->readers);
    if (!p->at || !p->copy_of || !p->target || !p->part_of || !p->part_at || !p->unit_next ||
        !p->group_first || !p->done || !p->outside || !p->reg_of || !p->readers) {
        wg__planner_free(p);
        return false;
    }
    for (int32_t i = 0; i < g->n_values; i++) p->at[i].store = -1;
    for (int32_t i = 0; i < g->n_groups; i++) p->group_first[i] = -1;
    for (int32_t i = g->n_nodes - 1; i >= 0; i--) {
        int32_t group = g->nodes[i].group;
        p->unit_next[i] = -1;
        if (group < 0) continue;
        p->unit_next[i] = p->group_first[group];
        p->group_first[group] = i;
    }
    for (int32_t i = 0; i < g->n_nodes; i++) {
        const wg__gnode *n = &g->nodes[i];
        for (int j = 0; j < n->n_in; j++) p->readers[n->in[j]]++;
        for (int j = 0; j < n->n_in; j++)
            if (n->group < 0 || g->nodes[g->values[n->in[j]].node].group != n->group)
                p->outside[n->in[j]] = 1;
    }
    for (int i = 0; i < g->n_out; i++) p->outside[g->out[i]] = 1;
    for (int i = 0; i < g->n_out; i++) p->readers[g->out[i]]++;
    for (int32_t v = 0; v < g->n_values; v++) p->outside[v] |= g->values[v].watch != NULL;
    return true;
}

void wg__planner_free(wg__planner *p)
{
    wg_free(p->at);
    wg_free(p->copy_of);
    wg_free(p->target);
    wg_free(p->part_of);
    wg_free(p->part_at);
    wg_free(p->unit_next);
    wg_free(p->group_first);
    wg_free(p->done);
    wg_free(p->outside);
    wg_free(p->reg_of);
    wg_free(p->readers);
    wg_free(p->stores);
    wg_free(p->uses);
    wg_free(p->extras);
    memset(p, 0, sizeof *p);
}

wg_status wg__plan_root(wg__arena *arena, const wg__graph *g, bool keep_apart, int threads,
                        wg__frame *frame, int32_t *leaf_bind, int32_t *out_bind, wg_error *err)
{
    wg__planner p;
    memset(frame, 0, sizeof *frame);
    if (!wg__planner_new(&p, arena, g, frame, NULL))
        return wg_error_set(err, WG_ENOMEM, "compile: out of memory");
    wg_error why = {WG_OK, ""};
    p.keep_apart = keep_apart;
    p.threads = threads;
    p.err = &why;
    /* Binds: one a leaf, in list order; then one an output. */
    int32_t n_leaf = 0;
    for (int32_t i = 0; i < g->n_nodes; i++)
        n_leaf += g->nodes[i].op == &wg__op_tensor || g->nodes[i].op == &wg__op_input;
    frame->n_bind = n_leaf + g->n_out;
    frame->bind = wg__arena_calloc(arena, (size_t)frame->n_bind + 1, sizeof *frame->bind);
    wg_status status = frame->bind ? WG_OK : WG_ENOMEM;
    int32_t k = 0;
    for (int32_t i = 0; i < g->n_nodes && status == WG_OK; i++) {
        const wg__gnode *n = &g->nodes[i];
        if (n->op != &wg__op_tensor && n->op != &wg__op_input) continue;
        wg_view view;
        wg__layout(&view, g->values[n->first_out].type);
        leaf_bind[k] = n->first_out;
        wg__plan_slot(&p, n->first_out, &view, k++);
    }
    bool *direct = wg__arena_calloc(arena, (size_t)g->n_out + 1, sizeof *direct);
    if (!direct) status = WG_ENOMEM;
    for (int i = 0; i < g->n_out && status == WG_OK; i++) {
        out_bind[i] = k;
        direct[i] = wg__plan_aim(&p, g->out[i], k++);
    }
    if (status == WG_OK) status = wg__plan_graph(&p);
    for (int i = 0; i < g->n_out && status == WG_OK; i++) {
        if (direct[i]) continue;
        wg__instr *copy = wg__plan_instr(&p, WG__COPY, 1, 1);
        if (!copy) break;
        wg__plan_read(&p, copy, 0, &p.at[g->out[i]]);
        wg__layout(&copy->out[0], g->values[g->out[i]].type);
        copy->out_loc[0] = (wg__loc){out_bind[i], 0};
    }
    if (status == WG_OK && !p.failed) wg__plan_finish(&p);
    if (status == WG_OK && p.failed) status = WG_ENOMEM;
    wg__planner_free(&p);
    if (status != WG_OK)
        return wg_error_set(err, status, "compile: %s",
                            why.message[0] ? why.message : wg_strerror(status));
    return WG_OK;
}
