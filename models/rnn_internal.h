/* What a stack of recurrent layers remembers; shared by its declaration and its recording. */
#ifndef WG_MODELS_RNN_INTERNAL_H
#define WG_MODELS_RNN_INTERNAL_H

#include <wengert/rnn.h>

struct wg_rnn {
    const wg_cell *cell;
    const wg_params *params;
    char *prefix;
    int64_t input_size, hidden_size;
    int64_t output_letter; /* "O" of the cell's shapes */
    int64_t width;         /* of one direction's output */
    int layers, directions;
    double dropout;
    double *hyper; /* by the cell's index */
    int *param;    /* [layer][direction][the cell's index] */
};

#endif
