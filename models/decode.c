/* Decoding: options, and the programs of a shape. */
#include "decode_internal.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { DEFAULT_SHAPES = 32, DEFAULT_ROUND = 8 };
static const int64_t default_bytes = (int64_t)1 << 30;

static const char *const norm_name[WG_LENGTH_NORMS] = {"none", "wu", "average"};

const char *wg_length_norm_name(wg_length_norm norm)
{
    return (int)norm >= 0 && (int)norm < WG_LENGTH_NORMS ? norm_name[norm] : "?";
}

wg_status wg_length_norm_from_name(const char *name, wg_length_norm *norm, wg_error *err)
{
    for (int i = 0; name && i < WG_LENGTH_NORMS; i++)
        if (strcmp(name, norm_name[i]) == 0) {
            *norm = (wg_length_norm)i;
            return WG_OK;
        }
    return wg_error_set(err, WG_ENOTFOUND,
                        "'%.64s' is no length normalisation; there are none, wu, average",
                        name ? name : "");
}

double wg_length_penalty(wg_length_norm norm, double alpha, int64_t length)
{
    if (norm == WG_LENGTH_WU) return pow((5 + (double)length) / 6, alpha);
    if (norm == WG_LENGTH_AVERAGE) return length > 0 ? (double)length : 1;
    return 1;
}

/* ---- options ---- */

static wg_status check_range(const char *name, double value, double low, double high, wg_error *err)
{
    if (value >= low && value <= high) return WG_OK;
    return wg_error_set(err, WG_EINVAL, "decoder: %s is %g, should be in %g..%g", name, value, low,
                        high);
}

static wg_status check(const wg_seq2seq *model, const wg_decoder_options *o, wg_error *err)
{
    if (!model || o->size < sizeof *o)
        return wg_error_set(err, WG_EINVAL, "decoder: no model, or options of unknown size");
    double top = (double)(wg_seq2seq_get_config(model)->target_vocab - 1);
    const struct {
        const char *name;
        double value, low, high;
    } ranges[] = {{"start_id", o->start_id, 0, top},
                  {"end_id", o->end_id, 0, top},
                  {"n_banned", o->n_banned, 0, WG__MOST_BANNED},
                  {"beam_size", o->beam_size, 1, WG__MOST_BEAM},
                  {"n_best", o->n_best, 1, o->beam_size},
                  {"norm", (int)o->norm, 0, WG_LENGTH_NORMS - 1},
                  {"alpha", o->alpha, 0, 10},
                  {"max_length", (double)o->max_length, 0, 1 << 20},
                  {"max_ratio", o->max_ratio, 0, 1e6},
                  {"max_extra", (double)o->max_extra, 0, 1 << 20},
                  {"min_length", (double)o->min_length, 0, 1 << 20},
                  {"round_steps", (double)o->round_steps, 0, 1 << 20},
                  {"max_programs", o->max_programs, 0, WG__LRU_MOST},
                  {"max_bytes", (double)o->max_bytes, 0, 9e18}};
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        wg_status status =
            check_range(ranges[i].name, ranges[i].value, ranges[i].low, ranges[i].high, err);
        if (status) return status;
    }
    if (o->start_id == o->end_id)
        return wg_error_set(err, WG_EINVAL, "decoder: start_id and end_id are both %d",
                            (int)o->end_id);
    if (o->n_banned > 0 && !o->banned)
        return wg_error_set(err, WG_EINVAL, "decoder: %d banned words without their ids",
                            o->n_banned);
    for (int i = 0; i < o->n_banned; i++)
        if (o->banned[i] == o->end_id)
            return wg_error_set(err, WG_EINVAL, "decoder: the end symbol is banned");
    return WG_OK;
}

static void free_shape(void *value)
{
    wg__decode_shape *p = value;
    if (!p) return;
    wg_program_free(p->encoder);
    wg_program_free(p->step);
    wg_tensor *const single[] = {p->src,  p->lengths, p->keys,      p->values,  p->mask,
                                 p->word, p->feed,    p->log_probs, p->weights, p->next_feed};
    for (size_t i = 0; i < sizeof single / sizeof *single; i++) wg_tensor_free(single[i]);
    for (int i = 0; i < WG_RNN_MAX_STATES; i++) {
        wg_tensor_free(p->first[i]);
        wg_tensor_free(p->state[i]);
        wg_tensor_free(p->next_state[i]);
    }
    wg_free(p);
}

