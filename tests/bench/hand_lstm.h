/* The yardstick: one training step of an LSTM language model, written for this one purpose on
 * oneDNN and CBLAS. Parameters and gradients lie in the order of bench_model's: embedding [V,H];
 * Wx [H,4H], Wh [H,4H], b [4H] of each layer, gates i,f,g,o; output W [H,V], b [V]. */
#ifndef WENGERT_TESTS_HAND_LSTM_H
#define WENGERT_TESTS_HAND_LSTM_H

#include "bench.h"

typedef struct hand_lstm hand_lstm;

wg_status hand_lstm_new(const bench_config *config, int threads, hand_lstm **out, wg_error *err);
void hand_lstm_free(hand_lstm *m);
/* Parameter `i` (0 the embedding) and its gradient; NULL past the end. Of the embedding's gradient
 * only the rows of words in x are written. */
float *hand_lstm_value(hand_lstm *m, int i);
float *hand_lstm_grad(hand_lstm *m, int i);
/* The words, and those after them: i32 [T,B]. */
int32_t *hand_lstm_x(hand_lstm *m);
int32_t *hand_lstm_y(hand_lstm *m);

/* Forward and backward: the mean loss a word, and its gradients. */
double hand_lstm_gradient(hand_lstm *m);
/* That, clipping by norm 5, and SGD with rate 1, for bench_time; the loss by hand_lstm_loss. */
wg_status hand_lstm_step(void *m, wg_error *err);
double hand_lstm_loss(const hand_lstm *m);
/* The libraries chosen for recurrent products, forward and backward, and the others. */
void hand_lstm_choices(const hand_lstm *m, cJSON *line);

#endif
