/* The compiler's form of a list: what the outputs need, copied from the tape so that passes may
 * rewrite it and the tape may be reset. Bodies of scans are graphs of their own. */
#ifndef WG_CORE_GRAPH_H
#define WG_CORE_GRAPH_H

#include "tape_internal.h"

typedef struct wg__graph wg__graph;

typedef struct wg__gnode {
    const wg_op *op;
    int32_t *in;
    int32_t n_in, n_out, first_out;
    int32_t group; /* fused kernel it belongs to; -1 = none */
    int32_t live;
    void *attr;
    size_t attr_size;
    wg__graph *body;
    /* The body without the masks of lengths, and which sequences these are (their numbers); NULL =
     * it has none. Made once everything else has been moved out of it. */
    wg__graph *unmasked;
    int32_t *masks, n_masks;
    const wg__body *source; /* the recorded body, for comparing */
    const char *scope, *file;
    int32_t line;
} wg__gnode;

typedef struct wg__gvalue {
    wg_type type;
    int32_t node, out;
    const char *watch, *name;
    wg_tensor *tensor;
} wg__gvalue;

struct wg__graph {
    wg__arena *arena; /* of the program */
    wg__gnode *nodes;
    int32_t n_nodes, cap_nodes;
    wg__gvalue *values;
    int32_t n_values, cap_values;
    /* Outputs. Root: out[0..n_out). Body: next, y, sum in this order within out. */
    int32_t *out;
    int32_t n_out;
    /* Slots of a body. */
    int32_t n_seq, n_carry, n_const, n_y, n_sum;
    int32_t *seq, *carry, *constant;
    int32_t time;
    int32_t n_groups;
    int32_t isa; /* wg_isa of the program */
};

/* Copies what the outputs need, bodies whole. NULL on out of memory. */
wg__graph *wg__graph_build(wg__arena *arena, const wg_tape *tape, const int32_t *out, int n_out);
wg__graph *wg__graph_body(wg__arena *arena, const wg__body *body);
/* Appends a node; returns it (valid until the next append) or NULL. */
wg__gnode *wg__graph_add(wg__graph *g, const wg_op *op, const int32_t *in, int n_in,
                         const void *attr, size_t attr_size, const wg_type *out, int n_out);
/* Replaces every use of value `from` (operands and outputs) by `to`. */
void wg__graph_replace(wg__graph *g, int32_t from, int32_t to);
/* Puts nodes into topological order again after nodes were appended. False on out of memory. */
bool wg__graph_sort(wg__graph *g);
/* Text of a graph, for traces; NULL on out of memory. Freed with wg_free. */
char *wg__graph_text(const wg__graph *g);

/* Canonical bytes of what the outputs need: equal bytes, equal programs. */
typedef struct wg__bytes {
    unsigned char *data;
    size_t size, capacity;
    bool failed;
} wg__bytes;
void wg__bytes_put(wg__bytes *b, const void *data, size_t size);
uint64_t wg__bytes_hash(const wg__bytes *b);
/* Canonical bytes of a body and the places that its nodes were recorded from: equal bytes, the same
 * body for every purpose, messages included. */
void wg__body_bytes(wg__bytes *b, const wg__body *body);
/* Also lists the tape's leaf values (tensors, inputs) in canonical order into leaves[]. */
bool wg__canonical(const wg_tape *tape, const int32_t *out, int n_out, wg__bytes *bytes,
                   int32_t *scratch /* n_values */, uint8_t *mark /* n_nodes */, int32_t *leaves,
                   int32_t *n_leaves);

/* passes/bf16.c: f32 products into their form in bf16, bodies too. */
void wg__products_in_bf16(wg__graph *g);

/* The passes, each its own file under core/passes. False on out of memory. */
bool wg__pass_merge_scans(wg__graph *g);
bool wg__pass_dead(wg__graph *g); /* dead code, unused slots of scans */
bool wg__pass_cse(wg__graph *g);
bool wg__pass_broadcasts(wg__graph *g);   /* operands are broadcast by those who read them */
bool wg__pass_products(wg__graph *g);     /* products of loops merged and split */
bool wg__pass_invariant(wg__graph *g);    /* what does not change leaves loops */
bool wg__pass_hoist(wg__graph *g);        /* products of sequences leave loops */
bool wg__pass_sink(wg__graph *g);         /* products that only feed sums and outputs leave loops */
bool wg__pass_merge_sums(wg__graph *g);   /* rows added into zeros, added: added at once */
bool wg__pass_pack_weights(wg__graph *g); /* right operands of a loop's products, packed once */
bool wg__pass_pair(wg__graph *g);         /* ops and their gradients in one */
bool wg__pass_unmask(wg__graph *g);       /* bodies of loops without the masks of lengths */
bool wg__pass_push_views(wg__graph *g);   /* slices move before elementwise ops */
bool wg__pass_fuse(wg__graph *g);

#endif