wg_status wg_decoder_new(const wg_seq2seq *model, const wg_decoder_options *options,
                         wg_decoder **out, wg_error *err)
{
    *out = NULL;
    wg_decoder_options defaults = WG_DECODER_OPTIONS_INIT;
    if (!options) options = &defaults;
    wg_status status = check(model, options, err);
    if (status) return status;
    wg_decoder *d = wg_calloc(1, sizeof *d);
    if (!d) return wg_error_set(err, WG_ENOMEM, "decoder: out of memory");
    d->model = model;
    d->options = *options;
    d->options.size = sizeof d->options;
    if (d->options.round_steps == 0) d->options.round_steps = DEFAULT_ROUND;
    if (d->options.beam_size == 1) d->options.early_stop = true; /* greedy: the first end ends */
    if (options->n_banned > 0)
        memcpy(d->banned, options->banned, (size_t)options->n_banned * sizeof *d->banned);
    d->banned[d->options.n_banned++] = options->start_id;
    d->options.banned = d->banned;
    status =
        wg__lru_init(&d->shapes, options->max_programs ? options->max_programs : DEFAULT_SHAPES,
                     options->max_bytes ? options->max_bytes : default_bytes, free_shape, err);
    if (!status) status = wg_workspace_new(&d->workspace, err);
    if (status) {
        wg_decoder_free(d);
        return status;
    }
    *out = d;
    return WG_OK;
}

void wg_decoder_free(wg_decoder *decoder)
{
    if (!decoder) return;
    wg__lru_clear(&decoder->shapes);
    wg_workspace_free(decoder->workspace);
    wg_free(decoder);
}

void wg_decoder_cache_stats(const wg_decoder *decoder, int64_t *compiled, int64_t *held)
{
    if (compiled) *compiled = decoder->compiled;
    if (held) *held = decoder->shapes.n;
}

/* ---- programs ---- */

/* Outputs of a program and the tensors made for them. */
typedef struct outputs {
    wg_var var[WG_RNN_MAX_STATES + 4];
    wg_tensor **tensor[WG_RNN_MAX_STATES + 4];
    int n;
} outputs;

static void add_output(outputs *o, wg_var var, wg_tensor **tensor)
{
    o->var[o->n] = var;
    o->tensor[o->n++] = tensor;
}

static wg_status tape_error(const wg_tape *tape, wg_status otherwise, wg_error *err)
{
    wg_status status = wg_tape_status(tape, err);
    return status ? status : otherwise;
}

/* Compiles and binds the outputs, to tensors that are made where there are none yet. */
static wg_status compile(const wg_decoder *d, const wg_tape *tape, const outputs *o,
                         wg_program **program, wg_error *err)
{
    wg_status status = wg_tape_status(tape, err);
    const wg_compile_options options = {.size = sizeof options,
                                        .threads = d->options.threads,
                                        .trace = d->options.trace,
                                        .trace_user = d->options.trace_user,
                                        .workspace = d->workspace};
    if (!status) status = wg_compile(o->var, o->n, &options, program, err);
    for (int i = 0; i < o->n && !status; i++) {
        wg_type type = wg_var_type(o->var[i]);
        if (!*o->tensor[i]) status = wg_tensor_new(type.dtype, type.shape, o->tensor[i], err);
        if (!status) status = wg_program_bind_output(*program, i, *o->tensor[i], err);
    }
    return status;
}

static wg_status bind_input(wg_program *program, const char *name, wg_tensor *tensor, wg_error *err)
{
    if (!tensor) return WG_OK;
    wg_status status = wg_program_bind(program, name, tensor, err);
    /* What a cell does not look at is no input of the program. */
    return status == WG_ENOTFOUND ? WG_OK : status;
}

static wg_status make_encoder(const wg_decoder *d, wg_tape *tape, wg__decode_shape *p,
                              wg_error *err)
{
    wg_var src = wg_input(tape, "src", WG_I32, WG_SHAPE(p->s, p->b));
    wg_var lengths = wg_input(tape, "lengths", WG_I32, WG_SHAPE(p->b));
    wg_seq2seq_point start;
    wg_status status = wg_seq2seq_record_encoder(tape, d->model, src, lengths, &start);
    if (status) return tape_error(tape, status, err);
    outputs o = {.n = 0};
    if (!wg_is_none(start.memory.values)) {
        add_output(&o, start.memory.values, &p->values);
        add_output(&o, start.memory.mask, &p->mask);
        if (start.memory.keys.index != start.memory.values.index)
            add_output(&o, start.memory.keys, &p->keys);
    }
    for (int i = 0; i < wg_seq2seq_state_count(d->model); i++)
        add_output(&o, start.state[i], &p->first[i]);
    status = compile(d, tape, &o, &p->encoder, err);
    if (!status) status = wg_tensor_new(WG_I32, WG_SHAPE(p->s, p->b), &p->src, err);
    if (!status) status = wg_tensor_new(WG_I32, WG_SHAPE(p->b), &p->lengths, err);
    if (!status) status = bind_input(p->encoder, "src", p->src, err);
    if (!status) status = bind_input(p->encoder, "lengths", p->lengths, err);
    return status;
}

