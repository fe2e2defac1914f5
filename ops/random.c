/* Random bits as ops: uniform numbers and dropout masks.
 *
 * A word is a pure function of (seed, stream, step, absolute time, global row, element), whatever
 * the order, the threads, the batch it lies in or the chunk of time it is computed in:
 *
 *     key     = first words of Philox(counter = stream, 0, 0; key = seed)
 *     counter = element / 4, row, time, step;  word = element mod 4
 *
 * Philox-4x32-10 (Salmon et al. 2011). Coordinates from a shape: the axis time_axis is time (plus
 * the operand `time`); the first other axis is the row (plus the key's first row); the rest, flat,
 * is the element. So the mask of [T,B,H] with time_axis 0 is, at t, that of [B,H] with time t.
 *
 * An f32 number is the word's upper 24 bits; an f64 one has the same upper bits and 29 more from a
 * second block (counter word 0 with its top bit set), so that a mask is the same in both dtypes. */
#include "ops_internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <wengert/rng.h>

typedef struct random_attr {
    uint64_t stream;
    double rate; /* of dropout */
    int64_t time_axis;
    int64_t dtype;
    wg_shape shape;
} random_attr;

/* The output seen as [t0, rows, e1, t1, e2]: time is axis t0 (time_axis <= 0) or t1. */
typedef struct layout {
    int64_t t0, rows, e1, t1, e2;
} layout;

static layout layout_of(const random_attr *attr)
{
    layout l = {1, 1, 1, 1, 1};
    const int row_axis = attr->time_axis == 0 ? 1 : 0;
    for (int i = 0; i < attr->shape.rank; i++) {
        const int64_t n = attr->shape.dim[i];
        if (i == attr->time_axis)
            *(i == 0 ? &l.t0 : &l.t1) = n;
        else if (i == row_axis)
            l.rows = n;
        else if (attr->time_axis > 0 && i < attr->time_axis)
            l.e1 *= n;
        else
            l.e2 *= n;
    }
    return l;
}

static wg_status infer_random(wg_infer *c)
{
    const random_attr *attr = c->attr;
    if (c->n_in < 1 || c->n_in > 2 || c->attr_size != sizeof *attr)
        return wg_infer_fail(c, WG_EINVAL, "takes a key, and a time or none");
    if (c->in[0].dtype != WG_I32 || wg_shape_count(&c->in[0].shape) != 4) {
        char text[160];
        return wg_infer_fail(
            c, WG_ESHAPE, "key must be i32[4] (seed low, seed high, step, first row), not %s%s",
            wg_dtype_name(c->in[0].dtype), wg_shape_format(&c->in[0].shape, text, sizeof text));
    }
    if (c->n_in == 2 && (c->in[1].dtype != WG_I32 || wg_shape_count(&c->in[1].shape) != 1)) {
        char text[160];
        return wg_infer_fail(c, WG_ESHAPE, "time must be an i32 scalar, not %s%s",
                             wg_dtype_name(c->in[1].dtype),
                             wg_shape_format(&c->in[1].shape, text, sizeof text));
    }
    if (attr->dtype != WG_F32 && attr->dtype != WG_F64)
        return wg_infer_fail(c, WG_EDTYPE, "gives f32 or f64, not %s",
                             wg_dtype_name((wg_dtype)attr->dtype));
    if (attr->shape.rank < 0 || attr->shape.rank > WG_MAX_AXES || wg_shape_count(&attr->shape) < 0)
        return wg_infer_fail(c, WG_EOVERFLOW, "no such shape");
    if (attr->time_axis < -1 || attr->time_axis >= attr->shape.rank)
        return wg_infer_fail(c, WG_EINVAL, "time axis %lld is not one of %d axes, nor -1",
                             (long long)attr->time_axis, (int)attr->shape.rank);
    const layout l = layout_of(attr);
    if (l.e1 > 0 && l.e2 > INT64_C(0x200000000) / l.e1)
        return wg_infer_fail(c, WG_ELIMIT, "more than 2^33 elements in a row");
    c->out[0] = (wg_type){(wg_dtype)attr->dtype, attr->shape};
    return WG_OK;
}

enum { PIECE = 256 }; /* blocks of words at a time: 8 KiB of stack */

typedef struct job {
    const wg__kernels *kernels;
    layout l;
    uint32_t key[2];
    uint32_t step, row, time; /* first row and time of the output */
    wg_dtype dtype;
    bool mask;
    double rate;
    void *out;
} job;

/* Elements [first, first + n) of a row, whose number `first` has output index `at`. */
static void fill(const job *j, uint32_t time, uint32_t row, uint64_t first, int64_t n, int64_t at)
{
    const bool wide = j->dtype == WG_F64 && !j->mask;
    const size_t bytes = wg_dtype_size(j->dtype);
    uint32_t word[4 * PIECE], more[4 * PIECE];
    while (n > 0) {
        const int64_t skip = (int64_t)(first % 4);
        const int64_t count = n < 4 * PIECE - skip ? n : 4 * PIECE - skip;
        const int64_t blocks = (skip + count + 3) / 4;
        uint32_t counter[4] = {(uint32_t)(first / 4), row, time, j->step};
        void *y = (unsigned char *)j->out + (size_t)at * bytes;
        j->kernels->philox_blocks(counter, j->key, blocks, word);
        if (wide) {
            counter[0] |= 0x80000000u;
            j->kernels->philox_blocks(counter, j->key, blocks, more);
        }
        if (j->mask) /* u 2^24 >= rate 2^24, in whole numbers */
            j->kernels->random_mask[j->dtype](word + skip, (uint32_t)ceil(j->rate * 0x1p24),
                                              1.0 / (1.0 - j->rate), count, y);
        else
            j->kernels->uniform[j->dtype](word + skip, more + skip, count, y);
        first += (uint64_t)count, at += count, n -= count;
    }
}

