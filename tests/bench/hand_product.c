/* Products of the hand-written step. */
#include "hand_product.h"

#include <cblas.h>
#include <string.h>

#include <wengert/memory.h>

#include "bench.h"

#ifdef WG_HAVE_ONEDNN
#include <dnnl.h>
#endif
#ifdef _OPENMP
#include <omp.h>
#endif

typedef enum choice { CBLAS, CBLAS_COPY, ONEDNN, ONEDNN_COPY, PACKED, CHOICES } choice;
static const char *const names[CHOICES] = {"CBLAS", "CBLAS on a transposed copy", "oneDNN",
                                           "oneDNN on a transposed copy", "oneDNN, packed"};

struct hand_product {
    hand_shape s;
    choice choice;
    float *copy; /* b transposed to [k,n] */
#ifdef WG_HAVE_ONEDNN
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    dnnl_primitive_t product, pack;
    dnnl_memory_t a, b, plain, c; /* b as the product wants it, `plain` as it lies */
#endif
};

#ifdef WG_HAVE_ONEDNN
static bool describe(dnnl_memory_desc_t *d, int64_t rows, int64_t columns, dnnl_format_tag_t tag)
{
    const dnnl_dims_t dims = {rows, columns};
    return dnnl_memory_desc_init_by_tag(d, 2, dims, dnnl_f32, tag) == dnnl_success;
}

/* A primitive that is told the form of b by the library. False where it cannot be had. */
static bool make_packed(hand_product *p)
{
    const hand_shape *s = &p->s;
    dnnl_memory_desc_t a, b, plain, c;
    dnnl_matmul_desc_t product;
    dnnl_primitive_attr_t attr = NULL;
    dnnl_post_ops_t sum = NULL;
    dnnl_primitive_desc_t form = NULL, pack = NULL;
    bool ok = describe(&a, s->m, s->k, dnnl_ab) && describe(&b, s->k, s->n, dnnl_format_tag_any) &&
              describe(&plain, s->k, s->n, s->trans_b ? dnnl_ba : dnnl_ab) &&
              describe(&c, s->m, s->n, dnnl_ab) && !dnnl_engine_create(&p->engine, dnnl_cpu, 0) &&
              !dnnl_stream_create(&p->stream, p->engine, dnnl_stream_default_flags) &&
              !dnnl_matmul_desc_init(&product, &a, &b, NULL, &c) &&
              !dnnl_primitive_attr_create(&attr) && !dnnl_post_ops_create(&sum) &&
              (!s->add || !dnnl_post_ops_append_sum(sum, 1.0F)) &&
              !dnnl_primitive_attr_set_post_ops(attr, sum) &&
              !dnnl_primitive_desc_create(&form, &product, attr, p->engine, NULL) &&
              !dnnl_primitive_create(&p->product, form);
    if (ok) {
        const dnnl_memory_desc_t *wanted =
            dnnl_primitive_desc_query_md(form, dnnl_query_weights_md, 0);
        ok = wanted && !dnnl_memory_create(&p->a, &a, p->engine, DNNL_MEMORY_NONE) &&
             !dnnl_memory_create(&p->b, wanted, p->engine, DNNL_MEMORY_ALLOCATE) &&
             !dnnl_memory_create(&p->plain, &plain, p->engine, DNNL_MEMORY_NONE) &&
             !dnnl_memory_create(&p->c, &c, p->engine, DNNL_MEMORY_NONE) &&
             !dnnl_reorder_primitive_desc_create(&pack, &plain, p->engine, wanted, p->engine,
                                                 NULL) &&
             !dnnl_primitive_create(&p->pack, pack);
    }
    dnnl_primitive_desc_destroy(pack);
    dnnl_primitive_desc_destroy(form);
    dnnl_post_ops_destroy(sum);
    dnnl_primitive_attr_destroy(attr);
    return ok;
}

static void pack(hand_product *p, const float *b)
{
    union {
        const float *in;
        void *out;
    } data = {.in = b};
    const dnnl_exec_arg_t args[2] = {{DNNL_ARG_FROM, p->plain}, {DNNL_ARG_TO, p->b}};
    dnnl_memory_set_data_handle(p->plain, data.out);
    dnnl_primitive_execute(p->pack, p->stream, 2, args);
}

static void run_packed(hand_product *p, const float *a, float *c)
{
    union {
        const float *in;
        void *out;
    } data = {.in = a};
    const dnnl_exec_arg_t args[3] = {
        {DNNL_ARG_SRC, p->a}, {DNNL_ARG_WEIGHTS, p->b}, {DNNL_ARG_DST, p->c}};
    dnnl_memory_set_data_handle(p->a, data.out);
    dnnl_memory_set_data_handle(p->c, c);
    dnnl_primitive_execute(p->product, p->stream, 3, args);
}

static void drop_packed(hand_product *p)
{
    dnnl_memory_destroy(p->a);
    dnnl_memory_destroy(p->b);
    dnnl_memory_destroy(p->plain);
    dnnl_memory_destroy(p->c);
    dnnl_primitive_destroy(p->pack);
    dnnl_primitive_destroy(p->product);
    dnnl_stream_destroy(p->stream);
    dnnl_engine_destroy(p->engine);
    p->a = p->b = p->plain = p->c = NULL;
    p->pack = p->product = NULL;
    p->stream = NULL;
    p->engine = NULL;
}
#endif

