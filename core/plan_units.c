/* Planning of units of work: constants, views (layouts only), kernels, fused groups. */
#include <string.h>

#include "plan.h"

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
        int first = !p->failed && wg__plan_take_over(p, n, i, places);
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

static void plan_group(wg__planner *p, int32_t group)
{
    const wg__graph *g = p->g;
    int32_t n_members = 0, n_in = 0, n_out = 0;
    for (int32_t m = p->group_first[group]; m >= 0; m = p->unit_next[m]) n_members++;
    int32_t *list = wg_calloc(6 * (size_t)n_members + 1, sizeof *list);
    wg_view *views = wg_calloc(5 * (size_t)n_members + 1, sizeof *views);
    uint8_t *late = wg_calloc((size_t)n_members + 1, 1);
    if (!list || !views || !late) {
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
    wg__plan_over(p, group, in, n_in, out, n_out);
    for (int i = 0; i < n_out; i++) wg__plan_result(p, out[i], &views[n_in + i]);
    wg__fused *f = wg__fused_build(p->arena, g, members, n_members, in, views, n_in, out,
                                   views + n_in, n_out, late, p->reg_of);
    if (f && wg__plan_over_late(p, f, in, n_in, out, n_out, late))
        f = wg__fused_build(p->arena, g, members, n_members, in, views, n_in, out, views + n_in,
                            n_out, late, p->reg_of);
    wg__instr *i = f ? wg__plan_instr(p, WG__FUSED, n_in, n_out) : NULL;
    if (!i) {
        p->failed = true;
        goto done;
    }
    i->fused = f;
    i->scope = g->nodes[members[n_members - 1]].scope;
    for (int j = 0; j < n_in; j++) wg__plan_read(p, i, j, &p->at[in[j]]);
    for (int j = 0; j < n_out && !p->failed; j++)
        if (!wg__plan_group_takes(p, f, group, i, in, n_in, out[j], j))
            wg__plan_write(p, i, j, out[j]);
    i->workspace_size = f->scratch * (size_t)p->threads;
    if (i->workspace_size && !p->failed) wg__plan_scratch(p, i->workspace_size, NULL);
    for (int j = 0; j < n_out && !p->failed; j++) wg__plan_watch(p, out[j]);
done:
    wg_free(list);
    wg_free(views);
    wg_free(late);
}

void wg__plan_unit(wg__planner *p, int32_t at)
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
