/* The engine of reading: members are cut into spans that inflate independently (chunks between full
 * flushes, pieces of stored members, whole members otherwise), and lanes take one span after the
 * other. A lane reads a piece of at most its buffer, hands it to the crew to be inflated into its
 * place and summed, and goes on: memory is bounded whatever the file says.
 *
 * CRC-32s of spans come in any order. The sum of the whole is the exclusive or of each one shifted
 * by the bytes behind it (which is what zlib's crc32_combine is made of), so they need no order. */
#include "unpack.h"

#include <inttypes.h>
#include <string.h>

#include <zlib.h>

#include <wengert/memory.h>

#include "fileerror.h"
#include "inflate.h"

enum { STORED_SPAN = 1 << 20, LARGEST_BUFFER = (1 << 20) + (1 << 14), SMALLEST_BUFFER = 1 << 12 };

typedef struct wg__lane {
    wg__task task;
    wg__unpack *unpack;
    wg__unpack_item *item;
    wg__inflate inflate;
    unsigned char *buffer;
    uint64_t offset, left; /* compressed bytes of the span still to be read */
    uint64_t behind;       /* bytes of the member behind the span */
    bool last;             /* the span at the end of the member */
    wg_error error;
    wg_status status;
} lane;

static uint64_t spans_of(const wg__unpack_item *item)
{
    const wg__member *m = item->member;
    /* Conversion goes from front to back. */
    if (item->narrow) return 1;
    if (m->index.count) return m->index.count;
    if (m->method == WG__ZIP_STORED && m->size > STORED_SPAN)
        return (m->size - 1) / STORED_SPAN + 1;
    return 1;
}

static void fail(wg__unpack *u, wg_status status, const wg_error *error)
{
    if (u->status != WG_OK) return;
    u->status = status;
    u->error = *error;
    u->error.status = status;
}

/* The next span of the file, for a lane. False: there is none. */
static bool take_span(wg__unpack *u, lane *l)
{
    if (u->item == u->count) return false;
    wg__unpack_item *item = &u->items[u->item];
    const wg__member *m = item->member;
    if (u->span == 0) {
        u->span_offset = m->data;
        item->spans = spans_of(item);
        item->crc = 0;
    }
    uint64_t at = 0, size = m->size;
    l->left = m->stored;
    if (item->spans > 1 || u->span > 0) {
        uint64_t step = m->index.count ? UINT64_C(1) << m->index.log2 : STORED_SPAN;
        at = u->span * step;
        size = m->size - at < step ? m->size - at : step;
        l->left = m->index.count ? m->index.lengths[u->span] : size;
    }
    l->item = item;
    l->offset = u->span_offset;
    l->behind = m->size - at - size;
    l->last = l->behind == 0;
    wg__inflate_begin(&l->inflate, m, at, size, l->last, item->skip, item->out, item->narrow);
    u->span_offset += l->left;
    if (l->last) {
        u->item++;
        u->span = 0;
    } else {
        u->span++;
    }
    return true;
}

/* On any thread: one piece, which lies in the buffer, or is read first. */
static void run(wg__task *task)
{
    lane *l = task->owner;
    l->status = WG_OK;
    if (!l->unpack->crew->read)
        l->status = task->source->read_at(task->source->user, task->offset, task->bytes, task->size,
                                          &l->error);
    if (l->status == WG_OK)
        l->status = wg__inflate_piece(&l->inflate, l->unpack->source->name, l->buffer, task->size,
                                      l->left == 0, &l->error);
    if (l->status == WG_OK && l->left == 0 && l->behind > 0)
        l->inflate.crc = (uint32_t)crc32_combine(l->inflate.crc, 0, (z_off_t)l->behind);
}

static void next(lane *l);

static void after_run(wg__task *task)
{
    lane *l = task->owner;
    wg__unpack *u = l->unpack;
    if (l->status != WG_OK) fail(u, l->status, &l->error);
    u->done += task->size;
    if (u->status == WG_OK && l->left == 0) {
        wg__unpack_item *item = l->item;
        item->crc ^= l->inflate.crc;
        item->spans--;
        if (item->spans == 0 && item->crc != item->member->crc) {
            wg_error_set(&l->error, WG_EFORMAT,
                         "%s: member '%s': damaged (CRC-32 is %08" PRIx32 ", not %08" PRIx32 ")",
                         u->source->name, item->member->name, item->crc, item->member->crc);
            fail(u, WG_EFORMAT, &l->error);
        }
    }
    if (u->status == WG_OK && u->progress && !u->progress(u->user, u->done, u->total))
        atomic_store(u->cancel, true);
    next(l);
}

static void after_read(wg__task *task)
{
    lane *l = task->owner;
    wg__unpack *u = l->unpack;
    if (task->status != WG_OK) {
        fail(u, task->status, &l->error);
        next(l);
        return;
    }
    task->run = run;
    task->after = after_run;
    u->crew->submit(u->crew, task);
}

