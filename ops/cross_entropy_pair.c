/* Cross entropy and its gradient at once: each row of logits is read from memory once and its
 * gradient written once, the exponentials are computed once and lie in the gradient's place while
 * the row is in the cache. With a bias, the row b is added on the way and the sum of the gradient
 * over all rows, b's gradient, is made on the way.
 *
 *     dx, loss (, db) = pair(g, x, targets (, mask) (, b))
 *
 * Every number has the bits that cross_entropy, cross_entropy_grad, add and sum_to give: the same
 * loops on the same operands, and sums over rows in the same order, whatever the threads. */
#include <math.h>
#include <string.h>

#include <wengert/parallel.h>

#include "cross_entropy.h"
#include "reduce_run.h"

typedef struct pair_run {
    wg__cross_entropy r;
    const char *b; /* NULL: there is none */
    char *sums;    /* of the gradients of each block of rows */
    char *total;   /* of all gradients */
    int64_t blocks;
} pair_run;

/* Row i; its gradient is added to `total` unless that is NULL. Three passes over the row: the sum
 * with the bias and the largest, the exponentials and their sum, the gradient and the sum of
 * gradients. */
static void one_row(const pair_run *p, int64_t i, char *total)
{
    const wg__cross_entropy *r = &p->r;
    const char *x = r->x + (size_t)i * r->row_bytes;
    char *y = r->dx + (size_t)i * r->row_bytes;
    if (r->mask && !r->mask[i]) {
        memset(y, 0, r->row_bytes);
        wg__cross_entropy_put(r->dtype, r->loss, i, 0);
        return;
    }
    double max;
    if (p->b) {
        max = r->k->add_max_row[r->dtype](x, p->b, y, r->classes);
        x = y;
    } else {
        max = r->k->row_max[r->dtype](x, r->classes);
    }
    wg__cross_entropy_terms terms = wg__cross_entropy_of(r, i, x); /* while there are logits */
    double sum = wg__cross_entropy_exp(r, x, max, y);
    double loss = wg__cross_entropy_loss(r, terms, isinf(max) ? max : max + log(sum));
    wg__cross_entropy_put(r->dtype, r->loss, i, loss);
    wg__cross_entropy_gradient(r, i, y, sum, total);
}

static void rows_range(void *user, int64_t begin, int64_t end, int worker)
{
    (void)worker;
    for (int64_t i = begin; i < end; i++) one_row(user, i, NULL);
}

/* Blocks of WG__REDUCE_ROWS rows, each with the sum of its gradients. */
static void blocks_range(void *user, int64_t begin, int64_t end, int worker)
{
    const pair_run *p = user;
    const wg__cross_entropy *r = &p->r;
    (void)worker;
    for (int64_t k = begin; k < end; k++) {
        int64_t first = k * WG__REDUCE_ROWS, last = first + WG__REDUCE_ROWS;
        char *sum = p->sums + (size_t)k * r->row_bytes;
        memset(sum, 0, r->row_bytes);
        for (int64_t i = first; i < last && i < r->rows; i++) one_row(p, i, sum);
    }
}

/* The total of the blocks' sums, columns in [begin, end). */
static void total_range(void *user, int64_t begin, int64_t end, int worker)
{
    const pair_run *p = user;
    const wg__cross_entropy *r = &p->r;
    char *total = p->total + (size_t)begin * r->esize;
    (void)worker;
    memset(total, 0, (size_t)(end - begin) * r->esize);
    r->k->add_rows[r->dtype](p->sums + (size_t)begin * r->esize, r->classes, p->blocks, total,
                             end - begin);
}

static int64_t blocks_of(int64_t rows)
{
    return (rows + WG__REDUCE_ROWS - 1) / WG__REDUCE_ROWS;
}

/* A single block's sum is the total. */
static size_t pair_workspace(const wg_type *in, int n_in, const wg_type *out, int n_out,
                             const void *attr, int threads)
{
    (void)in;
    (void)n_in;
    (void)attr;
    (void)threads;
    int64_t blocks = n_out == 3 ? blocks_of(wg_shape_count(&out[1].shape)) : 0;
    if (blocks <= 1) return 0;
    return (size_t)blocks * (size_t)wg_shape_count(&out[2].shape) * wg_dtype_size(out[2].dtype);
}

/* The sum of all gradients, read once more. */
static wg_status sum_columns(const wg_kernel *c, const pair_run *p)
{
    wg_view dx = {p->r.dtype, WG_SHAPE(p->r.rows, p->r.classes), {p->r.classes, 1}, p->r.dx};
    wg_view sum = {p->r.dtype, WG_SHAPE(p->r.classes), {1}, p->total};
    wg_kernel local = *c;
    local.n_in = local.n_out = 1;
    local.in = &dx;
    local.out = &sum;
    return wg__reduce(&local, WG__SUM, 1);
}

static wg_status pair_kernel(wg_kernel *c)
{
    pair_run p;
    memset(&p, 0, sizeof p);
    /* The row is what has the logits' dtype behind the targets. */
    bool row = c->n_in > 3 && c->in[c->n_in - 1].dtype == c->in[1].dtype;
    wg_status status = wg__cross_entropy_prepare(&p.r, c, 1, c->n_in - row);
    if (status != WG_OK) return status;
    p.b = row ? c->in[c->n_in - 1].data : NULL;
    p.r.g = c->in[0].data;
    p.r.dx = c->out[0].data;
    p.r.loss = c->out[1].data;
    int64_t grain = 1 + 4096 / p.r.classes;
    if (c->n_out == 3) {
        p.total = c->out[2].data;
        p.blocks = blocks_of(p.r.rows);
        /* Blocks must give every thread about as much to do. */
        int64_t longest = (p.blocks + c->threads - 1) / c->threads;
        bool even = c->threads == 1 || longest * c->threads * 4 <= p.blocks * 5;
        /* A column of one class is a row to sum_to. */
        if (even && p.blocks > 0 && p.r.classes > 1) {
            p.sums = p.blocks > 1 ? c->workspace : p.total;
            wg_parallel_for(c->threads, p.blocks, (grain + WG__REDUCE_ROWS - 1) / WG__REDUCE_ROWS,
                            blocks_range, &p);
            if (p.blocks > 1)
                wg_parallel_for(c->threads, p.r.classes, 1 + 65536 / p.blocks, total_range, &p);
            return WG_OK;
        }
    }
    wg_parallel_for(c->threads, p.r.rows, grain, rows_range, &p);
    return c->n_out == 3 ? sum_columns(c, &p) : WG_OK;
}

const wg_op wg__op_cross_entropy_pair = {
    .size = sizeof(wg_op),
    .name = "cross_entropy_pair",
    .version = 1,
    .traits = WG_OP_OPAQUE | WG_OP_INPLACE | WG_OP_NO_GRADIENT,
    .n_in = -1,
    .n_out = -1,
    .infer = wg__infer_placed,
    .kernel = {pair_kernel},
    .workspace = pair_workspace,
    .format = wg__cross_entropy_format,
    .doc = "dx = g (softmax(x + b) - q), y = -sum_v q_v ln softmax(x + b)_v, db = sum of dx",
};
