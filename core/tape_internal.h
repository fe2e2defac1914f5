/* The tape's own structures, shared by the files of core (and read by the few ops that look at the
 * list). Indices, not pointers, tie nodes and values together, so that lists can grow. */
#ifndef WG_CORE_TAPE_INTERNAL_H
#define WG_CORE_TAPE_INTERNAL_H

#include <wengert/op.h>
#include <wengert/program.h>
#include <wengert/scan.h>

#include "arena.h"

typedef struct wg__body wg__body;

typedef struct wg__node {
    const wg_op *op;
    const int32_t *in; /* value indices */
    int32_t n_in;
    int32_t n_out;
    int32_t first_out; /* outputs are values first_out .. first_out + n_out - 1 */
    int32_t line;
    const void *attr;
    size_t attr_size;
    wg__body *body; /* of a scan; else NULL */
    const char *scope;
    const char *file;
} wg__node;

typedef struct wg__value {
    wg_type type;
    int32_t node;
    int32_t out;       /* which output of the node */
    const char *name;  /* NULL = none */
    const char *watch; /* NULL = not watched */
    wg_tensor *tensor; /* of a tensor leaf */
    int32_t earlier;   /* of an input or tensor: value + 1 of the one before it */
} wg__value;

/* An outer value used inside a body. */
typedef struct wg__capture {
    wg_var outer;  /* on the parent tape */
    int32_t inner; /* value of this tape */
} wg__capture;

struct wg_tape {
    uint32_t slot; /* + 1, as in wg_var */
    uint32_t generation;
    int depth;       /* 0 = root, parent's + 1 for a body */
    wg_tape *parent; /* tape that a body's outer values live on; NULL for a root */
    wg__arena arena; /* attributes, operand lists, names */
    wg__arena work;  /* of a root: work arrays of recording, see wg__work */
    wg__node *nodes;
    int32_t n_nodes, cap_nodes;
    int32_t last_leaf; /* value + 1 of the newest input or tensor, 0 = none */
    wg__value *values;
    int32_t n_values, cap_values;
    wg__capture *captures;
    int32_t n_captures, cap_captures;
    wg__body **bodies; /* owned references of this tape's scans */
    int32_t n_bodies, cap_bodies;
    const char *scope;           /* current path, "" at the root */
    const char *copied_scope[2]; /* last scope cloned from another tape, and its copy here */
    wg_status status;
    wg_error error;
    wg_watch_fn watch;
    void *watch_user;
    struct wg__cache *cache;   /* of a root; made on demand */
    struct wg__intern *intern; /* of a root: bodies recorded so far, resets survived */
    wg_tape *spare;            /* of a root: tapes for the next bodies; of one of these: the next */
    wg_compile_options options;
};

/* A recorded loop body: its list and which of its values are slots. Shared by every scan and pass
 * that uses it; immutable once made. Its memory is its list's. */
struct wg__body {
    int32_t refs;
    wg_tape *graph;
    int32_t n_seq, n_carry, n_const, n_y, n_sum;
    int32_t *seq, *carry, *constant; /* input values of the graph */
    int32_t time;                    /* input value */
    int32_t *next, *y, *sum;         /* output values of the graph */
    bool effects;                    /* watched, or with effects: needed for themselves */
    struct wg__derived *derived;     /* its VJPs so far, by pattern of gradients */
};

/* Attribute of a scan node; inputs: sequences, initial states, constants; outputs: final states,
 * stacked outputs, sums. */
typedef struct wg__scan_attr {
    int32_t n_seq, n_carry, n_const, n_y, n_sum;
    int32_t reverse;
    int64_t steps;
    /* The steps are chunks of a longer loop: whatever their gradient needs is computed again from
     * the states at their borders, and nothing as long as the loop leaves its body (no pass
     * hoists or sinks stacks out of it). */
    int32_t remat;
    int32_t unused; /* 0: the bytes are compared */
} wg__scan_attr;

/* Attribute of leaves (input, tensor, const, body_in): the type they have, then what tells them
 * apart. */
typedef struct wg__leaf_attr {
    wg_shape shape;
    int32_t dtype;
    int32_t number; /* body_in: ordinal */
    double value;   /* const */
} wg__leaf_attr;

extern const wg_op wg__op_input, wg__op_tensor, wg__op_const, wg__op_const_data, wg__op_body_in;
extern const wg_op wg__op_stop_gradient, wg__op_view_as, wg__op_scan;

/* slots.c */
enum { WG__MAX_TAPES = 16384 };
wg_tape *wg__tape_of(wg_var v);    /* NULL when stale */
bool wg__slot_take(wg_tape *tape); /* false when all are taken */
void wg__slot_leave(wg_tape *tape);
void wg__slot_renew(wg_tape *tape); /* all handles so far become stale */

/* tape.c */
/* A tape for a body that is recorded from `parent`: a spare one of its root where there is one. */
wg_status wg__body_tape_new(wg_tape *parent, wg_tape **out, wg_error *err);
/* Keeps a body's tape with its root for the next body, memory and all. */
void wg__tape_recycle(wg_tape *root, wg_tape *tape);
/* Memory for work arrays while `tape` or a body of it is recorded, kept by the root so that
 * recording the next minibatch takes none. Taken between a mark and its release; calls nest, and so
 * do these. */
