/* Who does the work: tasks run on other threads, and what follows them runs on one.
 *
 * The engines of reading and writing are written once against this: a task's `run` is called on any
 * thread, its `after` on the coordinating one, where all bookkeeping is done without locks. Two
 * crews exist: threads of their own for the synchronous forms (which may be called on a thread of
 * libuv's pool, where waiting for that pool could wait for ever), and libuv's pool and file
 * operations under a loop (crew_uv.h). */
#ifndef WENGERT_IO_CREW_H
#define WENGERT_IO_CREW_H

#include <stdbool.h>

#include <uv.h>

#include <wengert/status.h>

#include "zip.h"

typedef struct wg__crew wg__crew;
typedef struct wg__task wg__task;

struct wg__task {
    void (*run)(wg__task *task);
    void (*after)(wg__task *task);
    void *owner; /* for run and after */
    /* A read instead of `run`: all of `size` bytes at `offset`, or `status` and `error`. */
    const wg__source *source;
    unsigned char *bytes;
    size_t size, done;
    uint64_t offset;
    wg_status status;
    wg_error *error;
    /* The crew's. */
    wg__crew *crew;
    wg__task *next;
    union {
        uv_work_t work;
        uv_fs_t fs;
    } uv;
};

struct wg__crew {
    /* Runs task->run, then task->after. Neither call ever fails or calls back at once. */
    void (*submit)(wg__crew *crew, wg__task *task);
    /* Reads as described above, then task->after. NULL: `run` reads by itself. */
    void (*read)(wg__crew *crew, wg__task *task);
    int threads;
};

/* Threads for one call. They are started when there is work for them; where none can be, the
 * calling thread does it all. */
typedef struct wg__threads {
    wg__crew crew;
    uv_mutex_t mutex;
    uv_cond_t work, finished;
    wg__task *queue, **queue_end;
    wg__task *over, **over_end;
    int queued, waiting, started, pending;
    bool stop;
    uv_thread_t thread[64];
} wg__threads;

enum { WG__MAX_THREADS = 64 };

/* `threads` as in wg_checkpoint_options, from 1 to WG__MAX_THREADS. */
int wg__thread_count(int threads);

wg_status wg__threads_init(wg__threads *crew, int threads, wg_error *err);
/* Works until nothing is pending; calls each task's `after`. */
void wg__threads_run(wg__threads *crew);
/* Joins the threads. */
void wg__threads_end(wg__threads *crew);

#endif
