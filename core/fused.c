/* Fused kernels: running a group's block instructions over the rows of its shape. */
#include <string.h>

#include <wengert/parallel.h>

#include "exec.h"

/* n times the same: 16 bytes at a time, which compilers do not come to by themselves. */
static void fill(void *out, const void *value, size_t size, int64_t n)
{
    unsigned char *o = out;
    uint64_t some[2];
    size_t whole = (size_t)n * size, at = 0;
    if (size == 1) {
        memset(out, *(const uint8_t *)value, whole);
        return;
    }
    for (size_t k = 0; k < sizeof some; k += size == 4 ? 4 : 8)
        memcpy((unsigned char *)some + k, value, size == 4 ? 4 : 8);
    for (; at + sizeof some <= whole; at += sizeof some) memcpy(o + at, some, sizeof some);
    memcpy(o + at, some, whole - at);
}

static void gather(void *out, const unsigned char *in, int64_t stride, size_t size, int64_t n)
{
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
    int64_t blocks; /* blocks a row */
} fused_job;

/* One block of n elements over the registers at where[]. */
static void run_ops(const wg__fused *f, void *const *where, int64_t n)
{
    int isa = f->isa - 1;
    for (int k = 0; k < f->n_ops; k++) {
        const wg__step_op *op = &f->ops[k];
        const void *in[WG_PATTERN_OPERANDS];
        for (int j = 0; j < op->n_in; j++) {
            in[j] = where[op->in[j]];
            if (!op->expand[j]) continue;
            fill(where[op->temp[j]], in[j], f->regs[op->in[j]].size, n);
            in[j] = where[op->temp[j]];
        }
        double number[2] = {0, 0};
        if (op->number) {
            const void *at = where[op->in[op->n_in]];
            number[0] = op->dtype == WG_F32 ? (double)*(const float *)at : *(const double *)at;
            if (op->number == 2) number[0] = -number[0];
        }
        if (op->reduce) {
            op->op->row(&(wg_row){.n = n,
                                  .dtype = op->dtype,
                                  .out_dtype = op->out_dtype,
                                  .in = in[0],
                                  .out = where[op->out],
                                  .attr = op->attr,
                                  .isa = isa});
        } else {
            op->map(&(wg_map){.n = op->row ? 1 : n,
                              .dtype = op->dtype,
                              .out_dtype = op->out_dtype,
                              .out = where[op->out],
                              .in = in,
                              .attr = op->number ? number : op->attr,
                              .isa = isa});
        }
    }
}

/* First elements of operands and results in the row with this index. */
static void locate(const fused_job *job, const int64_t *index, unsigned char **base)
{
    const wg__fused *f = job->f;
    for (int k = 0; k < f->n_in; k++) {
        base[k] = job->in[k].data;
        for (int a = 0; a < f->rank; a++) base[k] += index[a] * f->in_stride[k][a];
    }
    base += f->n_in;
    for (int k = 0; k < f->n_out; k++) {
        base[k] = job->out[k].data;
        for (int a = 0; a < f->rank; a++) base[k] += index[a] * f->out_stride[k][a];
    }
}

/* Registers of operands and results for n elements from element `at` of the row. */
static void place(const wg__fused *f, unsigned char *const *base, int64_t at, int64_t n,
                  void **where)
{
    for (int r = 0; r < f->n_outer; r++) {
        const wg__reg *reg = &f->regs[f->outer[r]];
        int64_t s = reg->step;
        unsigned char *p = base[reg->index] + at * s;
        if (reg->kind == WG__REG_FILL)
            gather(where[f->outer[r]], p, s, reg->size, n);
        else
            where[f->outer[r]] = p;
    }
}

static void run_range(void *user, int64_t begin, int64_t end, int worker)
{
    const fused_job *job = user;
    const wg__fused *f = job->f;
    unsigned char *scratch = f->scratch ? job->scratch + (size_t)worker * f->scratch : NULL;
    unsigned char *base[2 * WG__MAX_REGS];
    void *where[WG__MAX_REGS];
    for (int r = 0; r < f->n_regs; r++) {
        if (f->regs[r].scratch < 0) continue;
        where[r] = scratch + f->regs[r].scratch;
        if (f->regs[r].kind != WG__REG_CONST) continue;
        double one;
        store_number(&one, f->regs[r].dtype, f->regs[r].value);
        fill(where[r], &one, f->regs[r].size, f->block > 0 ? f->block : 1);
    }
    int64_t index[WG_MAX_AXES], rest = begin / job->blocks, block = begin % job->blocks;
    for (int a = f->rank - 1; a >= 0; a--) {
        index[a] = rest % f->dim[a];
        rest /= f->dim[a];
    }
    for (int64_t i = begin; i < end; block = 0) {
        locate(job, index, base);
        for (; block < job->blocks && i < end; block++, i++) {
            int64_t at = block * f->block, left = f->row - at;
            int64_t n = left < f->block ? left : f->block;
            place(f, base, at, n, where);
            run_ops(f, where, n);
        }
        for (int a = f->rank - 1; a >= 0 && ++index[a] == f->dim[a]; a--) index[a] = 0;
    }
}

static void choose_loops(wg__fused *f, int isa)
{
    for (int k = 0; k < f->n_ops; k++) {
        wg__step_op *op = &f->ops[k];
        op->map = op->loop ? op->loop(op->dtype, isa) : op->op->map;
    }
    f->isa = isa + 1;
}

/* Below this work a second thread costs more than it saves. */
enum { GRAIN = 65536 };

void wg__fused_run(wg__fused *f, const wg_view *in, const wg_view *out, void *scratch,
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
    if (f->isa != run->isa + 1) choose_loops(f, run->isa);
    fused_job j = {.f = f, .in = in, .out = out, .scratch = scratch, .blocks = blocks};
    int64_t work = block * (f->work + 1), grain = GRAIN / work + 1;
    wg_parallel_for(run->threads, rows * blocks, grain, run_range, &j);
}