wg__arena *wg__work(wg_tape *tape);
/* A body's recording is over: handles to its values become stale, so that none that was kept can
 * change a list that is shared from now on; nothing is lifted into it any more. */
void wg__tape_seal(wg_tape *tape);
wg_var wg__var(const wg_tape *tape, int32_t value);
/* Poisons the tape and its parents, for a body's error is the error of the tape that is compiled;
 * each keeps its first message. */
void wg__tape_poison(wg_tape *tape, wg_status status, const char *message);
/* The same with a formatted message, which names the caller's place; returns `status`. */
wg_status wg__tape_fail_v(wg_tape *tape, wg_status status, const char *fmt, ...) WG_PRINTF(3, 4);
/* Current place of the caller, per thread. */
void wg__place(const char **file, int *line);

/* record.c */
/* Appends without shape inference; in[] are values of this tape. Returns the node or NULL (out of
 * memory: the tape is poisoned). */
wg__node *wg__append(wg_tape *tape, const wg_op *op, const int32_t *in, int n_in, const void *attr,
                     size_t attr_size, wg__body *body, const wg_type *out, int n_out);
/* Value of `tape` that stands for v, which lives on it or on an ancestor (then it is captured);
 * -1 on error (poisoned). */
int32_t wg__lift(wg_tape *tape, wg_var v);

/* leaf.c */
wg_var wg__body_input(wg_tape *tape, wg_type type);
wg_var wg__view_as(wg_var v, wg_shape shape);

/* body.c */
void wg__body_retain(wg__body *body);
void wg__body_release(wg__body *body);
wg_status wg__body_new(wg_tape *graph, int n_seq, int n_carry, int n_const, int n_y, int n_sum,
                       wg__body **out, wg_error *err); /* takes over graph on success */
wg_status wg__tape_own_body(wg_tape *tape, wg__body *body);
/* Does the list hold a watched value or an op with effects, loops inside included? */
bool wg__tape_effects(const wg_tape *graph);
/* intern.c: the body recorded before on this root that is the same as *body, or *body itself from
 * now on. So the next minibatch's loops find their VJPs made. Takes over the reference. */
wg_status wg__body_intern(wg_tape *tape, wg__body **body);
void wg__intern_free(struct wg__intern *intern);
/* Appends a scan node on tape; operands are vars of the tape or its ancestors. */
wg_status wg__scan_append(wg_tape *tape, wg__body *body, const wg_var *operands,
                          const wg__scan_attr *attr, wg_var *out);
/* Copies node `node` of src onto dst with operands mapped by map[] (value of src -> value of dst),
 * and notes its outputs in map[]. */
wg_status wg__clone_node(wg_tape *dst, const wg_tape *src, int32_t node, int32_t *map);

/* scan.c: what the slots of a body are while it is recorded. */
typedef struct wg__slots {
    int n_seq, n_carry, n_y, n_sum;
    const wg_var *x, *carry; /* on the body's tape */
    wg_var *next, *y, *sum;  /* its results; lifted where they are outer values */
    int32_t time;
} wg__slots;
/* Closes the recording of *graph (then NULL: it is the body's) on `tape` and makes the interned
 * body, the scan's operands (seq, init, captures in their order; work memory that the caller
 * releases) and its counts in attr. */
wg_status wg__body_close(wg_tape *tape, wg_tape **graph, const wg__slots *slots, const wg_var *seq,
                         const wg_var *init, wg__scan_attr *attr, wg_var **operands,
                         wg__body **body);
/* scan_chunks.c: steps of a chunk for wg_scan_def.remat; 0 = one plain scan. */
int64_t wg__scan_chunk(int64_t steps, int64_t remat);
/* Appends the scan of `body` as chunks; constant 0 is the absolute time of a scan's step 0. */
wg_status wg__scan_append_chunks(wg_tape *tape, wg__body *body, const wg_var *operands,
                                 const wg__scan_attr *attr, int64_t chunk, const char *name,
                                 wg_var *out);

/* grad.c. partial: x are independent (nothing flows past them). Nodes before `first` are not looked
 * at: what leads from x to y was recorded since. */
wg_status wg__grad(const wg_var *y, const wg_var *gy, int n_y, const wg_var *x, int n_x, wg_var *gx,
                   bool partial, int32_t first);
struct wg_vjp {
    wg_tape *tape;
    int32_t node;
    int32_t first_new;    /* the first node that the rule records */
    const uint8_t *reach; /* per value: does it depend on an x? */
    wg_var *adjoint;      /* per value that existed when wg_grad began; none = zero */
    int32_t n_adjoint;
};
/* scan_vjp.c */
void wg__scan_vjp(wg_vjp *c);

/* cache.c */
void wg__cache_free(struct wg__cache *cache);

static inline bool wg__is_float(wg_dtype dtype)
{
    return dtype == WG_F32 || dtype == WG_F64;
}

#endif
