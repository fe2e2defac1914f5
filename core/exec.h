/* Compiled frames: what the executor walks. A frame is the straight-line code of a program or of a
 * loop body: instructions over one arena of planned buffers and a table of bound pointers. */
#ifndef WG_CORE_EXEC_H
#define WG_CORE_EXEC_H

#include "graph.h"

/* Where a value's element [0,...] is: in the frame's arena (bind < 0) or behind a bound pointer. */
typedef struct wg__loc {
    int32_t bind;
    int64_t offset; /* bytes */
} wg__loc;

typedef struct wg__fused wg__fused;
typedef struct wg__loop wg__loop;
typedef struct wg__frame wg__frame;

typedef enum wg__instr_kind {
    WG__KERNEL,
    WG__FUSED,
    WG__COPY,  /* in[0] into out[0], any strides */
    WG__ACCUM, /* out[0] += in[0] */
    WG__LOOP,
    WG__WATCH,
} wg__instr_kind;

typedef struct wg__instr {
    wg__instr_kind kind;
    const wg_op *op;
    const void *attr;
    size_t attr_size;
    int32_t n_in, n_out;
    wg_view *in, *out; /* data is filled in before each call */
    wg__loc *in_loc, *out_loc;
    int64_t workspace; /* arena offset */
    size_t workspace_size;
    wg__fused *fused;
    wg__loop *loop;
    const char *watch;
    const char *scope;
} wg__instr;

struct wg__frame {
    wg__instr *instr;
    int32_t n_instr, cap_instr;
    size_t arena_bytes; /* what the frame needs, its loops' arenas included */
    size_t unplanned_bytes;
    unsigned char *arena; /* set before running */
    void **bind;
    int32_t n_bind;
    wg_touched **touched; /* by bind, as far as known of outputs' memory; NULL in bodies */
    int64_t time;         /* of the loop step; -1 outside */
};

/* One loop: the body's frame and how its binds are set each step. */
typedef struct wg__stream {
    int32_t outer; /* operand of the loop instruction */
    int32_t bind;  /* of the body */
    int64_t step;  /* bytes from one step to the next */
} wg__stream;

struct wg__loop {
    wg__frame body;
    int64_t steps;
    bool reverse;
    wg__stream *seq, *constant, *y, *sum;
    int32_t n_seq, n_const, n_y, n_sum, n_carry;
    /* Carry i: operand, its bind for reading and for writing, result and scratch buffer. */
    int32_t *carry_in, *carry_read, *carry_write, *carry_out;
    int64_t *carry_scratch; /* arena offset in the parent frame */
    /* A state whose values are stacked anyway lives in its stack, of one step more than the loop:
     * the state before a step and that after it are neighbours there. Arena offset, or -1. */
    int64_t *carry_stack;
    size_t *carry_bytes;
    int32_t time_bind;
    int64_t arena; /* of the body, offset in the parent's */
    /* Steps at which every byte of these sequences is set run `unmasked`, whose first binds are
     * those of the body; none: there is no such frame. */
    wg__frame unmasked;
    int32_t *mask, n_masks;
};

/* A fused group: a list of block instructions over registers. */
typedef enum wg__reg_kind {
    WG__REG_BLOCK,   /* n elements in scratch */
    WG__REG_OUT,     /* n elements straight in an output */
    WG__REG_IN,      /* contiguous external operand */
    WG__REG_FILL,    /* external operand that is strided, gathered into scratch */
    WG__REG_CONST,   /* one number, expanded once */
    WG__REG_ROW_IN,  /* external operand with one value a row, where it lies */
    WG__REG_ROW,     /* one value a row in scratch */
    WG__REG_ROW_OUT, /* one value a row, straight in an output */
} wg__reg_kind;

typedef struct wg__reg {
    wg__reg_kind kind;
    wg_dtype dtype;
    int32_t index;   /* external operand, or n_in + output */
    size_t size;     /* of an element */
    int64_t step;    /* bytes from one element of the row to the next, in operands and outputs */
    int64_t scratch; /* offset in the thread's scratch; -1 = none */
    double value;    /* constant */
} wg__reg;

typedef struct wg__step_op {
    const wg_op *op;
    const void *attr;
    wg_map_loop_fn loop;      /* NULL: op->map */
    wg_map_fn map;            /* the loop for the instruction set of the run */
    int32_t in[4], n_in, out; /* registers */
    uint8_t row;              /* 1: one value a row (n = 1) */
    uint8_t reduce;           /* 1: row reduction */
    uint8_t expand[4];        /* 1: a value a row, to be expanded into `temp[j]` first */
    int32_t temp[4];
    uint8_t number; /* 1, or 2 to be negated: in[n_in] is one value a row, given as attribute */
    wg_dtype dtype, out_dtype;
} wg__step_op;

