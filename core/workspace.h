/* A block of memory shared by programs: whoever runs has it. */
#ifndef WG_CORE_WORKSPACE_H
#define WG_CORE_WORKSPACE_H

#include "exec.h"

struct wg_workspace {
    const wg__backend *backend; /* that the memory is of; there is one today */
    void *memory;
    size_t bytes;
    int64_t users; /* whoever made it, and the programs */
    bool busy;     /* a program runs in it */
};

/* Another user of it. */
wg_workspace *wg__workspace_share(wg_workspace *workspace);
/* At least so many bytes, until _leave; NULL without memory. Not while it is busy. */
void *wg__workspace_enter(wg_workspace *workspace, const wg__backend *backend, size_t bytes);
void wg__workspace_leave(wg_workspace *workspace);

#endif
