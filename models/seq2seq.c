/* Encoder-decoder: the configuration, its check, and the declaration of the parameters. */
#include "seq2seq_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *const tie_name[WG_TIES] = {"none", "target", "all"};

const char *wg_tie_name(wg_tie tie)
{
    return (int)tie >= 0 && (int)tie < WG_TIES ? tie_name[tie] : "?";
}

wg_status wg_tie_from_name(const char *name, wg_tie *tie, wg_error *err)
{
    for (int i = 0; name && i < WG_TIES; i++)
        if (strcmp(name, tie_name[i]) == 0) {
            *tie = (wg_tie)i;
            return WG_OK;
        }
    return wg_error_set(err, WG_ENOTFOUND,
                        "'%.64s' is no way to tie embeddings; there are none, target, all",
                        name ? name : "");
}

/* ---- check ---- */

static wg_status check_size(const char *name, int64_t value, int64_t low, wg_error *err)
{
    const int64_t limit = INT32_MAX; /* ids are i32, and products of two sizes fit 64 bits */
    if (value >= low && value <= limit) return WG_OK;
    return wg_error_set(err, WG_EINVAL,
                        "seq2seq: %s is %" PRId64 ", should be %" PRId64 "..%" PRId64, name, value,
                        low, limit);
}

static wg_status check_rate(const char *name, double value, wg_error *err)
{
    if (value >= 0 && value < 1) return WG_OK;
    return wg_error_set(err, WG_EINVAL, "seq2seq: %s is %g, should be in [0, 1)", name, value);
}

static wg_status unknown_cell(const char *name, wg_error *err)
{
    char list[512] = "";
    size_t used = 0;
    for (int i = 0; i < wg_cell_count() && used < sizeof list; i++) {
        int n =
            snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", wg_cell_at(i)->name);
        used += n > 0 ? (size_t)n : 0;
    }
    return wg_error_set(err, WG_ENOTFOUND, "seq2seq: no cell is called '%.64s'; there are: %s%s",
                        name, list, used >= sizeof list ? " ..." : "");
}

wg_status wg_seq2seq_check(const wg_seq2seq_config *c, wg_error *err)
{
    if (!c || c->size < sizeof *c)
        return wg_error_set(err, WG_EINVAL, "seq2seq: no configuration, or one of unknown size");
    const struct {
        const char *name;
        int64_t value, low;
    } sizes[] = {{"source_vocab", c->source_vocab, 1},
                 {"target_vocab", c->target_vocab, 1},
                 {"embed", c->embed, 1},
                 {"hidden", c->hidden, 1},
                 {"layers", c->layers, 0},
                 {"attention_width", c->attention_width, 0}};
    wg_status status = WG_OK;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes && !status; i++)
        status = check_size(sizes[i].name, sizes[i].value, sizes[i].low, err);
    if (!status) status = check_rate("dropout", c->dropout, err);
    if (!status) status = check_rate("label_smoothing", c->label_smoothing, err);
    if (status) return status;
    if (!wg_find_cell(c->cell ? c->cell : "lstm")) return unknown_cell(c->cell, err);
    if (c->bidirectional && c->hidden % 2 != 0)
        return wg_error_set(err, WG_EINVAL,
                            "seq2seq: hidden is %" PRId64
                            "; a bidirectional encoder takes half of it a direction, so it must "
                            "be even",
                            c->hidden);
    if ((int)c->attention < 0 || (int)c->attention >= WG_ATTENTION_KINDS)
        return wg_error_set(err, WG_EINVAL, "seq2seq: no kind of attention has number %d",
                            (int)c->attention);
    if (c->input_feeding && c->attention == WG_ATTENTION_NONE)
        return wg_error_set(err, WG_EINVAL,
                            "seq2seq: input_feeding feeds the attentional vector back; it needs "
                            "attention");
    if ((int)c->tie < 0 || (int)c->tie >= WG_TIES)
        return wg_error_set(err, WG_EINVAL, "seq2seq: no way to tie has number %d", (int)c->tie);
    if (c->tie == WG_TIE_ALL && c->source_vocab != c->target_vocab)
        return wg_error_set(err, WG_EINVAL,
                            "seq2seq: tie 'all' needs one vocabulary on both sides; they have "
                            "%" PRId64 " and %" PRId64 " words",
                            c->source_vocab, c->target_vocab);
    if (c->n_hypers < 0 || (c->n_hypers > 0 && !c->hypers))
        return wg_error_set(err, WG_EINVAL, "seq2seq: %d hyperparameters without their values",
                            c->n_hypers);
    return WG_OK;
}

