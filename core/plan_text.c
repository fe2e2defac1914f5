/* The plan as text, for traces: the buffers that are alive when a run holds most. */
#include "plan.h"
#include "text.h"

static bool alive(const wg__store *s, int32_t instr)
{
    return s->bind < 0 && s->first <= instr && instr <= s->last && s->first >= 0;
}

/* The first value of the list that is in store s; -1: a workspace, or states of a loop. */
static int32_t value_in(const wg__planner *p, int32_t s)
{
    for (int32_t i = 0; i < p->g->n_nodes; i++)
        for (int k = 0; k < p->g->nodes[i].n_out; k++) {
            int32_t v = p->g->nodes[i].first_out + k;
            if (p->at[v].store == s || p->copy_of[v] == s + 1) return v;
        }
    return -1;
}

static const char *scope_of(const char *scope)
{
    return scope ? scope : "";
}

static void put_store(wg__text *t, const wg__planner *p, int32_t s)
{
    const wg__store *store = &p->stores[s];
    int32_t v = value_in(p, s);
    wg__text_put(t, "%12.6f MB at %12.6f, instructions %d to %d: ", 1e-6 * (double)store->bytes,
                 1e-6 * (double)store->offset, store->first, store->last);
    if (v < 0) {
        wg__text_put(t, "workspace\n");
        return;
    }
    const wg__gnode *n = &p->g->nodes[p->g->values[v].node];
    wg__text_put(t, "%%%d ", v);
    wg__text_type(t, &p->g->values[v].type);
    wg__text_put(t, " = %s  @", n->op->name);
    wg__text_plain(t, scope_of(n->scope));
    wg__text_put(t, "\n");
}

char *wg__plan_text(const wg__planner *p)
{
    size_t most = 0;
    int32_t when = 0;
    for (int32_t k = 0; k < p->frame->n_instr; k++) {
        size_t sum = 0;
        for (int32_t s = 0; s < p->n_stores; s++)
            if (alive(&p->stores[s], k)) sum += p->stores[s].bytes;
        if (sum <= most) continue;
        most = sum;
        when = k;
    }
    wg__text t = {0};
    wg__c_locale l = wg__c_locale_enter();
    wg__text_put(&t, "%.6f MB of buffers; without reuse %.6f\n",
                 1e-6 * (double)p->frame->arena_bytes, 1e-6 * (double)p->frame->unplanned_bytes);
    if (most > 0) {
        const wg__instr *i = &p->frame->instr[when];
        wg__text_put(&t, "%.6f MB alive at instruction %d, %s  @", 1e-6 * (double)most, when,
                     i->op                  ? i->op->name
                     : i->kind == WG__FUSED ? "fused kernel"
                                            : "copy");
        wg__text_plain(&t, scope_of(i->scope));
        wg__text_put(&t, "\n");
    }
    for (int32_t s = 0; s < p->n_stores; s++)
        if (alive(&p->stores[s], when)) put_store(&t, p, s);
    wg__c_locale_leave(l);
    return wg__text_take(&t);
}
