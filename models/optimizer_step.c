/* A step of an optimiser: one pass for the norm, clipped and not, one for the update, each over
 * those elements of the arena only whose gradient may differ from zero, where that gives the same
 * bits. */
#include "optimizer_internal.h"

#include <wengert/parallel.h>

#include <math.h>

#include "flat.h"

/* Passes are cut among threads no finer than this. */
enum { GRAIN = 32768 };

/* ---- which blocks ---- */

/* Lists the blocks of the arena in which a gradient may differ from zero. */
static void find_active(wg_optimizer *o)
{
    int64_t n = wg_tensor_count(wg_params_grads(o->params)), begin;
    o->n_active = o->n_elements = 0;
    for (int64_t at = 0; wg_params_touched(o->params, at, n, &begin, &at);)
        while (begin < at) {
            int64_t number = begin / WG__BLOCK, end = (number + 1) * WG__BLOCK;
            if (end > at) end = at;
            if (o->n_active == 0 || o->block[o->n_active - 1].number != number)
                o->block[o->n_active++] =
                    (wg__active_block){.number = number, .before = o->n_elements};
            o->n_elements += end - begin;
            begin = end;
        }
}

/* A pass over the parts of active blocks, spread over threads by what is in them: `part` is called
 * for each, `whole` after those of a block. */
typedef struct pass {
    wg_optimizer *o;
    void (*part)(struct pass *p, void *block_state, int64_t begin, int64_t end);
    void (*whole)(struct pass *p, const void *block_state, wg__active_block *block);
    wg__flat_grad grad;
    const void *g;
    wg__flat_update update;
} pass;

/* Elements [begin, end) in the order of the active blocks: those blocks that start among them. */
static void run_blocks(void *user, int64_t begin, int64_t end, int worker)
{
    (void)worker;
    pass *p = user;
    const wg_optimizer *o = p->o;
    int64_t n = wg_tensor_count(wg_params_grads(o->params)), low = 0, high = o->n_active;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (o->block[middle].before < begin)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < o->n_active && o->block[low].before < end; low++) {
        wg__active_block *block = &o->block[low];
        int64_t at = block->number * WG__BLOCK, to = at + WG__BLOCK, first;
        wg__flat_sums sums = {{0}, {0}};
        if (to > n) to = n;
        while (wg_params_touched(o->params, at, to, &first, &at)) p->part(p, &sums, first, at);
        if (p->whole) p->whole(p, &sums, block);
    }
}

/* ---- norm ---- */

static void squares_part(pass *p, void *sums, int64_t begin, int64_t end)
{
    wg__flat_squares(wg_params_dtype(p->o->params), p->g, begin, end, &p->grad, sums);
}

static void squares_whole(pass *p, const void *sums, wg__active_block *block)
{
    block->plain = wg__flat_sum(((const wg__flat_sums *)sums)->plain);
    block->plain = block->plain * p->grad.scale * p->grad.scale;
    block->clipped = wg__flat_sum(((const wg__flat_sums *)sums)->clipped);
}

/* The norm of the scaled gradient, and of what clipping it by value leaves where that is asked
 * for. The order of additions is that of the whole arena: zeros left out of it change no bit. */
static double norm(wg_optimizer *o, double scale, double limit, double *clipped)
{
    pass p = {.o = o,
              .part = squares_part,
              .whole = squares_whole,
              .g = wg_tensor_cdata(wg_params_grads(o->params)),
              .grad = {.scale = scale, .limit = limit, .factor = 1}};
    double plain = 0, rest = 0;
    find_active(o);
    wg_parallel_for(o->options.threads, o->n_elements, GRAIN, run_blocks, &p);
    for (int64_t b = 0; b < o->n_active; b++) {
        plain += o->block[b].plain;
        rest += o->block[b].clipped;
    }
    if (clipped) *clipped = sqrt(rest);
    return sqrt(plain);
}

double wg_optimizer_gradient_norm(wg_optimizer *optimizer, double count)
{
    return norm(optimizer, 1 / count, INFINITY, NULL);
}

/* ---- update ---- */

static void update_part(pass *p, void *unused, int64_t begin, int64_t end)
{
    (void)unused;
    wg_dtype dtype = wg_params_dtype(p->o->params);
    wg_optimizer_kind kind = p->o->options.kind;
    if (kind == WG_OPTIMIZER_SGD)
        wg__flat_sgd(dtype, &p->update, begin, end);
    else if (kind == WG_OPTIMIZER_MOMENTUM)
        wg__flat_momentum(dtype, &p->update, begin, end);
    else
        wg__flat_adam(dtype, &p->update, begin, end);
}

/* Elements, or rows of a lazy parameter, from `first` on. */
typedef struct range_pass {
    pass *p;
    int64_t first, width;
} range_pass;

