/* libuv's pool and file operations under a loop, as a crew. Coordinating is done on the loop's
 * thread, in callbacks that only hand work out. */
#ifndef WENGERT_IO_CREW_UV_H
#define WENGERT_IO_CREW_UV_H

#include "crew.h"

typedef struct wg__uv_crew {
    wg__crew crew;
    uv_loop_t *loop;
    int running; /* on the pool: at most crew.threads, so that others get their turn */
    wg__task *queue, **queue_end;
    /* Reads run on the pool too. Those that find their bytes in the page cache copy them at full
     * speed, and more threads than cores make the loop's thread wait: one at a time, or one for two
     * threads, are ahead of what is inflated meanwhile. */
    int reading;
    wg__task *reads, **reads_end;
} wg__uv_crew;

/* It must not move afterwards, and lives until the last `after` has begun. */
void wg__uv_crew_init(wg__uv_crew *crew, uv_loop_t *loop, int threads);

#endif
