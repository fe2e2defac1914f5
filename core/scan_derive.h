/* What one differentiation of a loop body gives: shared by the file that derives it and the file
 * that puts the scans on a tape. Made once for a body and a pattern of gradients, kept with the
 * body, immutable. */
#ifndef WG_CORE_SCAN_DERIVE_H
#define WG_CORE_SCAN_DERIVE_H

#include "tape_internal.h"

/* How a value of the differentiated body is had in the backward body. */
enum {
    WG__UNUSED = 0,
    WG__ADJOINT,  /* depends on an incoming gradient: computed by the backward body */
    WG__SEQUENCE, /* a slot of the forward body */
    WG__CONSTANT,
    WG__TIME,
    WG__RECOMPUTE, /* cheap: computed again from what there is */
    WG__HOIST,     /* depends on constants only: computed once outside */
    WG__STACK,     /* stacked by the augmented forward scan */
};

/* Where an operand of the backward scan comes from. */
typedef struct wg__source {
    enum {
        WG__FROM_GRAD,    /* gradient of result `index` of the forward scan */
        WG__FROM_OPERAND, /* operand `index` of it */
        WG__FROM_RESULT,  /* result `index` of it */
        WG__FROM_STACK,   /* result `index` of the augmented scan */
        WG__FROM_HOIST,   /* value `index` of the differentiated body, computed outside */
    } kind;
    int32_t index;
    int32_t value; /* of the differentiated body */
} wg__source;

struct wg__derived {
    struct wg__derived *next; /* of the same body */
    wg__arena arena;
    uint8_t *key; /* has[n_out], needs[n_in], remat */
    size_t key_size;
    const wg__body *body;
    bool remat;                    /* compute again whatever can be, products and loops too */
    wg_tape *d;                    /* the differentiated body */
    uint8_t *active;               /* per carry: does its gradient flow? */
    int32_t *g_next, *g_y, *g_sum; /* values of d: gradient slots; -1 = absent */
    int32_t *gx;       /* per operand: value of d with its gradient in one step; -1 = zero */
    uint8_t *use;      /* per value of d */
    wg__body *forward; /* augmented; NULL when nothing need be stacked */
    wg__body *backward;
    wg__source *operands; /* of the backward scan: sequences, initial gradients, constants */
    int32_t n_seq, n_carry, n_const, n_y, n_sum;
    int32_t *carry;   /* which forward carry; */
    int32_t *y, *sum; /* which forward operand a result is the gradient of */
};
typedef struct wg__derived wg__derived;

/* The derivation for this pattern, from the body's list or made anew. `tape` is where the scan is
 * (messages go there). NULL on failure: the tape is poisoned. */
const wg__derived *wg__scan_derive(wg_tape *tape, wg__body *body, bool remat, const uint8_t *has,
                                   const uint8_t *needs, int32_t n_out, int32_t n_in);
void wg__derived_free(wg__derived *list);
/* scan_classify.c: fills in use[]. */
wg_status wg__scan_classify(wg__derived *p);

/* Clones onto dst whatever the marked values need and is not yet mapped. */
wg_status wg__clone_needed(wg_tape *dst, const wg_tape *d, uint8_t *mark, int32_t *map);

#endif
