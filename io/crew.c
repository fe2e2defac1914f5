/* A crew of threads that live as long as one synchronous call. */
#include "crew.h"

#include <wengert/parallel.h>

int wg__thread_count(int threads)
{
    if (threads <= 0) threads = wg_default_threads();
    return threads < WG__MAX_THREADS ? threads : WG__MAX_THREADS;
}

/* Called with the lock held. */
static wg__task *take(wg__threads *t)
{
    wg__task *task = t->queue;
    if (!task) return NULL;
    t->queue = task->next;
    if (!t->queue) t->queue_end = &t->queue;
    t->queued--;
    return task;
}

static void put_over(wg__threads *t, wg__task *task)
{
    task->next = NULL;
    *t->over_end = task;
    t->over_end = &task->next;
}

static void work(void *user)
{
    wg__threads *t = user;
    uv_mutex_lock(&t->mutex);
    for (;;) {
        wg__task *task = take(t);
        if (task) {
            uv_mutex_unlock(&t->mutex);
            task->run(task);
            uv_mutex_lock(&t->mutex);
            put_over(t, task);
            uv_cond_signal(&t->finished);
        } else if (t->stop) {
            break;
        } else {
            t->waiting++;
            uv_cond_wait(&t->work, &t->mutex);
            t->waiting--;
        }
    }
    uv_mutex_unlock(&t->mutex);
}

static void submit(wg__crew *crew, wg__task *task)
{
    wg__threads *t = (wg__threads *)crew;
    uv_mutex_lock(&t->mutex);
    task->next = NULL;
    *t->queue_end = task;
    t->queue_end = &task->next;
    t->queued++;
    t->pending++;
    /* The calling thread takes one itself: a task alone needs no helper. */
    if (t->queued > 1) {
        if (t->waiting > 0)
            uv_cond_signal(&t->work);
        else if (t->started < t->crew.threads - 1 &&
                 uv_thread_create(&t->thread[t->started], work, t) == 0)
            t->started++;
    }
    uv_mutex_unlock(&t->mutex);
}

wg_status wg__threads_init(wg__threads *t, int threads, wg_error *err)
{
    *t = (wg__threads){.crew = {.submit = submit, .threads = wg__thread_count(threads)}};
    t->queue_end = &t->queue;
    t->over_end = &t->over;
    if (uv_mutex_init(&t->mutex) != 0) goto fail;
    if (uv_cond_init(&t->work) != 0) goto fail_work;
    if (uv_cond_init(&t->finished) != 0) goto fail_finished;
    return WG_OK;
fail_finished:
    uv_cond_destroy(&t->work);
fail_work:
    uv_mutex_destroy(&t->mutex);
fail:
    return wg_error_set(err, WG_ENOMEM, "no locks to be had from the system");
}

void wg__threads_run(wg__threads *t)
{
    uv_mutex_lock(&t->mutex);
    while (t->pending > 0) {
        wg__task *task = t->over;
        bool ran = false;
        if (task) {
            t->over = task->next;
            if (!t->over) t->over_end = &t->over;
            t->pending--;
        } else {
            task = take(t);
            ran = task != NULL;
        }
        if (!task) {
            uv_cond_wait(&t->finished, &t->mutex);
            continue;
        }
        uv_mutex_unlock(&t->mutex);
        if (ran)
            task->run(task);
        else
            task->after(task);
        uv_mutex_lock(&t->mutex);
        if (ran) put_over(t, task);
    }
    uv_mutex_unlock(&t->mutex);
}

void wg__threads_end(wg__threads *t)
{
    uv_mutex_lock(&t->mutex);
    t->stop = true;
    uv_cond_broadcast(&t->work);
    uv_mutex_unlock(&t->mutex);
    for (int i = 0; i < t->started; i++) uv_thread_join(&t->thread[i]);
    uv_cond_destroy(&t->finished);
    uv_cond_destroy(&t->work);
    uv_mutex_destroy(&t->mutex);
}
