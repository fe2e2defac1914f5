/* An op to be checked on sample inputs: those of the table where the op is in it; else inputs that
 * its own shape rule accepts, found by trying.
 *
 * Tried are 1 to 4 operands (or as many as the descriptor says) of f64: all [M,K]; a product's
 * [M,K], [K,N]; a row's [M,K], [K]; all [B,M,K]; then the same with the first operand a mask, or
 * the last one indices. Attributes cannot be guessed: an op that prints some (has `format`) needs a
 * row in the table, or a check written in C. */
#include "gradcheck.h"

#include <string.h>

#include <wengert/memory.h>
#include <wengert/program.h>
#include <wengert/rng.h>

static wg_shape shape_of(const char *text)
{
    int64_t dims[WG_MAX_AXES];
    int rank = 0;
    for (; *text && rank < WG_MAX_AXES; text++) dims[rank++] = gc_length(*text);
    return wg_shape_of(rank, dims);
}

static const wg_dtype dtypes[] = {[GC_FLOAT] = WG_F64, [GC_INDEX] = WG_I32, [GC_MASK] = WG_U8};

static void fill(wg_tensor *tensor, const gc_operand *operand, uint64_t seed, int number)
{
    double low = operand->low, high = operand->high;
    char stream[32];
    wg_rng rng;
    if (low == 0 && high == 0) {
        low = operand->kind == GC_FLOAT ? -2 : 0;
        high = 2;
    }
    snprintf(stream, sizeof stream, "operand%d", number);
    wg_rng_init(&rng, seed, stream);
    for (int64_t i = 0; i < wg_tensor_count(tensor); i++) {
        double v = low + (high - low) * wg_rng_uniform(&rng);
        wg_tensor_set(tensor, i, operand->kind == GC_FLOAT ? v : (double)(int64_t)v);
    }
}

static wg_status make_operands(gc_subject *s, const gc_operand *operands, int n, uint64_t seed,
                               wg_var *in, wg_error *err)
{
    wg_status status = gc_tape(s, err);
    for (int i = 0; i < n && !status; i++) {
        wg_tensor *tensor;
        char name[24];
        status = gc_tensor(s, dtypes[operands[i].kind], shape_of(operands[i].shape), &tensor, err);
        if (status) break;
        fill(tensor, &operands[i], seed, i);
        snprintf(name, sizeof name, "in%d", i);
        in[i] = wg_name(wg_tensor_var(s->tape, tensor), name);
    }
    return status;
}

/* Does what was recorded hold the op, or only others? */
static wg_status holds(const gc_subject *s, const wg_op *op, wg_error *err)
{
    char *text, wanted[80];
    wg_status status = wg_print(s->tape, s->out, s->n_out, &text, err);
    if (status) return status;
    snprintf(wanted, sizeof wanted, "= %s(", op->name);
    bool found = strstr(text, wanted) != NULL;
    wg_free(text);
    return found ? WG_OK
                 : wg_error_set(err, WG_ENOTSUP, "its sample inputs are computed without it");
}

static wg_status record_sample(gc_subject *s, const wg_op *op, const gc_sample *sample,
                               uint64_t seed, wg_error *err)
{
    wg_var in[GC_MAX_OPERANDS];
    int n = 0;
    while (n < GC_MAX_OPERANDS && sample->in[n].shape) n++;
    wg_status status = make_operands(s, sample->in, n, seed, in, err);
    if (status) return status;
    s->n_out = sample->record(in, s->out);
    status = wg_tape_status(s->tape, err);
    return status ? status : holds(s, op, err);
}

/* ---- guessing ---- */

typedef struct guess {
    int n_in, n_out;
    gc_operand in[GC_MAX_OPERANDS];
} guess;

static bool accepts(const wg_op *op, const guess *g)
{
    static const unsigned char no_attributes[512]; /* for rules that look without asking how many */
    wg_type in[GC_MAX_OPERANDS], out[GC_MAX_OUTPUTS];
    memset(in, 0, sizeof in);
    memset(out, 0, sizeof out);
    for (int i = 0; i < g->n_in; i++)
        in[i] = (wg_type){dtypes[g->in[i].kind], shape_of(g->in[i].shape)};
    wg_error err;
    wg_infer infer = {.size = sizeof infer,
                      .n_in = g->n_in,
                      .n_out = g->n_out,
                      .in = in,
                      .attr = no_attributes,
                      .out = out,
                      .err = &err};
    if (op->infer(&infer) != WG_OK) return false;
    for (int i = 0; i < g->n_out; i++)
        if (out[i].dtype == WG_F64 && wg_shape_count(&out[i].shape) > 0) return true;
    return false;
}

