/* Memory for the buffers of programs that run one after the other. Minibatches of texts come in
 * hundreds of shapes, each with a program of its own. Where each held its own buffers too, few
 * would fit in memory, the others would be compiled again and again, and every time the kernel
 * would clear their pages: a fifth of a training step, measured. */
#include "workspace.h"

#include <string.h>

#include <wengert/memory.h>

/* What checks memory also checks that a run leaves nothing for the next. */
#if defined(__SANITIZE_ADDRESS__)
#define SPOIL 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SPOIL 1
#endif
#endif
#ifndef SPOIL
#define SPOIL 0
#endif

wg_status wg_workspace_new(wg_workspace **workspace, wg_error *err)
{
    *workspace = wg_calloc(1, sizeof **workspace);
    if (!*workspace) return wg_error_set(err, WG_ENOMEM, "workspace: out of memory");
    (*workspace)->users = 1;
    return WG_OK;
}

void wg_workspace_free(wg_workspace *w)
{
    if (!w || --w->users > 0) return;
    if (w->memory) w->backend->free(w->memory);
    wg_free(w);
}

size_t wg_workspace_bytes(const wg_workspace *w)
{
    return w ? w->bytes : 0;
}

wg_workspace *wg__workspace_share(wg_workspace *w)
{
    if (w) w->users++;
    return w;
}

/* What lay there is lost, so nothing is copied and there are never two blocks at once. A quarter
 * more than is asked for: untouched pages cost nothing, and growing by little means clearing it
 * all. */
void *wg__workspace_enter(wg_workspace *w, const wg__backend *backend, size_t bytes)
{
    if (w->bytes < bytes) {
        size_t more = w->bytes > 0 ? bytes / 4 : 0;
        if (w->memory) w->backend->free(w->memory);
        w->backend = backend;
        w->bytes = bytes + more;
        w->memory = backend->alloc(w->bytes);
        if (!w->memory) w->bytes = 0;
    }
    w->busy = w->memory != NULL;
    if (SPOIL && w->busy) memset(w->memory, 0xff, w->bytes);
    return w->memory;
}

void wg__workspace_leave(wg_workspace *w)
{
    w->busy = false;
}
