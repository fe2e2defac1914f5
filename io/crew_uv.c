/* Tasks as uv_queue_work, reads as uv_fs_read. */
#include "crew_uv.h"

#include "fileerror.h"

static void start(wg__uv_crew *c, wg__task *task);

static void work(uv_work_t *request)
{
    wg__task *task = request->data;
    task->run(task);
}

static void after_work(uv_work_t *request, int status)
{
    (void)status; /* nothing is taken back from the pool: pieces are short */
    wg__task *task = request->data;
    wg__uv_crew *c = (wg__uv_crew *)task->crew;
    c->running--;
    wg__task *waiting = c->queue;
    if (waiting) {
        c->queue = waiting->next;
        if (!c->queue) c->queue_end = &c->queue;
        start(c, waiting);
    }
    task->after(task); /* the crew may be gone after this */
}

static void start(wg__uv_crew *c, wg__task *task)
{
    c->running++;
    task->uv.work.data = task;
    uv_queue_work(c->loop, &task->uv.work, work, after_work); /* fails without `work` only */
}

static void submit(wg__crew *crew, wg__task *task)
{
    wg__uv_crew *c = (wg__uv_crew *)crew;
    task->crew = crew;
    if (c->running < crew->threads) {
        start(c, task);
        return;
    }
    task->next = NULL;
    *c->queue_end = task;
    c->queue_end = &task->next;
}

static void nothing(wg__task *task)
{
    (void)task;
}

/* How a read ended, told from the loop at a later time. */
static void end_later(wg__crew *crew, wg__task *task, wg_status status)
{
    task->status = status;
    task->run = nothing;
    submit(crew, task);
}

static void read_more(wg__task *task);

/* Lets the next read go. */
static void end_read(wg__uv_crew *c)
{
    c->reading--;
    wg__task *waiting = c->reads;
    if (!waiting) return;
    c->reads = waiting->next;
    if (!c->reads) c->reads_end = &c->reads;
    c->reading++;
    read_more(waiting);
}

static void after_read(uv_fs_t *request)
{
    wg__task *task = request->data;
    ssize_t got = request->result;
    uv_fs_req_cleanup(request);
    if (got < 0) {
        task->status = wg__file_error(task->error, task->source->name, "read", (int)-got);
    } else if (got == 0) {
        task->status = wg_error_set(task->error, WG_EFORMAT, "%s: became shorter while it was read",
                                    task->source->name);
    } else {
        task->done += (size_t)got;
        if (task->done < task->size) {
            read_more(task);
            return;
        }
        task->status = WG_OK;
    }
    end_read((wg__uv_crew *)task->crew);
    task->after(task);
}

static void read_more(wg__task *task)
{
    wg__uv_crew *c = (wg__uv_crew *)task->crew;
    uv_buf_t buffer =
        uv_buf_init((char *)task->bytes + task->done, (unsigned)(task->size - task->done));
    task->uv.fs.data = task;
    int code = uv_fs_read(c->loop, &task->uv.fs, task->source->fd, &buffer, 1,
                          (int64_t)(task->offset + task->done), after_read);
    if (code < 0)
        end_later(task->crew, task, wg__file_error(task->error, task->source->name, "read", -code));
}

static void read_all(wg__crew *crew, wg__task *task)
{
    wg__uv_crew *c = (wg__uv_crew *)crew;
    task->crew = crew;
    task->done = 0;
    if (task->size == 0) {
        end_later(crew, task, WG_OK);
    } else if (c->reading < (crew->threads + 1) / 2) {
        c->reading++;
        read_more(task);
    } else {
        task->next = NULL;
        *c->reads_end = task;
        c->reads_end = &task->next;
    }
}

void wg__uv_crew_init(wg__uv_crew *c, uv_loop_t *loop, int threads)
{
    *c = (wg__uv_crew){.crew = {submit, read_all, wg__thread_count(threads)}, .loop = loop};
    c->queue_end = &c->queue;
    c->reads_end = &c->reads;
}
