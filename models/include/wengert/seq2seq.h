/* Encoder-decoder translator: recurrent encoder, recurrent decoder, attention between them.
 *
 *     x_s = dropout(E_src[src_s])                      embeddings
 *     m, last = encoder(x)                             one or two directions, padded by lengths
 *     state_0 = [last forward; last backward], or tanh(W [..] + b) (init_projection)
 *     d_t, state_t = decoder(dropout(E_tgt[y_t-1]) [; a_t-1 with input feeding], state_t-1)
 *     c_t = attention(d_t, m)
 *     a_t = tanh(Wc [c_t; d_t] + bc)                   (Luong et al. 2015, eq. 5); d_t without
 *     log p(y_t) = log softmax(dropout(a_t) Wo + bo)
 *
 * Sources: Sutskever et al. 2014; Bahdanau et al. 2015; Luong et al. 2015 (input feeding:
 * sec. 3.3); tied embeddings: Press & Wolf 2017. a_0 = 0. The loss is recorded once over all T B
 * positions.
 *
 * Sequences are time major: S source steps, T target steps, B rows; ids i32 below the vocabulary's
 * size, padding included (any id does: lengths say what counts). Recording functions belong to the
 * thread of their tape; a model is constant once made. */
#ifndef WENGERT_SEQ2SEQ_H
#define WENGERT_SEQ2SEQ_H

#include <wengert/attention.h>
#include <wengert/rnn.h>

WG_BEGIN_DECLS

typedef enum wg_tie {
    WG_TIE_NONE = 0, /* three tables */
    WG_TIE_TARGET,   /* target embeddings are the output weights as well */
    WG_TIE_ALL,      /* and the source embeddings too: one vocabulary on both sides */
} wg_tie;
#define WG_TIES 3
/* "none", "target", "all"; "?" for another number. ENOTFOUND for another text. */
WG_API const char *wg_tie_name(wg_tie tie);
WG_API wg_status wg_tie_from_name(const char *name, wg_tie *tie, wg_error *err);

typedef struct wg_seq2seq_config {
    size_t size; /* sizeof(wg_seq2seq_config) */
    int64_t source_vocab, target_vocab;
    int64_t embed;      /* width of the embeddings */
    int64_t hidden;     /* units of a decoder layer; a direction of a bidirectional encoder: half */
    int layers;         /* of the encoder and of the decoder; 0 = 1 */
    const char *cell;   /* name of a registered cell; NULL = "lstm" */
    bool bidirectional; /* the encoder */
    wg_attention_kind attention;
    int64_t attention_width; /* of bahdanau; 0 = hidden */
    bool input_feeding;
    /* Decoder's first state through a tanh layer. Used anyhow where the encoder's final states do
     * not have the decoder's size. */
    bool init_projection;
    wg_tie tie;             /* where embed differs from what goes into the output: a linear layer
                               ("out.proj") in between */
    bool reverse_source;    /* (Sutskever et al. 2014, sec. 3.3) */
    double dropout;         /* embeddings, between layers, before the output; [0, 1) */
    double label_smoothing; /* of the training loss; [0, 1) */
    const wg_hyper_value *hypers; /* of the cell */
    int n_hypers;
} wg_seq2seq_config;

typedef struct wg_seq2seq wg_seq2seq;

/* Checks a configuration: EINVAL or ENOTFOUND with a sentence that names the field. */
WG_API wg_status wg_seq2seq_check(const wg_seq2seq_config *config, wg_error *err);

/* Declares the parameters: "src.embed", "tgt.embed" (or "embed"), "enc.*", "dec.*", "init.*",
 * "attn.*", "combine.W", "combine.b", "out.proj", "out.W", "out.b". The config is copied; the
 * parameter set must outlive the result. */
WG_API wg_status wg_seq2seq_new(wg_params *params, const wg_seq2seq_config *config,
                                wg_seq2seq **out, wg_error *err);
WG_API void wg_seq2seq_free(wg_seq2seq *model);
/* The model's own copy, with defaults filled in. */
WG_API const wg_seq2seq_config *wg_seq2seq_get_config(const wg_seq2seq *model);

/* A minibatch. */
typedef struct wg_seq2seq_batch {
    size_t size;        /* sizeof(wg_seq2seq_batch) */
    wg_var src;         /* i32 [S,B] */
    wg_var src_lengths; /* i32 [B], or none: all S */
    wg_var tgt_in;      /* i32 [T,B]: start, y_1 .. */
    wg_var tgt_out;     /* i32 [T,B]: y_1 .., end */
    wg_var tgt_lengths; /* i32 [B], or none: all T */
    wg_var key;         /* i32 [4] of wg_random_uniform; needed in training with dropout */
    bool training;      /* dropout and label smoothing act */
    bool want_weights;  /* record `weights` */
} wg_seq2seq_batch;

typedef struct wg_seq2seq_loss {
    wg_var sum;     /* scalar: cross entropy summed over the positions that count */
    wg_var count;   /* scalar of the same dtype: how many there are */
    wg_var rows;    /* [T,B]: cross entropy by position, 0 on the padding */
    wg_var logits;  /* [T,B,V]; on the padding: of no meaning */
    wg_var weights; /* [T,B,S] attention, where wanted and there is any; else none */
} wg_seq2seq_loss;

/* Records the loss of a minibatch with the true words fed to the decoder (teacher forcing). */
WG_API wg_status wg_seq2seq_record_loss(wg_tape *tape, const wg_seq2seq *model,
                                        const wg_seq2seq_batch *batch, wg_seq2seq_loss *loss);

/* Where a decoder stands: everything that the next step needs. */
typedef struct wg_seq2seq_point {
    size_t size;                /* sizeof(wg_seq2seq_point) */
    wg_attention_memory memory; /* B rows; vars none without attention */
    wg_var feed;                /* [R,hidden]: attentional vector; none without input feeding */
    wg_var state[WG_RNN_MAX_STATES]; /* [R,...] by slot, wg_seq2seq_state_count of them */
} wg_seq2seq_point;

/* Records the encoder, without dropout: where the decoder stands before the first word. src i32
 * [S,B], lengths i32 [B] or WG_NONE. R = B. */
WG_API wg_status wg_seq2seq_record_encoder(wg_tape *tape, const wg_seq2seq *model, wg_var src,
                                           wg_var src_lengths, wg_seq2seq_point *start);

/* Records one step of the decoder, without dropout: the word before, i32 [R] -> log-probabilities
 * [R,V] of the next one, attention weights [R,S] (may be NULL; none without attention), and where
 * the decoder stands then (its memory is that of `at`). The memory has R rows, or B with R = g B:
 * row r belongs to sentence r / g then, as the hypotheses of a beam do. */
WG_API wg_status wg_seq2seq_record_step(wg_tape *tape, const wg_seq2seq *model,
                                        const wg_seq2seq_point *at, wg_var word, wg_var *log_probs,
                                        wg_var *weights, wg_seq2seq_point *next);

/* For tensors and inputs that hold a point: states by slot, width of the feed (0 without input
 * feeding), widths of keys and values (0 without attention). */
WG_API int wg_seq2seq_state_count(const wg_seq2seq *model);
WG_API wg_shape wg_seq2seq_state_shape(const wg_seq2seq *model, int slot, int64_t rows);
WG_API int64_t wg_seq2seq_feed_size(const wg_seq2seq *model);
WG_API int64_t wg_seq2seq_key_size(const wg_seq2seq *model);
WG_API int64_t wg_seq2seq_value_size(const wg_seq2seq *model);

WG_END_DECLS

#endif
