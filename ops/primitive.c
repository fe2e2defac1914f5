/* oneDNN's matmul primitive with the caller's working memory (oneDNN 2, C interface).
 *
 * The primitive is made for each call: oneDNN keeps the generated code of those that it made before
 * in a cache of its own, so that there is no state of ours between calls. */
#include "bf16.h"

#include "gemm.h"

#ifdef WG_HAVE_ONEDNN
#include <dnnl.h>
#endif

#if defined(WG_HAVE_ONEDNN) && DNNL_VERSION_MAJOR == 2

typedef struct primitive {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    dnnl_primitive_attr_t attr;
    dnnl_primitive_desc_t desc;
    dnnl_primitive_t run;
    dnnl_memory_t memory[4];
    dnnl_memory_desc_t a, b, c;
} primitive;

static void destroy(primitive *p)
{
    for (int i = 0; i < 4; i++)
        if (p->memory[i]) dnnl_memory_destroy(p->memory[i]);
    if (p->run) dnnl_primitive_destroy(p->run);
    if (p->desc) dnnl_primitive_desc_destroy(p->desc);
    if (p->attr) dnnl_primitive_attr_destroy(p->attr);
    if (p->stream) dnnl_stream_destroy(p->stream);
    if (p->engine) dnnl_engine_destroy(p->engine);
}

/* A [rows, columns] matrix, or the transpose of a dense [columns, rows] one. */
static dnnl_status_t matrix(dnnl_memory_desc_t *md, int64_t rows, int64_t columns, bool trans,
                            bool bf16)
{
    const dnnl_dims_t dims = {rows, columns};
    const dnnl_dims_t strides = {trans ? 1 : columns, trans ? rows : 1};
    return dnnl_memory_desc_init_by_strides(md, 2, dims, bf16 ? dnnl_bf16 : dnnl_f32, strides);
}

static dnnl_status_t describe(primitive *p, const wg__primitive_product *q)
{
    dnnl_matmul_desc_t desc;
    dnnl_status_t s = dnnl_engine_create(&p->engine, dnnl_cpu, 0);
    if (!s) s = matrix(&p->a, q->m, q->k, q->trans_a, q->bf16);
    if (!s) s = matrix(&p->b, q->k, q->n, q->trans_b, q->bf16);
    if (!s) s = matrix(&p->c, q->m, q->n, false, false);
    if (!s) s = dnnl_matmul_desc_init(&desc, &p->a, &p->b, NULL, &p->c);
    if (!s) s = dnnl_primitive_attr_create(&p->attr);
    if (!s) s = dnnl_primitive_attr_set_scratchpad_mode(p->attr, dnnl_scratchpad_mode_user);
    if (!s) s = dnnl_primitive_desc_create(&p->desc, &desc, p->attr, p->engine, NULL);
    return s;
}

static const dnnl_memory_desc_t *scratchpad(const primitive *p)
{
    return dnnl_primitive_desc_query_md(p->desc, dnnl_query_scratchpad_md, 0);
}

size_t wg__primitive_scratchpad(const wg__primitive_product *q, int threads)
{
    primitive p = {0};
    int before = wg_library_threads_enter(threads);
    size_t bytes = describe(&p, q) == dnnl_success ? dnnl_memory_desc_get_size(scratchpad(&p)) : 0;
    destroy(&p);
    wg_library_threads_leave(before);
    return bytes;
}

static dnnl_status_t bind(primitive *p, int i, int arg, const dnnl_memory_desc_t *md,
                          const void *data, dnnl_exec_arg_t *out)
{
    /* oneDNN writes to its destination and scratchpad only. */
    dnnl_status_t s = dnnl_memory_create(&p->memory[i], md, p->engine, (void *)(uintptr_t)data);
    *out = (dnnl_exec_arg_t){arg, p->memory[i]};
    return s;
}

wg_status wg__primitive_run(const wg__primitive_product *q, int threads, wg_error *err)
{
    primitive p = {0};
    dnnl_exec_arg_t args[4];
    wg_status status = WG_OK;
    int before = wg_library_threads_enter(threads);
    dnnl_status_t s = describe(&p, q);
    size_t wanted = s ? 0 : dnnl_memory_desc_get_size(scratchpad(&p));
    if (wanted > q->scratchpad_size) {
        status = wg_error_set(err, WG_EINTERNAL, "oneDNN wants %zu bytes to work in, planned %zu",
                              wanted, q->scratchpad_size);
        goto done;
    }
    if (!s) s = dnnl_primitive_create(&p.run, p.desc);
    if (!s) s = dnnl_stream_create(&p.stream, p.engine, dnnl_stream_default_flags);
    if (!s) s = bind(&p, 0, DNNL_ARG_SRC, &p.a, q->a, &args[0]);
    if (!s) s = bind(&p, 1, DNNL_ARG_WEIGHTS, &p.b, q->b, &args[1]);
    if (!s) s = bind(&p, 2, DNNL_ARG_DST, &p.c, q->c, &args[2]);
    if (!s && wanted) s = bind(&p, 3, DNNL_ARG_SCRATCHPAD, scratchpad(&p), q->scratchpad, &args[3]);
    if (!s) s = dnnl_primitive_execute(p.run, p.stream, wanted ? 4 : 3, args);
    if (!s) s = dnnl_stream_wait(p.stream);
    if (s == dnnl_out_of_memory)
        status = wg_error_set(err, WG_ENOMEM, "matmul: oneDNN is out of memory");
    else if (s == dnnl_unimplemented)
        status = wg_error_set(err, WG_ENOTSUP, "matmul: oneDNN has no such product for this CPU");
    else if (s)
        status = wg_error_set(err, WG_EINTERNAL, "matmul: oneDNN failed with status %d", (int)s);
done:
    destroy(&p);
    wg_library_threads_leave(before);
    return status;
}

#else

size_t wg__primitive_scratchpad(const wg__primitive_product *q, int threads)
{
    (void)q;
    (void)threads;
    return 0;
}

wg_status wg__primitive_run(const wg__primitive_product *q, int threads, wg_error *err)
{
    (void)q;
    (void)threads;
    return wg_error_set(err, WG_ENOTSUP, "matmul: built without oneDNN 2");
}

#endif
