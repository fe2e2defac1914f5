/* The loops of the hand-written step between its products; compiled once for each instruction set.
 */
#ifndef WENGERT_TESTS_HAND_POINTWISE_H
#define WENGERT_TESTS_HAND_POINTWISE_H

#include <stdint.h>

typedef struct hand_loops {
    /* One row of H: gates i,f,g,o before activation, with the bias still to be added, in place;
     * c' and h', and tanh c' for the way back. */
    void (*forward)(int64_t H, float *gates, const float *bias, const float *c, float *new_c,
                    float *tanh_c, float *h);
    /* One row: activated gates become gradients before activation; dc is that of c', and becomes
     * that of c. recurrent is the gradient of h' from the next step (NULL = none). */
    void (*backward)(int64_t H, float *gates, const float *c, const float *tanh_c, const float *dh,
                     const float *recurrent, float *dc);
    /* One row of V logits and a bias to gradients of scale * cross entropy; returns the loss. */
    double (*softmax)(int64_t V, float *logits, const float *bias, int32_t target, float scale);
    void (*add)(int64_t n, float *to, const float *from);
    double (*squares)(int64_t n, const float *x);
    void (*descend)(int64_t n, float *w, const float *g, float rate);
} hand_loops;

extern const hand_loops hand_loops_base, hand_loops_avx2, hand_loops_avx512;

#endif
