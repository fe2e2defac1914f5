/* The planner's own structures and helpers, shared by plan*.c and pack.c (buffers). */
#ifndef WG_CORE_PLAN_H
#define WG_CORE_PLAN_H

#include "exec.h"

typedef struct wg__store {
    int32_t bind; /* -1 = arena */
    size_t bytes;
    int32_t first, last; /* instructions */
    int64_t offset;
    bool fixed; /* never reused (constants of the frame) */
} wg__store;

typedef struct wg__home {
    int32_t store; /* -1 = none yet */
    int64_t offset;
    wg_view view;
} wg__home;

/* Where an output of a loop is: over sequences that die there (plan_over.c). */
typedef struct wg__over_place {
    int32_t store;  /* of the frame around; -1 = memory of its own */
    int64_t offset; /* of step 0, bytes */
    wg_view view;   /* of a step */
} wg__over_place;

typedef struct wg__over {
    const wg__home *operand; /* of the loop */
    int32_t *dying;          /* per sequence: the store that dies with it, of steps in a row; -1 */
    int64_t *step;           /* per store: bytes of a step; 0 = it stays */
    bool *banned;            /* per store: is not to be given away after all */
    wg__over_place *y;       /* per output */
    bool *ours;              /* per output: its memory is the planner's to choose */
    bool *followed;          /* per output: the second frame puts it there too */
    bool chosen;             /* places are fixed: a second frame of the loop is planned */
    int32_t first_bind;      /* of the outputs */
} wg__over;

struct wg__planner {
    wg__arena *arena;
    const wg__graph *g;
    wg__frame *frame;
    bool keep_apart;
    int threads;
    wg_error *err;
    wg__over *over;   /* of a body; NULL = none */
    wg__home *at;     /* per value */
    int32_t *copy_of; /* per value: store + 1 of its contiguous copy */
    int32_t *target;  /* per value: bind + 1 it is computed into */
    int32_t *part_of; /* per value: 1 + the join in whose memory it is computed; 0 = its own */
    int64_t *part_at; /* and where there, along the join's axis */
    wg__store *stores;
    int32_t n_stores, cap_stores;
    int32_t *unit_next, *group_first; /* members of fused groups, in order */
    int32_t *readers;                 /* per value: operands, outputs that still want it */
    uint8_t *done;                    /* per unit leader: see plan_order.c */
    uint8_t *outside;                 /* per value: used by more than its own group? */
    int32_t *reg_of;                  /* per value, zero between groups: for wg__fused_build */
    int32_t cap_bind;                 /* of the frame's table */
    /* Per instruction operand: store, for lifetimes. Parallel to instr in/out. */
    struct use {
        int32_t store, instr;
        wg__loc *loc;
        int64_t offset;
    } * uses;
    int32_t n_uses, cap_uses;
    struct extra { /* workspaces and loop buffers: offsets to fill once planned */
        int32_t store, instr;
        int64_t *where; /* NULL: the workspace of the instruction */
    } * extras;
    int32_t n_extras, cap_extras;
    bool failed;
};

/* ---- life: a planner writes one frame ---- */
bool wg__planner_new(wg__planner *p, wg__arena *arena, const wg__graph *g, wg__frame *frame,
                     const wg__planner *like);
void wg__planner_free(wg__planner *p);

/* ---- layouts ---- */
void wg__layout(wg_view *v, wg_type t); /* contiguous, row-major */
bool wg__layout_is_contiguous(const wg_view *v);
size_t wg__type_bytes(wg_type t);

/* ---- instructions and what they read and write; `failed` is set when memory runs out ---- */
wg__instr *wg__plan_instr(wg__planner *p, wg__instr_kind kind, int n_in, int n_out);
int32_t wg__plan_store(wg__planner *p, int32_t bind, size_t bytes);
/* Memory for the newest instruction alone; its offset goes to *where, or, where that is NULL, to
 * the instruction's workspace. */
