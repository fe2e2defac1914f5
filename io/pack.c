/* The engine of writing: items are cut into jobs, a small member whole, a large one in chunks; jobs
 * are compressed by the crew in any order, and written in theirs, several at a time by one task.
 * What comes out depends on the items alone.
 *
 * A large member's header is written before its sizes are known, and once more when they are; into
 * a pipe, which has no way back, they are written behind it (APPNOTE 4.3.9). */
#include <string.h>

#include <wengert/memory.h>

#include "atomicfile_private.h"
#include "deflate.h"
#include "fileerror.h"
#include "huffman.h"
#include "npz_private.h"

typedef struct wg__slot {
    wg__task task;
    wg__pack *pack;
    wg__deflater deflate;
    wg__buf out, header;
    char front[WG__NPY_MAX_HEADER];
    const void *bytes[2];
    size_t size[2];
    size_t member;
    uint32_t chunk, crc;
    bool first, last, tensor, finished, no_memory;
} slot;

/* Can the compressed size or the size need eight bytes? Deflate adds at most 5 bytes to 16 KiB. */
static bool wide(const wg_npz_writer *w, const wg__member *m)
{
    return w->zip64 || m->size + m->size / 2048 + 4096 >= 0xffffffffu;
}

static bool compress_slot(slot *s, const wg_npz_options *o)
{
    static const int strategy[] = {Z_DEFAULT_STRATEGY, Z_FILTERED, Z_HUFFMAN_ONLY, Z_RLE};
    int level = o->level;
    if (o->compression == WG_NPZ_DEFAULT && s->tensor) {
        wg__huffman bits = {0};
        if ((s->size[0] > 0 && !wg__huffman_blocks(&bits, s->bytes[0], s->size[0],
                                                   s->last && s->size[1] == 0, &s->out)) ||
            (s->size[1] > 0 &&
             !wg__huffman_blocks(&bits, s->bytes[1], s->size[1], s->last, &s->out)) ||
            !wg__huffman_finish(&bits, !s->last, &s->out))
            return false;
        /* Weights hold no repetitions. What has so few different bytes (masks, zeros, indices)
         * may. */
        if (s->out.size > (s->size[0] + s->size[1]) / 5 * 3) return true;
        s->out.size = 0;
        level = 1;
    }
    return wg__deflate(&s->deflate, level, strategy[o->strategy], s->bytes, s->size, s->last,
                       &s->out);
}

/* On any thread: sums and compresses. */
static void run(wg__task *task)
{
    slot *s = task->owner;
    const wg_npz_options *o = &s->pack->writer->options;
    wg__member *m = &s->pack->writer->members[s->member];
    s->out.size = s->header.size = 0;
    s->no_memory = false;
    s->crc = (uint32_t)crc32_z(crc32_z(0, s->bytes[0], s->size[0]), s->bytes[1], s->size[1]);
    if (o->compression != WG_NPZ_STORE && m->size > 0 && !compress_slot(s, o)) {
        s->no_memory = true;
        return;
    }
    if (s->first && s->last) {
        m->crc = s->crc;
        m->stored = m->size;
        if (s->out.size > 0 && s->out.size < m->size) {
            m->method = WG__ZIP_DEFLATED;
            m->stored = s->out.size;
        }
        wg__zip_local_header(&s->header, m, s->pack->writer->zip64);
        s->no_memory = s->header.failed;
    }
}

static wg_status no_memory(wg_npz_writer *w)
{
    return wg__writer_fail(w, WG_ENOMEM, "%s: out of memory", w->path);
}

static wg_status write_slot(wg_npz_writer *w, slot *s)
{
    wg__member *m = &w->members[s->member];
    bool whole = s->first && s->last, back = wg__atomic_can_patch(w->file);
    wg_status status = WG_OK;
    if (s->first) {
        m->header = w->offset;
        if (!whole) {
            m->descriptor = !back;
            wg__zip_local_header(&s->header, m, wide(w, m));
            if (s->header.failed) return no_memory(w);
        }
        status = wg__writer_write(w, s->header.data, s->header.size);
    }
    bool raw = m->method == WG__ZIP_STORED;
    if (status == WG_OK && !raw) status = wg__writer_write(w, s->out.data, s->out.size);
    for (int i = 0; i < 2 && status == WG_OK && raw; i++)
        status = wg__writer_write(w, s->bytes[i], s->size[i]);
    if (status != WG_OK || whole) return status;
    m->stored += raw ? s->size[0] + s->size[1] : s->out.size;
    if (!raw) m->index.lengths[s->chunk] = (uint32_t)s->out.size;
    m->crc = (uint32_t)crc32_combine(m->crc, s->crc, (z_off_t)(s->size[0] + s->size[1]));
    if (!s->last) return WG_OK;
    s->header.size = 0;
    if (back) {
        wg__zip_local_header(&s->header, m, wide(w, m));
        if (s->header.failed) return no_memory(w);
        status = wg__atomic_patch(w->file, m->header, s->header.data, s->header.size, &w->error);
        w->failed = status != WG_OK;
        return status;
    }
    wg__zip_descriptor(&s->header, m, wide(w, m));
    if (s->header.failed) return no_memory(w);
    return wg__writer_write(w, s->header.data, s->header.size);
}

static void run_write(wg__task *task)
{
    wg__pack *p = task->owner;
    for (uint64_t i = p->written; i < p->ready && !p->writer->failed; i++)
        write_slot(p->writer, &p->slots[i % p->n_slots]);
}

/* An error of the coordinating thread: the writer belongs to the task that writes, so it is told
 * at the end. */
