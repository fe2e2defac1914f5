/* Encoder-decoder: recording of the loss, of the encoder, and of one step of the decoder.
 *
 * One function takes a step of the decoder with input feeding; the training loss runs it as the
 * body of a scan, decoding runs it once a program. Without input feeding the loss runs layers,
 * attention and output over all steps at once. */
#define WG_BUILDING 1 /* errors name the place where the caller's own call was */
#include "seq2seq_internal.h"

#include <wengert/ops.h>
#include <wengert/scan.h>

#include <string.h>

static wg_var param(wg_tape *tape, const wg_seq2seq *m, int id)
{
    return wg_param(tape, m->params, id);
}

static wg_var drop(const wg_seq2seq *m, wg_var x, bool training, wg_var key, const char *stream)
{
    if (!training || m->config.dropout == 0) return x;
    return wg_dropout(x, m->config.dropout, key, stream, WG_NONE, 0);
}

/* The tape's first error where there is one, not what came of it later. */
static wg_status first_error(wg_tape *tape, wg_status status)
{
    wg_status first = wg_tape_status(tape, NULL);
    return first ? first : status;
}

/* ---- encoder ---- */

/* The decoder's first state from the final states of the encoder. */
static wg_var first_state(wg_tape *tape, const wg_seq2seq *m, const wg_var *last, int slot)
{
    int directions = wg_rnn_directions(m->encoder);
    wg_var part[2];
    for (int d = 0; d < directions; d++) part[d] = last[wg__seq2seq_source_slot(m, slot, d)];
    if (m->init_w[slot] < 0) return directions == 2 ? wg_concat(part, 2, -1) : part[0];
    int64_t rows = wg_dim(part[0], 0);
    for (int d = 0; d < directions; d++) part[d] = wg_reshape(part[d], WG_SHAPE(rows, -1));
    wg_var all = directions == 2 ? wg_concat(part, 2, -1) : part[0];
    wg_var y =
        wg_tanh(wg_affine(all, param(tape, m, m->init_w[slot]), param(tape, m, m->init_b[slot])));
    return wg_reshape(y, wg_rnn_state_shape(m->decoder, slot, rows));
}

static wg_status encode(wg_tape *tape, const wg_seq2seq *m, wg_var src, wg_var lengths,
                        bool training, wg_var key, wg_seq2seq_point *start)
{
    const wg_seq2seq_config *c = &m->config;
    *start = (wg_seq2seq_point){.size = sizeof *start, .memory.size = sizeof start->memory};
    wg_push_scope(tape, "encoder");
    wg_var ids = c->reverse_source ? wg_reverse(src, 0, lengths) : src;
    wg_var x = wg_embedding(param(tape, m, m->src_embed), ids);
    x = drop(m, x, training, key, "src.embed.dropout");
    wg_rnn_options options = {
        .size = sizeof options, .training = training, .key = key, .lengths = lengths};
    wg_var y, last[WG_RNN_MAX_STATES];
    wg_status status = wg_rnn_run(tape, m->encoder, &options, x, &y, last);
    if (!status && m->attention) {
        /* Weights then speak of the words in their own order. */
        if (c->reverse_source) y = wg_reverse(y, 0, lengths);
        status = wg_attention_prepare(tape, m->attention, y, lengths, &start->memory);
    }
    for (int i = 0; i < wg_rnn_state_count(m->decoder) && !status; i++)
        start->state[i] = first_state(tape, m, last, i);
    if (c->input_feeding)
        start->feed =
            wg_const(tape, wg_params_dtype(m->params), WG_SHAPE(wg_dim(src, 1), c->hidden), 0);
    wg_pop_scope(tape);
    return first_error(tape, status);
}

/* ---- decoder ---- */