void wg__plan_scratch(wg__planner *p, size_t bytes, int64_t *where);
/* The offset of store s, which the newest instruction uses, goes to *where. */
void wg__plan_offset(wg__planner *p, int32_t s, int64_t *where);
void wg__plan_read(wg__planner *p, wg__instr *i, int k, const wg__home *from);
/* Gives value v storage of its own (its target slot, or the arena) as result k of i. */
void wg__plan_write(wg__planner *p, wg__instr *i, int k, int32_t v);
void wg__plan_write_at(wg__planner *p, wg__instr *i, int k, const wg__home *to);
/* The layout that result v will have, before it is written. */
void wg__plan_result(wg__planner *p, int32_t v, wg_view *view);
/* A place with the elements of v contiguous: v itself, or a copy made once. */
wg__home wg__plan_contiguous(wg__planner *p, int32_t v);
void wg__plan_watch(wg__planner *p, int32_t v);

/* ---- slots of bodies, leaves and outputs of roots ---- */
void wg__plan_slot(wg__planner *q, int32_t value, const wg_view *view, int32_t bind);
/* Value v is computed straight into `bind`; false when it must be copied there at the end. */
bool wg__plan_aim(wg__planner *q, int32_t v, int32_t bind);

/* ---- results in the memory of operands that die (plan_inplace.c) ---- */
/* Result 0 of kernel n, whose operands are at places[]; where the op may work in place. */
bool wg__plan_take_over(wg__planner *p, const wg__gnode *n, wg__instr *i, const wg__home *places);
/* Result j of a fused group, value v; in[]: its operands. */
bool wg__plan_group_takes(wg__planner *p, const wg__fused *f, int32_t group, wg__instr *instr,
                          const int32_t *in, int32_t n_in, int32_t v, int32_t j);

/* Is operand i of the kernel last read no later than result j is written, so that both may be in
 * one place? */
bool wg__plan_read_before(const wg__fused *f, int32_t i, int32_t j);

/* ---- outputs of loops over sequences that die in them (plan_over.c) ---- */
/* What may be given away by loop n of p; NULL when memory runs out. */
wg__over *wg__plan_over_new(wg__planner *p, const wg__gnode *n, const wg__home *operand);
/* Before a frame of body b is planned. chosen: as the frame before put them. */
void wg__plan_over_begin(wg__over *over, const wg__graph *b, bool chosen);
/* Chooses places for what a fused group of body q computes. */
void wg__plan_over(wg__planner *q, int32_t group, const int32_t *in, int32_t n_in,
                   const int32_t *out, int32_t n_out);
/* late[j]: kernel f reads what result j overwrites after having computed it. */
bool wg__plan_over_late(wg__planner *q, const wg__fused *f, const int32_t *in, int32_t n_in,
                        const int32_t *out, int32_t n_out, uint8_t *late);
/* The layout of result v of the body, if its place was chosen. */
bool wg__plan_over_result(const wg__planner *q, int32_t v, wg_view *view);
/* After a frame: false where a choice did not hold. It is not made again: the frames are planned
 * anew. */
bool wg__plan_over_settled(const wg__planner *p, const wg__gnode *n, wg__over *over);
/* Places the loop's outputs. */
void wg__plan_over_emit(wg__planner *p, const wg__gnode *n, wg__instr *loop, const wg__over *over);

/* ---- joins in place (plan_join.c) ---- */
void wg__plan_joins(wg__planner *p); /* chooses the parts, before anything is planned */
/* Where v goes when it is part of a join. */
bool wg__plan_part(wg__planner *p, int32_t v, wg__home *at);
/* Completes a join with parts in place; false where it has none. */
bool wg__plan_join(wg__planner *p, const wg__gnode *n);

void wg__plan_unit(wg__planner *p, int32_t at); /* a node, or the group it leads (plan_units.c) */
/* Emits every unit, operands first; of a program (no body) in an order that lets buffers die
 * (plan_order.c). */
wg_status wg__plan_graph(wg__planner *p, bool program);
void wg__plan_loop(wg__planner *p, const wg__gnode *n);
void wg__plan_finish(wg__planner *p); /* packs buffers and fills in every offset */

/* The buffers alive when a run holds most (plan_text.c); NULL when memory runs out, freed with
 * wg_free. */
char *wg__plan_text(const wg__planner *p);

#endif
