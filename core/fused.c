/* Fused kernels: running a group's block instructions over the rows of its shape. */
#include <string.h>

#include <wengert/parallel.h>

#include "exec.h"

static void fill(void *out, const void *value, size_t size, int64_t n)
{
    switch (size) {
    case 1: memset(out, *(const uint8_t *)value, (size_t)n); break;
    case 4: {
        uint32_t v, *o = out;
        memcpy(&v, value, 4);
        for (int64_t i = 0; i < n; i++) o[i] = v;
        break;
    }
    default: {
        uint64_t v, *o = out;
        memcpy(&v, value, 8);
        for (int64_t i = 0; i < n; i++) o[i] = v;
    }
    }
}

static void gather(void *out, const unsigned char *in, int64_t stride, size_t size, int64_t n)
{
    if (stride == 0) {
        fill(out, in, size, n);
        return;
    }
    unsigned char *o = out;
    for (int64_t i = 0; i < n; i++, in += stride, o += size) memcpy(o, in, size);
}

static void store_number(void *out, wg_dtype dtype, double value)
{
    switch (dtype) {
    case WG_F32: *(float *)out = (float)value; break;
    case WG_F64: *(double *)out = value; break;
    case WG_I32: *(int32_t *)out = (int32_t)value; break;
    case WG_U8: *(uint8_t *)out = (uint8_t)value; break;
    }
}

typedef struct fused_job {
    const wg__fused *f;
    const wg_view *in, *out;
    unsigned char *scratch;
    int isa;
    int64_t blocks; /* blocks a row */
} fused_job;

/* One block: n elements from element `at` of the row whose operands start at the given bases. */
static void run_block(const fused_job *job, unsigned char *scratch, unsigned char **base,
                      int64_t at, int64_t n)
{
    const wg__fused *f = job->f;
    void *where[WG__MAX_REGS];
    for (int r = 0; r < f->n_regs; r++) {
        const wg__reg *reg = &f->regs[r];
        switch (reg->kind) {
        case WG__REG_IN:
            where[r] = base[reg->index] + at * (int64_t)wg_dtype_size(reg->dtype);
            break;
        case WG__REG_OUT:
            where[r] = base[f->n_in + reg->index] + at * (int64_t)wg_dtype_size(reg->dtype);
            break;
        case WG__REG_ROW_OUT: where[r] = base[f->n_in + reg->index]; break;
        case WG__REG_FILL: {
            int64_t s = f->in_stride[reg->index][WG_MAX_AXES];
            where[r] = scratch + reg->scratch;
            /* One value a row is there for a row of no elements too. */
            gather(where[r], base[reg->index] + at * s, s, wg_dtype_size(reg->dtype),
                   n == 0 && s == 0 ? 1 : n);
            break;
        }
        default: where[r] = scratch + reg->scratch;
        }
    }
    for (int k = 0; k < f->n_ops; k++) {
        const wg__step_op *op = &f->ops[k];
        const void *in[4];
        for (int j = 0; j < op->n_in; j++) {
            in[j] = where[op->in[j]];
            if (!op->expand[j]) continue;
            fill(where[op->temp[j]], in[j], wg_dtype_size(f->regs[op->in[j]].dtype), n);
            in[j] = where[op->temp[j]];
        }
        if (op->reduce) {
            op->op->row(&(wg_row){.n = n,
                                  .dtype = op->dtype,
                                  .out_dtype = op->out_dtype,
                                  .in = in[0],
                                  .out = where[op->out],
                                  .attr = op->attr,
                                  .isa = job->isa});
        } else {
            op->op->map(&(wg_map){.n = op->row ? 1 : n,
                                  .dtype = op->dtype,
                                  .out_dtype = op->out_dtype,
                                  .out = where[op->out],
                                  .in = in,
                                  .attr = op->attr,
                                  .isa = job->isa});
        }
    }
}

static void run_range(void *user, int64_t begin, int64_t end, int worker)
{
    const fused_job *job = user;
    const wg__fused *f = job->f;
    unsigned char *scratch = f->scratch ? job->scratch + (size_t)worker * f->scratch : NULL;
    unsigned char *base[2 * WG__MAX_REGS];
    int n = f->n_in + f->n_out;
    for (int r = 0; r < f->n_regs; r++)
        if (f->regs[r].kind == WG__REG_CONST) {
            double one;
            store_number(&one, f->regs[r].dtype, f->regs[r].value);
            fill(scratch + f->regs[r].scratch, &one, wg_dtype_size(f->regs[r].dtype),
                 f->block > 0 ? f->block : 1);
        }
    for (int64_t i = begin; i < end;) {
        int64_t row = i / job->blocks, first = i % job->blocks;
        int64_t index[WG_MAX_AXES], rest = row;
        for (int a = f->rank - 1; a >= 0; a--) {
            index[a] = rest % f->dim[a];
            rest /= f->dim[a];
        }
        for (int k = 0; k < n; k++) {
            const int64_t *s = k < f->n_in ? f->in_stride[k] : f->out_stride[k - f->n_in];
            unsigned char *p = k < f->n_in ? job->in[k].data : job->out[k - f->n_in].data;
            for (int a = 0; a < f->rank; a++) p += index[a] * s[a];
            base[k] = p;
        }
        for (int64_t c = first; c < job->blocks && i < end; c++, i++) {
            int64_t at = c * f->block, left = f->row - at;
            run_block(job, scratch, base, at, left < f->block ? left : f->block);
        }
    }
}

void wg__fused_run(const wg__fused *f, const wg_view *in, const wg_view *out, void *scratch,
                   const wg__run *run)
{
    int64_t rows = 1;
    for (int a = 0; a < f->rank; a++) rows *= f->dim[a];
    if (rows == 0) return;
    /* A row of no elements still has reductions to write. */
    int64_t block = f->block > 0 ? f->block : 1;
    int64_t blocks = f->row > 0 ? (f->row + block - 1) / block : 1;
    if (f->row == 0) {
        bool any = false;
        for (int k = 0; k < f->n_ops; k++) any |= f->ops[k].reduce;
        if (!any) return;
    }
    fused_job j = {
        .f = f, .in = in, .out = out, .scratch = scratch, .isa = run->isa, .blocks = blocks};
    int64_t work = block * (f->n_ops + 1), grain = 32768 / (work > 0 ? work : 1) + 1;
    wg_parallel_for(run->threads, rows * blocks, grain, run_range, &j);
}