/* a = tanh(Wc [context; d] + bc), for rows of any number of leading axes */
static wg_var combine(wg_tape *tape, const wg_seq2seq *m, wg_var context, wg_var d)
{
    return wg_tanh(wg_affine(wg_concat((wg_var[]){context, d}, 2, -1), param(tape, m, m->combine_w),
                             param(tape, m, m->combine_b)));
}

/* rows [N,...] -> logits [N,V] */
static wg_var output(wg_tape *tape, const wg_seq2seq *m, wg_var rows)
{
    wg_var b = param(tape, m, m->out_b);
    if (m->config.tie == WG_TIE_NONE) return wg_affine(rows, param(tape, m, m->out_w), b);
    if (m->out_proj >= 0) rows = wg_matmul(rows, param(tape, m, m->out_proj));
    return wg_add(wg_matmul_t(rows, param(tape, m, m->tgt_embed), false, true), b);
}

/* One step from an embedded word x [R,E]: the row that the output sees, and the point after it. */
static wg_status decoder_step(wg_tape *tape, const wg_seq2seq *m, const wg_rnn_options *like,
                              const wg_seq2seq_point *at, wg_var x, wg_var *row, wg_var *weights,
                              wg_seq2seq_point *next)
{
    wg_rnn_options options = *like;
    options.states = at->state;
    *next = *at;
    if (m->config.input_feeding) x = wg_concat((wg_var[]){x, at->feed}, 2, -1);
    wg_var d, context;
    wg_status status = wg_rnn_step(tape, m->decoder, &options, x, &d, next->state);
    if (!status && m->attention)
        status = wg_attention_step(tape, m->attention, &at->memory, d, &context, weights);
    if (status) return status;
    *row = m->attention ? combine(tape, m, context, d) : d;
    if (m->config.input_feeding) next->feed = *row;
    return wg_tape_status(tape, NULL);
}

/* The body of the scan with input feeding: carries are the feed and the states. */
typedef struct feeding {
    const wg_seq2seq *m;
    wg_rnn_options options;
    wg_seq2seq_point at; /* memory only */
    bool want_weights;
} feeding;

static void feeding_body(void *user, wg_scan_step *step)
{
    feeding *f = user;
    wg_seq2seq_point at = f->at, next;
    wg_var row, weights;
    int n = wg_rnn_state_count(f->m->decoder);
    f->options.time = step->time;
    at.feed = step->carry[0];
    memcpy(at.state, step->carry + 1, (size_t)n * sizeof *at.state);
    wg_status status =
        decoder_step(step->tape, f->m, &f->options, &at, step->x[0], &row, &weights, &next);
    if (status) {
        wg_tape_fail(step->tape, status, "seq2seq: a step of the decoder failed");
        return;
    }
    step->next[0] = next.feed;
    memcpy(step->next + 1, next.state, (size_t)n * sizeof *next.state);
    step->y[0] = row;
    if (f->want_weights) step->y[1] = weights;
}

static wg_status run_feeding(wg_tape *tape, const wg_seq2seq *m, const wg_seq2seq_batch *b,
                             const wg_seq2seq_point *start, wg_var x, wg_var *rows, wg_var *weights)
{
    feeding f = {.m = m,
                 .options = {.size = sizeof f.options, .training = b->training, .key = b->key},
                 .at = *start,
                 .want_weights = b->want_weights};
    int n = wg_rnn_state_count(m->decoder);
    wg_var init[WG_RNN_MAX_STATES + 1], y[2];
    init[0] = start->feed;
    memcpy(init + 1, start->state, (size_t)n * sizeof *init);
    /* No lengths: what is past a row's end is masked out of the loss, so nothing flows back. */
    wg_scan_def def = {.size = sizeof def,
                       .body = feeding_body,
                       .user = &f,
                       .sequences = &x,
                       .n_sequences = 1,
                       .init = init,
                       .n_carries = n + 1,
                       .n_outputs = b->want_weights ? 2 : 1,
                       .name = "decoder"};
    wg_status status = wg_scan(tape, &def, NULL, y, NULL);
    *rows = y[0];
    if (b->want_weights) *weights = y[1];
    return first_error(tape, status);
}

