/* Programs: the explicit interface (bind, run, read) over what compile.c has made. */
#include <string.h>

#include "compile.h"
#include "track.h"

void wg_program_free(wg_program *p)
{
    if (!p) return;
    for (int32_t i = 0; i < p->n_out && p->own; i++) wg_tensor_free(p->own[i]);
    if (p->memory) p->backend->free(p->memory);
    wg_workspace_free(p->workspace);
    wg__arena_free(&p->arena);
    wg_free(p);
}

void *wg__program_memory(wg_program *p)
{
    if (!p->memory) p->memory = p->backend->alloc(p->frame.arena_bytes + 64);
    return p->memory;
}

static wg_status check_type(const char *what, const char *name, wg_type want, const wg_tensor *t,
                            wg_error *err)
{
    char a[160], b[160];
    wg_shape s = wg_tensor_shape(t);
    if (wg_tensor_dtype(t) == want.dtype && wg_shape_equal(&s, &want.shape)) return WG_OK;
    return wg_error_set(err, WG_ESHAPE, "%s '%s' is %s%s, the tensor %s%s", what, name,
                        wg_dtype_name(want.dtype), wg_shape_format(&want.shape, a, sizeof a),
                        wg_dtype_name(wg_tensor_dtype(t)), wg_shape_format(&s, b, sizeof b));
}

wg_status wg_program_bind(wg_program *p, const char *name, wg_tensor *tensor, wg_error *err)
{
    if (!p || !name || !tensor)
        return wg_error_set(err, WG_EINVAL, "wg_program_bind: program, name or tensor is NULL");
    for (int32_t i = 0; i < p->n_inputs; i++) {
        if (!p->inputs[i].name || strcmp(p->inputs[i].name, name) != 0) continue;
        wg_status status = check_type("input", name, p->inputs[i].type, tensor, err);
        if (status == WG_OK) p->inputs[i].tensor = tensor;
        return status;
    }
    return wg_error_set(err, WG_ENOTFOUND, "the program has no input '%s' (or does not use it)",
                        name);
}

wg_status wg_program_bind_output(wg_program *p, int i, wg_tensor *tensor, wg_error *err)
{
    if (!p || i < 0 || i >= p->n_out)
        return wg_error_set(err, WG_EINVAL, "wg_program_bind_output: no output %d", i);
    if (tensor) {
        wg_status status = check_type("output", "", p->out_types[i], tensor, err);
        if (status != WG_OK) return status;
    }
    p->user[i] = tensor;
    return WG_OK;
}

/* Would writing output i while the program runs change an input, or another output? */
static bool overlaps(const wg_program *p, int32_t i)
{
    const char *a = wg_tensor_cdata(p->user[i]), *end = a + wg_tensor_bytes(p->user[i]);
    for (int32_t k = 0; k < p->n_inputs; k++) {
        const char *b = wg_tensor_cdata(p->inputs[k].tensor);
        if (b < end && a < b + wg_tensor_bytes(p->inputs[k].tensor)) return true;
    }
    for (int32_t k = 0; k < i; k++) {
        if (!p->user[k]) continue;
        const char *b = wg_tensor_cdata(p->user[k]);
        if (b < end && a < b + wg_tensor_bytes(p->user[k])) return true;
    }
    return false;
}

wg_status wg_program_run(wg_program *p, wg_error *err)
{
    if (!p) return wg_error_set(err, WG_EINVAL, "wg_program_run: program is NULL");
    for (int32_t i = 0; i < p->n_inputs; i++) {
        if (!p->inputs[i].tensor)
            return wg_error_set(err, WG_ESTATE, "input '%s' is not bound", p->inputs[i].name);
        p->frame.bind[i] = wg__tensor_memory(p->inputs[i].tensor);
    }
    for (int32_t i = 0; i < p->n_out; i++) {
        bool direct = p->user[i] && !overlaps(p, i);
        if (!direct && !p->own[i]) {
            wg_status status =
                wg_tensor_new(p->out_types[i].dtype, p->out_types[i].shape, &p->own[i], err);
            if (status != WG_OK) return status;
        }
        p->frame.bind[p->out_bind[i]] = wg__tensor_memory(direct ? p->user[i] : p->own[i]);
        wg_touched *rows = direct && p->touches[i] ? wg__tensor_rows(p->user[i]) : NULL;
        p->frame.touched[p->out_bind[i]] = rows;
        if (p->user[i] && !rows) wg__tensor_forget(p->user[i]);
    }
    wg__run run = {.backend = p->backend,
                   .threads = p->threads,
                   .isa = p->isa,
                   .err = err,
                   .watch = p->watch,
                   .watch_user = p->watch_user};
    bool shared = p->workspace && !p->workspace->busy;
    size_t bytes = p->frame.arena_bytes + 64;
    p->frame.arena =
        shared ? wg__workspace_enter(p->workspace, p->backend, bytes) : wg__program_memory(p);
    if (!p->frame.arena)
        return wg_error_set(err, WG_ENOMEM, "wg_program_run: no memory for %zu bytes of buffers",
                            bytes);
    wg_status status = wg__frame_run(&p->frame, &run);
    if (status == WG_OK) status = p->backend->synchronize(err);
    if (shared) wg__workspace_leave(p->workspace);
    p->stats.products_a_run = run.products;
    p->stats.kernels_a_run = run.kernels;
    for (int32_t i = 0; i < p->n_out && status == WG_OK; i++)
        if (p->user[i] && wg_tensor_cdata(p->user[i]) != p->frame.bind[p->out_bind[i]]) {
            memcpy(wg__tensor_memory(p->user[i]), wg_tensor_cdata(p->own[i]),
                   wg_tensor_bytes(p->own[i]));
            wg__tensor_forget(p->user[i]); /* what it overlaps may have been told otherwise */
        }
    return status;
}

const wg_tensor *wg_program_output(const wg_program *p, int i)
{
    if (!p || i < 0 || i >= p->n_out) return NULL;
    return p->user[i] ? p->user[i] : p->own[i];
}

void wg_program_get_stats(const wg_program *p, wg_program_stats *stats)
{
    size_t size = stats->size < sizeof *stats ? stats->size : sizeof *stats;
    wg_program_stats all = p->stats;
    all.bytes_held = (int64_t)(sizeof *p + wg__arena_bytes(&p->arena));
    if (p->memory) all.bytes_held += all.bytes_planned;
    for (int32_t i = 0; i < p->n_out; i++)
        if (p->own[i]) all.bytes_held += (int64_t)wg_tensor_bytes(p->own[i]);
    memcpy(stats, &all, size);
    stats->size = size;
}