static void dispose(wg__unpack *u)
{
    for (size_t i = 0; i < u->n_lanes; i++) {
        wg__inflate_end(&u->lanes[i].inflate);
        wg_free(u->lanes[i].buffer);
    }
    wg_free(u->lanes);
    u->lanes = NULL;
}

/* Sends a lane on its way again, or rests it; the last one to rest ends it all. */
static void next(lane *l)
{
    wg__unpack *u = l->unpack;
    if (u->status == WG_OK && u->cancel && atomic_load(u->cancel)) {
        wg_error_set(&l->error, WG_ECANCELED, "%s: cancelled", u->source->name);
        fail(u, WG_ECANCELED, &l->error);
    }
    if (u->status != WG_OK || (l->left == 0 && !take_span(u, l))) {
        if (--u->active == 0) {
            dispose(u);
            u->finished(u);
        }
        return;
    }
    wg__task *task = &l->task;
    task->owner = l;
    task->source = u->source;
    task->bytes = l->buffer;
    task->size = l->left < u->buffer ? (size_t)l->left : u->buffer;
    task->offset = l->offset;
    task->error = &l->error;
    l->offset += task->size;
    l->left -= task->size;
    if (u->crew->read) {
        task->after = after_read;
        u->crew->read(u->crew, task);
    } else {
        task->run = run;
        task->after = after_run;
        u->crew->submit(u->crew, task);
    }
}

wg_status wg__unpack_start(wg__unpack *u, wg_error *err)
{
    u->status = WG_OK;
    u->item = 0;
    u->span = u->span_offset = u->done = u->total = 0;
    uint64_t spans = 0, largest = 0;
    for (size_t i = 0; i < u->count; i++) {
        const wg__member *m = u->items[i].member;
        uint64_t n = spans_of(&u->items[i]), piece = n > 1 && !m->index.count ? STORED_SPAN : 0;
        for (uint32_t k = 0; k < m->index.count && n > 1; k++)
            if (m->index.lengths[k] > piece) piece = m->index.lengths[k];
        if (n == 1) piece = m->stored;
        if (piece > largest) largest = piece;
        spans += n;
        u->total += m->stored;
    }
    u->buffer = largest < SMALLEST_BUFFER  ? SMALLEST_BUFFER
                : largest > LARGEST_BUFFER ? LARGEST_BUFFER
                                           : (size_t)largest;
    /* Four lanes a thread: some read, some wait for the coordinating thread. */
    size_t lanes = 4 * (size_t)u->crew->threads, most = u->memory / (u->buffer + WG__INFLATE_STATE);
    if (lanes > most) lanes = most < 2 ? 2 : most;
    if (lanes > spans) lanes = (size_t)spans;
    u->active = u->n_lanes = lanes;
    u->lanes = NULL;
    if (lanes == 0) {
        u->finished(u);
        return WG_OK;
    }
    u->lanes = wg_calloc(lanes, sizeof *u->lanes);
    bool fine = u->lanes != NULL;
    if (!fine) u->n_lanes = 0;
    for (size_t i = 0; i < lanes && fine; i++) {
        u->lanes[i].unpack = u;
        /* Beside a loop: its thread may wait for this core, and an event is late after a tick of
         * the scheduler (4 ms) unless the core is given up before. */
        u->lanes[i].inflate.yield = u->crew->read != NULL;
        u->lanes[i].buffer = wg_malloc(u->buffer);
        fine = u->lanes[i].buffer != NULL;
    }
    if (!fine) {
        dispose(u);
        return wg__no_memory(err, u->source->name);
    }
    /* Lanes may come to rest at once, and the last one frees them. */
    u->active++;
    for (size_t i = 0; i < lanes; i++) next(&u->lanes[i]);
    if (--u->active == 0) {
        dispose(u);
        u->finished(u);
    }
    return WG_OK;
}

static void finished(wg__unpack *u)
{
    (void)u;
}

wg_status wg__unpack_now(const wg__source *source, wg__unpack_item *items, size_t count,
                         const wg_npz_options *options, wg_error *err)
{
    wg__threads threads;
    wg_status status = wg__threads_init(&threads, options->threads, err);
    if (status != WG_OK) return status;
    wg__unpack unpack = {.crew = &threads.crew,
                         .source = source,
                         .items = items,
                         .count = count,
                         .memory = options->memory,
                         .finished = finished};
    status = wg__unpack_start(&unpack, err);
    if (status == WG_OK) {
        wg__threads_run(&threads);
        status = unpack.status;
        if (status != WG_OK) wg_error_set(err, status, "%s", unpack.error.message);
    }
    wg__threads_end(&threads);
    return status;
}
