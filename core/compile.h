/* What compiling (compile.c), the explicit interface (program.c) and the cache (cache.c) share: the
 * program itself. */
#ifndef WG_CORE_COMPILE_H
#define WG_CORE_COMPILE_H

#include "exec.h"
#include "workspace.h"

typedef struct wg__bound_input {
    const char *name; /* NULL for a tensor leaf */
    wg_type type;
    wg_tensor *tensor;
} wg__bound_input;

struct wg_program {
    wg__arena arena;
    wg__frame frame;
    const wg__backend *backend;
    wg_workspace *workspace; /* where the buffers are; NULL, or busy: in memory of its own */
    void *memory;
    wg__bound_input *inputs; /* in bind order */
    int32_t n_inputs;
    int32_t *out_bind;
    wg_tensor **own;  /* made when an output is not bound, or bound to an input's memory */
    wg_tensor **user; /* bound by the caller */
    wg_type *out_types;
    bool *touches; /* output i comes with the rows that it touched (wg_touched) */
    int32_t n_out;
    int threads, isa;
    wg_watch_fn watch;
    void *watch_user;
    wg_program_stats stats;
};

/* Compiles values out[] of a tape. */
wg_status wg__program_make(const wg_tape *tape, const int32_t *out, int n_out,
                           const wg_compile_options *o, wg_program **result, wg_error *err);
/* Checks outputs and gives their values; the tape they are on. */
wg_status wg__program_outputs(const wg_var *out, int n_out, wg_tape **tape, int32_t *index,
                              wg_error *err);
/* Memory of the program's own for its buffers, taken when first asked for; NULL where there is
 * none. */
void *wg__program_memory(wg_program *p);

#endif
