/* Training: programs by shape, minibatches copied into their inputs, gradients into the arena. */
#include <wengert/trainer.h>

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "json_numbers.h"
#include "lru.h"

enum { DEFAULT_PROGRAMS = 64 };
static const int64_t default_bytes = (int64_t)2 << 30;

/* Inputs of a program. */
enum { SRC, SRC_LENGTHS, TGT_IN, TGT_OUT, TGT_LENGTHS, KEY, N_INPUTS };
static const char *const input_name[N_INPUTS] = {"src",     "src_lengths", "tgt_in",
                                                 "tgt_out", "tgt_lengths", "key"};

/* A program for one shape, with the tensors bound to it. */
typedef struct step_program {
    wg_program *program;
    wg_tensor *input[N_INPUTS];
    wg_tensor *sum, *count;
    int64_t s, t, b; /* as compiled */
} step_program;

struct wg_trainer {
    const wg_seq2seq *model;
    wg_params *params;
    wg_optimizer *optimizer;
    wg_trainer_options options;
    wg__lru programs;
    wg_workspace *workspace; /* of all programs */
    const step_program *last;
    int64_t steps, compiled;
};

static void free_program(void *value)
{
    step_program *p = value;
    if (!p) return;
    wg_program_free(p->program);
    for (int i = 0; i < N_INPUTS; i++) wg_tensor_free(p->input[i]);
    wg_tensor_free(p->sum);
    wg_tensor_free(p->count);
    wg_free(p);
}

wg_status wg_trainer_new(const wg_seq2seq *model, wg_params *params, wg_optimizer *optimizer,
                         const wg_trainer_options *options, wg_trainer **out, wg_error *err)
{
    *out = NULL;
    wg_trainer_options o = {.size = sizeof o};
    if (options) {
        if (options->size < sizeof o)
            return wg_error_set(err, WG_EINVAL, "trainer: options of unknown size");
        o = *options;
        o.size = sizeof o;
    }
    if (o.round_steps < 0 || o.round_rows < 0 || o.max_programs < 0 || o.max_bytes < 0 ||
        o.round_steps > INT32_MAX || o.round_rows > INT32_MAX)
        return wg_error_set(err, WG_EINVAL, "trainer: negative or huge options");
    if (o.round_steps == 0) o.round_steps = 1;
    if (o.round_rows == 0) o.round_rows = 1;
    if (o.max_bytes == 0) o.max_bytes = default_bytes;
    if (!model || !params || !wg_params_values(params))
        return wg_error_set(err, WG_ESTATE, "trainer: no model, or parameters not initialised");
    wg_trainer *t = wg_calloc(1, sizeof *t);
    if (!t) return wg_error_set(err, WG_ENOMEM, "trainer: out of memory");
    t->model = model;
    t->params = params;
    t->optimizer = optimizer;
    t->options = o;
    wg_status status =
        wg__lru_init(&t->programs, o.max_programs ? o.max_programs : DEFAULT_PROGRAMS, o.max_bytes,
                     free_program, err);
    if (!status) status = wg_workspace_new(&t->workspace, err);
    if (status) {
        wg_trainer_free(t);
        return status;
    }
    *out = t;
    return WG_OK;
}

void wg_trainer_free(wg_trainer *trainer)
{
    if (!trainer) return;
    wg__lru_clear(&trainer->programs);
    wg_workspace_free(trainer->workspace);
    wg_free(trainer);
}

/* ---- programs ---- */

