/* A row of the table of ops, recorded, computed and compared: see op_row.h. */
#include "op_row.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <wengert/program.h>
#include <wengert/rng.h>

wgt_lengths wgt_usual_lengths(void)
{
    static const char letters[] = "BTNKMHEV";
    wgt_lengths l;
    memset(&l, 0, sizeof l);
    for (int i = 0; letters[i]; i++) l.of[(int)letters[i]] = 2 + i;
    l.of['1'] = 1;
    return l;
}

wg_shape wgt_row_shape(const char *text, const wgt_lengths *l)
{
    int64_t dims[WG_MAX_AXES];
    int rank = 0;
    for (; text && *text && rank < WG_MAX_AXES; text++) dims[rank++] = l->of[(int)*text & 127];
    return wg_shape_of(rank, dims);
}

wg_dtype wgt_operand_dtype(const wgt_operand *operand, wg_dtype floats)
{
    return operand->kind == WGT_I32 ? WG_I32 : (operand->kind == WGT_U8 ? WG_U8 : floats);
}

/* Values that an f32 holds exactly, the same for both dtypes. */
static void fill(wg_tensor *tensor, const wgt_operand *operand, wg_rng *rng)
{
    double low = operand->low, high = operand->high;
    if (low == 0 && high == 0) high = 2, low = operand->kind == WGT_FLOAT ? -2 : 0;
    for (int64_t i = 0; i < wg_tensor_count(tensor); i++) {
        double v = low + (high - low) * wg_rng_uniform(rng);
        if (operand->kind == WGT_FLOAT && operand->gap > 0 &&
            fabs(v - operand->kink) < operand->gap)
            v = operand->kink + (v < operand->kink ? -1.5 : 1.5) * operand->gap;
        wg_tensor_set(tensor, i, operand->kind == WGT_FLOAT ? (double)(float)v : floor(v));
    }
}

static void describe(wgt_row_instance *c, const wgt_op_row *row, const wg_shape *shape,
                     wg_dtype floats)
{
    int used = snprintf(c->label, sizeof c->label, "%s %s", row->name, wg_dtype_name(floats));
    for (int i = 0; i < row->n_in && used > 0 && (size_t)used < sizeof c->label; i++) {
        char text[160];
        wg_shape_format(&shape[i], text, sizeof text);
        used += snprintf(c->label + used, sizeof c->label - (size_t)used, " %s", text);
    }
}

static wg_tensor *new_leaf(wg_dtype dtype, wg_shape shape)
{
    wg_tensor *tensor = NULL;
    wg_error err;
    WGT_OK(wg_tensor_new(dtype, shape, &tensor, &err), &err);
    return tensor;
}

static void record_gradients(wgt_row_instance *c, wg_rng *rng)
{
    const wgt_op_row *row = c->row;
    const wg_type type = wg_var_type(c->out[0]);
    wg_tensor *cotangent = new_leaf(type.dtype, type.shape);
    c->leaf[WGT_MAX_OPERANDS] = cotangent;
    const wgt_operand any = {.low = -1, .high = 1};
    fill(cotangent, &any, rng);
    const wg_var gy = wg_tensor_var(c->tape, cotangent);
    wg_var wrt[WGT_MAX_OPERANDS];
    int n = 0;
    for (int i = 0; i < row->n_in; i++)
        if (row->in[i].grad) wrt[n++] = c->in[i];
    if (n == 0) return;
    const wg_status status = wg_grad_or_zeros(c->out, &gy, 1, wrt, n, c->out + 1);
    wg_error err = {WG_OK, ""};
    wg_tape_status(c->tape, &err);
    if (status != WG_OK)
        fail_msg("%s: gradient: %s: %s", c->label, wg_strerror(status), err.message);
    for (int i = 0; i < n; i++) {
        const wg_type of = wg_var_type(wrt[i]), got = wg_var_type(c->out[1 + i]);
        if (of.dtype != got.dtype || !wg_shape_equal(&of.shape, &got.shape))
            fail_msg("%s: gradient %d is of another type than its operand", c->label, i);
    }
    c->n_out = 1 + n;
}