void hand_product_free(hand_product *p)
{
    if (!p) return;
#ifdef WG_HAVE_ONEDNN
    drop_packed(p);
#endif
    wg_free(p->copy);
    wg_free(p);
}

const char *hand_product_choice(const hand_product *p)
{
    return names[p->choice];
}

/* [n,k] to [k,n], by squares that stay in cache. */
static void transpose(const float *from, int64_t n, int64_t k, float *to)
{
    enum { SIDE = 32 };
    for (int64_t i0 = 0; i0 < n; i0 += SIDE)
        for (int64_t j0 = 0; j0 < k; j0 += SIDE)
            for (int64_t j = j0; j < j0 + SIDE && j < k; j++)
                for (int64_t i = i0; i < i0 + SIDE && i < n; i++) to[j * n + i] = from[i * k + j];
}

void hand_product_prepare(hand_product *p, const float *b)
{
    if (p->choice == CBLAS_COPY || p->choice == ONEDNN_COPY) transpose(b, p->s.n, p->s.k, p->copy);
#ifdef WG_HAVE_ONEDNN
    if (p->choice == PACKED) pack(p, b);
#endif
}

void hand_product_run(hand_product *p, const float *a, const float *b, float *c)
{
    const hand_shape *s = &p->s;
    bool copied = p->choice == CBLAS_COPY || p->choice == ONEDNN_COPY;
    bool trans_b = s->trans_b && !copied;
    int64_t lda = s->trans_a ? s->m : s->k, ldb = trans_b ? s->k : s->n;
    if (copied) b = p->copy;
#ifdef WG_HAVE_ONEDNN
    if (p->choice == PACKED) {
        run_packed(p, a, c);
        return;
    }
    if (p->choice == ONEDNN || p->choice == ONEDNN_COPY) {
        dnnl_sgemm(s->trans_a ? 'T' : 'N', trans_b ? 'T' : 'N', s->m, s->n, s->k, 1.0F, a, lda, b,
                   ldb, s->add ? 1.0F : 0.0F, c, s->n);
        return;
    }
#endif
    cblas_sgemm(CblasRowMajor, s->trans_a ? CblasTrans : CblasNoTrans,
                trans_b ? CblasTrans : CblasNoTrans, (int)s->m, (int)s->n, (int)s->k, 1.0F, a,
                (int)lda, b, (int)ldb, s->add ? 1.0F : 0.0F, c, (int)s->n);
}

/* Seconds of one product by the choice, its share of preparing b included. */
static double attempt(hand_product *p, const float *a, const float *b, float *c)
{
    int64_t uses = p->s.uses < 10 ? p->s.uses : 10;
    double start = bench_seconds();
    hand_product_prepare(p, b);
    double prepared = bench_seconds();
    for (int64_t i = 0; i < uses; i++) hand_product_run(p, a, b, c);
    double ended = bench_seconds();
    return (prepared - start) / (double)p->s.uses + (ended - prepared) / (double)uses;
}

static bool possible(hand_product *p, choice c)
{
    if (c == CBLAS) return true;
    if (c == CBLAS_COPY) return p->s.trans_b;
#ifdef WG_HAVE_ONEDNN
    if (c == ONEDNN) return true;
    if (c == ONEDNN_COPY) return p->s.trans_b;
    return !p->s.trans_a && make_packed(p);
#else
    return false;
#endif
}

wg_status hand_product_new(const hand_shape *shape, int threads, hand_product **out, wg_error *err)
{
#ifdef _OPENMP
    omp_set_num_threads(threads);
#else
    (void)threads;
#endif
    *out = NULL;
    size_t in_a = (size_t)(shape->m * shape->k), in_b = (size_t)(shape->k * shape->n),
           in_c = (size_t)(shape->m * shape->n);
    hand_product *p = wg_calloc(1, sizeof *p);
    float *a = wg_calloc(in_a + in_b + in_c, sizeof *a);
    if (p) {
        p->s = *shape;
        p->copy = shape->trans_b ? wg_malloc(in_b * sizeof *p->copy) : NULL;
    }
    if (!p || !a || (shape->trans_b && !p->copy)) {
        wg_free(a);
        hand_product_free(p);
        return wg_error_set(err, WG_ENOMEM, "no memory for a product");
    }
    for (size_t i = 0; i < in_a + in_b; i++) a[i] = (float)(i % 7) * 0.125F - 0.375F;
    /* By turns, so that a slow moment of the machine does not fall on one choice alone. */
    bool can[CHOICES];
    double least[CHOICES];
    choice best = CBLAS;
    for (int k = 0; k < CHOICES; k++) {
        can[k] = possible(p, (choice)k);
        least[k] = 1e30;
    }
    for (int round = 0; round < 8; round++) {
        for (int k = 0; k < CHOICES; k++) {
            if (!can[k]) continue;
            p->choice = (choice)k;
            double taken = attempt(p, a, a + in_a, a + in_a + in_b);
            if (round > 0 && taken < least[k]) least[k] = taken;
        }
    }
    for (int k = 0; k < CHOICES; k++)
        if (least[k] < least[best]) best = (choice)k;
    p->choice = best;
#ifdef WG_HAVE_ONEDNN
    if (best != PACKED) drop_packed(p);
#endif
    wg_free(a);
    *out = p;
    return WG_OK;
}