/* ---- parameters ---- */

static int64_t row_elements(const wg_rnn *rnn, int slot)
{
    wg_shape shape = wg_rnn_state_shape(rnn, slot, 1);
    return wg_shape_count(&shape);
}

int wg__seq2seq_source_slot(const wg_seq2seq *model, int slot, int direction)
{
    int n = wg_rnn_cell(model->decoder)->n_states;
    return (slot / n * wg_rnn_directions(model->encoder) + direction) * n + slot % n;
}

/* Do the directions' final states, side by side, have the shape of the decoder's state? */
static bool states_fit(const wg_seq2seq *m, int slot)
{
    wg_shape want = wg_rnn_state_shape(m->decoder, slot, 1);
    wg_shape have = wg_rnn_state_shape(m->encoder, wg__seq2seq_source_slot(m, slot, 0), 1);
    if (have.rank < 2) return false;
    have.dim[have.rank - 1] *= wg_rnn_directions(m->encoder);
    return wg_shape_equal(&have, &want);
}

static wg_status declare_init(wg_seq2seq *m, wg_params *params, wg_error *err)
{
    const wg_cell *cell = wg_rnn_cell(m->decoder);
    for (int slot = 0; slot < wg_rnn_state_count(m->decoder); slot++) {
        m->init_w[slot] = m->init_b[slot] = -1;
        if (!m->config.init_projection && states_fit(m, slot)) continue;
        int64_t in = row_elements(m->encoder, wg__seq2seq_source_slot(m, slot, 0)) *
                     wg_rnn_directions(m->encoder);
        int64_t out = row_elements(m->decoder, slot);
        char name[192];
        wg_init w = WG_XAVIER, b = WG_ZEROS;
        snprintf(name, sizeof name, "init.l%d.%s.W", slot / cell->n_states,
                 cell->states[slot % cell->n_states].name);
        wg_status status =
            wg_params_add(params, name, WG_SHAPE(in, out), &w, &m->init_w[slot], err);
        name[strlen(name) - 1] = 'b';
        if (!status) status = wg_params_add(params, name, WG_SHAPE(out), &b, &m->init_b[slot], err);
        if (status) return status;
    }
    return WG_OK;
}

static wg_status declare_embeddings(wg_seq2seq *m, wg_params *params, wg_error *err)
{
    const wg_seq2seq_config *c = &m->config;
    wg_init init = {.kind = WG_INIT_UNIFORM, .a = -0.1, .b = 0.1}; /* Luong et al. 2015, sec. 4.1 */
    if (c->tie == WG_TIE_ALL) {
        wg_status status = wg_params_add(params, "embed", WG_SHAPE(c->source_vocab, c->embed),
                                         &init, &m->src_embed, err);
        m->tgt_embed = m->src_embed;
        return status;
    }
    wg_status status = wg_params_add(params, "src.embed", WG_SHAPE(c->source_vocab, c->embed),
                                     &init, &m->src_embed, err);
    if (status) return status;
    return wg_params_add(params, "tgt.embed", WG_SHAPE(c->target_vocab, c->embed), &init,
                         &m->tgt_embed, err);
}

static wg_status declare_layers(wg_seq2seq *m, wg_params *params, wg_error *err)
{
    const wg_seq2seq_config *c = &m->config;
    wg_rnn_config rnn = {.size = sizeof rnn,
                         .cell = wg_find_cell(c->cell),
                         .input_size = c->embed,
                         .hidden_size = c->bidirectional ? c->hidden / 2 : c->hidden,
                         .layers = c->layers,
                         .bidirectional = c->bidirectional,
                         .dropout = c->dropout,
                         .hypers = c->hypers,
                         .n_hypers = c->n_hypers};
    wg_status status = wg_rnn_new(params, "enc", &rnn, &m->encoder, err);
    if (status) return status;
    rnn.input_size = c->embed + (c->input_feeding ? c->hidden : 0);
    rnn.hidden_size = c->hidden;
    rnn.bidirectional = false;
    status = wg_rnn_new(params, "dec", &rnn, &m->decoder, err);
    if (!status) status = declare_init(m, params, err);
    if (status || c->attention == WG_ATTENTION_NONE) return status;
    wg_attention_config attention = {.size = sizeof attention,
                                     .kind = c->attention,
                                     .query_size = wg_rnn_output_size(m->decoder),
                                     .memory_size = wg_rnn_output_size(m->encoder),
                                     .width = c->attention_width ? c->attention_width : c->hidden};
    return wg_attention_new(params, "attn", &attention, &m->attention, err);
}

