/* Programs: compile outputs of a tape once, bind, run many times.
 *
 * Compilation runs the passes (merging of scans and of products, dead code, common subexpressions,
 * hoist, sink, packing, fusing and others; a trace callback sees each) and plans buffers. wg_eval
 * skips it where the tape's cache already holds a program of the same structure and shapes.
 * WENGERT_COMPILE=0 (or options.node_by_node) runs each node by itself, for checking;
 * options.passes leaves out some. A program is used by one thread at a time; a steady-state run
 * allocates nothing, unless values are watched. */
#ifndef WENGERT_PROGRAM_H
#define WENGERT_PROGRAM_H

#include <wengert/tape.h>

WG_BEGIN_DECLS

typedef struct wg_program wg_program;

/* Receives what is compiled as text: the list as recorded (pass "recorded") and after each pass,
 * and last ("plan") the buffers that are alive when a run holds most, in MB. Both texts are valid
 * during the call, which comes from the thread that compiles. Whatever compiles programs of its own
 * (trainers, decoders, translators, gradient checks) takes one in its options. */
typedef void (*wg_trace_fn)(void *user, const char *pass, const char *text);

/* Memory that programs share for their buffers. Programs for many shapes of one model, run one
 * after the other, then take the memory of the largest, not of all. It grows at runs and never
 * shrinks. Programs of a workspace are used by one thread at a time, all together; one that is run
 * while another one runs (by a watch) takes buffers of its own. Nothing of a run is left for the
 * next: outputs lie in tensors. */
typedef struct wg_workspace wg_workspace;

/* ENOMEM. */
WG_API wg_status wg_workspace_new(wg_workspace **workspace, wg_error *err);
/* Programs hold it too: its memory goes when they and its maker have freed it, in any order. */
WG_API void wg_workspace_free(wg_workspace *workspace);
/* What it takes at present. */
WG_API size_t wg_workspace_bytes(const wg_workspace *workspace);

typedef struct wg_compile_options {
    size_t size;       /* sizeof(wg_compile_options) */
    int threads;       /* 0 = wg_default_threads() */
    int isa;           /* wg_isa + 1; 0 = wg_isa_best() */
    bool node_by_node; /* no fusing, no reuse: each node by its own kernel */
    wg_trace_fn trace; /* NULL = none */
    void *trace_user;
    /* For checking and measuring: passes that are not run, by the names that the trace shows, with
     * a minus sign each: "-hoist,-sink". Must live as long as the tape or the call that it is given
     * to. NULL: what the environment says in WENGERT_PASSES, else all are run. EINVAL for a name
     * that is none, or that of a pass which others rest on ("dead code"). */
    const char *passes;
    /* f32 products with a matrix on the right, those of gradients included, read their operands
     * rounded to bf16 (8 bits of mantissa, to nearest even) and add in f32; batched products and
     * all else stay f32. Part of what programs are cached by. Where wg_bf16_available says no,
     * compiling fails with ENOTSUP and says what is missing: f32 is never measured by mistake.
     * Never run yet on a CPU that has it: see docs/decisions/0018-bf16.md. */
    bool bf16;
    /* Where the buffers lie; NULL: in memory that the program owns, taken when it is compiled. For
     * a tape (wg_tape_options) NULL means one that the programs of its cache share. Not part of
     * what programs are cached by. */
    wg_workspace *workspace;
} wg_compile_options;

/* Compiles the outputs. options may be NULL. The program stays valid after the tape is reset or
 * freed, except that leaves made with wg_tensor_var read their tensors. Freed with
 * wg_program_free. */
WG_API wg_status wg_compile(const wg_var *out, int n_out, const wg_compile_options *options,
                            wg_program **program, wg_error *err);
WG_API void wg_program_free(wg_program *program);

/* Binds the input `name` (wg_input) to a tensor of its type; read at every run until bound anew. */
WG_API wg_status wg_program_bind(wg_program *program, const char *name, wg_tensor *tensor,
                                 wg_error *err);
/* Output i is written into `tensor` (its type) by each run; NULL: into one that the program owns.
 * Binding one tensor as input and as output makes it a persistent state: it is read before it is
 * written. */
WG_API wg_status wg_program_bind_output(wg_program *program, int i, wg_tensor *tensor,
                                        wg_error *err);
/* Runs. ESTATE while an input is unbound; the status and message of a kernel that fails (an index
 * out of range). */
WG_API wg_status wg_program_run(wg_program *program, wg_error *err);
/* Output i of the last run: the bound tensor, or one that the program owns (valid until the next
 * run). NULL when i is out of range. */
WG_API const wg_tensor *wg_program_output(const wg_program *program, int i);

/* Record afresh, run from cache: computes the outputs of this tape, into tensors[i] where it is not
 * NULL (else into one owned by the tape's program, read by wg_eval_output until the next wg_eval on
 * the tape). Inputs made by wg_input cannot be used here: use wg_tensor_var. */
WG_API wg_status wg_eval(const wg_var *out, int n_out, wg_tensor *const *tensors, wg_error *err);
WG_API const wg_tensor *wg_eval_output(const wg_tape *tape, int i);
WG_API wg_status wg_tape_options(wg_tape *tape, const wg_compile_options *options, wg_error *err);

/* What a program does, for tests, benchmarks and people. */
typedef struct wg_program_stats {
    size_t size;
    int64_t nodes;           /* recorded nodes that the outputs need */
    int64_t instructions;    /* after the passes, bodies included */
    int64_t fused;           /* fused kernels among them */
    int64_t products_a_run;  /* matrix products executed by the last run */
    int64_t kernels_a_run;   /* kernel calls of the last run */
    int64_t bytes_planned;   /* buffers, reused ones counted once */
    int64_t bytes_unplanned; /* what they would take without reuse */
    int64_t compile_ns;      /* time spent compiling */
    int64_t bytes_held;      /* by the program alone: its code, outputs and buffers that it owns */
} wg_program_stats;
WG_API void wg_program_get_stats(const wg_program *program, wg_program_stats *stats);
/* Cache of a tape: programs held, hits and misses so far. */
WG_API void wg_tape_cache_stats(const wg_tape *tape, int64_t *programs, int64_t *hits,
                                int64_t *misses);

WG_END_DECLS

#endif
