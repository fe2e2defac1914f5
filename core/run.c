/* The executor: walks a frame's instructions, loops included, and calls a backend for each. It
 * allocates nothing. */
#include <stdio.h>
#include <string.h>

#include "exec.h"

/* ---- instructions ---- */

static void *resolve(const wg__frame *f, wg__loc loc)
{
    unsigned char *base = loc.bind < 0 ? f->arena : f->bind[loc.bind];
    return base + loc.offset;
}

static wg_status fail(const wg__instr *i, wg_status status, wg_error *err, const wg_error *why)
{
    const char *name = i->op ? i->op->name : "kernel";
    const char *text = why->message[0] ? why->message : wg_strerror(status);
    if (i->scope && i->scope[0])
        return wg_error_set(err, status, "%s '%s': %s", name, i->scope, text);
    return wg_error_set(err, status, "%s: %s", name, text);
}

static wg_status run_kernel(wg__frame *f, wg__instr *i, wg__run *run)
{
    wg_error why = {WG_OK, ""};
    wg_kernel c = {.size = sizeof c,
                   .n_in = i->n_in,
                   .n_out = i->n_out,
                   .in = i->in,
                   .out = i->out,
                   .attr = i->attr,
                   .attr_size = i->attr_size,
                   .workspace = i->workspace_size ? f->arena + i->workspace : NULL,
                   .workspace_size = i->workspace_size,
                   .threads = run->threads,
                   .isa = run->isa,
                   .err = &why};
    if (f->touched && i->op->traits & WG_OP_TOUCHES && i->out_loc[0].bind >= 0)
        c.touched = f->touched[i->out_loc[0].bind];
    wg_status (*kernel)(wg_kernel * c) = i->op->kernel[run->backend->slot];
    if (!kernel) {
        wg_error_set(&why, WG_ENOTSUP, "the op has no kernel for the backend '%s'",
                     run->backend->name);
        return fail(i, WG_ENOTSUP, run->err, &why);
    }
    if (i->op->traits & WG_OP_PRODUCT) run->products++;
    wg_status status = kernel(&c);
    return status == WG_OK ? WG_OK : fail(i, status, run->err, &why);
}

static wg_status run_watch(const wg__frame *f, const wg__instr *i, const wg__run *run)
{
    if (!run->watch) return WG_OK;
    wg_tensor *t = NULL;
    wg_status status = wg_tensor_new(i->in[0].dtype, i->in[0].shape, &t, run->err);
    if (status != WG_OK) return status;
    wg_view out = i->in[0];
    for (int64_t k = out.shape.rank - 1, run_of = 1; k >= 0; run_of *= out.shape.dim[k--])
        out.stride[k] = run_of;
    out.data = wg_tensor_data(t);
    run->backend->to_host(&i->in[0], &out, run);
    status = run->backend->synchronize(run->err);
    if (status == WG_OK) run->watch(run->watch_user, i->watch, f->time, t);
    wg_tensor_free(t);
    return status;
}

/* State k in its stack: number n of steps + 1. */
static void *stacked_state(const wg__frame *f, const wg__loop *l, int k, int64_t n)
{
    return f->arena + l->carry_stack[k] + n * (int64_t)l->carry_bytes[k];
}

/* Is every row there at step t? */
static bool none_masked(const wg__instr *i, const wg__loop *l, int64_t t)
{
    for (int k = 0; k < l->n_masks; k++) {
        const wg_view *m = &i->in[l->mask[k]];
        const unsigned char *row = (const unsigned char *)m->data + t * m->stride[0];
        if (memchr(row, 0, (size_t)m->shape.dim[1])) return false;
    }
    return l->n_masks > 0;
}

static wg_status run_loop(wg__frame *f, wg__instr *i, wg__run *run)
{
    wg__loop *l = i->loop;
    wg__frame *body = &l->body;
    body->arena = f->arena + l->arena;
    for (int k = 0; k < l->n_const; k++)
        body->bind[l->constant[k].bind] = i->in[l->constant[k].outer].data;
    for (int k = 0; k < l->n_sum; k++) {
        wg_view *s = &i->out[l->sum[k].outer];
        body->bind[l->sum[k].bind] = s->data;
        run->backend->zero(s->data, (size_t)wg_shape_count(&s->shape) * wg_dtype_size(s->dtype),
                           run);
    }
    /* States alternate between the result and a scratch buffer so that the last step writes the
     * result. */
    for (int k = 0; k < l->n_carry; k++) {
        wg_view *out = &i->out[l->carry_out[k]], start = *out;
        if (l->carry_stack[k] >= 0)
            start.data = stacked_state(f, l, k, l->reverse ? l->steps : 0);
        else if (l->steps % 2)
            start.data = f->arena + l->carry_scratch[k];
        run->backend->copy(&i->in[l->carry_in[k]], &start, run);
    }
    int32_t time;
    body->bind[l->time_bind] = &time;
    for (int64_t s = 0; s < l->steps; s++) {
        int64_t t = l->reverse ? l->steps - 1 - s : s;
        time = (int32_t)t;
        body->time = t;
        for (int k = 0; k < l->n_seq; k++)
            body->bind[l->seq[k].bind] =
                (unsigned char *)i->in[l->seq[k].outer].data + t * l->seq[k].step;
        for (int k = 0; k < l->n_y; k++)
            body->bind[l->y[k].bind] =
                (unsigned char *)i->out[l->y[k].outer].data + t * l->y[k].step;
        bool into_result = (l->steps - 1 - s) % 2 == 0;
        for (int k = 0; k < l->n_carry; k++) {
            if (l->carry_stack[k] >= 0) {
                body->bind[l->carry_read[k]] = stacked_state(f, l, k, t + l->reverse);
                body->bind[l->carry_write[k]] = stacked_state(f, l, k, t + !l->reverse);
                continue;
            }
            void *result = i->out[l->carry_out[k]].data, *other = f->arena + l->carry_scratch[k];
            body->bind[l->carry_read[k]] = into_result ? other : result;
            body->bind[l->carry_write[k]] = into_result ? result : other;
        }
        wg__frame *steps = body;
        if (none_masked(i, l, t)) {
            steps = &l->unmasked;
            steps->arena = body->arena;
            steps->time = t;
            memcpy(steps->bind, body->bind, ((size_t)l->time_bind + 1) * sizeof *steps->bind);
        }
        wg_status status = wg__frame_run(steps, run);
        if (status != WG_OK) return status;
    }
    return WG_OK;
}

wg_status wg__frame_run(wg__frame *f, wg__run *run)
{
    for (int32_t k = 0; k < f->n_instr; k++) {
        wg__instr *i = &f->instr[k];
        for (int j = 0; j < i->n_in; j++) i->in[j].data = resolve(f, i->in_loc[j]);
        for (int j = 0; j < i->n_out; j++) i->out[j].data = resolve(f, i->out_loc[j]);
        wg_status status = WG_OK;
        run->kernels++;
        switch (i->kind) {
        case WG__KERNEL: status = run_kernel(f, i, run); break;
        case WG__FUSED:
            run->backend->fused(i->fused, i->in, i->out,
                                i->workspace_size ? f->arena + i->workspace : NULL, run);
            break;
        case WG__COPY: run->backend->copy(&i->in[0], &i->out[0], run); break;
        case WG__ACCUM: run->backend->accumulate(&i->in[0], &i->out[0], run); break;
        case WG__LOOP: status = run_loop(f, i, run); break;
        case WG__WATCH: status = run_watch(f, i, run); break;
        }
        if (status != WG_OK) return status;
    }
    return WG_OK;
}
