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
        wg__plan_result(p, v, &at->view);
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
    else if (!wg__plan_over_result(p, v, view))
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

/* ---- a planner ---- */

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
                        wg__frame *frame, int32_t *leaf_bind, int32_t *out_bind, char **text,
                        wg_error *err)
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
    if (status == WG_OK) status = wg__plan_graph(&p, true);
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
    if (text && status == WG_OK) *text = wg__plan_text(&p);
    wg__planner_free(&p);
    if (status != WG_OK)
        return wg_error_set(err, status, "compile: %s",
                            why.message[0] ? why.message : wg_strerror(status));
    return WG_OK;
}