/* Records loss and gradients and compiles them; outputs are sum, count, gradient by parameter. */
static wg_status record(wg_trainer *t, wg_tape *tape, step_program *p, bool training, wg_error *err)
{
    wg_var in[N_INPUTS];
    for (int i = 0; i < N_INPUTS; i++)
        in[i] = wg_input(tape, input_name[i], WG_I32, wg_tensor_shape(p->input[i]));
    wg_seq2seq_batch batch = {.size = sizeof batch,
                              .src = in[SRC],
                              .src_lengths = in[SRC_LENGTHS],
                              .tgt_in = in[TGT_IN],
                              .tgt_out = in[TGT_OUT],
                              .tgt_lengths = in[TGT_LENGTHS],
                              .key = in[KEY],
                              .training = training};
    wg_seq2seq_loss loss;
    wg_status status = wg_seq2seq_record_loss(tape, t->model, &batch, &loss);
    if (status) return wg_tape_status(tape, err) ? wg_tape_status(tape, NULL) : status;
    int n = training ? wg_params_count(t->params) : 0;
    wg_var *vars = wg_calloc(2 * (size_t)n + 2, sizeof *vars);
    if (!vars) return wg_error_set(err, WG_ENOMEM, "trainer: out of memory");
    wg_var *out = vars, *param = vars + n + 2;
    out[0] = loss.sum;
    out[1] = loss.count;
    for (int i = 0; i < n; i++) param[i] = wg_param(tape, t->params, i);
    if (n > 0) wg_grad_or_zeros(&loss.sum, NULL, 1, param, n, out + 2);
    status = wg_tape_status(tape, err);
    const wg_compile_options options = {.size = sizeof options,
                                        .threads = t->options.threads,
                                        .trace = t->options.trace,
                                        .trace_user = t->options.trace_user,
                                        .workspace = t->workspace};
    if (!status) status = wg_compile(out, n + 2, &options, &p->program, err);
    wg_free(vars);
    return status;
}

static wg_status bind(wg_trainer *t, step_program *p, bool training, wg_error *err)
{
    for (int i = 0; i < N_INPUTS; i++) {
        wg_status status = wg_program_bind(p->program, input_name[i], p->input[i], err);
        /* What the model does not use (the key without dropout) is no input of the program. */
        if (status && status != WG_ENOTFOUND) return status;
    }
    wg_status status = wg_program_bind_output(p->program, 0, p->sum, err);
    if (!status) status = wg_program_bind_output(p->program, 1, p->count, err);
    int n = training ? wg_params_count(t->params) : 0;
    for (int i = 0; i < n && !status; i++)
        status = wg_program_bind_output(p->program, i + 2, wg_params_grad(t->params, i), err);
    return status;
}

static wg_status make_program(wg_trainer *t, step_program *p, bool training, wg_error *err)
{
    const wg_shape shape[N_INPUTS] = {
        [SRC] = WG_SHAPE(p->s, p->b),    [SRC_LENGTHS] = WG_SHAPE(p->b),
        [TGT_IN] = WG_SHAPE(p->t, p->b), [TGT_OUT] = WG_SHAPE(p->t, p->b),
        [TGT_LENGTHS] = WG_SHAPE(p->b),  [KEY] = WG_SHAPE(4)};
    wg_dtype dtype = wg_params_dtype(t->params);
    wg_status status = WG_OK;
    for (int i = 0; i < N_INPUTS && !status; i++)
        status = wg_tensor_new(WG_I32, shape[i], &p->input[i], err);
    if (!status) status = wg_tensor_new(dtype, WG_SCALAR, &p->sum, err);
    if (!status) status = wg_tensor_new(dtype, WG_SCALAR, &p->count, err);
    wg_tape *tape = NULL;
    if (!status) status = wg_tape_new(&tape, err);
    if (!status) status = record(t, tape, p, training, err);
    wg_tape_free(tape);
    if (!status) status = bind(t, p, training, err);
    return status;
}

static int64_t round_up(int64_t n, int64_t to)
{
    return (n + to - 1) / to * to;
}

static wg_status find_program(wg_trainer *t, const wg_trainer_batch *batch, bool training,
                              step_program **out, bool *compiled, wg_error *err)
{
    int64_t s = round_up(batch->source_steps, t->options.round_steps);
    int64_t steps = round_up(batch->target_steps, t->options.round_steps);
    int64_t b = round_up(batch->rows, t->options.round_rows);
    wg__lru_key key = {{training, s, steps, b}};
    *out = wg__lru_find(&t->programs, &key);
    *compiled = !*out;
    if (*out) return WG_OK;
    t->last = NULL;
    wg__lru_make_room(&t->programs);
    step_program *p = wg_calloc(1, sizeof *p);
    if (!p) return wg_error_set(err, WG_ENOMEM, "trainer: out of memory");
    p->s = s;
    p->t = steps;
    p->b = b;
    wg_status status = make_program(t, p, training, err);
    if (status) {
        free_program(p);
        return status;
    }
    wg_program_stats stats = {.size = sizeof stats};
    wg_program_get_stats(p->program, &stats);
    wg__lru_put(&t->programs, &key, p, stats.bytes_held);
    t->compiled++;
    *out = p;
    return WG_OK;
}