static wg_status declare_output(wg_seq2seq *m, wg_params *params, wg_error *err)
{
    const wg_seq2seq_config *c = &m->config;
    wg_init w = WG_XAVIER, b = WG_ZEROS;
    int64_t width = wg_rnn_output_size(m->decoder);
    wg_status status = WG_OK;
    if (m->attention) {
        int64_t both = wg_rnn_output_size(m->encoder) + width;
        status =
            wg_params_add(params, "combine.W", WG_SHAPE(both, c->hidden), &w, &m->combine_w, err);
        if (!status)
            status =
                wg_params_add(params, "combine.b", WG_SHAPE(c->hidden), &b, &m->combine_b, err);
        width = c->hidden;
    }
    if (!status && c->tie != WG_TIE_NONE && width != c->embed)
        status =
            wg_params_add(params, "out.proj", WG_SHAPE(width, c->embed), &w, &m->out_proj, err);
    if (!status && c->tie == WG_TIE_NONE)
        status =
            wg_params_add(params, "out.W", WG_SHAPE(width, c->target_vocab), &w, &m->out_w, err);
    if (!status)
        status = wg_params_add(params, "out.b", WG_SHAPE(c->target_vocab), &b, &m->out_b, err);
    return status;
}

/* The caller's strings may go away. */
static wg_status copy_config(wg_seq2seq *m, const wg_seq2seq_config *config, wg_error *err)
{
    m->config = *config;
    m->config.size = sizeof m->config;
    if (m->config.layers == 0) m->config.layers = 1;
    m->cell_name = wg_strdup(config->cell ? config->cell : "lstm");
    m->hypers = wg_calloc((size_t)config->n_hypers + 1, sizeof *m->hypers);
    if (!m->cell_name || !m->hypers) return wg_error_set(err, WG_ENOMEM, "seq2seq: out of memory");
    m->config.cell = m->cell_name;
    m->config.hypers = m->hypers;
    for (int i = 0; i < config->n_hypers; i++) {
        m->hypers[i].value = config->hypers[i].value;
        m->hypers[i].name = wg_strdup(config->hypers[i].name ? config->hypers[i].name : "");
        if (!m->hypers[i].name) return wg_error_set(err, WG_ENOMEM, "seq2seq: out of memory");
    }
    return WG_OK;
}

wg_status wg_seq2seq_new(wg_params *params, const wg_seq2seq_config *config, wg_seq2seq **out,
                         wg_error *err)
{
    wg_status status = wg_seq2seq_check(config, err);
    if (status) return status;
    wg_seq2seq *m = wg_calloc(1, sizeof *m);
    if (!m) return wg_error_set(err, WG_ENOMEM, "seq2seq: out of memory");
    m->params = params;
    m->combine_w = m->combine_b = m->out_proj = m->out_w = m->out_b = -1;
    status = copy_config(m, config, err);
    if (!status) status = declare_embeddings(m, params, err);
    if (!status) status = declare_layers(m, params, err);
    if (!status) status = declare_output(m, params, err);
    if (status) {
        wg_seq2seq_free(m);
        return status;
    }
    *out = m;
    return WG_OK;
}

void wg_seq2seq_free(wg_seq2seq *model)
{
    if (!model) return;
    wg_rnn_free(model->encoder);
    wg_rnn_free(model->decoder);
    wg_attention_free(model->attention);
    for (int i = 0; model->hypers && i < model->config.n_hypers; i++)
        wg_free((char *)model->hypers[i].name);
    wg_free(model->hypers);
    wg_free(model->cell_name);
    wg_free(model);
}

const wg_seq2seq_config *wg_seq2seq_get_config(const wg_seq2seq *model)
{
    return &model->config;
}

int wg_seq2seq_state_count(const wg_seq2seq *model)
{
    return wg_rnn_state_count(model->decoder);
}

wg_shape wg_seq2seq_state_shape(const wg_seq2seq *model, int slot, int64_t rows)
{
    return wg_rnn_state_shape(model->decoder, slot, rows);
}

int64_t wg_seq2seq_feed_size(const wg_seq2seq *model)
{
    return model->config.input_feeding ? model->config.hidden : 0;
}

int64_t wg_seq2seq_key_size(const wg_seq2seq *model)
{
    return model->attention ? wg_attention_key_size(model->attention) : 0;
}

int64_t wg_seq2seq_value_size(const wg_seq2seq *model)
{
    return model->attention ? wg_rnn_output_size(model->encoder) : 0;
}