/* All steps of the decoder at once: rows [T,B,...] that the output sees. */
static wg_status decode(wg_tape *tape, const wg_seq2seq *m, const wg_seq2seq_batch *b,
                        const wg_seq2seq_point *start, wg_var *rows, wg_var *weights)
{
    wg_var x = wg_embedding(param(tape, m, m->tgt_embed), b->tgt_in);
    x = drop(m, x, b->training, b->key, "tgt.embed.dropout");
    if (m->config.input_feeding) return run_feeding(tape, m, b, start, x, rows, weights);
    wg_rnn_options options = {
        .size = sizeof options, .training = b->training, .key = b->key, .states = start->state};
    wg_status status = wg_rnn_run(tape, m->decoder, &options, x, rows, NULL);
    if (status || !m->attention) return status;
    wg_var contexts, w;
    status = wg_attention_run(tape, m->attention, &start->memory, *rows, &contexts, &w);
    if (status) return status;
    if (b->want_weights) *weights = w;
    *rows = combine(tape, m, contexts, *rows);
    return wg_tape_status(tape, NULL);
}

/* ---- loss ---- */

static wg_status fail(wg_tape *tape, wg_status status, const char *message)
{
    wg_tape_fail(tape, status, "seq2seq: %s", message);
    return wg_tape_status(tape, NULL);
}

static bool is_ids(wg_var v, int rank)
{
    return wg_var_ok(v) && wg_var_dtype(v) == WG_I32 && wg_rank(v) == rank;
}

static wg_status check_batch(wg_tape *tape, const wg_seq2seq *m, const wg_seq2seq_batch *b)
{
    if (b->size < sizeof *b) return fail(tape, WG_EINVAL, "batch of unknown size");
    wg_status status = wg_tape_status(tape, NULL);
    if (status) return status;
    if (!is_ids(b->src, 2)) return fail(tape, WG_ESHAPE, "src must be i32 [S,B]");
    if (!is_ids(b->tgt_in, 2)) return fail(tape, WG_ESHAPE, "tgt_in must be i32 [T,B]");
    if (!is_ids(b->tgt_out, 2)) return fail(tape, WG_ESHAPE, "tgt_out must be i32 [T,B]");
    wg_shape in = wg_var_type(b->tgt_in).shape, out = wg_var_type(b->tgt_out).shape;
    if (!wg_shape_equal(&in, &out))
        return fail(tape, WG_ESHAPE, "tgt_in and tgt_out have different shapes");
    int64_t rows = wg_dim(b->src, 1);
    if (rows != in.dim[1])
        return fail(tape, WG_ESHAPE, "source and target have different numbers of rows");
    const wg_var lengths[] = {b->src_lengths, b->tgt_lengths};
    for (int i = 0; i < 2; i++)
        if (!wg_is_none(lengths[i]) && (!is_ids(lengths[i], 1) || wg_dim(lengths[i], 0) != rows))
            return fail(tape, WG_ESHAPE, "lengths must be i32 [B]");
    if (b->training && m->config.dropout > 0 && wg_is_none(b->key))
        return fail(tape, WG_EINVAL, "dropout in training needs a key");
    return WG_OK;
}