/* ---- minibatches ---- */

static wg_status check_lengths(const char *what, const int32_t *lengths, int64_t rows, int64_t low,
                               int64_t steps, wg_error *err)
{
    for (int64_t b = 0; lengths && b < rows; b++)
        if (lengths[b] < low || lengths[b] > steps)
            return wg_error_set(err, WG_EINVAL,
                                "batch: the %s length of row %" PRId64 " is %" PRId32
                                ", should be %" PRId64 "..%" PRId64,
                                what, b, lengths[b], low, steps);
    return WG_OK;
}

static wg_status check_batch(const wg_trainer_batch *b, wg_error *err)
{
    if (!b || b->size < sizeof *b) return wg_error_set(err, WG_EINVAL, "batch of unknown size");
    const int64_t most = INT32_MAX / 2;
    if (b->source_steps < 1 || b->target_steps < 1 || b->rows < 1 || b->source_steps > most ||
        b->target_steps > most || b->rows > most)
        return wg_error_set(err, WG_EINVAL,
                            "batch: %" PRId64 " source steps, %" PRId64 " target steps, %" PRId64
                            " rows",
                            b->source_steps, b->target_steps, b->rows);
    if (!b->source || !b->target_in || !b->target_out)
        return wg_error_set(err, WG_EINVAL, "batch: no ids");
    wg_status status = check_lengths("source", b->source_lengths, b->rows, 1, b->source_steps, err);
    if (!status)
        status = check_lengths("target", b->target_lengths, b->rows, 0, b->target_steps, err);
    return status;
}

static void copy_lengths(wg_tensor *to, const int32_t *lengths, int64_t steps, int64_t rows,
                         int32_t padding)
{
    int32_t *out = wg_tensor_data(to);
    int64_t all = wg_tensor_count(to);
    for (int64_t b = 0; b < all; b++)
        out[b] = b >= rows ? padding : lengths ? lengths[b] : (int32_t)steps;
}

/* Ids of a batch into a tensor at least as large; what no row's length covers becomes 0. */
static wg_status copy_ids(const char *what, wg_tensor *to, int64_t width, const int32_t *ids,
                          const int32_t *lengths, int64_t steps, int64_t rows, int64_t vocab,
                          wg_error *err)
{
    int32_t *out = wg_tensor_data(to);
    memset(out, 0, wg_tensor_bytes(to));
    for (int64_t t = 0; t < steps; t++)
        for (int64_t b = 0; b < rows; b++) {
            if (lengths && t >= lengths[b]) continue;
            int32_t id = ids[t * rows + b];
            if (id < 0 || id >= vocab)
                return wg_error_set(err, WG_EINVAL,
                                    "batch: %s id %" PRId32 " at step %" PRId64 " of row %" PRId64
                                    " is outside the vocabulary of %" PRId64,
                                    what, id, t, b, vocab);
            out[t * width + b] = id;
        }
    return WG_OK;
}

static wg_status fill(const wg_trainer *t, step_program *p, const wg_trainer_batch *b,
                      wg_error *err)
{
    const wg_seq2seq_config *c = wg_seq2seq_get_config(t->model);
    /* Rows of padding: one source word, so that attention has something to look at. */
    copy_lengths(p->input[SRC_LENGTHS], b->source_lengths, b->source_steps, b->rows, 1);
    copy_lengths(p->input[TGT_LENGTHS], b->target_lengths, b->target_steps, b->rows, 0);
    wg_status status = copy_ids("source", p->input[SRC], p->b, b->source, b->source_lengths,
                                b->source_steps, b->rows, c->source_vocab, err);
    if (!status)
        status = copy_ids("target", p->input[TGT_IN], p->b, b->target_in, b->target_lengths,
                          b->target_steps, b->rows, c->target_vocab, err);
    if (!status)
        status = copy_ids("target", p->input[TGT_OUT], p->b, b->target_out, b->target_lengths,
                          b->target_steps, b->rows, c->target_vocab, err);
    const uint32_t key[4] = {(uint32_t)t->options.seed, (uint32_t)(t->options.seed >> 32),
                             (uint32_t)t->steps, 0};
    memcpy(wg_tensor_data(p->input[KEY]), key, sizeof key);
    return status;
}

/* ---- steps ---- */

