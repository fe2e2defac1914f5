/* Packing: lifetimes of buffers into offsets of one arena.
 *
 * Two orders are tried and the lower arena is kept: by first use, and by size, largest first
 * (greedy by size: Pisarchyk & Lee 2020, "Efficient memory management for deep neural net
 * inference"). The first leaves gaps under what lives long; the second rarely does, but looks at
 * every pair. */
#include <stdlib.h>
#include <string.h>

#include "plan.h"

enum { MOST_PAIRED = 2048 }; /* stores of which every pair is looked at */

static bool meet(const wg__store *a, const wg__store *b)
{
    return a->first <= b->last && b->first <= a->last;
}

/* Puts stores[which] at the lowest offset where nothing of placed[0..n) that is alive at the same
 * time is, and into placed, which stays sorted by offset. Returns where it ends. */
static size_t place(wg__store *stores, int32_t which, int32_t *placed, int32_t n)
{
    wg__store *s = &stores[which];
    int64_t offset = 0;
    for (int32_t at = 0; at < n; at++) {
        const wg__store *o = &stores[placed[at]];
        if (!meet(s, o)) continue;
        if (o->offset - offset >= (int64_t)s->bytes) break;
        if (o->offset + (int64_t)o->bytes > offset) offset = o->offset + (int64_t)o->bytes;
    }
    s->offset = offset;
    int32_t at = n;
    for (; at > 0 && stores[placed[at - 1]].offset > offset; at--) placed[at] = placed[at - 1];
    placed[at] = which;
    return (size_t)offset + s->bytes;
}

/* By first use; what died before is dropped, so that few are looked at. */
static size_t by_first_use(wg__store *stores, const int32_t *order, int32_t count, int32_t *live)
{
    size_t top = 0;
    int32_t n = 0;
    for (int32_t k = 0; k < count; k++) {
        int32_t m = 0;
        for (int32_t i = 0; i < n; i++)
            if (stores[live[i]].last >= stores[order[k]].first) live[m++] = live[i];
        n = m;
        size_t end = place(stores, order[k], live, n++);
        if (end > top) top = end;
    }
    return top;
}

static size_t by_size(wg__store *stores, const int32_t *order, int32_t count, int32_t *placed)
{
    size_t top = 0;
    for (int32_t k = 0; k < count; k++) {
        size_t end = place(stores, order[k], placed, k);
        if (end > top) top = end;
    }
    return top;
}

typedef struct sized {
    size_t bytes;
    int32_t place, store; /* among those by first use */
} sized;

static int larger_first(const void *x, const void *y)
{
    const sized *a = x, *b = y;
    if (a->bytes != b->bytes) return a->bytes < b->bytes ? 1 : -1;
    return a->place - b->place;
}

/* The stores of the arena by first use, by a counting sort; NULL when memory runs out. */
static int32_t *arena_stores(const wg__planner *p, int32_t *count)
{
    int32_t n_instr = p->frame->n_instr;
    int32_t *order = wg_calloc((size_t)p->n_stores + 1, sizeof *order);
    int32_t *start = wg_calloc((size_t)n_instr + 2, sizeof *start);
    for (int32_t s = 0; s < p->n_stores && order && start; s++)
        if (p->stores[s].bind < 0 && p->stores[s].first >= 0) start[p->stores[s].first + 1]++;
    for (int32_t i = 0; i < n_instr && start; i++) start[i + 1] += start[i];
    *count = start ? start[n_instr] : 0;
    for (int32_t s = 0; s < p->n_stores && order && start; s++)
        if (p->stores[s].bind < 0 && p->stores[s].first >= 0)
            order[start[p->stores[s].first]++] = s;
    if (!start) {
        wg_free(order);
        order = NULL;
    }
    wg_free(start);
    return order;
}

/* The largest sum of stores alive at one instruction: no packing needs less. */
static size_t least(const wg__planner *p, const int32_t *order, int32_t count, int64_t *change)
{
    int64_t now = 0, most = 0;
    for (int32_t k = 0; k < count; k++) {
        const wg__store *s = &p->stores[order[k]];
        change[s->first] += (int64_t)s->bytes;
        change[s->last + 1] -= (int64_t)s->bytes;
    }
    for (int32_t i = 0; i < p->frame->n_instr; i++) {
        now += change[i];
        if (now > most) most = now;
    }
    return (size_t)most;
}

static void pack(wg__planner *p)
{
    int32_t count = 0, *order = arena_stores(p, &count);
    size_t n = (size_t)p->n_stores + 1, top = 0;
    int32_t *placed = wg_calloc(2 * n, sizeof *placed), *largest = placed ? placed + n : NULL;
    int64_t *offset = wg_calloc(n, sizeof *offset);
    int64_t *change = wg_calloc((size_t)p->frame->n_instr + 2, sizeof *change);
    sized *sizes = wg_calloc(n, sizeof *sizes);
    if (!order || !placed || !offset || !change || !sizes) {
        p->failed = true;
        goto done;
    }
    size_t sum = 0;
    for (int32_t k = 0; k < count; k++) {
        wg__store *s = &p->stores[order[k]];
        s->offset = (int64_t)sum; /* one behind the other */
        sum += s->bytes;
        sizes[k] = (sized){s->bytes, k, order[k]};
    }
    p->frame->unplanned_bytes += sum;
    top = sum;
    if (!p->keep_apart) top = by_first_use(p->stores, order, count, placed);
    if (!p->keep_apart && count <= MOST_PAIRED && top > least(p, order, count, change)) {
        for (int32_t k = 0; k < count; k++) offset[order[k]] = p->stores[order[k]].offset;
        qsort(sizes, (size_t)count, sizeof *sizes, larger_first);
        for (int32_t k = 0; k < count; k++) largest[k] = sizes[k].store;
        size_t other = by_size(p->stores, largest, count, placed);
        for (int32_t k = 0; k < count && other >= top; k++)
            p->stores[order[k]].offset = offset[order[k]];
        if (other < top) top = other;
    }
    p->frame->arena_bytes = top;
done:
    wg_free(order);
    wg_free(placed);
    wg_free(offset);
    wg_free(change);
    wg_free(sizes);
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
