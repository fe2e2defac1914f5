/* Packing: lifetimes of buffers into offsets of one arena. */
#include <string.h>

#include "plan.h"

/* First fit over lifetimes: stores in order of their first use; the lowest gap that no store alive
 * at the same time overlaps. */
static void pack(wg__planner *p)
{
    int32_t n = 0;
    int32_t *live = wg_calloc((size_t)p->n_stores + 1, sizeof *live);
    int32_t *order = wg_calloc((size_t)p->n_stores + 1, sizeof *order);
    int32_t *start = wg_calloc((size_t)p->frame->n_instr + 2, sizeof *start);
    if (!live || !order || !start) {
        p->failed = true;
        goto done;
    }
    /* Counting sort by first use. */
    int32_t n_instr = p->frame->n_instr, count = 0;
    for (int32_t s = 0; s < p->n_stores; s++)
        if (p->stores[s].bind < 0 && p->stores[s].first >= 0) start[p->stores[s].first + 1]++;
    for (int32_t i = 0; i < n_instr; i++) start[i + 1] += start[i];
    for (int32_t s = 0; s < p->n_stores; s++)
        if (p->stores[s].bind < 0 && p->stores[s].first >= 0) {
            order[start[p->stores[s].first]++] = s;
            count++;
        }
    size_t top = 0, sum = 0;
    for (int32_t k = 0; k < count; k++) {
        wg__store *s = &p->stores[order[k]];
        sum += s->bytes;
        if (p->keep_apart) { /* one behind the other */
            s->offset = (int64_t)top;
            top += s->bytes;
            continue;
        }
        /* Drop what died before; `live` stays sorted by offset. */
        int32_t m = 0;
        for (int32_t i = 0; i < n; i++)
            if (p->stores[live[i]].last >= s->first) live[m++] = live[i];
        n = m;
        int64_t offset = 0;
        int32_t at = 0;
        for (; at < n; at++) {
            const wg__store *o = &p->stores[live[at]];
            if (o->offset - offset >= (int64_t)s->bytes) break;
            if (o->offset + (int64_t)o->bytes > offset) offset = o->offset + (int64_t)o->bytes;
        }
        s->offset = offset;
        for (int32_t i = n; i > at; i--) live[i] = live[i - 1];
        live[at] = order[k];
        n++;
        if ((size_t)offset + s->bytes > top) top = (size_t)offset + s->bytes;
    }
    p->frame->arena_bytes = top;
    p->frame->unplanned_bytes += sum;
done:
    wg_free(live);
    wg_free(order);
    wg_free(start);
}

void wg__plan_finish(wg__planner *p)
{
    pack(p);
    for (int32_t i = 0; i < p->n_uses; i++) {
        const wg__store *s = &p->stores[p->uses[i].store];
        *p->uses[i].loc = (wg__loc){s->bind, s->offset + p->uses[i].offset};
        if (s->bind >= 0) p->uses[i].loc->offset = p->uses[i].offset;
    }
    for (int32_t i = 0; i < p->n_extras; i++) {
        int64_t offset = p->stores[p->extras[i].store].offset;
        if (p->extras[i].where)
            *p->extras[i].where = offset;
        else
            p->frame->instr[p->extras[i].instr].workspace = offset;
    }
}