static wg_status run(wg_trainer *t, const wg_trainer_batch *batch, bool training,
                     wg_trainer_result *result, wg_error *err)
{
    *result = (wg_trainer_result){.factor = 1};
    step_program *p;
    wg_status status = check_batch(batch, err);
    if (!status) status = find_program(t, batch, training, &p, &result->compiled, err);
    if (!status) status = fill(t, p, batch, err);
    if (!status) status = wg_program_run(p->program, err);
    if (status) return status;
    t->last = p;
    result->loss = wg_tensor_get(p->sum, 0);
    result->count = wg_tensor_get(p->count, 0);
    result->finite = isfinite(result->loss);
    if (!(result->count > 0)) return wg_error_set(err, WG_EINVAL, "batch: no target words");
    return WG_OK;
}

wg_status wg_trainer_step(wg_trainer *trainer, const wg_trainer_batch *batch, double lr,
                          wg_trainer_result *result, wg_error *err)
{
    wg_trainer_result own;
    if (!result) result = &own;
    if (!trainer->optimizer)
        return wg_error_set(err, WG_ESTATE, "trainer: made without an optimiser");
    wg_status status = run(trainer, batch, true, result, err);
    if (status) return status;
    trainer->steps++;
    /* A loss that is not finite has a gradient that is not: the optimiser sees to it. */
    wg_optimizer_result update = {.factor = 1};
    status = wg_optimizer_step(trainer->optimizer, lr, result->count, &update, err);
    result->norm = update.norm;
    result->factor = update.factor;
    result->skipped = update.skipped;
    result->finite = result->finite && !update.skipped;
    return status;
}

wg_status wg_trainer_gradient(wg_trainer *trainer, const wg_trainer_batch *batch,
                              wg_trainer_result *result, wg_error *err)
{
    wg_trainer_result own;
    if (!result) result = &own;
    wg_status status = run(trainer, batch, true, result, err);
    if (status) return status;
    if (trainer->optimizer) {
        result->norm = wg_optimizer_gradient_norm(trainer->optimizer, result->count);
        result->finite = result->finite && isfinite(result->norm);
    }
    return WG_OK;
}

wg_status wg_trainer_evaluate(wg_trainer *trainer, const wg_trainer_batch *batch,
                              wg_trainer_result *result, wg_error *err)
{
    wg_trainer_result own;
    return run(trainer, batch, false, result ? result : &own, err);
}

int64_t wg_trainer_steps(const wg_trainer *trainer)
{
    return trainer->steps;
}

void wg_trainer_cache_stats(const wg_trainer *trainer, int64_t *compiled, int64_t *held)
{
    if (compiled) *compiled = trainer->compiled;
    if (held) *held = trainer->programs.n;
}

void wg_trainer_program_stats(const wg_trainer *trainer, wg_program_stats *stats)
{
    if (trainer->last)
        wg_program_get_stats(trainer->last->program, stats);
    else
        *stats = (wg_program_stats){.size = stats->size};
}

/* ---- state ---- */

static const char state_name[] = "trainer/state.json";

/* The seed as two halves, as JSON numbers hold 53 bits. */
wg_status wg_trainer_save(const wg_trainer *t, wg_state *state, wg_error *err)
{
    const wg__json_field fields[] = {
        {.name = "steps", .number = (double)t->steps},
        {.name = "seed_low", .number = (double)(uint32_t)t->options.seed},
        {.name = "seed_high", .number = (double)(uint32_t)(t->options.seed >> 32)},
    };
    return wg__json_save(state, state_name, fields, 3, err);
}

wg_status wg_trainer_load(wg_trainer *t, const wg_state *state, wg_error *err)
{
    wg__json_field fields[] = {{.name = "steps"}, {.name = "seed_low"}, {.name = "seed_high"}};
    const double below[] = {9e15, 4294967296.0, 4294967296.0};
    wg_status status = wg__json_load(state, state_name, fields, 3, err);
    if (status) return status;
    for (int i = 0; i < 3; i++)
        if (!(fields[i].number >= 0 && fields[i].number < below[i]))
            return wg_error_set(err, WG_EFORMAT, "'%s': '%s' cannot be %g", state_name,
                                fields[i].name, fields[i].number);
    t->steps = (int64_t)fields[0].number;
    t->options.seed = (uint64_t)fields[1].number | (uint64_t)fields[2].number << 32;
    return WG_OK;
}