static void fail(wg__pack *p, wg_status status)
{
    if (!p->failed) p->own = status;
    p->failed = true;
}

static void step(wg__pack *p);

static void after_write(wg__task *task)
{
    wg__pack *p = task->owner;
    p->writing = false;
    for (uint64_t i = p->written; i < p->ready; i++) {
        const slot *s = &p->slots[i % p->n_slots];
        p->done += s->size[0] + s->size[1];
    }
    p->written = p->ready;
    if (p->writer->failed) p->failed = true;
    if (!p->failed && p->progress && !p->progress(p->user, p->done, p->total))
        atomic_store(p->cancel, true);
    step(p);
}

static void after_run(wg__task *task)
{
    slot *s = task->owner;
    s->finished = true;
    if (s->no_memory) fail(s->pack, WG_ENOMEM);
    step(s->pack);
}

/* The member of the current item, and how it is cut. */
static bool begin_member(wg__pack *p)
{
    wg_npz_writer *w = p->writer;
    const wg__pack_item *item = &p->current;
    wg__member m = {.name = wg_strdup(item->name),
                    .size = (uint64_t)item->header_size + item->size};
    int log2 = w->chunk_log2;
    while (m.size > 0 && (m.size - 1) >> log2 >= WG__INDEX_MAX_COUNT) log2++;
    m.index.log2 = log2;
    bool fine = m.name != NULL;
    if (fine && m.size > UINT64_C(1) << log2 && w->options.compression != WG_NPZ_STORE) {
        m.method = WG__ZIP_DEFLATED;
        m.index.count = (uint32_t)((m.size - 1) >> log2) + 1;
        m.index.lengths = wg_calloc(m.index.count, sizeof *m.index.lengths);
        fine = m.index.lengths != NULL;
    }
    if (!fine) {
        wg_free(m.name);
        fail(p, WG_ENOMEM);
        return false;
    }
    w->members[w->count++] = m;
    return true;
}

/* Hands out the next job. False: there is none, or it failed. */
static bool begin_job(wg__pack *p)
{
    wg_npz_writer *w = p->writer;
    const wg__pack_item *item = &p->current;
    if (p->next_at == 0) {
        if (p->next == p->count) return false;
        p->item(p, p->next, &p->current);
        if (!begin_member(p)) return false;
    }
    slot *s = &p->slots[p->begun % p->n_slots];
    const wg__member *m = &w->members[w->count - 1];
    uint64_t at = p->next_at, size = m->size - at, most = UINT64_C(1) << m->index.log2;
    if (size > most) size = most;
    s->pack = p;
    s->member = w->count - 1;
    s->chunk = (uint32_t)(at >> m->index.log2);
    s->first = at == 0;
    s->last = at + size == m->size;
    s->tensor = item->tensor;
    s->finished = false;
    /* A chunk may hold the header's end and the data's beginning. */
    size_t front = at < item->header_size ? (size_t)(item->header_size - at) : 0;
    if (front > size) front = (size_t)size;
    memcpy(s->front, item->header + (front ? at : 0), front);
    s->bytes[0] = s->front;
    s->size[0] = front;
    s->bytes[1] = "";
    s->size[1] = (size_t)size - front;
    if (s->size[1]) s->bytes[1] = (const char *)item->data + (at + front - item->header_size);
    p->next_at = s->last ? 0 : at + size;
    if (s->last) p->next++;
    p->begun++;
    s->task.run = run;
    s->task.after = after_run;
    s->task.owner = s;
    p->crew->submit(p->crew, &s->task);
    return true;
}

static void dispose(wg__pack *p)
{
    for (size_t i = 0; i < p->n_slots; i++) {
        wg__deflate_end(&p->slots[i].deflate);
        wg__buf_free(&p->slots[i].out);
        wg__buf_free(&p->slots[i].header);
    }
    wg_free(p->slots);
    p->slots = NULL;
}

/* What can be begun is begun; when nothing runs and nothing can be, it is over. */
static void step(wg__pack *p)
{
    if (!p->failed && p->cancel && atomic_load(p->cancel)) fail(p, WG_ECANCELED);
    while (!p->writing && !p->failed && p->ready < p->begun &&
           p->slots[p->ready % p->n_slots].finished)
        p->ready++;
    if (!p->writing && !p->failed && p->ready > p->written) {
        p->writing = true;
        p->task.run = run_write;
        p->task.after = after_write;
        p->task.owner = p;
        p->crew->submit(p->crew, &p->task);
    }
    while (!p->failed && p->begun < p->written + p->n_slots)
        if (!begin_job(p)) break;
    bool busy = p->writing;
    for (uint64_t i = p->written; i < p->begun && !busy; i++)
        busy = !p->slots[i % p->n_slots].finished;
    if (busy || (!p->failed && p->written < p->begun)) return;
    dispose(p);
    wg_npz_writer *w = p->writer;
    if (p->own != WG_OK)
        wg__writer_fail(w, p->own, "%s: %s", w->path,
                        p->own == WG_ENOMEM ? "out of memory" : "cancelled");
    p->finished(p);
}

wg_status wg__pack_start(wg__pack *p, wg_error *err)
{
    size_t each = ((size_t)1 << p->writer->chunk_log2) + WG__DEFLATE_STATE;
    size_t n = 4 * (size_t)p->crew->threads, most = p->memory / each;
    if (n > most) n = most < 2 ? 2 : most;
    p->slots = wg_calloc(n, sizeof *p->slots);
    if (!p->slots) return wg__no_memory(err, p->writer->path);
    p->n_slots = n;
    step(p);
    return WG_OK;
}
