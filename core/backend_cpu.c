/* The CPU backend: memory, copies and additions on the host; kernels through the ops' CPU slot. */
#include <string.h>

#include <wengert/parallel.h>

#include "exec.h"

/* ---- copies ---- */

typedef struct copy_job {
    const wg_view *in, *out;
    int64_t outer_axes, row;
    size_t size;
} copy_job;

static void copy_rows(void *user, int64_t begin, int64_t end, int worker)
{
    (void)worker;
    const copy_job *j = user;
    const wg_view *in = j->in;
    int rank = in->shape.rank;
    int64_t size = (int64_t)j->size, along = rank ? in->stride[rank - 1] * size : 0;
    int64_t to_along = rank ? j->out->stride[rank - 1] * size : 0;
    for (int64_t r = begin; r < end; r++) {
        int64_t rest = r;
        const unsigned char *from = in->data;
        unsigned char *to = j->out->data;
        for (int a = rank - 2; a >= 0; a--) {
            int64_t at = rest % in->shape.dim[a];
            from += at * in->stride[a] * size;
            to += at * j->out->stride[a] * size;
            rest /= in->shape.dim[a];
        }
        if (along == size && to_along == size) {
            memcpy(to, from, (size_t)j->row * j->size);
        } else if (size == 4) {
            for (int64_t i = 0; i < j->row; i++, from += along, to += to_along) memcpy(to, from, 4);
        } else {
            for (int64_t i = 0; i < j->row; i++, from += along, to += to_along)
                memcpy(to, from, j->size);
        }
    }
}

static void copy_view(const wg_view *in, const wg_view *out, int threads)
{
    int64_t count = wg_shape_count(&in->shape);
    if (count <= 0) return;
    copy_job j = {.in = in, .out = out, .size = wg_dtype_size(in->dtype)};
    j.row = in->shape.rank ? in->shape.dim[in->shape.rank - 1] : 1;
    int64_t grain = 65536 / (j.row > 0 ? j.row : 1) + 1;
    wg_parallel_for(threads, count / j.row, grain, copy_rows, &j);
}

typedef struct add_job {
    const wg_view *in, *out;
} add_job;

static void add_range(void *user, int64_t begin, int64_t end, int worker)
{
    (void)worker;
    const add_job *j = user;
    if (j->in->dtype == WG_F32) {
        const float *x = j->in->data;
        float *y = j->out->data;
        for (int64_t i = begin; i < end; i++) y[i] += x[i];
    } else if (j->in->dtype == WG_F64) {
        const double *x = j->in->data;
        double *y = j->out->data;
        for (int64_t i = begin; i < end; i++) y[i] += x[i];
    } else if (j->in->dtype == WG_I32) {
        const int32_t *x = j->in->data;
        int32_t *y = j->out->data;
        for (int64_t i = begin; i < end; i++) y[i] = (int32_t)((uint32_t)y[i] + (uint32_t)x[i]);
    } else {
        const uint8_t *x = j->in->data;
        uint8_t *y = j->out->data;
        for (int64_t i = begin; i < end; i++) y[i] = (uint8_t)(y[i] + x[i]);
    }
}

static void accumulate(const wg_view *in, const wg_view *out, const wg__run *run)
{
    add_job j = {in, out};
    wg_parallel_for(run->threads, wg_shape_count(&in->shape), 65536, add_range, &j);
}

static void copy(const wg_view *in, const wg_view *out, const wg__run *run)
{
    copy_view(in, out, run->threads);
}

static void zero(void *data, size_t bytes, const wg__run *run)
{
    (void)run;
    memset(data, 0, bytes);
}

static void *allocate(size_t bytes)
{
    return wg_malloc_aligned(bytes);
}
static void release(void *memory)
{
    wg_free_aligned(memory);
}

/* What runs on the host has run when the call returns. */
static wg_status synchronize(wg_error *err)
{
    (void)err;
    return WG_OK;
}

const wg__backend wg__cpu = {
    .name = "cpu",
    .slot = WG_BACKEND_CPU,
    .alloc = allocate,
    .free = release,
    .fused = wg__fused_run,
    .copy = copy,
    .accumulate = accumulate,
    .zero = zero,
    .to_host = copy,
    .synchronize = synchronize,
};