static wg_var tensor_input(wg_tape *tape, const char *name, const wg_tensor *tensor)
{
    return tensor ? wg_input(tape, name, wg_tensor_dtype(tensor), wg_tensor_shape(tensor))
                  : WG_NONE;
}

static wg_status make_inputs(const wg_decoder *d, wg__decode_shape *p, wg_dtype dtype,
                             wg_error *err)
{
    wg_status status = wg_tensor_new(WG_I32, WG_SHAPE(p->rows), &p->word, err);
    int64_t feed = wg_seq2seq_feed_size(d->model);
    if (!status && feed > 0) status = wg_tensor_new(dtype, WG_SHAPE(p->rows, feed), &p->feed, err);
    for (int i = 0; i < wg_seq2seq_state_count(d->model) && !status; i++)
        status =
            wg_tensor_new(dtype, wg_seq2seq_state_shape(d->model, i, p->rows), &p->state[i], err);
    return status;
}

static void state_name(char name[16], int i)
{
    snprintf(name, 16, "state%d", i);
}

static wg_status make_step(const wg_decoder *d, wg_tape *tape, wg__decode_shape *p, wg_error *err)
{
    int n = wg_seq2seq_state_count(d->model);
    wg_status status = make_inputs(d, p, wg_tensor_dtype(p->first[0]), err);
    if (status) return status;
    char name[16];
    wg_seq2seq_point at = {.size = sizeof at, .memory.size = sizeof at.memory}, next;
    at.memory.values = tensor_input(tape, "values", p->values);
    at.memory.mask = tensor_input(tape, "mask", p->mask);
    at.memory.keys = p->keys ? tensor_input(tape, "keys", p->keys) : at.memory.values;
    at.feed = tensor_input(tape, "feed", p->feed);
    for (int i = 0; i < n; i++) {
        state_name(name, i);
        at.state[i] = tensor_input(tape, name, p->state[i]);
    }
    wg_var log_probs, weights = WG_NONE;
    status = wg_seq2seq_record_step(tape, d->model, &at, tensor_input(tape, "word", p->word),
                                    &log_probs, &weights, &next);
    if (status) return tape_error(tape, status, err);
    outputs o = {.n = 0};
    add_output(&o, log_probs, &p->log_probs);
    if (d->options.want_weights && !wg_is_none(weights)) add_output(&o, weights, &p->weights);
    if (p->feed) add_output(&o, next.feed, &p->next_feed);
    for (int i = 0; i < n; i++) add_output(&o, next.state[i], &p->next_state[i]);
    status = compile(d, tape, &o, &p->step, err);
    if (!status) status = bind_input(p->step, "values", p->values, err);
    if (!status) status = bind_input(p->step, "mask", p->mask, err);
    if (!status) status = bind_input(p->step, "keys", p->keys, err);
    if (!status) status = bind_input(p->step, "feed", p->feed, err);
    if (!status) status = bind_input(p->step, "word", p->word, err);
    for (int i = 0; i < n && !status; i++) {
        state_name(name, i);
        status = bind_input(p->step, name, p->state[i], err);
    }
    return status;
}

static int64_t bytes_of(const wg__decode_shape *p)
{
    wg_program_stats encoder = {.size = sizeof encoder}, step = {.size = sizeof step};
    wg_program_get_stats(p->encoder, &encoder);
    wg_program_get_stats(p->step, &step);
    size_t bytes = wg_tensor_bytes(p->log_probs);
    if (p->values) bytes += 2 * wg_tensor_bytes(p->values);
    return encoder.bytes_held + step.bytes_held + (int64_t)bytes;
}

