/* The tape (Wengert list): record, look at, differentiate.
 *
 * An op call checks its inputs, infers the type of its result at once and appends a node; it
 * computes nothing. A tape is in topological order by construction and only grows, until it is
 * reset. Values are computed by compiling outputs into a program (program.h).
 *
 * Errors while recording poison the variable returned and the tape keeps the FIRST message in full;
 * later ops pass the poison on, and compile/run return it. So a recording function needs no checks
 * after each line.
 *
 * One tape belongs to one thread at a time; two tapes on two threads do not meet. */
#ifndef WENGERT_TAPE_H
#define WENGERT_TAPE_H

#include <wengert/tensor.h>

WG_BEGIN_DECLS

typedef struct wg_tape wg_tape;

/* A value on a tape: a small handle, passed by value. Use after the tape was reset or freed is
 * detected (WG_ESTALE). The zero var {0} is "no value". */
typedef struct wg_var {
    uint32_t slot;       /* tape slot + 1; 0 = no value */
    uint32_t generation; /* of the tape when the value was recorded */
    int32_t index;       /* value number; negative = poisoned */
} wg_var;

#define WG_NONE ((wg_var){0, 0, 0})
static inline bool wg_is_none(wg_var v)
{
    return v.slot == 0;
}

/* A new tape; the registry of ops, cells and plugins is closed from the first one on. ELIMIT: more
 * than 16384 at once; each body of a recorded scan counts as one. */
WG_API wg_status wg_tape_new(wg_tape **out, wg_error *err);
WG_API void wg_tape_free(wg_tape *tape);
/* Forgets all nodes (compiled programs are kept in the tape's cache); older vars become stale. The
 * tape of a scan's body cannot be reset by the body: that poisons it (ESTATE). */
WG_API void wg_tape_reset(wg_tape *tape);
/* WG_OK, or the status of the first recording error, with its message in *err. */
WG_API wg_status wg_tape_status(const wg_tape *tape, wg_error *err);
/* Poisons the tape (the first message wins) and returns a poisoned var: for functions that record
 * and find an error of their own. */
WG_API wg_var wg_tape_fail(wg_tape *tape, wg_status status, const char *fmt, ...) WG_PRINTF(3, 4);
WG_API wg_var wg_tape_failv(wg_tape *tape, wg_status status, const char *fmt, va_list args)
    WG_PRINTF(3, 0);
/* count * size bytes, zeroed and 16-byte aligned, that live until the tape is reset or freed: lists
 * of vars of functions that record. A tape keeps its memory over resets, so recording the next
 * minibatch takes none. NULL when out of memory: then the tape is poisoned. */
WG_API void *wg_tape_alloc(wg_tape *tape, size_t count, size_t size);
/* Number of nodes recorded so far. */
WG_API int64_t wg_tape_length(const wg_tape *tape);

/* The tape that a var lives on; NULL when it is stale or none. */
WG_API wg_tape *wg_var_tape(wg_var v);
/* False for poisoned, stale and absent vars. */
WG_API bool wg_var_ok(wg_var v);
/* dtype and shape; for a var that is not ok: f32, rank 0. */
WG_API wg_type wg_var_type(wg_var v);
WG_API int64_t wg_dim(wg_var v, int axis); /* negative axes count from the end; 0 when wrong */
WG_API int wg_rank(wg_var v);
WG_API wg_dtype wg_var_dtype(wg_var v);

/* Leaves. */
/* Placeholder bound by name when an explicit program runs (wg_program_bind). Same name, same type:
 * same var. */
WG_API wg_var wg_input(wg_tape *tape, const char *name, wg_dtype dtype, wg_shape shape);
/* Leaf whose data is read from `tensor` at each run; the tensor must outlive the tape's use of it.
 * The same tensor gives the same var. */
WG_API wg_var wg_tensor_var(wg_tape *tape, wg_tensor *tensor);
/* Constant filled with one number: part of the program's structure. */
WG_API wg_var wg_const(wg_tape *tape, wg_dtype dtype, wg_shape shape, double value);
/* Small constant tensor copied into the structure (at most 64 KiB). */
WG_API wg_var wg_const_data(wg_tape *tape, wg_dtype dtype, wg_shape shape, const void *data);
/* Zeros and ones of the type of v, on v's tape. */
WG_API wg_var wg_zeros_like(wg_var v);
WG_API wg_var wg_ones_like(wg_var v);

/* Scopes name what is recorded between push and pop ("enc.0"): error messages, DOT, prints. */
WG_API void wg_push_scope(wg_tape *tape, const char *name);
WG_API void wg_pop_scope(wg_tape *tape);
/* Names a value for printing; returns v. */
WG_API wg_var wg_name(wg_var v, const char *name);
/* Hands the value to the tape's watch callback whenever a program computes it, inside scans too
 * (then `time` is the step, else -1). A watched value is never optimised away. Returns v. */
WG_API wg_var wg_watch(wg_var v, const char *name);
typedef void (*wg_watch_fn)(void *user, const char *name, int64_t time, const wg_tensor *value);
WG_API void wg_tape_on_watch(wg_tape *tape, wg_watch_fn fn, void *user);

/* Where the next op is recorded from: the macros of ops.h call it, so that recording errors name
 * the caller's file and line. Kept per thread. */
WG_API void wg_here(const char *file, int line);

/* Same value, but no gradient flows through it. */
WG_API wg_var wg_stop_gradient(wg_var v);

/* Reverse mode. Appends the adjoint list of sum_i <gy[i], y[i]> and stores in gx[j] the gradient
 * with respect to x[j]. gy may be NULL (ones for each y, which must then be scalars), and single
 * entries may be WG_NONE for "ones". An x that no y depends on gets WG_NONE: a symbolic zero (use
 * wg_grad_or_zeros for zeros). All y and x on one tape. Gradients are ordinary tape values: they
 * can be differentiated again. Source: Griewank & Walther 2008, ch. 3.2; Speelpenning 1980. */
WG_API wg_status wg_grad(const wg_var *y, const wg_var *gy, int n_y, const wg_var *x, int n_x,
                         wg_var *gx);
WG_API wg_status wg_grad_or_zeros(const wg_var *y, const wg_var *gy, int n_y, const wg_var *x,
                                  int n_x, wg_var *gx);
/* Hessian-vector products H v of a scalar y: hv[i] = sum_j d2y/dx_i dx_j v[j], by differentiating
 * <grad y, v> (Pearlmutter 1994, in its reverse-over-reverse form). */
WG_API wg_status wg_hvp(wg_var y, const wg_var *x, const wg_var *v, int n, wg_var *hv);

/* Text of the recorded equations ("%5 = sigmoid(%4)  f64[3,5]  @enc.0"), bodies of scans indented.
 * *text is freed with wg_free. n_out = 0 prints the whole tape, else what the outputs need. */
WG_API wg_status wg_print(const wg_tape *tape, const wg_var *out, int n_out, char **text,
                          wg_error *err);
/* The same graph as a DOT (Graphviz) digraph with shapes, scopes as clusters, scan bodies inside.
 */
WG_API wg_status wg_dot(const wg_tape *tape, const wg_var *out, int n_out, char **text,
                        wg_error *err);

WG_END_DECLS

#endif