static void update_range(void *user, int64_t begin, int64_t end, int worker)
{
    (void)worker;
    const range_pass *r = user;
    update_part(r->p, NULL, r->first + begin, r->first + end);
}

/* Rows whose gradient is zero are left alone: by what it is, so that it does not matter who wrote
 * it; those that cannot differ from zero are not looked at. */
static void update_rows(void *user, int64_t begin, int64_t end, int worker)
{
    (void)worker;
    const range_pass *r = user;
    const wg_params *params = r->p->o->params;
    int64_t at = r->first + begin * r->width, to = r->first + end * r->width, first, next = begin;
    while (wg_params_touched(params, at, to, &first, &at)) {
        int64_t row = (first - r->first) / r->width;
        for (row = row > next ? row : next; row * r->width < at - r->first; row++) {
            int64_t from = r->first + row * r->width;
            if (wg__flat_any(wg_params_dtype(params), r->p->g, from, from + r->width))
                update_part(r->p, NULL, from, from + r->width);
        }
        next = row;
    }
}

static void update(wg_optimizer *o, double lr, const wg__flat_grad *grad)
{
    const wg_optimizer_options *c = &o->options;
    double t = (double)++o->steps;
    wg_tensor *w = wg_params_values(o->params);
    const char *g = wg_tensor_cdata(wg_params_grads(o->params));
    size_t size = wg_dtype_size(wg_params_dtype(o->params));
    pass p = {.o = o,
              .part = update_part,
              .g = g,
              .update = {.w = wg_tensor_data(w),
                         .g = g,
                         .m = o->m ? wg_tensor_data(o->m) : NULL,
                         .v = o->v ? wg_tensor_data(o->v) : NULL,
                         .grad = *grad,
                         .lr = lr,
                         .keep = 1 - lr * c->weight_decay,
                         .momentum = c->momentum,
                         .nesterov = c->nesterov,
                         .beta1 = c->beta1,
                         .beta2 = c->beta2,
                         .epsilon = c->epsilon,
                         .correct1 = 1 / (1 - pow(c->beta1, t)),
                         .correct2 = 1 / sqrt(1 - pow(c->beta2, t))}};
    if (c->kind == WG_OPTIMIZER_SGD && p.update.keep == 1) {
        /* w - lr 0 is w: the blocks are those of the norm just taken. */
        wg_parallel_for(c->threads, o->n_elements, GRAIN, run_blocks, &p);
        return;
    }
    range_pass r = {.p = &p};
    for (int i = 0; i < wg_params_count(o->params); i++) {
        const wg_tensor *row = wg_params_grad(o->params, i);
        if (!o->lazy[i] || wg_tensor_count(row) == 0) continue;
        int64_t first = (int64_t)((size_t)((const char *)wg_tensor_cdata(row) - g) / size);
        wg_parallel_for(c->threads, first - r.first, GRAIN, update_range, &r);
        r.first = first;
        r.width = wg_tensor_shape(row).dim[1];
        wg_parallel_for(c->threads, wg_tensor_shape(row).dim[0], 1 + GRAIN / r.width, update_rows,
                        &r);
        r.first += wg_tensor_count(row);
    }
    wg_parallel_for(c->threads, wg_tensor_count(w) - r.first, GRAIN, update_range, &r);
}

wg_status wg_optimizer_step(wg_optimizer *o, double lr, double count, wg_optimizer_result *result,
                            wg_error *err)
{
    const wg_optimizer_options *c = &o->options;
    wg_optimizer_result r = {.factor = 1};
    if (c->hook) {
        wg_status status = c->hook(c->hook_user, wg_params_grads(o->params), &count, err);
        if (status) return status;
    }
    if (!(lr >= 0) || isinf(lr))
        return wg_error_set(err, WG_EINVAL, "optimiser: a learning rate of %g cannot be", lr);
    if (!(count > 0) || isinf(count))
        return wg_error_set(err, WG_EINVAL, "optimiser: a count of %g cannot be", count);
    wg__flat_grad grad = {.scale = 1 / count, .limit = INFINITY, .factor = 1};
    if (c->clip_value > 0) grad.limit = c->clip_value;
    double left;
    r.norm = norm(o, grad.scale, c->clip_norm > 0 ? grad.limit : INFINITY, &left);
    if (!isfinite(r.norm)) {
        r.skipped = true;
        o->skipped++;
        if (result) *result = r;
        if (c->fail_not_finite)
            return wg_error_set(err, WG_ENUMERIC, "the gradient's norm is %g", r.norm);
        return WG_OK;
    }
    if (!(c->clip_value > 0)) left = r.norm;
    if (c->clip_norm > 0) grad.factor = fmin(1, c->clip_norm / (left + 1e-6));
    r.factor = grad.factor;
    update(o, lr, &grad);
    if (result) *result = r;
    return WG_OK;
}
