/* Products of f32 matrices with operands rounded to bf16 and sums in f32.
 *
 * Operands are rounded into dense copies: the left one by each product, the right one once a run
 * where it is the weights of a loop (packed.c). Both ops here are placed by the compiler
 * (core/passes/bf16.c) after differentiation: nobody records them, and they have no gradients. */
#include "bf16.h"

#include <string.h>

#include <wengert/parallel.h>

uint16_t wg__bf16_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    if ((bits & 0x7fffffffU) > 0x7f800000U) return (uint16_t)(bits >> 16 | 0x40U);
    /* Half of the last place that stays, less one where that place is even: ties go to even. */
    return (uint16_t)((bits + 0x7fffU + (bits >> 16 & 1U)) >> 16);
}

typedef struct convert_run {
    const wg_view *in;
    int64_t columns, step;
    uint16_t *out;
} convert_run;

static void convert_range(void *user, int64_t begin, int64_t end, int worker)
{
    (void)worker;
    const convert_run *r = user;
    for (int64_t row = begin; row < end; row++) {
        int64_t at = 0, rest = row;
        for (int i = r->in->shape.rank - 2; i >= 0; i--) {
            at += rest % r->in->shape.dim[i] * r->in->stride[i];
            rest /= r->in->shape.dim[i];
        }
        const float *from = (const float *)r->in->data + at;
        uint16_t *to = r->out + row * r->columns;
        for (int64_t j = 0; j < r->columns; j++) to[j] = wg__bf16_of(from[j * r->step]);
    }
}

void wg__bf16_convert(const wg_view *in, uint16_t *out, int threads)
{
    int rank = in->shape.rank;
    int64_t total = wg_shape_count(&in->shape);
    if (total == 0) return;
    convert_run r = {in, rank ? in->shape.dim[rank - 1] : 1, rank ? in->stride[rank - 1] : 0, out};
    wg_parallel_for(threads, total / r.columns, 32768 / r.columns + 1, convert_range, &r);
}

/* ---- the ops ---- */

static size_t dense_bytes(const wg_shape *s)
{
    return ((size_t)wg_shape_count(s) * sizeof(uint16_t) + 63) & ~(size_t)63;
}

static wg__primitive_product sizes(const wg_shape *a, const wg_shape *out, const void *attr)
{
    const wg_product_attr *flags = attr;
    wg__primitive_product p = {
        .bf16 = true, .trans_a = flags->trans_a != 0, .trans_b = flags->trans_b != 0};
    p.n = out->dim[out->rank - 1];
    p.m = p.n ? wg_shape_count(out) / p.n : 0;
    p.k = a->dim[a->rank - (flags->trans_a ? 2 : 1)];
    return p;
}

static bool is_empty(const wg__primitive_product *p)
{
    return p->m == 0 || p->n == 0 || p->k == 0;
}

static size_t packed_workspace(const wg_type *in, int n_in, const wg_type *out, int n_out,
                               const void *attr, int threads)
{
    (void)n_in;
    (void)n_out;
    const wg__primitive_product p = sizes(&in[0].shape, &out[0].shape, attr);
    if (is_empty(&p)) return 0;
    return dense_bytes(&in[0].shape) + wg__primitive_scratchpad(&p, threads);
}

static size_t plain_workspace(const wg_type *in, int n_in, const wg_type *out, int n_out,
                              const void *attr, int threads)
{
    return dense_bytes(&in[1].shape) + packed_workspace(in, n_in, out, n_out, attr, threads);
}

static wg_status product(wg_kernel *c, bool packed)
{
    const wg_view *a = &c->in[0], *b = &c->in[1], *out = &c->out[0];
    wg__primitive_product p = sizes(&a->shape, &out->shape, c->attr);
    p.c = out->data;
    if (is_empty(&p)) {
        memset(p.c, 0, (size_t)(p.m * p.n) * sizeof *p.c);
        return WG_OK;
    }
    char *at = c->workspace;
    size_t used = dense_bytes(&a->shape) + (packed ? 0 : dense_bytes(&b->shape));
    if (c->workspace_size < used) return wg_error_set(c->err, WG_EINTERNAL, "too little workspace");
    wg__bf16_convert(a, (uint16_t *)at, c->threads);
    p.a = at;
    at += dense_bytes(&a->shape);
    p.b = packed ? b->data : at;
    if (!packed) {
        wg__bf16_convert(b, (uint16_t *)at, c->threads);
        at += dense_bytes(&b->shape);
    }
    p.scratchpad = at;
    p.scratchpad_size = c->workspace_size - used;
    return wg__primitive_run(&p, c->threads, c->err);
}

static wg_status plain_kernel(wg_kernel *c)
{
    return product(c, false);
}

static wg_status packed_kernel(wg_kernel *c)
{
    return product(c, true);
}

const wg_op wg__op_matmul_bf16 = {
    .size = sizeof(wg_op),
    .name = "matmul_bf16",
    .version = 1,
    .traits = WG_OP_PRODUCT | WG_OP_STRIDED | WG_OP_NO_GRADIENT,
    .n_in = 2,
    .n_out = 1,
    .infer = wg__infer_placed,
    .kernel = {plain_kernel},
    .workspace = plain_workspace,
    .doc = "y = op(a) op(b), operands rounded to bf16",
    .packing = wg__bf16_packing,
};

const wg_op wg__op_matmul_bf16_packed = {
    .size = sizeof(wg_op),
    .name = "matmul_bf16_packed",
    .version = 1,
    .traits = WG_OP_PRODUCT | WG_OP_STRIDED | WG_OP_NO_GRADIENT,
    .n_in = 2,
    .n_out = 1,
    .infer = wg__infer_placed,
    .kernel = {packed_kernel},
    .workspace = packed_workspace,
    .doc = "y = a op(b), a rounded to bf16, b packed so",
};