static wg_status find_shape(wg_decoder *d, int64_t steps, int64_t rows, wg__decode_shape **out,
                            wg_error *err)
{
    int64_t round = d->options.round_steps, s = (steps + round - 1) / round * round;
    wg__lru_key key = {{s, rows, 0, 0}};
    *out = wg__lru_find(&d->shapes, &key);
    if (*out) return WG_OK;
    wg__lru_make_room(&d->shapes);
    wg__decode_shape *p = wg_calloc(1, sizeof *p);
    if (!p) return wg_error_set(err, WG_ENOMEM, "decoder: out of memory");
    p->b = rows;
    p->s = s;
    p->rows = rows * d->options.beam_size;
    wg_tape *tape;
    wg_status status = wg_tape_new(&tape, err);
    if (!status) {
        status = make_encoder(d, tape, p, err);
        wg_tape_free(tape);
    }
    if (!status) status = wg_tape_new(&tape, err);
    if (!status) {
        /* Of its own: its inputs have the encoder's outputs' names. */
        status = make_step(d, tape, p, err);
        wg_tape_free(tape);
    }
    if (status) {
        free_shape(p);
        return status;
    }
    wg__lru_put(&d->shapes, &key, p, bytes_of(p));
    d->compiled++;
    *out = p;
    return WG_OK;
}

/* ---- a run ---- */

static wg_status fill(const wg_decoder *d, wg__decode_shape *p, const int32_t *src,
                      const int32_t *lengths, int64_t steps, int64_t rows, wg_error *err)
{
    int64_t vocab = wg_seq2seq_get_config(d->model)->source_vocab;
    int32_t *ids = wg_tensor_data(p->src), *length = wg_tensor_data(p->lengths);
    memset(ids, 0, wg_tensor_bytes(p->src));
    for (int64_t b = 0; b < rows; b++) {
        length[b] = lengths ? lengths[b] : (int32_t)steps;
        if (length[b] < 1 || length[b] > steps)
            return wg_error_set(err, WG_EINVAL,
                                "decoder: the length of sentence %" PRId64 " is %" PRId32
                                ", should be 1..%" PRId64,
                                b, length[b], steps);
        for (int64_t t = 0; t < length[b]; t++) {
            int32_t id = src[t * rows + b];
            if (id < 0 || id >= vocab)
                return wg_error_set(err, WG_EINVAL,
                                    "decoder: id %" PRId32 " at step %" PRId64
                                    " of sentence %" PRId64
                                    " is outside the vocabulary of %" PRId64,
                                    id, t, b, vocab);
            ids[t * rows + b] = id;
        }
    }
    return WG_OK;
}

/* Every hypothesis starts where its sentence does. */
static void start(const wg_decoder *d, wg__decode_shape *p)
{
    int beam = d->options.beam_size;
    for (int i = 0; i < wg_seq2seq_state_count(d->model); i++) {
        const char *from = wg_tensor_cdata(p->first[i]);
        char *to = wg_tensor_data(p->state[i]);
        size_t row = wg_tensor_bytes(p->first[i]) / (size_t)p->b;
        for (int64_t r = 0; r < p->rows; r++)
            memcpy(to + (size_t)r * row, from + (size_t)(r / beam) * row, row);
    }
    if (p->feed) memset(wg_tensor_data(p->feed), 0, wg_tensor_bytes(p->feed));
    wg_tensor_fill(p->word, d->options.start_id);
}

wg_status wg_decoder_run(wg_decoder *d, const int32_t *src, const int32_t *lengths, int64_t steps,
                         int64_t rows, wg_decode_result **out, wg_error *err)
{
    *out = NULL;
    const int64_t most = INT32_MAX / 4;
    if (!src || steps < 1 || rows < 1 || steps > most || rows > most / d->options.beam_size)
        return wg_error_set(err, WG_EINVAL,
                            "decoder: %" PRId64 " sentences of %" PRId64 " steps cannot be", rows,
                            steps);
    wg__decode_shape *p;
    wg_status status = find_shape(d, steps, rows, &p, err);
    if (!status) status = fill(d, p, src, lengths, steps, rows, err);
    if (!status) status = wg_program_run(p->encoder, err);
    if (status) return status;
    start(d, p);
    wg__search search = {
        .decoder = d, .shape = p, .beam = d->options.beam_size, .keep_weights = p->weights != NULL};
    status = wg__search_run(&search, wg_tensor_cdata(p->lengths), err);
    if (!status) status = wg__decode_pack(&search, steps, out, err);
    wg__search_free(&search);
    return status;
}
