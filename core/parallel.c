/* The one parallel loop, on OpenMP or on plain threads.
 *
 * The range is cut into parts by n, grain and threads alone, and every part is run whether or not
 * the system gives a thread for each: so the parts that a kernel sees, and with them its bits,
 * never depend on load, nesting or timing. */
#include <wengert/parallel.h>

#include <stdbool.h>

#include "threads.h"

#ifdef WG_PARALLEL_PTHREAD
#include <pthread.h>
#endif
#ifdef _OPENMP
#include <omp.h>
#endif

typedef void (*range_fn)(void *user, int64_t begin, int64_t end, int worker);

/* Part i of `parts`: the first n % parts of them are one longer. */
static void run_part(int64_t n, int parts, int i, range_fn body, void *user)
{
    int64_t length = n / parts, longer = n % parts;
    int64_t begin = i * length + (i < longer ? i : longer);
    body(user, begin, begin + length + (i < longer), i);
}

#ifdef WG_PARALLEL_PTHREAD

/* Threads are made for each loop and joined at its end: this form is for sanitizers and for
 * compilers without OpenMP, and keeps nothing alive between calls. */
typedef struct part {
    int64_t n;
    int parts, index;
    range_fn body;
    void *user;
    pthread_t thread;
    bool started;
} part;

static _Thread_local bool inside;

static void *run_on_thread(void *user)
{
    part *p = user;
    inside = true;
    run_part(p->n, p->parts, p->index, p->body, p->user);
    return NULL;
}

static bool nested(void)
{
    return inside;
}

enum { THREADS_AT_ONCE = 64 }; /* keeps the table on the stack */

static void run_parts(int64_t n, int parts, range_fn body, void *user)
{
    part table[THREADS_AT_ONCE];
    inside = true;
    for (int first = 0; first < parts; first += THREADS_AT_ONCE) {
        int count = parts - first < THREADS_AT_ONCE ? parts - first : THREADS_AT_ONCE;
        for (int i = 1; i < count; i++) {
            part *p = &table[i];
            *p = (part){.n = n, .parts = parts, .index = first + i, .body = body, .user = user};
            p->started = pthread_create(&p->thread, NULL, run_on_thread, p) == 0;
        }
        run_part(n, parts, first, body, user);
        for (int i = 1; i < count; i++) {
            if (table[i].started)
                pthread_join(table[i].thread, NULL);
            else
                run_part(n, parts, table[i].index, body, user);
        }
    }
    inside = false;
}

#else

static bool nested(void)
{
    return omp_in_parallel();
}

static void run_parts(int64_t n, int parts, range_fn body, void *user)
{
#pragma omp parallel for num_threads(parts) schedule(static, 1)
    for (int i = 0; i < parts; i++) run_part(n, parts, i, body, user);
}

#endif

void wg_parallel_for(int threads, int64_t n, int64_t grain, range_fn body, void *user)
{
    if (n <= 0) return;
    if (threads <= 0) threads = wg_default_threads();
    if (threads > WG__MAX_THREADS) threads = WG__MAX_THREADS;
    if (grain < 1) grain = 1;
    int64_t pieces = n / grain;
    int parts = pieces < 1 ? 1 : pieces < threads ? (int)pieces : threads;
    if (parts > 1 && !nested()) {
        run_parts(n, parts, body, user);
        return;
    }
    for (int i = 0; i < parts; i++) run_part(n, parts, i, body, user);
}

/* ---- libraries ---- */

int wg_library_threads_enter(int threads)
{
#ifdef _OPENMP
    if (omp_in_parallel()) return 0;
    int before = omp_get_max_threads();
    if (threads < 1 || before == threads) return 0;
    omp_set_num_threads(threads);
    return before;
#else
    (void)threads;
    return 0;
#endif
}

void wg_library_threads_leave(int before)
{
#ifdef _OPENMP
    if (before > 0) omp_set_num_threads(before);
#else
    (void)before;
#endif
}
