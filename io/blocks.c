/* Reading ahead: a ring of blocks which a job on libuv's pool fills while the caller works on those
 * filled before.
 *
 * The loop belongs to the reader and runs on the caller's thread only, inside wg__blocks_next. The
 * ring is handed over as a whole: while a job runs, the source and the blocks [tail, tail + n_job)
 * are the job's, and nothing else is. libuv's queue orders the accesses of the two threads. */
#include "blocks.h"

#include <uv.h>

#include <wengert/memory.h>

#include "fileerror.h"

enum { BLOCK = 1 << 18, SMALL_BLOCK = 1 << 16, MOST_AHEAD = 64 };

typedef struct block {
    char *text;
    size_t size;
    bool end; /* nothing follows: the end of the text, or an error */
    wg_status status;
    wg__textsource_stats stats;
    wg_error error;
} block;

struct wg__blocks {
    wg__textsource *source;
    const char *name;
    size_t room; /* bytes of a block */
    unsigned n, head,
        ready;            /* the caller has `ready` blocks from `head` on; the first is lent out */
    unsigned tail, n_job; /* n_job > 0: a job is under way, for so many blocks from `tail` on */
    unsigned filled;      /* by the job; its own until it is done */
    bool lent, ended, loop_open;
    uv_loop_t loop;
    uv_work_t work;
    block *block;
};

static void fill(wg__blocks *b, block *k)
{
    k->size = 0;
    k->status = wg__textsource_read(b->source, k->text, b->room, &k->size, &k->error);
    k->end = k->status != WG_OK || k->size == 0;
    k->stats = *wg__textsource_get_stats(b->source);
}

static void job(uv_work_t *work)
{
    wg__blocks *b = work->data;
    for (unsigned i = 0; i < b->n_job; i++) {
        block *k = &b->block[(b->tail + i) % b->n];
        fill(b, k);
        b->filled = i + 1;
        if (k->end) return;
    }
}

static void job_done(uv_work_t *work, int code)
{
    wg__blocks *b = work->data;
    if (code == 0) {
        b->tail = (b->tail + b->filled) % b->n;
        b->ready += b->filled;
        b->ended = b->block[(b->tail + b->n - 1) % b->n].end;
    }
    b->n_job = 0;
}

/* Gives the free blocks to a job. */
static void start_job(wg__blocks *b)
{
    if (b->n_job || b->ended || b->ready == b->n) return;
    b->n_job = b->n - b->ready;
    b->work.data = b;
    if (uv_queue_work(&b->loop, &b->work, job, job_done) == 0) return;
    /* Cannot be, but then the calling thread does it. */
    job(&b->work);
    job_done(&b->work, 0);
}

wg_status wg__blocks_new(wg__textsource *source, const char *name, unsigned ahead, wg__blocks **out,
                         wg_error *err)
{
    *out = NULL;
    wg__blocks *b = wg_calloc(1, sizeof *b);
    if (!b) {
        wg__textsource_close(source);
        return wg__no_memory(err, name);
    }
    b->source = source;
    b->name = name;
    b->n = 1 + (ahead < MOST_AHEAD ? ahead : MOST_AHEAD);
    b->room = ahead ? BLOCK : SMALL_BLOCK;
    b->block = wg_calloc(b->n, sizeof *b->block);
    bool fine = b->block != NULL;
    for (unsigned i = 0; i < b->n && fine; i++)
        fine = (b->block[i].text = wg_malloc(b->room)) != NULL;
    wg_status status = fine ? WG_OK : wg__no_memory(err, name);
    if (fine && ahead) {
        int code = uv_loop_init(&b->loop);
        b->loop_open = code == 0;
        if (code) status = wg__file_error(err, name, "read ahead in", -code);
    }
    if (status != WG_OK) {
        wg__blocks_free(b);
        return status;
    }
    if (b->loop_open) start_job(b);
    *out = b;
    return WG_OK;
}

/* Until no job is under way. */
static void wait_for_job(wg__blocks *b)
{
    if (!b->n_job) return;
    uv_cancel((uv_req_t *)&b->work); /* fails where it runs already */
    while (b->n_job) uv_run(&b->loop, UV_RUN_ONCE);
}

void wg__blocks_free(wg__blocks *b)
{
    if (!b) return;
    if (b->loop_open) {
        wait_for_job(b);
        uv_run(&b->loop, UV_RUN_NOWAIT);
        uv_loop_close(&b->loop);
    }
    for (unsigned i = 0; b->block && i < b->n; i++) wg_free(b->block[i].text);
    wg_free(b->block);
    wg__textsource_close(b->source);
    wg_free(b);
}

wg_status wg__blocks_next(wg__blocks *b, const char **text, size_t *size,
                          wg__textsource_stats *stats, wg_error *err)
{
    block *k = &b->block[b->head];
    if (!b->loop_open) {
        fill(b, k);
    } else {
        /* An end is never given back: it is the answer to all further calls. */
        if (b->lent && !k->end) {
            b->head = (b->head + 1) % b->n;
            b->ready--;
            b->lent = false;
            k = &b->block[b->head];
        }
        if (b->n_job) uv_run(&b->loop, UV_RUN_NOWAIT);
        start_job(b);
        while (b->ready == 0) uv_run(&b->loop, UV_RUN_ONCE);
        b->lent = true;
    }
    *text = k->text;
    *size = k->size;
    *stats = k->stats;
    return k->status == WG_OK ? WG_OK : wg_error_set(err, k->status, "%s", k->error.message);
}

wg_status wg__blocks_seek(wg__blocks *b, uint64_t byte, wg_error *err)
{
    if (b->loop_open) wait_for_job(b);
    b->head = b->tail = b->ready = 0;
    b->lent = b->ended = false;
    wg_status status = wg__textsource_seek(b->source, byte, err);
    if (status == WG_OK && b->loop_open) start_job(b);
    return status;
}
