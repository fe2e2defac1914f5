/* What an encoder-decoder remembers; shared by its declaration and its recording. */
#ifndef WG_MODELS_SEQ2SEQ_INTERNAL_H
#define WG_MODELS_SEQ2SEQ_INTERNAL_H

#include <wengert/seq2seq.h>

struct wg_seq2seq {
    wg_seq2seq_config config; /* strings and hyperparameters owned */
    char *cell_name;
    wg_hyper_value *hypers;
    const wg_params *params;
    wg_rnn *encoder, *decoder;
    wg_attention *attention; /* NULL = none */
    /* Numbers of parameters; -1 = not of this model. */
    int src_embed, tgt_embed;
    int combine_w, combine_b;
    int out_proj, out_w, out_b;
    int init_w[WG_RNN_MAX_STATES], init_b[WG_RNN_MAX_STATES]; /* by the decoder's slot */
};

/* Slot of the encoder from whose final state a slot of the decoder starts, in one direction. */
int wg__seq2seq_source_slot(const wg_seq2seq *model, int slot, int direction);

#endif