wgt_row_instance wgt_record_row(const wgt_op_row *row, const wg_shape *shape, wg_dtype floats,
                                int how)
{
    wgt_row_instance c;
    memset(&c, 0, sizeof c);
    c.row = row;
    c.n_out = 1;
    describe(&c, row, shape, floats);
    wg_error err;
    WGT_OK(wg_tape_new(&c.tape, &err), &err);
    wg_rng rng;
    wg_rng_init(&rng, 1, row->name);
    wg_var seen[WGT_MAX_OPERANDS] = {WG_NONE};
    for (int i = 0; i < row->n_in; i++) {
        c.leaf[i] = new_leaf(wgt_operand_dtype(&row->in[i], floats), shape[i]);
        fill(c.leaf[i], &row->in[i], &rng);
        c.in[i] = seen[i] = wg_tensor_var(c.tape, c.leaf[i]);
        if ((how & WGT_WRAPPED) && row->in[i].kind == WGT_FLOAT) seen[i] = wg_neg(wg_neg(c.in[i]));
    }
    c.out[0] = row->record(seen);
    if (!wg_var_ok(c.out[0])) {
        wg_tape_status(c.tape, &err);
        fail_msg("%s: recording failed: %s", c.label, err.message);
    }
    if ((how & WGT_WRAPPED) && (WG_FLOATS >> wg_var_dtype(c.out[0]) & 1u))
        c.out[0] = wg_tanh(wg_scale(c.out[0], 0.5));
    if ((how & WGT_WITH_GRADIENTS) && !row->no_gradient) record_gradients(&c, &rng);
    return c;
}

void wgt_drop_row(wgt_row_instance *c)
{
    wg_tape_free(c->tape);
    for (int i = 0; i <= WGT_MAX_OPERANDS; i++) wg_tensor_free(c->leaf[i]);
}

wgt_values wgt_compute(const wgt_row_instance *c, int threads, int isa, bool node_by_node)
{
    wg_compile_options options = {
        .size = sizeof options, .threads = threads, .isa = isa + 1, .node_by_node = node_by_node};
    wg_program *program = NULL;
    wg_error err = {WG_OK, ""};
    wg_status status = wg_compile(c->out, c->n_out, &options, &program, &err);
    if (status == WG_OK) status = wg_program_run(program, &err);
    if (status != WG_OK) fail_msg("%s: %s: %s", c->label, wg_strerror(status), err.message);
    wgt_values v = {.n = c->n_out};
    for (int i = 0; i < c->n_out; i++)
        WGT_OK(wg_tensor_clone(wg_program_output(program, i), &v.of[i], &err), &err);
    wg_program_free(program);
    return v;
}

void wgt_drop_values(wgt_values *v)
{
    for (int i = 0; i < v->n; i++) wg_tensor_free(v->of[i]);
}

bool wgt_near(double a, double b, double tol)
{
    if (isnan(a) || isnan(b)) return isnan(a) && isnan(b);
    return a == b || fabs(a - b) <= tol * fmax(1.0, fabs(b));
}

void wgt_compare(const wgt_row_instance *c, const char *what, const wgt_values *a,
                 const wgt_values *b, double tol)
{
    assert_int_equal(a->n, b->n);
    for (int i = 0; i < a->n; i++) {
        const int64_t n = wg_tensor_count(a->of[i]);
        assert_int_equal(n, wg_tensor_count(b->of[i]));
        for (int64_t k = 0; k < n; k++) {
            const double x = wg_tensor_get(a->of[i], k), y = wg_tensor_get(b->of[i], k);
            if (!wgt_near(x, y, tol))
                fail_msg("%s: %s: %s %d, element %lld: %.17g and %.17g", c->label, what,
                         i ? "gradient" : "output", i ? i - 1 : 0, (long long)k, x, y);
        }
    }
}

void wgt_row_shapes(const wgt_op_row *row, const wgt_lengths *l, wg_shape *shape)
{
    for (int i = 0; i < row->n_in; i++) shape[i] = wgt_row_shape(row->in[i].shape, l);
}