static void fill_range(void *user, int64_t begin, int64_t end, int worker)
{
    const job *j = user;
    const layout *l = &j->l;
    (void)worker;
    while (begin < end) {
        const int64_t run = begin / l->e2, offset = begin % l->e2;
        const int64_t left = l->e2 - offset, n = left < end - begin ? left : end - begin;
        const int64_t t1 = run % l->t1, e1 = run / l->t1 % l->e1;
        const int64_t row = run / l->t1 / l->e1 % l->rows, t0 = run / l->t1 / l->e1 / l->rows;
        fill(j, j->time + (uint32_t)(t0 + t1), j->row + (uint32_t)row,
             (uint64_t)e1 * (uint64_t)l->e2 + (uint64_t)offset, n, begin);
        begin += n;
    }
}

static wg_status run(wg_kernel *c, bool mask)
{
    const random_attr *attr = c->attr;
    const uint32_t *key = c->in[0].data;
    const uint32_t stream[4] = {(uint32_t)attr->stream, (uint32_t)(attr->stream >> 32), 0, 0};
    uint32_t derived[4];
    wg_philox(stream, key, derived);
    job j = {.kernels = wg__kernels_for(c->isa),
             .l = layout_of(attr),
             .key = {derived[0], derived[1]},
             .step = key[2],
             .row = key[3],
             .time = c->n_in > 1 ? *(const uint32_t *)c->in[1].data : 0,
             .dtype = c->out[0].dtype,
             .mask = mask,
             .rate = attr->rate,
             .out = c->out[0].data};
    wg_parallel_for(c->threads, wg_shape_count(&attr->shape), 4096, fill_range, &j);
    return WG_OK;
}

static wg_status run_uniform(wg_kernel *c)
{
    return run(c, false);
}

static wg_status run_mask(wg_kernel *c)
{
    return run(c, true);
}

static void format_random(const void *bytes, size_t attr_size, char *buf, size_t size)
{
    const random_attr *attr = bytes;
    (void)attr_size;
    snprintf(buf, size, "stream=%016llx, time_axis=%d, rate=%.9g", (unsigned long long)attr->stream,
             (int)attr->time_axis, attr->rate);
}

const wg_op wg__op_random_uniform = {
    .size = sizeof(wg_op),
    .name = "random_uniform",
    .version = 1,
    .traits = WG_OP_RANDOM | WG_OP_NO_GRADIENT,
    .n_in = -1,
    .n_out = 1,
    .infer = infer_random,
    .kernel = {run_uniform},
    .format = format_random,
    .doc = "y uniform in [0,1), of (seed, stream, step, time, row, element)",
};

const wg_op wg__op_dropout_mask = {
    .size = sizeof(wg_op),
    .name = "dropout_mask",
    .version = 1,
    .traits = WG_OP_RANDOM | WG_OP_NO_GRADIENT,
    .n_in = -1,
    .n_out = 1,
    .infer = infer_random,
    .kernel = {run_mask},
    .format = format_random,
    .doc = "y = (uniform >= rate) / (1 - rate)",
};

static wg_var record(wg_tape *tape, const wg_op *op, const char *stream, double rate, wg_var key,
                     wg_var time, int time_axis, wg_dtype dtype, wg_shape shape)
{
    if (!tape) tape = wg_var_tape(key);
    if (!tape) return WG_NONE;
    if (!stream || !*stream)
        return wg_tape_fail(tape, WG_EINVAL, "%s: a stream needs a name", op->name);
    random_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.stream = wg_stream_id(stream);
    attr.rate = rate;
    attr.time_axis = time_axis;
    attr.dtype = (int64_t)dtype;
    attr.shape = shape;
    const wg_var in[] = {key, time};
    return wg_record_on(tape, op, in, wg_is_none(time) ? 1 : 2, &attr, sizeof attr);
}

wg_var wg_random_uniform(wg_tape *tape, const char *stream, wg_var key, wg_var time, int time_axis,
                         wg_dtype dtype, wg_shape shape)
{
    return record(tape, &wg__op_random_uniform, stream, 0.0, key, time, time_axis, dtype, shape);
}

wg_var wg_dropout_mask(wg_tape *tape, double rate, wg_var key, const char *stream, wg_var time,
                       int time_axis, wg_dtype dtype, wg_shape shape)
{
    if (!tape) tape = wg_var_tape(key);
    if (tape && !(rate >= 0.0 && rate < 1.0))
        return wg_tape_fail(tape, WG_EINVAL, "dropout_mask: rate %g is not in [0, 1)", rate);
    return record(tape, &wg__op_dropout_mask, stream, rate, key, time, time_axis, dtype, shape);
}

wg_var wg_dropout(wg_var x, double rate, wg_var key, const char *stream, wg_var time, int time_axis)
{
    if (!wg_var_ok(x) || rate == 0.0) return x;
    const wg_type type = wg_var_type(x);
    return wg_mul(x, wg_dropout_mask(wg_var_tape(x), rate, key, stream, time, time_axis, type.dtype,
                                     type.shape));
}