wg_status wg_seq2seq_record_loss(wg_tape *tape, const wg_seq2seq *model,
                                 const wg_seq2seq_batch *batch, wg_seq2seq_loss *loss)
{
    const wg_seq2seq *m = model;
    if (!tape || !m || !batch || !loss) return WG_EINVAL;
    wg_var bad = WG_NONE, rows;
    wg_seq2seq_point start;
    *loss = (wg_seq2seq_loss){.weights = WG_NONE};
    wg_status status = check_batch(tape, m, batch);
    if (!status)
        status =
            encode(tape, m, batch->src, batch->src_lengths, batch->training, batch->key, &start);
    wg_push_scope(tape, "decoder");
    if (!status) status = decode(tape, m, batch, &start, &rows, &loss->weights);
    wg_pop_scope(tape);
    if (status) {
        bad = wg_tape_fail(tape, status, "seq2seq: loss failed");
        *loss = (wg_seq2seq_loss){bad, bad, bad, bad, bad};
        return first_error(tape, status);
    }
    int64_t steps = wg_dim(batch->tgt_in, 0), width = wg_dim(batch->tgt_in, 1);
    int64_t positions = steps * width; /* fits: rows of this many elements exist already */
    wg_push_scope(tape, "output");
    rows = drop(m, rows, batch->training, batch->key, "out.dropout");
    rows = wg_reshape(rows, WG_SHAPE(positions, wg_dim(rows, 2)));
    wg_var logits = output(tape, m, rows), mask = WG_NONE;
    wg_dtype dtype = wg_params_dtype(m->params);
    if (wg_is_none(batch->tgt_lengths)) {
        loss->count = wg_const(tape, dtype, WG_SCALAR, (double)positions);
    } else {
        mask = wg_reshape(wg_sequence_mask(batch->tgt_lengths, steps, true), WG_SHAPE(positions));
        loss->count = wg_sum_all(wg_cast(mask, dtype));
    }
    wg_var each = wg_cross_entropy(logits, wg_reshape(batch->tgt_out, WG_SHAPE(positions)), mask,
                                   batch->training ? m->config.label_smoothing : 0);
    loss->sum = wg_sum_all(each);
    loss->rows = wg_reshape(each, WG_SHAPE(steps, width));
    loss->logits = wg_reshape(logits, WG_SHAPE(steps, width, m->config.target_vocab));
    wg_pop_scope(tape);
    return wg_tape_status(tape, NULL);
}

/* ---- decoding ---- */

wg_status wg_seq2seq_record_encoder(wg_tape *tape, const wg_seq2seq *model, wg_var src,
                                    wg_var src_lengths, wg_seq2seq_point *start)
{
    if (!tape || !model || !start) return WG_EINVAL;
    wg_status status = wg_tape_status(tape, NULL);
    if (!status && !is_ids(src, 2)) status = fail(tape, WG_ESHAPE, "src must be i32 [S,B]");
    if (!status && !wg_is_none(src_lengths) &&
        (!is_ids(src_lengths, 1) || wg_dim(src_lengths, 0) != wg_dim(src, 1)))
        status = fail(tape, WG_ESHAPE, "lengths must be i32 [B]");
    if (status) return status;
    return encode(tape, model, src, src_lengths, false, WG_NONE, start);
}

wg_status wg_seq2seq_record_step(wg_tape *tape, const wg_seq2seq *model, const wg_seq2seq_point *at,
                                 wg_var word, wg_var *log_probs, wg_var *weights,
                                 wg_seq2seq_point *next)
{
    const wg_seq2seq *m = model;
    if (!tape || !m || !at || !log_probs || !next) return WG_EINVAL;
    wg_status status = wg_tape_status(tape, NULL);
    if (!status && at->size < sizeof *at) status = fail(tape, WG_EINVAL, "point of unknown size");
    if (!status && !is_ids(word, 1)) status = fail(tape, WG_ESHAPE, "word must be i32 [R]");
    if (status) return status;
    wg_rnn_options options = {.size = sizeof options};
    wg_var row, w = WG_NONE;
    wg_push_scope(tape, "decoder");
    wg_var x = wg_embedding(param(tape, m, m->tgt_embed), word);
    status = decoder_step(tape, m, &options, at, x, &row, &w, next);
    wg_pop_scope(tape);
    if (status) return first_error(tape, status);
    wg_push_scope(tape, "output");
    *log_probs = wg_log_softmax(output(tape, m, row));
    wg_pop_scope(tape);
    if (weights) *weights = w;
    return wg_tape_status(tape, NULL);
}