struct wg__fused {
    wg__reg *regs;
    int32_t n_regs;
    int32_t *outer, n_outer; /* the registers that are, or are filled from, operands and outputs */
    wg__step_op *ops;
    int32_t n_ops;
    int32_t n_in, n_out;
    int32_t rank; /* collapsed axes, the row excluded */
    int64_t dim[WG_MAX_AXES];
    int64_t row;                           /* elements a row */
    int64_t block;                         /* elements a block (row, or less) */
    int64_t work;                          /* of an element, in loads, sums and products */
    int isa;                               /* that the loops are chosen for, + 1; 0 = none yet */
    int64_t (*in_stride)[WG_MAX_AXES + 1]; /* bytes, per operand; last = along the row */
    int64_t (*out_stride)[WG_MAX_AXES + 1];
    size_t scratch; /* bytes a thread */
};

typedef struct wg__run wg__run;

/* What the executor asks of a device. Products, gathers, scatters, top-k, random bits, fused cross
 * entropy and opaque ops come as ops with a kernel in the backend's slot; the rest is here. Calls
 * may return before they have run, in order of issue; synchronize waits. Host callbacks (watches)
 * run between to_host and the next call. */
typedef struct wg__backend {
    const char *name;
    int slot;                     /* WG_BACKEND_* : which kernel of an op */
    void *(*alloc)(size_t bytes); /* 64-byte aligned device memory; NULL = none left */
    void (*free)(void *memory);
    void (*fused)(wg__fused *f, const wg_view *in, const wg_view *out, void *scratch,
                  const wg__run *run);
    void (*copy)(const wg_view *in, const wg_view *out, const wg__run *run);
    void (*accumulate)(const wg_view *in, const wg_view *out, const wg__run *run); /* out += in */
    void (*zero)(void *data, size_t bytes, const wg__run *run);
    void (*to_host)(const wg_view *in, const wg_view *out, const wg__run *run);
    wg_status (*synchronize)(wg_error *err);
} wg__backend;

extern const wg__backend wg__cpu; /* backend_cpu.c */

struct wg__run {
    const wg__backend *backend;
    int threads, isa;
    wg_error *err;
    int64_t products, kernels;
    wg_watch_fn watch;
    void *watch_user;
};

/* fused_build.c, fused.c. late[j]: result j is written at the end of a block, since what it
 * overwrites is read after it is computed. */
enum { WG__MAX_REGS = 512 }; /* of a kernel */
wg__fused *wg__fused_build(wg__arena *arena, const wg__graph *g, const int32_t *members,
                           int32_t n_members, const int32_t *inputs, const wg_view *in_views,
                           int32_t n_inputs, const int32_t *outputs, const wg_view *out_views,
                           int32_t n_outputs, const uint8_t *late,
                           int32_t *reg_of /* per value: zero, and left zero */);
/* fused_scratch.c: scratch of registers, and the length of a block. last[r]: the last instruction
 * that reads register r, -1 = none; used up. rows: a block is a whole row. */
void wg__fused_place(wg__fused *f, int32_t *last, bool rows);
void wg__fused_run(wg__fused *f, const wg_view *in, const wg_view *out, void *scratch,
                   const wg__run *run);
/* fused_match.c: which members of a group run together as one loop (wg_map_pattern). */
typedef struct wg__match {
    const wg_map_pattern *pattern; /* NULL: runs by itself */
    int32_t operand[WG_PATTERN_OPERANDS];
    bool inside; /* computed within another member's pattern */
} wg__match;
/* inner[k]: member k is used once, and within the group. place[v]: of value v among the members,
 * from 1; 0 = not one of them. Fills match[0..n_members). */
void wg__fused_match(const wg__graph *g, const int32_t *members, int32_t n_members,
                     const wg_shape *shape, const uint8_t *inner, const int32_t *place,
                     wg__match *match);
/* Is value v, an operand of the group, a plain number that the kernel holds itself? */
bool wg__fused_number(const wg__graph *g, int32_t v, double *number);

/* plan.c: code and buffers of a graph. binds already made are for the slots (bodies) or leaves and
 * outputs (root); see there. *text: what it holds, freed with wg_free; NULL = not asked for. */
typedef struct wg__planner wg__planner;
wg_status wg__plan_root(wg__arena *arena, const wg__graph *g, bool keep_apart, int threads,
                        wg__frame *frame, int32_t *leaf_bind, int32_t *out_bind, char **text,
                        wg_error *err);

/* run.c */
wg_status wg__frame_run(wg__frame *frame, wg__run *run);

#endif