static bool find_guess(const wg_op *op, guess *g)
{
    static const char *const first[] = {"mk", "mk", "mk", "bmk"};
    static const char *const others[] = {"mk", "kn", "k", "bmk"};
    int least = op->n_in < 0 ? 1 : op->n_in, most = op->n_in < 0 ? 3 : op->n_in;
    if (most > GC_MAX_OPERANDS || least == 0 || op->n_out > GC_MAX_OUTPUTS) return false;
    g->n_out = op->n_out < 0 ? 1 : op->n_out;
    for (int kinds = 0; kinds < 3; kinds++)
        for (int n = least; n <= most; n++)
            for (size_t form = 0; form < sizeof first / sizeof first[0]; form++) {
                memset(g->in, 0, sizeof g->in);
                g->n_in = n;
                for (int i = 0; i < n; i++) g->in[i].shape = i ? others[form] : first[form];
                if (kinds == 1) g->in[0].kind = GC_MASK;
                if (kinds == 2) g->in[n - 1].kind = GC_INDEX;
                if ((kinds == 0 || n > 1) && accepts(op, g)) return true;
            }
    return false;
}

static bool finite_outputs(const gc_subject *s)
{
    if (wg_eval(s->out, s->n_out, NULL, NULL) != WG_OK) return true; /* gradcheck will say why */
    for (int i = 0; i < s->n_out; i++) {
        const wg_tensor *t = wg_eval_output(s->tape, i);
        for (int64_t j = 0; j < wg_tensor_count(t); j++) {
            double v = wg_tensor_get(t, j);
            if (!(v - v == 0)) return false;
        }
    }
    return true;
}

static wg_status record_guess(gc_subject *s, const wg_op *op, guess *g, uint64_t seed,
                              wg_error *err)
{
    wg_var in[GC_MAX_OPERANDS], out[GC_MAX_OUTPUTS];
    wg_status status = make_operands(s, g->in, g->n_in, seed, in, err);
    if (status) return status;
    s->n_out = 0;
    status = wg_record_n(op, in, g->n_in, NULL, 0, out, g->n_out);
    if (status) return wg_tape_status(s->tape, err);
    for (int i = 0; i < g->n_out; i++)
        if (wg_var_dtype(out[i]) == WG_F64) s->out[s->n_out++] = out[i];
    return WG_OK;
}

/* Values of both signs, or positive ones for an op that is not defined elsewhere. */
static wg_status record_guessed(gc_subject *s, const wg_op *op, uint64_t seed, wg_error *err)
{
    guess g;
    if (op->format)
        return wg_error_set(err, WG_ENOTSUP,
                            "it takes attributes, which cannot be guessed; check it in C with "
                            "wg_gradcheck");
    if (!find_guess(op, &g))
        return wg_error_set(err, WG_ENOTSUP,
                            "its shape rule takes none of the inputs that are tried; check it in C "
                            "with wg_gradcheck");
    wg_status status = record_guess(s, op, &g, seed, err);
    if (status || finite_outputs(s)) return status;
    gc_subject_free(s);
    for (int i = 0; i < g.n_in; i++) {
        if (g.in[i].kind != GC_FLOAT) continue;
        g.in[i].low = 0.25;
        g.in[i].high = 1.75;
    }
    return record_guess(s, op, &g, seed, err);
}

wg_status gc_record_op(gc_subject *s, const wg_op *op, const gc_settings *settings, wg_error *err)
{
    const gc_sample *sample = gc_find_sample(op->name);
    if (op->traits & WG_OP_LEAF)
        return wg_error_set(err, WG_ENOTSUP, "a leaf: there is nothing to differentiate");
    if (op->traits & WG_OP_NO_GRADIENT)
        return wg_error_set(err, WG_ENOTSUP, "it has no gradient by nature");
    if (sample && sample->refusal) return wg_error_set(err, WG_ENOTSUP, "%s", sample->refusal);
    if (sample) return record_sample(s, op, sample, settings->seed, err);
    return record_guessed(s, op, settings->seed, err);
}
